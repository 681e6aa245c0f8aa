//! A keeper that is killed at any moment has all it had acknowledged, and half of nothing.
//!
//! The test runs itself as a child process that keeps, says on stdout how far it is, and is killed with no warning.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use chatring_machines::keeping::{Durability, Keeper, Keeping};

use crate::common;

const CHILD: &str = "CHATRING_KILL_TEST_LOGS";
const GROUPS: [&str; 3] = ["#a", "#b", "#c"];

/// Batch `n`: the n-th entry of each group, and now and then an image.
fn batch(n: u64) -> Vec<Keeping> {
    let keeps = GROUPS.iter().flat_map(|group| {
        let image = n.is_multiple_of(8).then(|| common::keeping(group, common::image(1, n, n.saturating_sub(20).max(1), 3)));
        [common::keeping(group, common::entries(1, n..=n, "text"))].into_iter().chain(image)
    });
    keeps.collect()
}

/// How many batches a file holds; each of them whole.
fn held(path: &Path) -> u64 {
    let (_, kept) = common::open(path, Durability::Replicated);
    let newest: Vec<u64> = kept.iter().map(|kept| kept.entries.last().map_or(0, |entry| entry.seq)).collect();
    assert!(newest.windows(2).all(|pair| pair[0] == pair[1]), "half of a batch is there: {}", common::shown(&kept));
    assert!(kept.iter().all(|kept| kept.tail().len() < 8), "images are missing: {}", common::shown(&kept));
    newest.first().copied().unwrap_or(0)
}

/// Not a test of its own: what the child process does, for ever.
#[test]
fn child() {
    let Some(path) = env::var_os(CHILD) else { return };
    let (mut logs, kept) = common::open(Path::new(&path), Durability::Replicated);
    if kept.is_empty() {
        let begin: Vec<_> = GROUPS.iter().map(|group| common::keeping(group, common::image(1, 0, 1, 3))).collect();
        logs.keep(&begin).unwrap();
    }
    let first = kept.first().and_then(|kept| kept.entries.last()).map_or(1, |entry| entry.seq + 1);
    for n in first.. {
        logs.keep(&batch(n)).unwrap();
        // Not println: the harness captures that.
        writeln!(std::io::stdout(), "acknowledged {n}").unwrap();
    }
}

struct Running {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(path: &Path) -> Running {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "kill::child", "--nocapture"]).env(CHILD, path);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Running { process, lines }
    }

    /// The number of the next batch that was acknowledged.
    fn acknowledged(&mut self) -> Option<u64> {
        let mut numbers = self.lines.by_ref().map_while(Result::ok);
        numbers.find_map(|line| line.split_once("acknowledged ")?.1.parse().ok())
    }

    /// Kills it and gives the last batch it had acknowledged.
    fn kill(mut self) -> u64 {
        let mut last = self.acknowledged().expect("the child kept nothing");
        for _ in 0..last % 97 {
            last = self.acknowledged().expect("the child ended by itself");
        }
        self.process.kill().unwrap();
        // What it had said before it died is still in the pipe.
        last = std::iter::from_fn(|| self.acknowledged()).last().unwrap_or(last);
        self.process.wait().unwrap();
        last
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    for round in 0..12 {
        let acknowledged = Running::start(&path).kill();
        let held = held(&path);
        // The last batch may be kept without having been acknowledged.
        assert!((acknowledged..=acknowledged + 1).contains(&held), "round {round}: {acknowledged} acknowledged, {held} held");
    }
}
