//! The client against a server that is a script: what happens to it in lines that begin with `>`, what it does in the others.
//!
//! The group is `#g`, whose order of preference among 127.0.0.1, .2 and .3 is just that. In an event's line a `_` stands for a blank and `''` for nothing.

mod in_group;
mod seeking;

use std::fmt::Write;

use super::{Client, ClientConfig, ClientLimits, ClientTiming};
use crate::event::{Event, Reply};
use crate::ids::{Conn, Incarnation, Ticket};
use crate::list::{ListSigner, Trust};
use crate::machine::{DialError, Effect, Input, Machine, Note, Wish};
use crate::names::{GroupName, NodeKey};
use crate::ring::Ring;
use crate::time::Time;
use crate::view::{DirectoryServer, NodeInfo, RingParams, SharedView, View};
use crate::wire::{Argv, Text};

/// A machine, the time, and everything as text.
struct Rig<M> {
    machine: M,
    now: Time,
}

fn view(epoch: &str, nodes: &[&str]) -> SharedView {
    let node = |text: &&str| NodeInfo {
        key: NodeKey::new(text).unwrap(),
        name: "n".into(),
        incarnation: Incarnation(1),
        since: Time(0),
        admitted: crate::ids::Epoch::default(),
    };
    View {
        epoch: epoch.parse().unwrap(),
        network: "test".into(),
        params: RingParams::default(),
        nodes: nodes.iter().map(node).collect(),
        directories: vec![DirectoryServer { address: "d:1".into(), key: Some(signer().key()) }],
    }
    .into()
}

fn signer() -> ListSigner {
    ListSigner::new([1; 32])
}

/// The list as a directory server gives it, good for an hour.
fn list(view: SharedView) -> Event {
    let seal = signer().seal(&view, Time(0), Time(3_600_000));
    Reply::SignedRing { seal, view }.into()
}

fn conn(word: &str) -> Conn {
    Conn { slot: word[1..].parse().unwrap(), generation: 0 }
}

fn words_of(put: impl FnOnce(&mut Argv)) -> String {
    let mut argv = Argv::default();
    put(&mut argv);
    let words = argv.iter().map(|arg| match String::from_utf8_lossy(arg).replace(' ', "_") {
        empty if empty.is_empty() => "''".into(),
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn event(words: &[&str]) -> Event {
    let entry = |word: &str, seq: &str, who: &str, session: &str, rest: &str| {
        // What a native client says of itself is its first message; what others say is a new one each time.
        let counter = match (word, session) {
            ("message", "930bbdc51b6aed5c") => "1",
            ("message", _) => seq,
            _ => "0",
        };
        format!("{word} #g {seq} 1.1 {session}-{counter} 5000 {who} u h '' '' {rest}")
    };
    let line = match *words {
        ["view", epoch, ref nodes @ ..] => return list(view(epoch, nodes)),
        ["said", seq, who, text] => entry("message", seq, who, "00000000000000bb", &format!("msg {text}")),
        ["own", seq, who, text] => entry("message", seq, who, "930bbdc51b6aed5c", &format!("msg {text}")),
        ["mine", word, seq, who, rest] => entry(word, seq, who, "930bbdc51b6aed5c", rest),
        ["kicked", seq, nick] => entry("kick", seq, "bob", "00000000000000bb", &format!("{nick} enough")),
        _ => words.join(" "),
    };
    let words: Vec<String> = line.split(' ').map(|word| if word == "''" { String::new() } else { word.replace('_', " ") }).collect();
    let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    Event::parse(&args).unwrap_or_else(|bad| panic!("{line}: {bad}"))
}

fn input(line: &str) -> Input {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["start"] => Input::Start,
        ["stop"] => Input::Stop,
        ["dialed", ticket, result] => {
            let result = match result {
                "refused" => Err(DialError::Refused),
                "unreachable" => Err(DialError::Unreachable),
                word => Ok(conn(word)),
            };
            Input::Dialed { ticket: Ticket(ticket.parse().unwrap()), result }
        }
        ["lost", word] => Input::Lost { conn: conn(word) },
        ["say", number, text] => Input::Wish(Wish::Say { number: number.parse().unwrap(), text: text.into() }),
        ["run", ref words @ ..] => Input::Wish(Wish::Run(words.iter().map(|word| Text::from(*word)).collect())),
        [word, "garbage"] => Input::Told { conn: conn(word), event: Event::parse(&[b"joined", b"x"]) },
        [word, "novelty"] => Input::Told { conn: conn(word), event: Event::parse(&[b"sparkle", b"#g"]) },
        [word, ref rest @ ..] => Input::Told { conn: conn(word), event: Ok(event(rest)) },
        [] => panic!("an empty line"),
    }
}

fn output(effect: &Effect) -> String {
    match effect {
        Effect::Dial { ticket, address } => format!("dial {} {address}", ticket.0),
        Effect::Tell { conn, event } => format!("c{} {}", conn.slot, words_of(|out| event.put(out))),
        Effect::Close { conn } => format!("close c{}", conn.slot),
        Effect::Stopped => "stopped".into(),
        Effect::Note(note) => match note {
            Note::View(view) => format!("view {}", view.epoch),
            Note::Cache(list) => format!("cache {}", list.view.epoch),
            Note::Unbelieved { server, error } => format!("{server} is not believed: {error}"),
            Note::Joined { node, members } => format!("joined {node} {members}"),
            Note::Away { why } => format!("away: {why}"),
            Note::GaveUp { why } => format!("gave up: {why}"),
            Note::Sent { number, seq } => format!("sent {number} at {seq}"),
            Note::Unsent { number, why } => format!("unsent {number}: {why}"),
            Note::Heard(Event::Entry(_, entry)) => format!("heard {} {}", entry.seq, entry.content.word()),
            Note::Heard(event) => format!("heard {}", words_of(|out| event.put(out))),
            Note::Answer(event) => format!("answer {}", words_of(|out| event.put(out))),
            Note::Log { .. } | Note::Audit(_) => panic!("a client has no log"),
        },
        _ => panic!("no effect of a client: {effect:?}"),
    }
}

impl<M: Machine> Rig<M> {
    fn new(machine: M) -> Rig<M> {
        Rig { machine, now: Time(1_000_000) }
    }

    fn step(&mut self, input: Input, out: &mut String) {
        let mut effects = Vec::new();
        self.machine.handle(self.now, input, &mut effects);
        self.machine.check_invariants();
        effects.iter().for_each(|effect| writeln!(out, "{}", output(effect)).unwrap());
    }

    /// `due`: the machine's own next deadline comes. `wait 500`: so much time passes, with the deadlines in it.
    fn line(&mut self, line: &str, out: &mut String) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["due"] => {
                self.now = self.machine.deadline().expect("nothing is due").max(self.now);
                self.step(Input::Deadline, out);
            }
            ["wait", ms] => {
                let end = self.now + ms.parse::<u64>().unwrap();
                while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
                    self.now = at.max(self.now);
                    self.step(Input::Deadline, out);
                }
                self.now = end;
            }
            _ => self.step(input(line), out),
        }
    }
}

#[track_caller]
fn check_machine(machine: impl Machine, script: &str) {
    let mut rig = Rig::new(machine);
    let mut expected = String::new();
    let mut got = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(expected, "{line}").unwrap();
        if let Some(line) = line.strip_prefix("> ") {
            writeln!(got, "> {line}").unwrap();
            rig.line(line, &mut got);
        }
    }
    assert!(got == expected, "expected:\n{expected}\ngot:\n{got}");
}

fn config() -> ClientConfig {
    ClientConfig {
        directories: vec!["d:1".into()],
        cached: None,
        trust: Some(Trust::default()),
        group: GroupName::new("#g").unwrap(),
        key: None,
        nick: Some("joe".into()),
        account: None,
        token: "secret-token".into(),
        seed: 7,
        timing: ClientTiming { rejoin_ms: Some(60_000), ..ClientTiming::default() },
        limits: ClientLimits { outbox: 2, asked: 2 },
    }
}

#[track_caller]
fn check(script: &str) {
    check_machine(Client::new(config()), script);
}

#[track_caller]
fn check_in(script: &str) {
    check(&format!("{IN}{script}"));
}

/// The way into the group, at 127.0.0.1, over connection 2.
const IN: &str = "
    > start
    dial 1 d:1
    > dialed 1 c1
    c1 RING SIGNED
    > c1 view 1.4 127.0.0.1 127.0.0.2
    close c1
    view 1.4
    cache 1.4
    dial 2 127.0.0.1:7411
    > dialed 2 c2
    c2 SESSION secret-token
    c2 HELLO 3
    c2 NICK joe
    > c2 ok OK
    > c2 hello server chatring
    > c2 ok OK
    c2 JOIN #g '' '' '' ''
    > c2 joined #g 00000000000000aa 10 1.4 3 1.1
    joined 127.0.0.1 3
";

/// The way back in, over connection 4, after connection 2 was lost: the directory answers with a new view, the node joins at seq 10.
const BACK: &str = "
    > due
    dial 3 d:1
    > dialed 3 c3
    c3 RING SIGNED
    > c3 view 1.5 127.0.0.2
    close c3
    view 1.5
    cache 1.5
    dial 4 127.0.0.2:7411
    > dialed 4 c4
    c4 SESSION secret-token
    c4 HELLO 3
    c4 NICK joe
    > c4 ok OK
    > c4 hello server chatring
    > c4 ok OK
";

#[test]
fn the_order_that_the_scripts_rely_on() {
    let ring = Ring::new(&view("1.1", &["127.0.0.1", "127.0.0.2", "127.0.0.3"]));
    let order: Vec<&str> = ring.order(crate::ring::point("#g")).map(NodeKey::as_str).collect();
    assert_eq!(order, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}
