//! What other nodes do: in bad order, twice, by halves, or wrongly.

use super::*;
use crate::entry::{Content, Entry, SayKind, Settings};
use crate::ids::{Birth, EntryId};

fn entry(seq: u64) -> Arc<Entry> {
    let content = Content::Message { kind: SayKind::Message, text: "x".into() };
    let id = EntryId { session: SessionId(9), counter: seq };
    Arc::new(Entry { seq, term: Epoch::default(), id, time: Time(1), sender: person("joe"), content })
}

/// The parts of a handover: `birth`, then `seq` of the group, then those of the entries in its log, and the end.
fn hand(bench: &mut Bench, conn: Conn, group: &GroupName, birth: u64, seq: u64, log: &[u64]) {
    begin(bench, conn, group, birth, seq);
    bench.hear(conn, PeerCommand::HandEntries { group: group.clone(), entries: log.iter().map(|seq| entry(*seq)).collect() });
    bench.hear(conn, PeerCommand::HandEnd { group: group.clone(), birth: Birth(birth) });
}

pub(super) fn begin(bench: &mut Bench, conn: Conn, group: &GroupName, birth: u64, seq: u64) {
    let (epoch, term) = (bench.epoch(), Epoch::default());
    let settings = Settings::new(Time(1));
    bench.hear(conn, PeerCommand::Handover { epoch, group: group.clone(), birth: Birth(birth), term, seq, settings });
}

fn is_adopted(bench: &mut Bench, conn: Conn) -> bool {
    bench.told(conn).iter().any(|event| matches!(event, Event::Link(LinkEvent::Adopted { .. })))
}

fn births(bench: &Bench) -> Vec<u64> {
    bench.node.lives().map(|(_, birth, _)| birth.0).collect()
}

/// Hands over a group with this log, and says whether it was taken.
#[track_caller]
fn check_log(seq: u64, log: &[u64], taken: bool) {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(ME, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    hand(&mut bench, other, &group, 7, seq, log);
    assert_eq!(is_adopted(&mut bench, other), taken);
    assert_eq!(births(&bench) == [7], taken);
    // Whatever became of it, the group can be used.
    bench.request(other, 1, &group, 9, "joe", join());
    bench.wait(3_000);
    assert!(bench.answers(other).iter().any(|answer| matches!(answer, Outcome::Joined { .. })));
}

#[test]
fn a_log_that_is_handed_over_is_checked() {
    check_log(3, &[1, 2, 3], true);
    check_log(0, &[], true);
    check_log(9, &[], true);
    check_log(3, &[1, 3], false);
    check_log(3, &[2, 2], false);
    check_log(3, &[1, 2], false);
    check_log(u64::MAX, &[], false);
    check_log(u64::MAX, &[u64::MAX, 0], false);
}

#[test]
fn handovers_from_two_nodes_are_not_mixed() {
    let mut bench = Bench::new(&[ME, OTHER, THIRD]);
    let group = group_of(ME, &[ME, OTHER, THIRD]);
    let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    begin(&mut bench, other, &group, 7, 3);
    begin(&mut bench, third, &group, 8, 9);
    bench.hear(other, PeerCommand::HandEntries { group: group.clone(), entries: vec![entry(2), entry(3)] });
    bench.hear(third, PeerCommand::HandEntries { group: group.clone(), entries: vec![entry(8), entry(9)] });
    bench.hear(other, PeerCommand::HandEnd { group: group.clone(), birth: Birth(7) });
    bench.hear(third, PeerCommand::HandEnd { group: group.clone(), birth: Birth(8) });
    assert!(!is_adopted(&mut bench, other), "they would forget what is nowhere else");
    assert!(is_adopted(&mut bench, third));
    assert_eq!(births(&bench), [8]);
}

#[test]
fn a_handover_that_takes_its_time_is_waited_for() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(ME, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    begin(&mut bench, other, &group, 7, 30);
    for seq in 1..=30 {
        bench.wait(300);
        bench.hear(other, PeerCommand::HandEntries { group: group.clone(), entries: vec![entry(seq)] });
    }
    bench.hear(other, PeerCommand::HandEnd { group: group.clone(), birth: Birth(7) });
    assert!(is_adopted(&mut bench, other));
    assert_eq!(births(&bench), [7]);
}

#[test]
fn a_handover_that_came_too_late_is_not_confirmed() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(ME, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    begin(&mut bench, other, &group, 7, 1);
    bench.wait(5_000);
    bench.request(other, 1, &group, 9, "joe", join());
    bench.hear(other, PeerCommand::HandEntries { group: group.clone(), entries: vec![entry(1)] });
    bench.hear(other, PeerCommand::HandEnd { group: group.clone(), birth: Birth(7) });
    assert!(!is_adopted(&mut bench, other), "it opened without that history");
    // The next try is taken, and confirmed as often as it is asked for.
    for _ in 0..2 {
        hand(&mut bench, other, &group, 7, 1, &[1]);
        assert!(is_adopted(&mut bench, other));
        assert_eq!(births(&bench), [7]);
    }
}

/// What the node sends of its groups to another: how many whole ones, and their names.
fn handed(bench: &mut Bench, conn: Conn) -> Vec<(GroupName, Birth)> {
    let end = |command| if let PeerCommand::HandEnd { group, birth } = command { Some((group, birth)) } else { None };
    bench.asked(conn).into_iter().filter_map(end).collect()
}

/// A node that is alone, with groups of which each has a full log, then another comes to which some belong.
fn with_heavy_groups(count: usize) -> (Bench, usize) {
    let mut bench = Bench::new(&[ME]);
    let third = bench.peer(THIRD, 1);
    let ring = Ring::of([key(ME), key(OTHER)], RingParams::default());
    let theirs = |name: &GroupName| ring.master(name.as_str()) == Some(&key(OTHER));
    let groups: Vec<GroupName> = (0..).map(|n| group(&format!("#g{n}"))).filter(theirs).take(count).collect();
    for name in &groups {
        bench.request(third, 1, name, 9, "joe", join());
        bench.no_records();
        for counter in 1..=16 {
            let op = Op::Say { kind: SayKind::Message, text: "x".repeat(16 * 1024).into(), counter };
            bench.request(third, 1, name, 9, "joe", op);
        }
    }
    bench.ring(&[ME, OTHER]);
    (bench, count)
}

#[test]
fn a_node_is_given_no_more_groups_at_once_than_its_link_takes() {
    let (mut bench, count) = with_heavy_groups(150);
    let other = bench.accept("10.0.0.2:7411", OTHER);
    let (mut moved, mut most) = (0, 0);
    loop {
        let groups = handed(&mut bench, other);
        if groups.is_empty() {
            break;
        }
        most = most.max(groups.len());
        for (group, _) in groups {
            bench.tell(other, LinkEvent::Adopted { group });
            moved += 1;
        }
    }
    assert_eq!((moved, bench.node.groups_held()), (count, 0));
    assert!(most <= 40, "{most} at once");
}

#[test]
fn groups_that_a_broken_link_swallowed_are_sent_again_soon() {
    let (mut bench, count) = with_heavy_groups(3);
    let other = bench.accept("10.0.0.2:7411", OTHER);
    assert_eq!(handed(&mut bench, other).len(), count);
    bench.give(Input::Lost { conn: other });
    bench.wait(600);
    let other = bench.accept("10.0.0.2:7411", OTHER);
    let again = handed(&mut bench, other);
    assert_eq!(again.len(), count);
    again.into_iter().for_each(|(group, _)| bench.tell(other, LinkEvent::Adopted { group }));
    assert_eq!(bench.node.groups_held(), 0);
}

#[test]
fn a_node_that_was_started_anew_has_nobody_in_groups() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(ME, &[ME, OTHER]);
    let (older, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    bench.request(third, 1, &group, 8, "mike", join());
    bench.no_records();
    bench.request(older, 1, &group, 9, "joe", join());
    // Its host went without a word, so its link looks well. Then it is back.
    bench.peer(OTHER, 2);
    assert!(bench.is_closed(older));
    bench.wait(9_000);
    bench.request(third, 2, &group, 8, "mike", Op::Names {});
    let Some(Outcome::Names { names }) = bench.answers(third).pop() else { panic!() };
    assert_eq!(names.iter().map(|row| row.person.nick.as_str()).collect::<Vec<_>>(), ["mike"]);
}

#[test]
fn a_node_that_is_not_understood_begins_anew() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    bench.give(Input::Heard { conn: other, command: Command::parse(&[b"HANDEND", b"#a"]) });
    assert!(bench.is_closed(other));
}

#[test]
fn a_directory_that_is_silent_is_left_for_the_next() {
    let mut bench = Bench::new(&[ME, OTHER]);
    bench.is_well = false;
    bench.wait(7_000);
    assert!(bench.is_closed(bench.home));
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Dial { .. })));
}
