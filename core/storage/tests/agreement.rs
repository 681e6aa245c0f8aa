//! The store on disk and the one in memory are the same function: whatever the changes, the same ring and the same answers, and again after a restart.

mod common;

use chatring_machines::directory::{DRAINED_KEPT, MemoryStore, VIEWS_KEPT};
use chatring_machines::machine::Store;
use chatring_machines::peer::Change;
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
        let mut changes: Vec<Change> = (0..jitter.below(8)).map(|_| common::change(&mut jitter, model.state().plans().number)).collect();
        if batch == 1 {
            changes.push(common::found());
        }
        model.commit(&changes).unwrap();
        store.commit(&changes).unwrap();
        assert_eq!(store.state(), model.state(), "seed {seed}, batch {batch}");
        if jitter.below(10) == 0 || batch + 1 == batches {
            drop(store);
            let (reopened, state) = SqliteStore::open(&path).unwrap();
            assert_eq!(&state, model.state(), "seed {seed}, reopened after batch {batch}");
            store = reopened;
        }
        for (disk, memory) in common::answers(&mut store).into_iter().zip(common::answers(&mut model)) {
            assert_eq!(disk, memory, "seed {seed}, batch {batch}");
        }
    }
    dir
}

#[test]
fn random_changes() {
    for seed in 0..40 {
        check(seed, 30);
    }
}

#[test]
fn so_many_that_old_views_are_forgotten() {
    let file = check(1_000, 400);
    let count = |table: &str| -> i64 {
        let conn = Connection::open(file.path().join("directory.db")).unwrap();
        conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("past_views"), VIEWS_KEPT as i64 - 1, "with the current one there are VIEWS_KEPT");
    // Enough to show that they are written at all; their bound is the state's.
    assert!((1..=DRAINED_KEPT as i64).contains(&count("drained")), "{} drained", count("drained"));
}
