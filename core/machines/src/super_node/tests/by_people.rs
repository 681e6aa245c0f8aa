//! What people's programs do: in bad order, too much, or from two places at once.

use super::*;
use crate::entry::{Content, Entry, SayKind};
use crate::event::{Code, Push, Reply};
use crate::ids::{Birth, EntryId};
use crate::secret::session_of_token;

fn is_error(event: &Event, wanted: Code) -> bool {
    matches!(event, Event::Reply(Reply::Error { code, .. }) if *code == wanted)
}

/// Someone who has entered a group that this node masters.
fn inside(bench: &mut Bench, group: &GroupName) -> Conn {
    let conn = bench.open();
    bench.says(conn, &format!("ENTER {group}"));
    bench.no_records();
    assert!(bench.told(conn).iter().any(|event| matches!(event, Event::Reply(Reply::Entered { .. }))));
    conn
}

/// How many the group's master counts.
fn members(bench: &mut Bench, group: &GroupName) -> usize {
    let conn = bench.open();
    bench.says(conn, &format!("NAMES {group}"));
    bench.no_records();
    let names = |event| if let Event::Reply(Reply::Names { members, .. }) = event { Some(members.0.len() / 2) } else { None };
    let count = bench.told(conn).into_iter().filter_map(names).sum();
    bench.give(Input::Lost { conn });
    count
}

#[test]
fn a_program_that_does_not_wait_is_not_read_from_whatever_it_says() {
    for line in ["FROB", "NODES", "PING", "NAMES"] {
        let limits = NodeLimits { pending_per_session: 10, ..NodeLimits::default() };
        let mut bench = Bench::with(&[ME, OTHER], limits);
        let conn = bench.open();
        bench.says(conn, &format!("NAMES {}", group_of(OTHER, &[ME, OTHER])));
        let paused = |bench: &Bench| bench.effects.contains(&Effect::Pause { conn }) && !bench.effects.contains(&Effect::Resume { conn });
        bench.effects.clear();
        (0..10).for_each(|_| bench.says(conn, line));
        assert!(paused(&bench), "{line}");
        bench.wait(20_000);
        assert!(bench.effects.contains(&Effect::Resume { conn }), "{line}");
        assert_eq!(bench.told(conn).len(), 11, "{line}");
    }
}

#[test]
fn counters_end_below_the_highest_number() {
    let mut bench = Bench::new(&[ME]);
    let group = group("#a");
    let conn = inside(&mut bench, &group);
    bench.says(conn, &format!("MSG #a x {}", u64::MAX));
    assert!(is_error(&bench.told(conn)[0], Code::Syntax));
    bench.says(conn, &format!("MSG #a x {}", u64::MAX / 2));
    bench.says(conn, "MSG #a y");
    let sent = bench.told(conn).into_iter().filter(|event| matches!(event, Event::Reply(Reply::Sent { .. }))).count();
    assert_eq!(sent, 2);
}

#[test]
fn a_session_that_comes_again_and_leaves_at_once_leaves_nobody_behind() {
    let mut bench = Bench::new(&[ME]);
    let group = group("#a");
    let stays = inside(&mut bench, &group);
    for rejoins in [false, true] {
        let older = bench.open();
        bench.says(older, "SESSION secret-token");
        bench.says(older, "JOIN #a");
        assert_eq!(members(&mut bench, &group), 2);
        let newer = bench.open();
        bench.says(newer, "SESSION secret-token");
        assert!(bench.is_closed(older));
        if rejoins {
            bench.says(newer, "JOIN #a");
        }
        bench.wait(7_000);
        assert_eq!(members(&mut bench, &group), if rejoins { 2 } else { 1 });
        bench.give(Input::Lost { conn: newer });
        assert_eq!(members(&mut bench, &group), 1);
    }
    bench.give(Input::Lost { conn: stays });
    assert_eq!(members(&mut bench, &group), 0);
    bench.wait(61_000);
    assert_eq!(bench.node.groups_held(), 0);
}

#[test]
fn a_session_that_goes_on_at_another_node_is_not_parted_by_its_old_connection() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(ME, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    bench.settled(other);
    let older = bench.open();
    bench.says(older, "SESSION secret-token");
    bench.says(older, &format!("JOIN {group}"));
    bench.no_records();
    bench.request(other, 1, &group, session_of_token("secret-token").0, "joe", join());
    let standby = bench.link(OTHER);
    bench.follow(standby);
    assert!(matches!(bench.answers(other)[..], [Outcome::Joined { .. }]));
    bench.give(Input::Lost { conn: older });
    assert_eq!(members(&mut bench, &group), 1);
    // Nor by one of another node.
    let third = bench.peer(THIRD, 1);
    bench.request(third, 1, &group, session_of_token("secret-token").0, "joe", Op::Part { reason: "".into() });
    assert!(matches!(bench.answers(third)[..], [Outcome::Refused { code: Code::NotMember, .. }]));
    assert_eq!(members(&mut bench, &group), 1);
}

fn said(seq: u64, text: &str) -> Arc<Entry> {
    let content = Content::Message { kind: SayKind::Message, text: text.into() };
    let id = EntryId { session: SessionId(9), counter: seq };
    Arc::new(Entry { seq, term: Epoch::default(), id, time: Time(1), sender: person("mike"), content })
}

/// Answers the requests for a group that went to another node as its master would: with a join at this place.
fn admit(bench: &mut Bench, conn: Conn, coming: bool, seq: u64) -> Vec<SessionId> {
    let mut sessions = vec![];
    for command in bench.asked(conn) {
        if let PeerCommand::Request { ticket, group, session, op: Op::Join { .. }, .. } = command {
            let (birth, missed, names) = (Birth(7), vec![], vec![]);
            let outcome =
                Outcome::Joined { coming, birth, seq, term: Term::default(), members: 1, topic: None, missed, lost: false, names };
            bench.tell(conn, LinkEvent::Answer { ticket, group, outcome });
            sessions.push(session);
        }
    }
    sessions
}

#[test]
fn entries_of_a_former_master_are_not_taken_for_those_of_the_present_one() {
    let mut bench = Bench::new(&[ME, OTHER, THIRD]);
    let group = group_of(OTHER, &[ME, OTHER, THIRD]);
    let conn = bench.open();
    bench.says(conn, &format!("SUBSCRIBE {group}"));
    let other = bench.link(OTHER);
    bench.says(conn, &format!("SUBSCRIBE {}", group_of(THIRD, &[ME, OTHER, THIRD])));
    let third = bench.link(THIRD);
    admit(&mut bench, other, false, 5);
    bench.effects.clear();
    bench.tell(third, Event::Entry(group.clone(), said(6, "not from there")));
    bench.tell(other, Event::Entry(group.clone(), said(6, "from there")));
    let told_all = bench.effects.iter().filter(|effect| matches!(effect, Effect::TellAll { .. })).count();
    assert_eq!(told_all, 1);
    let from_there =
        |effect: &Effect| matches!(effect, Effect::TellAll { event: Event::Entry(_, entry), .. } if *entry == said(6, "from there"));
    assert!(bench.effects.iter().any(from_there));
}

#[test]
fn who_leaves_before_their_join_was_heard_has_both_answers() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let conn = bench.open();
    bench.says(conn, &format!("ENTER {group}"));
    let other = bench.link(OTHER);
    admit(&mut bench, other, true, 5);
    bench.says(conn, &format!("PART {group}"));
    let [PeerCommand::Request { ticket, .. }] = bench.asked(other)[..] else { panic!() };
    bench.tell(other, LinkEvent::Answer { ticket, group, outcome: Outcome::Done {} });
    let told: Vec<Event> = bench.told(conn).into_iter().filter(|event| matches!(event, Event::Reply(_))).collect();
    assert!(is_error(&told[0], Code::NotMember) && told[1] == Event::ok(), "{told:?}");
}

#[test]
fn leaving_a_group_that_one_is_not_in_any_more_does_not_hold_the_node() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let conn = bench.open();
    bench.says(conn, &format!("ENTER {group}"));
    let other = bench.link(OTHER);
    admit(&mut bench, other, true, 5);
    bench.effects.clear();
    bench.says(conn, &format!("PART {group}"));
    // Its master lives another life by now, in which they are not.
    let [PeerCommand::Request { ticket, .. }] = bench.asked(other)[..] else { panic!() };
    let outcome = Outcome::Refused { code: Code::NotMember, text: "".into() };
    bench.tell(other, LinkEvent::Answer { ticket, group, outcome });
    bench.wait(1_000);
    let told = bench.told(conn);
    assert!(told.contains(&Event::ok()), "{told:?}");
}

#[test]
fn who_loses_the_claim_to_a_nick_is_told_their_new_name() {
    let mut bench = Bench::new(&[ME]);
    let conn = bench.open();
    bench.says(conn, "NICK joe");
    bench.told(conn);
    let other = bench.peer(OTHER, 1);
    let session = SessionId(77);
    // Their edge's claim of another session is refused, and they keep theirs.
    bench.request(other, 1, &group("@joe"), session.0, "joe", join());
    assert!(matches!(bench.answers(other)[..], [Outcome::Refused { code: Code::NickInUse, .. }]));
    assert!(!bench.told(conn).iter().any(|event| matches!(event, Event::Push(Push::NickIs { .. }))));
    bench.says(conn, "NICK jim");
    bench.request(other, 2, &group("@joe"), session.0, "joe", join());
    assert!(matches!(bench.answers(other)[..], [Outcome::Joined { .. }]));
}

#[test]
fn whatever_a_master_answers_whoever_asked_has_an_answer() {
    let group = group_of(OTHER, &[ME, OTHER]);
    for line in ["ENTER", "PART", "NAMES", "WHO", "TOPIC", "MODE", "PUBLISH #g x", "ISON joe mike", "NICK jim"] {
        for outcome in [Outcome::Done {}, Outcome::Names { names: vec![] }, Outcome::Said { seq: 1, heard: 1, away: "".into() }] {
            let mut bench = Bench::new(&[OTHER]);
            let conn = bench.open();
            let words = line.replace("#g", group.as_str());
            bench.says(conn, &if words.contains(' ') { words } else { format!("{words} {group}") });
            let other = bench.link(OTHER);
            for command in bench.asked(other) {
                let PeerCommand::Request { ticket, group, .. } = command else { continue };
                bench.tell(other, LinkEvent::Answer { ticket, group, outcome: outcome.clone() });
            }
            bench.says(conn, "PING");
            let told = bench.told(conn);
            assert!(matches!(told[..], [_, Event::Reply(Reply::Pong { .. })]), "{line}, {outcome:?}: {told:?}");
        }
    }
}

#[test]
fn a_node_that_stops_tells_others_that_its_people_left() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let conn = bench.open();
    bench.says(conn, &format!("SUBSCRIBE {group}"));
    let other = bench.link(OTHER);
    admit(&mut bench, other, false, 5);
    bench.give(Input::Stop);
    bench.wait(31_000);
    assert_eq!(bench.effects.last(), Some(&Effect::Stopped));
    assert!(bench.asked(other).iter().any(|command| matches!(command, PeerCommand::Request { op: Op::Part { .. }, .. })));
}

#[test]
fn who_is_a_member_already_as_far_as_the_master_knows_hears_that_they_are_in() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let conn = bench.open();
    bench.says(conn, &format!("ENTER {group}"));
    let other = bench.link(OTHER);
    // The answer to a first request was lost with the link, say.
    admit(&mut bench, other, false, 5);
    let told = bench.told(conn);
    let Event::Entry(_, entry) = &told[0] else { panic!("{told:?}") };
    assert!(matches!(entry.content, Content::Join { .. }), "{told:?}");
    assert!(matches!(told[1], Event::Reply(Reply::Entered { .. })), "{told:?}");
}

#[test]
fn who_comes_back_at_once_finds_neither_themselves_nor_another_group() {
    let mut bench = Bench::new(&[ME]);
    let group = group("#a");
    let conn = inside(&mut bench, &group);
    bench.wait(2_000);
    bench.says(conn, "PART #a");
    bench.effects.clear();
    bench.says(conn, "ENTER #a");
    let entered =
        bench.told(conn).into_iter().find_map(|event| if let Event::Reply(Reply::Entered { seq, .. }) = event { Some(seq) } else { None });
    assert_eq!(entered, Some(2), "the count goes on");
    let is_join = |effect: &Effect| matches!(effect, Effect::TellAll { event: Event::Entry(_, entry), .. } if matches!(entry.content, Content::Join { .. }));
    assert!(bench.effects.iter().any(is_join));
    assert_eq!(members(&mut bench, &group), 1);
}

#[test]
fn a_crowd_that_lost_its_connections_comes_back_to_its_group() {
    let mut bench = Bench::new(&[ME]);
    let group = group("#a");
    let conn = inside(&mut bench, &group);
    bench.says(conn, "SESSION secret-token");
    bench.says(conn, "TOPIC #a weather");
    let birth = |bench: &Bench| bench.node.lives().find(|(name, ..)| **name == group).map(|(_, birth, _)| birth);
    let before = birth(&bench);
    bench.give(Input::Lost { conn });
    assert_eq!(members(&mut bench, &group), 0);
    bench.wait(59_000);
    inside(&mut bench, &group);
    bench.wait(10_000);
    assert_eq!((birth(&bench), members(&mut bench, &group)), (before, 1));
}

#[test]
fn the_directory_hears_in_the_end_which_groups_are_gone() {
    let mut bench = Bench::new(&[ME]);
    let conn = inside(&mut bench, &group("#a"));
    let store = |bench: &mut Bench| {
        bench.wait(2_000);
        for command in bench.asked(bench.home) {
            if let PeerCommand::Report { ticket, .. } = command {
                bench.tell(bench.home, LinkEvent::Stored { ticket });
            }
        }
    };
    store(&mut bench);
    bench.says(conn, "PART #a");
    store(&mut bench);
    bench.wait(60_000);
    let is_closed =
        |command: &PeerCommand| matches!(command, PeerCommand::Report { reports, .. } if reports.iter().any(|report| report.closed));
    bench.wait(2_000);
    assert!(bench.asked(bench.home).iter().any(is_closed));
    // It went before that was durable. The next one hears it, too.
    bench.give(Input::Lost { conn: bench.home });
    bench.wait(100);
    let home = bench.accept("10.0.0.9:7410", "10.0.0.9:7410");
    bench.home = home;
    let Some(PeerCommand::Register { ticket, .. }) = bench.asked(home).pop() else { panic!() };
    bench.tell(home, LinkEvent::Registered { ticket, epoch: bench.epoch() });
    bench.wait(2_000);
    assert!(bench.asked(bench.home).iter().any(is_closed));
}

#[test]
fn nobody_is_sent_to_a_node_whose_link_just_broke() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let (conn, reader) = (bench.open(), bench.open());
    let join = |bench: &mut Bench, code| {
        bench.says(conn, &format!("JOIN {group}"));
        let told = bench.told(conn);
        assert!(is_error(&told[0], code), "{told:?}");
    };
    join(&mut bench, Code::Moved);
    bench.says(reader, &format!("SUBSCRIBE {group}"));
    let other = bench.accept("10.0.0.2:7411", OTHER);
    join(&mut bench, Code::Moved);
    bench.give(Input::Lost { conn: other });
    join(&mut bench, Code::TryAgain);
    // The directory had a lease to say that it is dead.
    bench.now = bench.now + 3_000;
    join(&mut bench, Code::Moved);
}

#[test]
fn a_crowd_of_newcomers_comes_in_one_after_the_other() {
    let mut bench = Bench::with(&[ME], NodeLimits { joins_per_second: 2, ..NodeLimits::default() });
    let people: Vec<Conn> = (0..3).map(|_| bench.open()).collect();
    for (conn, welcome) in people.iter().zip([true, true, false]) {
        bench.says(*conn, "JOIN #a");
        bench.no_records();
        let told = bench.told(*conn);
        assert_eq!(!is_error(&told[0], Code::TryAgain), welcome, "{told:?}");
    }
    // Who is in is not counted.
    bench.says(people[0], "JOIN #b");
    bench.no_records();
    assert!(bench.told(people[0]).iter().any(|event| matches!(event, Event::Reply(Reply::Joined { .. }))));
    bench.now = bench.now + 1_000;
    bench.says(people[2], "JOIN #a");
    assert!(bench.told(people[2]).iter().any(|event| matches!(event, Event::Reply(Reply::Joined { .. }))));
}

#[test]
fn what_comes_back_from_another_life_is_heard_by_who_has_not_heard_it() {
    for (birth, place, is_new) in [(7, 4, false), (7, 5, false), (7, 9, true), (3, 4, true)] {
        let mut bench = Bench::new(&[ME, OTHER]);
        let group = group_of(OTHER, &[ME, OTHER]);
        let conn = bench.open();
        bench.says(conn, &format!("SUBSCRIBE {group}"));
        let other = bench.link(OTHER);
        admit(&mut bench, other, false, 5);
        // Its master began another life of it, say, behind entry 3.
        bench.tell(other, LinkEvent::Elsewhere { group: group.clone(), epoch: bench.epoch() });
        bench.wait(2_000);
        let shown = bench
            .asked(other)
            .into_iter()
            .rev()
            .find_map(|command| if let PeerCommand::Attach { round, .. } = command { Some(round) } else { None });
        let (round, birth_now) = (shown.expect("the edge shows its sessions"), Birth(8));
        bench.tell(
            other,
            LinkEvent::Attached {
                group: group.clone(),
                round,
                birth: birth_now,
                seq: 3,
                term: Term::default(),
                missed: vec![],
                lost: true,
            },
        );
        bench.effects.clear();
        let content = Content::Again { kind: SayKind::Message, text: "x".into(), birth: Birth(birth), place, said: Time(1) };
        let entry = Entry { content, ..(*said(4, "")).clone() };
        bench.tell(other, Event::Entry(group.clone(), Arc::new(entry)));
        let told = bench.effects.iter().any(|effect| matches!(effect, Effect::TellAll { .. }));
        assert_eq!(told, is_new, "{birth} at {place}");
    }
}
