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

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use super::super::*;
use crate::handshake::{Accepting, Dialling, Whom};
use crate::ids::ListenerId;
use crate::list::ListSigner;
use crate::machine::{Store, Write};
use crate::operators::Operators;
use crate::peer::{Change, PeerCommand};
use crate::secret::NetworkSecret;
use crate::view::{Plan, RingParams, SharedView, View};
use crate::wire::Argv;

pub(super) struct Rig {
    pub(super) directory: Directory,
    pub(super) store: MemoryStore,
    pub(super) now: Time,
    pub(super) started: u64,
    pub(super) unstored: VecDeque<Effect>,
    pub(super) dials: VecDeque<Ticket>,
    /// Whether nodes that ask for a place are found where they say, without a line in the story.
    pub(super) hospitable: bool,
}

pub(super) fn config(limits: DirectoryLimits, incarnation: u64) -> DirectoryConfig {
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
        operators: Default::default(),
        limits,
    }
}

impl Rig {
    pub(super) fn new(limits: DirectoryLimits) -> Rig {
        Rig::configured(config(limits, 1))
    }

    pub(super) fn steered_by(operators: Operators) -> Rig {
        Rig::configured(DirectoryConfig { operators, ..config(DirectoryLimits::default(), 1) })
    }

    fn configured(config: DirectoryConfig) -> Rig {
        let directory = Directory::new(config, Kept::default()).unwrap();
        let (unstored, dials) = (VecDeque::new(), VecDeque::new());
        Rig { directory, store: MemoryStore::default(), now: Time(1_000), started: 1, unstored, dials, hospitable: true }
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Effect> {
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
    pub(super) fn receive(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
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
    pub(super) fn host_says(&self, command: &PeerCommand) -> LinkEvent {
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

    pub(super) fn heard(&mut self, slot: &str, words: &[&str]) -> Vec<Effect> {
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.handle(Input::Heard { conn: conn(slot), command: Command::parse(&args) })
    }

    pub(super) fn durable(&mut self) -> Vec<Effect> {
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

    pub(super) fn open(&mut self, slot: &str, listener: u16, peer: [u8; 4]) -> Vec<Effect> {
        let peer = IpAddr::V4(Ipv4Addr::from(peer));
        self.handle(Input::Opened { conn: conn(slot), listener: ListenerId(listener), peer })
    }

    pub(super) fn prove(&mut self, slot: &str, key: &str, incarnation: &str, secret: &str) -> Vec<Effect> {
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

    pub(super) fn dialed(&mut self, result: Result<Conn, DialError>) -> Vec<Effect> {
        let ticket = self.dials.pop_front().expect("nothing was dialled");
        self.handle(Input::Dialed { ticket, result })
    }

    pub(super) fn until(&mut self, time: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(due) = self.directory.deadline().filter(|due| due.0 <= time) {
            self.now = self.now.max(due);
            effects.extend(self.handle(Input::Deadline));
        }
        self.now = Time(time);
        effects
    }

    /// As `until`, while connections 1 and 2 are heard all the time; their beats are left out.
    pub(super) fn beat_until(&mut self, time: u64) -> Vec<Effect> {
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

    pub(super) fn restart(&mut self) -> Vec<Effect> {
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

    pub(super) fn step(&mut self, line: &str) -> Vec<Effect> {
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
pub(super) fn unfold(mut view: SharedView, effects: &mut [Effect]) {
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
pub(super) const GUEST: Conn = Conn { slot: 1_000, generation: 0 };

pub(super) fn identity(key: &str, incarnation: Incarnation, secret: &str) -> Identity {
    Identity { network: "net".into(), secret: NetworkSecret::new(secret), key: NodeKey::new(key).unwrap(), incarnation, certified: false }
}

pub(super) fn conn(slot: &str) -> Conn {
    Conn { slot: slot.parse().unwrap(), generation: 0 }
}

pub(super) fn show_view(view: &View) -> String {
    let nodes = view.nodes.iter().map(|node| format!(" {}/{}", node.key, node.incarnation.0));
    format!("view {}{}", view.epoch, nodes.collect::<String>())
}

pub(super) fn show_plan(plan: &Plan) -> String {
    match plan {
        Plan::Join { node } => format!("join {}/{}", node.key, node.incarnation.0),
        Plan::Drain { key, incarnation } => format!("drain {key}/{}", incarnation.0),
        Plan::Points { points } => format!("points {points}"),
    }
}

pub(super) fn show_event(event: &Event) -> String {
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

pub(super) fn show_change(change: &Change) -> String {
    match change {
        Change::Remove { key, why, .. } => format!("remove {key}: {why}"),
        Change::Prepare { number, plan } => format!("prepare {number} {}", show_plan(plan)),
        Change::Commit { number } => format!("make {number}"),
        Change::Cancel { number, why } => format!("cancel {number}: {why}"),
        change => format!("commit {}", change.word()),
    }
}

/// One effect in short; `None` for notes.
pub(super) fn show(effect: &Effect) -> Option<String> {
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
pub(super) fn check_within(limits: DirectoryLimits, story: &[(&str, &str)]) {
    let mut rig = Rig::new(limits);
    let founding = [("start", ""), ("durable", "commit found | commit directories | all: view 1.1 | all: view 1.2")];
    for (line, expect) in founding.iter().chain(story) {
        let effects: Vec<String> = rig.step(line).iter().filter_map(show).collect();
        assert_eq!(effects.join(" | "), *expect, "after '{line}' at {}", rig.now.0);
    }
}

#[track_caller]
pub(super) fn check(story: &[(&str, &str)]) {
    check_within(DirectoryLimits::default(), story);
}
