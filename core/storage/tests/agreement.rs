//! The store on disk and the one in memory are the same function: whatever is written, the same is kept and the same answered, and again after a restart.

mod common;

use chatring_machines::directory::{DRAINED_KEPT, MemoryStore};
use chatring_machines::machine::{Store, Write};
use chatring_machines::time::Jitter;
use chatring_storage::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

#[track_caller]
fn check(seed: u64, batches: u64) -> TempDir {
    let mut jitter = Jitter::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.db");
    let mut model = MemoryStore::default();
    let (mut store, _) = SqliteStore::open(&path).unwrap();
    for batch in 0..batches {
        // Changes before the founding have no effect, in both.
        let mut writes: Vec<Write> = Vec::new();
        let mut ahead = model.clone();
        for _ in 0..jitter.below(5) {
            let write = common::write(&mut jitter, ahead.kept());
            ahead.commit(std::slice::from_ref(&write)).unwrap();
            writes.push(write);
        }
        if batch == 1 {
            writes.push(common::of(ahead.kept(), [common::found()]));
        }
        model.commit(&writes).unwrap();
        store.commit(&writes).unwrap();
        assert_eq!(store.kept(), model.kept(), "seed {seed}, batch {batch}");
        if jitter.below(10) == 0 || batch + 1 == batches {
            drop(store);
            let (reopened, kept) = SqliteStore::open(&path).unwrap();
            assert_eq!(&kept, model.kept(), "seed {seed}, reopened after batch {batch}");
            store = reopened;
        }
        for (disk, memory) in common::answers(&mut store).into_iter().zip(common::answers(&mut model)) {
            assert_eq!(disk, memory, "seed {seed}, batch {batch}");
        }
    }
    dir
}

#[test]
fn random_writes() {
    for seed in 0..40 {
        check(seed, 40);
    }
}

#[test]
fn so_many_that_old_ones_are_forgotten() {
    let file = check(1_000, 800);
    let conn = Connection::open(file.path().join("directory.db")).unwrap();
    let count = |table: &str| -> i64 { conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
    // Enough to show that they are written at all; their bound is the state's.
    assert!((1..=DRAINED_KEPT as i64).contains(&count("drained")), "{} drained", count("drained"));
    let first: i64 = conn.query_row("SELECT min(number) FROM log", [], |row| row.get(0)).unwrap();
    assert!(first > 10, "nothing of the log was forgotten");
}
