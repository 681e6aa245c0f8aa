//! The virtual world: processes, a network, and a clock that only moves when nothing is left to do now.
//!
//! It drives machines with the reactor's semantics: recipient lists live here, an entry told to a list reaches who was on it then, a paused connection is not read from,
//! `Close` lets the peer hear what was told before. Everything that is random is drawn from one seed, and everything random is drawn here, so the same seed tells the same story.
//! Bound: a story that does not end is cut off by whoever runs it (`run_for`, `run_until`), and a machine that spins at one moment is a failure.

mod clock;
mod cluster;
mod codec;
mod disk;
mod effects;
mod faults;
mod keeping;
mod lives;
mod network;
mod nicks;
mod options;
mod process;
mod registry;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chatring_machines::command::Command;
use chatring_machines::entry::Entry;
use chatring_machines::event::{Event, Reply};
use chatring_machines::ids::{Birth, Conn, ListenerId, Ticket};
use chatring_machines::machine::Query;
use chatring_machines::machine::{Effect, Input};
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::peer::{LinkEvent, PeerCommand};
use chatring_machines::time::{Jitter, Time};
use chatring_machines::wire::Text;

pub use cluster::{WATCHER, address_of};
pub use options::{Loss, Lost, Options, Sabotage, Spoken};
pub use process::{Pid, Role};
pub use registry::{Gone, Moment, Registered, Registry};

use crate::coverage::Coverage;
use crate::operator::Operator;
use codec::Codecs;
use lives::Lives;
use network::Wire;
use nicks::Nicks;
use process::{EndOf, Process};
use trace::Trace;

/// Something that will happen.
enum Happening {
    /// A message may have arrived at an end.
    Arrival(EndOf),
    /// Someone's dial reaches where it goes.
    Knock { from: Pid, life: u32, ticket: Ticket, address: Text },
    /// An input for a machine.
    Input { to: Pid, life: u32, input: Box<Input> },
    /// A change reaches the disk.
    Commit { to: Pid, life: u32, ticket: Ticket },
    /// What a super node keeps reaches its disk.
    Keep { to: Pid, life: u32 },
    /// A question reaches the disk.
    Query { to: Pid, life: u32, ticket: Ticket, query: Query },
    /// A machine wanted to be woken now.
    Wake { to: Pid, life: u32, of: u32 },
    /// What was written into a dead connection is answered.
    Reset { end: EndOf, conn: Conn, id: u64 },
    /// The driver looks whether a connection is dead.
    Keepalive { wire: usize, id: u64 },
    /// A process that stood still goes on.
    Thaw { pid: Pid, life: u32 },
    /// Someone looks whether two are called the same.
    Nicks,
}

impl Happening {
    /// To whom it happens, if to one process alone, and when that one can take no notice of it while it stands still.
    fn to(&self) -> Option<Pid> {
        match self {
            Happening::Input { to, .. }
            | Happening::Commit { to, .. }
            | Happening::Keep { to, .. }
            | Happening::Query { to, .. }
            | Happening::Wake { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// Which kind it is, and of whom.
    fn number(&self) -> u64 {
        let (kind, of) = match self {
            Happening::Arrival(end) => (0, end.wire * 2 + end.side),
            Happening::Knock { from, .. } => (1, from.0),
            Happening::Input { to, .. } => (2, to.0),
            Happening::Commit { to, .. } => (3, to.0),
            Happening::Query { to, .. } => (4, to.0),
            Happening::Wake { to, .. } => (5, to.0),
            Happening::Reset { end, .. } => (6, end.wire * 2 + end.side),
            Happening::Keepalive { wire, .. } => (7, *wire),
            Happening::Thaw { pid, .. } => (8, pid.0),
            Happening::Nicks => (9, 0),
            Happening::Keep { to, .. } => (10, to.0),
        };
        (of as u64) << 8 | kind
    }
}

/// How long a process that stood still may take to notice what it does not know.
const WAKING_MS: u64 = 200;

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
    refusing: BTreeMap<Pid, Time>,
    wire_ids: u64,
    store_at: BTreeMap<Pid, Time>,
    directories: Vec<Text>,
    registry: Registry,
    codecs: Codecs,
    trace: Trace,
    lives: Lives,
    nicks: Nicks,
    losses: Vec<Loss>,
    told: BTreeMap<GroupName, Vec<(Time, Arc<Entry>)>>,
    spoken: Vec<Spoken>,
    coverage: Coverage,
    fullest: (usize, Pid, Pid),
    messages: u64,
    between_nodes: u64,
    effects: Vec<Effect>,
}

impl World {
    /// What time it is at first.
    pub const BEGINS: Time = Time(100_000_000);

    /// An empty one.
    pub fn new(seed: u64, options: Options) -> World {
        World {
            trace: Trace::new(options.aloud),
            options,
            now: World::BEGINS,
            rng: Jitter::new(seed),
            agenda: BTreeMap::new(),
            order: 0,
            processes: Vec::new(),
            wires: Vec::new(),
            addresses: BTreeMap::new(),
            cuts: BTreeSet::new(),
            slow: BTreeMap::new(),
            refusing: BTreeMap::new(),
            wire_ids: 0,
            store_at: BTreeMap::new(),
            directories: Vec::new(),
            registry: Registry::default(),
            codecs: Codecs::new(),
            lives: Lives::default(),
            nicks: Nicks::default(),
            losses: Vec::new(),
            told: BTreeMap::new(),
            spoken: Vec::new(),
            coverage: Coverage::default(),
            fullest: (0, Pid(0), Pid(0)),
            messages: 0,
            between_nodes: 0,
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

    /// How many of them went between super nodes and directory servers, without those that only ask whether someone is there.
    pub fn between_nodes(&self) -> u64 {
        self.between_nodes
    }

    /// Of which life of its group an entry is. `None` where that can't be told.
    pub fn life_of(&self, group: &GroupName, entry: &Entry) -> Option<Birth> {
        self.lives.of(group, entry)
    }

    /// Whether an entry was said in another life of its group, and came back into this one.
    pub fn is_again(&self, entry: &Entry) -> bool {
        self.lives.is_again(entry)
    }

    /// What became known of the ring.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Who is called what.
    pub fn nicks(&self) -> &Nicks {
        &self.nicks
    }

    /// What nodes have told anyone of a group, and when: what was safe, as far as they knew.
    pub fn told(&self, group: &GroupName) -> &[(Time, Arc<Entry>)] {
        self.told.get(group).map_or(&[], Vec::as_slice)
    }

    /// Whether a node reads no further from someone for now: they have more to say than it answers at a time.
    pub fn is_kept_waiting(&self, pid: Pid) -> bool {
        let waits = |wire: &Wire| wire.ends.iter().any(|end| end.pid == pid) && wire.ends.iter().any(|end| end.pid != pid && end.paused);
        self.wires.iter().flatten().any(waits)
    }

    /// What may have cost copies of groups.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The greatest number of bytes that were ever on their way over a connection in one direction, from whom, and to whom.
    pub fn fullest(&self) -> (usize, Pid, Pid) {
        self.fullest
    }

    /// All that was said in groups.
    pub fn spoken(&self) -> &[Spoken] {
        &self.spoken
    }

    /// What it is like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How often what happened.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Something worth counting happened.
    pub fn count(&mut self, name: &'static str) {
        self.coverage.count(name);
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
        self.trace.number(self.now.0);
        self.trace.number(happening.number());
        self.happens(happening);
        true
    }

    /// It happens now; to who stands still, when they go on.
    fn happens(&mut self, happening: Happening) {
        if let Some(to) = happening.to()
            && self.processes[to.0].frozen.is_some()
        {
            return self.processes[to.0].held.push(happening);
        }
        match happening {
            Happening::Arrival(end) => self.drain(end),
            Happening::Knock { from, life, ticket, address } => self.knock(from, life, ticket, &address),
            Happening::Input { to, life, input } => self.hand_to_life(to, life, *input),
            Happening::Commit { to, life, ticket } => self.commit(to, life, ticket),
            Happening::Keep { to, life } => self.written(to, life),
            Happening::Query { to, life, ticket, query } => self.query(to, life, ticket, &query),
            Happening::Wake { to, life, of } => self.wake(to, life, of),
            Happening::Reset { end, conn, id } => self.reset_comes(end, conn, id),
            Happening::Keepalive { wire, id } => self.keepalive_ends(wire, id),
            Happening::Thaw { pid, life } if self.processes[pid.0].life == life => {
                self.thaw(pid);
                self.schedule(self.now + WAKING_MS, Happening::Nicks);
            }
            Happening::Thaw { .. } => {}
            Happening::Nicks => {
                let processes = &self.processes;
                self.nicks.look_again(self.now, |pid| processes[pid.0].frozen.is_some());
            }
        }
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        self.order += 1;
        self.agenda.insert((at, self.order), happening);
    }

    fn wake(&mut self, to: Pid, life: u32, of: u32) {
        let now = self.now;
        let process = &mut self.processes[to.0];
        if !process.alive || process.life != life || process.wakes_planned != of {
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
        let at = deadline.max(self.now) + late_ms;
        if at.0 == u64::MAX {
            return;
        }
        let process = &mut self.processes[to.0];
        process.wakes_planned += 1;
        process.wake = Some(at);
        let (life, of) = (process.life, process.wakes_planned);
        self.schedule(at, Happening::Wake { to, life, of });
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
        let process = &mut self.processes[to.0];
        if process.frozen.is_some() {
            let life = process.life;
            return process.held.push(Happening::Input { to, life, input: Box::new(input) });
        }
        if let Input::Told { event: Ok(event), .. } = &input {
            self.watch_heard(to, event);
        }
        if self.options.sabotage == Sabotage::HastyPlaces {
            self.register_hastily(to, &input);
        }
        let (now, process) = (self.now, &mut self.processes[to.0]);
        let lost = if let Input::Lost { conn } = &input { Some(*conn) } else { None };
        let mut effects = std::mem::take(&mut self.effects);
        self.trace.line(|| format!("{} {} <- {input:?}", now.0, process.name));
        let deadline = process.handle(now, input, &mut effects);
        if let Role::Node { machine, .. } = &process.role {
            if self.options.sabotage == Sabotage::OldTerm && self.rng.below(20) == 0 {
                effects.iter_mut().for_each(effects::say_of_old);
            }
            self.lives.watch(machine, &effects);
            if let Some(conn) = lost {
                self.nicks.is_over((to, conn));
            }
            if self.options.sabotage == Sabotage::Namesakes {
                effects.iter_mut().for_each(call_the_same);
            }
            let processes = &self.processes;
            self.nicks.watch(now, to, &effects, |pid| processes[pid.0].frozen.is_some());
        }
        self.break_directory(to, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(to, effect);
        }
        self.effects = effects;
        self.plan_wake(to, deadline);
    }

    /// A broken driver of a directory server does what it does.
    fn break_directory(&mut self, of: Pid, effects: &mut [Effect]) {
        let is_second = self.processes[of.0].name == "directory-2";
        match self.options.sabotage {
            Sabotage::OtherViews if is_second => effects.iter_mut().for_each(effects::leave_one_out),
            Sabotage::OldViews if is_second => {
                let old = self.registry.views().first_key_value().map(|(_, view)| view.clone());
                effects.iter_mut().for_each(|effect| effects::say_old_view(effect, old.as_ref()));
            }
            _ => {}
        }
    }

    /// A broken driver answers for a directory server before that has decided anything.
    fn register_hastily(&mut self, of: Pid, input: &Input) {
        let (Role::Directory { machine, .. }, Input::Heard { conn, command: Ok(command) }) = (&self.processes[of.0].role, input) else {
            return;
        };
        if let Command::Peer(PeerCommand::Register { ticket, .. }) = command {
            let epoch = machine.state().view().epoch.next();
            self.tell(of, *conn, &LinkEvent::Registered { ticket: *ticket, epoch }.into());
        }
    }

    /// Lets a test talk to an operator's machine by name.
    fn with_operator<T>(&mut self, pid: Pid, act: impl FnOnce(&mut Operator, Time, &mut Vec<Effect>) -> T) -> Option<T> {
        let (mut effects, now) = (Vec::new(), self.now);
        let Role::Operator(operator) = &mut self.processes[pid.0].role else { return None };
        let done = act(operator, now, &mut effects);
        effects.into_iter().for_each(|effect| self.carry_out(pid, effect));
        let deadline = self.processes[pid.0].deadline();
        self.plan_wake(pid, deadline);
        Some(done)
    }

    /// Lets a test talk to a person's machine by name.
    fn with_person(&mut self, pid: Pid, act: impl FnOnce(&mut crate::person::Person, Time, &mut Vec<Effect>)) {
        if self.processes[pid.0].frozen.is_some() {
            return;
        }
        let mut effects = Vec::new();
        let now = self.now;
        if let Role::Person(person) = &mut self.processes[pid.0].role {
            act(person, now, &mut effects);
        }
        effects.into_iter().for_each(|effect| self.carry_out(pid, effect));
        let deadline = self.processes[pid.0].deadline();
        self.plan_wake(pid, deadline);
    }
}

/// The driver tells everyone that they are called the same.
fn call_the_same(effect: &mut Effect) {
    if let Effect::Tell { event: Event::Reply(Reply::Welcome { nick, .. }), .. } = effect {
        *nick = Nick::new("everyone").unwrap_or_else(|_| nick.clone());
    }
}
