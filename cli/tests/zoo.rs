//! `chatctl plugin verify` names what is wrong with each plugin of the zoo (`tests/zoo`), and finds nothing wrong with those that are bundled.
//!
//! The first line of an animal says which check has to name it, how it ends, and with which words.
#![cfg(target_os = "linux")]

mod common;

use common::plugins::{bundled, c_library, example, verify};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What has to be said of an animal.
struct Animal {
    name: String,
    library: PathBuf,
    /// None: it is sound.
    bad: Option<Bad>,
}

struct Bad {
    check: String,
    result: String,
    words: String,
}

fn animals(dir: &Path) -> Vec<Animal> {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/zoo");
    let mut sources: Vec<PathBuf> = std::fs::read_dir(&zoo).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "rs"));
    sources.sort();
    let animal = |source: PathBuf| {
        let text = std::fs::read_to_string(&source).unwrap();
        let first = text.lines().next().unwrap();
        let says = first.split_once("verify: ").unwrap_or_else(|| panic!("{}: {first}", source.display())).1.trim_end_matches(" */");
        let bad = (says != "passes").then(|| {
            let mut parts = says.splitn(3, ' ').map(str::to_string);
            let mut part = || parts.next().unwrap();
            Bad { check: part(), result: part().to_lowercase(), words: part() }
        });
        let name = source.file_stem().unwrap().to_str().unwrap().to_string();
        let in_rust = source.extension().is_some_and(|extension| extension == "rs");
        let library = if in_rust { example("chatring-verify", &name) } else { c_library(dir, &source, &zoo) };
        Animal { name, library, bad }
    };
    sources.into_iter().map(animal).collect()
}

/// What is wrong with what was said of it.
fn look_at(animal: &Animal) -> Result<(), String> {
    let mut options = vec!["--seed", "7", "--patience", "3"];
    if let Some(bad) = &animal.bad {
        options.extend(["--only", &bad.check]);
    }
    let (code, report) = verify(&animal.library, &options);
    let checks = report["checks"].as_array().unwrap();
    let not_good = |outcome: &&serde_json::Value| !matches!(outcome["result"].as_str().unwrap(), "passed" | "skipped");
    let found: Vec<_> = checks.iter().filter(not_good).collect();
    let all = || format!("{}: {found:#?}", animal.name);
    match &animal.bad {
        None if code == 0 && found.is_empty() && report["passed"] == true => Ok(()),
        None => Err(all()),
        Some(bad) => {
            let own = found.iter().find(|outcome| outcome["check"] == bad.check.as_str());
            let named = own.is_some_and(|own| own["result"] == bad.result.as_str() && own["said"].as_str().unwrap().contains(&bad.words));
            // What its check needs has passed: nobody else is blamed.
            if code == 1 && named && found.len() == 1 && report["passed"] == false { Ok(()) } else { Err(all()) }
        }
    }
}

#[test]
fn every_animal_is_known_by_its_own_check() {
    let dir = tempfile::tempdir().unwrap();
    let animals = animals(dir.path());
    assert!(animals.len() > 60, "{} animals", animals.len());
    let (next, wrong) = (Mutex::new(animals.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(animal) = next.lock().unwrap().next() else { return };
                    if let Err(said) = look_at(animal) {
                        wrong.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_but_one_has_an_animal() {
    let dir = tempfile::tempdir().unwrap();
    let known: Vec<String> = animals(dir.path()).into_iter().filter_map(|animal| animal.bad).map(|bad| bad.check).collect();
    let without: Vec<&str> =
        chatring_verify::CHECKS.iter().map(|check| check.name).filter(|name| !known.iter().any(|one| one == name)).collect();
    // Files that are none are below; what is said of an empty table and of a setting that is none, of another table with the same code.
    assert_eq!(without, ["file.readable", "file.architecture", "start.empty", "start.unknown"]);
}

#[test]
fn what_is_no_plugin_file_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut foreign = std::fs::read(env!("CARGO_BIN_EXE_chatctl")).unwrap()[..64].to_vec();
    (foreign[16], foreign[18]) = (3, 22);
    let cases = [
        (dir.path().join("missing.so"), "file.readable", "No such file"),
        (file("empty.so", b""), "file.readable", "is empty"),
        (file("text.so", b"I am a plugin, honestly.\n"), "file.architecture", "something else"),
        (file("foreign.so", &foreign), "file.architecture", "is for s390x"),
    ];
    for (path, check, words) in cases {
        let (code, report) = verify(&path, &["--only", "entry"]);
        let bad = report["checks"].as_array().unwrap().iter().find(|outcome| outcome["result"] == "failed").unwrap();
        assert_eq!((code, &bad["check"]), (1, &check.into()), "{report:#}");
        assert!(bad["said"].as_str().unwrap().contains(words), "{report:#}");
    }
}

#[test]
fn a_start_that_panics_is_a_refusal_without_a_word() {
    let (code, report) = verify(&example("chatring-verify", "panics"), &["--config", "panic = 'start'", "--only", "start.given"]);
    let bad = report["checks"].as_array().unwrap().iter().find(|outcome| outcome["check"] == "start.given").unwrap();
    assert_eq!(code, 1);
    assert!(bad["said"].as_str().unwrap().contains("it panics"), "{bad:#}");
    assert!(bad["wrote"].to_string().contains("as its table wishes"), "{bad:#}");
}

#[test]
fn bundled_plugins_pass() {
    let dir = tempfile::tempdir().unwrap();
    let archive = format!("directory = '{}'", dir.path().display());
    let plugins = [
        ("chatring-resp", ""),
        ("chatring-irc", ""),
        ("chatring-json", ""),
        ("chatring-auth-open", ""),
        ("chatring-auth-password", ""),
        ("chatring-filter-flood", ""),
        ("chatring-filter-words", "words = ['darn']"),
        ("chatring-filter-log", &archive),
    ];
    for (package, config) in plugins {
        let (code, report) = verify(&bundled(package), &["--seed", "7", "--patience", "30", "--config", config]);
        assert_eq!((code, &report["passed"]), (0, &true.into()), "{package}: {report:#}");
    }
}

#[test]
fn people_read_lines() {
    let output =
        common::plugins::chatctl(&["plugin", "verify", "--seed", "7", "--only", "file"]).arg(bundled("chatring-auth-open")).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("libchatring_auth_open.so, seed 7"), "{text}");
    assert_eq!(lines[1], "ok       file.readable         can be read");
    assert_eq!(lines.last(), Some(&"4 checks: 4 passed"));
    assert!(!text.contains('\x1b'), "no colours in a pipe");
}
