//! Storms: the seed draws cluster, workload and fault mix, then the actions.
//!
//! Some faults are off and some are wild in each run, instead of all being mild always. Two phases: with faults on, nothing may be heard in the wrong order, twice, or missed in silence;
//! then everything heals and everyone has to come home within a bound. Actions are data, so what a seed does can be read, and cut down to a scenario.

use std::fmt;

use chatring_machines::client::ClientTiming;
use chatring_machines::super_node::{NodeLimits, NodeTiming};
use chatring_machines::time::Jitter;
use chatring_machines::view::{Metric, RingParams};

use crate::checkers::{self, everyone_home};
use crate::person::Style;
use crate::world::{Options, Pid, Role, Sabotage, World};

/// Something that happens in a storm. Numbers name nodes, people and groups in the order they came, round and round.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Action {
    Say { who: usize, group: usize },
    Whisper { who: usize, to: usize },
    Enter { who: usize, group: usize },
    Part { who: usize, group: usize },
    Rename { who: usize },
    Steer { who: usize, group: usize, what: usize },
    Kill { node: usize },
    Restart { node: usize },
    Stop { node: usize },
    Add,
    KillDirectory,
    RestartDirectory,
    Cut { a: usize, b: usize, breaks: bool },
    CutDirectory { node: usize, breaks: bool },
    Slow { a: usize, b: usize, ms: u64 },
    Stall { pid: usize },
    Unstall { pid: usize },
    Heal,
}

/// What a storm is made of: all that the seed draws.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the world, and of this plan.
    pub seed: u64,
    /// How placement works.
    pub params: RingParams,
    /// Super nodes to begin with.
    pub nodes: usize,
    /// How many of them share a host.
    pub crowded: bool,
    /// People with IRC programs, with Redis clients, and native clients.
    pub people: (usize, usize, usize),
    /// Groups.
    pub groups: usize,
    /// Spans and bounds.
    pub limits: NodeLimits,
    /// The network and the driver.
    pub options: Options,
    /// What happens, and the pause before.
    pub actions: Vec<(u64, Action)>,
}

/// How a storm ended badly.
#[derive(Debug)]
pub struct Failure {
    /// Which seed.
    pub seed: u64,
    /// What must not have been.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        write!(
            f,
            "seed {seed}: {}\nreplay: CHATRING_SEED={seed} cargo test -p chatring-tests --test storms storm_one -- --nocapture",
            self.why
        )
    }
}

/// Draws an action of one kind.
type Make = fn(&mut Jitter) -> Action;

/// How likely each kind of action is; 0 is off.
struct Mix {
    weights: Vec<(u64, Make)>,
    total: u64,
}

impl Mix {
    /// Work is always there; each fault is off in half of the storms, and of any strength in the others.
    fn draw(rng: &mut Jitter) -> Mix {
        fn n(rng: &mut Jitter) -> usize {
            rng.below(1 << 20) as usize
        }
        let work: [Make; 6] = [
            |rng| Action::Say { who: n(rng), group: n(rng) },
            |rng| Action::Whisper { who: n(rng), to: n(rng) },
            |rng| Action::Enter { who: n(rng), group: n(rng) },
            |rng| Action::Part { who: n(rng), group: n(rng) },
            |rng| Action::Rename { who: n(rng) },
            |rng| Action::Steer { who: n(rng), group: n(rng), what: n(rng) },
        ];
        let faults: [Make; 12] = [
            |rng| Action::Kill { node: n(rng) },
            |rng| Action::Restart { node: n(rng) },
            |rng| Action::Stop { node: n(rng) },
            |_| Action::Add,
            |_| Action::KillDirectory,
            |_| Action::RestartDirectory,
            |rng| Action::Cut { a: n(rng), b: n(rng), breaks: rng.below(2) == 0 },
            |rng| Action::CutDirectory { node: n(rng), breaks: rng.below(2) == 0 },
            |rng| Action::Slow { a: n(rng), b: n(rng), ms: rng.below(1_500) },
            |rng| Action::Stall { pid: n(rng) },
            |rng| Action::Unstall { pid: n(rng) },
            |_| Action::Heal,
        ];
        let mut weights: Vec<_> = vec![(60, work[0])];
        weights.extend(work[1..].iter().map(|make| (rng.below(12), *make)));
        weights.extend(faults.iter().map(|make| (if rng.below(2) == 0 { 0 } else { 1 + rng.below(6) }, *make)));
        let total = weights.iter().map(|(weight, _)| weight).sum();
        Mix { weights, total }
    }

    fn action(&self, rng: &mut Jitter) -> Action {
        let mut at = rng.below(self.total);
        for (weight, make) in &self.weights {
            if at < *weight {
                return make(rng);
            }
            at -= weight;
        }
        Action::Heal
    }
}

impl Plan {
    /// All that this seed draws.
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Jitter::new(seed ^ 0x5707_2a11);
        let metric = if rng.below(4) == 0 { Metric::Linear } else { Metric::Circular };
        let params = RingParams { metric, points: [1, 1, 4, 40][rng.below(4) as usize] };
        let nodes = 1 + rng.below(5) as usize;
        let people = (1 + rng.below(5) as usize, rng.below(3) as usize, rng.below(4) as usize);
        let limits = NodeLimits {
            log_entries: [1_000, 1_000, 8][rng.below(3) as usize],
            pending_per_session: [256, 3][rng.below(2) as usize],
            ..NodeLimits::default()
        };
        let slowest = [2, 10, 200][rng.below(3) as usize];
        let options = Options {
            latency_ms: (rng.below(2), 1 + slowest),
            judge_ms: [1, 20, 300][rng.below(3) as usize],
            store_ms: [1, 10, 150][rng.below(3) as usize],
            late_ms: [0, 3, 50][rng.below(3) as usize],
            retention: [50, 5][rng.below(2) as usize],
            sabotage: Sabotage::None,
        };
        let mix = Mix::draw(rng);
        let pause = [5, 60, 400][rng.below(3) as usize];
        let count = 30 + rng.below(90);
        let actions = (0..count).map(|_| (rng.below(pause), mix.action(rng))).collect();
        let (crowded, groups) = (rng.below(3) == 0, 1 + rng.below(3) as usize);
        Plan { seed, params, nodes, crowded, people, groups, limits, options, actions }
    }

    /// The same storm with a driver that is broken in one way.
    pub fn with(mut self, sabotage: Sabotage) -> Plan {
        self.options.sabotage = sabotage;
        self
    }

    /// Lets it all happen. Gives the hash of what happened.
    pub fn run(&self) -> Result<u64, Failure> {
        let fail = |why: String| Failure { seed: self.seed, why };
        let (world, home) = self.play();
        checkers::safety(&world).map_err(fail)?;
        home.map_err(fail)?;
        Ok(world.hash())
    }

    /// Lets it all happen and demands that everyone is home. Gives the world as it is then.
    pub fn play(&self) -> (World, Result<(), String>) {
        let mut storm = Storm::begin(self);
        for (pause, action) in &self.actions {
            storm.world.run_for(*pause);
            storm.act(action);
        }
        storm.calm();
        let home = everyone_home::demand(&mut storm.world, storm.within_ms);
        (storm.world, home)
    }
}

/// How long a node that was told to stop may take.
const STOP_MS: u64 = 6_000;
/// The greatest number of super nodes that come one after the other.
const NODES_MAX: usize = 8;

struct Storm {
    world: World,
    directory: Pid,
    nodes: Vec<Pid>,
    people: Vec<Pid>,
    groups: Vec<String>,
    crowded: bool,
    timing: NodeTiming,
    limits: NodeLimits,
    said: u64,
    /// Of the nodes, those that people know.
    known: usize,
    /// Some node may be on its way out.
    stopping: bool,
    within_ms: u64,
}

impl Storm {
    fn begin(plan: &Plan) -> Storm {
        let mut world = World::new(plan.seed, plan.options.clone());
        let timing = NodeTiming::default();
        let directory = world.add_directory(plan.params, timing.lease_ms);
        let groups = (0..plan.groups).map(|n| format!("#group{}", (plan.seed % 97) as usize * 10 + n)).collect();
        // What a lost member takes to lapse, after what a lost node takes to be noticed, and then one check; twice where one follows from the other.
        let within_ms = 2 * (timing.lease_ms + timing.lapse_ms + timing.check_ms) + 15_000;
        let mut storm = Storm {
            world,
            directory,
            nodes: Vec::new(),
            people: Vec::new(),
            groups,
            crowded: plan.crowded,
            timing,
            limits: plan.limits,
            said: 0,
            known: plan.nodes,
            stopping: false,
            within_ms,
        };
        storm.world.start(directory);
        (0..plan.nodes).for_each(|_| storm.add());
        let (irc, redis, native) = plan.people;
        for ix in 0..irc + redis {
            let style = if ix < irc { Style::Irc } else { Style::Redis };
            let mut nodes = storm.nodes.clone();
            nodes.rotate_left(ix % plan.nodes);
            storm.people.push(storm.world.add_person(&format!("p{ix}"), style, &nodes));
        }
        for ix in 0..native {
            let group = storm.groups[ix % storm.groups.len()].clone();
            let timing = ClientTiming { first_join_ms: None, nick_ms: 600_000, ..ClientTiming::default() };
            storm.people.push(storm.world.add_client(&format!("c{ix}"), &group, timing));
        }
        for (ix, who) in storm.people.clone().into_iter().enumerate() {
            storm.world.start(who);
            let group = storm.groups[ix % storm.groups.len()].clone();
            if matches!(storm.world.role(who), Role::Person(_)) {
                storm.world.enter(who, &group);
            }
        }
        storm.world.run_for(1_000);
        storm
    }

    fn add(&mut self) {
        if self.nodes.len() < NODES_MAX {
            let ix = self.nodes.len();
            let key = if self.crowded { format!("10.0.0.{}:{}", 1 + ix / 2, 7411 + ix % 2) } else { format!("10.0.0.{}", 1 + ix) };
            let node = self.world.add_node(&key, self.timing, self.limits);
            self.world.start(node);
            self.nodes.push(node);
        }
    }

    fn node(&self, ix: usize) -> Pid {
        self.nodes[ix % self.nodes.len()]
    }

    fn person(&self, ix: usize) -> Pid {
        self.people[ix % self.people.len()]
    }

    fn group(&self, ix: usize) -> String {
        self.groups[ix % self.groups.len()].clone()
    }

    fn anyone(&self, ix: usize) -> Pid {
        let all: Vec<Pid> = self.world.pids().collect();
        all[ix % all.len()]
    }

    fn is_raw(&self, who: Pid) -> bool {
        matches!(self.world.role(who), Role::Person(_))
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Say { who, group } => {
                let (who, group) = (self.person(who), self.group(group));
                self.said += 1;
                let text = format!("word {}", self.said);
                self.world.say(who, &group, &text);
            }
            Action::Whisper { who, to } => {
                let (who, to) = (self.person(who), self.person(to));
                self.said += 1;
                let (name, text) = (self.world.name(to).to_string(), format!("whisper {}", self.said));
                if self.is_raw(who) {
                    self.world.types(who, &["SAY", "msg", &name, "1", &text]);
                }
            }
            Action::Enter { who, group } if self.is_raw(self.person(who)) => self.world.enter(self.person(who), &self.group(group)),
            Action::Part { who, group } if self.is_raw(self.person(who)) => self.world.part(self.person(who), &self.group(group)),
            Action::Rename { who } => {
                let who = self.person(who);
                self.said += 1;
                let nick = format!("{}-{}", self.world.name(who), self.said);
                if self.is_raw(who) {
                    self.world.types(who, &["NICK", &nick]);
                }
            }
            Action::Steer { who, group, what } => {
                let (who, group) = (self.person(who), self.group(group));
                let whom = self.world.name(self.person(what)).to_string();
                let words = match what % 4 {
                    0 => vec!["TOPIC", &group, "weather"],
                    1 => vec!["MODE", &group, "+o", &whom],
                    2 => vec!["MODE", &group, "-t"],
                    _ => vec!["WHOIS", &whom],
                };
                self.world.types(who, &words);
            }
            Action::Kill { node } => self.world.kill(self.node(node)),
            Action::Restart { node } => self.world.start(self.node(node)),
            Action::Stop { node } => {
                self.stopping = true;
                self.world.stop(self.node(node));
            }
            Action::Add => self.add(),
            Action::KillDirectory => self.world.kill(self.directory),
            Action::RestartDirectory => self.world.start(self.directory),
            Action::Cut { a, b, breaks } if self.anyone(a) != self.anyone(b) => self.world.cut(self.anyone(a), self.anyone(b), breaks),
            Action::CutDirectory { node, breaks } => self.world.cut(self.directory, self.node(node), breaks),
            Action::Slow { a, b, ms } => self.world.slow(self.anyone(a), self.anyone(b), ms),
            Action::Stall { pid } => self.world.stall(self.anyone(pid)),
            Action::Unstall { pid } => self.world.unstall(self.anyone(pid)),
            Action::Heal => self.world.heal(),
            Action::Enter { .. } | Action::Part { .. } | Action::Cut { .. } => {}
        }
    }

    /// The storm is over: the network is whole, the directory runs, and at least one of the nodes that people know does, too. The others stay as they are.
    fn calm(&mut self) {
        self.world.heal();
        self.world.start(self.directory);
        if self.stopping {
            self.world.run_for(STOP_MS);
        }
        if self.nodes[..self.known].iter().all(|node| !self.world.is_alive(*node)) {
            self.world.start(self.nodes[0]);
        }
    }
}
