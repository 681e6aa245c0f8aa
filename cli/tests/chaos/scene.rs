//! A network with a crowd in it, and how a run ends.

use super::check::{Verdict, judge};
use super::common::network::groups_where;
use super::common::soon;
use super::crowd::Crowd;
use super::fleet::Fleet;
use super::log::Kind;
use super::native::Native;
use super::publisher::{Pace, Publisher};
use super::redis_and_irc::Attached;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long a member's server may owe an answer to a ping. Machines that test are busy.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Within which everything has to be well again, with much to spare.
pub const RECOVERY: Duration = Duration::from_secs(60);

pub struct Scene {
    pub fleet: Fleet,
    pub crowd: Crowd,
    pub groups: Vec<String>,
}

/// Who is in each group.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    pub native: usize,
    pub redis: usize,
    pub irc: usize,
}

/// Enough to see one order at all kinds of members.
pub const CAST: Cast = Cast { native: 3, redis: 2, irc: 2 };

/// What one publisher of a test says.
pub const PACE: Pace = Pace { every: Duration::from_millis(40), window: 8 };

impl Scene {
    /// A network in which everyone is, and speaks. The groups go to any node.
    pub fn new(fleet: Fleet, groups: usize, cast: Cast, seed: u64) -> Scene {
        let mut scene = Scene::empty(fleet, groups_where(groups, |_| true), seed);
        scene.cast(cast, PATIENCE, |_| true);
        scene.speakers(PACE, |_| true);
        scene.all_hear();
        scene
    }

    /// Nobody is there yet.
    pub fn empty(fleet: Fleet, groups: Vec<String>, seed: u64) -> Scene {
        let crowd = Crowd::new(fleet.map(), seed);
        Scene { fleet, crowd, groups }
    }

    /// Members for every group, those who stay at a node at one of these.
    pub fn cast(&mut self, cast: Cast, patience: Duration, edge: impl Fn(usize) -> bool) {
        let map = self.fleet.map();
        let edges: Vec<usize> = (0..map.len()).filter(|ix| edge(*ix)).collect();
        for group in 0..self.groups.len() {
            let name = self.groups[group].clone();
            for _ in 0..cast.native {
                let native = Native::new((group, &name), &map, patience, &mut self.crowd.log.members);
                self.crowd.add(native);
            }
            let attached = [(Kind::Redis, cast.redis), (Kind::Irc, cast.irc)];
            for (number, kind) in attached.iter().flat_map(|(kind, count)| (0..*count).map(|_| *kind)).enumerate() {
                let edge = edges[(group + number) % edges.len()];
                let member = Attached::new(kind, (group, &name), edge, patience, &mut self.crowd.log.members);
                self.crowd.add(member);
            }
        }
    }

    /// A native publisher for every group, and one of another kind for every second, all at one of these nodes.
    pub fn speakers(&mut self, pace: Pace, edge: impl Fn(usize) -> bool) {
        let nodes = self.fleet.map().len();
        let edges: Vec<usize> = (0..nodes).filter(|ix| edge(*ix)).collect();
        for (group, name) in self.groups.iter().enumerate() {
            let other = [Some(Kind::Redis), None, Some(Kind::Irc), None][group % 4];
            for kind in std::iter::once(Kind::Native).chain(other) {
                let edge = edges[(group + kind as usize) % edges.len()];
                self.crowd.add(Publisher::new(kind, &format!("p{group}"), (group, name), edge, pace));
            }
        }
    }

    /// Waits until everyone hears.
    #[track_caller]
    pub fn all_hear(&mut self) {
        let now = Instant::now();
        assert!(self.crowd.run(soon() + RECOVERY, |crowd| crowd.log.all_hear_since(now)), "not everyone hears");
    }

    /// Waits until the network is whole and everyone hears.
    #[track_caller]
    pub fn recovers(&mut self, after: &str) -> Duration {
        match self.fleet.recovers(&mut self.crowd, Instant::now() + RECOVERY) {
            Some(took) => took,
            None => {
                let deaf = self.crowd.log.deaf_since(Instant::now() - Duration::from_secs(2));
                panic!("not well again after {after}: {}; who has heard nothing new for 2 s: {deaf:#?}", self.fleet.complaint());
            }
        }
    }

    /// Nobody says anything new; what is under way comes to its end. Then the judge speaks.
    pub fn ends(mut self) -> Verdict {
        self.crowd.hush = true;
        let quiet = |crowd: &Crowd| crowd.log.is_settled();
        assert!(self.crowd.run(soon(), quiet), "something was said, and is neither acknowledged nor refused");
        // What is acknowledged is on its way to everyone; whoever it never reaches is found by the judge.
        let complete = |crowd: &Crowd| judge(&crowd.log).lost.is_empty();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && !complete(&self.crowd) {
            self.crowd.pass(Duration::from_millis(250));
        }
        let verdict = judge(&self.crowd.log);
        println!("{verdict}");
        verdict
    }

    /// The end of a run in which something died.
    #[track_caller]
    pub fn ends_with_nothing_lost(self) {
        self.ends().is_clean();
    }
}

/// A setting of a run, from the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Says that a test did nothing, where it is read: also when what passing tests print is not shown.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// The run's seed, which it tells.
pub fn seed() -> u64 {
    let seed = setting("CHAOS_SEED", u64::from(std::process::id()));
    println!("CHAOS_SEED={seed}");
    seed
}
