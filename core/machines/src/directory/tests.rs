//! A directory server driven by hand: each line of a story is an input, beside it the effects it must have.
//!
//! ```text
//! open 1 [L]            someone connects, by listener L            1 PING …              is heard on connection 1
//! far 1                 someone connects from another machine      1 ready N             the node says that nothing is left for plan N
//! node 1 KEY N          connects and proves to be KEY, start N     lost 1                connection 1 is gone
//! beat until T          as `until T`, with heartbeats on connections 1 and 2
//! durable               the store confirms and answers all         until T               time is T; deadlines that are due are kept
//! refused, reached,     what became of the oldest dial             restart               kill -9, and a start from what is stored
//! unreachable
//! ```

mod admission;
mod certified;
mod old_ring;
mod planned;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::handshake::{Accepting, Dialling, Whom};
use crate::ids::ListenerId;
use crate::list::{ListSigner, SignedList, Trust};
use crate::machine::{Query, Store, Write};
use crate::peer::{Change, PeerCommand};
use crate::secret::NetworkSecret;
use crate::view::{Plan, RingParams, SharedView, View};
use crate::wire::Argv;

struct Rig {
    directory: Directory,
    store: MemoryStore,
    now: Time,
    started: u64,
    unstored: VecDeque<Effect>,
    dials: VecDeque<Ticket>,
    /// Whether nodes that ask for a place are found where they say, without a line in the story.
    hospitable: bool,
}

fn config(limits: DirectoryLimits, incarnation: u64) -> DirectoryConfig {
    DirectoryConfig {
        address: "192.0.2.9:7410".into(),
        key: NodeKey::of_directory("192.0.2.9:7410".parse().unwrap()),
        network: "net".into(),
        secret: NetworkSecret::new("s"),
        certified: false,
        params: RingParams::default(),
        directories: Vec::new(),
        election_ms: 800,
        lease_ms: 3_000,
        prepare_ms: 30_000,
        hold_ms: 60_000,
        admission: Admission::default(),
        signer: ListSigner::new([1; 32]),
        list_valid_ms: 7 * 86_400_000,
        seed: 1,
        incarnation: Incarnation(incarnation),
        limits,
    }
}

impl Rig {
    fn new(limits: DirectoryLimits) -> Rig {
        let directory = Directory::new(config(limits, 1), Kept::default()).unwrap();
        let (unstored, dials) = (VecDeque::new(), VecDeque::new());
        Rig { directory, store: MemoryStore::default(), now: Time(1_000), started: 1, unstored, dials, hospitable: true }
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        let (mut effects, before) = (Vec::new(), self.directory.state().view().clone());
        self.directory.handle(self.now, input, &mut effects);
        self.directory.check_invariants();
        unfold(before, &mut effects);
        for effect in &effects {
            match effect {
                Effect::Commit { .. } | Effect::Query { .. } => self.unstored.push_back(effect.clone()),
                Effect::Dial { ticket, .. } => self.dials.push_back(*ticket),
                _ => {}
            }
        }
        if self.hospitable { self.receive(effects) } else { effects }
    }

    /// Plays the nodes that are looked at, and leaves out what is between them and the directory.
    fn receive(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in effects {
            match effect {
                Effect::Tell { conn, event: Event::Link(LinkEvent::Word { word }) } => {
                    let ready = PeerCommand::Ready { word };
                    rest.extend(self.handle(Input::Heard { conn, command: Ok(ready.into()) }));
                }
                Effect::Dial { ticket, .. } if self.directory.visits.is_dialing(ticket) => {
                    self.dials.retain(|dial| *dial != ticket);
                    rest.extend(self.handle(Input::Dialed { ticket, result: Ok(GUEST) }));
                }
                Effect::Tell { conn: GUEST, event: Event::Command(Command::Peer(command)) } => {
                    let said = self.host_says(&command);
                    rest.extend(self.handle(Input::Told { conn: GUEST, event: Ok(said.into()) }));
                }
                Effect::Close { conn: GUEST } => {}
                effect => rest.push(effect),
            }
        }
        rest
    }

    /// What the node that is looked at says to whoever has dialled it.
    fn host_says(&self, command: &PeerCommand) -> LinkEvent {
        let applicants = self.directory.applicants.all.values();
        let mut visited = applicants.filter_map(|applicant| match &applicant.stage {
            applicants::Stage::Visits { word, .. } => Some((&applicant.peer, word)),
            _ => None,
        });
        let (peer, word) = visited.next_back().expect("nobody is visited");
        match command {
            PeerCommand::Peer { .. } => {
                let identity = identity(peer.key.as_str(), peer.incarnation, "s");
                Accepting::start(&identity, command, None, 5).unwrap().1
            }
            PeerCommand::Prove { .. } => LinkEvent::Proven {},
            PeerCommand::Show {} => LinkEvent::Shown { word: word.clone() },
            other => panic!("{other:?}"),
        }
    }

    fn heard(&mut self, slot: &str, words: &[&str]) -> Vec<Effect> {
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.handle(Input::Heard { conn: conn(slot), command: Command::parse(&args) })
    }

    fn durable(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(effect) = self.unstored.pop_front() {
            effects.extend(match effect {
                Effect::Commit { ticket, write } => {
                    self.store.commit(&[write]).unwrap();
                    self.handle(Input::Committed { ticket })
                }
                Effect::Query { ticket, query } => {
                    let answer = self.store.query(&query).unwrap();
                    self.handle(Input::Answered { ticket, answer })
                }
                other => panic!("{other:?}"),
            });
        }
        effects
    }

    fn open(&mut self, slot: &str, listener: u16, peer: [u8; 4]) -> Vec<Effect> {
        let peer = IpAddr::V4(Ipv4Addr::from(peer));
        self.handle(Input::Opened { conn: conn(slot), listener: ListenerId(listener), peer })
    }

    fn prove(&mut self, slot: &str, key: &str, incarnation: &str, secret: &str) -> Vec<Effect> {
        let identity = identity(key, Incarnation(incarnation.parse().unwrap()), secret);
        let (dialling, hello) = Dialling::start(&identity, Whom::Directory, 7);
        let mut effects = self.handle(Input::Heard { conn: conn(slot), command: Ok(hello.into()) });
        let Some(Effect::Tell { event: Event::Link(challenge), .. }) = effects.pop() else { panic!("{effects:?}") };
        // A dialler with a wrong secret sees it here already; one that lies goes on.
        let prove = match dialling.challenged(&identity, &challenge) {
            Ok((_, prove)) => prove,
            Err(_) => crate::peer::PeerCommand::Prove { proof: "00".repeat(32).into() },
        };
        self.handle(Input::Heard { conn: conn(slot), command: Ok(prove.into()) })
    }

    fn dialed(&mut self, result: Result<Conn, DialError>) -> Vec<Effect> {
        let ticket = self.dials.pop_front().expect("nothing was dialled");
        self.handle(Input::Dialed { ticket, result })
    }

    fn until(&mut self, time: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(due) = self.directory.deadline().filter(|due| due.0 <= time) {
            self.now = self.now.max(due);
            effects.extend(self.handle(Input::Deadline));
        }
        self.now = Time(time);
        effects
    }

    /// As `until`, while connections 1 and 2 are heard all the time; their beats are left out.
    fn beat_until(&mut self, time: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.now < Time(time) {
            effects.extend(self.until(time.min(self.now.0 + 1_000)));
            for slot in ["1", "2"] {
                // One that is lost says nothing.
                if self.directory.links.of(conn(slot)).is_none() {
                    continue;
                }
                let beats = self.heard(slot, &["HEARTBEAT", "0"]);
                let is_beat = |effect: &Effect| matches!(effect, Effect::Tell { event: Event::Link(LinkEvent::Beat { .. }), .. });
                effects.extend(beats.into_iter().filter(|effect| !is_beat(effect)));
            }
        }
        effects
    }

    fn restart(&mut self) -> Vec<Effect> {
        self.started += 1;
        self.unstored.clear();
        self.dials.clear();
        let config = config(self.directory.config.limits, self.started);
        self.directory = Directory::new(config, self.store.kept().clone()).unwrap();
        let mut effects = self.handle(Input::Start);
        // Nobody decides before the disk has that this server leads again.
        effects.extend(self.durable());
        effects
    }

    fn step(&mut self, line: &str) -> Vec<Effect> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["start"] => self.handle(Input::Start),
            ["stop"] => self.handle(Input::Stop),
            ["open", slot] => self.open(slot, 0, [127, 0, 0, 1]),
            ["open", slot, listener] => self.open(slot, listener.parse().unwrap(), [127, 0, 0, 1]),
            ["far", slot] => self.open(slot, 0, [198, 51, 100, 7]),
            [slot, "ready", number] => {
                let epoch = self.directory.state().view().epoch.to_string();
                self.heard(slot, &["PREPARED", number, &epoch, "0", ""])
            }
            ["node", slot, key, incarnation] => {
                let mut effects = self.open(slot, 0, [127, 0, 0, 1]);
                effects.extend(self.prove(slot, key, incarnation, "s"));
                effects
            }
            ["liar", slot, key] => self.prove(slot, key, "1", "guess"),
            ["lost", slot] => self.handle(Input::Lost { conn: conn(slot) }),
            ["fell", slot] => self.handle(Input::Fell { conn: conn(slot), list: WATCHERS, next: None, lost: 2 }),
            ["durable"] => self.durable(),
            ["refused"] => self.dialed(Err(DialError::Refused)),
            ["unreachable"] => self.dialed(Err(DialError::Unreachable)),
            ["reached"] => self.dialed(Ok(conn("99"))),
            ["until", time] => self.until(time.parse().unwrap()),
            ["beat", "until", time] => self.beat_until(time.parse().unwrap()),
            ["sleep", time] => {
                self.now = Time(time.parse().unwrap());
                self.handle(Input::Deadline)
            }
            ["restart"] => self.restart(),
            [slot, ref words @ ..] => self.heard(slot, words),
            [] => Vec::new(),
        }
    }
}

/// Shows views that are told as changes of the one before as those who watch see them.
fn unfold(mut view: SharedView, effects: &mut [Effect]) {
    for effect in effects {
        let Effect::TellAll { event, .. } = effect else { continue };
        match event {
            Event::Link(LinkEvent::ViewChanged { before, change }) => {
                assert_eq!(*before, view.epoch);
                view = view.changed(change).expect("a change that is none is told").into();
                *event = LinkEvent::View { view: view.clone() }.into();
            }
            Event::Link(LinkEvent::View { view: whole }) => view = whole.clone(),
            _ => {}
        }
    }
}

/// A connection to a node that is looked at.
const GUEST: Conn = Conn { slot: 1_000, generation: 0 };

fn identity(key: &str, incarnation: Incarnation, secret: &str) -> Identity {
    Identity { network: "net".into(), secret: NetworkSecret::new(secret), key: NodeKey::new(key).unwrap(), incarnation, certified: false }
}

fn conn(slot: &str) -> Conn {
    Conn { slot: slot.parse().unwrap(), generation: 0 }
}

fn show_view(view: &View) -> String {
    let nodes = view.nodes.iter().map(|node| format!(" {}/{}", node.key, node.incarnation.0));
    format!("view {}{}", view.epoch, nodes.collect::<String>())
}

fn show_plan(plan: &Plan) -> String {
    match plan {
        Plan::Join { node } => format!("join {}/{}", node.key, node.incarnation.0),
        Plan::Drain { key, incarnation } => format!("drain {key}/{}", incarnation.0),
        Plan::Points { points } => format!("points {points}"),
    }
}

fn show_event(event: &Event) -> String {
    match event {
        Event::Link(LinkEvent::View { view }) => show_view(view),
        Event::Link(LinkEvent::Pending { number, plan }) => format!("pending {number} {}", plan.as_ref().map_or("-".into(), show_plan)),
        Event::Reply(crate::event::Reply::Ring { view }) => format!("ring: {}", show_view(view)),
        other => {
            let mut out = Argv::default();
            other.put(&mut out);
            out.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
        }
    }
}

fn show_change(change: &Change) -> String {
    match change {
        Change::Remove { key, why, .. } => format!("remove {key}: {why}"),
        Change::Prepare { number, plan } => format!("prepare {number} {}", show_plan(plan)),
        Change::Commit { number } => format!("make {number}"),
        Change::Cancel { number, why } => format!("cancel {number}: {why}"),
        change => format!("commit {}", change.word()),
    }
}

/// One effect in short; `None` for notes.
fn show(effect: &Effect) -> Option<String> {
    Some(match effect {
        // Goes with every view.
        Effect::Tell { event: Event::Link(LinkEvent::Sealed { .. }), .. } => return None,
        Effect::TellAll { event: Event::Link(LinkEvent::Sealed { .. }), .. } => return None,
        Effect::Tell { conn, event } => format!("{}: {}", conn.slot, show_event(event)),
        Effect::TellAll { event, .. } => format!("all: {}", show_event(event)),
        Effect::Enlist { conn, .. } => format!("{} watches", conn.slot),
        Effect::Pause { conn } => format!("{} paused", conn.slot),
        Effect::Resume { conn } => format!("{} resumed", conn.slot),
        Effect::Close { conn } => format!("{} closed", conn.slot),
        // Goes with every `proven`.
        Effect::Trust { .. } => return None,
        Effect::Dial { address, .. } => format!("dial {address}"),
        Effect::Commit { write: Write::Report { report, .. }, .. } => format!("keep {}", report.group),
        Effect::Commit { write: Write::Log(write), .. } => {
            let records = write.append.iter().flat_map(|(_, records)| records);
            let changes =
                records.filter_map(|record| if let Record::Change { change } = record { Some(show_change(change)) } else { None });
            let changes = changes.collect::<Vec<_>>();
            if changes.is_empty() {
                return None;
            }
            changes.join(" | ")
        }
        Effect::Query { query, .. } => format!("query {query:?}"),
        Effect::Stopped => "stopped".to_string(),
        Effect::Note(_) => return None,
        other => format!("{other:?}"),
    })
}

#[track_caller]
fn check_within(limits: DirectoryLimits, story: &[(&str, &str)]) {
    let mut rig = Rig::new(limits);
    let founding = [("start", ""), ("durable", "commit found | commit directories | all: view 1.1 | all: view 1.2")];
    for (line, expect) in founding.iter().chain(story) {
        let effects: Vec<String> = rig.step(line).iter().filter_map(show).collect();
        assert_eq!(effects.join(" | "), *expect, "after '{line}' at {}", rig.now.0);
    }
}

#[track_caller]
fn check(story: &[(&str, &str)]) {
    check_within(DirectoryLimits::default(), story);
}

#[test]
fn a_node_registers_once_it_is_durable_and_hears_of_the_next() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("1 HEARTBEAT 1500", "1: beat 1500 1.3"),
        ("node 2 edge:cafe 1", "2: proven"),
        ("2 REGISTER 1 cafe", "2: refused ERR edge:cafe can't be dialled, so it can't be in the ring: WATCH it instead"),
        ("2 WATCH", "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 -"),
        ("2 WATCH", ""),
        ("2 HEARTBEAT 1600", "2: beat 1600 1.3"),
        ("node 3 192.0.2.2:7412 5", "3: proven"),
        ("3 REGISTER 1 beta", "3 watches | 3: view 1.3 192.0.2.1/1 | 3: pending 0 - | prepare 1 join 192.0.2.2:7412/5"),
        ("durable", "all: pending 1 join 192.0.2.2:7412/5"),
        ("1 ready 1", "make 1"),
        ("durable", "all: view 1.4 192.0.2.1/1 192.0.2.2:7412/5 | all: pending 1 - | 3: registered 1 1.4"),
        ("fell 2", "2: view 1.4 192.0.2.1/1 192.0.2.2:7412/5 | 2: pending 1 - | 2 watches"),
    ]);
}

#[test]
fn who_has_the_view_is_not_shown_it() {
    check(&[
        ("node 1 edge:a 1", "1: proven"),
        ("1 WATCH 1.2", "1 watches | 1: pending 0 -"),
        ("node 2 edge:b 1", "2: proven"),
        ("2 WATCH 1.1", "2 watches | 2: view 1.2 | 2: pending 0 -"),
    ]);
}

#[test]
fn another_start_replaces_the_first() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("1 REGISTER 8 alpha", ""),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | 1: registered 8 1.3"),
        ("1 REGISTER 9 alpha", "1: registered 9 1.3"),
        ("node 2 192.0.2.1 2", "2: proven"),
        (
            "2 REGISTER 1 alpha",
            "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 - | 1: refused ERR 192.0.2.1 has registered on another connection | 1 closed | remove 192.0.2.1: was started anew",
        ),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/2 | 2: registered 1 1.5"),
        // The same start, on a new connection: no change of the ring.
        ("node 3 192.0.2.1 2", "3: proven"),
        (
            "3 REGISTER 1 alpha",
            "2: refused ERR 192.0.2.1 has registered on another connection | 2 closed | 3: registered 1 1.5 | 3 watches | 3: view 1.5 192.0.2.1/2 | 3: pending 0 -",
        ),
    ]);
}

#[test]
fn who_is_silent_for_a_lease_is_declared_dead_once() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        // The clock begins when the place is durable.
        ("until 2000", ""),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("until 3000", ""),
        ("1 HEARTBEAT 2900", "1: beat 2900 1.3"),
        ("until 5999", ""),
        ("until 6000", "remove 192.0.2.1: was silent for 3000 ms"),
        ("until 60000", ""),
        // Not confirmed while its death is under way: it would believe in a lease.
        ("1 HEARTBEAT 60000", "1: refused NOTMEMBER 192.0.2.1 is not in the ring (any more): register again"),
        ("1 REGISTER 8 alpha", ""),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/1 | 1: registered 8 1.5"),
    ]);
}

#[test]
fn a_suspect_is_dialled_and_dead_when_it_refuses() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("node 2 192.0.2.2:7412 1", "2: proven"),
        ("2 REGISTER 7 beta", "2 watches | 2: view 1.2 | 2: pending 0 -"),
        (
            "durable",
            "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | prepare 1 join 192.0.2.2:7412/1 | all: pending 1 join 192.0.2.2:7412/1",
        ),
        ("1 ready 1", "make 1"),
        ("durable", "all: view 1.4 192.0.2.1/1 192.0.2.2:7412/1 | all: pending 1 - | 2: registered 7 1.4"),
        ("1 SUSPECT 192.0.2.3", ""),
        ("1 SUSPECT 192.0.2.2:7412", "dial 192.0.2.2:7412"),
        ("1 SUSPECT 192.0.2.2:7412", ""),
        ("reached", "99 closed"),
        // Once in 200 ms; a suspicion in between is not forgotten.
        ("until 1100", ""),
        ("until 1200", "dial 192.0.2.2:7412"),
        ("unreachable", ""),
        ("until 2000", ""),
        ("lost 2", "dial 192.0.2.2:7412"),
        ("1 NODES", "query Groups { pattern: \"*\", limit: 10000 } | 1 paused"),
        (
            "durable",
            "1: nodes 192.0.2.1 alpha 0000000000000001 1000 alive 0 192.0.2.2:7412 beta 0000000000000001 1000 suspected 0 | 1 resumed",
        ),
        ("refused", "remove 192.0.2.2:7412: refuses connections"),
        ("1 SUSPECT 192.0.2.2:7412", ""),
        ("durable", "all: view 1.5 192.0.2.1/1"),
    ]);
}

#[test]
fn a_refusal_that_comes_late_does_not_hit_the_next_start() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("lost 1", "dial 192.0.2.1:7411"),
        ("node 2 192.0.2.1 2", "2: proven"),
        ("2 REGISTER 1 alpha", "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 - | remove 192.0.2.1: was started anew"),
        ("refused", ""),
        ("durable", "all: view 1.4 | commit admit | all: view 1.5 192.0.2.1/2 | 2: registered 1 1.5"),
    ]);
}

#[test]
fn who_leaves_hears_so_when_it_is_durable() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 LEAVE 1", "1: left 1"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("1 LEAVE 2", ""),
        ("1 LEAVE 3", "1: refused ERR 192.0.2.1 has asked already"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | remove 192.0.2.1: left | all: view 1.4 | 1: left 2"),
        ("1 LEAVE 4", "1: left 4"),
        ("lost 1", ""),
    ]);
}

#[test]
fn a_restart_gives_everyone_a_full_lease() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("until 3500", ""),
        ("restart", ""),
        ("until 6000", ""),
        ("node 2 192.0.2.1 1", "2: proven"),
        ("2 REGISTER 1 alpha", "2: registered 1 1.3 | 2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 -"),
        ("2 RING", "2: ring: view 1.3 192.0.2.1/1"),
        ("until 9000", "remove 192.0.2.1: was silent for 3000 ms"),
        // Killed before the store had it: nobody was told, and it is found out again.
        ("restart", ""),
        ("until 12000", "remove 192.0.2.1: was silent for 3000 ms"),
        ("durable", "all: view 1.4"),
    ]);
}

#[test]
fn nobody_is_judged_for_a_time_in_which_the_directory_slept() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("sleep 60000", ""),
        ("until 62999", ""),
        ("until 63000", "remove 192.0.2.1: was silent for 3000 ms"),
    ]);
}

#[test]
fn strangers_may_read_and_nothing_else() {
    check(&[
        ("open 1", ""),
        ("1 PING", "1: pong PONG"),
        ("1 PING hi", "1: pong hi"),
        ("1 HELLO 3", "1: hello server chatring version 0.1.0 proto 3 id 1 mode directory role master modules "),
        ("1 HELLO 4", "1: error NOPROTO unsupported protocol version: 2 and 3 are spoken here"),
        ("1 AUTH joe secret", "1: ok OK"),
        ("1 CLIENT ID", "1: integer 1"),
        ("1 CLIENT SETNAME joe", "1: ok OK"),
        ("1 CLIENT GETNAME", "1: text joe"),
        ("1 COMMAND DOCS", "1: array"),
        ("1 RING", "1: ring: view 1.2"),
        ("1 JOIN #a", "1: error ERR JOIN is answered by super nodes; this is a directory server: ask RING for them"),
        ("1 FROB", "1: error UNKNOWN unknown command 'FROB'"),
        ("1 GROUP #a", "query Record(#a) | 1 paused"),
        ("durable", "1: error NOSUCHGROUP no group #a is known here; a group that was just opened is known in a second #a | 1 resumed"),
        ("1 MEMBERS", "1: error SYNTAX argument 'group' is missing"),
        ("1 MEMBERS #a", "query Record(#a) | 1 paused"),
        ("durable", "1: error NOSUCHGROUP no group #a is known here; a group that was just opened is known in a second #a | 1 resumed"),
        (
            "1 SUSPECT 192.0.2.1",
            "1: error NOPERM SUSPECT is for nodes of this network that have proved it, on the node's own port | 1 closed",
        ),
        ("1 PING", ""),
        ("open 2 1", ""),
        (
            "2 PEER 1 net 192.0.2.1 0000000000000001 7",
            "2: error NOPERM PEER is for nodes of this network that have proved it, on the node's own port | 2 closed",
        ),
        ("open 3", ""),
        (
            "3 PEER 1 other 192.0.2.1 0000000000000001 7",
            "3: refused NOPERM this is network 'net', not 'other': check [network] name | 3 closed",
        ),
        ("open 4", ""),
        ("liar 4 192.0.2.1", "4: refused NOPERM the network secret does not match: check [network] secret on both nodes | 4 closed"),
        ("open 5", ""),
        ("5 QUIT", "5: ok OK | 5 closed"),
        ("open 6", ""),
        ("6 GROUPS", "query Groups { pattern: \"*\", limit: 10000 } | 6 paused"),
        ("lost 6", ""),
        ("durable", ""),
    ]);
}

#[test]
fn reports_are_stored_batch_by_batch() {
    let report = "#a 0000000000000001 1.3 9 0 1 5 topic joe 5 1 1 0 0   0 1 joe q \
                  1 00000000000000aa joe j host  Joe 192.0.2.1 4 0 \
                  1 192.0.2.1";
    let batch = format!("1 REPORT 7 1 {report}");
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        (&batch, "keep #a"),
        ("1 COUNT 8", "query Counts"),
        ("durable", "1: stored 7 | 1: counts 8 1 1"),
        ("1 REPORT 9 0", "1: stored 9"),
        ("open 2", ""),
        ("2 GROUPS #A*", "query Groups { pattern: \"#A*\", limit: 10000 } | 2 paused"),
        ("durable", "2: grouplist #a 1 192.0.2.1 topic | 2 resumed"),
        ("2 MEMBERS #a", "query Record(#a) | 2 paused"),
        ("durable", "2: memberlist joe 00000000000000aa 192.0.2.1 4 q | 2 resumed"),
        ("2 GROUP #a", "query Record(#a) | 2 paused"),
        ("durable", "2: group-card #a 192.0.2.1 1.3 9 0000000000000001 5 1 topic joe 5 +nt 1 192.0.2.1 1 joe q 0 | 2 resumed"),
        ("1 GROUPLIST 3 *", "query Groups { pattern: \"*\", limit: 10000 }"),
        ("durable", "1: groups 3 1 #a 1 192.0.2.1 topic"),
        ("1 SETTLED 1.1", "1: refused ERR SETTLED is answered by super nodes; this is a directory server"),
    ]);
}

#[test]
fn a_card_tells_everything_but_the_key() {
    // No topic; moderated, with a key and a limit; someone is banned, and nobody is in it.
    let report = "#a 0000000000000001 1.3 9 0 1 5  0 0 1 0 secret 12 1 *!*@spam joe 7 2 joe q bob ov 0 0 2 192.0.2.1 192.0.2.2";
    let batch = format!("1 REPORT 7 1 {report}");
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        (&batch, "keep #a"),
        ("durable", "1: stored 7"),
        ("open 2", ""),
        ("2 GROUP #A", "query Record(#a) | 2 paused"),
        (
            "durable",
            "2: group-card #a 192.0.2.1 1.3 9 0000000000000001 5 0   0 +mkl * 12 2 192.0.2.1 192.0.2.2 2 joe q bob ov 1 *!*@spam joe 7 | 2 resumed",
        ),
    ]);
}

#[test]
fn a_peer_that_asks_too_much_is_not_read_from_and_not_judged_meanwhile() {
    let limits = DirectoryLimits { pending_per_peer: 2, ..DirectoryLimits::default() };
    check_within(
        limits,
        &[
            ("node 1 192.0.2.1 1", "1: proven"),
            ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
            ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
            ("1 COUNT 1", "query Counts"),
            ("1 COUNT 2", "query Counts | 1 paused"),
            ("until 60000", ""),
            ("durable", "1: counts 1 0 0 | 1 resumed | 1: counts 2 0 0"),
            ("until 62999", ""),
            ("until 63000", "remove 192.0.2.1: was silent for 3000 ms"),
        ],
    );
}

#[test]
fn past_a_bound_newcomers_get_in_and_the_idle_go() {
    let limits = DirectoryLimits { strangers: 2, peers: 1, nodes: 1, queries: 1, ..DirectoryLimits::default() };
    check_within(
        limits,
        &[
            ("open 1", ""),
            ("until 2000", ""),
            ("open 2", ""),
            ("until 3000", ""),
            ("1 PING", "1: pong PONG"),
            ("open 3", "2: closing too many connections are waiting, and this one was silent longest | 2 closed"),
            ("1 GROUPS", "query Groups { pattern: \"*\", limit: 10000 } | 1 paused"),
            ("3 GROUPS", "3: error BUSY too many questions are waiting; ask again in a moment"),
            ("durable", "1: grouplist | 1 resumed"),
            ("lost 1", ""),
            ("lost 3", ""),
            ("node 4 192.0.2.1 1", "4: proven"),
            (
                "node 5 192.0.2.2 1",
                "5: proven | 5: refused TOOMANY this directory server has all the peers it takes; try another one | 5 closed",
            ),
            ("4 REGISTER 7 alpha", "4 watches | 4: view 1.2 | 4: pending 0 - | commit admit"),
            ("lost 4", ""),
            ("durable", "all: view 1.3 192.0.2.1/1"),
            ("node 6 192.0.2.2 1", "6: proven"),
            (
                "6 REGISTER 7 beta",
                "6 watches | 6: view 1.3 192.0.2.1/1 | 6: pending 0 - | 6: refused TOOMANY the ring has all the super nodes it takes",
            ),
        ],
    );
}

#[test]
fn stopping_waits_for_what_is_under_way() {
    check(&[
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 alpha", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("stop", ""),
        ("1 LEAVE 8", "1: refused TRYAGAIN 1000 this directory server is stopping"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3 | stopped"),
        ("until 60000", ""),
    ]);
}

/// Anything may happen in any order: the invariants hold after every step, no ticket is answered twice, and once all is durable the machine and
/// its store agree.
#[test]
fn random_stories() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut rig = Rig::new(DirectoryLimits { pending_per_peer: 3, strangers: 3, ..DirectoryLimits::default() });
        let mut jitter = Jitter::new(seed);
        let (mut slots, mut tickets, mut answered) = (0, 0, std::collections::BTreeSet::new());
        rig.step("start");
        for _ in 0..200 {
            let slot = slots - jitter.below(5).min(slots);
            tickets += 1;
            let line = match jitter.below(20) {
                0 | 1 => {
                    slots += 1;
                    format!("node {slots} 192.0.2.{} {}", 1 + jitter.below(3), 1 + jitter.below(2))
                }
                2 | 3 => format!("{slot} REGISTER {tickets} n"),
                4 | 5 => format!("{slot} HEARTBEAT 1"),
                6 => format!("{slot} LEAVE {tickets}"),
                7 => format!("{slot} SUSPECT 192.0.2.{}", 1 + jitter.below(3)),
                8 => format!("lost {slot}"),
                9 if !rig.dials.is_empty() => ["refused", "reached", "unreachable"][jitter.below(3) as usize].to_string(),
                10 => format!("until {}", rig.now.0 + jitter.below(2_000)),
                11 => format!("{slot} COUNT {tickets}"),
                12 | 13 => format!("{slot} ready {}", rig.directory.state().plans().number),
                14 => {
                    slots += 1;
                    format!("open {slots}")
                }
                15 => format!("{slot} POINTS {}", 1 + jitter.below(3)),
                16 => format!("{slot} DRAIN 192.0.2.{}", 1 + jitter.below(3)),
                17 if jitter.below(3) == 0 => format!("{slot} HANDOFF ABORT"),
                _ => "durable".to_string(),
            };
            for effect in rig.step(&line) {
                if let Effect::Commit { write: Write::Log(write), .. } = &effect {
                    let records = write.append.iter().flat_map(|(_, records)| records);
                    seen.extend(
                        records.filter_map(|record| if let Record::Change { change } = record { Some(change.word()) } else { None }),
                    );
                }
                if let Effect::Tell { event: Event::Link(event), .. } = effect
                    && let LinkEvent::Registered { ticket, .. } | LinkEvent::Left { ticket } | LinkEvent::Counts { ticket, .. } = event
                {
                    assert!(answered.insert(ticket), "{ticket:?} is answered twice, seed {seed}");
                }
            }
        }
        // In the end everyone has an answer, though nobody is ready for anything.
        rig.step("durable");
        for _ in 0..300 {
            rig.step(&format!("until {}", rig.now.0 + 10_000));
            rig.step("durable");
        }
        assert!(rig.directory.agenda.current.is_none() && rig.directory.agenda.queue.is_empty(), "seed {seed}");
        let owed = (0..=slots).filter_map(|slot| rig.directory.links.of(conn(&slot.to_string()))).map(|link| link.pending);
        assert_eq!(owed.sum::<usize>(), 0, "seed {seed}");
        assert_eq!(rig.directory.state(), &rig.store.kept().state, "seed {seed}");
        rig.step("restart");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["admit", "cancel", "commit", "directories", "found", "prepare", "remove"]);
}

#[test]
fn the_state_of_another_network_is_refused() {
    let mut state = DirectoryState::default();
    state.apply(&Change::Found { network: "other".into(), params: RingParams::default(), generation: 1 });
    let kept = Kept { state, log: KeptLog::default() };
    let refused = Directory::new(config(DirectoryLimits::default(), 1), kept).unwrap_err();
    assert_eq!((&*refused.stored, &*refused.configured), ("other", "net"));
}

#[test]
fn what_is_for_the_server_that_was_here_before_is_not_for_this_one() {
    let mut rig = Rig::new(DirectoryLimits::default());
    for line in ["start", "durable", "node 1 edge:x 1"] {
        rig.step(line);
    }
    let letter = replica::Letter::Stand { term: 900, last: Place { index: 700, term: 800 }, handed: true };
    let log = crate::peer::PeerCommand::Log { server: ServerId(0xaa), to: ServerId(0xbb), letter: Box::new(letter) };
    rig.handle(Input::Heard { conn: conn("1"), command: Ok(log.into()) });
    assert!(rig.directory.leads && rig.directory.replica.term() < 900);
    // One that has no log yet hears who leads from it, and nothing else.
    let mut rig = Rig::new(DirectoryLimits::default());
    let directories = ["192.0.2.9:7410", "192.0.2.8:7410"].map(Text::from).into();
    rig.directory = Directory::new(DirectoryConfig { directories, ..config(DirectoryLimits::default(), 1) }, Kept::default()).unwrap();
    for line in ["start", "durable", "node 1 edge:x 1"] {
        rig.step(line);
    }
    let (after, records) = (Place::default(), vec![Record::Term { term: 900 }]);
    let letter = replica::Letter::Entries { term: 900, commit: 1, after, records, sent: Time(1) };
    let log = crate::peer::PeerCommand::Log { server: ServerId(0xaa), to: ServerId(0xbb), letter: Box::new(letter) };
    rig.handle(Input::Heard { conn: conn("1"), command: Ok(log.into()) });
    let replica = &rig.directory.replica;
    assert_eq!((replica.leader(rig.now), replica.term(), replica.reach()), (Some(ServerId(0xaa)), 0, (0, 0)));
}

#[test]
fn the_ring_is_not_shown_before_it_is_founded() {
    let mut rig = Rig::new(DirectoryLimits::default());
    rig.step("start");
    rig.step("open 1");
    let effects: Vec<String> = rig.step("1 RING").iter().filter_map(show).collect();
    assert_eq!(effects, ["1: error TRYAGAIN 100 the network is just being founded"]);
    assert_eq!(rig.store.query(&Query::Counts).unwrap(), crate::machine::Answer::Counts { people: 0, groups: 0 });
}

/// The list that someone asks for at this time.
fn signed(rig: &mut Rig, slot: &str) -> SignedList {
    match rig.step(&format!("{slot} RING SIGNED")).pop() {
        Some(Effect::Tell { event: Event::Reply(crate::event::Reply::SignedRing { seal, view }), .. }) => SignedList { view, seal },
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_list_is_signed_and_as_good_as_new() {
    let mut rig = Rig::new(DirectoryLimits::default());
    ["start", "durable", "node 1 edge:x 1", "1 WATCH", "open 2"].iter().for_each(|line| {
        rig.step(line);
    });
    let (mut trust, first) = (Trust::default(), signed(&mut rig, "2"));
    assert_eq!((trust.check(&first, rig.now), first.seal.expires), (Ok(()), rig.now + 7 * 86_400_000));
    trust.learn(&first);
    // Another view has another seal, which goes to whoever watches.
    rig.step("node 3 192.0.2.1 1");
    rig.step("3 REGISTER 7 alpha");
    let told = rig.step("durable");
    let seal = told.iter().find_map(|effect| match effect {
        Effect::TellAll { event: Event::Link(LinkEvent::Sealed { seal }), .. } => Some(seal.clone()),
        _ => None,
    });
    let second = signed(&mut rig, "2");
    assert_eq!((Some(&second.seal), trust.check(&second, rig.now)), (seal.as_ref(), Ok(())));
    // The same view gets another one when a quarter of its time has passed.
    rig.step(&format!("sleep {}", second.seal.issued.0 + 7 * 86_400_000 / 4));
    let third = signed(&mut rig, "2");
    assert_eq!((third.seal.issued, &third.view), (rig.now, &second.view));
    // And after a start.
    rig.step("restart");
    rig.step("open 4");
    assert_eq!(signed(&mut rig, "4").view, second.view);
}
