//! Runs storms: many of them, or one again.
//!
//! Ends with 0 when all is well, else with what was worst: 3 a machine panicked, 4 not everyone came home, 5 something was said or heard that must not have been.

use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chatring_tests::campaign::{Campaign, Summary};
use chatring_tests::plan::Plan;
use chatring_tests::shrink::shrink;
use chatring_tests::storm::{Failure, attempt};
use clap::Parser;

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// How many failures are printed and cut down at the end of a campaign: the first of each checker comes first.
const SHRUNK_MAX: usize = 5;

/// Storms of faults in a virtual world around the real machines.
#[derive(Parser)]
struct Args {
    /// Run these: FROM..TO, without TO.
    #[arg(long, value_parser = seeds, default_value = "0..1000")]
    seeds: Range<u64>,
    /// Run this one alone. A commit's hash will do, too.
    #[arg(long, value_parser = seed, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run this one alone: a line as shrinking prints it.
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    plan: Option<Plan>,
    /// Run storms beside those of this file, in turn: each line is one as shrinking prints it, with its times shifted a little. So many of them as there are seeds.
    #[arg(long, conflicts_with_all = ["seed", "plan"])]
    around: Option<PathBuf>,
    /// Print everything that happens in the one storm.
    #[arg(long)]
    trace: bool,
    /// How many at a time; all cores without it.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stop at the first failure.
    #[arg(long)]
    until_failure: bool,
    /// Cut each failure down for at most so many seconds; 0: not at all.
    #[arg(long, default_value_t = 30)]
    shrink: u64,
    /// Append what is left of the failures to this file.
    #[arg(long)]
    save: Option<PathBuf>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.ok_or_else(|| "seeds are written FROM..TO".to_string())
}

/// A number, or the beginning of a commit's hash.
fn seed(text: &str) -> Result<u64, String> {
    let hash = || u64::from_str_radix(text.get(..16.min(text.len())).unwrap_or(text), 16);
    text.parse().or_else(|_| hash()).map_err(|_| "a seed is a number or a hash".to_string())
}

fn commit() -> String {
    let asked = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok().filter(|out| out.status.success());
    asked.map_or_else(|| "unknown".to_string(), |out| String::from_utf8_lossy(&out.stdout).trim().to_string())
}

fn main() -> ExitCode {
    let args = Args::parse();
    let one = args.plan.clone().or_else(|| args.seed.map(Plan::draw));
    match one {
        Some(plan) => one_storm(&args, plan),
        None => match args.around.as_deref().map_or(Ok(Vec::new()), plans) {
            Ok(around) => many_storms(&args, around),
            Err(why) => {
                eprintln!("{why}");
                ExitCode::from(2)
            }
        },
    }
}

/// The storms in a file. Lines that begin with # are left out.
fn plans(path: &Path) -> Result<Vec<Plan>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let plan = |(ix, line): (usize, &str)| line.trim().parse().map_err(|bad| format!("{}:{}: {bad}", path.display(), ix + 1));
    lines.map(plan).collect()
}

fn one_storm(args: &Args, plan: Plan) -> ExitCode {
    println!("seed {} at commit {}", plan.seed, commit());
    println!("{}", plan.scenario());
    let plan = Plan { aloud: args.trace, ..plan };
    let begun = Instant::now();
    match attempt(&plan) {
        Ok(outcome) => {
            println!("{}", outcome.coverage);
            println!(
                "ends well after {} ms in the world and {} ms here; hash {:016x}",
                outcome.ms,
                begun.elapsed().as_millis(),
                outcome.hash
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let failure = Failure { plan: Box::new(Plan { aloud: false, ..plan }), ..failure };
            println!("{failure}");
            let code = ExitCode::from(failure.kind as u8);
            report(args, failure);
            code
        }
    }
}

/// Cuts a failure down, prints what is left, and appends it to the list.
fn report(args: &Args, failure: Failure) {
    if args.shrink == 0 || args.trace {
        return;
    }
    let shrunk = shrink(failure, Duration::from_secs(args.shrink));
    println!("\ncut down to {} actions: {}\n{}\n{}\n", shrunk.plan.actions.len(), shrunk.why, shrunk.plan.scenario(), shrunk.plan);
    let Some(path) = &args.save else { return };
    let saved = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = saved.and_then(|mut file| writeln!(file, "# {}\n{}", shrunk.why, shrunk.plan)) {
        eprintln!("{}: {error}", path.display());
    }
}

fn many_storms(args: &Args, around: Vec<Plan>) -> ExitCode {
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let (seeds, commit) = (args.seeds.clone(), commit());
    println!("seeds {}..{} at commit {commit}, {jobs} at a time", seeds.start, seeds.end);
    let shown = Mutex::new(Instant::now());
    let campaign = Campaign { seeds: seeds.clone(), around, jobs, until_failure: args.until_failure };
    let summary = campaign.run(|so_far, failure| {
        if let Some(failure) = failure {
            println!("{failure}");
        }
        let mut shown = shown.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if shown.elapsed() >= SHOW_EVERY {
            *shown = Instant::now();
            let speed = so_far.storms as f64 / so_far.took.as_secs_f64();
            let of = seeds.end - seeds.start;
            println!("{} of {of} storms, {} failures, {speed:.0} a second", so_far.storms, so_far.failed());
        }
    });
    print(&summary, &commit);
    first_ones(&summary).into_iter().for_each(|failure| report(args, failure));
    summary.worst().map_or(ExitCode::SUCCESS, |worst| ExitCode::from(worst as u8))
}

fn print(summary: &Summary, commit: &str) {
    println!("\n{}", summary.coverage);
    let (hours, seconds) = (summary.world_ms / 3_600_000, summary.took.as_secs_f64());
    println!("commit            {commit}");
    println!("storms            {} ({} of them twice, with the same trace)", summary.storms, summary.twice);
    println!("failures          {}", summary.failed());
    summary.by_checker.iter().for_each(|(checker, times)| println!("  {times:>8}  {checker}"));
    println!("took              {seconds:.1} s, {:.0} storms a second; {hours} h in the world", summary.storms as f64 / seconds);
    println!("fullest           {} bytes on their way over one connection", summary.fullest);
}

/// Some of the failures, of as many checkers as possible.
fn first_ones(summary: &Summary) -> Vec<Failure> {
    let mut seen = std::collections::BTreeSet::new();
    let (new, old): (Vec<&Failure>, Vec<&Failure>) = summary.failures.values().partition(|failure| seen.insert(failure.checker()));
    new.into_iter().chain(old).take(SHRUNK_MAX).cloned().collect()
}
