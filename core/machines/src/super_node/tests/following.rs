//! A group whose master is another node: what we take, what we refuse, and what we promise.

use super::by_peers::{Theirs, ends, entry, head, replies};
use super::*;
use crate::ids::{Birth, Term};
use crate::peer::{Claim, Last};

const RING: &[&str] = &[ME, OTHER];
const LATER: &[&str] = &[ME, OTHER, THIRD];

/// What a master sends to the one who follows it, with a copy up to entry 3 before.
struct Followed {
    bench: Bench,
    group: GroupName,
    other: Conn,
    theirs: Theirs,
}

/// A group that we follow, and that goes to the third node when that comes.
fn followed(members: &[&str]) -> Followed {
    let mut bench = Bench::new(RING);
    let group = group_in(&[(RING, OTHER, ME), (LATER, THIRD, "")]);
    let other = bench.peer(OTHER, 1);
    let theirs = Theirs { birth: 7, seq: 3, term: bench.epoch() };
    theirs.copy(&mut bench, other, &group, theirs.term, members);
    assert_eq!(replies(&mut bench, other), [LinkEvent::Appended { held: vec![(group.clone(), theirs.term, 3)] }]);
    Followed { bench, group, other, theirs }
}

/// What we offer on this link.
fn offered(bench: &mut Bench, link: Conn) -> Vec<(Epoch, Claim)> {
    bench.turn();
    let offers = |command| if let PeerCommand::Offer { epoch, offers } = command { Some((epoch, offers)) } else { None };
    let all = bench.asked(link).into_iter().filter_map(offers);
    all.flat_map(|(epoch, offers)| offers.into_iter().map(move |(_, claim)| (epoch, claim))).collect()
}

#[test]
fn entries_are_confirmed_once_in_a_turn_as_far_as_they_came() {
    let Followed { mut bench, group, other, theirs: Theirs { term, .. } } = followed(&[]);
    let append =
        |seqs: &[u64]| PeerCommand::Append { term, group: group.clone(), entries: seqs.iter().map(|seq| entry(*seq, term)).collect() };
    let held = |seq| vec![LinkEvent::Appended { held: vec![(group.clone(), term, seq)] }];
    bench.hear(other, append(&[4]));
    bench.hear(other, append(&[5, 6]));
    assert_eq!(replies(&mut bench, other), held(6));
    // Sent again, after a link broke, say.
    bench.hear(other, append(&[5, 6, 7]));
    assert_eq!(replies(&mut bench, other), held(7));
    bench.hear(other, append(&[5]));
    assert_eq!(replies(&mut bench, other), held(5));
    bench.hear(other, append(&[9]));
    assert_eq!(replies(&mut bench, other), [LinkEvent::Behind { term, group: group.clone(), copy: false }]);
}

#[test]
fn a_mark_is_known_and_offered() {
    let Followed { mut bench, group, other, theirs } = followed(&[]);
    let term = theirs.term;
    bench.hear(other, PeerCommand::Mark { term, group: group.clone(), number: 4, members: vec![key(ME), key(OTHER)] });
    assert_eq!(replies(&mut bench, other), [LinkEvent::Marked { term, group, number: 4 }]);
    bench.ring(LATER);
    let third = bench.link(THIRD);
    let idle = Some(epoch(1));
    let claim = Claim { given: vec![(key(THIRD), bench.epoch())], idle, ..theirs.claim(term, &[ME, OTHER], bench.epoch()) };
    assert_eq!(offered(&mut bench, third), [(bench.epoch(), claim)]);
}

#[test]
fn a_copy_that_was_never_marked_claims_nothing() {
    let Followed { mut bench, theirs, .. } = followed(&[]);
    bench.ring(LATER);
    let third = bench.link(THIRD);
    // Its master may have gone on without us.
    let given = vec![(key(OTHER), epoch(1))];
    let claim = Claim { given, idle: Some(epoch(1)), ..theirs.claim(Term::default(), &[], bench.epoch()) };
    assert_eq!(offered(&mut bench, third), [(bench.epoch(), claim)]);
}

/// What comes of a former master after we have promised the group to another is refused, and changes nothing.
#[track_caller]
fn check_deposed(command: impl Fn(&GroupName, Term) -> PeerCommand, copy_before: bool) {
    let Followed { mut bench, group, other, theirs } = followed(&[ME, OTHER]);
    let term = theirs.term;
    let more = Theirs { seq: 5, ..theirs };
    if copy_before {
        more.copy_begins(&mut bench, other, &group, term);
    }
    bench.ring(LATER);
    let third = bench.link(THIRD);
    let promised = bench.epoch();
    let [(_, offer)] = &offered(&mut bench, third)[..] else { panic!("no offer") };
    assert_eq!(offer.last, theirs.last());
    bench.hear(other, command(&group, term));
    assert_eq!(replies(&mut bench, other), [LinkEvent::Deposed { group: group.clone(), promised }]);
    assert_eq!(ends(&bench), [(false, theirs.last())], "it is not what was offered any more");
}

#[test]
fn a_master_of_a_lower_term_is_refused() {
    check_deposed(|group, term| PeerCommand::Append { term, group: group.clone(), entries: vec![entry(4, term)] }, false);
    check_deposed(|group, term| PeerCommand::Mark { term, group: group.clone(), number: 9, members: vec![key(ME)] }, false);
    check_deposed(|group, term| PeerCommand::Release { epoch: term, term, group: group.clone() }, false);
    check_deposed(|group, term| PeerCommand::Compare { term, group: group.clone(), seq: 3, hash: 1 }, false);
}

#[test]
fn a_copy_that_was_on_its_way_when_the_group_was_promised_to_another_is_refused() {
    let last = |term| Last { birth: Birth(7), seq: 5, term };
    let end =
        |group: &GroupName, term| PeerCommand::CopyEnd { term, group: group.clone(), last: last(term), members: vec![key(ME), key(OTHER)] };
    check_deposed(end, true);
}

#[test]
fn a_master_that_is_behind_the_ring_begins_nothing() {
    let mut bench = Bench::new(RING);
    let group = group_in(&[(RING, OTHER, ME), (LATER, THIRD, "")]);
    let (other, stale) = (bench.peer(OTHER, 1), bench.epoch());
    bench.ring(LATER);
    let head = || Some(Box::new(head(0)));
    bench.hear(other, PeerCommand::Copy { epoch: stale, term: stale, group: group.clone(), birth: Birth(7), head: head() });
    assert_eq!(replies(&mut bench, other), [LinkEvent::Behind { term: stale, group: group.clone(), copy: true }]);
    bench.hear(other, PeerCommand::Ask { term: stale, group: group.clone() });
    assert_eq!(replies(&mut bench, other), []);
    assert_eq!(ends(&bench), []);
    // Nor one that is behind what we have only heard of.
    let third = bench.peer(THIRD, 1);
    bench.hear(third, PeerCommand::Settled { epoch: epoch(bench.epoch + 1) });
    bench.hear(third, PeerCommand::Copy { epoch: bench.epoch(), term: stale, group: group.clone(), birth: Birth(7), head: head() });
    assert_eq!(replies(&mut bench, third), [LinkEvent::Behind { term: stale, group, copy: true }]);
}

/// A node that had a copy on its disk, and no promise, starts anew and is shown this ring. The copy's master was put out before, and does not know it.
#[track_caller]
fn check_kept(ring: &[&str], command: impl Fn(&GroupName, Term) -> PeerCommand) {
    let group = group_in(&[(RING, OTHER, ME)]);
    let theirs = Theirs { birth: 7, seq: 3, term: epoch(0) };
    let mut bench = Bench::started_anew(ring, NodeLimits::default(), vec![theirs.kept(&group, &[OTHER, ME], false)]);
    let other = bench.peer(OTHER, 1);
    bench.hear(other, command(&group, theirs.term));
    assert_eq!(replies(&mut bench, other), [LinkEvent::Deposed { group, promised: bench.epoch() }]);
    assert_eq!(ends(&bench), [(false, theirs.last())]);
}

#[test]
fn what_was_kept_follows_no_master_of_a_ring_that_is_over() {
    for ring in [&[] as &[&str], &[THIRD]] {
        check_kept(ring, |group, term| PeerCommand::Append { term, group: group.clone(), entries: vec![entry(4, term)] });
        check_kept(ring, |group, term| PeerCommand::Mark { term, group: group.clone(), number: 9, members: vec![key(ME)] });
    }
}

#[test]
fn who_is_asked_promises() {
    let Followed { mut bench, group, other, theirs } = followed(&[ME, OTHER]);
    let third = bench.peer(THIRD, 1);
    let next = epoch(bench.epoch + 1);
    bench.hear(third, PeerCommand::Ask { term: next, group: group.clone() });
    let link = bench.link(THIRD);
    assert_eq!(
        offered(&mut bench, link),
        [(bench.epoch(), Claim { given: vec![(key(THIRD), next)], idle: Some(epoch(1)), ..theirs.claim(theirs.term, &[ME, OTHER], next) })]
    );
    bench.hear(other, PeerCommand::Append { term: theirs.term, group: group.clone(), entries: vec![entry(4, theirs.term)] });
    assert_eq!(replies(&mut bench, other), [LinkEvent::Deposed { group: group.clone(), promised: next }]);
    bench.hear(third, PeerCommand::Ask { term: next, group: super::group("#nothing") });
    let not_held = |idle| LinkEvent::NotHeld { group: super::group("#nothing"), idle };
    // In that ring it may yet be ours.
    assert_eq!(replies(&mut bench, third), [not_held(None)]);
}

#[test]
fn a_copy_that_is_released_is_gone_and_said_to_be_however_often_it_is_asked() {
    let Followed { mut bench, group, other, theirs: Theirs { term, .. } } = followed(&[ME, OTHER]);
    for _ in 0..2 {
        bench.hear(other, PeerCommand::Release { epoch: term, term, group: group.clone() });
        assert_eq!(replies(&mut bench, other), [LinkEvent::Released { term, group: group.clone() }]);
        assert_eq!(ends(&bench), []);
    }
    bench.hear(other, PeerCommand::Append { term, group: group.clone(), entries: vec![entry(4, term)] });
    assert_eq!(replies(&mut bench, other), [LinkEvent::Behind { term, group, copy: false }]);
}

#[test]
fn a_copy_that_differs_says_so() {
    let Followed { mut bench, group, other, theirs: Theirs { term, .. } } = followed(&[ME, OTHER]);
    bench.hear(other, PeerCommand::Compare { term, group: group.clone(), seq: 3, hash: 1 });
    assert_eq!(replies(&mut bench, other), [LinkEvent::Compared { term, group, seq: 3, same: false }]);
}

#[test]
fn a_copy_that_takes_its_time_arrives() {
    let mut bench = Bench::new(RING);
    let group = group_in(&[(RING, OTHER, ME)]);
    let other = bench.peer(OTHER, 1);
    let theirs = Theirs { birth: 7, seq: 60, term: bench.epoch() };
    theirs.copy_begins(&mut bench, other, &group, theirs.term);
    for seq in 1..=60 {
        bench.wait(300);
        bench.hear(other, PeerCommand::CopyLog { group: group.clone(), entries: vec![entry(seq, theirs.term)] });
    }
    theirs.copy_ends(&mut bench, other, &group, theirs.term, &[]);
    assert_eq!(ends(&bench), [(false, theirs.last())]);
}
