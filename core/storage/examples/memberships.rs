//! How long a directory server takes with a million memberships: to take them in, to find one group's or one person's, and to start again.
//!
//! ```text
//! cargo run --release -p chatring-storage --example memberships -- [GROUPS] [MEMBERS of each]
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatring_machines::entry::{MemberRow, Person, Settings};
use chatring_machines::ids::{Birth, SessionId, Term};
use chatring_machines::machine::{Answer, Query, Store, Write};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::GroupReport;
use chatring_machines::time::{Jitter, Time};
use chatring_storage::SqliteStore;

/// Reports in one transaction: as many as a server gathers while the disk is busy.
const BATCH: u64 = 256;
/// Questions of each kind.
const QUESTIONS: usize = 2_000;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse().expect("a number"));
    let (groups, members): (u64, u64) = (args.next().unwrap_or(100_000), args.next().unwrap_or(10));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("directory.sqlite");
    let (mut store, _) = SqliteStore::open(&path).expect("a new file");

    let began = Instant::now();
    for first in (0..groups).step_by(BATCH as usize) {
        let writes: Vec<Write> = (first..groups.min(first + BATCH)).map(|number| report(number, groups, members)).collect();
        store.commit(&writes).expect("it has room");
    }
    let (took, rows) = (began.elapsed(), groups * members);
    println!(
        "{rows} memberships in {groups} groups: taken in within {took:.1?}, {:.0} a second; {} MiB",
        rows as f64 / took.as_secs_f64(),
        mib(&path)
    );

    let mut jitter = Jitter::new(7);
    ask(&mut store, "members of a group", QUESTIONS, || Query::Record(group(jitter.below(groups))));
    let mut jitter = Jitter::new(8);
    ask(&mut store, "where someone is", QUESTIONS, || Query::Whereabouts { nick: nick(jitter.below(groups)), limit: 10_000 });
    drop(store);

    let began = Instant::now();
    let (mut store, _) = SqliteStore::open(&path).expect("the same file");
    println!("started again within {:.1?}", began.elapsed());
    let began = Instant::now();
    let counts = store.query(&Query::Counts).expect("it answers");
    println!("counted within {:.1?}: {counts:?}", began.elapsed());
    let began = Instant::now();
    let Ok(Answer::Loads(loads)) = store.query(&Query::Loads) else { panic!("it answers") };
    println!("counted by master within {:.1?}: {} masters", began.elapsed(), loads.len());
    let mut jitter = Jitter::new(9);
    ask(&mut store, "a page of 10,000 places", 20, || Query::Places { after: Some(group(jitter.below(groups / 2))), limit: 10_000 });
}

/// Person `n` is in group `n` and in the next ones, round and round: as many people as groups.
fn report(number: u64, groups: u64, members: u64) -> Write {
    let person = |n: u64| {
        let person = Person { nick: nick(n), user: "user".into(), host: "198.51.100.7".into(), account: "".into(), real: "Someone".into() };
        MemberRow { session: SessionId(n + 1), person: Arc::new(person), node: node(n), since: Time(1_700_000_000_000 + n) }
    };
    let report = GroupReport {
        group: group(number),
        birth: Birth(number + 1),
        term: Term { generation: 1, number: 1 },
        seq: members,
        closed: false,
        full: true,
        settings: Settings::new(Time(1_700_000_000_000)),
        joined: (0..members).map(|ix| person((number + groups - ix) % groups)).collect(),
        left: Vec::new(),
        copies: vec![node(number), node(number + 1)],
    };
    Write::Report { master: node(number), report: Box::new(report) }
}

fn group(number: u64) -> GroupName {
    GroupName::new(&format!("#room{number}")).expect("letters and digits")
}

fn nick(number: u64) -> Nick {
    Nick::new(&format!("person{number}")).expect("letters and digits")
}

fn node(number: u64) -> NodeKey {
    NodeKey::new(&format!("192.0.2.{}", 1 + number % 200)).expect("an address")
}

fn ask(store: &mut SqliteStore, what: &str, questions: usize, mut query: impl FnMut() -> Query) {
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..questions {
        let query = query();
        let began = Instant::now();
        let answer = store.query(&query).expect("it answers");
        took.push(began.elapsed());
        let found = match answer {
            Answer::Record(record) => record.map_or(0, |record| record.members.len()),
            Answer::Whereabouts(rows) => rows.len(),
            Answer::Places(places) => places.len(),
            _ => 0,
        };
        assert!(found > 0, "{query:?} found nothing");
    }
    took.sort();
    println!(
        "{what}: p50 {:.0?}, p99 {:.0?}, max {:.0?} of {questions}",
        took[questions / 2],
        took[questions * 99 / 100],
        took[questions - 1]
    );
}

fn mib(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len() >> 20)
}
