//! What a node says of a group when an operator asks: as its master, as one who has a copy, and for its own people.

use super::*;
use crate::claim::{GroupClaim, Stand};
use crate::event::Reply;
use crate::ids::Term;

const PAIR: &[&str] = &[ME, OTHER];

/// What is said of it.
#[track_caller]
fn claim(bench: &mut Bench, group: &GroupName) -> GroupClaim {
    let conn = bench.open();
    bench.says(conn, &format!("CLAIM {group}"));
    match bench.told(conn).pop() {
        Some(Event::Reply(Reply::ClaimIs { claim })) => *claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_master_says_who_has_copies_that_count() {
    let (mut bench, group) = (Bench::new(PAIR), group_of(ME, PAIR));
    let said = claim(&mut bench, &group);
    assert_eq!((said.stand, said.node, said.epoch, said.in_ring), (Stand::Nothing, key(ME), bench.epoch(), true));

    let edge = bench.peer(OTHER, 1);
    bench.request(edge, 1, &group, 9, "joe", join());
    let said = claim(&mut bench, &group);
    assert!(said.stand == Stand::Opening && said.why.starts_with("waits for"), "{said:?}");

    bench.settled(edge);
    bench.no_records();
    let said = claim(&mut bench, &group);
    assert_eq!((said.stand, said.members, said.seq), (Stand::Held, 1, Some(1)));
    assert!(said.why.contains("no complete copy yet"), "{said:?}");
    let standby = bench.link(OTHER);
    bench.follow(standby);
    bench.turn();
    bench.follow(standby);
    let said = claim(&mut bench, &group);
    assert_eq!((said.copies, said.counts, &*said.why), (vec![key(OTHER)], true, ""));
}

#[test]
fn our_own_people_are_counted_with_whom_they_hear() {
    let (mut bench, group) = (Bench::new(&[ME]), group_of(ME, &[ME]));
    let joe = bench.open();
    bench.says(joe, &format!("SUBSCRIBE {group}"));
    bench.no_records();
    let said = claim(&mut bench, &group);
    assert_eq!((said.stand, said.members, said.seats, said.hears, said.live), (Stand::Held, 1, 1, Some(key(ME)), true));
}

#[test]
fn whoever_was_put_out_is_named() {
    let group = group_of(ME, &[ME]);
    let mut bench = Bench::new(&[ME, OTHER, THIRD]);
    assert_eq!(claim(&mut bench, &group).gone, []);
    bench.ring(&[ME]);
    let said = claim(&mut bench, &group);
    assert!(!said.gone.is_empty() && said.gone.iter().all(|node| [OTHER, THIRD].contains(&node.as_str())), "{said:?}");
    assert_eq!(said.since, None::<Term>);
}
