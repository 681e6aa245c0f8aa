//! Changes of durable state on their way: given to the log that the servers keep together, applied when they are agreed on, answered then and not before.

use super::agenda::{self, node_of};
use super::{Directory, WATCHERS, note};
use crate::event::Event;
use crate::ids::{Conn, Ticket};
use crate::machine::{Effect, Level, Note, Write};
use crate::names::NodeKey;
use crate::peer::{Change, LinkEvent};
use crate::time::Time;
use crate::view::Plan;

use super::state::Applied;

/// A change that is not agreed on yet.
#[derive(Debug)]
pub(super) struct Pending {
    index: u64,
    pub(super) change: Change,
    pub(super) asker: Option<Asker>,
}

/// What the store has not confirmed yet.
#[derive(Debug)]
pub(super) struct Storing {
    ticket: Ticket,
    /// A report, and who is told; otherwise it is of the log.
    report: Option<Option<Asker>>,
}

/// Who waits for a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) conn: Conn,
    pub(super) wants: Wants,
}

/// What they are told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wants {
    /// `registered`, with the view.
    Registered(Ticket),
    /// `left`.
    Left(Ticket),
    /// `stored`.
    Stored(Ticket),
    /// `chartered`.
    Chartered(Ticket),
    /// An operator, on a client's connection, of which nothing is read meanwhile: `OK`.
    Done,
    /// Nothing: more of the same batch follows.
    Nothing,
}

impl Wants {
    pub(super) fn is_operators(self) -> bool {
        matches!(self, Wants::Done)
    }
}

impl Directory {
    /// Gives a change to the log. The soft state follows at once, so that nothing is decided twice.
    pub(super) fn commit(&mut self, change: Change, asker: Option<Asker>, effects: &mut Vec<Effect>) {
        let _ = effects; // what it leads to comes when the log is settled
        let index = self.replica.propose(change.clone()).expect("only who leads decides");
        self.commits.push_back(Pending { index, change, asker });
    }

    /// Gives something to the store. What is of the log has no asker.
    pub(super) fn store(&mut self, write: Write, asker: Option<Asker>, effects: &mut Vec<Effect>) {
        let ticket = self.ticket();
        let report = matches!(write, Write::Report { .. }).then_some(asker);
        self.storing.push_back(Storing { ticket, report });
        effects.push(Effect::Commit { ticket, write });
    }

    /// The store has the oldest of what it was given.
    pub(super) fn stored(&mut self, now: Time, ticket: Ticket, effects: &mut Vec<Effect>) {
        let Some(oldest) = self.storing.pop_front() else { return };
        assert_eq!(oldest.ticket, ticket, "the store confirmed out of order");
        match oldest.report {
            None => {
                let mut out = Vec::new();
                let was_named = self.replica.is_named();
                self.replica.written(&mut out);
                self.carry_out(now, out, effects);
                if !was_named {
                    self.introduce(now, effects);
                }
            }
            Some(asker) => asker.into_iter().for_each(|asker| self.grant(now, asker, effects)),
        }
        self.stop_when_idle(effects);
    }

    /// Whether a change of this node's place is under way, so that what is durable is not the last word.
    pub(super) fn is_changing(&self, key: &NodeKey) -> bool {
        self.commits.iter().any(|pending| match &pending.change {
            Change::Admit { node } => node.key == *key,
            Change::Remove { key: leaving, .. } => leaving == key,
            Change::Commit { .. } => self.agenda.current.as_ref().and_then(|current| node_of(&current.plan)) == Some(key),
            _ => false,
        })
    }

    /// Whether a change of the ring, or of what is planned, is under way.
    pub(super) fn ring_is_changing(&self) -> bool {
        self.commits.iter().any(|pending| !matches!(pending.change, Change::Charters { .. } | Change::Account { .. }))
    }

    /// A super node of the ring is dead: commits that, and forgets its pulse so that it happens once.
    pub(super) fn declare_dead(&mut self, now: Time, key: &NodeKey, why: String, effects: &mut Vec<Effect>) {
        let Some(incarnation) = self.pulses.of(key).map(|pulse| pulse.incarnation) else { return };
        if let Some(node) = self.state.view().node(key) {
            self.holds.died(now, key, node.since);
        }
        self.pulses.end(key);
        self.commit(Change::Remove { key: key.clone(), incarnation, why: why.into() }, None, effects);
    }

    /// The next change is agreed on: by us, if we lead, or by someone who does.
    pub(super) fn agreed(&mut self, now: Time, index: u64, change: Change, effects: &mut Vec<Effect>) {
        let ours = self.commits.front().is_some_and(|pending| pending.index == index).then(|| self.commits.pop_front()).flatten();
        let asker = ours.and_then(|pending| pending.asker);
        let planned = self.state.pending().map(|(number, _)| number);
        let was = self.state.pending().map(|(_, plan)| plan.clone());
        let text = describe(&change, self.state.pending().map(|(_, plan)| plan));
        let (before, step) = (self.state.view().epoch, self.state.as_view_change(&change));
        let applied = self.state.apply(&change);
        if applied == Applied::Ring {
            match step {
                Some(change) => self.publish_change(now, before, change, effects),
                None => self.publish_view(now, effects),
            }
            effects.push(Effect::Note(Note::View(self.state.view().clone())));
            note(effects, Level::Info, format!("epoch {}: {}", self.state.view().epoch, text));
        } else if applied == Applied::Plan {
            let level = if matches!(change, Change::Cancel { .. }) { Level::Warn } else { Level::Info };
            note(effects, level, text);
        } else if applied == Applied::Ruling || matches!((applied, &change), (Applied::Ledger, Change::Account { .. })) {
            note(effects, Level::Info, text);
        }
        if let (Change::Commit { .. }, Some((Plan::Drain { key, .. }, Applied::Ring))) = (&change, was.map(|plan| (plan, applied))) {
            // It stays connected and hears what becomes of the ring.
            self.links.demote(&key);
        }
        self.release_held(now, effects);
        if self.leads {
            if let Change::Admit { node } = &change {
                self.pulses.renew(now, &node.key, node.incarnation);
            }
            if let (Change::Rule { key, .. }, Applied::Ruling) = (&change, applied) {
                self.ruled(now, key, effects);
            }
            self.plan_changed(now, planned, &change, applied == Applied::Ring, effects);
            if let Some(asker) = asker {
                self.grant(now, asker, effects);
            }
            self.advance(now, effects);
            self.stop_when_idle(effects);
        } else {
            self.tell_plan(planned, effects);
        }
    }

    pub(super) fn fulfil(&mut self, asker: Asker, effects: &mut Vec<Effect>) {
        let conn = asker.conn;
        let Some(link) = self.links.of_mut(conn) else { return };
        link.waits &= !asker.wants.is_operators();
        match asker.wants {
            Wants::Registered(ticket) => self.registered(conn, ticket, effects),
            Wants::Left(ticket) => effects.push(tell(conn, LinkEvent::Left { ticket })),
            Wants::Stored(ticket) => effects.push(tell(conn, LinkEvent::Stored { ticket })),
            Wants::Chartered(ticket) => effects.push(tell(conn, LinkEvent::Chartered { ticket })),
            Wants::Done => effects.push(tell(conn, Event::ok())),
            Wants::Nothing => {}
        }
    }

    /// Tells a node that it has its place, and the view with it in it.
    pub(super) fn registered(&mut self, conn: Conn, ticket: Ticket, effects: &mut Vec<Effect>) {
        if let Some(link) = self.links.of_mut(conn) {
            link.registered = true;
        }
        effects.push(tell(conn, LinkEvent::Registered { ticket, epoch: self.state.view().epoch }));
        self.watch(conn, effects);
    }

    /// Puts a connection on the list of watchers and shows it the view there is, and what is planned. One that is on it already has heard that.
    pub(super) fn watch(&mut self, conn: Conn, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of_mut(conn) else { return };
        // Whoever is at another server hears there what is agreed on.
        if link.via || std::mem::replace(&mut link.watches, true) {
            return;
        }
        let known = link.known;
        effects.push(Effect::Enlist { list: WATCHERS, conn });
        if self.state.is_founded() {
            self.show_view(conn, known, effects);
        }
    }

    /// A connection asked for so many things that are answered later; `waits` says that nothing else may be answered before. At its bound nothing more is
    /// read from it, and the lease of its node stands still.
    pub(super) fn owe(&mut self, now: Time, conn: Conn, count: usize, waits: bool, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of_mut(conn) else { return };
        link.pending += count;
        link.waits |= waits;
        if link.paused || !(link.waits || link.pending >= self.config.limits.pending_per_peer) {
            return;
        }
        link.paused = true;
        effects.push(Effect::Pause { conn });
        if let Some(peer) = link.peer() {
            self.pulses.read(now, &peer.key, conn, false);
        }
    }

    /// So many of them are answered.
    pub(super) fn settle(&mut self, now: Time, conn: Conn, count: usize, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of_mut(conn) else { return };
        link.pending -= count;
        if !link.paused || link.waits || link.pending >= self.config.limits.pending_per_peer {
            return;
        }
        link.paused = false;
        effects.push(Effect::Resume { conn });
        if let Some(peer) = link.peer() {
            self.pulses.read(now, &peer.key, conn, true);
        }
    }
}

pub(super) fn tell(conn: Conn, event: impl Into<Event>) -> Effect {
    Effect::Tell { conn, event: event.into() }
}

fn describe(change: &Change, planned: Option<&Plan>) -> String {
    let planned = planned.map_or_else(String::new, agenda::describe);
    match change {
        Change::Found { network, .. } => format!("network '{network}' is founded"),
        Change::Directories { servers } => {
            let addresses: Vec<&str> = servers.iter().map(|server| &*server.address).collect();
            format!("the directory servers are {}", addresses.join(", "))
        }
        Change::Admit { node } => format!("super node {} ({}) is in the ring", node.key, node.name),
        Change::Remove { key, why, .. } => format!("super node {key} is out of the ring: it {why}"),
        Change::Prepare { plan, .. } => format!("planned: {}", agenda::describe(plan)),
        Change::Commit { .. } => format!("done as planned: {planned}"),
        Change::Rule { key, ruling: Some(ruling) } => {
            format!("an operator ruled: super node {key} is {}", ruling.as_str().to_ascii_lowercase())
        }
        Change::Rule { key, ruling: None } => format!("an operator ruled: super node {key} is like any other"),
        Change::Charters { charters } => format!("{} charters of groups", charters.len()),
        Change::Account { name, secret: Some(_), .. } => format!("account {name} is made, or has another password"),
        Change::Account { name, secret: None, .. } => format!("account {name} is ended"),
        Change::Cancel { why, .. } => format!("not done, though planned: {planned}: {why}"),
    }
}
