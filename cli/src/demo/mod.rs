//! A whole network on one machine, to try things on: directory servers and super nodes as child processes on loopback.
//!
//! The children run this same program, so nothing else has to be built. They are the demo's: each ends when its standard input does, so none
//! outlives the demo, however that ends. A child that dies is news, not the end: killing super nodes is what a demo is for.

mod ask;
mod children;
mod files;
mod plan;
mod words;

use anyhow::{Context, bail};
use chatring_admin::interrupt;
use children::Child;
use files::Files;
use plan::Plan;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a demo can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How many super nodes, each on its own loopback address where the system has them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub super_nodes: u8,
    /// How many directory servers: 1, 3 or 5
    #[arg(id = "directory_servers", long = "directories", value_name = "N", default_value_t = 3, value_parser = odd)]
    pub directories: u8,
    /// Where configurations, database and logs go, and stay; without it they go when the demo ends
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Directory servers get port P, super nodes P+1, IRC P+2
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub base_port: Option<u16>,
    /// Written once everything serves: who listens where, as JSON
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// How long the network may take to serve.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long children may take to say good-bye before they are killed.
const GOODBYE_MAX: Duration = Duration::from_secs(12);
/// How often the demo looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A majority of an even number is no smaller than one of the next odd one.
fn odd(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(number @ (1 | 3 | 5)) => Ok(number),
        _ => Err("1, 3 or 5 of them agree best: with 3 one may be lost, with 5 two".to_string()),
    }
}

/// Runs a demo until it is interrupted.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let _interrupt = {
        let stop = stop.clone();
        interrupt::on(move || stop.store(true, Ordering::Relaxed))
    };
    // A demo from a prompt leaves the prompt alone.
    if interrupt::listen().context("listening for signals")? {
        for signal in [SIGINT, SIGTERM] {
            // The second one ends the demo at once; the children notice.
            signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone()).context("listening for signals")?;
        }
    }
    let plan = Plan::new(args.directories, args.super_nodes, args.base_port)?;
    let mut files = Files::write(&plan, args.dir, args.ready_file)?;
    let mut children = children::start_all(&plan, &files)?;
    if !wait_until_serving(&plan, &mut children, &files, &stop)? {
        return end(children, plan.directories.len(), &stop);
    }
    files.write_ready(&plan, &children)?;
    words::say(&words::welcome(&plan, &children, &files));
    watch(&mut children, &files, &stop);
    words::say("Ending the network ...\n");
    let dead: Vec<String> = children.iter_mut().filter_map(|child| child.ended().map(|_| child.name.clone())).collect();
    let ended = end(children, plan.directories.len(), &stop);
    let left = started_by_hand(&plan, &dead);
    if !left.is_empty() {
        files.keep();
        words::say(&words::left_running(&left, &files));
    }
    ended
}

/// Of those that had died, who serves nevertheless.
fn started_by_hand(plan: &Plan, dead: &[String]) -> Vec<String> {
    let nodes = plan.nodes.iter().map(|node| (node.name.as_str(), node.native));
    let all = nodes.chain(plan.directories.iter().map(|server| (server.name.as_str(), server.address)));
    let serves = |address: &SocketAddr| TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok();
    all.filter(|(name, address)| dead.iter().any(|dead| dead == name) && serves(address)).map(|(name, _)| name.to_string()).collect()
}

/// Whether the network serves; not if the demo was interrupted before.
fn wait_until_serving(plan: &Plan, children: &mut [Child], files: &Files, stop: &AtomicBool) -> anyhow::Result<bool> {
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if let Some(dead) = children.iter_mut().find_map(|child| child.ended().map(|how| (child.name.clone(), how))) {
            bail!("{} ended while it started ({}). Its log says:\n{}", dead.0, dead.1, files.log_tail(&dead.0));
        }
        let missing = match ask::serves(plan) {
            Ok(()) => return Ok(true),
            Err(missing) => missing,
        };
        if began.elapsed() > READY_MAX {
            bail!("the network doesn't serve after {} s: {missing}\nLogs are in {}", READY_MAX.as_secs(), files.dir().display());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(false)
}

/// Reports deaths until the demo is interrupted.
fn watch(children: &mut [Child], files: &Files, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for child in children.iter_mut() {
            if let Some(how) = child.newly_ended() {
                words::say(&words::death(child, &how, files));
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets the children say good-bye, and kills who takes too long.
fn end(mut children: Vec<Child>, directories: usize, stop: &AtomicBool) -> anyhow::Result<()> {
    stop.store(true, Ordering::Relaxed);
    // Super nodes first: they take their leave of the directory.
    let (directories, nodes) = children.split_at_mut_checked(directories).unwrap_or_default();
    let late = Instant::now() + GOODBYE_MAX;
    let mut killed = Vec::new();
    for group in [nodes, directories] {
        group.iter_mut().for_each(Child::dismiss);
        while Instant::now() < late && group.iter_mut().any(|child| child.ended().is_none()) {
            std::thread::sleep(LOOK_EVERY / 5);
        }
        for child in group.iter_mut().filter_map(|child| child.ended().is_none().then_some(child)) {
            child.kill();
            killed.push(child.name.clone());
        }
    }
    if killed.is_empty() { Ok(()) } else { bail!("had to be killed: {}", killed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        demo: DemoArgs,
    }

    #[track_caller]
    fn check(line: &str, expect: Result<(u8, Option<u16>), &str>) {
        let parsed = Line::try_parse_from(["demo"].into_iter().chain(line.split_whitespace()));
        match (parsed, expect) {
            (Ok(Line { demo }), Ok(expect)) => assert_eq!((demo.super_nodes, demo.base_port), expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (parsed, expect) => panic!("{:?} instead of {expect:?}", parsed.map(|line| line.demo)),
        }
    }

    #[test]
    fn arguments() {
        check("", Ok((3, None)));
        check("--super-nodes 5 --base-port 9000", Ok((5, Some(9000))));
        check("--super-nodes 0", Err("0 is not in 1..=100"));
        check("--super-nodes 101", Err("101 is not in 1..=100"));
        check("--directories 2", Err("1, 3 or 5 of them agree best"));
        check("--base-port 65100", Err("65100 is not in 1..=65000"));
        check("--super-node 3", Err("a similar argument exists: '--super-nodes'"));
    }
}
