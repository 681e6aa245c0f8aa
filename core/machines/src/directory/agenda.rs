//! Planned changes of the ring: those that wait for their turn, the one under way, and how far the ring's nodes are with it.
//!
//! ```text
//! asked for → queue → prepare → every node of the ring says that nothing is left → commit → the next one's turn
//!                        └──── deadline, abort, the one who wanted in went ────→ cancel ──────┘
//! ```
//!
//! This file keeps; `planned` decides. Only that something is pending is durable (`state`): who asked, who waits and who is ready is soft, and is said anew
//! after a restart.
//!
//! Invariant: a connection waits for one planned change at most.

use std::collections::{BTreeMap, VecDeque};

use super::changes::Asker;
use super::config::DirectoryConfig;
use crate::command::If;
use crate::handshake::Peer;
use crate::ids::{Conn, Incarnation};
use crate::names::NodeKey;
use crate::time::Time;
use crate::view::Plan;
use crate::wire::Text;

/// Longest reason of a node that is remembered, in bytes; the rest is cut.
const WHY_MAX: usize = 200;

/// What is planned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// In the order they were asked for.
    pub(super) queue: VecDeque<Wish>,
    /// The one that is announced, or about to be.
    pub(super) current: Option<Current>,
}

/// A change that waits for its turn.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) plan: Plan,
    pub(super) asker: Asker,
    /// It is begun in this ring only.
    pub(super) only: If,
}

/// The change under way.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) number: u64,
    pub(super) plan: Plan,
    /// Who is to be told. Nobody, where they went or the directory was restarted.
    pub(super) asker: Option<Asker>,
    pub(super) stage: Stage,
    /// When it was announced.
    pub(super) begun: Time,
    /// From when the deadline counts: a death gives everyone the whole time again.
    pub(super) since: Time,
    said: BTreeMap<NodeKey, Said>,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The store is being told of it.
    Announcing,
    /// Nodes copy.
    Preparing,
    /// The store is being told that it is made, or cancelled.
    Ending,
}

/// What a node of the ring said of it, at the present epoch.
#[derive(Debug)]
pub(super) struct Said {
    /// Groups that are still to be copied.
    pub(super) left: u64,
    /// What takes longest.
    pub(super) why: Text,
}

impl Current {
    pub(super) fn new(now: Time, number: u64, plan: Plan, asker: Option<Asker>, stage: Stage) -> Current {
        Current { number, plan, asker, stage, begun: now, since: now, said: BTreeMap::new() }
    }

    /// Everyone has to say anew how far they are, and has the whole time for it.
    pub(super) fn renew(&mut self, now: Time) {
        self.since = now;
        self.said.clear();
    }

    /// A node of the ring says how far it is.
    pub(super) fn hear(&mut self, key: &NodeKey, left: u64, why: &str) {
        let end = (0..=why.len().min(WHY_MAX)).rev().find(|&end| why.is_char_boundary(end)).unwrap_or(0);
        self.said.insert(key.clone(), Said { left, why: why[..end].into() });
    }

    /// What a node said.
    pub(super) fn said(&self, key: &NodeKey) -> Option<&Said> {
        self.said.get(key)
    }

    /// Whether it is to bring this start of a node into the ring.
    pub(super) fn is_join_of(&self, key: &NodeKey, incarnation: Incarnation) -> bool {
        matches!(&self.plan, Plan::Join { node } if node.key == *key && node.incarnation == incarnation)
    }

    /// Whether the node that wants in is not there to come in: the directory was restarted, and it has not come back yet.
    pub(super) fn misses_joiner(&self) -> bool {
        matches!(self.plan, Plan::Join { .. }) && self.asker.is_none()
    }

    /// When it is given up. A node that does not come back is not waited for longer than one that is silent.
    pub(super) fn deadline(&self, config: &DirectoryConfig) -> Time {
        self.since + if self.misses_joiner() { config.lease_ms } else { config.prepare_ms }
    }
}

impl Agenda {
    /// When the change under way is given up.
    pub(super) fn deadline(&self, config: &DirectoryConfig) -> Option<Time> {
        self.current.as_ref().filter(|current| current.stage == Stage::Preparing).map(|current| current.deadline(config))
    }

    /// Whether the change under way is to bring this start of a node into the ring.
    pub(super) fn plans_join_of(&self, peer: &Peer) -> bool {
        self.current.as_ref().is_some_and(|current| current.is_join_of(&peer.key, peer.incarnation))
    }

    /// Whether this connection waits for a change.
    pub(super) fn waits(&self, conn: Conn) -> bool {
        self.askers().any(|(_, asker)| asker.conn == conn)
    }

    /// The connections that wait for this node's coming or going.
    pub(super) fn conns_of(&self, key: &NodeKey) -> Vec<Conn> {
        let own = self.askers().filter(|(plan, asker)| node_of(plan) == Some(key) && !asker.wants.is_operators());
        own.map(|(_, asker)| asker.conn).collect()
    }

    /// Someone else decides from here on. Gives all who wait.
    pub(super) fn take_all(&mut self) -> Vec<Asker> {
        let askers = self.askers().map(|(_, asker)| *asker).collect();
        *self = Agenda::default();
        askers
    }

    /// Forgets what a connection wanted and has not begun. Says how much that was.
    pub(super) fn drop_queued(&mut self, conn: Conn) -> usize {
        let before = self.queue.len();
        self.queue.retain(|wish| wish.asker.conn != conn);
        before - self.queue.len()
    }

    /// All that is planned, and all that waits for its turn.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.current.iter().map(|current| &current.plan).chain(self.queue.iter().map(|wish| &wish.plan))
    }

    fn askers(&self) -> impl Iterator<Item = (&Plan, &Asker)> {
        let current = self.current.iter().filter_map(|current| Some((&current.plan, current.asker.as_ref()?)));
        current.chain(self.queue.iter().map(|wish| (&wish.plan, &wish.asker)))
    }

    pub(super) fn check_invariants(&self) {
        let mut conns: Vec<Conn> = self.askers().map(|(_, asker)| asker.conn).collect();
        let all = conns.len();
        conns.sort_unstable();
        conns.dedup();
        // A node that is just coming in may already ask to go.
        let ending = self.current.as_ref().is_some_and(|current| current.stage == Stage::Ending);
        assert!(conns.len() + usize::from(ending) >= all, "a connection waits for several planned changes");
    }
}

/// The node that a plan is about.
pub(super) fn node_of(plan: &Plan) -> Option<&NodeKey> {
    match plan {
        Plan::Join { node } => Some(&node.key),
        Plan::Drain { key, .. } => Some(key),
        Plan::Points { .. } => None,
    }
}

/// A plan as the end of "is planned: …".
pub(super) fn describe(plan: &Plan) -> String {
    match plan {
        Plan::Join { node } => format!("super node {} ({}) comes into the ring", node.key, node.name),
        Plan::Drain { key, .. } => format!("super node {key} goes out of the ring"),
        Plan::Points { points } => format!("every super node has {points} points"),
    }
}
