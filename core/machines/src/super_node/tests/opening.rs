//! A group is ours from now on: when may we serve it, and with what?

use super::by_peers::{Theirs, ends, entry_of, replies};
use super::*;
use crate::entry::{Content, Entry, SayKind};
use crate::ids::{Birth, Term};
use crate::peer::{Claim, Last};

const WITH_OTHER: &[&str] = &[ME, OTHER, THIRD];
const WITHOUT: &[&str] = &[ME, THIRD];

/// A group of another master that becomes ours when that goes. Who follows then is the third node.
fn ours_without_other() -> GroupName {
    group_in(&[(WITH_OTHER, OTHER, ME), (WITHOUT, ME, THIRD)])
}

/// What a node offers, and that it was all.
fn offer(bench: &mut Bench, conn: Conn, group: &GroupName, epoch: Epoch, claim: Claim) {
    bench.hear(conn, PeerCommand::Offer { epoch, offers: vec![(group.clone(), claim)] });
    bench.hear(conn, PeerCommand::Settled { epoch });
}

fn is_served(bench: &Bench) -> bool {
    bench.node.lives().count() == 1
}

fn births(bench: &Bench) -> Vec<u64> {
    bench.node.lives().map(|(_, birth, _)| birth.0).collect()
}

/// What is asked of the third node, whose link is there by now.
fn asked_of_third(bench: &mut Bench) -> (Conn, Vec<PeerCommand>) {
    let link = bench.link(THIRD);
    let asked = bench.posted(link);
    (link, asked)
}

fn wants(commands: &[PeerCommand]) -> usize {
    commands.iter().filter(|command| matches!(command, PeerCommand::Want { .. })).count()
}

/// We followed `OTHER` with a copy that is marked for these; then it goes.
fn orphaned(members: &[&str]) -> (Bench, GroupName, Conn, Theirs) {
    let mut bench = Bench::new(WITH_OTHER);
    let group = ours_without_other();
    let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    let theirs = Theirs { birth: 7, seq: 3, term: bench.epoch() };
    theirs.copy(&mut bench, other, &group, theirs.term, members);
    replies(&mut bench, other);
    bench.ring(WITHOUT);
    bench.effects.retain(|effect| matches!(effect, Effect::Dial { .. }));
    (bench, group, third, theirs)
}

#[test]
fn a_copy_of_our_own_that_is_complete_goes_on_at_once() {
    let (bench, _, _, theirs) = orphaned(&[ME, OTHER]);
    assert_eq!(ends(&bench), [(true, theirs.last())]);
    assert_eq!(births(&bench), [7]);
}

#[test]
fn whoever_counted_and_is_still_there_promises_first() {
    let (mut bench, group, third, theirs) = orphaned(&[ME, OTHER, THIRD]);
    assert!(!is_served(&bench));
    let (earlier, present) = (theirs.term, bench.epoch());
    let claim = |promised| theirs.claim(earlier, &[OTHER, THIRD], promised);
    // A promise that is of an earlier term is none: it is asked for.
    offer(&mut bench, third, &group, present, claim(earlier));
    assert!(!is_served(&bench));
    let (_, asked) = asked_of_third(&mut bench);
    assert!(asked.contains(&PeerCommand::Ask { term: present, group: group.clone() }), "{asked:?}");
    offer(&mut bench, third, &group, present, claim(present));
    assert_eq!(births(&bench), [7]);
}

#[test]
fn whoever_counted_and_has_nothing_any_more_is_not_waited_for() {
    let (mut bench, _, third, theirs) = orphaned(&[ME, OTHER, THIRD]);
    assert!(!is_served(&bench));
    bench.hear(third, PeerCommand::Settled { epoch: theirs.term });
    assert!(!is_served(&bench), "that was of an earlier ring");
    bench.settled(third);
    assert_eq!(births(&bench), [7]);
}

#[test]
fn what_is_asked_for_meanwhile_waits_in_order_and_bounded() {
    let (mut bench, group, third, _) = orphaned(&[ME, OTHER, THIRD]);
    let limit = NodeLimits::default().opening_queue as u64;
    for ticket in 0..limit + 2 {
        bench.request(third, ticket, &group, ticket, &format!("n{ticket}"), join());
    }
    assert_eq!(bench.answers(third), vec![Outcome::TryAgain { ms: 1_000 }; 2]);
    bench.settled(third);
    let (link, _) = asked_of_third(&mut bench);
    bench.follow(link);
    let counts: Vec<u64> = bench
        .answers(third)
        .iter()
        .filter_map(|answer| if let Outcome::Joined { members, .. } = answer { Some(*members) } else { None })
        .collect();
    assert_eq!(counts, (1..=limit).collect::<Vec<_>>());
}

/// What may not be complete is waited for, and then goes on in another life.
#[track_caller]
fn check_fork(marked: bool, admitted_later: bool) {
    let mut bench = Bench::new(WITH_OTHER);
    let group = ours_without_other();
    let third = bench.peer(THIRD, 1);
    let (earlier, missing) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
    match admitted_later {
        true => bench.ring_with_newcomer(WITHOUT, THIRD),
        false => bench.ring(WITHOUT),
    }
    let present = bench.epoch();
    let claim = missing.claim(if marked { earlier } else { Term::default() }, &[OTHER, THIRD], present);
    offer(&mut bench, third, &group, present, claim);
    let (link, asked) = asked_of_third(&mut bench);
    assert_eq!((wants(&asked), is_served(&bench)), (0, false));
    bench.wait(29_000);
    assert!(!is_served(&bench));
    bench.wait(2_000);
    let asked = bench.posted(link);
    assert!(wants(&asked) > 0, "the best there is was not asked for: {asked:?}");
    missing.copy(&mut bench, third, &group, present, &[]);
    let [(true, Last { birth, seq, .. })] = ends(&bench)[..] else { panic!("not served") };
    assert!(birth != Birth(7) && seq == 3, "another life begins where that one ended");
}

#[test]
fn a_copy_of_who_was_away_is_the_last_resort() {
    check_fork(true, true);
}

#[test]
fn a_copy_that_was_on_its_way_is_the_last_resort() {
    check_fork(false, false);
}

#[test]
fn when_all_who_have_it_are_back_it_goes_on() {
    let (mut bench, other_ring) = (Bench::new(WITH_OTHER), WITHOUT);
    let group = ours_without_other();
    let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    let (earlier, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
    bench.ring_with_newcomer(other_ring, THIRD);
    let present = bench.epoch();
    offer(&mut bench, third, &group, present, Theirs { seq: 2, ..theirs }.claim(earlier, &[OTHER, THIRD], present));
    bench.wait(1_000);
    assert!(!is_served(&bench));
    // Their master has not a place in the ring again, but it is there.
    offer(&mut bench, other, &group, present, theirs.claim(earlier, &[OTHER, THIRD], present));
    let link = bench.link(OTHER);
    assert!(wants(&bench.posted(link)) > 0);
    theirs.copy(&mut bench, other, &group, present, &[]);
    assert_eq!(births(&bench), [7]);
    assert_eq!(ends(&bench), [(true, theirs.last())]);
}

/// We had a group together with the other node. We start anew, with what our disk has of it; the other is out of the ring, and has more.
#[track_caller]
fn check_share(whole: bool, same_life: bool) {
    let group = ours_without_other();
    let ours = Theirs { birth: 7, seq: 3, term: epoch(0) };
    let mut bench = Bench::started_anew(&[], NodeLimits::default(), vec![ours.kept(&group, &[ME, OTHER], whole)]);
    bench.ring_with_newcomer(WITHOUT, ME);
    let (other, third, present) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1), bench.epoch());
    bench.settled(third);
    let theirs = Theirs { seq: 5, ..ours };
    offer(&mut bench, other, &group, present, theirs.claim(theirs.term, &[ME, OTHER], present));
    let link = bench.link(OTHER);
    assert_eq!((wants(&bench.posted(link)), is_served(&bench)), (1, false));
    theirs.copy(&mut bench, other, &group, present, &[]);
    let [(true, Last { birth, seq: 5, .. })] = ends(&bench)[..] else { panic!("not served") };
    assert_eq!(birth == Birth(7), same_life);
}

#[test]
fn what_our_share_may_lack_is_not_there_because_a_whole_copy_was_fetched() {
    check_share(true, true);
    check_share(false, false);
}

/// A group of ours that the other node and the third had together, in an earlier ring; in the present one the third is anew, and the other is not.
struct Apart {
    bench: Bench,
    group: GroupName,
    other: Conn,
    third: Conn,
    earlier: Epoch,
    present: Epoch,
    theirs: Theirs,
}

impl Apart {
    fn new() -> Apart {
        let mut bench = Bench::new(WITH_OTHER);
        let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
        let (earlier, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
        bench.ring_with_newcomer(WITHOUT, THIRD);
        let present = bench.epoch();
        Apart { bench, group: ours_without_other(), other, third, earlier, present, theirs }
    }
}

/// All who counted were out of the ring, and in between the fourth node was promised the group. It says since when it has not served it.
#[track_caller]
fn check_promised_in_between(idle_since: u64, same_life: bool) {
    let Apart { mut bench, group, other, third, earlier, present, theirs } = Apart::new();
    let claim = |given: &[NodeKey]| Claim {
        given: given.iter().map(|node| (node.clone(), present)).collect(),
        ..theirs.claim(earlier, &[OTHER, THIRD], present)
    };
    offer(&mut bench, third, &group, present, claim(&[key(FOURTH)]));
    // To ourselves is to nobody else.
    offer(&mut bench, other, &group, present, claim(&[key(ME)]));
    assert!(!is_served(&bench));
    let fourth = bench.link(FOURTH);
    assert_eq!(bench.posted(fourth), [PeerCommand::Ask { term: present, group: group.clone() }]);
    bench.tell(fourth, LinkEvent::NotHeld { group: group.clone(), idle: Some(epoch(idle_since)) });
    theirs.copy(&mut bench, third, &group, present, &[]);
    theirs.copy(&mut bench, other, &group, present, &[]);
    assert_eq!(births(&bench) == [7], same_life);
    assert!(is_served(&bench));
}

#[test]
fn whoever_was_promised_it_in_between_says_whether_they_went_on() {
    check_promised_in_between(1, true);
    check_promised_in_between(2, true);
    check_promised_in_between(3, false);
}

/// A group that is of us in a ring that we will know only after another, in which it is not.
#[test]
fn what_is_offered_for_a_ring_that_we_do_not_know_yet_waits_for_that_ring() {
    let group = group_in(&[(WITH_OTHER, OTHER, ME), (&[OTHER, ME], OTHER, ME), (WITHOUT, ME, THIRD)]);
    let mut bench = Bench::new(WITH_OTHER);
    let third = bench.peer(THIRD, 1);
    let (earlier, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
    // It has seen a ring without itself and then this one; we have seen neither.
    let newest = epoch(bench.epoch + 2);
    offer(&mut bench, third, &group, newest, theirs.claim(earlier, &[THIRD], newest));
    bench.ring(&[ME, OTHER]);
    assert!(!is_served(&bench));
    bench.ring(WITHOUT);
    assert_eq!(bench.epoch(), newest);
    bench.request(third, 1, &group, 9, "joe", join());
    let (_, asked) = asked_of_third(&mut bench);
    assert_eq!(wants(&asked), 1, "{asked:?}");
    theirs.copy(&mut bench, third, &group, newest, &[]);
    assert_eq!(births(&bench), [7]);
}

/// What is heard of a group by the one who follows it.
fn returned(commands: &[PeerCommand]) -> Vec<String> {
    let entries = commands.iter().flat_map(|command| match command {
        PeerCommand::Append { entries, .. } | PeerCommand::CopyLog { entries, .. } => entries.clone(),
        _ => vec![],
    });
    let again = |entry: Arc<Entry>| match &entry.content {
        Content::Again { text, .. } => Some(text.to_string()),
        _ => None,
    };
    entries.filter_map(again).collect()
}

#[test]
fn what_only_a_copy_of_the_life_before_has_comes_back_once() {
    let Apart { mut bench, group, other, third, earlier, present, theirs } = Apart::new();
    offer(&mut bench, third, &group, present, theirs.claim(earlier, &[OTHER, THIRD], present));
    bench.wait(31_000);
    let (link, _) = asked_of_third(&mut bench);
    theirs.copy(&mut bench, third, &group, present, &[]);
    bench.request(third, 1, &group, 9, "joe", join());
    bench.follow(link);
    // Its former master is back, and had acknowledged more.
    bench.ring_with_newcomer(WITHOUT, OTHER);
    let more = Theirs { seq: 5, ..theirs };
    let present = bench.epoch();
    offer(&mut bench, other, &group, present, more.claim(earlier, &[OTHER, THIRD], present));
    let back = bench.link(OTHER);
    let asked = bench.posted(back);
    let wanted = PeerCommand::WantRest { group: group.clone(), after: theirs.last() };
    assert_eq!(asked, [wanted]);
    for _ in 0..2 {
        let entries = vec![entry_of(4, earlier, SessionId(9), 4), entry_of(5, earlier, SessionId(9), 5)];
        bench.hear(other, PeerCommand::Rest { group: group.clone(), birth: Birth(7), doubt: None, entries, last: false });
    }
    bench.hear(other, PeerCommand::Rest { group: group.clone(), birth: Birth(7), doubt: None, entries: vec![], last: true });
    assert_eq!(returned(&bench.follow(link)), ["said at 4", "said at 5"]);
    // Then it is of no more use.
    assert!(matches!(bench.posted(back)[..], [PeerCommand::Release { .. }]));
}

#[test]
fn what_comes_back_late_is_not_taken_for_what_was_said_since() {
    let Apart { mut bench, group, other, third, earlier, present, theirs } = Apart::new();
    offer(&mut bench, third, &group, present, theirs.claim(earlier, &[OTHER, THIRD], present));
    bench.wait(31_000);
    let (link, _) = asked_of_third(&mut bench);
    theirs.copy(&mut bench, third, &group, present, &[]);
    bench.request(third, 1, &group, 9, "joe", join());
    // Who said what is missing goes on for long.
    for counter in 6..=80 {
        bench.request(third, counter, &group, 9, "joe", Op::Say { kind: SayKind::Message, text: "since".into(), counter, birth: None });
    }
    bench.follow(link);
    let entries = vec![entry_of(4, earlier, SessionId(9), 4), entry_of(5, earlier, SessionId(9), 5)];
    bench.hear(other, PeerCommand::Rest { group: group.clone(), birth: Birth(7), doubt: None, entries, last: false });
    assert_eq!(returned(&bench.follow(link)), ["said at 4", "said at 5"]);
}

#[test]
fn a_copy_that_was_fetched_is_worth_as_much_as_ours_was() {
    let (ring, without): (&[&str], &[&str]) = (&[ME, THIRD, FOURTH], &[ME, FOURTH]);
    let (later, last): (&[&str], &[&str]) = (&[ME, OTHER, FOURTH], &[ME, OTHER]);
    let group = group_in(&[(ring, THIRD, ""), (without, ME, ""), (later, ME, ""), (last, ME, "")]);
    let mut bench = Bench::new(ring);
    let (third, fourth) = (bench.peer(THIRD, 1), bench.peer(FOURTH, 1));
    let (earlier, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
    let all = &[ME, THIRD, FOURTH];
    theirs.copy(&mut bench, third, &group, earlier, all);
    bench.ring(without);
    let (asked_in, more) = (bench.epoch(), Theirs { seq: 5, ..theirs });
    offer(&mut bench, fourth, &group, asked_in, more.claim(earlier, all, asked_in));
    let link = bench.link(FOURTH);
    assert_eq!(wants(&bench.posted(link)), 1);
    // The ring changes while it is on its way, and then whoever sent it goes.
    bench.ring(later);
    more.copy(&mut bench, fourth, &group, asked_in, &[]);
    assert!(!is_served(&bench));
    bench.ring(last);
    assert_eq!(ends(&bench), [(true, more.last())]);
}

/// Someone asks for a group whose former master is out of reach, and nobody is in it; before the directory has heard that it is gone, someone enters. What the former master has may still be all there is.
#[test]
fn a_group_that_is_entered_as_it_goes_is_in_doubt_as_it_was() {
    let mut bench = Bench::new(WITH_OTHER);
    let group = ours_without_other();
    let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    let theirs = Theirs { birth: 7, seq: 3, term: bench.epoch() };
    bench.give(Input::Lost { conn: other });
    bench.ring(WITHOUT);
    bench.settled(third);
    let say = Op::Say { kind: SayKind::Message, text: "anyone?".into(), counter: 1, birth: None };
    bench.request(third, 1, &group, 9, "joe", say);
    bench.no_records();
    bench.request(third, 2, &group, 9, "joe", join());
    let link = bench.link(THIRD);
    bench.follow(link);
    let answers = bench.answers(third);
    assert!(matches!(answers[..], [Outcome::Refused { .. }, Outcome::Joined { .. }]), "{answers:?}");
    // It was out of the ring, and served the group all the while.
    let other = bench.peer(OTHER, 1);
    bench.ring_with_newcomer(WITHOUT, OTHER);
    let present = bench.epoch();
    offer(&mut bench, other, &group, present, theirs.claim(theirs.term, &[OTHER], present));
    let back = bench.link(OTHER);
    let after = Last { seq: 0, term: Term::default(), ..theirs.last() };
    assert_eq!(bench.posted(back), [PeerCommand::WantRest { group, after }]);
}
