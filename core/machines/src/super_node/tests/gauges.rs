//! What a node says of itself to whoever watches it.

use super::*;
use crate::entry::SayKind;
use crate::gauges::{Blocked, Gauges, Holdings, NodeGauges};

fn look(bench: &Bench) -> NodeGauges {
    match bench.node.gauges(bench.now) {
        Gauges::Node(gauges) => *gauges,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_is_counted_where_it_is_and_by_what_it_waits_for() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let name = group_of(ME, &[ME, OTHER]);
    let gauges = look(&bench);
    assert!(gauges.is_for_ring && gauges.is_in_ring && gauges.is_directory_up && !gauges.is_stopping);
    assert_eq!((gauges.epoch, gauges.nodes), (Some(bench.epoch()), 2));
    assert!((1..=3_000).contains(&gauges.lease_left_ms), "{}", gauges.lease_left_ms);
    assert_eq!((gauges.groups, gauges.counts.messages, gauges.links.up), (Holdings::default(), 0, 1));

    // Nobody has said yet what they have of it.
    let edge = bench.peer(OTHER, 1);
    bench.request(edge, 1, &name, 7, "joe", join());
    let gauges = look(&bench);
    assert_eq!((gauges.groups.opening, gauges.blocked), (1, Blocked { opening: 1, ..Blocked::default() }));
    // It is served, and the standby has no copy yet.
    bench.settled(edge);
    bench.no_records();
    let gauges = look(&bench);
    assert_eq!((gauges.groups, gauges.members), (Holdings { served: 1, ..Holdings::default() }, 1));
    assert_eq!(gauges.blocked, Blocked { standby: 1, ..Blocked::default() });
    // It has.
    let standby = bench.link(OTHER);
    bench.follow(standby);
    assert_eq!(look(&bench).blocked, Blocked::default());
    bench.request(edge, 2, &name, 7, "joe", Op::Say { kind: SayKind::Message, text: "hi".into(), counter: 1, birth: None });
    bench.follow(standby);
    let gauges = look(&bench);
    assert_eq!((gauges.counts.messages, gauges.counts.forks, gauges.links.inward), (1, 0, 1));
}

#[test]
fn a_lease_that_is_over_is_seen() {
    let mut bench = Bench::new(&[ME]);
    let person = bench.open();
    bench.says(person, "NICK joe");
    bench.says(person, "JOIN #g");
    bench.no_records();
    bench.wait(100);
    let gauges = look(&bench);
    assert_eq!((gauges.groups.served, gauges.nicks.served, gauges.sessions, gauges.groups_heard), (1, 1, 1, 1));
    assert_eq!(gauges.blocked, Blocked::default());
    bench.is_well = false;
    bench.wait(5_000);
    let gauges = look(&bench);
    assert_eq!((gauges.lease_left_ms, gauges.blocked), (0, Blocked { lease: 2, ..Blocked::default() }));
    bench.give(Input::DiskTrouble { why: "full".into() });
    assert!(look(&bench).has_disk_trouble);
    bench.give(Input::DiskWell { torn: vec![] });
    bench.give(Input::Stop);
    let gauges = look(&bench);
    assert!(!gauges.has_disk_trouble && gauges.is_stopping);
}
