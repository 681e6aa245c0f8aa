//! A group that we serve, and its copies elsewhere: nothing is heard or answered before those that count have it.

use super::by_peers::ends;
use super::*;
use crate::entry::SayKind;
use crate::ids::Term;
use crate::peer::Last;

const PAIR: &[&str] = &[ME, OTHER];
const THREE: &[&str] = &[ME, OTHER, THIRD];

/// A new group of ours with its standby at another node, and someone of the third in it.
struct Served {
    bench: Bench,
    group: GroupName,
    standby: Conn,
    edge: Conn,
}

fn served_as(ring: &[&str], group: GroupName, limits: NodeLimits) -> Served {
    let mut bench = Bench::with(ring, limits);
    let other = bench.peer(OTHER, 1);
    bench.settled(other);
    let edge = bench.peer(THIRD, 1);
    bench.settled(edge);
    bench.request(edge, 1, &group, 9, "joe", join());
    bench.no_records();
    let standby = bench.link(OTHER);
    bench.follow(standby);
    assert!(matches!(bench.answers(edge)[..], [Outcome::Joined { .. }]));
    Served { bench, group, standby, edge }
}

fn served() -> Served {
    served_as(PAIR, group_of(ME, PAIR), NodeLimits::default())
}

impl Served {
    fn say(&mut self, counter: u64) {
        let op = Op::Say { kind: SayKind::Message, text: "x".into(), counter, birth: None };
        self.bench.request(self.edge, 100 + counter, &self.group, 9, "joe", op);
    }

    /// Which of what was said was answered, and which was heard, since one looked last.
    fn heard(&mut self) -> (Vec<u64>, Vec<u64>) {
        self.bench.turn();
        let said = |outcome| if let Outcome::Said { seq, .. } = outcome { Some(seq) } else { None };
        let heard = |effect: &Effect| match effect {
            Effect::TellAll { event: Event::Entry(_, entry), .. } => Some(entry.seq),
            _ => None,
        };
        let entries = self.bench.effects.iter().filter_map(heard).collect();
        self.bench.effects.retain(|effect| heard(effect).is_none());
        (self.bench.answers(self.edge).into_iter().filter_map(said).collect(), entries)
    }

    fn confirm(&mut self, seq: u64) {
        let held = vec![(self.group.clone(), self.bench.epoch(), seq)];
        self.bench.tell(self.standby, LinkEvent::Appended { held });
    }
}

fn seqs(commands: &[PeerCommand]) -> Vec<Vec<u64>> {
    let appended = |command: &PeerCommand| match command {
        PeerCommand::Append { entries, .. } => Some(entries.iter().map(|entry| entry.seq).collect()),
        _ => None,
    };
    commands.iter().filter_map(appended).collect()
}

#[test]
fn nothing_is_heard_or_answered_before_the_standby_has_it() {
    let mut served = served();
    assert_eq!(served.heard(), (vec![], vec![1]));
    (2..5).for_each(|counter| served.say(counter));
    assert_eq!(served.heard(), (vec![], vec![]));
    // All of a turn in one.
    assert_eq!(seqs(&served.bench.posted(served.standby)), [[2, 3, 4]]);
    served.confirm(3);
    // The rest is on its way: for a moment it is waited for.
    assert_eq!(served.heard(), (vec![], vec![]));
    served.bench.wait(2);
    assert_eq!(served.heard(), (vec![2, 3], vec![2, 3]));
    // Not further than it was sent.
    served.confirm(9);
    assert_eq!(served.heard(), (vec![], vec![]));
    served.confirm(4);
    assert_eq!(served.heard(), (vec![4], vec![4]));
}

#[test]
fn what_a_broken_link_swallowed_is_sent_again() {
    let mut served = served();
    served.heard();
    served.say(2);
    served.bench.posted(served.standby);
    served.bench.give(Input::Lost { conn: served.standby });
    served.bench.wait(600);
    served.standby = served.bench.link(OTHER);
    let again = served.bench.follow(served.standby);
    assert_eq!(seqs(&again), [[2]]);
    assert_eq!(served.heard(), (vec![2], vec![2]));
}

#[test]
fn a_copy_that_fell_behind_the_log_is_replaced_soon() {
    let limits = NodeLimits { log_entries: 3, ..NodeLimits::default() };
    let mut served = served_as(PAIR, group_of(ME, PAIR), limits);
    served.heard();
    (2..10).for_each(|counter| served.say(counter));
    let sent = served.bench.follow(served.standby);
    assert_eq!(served.heard().0, (2..10).collect::<Vec<_>>(), "{sent:?}");
}

#[test]
fn a_copy_that_is_behind_is_replaced() {
    let mut served = served();
    let (term, group) = (served.bench.epoch(), served.group.clone());
    served.say(2);
    served.heard();
    served.bench.posted(served.standby);
    served.bench.tell(served.standby, LinkEvent::Behind { term, group, copy: false });
    served.bench.wait(100);
    let sent = served.bench.follow(served.standby);
    let copy = sent.iter().any(|command| matches!(command, PeerCommand::CopyEnd { members, .. } if members.len() == 2));
    assert!(copy, "{sent:?}");
    assert_eq!(served.heard().0, [2]);
}

#[test]
fn a_copy_that_differs_is_replaced() {
    let mut served = served();
    let (term, group) = (served.bench.epoch(), served.group.clone());
    served.say(2);
    served.bench.follow(served.standby);
    served.bench.wait(10_000);
    let compared = |command: &PeerCommand| matches!(command, PeerCommand::Compare { seq: 2, .. });
    assert!(served.bench.posted(served.standby).iter().any(compared));
    served.bench.tell(served.standby, LinkEvent::Compared { term, group, seq: 2, same: false });
    let sent = served.bench.follow(served.standby);
    assert!(sent.iter().any(|command| matches!(command, PeerCommand::Copy { head: Some(_), .. })), "{sent:?}");
    assert_eq!(ends(&served.bench).len(), 1);
}

#[test]
fn a_master_that_is_deposed_acknowledges_nothing_more() {
    let mut served = served();
    let promised = epoch(served.bench.epoch + 1);
    served.say(2);
    served.heard();
    served.bench.tell(served.standby, LinkEvent::Deposed { group: served.group.clone(), promised });
    assert_eq!(served.bench.node.lives().count(), 0);
    served.bench.wait(300);
    assert!(matches!(served.bench.answers(served.edge)[..], [Outcome::TryAgain { .. }]));
    let asked = served.bench.posted(served.standby);
    assert!(asked.contains(&PeerCommand::Ask { term: served.bench.epoch(), group: served.group.clone() }), "{asked:?}");
}

/// The last member at an edge has left, and the edge has not heard so when the master ends: it asks the next one.
#[test]
fn an_edge_that_everyone_is_leaving_is_sent_to_the_next_master() {
    let mut served = served();
    let promised = epoch(served.bench.epoch + 1);
    served.heard();
    served.bench.request(served.edge, 2, &served.group, 9, "joe", Op::Part { reason: "".into() });
    assert_eq!(served.heard(), (vec![], vec![]));
    served.bench.tell(served.standby, LinkEvent::Deposed { group: served.group.clone(), promised });
    let told = served.bench.told(served.edge);
    let elsewhere = LinkEvent::Elsewhere { group: served.group.clone(), epoch: served.bench.epoch() };
    assert_eq!(told.iter().filter(|event| **event == elsewhere.clone().into()).count(), 1, "{told:?}");
}

#[test]
fn the_old_standby_is_needed_until_it_has_gone_and_the_new_one_from_before_it_knows() {
    let group = group_in(&[(PAIR, ME, OTHER), (&[ME, OTHER, FOURTH], ME, FOURTH)]);
    let mut served = served_as(PAIR, group.clone(), NodeLimits::default());
    served.bench.ring(&[ME, OTHER, FOURTH]);
    let (old, new, term) = (served.standby, served.bench.link(FOURTH), served.bench.epoch());
    let copy = served.bench.posted(new);
    assert!(matches!(copy.last(), Some(PeerCommand::CopyEnd { members, .. }) if members.is_empty()), "{copy:?}");
    // Its copy is on its way: it does not count yet.
    served.heard();
    served.say(2);
    let held = |seq| LinkEvent::Appended { held: vec![(group.clone(), term, seq)] };
    served.bench.turn();
    served.bench.tell(old, held(2));
    assert_eq!(served.heard().0, [2]);
    // It has caught up, and counts before it hears so.
    served.bench.tell(new, held(2));
    let all = vec![key(ME), key(OTHER), key(FOURTH)];
    let marks = |commands: Vec<PeerCommand>| {
        let mark = |command| if let PeerCommand::Mark { number, members, .. } = command { Some((number, members)) } else { None };
        commands.into_iter().filter_map(mark).collect::<Vec<_>>()
    };
    // Who knows that it counts hears first that it is not alone in that: a successor may hear of nobody else.
    let told = marks(served.bench.posted(old));
    let [.., (number, members)] = &told[..] else { panic!("not marked") };
    assert_eq!((members, &marks(served.bench.posted(new))[..]), (&all, &[][..]));
    served.bench.tell(old, LinkEvent::Marked { term, group: group.clone(), number: *number });
    assert_eq!(marks(served.bench.posted(new)), [(*number, all)]);
    let step = |served: &mut Served, counter, conn| {
        served.say(counter);
        served.bench.turn();
        served.bench.tell(conn, held(counter));
        assert_eq!(served.heard().0, [], "both count");
    };
    step(&mut served, 3, old);
    served.bench.tell(new, held(3));
    assert_eq!(served.heard().0, [3]);
    // Now it knows, and the old one may go: until it has, it counts.
    served.bench.posted(old);
    served.bench.tell(new, LinkEvent::Marked { term, group: group.clone(), number: *number });
    assert_eq!(served.bench.posted(old), [PeerCommand::Release { epoch: term, term, group: group.clone() }]);
    step(&mut served, 4, new);
    served.bench.tell(old, LinkEvent::Released { term, group: group.clone() });
    assert_eq!(served.heard().0, [4]);
    assert_eq!(marks(served.bench.posted(new)), [(number + 1, vec![key(ME), key(FOURTH)])]);
}

#[test]
fn a_standby_that_leaves_the_ring_is_not_waited_for() {
    let group = group_in(&[(THREE, ME, OTHER)]);
    let mut served = served_as(THREE, group, NodeLimits::default());
    served.heard();
    served.say(2);
    assert_eq!(served.heard().0, []);
    served.bench.ring(&[ME]);
    assert_eq!(served.heard().0, [2]);
}

#[test]
fn a_master_that_is_alone_acknowledges_while_its_lease_lasts() {
    let mut served = served();
    served.heard();
    served.bench.ring(&[ME]);
    served.say(2);
    assert_eq!(served.heard().0, [2]);
    served.bench.is_well = false;
    served.bench.wait(NodeTiming::default().lease_ms + 10);
    served.say(3);
    assert_eq!(served.heard(), (vec![], vec![]));
    let sent = served.bench.now;
    served.bench.tell(served.bench.home, LinkEvent::Beat { sent, epoch: served.bench.epoch() });
    assert_eq!(served.heard(), (vec![3], vec![3]));
}

#[test]
fn what_only_we_had_before_a_fork_comes_back_though_we_are_its_master_again() {
    let mut bench = Bench::new(&[ME]);
    let group = group_of(ME, PAIR);
    let edge = bench.peer(THIRD, 1);
    let mut served = {
        bench.request(edge, 1, &group, 9, "joe", join());
        bench.no_records();
        bench.answers(edge);
        Served { bench, group, standby: Conn { slot: 0, generation: 0 }, edge }
    };
    served.say(2);
    assert_eq!(served.heard().0, [2]);
    let [(_, ours)] = ends(&served.bench)[..] else { panic!() };
    // We were out of the ring for a while, and another node began another life of the group, from what it had of it.
    served.bench.ring(&[OTHER]);
    let forked = super::by_peers::Theirs { birth: 77, seq: 1, term: served.bench.epoch() };
    served.bench.ring_with_newcomer(PAIR, ME);
    let (present, other) = (served.bench.epoch(), served.bench.peer(OTHER, 1));
    let claim = forked.claim(forked.term, &[OTHER], present);
    served.bench.hear(other, PeerCommand::Offer { epoch: present, offers: vec![(served.group.clone(), claim)] });
    served.bench.settled(other);
    let link = served.bench.link(OTHER);
    let asked = served.bench.posted(link);
    assert!(asked.iter().any(|command| matches!(command, PeerCommand::Want { .. })), "{asked:?}");
    let (group, former) = (served.group.clone(), Some(Last { seq: 1, ..ours }));
    forked.copy_of_a_fork_begins(&mut served.bench, other, &group, present, former);
    let entries = vec![super::by_peers::entry_of(1, forked.term, SessionId(1), 1)];
    served.bench.hear(other, PeerCommand::CopyLog { group: group.clone(), entries });
    forked.copy_ends(&mut served.bench, other, &group, present, &[]);
    assert_eq!(ends(&served.bench).iter().map(|(served, last)| (*served, last.birth.0)).collect::<Vec<_>>(), [(true, 77)]);
    let [(_, Last { seq, .. })] = ends(&served.bench)[..] else { panic!() };
    assert!(seq >= 2, "what was said in the life before is not there");
}

#[test]
fn a_planned_change_is_prepared() {
    let ring = [ME, OTHER, FOURTH];
    let mut served = served_as(PAIR, group_in(&[(PAIR, ME, OTHER), (&ring, FOURTH, ME)]), NodeLimits::default());
    let prepared = |bench: &mut Bench| {
        let left = |command| if let PeerCommand::Prepared { number, left, .. } = command { Some((number, left)) } else { None };
        bench.wait(200);
        let home = bench.home;
        bench.asked(home).into_iter().filter_map(left).collect::<Vec<_>>()
    };
    let node = NodeInfo { key: key(FOURTH), name: "x".into(), incarnation: Incarnation(1), since: Time(0), admitted: Term::default() };
    let plan = Some(crate::view::Plan::Join { node });
    served.bench.tell(served.bench.home, LinkEvent::Pending { number: 3, plan });
    assert_eq!(prepared(&mut served.bench), [(3, 1)]);
    let link = served.bench.link(FOURTH);
    served.bench.follow(link);
    assert_eq!(prepared(&mut served.bench), [(3, 0)]);
    // It is not needed yet.
    served.heard();
    served.say(2);
    served.bench.follow(served.standby);
    assert_eq!(served.heard().0, [2]);
    // The change is not made: its copy goes.
    served.bench.tell(served.bench.home, LinkEvent::Pending { number: 3, plan: None });
    assert!(matches!(served.bench.posted(link)[..], [.., PeerCommand::Release { .. }]));
}

#[test]
fn the_directory_hears_whose_copies_count() {
    let Served { mut bench, standby, .. } = served();
    // What was reported last of whose copies there are; the directory has stored it.
    let copies = |bench: &mut Bench| {
        let mut last = None;
        for _ in 0..4 {
            bench.wait(500);
            bench.follow(standby);
            for command in bench.asked(bench.home) {
                if let PeerCommand::Report { ticket, reports } = command {
                    bench.tell(bench.home, LinkEvent::Stored { ticket });
                    last = reports.into_iter().next_back().map(|report| report.copies).or(last);
                }
            }
        }
        last
    };
    assert_eq!(copies(&mut bench), Some(vec![key(ME), key(OTHER)]));
    assert_eq!(copies(&mut bench), None);
    // It is put out of the ring: nobody came or went in the group.
    bench.ring(&[ME]);
    assert_eq!(copies(&mut bench), Some(vec![key(ME)]));
}
