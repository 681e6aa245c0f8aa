//! What the directory servers agree on of our groups: told to them until they have, one batch at a time.
//!
//! Told is what changes in a group that accounts have a rank in, a moment later; and of every group once when we begin to serve it and when the directory is in reach again, as its last master, or the directory itself,
//! may have ended in between. What says nothing new costs the servers a look.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Held;
use super::{Holding, Master};
use crate::charter::Charter;
use crate::ids::Ticket;
use crate::names::GroupName;
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter};
use crate::time::Time;
use crate::wire::{Argv, Field};

/// Groups in one batch at most.
const CHARTERS_MAX: usize = 8;
/// What they may weigh together: less than a codec takes in one command. One goes in any case.
const WEIGHT_MAX: usize = 16 << 10;
/// A batch that was not agreed on for so long is said again.
const PATIENCE_MS: u64 = 3_000;
/// Groups that are gone and of which that is still to be told; past it the first are left out, and come back with what they had when someone opens them.
const ENDED_MAX: usize = 10_000;

/// What the settings come to of which nothing is kept.
const VOID: u64 = 0;

/// What is to be told, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Charters {
    due: BTreeSet<GroupName>,
    /// Void ones, of groups that are not here any more.
    ended: BTreeMap<GroupName, Charter>,
    on_their_way: Option<(Ticket, Time, Vec<Charter>)>,
}

impl Charters {
    /// Whether all there was to tell is agreed on.
    pub(super) fn are_told(&self) -> bool {
        self.due.is_empty() && self.ended.is_empty() && self.on_their_way.is_none()
    }

    /// There may be something to tell of a group that is here.
    pub(super) fn note(&mut self, group: &GroupName) {
        if !group.is_person() {
            self.ended.remove(group);
            self.due.insert(group.clone());
        }
    }

    /// A group is not here any more, as nothing of it is worth keeping.
    pub(super) fn note_end(&mut self, held: &Held) {
        self.due.remove(&held.group.name);
        if held.chartered != Some(VOID) && !held.group.name.is_person() {
            self.end(held.group.charter());
        }
    }

    fn end(&mut self, charter: Charter) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_first();
        }
        self.ended.insert(charter.group.clone(), charter);
    }
}

impl Master {
    /// Of all our groups it is to be told anew: the directory may have forgotten.
    pub(super) fn charter_anew(&mut self) {
        for (name, holding) in &mut self.groups {
            if let Holding::Held(held) = holding {
                held.chartered = None;
                self.charters.note(name);
            }
        }
        self.take_back_charters();
    }

    /// What is on its way may not have arrived.
    fn take_back_charters(&mut self) {
        let Some((_, _, charters)) = self.charters.on_their_way.take() else { return };
        for charter in charters {
            match self.groups.get_mut(&charter.group) {
                Some(Holding::Held(held)) => {
                    held.chartered = None;
                    self.charters.note(&charter.group);
                }
                None if charter.is_void() => self.charters.end(charter),
                // Someone else serves it, and tells of it.
                _ => {}
            }
        }
    }

    /// The servers have agreed on a batch.
    pub fn chartered(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        if self.charters.on_their_way.take_if(|(sent, ..)| *sent == ticket).is_some() {
            self.send_charters(ctx);
        }
    }

    /// The next batch, if none is on its way, or for too long.
    pub(super) fn send_charters(&mut self, ctx: &mut Ctx<'_>) {
        match self.charters.on_their_way {
            Some((_, sent, _)) if ctx.now.since_ms(sent) < PATIENCE_MS => return,
            Some(_) => self.take_back_charters(),
            None => {}
        }
        let (mut charters, mut weight) = (Vec::<Charter>::new(), 0);
        while charters.len() < CHARTERS_MAX && weight < WEIGHT_MAX {
            let news = match self.charters.due.pop_first() {
                Some(name) => self.held(&name).and_then(Held::news_of_charter),
                None => match self.charters.ended.pop_first() {
                    Some((_, charter)) => Some(charter),
                    None => break,
                },
            };
            weight += news.as_ref().map_or(0, Charter::weight);
            charters.extend(news);
        }
        if !charters.is_empty() {
            let ticket = ctx.ids.ticket();
            self.charters.on_their_way = Some((ticket, ctx.now, charters.clone()));
            ctx.post.push_back(Letter::Directory(PeerCommand::Charter { ticket, charters }));
        }
    }
}

impl Held {
    /// The charter, if it is not what was told last.
    fn news_of_charter(&mut self) -> Option<Charter> {
        let charter = self.group.charter();
        let mut argv = Argv::default();
        charter.settings.put(&mut argv);
        let comes_to = if charter.is_void() { VOID } else { argv.hash().max(VOID + 1) };
        (self.chartered.replace(comes_to) != Some(comes_to)).then_some(charter)
    }
}
