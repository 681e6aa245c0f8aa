//! What a change of the ring would do, worked out from the ring as it is and from where groups are: which of them move, and what that takes.
//!
//! Placement is a function of the view, so that this is no guess: which groups move is exactly what will move, as long as the ring is the one that was looked at. A plan says of which network and epoch
//! it is, and is carried out only there. How long it takes is an estimate, see [`Work::seconds`].

mod file;
mod shown;

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;
use chatring_machines::machine::GroupPlace;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::{POINTS_MAX, Ring, point};
use chatring_machines::view::{RingParams, View};

pub use file::FILE_BYTES_MAX;

/// Changes in one plan.
pub const STEPS_MAX: usize = 64;

/// Bytes that a member or an entry of the log takes on its way, as nodes count when they pace copies (`core/machines`, `transfer.rs`).
const ROW_BYTES: u64 = 256;
/// Bytes of text that a message has, where nothing is known of it.
const TEXT_BYTES: u64 = 64;
/// Entries that a log keeps, unless a node is told otherwise (`super_node.limits.log_entries`).
const LOG_ENTRIES: u64 = 1_000;
/// Bytes of copies that one node takes in a second, and groups among them: assumed, and low for a machine that has nothing else to do.
const BYTES_PER_SECOND: u64 = 16 << 20;
const GROUPS_PER_SECOND: u64 = 2_000;
/// Groups that an edge attaches to their new masters at once, and then in a second; native clients that a node lets in, in a second (`docs/limits.md`).
const ATTACHES_AT_ONCE: u64 = 512;
const ATTACHES_PER_SECOND: u64 = 5_000;
const JOINS_PER_SECOND: u64 = 5_000;
/// Until all have said that they are ready, the directory servers have agreed twice, and everyone has the new ring.
const AGREEING_MS: u64 = 300;

/// A change of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node comes.
    Add(NodeKey),
    /// All nodes have so many points.
    Points(u32),
    /// A node goes.
    Remove(NodeKey),
}

/// A group that another node will serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which group.
    pub group: GroupName,
    /// Who serves it now.
    pub from: NodeKey,
    /// Who will.
    pub to: NodeKey,
    /// How many are in it.
    pub members: u64,
    /// How many of them are connected to the node that serves it now.
    pub near: u64,
}

/// What a change takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Groups that are copied to a node that had no part in them: their new master, or their new standby.
    pub copies: u64,
    /// How many bytes that is at most, as far as one can tell from members and places in the log.
    pub bytes: u64,
    /// Until it is done.
    ms: u64,
}

/// One change, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub change: Change,
    /// What moves, ordered by group.
    pub moves: Vec<Move>,
    /// What it takes.
    pub work: Work,
}

/// What is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingPlan {
    /// Of which network.
    pub network: String,
    /// For the ring of this epoch and no other.
    pub epoch: Epoch,
    /// One after the other; each is an epoch.
    pub steps: Vec<Step>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum NoPlan {
    #[error("nothing is to be changed: say --add, --remove or --points")]
    Nothing,
    #[error("a plan has at most {STEPS_MAX} changes")]
    TooMany,
    #[error("{0} is in the ring already")]
    There(NodeKey),
    #[error("{0} is not in the ring")]
    Absent(NodeKey),
    #[error("{0} can't be in the ring: only nodes that can be dialled are")]
    Unreachable(NodeKey),
    #[error("every node has {0} points already")]
    SamePoints(u32),
    #[error("a node has 1 to {POINTS_MAX} points")]
    BadPoints,
    #[error("nobody would be left in the ring")]
    Empty,
}

impl RingPlan {
    /// Works it out. `places`: all groups, ordered by name.
    pub fn of(view: &View, changes: &[Change], places: &[GroupPlace]) -> Result<RingPlan, NoPlan> {
        match changes.len() {
            0 => return Err(NoPlan::Nothing),
            1..=STEPS_MAX => {}
            _ => return Err(NoPlan::TooMany),
        }
        let (mut nodes, mut params) = (view.nodes.iter().map(|node| node.key.clone()).collect::<Vec<_>>(), view.params);
        let mut steps = Vec::new();
        for change in changes {
            let before = Ring::of(nodes.iter().cloned(), params);
            apply(&mut nodes, &mut params, change)?;
            let after = Ring::of(nodes.iter().cloned(), params);
            let moves = places.iter().filter_map(|place| Move::of(place, &before, &after)).collect();
            steps.push(Step { change: change.clone(), moves, work: Work::of(places, &before, &after) });
        }
        Ok(RingPlan { network: view.network.to_string(), epoch: view.epoch, steps })
    }

    /// The epoch in which a step begins, counted from 0.
    pub fn epoch_of(&self, step: usize) -> Epoch {
        Epoch { number: self.epoch.number + step as u64, ..self.epoch }
    }

    /// The rings before it and after each step, as the nodes of this view make it.
    pub fn rings(&self, view: &View) -> Result<Vec<Ring>, NoPlan> {
        let (mut nodes, mut params) = (view.nodes.iter().map(|node| node.key.clone()).collect::<Vec<_>>(), view.params);
        let mut rings = vec![Ring::of(nodes.iter().cloned(), params)];
        for step in &self.steps {
            apply(&mut nodes, &mut params, &step.change)?;
            rings.push(Ring::of(nodes.iter().cloned(), params));
        }
        Ok(rings)
    }

    /// Why it can't be carried out in this ring; nothing where it can.
    pub fn is_stale(&self, view: &View) -> Option<String> {
        let RingPlan { network, epoch, .. } = self;
        if **network != *view.network {
            return Some(format!("the plan is for the network '{network}', and this is '{}'", view.network));
        }
        (*epoch != view.epoch).then(|| format!("the plan is for epoch {epoch}, and the ring is at {}: it has changed since", view.epoch))
    }
}

fn apply(nodes: &mut Vec<NodeKey>, params: &mut RingParams, change: &Change) -> Result<(), NoPlan> {
    match change {
        Change::Add(key) if key.address().is_none() => return Err(NoPlan::Unreachable(key.clone())),
        Change::Add(key) if nodes.contains(key) => return Err(NoPlan::There(key.clone())),
        Change::Add(key) => nodes.push(key.clone()),
        Change::Remove(key) => {
            let at = nodes.iter().position(|node| node == key).ok_or_else(|| NoPlan::Absent(key.clone()))?;
            if nodes.len() == 1 {
                return Err(NoPlan::Empty);
            }
            nodes.remove(at);
        }
        Change::Points(0) => return Err(NoPlan::BadPoints),
        Change::Points(points) if *points > POINTS_MAX => return Err(NoPlan::BadPoints),
        Change::Points(points) if *points == params.points => return Err(NoPlan::SamePoints(*points)),
        Change::Points(points) => params.points = *points,
    }
    Ok(())
}

impl Move {
    fn of(place: &GroupPlace, before: &Ring, after: &Ring) -> Option<Move> {
        let at = point(place.group.as_str());
        let (from, to) = (before.master_of(at)?, after.master_of(at)?);
        // Who is at the master is known only of the one who reported it.
        let near = if *from == place.master { place.near } else { place.members };
        (from != to).then(|| Move { group: place.group.clone(), from: from.clone(), to: to.clone(), members: place.members, near })
    }
}

/// What comes to one node.
#[derive(Default)]
struct Load {
    copies: u64,
    bytes: u64,
    moves: u64,
    people: u64,
}

impl Work {
    fn of(places: &[GroupPlace], before: &Ring, after: &Ring) -> Work {
        let mut loads: BTreeMap<&NodeKey, Load> = BTreeMap::new();
        for place in places {
            let at = point(place.group.as_str());
            let had = [before.master_of(at), before.standby_of(at)];
            for new in [after.master_of(at), after.standby_of(at)].into_iter().flatten().filter(|node| !had.contains(&Some(node))) {
                let load = loads.entry(new).or_default();
                load.copies += 1;
                load.bytes += ROW_BYTES * (1 + place.members) + (ROW_BYTES + TEXT_BYTES) * place.seq.min(LOG_ENTRIES);
            }
            if let (Some(moved), Some(to)) = (Move::of(place, before, after), after.master_of(at)) {
                let load = loads.entry(to).or_default();
                load.moves += 1;
                load.people += moved.near;
            }
        }
        let sum = |what: fn(&Load) -> u64| loads.values().map(what).sum();
        let ms = AGREEING_MS + loads.values().map(Load::ms).max().unwrap_or(0);
        Work { copies: sum(|load| load.copies), bytes: sum(|load| load.bytes), ms }
    }

    /// About how long it takes: all nodes take in their copies at the same time, so many bytes or so many groups a second, whichever takes longer; then edges look for the new masters, and native clients are let in,
    /// at the rates at which nodes do that. The slowest node counts.
    pub fn seconds(&self) -> f64 {
        self.ms as f64 / 1_000.0
    }
}

impl Load {
    fn ms(&self) -> u64 {
        let copying = (self.bytes * 1_000 / BYTES_PER_SECOND).max(self.copies * 1_000 / GROUPS_PER_SECOND);
        let attaching = self.moves.saturating_sub(ATTACHES_AT_ONCE) * 1_000 / ATTACHES_PER_SECOND;
        copying + attaching.max(self.people * 1_000 / JOINS_PER_SECOND)
    }
}

#[cfg(test)]
mod tests;
