//! The authenticator as chatd uses it: a file, a config, questions.

use super::*;
use argon2::{Params, password_hash::phc::PasswordHash};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A line at a cost that tests can afford.
fn cheap(name: &str, password: &str) -> String {
    at_cost(name, password, 8, 1)
}

fn at_cost(name: &str, password: &str, kib: u32, passes: u32) -> String {
    let argon2 = Argon2::from(Params::new(kib, passes, 1, None).unwrap());
    let hash: PasswordHash = argon2.hash_password(password.as_bytes()).unwrap();
    format!("{name}:{hash}")
}

fn start(file: &Path) -> Result<Password, String> {
    Password::start(&format!("file = '{}'", file.display()))
}

fn with_file(text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("passwords");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

fn ask<'a>(name: &'a str, secret: &'a str) -> Ask<'a> {
    Ask { ticket: 0, mechanism: "password", name, secret: secret.as_bytes(), kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" }
}

fn wrong() -> Verdict {
    Verdict::Deny(WRONG.to_string())
}

#[test]
fn who_gets_in() {
    let text = format!("# people\n\n{}\r\n  {}\n", cheap("Joe", "sesame"), cheap("zoë", "пароль"));
    let (_dir, file) = with_file(&text);
    let plugin = start(&file).unwrap();
    #[track_caller]
    fn check(plugin: &Password, name: &str, secret: &str, expected: Option<&str>) {
        let expected = expected.map_or_else(wrong, |name| Verdict::Accept(Some(name.to_string())));
        assert_eq!(plugin.check(&ask(name, secret)), expected);
    }
    check(&plugin, "Joe", "sesame", Some("Joe"));
    check(&plugin, "jOE", "sesame", Some("Joe"));
    check(&plugin, "zoë", "пароль", Some("zoë"));
    check(&plugin, "Joe", "Sesame", None);
    check(&plugin, "Joe", "", None);
    check(&plugin, "Joe", "пароль", None);
    check(&plugin, "eve", "sesame", None);
    check(&plugin, "~~~", "sesame", None);
    check(&plugin, "", "sesame", None);
    check(&plugin, "Joe", &"s".repeat(SECRET_MAX + 1), None);
}

#[test]
fn only_passwords_are_its_business() {
    let (_dir, file) = with_file("");
    let plugin = start(&file).unwrap();
    assert_eq!(plugin.check(&Ask { mechanism: "none", ..ask("joe", "") }), Verdict::Decline);
    assert_eq!(plugin.check(&Ask { mechanism: "certificate", ..ask("joe", "") }), Verdict::Decline);
    assert_eq!(plugin.check(&ask("joe", "sesame")), wrong(), "with an empty file, too");
}

#[test]
fn guessing_is_slowed_down() {
    let (_dir, file) = with_file(&format!("{}\n{}", cheap("joe", "sesame"), cheap("ann", "apple")));
    let config = format!("file = '{}'\nfailures_per_address = 3\nfailures_per_account = 4", file.display());
    let plugin = Password::start(&config).unwrap();
    let held = |verdict: Verdict| matches!(&verdict, Verdict::Deny(why) if why.starts_with("too many wrong passwords: try again in "));
    let from = |peer, name, secret| Ask { peer, ..ask(name, secret) };
    for _ in 0..3 {
        assert_eq!(plugin.check(&from("192.0.2.1", "joe", "guess")), wrong());
    }
    // That address waits, whoever it says it is; others do not.
    assert!(held(plugin.check(&from("192.0.2.1", "joe", "sesame"))) && held(plugin.check(&from("192.0.2.1", "ann", "apple"))));
    assert_eq!(plugin.check(&from("192.0.2.2", "JOE", "guess")), wrong());
    assert!(held(plugin.check(&from("192.0.2.3", "joe", "sesame"))), "the account had its four");
    assert_eq!(plugin.check(&from("192.0.2.3", "ann", "apple")), Verdict::Accept(Some("ann".into())));
}

#[test]
fn accounts_of_the_directory() {
    let hash = |password: &str| cheap("x", password)["x:".len()..].to_string();
    let (sesame, other) = (hash("sesame"), hash("other"));
    let (_dir, file) = with_file(&cheap("filed", "in the file"));
    #[track_caller]
    fn check(plugin: &Password, ask: Ask<'_>, expect: Result<&str, &str>) {
        let expect = expect.map_or_else(|why| Verdict::Deny(why.to_string()), |name| Verdict::Accept(Some(name.to_string())));
        assert_eq!(plugin.check(&ask), expect);
    }
    for plugin in [Password::start("").unwrap(), start(&file).unwrap()] {
        check(&plugin, Ask { kept: Kept::Secret(&sesame), ..ask("joe", "sesame") }, Ok("joe"));
        check(&plugin, Ask { kept: Kept::Secret(&other), ..ask("joe", "sesame") }, Err(WRONG));
        check(&plugin, ask("joe", "sesame"), Err(WRONG));
        check(&plugin, Ask { kept: Kept::Unknown, ..ask("joe", "sesame") }, Err(OUT_OF_REACH));
        check(&plugin, Ask { kept: Kept::Secret("sesame"), ..ask("joe", "sesame") }, Err(UNREADABLE));
        check(&plugin, Ask { kept: Kept::Secret(&sesame.replace("m=8", "m=2000000")), ..ask("joe", "sesame") }, Err(UNREADABLE));
    }
    // The file goes first, whatever the directory says, or doesn't.
    let plugin = start(&file).unwrap();
    for kept in [Kept::Nothing, Kept::Unknown, Kept::Secret(&sesame)] {
        check(&plugin, Ask { kept, ..ask("FILED", "in the file") }, Ok("filed"));
        check(&plugin, Ask { kept, ..ask("filed", "sesame") }, Err(WRONG));
    }
}

#[track_caller]
fn check_bad(text: &str, complaint: &str) {
    let (_dir, file) = with_file(text);
    let said = start(&file).err().expect("a bad file is refused");
    assert_eq!(said, format!("{}:{complaint}", file.display()));
}

#[test]
fn a_bad_line_is_named() {
    let joe = cheap("joe", "sesame");
    check_bad(&format!("{joe}\neve"), "2: expected name:hash");
    check_bad(&format!("{joe}\n\n:{joe}"), "3: the name is empty, too long, or has spaces in it");
    check_bad("a b:x", "1: the name is empty, too long, or has spaces in it");
    check_bad("joe:sesame", "1: the hash is not in PHC form ($argon2id$...)");
    check_bad("joe:$scrypt$ln=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA", "1: the hash is not argon2");
    check_bad("joe:$argon2id$v=19$m=8,t=1,p=1", "1: the hash is incomplete");
    check_bad(&joe.replace("m=8", "m=2000000"), "1: the hash needs more memory or time than is allowed");
    check_bad(&joe.replace("t=1", "t=1000"), "1: the hash needs more memory or time than is allowed");
    let again = "2: this name stands in the file already (upper and lower case are the same)";
    check_bad(&format!("{joe}\n{}", cheap("JOE", "x")), again);
    let (_dir, file) = with_file("");
    std::fs::write(&file, b"jo\xff:x").unwrap();
    assert_eq!(start(&file).err(), Some(format!("{}:1: not UTF-8", file.display())));
}

#[test]
fn a_bad_config_is_refused() {
    #[track_caller]
    fn check(config: &str, complaint: &str) {
        let said = Password::start(config).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    }
    check("file = 7", "invalid type");
    check("file = '/x'\nwidth = 3", "unknown field `width`");
    check("failures_per_account = 0", "failures_per_account = 0: must be 1 or more");
    check("file = '/x'\nparallel = 0", "parallel = 0: must be 1 to 64");
    check("file = '/nowhere/at/all'", "/nowhere/at/all: No such file");
}

#[test]
fn a_changed_file_counts_at_once() {
    let (_dir, file) = with_file(&cheap("joe", "old"));
    let plugin = start(&file).unwrap();
    // Longer, so that it differs even where the file system's clock is coarse.
    std::fs::write(&file, format!("{}\n# changed\n", cheap("joe", "new"))).unwrap();
    assert_eq!(plugin.check(&ask("joe", "old")), wrong());
    assert_eq!(plugin.check(&ask("joe", "new")), Verdict::Accept(Some("joe".into())));
}

#[test]
fn a_file_that_went_bad_changes_nothing() {
    let (_dir, file) = with_file(&cheap("joe", "sesame"));
    let plugin = start(&file).unwrap();
    let joe = Verdict::Accept(Some("joe".to_string()));
    std::fs::write(&file, "oops").unwrap();
    assert_eq!(plugin.check(&ask("joe", "sesame")), joe);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(plugin.check(&ask("joe", "sesame")), joe);
    std::fs::write(&file, cheap("eve", "apple")).unwrap();
    assert_eq!(plugin.check(&ask("joe", "sesame")), wrong());
    assert_eq!(plugin.check(&ask("eve", "apple")), Verdict::Accept(Some("eve".into())));
}

#[test]
fn a_line_made_here_is_good_there() {
    let line = hash_line("joe", "sesame").unwrap();
    assert!(line.starts_with("joe:$argon2id$v=19$m=19456,t=2,p=1$"), "{line}");
    assert_ne!(Ok(line.clone()), hash_line("joe", "sesame"), "the salt is fresh");
    let (_dir, file) = with_file(&line);
    assert_eq!(start(&file).unwrap().check(&ask("joe", "sesame")), Verdict::Accept(Some("joe".into())));

    for name in ["", "a:b", "#a", "a b", "a\nb", &"a".repeat(NAME_MAX + 1)] {
        assert_eq!(hash_line(name, "sesame"), Err(LineError::Name), "{name:?}");
    }
    assert_eq!(hash_line("joe", ""), Err(LineError::Secret));
    assert_eq!(hash_line("joe", &"s".repeat(SECRET_MAX + 1)), Err(LineError::Secret));
}

/// Not how long, only that an unknown name costs a hash as well: thousands of times what a look-up does.
#[test]
fn an_unknown_name_costs_a_hash_too() {
    let (_dir, file) = with_file(&at_cost("joe", "sesame", 4096, 1));
    let plugin = start(&file).unwrap();
    let time = |name: &str| {
        let begin = Instant::now();
        assert_eq!(plugin.check(&ask(name, "guess")), wrong());
        begin.elapsed()
    };
    let known: Duration = (0..3).map(|_| time("joe")).min().unwrap();
    let unknown: Duration = ["eve", "zoe", "~"].into_iter().map(time).max().unwrap();
    assert!(unknown > known / 4, "known {known:?}, unknown {unknown:?}");
}
