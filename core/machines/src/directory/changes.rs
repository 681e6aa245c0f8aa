//! Changes of durable state on their way: given to the store, applied when it has them, answered then and not before.

use std::collections::VecDeque;

use super::{Directory, WATCHERS, note};
use crate::event::Event;
use crate::ids::{Conn, Ticket};
use crate::machine::{Effect, Level, Note};
use crate::names::NodeKey;
use crate::peer::{Change, LinkEvent};
use crate::time::Time;

use super::state::Applied;

/// A change the store has not confirmed yet.
#[derive(Debug)]
pub(super) struct Pending {
    ticket: Ticket,
    pub(super) change: Change,
    asker: Option<Asker>,
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
    /// Nothing: more of the same batch follows.
    Nothing,
}

impl Directory {
    /// Gives a change to the store. The soft state follows at once, so that nothing is decided twice.
    pub(super) fn commit(&mut self, change: Change, asker: Option<Asker>, effects: &mut Vec<Effect>) {
        let ticket = self.ticket();
        effects.push(Effect::Commit { ticket, change: change.clone() });
        self.commits.push_back(Pending { ticket, change, asker });
    }

    /// Whether a change of this node's place is under way, so that what is durable is not the last word.
    pub(super) fn is_changing(&self, key: &NodeKey) -> bool {
        self.commits.iter().any(|pending| match &pending.change {
            Change::Admit { node } => node.key == *key,
            Change::Remove { key: leaving, .. } => leaving == key,
            _ => false,
        })
    }

    /// A super node of the ring is dead: commits that, and forgets its pulse so that it happens once.
    pub(super) fn declare_dead(&mut self, key: &NodeKey, why: String, effects: &mut Vec<Effect>) {
        let Some(incarnation) = self.pulses.of(key).map(|pulse| pulse.incarnation) else { return };
        self.pulses.end(key);
        self.commit(Change::Remove { key: key.clone(), incarnation, why: why.into() }, None, effects);
    }

    /// The store has the oldest change under way.
    pub(super) fn committed(&mut self, now: Time, ticket: Ticket, effects: &mut Vec<Effect>) {
        let Some(Pending { change, asker, .. }) = confirm(&mut self.commits, ticket) else { return };
        if self.state.apply(&change) == Applied::Ring {
            effects.push(Effect::TellAll { list: WATCHERS, event: self.view_event(), skip: None });
            effects.push(Effect::Note(Note::View(self.state.view().clone())));
            note(effects, Level::Info, format!("epoch {}: {}", self.state.view().epoch, describe(&change)));
        }
        if let Change::Admit { node } = &change {
            self.pulses.renew(now, &node.key, node.incarnation);
        }
        if let Some(asker) = asker {
            self.fulfil(asker, effects);
            self.settle(now, asker.conn, 1, effects);
        }
        self.stop_when_idle(effects);
    }

    fn fulfil(&mut self, asker: Asker, effects: &mut Vec<Effect>) {
        let conn = asker.conn;
        if self.links.of(conn).is_none() {
            return;
        }
        match asker.wants {
            Wants::Registered(ticket) => self.registered(conn, ticket, effects),
            Wants::Left(ticket) => effects.push(tell(conn, LinkEvent::Left { ticket })),
            Wants::Stored(ticket) => effects.push(tell(conn, LinkEvent::Stored { ticket })),
            Wants::Nothing => {}
        }
    }

    /// Tells a node that it has its place, and the view with it in it.
    pub(super) fn registered(&mut self, conn: Conn, ticket: Ticket, effects: &mut Vec<Effect>) {
        effects.push(tell(conn, LinkEvent::Registered { ticket, epoch: self.state.view().epoch }));
        self.watch(conn, effects);
    }

    /// Puts a connection on the list of watchers and shows it the view there is. One that is on it already has heard that view.
    pub(super) fn watch(&mut self, conn: Conn, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of_mut(conn) else { return };
        if std::mem::replace(&mut link.watches, true) {
            return;
        }
        effects.push(Effect::Enlist { list: WATCHERS, conn });
        if self.state.is_founded() {
            effects.push(Effect::Tell { conn, event: self.view_event() });
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

/// Takes the oldest change off the queue. Drivers confirm in order: anything else is a bug of theirs.
fn confirm(commits: &mut VecDeque<Pending>, ticket: Ticket) -> Option<Pending> {
    let oldest = commits.pop_front()?;
    assert_eq!(oldest.ticket, ticket, "the store confirmed changes out of order");
    Some(oldest)
}

fn describe(change: &Change) -> String {
    match change {
        Change::Found { network, .. } => format!("network '{network}' is founded"),
        Change::Directories { addresses } => format!("the directory servers are {}", addresses.join(", ")),
        Change::Admit { node } => format!("super node {} ({}) is in the ring", node.key, node.name),
        Change::Remove { key, why, .. } => format!("super node {key} is out of the ring: it {why}"),
        Change::Prepare { plan, .. } => format!("planned: {}", plan.word()),
        Change::Commit { .. } => "the planned change is made".to_string(),
        Change::Cancel { why, .. } => format!("the planned change is not made: {why}"),
        Change::Report { report, .. } => format!("{} is reported", report.group),
    }
}
