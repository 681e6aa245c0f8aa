//! The filter as chatd uses it: a directory, things that people do, and the lines of them.

use super::*;
use chatring_sdk::{Person, What};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// 29 November 2026, 05:17:07.123.
const NOW_MS: u64 = 1_795_929_427_123;
const FILE: &str = "chat-00000001-2026-11-29T05-17-07Z.jsonl";

/// The filter with this directory and these settings.
fn archiver(dir: &Path, settings: &str) -> Archiver {
    let filter = Archiver::start(&format!("directory = '{}'\n{settings}", dir.display())).unwrap();
    Archiver { now_ms: Box::new(|| NOW_MS), ..filter }
}

fn says<'a>(group: &'a str, text: &'a str) -> Deed<'a> {
    let by = Person { nick: "joe", user: "~j", host: "192.0.2.7", account: "Joe" };
    Deed { what: What::Message, group, text, by, listener: "irc" }
}

#[track_caller]
fn lines(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether what is done in each of these is written.
#[track_caller]
fn check(settings: &str, targets: &[(&str, bool)]) {
    let dir = TempDir::new().unwrap();
    let filter = archiver(dir.path(), settings);
    for (target, _) in targets {
        assert_eq!(filter.judge(&says(target, "x")), Judgment::Pass);
    }
    drop(filter);
    let expect: Vec<&str> = targets.iter().filter(|(_, is_written)| *is_written).map(|(target, _)| *target).collect();
    let found = lines(dir.path());
    let found: Vec<&str> = found.iter().map(|line| line["group"].as_str().unwrap()).collect();
    assert_eq!(found, expect);
}

#[test]
fn what_is_written() {
    let dir = TempDir::new().unwrap();
    let filter = archiver(dir.path(), "");
    let text = "say \"hi\"\n\u{1}\u{1f600}";
    for what in What::ALL {
        let text = if what == What::Join { "" } else { text };
        assert_eq!(filter.judge(&Deed { what, ..says("#g", text) }), Judgment::Pass);
    }
    // The last lines are written when it ends.
    drop(filter);
    let lines = lines(dir.path());
    let words: Vec<&str> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["message", "notice", "join", "topic"]);
    let expect = serde_json::json!({
        "time": "2026-11-29T05:17:07.123Z", "what": "message", "group": "#g", "nick": "joe", "account": "Joe", "host": "192.0.2.7",
        "listener": "irc", "text": text,
    });
    assert_eq!(lines[0], expect);
    assert_eq!(lines[2]["text"], "");
}

#[test]
fn which_groups_and_whether_private_messages() {
    check("", &[("#a", true), ("joe", false), ("@joe", false)]);
    check("private = true", &[("#a", true), ("joe", true), ("@joe", true)]);
    let targets = [("#dev", true), ("#dev-rust", true), ("#ops", true), ("#OPS", true), ("#ops2", false), ("#xdev", false), ("joe", false)];
    check("groups = ['#Dev*', '#ops']", &targets);
    check("groups = ['#ops']\nprivate = true", &[("#dev", false), ("joe", true)]);
}

/// A file that a disk without room stands for, until it is taken away.
#[test]
#[cfg(target_os = "linux")]
fn nobody_waits_for_a_disk() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(FILE);
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let filter = archiver(dir.path(), "");
    let (text, count) = ("x".repeat(16 << 10), 1_000);
    for number in 0..count {
        let nick = number.to_string();
        let deed = says("#g", &text);
        assert_eq!(filter.judge(&Deed { by: Person { nick: &nick, ..deed.by }, ..deed }), Judgment::Pass);
    }
    filter.fire(FLUSH);
    fs::remove_file(&file).unwrap();
    drop(filter);
    // What had room while the disk had none, from the first, in order.
    let nicks: Vec<String> = lines(dir.path()).iter().map(|line| line["nick"].as_str().unwrap().to_string()).collect();
    assert!(nicks.iter().eq((0..nicks.len()).map(|number| number.to_string()).collect::<Vec<_>>().iter()), "{nicks:?}");
    let line = fs::metadata(&file).unwrap().len() as usize / nicks.len();
    assert!(
        nicks.len() < count && (writer::WAITING_MAX - 2 * line..=writer::WAITING_MAX).contains(&(nicks.len() * line)),
        "{}",
        nicks.len()
    );
}

#[test]
fn bad_settings_are_refused() {
    let dir = TempDir::new().unwrap();
    #[track_caller]
    fn check(config: &str, complaint: &str) {
        let said = Archiver::start(config).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    }
    check("", "directory: expected the directory for its files");
    check("directory = '/nowhere/at/all'", "directory = \"/nowhere/at/all\": expected a directory that files can be made in: No such file");
    check("directory = '/dev/null'", "expected a directory that files can be made in");
    let here = |settings: &str| format!("directory = '{}'\n{settings}", dir.path().display());
    check(&here("dir = 1"), "unknown field `dir`");
    check(&here("private = 'no'"), "invalid type");
    for size in ["64", "63KiB", "65GiB", "1mib", "", "99999999999999999999KiB", "é"] {
        check(&here(&format!("rotate_size = '{size}'")), &format!("rotate_size = {size:?}: expected a size with its unit"));
    }
    for age in ["24", "59s", "8761h", "1d", "", "99999999999999999999h"] {
        check(&here(&format!("rotate_age = '{age}'")), &format!("rotate_age = {age:?}: expected a time with its unit (s, m or h)"));
    }
    check(&here("keep = 0"), "keep = 0: expected a number from 1 to 100000");
    check(&here("keep = 100001"), "keep = 100001: expected a number from 1 to 100000");
    check(&here("groups = ['dev']"), "groups: \"dev\": expected the name of a group, `*` standing for anything");
    check(&here("groups = ['']"), "groups: \"\": expected the name");
    check(&here("groups = ['#a,#b']"), "groups: \"#a,#b\": expected the name");
    check(&here(&format!("groups = ['#{}']", "x".repeat(64))), "expected the name");
    check(&here(&format!("groups = [{}]", "'#x',".repeat(101))), "groups: found 101, expected at most 100");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "a look leaves nothing behind");
}
