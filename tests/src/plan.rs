//! What a storm is made of, all of it drawn from a seed and all of it text: `seed=7 nodes=3 torn=4 : +120 say 3 1; +5 kill 0`.
//!
//! Some faults are off and some are wild in each run, instead of all being mild always. A setting that is not named has its mildest value, so a line says only what matters.

use std::fmt;
use std::str::FromStr;

use chatring_machines::keeping::Durability;
use chatring_machines::super_node::{NodeLimits, NodeTiming};
use chatring_machines::time::Jitter;
use chatring_machines::view::{Metric, RingParams};

use crate::action::{Action, BadAction, Kind};
use crate::world::{Options, Sabotage};

/// Longer than any storm: nobody who lives is given up.
const STRICT_S: u64 = 60;

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// There is no such setting, or it is no number.
    #[error("'{0}' is no setting of a storm")]
    Setting(String),
    /// That is not `+ms action`.
    #[error("'{0}' is not +MS ACTION")]
    When(String),
    /// That is no action.
    #[error(transparent)]
    Action(#[from] BadAction),
}

macro_rules! settings {
    ($( $(#[doc = $doc:literal])* $name:ident: $mild:expr => $draw:expr; )*) => {
        /// Cluster and world, as numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Settings { $( $(#[doc = $doc])* pub $name: u64 ),* }

        impl Settings {
            /// What is left when nothing matters.
            pub const MILDEST: Settings = Settings { $( $name: $mild ),* };

            fn draw(rng: &mut Jitter) -> Settings {
                $( let $name = { let draw: fn(&mut Jitter) -> u64 = $draw; draw(rng) }; )*
                Settings { $( $name ),* }
            }

            /// Each setting that is not at its mildest, by name.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                let all = [$( (stringify!($name), self.$name, Settings::MILDEST.$name) ),*];
                all.into_iter().filter(|(_, value, mild)| value != mild).map(|(name, value, _)| (name, value)).collect()
            }

            /// Sets the setting of that name; without a value, to its mildest. False: there is no such setting.
            pub fn set(&mut self, name: &str, value: Option<u64>) -> bool {
                match name {
                    $( stringify!($name) => self.$name = value.unwrap_or(Settings::MILDEST.$name), )*
                    _ => return false,
                }
                true
            }
        }
    };
}

/// One of these.
fn one<const N: usize>(rng: &mut Jitter, of: [u64; N]) -> u64 {
    of[rng.below(N as u64) as usize]
}

settings! {
    /// 1: distance is measured on a line, not on the circle.
    linear: 0 => |rng| u64::from(rng.below(4) == 0);
    /// Directory servers.
    directories: 1 => |_| 1;
    /// Points per node.
    points: 1 => |rng| one(rng, [1, 1, 4, 40]);
    /// Super nodes to begin with.
    nodes: 1 => |rng| 1 + rng.below(5);
    /// 1: two of them share a host each.
    crowded: 0 => |rng| u64::from(rng.below(3) == 0);
    /// People with IRC programs.
    irc: 1 => |rng| 1 + rng.below(5);
    /// People with Redis clients.
    redis: 0 => |rng| rng.below(3);
    /// Native clients.
    native: 0 => |rng| rng.below(4);
    /// Groups.
    groups: 1 => |rng| 1 + rng.below(3);
    /// Entries a log keeps.
    log_entries: 1_000 => |rng| one(rng, [1_000, 1_000, 8]);
    /// Commands of a session that may wait.
    pending: 256 => |rng| one(rng, [256, 3]);
    /// Least time a message takes.
    least_ms: 0 => |rng| rng.below(2);
    /// Most time a message takes.
    most_ms: 1 => |rng| 1 + one(rng, [2, 10, 200]);
    /// Most time an authenticator takes.
    judge_ms: 1 => |rng| one(rng, [1, 20, 300]);
    /// Most time the store takes.
    store_ms: 1 => |rng| one(rng, [1, 10, 150]);
    /// How late machines are woken, at most.
    late_ms: 0 => |rng| one(rng, [0, 3, 50]);
    /// Entries that wait for a slow reader.
    retention: 50 => |rng| one(rng, [50, 5]);
    /// One in so many messages is read in parts; 0: none.
    torn: 0 => |rng| one(rng, [0, 0, 9, 2]);
    /// How far clocks are off.
    skew_ms: 0 => |rng| one(rng, [0, 500, 36_000_000]);
    /// How fast or slow they run, in millionths.
    drift_ppm: 0 => |rng| one(rng, [0, 100, 10_000]);
    /// How super nodes keep their groups: in memory only, on disk, too, or an acknowledgement waits for the disk.
    durability: 0 => |rng| rng.below(3);
    /// Seconds a group waits for copies that may have more. Long: only what was really lost is given up. Short: that happens within a storm, and losses are excused.
    takeover_s: 120 => |rng| one(rng, [120, 120, 5]);
    /// KiB that may wait for a super node's disk. Where they are few, logs are short: one group always fits.
    waiting: 65_536 => |rng| one(rng, [65_536, 65_536, 16]);
    /// After how long an idle connection of a person is forgotten in between, while the storm lasts; 0: never.
    nat_ms: 0 => |rng| one(rng, [0, 0, 0, 2_500, 6_000]);
}

/// A storm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of the world.
    pub seed: u64,
    /// What it is like.
    pub settings: Settings,
    /// What happens, and the pause before.
    pub actions: Vec<(u64, Action)>,
    /// What the driver does wrong on purpose.
    pub sabotage: Sabotage,
    /// Print everything.
    pub aloud: bool,
}

/// How likely each kind of action is; 0 is off.
struct Mix {
    weights: Vec<(u64, &'static str)>,
    total: u64,
}

impl Mix {
    /// Work is always there; each fault is off in most of the storms, and of any strength in the others. What is of directory servers is drawn by `of_servers`, apart from the rest.
    fn draw(rng: &mut Jitter, of_servers: &mut Jitter, directories: u64) -> Mix {
        // As many kinds of faults at a time as make storms differ; now and then all of them.
        let rarity = one(rng, [1, 2, 4, 8]);
        let with_servers = directories > 1 || of_servers.below(4) == 0;
        let mut weight = |word: &str, kind: Kind| match (word, kind) {
            (_, Kind::Servers) if !with_servers => 0,
            ("read", _) => of_servers.below(12),
            (_, Kind::Servers) => u64::from(of_servers.below(3) == 0) * (1 + of_servers.below(6)),
            ("say", _) => 60,
            (_, Kind::Work) => rng.below(12),
            ("heal" | "start" | "unstall" | "start-directory" | "free-disk", _) => rng.below(6),
            _ => u64::from(rng.below(rarity) == 0) * (1 + rng.below(6)),
        };
        let weights: Vec<_> = Action::WORDS.iter().map(|(word, kind)| (weight(word, *kind), *word)).collect();
        let total = weights.iter().map(|(weight, _)| weight).sum();
        Mix { weights, total }
    }

    fn action(&self, rng: &mut Jitter) -> Action {
        let mut at = rng.below(self.total);
        let drawn = self.weights.iter().find(|(weight, _)| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        });
        drawn.and_then(|(_, word)| Action::draw(word, rng)).unwrap_or(Action::Heal {})
    }
}

impl Plan {
    /// All that this seed draws.
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Jitter::new(seed ^ 0x5707_2a11);
        let mut settings = Settings::draw(rng);
        // Apart, so that storms with one directory server stay what they are.
        settings.directories = one(&mut Jitter::new(seed ^ 0xd17e_c704), [1, 1, 3, 3, 5]);
        let mix = Mix::draw(rng, &mut Jitter::new(seed ^ 0x5e4f_e45e), settings.directories);
        let pause = one(rng, [5, 60, 400]);
        let count = 30 + rng.below(90);
        let actions = (0..count).map(|_| (rng.below(pause), mix.action(rng))).collect();
        Plan { seed, settings, actions, sabotage: Sabotage::None, aloud: false }
    }

    /// A storm beside this one: the same actions in another world, each a little earlier or later. What went wrong by a hair's breadth goes wrong again in some of them.
    pub fn beside(&self, number: u64) -> Plan {
        let rng = &mut Jitter::new(number ^ 0x0be5_1de5);
        let shifted = |pause: u64, rng: &mut Jitter| match rng.below(3) {
            0 => pause,
            1 => pause + rng.below(pause / 8 + 8),
            _ => pause.saturating_sub(rng.below(pause / 8 + 8)),
        };
        let actions = self.actions.iter().map(|(pause, action)| (shifted(*pause, rng), *action)).collect();
        let seed = if rng.below(2) == 0 { self.seed } else { number };
        Plan { seed, actions, ..self.clone() }
    }

    /// The same storm with a driver that is broken in one way.
    pub fn with(mut self, sabotage: Sabotage) -> Plan {
        self.sabotage = sabotage;
        self
    }

    /// How placement works.
    pub fn params(&self) -> RingParams {
        let metric = if self.settings.linear == 1 { Metric::Linear } else { Metric::Circular };
        RingParams { metric, points: self.settings.points as u32 }
    }

    /// Spans of super nodes.
    pub fn timing(&self) -> NodeTiming {
        NodeTiming { takeover_ms: self.settings.takeover_s * 1_000, ..NodeTiming::default() }
    }

    /// How super nodes keep their groups.
    pub fn durability(&self) -> Durability {
        match self.settings.durability {
            0 => Durability::Memory,
            1 => Durability::Replicated,
            _ => Durability::Disk,
        }
    }

    /// Bounds of super nodes.
    pub fn limits(&self) -> NodeLimits {
        let (mut log_entries, pending) = (self.settings.log_entries as usize, self.settings.pending as usize);
        if self.settings.waiting < Settings::MILDEST.waiting {
            log_entries = log_entries.min(8);
        }
        NodeLimits { log_entries, pending_per_session: pending, ..NodeLimits::default() }
    }

    /// The network and the driver.
    pub fn options(&self) -> Options {
        let set = &self.settings;
        let default = Options::default();
        Options {
            latency_ms: (set.least_ms.min(set.most_ms), set.most_ms),
            judge_ms: set.judge_ms,
            store_ms: set.store_ms,
            late_ms: set.late_ms,
            retention: set.retention as usize,
            torn: set.torn,
            skew_ms: set.skew_ms,
            drift_ppm: set.drift_ppm,
            nat_ms: (set.nat_ms > 0).then_some(set.nat_ms),
            aloud: self.aloud || default.aloud,
            durability: self.durability(),
            waiting_max: set.waiting as usize * 1_024,
            replicated: self.settings.takeover_s >= STRICT_S,
            sabotage: self.sabotage,
            ..default
        }
    }

    /// As a person reads it: one line for what it is like, then one for each action, with its time.
    pub fn scenario(&self) -> String {
        let mut out = format!("seed {}", self.seed);
        self.settings.named().iter().for_each(|(name, value)| out += &format!(", {name} {value}"));
        let (mut at, mut nodes) = (0, self.settings.nodes.max(1));
        for (pause, action) in &self.actions {
            at += pause;
            nodes += u64::from(matches!(action, Action::Add {}));
            out += &format!("\n  {:>3}.{:03} s  {}", at / 1_000, at % 1_000, action.word());
            for (name, number) in action.numbers() {
                out += &match name {
                    "who" | "to" => format!(" {name}={}", self.person(number)),
                    "node" => format!(" node={}", number % nodes),
                    "group" => format!(" group={}", number % self.settings.groups.max(1)),
                    _ => format!(" {name}={number}"),
                };
            }
        }
        out
    }

    fn person(&self, number: u64) -> String {
        let (raw, native) = (self.settings.irc + self.settings.redis, self.settings.native);
        match number % (raw + native).max(1) {
            ix if ix < raw => format!("p{ix}"),
            ix => format!("c{}", ix - raw),
        }
    }
}

/// On one line, as the list of what was found has it.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={}", self.seed)?;
        self.settings.named().iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
        f.write_str(" :")?;
        let actions: Vec<String> = self.actions.iter().map(|(pause, action)| format!(" +{pause} {action}")).collect();
        f.write_str(&actions.join(";"))
    }
}

/// Reads what `Display` writes; a number alone is the storm of that seed.
impl FromStr for Plan {
    type Err = BadPlan;
    fn from_str(text: &str) -> Result<Plan, BadPlan> {
        if let Ok(seed) = text.trim().parse() {
            return Ok(Plan::draw(seed));
        }
        let (head, tail) = text.split_once(':').unwrap_or((text, ""));
        let mut plan = Plan { seed: 0, settings: Settings::MILDEST, actions: Vec::new(), ..Plan::draw(0) };
        for word in head.split_whitespace() {
            let bad = || BadPlan::Setting(word.to_string());
            let (name, value) = word.split_once('=').ok_or_else(bad)?;
            let value: u64 = value.parse().map_err(|_| bad())?;
            match name {
                "seed" => plan.seed = value,
                name if plan.settings.set(name, Some(value)) => {}
                _ => return Err(bad()),
            }
        }
        for part in tail.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let bad = || BadPlan::When(part.to_string());
            let (pause, action) = part.strip_prefix('+').and_then(|part| part.split_once(' ')).ok_or_else(bad)?;
            plan.actions.push((pause.parse().map_err(|_| bad())?, action.parse()?));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_is_read_as_it_is_written() {
        for seed in 0..50 {
            let plan = Plan::draw(seed);
            assert_eq!(plan.to_string().parse(), Ok(plan));
        }
        assert_eq!("17".parse(), Ok(Plan::draw(17)));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for bad in ["nodes", "nodes=x", "moons=3", "nodes=2 : kill 1", "nodes=2 : +x kill 1", "nodes=2 : +1 kill"] {
            assert!(bad.parse::<Plan>().is_err(), "{bad}");
        }
    }
}
