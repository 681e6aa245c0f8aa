//! One node, driven by hand: what its own machine sees of a directory, of other nodes and of people's programs, in an order that a test chooses.
//!
//! The virtual world in `tests/` runs whole networks; here stand the orders that it meets too rarely, and what a peer with a bug may send.

mod accounts;
mod by_peers;
mod by_people;
mod certified;
mod charters;
mod claims;
mod doubt;
mod entering;
mod following;
mod gauges;
mod opening;
mod orphans;
mod serving;
mod sifting;
mod silence;
mod slow_readers;
mod steering;

use crate::command::Command;
use crate::entry::Person;
use crate::event::{Event, Push};
use crate::handshake::{Accepting, Dialling, Identity, Whom};
use crate::ids::{Conn, Epoch, Incarnation, ListenerId, SessionId, Term, Ticket};
use crate::keeping::KeptGroup;
use crate::machine::{Effect, Input, Machine};
use crate::names::{GroupName, Nick, NodeKey};
use crate::peer::{LinkEvent, Op, Outcome, PeerCommand};
use crate::ring::Ring;
use crate::secret::NetworkSecret;
use crate::super_node::{NodeConfig, NodeLimits, NodeTiming, SuperNode};
use crate::time::Time;
use crate::view::{NodeInfo, RingParams, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who the node is that is looked at.
const ME: &str = "10.0.0.1";
/// Another.
const OTHER: &str = "10.0.0.2";
/// And one more.
const THIRD: &str = "10.0.0.3";
/// The last.
const FOURTH: &str = "10.0.0.4";

struct Bench {
    node: SuperNode,
    now: Time,
    effects: Vec<Effect>,
    home: Conn,
    slots: u32,
    epoch: u64,
    /// Since when nodes are in the ring that came back into it.
    admitted: BTreeMap<NodeKey, Epoch>,
    /// Heartbeats are answered.
    is_well: bool,
    /// Nodes that dialled, and that show that they live.
    peers: Vec<Conn>,
    /// Nodes say that they live when they are asked.
    are_alive: bool,
    /// The node's links to others.
    links: BTreeMap<NodeKey, Conn>,
    /// The directory says at once that it keeps no accounts.
    has_no_accounts: bool,
}

fn epoch(number: u64) -> Epoch {
    Epoch { generation: 1, number }
}

fn key(text: &str) -> NodeKey {
    NodeKey::new(text).unwrap()
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn identity(of: &str, incarnation: u64) -> Identity {
    Identity { network: "n".into(), secret: NetworkSecret::new("s"), key: key(of), incarnation: Incarnation(incarnation), certified: false }
}

fn person(nick: &str) -> Arc<Person> {
    let text = || "".into();
    Arc::new(Person { nick: Nick::new(nick).unwrap(), user: text(), host: text(), account: text(), real: text() })
}

/// A group of which `master` is in charge in a ring of these.
fn group_of(master: &str, ring: &[&str]) -> GroupName {
    let ring = Ring::of(ring.iter().map(|node| key(node)), RingParams::default());
    groups().find(|name| ring.master(name.as_str()) == Some(&key(master))).unwrap()
}

fn groups() -> impl Iterator<Item = GroupName> {
    (0..).map(|n| group(&format!("#g{n}")))
}

/// Who has a group in a ring of these: its master, and its standby.
fn holders(name: &GroupName, ring: &[&str]) -> [Option<NodeKey>; 2] {
    let (ring, point) = (Ring::of(ring.iter().map(|node| key(node)), RingParams::default()), crate::ring::point(name.as_str()));
    [ring.master_of(point).cloned(), ring.standby_of(point).cloned()]
}

/// A group whose master and standby are these in each of these rings; where no standby is named it may be anyone.
fn group_in(rings: &[(&[&str], &str, &str)]) -> GroupName {
    let is = |node: &Option<NodeKey>, wanted: &str| wanted.is_empty() || *node == Some(key(wanted));
    let fits = |name: &GroupName| {
        rings.iter().all(|(ring, wanted, behind)| {
            let [master, standby] = holders(name, ring);
            is(&master, wanted) && is(&standby, behind)
        })
    };
    groups().take(100_000).find(fits).expect("such a group")
}

fn is_post(command: &PeerCommand) -> bool {
    !matches!(command, PeerCommand::Offer { .. } | PeerCommand::Settled { .. })
}

impl Bench {
    /// A node in a ring of these, with its link to the directory.
    fn new(ring: &[&str]) -> Bench {
        Bench::with(ring, NodeLimits::default())
    }

    fn with(ring: &[&str], limits: NodeLimits) -> Bench {
        Bench::started_anew(ring, limits, vec![])
    }

    /// A node that had this on its disk.
    fn started_anew(ring: &[&str], limits: NodeLimits, kept: Vec<KeptGroup>) -> Bench {
        Bench::made(ring, limits, kept, false)
    }

    /// A node with filters.
    fn filtered(ring: &[&str]) -> Bench {
        Bench::made(ring, NodeLimits::default(), vec![], true)
    }

    fn made(ring: &[&str], limits: NodeLimits, kept: Vec<KeptGroup>, is_filtered: bool) -> Bench {
        let config = NodeConfig {
            token: None,
            key: key(ME),
            name: "me".into(),
            network: "n".into(),
            secret: NetworkSecret::new("s"),
            certified: false,
            incarnation: Incarnation(1),
            seed: 1,
            directories: vec!["10.0.0.9:7410".into()],
            in_ring: true,
            is_filtered,
            process_id: 1,
            motd: vec![],
            operators: Default::default(),
            durability: crate::keeping::Durability::Memory,
            timing: NodeTiming::default(),
            limits,
        };
        let home = Conn { slot: 0, generation: 1 };
        let mut bench = Bench {
            node: SuperNode::new(config),
            now: Time(1_000),
            effects: vec![],
            home,
            slots: 0,
            epoch: 0,
            admitted: BTreeMap::new(),
            is_well: true,
            peers: vec![],
            are_alive: true,
            links: BTreeMap::new(),
            has_no_accounts: true,
        };
        bench.node.restore(kept);
        bench.give(Input::Start);
        let home = bench.accept("10.0.0.9:7410", "10.0.0.9:7410");
        bench.home = home;
        let Some(Event::Command(Command::Peer(PeerCommand::Register { ticket, .. }))) = bench.told(home).pop() else { panic!() };
        bench.tell(home, LinkEvent::Registered { ticket, epoch: Epoch::default() });
        bench.ring(ring);
        for other in ring.iter().filter(|node| **node != ME) {
            bench.link(other);
        }
        // For a while it asks others for groups that the directory does not know.
        bench.wait(11_000);
        // Whether those answer who were dialled is for the test to say.
        bench.effects.retain(|effect| matches!(effect, Effect::Dial { .. }));
        bench
    }

    fn give(&mut self, input: Input) {
        let lost = if let Input::Lost { conn } = input { Some(conn) } else { None };
        let before = self.effects.len();
        self.node.handle(self.now, input, &mut self.effects);
        let closed = |conn: &Conn| lost == Some(*conn) || self.effects[before..].contains(&Effect::Close { conn: *conn });
        self.peers.retain(|conn| !closed(conn));
        self.links.retain(|_, link| !closed(link));
        let asked = if self.has_no_accounts { self.asked_of_accounts() } else { vec![] };
        for ticket in asked {
            self.tell(self.home, LinkEvent::Account { ticket, account: None });
        }
    }

    /// The node's link to another, which lets it in if it has not yet.
    #[track_caller]
    fn link(&mut self, to: &str) -> Conn {
        match self.links.get(&key(to)) {
            Some(conn) => *conn,
            None => {
                let conn = self.accept(&format!("{to}:7411"), to);
                self.links.insert(key(to), conn);
                conn
            }
        }
    }

    /// Time passes, and the node looks after what is due, at most so often that it can't be told from one that spins.
    fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        for _ in 0..10_000 {
            match self.node.deadline().filter(|deadline| *deadline <= until) {
                Some(deadline) => self.now = self.now.max(deadline),
                None => {
                    self.now = until;
                    return;
                }
            }
            self.give(Input::Deadline);
            self.beat();
            if self.are_alive {
                self.live();
            }
        }
        panic!("the node always wants attention at once");
    }

    /// Other nodes live.
    fn live(&mut self) {
        let epoch = self.epoch();
        for (conn, asked) in self.probes() {
            self.tell(conn, LinkEvent::Here { asked, epoch });
        }
        for conn in self.peers.clone() {
            self.hear(conn, PeerCommand::Probe { sent: self.now });
            self.effects.retain(|effect| !matches!(effect, Effect::Tell { event: Event::Link(LinkEvent::Here { .. }), .. }));
        }
    }

    /// Whom the node has asked whether they are there, and when; as if it had not.
    fn probes(&mut self) -> Vec<(Conn, Time)> {
        let asked = |effect: &Effect| match effect {
            Effect::Tell { conn, event: Event::Command(Command::Peer(PeerCommand::Probe { sent })) } => Some((*conn, *sent)),
            _ => None,
        };
        let probes = self.effects.iter().filter_map(asked).collect();
        self.effects.retain(|effect| asked(effect).is_none());
        probes
    }

    /// The directory is well.
    fn beat(&mut self) {
        let sent = |effect: &Effect| match effect {
            Effect::Tell { event: Event::Command(Command::Peer(PeerCommand::Heartbeat { sent })), .. } => Some(*sent),
            _ => None,
        };
        let beats: Vec<Time> = self.effects.iter().filter_map(sent).collect();
        self.effects.retain(|effect| sent(effect).is_none());
        for sent in if self.is_well { beats } else { vec![] } {
            self.tell(self.home, LinkEvent::Beat { sent, epoch: self.epoch() });
        }
    }

    /// The directory shows a ring of these, each of the same start as before.
    fn ring(&mut self, keys: &[&str]) {
        self.epoch += 1;
        let mut nodes: Vec<NodeInfo> = keys
            .iter()
            .map(|node| NodeInfo {
                key: key(node),
                name: "x".into(),
                incarnation: Incarnation(1),
                since: Time(0),
                admitted: self.admitted.get(&key(node)).copied().unwrap_or_default(),
            })
            .collect();
        nodes.sort_by(|a, b| a.key.cmp(&b.key));
        let epoch = Epoch { generation: 1, number: self.epoch };
        let view = View { epoch, network: "n".into(), params: RingParams::default(), nodes, directories: vec![] };
        self.tell(self.home, LinkEvent::View { view: Arc::new(view) });
    }

    fn epoch(&self) -> Epoch {
        epoch(self.epoch)
    }

    /// The directory shows this ring, into which a node comes (again).
    fn ring_with_newcomer(&mut self, keys: &[&str], newcomer: &str) {
        self.admitted.insert(key(newcomer), epoch(self.epoch + 1));
        self.ring(keys);
    }

    fn tell(&mut self, conn: Conn, event: impl Into<Event>) {
        self.give(Input::Told { conn, event: Ok(event.into()) });
    }

    /// What a connection was told since one looked last.
    fn told(&mut self, conn: Conn) -> Vec<Event> {
        let (told, rest) = std::mem::take(&mut self.effects)
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Tell { conn: to, .. } if *to == conn));
        self.effects = rest;
        Vec::into_iter(told).filter_map(|effect| if let Effect::Tell { event, .. } = effect { Some(event) } else { None }).collect()
    }

    /// Whatever is due at once is done.
    fn turn(&mut self) {
        self.wait(0);
    }

    /// What the node sends to one it is a master towards, but for what it says of the ring.
    fn posted(&mut self, conn: Conn) -> Vec<PeerCommand> {
        self.turn();
        self.asked(conn).into_iter().filter(is_post).collect()
    }

    /// Does at the other end of this link what whoever follows does, until nothing more comes. Gives what came.
    fn follow(&mut self, conn: Conn) -> Vec<PeerCommand> {
        let mut all = vec![];
        loop {
            let commands = self.posted(conn);
            if commands.is_empty() {
                return all;
            }
            commands.iter().for_each(|command| self.obey(conn, command));
            all.extend(commands);
        }
    }

    fn obey(&mut self, conn: Conn, command: &PeerCommand) {
        let event = match command.clone() {
            PeerCommand::CopyEnd { term, group, last, .. } => LinkEvent::Appended { held: vec![(group, term, last.seq)] },
            PeerCommand::Append { term, group, entries } => {
                LinkEvent::Appended { held: vec![(group, term, entries.last().map_or(0, |entry| entry.seq))] }
            }
            PeerCommand::Mark { term, group, number, .. } => LinkEvent::Marked { term, group, number },
            PeerCommand::Release { term, group, .. } => LinkEvent::Released { term, group },
            PeerCommand::Compare { term, group, seq, .. } => LinkEvent::Compared { term, group, seq, same: true },
            _ => return,
        };
        self.tell(conn, event);
    }

    /// A node has nothing more to offer as of the present ring.
    fn settled(&mut self, conn: Conn) {
        self.hear(conn, PeerCommand::Settled { epoch: self.epoch() });
    }

    /// What the node asked on a connection it dialled since one looked last.
    fn asked(&mut self, conn: Conn) -> Vec<PeerCommand> {
        let command = |event| if let Event::Command(Command::Peer(command)) = event { Some(command) } else { None };
        self.told(conn).into_iter().filter_map(command).collect()
    }

    fn is_closed(&self, conn: Conn) -> bool {
        self.effects.contains(&Effect::Close { conn })
    }

    fn conn(&mut self) -> Conn {
        self.slots += 1;
        Conn { slot: self.slots, generation: 1 }
    }

    /// Answers the node's dial to this address as the node of this key.
    #[track_caller]
    fn accept(&mut self, address: &str, as_key: &str) -> Conn {
        let dialled = |effect: &Effect| match effect {
            Effect::Dial { ticket, address: to } if **to == *address => Some(*ticket),
            _ => None,
        };
        let found = self.effects.iter().rev().find_map(dialled);
        if let (None, Some(conn)) = (found, NodeKey::new(as_key).ok().and_then(|key| self.links.get(&key))) {
            return *conn;
        }
        let ticket = found.expect("it was dialled");
        self.effects.retain(|effect| !matches!(effect, Effect::Dial { ticket: other, .. } if *other == ticket));
        let conn = self.conn();
        self.give(Input::Dialed { ticket, result: Ok(conn) });
        let hello = self.asked(conn).pop().expect("a greeting");
        let identity = identity(as_key, 1);
        let (_, challenge) = Accepting::start(&identity, &hello, None, 7).unwrap();
        self.tell(conn, challenge);
        self.tell_proven(conn);
        conn
    }

    fn tell_proven(&mut self, conn: Conn) {
        assert!(matches!(self.asked(conn).pop(), Some(PeerCommand::Prove { .. })));
        self.tell(conn, LinkEvent::Proven {});
    }

    /// Another node dials this one and proves itself.
    fn peer(&mut self, of: &str, incarnation: u64) -> Conn {
        let conn = self.open();
        let identity = identity(of, incarnation);
        let (dialling, hello) = Dialling::start(&identity, Whom::Node(key(ME)), 5);
        self.hear(conn, hello);
        let Some(Event::Link(challenge)) = self.told(conn).pop() else { panic!() };
        let (_, prove) = dialling.challenged(&identity, &challenge).unwrap();
        self.hear(conn, prove);
        assert_eq!(self.told(conn), [Event::Link(LinkEvent::Proven {})]);
        self.peers.push(conn);
        conn
    }

    fn open(&mut self) -> Conn {
        let conn = self.conn();
        self.give(Input::Opened { conn, listener: ListenerId(0), peer: [127, 0, 0, 1].into() });
        conn
    }

    fn hear(&mut self, conn: Conn, command: impl Into<Command>) {
        self.give(Input::Heard { conn, command: Ok(command.into()) });
    }

    /// A person's program says something; whoever asks to come in is let in.
    fn says(&mut self, conn: Conn, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.give(Input::Heard { conn, command: Command::parse(&words) });
        let judged = |effect: &Effect| match effect {
            Effect::Judge { ticket, ask, .. } => Some((*ticket, ask.account.clone())),
            _ => None,
        };
        if let Some((ticket, account)) = self.effects.iter().find_map(judged) {
            self.effects.retain(|effect| judged(effect).is_none());
            self.give(Input::Judged { ticket, verdict: crate::machine::Verdict::Accept(account.map(|account| account.name)) });
        }
    }

    /// What the directory was asked about accounts; as if it had not been.
    fn asked_of_accounts(&mut self) -> Vec<Ticket> {
        let asked = |effect: &Effect| match effect {
            Effect::Tell { event: Event::Command(Command::Peer(PeerCommand::AccountOf { ticket, .. })), .. } => Some(*ticket),
            _ => None,
        };
        let tickets = self.effects.iter().filter_map(asked).collect();
        self.effects.retain(|effect| asked(effect).is_none());
        tickets
    }

    /// The directory has nothing to say about groups that are being opened.
    fn no_records(&mut self) {
        for command in self.asked(self.home) {
            if let PeerCommand::Record { ticket, .. } = command {
                self.tell(self.home, LinkEvent::Record { ticket, record: None });
            }
        }
    }

    /// Another node's edge asks for something.
    fn request(&mut self, conn: Conn, ticket: u64, group: &GroupName, session: u64, nick: &str, op: Op) {
        let (epoch, group, person) = (self.epoch(), group.clone(), person(nick));
        self.hear(conn, PeerCommand::Request { ticket: Ticket(ticket), epoch, group, session: SessionId(session), person, op });
    }

    /// What it was answered.
    fn answers(&mut self, conn: Conn) -> Vec<Outcome> {
        let outcome = |event| if let Event::Link(LinkEvent::Answer { outcome, .. }) = event { Some(outcome) } else { None };
        self.told(conn).into_iter().filter_map(outcome).collect()
    }
}

fn join() -> Op {
    Op::Join { key: None, mark: None, term: Term::default(), names: false }
}
