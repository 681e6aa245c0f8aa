//! On a full disk nothing is half written, nothing is forgotten, and keeping goes on when there is room.

use std::path::Path;
use std::process::Command;

use chatring_machines::keeping::{Durability, Keeper, Keeping};

use crate::common;

#[test]
fn a_full_disk_refuses_a_batch_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("groups.db");
    let (mut logs, _) = common::open(&path, Durability::Disk);
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 2)), common::keeping("#b", common::image(1, 0, 1, 2))]).unwrap();
    logs.keep(&[common::keeping("#b", common::entries(1, 1..=40, "x"))]).unwrap();
    logs.bound(256 << 10).unwrap();
    let text = "x".repeat(2_000);
    let batch = |from: u64| -> Vec<Keeping> {
        let of_a = common::keeping("#a", common::entries(1, from..=from + 9, &text));
        // All that a batch can change, so that all of it has to be taken back.
        let image = common::image(1, from, 1, 3);
        vec![
            of_a,
            common::keeping("#b", image),
            common::keeping("#c", common::image(1, 0, 1, 1)),
            common::keeping("#a", common::standing(from, true)),
        ]
    };
    let mut from = 1;
    let why = loop {
        let mut keeps = batch(from);
        // The last one before the disk is full drops and cuts, too.
        keeps.push(common::keeping("#b", common::image(1, 20, 5, 0)));
        keeps.push(common::keeping("#b", common::entries(2, 10..=40, "y")));
        match logs.keep(&keeps) {
            Ok(()) => from += 10,
            Err(error) => break error.0,
        }
    };
    assert!(why.starts_with(&path.display().to_string()) && why.contains("disk is full"), "{why}");
    assert!(from > 10, "something was written");
    // Again and again, as the thread does; then the disk has room.
    let mut last = batch(from);
    last.push(common::keeping("#c", chatring_machines::keeping::Keep::Drop));
    assert!(logs.keep(&last).is_err() && logs.keep(&last).is_err());
    logs.bound(64 << 20).unwrap();
    logs.keep(&last).unwrap();
    drop(logs);
    let (mut logs, kept) = common::open(&path, Durability::Disk);
    assert_eq!(
        common::shown(&kept),
        format!("#a 0 1..{} whole; #b {}{}", from + 9, from, if from < 40 { format!(" 10..{from}") } else { String::new() })
    );
    logs.close().unwrap();
}

/// A disk of two megabytes, gone with this.
struct Small<'a>(&'a Path);

impl Small<'_> {
    fn mount(at: &Path) -> Option<Small<'_>> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Small(at))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        let done = unmounted.is_ok_and(|status| status.success());
        assert!(done || std::thread::panicking(), "{} is still mounted", self.0.display());
    }
}

#[test]
fn a_disk_that_is_really_full() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(dir.path()) else {
        eprintln!("SKIPPED: this machine does not let us mount a small disk");
        return;
    };
    let path = dir.path().join("groups.db");
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let (mut logs, _) = common::open(&path, Durability::Disk);
    logs.keep(&[common::keeping("#a", common::image(1, 0, 1, 2))]).unwrap();
    let text = "x".repeat(2_000);
    let batch =
        |seq: u64| [common::keeping("#a", common::entries(1, seq..=seq, &text)), common::keeping("#a", common::standing(seq, true))];
    let full = (1..).find(|seq| logs.keep(&batch(*seq)).is_err()).unwrap();
    assert!(full > 10 && logs.keep(&batch(full)).is_err());
    // Killed at this moment, it finds all it had acknowledged as soon as there is room.
    drop(logs);
    std::fs::remove_file(ballast).unwrap();
    let (mut logs, kept) = common::open(&path, Durability::Disk);
    assert_eq!(common::shown(&kept), format!("#a 0 1..{} whole", full - 1));
    logs.keep(&batch(full)).unwrap();
    drop(logs);
    assert_eq!(common::shown(&common::open(&path, Durability::Disk).1), format!("#a 0 1..{full} whole"));
    drop(small);
}
