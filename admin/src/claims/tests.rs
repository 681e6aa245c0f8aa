use super::*;
use chatring_machines::ids::{Birth, Incarnation};
use chatring_machines::view::{NodeInfo, RingParams};

const NODES: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

fn key(text: &str) -> NodeKey {
    NodeKey::new(text).unwrap()
}

fn epoch(number: u64) -> Epoch {
    Epoch { generation: 1, number }
}

fn view(number: u64) -> View {
    let node = |text: &&str| NodeInfo {
        key: key(text),
        name: "n".into(),
        incarnation: Incarnation(1),
        since: Default::default(),
        admitted: epoch(1),
    };
    let nodes = NODES.iter().map(node).collect();
    View { epoch: epoch(number), network: "net".into(), params: RingParams::default(), nodes, directories: Vec::new() }
}

/// `NODE silent` or `NODE EPOCH STAND [members N] [seats N from NODE|nobody] [gone NODE] [why …]`
fn asked(line: &str) -> Asked {
    let (head, why) = line.split_once(" why ").unwrap_or((line, ""));
    let words: Vec<&str> = head.split(' ').collect();
    let node = key(words[0]);
    if words[1] == "silent" {
        return Asked { node, answer: Err("no answer".into()) };
    }
    let stand = Stand::WORDS.iter().position(|(word, _)| *word == words[2]).unwrap();
    let stand = [Stand::Held, Stand::Opening, Stand::Copy, Stand::Nothing][stand];
    let after = |name: &str, by: usize| words.iter().position(|word| *word == name).map(|at| words[at + by]);
    let has = stand != Stand::Nothing;
    let claim = GroupClaim {
        group: GroupName::new("#g").unwrap(),
        node: node.clone(),
        incarnation: Incarnation(1),
        epoch: if words[1] == "0" { Epoch::default() } else { epoch(words[1].parse().unwrap()) },
        in_ring: words[1] != "0",
        stand,
        birth: has.then_some(Birth(7)),
        seq: has.then_some(9),
        term: has.then_some(epoch(3)),
        since: None,
        counts: true,
        members: after("members", 1).map_or(0, |number| number.parse().unwrap()),
        master: None,
        copies: Vec::new(),
        why: why.into(),
        gone: after("gone", 1).map(key).into_iter().collect(),
        seats: after("seats", 1).map_or(0, |number| number.parse().unwrap()),
        hears: after("seats", 3).filter(|node| *node != "nobody").map(key),
        live: true,
    };
    Asked { node, answer: Ok(claim) }
}

/// In a ring of three at epoch 5 where `M` stands for the group's master, `S` and `T` for the others.
#[track_caller]
fn check(said: &[&str], reported: u64, expect: &[&str], code: u8) {
    let (view, group) = (view(5), GroupName::new("#g").unwrap());
    let ring = Ring::new(&view);
    let order: Vec<&str> = ring.order(chatring_machines::ring::point("#g")).map(NodeKey::as_str).collect();
    let named = |text: &str| text.replace('M', order[0]).replace('S', order[1]).replace('T', order[2]);
    let all: Vec<Asked> = said.iter().map(|line| asked(&named(line))).collect();
    let findings = judge(&view, &group, &all, reported);
    let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(found, expect.iter().map(|line| named(line)).collect::<Vec<_>>());
    assert_eq!(failure(&findings).map_or(0, |failure| failure.kind as u8), code);
    assert!(findings.iter().all(|finding| !finding.nodes().is_empty() || reported > 0), "{findings:?}");
}

#[test]
fn all_is_well() {
    check(&["M 5 held members 3 seats 1 from M", "S 5 copy members 3 seats 2 from M", "T 5 none"], 3, &[], 0);
    check(&["M 5 none", "S 5 none", "T 5 none"], 0, &[], 0);
    // Left by everyone, and not forgotten yet.
    check(&["M 5 none", "S 5 copy", "T 5 none"], 0, &[], 0);
    // The directory server that was asked is the one that is behind.
    check(&["M 6 held", "S 6 copy", "T 6 none"], 0, &[], 0);
    // A node that is not in the ring, and has nothing; one that does not answer.
    check(&["M 5 held", "S 5 copy", "T 5 none", "192.0.2.9 0 none", "192.0.2.8 silent"], 0, &[], 0);
}

#[test]
fn two_masters() {
    let twice = "two masters: M, S serve it, and only one may";
    check(&["M 5 held", "S 5 held", "T 5 none"], 0, &[twice], 4);
    let stale = "stale view: S goes by epoch 3, and the ring is at 1.5";
    check(&["M 5 held", "S 3 held", "T 5 none"], 0, &[twice, &stale.replace("epoch 3", "epoch 1.3")], 4);
    // Out of the ring, and going on.
    check(
        &["M 5 held", "S 5 copy", "T 5 none", "192.0.2.9 4 held"],
        0,
        &["two masters: M, 192.0.2.9 serve it, and only one may", "stale view: 192.0.2.9 goes by epoch 1.4, and the ring is at 1.5"],
        4,
    );
    check(&["M 5 held", "S 5 held", "T silent"], 0, &[twice, "T does not answer (no answer)"], 4);
}

#[test]
fn orphans() {
    check(
        &["M 5 none", "S 5 copy members 3", "T 5 none seats 2 from M"],
        3,
        &["orphaned: nobody who answers serves it, and 2 people are in it, at T; S has a copy"],
        5,
    );
    check(
        &["M silent", "S silent", "T 5 none seats 1 from nobody"],
        0,
        &[
            "orphaned: nobody who answers serves it, and 1 person is in it, at T; no node that answers has a copy",
            "M does not answer (no answer); S does not answer (no answer)",
        ],
        5,
    );
    check(
        &["M 5 none", "S 5 none", "T 5 none"],
        4,
        &["orphaned: nobody who answers serves it, and 4 people are in it; no node that answers has a copy"],
        5,
    );
    check(
        &["M 5 copy members 1", "S 5 copy members 1", "T 5 none"],
        0,
        &["orphaned: nobody who answers serves it, and 1 person is in it; M, S have a copy"],
        5,
    );
    // Someone is about to serve it.
    check(
        &["M 5 opening why waits for its standby", "S silent", "T 5 none seats 1 from nobody"],
        1,
        &["S does not answer (no answer)", "M waits: waits for its standby"],
        3,
    );
}

#[test]
fn older_rings() {
    check(&["M 5 held", "S 4 copy", "T 5 none"], 0, &["stale view: S goes by epoch 1.4, and the ring is at 1.5"], 6);
    check(&["M 5 held", "S 6 copy", "T 4 none"], 0, &["stale view: M goes by epoch 1.5, T goes by epoch 1.4, and the ring is at 1.6"], 6);
    check(
        &["M 5 none", "S 4 held", "T 5 none"],
        0,
        &["stale view: S goes by epoch 1.4, and the ring is at 1.5", "not at home: S serves it, and M should"],
        6,
    );
}

#[test]
fn what_passes() {
    check(&["M 5 none", "S 5 held", "T 5 none"], 0, &["not at home: S serves it, and M should"], 1);
    check(
        &["M 5 held seats 1 from M", "S 5 copy seats 2 from T", "T 5 none seats 1 from nobody"],
        0,
        &["people at S hear it from T, which does not serve it; people at T hear it from nobody"],
        1,
    );
    check(
        &["M 5 held why its standby S has no complete copy yet", "S 5 none", "T 5 none"],
        0,
        &["M waits: its standby S has no complete copy yet"],
        1,
    );
    check(&["M 5 held", "S silent", "T 5 none"], 0, &["S does not answer (no answer)"], 3);
}

#[test]
fn whoever_is_named_is_asked_next() {
    let all = [asked("192.0.2.1 5 held seats 1 from 192.0.2.7"), asked("192.0.2.2 5 none gone 192.0.2.9"), asked("192.0.2.3 silent")];
    assert_eq!(named(&all), [key("192.0.2.7"), key("192.0.2.9")].into());
    assert_eq!(named(&[asked("192.0.2.1 5 held seats 1 from 192.0.2.1")]), BTreeSet::new());
}
