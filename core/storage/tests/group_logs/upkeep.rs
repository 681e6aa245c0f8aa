//! What is forgotten leaves, and takes its room along.

use std::path::Path;

use chatring_machines::keeping::{Durability, Keep, Keeper};
use chatring_machines::time::Time;
use chatring_storage::{GroupLogs, LogOptions};
use rusqlite::Connection;

use crate::common;

fn rows(path: &Path) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM groups) + (SELECT count(*) FROM images) + (SELECT count(*) FROM chunks)";
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_dropped_group_leaves_nothing_and_the_file_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::open(&path, Durability::Replicated);
    let text = "x".repeat(500);
    for n in 0..40 {
        let group = format!("#g{n}");
        let keeps = [common::image(1, 0, 1, 5), common::entries(1, 1..=300, &text), common::standing(1, true)];
        logs.keep(&keeps.map(|what| common::keeping(&group, what))).unwrap();
    }
    while logs.tidy(Time(0)).unwrap() {}
    let full = std::fs::metadata(&path).unwrap().len();
    let drops: Vec<_> = (0..40).map(|n| common::keeping(&format!("#g{n}"), Keep::Drop)).collect();
    logs.keep(&drops).unwrap();
    while logs.tidy(Time(1)).unwrap() {}
    logs.keep(&[common::keeping("#g1", common::standing(1, true))]).unwrap();
    while logs.tidy(Time(2)).unwrap() {}
    assert_eq!(rows(&path), 1);
    let left = std::fs::metadata(&path).unwrap().len();
    assert!(full > 10 << 20 && left < full / 5, "{full} bytes, then {left}");
}

#[test]
fn what_is_old_goes_but_for_what_the_image_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::try_open(&path, LogOptions { age_ms_max: 100_000, ..common::options(Durability::Disk) }).unwrap();
    // An entry a second, and an image after a hundred.
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 0))]).unwrap();
    for second in 1..=150 {
        logs.keep(&[common::keeping("#a", common::entries(1, second..=second, "x"))]).unwrap();
        if second == 100 {
            logs.keep(&[common::keeping("#a", common::image(1, 100, 1, 0))]).unwrap();
        }
    }
    let shown = |logs: &mut GroupLogs, at: u64| {
        while logs.tidy(Time(at)).unwrap() {}
        let count = "SELECT min(first) || '..' || max(last) FROM chunks";
        Connection::open(&path).unwrap().query_row(count, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(shown(&mut logs, 101_000), "1..150");
    assert_eq!(shown(&mut logs, 130_000), "1..150", "not looked at more often than once a minute");
    assert_eq!(shown(&mut logs, 161_000), "61..150");
    assert_eq!(shown(&mut logs, 999_000), "101..150", "what the image has not is never too old");
    // The log goes on from there.
    logs.keep(&[common::keeping("#a", common::entries(1, 151..=151, "x"))]).unwrap();
    drop(logs);
    assert_eq!(common::shown(&common::open(&path, Durability::Disk).1), "#a 100 101..151");
}

#[test]
fn an_image_says_how_much_of_the_log_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::open(&path, Durability::Disk);
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 0)), common::keeping("#a", common::entries(1, 1..=1_000, "x"))]).unwrap();
    logs.keep(&[common::keeping("#a", common::image(1, 1_000, 700, 0))]).unwrap();
    assert_eq!(rows(&path), 1 + 1 + 2, "two of four rows of the log are left");
    drop(logs);
    assert_eq!(common::shown(&common::open(&path, Durability::Disk).1), "#a 1000 700..1000");
}
