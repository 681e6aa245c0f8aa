//! Groups whose master is gone are opened by their new one even if nobody asks for them: else whoever was in them at the lost node would be listed for ever.
//!
//! When a node went, and when we came (what did our former life have?), the directory is asked for names, page by page. What is ours by the ring and not held is opened like
//! any group; its members have until the lapse to be shown by their edges, and a group of which nothing is left is forgotten. None of this is urgent: whoever is in a group
//! asks for it by themselves, and a node that leaves hands over. Every answer has the groups of all nodes that are gone, so that a node that comes or dies meanwhile leaves none out.

use std::collections::{BTreeSet, VecDeque};

use super::{Holding, Master};
use crate::ids::Ticket;
use crate::names::{GroupName, NodeKey};
use crate::peer::PeerCommand;
use crate::super_node::ctx::{Ctx, Letter};
use crate::time::{Time, earlier};
use crate::view::View;

/// How long after a change of the ring the directory is asked: handovers and those who are in a group come first.
const PATIENCE_MS: u64 = 3_000;
/// How long an answer may take before the question is asked again.
const ANSWER_MS: u64 = 10_000;
/// Groups that open at a time; the others wait.
const OPENINGS_MAX: usize = 256;
/// How often it is looked whether more may be opened.
const PAUSE_MS: u64 = 100;

/// The search for them.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Whose groups are to be asked for.
    whose: BTreeSet<NodeKey>,
    search: Option<Search>,
    /// Ours, of the page answered last.
    names: VecDeque<GroupName>,
    pub(super) at: Option<Time>,
}

#[derive(Debug)]
struct Search {
    master: NodeKey,
    /// The last name heard: the next page begins behind it.
    after: Option<GroupName>,
    /// The question under way, and since when.
    asked: Option<(Ticket, Time)>,
}

impl Master {
    /// The ring is another than before: who went, or lives another life by now?
    pub fn nodes_went(&mut self, ctx: &mut Ctx<'_>, before: &View) {
        let Some(view) = ctx.placement.view.as_ref().filter(|view| view.node(ctx.me()).is_some()) else { return };
        let is_as_before = |key: &NodeKey, incarnation| view.node(key).is_some_and(|node| node.incarnation == incarnation);
        let went = before.nodes.iter().filter(|node| node.key != *ctx.me() && !is_as_before(&node.key, node.incarnation));
        let went: Vec<NodeKey> = went.map(|node| node.key.clone()).collect();
        if !went.is_empty() {
            self.orphans.whose.extend(went);
            self.seek_orphans_later(ctx);
        }
    }

    /// The directory has us: it may remember groups as ours that we do not hold, and we may have missed who went.
    pub(super) fn seek_our_orphans(&mut self, ctx: &Ctx<'_>) {
        if ctx.config.in_ring {
            let begun = self.orphans.search.take().map(|search| search.master);
            self.orphans.whose.extend(begun.into_iter().chain([ctx.me().clone()]));
            self.seek_orphans_later(ctx);
        }
    }

    fn seek_orphans_later(&mut self, ctx: &Ctx<'_>) {
        self.orphans.at = earlier(self.orphans.at, Some(ctx.now + PATIENCE_MS));
    }

    /// The next page of names.
    pub fn orphans_named(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, groups: Vec<GroupName>) {
        let Some(search) = &mut self.orphans.search else { return };
        if search.asked.take_if(|(asked, _)| *asked == ticket).is_none() {
            return;
        }
        match groups.last().filter(|last| search.after.as_ref().is_none_or(|after| *last > after)) {
            Some(last) => search.after = Some(last.clone()),
            None => self.orphans.search = None,
        }
        // What we have closed and not said yet is no orphan.
        let closed: BTreeSet<&GroupName> = self.farewells.iter().map(|report| &report.group).collect();
        let ours = |name: &GroupName| !name.is_person() && ctx.is_mine(name) && !self.groups.contains_key(name) && !closed.contains(name);
        let ours: Vec<GroupName> = groups.into_iter().filter(ours).collect();
        self.orphans.names.extend(ours);
        self.open_orphans(ctx);
    }

    /// Opens as many as may be, and asks for more when there are none left.
    pub(super) fn open_orphans(&mut self, ctx: &mut Ctx<'_>) {
        self.orphans.at = None;
        while self.openings.len() < OPENINGS_MAX
            && let Some(name) = self.orphans.names.pop_front()
        {
            if ctx.is_mine(&name) && !self.groups.contains_key(&name) {
                self.open(ctx, &name, None);
            }
        }
        if !self.orphans.names.is_empty() {
            self.orphans.at = Some(ctx.now + PAUSE_MS);
            return;
        }
        self.ask_for_orphans(ctx);
    }

    fn ask_for_orphans(&mut self, ctx: &mut Ctx<'_>) {
        let whose = &mut self.orphans.whose;
        let next = || whose.pop_first().map(|master| Search { master, after: None, asked: None });
        let Some(mut search) = self.orphans.search.take().or_else(next) else { return };
        if search.asked.is_none_or(|(_, since)| ctx.now.since_ms(since) >= ANSWER_MS) {
            let ticket = ctx.ids.ticket();
            search.asked = Some((ticket, ctx.now));
            let (master, after) = (search.master.clone(), search.after.clone());
            ctx.post.push_back(Letter::Directory(PeerCommand::Orphans { ticket, master, after }));
        }
        self.orphans.at = search.asked.map(|(_, since)| since + ANSWER_MS);
        self.orphans.search = Some(search);
    }

    /// A group that nobody asks for and of which no copy shows up stays as the directory remembers it for now.
    pub(super) fn give_up_orphan(&mut self, ctx: &Ctx<'_>, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.get(name) else { return };
        if opening.is_wanted() || ctx.now.since_ms(opening.since) < ANSWER_MS + ctx.config.timing.takeover_ms {
            return;
        }
        self.openings.remove(&opening.ticket);
        self.groups.remove(name);
        self.seek_our_orphans(ctx);
    }
}
