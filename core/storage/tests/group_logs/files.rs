//! Which files are opened: those of every past version, brought up to date; and which are refused, untouched, with a word on what to do.

use std::path::Path;

use chatring_machines::keeping::{Durability, Keeper};
use chatring_machines::names::NodeKey;
use chatring_storage::{GROUP_LOGS_VERSION, GroupLogs, LogOptions};
use rusqlite::Connection;

use crate::common;

/// For each past version, its migration and what a node of that version had written.
const PAST: [(&str, &str); 1] =
    [(include_str!("../../../../migrations/super_node/0001_group_logs.sql"), include_str!("../fixtures/group_logs_1.sql"))];

/// Makes a file as that version had left it.
fn make(path: &Path, version: usize) {
    let conn = Connection::open(path).unwrap();
    PAST[..version].iter().for_each(|(migration, _)| conn.execute_batch(migration).unwrap());
    conn.execute_batch(PAST[version - 1].1).unwrap();
    conn.pragma_update(None, "user_version", version as i64).unwrap();
}

#[test]
fn every_past_version_climbs_to_the_newest() {
    assert_eq!(PAST.len() as i64, GROUP_LOGS_VERSION, "the newest schema needs a fixture, too");
    for version in 1..=PAST.len() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("groups.db");
        make(&path, version);
        let (mut logs, kept) = common::open(&path, Durability::Disk);
        assert_eq!(common::shown(&kept), "#erlang 2 1..3 whole");
        assert_eq!(kept[0].image.members[0].0.person.mask(), "joe!j@host");
        assert_eq!((kept[0].standing.members.len(), kept[0].tail().len()), (2, 1));
        logs.keep(&[common::keeping("#erlang", common::entries(5, 4..=4, "x"))]).unwrap();
        drop(logs);
        assert_eq!(common::shown(&common::open(&path, Durability::Disk).1), "#erlang 2 1..4 whole");
        let now: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(now, GROUP_LOGS_VERSION);
    }
}

/// Opens a file that `damage` was done to and compares the refusal, from the first colon.
#[track_caller]
fn check(damage: impl FnOnce(&Path), expect: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    damage(&path);
    let before = std::fs::read(&path).unwrap();
    let refused = common::try_open(&path, common::options(Durability::Disk)).unwrap_err().to_string();
    let refused = refused.strip_prefix(&format!("{}: ", path.display())).expect("the file is named");
    assert!(refused.starts_with(expect), "{refused}");
    // Its journal mode may be ours by now, and that it is in use.
    let same = before.len() == std::fs::read(&path).unwrap().len();
    assert!(same, "a refused file was changed");
}

fn make_then(sql: &str) -> impl FnOnce(&Path) {
    move |path| {
        make(path, PAST.len());
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
}

#[test]
fn refused() {
    let foreign = "not a super node's file: name another one, or move it out of the way";
    check(|path| std::fs::write(path, "a letter to my aunt, long enough to be looked at\n".repeat(99)).unwrap(), foreign);
    let directory = include_str!("../../../../migrations/directory/0001_ring_and_groups.sql");
    check(|path| Connection::open(path).unwrap().execute_batch(directory).unwrap(), foreign);
    check(make_then("PRAGMA user_version = 99"), "written by a newer chatring (schema 99; this one knows up to ");
    let holds = "holds the groups of node 192.0.2.9 of network \"net\", and this is node 192.0.2.1 of network \"net\": name another";
    check(make_then("UPDATE owner SET key = '192.0.2.9'"), holds);
    check(make_then("UPDATE owner SET network = 'other'"), "holds the groups of node 192.0.2.1 of network \"other\", and");
    let rest = "move the file away: what other nodes hold of its groups comes back from them";
    let image = format!("the image of #erlang can't be read: argument '': must be netstrings: {rest}");
    check(make_then("UPDATE images SET record = CAST('9:1.3,' AS BLOB)"), &image);
    check(make_then("UPDATE chunks SET first = 2, last = 4"), "the log of #erlang from 2 to 4 can't be read: argument '': has a hole: ");
    check(make_then("UPDATE groups SET name = 'erlang'"), "group erlang can't be read: ");
    check(make_then("DELETE FROM groups"), "group number 1 can't be read: argument '': has no name: ");
}

#[test]
fn a_file_whose_pages_are_torn() {
    let tear = |path: &Path| {
        make(path, PAST.len());
        let mut bytes = std::fs::read(path).unwrap();
        bytes[4096..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    };
    check(tear, "database disk image is malformed: move the file away: what other nodes hold of its groups comes back from them");
}

#[test]
fn one_file_serves_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let first = common::open(&path, Durability::Disk);
    let refused = GroupLogs::open(&path, common::options(Durability::Disk)).unwrap_err().to_string();
    assert!(refused.ends_with("in use by another process: every super node needs a file of its own"), "{refused}");
    drop(first);
    let other = LogOptions { key: NodeKey::new("192.0.2.2").unwrap(), ..common::options(Durability::Disk) };
    let refused = common::try_open(&path, other).unwrap_err().to_string();
    assert!(refused.contains("holds the groups of node 192.0.2.1 of network \"net\", and this is node 192.0.2.2"), "{refused}");
}

/// What a copy that was whole is after one process under `durability` that ended in order or not, and a start.
#[track_caller]
fn check_whole(durability: Durability, in_order: bool, expect: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::open(&path, durability);
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 1)), common::keeping("#a", common::standing(1, true))]).unwrap();
    if in_order {
        logs.close().unwrap();
    }
    drop(logs);
    let (mut logs, kept) = common::open(&path, Durability::Disk);
    assert_eq!(kept[0].standing.whole, expect);
    // What is not whole does not become so by the next start.
    logs.close().unwrap();
    drop(logs);
    assert_eq!(common::open(&path, Durability::Disk).1[0].standing.whole, expect);
}

#[test]
fn who_may_say_that_nothing_is_missing() {
    check_whole(Durability::Disk, false, true);
    check_whole(Durability::Disk, true, true);
    check_whole(Durability::Replicated, true, true);
    check_whole(Durability::Replicated, false, false);
}

#[test]
fn a_file_that_was_left_alone_for_a_while_vouches_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::open(&path, Durability::Replicated);
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 1)), common::keeping("#a", common::standing(1, true))]).unwrap();
    logs.close().unwrap();
    drop(logs);
    drop(common::open(&path, Durability::Memory));
    assert!(!common::open(&path, Durability::Disk).1[0].standing.whole);
}
