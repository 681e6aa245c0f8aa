//! Storms: what a plan says happens, then everything heals.
//!
//! Two phases: with faults on, nothing may be heard in the wrong order, twice, or missed in silence; then everything heals and everyone has to come home within a bound,
//! after which a message costs no more than it must. A machine that panics has failed like one that misleads.

mod servers;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chatring_machines::client::ClientTiming;

use crate::action::Action;
use crate::checkers::{self, everyone_home, few_messages};
use crate::coverage::Coverage;
use crate::panics;
use crate::person::Style;
use crate::plan::Plan;
use crate::world::{Pid, Role, World};

/// What kind of an end a storm came to, and with it the program that ran it: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A machine panicked.
    Crash = 3,
    /// Not everyone came home.
    Liveness = 4,
    /// Something was said or heard that must not have been.
    Correctness = 5,
}

/// How a storm ended badly.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which storm.
    pub plan: Box<Plan>,
    /// In which way.
    pub kind: Kind,
    /// What must not have been.
    pub why: String,
}

impl Failure {
    /// Which checker it was, and nothing of whom it was about.
    pub fn checker(&self) -> &str {
        self.why.split(':').next().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.plan.seed, self.why)?;
        if *self.plan == Plan::draw(self.plan.seed) {
            write!(f, "\nreplay: cargo run --release -p chatring-tests --bin storm -- --seed {} --trace", self.plan.seed)
        } else {
            write!(f, "\nreplay: cargo run --release -p chatring-tests --bin storm -- --plan '{}' --trace", self.plan)
        }
    }
}

/// What became of a storm that ended well.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of all that happened.
    pub hash: u64,
    /// How often what happened.
    pub coverage: Coverage,
    /// How long it took in the world.
    pub ms: u64,
    /// The most bytes that were ever on their way over one connection.
    pub fullest: usize,
}

/// Lets a storm happen; a panic is a failure of the storm.
pub fn attempt(plan: &Plan) -> Result<Outcome, Failure> {
    let fail = |kind, why| Failure { plan: Box::new(plan.clone()), kind, why };
    match panics::quietly(|| catch_unwind(AssertUnwindSafe(|| plan.run()))) {
        (Ok(Ok(outcome)), _) => Ok(outcome),
        (Ok(Err((kind, why))), _) => Err(fail(kind, why)),
        (Err(_), said) => Err(fail(Kind::Crash, format!("panic {said}"))),
    }
}

impl Plan {
    /// Lets it all happen, and has everyone look at it.
    pub fn run(&self) -> Result<Outcome, (Kind, String)> {
        let (mut world, home) = self.play();
        checkers::safety(&world).map_err(|why| (Kind::Correctness, why))?;
        home.map_err(|why| (Kind::Liveness, why))?;
        few_messages::demand(&mut world).map_err(|why| (Kind::Liveness, why))?;
        let (hash, ms) = (world.hash(), world.now().0 - World::BEGINS.0);
        Ok(Outcome { hash, ms, fullest: world.fullest().0, coverage: world.coverage().clone() })
    }

    /// Lets it all happen and demands that everyone is home. Gives the world as it is then.
    pub fn play(&self) -> (World, Result<(), String>) {
        let mut storm = Storm::begin(self);
        for (pause, action) in &self.actions {
            storm.world.run_for(*pause);
            if storm.act(action) {
                storm.world.count(action.word());
            }
        }
        storm.calm();
        let home = storm.servers_are_those_wanted().and_then(|()| everyone_home::demand(&mut storm.world, storm.within_ms));
        (storm.world, home)
    }
}

/// How long a node that was told to stop may take: as long as it waits for groups to be handed over, and a little more.
const STOP_MS: u64 = 35_000;
/// The greatest number of super nodes that come one after the other.
const NODES_MAX: usize = 8;

struct Storm<'a> {
    plan: &'a Plan,
    world: World,
    /// The newest at each place: one that was moved away is gone.
    directories: Vec<Pid>,
    /// Who sees to it that the directory servers are those that are wanted, and who asks things of them.
    steward: Pid,
    askers: Vec<Pid>,
    /// How many directory servers were taken out since they were last those that are wanted.
    taken_out: usize,
    /// How many came to another place.
    moved: usize,
    nodes: Vec<Pid>,
    people: Vec<Pid>,
    groups: Vec<String>,
    said: u64,
    /// Nodes that may be on their way out, each in a life of it.
    stopping: Vec<(Pid, u32)>,
    within_ms: u64,
}

impl Storm<'_> {
    fn begin(plan: &Plan) -> Storm<'_> {
        let mut world = World::new(plan.seed, plan.options());
        let (set, timing) = (&plan.settings, plan.timing());
        let directories = world.add_directories(set.directories.max(1) as usize, plan.params(), timing.lease_ms);
        let groups: Vec<String> = (0..set.groups.max(1)).map(|n| format!("#group{}", plan.seed % 97 * 10 + n)).collect();
        // What a lost member takes to lapse, after what a lost node takes to be noticed, and a lost copy to be given up, and then one check; twice where one follows from the other. Before all that, a
        // connection that died without a word has to be found out.
        let within_ms =
            2 * (timing.lease_ms + timing.lapse_ms + timing.check_ms + timing.takeover_ms) + world.options().keepalive_ms + 15_000;
        let mut storm = Storm {
            plan,
            world,
            directories,
            steward: Pid(0),
            askers: Vec::new(),
            taken_out: 0,
            moved: 0,
            nodes: Vec::new(),
            people: Vec::new(),
            groups,
            said: 0,
            stopping: Vec::new(),
            within_ms,
        };
        storm.directories.clone().into_iter().for_each(|directory| storm.world.start(directory));
        (0..set.nodes.max(1)).for_each(|_| storm.add());
        for ix in 0..(set.irc + set.redis) as usize {
            let style = if (ix as u64) < set.irc { Style::Irc } else { Style::Redis };
            let mut nodes = storm.nodes.clone();
            nodes.rotate_left(ix % storm.nodes.len());
            storm.people.push(storm.world.add_person(&format!("p{ix}"), style, &nodes));
        }
        for ix in 0..set.native as usize {
            let group = storm.groups[ix % storm.groups.len()].clone();
            let timing = ClientTiming { first_join_ms: None, nick_ms: 600_000, ..ClientTiming::default() };
            storm.people.push(storm.world.add_client(&format!("c{ix}"), &group, timing));
        }
        storm.add_operators();
        for (ix, who) in storm.people.clone().into_iter().enumerate() {
            storm.world.start(who);
            let group = storm.groups[ix % storm.groups.len()].clone();
            if storm.is_raw(who) {
                storm.world.enter(who, &group);
            }
        }
        storm.world.run_for(1_000);
        storm
    }

    fn add(&mut self) {
        let ix = self.nodes.len();
        let crowded = self.plan.settings.crowded == 1;
        let key = if crowded { format!("10.0.0.{}:{}", 1 + ix / 2, 7411 + ix % 2) } else { format!("10.0.0.{}", 1 + ix) };
        let node = self.world.add_node(&key, self.plan.timing(), self.plan.limits());
        self.world.start(node);
        self.nodes.push(node);
    }

    fn directory(&self, ix: u64) -> Pid {
        self.directories[ix as usize % self.directories.len()]
    }

    fn node(&self, ix: u64) -> Pid {
        self.nodes[ix as usize % self.nodes.len()]
    }

    fn person(&self, ix: u64) -> Option<Pid> {
        self.people.get((ix as usize).checked_rem(self.people.len())?).copied()
    }

    fn group(&self, ix: u64) -> String {
        self.groups[ix as usize % self.groups.len()].clone()
    }

    /// All who may be disturbed: operators are at the machines of directory servers.
    fn all(&self) -> Vec<Pid> {
        self.world.pids().filter(|pid| !matches!(self.world.role(*pid), Role::Operator(_))).collect()
    }

    fn anyone(&self, ix: u64) -> Pid {
        let all = self.all();
        all[ix as usize % all.len()]
    }

    fn is_raw(&self, who: Pid) -> bool {
        matches!(self.world.role(who), Role::Person(_))
    }

    /// Lets it happen; false where it does not apply as things are.
    fn act(&mut self, action: &Action) -> bool {
        match *action {
            Action::Say { who, .. }
            | Action::Whisper { who, .. }
            | Action::Enter { who, .. }
            | Action::Part { who, .. }
            | Action::Rename { who, .. }
            | Action::Steer { who, .. } => self.person(who).is_some_and(|who| self.work(who, action)),
            Action::Pause { .. } | Action::Freeze { .. } | Action::Jump { .. } | Action::Stall { .. } | Action::Unstall { .. } => {
                self.befall(action)
            }
            Action::Kill { node } => self.is_running(node) && self.bounce(node, None),
            Action::Start { node } => !self.is_running(node) && self.start(self.node(node)),
            Action::Bounce { node, ms } => self.is_running(node) && self.bounce(node, Some(ms)),
            Action::Flap { node, times, ms } => (0..=times).all(|_| {
                self.bounce(node, Some(ms));
                self.world.run_for(ms);
                true
            }),
            Action::Stop { node } => {
                let pid = self.node(node);
                self.stopping.push((pid, self.world.life(pid)));
                self.world.stop(pid);
                self.is_running(node)
            }
            Action::Add {} => {
                self.nodes.len() < NODES_MAX && {
                    self.add();
                    true
                }
            }
            Action::KillDirectory { which } => {
                let directory = self.directory(which);
                self.world.is_alive(directory) && {
                    self.world.kill(directory);
                    true
                }
            }
            Action::StartDirectory { which } => self.start(self.directory(which)),
            Action::SlowDisk { which, ms } => {
                self.world.slow_disk(self.directory(which), ms);
                true
            }
            Action::SlowKeeping { .. } | Action::FillDisk { .. } | Action::FreeDisk { .. } => self.spoil_disk(action),
            Action::Blackout { ms, apart_ms } => self.black_out(ms, apart_ms),
            Action::BreakDisk { which, ms } => {
                let directory = self.directory(which);
                self.world.break_disk(directory);
                self.world.run_for(ms);
                self.start(directory)
            }
            _ => self.try_directories(action).unwrap_or_else(|| self.disturb(action)),
        }
    }

    /// A super node's disk is not what it was.
    fn spoil_disk(&mut self, action: &Action) -> bool {
        match *action {
            Action::SlowKeeping { node, ms } => self.world.slow_disk(self.node(node), ms),
            Action::FillDisk { node } => self.world.fill_disk(self.node(node), true),
            Action::FreeDisk { node } => self.world.fill_disk(self.node(node), false),
            _ => return false,
        }
        true
    }

    /// Those that ran start again.
    fn black_out(&mut self, ms: u64, apart_ms: u64) -> bool {
        let running: Vec<Pid> = self.nodes.iter().copied().filter(|node| self.world.is_alive(*node)).collect();
        running.iter().for_each(|node| self.world.kill(*node));
        self.world.run_for(ms);
        for node in &running {
            self.world.start(*node);
            self.world.run_for(apart_ms);
        }
        !running.is_empty()
    }

    /// What people do.
    fn work(&mut self, who: Pid, action: &Action) -> bool {
        self.said += 1;
        let (said, raw) = (self.said, self.is_raw(who));
        match *action {
            Action::Say { group, .. } => {
                let (group, text) = (self.group(group), format!("word {said}"));
                self.world.say_and(who, &group, &text, said % 2 == 0);
            }
            Action::Whisper { to, .. } if raw => {
                let Some(to) = self.person(to) else { return false };
                let (name, text) = (self.world.name(to).to_string(), format!("whisper {said}"));
                self.world.types(who, &["SAY", "msg", &name, "1", &text]);
            }
            Action::Enter { group, .. } if raw => self.world.enter(who, &self.group(group)),
            Action::Part { group, .. } if raw => self.world.part(who, &self.group(group)),
            Action::Rename { what, .. } if raw => {
                let nick = if what % 2 == 0 { format!("{}-{said}", self.world.name(who)) } else { format!("wanted{}", what % 3) };
                self.world.types(who, &["NICK", &nick]);
            }
            Action::Steer { group, to, what, .. } => {
                let Some(to) = self.person(to) else { return false };
                let (group, whom) = (self.group(group), self.world.name(to).to_string());
                let words = match what % 4 {
                    0 => vec!["TOPIC", &group, "weather"],
                    1 => vec!["MODE", &group, "+o", &whom],
                    2 => vec!["MODE", &group, "-t"],
                    _ => vec!["WHOIS", &whom],
                };
                self.world.types(who, &words);
            }
            _ => return false,
        }
        true
    }

    /// What happens to one process.
    fn befall(&mut self, action: &Action) -> bool {
        match *action {
            Action::Pause { pid, ms, turn } => self.world.freeze(self.anyone(pid), ms, turn == 1),
            Action::Freeze { node, ms, turn } => self.world.freeze(self.node(node), self.plan.timing().lease_ms + ms, turn == 1),
            Action::Jump { pid, ms } => self.world.jump(self.anyone(pid), ms),
            Action::Stall { pid } => self.world.stall(self.anyone(pid)),
            Action::Unstall { pid } => self.world.unstall(self.anyone(pid)),
            _ => return false,
        }
        true
    }

    /// What happens between processes.
    fn disturb(&mut self, action: &Action) -> bool {
        let two = |one, other| Some((self.anyone(one), self.anyone(other))).filter(|(one, other)| one != other);
        match *action {
            Action::Cut { pid, other, breaks } => two(pid, other).is_some_and(|(a, b)| {
                self.world.cut(a, b, breaks == 1);
                true
            }),
            Action::CutWay { pid, other, breaks } => two(pid, other).is_some_and(|(a, b)| {
                self.world.cut_way(a, b, breaks == 1);
                true
            }),
            Action::HalfOpen { pid, other } => two(pid, other).is_some_and(|(a, b)| self.world.half_open(a, b)),
            Action::Slow { pid, other, ms } => two(pid, other).is_some_and(|(a, b)| {
                self.world.slow(a, b, ms);
                true
            }),
            Action::CutDirectory { which, node, breaks } => {
                self.world.cut(self.directory(which), self.node(node), breaks == 1);
                true
            }
            Action::IsolateDirectory { which, breaks } => {
                let directory = self.directory(which);
                let others = self.others(directory);
                others.iter().for_each(|other| self.world.cut(directory, *other, breaks == 1));
                !others.is_empty()
            }
            Action::LateViews { which, node, ms } => {
                self.world.slow(self.directory(which), self.node(node), ms);
                true
            }
            Action::Split { camp, breaks } => {
                let (here, there): (Vec<_>, Vec<_>) = self.all().into_iter().enumerate().partition(|(ix, _)| camp >> (ix % 20) & 1 == 1);
                let (here, there) = (here.into_iter().map(|(_, pid)| pid), there.into_iter().map(|(_, pid)| pid));
                let (here, there): (Vec<Pid>, Vec<Pid>) = (here.collect(), there.collect());
                here.iter().for_each(|a| there.iter().for_each(|b| self.world.cut(*a, *b, breaks == 1)));
                !here.is_empty() && !there.is_empty()
            }
            Action::Suspect { node, other, ms } => {
                let (node, other) = (self.node(node), self.anyone(other));
                self.world.refuse(node, ms);
                self.world.half_open(other, node)
            }
            Action::Crowd { node } => self.world.drop_people(self.node(node)),
            _ => {
                self.world.heal();
                true
            }
        }
    }

    fn is_running(&self, node: u64) -> bool {
        self.world.is_alive(self.node(node))
    }

    fn start(&mut self, pid: Pid) -> bool {
        let there = self.world.is_alive(pid);
        self.world.start(pid);
        !there
    }

    /// A super node is killed, and starts again after so long.
    fn bounce(&mut self, node: u64, after_ms: Option<u64>) -> bool {
        let node = self.node(node);
        self.world.kill(node);
        if let Some(ms) = after_ms {
            self.world.run_for(ms);
            self.world.start(node);
        }
        true
    }

    /// The storm is over: the network is whole, the directory runs, and at least one of the nodes that people know does, too. The others stay as they are.
    fn calm(&mut self) {
        self.world.heal();
        self.directories.clone().into_iter().for_each(|directory| self.world.start(directory));
        let stopping = std::mem::take(&mut self.stopping);
        self.world.run_until(STOP_MS, |world| stopping.iter().all(|(pid, life)| !world.is_alive(*pid) || world.life(*pid) != *life));
        let known = self.plan.settings.nodes.max(1) as usize;
        if self.nodes[..known].iter().all(|node| !self.world.is_alive(*node)) {
            self.world.start(self.nodes[0]);
        }
    }
}
