use super::*;
use chatring_machines::ids::Incarnation;
use chatring_machines::view::NodeInfo;

fn key(text: &str) -> NodeKey {
    NodeKey::new(text).unwrap()
}

fn view(keys: &[&str]) -> View {
    let node = |text: &&str| NodeInfo {
        key: key(text),
        name: "n".into(),
        incarnation: Incarnation(1),
        since: Default::default(),
        admitted: Epoch::default(),
    };
    let mut nodes: Vec<NodeInfo> = keys.iter().map(node).collect();
    nodes.sort_by(|a, b| a.key.cmp(&b.key));
    let epoch = Epoch { generation: 1, number: 5 };
    View { epoch, network: "net".into(), params: RingParams::default(), nodes, directories: Vec::new() }
}

/// So many groups, each with three members, of whom one is at the master.
fn places(view: &View, count: usize) -> Vec<GroupPlace> {
    let ring = Ring::new(view);
    let place = |number: usize| {
        let group = GroupName::new(&format!("#g{number:05}")).unwrap();
        let master = ring.master(group.as_str()).unwrap().clone();
        GroupPlace { group, master, members: 3, near: 1, seq: 10 }
    };
    (0..count).map(place).collect()
}

/// `+NODE`, `-NODE` or a number of points.
fn changes(text: &str) -> Vec<Change> {
    let change = |word: &str| match word.split_at(1) {
        ("+", node) => Change::Add(key(node)),
        ("-", node) => Change::Remove(key(node)),
        _ => Change::Points(word.parse().unwrap()),
    };
    text.split(' ').filter(|word| !word.is_empty()).map(change).collect()
}

const THREE: &[&str] = &["192.0.2.1", "192.0.2.2", "192.0.2.3"];

#[track_caller]
fn check_refused(text: &str, expect: &str) {
    let view = view(THREE);
    assert_eq!(RingPlan::of(&view, &changes(text), &[]).unwrap_err().to_string(), expect);
}

#[test]
fn what_makes_no_plan() {
    check_refused("", "nothing is to be changed: say --add, --remove or --points");
    check_refused("+192.0.2.2", "192.0.2.2 is in the ring already");
    check_refused("+192.0.2.4 +192.0.2.4", "192.0.2.4 is in the ring already");
    check_refused("-192.0.2.4", "192.0.2.4 is not in the ring");
    check_refused("-192.0.2.1 -192.0.2.2 -192.0.2.3", "nobody would be left in the ring");
    check_refused("1", "every node has 1 points already");
    check_refused("0", "a node has 1 to 1024 points");
    check_refused("1025", "a node has 1 to 1024 points");
    check_refused(&"2 3 ".repeat(33), "a plan has at most 64 changes");
}

#[track_caller]
fn check_moves(text: &str) -> RingPlan {
    let view = view(THREE);
    let places = places(&view, 500);
    let plan = RingPlan::of(&view, &changes(text), &places).unwrap();
    let rings = plan.rings(&view).unwrap();
    for (pair, step) in rings.windows(2).zip(&plan.steps) {
        let master = |ring: &Ring, place: &GroupPlace| ring.master(place.group.as_str()).unwrap().clone();
        let moved = places.iter().filter(|place| master(&pair[0], place) != master(&pair[1], place));
        let moved: Vec<_> = moved.map(|place| (place.group.clone(), master(&pair[0], place), master(&pair[1], place))).collect();
        let planned: Vec<_> = step.moves.iter().map(|moved| (moved.group.clone(), moved.from.clone(), moved.to.clone())).collect();
        assert_eq!(planned, moved, "{}", step.change);
    }
    plan
}

#[test]
fn what_moves() {
    let plan = check_moves("+192.0.2.4");
    assert!(plan.steps[0].moves.iter().all(|moved| moved.to == key("192.0.2.4")));
    let plan = check_moves("-192.0.2.2");
    assert!(plan.steps[0].moves.iter().all(|moved| moved.from == key("192.0.2.2")));
    // The standby has it already: what is copied is for the next standby.
    assert!(plan.steps[0].work.copies >= plan.steps[0].moves.len() as u64);
    assert_eq!(plan.steps[0].reconnect(), plan.steps[0].moves.len() as u64);
    let plan = check_moves("+192.0.2.4 16 -192.0.2.1");
    assert_eq!(plan.steps.len(), 3);
    assert_eq!(plan.epoch_of(2), Epoch { generation: 1, number: 7 });
}

#[test]
fn how_long_it_takes() {
    let view = view(THREE);
    let seconds = |count, members, seq| {
        let mut places = places(&view, count);
        places.iter_mut().for_each(|place| (place.members, place.near, place.seq) = (members, members / 2, seq));
        RingPlan::of(&view, &changes("-192.0.2.2"), &places).unwrap().steps[0].work.seconds()
    };
    assert_eq!(seconds(0, 0, 0), 0.3);
    assert!(seconds(100, 3, 10) < 1.0);
    let (small, large) = (seconds(20_000, 3, 10), seconds(20_000, 30, 5_000));
    assert!(small > 2.0 && large > 10.0 * small, "{small} {large}");
    // Of a log nothing is copied that is not kept.
    assert_eq!(seconds(1_000, 3, 1_000), seconds(1_000, 3, 1_000_000));
}

#[test]
fn a_plan_is_for_one_network_and_one_epoch() {
    let (view, other) = (view(THREE), |change: &dyn Fn(&mut View)| {
        let mut other = view(THREE);
        change(&mut other);
        other
    });
    let plan = RingPlan::of(&view, &changes("+192.0.2.4"), &[]).unwrap();
    assert_eq!(plan.is_stale(&view), None);
    let later = other(&|view| view.epoch = view.epoch.next());
    assert_eq!(plan.is_stale(&later).unwrap(), "the plan is for epoch 1.5, and the ring is at 1.6: it has changed since");
    let elsewhere = other(&|view| view.network = "other".into());
    assert_eq!(plan.is_stale(&elsewhere).unwrap(), "the plan is for the network 'net', and this is 'other'");
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let plan = check_moves("+192.0.2.4 8 -192.0.2.1");
    let text = plan.to_json().to_string();
    assert_eq!(RingPlan::from_json(&text, "p").unwrap(), plan);
    let bad = |text: &str| RingPlan::from_json(text, "p.json").unwrap_err().to_string();
    assert!(bad("{}").starts_with("p.json is no plan: missing field"), "{}", bad("{}"));
    assert!(bad(&text.replace("\"chatring_plan\":1", "\"chatring_plan\":9")).contains("it has the form 9"));
    assert!(bad(&text.replace("\"1.5\"", "\"now\"")).contains("'now' is no epoch"));
    assert!(bad(&text.replace("\"192.0.2.4\"", "\"nowhere\"")).contains("'nowhere'"));
}

#[test]
fn a_plan_for_people() {
    let view = view(THREE);
    let places = places(&view, 60);
    let plan = RingPlan::of(&view, &changes("-192.0.2.2"), &places).unwrap();
    let text = plan.sheet().text(false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "a plan for net at epoch 1.5");
    assert!(lines[1].starts_with("change            groups move  people reconnect at most"), "{text}");
    assert!(lines[2].starts_with("remove 192.0.2.2  "), "{text}");
    assert_eq!(plan.sheet().value()["steps"][0]["remove"], "192.0.2.2");
    let moved = plan.steps[0].moves.len();
    assert!(moved <= 20 || text.contains(&format!("and {} more", moved - 20)), "{text}");
}
