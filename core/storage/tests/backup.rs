//! Copies of a directory's file: whole and sound though a server writes all the time, refused where they would do harm, and in the place of a file the beginning of another server.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chatring_machines::directory::{DirectoryState, Kept, KeptLog, LogWrite, MemoryStore};
use chatring_machines::machine::{Answer, Query, Store};
use chatring_machines::peer::Change;
use chatring_machines::time::Jitter;
use chatring_machines::view::RingParams;
use chatring_storage::{Copied, SCHEMA_VERSION, SqliteStore, back_up, restore};
use rusqlite::Connection;

fn found(network: &str, generation: u32) -> Change {
    Change::Found { network: network.into(), params: RingParams::default(), generation }
}

/// A server's file, with a network and something in it; and what is kept in it.
fn make(path: &Path, seed: u64, founded: Change) -> Kept {
    let (mut store, kept) = SqliteStore::open(path).unwrap();
    let mut jitter = Jitter::new(seed);
    store.commit(&[common::of(&kept, [founded])]).unwrap();
    for _ in 0..200 {
        let write = common::write(&mut jitter, store.kept());
        store.commit(&[write]).unwrap();
    }
    store.kept().clone()
}

/// The ring with all records that are in a file.
fn all_of(kept: &Kept) -> DirectoryState {
    let Kept { mut state, mut log } = kept.clone();
    let (_, changes) = log.write(&LogWrite { commit: log.last(), ..LogWrite::default() });
    changes.iter().for_each(|change| {
        state.apply(change);
    });
    state
}

#[test]
fn a_backup_beside_a_server_that_writes_is_as_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    make(&path, 1, common::found());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut store, _) = SqliteStore::open(&path).unwrap();
            let mut jitter = Jitter::new(2);
            while !is_over.load(Ordering::Relaxed) {
                let write = common::write(&mut jitter, store.kept());
                store.commit(&[write]).unwrap();
            }
        });
        for number in 0..10 {
            let copy = dir.path().join(format!("backup{number}"));
            let copied = back_up(&path, &copy).unwrap();
            // It is a whole file, with nothing beside it; opening it reads all of it.
            assert_eq!(copied.bytes, std::fs::metadata(&copy).unwrap().len());
            let (mut store, kept) = SqliteStore::open(&copy).unwrap();
            assert_eq!((&*copied.network, copied.epoch, copied.super_nodes), {
                let view = kept.state.view();
                (&*view.network, view.epoch, view.nodes.len())
            });
            let groups = store.query(&Query::Counts).unwrap();
            assert!(matches!(groups, Answer::Counts { groups, .. } if groups == copied.groups));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_restored_is_another_server_with_the_old_ring() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy] = ["directory.db", "backup"].map(|name| dir.path().join(name));
    let then = make(&path, 3, common::found());
    back_up(&path, &copy).unwrap();
    let mut model = MemoryStore::default();
    let (mut store, _) = SqliteStore::open(&copy).unwrap();
    let groups = common::answers(&mut store);
    drop(store);
    let now = make(&path, 4, found("net", 9));
    assert_ne!(now, then);

    let Copied { before, epoch, .. } = restore(&copy, &path, Some((Path::new("chatd.toml"), "net")), 0).unwrap();
    let (mut store, kept) = SqliteStore::open(&path).unwrap();
    assert_eq!(kept.log, KeptLog::default(), "it goes on as the server it was");
    let then = all_of(&then);
    assert_eq!((&kept.state.view().nodes, kept.state.plans()), (&then.view().nodes, then.plans()));
    // What it begins is above whatever was known here.
    assert_eq!((kept.state.view().epoch, kept.state.view().epoch.generation), (epoch, now.state.view().epoch.generation));
    // The groups are those of then.
    assert_eq!(common::answers(&mut store), groups);
    assert_ne!(groups, common::answers(&mut model));
    drop(store);
    // Nothing was lost: the file that was replaced can be used again.
    let (_, kept) = SqliteStore::open(before.unwrap()).unwrap();
    assert_eq!(kept, now);
    assert!(restore(&copy, &path, None, 0).unwrap_err().to_string().contains("directory.db.before-restore: is there already"));
}

#[test]
fn a_lost_file_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy] = ["directory.db", "backup"].map(|name| dir.path().join(name));
    let then = make(&path, 3, common::found());
    back_up(&path, &copy).unwrap();
    for damage in ["nothing is there", "it is damaged"] {
        std::fs::remove_file(&path).unwrap();
        if damage == "it is damaged" {
            let mut bytes = std::fs::read(&copy).unwrap();
            bytes[200..].fill(7);
            std::fs::write(&path, bytes).unwrap();
        }
        restore(&copy, &path, None, 0).unwrap();
        let (_, kept) = SqliteStore::open(&path).unwrap();
        assert_eq!(kept.state, all_of(&then), "{damage}");
    }
}

#[test]
fn a_backup_of_an_earlier_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let [old, path] = ["backup", "directory.db"].map(|name| dir.path().join(name));
    let conn = Connection::open(&old).unwrap();
    conn.execute_batch(include_str!("../../../migrations/directory/0001_ring_and_groups.sql")).unwrap();
    conn.execute_batch(include_str!("fixtures/version_1.sql")).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    drop(conn);
    let bytes = std::fs::read(&old).unwrap();
    let copied = restore(&old, &path, None, 0).unwrap();
    let (_, kept) = SqliteStore::open(&path).unwrap();
    assert_eq!((kept.state.view().epoch, kept.log), (copied.epoch, KeptLog::default()));
    assert_eq!(std::fs::read(&old).unwrap(), bytes, "the backup was changed");
}

#[test]
fn what_an_operator_knows_of_counts_too() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy] = ["directory.db", "backup"].map(|name| dir.path().join(name));
    make(&path, 3, common::found());
    let generation = back_up(&path, &copy).unwrap().epoch.generation;
    assert_eq!(restore(&copy, &dir.path().join("new.db"), None, generation + 7).unwrap().epoch.generation, generation + 7);
}

/// Compares a refusal, from the first colon. Nothing may have changed by it.
#[track_caller]
fn check(prepare: impl FnOnce(&Path), act: impl FnOnce(&Path) -> String, expect: &str) {
    let dir = tempfile::tempdir().unwrap();
    make(&dir.path().join("directory.db"), 5, common::found());
    make(&dir.path().join("other.db"), 11, found("other", 1));
    std::fs::write(dir.path().join("letter"), "a letter to my aunt, long enough to be looked at\n".repeat(99)).unwrap();
    prepare(dir.path());
    let before = files(dir.path());
    let refused = act(dir.path());
    let folder = format!("{}/", dir.path().display());
    assert_eq!(refused.replace(&folder, ""), expect);
    assert_eq!(files(dir.path()), before, "a refusal changed something");
}

/// All but SQLite's own.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let ours = all.filter(|path| !["-wal", "-shm", ".lock"].iter().any(|end| path.to_string_lossy().ends_with(end)));
    let mut files: Vec<_> = ours.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

fn sql(name: &'static str, sql: &'static str) -> impl FnOnce(&Path) {
    move |dir| Connection::open(dir.join(name)).unwrap().execute_batch(sql).unwrap()
}

#[test]
fn refused() {
    let backup = |from: &'static str, to: &'static str| move |dir: &Path| back_up(&dir.join(from), &dir.join(to)).unwrap_err().to_string();
    let put =
        |from: &'static str, to: &'static str| move |dir: &Path| restore(&dir.join(from), &dir.join(to), None, 0).unwrap_err().to_string();
    let nothing = |_: &Path| {};
    let foreign = "letter: not a directory server's file: name another one, or move it out of the way";
    let absent = "absent: No such file or directory (os error 2): name a file that is there, and that this user may read";
    check(
        nothing,
        backup("directory.db", "letter"),
        "letter: is there already, and is not overwritten: name another file, or move it out of the way",
    );
    check(nothing, backup("letter", "new"), foreign);
    check(nothing, backup("absent", "new"), absent);
    check(
        |dir| drop(SqliteStore::open(dir.join("new.db")).unwrap()),
        backup("new.db", "new"),
        "new.db: holds no network yet: name the file of a directory server that has one",
    );
    check(nothing, put("letter", "directory.db"), foreign);
    check(nothing, put("absent", "directory.db"), absent);
    check(nothing, put("directory.db", "letter"), foreign);
    check(
        nothing,
        put("other.db", "directory.db"),
        "other.db: is of network 'other', and directory.db is of network 'net': name a backup of that one",
    );
    check(
        nothing,
        |dir| restore(&dir.join("directory.db"), &dir.join("new"), Some((Path::new("chatd.toml"), "other")), 0).unwrap_err().to_string(),
        "directory.db: is of network 'net', and chatd.toml is of network 'other': name a backup of that one",
    );
    let newer = format!(
        "directory.db: written by a newer chatring (schema 99; this one knows up to {SCHEMA_VERSION}): run that version, or restore a backup"
    );
    check(sql("directory.db", "PRAGMA user_version = 99"), put("directory.db", "new"), &newer);
    check(
        sql("directory.db", "UPDATE super_nodes SET incarnation = 'x'"),
        |dir| {
            put("directory.db", "new")(dir)
                .split(": argument")
                .next()
                .unwrap()
                .replace("192.0.2.1'", "…'")
                .replace("192.0.2.2:7412'", "…'")
                .replace("2001:db8::1'", "…'")
        },
        "directory.db: super node '…' can't be read",
    );
    check(
        nothing,
        |dir| {
            let _runs = SqliteStore::open(dir.join("directory.db")).unwrap();
            put("directory.db", "directory.db")(dir)
        },
        "directory.db: its directory server is running: stop it first, and all other directory servers of the network",
    );
}

#[test]
fn a_damaged_file_is_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    make(&path, 7, common::found());
    // An index that has not what the table has.
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX groups_by_master ON groups (name, master)' WHERE name = 'groups_by_master'").unwrap();
    drop(conn);
    let refused = back_up(&path, &dir.path().join("backup")).unwrap_err().to_string();
    assert!(refused.contains("is damaged: ") && refused.ends_with("or one of another directory server"), "{refused}");
    assert!(!dir.path().join("backup").exists());
}
