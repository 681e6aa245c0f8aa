//! What operators are told of the ring before they change it, and of a group that is in trouble, against what then happens and what is so.

use std::collections::{BTreeMap, HashSet};

use chatring_admin::claims::{self, Asked, Finding, judge};
use chatring_admin::plan::{Change, RingPlan};
use chatring_admin::{FailureKind, census};
use chatring_machines::event::{Event, Reply};
use chatring_machines::machine::GroupPlace;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::super_node::NodeTiming;
use chatring_machines::time::Jitter;
use chatring_tests::person::Style;
use chatring_tests::story::Story;
use chatring_tests::world::{Pid, World};

/// A network with an operator at the machine of the directory server.
struct Office {
    story: Story,
    operator: Pid,
}

impl Office {
    fn of(seed: u64, nodes: usize) -> Office {
        let mut story = Story::of(seed, nodes);
        let operator = story.world.add_operator("operator");
        Office { story, operator }
    }

    /// What the directory server answers.
    #[track_caller]
    fn asks(&mut self, words: &[&str]) -> Reply {
        let (operator, directory) = (self.operator, self.story.directory);
        assert!(self.story.world.run_until(10_000, |world| !world.is_asking(operator)), "the operator still asks something else");
        assert!(self.story.world.ask(operator, directory, words));
        self.story.world.run_until(10_000, |world| !world.is_asking(operator));
        self.story.world.answer(operator).cloned().unwrap_or_else(|| panic!("nobody answers {words:?}"))
    }

    /// Where groups are, as `chatctl` asks for it.
    fn places(&mut self) -> Vec<GroupPlace> {
        let mut places: Vec<GroupPlace> = Vec::new();
        loop {
            let after = places.last().map_or(String::new(), |place| place.group.as_str().to_string());
            let Reply::Places { cells } = self.asks(&["PLACES", &after]) else { panic!("PLACES has another answer") };
            let page = census::places(&cells.0).expect("places are places");
            if page.is_empty() {
                return places;
            }
            places.extend(page);
        }
    }

    /// Waits until each group is served by one node, the one that the ring says, and the directory knows of all of them.
    #[track_caller]
    fn settle(&mut self, groups: &[GroupName]) {
        let within_ms = self.story.long_ms();
        let nodes = self.story.nodes.clone();
        let is_settled = |world: &World| {
            let (view, masters) = (world.view(), masters(world, &nodes));
            let ring = chatring_machines::ring::Ring::new(&view);
            groups.iter().all(|group| masters.get(group).is_some_and(|at| at[..] == [ring.master(group.as_str()).cloned()]))
        };
        assert!(self.story.world.run_until(within_ms, is_settled), "groups are not at home: {:?}", masters(&self.story.world, &nodes));
        for _ in 0..40 {
            if self.places().len() == groups.len() {
                return;
            }
            self.story.world.run_for(500);
        }
        panic!("the directory knows of {} groups, and there are {}", self.places().len(), groups.len());
    }
}

/// Who serves which group.
fn masters(world: &World, nodes: &[Pid]) -> BTreeMap<GroupName, Vec<Option<NodeKey>>> {
    let mut masters: BTreeMap<GroupName, Vec<Option<NodeKey>>> = BTreeMap::new();
    for node in nodes {
        for (group, _) in world.held(*node).into_iter().filter(|(group, _)| !group.is_person()) {
            masters.entry(group).or_default().push(Some(world.key(*node)));
        }
    }
    masters
}

/// The one who serves it.
fn master(masters: &BTreeMap<GroupName, Vec<Option<NodeKey>>>, group: &GroupName) -> NodeKey {
    masters[group][0].clone().expect("it was looked that it is served")
}

/// A change that can be made in this ring: nodes come and go, and points change.
fn draw(jitter: &mut Jitter, office: &Office, next_key: usize) -> Change {
    let view = office.story.world.view();
    match jitter.below(3) {
        0 if view.nodes.len() > 2 => Change::Remove(view.nodes[jitter.below(view.nodes.len() as u64) as usize].key.clone()),
        1 => {
            Change::Points([1, 2, 3, 8].into_iter().cycle().skip(jitter.below(4) as usize).find(|n| *n != view.params.points).unwrap_or(1))
        }
        _ if view.nodes.len() < 7 => Change::Add(NodeKey::new(&format!("10.0.1.{next_key}")).unwrap()),
        _ => Change::Remove(view.nodes[0].key.clone()),
    }
}

#[test]
fn a_plan_says_exactly_which_groups_move() {
    const GROUPS: usize = 60;
    let mut office = Office::of(71, 4);
    let mut jitter = Jitter::new(2026);
    let names: Vec<String> = (0..GROUPS).map(|number| format!("#room{number}")).collect();
    let mut groups: Vec<GroupName> = names.iter().map(|name| GroupName::new(name).unwrap()).collect();
    groups.sort();
    for (ix, names) in names.chunks(GROUPS / 4).enumerate() {
        let who = office.story.person(&format!("person{ix}"), ix);
        names.iter().for_each(|name| office.story.enter(who, name));
    }
    let (mut moved_in_all, mut kinds) = (0, HashSet::new());
    for number in 0..20 {
        office.settle(&groups);
        let view = office.story.world.view();
        let change = draw(&mut jitter, &office, number + 1);
        let plan = RingPlan::of(&view, std::slice::from_ref(&change), &office.places()).unwrap();
        let before = masters(&office.story.world, &office.story.nodes);
        let only = plan.epoch.to_string();
        match &change {
            Change::Add(key) => {
                office.story.add_node_at(key.as_str());
            }
            Change::Remove(key) => assert_eq!(office.asks(&["DRAIN", key.as_str(), "IF", &only]), Reply::Ok { text: "OK".into() }),
            Change::Points(points) => {
                assert_eq!(office.asks(&["POINTS", &points.to_string(), "IF", &only]), Reply::Ok { text: "OK".into() });
            }
        }
        let epoch = plan.epoch_of(1);
        assert!(office.story.world.run_until(10_000, |world| world.view().epoch == epoch), "{change}: no epoch {epoch}");
        office.settle(&groups);
        assert_eq!(office.story.world.view().epoch, epoch, "{change}: something else has changed the ring");
        let after = masters(&office.story.world, &office.story.nodes);
        let moved = groups.iter().filter(|group| master(&before, group) != master(&after, group));
        let moved: Vec<_> = moved.map(|group| (group.clone(), master(&before, group), master(&after, group))).collect();
        let planned = plan.steps[0].moves.iter().map(|one| (one.group.clone(), one.from.clone(), one.to.clone()));
        assert_eq!(planned.collect::<Vec<_>>(), moved, "{change} at {}", plan.epoch);
        moved_in_all += moved.len();
        kinds.insert(std::mem::discriminant(&change));

        // The same once more: it is for a ring that is no more.
        assert!(plan.is_stale(&office.story.world.view()).is_some());
        let refused = office.asks(&["POINTS", "77", "IF", &only]);
        let text = format!("the ring has changed: it is at epoch {epoch}, and this was meant for {only}; nothing was done");
        assert!(matches!(&refused, Reply::Error { text: found, .. } if **found == *text), "{refused:?}");
        if let Change::Remove(key) = &change {
            // Whoever is still connected there goes elsewhere.
            let gone = office.story.nodes.iter().position(|node| office.story.world.key(*node) == *key).unwrap();
            let gone = office.story.nodes.remove(gone);
            office.story.world.kill(gone);
        }
    }
    assert!(moved_in_all > 100 && kinds.len() == 3, "{moved_in_all} moves, {kinds:?}");
}

/// Three nodes, a group, and someone at each node who asks what that one says. The group's master comes first, its standby next.
struct Watched {
    office: Office,
    group: GroupName,
    nodes: Vec<Pid>,
    watchers: Vec<Pid>,
}

impl Watched {
    fn new(seed: u64) -> Watched {
        let mut office = Office::of(seed, 3);
        let name = office.story.group_at(0);
        let ring = chatring_machines::ring::Ring::new(&office.story.world.view());
        let order: Vec<NodeKey> = ring.order(chatring_machines::ring::point(&name)).cloned().collect();
        let at = |key: &NodeKey| office.story.nodes.iter().position(|node| office.story.world.key(*node) == *key).unwrap();
        let places: Vec<usize> = order.iter().map(at).collect();
        let nodes = places.iter().map(|ix| office.story.nodes[*ix]).collect();
        let watchers = places.iter().enumerate().map(|(ix, at)| office.story.comes(&format!("watcher{ix}"), Style::Redis, *at)).collect();
        let people = [office.story.person("joe", places[0]), office.story.person("mike", places[2])];
        people.iter().for_each(|who| office.story.enter(*who, &name));
        office.story.world.run_for(2_000);
        Watched { office, group: GroupName::new(&name).unwrap(), nodes, watchers }
    }

    /// What all nodes that run say.
    fn asked(&mut self) -> Vec<Asked> {
        let mut all = Vec::new();
        for (node, watcher) in self.nodes.clone().into_iter().zip(self.watchers.clone()) {
            let key = self.office.story.world.key(node);
            let answer = if self.office.story.world.is_alive(node) {
                let is_claim = |event: &Event| matches!(event, Event::Reply(Reply::ClaimIs { .. }));
                match self.office.story.asks(watcher, &["CLAIM", self.group.as_str()], is_claim) {
                    Event::Reply(Reply::ClaimIs { claim }) if claim.node == key => Ok(*claim),
                    other => panic!("{key} does not say what it has: {other:?}"),
                }
            } else {
                Err("no answer".to_string())
            };
            all.push(Asked { node: key, answer });
        }
        all
    }

    fn findings(&mut self) -> Vec<Finding> {
        let asked = self.asked();
        judge(&self.office.story.world.view(), &self.group, &asked, 2)
    }

    /// Within one check interval from now on it is found, and the words and the exit code say so.
    #[track_caller]
    fn is_found(&mut self, kind: FailureKind, words: &str) {
        let until = self.office.story.world.now() + NodeTiming::default().check_ms;
        loop {
            let findings = self.findings();
            let failure = claims::failure(&findings);
            if let Some(failure) = failure.filter(|failure| failure.kind == kind) {
                assert!(failure.what.contains(words), "{failure}");
                return;
            }
            assert!(self.office.story.world.now() < until, "not found in time: {findings:?}");
            self.office.story.world.run_for(500);
        }
    }

    fn name(&self, ix: usize) -> NodeKey {
        self.office.story.world.key(self.nodes[ix])
    }
}

#[test]
fn two_masters_are_found() {
    let mut watched = Watched::new(72);
    assert_eq!(watched.findings(), []);
    // Its master hears from nobody, and nobody from it; people reach it all the same.
    let (lonely, others) = (watched.nodes[0], [watched.office.story.directory, watched.nodes[1], watched.nodes[2]]);
    others.iter().for_each(|other| watched.office.story.world.cut(*other, lonely, false));
    let (old, new) = (watched.name(0), watched.name(1));
    watched.is_found(FailureKind::TwoMasters, &format!("two masters: {old}, {new} serve it, and only one may"));
    let findings = watched.findings();
    assert!(findings.iter().any(|found| matches!(found, Finding::Stale { nodes, .. } if nodes[0].0 == old)), "{findings:?}");
    // Who asks only those of the ring is told of the other one.
    let others: Vec<Asked> = watched.asked().into_iter().filter(|asked| asked.node != old).collect();
    assert!(claims::named(&others).contains(&old), "{others:?}");
    watched.office.story.ends_well();
    assert_eq!(watched.findings(), []);
}

#[test]
fn an_orphaned_group_is_found() {
    let mut watched = Watched::new(73);
    // Nobody is there to say who comes next.
    watched.office.story.world.kill(watched.office.story.directory);
    watched.office.story.world.kill(watched.nodes[0]);
    watched.office.story.world.kill(watched.nodes[1]);
    let third = watched.name(2);
    watched.is_found(
        FailureKind::Orphan,
        &format!("orphaned: nobody who answers serves it, and 1 person is in it, at {third}; no node that answers has a copy"),
    );
    for pid in [watched.office.story.directory, watched.nodes[0], watched.nodes[1]] {
        watched.office.story.world.start(pid);
    }
    watched.office.story.ends_well();
}

#[test]
fn an_older_ring_is_found() {
    let mut watched = Watched::new(74);
    let behind = watched.nodes[2];
    let directory = watched.office.story.directory;
    // It hears nothing more from the directory, which hears it; and then the ring changes.
    watched.office.story.world.cut_way(directory, behind, false);
    watched.office.story.world.kill(watched.nodes[0]);
    let third = watched.name(2);
    watched.is_found(FailureKind::Stale, &format!("stale view: {third} goes by epoch"));
    watched.office.story.world.start(watched.nodes[0]);
    watched.office.story.ends_well();
}
