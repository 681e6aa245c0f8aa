//! A process of the world: a machine, and the tables a driver keeps for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use chatring_machines::client::Client;
use chatring_machines::directory::{Directory, DirectoryConfig, MemoryStore};
use chatring_machines::ids::{Conn, ListId};
use chatring_machines::machine::{Effect, Input, Machine, Write};
use chatring_machines::names::GroupName;
use chatring_machines::super_node::{NodeConfig, SuperNode};
use chatring_machines::time::Time;

use super::Happening;
use super::clock::Clock;
use super::disk::Disk;
use super::keeping::NodeDisk;
use crate::ear::Ear;
use crate::operator::Operator;
use crate::person::Person;

/// Names a process for as long as the world lasts, through all its restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pid(pub usize);

/// Which end of which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOf {
    /// Index of the connection.
    pub wire: usize,
    /// 0 dialled, 1 accepted.
    pub side: usize,
}

/// What runs in a process.
pub enum Role {
    /// A directory server and its store, which outlives it.
    Directory {
        /// What it starts with again.
        config: Box<DirectoryConfig>,
        /// The machine.
        machine: Box<Directory>,
        /// What its disk has, synced.
        store: Box<MemoryStore>,
        /// What is on its way there.
        disk: Disk<Write>,
    },
    /// A super node.
    Node {
        /// What it starts with again.
        config: Box<NodeConfig>,
        /// The machine.
        machine: Box<SuperNode>,
        /// What it keeps.
        disk: Box<NodeDisk>,
    },
    /// A native client, and what it noted.
    Client {
        /// The machine.
        machine: Box<Client>,
        /// The group it is to be in.
        group: GroupName,
        /// What its person heard.
        ear: Ear,
        /// Whether it is in its group as far as it knows.
        joined: bool,
        /// It said that it gave up.
        gave_up: Option<String>,
        /// What was said and not acknowledged yet, by number.
        said: BTreeMap<u64, String>,
        /// What was acknowledged, and when.
        acked: BTreeMap<String, Time>,
    },
    /// A raw session.
    Person(Box<Person>),
    /// Who looks after directory servers.
    Operator(Box<Operator>),
}

impl Role {
    fn machine(&mut self) -> &mut dyn Machine {
        match self {
            Role::Directory { machine, .. } => machine.as_mut(),
            Role::Node { machine, .. } => machine.as_mut(),
            Role::Client { machine, .. } => machine.as_mut(),
            Role::Person(machine) => machine.as_mut(),
            Role::Operator(machine) => machine.as_mut(),
        }
    }

    /// Whether it belongs to the network, and is not one of those who use it.
    pub fn is_of_network(&self) -> bool {
        matches!(self, Role::Directory { .. } | Role::Node { .. })
    }
}

/// A process.
pub struct Process {
    /// For people.
    pub name: String,
    /// Where it is.
    pub ip: IpAddr,
    /// What runs in it.
    pub role: Role,
    /// Whether it runs.
    pub alive: bool,
    /// Grows with every start; what was meant for an earlier one is dropped.
    pub life: u32,
    /// When its machine wants to be woken, as it was last told to the agenda.
    pub wake: Option<Time>,
    /// It was told to stop.
    pub leaves: bool,
    /// It takes nothing off its connections.
    pub stalled: bool,
    /// It stands still, until then.
    pub frozen: Option<Time>,
    /// What happened to it while it stood still.
    pub(super) held: Vec<Happening>,
    /// What it takes for the time.
    pub clock: Clock,
    /// How often a wake was planned, or became void because its clock jumped. Only the newest counts: an earlier one that woke it, too, would plan another, and never be gone.
    pub wakes_planned: u32,
    slots: Vec<(u32, Option<EndOf>)>,
    lists: BTreeMap<ListId, BTreeSet<Conn>>,
    /// Who fell off which list, and the machine has not heard of it yet.
    fallen: BTreeSet<(ListId, Conn)>,
    /// Who is waited for to take what they were told.
    pub awaited: BTreeSet<Conn>,
    spins: (Time, u32),
}

impl Process {
    /// One that has not started.
    pub fn new(name: &str, ip: IpAddr, role: Role) -> Process {
        let (slots, lists, fallen, awaited) = (Vec::new(), BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Process {
            name: name.to_string(),
            ip,
            role,
            alive: false,
            life: 0,
            wake: None,
            leaves: false,
            stalled: false,
            frozen: None,
            held: Vec::new(),
            clock: Clock::right(),
            wakes_planned: 0,
            slots,
            lists,
            fallen,
            awaited,
            spins: (Time(0), 0),
        }
    }

    /// Hands an input to the machine, checks its invariants, and sees to it that it does not spin.
    pub fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) -> Option<Time> {
        let now = self.clock.read(now);
        if input == Input::Deadline {
            self.spins = if self.spins.0 == now { (now, self.spins.1 + 1) } else { (now, 1) };
            assert!(self.spins.1 < 100, "{} wants to be woken again and again at the same time", self.name);
        }
        let machine = self.role.machine();
        machine.handle(now, input, effects);
        machine.check_invariants();
        self.deadline()
    }

    /// When its machine wants to be woken, by the clock of the world.
    pub fn deadline(&mut self) -> Option<Time> {
        let deadline = self.role.machine().deadline()?;
        Some(self.clock.when(deadline))
    }

    /// Whether it reads nothing at the moment.
    pub fn is_slow(&self) -> bool {
        self.stalled || self.frozen.is_some()
    }

    /// Gives a connection a slot.
    pub fn open(&mut self, end: EndOf) -> Conn {
        let free = self.slots.iter().position(|(_, end)| end.is_none());
        let slot = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let (generation, place) = &mut self.slots[slot];
        *generation += 1;
        *place = Some(end);
        Conn { slot: slot as u32, generation: *generation }
    }

    /// The connection of this name, if it is there.
    pub fn end(&self, conn: Conn) -> Option<EndOf> {
        let (generation, end) = self.slots.get(conn.slot as usize)?;
        end.filter(|_| *generation == conn.generation)
    }

    /// The connection is gone, and off all lists.
    pub fn shut(&mut self, conn: Conn) {
        if self.end(conn).is_some() {
            self.slots[conn.slot as usize].1 = None;
            self.fallen.retain(|(_, of)| *of != conn);
            self.awaited.remove(&conn);
            self.lists.values_mut().for_each(|list| {
                list.remove(&conn);
            });
        }
    }

    /// All open connections.
    pub fn ends(&self) -> Vec<EndOf> {
        self.slots.iter().filter_map(|(_, end)| *end).collect()
    }

    /// The process is gone, and with it all connections and lists.
    pub fn end_life(&mut self) {
        self.slots.iter_mut().for_each(|(_, end)| *end = None);
        self.lists.clear();
        self.held.clear();
        (self.alive, self.leaves, self.stalled, self.frozen, self.wake) = (false, false, false, None, None);
        self.life += 1;
    }

    /// Puts a connection on a list. On it already: a machine may not do that.
    pub fn enlist(&mut self, list: ListId, conn: Conn) {
        if self.end(conn).is_some() {
            let added = self.lists.entry(list).or_default().insert(conn);
            assert!(added, "{}: {conn:?} is put on {list:?} twice", self.name);
        }
    }

    /// It is off the list without the machine's doing.
    pub fn fall(&mut self, list: ListId, conn: Conn) {
        self.delist(list, conn);
        self.fallen.insert((list, conn));
    }

    /// Whether the machine has to hear of this fall: not if it took them off the list meanwhile.
    pub fn has_fallen(&mut self, list: ListId, conn: Conn) -> bool {
        self.fallen.remove(&(list, conn))
    }

    /// Takes it off. Says whether it had fallen, and the machine does not know yet.
    pub fn delist(&mut self, list: ListId, conn: Conn) -> bool {
        let fell = self.fallen.remove(&(list, conn));
        if let Some(members) = self.lists.get_mut(&list) {
            members.remove(&conn);
        }
        fell
    }

    /// Forgets a list.
    pub fn disband(&mut self, list: ListId) {
        self.fallen.retain(|(of, _)| *of != list);
        self.lists.remove(&list);
    }

    /// Who is on a list.
    pub fn recipients(&self, list: ListId) -> Vec<Conn> {
        self.lists.get(&list).map(|members| members.iter().copied().collect()).unwrap_or_default()
    }
}
