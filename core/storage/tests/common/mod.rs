//! Random writes of a directory server, drawn from a seed, and everything a store can be asked about them.

use std::sync::Arc;

use chatring_machines::charter::Charter;
use chatring_machines::directory::{Kept, LogWrite, Place, Promise, Record, Roster, Seat, Snapshot};
use chatring_machines::entry::{Ban, MemberRow, Person, Rank, Settings, Topic};
use chatring_machines::ids::{Birth, Epoch, Incarnation, ServerId, SessionId, Term};
use chatring_machines::list::ListSigner;
use chatring_machines::machine::{Answer, Query, Store, Write};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::{Change, GroupReport, Ruling};
use chatring_machines::time::{Jitter, Time};
use chatring_machines::view::{DirectoryServer, Metric, NodeInfo, Plan, RingParams};
use chatring_machines::wire::Text;

const GROUPS: [&str; 6] = ["#a", "#ab", "#b", "#Ünï", "#zz", "@joe"];
const NODES: [&str; 3] = ["192.0.2.1", "192.0.2.2:7412", "2001:db8::1"];
const TEXTS: [&str; 6] = ["", "plain", "two\nlines", "nul\0inside", "7:net,string:", "ünï 🦀 'quoted' \"twice\""];

/// The change that begins a network.
pub fn found() -> Change {
    Change::Found { network: "net".into(), params: RingParams { metric: Metric::Linear, points: 3 }, generation: 1 }
}

/// Some write that may follow what is kept.
pub fn write(jitter: &mut Jitter, kept: &Kept) -> Write {
    if jitter.below(2) == 0 {
        return Write::Report { master: node(jitter), report: Box::new(report(jitter)) };
    }
    let log = &kept.log;
    let after = log.applied + jitter.below(log.last() - log.applied + 1);
    let records: Vec<Record> = (0..jitter.below(5)).map(|_| record(jitter, kept.state.plans().number)).collect();
    let last = after + records.len() as u64;
    let commit = log.applied + jitter.below(last - log.applied + 1);
    let forget = (jitter.below(10) == 0)
        .then(|| (Place { index: log.base.index + jitter.below(commit - log.base.index + 1), term: 2 }, roster(jitter)));
    let promise =
        Promise { server: ServerId(7), term: number(jitter), voted: Some(ServerId(jitter.below(3))).filter(|server| server.0 > 0) };
    // The first says which server it is.
    let promise = Some(promise).filter(|_| log.promise.is_none() || jitter.below(3) == 0);
    if jitter.below(40) == 0 {
        let place = Place { index: log.last() + 1 + jitter.below(9), term: 3 };
        let snapshot = Snapshot { place, roster: roster(jitter), state: kept.state.clone() };
        return Write::Log(Box::new(LogWrite { promise, install: Some(Box::new(snapshot)), ..LogWrite::default() }));
    }
    Write::Log(Box::new(LogWrite { promise, install: None, append: Some((after, records)), commit, forget }))
}

fn record(jitter: &mut Jitter, planned: u64) -> Record {
    match jitter.below(8) {
        0 => Record::Term { term: number(jitter) },
        1 => Record::Roster { roster: roster(jitter) },
        _ => Record::Change { change: change(jitter, planned) },
    }
}

fn roster(jitter: &mut Jitter) -> Roster {
    let seat = |n| Seat { server: ServerId(n), address: format!("192.0.2.{n}:7400").into(), votes: n != 2, will: n != 3 };
    Roster { seats: (1..1 + jitter.below(4)).map(seat).collect(), joint: jitter.below(2) == 0 }
}

/// A write that makes these changes, behind all that is kept.
pub fn of(kept: &Kept, changes: impl IntoIterator<Item = Change>) -> Write {
    let records: Vec<Record> = changes.into_iter().map(|change| Record::Change { change }).collect();
    let commit = kept.log.last() + records.len() as u64;
    let promise = kept.log.promise.or(Some(Promise { server: ServerId(7), ..Promise::default() }));
    Write::Log(Box::new(LogWrite { promise, append: Some((kept.log.last(), records)), commit, ..LogWrite::default() }))
}

/// Some change, often of little sense. `planned` is the last number that a plan was given.
fn change(jitter: &mut Jitter, planned: u64) -> Change {
    match jitter.below(8) {
        0 if jitter.below(10) == 0 => {
            Change::Found { network: "net".into(), params: RingParams::default(), generation: 1 + jitter.below(3) as u32 }
        }
        0 => {
            let key = |jitter: &mut Jitter| (jitter.below(2) == 0).then(|| ListSigner::new([jitter.below(3) as u8; 32]).key());
            let server = |n: u64| DirectoryServer { address: format!("192.0.2.{n}:7410").into(), key: key(jitter) };
            Change::Directories { servers: (0..3).map(server).collect() }
        }
        1 if jitter.below(3) == 0 => {
            let ruling = [None, Some(Ruling::Admitted), Some(Ruling::Refused)][jitter.below(3) as usize];
            Change::Rule { key: node(jitter), ruling }
        }
        1 if jitter.below(2) == 0 => Change::Charters { charters: (0..1 + jitter.below(3)).map(|_| charter(jitter)).collect() },
        2 if jitter.below(2) == 0 => {
            let name = Nick::new(pick(jitter, &["joe", "JOE", "eve"])).unwrap();
            Change::Account { name, secret: Some(text(jitter)).filter(|text| !text.is_empty()), time: Time(number(jitter)) }
        }
        1 | 2 => Change::Admit { node: info(jitter) },
        3 => Change::Remove { key: node(jitter), incarnation: incarnation(jitter), why: text(jitter) },
        4 | 5 => Change::Prepare { number: planned + jitter.below(3), plan: plan(jitter) },
        6 => Change::Commit { number: planned + jitter.below(2) },
        _ => Change::Cancel { number: planned, why: text(jitter) },
    }
}

fn info(jitter: &mut Jitter) -> NodeInfo {
    let since = Time(number(jitter));
    NodeInfo { key: node(jitter), name: text(jitter), incarnation: incarnation(jitter), since, admitted: Epoch::default() }
}

fn plan(jitter: &mut Jitter) -> Plan {
    match jitter.below(4) {
        0 => Plan::Join { node: info(jitter) },
        1 => Plan::Points { points: jitter.below(4) as u32 },
        _ => Plan::Drain { key: node(jitter), incarnation: incarnation(jitter) },
    }
}

fn charter(jitter: &mut Jitter) -> Charter {
    let GroupReport { group, birth, term, seq, settings, .. } = report(jitter);
    Charter { group, birth, term, seq, settings }
}

fn report(jitter: &mut Jitter) -> GroupReport {
    GroupReport {
        group: GroupName::new(pick(jitter, &GROUPS)).unwrap(),
        birth: Birth(jitter.below(2)),
        term: Term { generation: 1, number: jitter.below(3) },
        seq: jitter.below(6),
        closed: jitter.below(8) == 0,
        full: jitter.below(5) == 0,
        settings: settings(jitter),
        joined: (0..jitter.below(4)).map(|_| member(jitter)).collect(),
        left: (0..jitter.below(3)).map(|_| session(jitter)).collect(),
        copies: (0..jitter.below(3)).map(|_| node(jitter)).collect(),
    }
}

fn settings(jitter: &mut Jitter) -> Settings {
    let topic = Topic { text: "a: topic,".into(), by: nick(jitter), time: Time(number(jitter)) };
    let rank = Rank { founder: jitter.below(2) == 0, operator: true, voice: false };
    Settings {
        topic: Some(topic).filter(|_| jitter.below(2) == 0),
        moderated: jitter.below(2) == 0,
        key: Some(Text::from("k")).filter(|_| jitter.below(2) == 0),
        limit: Some(number(jitter)).filter(|_| jitter.below(2) == 0),
        bans: (0..jitter.below(3)).map(|n| Ban { mask: text(jitter), by: nick(jitter), time: Time(n) }).collect(),
        ranks: (0..jitter.below(3)).map(|_| (nick(jitter), rank)).collect(),
        ..Settings::new(Time(number(jitter)))
    }
}

fn member(jitter: &mut Jitter) -> MemberRow {
    let person = Person { nick: nick(jitter), user: text(jitter), host: text(jitter), account: text(jitter), real: text(jitter) };
    MemberRow { session: session(jitter), person: Arc::new(person), node: node(jitter), since: Time(number(jitter)) }
}

fn pick<'a>(jitter: &mut Jitter, from: &[&'a str]) -> &'a str {
    from[jitter.below(from.len() as u64) as usize]
}

fn text(jitter: &mut Jitter) -> Text {
    pick(jitter, &TEXTS).into()
}

fn nick(jitter: &mut Jitter) -> Nick {
    Nick::new(pick(jitter, &["joe", "Bob", "x^", "[z]"])).unwrap()
}

fn node(jitter: &mut Jitter) -> NodeKey {
    NodeKey::new(pick(jitter, &NODES)).unwrap()
}

fn incarnation(jitter: &mut Jitter) -> Incarnation {
    Incarnation(jitter.below(2).wrapping_sub(1))
}

/// Small, or so large that it needs all 64 bits.
fn session(jitter: &mut Jitter) -> SessionId {
    SessionId(jitter.below(6).wrapping_sub(2))
}

fn number(jitter: &mut Jitter) -> u64 {
    jitter.below(4).wrapping_sub(1)
}

/// The answers to everything a store can be asked.
pub fn answers(store: &mut impl Store) -> Vec<(Query, Answer)> {
    let patterns = ["*", "#*", "#a*", "#A?", "?b", "#", "", "#zz", "*Ü*"];
    let mut queries: Vec<Query> = GROUPS.iter().map(|name| Query::Record(GroupName::new(name).unwrap())).collect();
    queries.extend(patterns.iter().map(|&pattern| Query::Groups { pattern: pattern.into(), limit: 100 }));
    queries.push(Query::Groups { pattern: "*".into(), limit: 2 });
    queries.push(Query::Groups { pattern: "*".into(), limit: 0 });
    queries.extend([Query::Counts, Query::Loads]);
    for after in ["", "#a", "#bb"].map(|after| GroupName::new(after).ok()) {
        queries.extend([0, 2, 100].map(|limit| Query::Places { after: after.clone(), limit }));
    }
    for nick in ["joe", "JOE", "bob", "nobody"] {
        queries.extend([1, 100].map(|limit| Query::Whereabouts { nick: Nick::new(nick).unwrap(), limit }));
    }
    for master in NODES {
        let master = NodeKey::new(master).unwrap();
        let afters = ["", "#a", "#b", "#bb", "#zz"].map(|after| GroupName::new(after).ok());
        queries.extend(afters.map(|after| Query::Orphans { master: master.clone(), after, limit: 10_000 }));
        queries.push(Query::Orphans { master, after: None, limit: 1 });
    }
    queries.into_iter().map(|query| (query.clone(), store.query(&query).unwrap())).collect()
}
