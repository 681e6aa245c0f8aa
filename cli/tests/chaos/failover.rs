//! How long a failover takes: from the kill (or the pause) until a member hears something that was said afterwards, for 1,000 members in 100 groups that all have the same master.
//!
//! Run by `tests/benches/failover.sh`, which builds for speed; the table and the histograms go to `docs/failover.md`. The time of one member includes all that a person would notice:
//! finding out that the node is gone, the directory's decision, the take-over, coming back, and the next message of the group, of which there is one every 25 ms.

use super::common::network::groups_where;
use super::fleet::Fleet;
use super::log::Kind;
use super::publisher::{Pace, Publisher};
use super::scene::{Cast, RECOVERY, Scene, setting};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Node by node, the first is harmed. The standby of its groups may be any of the others.
const HOSTS: [u16; 4] = [1, 1, 1, 1];
const GROUPS: usize = 100;
const CAST: Cast = Cast { native: 4, redis: 3, irc: 3 };
/// One message at a time.
const PACE: Pace = Pace { every: Duration::from_millis(25), window: 1 };
/// How long a member's server may owe an answer to a ping.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is done to the node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    /// The groups' master is killed: connections to it are refused at once.
    KilledMaster,
    /// The groups' master is paused: its connections stay open, and nothing comes.
    SilentMaster,
    /// A node that is standby of all the groups is paused.
    SilentStandby,
    /// The groups' master and the directory are killed; the directory is started again at once.
    DirectoryAndMaster,
}

impl Harm {
    fn words(self) -> &'static str {
        match self {
            Harm::KilledMaster => "killed master",
            Harm::SilentMaster => "silent master",
            Harm::SilentStandby => "silent standby",
            Harm::DirectoryAndMaster => "directory and master together",
        }
    }
}

/// From the harm until each member heard again, sorted; of one run.
fn run(harm: Harm, seed: u64) -> Vec<Duration> {
    let fleet = Fleet::start(&HOSTS);
    let ring = fleet.net.ring(&[1, 2, 3, 4]);
    let node = fleet.hosts[0].places[0].key.clone();
    let groups = groups_where(GROUPS, |group| match harm {
        Harm::SilentStandby => ring.standby(group) == Some(&node),
        _ => ring.master(group) == Some(&node),
    });
    let mut scene = Scene::empty(fleet, groups, seed);
    // People are everywhere. Whoever speaks is elsewhere, or they would have to find another node first.
    scene.cast(CAST, PATIENCE, |_| true);
    for (group, name) in scene.groups.iter().enumerate() {
        scene.crowd.add(Publisher::new(Kind::Native, &format!("p{group}"), (group, name), 1 + group % (HOSTS.len() - 1), PACE));
    }
    scene.all_hear();
    scene.recovers("the start");
    // Not always at the same moment of heartbeats and checks.
    scene.crowd.pass(Duration::from_millis(seed * 377 % 1_000));

    let harmed = Instant::now();
    match harm {
        Harm::KilledMaster => scene.fleet.kill_host(0),
        Harm::SilentMaster | Harm::SilentStandby => scene.fleet.hosts[0].process.as_ref().expect("it runs").signal("STOP"),
        Harm::DirectoryAndMaster => {
            scene.fleet.kill_directory();
            scene.fleet.kill_host(0);
            scene.fleet.start_directory();
        }
    }
    let all = scene.crowd.run(harmed + RECOVERY, |crowd| crowd.log.first_heard_since(harmed).iter().all(Option::is_some));
    assert!(all, "{}: not everyone hears again: {:?}", harm.words(), scene.crowd.log.deaf_since(harmed));
    let heard = scene.crowd.log.first_heard_since(harmed);
    let mut took: Vec<Duration> = heard.into_iter().flatten().map(|at| at - harmed).collect();
    took.sort();
    took
}

/// The value below which so many in a hundred are.
fn percentile(sorted: &[Duration], percent: usize) -> u128 {
    sorted[(sorted.len() * percent).div_ceil(100).clamp(1, sorted.len()) - 1].as_millis()
}

/// Ten bars from nothing to the longest.
fn histogram(sorted: &[Duration]) -> String {
    let longest = percentile(sorted, 100);
    let width = [10, 20, 50, 100, 200, 500, 1_000].into_iter().find(|width| longest < 12 * width).unwrap_or(longest / 12 + 1);
    let mut counts = vec![0; (longest / width) as usize + 1];
    sorted.iter().for_each(|took| counts[(took.as_millis() / width) as usize] += 1);
    let most = counts.iter().copied().max().unwrap_or(1);
    let mut text = String::new();
    for (ix, count) in counts.iter().enumerate() {
        let bar = "█".repeat((count * 50usize).div_ceil(most));
        writeln!(text, "{:>6} ms  {count:>5}  {bar}", ix as u128 * width).expect("a String takes everything");
    }
    text
}

/// `FAILOVER_RUNS` runs of each, into the file named by `FAILOVER_DOC` between its two marks, or to standard output.
#[test]
#[ignore = "a measurement: tests/benches/failover.sh"]
fn measure() {
    let runs = setting("FAILOVER_RUNS", 5);
    let people = CAST.native + CAST.redis + CAST.irc;
    let mut table = format!(
        "{} members ({} native, {} Redis, {} IRC) in {GROUPS} groups on {} super nodes, all groups with the same master; {runs} runs of each, one after the other.\n\n\
         | milliseconds until a member hears again | p50 | p90 | p99 | max |\n|---|---:|---:|---:|---:|\n",
        people * GROUPS,
        CAST.native * GROUPS,
        CAST.redis * GROUPS,
        CAST.irc * GROUPS,
        HOSTS.len()
    );
    let mut histograms = String::new();
    for harm in [Harm::KilledMaster, Harm::SilentMaster, Harm::SilentStandby, Harm::DirectoryAndMaster] {
        let mut all = Vec::new();
        for seed in 0..runs {
            let took = run(harm, seed);
            println!(
                "{}, run {seed}: p50 {} p99 {} max {} ms",
                harm.words(),
                percentile(&took, 50),
                percentile(&took, 99),
                percentile(&took, 100)
            );
            all.extend(took);
        }
        all.sort();
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(|percent| percentile(&all, percent));
        writeln!(table, "| {} | {p50} | {p90} | {p99} | {max} |", harm.words()).expect("a String takes everything");
        write!(histograms, "\n{}, members by the time until they hear again:\n\n```text\n{}```\n", harm.words(), histogram(&all))
            .expect("the same");
    }
    let report = table + &histograms;
    println!("{report}");
    if let Ok(file) = std::env::var("FAILOVER_DOC") {
        let page = std::fs::read_to_string(&file).expect("the page is there");
        let (head, _) = page.split_once("<!-- measured -->").expect("a mark where the figures begin");
        let (_, foot) = page.split_once("<!-- end -->").expect("a mark where the figures end");
        std::fs::write(&file, format!("{head}<!-- measured -->\n{report}\n<!-- end -->{foot}")).expect("the page can be written");
    }
}
