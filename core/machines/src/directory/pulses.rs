//! When each super node was last heard: soft state, never written down.
//!
//! One pulse for every node that is in the ring or will be once what is under way is durable. A node that is silent for a lease has lapsed; a node that
//! someone suspects is to be dialled, at most once in `PROBE_GAP_MS`. A clock stands still while we could not have heard the node: before
//! its admission is durable, and while we don't read from its connection. Where nobody is heard at all it is more likely we who are cut off than everyone else who is dead, and to declare
//! them dead would help nobody: they are spared for a while, and when anyone is heard again everyone has a full lease to be heard, too.
//!
//! Invariant: each pulse stands in `due` at most once, at the time it next wants attention.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Conn, Incarnation};
use crate::names::NodeKey;
use crate::time::Time;

/// Least time between two dials of the same suspect.
pub(super) const PROBE_GAP_MS: u64 = 200;

/// How many leases a node is spared while nobody is heard: in the end a ring of which all nodes died together has to make room for others.
const SPARED_MAX: u32 = 3;

/// All pulses.
#[derive(Debug)]
pub(super) struct Pulses {
    lease_ms: u64,
    nodes: BTreeMap<NodeKey, Pulse>,
    due: BTreeSet<(Time, NodeKey)>,
    /// When anyone was heard last.
    last_heard: Time,
}

/// One super node's.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Which start of it.
    pub(super) incarnation: Incarnation,
    /// Its own connection to us, while there is one.
    pub(super) conn: Option<Conn>,
    heard: Time,
    durable: bool,
    unread: bool,
    suspected: Option<Time>,
    probing: bool,
    probed: Option<Time>,
    due: Option<Time>,
    spared: u32,
}

/// What a pulse wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Silent for a lease.
    Lapsed,
    /// Dial it and see.
    Probe,
}

impl Pulses {
    pub(super) fn new(lease_ms: u64) -> Pulses {
        Pulses { lease_ms, nodes: BTreeMap::new(), due: BTreeSet::new(), last_heard: Time(0) }
    }

    /// So far all nodes may have been heard by whoever judged before us, who may have told them so a little later yet.
    pub(super) fn take_over(&mut self, until: Time) {
        let keys: Vec<NodeKey> = self.nodes.keys().cloned().collect();
        keys.iter().for_each(|key| self.update(key, |pulse| pulse.heard = until));
    }

    /// Someone else judges from here on.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.due.clear();
    }

    /// A node begins, or another start of it. Its clock stands until `renew`.
    pub(super) fn begin(&mut self, now: Time, key: &NodeKey, incarnation: Incarnation, conn: Option<Conn>) {
        self.end(key);
        let pulse = Pulse {
            incarnation,
            conn,
            heard: now,
            durable: false,
            unread: false,
            suspected: None,
            probing: false,
            probed: None,
            due: None,
            spared: 0,
        };
        self.nodes.insert(key.clone(), pulse);
    }

    /// A node is out, or will be.
    pub(super) fn end(&mut self, key: &NodeKey) {
        self.update(key, |pulse| (pulse.durable, pulse.suspected) = (false, None));
        self.nodes.remove(key);
    }

    /// This start of the node has its place: a full lease from here.
    pub(super) fn renew(&mut self, now: Time, key: &NodeKey, incarnation: Incarnation) {
        self.last_heard = now;
        self.update(key, |pulse| {
            if pulse.incarnation == incarnation {
                (pulse.durable, pulse.heard) = (true, now);
            }
        });
    }

    /// Everyone gets a full lease: we were not there to hear.
    pub(super) fn renew_all(&mut self, now: Time) {
        self.last_heard = now;
        let keys: Vec<NodeKey> = self.nodes.keys().cloned().collect();
        keys.iter().for_each(|key| self.update(key, |pulse| pulse.heard = now));
    }

    /// Heard from the node. False when this start of it is not in the ring.
    pub(super) fn hear(&mut self, now: Time, key: &NodeKey, incarnation: Incarnation, conn: Conn) -> bool {
        let known = self.nodes.get(key).is_some_and(|pulse| pulse.incarnation == incarnation);
        if known {
            if self.is_deaf(now) {
                self.renew_all(now);
            }
            self.last_heard = now;
            self.update(key, |pulse| {
                (pulse.heard, pulse.spared) = (now, 0);
                pulse.conn = pulse.conn.or(Some(conn));
            });
        }
        known
    }

    /// Whether there are several, and all of them have missed a heartbeat.
    fn is_deaf(&self, now: Time) -> bool {
        self.nodes.len() > 1 && now.since_ms(self.last_heard) >= self.lease_ms / 2
    }

    /// A node has lapsed: true when it gets another lease all the same.
    pub(super) fn spare(&mut self, now: Time, key: &NodeKey) -> bool {
        let spared = self.is_deaf(now) && self.nodes.get(key).is_some_and(|pulse| pulse.spared < SPARED_MAX);
        if spared {
            self.update(key, |pulse| (pulse.heard, pulse.spared) = (now, pulse.spared + 1));
        }
        spared
    }

    /// Whether we read from its connection. Silence counts from when we read again.
    pub(super) fn read(&mut self, now: Time, key: &NodeKey, conn: Conn, reading: bool) {
        self.update(key, |pulse| {
            if pulse.conn == Some(conn) {
                pulse.unread = !reading;
                pulse.heard = now;
            }
        });
    }

    /// Its own connection is this one now.
    pub(super) fn connect(&mut self, key: &NodeKey, conn: Conn) {
        self.update(key, |pulse| (pulse.conn, pulse.unread) = (Some(conn), false));
    }

    /// A connection is gone. True when it was the node's own.
    pub(super) fn disconnect(&mut self, key: &NodeKey, conn: Conn) -> bool {
        let own = self.nodes.get(key).is_some_and(|pulse| pulse.conn == Some(conn));
        if own {
            self.update(key, |pulse| (pulse.conn, pulse.unread) = (None, false));
        }
        own
    }

    /// Someone doubts that it lives: it is due for a probe as soon as it may be.
    pub(super) fn suspect(&mut self, now: Time, key: &NodeKey) {
        self.update(key, |pulse| pulse.suspected = pulse.suspected.or(Some(now)));
    }

    /// A probe begins.
    pub(super) fn probe(&mut self, now: Time, key: &NodeKey) {
        self.update(key, |pulse| (pulse.suspected, pulse.probing, pulse.probed) = (None, true, Some(now)));
    }

    /// A probe of this start of the node ended. False when that start is gone.
    pub(super) fn probed(&mut self, key: &NodeKey, incarnation: Incarnation) -> bool {
        let current = self.nodes.get(key).is_some_and(|pulse| pulse.incarnation == incarnation);
        if current {
            self.update(key, |pulse| pulse.probing = false);
        }
        current
    }

    /// Who wants attention first, if by now, and what for.
    pub(super) fn first_due(&self, now: Time) -> Option<(NodeKey, Due)> {
        let (time, key) = self.due.first()?;
        (*time <= now).then(|| {
            let lapsed = self.nodes[key].lapse(self.lease_ms).is_some_and(|lapse| lapse <= now);
            (key.clone(), if lapsed { Due::Lapsed } else { Due::Probe })
        })
    }

    /// Who is to be dialled by now.
    pub(super) fn probe_due(&self, now: Time, key: &NodeKey) -> bool {
        self.nodes.get(key).and_then(Pulse::next_probe).is_some_and(|time| time <= now)
    }

    /// When someone next wants attention.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time)
    }

    /// One node's.
    pub(super) fn of(&self, key: &NodeKey) -> Option<&Pulse> {
        self.nodes.get(key)
    }

    /// Everyone, and which start of them.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&NodeKey, Incarnation)> {
        self.nodes.iter().map(|(key, pulse)| (key, pulse.incarnation))
    }

    fn update(&mut self, key: &NodeKey, change: impl FnOnce(&mut Pulse)) {
        let Some(pulse) = self.nodes.get_mut(key) else { return };
        change(pulse);
        let due = crate::time::earlier(pulse.lapse(self.lease_ms), pulse.next_probe());
        if due != pulse.due {
            if let Some(old) = std::mem::replace(&mut pulse.due, due) {
                self.due.remove(&(old, key.clone()));
            }
            self.due.extend(due.map(|time| (time, key.clone())));
        }
    }

    pub(super) fn check_invariants(&self) {
        let wanted: BTreeSet<(Time, NodeKey)> =
            self.nodes.iter().filter_map(|(key, pulse)| pulse.due.map(|time| (time, key.clone()))).collect();
        assert_eq!(wanted, self.due, "pulses and their due times disagree");
    }
}

impl Pulse {
    /// How its operator sees it.
    pub(super) fn state(&self) -> &'static str {
        match (self.suspected.is_some() || self.probing, self.conn) {
            (true, _) => "suspected",
            (false, Some(_)) => "alive",
            (false, None) => "silent",
        }
    }

    fn lapse(&self, lease_ms: u64) -> Option<Time> {
        (self.durable && !self.unread).then_some(self.heard + lease_ms)
    }

    fn next_probe(&self) -> Option<Time> {
        let since = self.suspected.filter(|_| !self.probing && self.durable)?;
        Some(self.probed.map_or(since, |probed| since.max(probed + PROBE_GAP_MS)))
    }
}
