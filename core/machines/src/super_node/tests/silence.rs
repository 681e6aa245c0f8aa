//! Links that fall silent, in one direction or both, and what has to be put right afterwards.

use super::*;
use crate::event::{Code, Push, Reply};
use crate::ids::Birth;

/// A node with someone in a group, and a nick, of another's, which is in a group of this one's.
struct Pair {
    bench: Bench,
    person: Conn,
    /// What we dialled, and what they did.
    out: Conn,
    inward: Conn,
}

fn joined(seq: u64) -> Outcome {
    Outcome::Joined {
        coming: false,
        birth: Birth(7),
        seq,
        term: Term::default(),
        members: 1,
        topic: None,
        missed: vec![],
        lost: false,
        names: vec![],
    }
}

impl Bench {
    /// Answers what a connection asks; gives what it was, as group and word.
    fn answer(&mut self, conn: Conn, outcome: impl Fn(&Op) -> Option<Outcome>) -> Vec<String> {
        let mut asked = vec![];
        for command in self.asked(conn) {
            let PeerCommand::Request { ticket, group, op, person, .. } = command else { continue };
            asked.push(format!("{} {} {}", group, op.word(), person.nick));
            if let Some(outcome) = outcome(&op) {
                self.tell(conn, LinkEvent::Answer { ticket, group, outcome });
            }
        }
        asked
    }
}

impl Pair {
    /// `@joe` is the other node's, and `joe` here has claimed it.
    fn new() -> Pair {
        let mut bench = Bench::new(&[OTHER]);
        let inward = bench.peer(OTHER, 1);
        let person = bench.open();
        bench.says(person, "NICK joe");
        let out = bench.accept("10.0.0.2:7411", OTHER);
        assert_eq!(bench.answer(out, |_| Some(joined(1))), ["@joe join joe"]);
        bench.told(person);
        bench.effects.clear();
        bench.are_alive = false;
        Pair { bench, person, out, inward }
    }

    /// One second passes, in which what these directions carry arrives.
    fn second(&mut self, out: bool, inward: bool) {
        for _ in 0..4 {
            self.bench.wait(250);
            for (conn, asked) in self.bench.probes() {
                if out && conn == self.out {
                    self.bench.tell(conn, LinkEvent::Here { asked, epoch: self.bench.epoch() });
                }
            }
        }
        if inward && !self.bench.is_closed(self.inward) {
            self.bench.hear(self.inward, PeerCommand::Probe { sent: self.bench.now });
        }
    }

    fn nick(&mut self) -> Option<String> {
        let new = |event| if let Event::Push(Push::NickIs { new, .. }) = event { Some(new.to_string()) } else { None };
        self.bench.told(self.person).into_iter().find_map(new)
    }
}

/// After how many seconds each link is given up when only these directions carry anything.
#[track_caller]
fn check(out: bool, inward: bool, expect: (Option<u32>, Option<u32>)) {
    let mut pair = Pair::new();
    let mut closed = (None, None);
    for second in 1..=10 {
        pair.second(out, inward);
        if pair.bench.is_closed(pair.out) {
            closed.0.get_or_insert(second);
        }
        if pair.bench.is_closed(pair.inward) {
            closed.1.get_or_insert(second);
        }
    }
    assert_eq!(closed, expect);
}

#[test]
fn a_silent_link_is_given_up_by_whoever_misses_it() {
    check(true, true, (None, None));
    check(false, true, (Some(3), None));
    check(true, false, (None, Some(3)));
    check(false, false, (Some(3), Some(3)));
}

#[test]
fn a_node_is_asked_once_a_second() {
    let mut pair = Pair::new();
    pair.bench.wait(2_900);
    assert!(matches!(pair.bench.probes().len(), 1..=3));
}

#[test]
fn a_nick_that_cannot_be_renewed_is_given_up_before_it_can_be_another_s() {
    let mut pair = Pair::new();
    let timing = NodeTiming::default();
    let mut renamed = None;
    for second in 1..=10u64 {
        pair.second(false, true);
        if pair.nick().is_some_and(|nick| nick.starts_with("guest-")) {
            renamed.get_or_insert(second * 1_000);
        }
    }
    let renamed = renamed.expect("they are renamed");
    assert!(renamed >= timing.lease_ms + timing.rename_ms && renamed < timing.lapse_ms, "after {renamed} ms");
}

#[test]
fn who_lost_their_nick_goes_on_as_a_guest() {
    let mut bench = Bench::new(&[ME]);
    let conn = bench.open();
    bench.says(conn, "LOGIN joe joe joe");
    assert!(bench.told(conn).iter().any(|event| matches!(event, Event::Reply(Reply::Welcome { .. }))));
    // The claim goes to a node that nobody reaches.
    bench.ring(&[OTHER]);
    bench.wait(9_000);
    let told = bench.told(conn);
    assert!(told.iter().any(|event| matches!(event, Event::Push(Push::NickIs { .. }))), "{told:?}");
    bench.says(conn, "MOTD");
    let told = bench.told(conn);
    assert!(!told.iter().any(|event| matches!(event, Event::Reply(Reply::Error { code: Code::NoNick, .. }))), "{told:?}");
    // It still speaks a protocol with pings.
    bench.wait(155_000);
    assert!(bench.told(conn).iter().any(|event| matches!(event, Event::Push(Push::Ping { .. }))));
}

#[test]
fn a_place_is_given_back_however_long_that_takes() {
    let mut pair = Pair::new();
    pair.bench.are_alive = true;
    let conn = pair.person;
    pair.bench.give(Input::Lost { conn });
    assert_eq!(pair.bench.answer(pair.out, |_| None), ["@joe part joe"]);
    pair.bench.give(Input::Lost { conn: pair.out });
    // Nobody answers for longer than anyone's patience.
    for _ in 0..60 {
        pair.bench.wait(1_000);
        let dial = |effect: &Effect| if let Effect::Dial { ticket, .. } = effect { Some(*ticket) } else { None };
        if let Some(ticket) = pair.bench.effects.iter().find_map(dial) {
            pair.bench.effects.retain(|effect| dial(effect) != Some(ticket));
            pair.bench.give(Input::Dialed { ticket, result: Err(crate::machine::DialError::Unreachable) });
        }
    }
    pair.bench.wait(2_500);
    let out = pair.bench.accept("10.0.0.2:7411", OTHER);
    pair.bench.wait(600);
    assert!(pair.bench.answer(out, |_| Some(Outcome::Done {})).contains(&"@joe part joe".to_string()));
    pair.bench.wait(20_000);
    assert_eq!(pair.bench.answer(out, |_| None), [""; 0], "it is done");
}

#[test]
fn nicks_are_claimed_in_the_order_they_were_asked_for() {
    let mut pair = Pair::new();
    let conn = pair.person;
    pair.bench.says(conn, "NICK a");
    pair.bench.says(conn, "NICK b");
    assert_eq!(pair.bench.answer(pair.out, |_| Some(joined(1)))[..1], ["@a join a"]);
    let asked = pair.bench.answer(pair.out, |op| Some(if let Op::Join { .. } = op { joined(1) } else { Outcome::Done {} }));
    assert!(asked.contains(&"@b join b".to_string()), "{asked:?}");
    assert_eq!(pair.bench.told(conn).into_iter().filter(|event| *event == Event::ok()).count(), 2);
    pair.bench.says(conn, "CLIENT GETNAME");
    assert!(pair.bench.told(conn).contains(&Reply::Text { text: "b".into() }.into()));
}

#[test]
fn authenticators_that_never_answer_do_not_hold_anyone_for_ever() {
    let mut bench = Bench::new(&[ME]);
    let conn = bench.open();
    let words: [&[u8]; 2] = [b"SUBSCRIBE", b"#g"];
    bench.give(Input::Heard { conn, command: Command::parse(&words) });
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Judge { .. })));
    bench.wait(16_000);
    assert!(matches!(bench.told(conn)[..], [Event::Reply(Reply::Error { code: Code::Busy, .. })]));
    assert!(bench.effects.contains(&Effect::Resume { conn }));
}
