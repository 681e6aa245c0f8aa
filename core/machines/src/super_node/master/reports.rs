//! What the directory is told of groups that changed: about once in a second, one batch at a time.

use std::collections::BTreeSet;

use super::Master;
use super::held::Held;
use crate::entry::{MemberRow, Settings};
use crate::ids::{Birth, SessionId, Ticket};
use crate::names::{GroupName, NodeKey};
use crate::peer::{GroupReport, PeerCommand, ROWS_MAX};
use crate::super_node::ctx::{Ctx, Letter};
use crate::super_node::group::{Group, Member};
use crate::time::earlier;

/// Groups in one report to the directory.
const REPORTS_MAX: usize = 8;

/// Farewells that wait for the directory; past it the oldest are left out, and a group that is gone is listed until someone opens it.
const FAREWELLS_MAX: usize = 10_000;

/// What the directory has to be told of a group.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) full: bool,
    pub(super) settings: bool,
    /// The charter may be another: told by itself.
    pub(super) charter: bool,
    pub(super) joined: BTreeSet<SessionId>,
    pub(super) left: BTreeSet<SessionId>,
}

impl Due {
    pub(super) fn is_due(&self) -> bool {
        self.full || self.settings || !self.joined.is_empty() || !self.left.is_empty()
    }
}

impl Master {
    /// The directory has us: everything we hold is told anew.
    pub fn reconnected(&mut self, ctx: &mut Ctx<'_>) {
        (self.report_in_flight, self.farewells_sent) = (None, 0);
        self.charter_anew();
        self.seek_our_orphans(ctx);
        self.report_anew(ctx);
        self.say_again_how_far(ctx);
    }

    /// Everything we hold is told anew.
    pub fn report_anew(&mut self, ctx: &mut Ctx<'_>) {
        for (name, holding) in &mut self.groups {
            if let (super::Holding::Held(held), false) = (holding, name.is_person()) {
                held.due.full = true;
                self.due.insert(name.clone());
            }
        }
        self.report_at = Some(ctx.now);
    }

    pub fn stored(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        if self.report_in_flight == Some(ticket) {
            self.report_in_flight = None;
            self.farewells.drain(..std::mem::take(&mut self.farewells_sent));
            if !self.due.is_empty() || !self.farewells.is_empty() {
                self.report_at = earlier(self.report_at, Some(ctx.now));
            }
        }
    }

    /// A group is gone: nothing of it is worth keeping but its name, until the directory has forgotten it.
    pub(super) fn bid_farewell(&mut self, mut report: GroupReport) {
        report.closed = true;
        report.settings = Settings::new(report.settings.created);
        if self.farewells.len() == FAREWELLS_MAX {
            self.farewells.pop_front();
            self.farewells_sent = self.farewells_sent.saturating_sub(1);
        }
        self.farewells.push_back(report);
    }

    /// Someone comes back into a group before the directory heard that it was gone. What it remembers is out of date: the count goes on, in another life, since nothing is known of what was said.
    pub(super) fn revive(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) -> bool {
        let unsent = self.farewells.iter().skip(self.farewells_sent).position(|report| report.group == *name);
        let Some(report) = unsent.and_then(|ix| self.farewells.remove(self.farewells_sent + ix)) else { return false };
        let birth = Birth(ctx.ids.jitter.draw());
        let mut group = Group::emptied(name.clone(), birth, report.seq, ctx.placement.epoch(), ctx.now, &ctx.config.limits);
        group.in_doubt = self.may_be_elsewhere(ctx, name);
        let now = ctx.now;
        self.begin(ctx, group, |held| held.begin_in_two_places(now));
        true
    }

    /// What is due is told at once.
    pub fn report_now(&mut self, ctx: &mut Ctx<'_>) {
        self.report_at = Some(ctx.now);
        self.send_report(ctx);
        self.send_charters(ctx);
    }

    /// Whether the directory has heard of all there is.
    pub fn is_reported(&self) -> bool {
        self.report_in_flight.is_none() && self.due.is_empty() && self.farewells.is_empty() && self.charters.are_told()
    }

    pub(super) fn send_report(&mut self, ctx: &mut Ctx<'_>) {
        if self.report_in_flight.is_some() || (self.due.is_empty() && self.farewells.is_empty()) {
            return;
        }
        let mut reports: Vec<_> = self.farewells.iter().take(REPORTS_MAX).cloned().collect();
        self.farewells_sent = reports.len();
        let mut rows = 0;
        while reports.len() < REPORTS_MAX
            && rows < ROWS_MAX
            && let Some(name) = self.due.pop_first()
        {
            let Some(held) = self.held(&name) else { continue };
            let (report, more) = held.report(ctx.me(), ROWS_MAX - rows);
            rows += report.joined.len() + report.left.len() + report.settings.bans.len() + report.settings.ranks.len();
            reports.push(report);
            if more {
                self.due.insert(name);
            }
        }
        let ticket = ctx.ids.ticket();
        self.report_in_flight = Some(ticket);
        ctx.post.push_back(Letter::Directory(PeerCommand::Report { ticket, reports }));
    }
}

impl Held {
    /// What the directory has to know, with at most so many rows. Says whether more is left.
    pub(super) fn report(&mut self, me: &NodeKey, rows_max: usize) -> (GroupReport, bool) {
        let members = self.group.members();
        let full = std::mem::take(&mut self.due.full);
        self.due.settings = false;
        if full {
            self.due.left.clear();
            self.due.joined = members.keys().copied().collect();
        }
        let take = |set: &mut BTreeSet<SessionId>, max: usize| -> Vec<SessionId> { (0..max).map_while(|_| set.pop_first()).collect() };
        let joined = take(&mut self.due.joined, rows_max);
        let left = take(&mut self.due.left, rows_max - joined.len());
        let rows = joined.iter().filter_map(|session| members.get(session).map(|member| row(*session, member))).collect();
        self.copies_told = self.copies.number;
        let group = &self.group;
        let report = GroupReport {
            group: group.name.clone(),
            birth: group.birth,
            term: group.term,
            seq: group.seq,
            closed: false,
            full,
            settings: group.settings.clone(),
            joined: rows,
            left,
            copies: self.copies.members(me),
        };
        (report, self.due.is_due())
    }
}

pub(super) fn row(session: SessionId, member: &Member) -> MemberRow {
    MemberRow { session, person: member.person.clone(), node: member.node.clone(), since: member.since }
}
