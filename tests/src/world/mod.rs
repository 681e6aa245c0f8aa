//! The virtual world: processes, a network, and a clock that only moves when nothing is left to do now.
//!
//! It drives machines with the reactor's semantics: recipient lists live here, an entry told to a list reaches who was on it then, a paused connection is not read from,
//! `Close` lets the peer hear what was told before. Everything that is random is drawn from one seed, and everything random is drawn here, so the same seed tells the same story.
//! Bound: a story that does not end is cut off by whoever runs it (`run_for`, `run_until`), and a machine that spins at one moment is a failure.

mod cluster;
mod codec;
mod effects;
mod faults;
mod network;
mod process;
mod trace;

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::ids::{Birth, ListenerId, Term, Ticket};
use chatring_machines::machine::Query;
use chatring_machines::machine::{Effect, Input};
use chatring_machines::names::GroupName;
use chatring_machines::peer::Change;
use chatring_machines::time::{Jitter, Time};
use chatring_machines::wire::Text;

pub use cluster::address_of;
pub use process::{Pid, Role};

use codec::Codecs;
use network::Wire;
use process::{EndOf, Process};
use trace::Trace;

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Least and most a message takes.
    pub latency_ms: (u64, u64),
    /// How long authenticators take, at most.
    pub judge_ms: u64,
    /// How long the store takes, at most.
    pub store_ms: u64,
    /// How much later than it wanted a machine is woken, at most.
    pub late_ms: u64,
    /// Entries of a list that wait for someone who does not read; older ones go.
    pub retention: usize,
    /// What the driver does wrong on purpose.
    pub sabotage: Sabotage,
}

impl Default for Options {
    fn default() -> Options {
        Options { latency_ms: (1, 5), judge_ms: 5, store_ms: 5, late_ms: 3, retention: 50, sabotage: Sabotage::None }
    }
}

/// A driver that is broken in one way, to see whether the checkers notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// It is not.
    None,
    /// Now and then an entry is delivered twice.
    Twice,
    /// Now and then two entries change places.
    Swapped,
    /// Now and then an entry is not delivered.
    Swallowed,
    /// What edges show to masters is lost on the way.
    LostAttach,
}

/// Something that will happen.
enum Happening {
    /// A message may have arrived at an end.
    Arrival(EndOf),
    /// Someone's dial reaches where it goes.
    Knock { from: Pid, life: u32, ticket: Ticket, address: Text },
    /// An input for a machine.
    Input { to: Pid, life: u32, input: Input },
    /// A change reaches the disk.
    Commit { to: Pid, life: u32, ticket: Ticket, change: Box<Change> },
    /// A question reaches the disk.
    Query { to: Pid, life: u32, ticket: Ticket, query: Query },
    /// A machine wanted to be woken now.
    Wake { to: Pid, life: u32 },
}

/// The lives of groups: which births were served in a term, and since when.
pub type Lives = BTreeMap<(GroupName, Term), Vec<(Time, Birth)>>;

/// Everything there is.
pub struct World {
    options: Options,
    now: Time,
    rng: Jitter,
    agenda: BTreeMap<(Time, u64), Happening>,
    order: u64,
    processes: Vec<Process>,
    wires: Vec<Option<Wire>>,
    addresses: BTreeMap<Text, (Pid, ListenerId)>,
    cuts: BTreeSet<(Pid, Pid)>,
    slow: BTreeMap<(Pid, Pid), u64>,
    store_at: Time,
    codecs: Codecs,
    trace: Trace,
    lives: Lives,
    messages: u64,
    effects: Vec<Effect>,
}

impl World {
    /// An empty one.
    pub fn new(seed: u64, options: Options) -> World {
        World {
            options,
            now: Time(1_000_000),
            rng: Jitter::new(seed),
            agenda: BTreeMap::new(),
            order: 0,
            processes: Vec::new(),
            wires: Vec::new(),
            addresses: BTreeMap::new(),
            cuts: BTreeSet::new(),
            slow: BTreeMap::new(),
            store_at: Time(0),
            codecs: Codecs::new(),
            trace: Trace::new(),
            lives: Lives::new(),
            messages: 0,
            effects: Vec::new(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What happened so far, as a number.
    pub fn hash(&self) -> u64 {
        self.trace.hash()
    }

    /// How many messages arrived so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The lives of groups that were served.
    pub fn lives(&self) -> &Lives {
        &self.lives
    }

    /// Lets time pass.
    pub fn run_for(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until something is so; false if it is not within that time.
    pub fn run_until(&mut self, ms: u64, mut done: impl FnMut(&World) -> bool) -> bool {
        let until = self.now + ms;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                self.now = until;
                return done(self);
            }
        }
    }

    /// The next thing that happens, if by then.
    fn step(&mut self, until: Time) -> bool {
        let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= until) else { return false };
        let ((at, _), happening) = entry.remove_entry();
        self.now = self.now.max(at);
        match happening {
            Happening::Arrival(end) => self.drain(end),
            Happening::Knock { from, life, ticket, address } => self.knock(from, life, ticket, &address),
            Happening::Input { to, life, input } => self.hand_to_life(to, life, input),
            Happening::Commit { to, life, ticket, change } => self.commit(to, life, ticket, &change),
            Happening::Query { to, life, ticket, query } => self.query(to, life, ticket, &query),
            Happening::Wake { to, life } => self.wake(to, life),
        }
        true
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        self.order += 1;
        self.agenda.insert((at, self.order), happening);
    }

    fn wake(&mut self, to: Pid, life: u32) {
        let now = self.now;
        let process = &mut self.processes[to.0];
        if !process.alive || process.life != life {
            return;
        }
        process.wake = None;
        match process.deadline() {
            Some(deadline) if deadline <= now => self.hand(to, Input::Deadline),
            deadline => self.plan_wake(to, deadline),
        }
    }

    fn plan_wake(&mut self, to: Pid, deadline: Option<Time>) {
        let Some(deadline) = deadline else { return };
        if self.processes[to.0].wake.is_some_and(|planned| planned <= deadline) {
            return;
        }
        let late_ms = self.rng.below(self.options.late_ms + 1);
        let (at, life) = (deadline.max(self.now) + late_ms, self.processes[to.0].life);
        if at.0 == u64::MAX {
            return;
        }
        self.processes[to.0].wake = Some(at);
        self.schedule(at, Happening::Wake { to, life });
    }

    fn hand_to_life(&mut self, to: Pid, life: u32, input: Input) {
        if self.processes[to.0].life == life {
            if let Input::Fell { conn, list, .. } = input
                && !self.processes[to.0].has_fallen(list, conn)
            {
                return;
            }
            self.hand(to, input);
        } else if let Input::Dialed { result: Ok(_), .. } = input {
            // Its connection went with the process.
        }
    }

    /// Hands an input to a machine that runs, and does what it wants.
    fn hand(&mut self, to: Pid, input: Input) {
        if !self.processes[to.0].alive {
            return;
        }
        let (now, process) = (self.now, &mut self.processes[to.0]);
        let mut effects = std::mem::take(&mut self.effects);
        self.trace.line(|| format!("{} {} <- {input:?}", now.0, process.name));
        let deadline = process.handle(now, input, &mut effects);
        self.note_lives(to);
        for effect in effects.drain(..) {
            self.carry_out(to, effect);
        }
        self.effects = effects;
        self.plan_wake(to, deadline);
    }

    /// Lets a test talk to a person's machine by name.
    fn with_person(&mut self, pid: Pid, act: impl FnOnce(&mut crate::person::Person, Time, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        let now = self.now;
        if let Role::Person(person) = &mut self.processes[pid.0].role {
            act(person, now, &mut effects);
        }
        effects.into_iter().for_each(|effect| self.carry_out(pid, effect));
        let deadline = self.processes[pid.0].deadline();
        self.plan_wake(pid, deadline);
    }

    fn note_lives(&mut self, of: Pid) {
        let Role::Node { machine, .. } = &self.processes[of.0].role else { return };
        for (group, birth, term) in machine.lives() {
            let births = self.lives.entry((group.clone(), term)).or_default();
            if births.iter().all(|(_, known)| *known != birth) {
                births.push((self.now, birth));
            }
        }
    }
}
