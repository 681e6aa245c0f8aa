//! The ring as a pure function of the changes made to it.
//!
//! [`DirectoryState::apply`] is the one way the ring changes: the machine, the store on disk, and every other server of the directory
//! apply the same changes in the same order and hold the same state. It asks nothing and fails never: a change that has
//! no meaning any more is ignored, everywhere alike.
//!
//! A planned change is announced under a number and later made or cancelled. A death in between changes the ring at once; where it leaves a plan nothing to
//! do (who was to be drained has died), the plan is gone with it.
//!
//! Invariants: every change of the ring has an epoch above all before it; nodes are ordered by key, each once; at most one change is planned, under the last number given
//! out, and it would change something.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{Epoch, Incarnation};
use crate::names::NodeKey;
use crate::peer::{Change, Ruling};
use crate::view::{Plan, RingParams, SharedView, View, ViewChange};
use crate::wire::{Argv, Bad, Field, Reader};

use super::ledger::Ledger;

/// How many drained starts of nodes are remembered; the oldest are forgotten, and might come back into the ring.
pub const DRAINED_KEPT: usize = 64;

/// How many rulings on nodes are kept; past it there are no new ones.
pub const RULINGS_MAX: usize = 4_096;

/// What operators ruled of nodes that may, or may not, come into the ring.
pub type Rulings = BTreeMap<NodeKey, Ruling>;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// There is a new view. What was planned may have changed, too.
    Ring,
    /// The ring is what it was; something is planned now, or is not any more.
    Plan,
    /// The ring is what it was; who may come into it is not.
    Ruling,
    /// The ring is what it was; what is kept of groups and accounts is not.
    Ledger,
    /// Nothing: it came too late, or says what is so already.
    Ignored,
}

/// What is, and was, planned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plans {
    /// The last number that a plan was given. Only grows.
    pub number: u64,
    /// The plan of that number, until it is made or cancelled.
    pub pending: Option<Plan>,
    /// Starts of nodes that a plan took out of the ring, by its number: they don't come back.
    pub drained: BTreeMap<u64, (NodeKey, Incarnation)>,
}

/// What directory servers agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryState {
    view: SharedView,
    plans: Plans,
    rulings: Rulings,
    /// Shared, so that a state is copied in no time.
    ledger: Arc<Ledger>,
}

impl Default for DirectoryState {
    fn default() -> DirectoryState {
        DirectoryState::restore(None, Plans::default(), Rulings::default(), Ledger::default())
    }
}

/// As it goes to a server that is far behind: the view, the last number of a plan, the one pending, what was drained, rulings, and the ledger.
impl Field for DirectoryState {
    fn put(&self, out: &mut Argv) {
        self.view.put(out);
        self.plans.number.put(out);
        self.plans.pending.put(out);
        let drained = self.plans.drained.iter().map(|(number, (key, incarnation))| (*number, key.clone(), *incarnation));
        drained.collect::<Vec<_>>().put(out);
        self.rulings.iter().map(|(key, ruling)| (key.clone(), *ruling)).collect::<Vec<_>>().put(out);
        self.ledger.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let (view, number, pending) = (Field::take(reader)?, Field::take(reader)?, Field::take(reader)?);
        let drained = Vec::<(u64, NodeKey, Incarnation)>::take(reader)?;
        let drained = drained.into_iter().map(|(number, key, incarnation)| (number, (key, incarnation))).collect();
        let rulings = Vec::<(NodeKey, Ruling)>::take(reader)?.into_iter().collect();
        Ok(DirectoryState { view, plans: Plans { number, pending, drained }, rulings, ledger: Field::take(reader)? })
    }
}

impl DirectoryState {
    /// As it was written down; no view where there is no network yet.
    pub fn restore(view: Option<View>, plans: Plans, rulings: Rulings, ledger: Ledger) -> DirectoryState {
        DirectoryState { view: Arc::new(view.unwrap_or_else(empty_view)), plans, rulings, ledger: Arc::new(ledger) }
    }

    /// Whether there is a network yet.
    pub fn is_founded(&self) -> bool {
        self.view.epoch != Epoch::default()
    }

    /// The ring now. Of epoch 0.0 and empty before there is a network.
    pub fn view(&self) -> &SharedView {
        &self.view
    }

    /// The change that is planned, under its number.
    pub fn pending(&self) -> Option<(u64, &Plan)> {
        self.plans.pending.as_ref().map(|plan| (self.plans.number, plan))
    }

    /// All about plans.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// All that operators ruled.
    pub fn rulings(&self) -> &Rulings {
        &self.rulings
    }

    /// What an operator ruled of a node.
    pub fn ruling(&self, key: &NodeKey) -> Option<Ruling> {
        self.rulings.get(key).copied()
    }

    /// What is kept of groups, and accounts.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether this start of a node was taken out of the ring for good.
    pub fn is_drained(&self, key: &NodeKey, incarnation: Incarnation) -> bool {
        self.plans.drained.values().any(|(drained, start)| drained == key && *start == incarnation)
    }

    /// Does what a change says.
    pub fn apply(&mut self, change: &Change) -> Applied {
        if !self.is_founded() && !matches!(change, Change::Found { .. }) {
            return Applied::Ignored;
        }
        match change {
            Change::Prepare { number, plan } => self.prepare(*number, plan),
            Change::Commit { number } => self.make(*number),
            Change::Cancel { number, .. } => match self.take(*number) {
                Some(_) => Applied::Plan,
                None => Applied::Ignored,
            },
            Change::Rule { key, ruling } => self.rule(key, *ruling),
            Change::Charters { charters } => self.write_down(|ledger| ledger.learn(charters)),
            Change::Account { name, secret, time } => self.write_down(|ledger| ledger.set_account(name, secret.as_ref(), *time)),
            _ => match self.next_view(change) {
                Some(view) => {
                    self.view = Arc::new(view);
                    // A plan that has nothing to do any more is gone.
                    self.plans.pending = self.plans.pending.take().filter(|plan| self.view().after(plan).is_some());
                    Applied::Ring
                }
                None => Applied::Ignored,
            },
        }
    }

    fn prepare(&mut self, number: u64, plan: &Plan) -> Applied {
        if number <= self.plans.number || self.plans.pending.is_some() || self.view().after(plan).is_none() {
            return Applied::Ignored;
        }
        (self.plans.number, self.plans.pending) = (number, Some(plan.clone()));
        Applied::Plan
    }

    fn rule(&mut self, key: &NodeKey, ruling: Option<Ruling>) -> Applied {
        let is_full = self.rulings.len() >= RULINGS_MAX && !self.rulings.contains_key(key);
        if self.ruling(key) == ruling || is_full {
            return Applied::Ignored;
        }
        match ruling {
            Some(ruling) => self.rulings.insert(key.clone(), ruling),
            None => self.rulings.remove(key),
        };
        Applied::Ruling
    }

    fn write_down(&mut self, write: impl FnOnce(&mut Ledger) -> bool) -> Applied {
        if write(Arc::make_mut(&mut self.ledger)) { Applied::Ledger } else { Applied::Ignored }
    }

    fn make(&mut self, number: u64) -> Applied {
        let Some(plan) = self.take(number) else { return Applied::Ignored };
        let Some(view) = self.view().after(&plan) else { return Applied::Plan };
        self.view = Arc::new(view);
        if let Plan::Drain { key, incarnation } = plan {
            self.plans.drained.insert(number, (key, incarnation));
            if self.plans.drained.len() > DRAINED_KEPT {
                self.plans.drained.pop_first();
            }
        }
        Applied::Ring
    }

    /// Takes the pending plan, if it has this number.
    fn take(&mut self, number: u64) -> Option<Plan> {
        if self.plans.number == number { self.plans.pending.take() } else { None }
    }

    /// The view after a change of the ring; `None` where it changes nothing.
    fn next_view(&self, change: &Change) -> Option<View> {
        if let Change::Found { network, params, generation } = change {
            let new = *generation > self.view.epoch.generation;
            let epoch = Epoch { generation: *generation, number: 1 };
            return new.then(|| View { network: network.clone(), params: bounded(*params), epoch, ..View::clone(&self.view) });
        }
        self.view.changed(&self.as_view_change(change)?)
    }

    /// What a change means for the view, to whoever has the present one. `None`: nothing, or there is nothing of the present one in the next.
    pub(super) fn as_view_change(&self, change: &Change) -> Option<ViewChange> {
        let plan = match change {
            Change::Directories { servers } => return Some(ViewChange::Servers { servers: servers.clone() }),
            Change::Admit { node } => Plan::Join { node: node.clone() },
            Change::Remove { key, incarnation, .. } => Plan::Drain { key: key.clone(), incarnation: *incarnation },
            Change::Commit { number } => self.pending().filter(|(pending, _)| pending == number)?.1.clone(),
            Change::Found { .. } | Change::Prepare { .. } | Change::Cancel { .. } => return None,
            Change::Rule { .. } | Change::Charters { .. } | Change::Account { .. } => return None,
        };
        Some(ViewChange::Plan { plan })
    }

    /// Panics when what this file promises does not hold.
    pub fn check_invariants(&self) {
        let keys: Vec<&NodeKey> = self.view().nodes.iter().map(|node| &node.key).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "nodes are not in order: {keys:?}");
        let moot = self.plans.pending.as_ref().filter(|plan| self.view().after(plan).is_none());
        assert_eq!(moot, None, "a plan that changes nothing is pending");
        assert!(self.plans.drained.len() <= DRAINED_KEPT && self.rulings.len() <= RULINGS_MAX);
        self.ledger.check_invariants();
    }
}

fn bounded(params: RingParams) -> RingParams {
    RingParams { points: params.points.clamp(1, 1_024), ..params }
}

/// Before there is a network.
pub(super) fn empty_view() -> View {
    View { epoch: Epoch::default(), network: "".into(), params: RingParams::default(), nodes: Vec::new(), directories: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use crate::view::{DirectoryServer, NodeInfo};

    fn change(text: &str) -> Change {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |ix: usize| words[ix].parse::<u64>().unwrap();
        let key = |ix: usize| NodeKey::new(words[ix]).unwrap();
        match words[0] {
            "found" => Change::Found { network: words[1].into(), params: RingParams::default(), generation: number(2) as u32 },
            "directories" => {
                let server = |word: &&str| DirectoryServer { address: (*word).into(), key: None };
                Change::Directories { servers: words[1..].iter().map(server).collect() }
            }
            "admit" => Change::Admit { node: node(&words[1..]) },
            "remove" => Change::Remove { key: key(1), incarnation: Incarnation(number(2)), why: "test".into() },
            "prepare" => Change::Prepare { number: number(1), plan: plan(&words[2..]) },
            "commit" => Change::Commit { number: number(1) },
            "rule" => Change::Rule { key: key(1), ruling: words.get(2).map(|word| crate::netstrings::parse(word).unwrap()) },
            "cancel" => Change::Cancel { number: number(1), why: "test".into() },
            other => panic!("{other}"),
        }
    }

    /// `key incarnation name since`
    fn node(words: &[&str]) -> NodeInfo {
        let number = |ix: usize| words[ix].parse::<u64>().unwrap();
        NodeInfo {
            key: NodeKey::new(words[0]).unwrap(),
            name: words[2].into(),
            incarnation: Incarnation(number(1)),
            since: Time(number(3)),
            admitted: Epoch::default(),
        }
    }

    fn plan(words: &[&str]) -> Plan {
        let number = |ix: usize| words[ix].parse::<u64>().unwrap();
        match words[0] {
            "join" => Plan::Join { node: node(&words[1..]) },
            "drain" => Plan::Drain { key: NodeKey::new(words[1]).unwrap(), incarnation: Incarnation(number(2)) },
            "points" => Plan::Points { points: number(1) as u32 },
            other => panic!("{other}"),
        }
    }

    /// Applies the changes in order; each line is `change -> epoch nodes… [plan number]`. A node is shown as key/incarnation@since, and since which epoch it is in.
    #[track_caller]
    fn check(story: &[(&str, &str)]) {
        let mut state = DirectoryState::default();
        for (line, expect) in story {
            let before = state.view().epoch;
            let applied = state.apply(&change(line));
            state.check_invariants();
            assert_eq!(state.view().epoch > before, applied == Applied::Ring, "after {line}");
            assert_eq!(crate::netstrings::unpack::<DirectoryState>(&crate::netstrings::pack(&state)), Ok(state.clone()));
            let view = state.view();
            let nodes =
                view.nodes.iter().map(|node| format!(" {}/{}@{},{}", node.key, node.incarnation.0, node.since.0, node.admitted.number));
            let pending = state.pending().map_or(String::new(), |(number, plan)| format!(" {} {number}", plan.word()));
            assert_eq!(format!("{}{}{pending}", view.epoch, nodes.collect::<String>()), *expect, "after {line}");
        }
        let restored = DirectoryState::restore(
            Some(View::clone(state.view())),
            state.plans().clone(),
            state.rulings().clone(),
            state.ledger().clone(),
        );
        assert_eq!(restored, state);
    }

    #[test]
    fn every_change_of_the_ring_is_an_epoch() {
        check(&[
            ("admit 192.0.2.1 1 a 5", "0.0"),
            ("found net 1", "1.1"),
            ("found other 1", "1.1"),
            ("directories 192.0.2.9:7410", "1.2"),
            ("directories 192.0.2.9:7410", "1.2"),
            ("admit 192.0.2.2 1 b 6", "1.3 192.0.2.2/1@6,3"),
            ("admit 192.0.2.1 1 a 7", "1.4 192.0.2.1/1@7,4 192.0.2.2/1@6,3"),
            ("admit 192.0.2.1 1 a 8", "1.4 192.0.2.1/1@7,4 192.0.2.2/1@6,3"),
            ("admit 192.0.2.1 2 a 9", "1.5 192.0.2.1/2@9,5 192.0.2.2/1@6,3"),
            ("remove 192.0.2.1 1", "1.5 192.0.2.1/2@9,5 192.0.2.2/1@6,3"),
            ("remove 192.0.2.1 2", "1.6 192.0.2.2/1@6,3"),
            ("remove 192.0.2.1 2", "1.6 192.0.2.2/1@6,3"),
            ("found net 2", "2.1 192.0.2.2/1@6,3"),
        ]);
    }

    #[test]
    fn a_plan_changes_the_ring_when_it_is_made() {
        check(&[
            ("prepare 1 points 8", "0.0"),
            ("found net 1", "1.1"),
            ("admit 192.0.2.1 1 a 5", "1.2 192.0.2.1/1@5,2"),
            ("prepare 4 join 192.0.2.2 1 b 6", "1.2 192.0.2.1/1@5,2 join 4"),
            // One at a time.
            ("prepare 5 points 8", "1.2 192.0.2.1/1@5,2 join 4"),
            ("commit 3", "1.2 192.0.2.1/1@5,2 join 4"),
            ("commit 4", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            ("commit 4", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            // Numbers only grow.
            ("prepare 4 points 8", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            ("prepare 5 points 8", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3 points 5"),
            ("cancel 4", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3 points 5"),
            ("cancel 5", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            // What changes nothing is not planned.
            ("prepare 6 points 1", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            ("prepare 6 drain 192.0.2.1 2", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3"),
            // A death in between: the plan stays where it still means something.
            ("prepare 6 points 8", "1.3 192.0.2.1/1@5,2 192.0.2.2/1@6,3 points 6"),
            ("remove 192.0.2.1 1", "1.4 192.0.2.2/1@6,3 points 6"),
            ("commit 6", "1.5 192.0.2.2/1@6,3"),
            ("prepare 7 drain 192.0.2.2 1", "1.5 192.0.2.2/1@6,3 drain 7"),
            ("remove 192.0.2.2 1", "1.6"),
            ("commit 7", "1.6"),
        ]);
    }

    #[test]
    fn the_starts_drained_last_are_remembered() {
        let mut state = DirectoryState::default();
        state.apply(&change("found net 1"));
        for n in 1..=100 {
            state.apply(&change(&format!("admit 192.0.2.1 {n} a 5")));
            state.apply(&change(&format!("prepare {n} drain 192.0.2.1 {n}")));
            assert_eq!(state.apply(&change(&format!("commit {n}"))), Applied::Ring);
            state.check_invariants();
        }
        let key = NodeKey::new("192.0.2.1").unwrap();
        let drained = (1..=101).filter(|n| state.is_drained(&key, Incarnation(*n)));
        assert_eq!(drained.collect::<Vec<_>>(), (101 - DRAINED_KEPT as u64..=100).collect::<Vec<_>>());
    }
}
