//! What other nodes do: in bad order, twice, by halves, or wrongly.

use super::*;
use crate::entry::{Content, Entry, Rank, SayKind, Settings};
use crate::ids::{Birth, EntryId, Term};
use crate::keeping::{Image, KeptGroup, Standing};
use crate::peer::{Claim, CopyHead, Last};

pub(super) fn entry(seq: u64, term: Term) -> Arc<Entry> {
    entry_of(seq, term, SessionId(9), seq)
}

pub(super) fn entry_of(seq: u64, term: Term, session: SessionId, counter: u64) -> Arc<Entry> {
    let content = Content::Message { kind: SayKind::Message, text: format!("said at {seq}").into() };
    Arc::new(Entry { seq, term, id: EntryId { session, counter }, time: Time(1), sender: person("joe"), content })
}

pub(super) fn head(seq: u64) -> CopyHead {
    let settings = Settings::new(Time(1));
    CopyHead {
        seq,
        time: Time(1),
        pruned: Time(1),
        settings,
        invited: vec![],
        away: "".into(),
        log_from: 1,
        former: None,
        in_doubt: false,
        begun: Term::default(),
    }
}

/// A group as the tests' other nodes have it: of this life, entries up to a place, all of one term, and nobody in it.
#[derive(Clone, Copy)]
pub(super) struct Theirs {
    pub birth: u64,
    pub seq: u64,
    pub term: Term,
}

impl Theirs {
    pub(super) fn last(self) -> Last {
        Last { birth: Birth(self.birth), seq: self.seq, term: self.term }
    }

    /// What its holder says of it.
    pub(super) fn claim(self, marked: Term, members: &[&str], promised: Term) -> Claim {
        Claim {
            last: self.last(),
            marked,
            members: members.iter().map(|node| key(node)).collect(),
            promised,
            given: Vec::new(),
            idle: None,
            whole: true,
            doubt: None,
        }
    }

    /// The same on a disk, promised to nobody since it was marked.
    pub(super) fn kept(self, group: &GroupName, members: &[&str], whole: bool) -> KeptGroup {
        let image = Image { birth: Birth(self.birth), term: self.term, head: head(self.seq), members: vec![], counters: vec![] };
        let members = members.iter().map(|node| key(node)).collect();
        let standing = Standing { marked: self.term, members, promised: self.term, given: vec![], whole };
        let entries = (1..=self.seq).map(|seq| entry(seq, self.term)).collect();
        KeptGroup { group: group.clone(), image, entries, standing }
    }

    /// Sends a copy of it, whose log is whole.
    pub(super) fn copy(self, bench: &mut Bench, conn: Conn, group: &GroupName, term: Term, members: &[&str]) {
        let log: Vec<u64> = (1..=self.seq).collect();
        self.copy_with(bench, conn, group, term, &log, members);
    }

    pub(super) fn copy_with(self, bench: &mut Bench, conn: Conn, group: &GroupName, term: Term, log: &[u64], members: &[&str]) {
        self.copy_begins(bench, conn, group, term);
        let entries = log.iter().map(|seq| entry(*seq, self.term)).collect();
        bench.hear(conn, PeerCommand::CopyLog { group: group.clone(), entries });
        self.copy_ends(bench, conn, group, term, members);
    }

    pub(super) fn copy_begins(self, bench: &mut Bench, conn: Conn, group: &GroupName, term: Term) {
        self.copy_of_a_fork_begins(bench, conn, group, term, None);
    }

    pub(super) fn copy_of_a_fork_begins(self, bench: &mut Bench, conn: Conn, group: &GroupName, term: Term, former: Option<Last>) {
        let head = CopyHead { former, ..head(self.seq) };
        let (epoch, birth, head) = (bench.epoch(), Birth(self.birth), Some(Box::new(head)));
        bench.hear(conn, PeerCommand::Copy { epoch, term, group: group.clone(), birth, head });
    }

    pub(super) fn copy_ends(self, bench: &mut Bench, conn: Conn, group: &GroupName, term: Term, members: &[&str]) {
        let members = members.iter().map(|node| key(node)).collect();
        bench.hear(conn, PeerCommand::CopyEnd { term, group: group.clone(), last: self.last(), members });
    }
}

/// What a master is told of its copies here, since one looked last.
pub(super) fn replies(bench: &mut Bench, conn: Conn) -> Vec<LinkEvent> {
    bench.turn();
    bench.told(conn).into_iter().filter_map(|event| if let Event::Link(event) = event { Some(event) } else { None }).collect()
}

/// The copies here, and where they end.
pub(super) fn ends(bench: &Bench) -> Vec<(bool, Last)> {
    bench.node.copies().map(|(_, served, last)| (served, last)).collect()
}

/// A master sends a group with this log: is it taken?
#[track_caller]
fn check_log(seq: u64, log: &[u64], taken: bool) {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    let (term, theirs) = (bench.epoch(), Theirs { birth: 7, seq, term: bench.epoch() });
    theirs.copy_with(&mut bench, other, &group, term, log, &[]);
    let replies = replies(&mut bench, other);
    let held = vec![(group.clone(), term, seq)];
    assert_eq!(replies, [if taken { LinkEvent::Appended { held } } else { LinkEvent::Behind { term, group: group.clone(), copy: true } }]);
    assert_eq!(ends(&bench), if taken { vec![(false, theirs.last())] } else { vec![] });
    // Whatever became of it, the next is taken.
    let good = Theirs { birth: 7, seq: 2, term };
    good.copy(&mut bench, other, &group, term, &[]);
    assert_eq!(ends(&bench), [(false, good.last())]);
}

#[test]
fn a_copy_is_checked() {
    check_log(3, &[1, 2, 3], true);
    check_log(3, &[2, 3], true);
    check_log(0, &[], true);
    check_log(9, &[], true);
    check_log(3, &[1, 3], false);
    check_log(3, &[2, 2], false);
    check_log(3, &[1, 2], false);
    check_log(u64::MAX, &[], false);
    check_log(u64::MAX, &[u64::MAX, 0], false);
}

#[test]
fn copies_from_two_nodes_are_not_mixed() {
    let mut bench = Bench::new(&[ME, OTHER, THIRD]);
    let group = group_of(OTHER, &[ME, OTHER, THIRD]);
    let (other, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    let term = bench.epoch();
    let (older, newer) = (Theirs { birth: 7, seq: 2, term }, Theirs { birth: 8, seq: 3, term });
    older.copy_begins(&mut bench, third, &group, term);
    newer.copy_begins(&mut bench, other, &group, term);
    bench.hear(third, PeerCommand::CopyLog { group: group.clone(), entries: vec![entry(1, term), entry(2, term)] });
    bench.hear(other, PeerCommand::CopyLog { group: group.clone(), entries: vec![entry(2, term), entry(3, term)] });
    older.copy_ends(&mut bench, third, &group, term, &[]);
    newer.copy_ends(&mut bench, other, &group, term, &[]);
    assert_eq!(replies(&mut bench, third), [LinkEvent::Behind { term, group: group.clone(), copy: true }]);
    assert_eq!(replies(&mut bench, other), [LinkEvent::Appended { held: vec![(group, term, 3)] }]);
    assert_eq!(ends(&bench), [(false, newer.last())]);
}

/// What comes without what it needs is refused, and harms nothing.
#[track_caller]
fn check_out_of_place(command: impl Fn(&GroupName, Term) -> PeerCommand, reply: Option<fn(GroupName, Term) -> LinkEvent>) {
    for has_copy in [false, true] {
        let mut bench = Bench::new(&[ME, OTHER]);
        let group = group_of(OTHER, &[ME, OTHER]);
        let other = bench.peer(OTHER, 1);
        let (term, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
        if has_copy {
            theirs.copy(&mut bench, other, &group, term, &[ME, OTHER]);
            replies(&mut bench, other);
        }
        bench.hear(other, command(&group, term));
        let expected: Vec<LinkEvent> = reply.iter().map(|reply| reply(group.clone(), term)).collect();
        assert_eq!(replies(&mut bench, other), expected, "with a copy: {has_copy}");
        assert_eq!(ends(&bench), if has_copy { vec![(false, theirs.last())] } else { vec![] });
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let behind = |group, term| LinkEvent::Behind { term, group, copy: false };
    let not_taken = |group, term| LinkEvent::Behind { term, group, copy: true };
    let entries = |seqs: &'static [u64]| {
        move |group: &GroupName, term| PeerCommand::Append {
            term,
            group: group.clone(),
            entries: seqs.iter().map(|seq| entry(*seq, term)).collect(),
        }
    };
    check_out_of_place(entries(&[5]), Some(behind));
    check_out_of_place(entries(&[u64::MAX]), Some(behind));
    let last = |term| Last { birth: Birth(7), seq: 9, term };
    check_out_of_place(
        |group, term| PeerCommand::CopyEnd { term, group: group.clone(), last: last(term), members: vec![] },
        Some(not_taken),
    );
    check_out_of_place(|group, term| PeerCommand::CopyLog { group: group.clone(), entries: vec![entry(4, term)] }, None);
    check_out_of_place(|group, _| PeerCommand::CopyRows { group: group.clone(), members: vec![], counters: vec![] }, None);
    let rest = |group: &GroupName, term, last| PeerCommand::Rest {
        group: group.clone(),
        birth: Birth(3),
        doubt: None,
        entries: vec![entry(4, term)],
        last,
    };
    check_out_of_place(|group, term| rest(group, term, true), None);
    let other_life = |term| Last { birth: Birth(6), seq: u64::MAX, term };
    check_out_of_place(|group, term| PeerCommand::WantRest { group: group.clone(), after: other_life(term) }, None);
}

#[test]
fn a_node_that_asks_for_what_follows_the_last_number_gets_nothing_and_harms_nothing() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    let (term, theirs) = (bench.epoch(), Theirs { birth: 7, seq: 3, term: bench.epoch() });
    theirs.copy(&mut bench, other, &group, term, &[ME, OTHER]);
    bench.hear(other, PeerCommand::WantRest { group: group.clone(), after: Last { seq: u64::MAX, ..theirs.last() } });
    let link = bench.link(OTHER);
    let rests = bench.posted(link);
    assert!(matches!(&rests[..], [PeerCommand::Rest { entries, last: true, .. }] if entries.is_empty()), "{rests:?}");
}

#[test]
fn a_node_that_was_started_anew_has_nobody_in_groups() {
    let mut bench = Bench::new(&[ME, OTHER, THIRD]);
    let group = group_in(&[(&[ME, OTHER, THIRD], ME, THIRD)]);
    let (older, third) = (bench.peer(OTHER, 1), bench.peer(THIRD, 1));
    bench.settled(older);
    bench.settled(third);
    bench.request(third, 1, &group, 8, "mike", join());
    bench.no_records();
    let standby = bench.link(THIRD);
    bench.follow(standby);
    bench.request(older, 1, &group, 9, "joe", join());
    bench.follow(standby);
    assert!(matches!(bench.answers(older)[..], [Outcome::Joined { members: 2, .. }]));
    // Its host went without a word, so its link looks well. Then it is back.
    bench.peer(OTHER, 2);
    assert!(bench.is_closed(older));
    bench.wait(NodeTiming::default().lapse_ms + 1_000);
    bench.follow(standby);
    bench.answers(third);
    bench.request(third, 2, &group, 8, "mike", Op::Names {});
    bench.follow(standby);
    let Some(Outcome::Names { names }) = bench.answers(third).pop() else { panic!() };
    assert_eq!(
        names.iter().map(|row| (row.person.nick.as_str(), row.rank)).collect::<Vec<_>>(),
        [("mike", Rank { founder: true, operator: true, voice: false })]
    );
}

#[test]
fn a_node_that_is_not_understood_begins_anew() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    bench.give(Input::Heard { conn: other, command: Command::parse(&[b"COPYEND", b"#a"]) });
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
