//! Who fell off a group's list and reads its log: in order, each entry once, what is gone as a gap where it is, and one fetch for all.

use super::*;
use crate::entry::{Content, Entry, SayKind};
use crate::event::{Push, Reply};
use crate::ids::{Birth, EntryId, ListId};
use crate::machine::Lag;

/// Three people of this node in a group of another's, which is at place 5.
struct Rig {
    bench: Bench,
    group: GroupName,
    other: Conn,
    list: ListId,
    people: Vec<Conn>,
    sessions: Vec<SessionId>,
    fetch: Option<Ticket>,
    at: u64,
}

fn said_by(session: SessionId, seq: u64, bytes: usize) -> Arc<Entry> {
    let content = Content::Message { kind: SayKind::Message, text: "x".repeat(bytes).into() };
    let id = EntryId { session, counter: seq };
    Arc::new(Entry { seq, term: Epoch::default(), id, time: Time(1), sender: person("mike"), content })
}

impl Rig {
    fn new() -> Rig {
        let mut bench = Bench::new(&[ME, OTHER]);
        let group = group_of(OTHER, &[ME, OTHER]);
        let mut rig = Rig {
            group: group.clone(),
            other: Conn { slot: 0, generation: 0 },
            list: ListId(0),
            people: vec![],
            sessions: vec![],
            fetch: None,
            at: 5,
            bench: Bench::new(&[ME]),
        };
        for ix in 0..3 {
            let conn = bench.open();
            bench.says(conn, &format!("SUBSCRIBE {group}"));
            if ix == 0 {
                rig.other = bench.accept("10.0.0.2:7411", OTHER);
            }
            for command in bench.asked(rig.other) {
                let PeerCommand::Request { ticket, group, session, .. } = command else { continue };
                let (birth, missed, names) = (Birth(7), vec![], vec![]);
                let outcome = Outcome::Joined {
                    coming: false,
                    birth,
                    seq: 5,
                    term: Term::default(),
                    members: 1,
                    topic: None,
                    missed,
                    lost: false,
                    names,
                };
                bench.tell(rig.other, LinkEvent::Answer { ticket, group, outcome });
                rig.sessions.push(session);
            }
            rig.people.push(conn);
        }
        let list = |effect: &Effect| if let Effect::Enlist { list, .. } = effect { Some(*list) } else { None };
        rig.list = bench.effects.iter().find_map(list).expect("they are on a list");
        bench.effects.clear();
        rig.bench = bench;
        rig
    }

    /// Their places in the log, or a range of them: all of the master's own saying, but for those said by `a`.
    fn entries(&self, words: &[&str]) -> Vec<Arc<Entry>> {
        let mut entries = vec![];
        for word in words {
            let (range, bytes) = word.split_once('x').map_or((*word, 1), |(range, bytes)| (range, bytes.parse().unwrap()));
            let (range, session) = range.strip_prefix('a').map_or((range, SessionId(9)), |range| (range, self.sessions[0]));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            entries.extend((first.parse().unwrap()..=last.parse().unwrap()).map(|seq| said_by(session, seq, bytes)));
        }
        entries
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let who = |name: &str| self.people[name.as_bytes()[0] as usize - usize::from(b'a')];
        match words[..] {
            ["to", seq] => {
                let to: u64 = seq.parse().unwrap();
                for seq in self.at + 1..=to {
                    self.bench.tell(self.other, Event::Entry(self.group.clone(), said_by(SessionId(9), seq, 1)));
                }
                self.at = to;
            }
            ["fell", name, next] => {
                let input = Input::Fell { conn: who(name), list: self.list, next: next.parse().ok(), lost: 1 };
                self.bench.give(input);
            }
            ["drained", name] => self.bench.give(Input::Drained { conn: who(name) }),
            ["page", ref entries @ ..] | ["lost", ref entries @ ..] => {
                let (ticket, group, entries) = (self.fetch.take().expect("a fetch"), self.group.clone(), self.entries(entries));
                let fetched = LinkEvent::Fetched { ticket, group, birth: Birth(7), entries, lost: words[0] == "lost", newest: self.at };
                self.bench.tell(self.other, fetched);
            }
            ["says", name, ref rest @ ..] => self.bench.says(who(name), &rest.join(" ").replace("#g", self.group.as_str())),
            ["done"] => {
                for command in self.bench.asked(self.other) {
                    let PeerCommand::Request { ticket, group, .. } = command else { continue };
                    self.bench.tell(self.other, LinkEvent::Answer { ticket, group, outcome: Outcome::Done {} });
                }
            }
            ["wait", ms] => self.bench.wait(ms.parse().unwrap()),
            ["break"] => self.bench.give(Input::Lost { conn: self.other }),
            ["attach", birth, seq, ref missed @ ..] => {
                self.other = self.bench.accept("10.0.0.2:7411", OTHER);
                let Some(PeerCommand::Attach { round, .. }) = self.bench.asked(self.other).pop() else { panic!("no attach") };
                let (group, missed, seq) = (self.group.clone(), self.entries(missed), seq.parse().unwrap());
                self.at = seq;
                let birth = Birth(birth.parse().unwrap());
                self.bench.tell(self.other, LinkEvent::Attached { group, round, birth, seq, term: Term::default(), missed, lost: false });
            }
            ["stuck", name, ms, bytes] => {
                let Some(ticket) =
                    self.bench.effects.iter().find_map(|effect| if let Effect::Survey { ticket } = effect { Some(*ticket) } else { None })
                else {
                    panic!("no survey")
                };
                let stuck = Some(Time(self.bench.now.0 - ms.parse::<u64>().unwrap()));
                let lag = Lag { conn: who(name), bytes: bytes.parse().unwrap(), entries: u64::from(bytes != "0"), stuck };
                self.bench.effects.clear();
                self.bench.give(Input::Surveyed { ticket, lags: vec![lag] });
            }
            _ => panic!("{line}"),
        }
    }

    /// What came of it for each, in short. Neighbouring entries are one range.
    fn shown(&mut self) -> String {
        let name = |conn: &Conn| self.people.iter().position(|other| other == conn).map(|ix| char::from(b'a' + ix as u8));
        let mut shown: Vec<String> = vec![];
        let mut last: Option<(Conn, u64)> = None;
        for effect in std::mem::take(&mut self.bench.effects) {
            match effect {
                Effect::Tell { conn, event: Event::Entry(_, entry) } if last == Some((conn, entry.seq.wrapping_sub(1))) => {
                    let text = shown.last_mut().unwrap();
                    *text = format!("{}-{}", text.split('-').next().unwrap(), entry.seq);
                    last = Some((conn, entry.seq));
                }
                Effect::Tell { conn, event: Event::Entry(_, entry) } => {
                    shown.push(format!("{}:{}", name(&conn).unwrap(), entry.seq));
                    last = Some((conn, entry.seq));
                }
                Effect::Tell { conn, event: Event::Push(Push::Gap { lost, .. }) } => {
                    shown.push(format!("{}:gap {lost}", name(&conn).unwrap()))
                }
                Effect::Tell { conn, event: Event::Push(Push::Unsubscribed { .. }) } => shown.push(format!("{}:out", name(&conn).unwrap())),
                Effect::Tell { conn, event: Event::Push(Push::Closing { .. }) } => shown.push(format!("{}:closing", name(&conn).unwrap())),
                Effect::Tell { conn, event: Event::Reply(Reply::Slow { cells }) } => {
                    let cells: Vec<&str> = cells.0.chunks(6).flat_map(|row| [&*row[3], &*row[4], &*row[5]]).collect();
                    shown.push(format!("{}:slow {}", name(&conn).unwrap(), cells.join(" ")));
                }
                Effect::Tell { conn, event: Event::Command(Command::Peer(PeerCommand::Fetch { ticket, after, .. })) }
                    if conn == self.other =>
                {
                    shown.push(format!("fetch {after}"));
                    self.fetch = Some(ticket);
                }
                Effect::Tell { conn, event } if conn == self.other => self.bench.effects.push(Effect::Tell { conn, event }),
                Effect::Await { conn } => shown.push(format!("await {}", name(&conn).unwrap())),
                Effect::Enlist { conn, .. } => shown.push(format!("{} on", name(&conn).unwrap())),
                Effect::Close { conn } => shown.push(format!("close {}", name(&conn).unwrap())),
                effect @ (Effect::Survey { .. } | Effect::Dial { .. }) => self.bench.effects.push(effect),
                _ => {}
            }
        }
        shown.join(" | ")
    }
}

#[track_caller]
fn check(story: &[(&str, &str)]) {
    let mut rig = Rig::new();
    for (line, expect) in story {
        rig.step(line);
        assert_eq!(rig.shown(), *expect, "after: {line}");
    }
}

#[test]
fn who_fell_reads_the_log_as_they_take_it_and_then_goes_on_with_the_group() {
    check(&[
        ("to 30", ""),
        ("fell a 11", "await a"),
        ("to 40", ""),
        ("drained a", "fetch 10"),
        ("page 11-40", "a:11-40 | a on"),
        ("drained a", ""),
        ("to 41", ""),
    ]);
}

#[test]
fn a_page_is_no_more_than_is_taken_at_a_time_and_the_rest_is_not_fetched_again() {
    check(&[
        ("to 20", ""),
        ("fell a 11", "await a"),
        ("drained a", "fetch 10"),
        ("page 11-20x9000", "a:11-13 | await a"),
        ("drained a", "a:14-16 | await a"),
        ("to 21", ""),
        ("drained a", "a:17-19 | await a"),
        ("drained a", "a:20 | await a"),
        ("drained a", "fetch 20"),
        ("page 21", "a:21 | a on"),
    ]);
}

#[test]
fn one_fetch_serves_all_who_need_it() {
    check(&[
        ("to 30", ""),
        ("fell a 11", "await a"),
        ("fell b 21", "await b"),
        ("fell c 8", "await c"),
        ("drained a", "fetch 10"),
        ("drained b", ""),
        ("page 11-30", "a:11-30 | a on | b:21-30 | b on"),
        // Further back than any.
        ("drained c", "fetch 7"),
        ("page 8-30", "c:8-30 | c on"),
    ]);
}

#[test]
fn what_the_log_has_lost_is_a_gap_where_it_is() {
    check(&[
        ("to 30", ""),
        ("fell a 11", "await a"),
        ("fell b 28", "await b"),
        ("fell c 13", "await c"),
        ("drained a", "fetch 10"),
        ("drained b", ""),
        ("lost 26-30", "a:gap 15 | a:26-30 | a on | b:28-30 | b on"),
        ("drained c", "c:gap 13 | c:26-30 | c on"),
    ]);
    // Nothing is left of it.
    check(&[("to 30", ""), ("fell a 11", "await a"), ("drained a", "fetch 10"), ("lost", "a:gap 20 | a on")]);
}

#[test]
fn a_log_that_is_ahead_of_what_was_heard_is_not_read_ahead() {
    check(&[("to 20", ""), ("fell a 11", "await a"), ("drained a", "fetch 10"), ("page 11-25", "a:11-20 | a on"), ("to 25", "")]);
}

#[test]
fn one_does_not_hear_oneself_unless_one_wants_to() {
    check(&[
        ("says a SAY msg #g 0 hi", ""),
        ("to 20", ""),
        ("fell a 11", "await a"),
        ("drained a", "fetch 10"),
        ("page 11-15 a16 17-20", "a:11-15 | a:17-20 | a on"),
    ]);
}

#[test]
fn pages_that_make_no_sense_are_not_read() {
    for page in ["page 12-20", "page 11-14 16-20", "page"] {
        check(&[
            ("to 20", ""),
            ("fell a 11", "await a"),
            ("drained a", "fetch 10"),
            (page, ""),
            ("wait 600", "fetch 10"),
            ("page 11-20", "a:11-20 | a on"),
        ]);
    }
}

#[test]
fn a_fetch_that_is_lost_is_made_again() {
    check(&[
        ("to 20", ""),
        ("fell a 11", "await a"),
        ("drained a", "fetch 10"),
        ("break", ""),
        ("wait 100", ""),
        ("attach 7 22 21-22", "fetch 10"),
        ("page 11-22", "a:11-22 | a on"),
    ]);
    check(&[("to 20", ""), ("fell a 11", "await a"), ("drained a", "fetch 10"), ("wait 4000", "fetch 10")]);
}

#[test]
fn another_life_of_the_group_begins_for_all_at_the_same_place() {
    check(&[
        ("to 20", ""),
        ("fell a 11", "await a"),
        ("break", ""),
        ("wait 100", ""),
        ("attach 8 31 30-31", "a:gap ? | b:gap ? | c:gap ?"),
        ("drained a", "fetch 29"),
    ]);
}

#[test]
fn who_leaves_while_behind_is_told_what_they_did_not_read() {
    check(&[("to 20", ""), ("fell a 11", "await a"), ("says a UNSUBSCRIBE #g", ""), ("done", "a:gap 10 | a:0 | a:out"), ("drained a", "")]);
}

#[test]
fn who_is_behind_is_shown() {
    check(&[
        ("to 20", ""),
        ("fell a 11", "await a"),
        ("wait 300", ""),
        ("says b CLIENT LIST SLOW", ""),
        ("stuck c 50 700", "b:slow 0 10 300 700 1 50"),
    ]);
}

#[test]
fn who_reads_nothing_at_all_for_long_is_closed_and_who_is_slow_is_not() {
    let told = "c:closing | close c";
    for (ms, bytes, shown) in [("60000", "700", told), ("59999", "700", ""), ("60000", "0", "")] {
        check(&[("wait 75000", ""), (&format!("stuck c {ms} {bytes}"), shown)]);
    }
    // What is not in memory waits, too.
    check(&[("to 20", ""), ("fell c 11", "await c"), ("wait 75000", ""), ("stuck c 60000 0", told)]);
}

#[test]
fn a_master_gives_pages_of_its_log() {
    let limits = NodeLimits { log_entries: 10, ..NodeLimits::default() };
    let mut bench = Bench::with(&[ME, OTHER], limits);
    let group = group_of(ME, &[ME, OTHER]);
    let other = bench.peer(OTHER, 1);
    let standby = bench.link(OTHER);
    bench.settled(other);
    bench.request(other, 1, &group, 9, "joe", join());
    bench.no_records();
    bench.follow(standby);
    let Some(Outcome::Joined { birth, .. }) = bench.answers(other).pop() else { panic!() };
    for counter in 1..20 {
        let say = Op::Say { kind: SayKind::Message, text: "x".repeat(100).into(), counter, birth: None };
        bench.request(other, counter, &group, 9, "joe", say);
        bench.follow(standby);
    }
    bench.told(other);
    let mut fetch = |birth, after, limit| {
        bench.hear(other, PeerCommand::Fetch { ticket: Ticket(1), group: group.clone(), birth, after, limit });
        let told = bench.told(other);
        let Some(Event::Link(LinkEvent::Fetched { entries, lost, newest, .. })) = told.last().cloned() else { panic!("{told:?}") };
        assert_eq!(newest, 20);
        (entries.first().map(|entry| entry.seq), entries.len(), lost)
    };
    assert_eq!(fetch(birth, 15, 10_000), (Some(16), 5, false));
    assert_eq!(fetch(birth, 15, 1), (Some(16), 1, false), "always some");
    assert_eq!(fetch(birth, 15, 300), (Some(16), 2, false));
    assert_eq!(fetch(birth, 20, 10_000), (None, 0, false));
    assert_eq!(fetch(birth, 3, 10_000), (Some(11), 10, true));
    assert_eq!(fetch(Birth(1), 15, 10_000), (None, 0, true), "of another life");
}
