//! What the disk has of our groups.
//!
//! At the end of a turn what is new of each group that was touched is given to the disk: entries as they come, the whole state now and then, and what a copy may claim. Under the policy `disk` nothing is confirmed to a master, and
//! nothing acknowledged, before it is kept; under `replicated` nobody waits. What is read back at a start is a copy like any other: it is offered to whoever is the group's master by then.

use std::collections::{BTreeMap, BTreeSet};

use super::follow::Copy;
use super::{Holding, Master};
use crate::entry::Content;
use crate::ids::{Birth, Conn, Term, Ticket};
use crate::keeping::{Durability, Image, Keep, KeptGroup, Standing, image_is_due};
use crate::machine::{Effect, Level};
use crate::names::GroupName;
use crate::peer::Claim;
use crate::super_node::config::NodeLimits;
use crate::super_node::ctx::Ctx;
use crate::super_node::group::{CopyBody, Group};

/// What waits for a ticket: which place of which life it is, and which set of copies counted then, in which time of serving it.
type Awaited = (GroupName, Birth, u64, Option<(Ticket, u64)>);

/// What the disk was given.
#[derive(Debug, Default)]
pub(super) struct Kept {
    groups: BTreeMap<GroupName, KeptSoFar>,
    /// Something of these may be new.
    touched: BTreeSet<GroupName>,
    awaited: BTreeMap<Ticket, Awaited>,
    /// Nothing can be written.
    pub(super) has_trouble: bool,
    /// Copies that were promised, until the disk knows: before that the promise is not given. With the ticket it waits for.
    pledges: BTreeMap<GroupName, Option<Ticket>>,
    /// What is to be confirmed to a master when the disk has it.
    pub(super) unconfirmed: BTreeMap<GroupName, (Conn, Term, u64)>,
}

#[derive(Debug)]
struct KeptSoFar {
    birth: Birth,
    seq: u64,
    since_image: u64,
    standing: Standing,
}

impl From<Claim> for Standing {
    fn from(claim: Claim) -> Standing {
        let Claim { marked, members, promised, given, whole, .. } = claim;
        Standing { marked, members, promised, given, whole }
    }
}

impl Master {
    /// What was kept when this node ran last. Before anything else.
    pub fn restore(&mut self, kept: Vec<KeptGroup>, limits: &NodeLimits) {
        for kept in kept {
            let name = kept.group.clone();
            let standing = kept.standing.clone();
            if let Some(group) = group_of(kept, limits) {
                let Standing { marked, members, promised, given, whole } = standing;
                let copy =
                    Copy::kept(group, Claim { last: Default::default(), marked, members, promised, given, idle: None, whole, doubt: None });
                self.groups.insert(name, Holding::Copy(Box::new(copy)));
            }
        }
    }

    pub(super) fn touch(&mut self, ctx: &Ctx<'_>, name: &GroupName) {
        if ctx.config.durability != Durability::Memory {
            self.kept.touched.insert(name.clone());
            self.flush_at = Some(ctx.now);
        }
    }

    /// A copy is promised to another master: it is said when it is as safe as it has to be.
    pub(super) fn pledge(&mut self, ctx: &Ctx<'_>, name: &GroupName) {
        if ctx.config.durability == Durability::Disk {
            self.kept.pledges.insert(name.clone(), None);
        }
        self.touch(ctx, name);
    }

    /// Whether what a copy has promised may be said.
    pub(super) fn is_pledged(&self, name: &GroupName) -> bool {
        !self.kept.pledges.contains_key(name)
    }

    /// The state is not a continuation of what the disk has.
    pub(super) fn keep_anew(&mut self, ctx: &Ctx<'_>, name: &GroupName) {
        self.kept.groups.remove(name);
        self.touch(ctx, name);
    }

    /// Whether this much of a group's life is as safe here as it has to be.
    pub(super) fn keep_what_is_new(&mut self, ctx: &mut Ctx<'_>) {
        for name in std::mem::take(&mut self.kept.touched) {
            let here = match self.groups.get(&name) {
                Some(Holding::Held(held)) => Some((&held.group, held.claim(ctx.me()))),
                Some(Holding::Copy(copy)) if copy.group.is_none() => continue,
                holding => holding.and_then(Holding::copy_here),
            };
            let Some((group, claim)) = here else {
                self.kept.unconfirmed.remove(&name);
                self.kept.pledges.remove(&name);
                if self.kept.groups.remove(&name).is_some() {
                    ctx.effects.push(Effect::Keep { ticket: None, group: name, what: Keep::Drop });
                }
                continue;
            };
            let standing = claim.into();
            let (birth, seq) = (group.birth, group.seq);
            let waits = ctx.config.durability == Durability::Disk;
            let copies = match self.groups.get(&name) {
                Some(Holding::Held(held)) => Some(&held.copies),
                _ => None,
            };
            let is_untold = waits && copies.is_some_and(|copies| copies.kept_number < copies.number);
            let set = copies.map(|copies| (copies.tenure, copies.number));
            let so_far = self.kept.groups.remove(&name).filter(|so_far| so_far.birth == birth);
            let (mut whats, so_far) = what_is_new(group, standing, so_far);
            let is_asked = self.kept.pledges.get(&name) == Some(&None) || self.kept.unconfirmed.contains_key(&name);
            if whats.is_empty() && (is_untold || is_asked) {
                // Nothing new: but when it is on the disk is not known, or someone who was told of it has not heard so.
                whats.push(Keep::Standing(so_far.standing.clone()));
            }
            let count = whats.len();
            for (ix, what) in whats.into_iter().enumerate() {
                let ticket = (waits && ix + 1 == count).then(|| ctx.ids.ticket());
                if let Some(ticket) = ticket {
                    self.kept.awaited.insert(ticket, (name.clone(), birth, seq, set));
                    self.kept.pledges.entry(name.clone()).and_modify(|pledge| *pledge = Some(ticket));
                }
                ctx.effects.push(Effect::Keep { ticket, group: name.clone(), what });
            }
            self.kept.groups.insert(name, so_far);
        }
    }

    /// The disk has it.
    pub fn kept(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        let Some((name, birth, seq, set)) = self.kept.awaited.remove(&ticket) else { return };
        if self.kept.pledges.get(&name) == Some(&Some(ticket)) {
            self.kept.pledges.remove(&name);
            self.unsettled.extend(ctx.placement.master(&name).filter(|master| *master != ctx.me()).cloned());
            self.retry_soon(ctx.now);
            self.try_to_open(ctx, &name);
        }
        match self.groups.get_mut(&name) {
            Some(Holding::Held(held)) if held.group.birth == birth => {
                held.kept = held.kept.max(seq);
                let newer = set.filter(|(tenure, number)| *tenure == held.copies.tenure && *number > held.copies.kept_number);
                held.copies.kept_number = newer.map_or(held.copies.kept_number, |(_, number)| number);
                held.reach(ctx);
                if newer.is_some() {
                    self.tend(ctx, &name);
                }
                self.forget_if_over(ctx, &name);
            }
            Some(Holding::Copy(copy)) if copy.group.as_ref().is_some_and(|group| group.birth == birth) => {
                if let Some((conn, term, upto)) = self.kept.unconfirmed.get(&name).copied() {
                    if upto <= seq {
                        self.kept.unconfirmed.remove(&name);
                    }
                    self.confirm_now(ctx, conn, &name, term, upto.min(seq));
                }
            }
            _ => {}
        }
    }

    /// We have this much of what a master sends; it hears so when it is as safe as it has to be.
    pub(super) fn confirm(&mut self, ctx: &Ctx<'_>, conn: Option<Conn>, name: &GroupName, term: Term, seq: u64) {
        self.touch(ctx, name);
        let Some(conn) = conn else { return };
        if ctx.config.durability == Durability::Disk {
            let waits = self.kept.unconfirmed.entry(name.clone()).or_insert((conn, term, seq));
            *waits = (conn, term, seq.max(waits.2));
        } else {
            self.confirm_now(ctx, conn, name, term, seq);
        }
    }

    /// At the end of the turn, for all groups of a master at once.
    fn confirm_now(&mut self, ctx: &Ctx<'_>, conn: Conn, name: &GroupName, term: Term, seq: u64) {
        let confirmed = self.confirmed.entry(conn).or_default().entry(name.clone()).or_insert((term, seq));
        *confirmed = (term, seq.max(confirmed.1));
        self.flush_at = Some(ctx.now);
    }

    /// Nothing can be written.
    pub fn disk_trouble(&mut self, ctx: &mut Ctx<'_>, why: &str) {
        self.kept.has_trouble = true;
        let means = match ctx.config.durability {
            Durability::Disk => "nothing is acknowledged here until it can",
            _ => "other copies hold what is acknowledged; after a restart of this node its own would be old",
        };
        ctx.log(Level::Error, format!("the group logs can't be written: {why}; {means}"));
    }

    /// Writing goes on. Of these groups something was dropped.
    pub fn disk_well(&mut self, ctx: &mut Ctx<'_>, torn: Vec<GroupName>) {
        self.kept.has_trouble = false;
        ctx.log(Level::Info, format!("the group logs are written again; {} groups are written anew", torn.len()));
        for name in torn {
            self.kept.awaited.retain(|_, (group, ..)| *group != name);
            self.keep_anew(ctx, &name);
        }
    }
}

/// What the disk has to be given, and what it has then.
fn what_is_new(group: &Group, standing: Standing, so_far: Option<KeptSoFar>) -> (Vec<Keep>, KeptSoFar) {
    let mut whats = Vec::new();
    let continued = so_far.and_then(|so_far| Some((group.tail(so_far.seq)?.cloned().collect::<Vec<_>>(), so_far)));
    // What was said before a group was closed is not left on the disk.
    let continued = continued.filter(|(entries, _)| entries.iter().all(|entry| !matches!(entry.content, Content::Close { .. })));
    let (birth, seq) = (group.birth, group.seq);
    let rows = group.rows();
    let (since_image, known) = match continued {
        Some((entries, so_far)) => {
            let since_image = so_far.since_image + entries.len() as u64;
            if !entries.is_empty() {
                whats.push(Keep::Entries(entries));
            }
            (Some(since_image).filter(|since| !image_is_due(*since, rows)), Some(so_far.standing))
        }
        None => {
            whats.push(Keep::Image(Box::new(image_of(group))));
            whats.push(Keep::Entries(group.log().iter().cloned().collect()));
            (Some(0), None)
        }
    };
    let since_image = since_image.unwrap_or_else(|| {
        whats.push(Keep::Image(Box::new(image_of(group))));
        0
    });
    if known.as_ref() != Some(&standing) {
        whats.push(Keep::Standing(standing.clone()));
    }
    whats.retain(|what| !matches!(what, Keep::Entries(entries) if entries.is_empty()));
    (whats, KeptSoFar { birth, seq, since_image, standing })
}

fn image_of(group: &Group) -> Image {
    let last = group.last();
    Image { birth: last.birth, term: last.term, head: group.head(), members: group.member_rows(), counters: group.counter_rows() }
}

/// A group as it was kept; `None` when what was kept does not fit together.
fn group_of(kept: KeptGroup, limits: &NodeLimits) -> Option<Group> {
    let tail: Vec<_> = kept.tail().to_vec();
    let KeptGroup { group: name, image, mut entries, standing } = kept;
    entries.truncate(entries.len() - tail.len());
    let last = crate::peer::Last { birth: image.birth, seq: image.head.seq, term: image.term };
    let body = CopyBody { head: image.head, members: image.members, counters: image.counters, entries };
    let mut group = Group::from_copy(name, standing.promised, last, body, limits)?;
    tail.iter().all(|entry| group.follow(entry)).then_some(group)
}
