//! The ring as a pure function of the changes made to it.
//!
//! [`DirectoryState::apply`] is the one way the ring changes: the machine, the store on disk and, later, every server of a replicated directory
//! apply the same changes in the same order and hold the same state. It asks nothing and fails never: a change that has
//! no meaning any more is ignored, everywhere alike.
//!
//! Invariants: every change of the ring has an epoch above all before it; nodes are ordered by key, each once; at most
//! [`VIEWS_KEPT`] views are remembered, the current one among them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::ids::Epoch;
use crate::names::NodeKey;
use crate::peer::Change;
use crate::view::{Plan, RingParams, SharedView, View};

/// How many views are remembered: a successor learns from them who held a group before.
pub const VIEWS_KEPT: usize = 64;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// There is a new view.
    Ring,
    /// The ring is what it was; what is remembered of a group may have changed.
    Report,
    /// Nothing: it came too late, or says what is so already.
    Ignored,
}

/// What directory servers agree on.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryState {
    /// Oldest first. Empty until the network is founded.
    views: VecDeque<SharedView>,
    /// What `view` gives before there is a network.
    nothing: SharedView,
}

impl Default for DirectoryState {
    fn default() -> DirectoryState {
        DirectoryState { views: VecDeque::new(), nothing: Arc::new(empty_view()) }
    }
}

impl DirectoryState {
    /// As it was written down: views, oldest first, of which the last is the current one.
    pub fn restore(views: Vec<View>) -> DirectoryState {
        let mut state = DirectoryState::default();
        views.into_iter().for_each(|view| state.remember(view));
        state
    }

    /// Whether there is a network yet.
    pub fn is_founded(&self) -> bool {
        !self.views.is_empty()
    }

    /// The ring now. Of epoch 0.0 and empty before there is a network.
    pub fn view(&self) -> &SharedView {
        self.views.back().unwrap_or(&self.nothing)
    }

    /// The views remembered, oldest first; the last is the current one.
    pub fn views(&self) -> impl DoubleEndedIterator<Item = &SharedView> {
        self.views.iter()
    }

    /// Does what a change says.
    pub fn apply(&mut self, change: &Change) -> Applied {
        if matches!(change, Change::Report { .. }) {
            return if self.is_founded() { Applied::Report } else { Applied::Ignored };
        }
        match self.next_view(change) {
            Some(view) => {
                self.remember(view);
                Applied::Ring
            }
            None => Applied::Ignored,
        }
    }

    /// The view after a change of the ring; `None` where it changes nothing.
    fn next_view(&self, change: &Change) -> Option<View> {
        let mut view = View::clone(self.view());
        if let Change::Found { network, params, generation } = change {
            let new = *generation > view.epoch.generation;
            (view.network, view.params) = (network.clone(), bounded(*params));
            view.epoch = Epoch { generation: *generation, number: 1 };
            return new.then_some(view);
        }
        let changed = self.is_founded()
            && match change {
                Change::Directories { addresses } => {
                    let new = view.directories != *addresses;
                    view.directories.clone_from(addresses);
                    new
                }
                Change::Admit { node } => return view.after(&Plan::Join { node: node.clone() }),
                Change::Remove { key, incarnation, .. } => {
                    let before = view.nodes.len();
                    view.nodes.retain(|node| node.key != *key || node.incarnation != *incarnation);
                    view.nodes.len() < before
                }
                Change::Found { .. } | Change::Report { .. } | Change::Prepare { .. } | Change::Commit { .. } | Change::Cancel { .. } => {
                    false
                }
            };
        view.epoch = view.epoch.next();
        changed.then_some(view)
    }

    fn remember(&mut self, view: View) {
        if self.views.len() == VIEWS_KEPT {
            self.views.pop_front();
        }
        self.views.push_back(Arc::new(view));
    }

    /// Panics when what this file promises does not hold.
    pub fn check_invariants(&self) {
        assert!(self.views.len() <= VIEWS_KEPT);
        let epochs: Vec<Epoch> = self.views.iter().map(|view| view.epoch).collect();
        assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "an epoch is not above the one before: {epochs:?}");
        let keys: Vec<&NodeKey> = self.view().nodes.iter().map(|node| &node.key).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "nodes are not in order: {keys:?}");
    }
}

fn bounded(params: RingParams) -> RingParams {
    RingParams { points: params.points.clamp(1, 1_024), ..params }
}

fn empty_view() -> View {
    View { epoch: Epoch::default(), network: "".into(), params: RingParams::default(), nodes: Vec::new(), directories: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Incarnation;
    use crate::time::Time;
    use crate::view::NodeInfo;

    fn change(text: &str) -> Change {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |ix: usize| words[ix].parse::<u64>().unwrap();
        let key = |ix: usize| NodeKey::new(words[ix]).unwrap();
        match words[0] {
            "found" => Change::Found { network: words[1].into(), params: RingParams::default(), generation: number(2) as u32 },
            "directories" => Change::Directories { addresses: words[1..].iter().map(|&word| word.into()).collect() },
            "admit" => {
                let (key, incarnation, name) = (key(1), Incarnation(number(2)), words[3].into());
                Change::Admit { node: NodeInfo { key, name, incarnation, since: Time(number(4)), admitted: Epoch::default() } }
            }
            "remove" => Change::Remove { key: key(1), incarnation: Incarnation(number(2)), why: "test".into() },
            other => panic!("{other}"),
        }
    }

    /// Applies the changes in order; each line is `change -> epoch nodes…`.
    #[track_caller]
    fn check(story: &[(&str, &str)]) {
        let mut state = DirectoryState::default();
        for (line, expect) in story {
            state.apply(&change(line));
            state.check_invariants();
            let view = state.view();
            let nodes = view.nodes.iter().map(|node| format!(" {}/{}@{}", node.key, node.incarnation.0, node.since.0));
            assert_eq!(format!("{}{}", view.epoch, nodes.collect::<String>()), *expect, "after {line}");
        }
        let written: Vec<View> = state.views().map(|view| View::clone(view)).collect();
        assert_eq!(DirectoryState::restore(written), state);
    }

    #[test]
    fn every_change_of_the_ring_is_an_epoch() {
        check(&[
            ("admit 192.0.2.1 1 a 5", "0.0"),
            ("found net 1", "1.1"),
            ("found other 1", "1.1"),
            ("directories 192.0.2.9:7410", "1.2"),
            ("directories 192.0.2.9:7410", "1.2"),
            ("admit 192.0.2.2 1 b 6", "1.3 192.0.2.2/1@6"),
            ("admit 192.0.2.1 1 a 7", "1.4 192.0.2.1/1@7 192.0.2.2/1@6"),
            ("admit 192.0.2.1 1 a 8", "1.4 192.0.2.1/1@7 192.0.2.2/1@6"),
            ("admit 192.0.2.1 2 a 9", "1.5 192.0.2.1/2@9 192.0.2.2/1@6"),
            ("remove 192.0.2.1 1", "1.5 192.0.2.1/2@9 192.0.2.2/1@6"),
            ("remove 192.0.2.1 2", "1.6 192.0.2.2/1@6"),
            ("remove 192.0.2.1 2", "1.6 192.0.2.2/1@6"),
            ("found net 2", "2.1 192.0.2.2/1@6"),
        ]);
    }

    #[test]
    fn old_views_are_forgotten() {
        let mut state = DirectoryState::default();
        state.apply(&change("found net 1"));
        for n in 0..200 {
            assert_eq!(state.apply(&change(&format!("admit 192.0.2.1 {n} a 5"))), Applied::Ring);
        }
        assert_eq!(state.views().count(), VIEWS_KEPT);
        assert_eq!(state.views().next().unwrap().epoch.number, 201 - VIEWS_KEPT as u64 + 1);
    }
}
