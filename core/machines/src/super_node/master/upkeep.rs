//! What the master part does by itself: at the end of a turn, on an interval, and when something takes too long or may not have arrived.

use std::collections::{BTreeSet, VecDeque};

use super::check::CHECK_WAIT_MS;
use super::{BUSY_MS, Holding, Master, Waiting};
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, Outcome, PeerCommand};
use crate::super_node::ctx::Ctx;
use crate::time::{Time, earlier};

/// What is safe waits for what is sent to the copies already, to be heard together with it: at most about as long as letting so many members hear it takes, and never longer than this.
const MEMBERS_A_MS: u64 = 200;
const GATHER_MS_MAX: u64 = 8;
/// How often what waits is looked at.
const LOOK_MS: u64 = 250;
/// When what may not have arrived is sent again.
const RETRY_MS: u64 = 50;

impl Master {
    pub fn deadline(&self, empty_ms: u64) -> Option<Time> {
        let checks = self.check_waits.iter().map(|wait| wait.since + CHECK_WAIT_MS).min();
        let times = [
            self.check_at,
            self.report_at,
            self.sweep_at,
            self.doubt_at,
            checks,
            self.flush_at,
            self.gather_until,
            self.retry_at,
            self.preparing.at,
            self.orphans.at,
            self.empties.deadline(empty_ms),
        ];
        times.into_iter().fold(None, earlier)
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>, can_send: impl Fn(&NodeKey) -> bool) {
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
        }
        if self.retry_at.take_if(|at| *at <= ctx.now).is_some() {
            self.retry(ctx, can_send);
        }
        if self.orphans.at.is_some_and(|at| at <= ctx.now) {
            self.open_orphans(ctx);
        }
        if self.report_at.is_some_and(|at| at <= ctx.now) {
            self.report_at = Some(ctx.now + ctx.config.timing.report_ms);
            self.send_report(ctx);
            self.send_charters(ctx);
        }
        if self.preparing.at.is_some_and(|at| at <= ctx.now) {
            self.say_how_far(ctx);
        }
        if self.sweep_at.is_some_and(|at| at <= ctx.now) {
            self.sweep(ctx);
        }
        if self.doubt_at.is_some_and(|at| at <= ctx.now) {
            self.look_for_doubts(ctx);
        }
        self.forsake_empty(ctx);
        self.answer_checks(ctx);
        // Last: what any of this appended goes out with it.
        if self.flush_at.take_if(|at| *at <= ctx.now).is_some() {
            self.flush(ctx);
        }
        if !self.gathering.is_empty() {
            self.let_out(ctx);
        }
    }

    /// Lets out what is safe by now, of groups of which no more is on its way to be, or that have waited for that long enough.
    fn let_out(&mut self, ctx: &mut Ctx<'_>) {
        let is_over = self.gather_until.is_some_and(|until| until <= ctx.now);
        let mut until = self.gather_until.filter(|_| !is_over);
        for name in std::mem::take(&mut self.gathering) {
            let Some(held) = self.held(&name) else { continue };
            if is_over || !held.gathers() {
                held.reach(ctx);
                self.forget_if_over(ctx, &name);
            } else {
                let ms = (held.group.members().len() as u64 / MEMBERS_A_MS + 1).min(GATHER_MS_MAX);
                until = earlier(until, Some(ctx.now + ms));
                self.gathering.insert(name);
            }
        }
        self.gather_until = until.filter(|_| !self.gathering.is_empty());
    }

    /// The end of a turn: entries to those who follow us, and to those we follow how far we are.
    pub fn flush(&mut self, ctx: &mut Ctx<'_>) {
        self.keep_what_is_new(ctx);
        for name in std::mem::take(&mut self.dirty) {
            if self.held(&name).is_some_and(|held| held.stream(ctx)) {
                self.tend(ctx, &name);
            }
        }
        for (conn, groups) in std::mem::take(&mut self.confirmed) {
            let mut held: Vec<_> = groups.into_iter().map(|(name, (term, seq))| (name, term, seq)).collect();
            while !held.is_empty() {
                let more = held.split_off(held.len().min(crate::peer::ROWS_MAX));
                ctx.tell_edge(Some(conn), LinkEvent::Appended { held });
                held = more;
            }
        }
    }

    pub(super) fn look_again(&mut self, now: Time) {
        self.sweep_at = earlier(self.sweep_at, Some(now + LOOK_MS));
    }

    pub(super) fn retry_soon(&mut self, now: Time) {
        self.retry_at = earlier(self.retry_at, Some(now + RETRY_MS));
    }

    /// The link to a node broke: what was on its way there may not have arrived.
    pub fn link_down(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        self.swallowed.insert(node.clone());
        self.unsettled.insert(node.clone());
        for holding in self.groups.values_mut() {
            if let Holding::Opening(opening) = holding
                && opening.asked_of(node)
            {
                opening.forget_claim(node);
            }
        }
        self.retry_soon(ctx.now);
    }

    /// This could not be sent.
    pub fn unsent(&mut self, ctx: &mut Ctx<'_>, to: &NodeKey, command: &PeerCommand) {
        match command {
            PeerCommand::Offer { .. } | PeerCommand::Settled { .. } => {
                self.unsettled.insert(to.clone());
            }
            PeerCommand::Append { .. } | PeerCommand::CopyEnd { .. } | PeerCommand::Mark { .. } | PeerCommand::Release { .. } => {
                self.swallowed.insert(to.clone());
            }
            PeerCommand::Want { group, .. } => {
                if let Some(Holding::Opening(opening)) = self.groups.get_mut(group) {
                    opening.forget_claim(to);
                }
            }
            _ => return,
        }
        self.retry_soon(ctx.now);
    }

    /// Says again what may not have arrived, to those who can be reached.
    fn retry(&mut self, ctx: &mut Ctx<'_>, can_send: impl Fn(&NodeKey) -> bool) {
        for node in self.unsettled.clone() {
            if !ctx.placement.contains(&node) {
                self.unsettled.remove(&node);
            } else if can_send(&node) {
                self.settle_with(ctx, &node);
            }
        }
        for name in std::mem::take(&mut self.behind) {
            self.tend(ctx, &name);
        }
        for node in self.swallowed.clone().into_iter().filter(|node| can_send(node)) {
            self.swallowed.remove(&node);
            let names: Vec<GroupName> = self.groups.keys().cloned().collect();
            for name in names {
                if let Some(Holding::Held(held)) = self.groups.get_mut(&name)
                    && held.swallowed(&node, &mut self.pace)
                {
                    self.tend(ctx, &name);
                }
            }
        }
        if !self.unsettled.is_empty() || !self.swallowed.is_empty() {
            self.retry_soon(ctx.now);
        }
    }

    /// Openings that wait, copies that do not move, members that did not come back.
    fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        self.sweep_at = None;
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        for name in names {
            match self.groups.get_mut(&name) {
                Some(Holding::Opening(_)) => {
                    self.try_to_open(ctx, &name);
                    self.send_back_the_impatient(ctx, &name);
                    self.give_up_orphan(ctx, &name);
                    if matches!(self.groups.get(&name), Some(Holding::Opening(_))) {
                        self.look_again(ctx.now);
                    }
                }
                Some(Holding::Held(held)) => {
                    let next = held.lapse(ctx);
                    if held.unstick(ctx.now, &mut self.pace) {
                        self.tend(ctx, &name);
                    }
                    if self.held(&name).is_some_and(|held| held.is_under_way()) {
                        self.look_again(ctx.now);
                    }
                    self.settle(ctx, &name);
                    self.sweep_at = earlier(self.sweep_at, next);
                }
                Some(Holding::Copy(_)) | None => {}
            }
        }
    }

    /// Whoever waited so long for a group to open has given up by now: what they wanted then is not done later behind their back.
    fn send_back_the_impatient(&mut self, ctx: &mut Ctx<'_>, name: &GroupName) {
        let Some(Holding::Opening(opening)) = self.groups.get_mut(name) else { return };
        let is_over = |waiting: &Waiting| ctx.now.since_ms(waiting.since) >= ctx.config.timing.patience_ms;
        let (over, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut opening.waiting).into_iter().partition(is_over);
        opening.waiting = waiting;
        for Waiting { conn, command, .. } in over {
            match command {
                PeerCommand::Request { ticket, group, .. } => {
                    ctx.tell_edge(conn, LinkEvent::Answer { ticket, group, outcome: Outcome::TryAgain { ms: BUSY_MS } });
                }
                PeerCommand::Attach { group, .. } => ctx.tell_edge(conn, LinkEvent::Elsewhere { group, epoch: ctx.placement.epoch() }),
                _ => {}
            }
        }
    }

    pub fn check_invariants(&self) {
        for (name, holding) in &self.groups {
            match holding {
                Holding::Held(held) => {
                    assert_eq!(held.group.name, *name);
                    held.group.check_invariants();
                    let nodes: BTreeSet<_> = held.group.members().values().map(|member| &member.node).collect();
                    assert!(nodes.iter().all(|node| held.edges.contains_key(*node)), "{name} has members at an edge it does not know");
                    assert!(held.safe <= held.group.seq, "{name} is safe further than it goes");
                }
                Holding::Opening(opening) => assert_eq!(self.openings.get(&opening.ticket), Some(name)),
                Holding::Copy(copy) => {
                    if let Some(group) = &copy.group {
                        group.check_invariants();
                    }
                }
            }
        }
        self.pace.check_invariants();
    }
}
