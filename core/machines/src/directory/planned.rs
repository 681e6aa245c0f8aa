//! Planned changes: a join, a drain or another number of points is announced, prepared by the nodes of the ring, and made when all of them are ready.
//!
//! One at a time, in the order they were asked for. Nothing is begun or made while a change of the ring is on its way to the store, so every decision here is about the ring as
//! it is durable. A death changes the ring at once: the plan stays, and everyone has to say for the new epoch that they are ready.

use super::agenda::{self, Current, Stage, Wish};
use super::changes::{Asker, Wants, tell};
use super::{Directory, WATCHERS, note};
use crate::event::{Code, Event};
use crate::handshake::Peer;
use crate::ids::{Conn, Epoch, Incarnation};
use crate::machine::{Effect, Level};
use crate::names::NodeKey;
use crate::peer::{Change, LinkEvent};
use crate::time::Time;
use crate::view::Plan;
use crate::wire::Text;

/// Nodes that the reason of a cancelled change names; there may be thousands.
const BLOCKERS_SHOWN: usize = 8;

impl Directory {
    /// Puts a change on the agenda. Past the bound who asks is sent away.
    pub(super) fn want(&mut self, now: Time, wish: Wish, effects: &mut Vec<Effect>) {
        let asker = wish.asker;
        self.owe(now, asker.conn, 1, asker.wants.is_operators(), effects);
        if self.agenda.queue.len() >= self.config.limits.plans {
            let text = "1000 too many changes of the ring are waiting; ask again in a moment";
            return self.deny(now, asker, Code::TryAgain, text, effects);
        }
        self.agenda.queue.push_back(wish);
        self.advance(now, effects);
    }

    /// What was planned before a restart goes on; nodes come back and say how far they are.
    pub(super) fn resume_plan(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some((number, plan)) = self.state.pending() else { return };
        note(effects, Level::Info, format!("still planned: {}", agenda::describe(plan)));
        self.agenda.current = Some(Current::new(now, number, plan.clone(), None, Stage::Preparing));
    }

    /// Makes what is ready, and begins what is next.
    pub(super) fn advance(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.grant_fulfilled(now, effects);
        while !self.stopping
            && self.agenda.current.is_none()
            && !self.ring_is_changing()
            && let Some(wish) = self.agenda.queue.pop_front()
        {
            self.begin(now, wish, effects);
        }
        self.decide(now, effects);
    }

    /// What is so already waits for no turn: who is before it may wait for this very node.
    fn grant_fulfilled(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let queue = std::mem::take(&mut self.agenda.queue);
        let is_so = |wish: &Wish| match &wish.plan {
            Plan::Join { node } => {
                self.state.view().node(&node.key).is_some_and(|there| there.incarnation == node.incarnation) && !self.is_changing(&node.key)
            }
            _ => false,
        };
        let (so, rest): (Vec<Wish>, _) = queue.into_iter().partition(is_so);
        self.agenda.queue = rest.into();
        so.into_iter().for_each(|wish| self.begin(now, wish, effects));
    }

    fn begin(&mut self, now: Time, wish: Wish, effects: &mut Vec<Effect>) {
        // What was before it may have changed the ring that it was meant for.
        if let Err((code, text)) = self.is_as_meant(wish.only) {
            return self.deny(now, wish.asker, code, text, effects);
        }
        match wish.plan.clone() {
            Plan::Join { node } => self.begin_join(now, wish, &node.key, node.incarnation, effects),
            Plan::Drain { key, incarnation } => self.begin_drain(now, wish, &key, incarnation, effects),
            Plan::Points { .. } if self.state.view().after(&wish.plan).is_none() => self.grant(now, wish.asker, effects),
            Plan::Points { .. } => self.prepare(now, wish, effects),
        }
    }

    fn begin_join(&mut self, now: Time, wish: Wish, key: &NodeKey, incarnation: Incarnation, effects: &mut Vec<Effect>) {
        let view = self.state.view().clone();
        match view.node(key) {
            Some(there) if there.incarnation == incarnation => {
                self.pulses.connect(key, wish.asker.conn);
                self.pulses.renew(now, key, incarnation);
                self.grant(now, wish.asker, effects);
            }
            Some(_) => {
                self.declare_dead(now, key, "was started anew".to_string(), effects);
                self.agenda.queue.push_front(wish);
            }
            None if view.nodes.len() >= self.config.limits.nodes => {
                self.deny(now, wish.asker, Code::TooMany, "the ring has all the super nodes it takes", effects);
            }
            // Nobody has anything to copy.
            None if view.nodes.is_empty() => {
                let Plan::Join { node } = wish.plan else { return };
                self.pulses.begin(now, key, incarnation, Some(wish.asker.conn));
                self.commit(Change::Admit { node }, Some(wish.asker), effects);
            }
            None => self.prepare(now, wish, effects),
        }
    }

    fn begin_drain(&mut self, now: Time, wish: Wish, key: &NodeKey, incarnation: Incarnation, effects: &mut Vec<Effect>) {
        let view = self.state.view().clone();
        if view.node(key).is_none_or(|node| node.incarnation != incarnation) {
            self.grant(now, wish.asker, effects);
        } else if view.nodes.len() > 1 {
            self.prepare(now, wish, effects);
        } else if wish.asker.wants.is_operators() {
            self.deny(now, wish.asker, Code::Err, ALONE, effects);
        } else {
            self.pulses.end(key);
            let change = Change::Remove { key: key.clone(), incarnation, why: "left".into() };
            self.commit(change, Some(wish.asker), effects);
        }
    }

    fn prepare(&mut self, now: Time, Wish { plan, asker, .. }: Wish, effects: &mut Vec<Effect>) {
        let number = self.state.plans().number + 1;
        self.commit(Change::Prepare { number, plan: plan.clone() }, None, effects);
        self.agenda.current = Some(Current::new(now, number, plan, Some(asker), Stage::Announcing));
    }

    /// A node says how far it is. What is not about the pending plan at the present epoch, or not from a node of the ring, does not count.
    pub(super) fn prepared(&mut self, now: Time, peer: &Peer, said: (u64, Epoch), left: u64, why: &str, effects: &mut Vec<Effect>) {
        let view = self.state.view();
        let in_ring = view.node(&peer.key).is_some_and(|node| node.incarnation == peer.incarnation);
        let asked = self.state.pending().map(|(number, _)| (number, view.epoch));
        let Some(current) = self.agenda.current.as_mut().filter(|_| in_ring && asked == Some(said)) else { return };
        current.hear(&peer.key, left, why);
        self.decide(now, effects);
    }

    /// Makes the planned change when every node of the ring is ready.
    fn decide(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(current) = self.agenda.current.as_ref().filter(|current| current.stage == Stage::Preparing) else { return };
        let is_ready = |key: &NodeKey| current.said(key).is_some_and(|said| said.left == 0);
        let ready = self.state.view().nodes.iter().all(|node| is_ready(&node.key));
        if !ready || self.stopping || current.misses_joiner() || self.ring_is_changing() {
            return;
        }
        let (number, plan, conn) = (current.number, current.plan.clone(), current.asker.map(|asker| asker.conn));
        match &plan {
            Plan::Join { node } => self.pulses.begin(now, &node.key, node.incarnation, conn),
            Plan::Drain { key, .. } => self.pulses.end(key),
            Plan::Points { .. } => {}
        }
        self.end_plan();
        self.commit(Change::Commit { number }, None, effects);
    }

    /// Gives the planned change up, where that is still possible; `asker` is told when it is so.
    pub(super) fn cancel(&mut self, why: impl Into<Text>, asker: Option<Asker>, effects: &mut Vec<Effect>) {
        let Some(number) = self.agenda.current.as_ref().filter(|current| current.stage != Stage::Ending).map(|current| current.number)
        else {
            return;
        };
        self.end_plan();
        self.commit(Change::Cancel { number, why: why.into() }, asker, effects);
    }

    fn end_plan(&mut self) {
        if let Some(current) = &mut self.agenda.current {
            current.stage = Stage::Ending;
        }
    }

    /// Past its deadline a change is given up, and who was not ready is named.
    pub(super) fn attend_plan(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.agenda.deadline(&self.config).is_none_or(|deadline| deadline > now) {
            return;
        }
        let waited = self.waits_for();
        let more = waited.len().saturating_sub(BLOCKERS_SHOWN);
        let mut why = waited.iter().take(BLOCKERS_SHOWN).cloned().collect::<Vec<_>>().join("; ");
        if more > 0 {
            why.push_str(&format!("; and {more} more"));
        }
        self.cancel(why, None, effects);
    }

    /// What the planned change waits for, a sentence each.
    pub(super) fn waits_for(&self) -> Vec<String> {
        let Some(current) = &self.agenda.current else { return Vec::new() };
        let joiner = current.misses_joiner().then(|| agenda::node_of(&current.plan)).flatten();
        let joiner = joiner.map(|key| format!("{key} has not come back since this directory server was restarted"));
        let blocker = |key: &NodeKey| match current.said(key) {
            Some(said) if said.left == 0 => None,
            Some(said) => {
                let groups = if said.left == 1 { "group" } else { "groups" };
                let why = if said.why.is_empty() { String::new() } else { format!(": {}", said.why) };
                Some(format!("{key} has {} {groups} left to copy{why}", said.left))
            }
            None => Some(format!("{key} has not said how far it is")),
        };
        joiner.into_iter().chain(self.state.view().nodes.iter().filter_map(|node| blocker(&node.key))).collect()
    }

    /// A change was applied: tells everyone what is planned now, and whoever asked what became of it.
    pub(super) fn plan_changed(&mut self, now: Time, before: Option<u64>, change: &Change, ring_changed: bool, effects: &mut Vec<Effect>) {
        self.tell_plan(before, effects);
        let after = self.state.pending().map(|(number, _)| number);
        match (before, after, &mut self.agenda.current) {
            (None, Some(_), Some(current)) => {
                if current.stage == Stage::Announcing {
                    current.stage = Stage::Preparing;
                }
                current.begun = now;
                current.renew(now);
            }
            (Some(_), None, _) => self.plan_over(now, change, effects),
            // What was to be announced had become meaningless on its way.
            (None, None, Some(_)) if matches!(change, Change::Prepare { .. }) => self.plan_over(now, change, effects),
            (Some(_), Some(_), Some(current)) if ring_changed => {
                current.renew(now);
                let alone = self.state.view().nodes.len() == 1;
                if alone && matches!(current.plan, Plan::Drain { .. }) {
                    self.cancel(ALONE, None, effects);
                }
            }
            _ => {}
        }
    }

    /// Tells everyone what is planned now, where that is something else.
    pub(super) fn tell_plan(&self, before: Option<u64>, effects: &mut Vec<Effect>) {
        if before != self.state.pending().map(|(number, _)| number) {
            effects.push(Effect::TellAll { list: WATCHERS, event: self.pending_event(), skip: None });
        }
    }

    fn plan_over(&mut self, now: Time, change: &Change, effects: &mut Vec<Effect>) {
        let Some(Current { plan, asker, .. }) = self.agenda.current.take() else { return };
        let failed: Option<Text> = match change {
            Change::Cancel { why, .. } => Some(why.clone()),
            Change::Prepare { .. } => Some("the ring changed in between".into()),
            _ => None,
        };
        let mut wait_ms = 1_000;
        match (&plan, &failed) {
            (Plan::Join { node }, None) => self.pulses.renew(now, &node.key, node.incarnation),
            (Plan::Join { node }, Some(_)) => wait_ms = self.holds.failed(now, &node.key),
            _ => {}
        }
        match (asker, failed) {
            (Some(asker), None) => self.grant(now, asker, effects),
            (Some(asker), Some(why)) if asker.wants.is_operators() => {
                self.deny(now, asker, Code::Err, format!("given up: {why}"), effects);
            }
            (Some(asker), Some(why)) => {
                let text = format!("{wait_ms} the ring did not get ready for that: {why}");
                self.deny(now, asker, Code::TryAgain, text, effects);
            }
            (None, _) => {}
        }
    }

    /// A connection is gone: what it had asked for is forgotten, and its coming into the ring is off. Other changes that have begun go on without it.
    pub(super) fn forget_asker(&mut self, conn: Conn, effects: &mut Vec<Effect>) {
        self.applicants.all.remove(&conn);
        self.agenda.drop_queued(conn);
        let Some(current) = self.agenda.current.as_mut().filter(|current| current.asker.is_some_and(|asker| asker.conn == conn)) else {
            return;
        };
        current.asker = None;
        if let Plan::Join { node } = &current.plan {
            let why = format!("the connection to {} broke", node.key);
            self.cancel(why, None, effects);
        }
    }

    /// A node that asked to come wants to go before it came. False when it had not asked, or is coming in already.
    pub(super) fn drop_join(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) -> bool {
        let is_join =
            |plan: &Plan, asker: Option<Asker>| matches!(plan, Plan::Join { .. }) && asker.is_some_and(|asker| asker.conn == conn);
        if self.agenda.queue.iter().any(|wish| is_join(&wish.plan, Some(wish.asker))) {
            let dropped = self.agenda.drop_queued(conn);
            self.settle(now, conn, dropped, effects);
            return true;
        }
        let coming = self.agenda.current.as_mut().filter(|current| current.stage != Stage::Ending && is_join(&current.plan, current.asker));
        let Some(current) = coming else { return false };
        current.asker = None;
        self.settle(now, conn, 1, effects);
        self.cancel("it went again", None, effects);
        true
    }

    /// A node is not to come in: what is planned of that is off, unless it is being made already.
    pub(super) fn call_join_off(&mut self, now: Time, key: &NodeKey, effects: &mut Vec<Effect>) {
        let is_its = |plan: &Plan| matches!(plan, Plan::Join { node } if node.key == *key);
        let (off, rest): (Vec<Wish>, _) = std::mem::take(&mut self.agenda.queue).into_iter().partition(|wish| is_its(&wish.plan));
        self.agenda.queue = rest.into();
        let text = format!("an operator keeps {key} out of the ring");
        off.into_iter().for_each(|wish| self.deny(now, wish.asker, Code::NotMember, text.as_str(), effects));
        if self.agenda.current.as_ref().is_some_and(|current| is_its(&current.plan)) {
            self.cancel(text, None, effects);
        }
    }

    /// Whether all that this connection waits for is its node's coming, which is on its way into the store.
    pub(super) fn is_coming(&self, conn: Conn) -> bool {
        let asked = |current: &Current| {
            current.stage == Stage::Ending
                && matches!(current.plan, Plan::Join { .. })
                && current.asker.is_some_and(|asker| asker.conn == conn)
        };
        self.agenda.current.as_ref().is_some_and(asked) && !self.agenda.queue.iter().any(|wish| wish.asker.conn == conn)
    }

    /// Whether this node's going is on its way into the store.
    pub(super) fn is_being_drained(&self, key: &NodeKey) -> bool {
        let is_it =
            |current: &Current| current.stage == Stage::Ending && matches!(&current.plan, Plan::Drain { key: gone, .. } if gone == key);
        self.agenda.current.as_ref().is_some_and(is_it)
    }

    /// A node that comes on a new connection has given up its other ones. What is planned for the same start of it goes on.
    pub(super) fn supersede(&mut self, now: Time, conn: Conn, Peer { key, incarnation }: &Peer, effects: &mut Vec<Effect>) {
        let own = self.pulses.of(key).and_then(|pulse| pulse.conn);
        let looked_at = self.applicants.all.iter().filter(|(_, applicant)| applicant.peer.key == *key).map(|(conn, _)| *conn);
        let older = own.into_iter().chain(self.agenda.conns_of(key)).chain(looked_at).filter(|older| *older != conn);
        let older: std::collections::BTreeSet<Conn> = older.collect();
        if let Some(current) = self.agenda.current.as_mut().filter(|current| current.is_join_of(key, *incarnation)) {
            current.asker = current.asker.filter(|asker| asker.conn == conn);
        }
        for older in older {
            let text = format!("{key} has registered on another connection").into();
            effects.push(tell(older, LinkEvent::Refused { code: Code::Err, text }));
            self.close(now, older, effects);
        }
    }

    /// Gives the join of this start of a node that is under way to the connection it comes on now. False when there is none.
    pub(super) fn take_up_join(&mut self, now: Time, peer: &Peer, asker: Asker, effects: &mut Vec<Effect>) -> bool {
        let is_it = |current: &&mut Current| current.is_join_of(&peer.key, peer.incarnation) && current.asker.is_none();
        let Some(current) = self.agenda.current.as_mut().filter(is_it) else { return false };
        current.asker = Some(asker);
        self.owe(now, asker.conn, 1, false, effects);
        // It may be on its way into the store.
        self.pulses.connect(&peer.key, asker.conn);
        self.decide(now, effects);
        true
    }

    /// What is planned now, for watchers.
    pub(super) fn pending_event(&self) -> Event {
        let plan = self.state.pending().map(|(_, plan)| plan.clone());
        LinkEvent::Pending { number: self.state.plans().number, plan }.into()
    }

    /// Tells who asked that it is so.
    pub(super) fn grant(&mut self, now: Time, asker: Asker, effects: &mut Vec<Effect>) {
        self.fulfil(asker, effects);
        self.settle(now, asker.conn, 1, effects);
    }

    /// Tells who asked that it will not be so.
    pub(super) fn deny(&mut self, now: Time, asker: Asker, code: Code, text: impl Into<Text>, effects: &mut Vec<Effect>) {
        let text = text.into();
        if let Some(link) = self.links.of_mut(asker.conn) {
            link.waits &= !asker.wants.is_operators();
            let event = match asker.wants {
                Wants::Done => Event::error(code, text),
                // It says so again.
                Wants::Chartered(_) => return self.settle(now, asker.conn, 1, effects),
                _ => LinkEvent::Refused { code, text }.into(),
            };
            effects.push(tell(asker.conn, event));
        }
        self.settle(now, asker.conn, 1, effects);
    }
}

/// Why the last node is not drained.
const ALONE: &str = "it is the only super node in the ring: nobody could take its groups";
