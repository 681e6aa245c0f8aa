//! A store that is killed at any moment has all it had acknowledged, and half of nothing.
//!
//! The test runs itself as a child process that commits, says on stdout how far it is, and is killed with no warning.

use std::env;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use chatring_machines::directory::{Kept, LogWrite, Promise, Record};
use chatring_machines::entry::{MemberRow, Person, Settings};
use chatring_machines::ids::{Birth, Epoch, Incarnation, ServerId, SessionId, Term};
use chatring_machines::machine::{Answer, Query, Store, Write};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::{Change, GroupReport};
use chatring_machines::time::Time;
use chatring_machines::view::{NodeInfo, RingParams};
use chatring_storage::SqliteStore;

const CHILD: &str = "CHATRING_KILL_TEST_STORE";

fn key() -> NodeKey {
    NodeKey::new("192.0.2.1").unwrap()
}

fn group() -> GroupName {
    GroupName::new("#a").unwrap()
}

/// Commit number `n`: another start of the node, and one more member, together.
fn writes(n: u64, store: &SqliteStore) -> [Write; 2] {
    let node = NodeInfo { key: key(), name: "alpha".into(), incarnation: Incarnation(n), since: Time(n), admitted: Epoch::default() };
    let person = Person { nick: Nick::new("joe").unwrap(), user: "j".into(), host: "h".into(), account: "".into(), real: "".into() };
    let row = MemberRow { session: SessionId(n), person: Arc::new(person), node: key(), since: Time(n) };
    let report = GroupReport {
        group: group(),
        birth: Birth(1),
        term: Term { generation: 1, number: 1 },
        seq: n,
        closed: false,
        full: false,
        settings: Settings::new(Time(1)),
        joined: vec![row],
        left: Vec::new(),
        copies: vec![key()],
    };
    [of(store.kept(), [Change::Admit { node }]), Write::Report { master: key(), report: Box::new(report) }]
}

/// A write that makes this change, behind all that is kept.
fn of(kept: &Kept, changes: [Change; 1]) -> Write {
    let promise = kept.log.promise.or(Some(Promise { server: ServerId(7), ..Promise::default() }));
    let records: Vec<Record> = changes.into_iter().map(|change| Record::Change { change }).collect();
    let commit = kept.log.last() + records.len() as u64;
    Write::Log(Box::new(LogWrite { promise, append: Some((kept.log.last(), records)), commit, ..LogWrite::default() }))
}

/// How many commits a store holds; each of them whole.
fn held(path: &Path) -> u64 {
    let (mut store, kept) = SqliteStore::open(path).unwrap();
    let Ok(Answer::Record(record)) = store.query(&Query::Record(group())) else { panic!() };
    let node = kept.state.view().node(&key()).map_or(0, |node| node.incarnation.0);
    let members = record.map_or(0, |record| record.members.len() as u64);
    assert_eq!(node, members, "half of a commit is there");
    node
}

/// Not a test of its own: what the child process does, for ever.
#[test]
fn child() {
    let Some(path) = env::var_os(CHILD) else { return };
    let (mut store, kept) = SqliteStore::open(path).unwrap();
    if !kept.state.is_founded() {
        let found = Change::Found { network: "n".into(), params: RingParams::default(), generation: 1 };
        store.commit(&[of(&kept, [found])]).unwrap();
    }
    let first = kept.state.view().node(&key()).map_or(1, |node| node.incarnation.0 + 1);
    for n in first.. {
        let writes = writes(n, &store);
        store.commit(&writes).unwrap();
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
        command.args(["--exact", "child", "--nocapture"]).env(CHILD, path);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Running { process, lines }
    }

    /// The number of the next commit that was acknowledged.
    fn acknowledged(&mut self) -> Option<u64> {
        let mut numbers = self.lines.by_ref().map_while(Result::ok);
        numbers.find_map(|line| line.split_once("acknowledged ")?.1.parse().ok())
    }

    /// Kills it and gives the last commit it had acknowledged.
    fn kill(mut self) -> u64 {
        let mut last = self.acknowledged().expect("the child committed nothing");
        for _ in 0..last % 7 {
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
    let path = dir.path().join("directory.db");
    for round in 0..12 {
        let acknowledged = Running::start(&path).kill();
        let held = held(&path);
        // The last commit may be durable without having been acknowledged.
        assert!((acknowledged..=acknowledged + 1).contains(&held), "round {round}: {acknowledged} acknowledged, {held} held");
    }
}

#[test]
fn a_file_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    let mut running = Running::start(&path);
    running.acknowledged();
    let refused = SqliteStore::open(&path).unwrap_err();
    running.kill();
    assert!(refused.to_string().ends_with("in use by another process: every directory server needs a file of its own"), "{refused}");
}
