//! Who comes into a group while their edge is on its way to its master: they are let in at a place that the edge has yet to come to, and what it is told of them from before that place is about who they were then.

use super::*;
use crate::entry::{Content, Entry, SayKind};
use crate::event::{Code, Reply};
use crate::ids::{Birth, EntryId, ListId};

/// Two people of this node and a group of another's, which is at place 5. One is in it.
struct Rig {
    bench: Bench,
    group: GroupName,
    other: Conn,
    joe: Conn,
    mike: Conn,
}

impl Rig {
    fn new() -> Rig {
        let mut bench = Bench::new(&[ME, OTHER]);
        let group = group_of(OTHER, &[ME, OTHER]);
        let (joe, mike) = (bench.open(), bench.open());
        bench.says(joe, &format!("SUBSCRIBE {group}"));
        let other = bench.accept("10.0.0.2:7411", OTHER);
        let mut rig = Rig { bench, group, other, joe, mike };
        let (ticket, _) = rig.asked_to_join();
        rig.answers(ticket, 5, false);
        rig
    }

    /// The link to the master is lost and there again, and our sessions are shown to it. In which round?
    fn attaches_again(&mut self) -> u64 {
        self.bench.give(Input::Lost { conn: self.other });
        self.bench.wait(1_000);
        self.other = self.bench.accept("10.0.0.2:7411", OTHER);
        self.bench.wait(1_000);
        let round = |command| if let PeerCommand::Attach { round, .. } = command { Some(round) } else { None };
        self.bench.asked(self.other).into_iter().filter_map(round).next_back().expect("the edge shows its sessions")
    }

    fn asked_to_join(&mut self) -> (Ticket, SessionId) {
        let join = |command| match command {
            PeerCommand::Request { ticket, session, op: Op::Join { .. }, .. } => Some((ticket, session)),
            _ => None,
        };
        self.bench.asked(self.other).into_iter().find_map(join).expect("the master is asked")
    }

    fn parted(&mut self) -> Vec<SessionId> {
        let part = |command| match command {
            PeerCommand::Request { session, op: Op::Part { .. }, .. } => Some(session),
            _ => None,
        };
        self.bench.asked(self.other).into_iter().filter_map(part).collect()
    }

    fn answers(&mut self, ticket: Ticket, seq: u64, coming: bool) {
        let (birth, missed, names) = (Birth(7), vec![], vec![]);
        let outcome = Outcome::Joined { coming, birth, seq, term: Term::default(), members: 2, topic: None, missed, lost: false, names };
        self.bench.tell(self.other, LinkEvent::Answer { ticket, group: self.group.clone(), outcome });
    }

    fn entry(seq: u64, session: SessionId, content: Content) -> Arc<Entry> {
        let id = EntryId { session, counter: 0 };
        Arc::new(Entry { seq, term: Epoch::default(), id, time: Time(1), sender: person("mike"), content })
    }

    /// Who is on the list on which an entry goes out.
    fn hearers(&mut self, entry: Arc<Entry>) -> Vec<Conn> {
        self.bench.tell(self.other, Event::Entry(self.group.clone(), entry));
        let out = |effect: &Effect| if let Effect::TellAll { list, .. } = effect { Some(*list) } else { None };
        let list: ListId = self.bench.effects.iter().rev().find_map(out).expect("it is passed on");
        let mut hearers = Vec::new();
        for effect in &self.bench.effects {
            match effect {
                Effect::Enlist { list: on, conn } if *on == list => hearers.push(*conn),
                Effect::Delist { list: off, conn, .. } if *off == list => hearers.retain(|hearer| hearer != conn),
                _ => {}
            }
        }
        hearers
    }
}

/// Someone was parted while their edge was away, and has come again since: the part at 7 is before their place, which is 8. Their own join may be the next entry, or none.
#[track_caller]
fn check(coming: bool, answered_first: bool) {
    let mut rig = Rig::new();
    let round = rig.attaches_again();
    rig.bench.says(rig.mike, &format!("SUBSCRIBE {}", rig.group));
    let (ticket, session) = rig.asked_to_join();
    let said = |seq| Rig::entry(seq, SessionId(9), Content::Message { kind: SayKind::Message, text: "x".into() });
    let mut missed = vec![said(6), Rig::entry(7, session, Content::Part { reason: "connection lost".into() }), said(8)];
    if answered_first {
        rig.answers(ticket, 8, coming);
    }
    if answered_first && coming {
        missed.push(Rig::entry(9, session, Content::Join { node: key(ME) }));
    }
    let seq = missed.last().map_or(0, |last| last.seq);
    let group = rig.group.clone();
    rig.bench.tell(rig.other, LinkEvent::Attached { group, round, birth: Birth(7), seq, term: Term::default(), missed, lost: false });
    if !answered_first {
        rig.answers(ticket, 8, coming);
    }
    if coming && !answered_first {
        rig.hearers(Rig::entry(9, session, Content::Join { node: key(ME) }));
    }
    let next = if coming { 10 } else { 9 };
    assert_eq!(rig.hearers(said(next)), [rig.joe, rig.mike]);
    assert_eq!(rig.parted(), [], "nobody's place is given back");
    let is_answer = |event: &Event| matches!(event, Event::Push(crate::event::Push::Subscribed { .. }));
    assert_eq!(rig.bench.told(rig.mike).iter().filter(|event| is_answer(event)).count(), 1);
}

#[test]
fn whoever_comes_in_is_not_taken_out_by_what_was_before() {
    check(false, true);
    check(true, true);
    check(false, false);
    check(true, false);
}

#[test]
fn a_join_that_nobody_waits_for_any_more_is_taken_back() {
    let mut rig = Rig::new();
    rig.bench.says(rig.mike, &format!("SUBSCRIBE {}", rig.group));
    let (_, session) = rig.asked_to_join();
    rig.bench.wait(rig.bench.node.config.timing.patience_ms + 1_000);
    let refused = |event: &Event| matches!(event, Event::Reply(Reply::Error { code: Code::TryAgain, .. }));
    assert!(rig.bench.told(rig.mike).iter().any(refused));
    assert!(rig.parted().contains(&session));
}

#[test]
fn only_the_master_that_was_asked_last_lets_someone_in() {
    let mut bench = Bench::new(&[ME, OTHER]);
    let group = group_of(OTHER, &[ME, OTHER]);
    let mike = bench.open();
    bench.says(mike, &format!("SUBSCRIBE {group}"));
    let mut rig = Rig { other: bench.accept("10.0.0.2:7411", OTHER), bench, group, joe: mike, mike };
    let (ticket, _) = rig.asked_to_join();
    // It is ours from now on; what the former master says comes too late.
    rig.bench.ring(&[ME]);
    rig.answers(ticket, 5, false);
    assert_eq!(rig.bench.told(mike), []);
}

#[test]
fn a_join_of_someone_who_is_gone_is_not_asked_again() {
    let mut rig = Rig::new();
    rig.bench.says(rig.mike, &format!("SUBSCRIBE {}", rig.group));
    let (_, session) = rig.asked_to_join();
    rig.bench.give(Input::Lost { conn: rig.mike });
    rig.bench.give(Input::Lost { conn: rig.other });
    rig.bench.wait(1_000);
    rig.other = rig.bench.accept("10.0.0.2:7411", OTHER);
    rig.bench.wait(1_000);
    let mine = |command: &PeerCommand| matches!(command, PeerCommand::Request { session: of, .. } if *of == session);
    let asked: Vec<PeerCommand> = rig.bench.asked(rig.other).into_iter().filter(mine).collect();
    assert!(matches!(&asked[..], [PeerCommand::Request { op: Op::Part { .. }, .. }]), "{asked:?}");
}
