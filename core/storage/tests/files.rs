//! Which files are opened: those of every past version, brought up to date; and which are refused, untouched, with a word on what to do.

use std::path::Path;

use chatring_machines::directory::Kept;
use chatring_machines::ids::{Incarnation, ServerId};
use chatring_machines::machine::{Answer, Query, Store};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::Ruling;
use chatring_machines::time::Time;
use chatring_machines::view::Plan;
use chatring_storage::{SCHEMA_VERSION, SqliteStore};
use rusqlite::Connection;

const FIRST: &str = include_str!("fixtures/version_1.sql");
const LOG: &str = include_str!("fixtures/version_2.sql");
const RULINGS: &str = include_str!("fixtures/version_4.sql");
const KEYS: &str = include_str!("fixtures/version_5.sql");
const LEDGER: &str = include_str!("fixtures/version_6.sql");

/// For each past version, its migration and what a server of that version had written.
const PAST: [(&str, &[&str]); 6] = [
    (include_str!("../../../migrations/directory/0001_ring_and_groups.sql"), &[FIRST]),
    (include_str!("../../../migrations/directory/0002_log.sql"), &[LOG]),
    // One index more.
    (include_str!("../../../migrations/directory/0003_members_by_nick.sql"), &[LOG]),
    (include_str!("../../../migrations/directory/0004_rulings.sql"), &[LOG, RULINGS]),
    (include_str!("../../../migrations/directory/0005_signed_lists.sql"), &[LOG, RULINGS, KEYS]),
    (include_str!("../../../migrations/directory/0006_ledger.sql"), &[LOG, RULINGS, KEYS, LEDGER]),
];

/// Makes a file as that version had left it.
fn make(path: &Path, version: usize) {
    let conn = Connection::open(path).unwrap();
    PAST[..version].iter().for_each(|(migration, _)| conn.execute_batch(migration).unwrap());
    PAST[version - 1].1.iter().for_each(|written| conn.execute_batch(written).unwrap());
    conn.pragma_update(None, "user_version", version as i64).unwrap();
}

#[test]
fn every_past_version_climbs_to_the_newest() {
    assert_eq!(PAST.len() as i64, SCHEMA_VERSION, "the newest schema needs a fixture, too");
    for version in 1..=PAST.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("directory.db");
        make(&path, version);
        let (mut store, Kept { state, log }) = SqliteStore::open(&path).unwrap();
        let view = state.view();
        assert_eq!((view.to_string(), &*view.nodes[0].name), ("net epoch 1.4 with 1 super nodes".to_string(), "alpha"));
        assert_eq!(view.nodes[0].admitted, view.epoch);
        assert_eq!(state.pending(), Some((6, &Plan::Points { points: 8 })));
        assert!(state.is_drained(&NodeKey::new("192.0.2.2").unwrap(), Incarnation(0xa2)));
        let ruling = state.ruling(&NodeKey::new("192.0.2.4").unwrap());
        assert_eq!(ruling, (version >= 4).then_some(Ruling::Refused));
        assert_eq!(view.directories[0].key.is_some(), version >= 5);
        let charter = state.ledger().charter(&GroupName::new("#erlang").unwrap());
        assert_eq!(charter.map(|charter| charter.seq), (version >= 6).then_some(17));
        let account = state.ledger().account(&Nick::new("JOE").unwrap());
        assert_eq!(
            account.map(|account| (&*account.secret, account.changed)),
            (version >= 6).then_some(("$argon2id$x", Time(1_700_000_000_001)))
        );
        assert_eq!(store.list_seed([9; 32]).unwrap(), if version >= 5 { [1; 32] } else { [9; 32] });
        assert_eq!(store.list_seed([8; 32]).unwrap(), store.list_seed([7; 32]).unwrap());
        // The log begins where the state is.
        let head = (log.promise.map(|promise| promise.server), log.base.index, log.records.len(), log.applied);
        assert_eq!(head, if version == 1 { (None, 0, 0, 0) } else { (Some(ServerId(0xd1)), 2, 1, 3) });
        let Ok(Answer::Record(Some(record))) = store.query(&Query::Record(GroupName::new("#erlang").unwrap())) else { panic!() };
        assert_eq!((record.seq, record.members[0].person.mask()), (17, "joe!j@host".to_string()));
        assert_eq!(record.copies.iter().map(NodeKey::as_str).collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.3"]);
        assert_eq!(&*record.settings.topic.unwrap().text, "hello");
        let now: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(now, SCHEMA_VERSION);
    }
}

/// Opens a file that `damage` was done to and compares the refusal, from the first colon.
#[track_caller]
fn check(damage: impl FnOnce(&Path), expect: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    damage(&path);
    let before = std::fs::read(&path).ok();
    let refused = SqliteStore::open(&path).unwrap_err().to_string();
    assert_eq!(refused.strip_prefix(&format!("{}: ", path.display())), Some(expect));
    assert_eq!(std::fs::read(&path).ok(), before, "a refused file was changed");
}

fn make_then(sql: &str) -> impl FnOnce(&Path) {
    move |path| {
        make(path, PAST.len());
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
}

#[test]
fn refused() {
    let foreign = "not a directory server's file: name another one, or move it out of the way";
    check(|path| std::fs::write(path, "a letter to my aunt, long enough to be looked at\n".repeat(99)).unwrap(), foreign);
    check(|path| Connection::open(path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap(), foreign);
    let newer =
        format!("written by a newer chatring (schema 99; this one knows up to {SCHEMA_VERSION}): run that version, or restore a backup");
    check(make_then("PRAGMA user_version = 99"), &newer);
    let rest = "restore a backup, or move the file away and let the super nodes register again";
    check(
        make_then("UPDATE super_nodes SET incarnation = 'x'; PRAGMA journal_mode = WAL"),
        &format!("super node '192.0.2.1' can't be read: argument '': must be 16 hexadecimal digits: {rest}"),
    );
    check(
        make_then("UPDATE log SET record = CAST('9:1.3,' AS BLOB); PRAGMA journal_mode = WAL"),
        &format!("record 3 of the log can't be read: argument '': must be netstrings: {rest}"),
    );
    check(
        make_then("UPDATE log SET number = 5; PRAGMA journal_mode = WAL"),
        &format!("record 5 of the log can't be read: argument '': record 3 is missing before it: {rest}"),
    );
    check(
        make_then("UPDATE planned SET record = CAST('4:frob,' AS BLOB); PRAGMA journal_mode = WAL"),
        &format!("the planned change can't be read: unknown command 'frob': {rest}"),
    );
}

#[test]
fn a_path_that_is_not_there() {
    let refused = SqliteStore::open("/nonexistent/directory.db").unwrap_err().to_string();
    assert!(refused.ends_with("check that its directory exists and that this user may write there"), "{refused}");
}

#[test]
fn a_damaged_group_stops_the_answer_and_names_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    make_then("UPDATE groups SET record = CAST('1:x,' AS BLOB)")(&path);
    let (mut store, _) = SqliteStore::open(&path).unwrap();
    let error = store.query(&Query::Record(GroupName::new("#erlang").unwrap())).unwrap_err().to_string();
    assert!(error.contains("group #erlang can't be read: argument 'created': must be a number"), "{error}");
}
