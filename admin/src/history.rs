//! What the prompt remembers of what was typed, between runs too, for its user alone.
//!
//! Several consoles share the file: each adds its lines as they are typed, and takes the others' along when it starts. Secrets are no part of it.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use clap::Command;

use crate::place::{Kind, Place};
use crate::words::scan;

/// Lines that are kept, in memory and in the file; the oldest go first.
pub const LINES_MAX: usize = 1_000;
/// Bytes of a line that is kept; a longer one is not.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Commands of which nothing is kept: they ask for secrets, or print some.
const SECRETIVE: &[&[&str]] = &[&["account", "add"], &["account", "password"], &["passwd"], &["token", "key"], &["token", "make"]];

/// Whether what was typed may be kept. Not what begins with a blank, and nothing that has to do with secrets: of several commands, all or none.
pub fn may_keep(command: &Command, typed: &str) -> bool {
    if typed.trim().is_empty() || typed.starts_with(char::is_whitespace) || typed.len() > LINE_BYTES_MAX {
        return false;
    }
    let words = scan(typed).words;
    words.chunk_by(|a, b| a.line == b.line).all(|words| {
        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let place = Place::of(command, &words);
        let names: Vec<&str> = place.names().collect();
        let has_secret = place.options.iter().any(|(arg, _)| Kind::of(arg) == Some(Kind::Secret))
            || place.given.iter().zip(place.command().get_positionals()).any(|(_, arg)| Kind::of(arg) == Some(Kind::Secret));
        !has_secret && !SECRETIVE.contains(&names.as_slice())
    })
}

/// Makes the file if there is none, and sees to it that nobody else reads it.
pub fn prepare(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;
    use rustyline::Config;
    use rustyline::history::{FileHistory, History};

    fn command() -> Command {
        let account = Command::new("account").subcommands([Command::new("add").arg(Arg::new("name")), Command::new("list")]);
        let passwd = Command::new("passwd").arg(Arg::new("name"));
        let mut command = crate::place::tests::command().subcommands([account, passwd]);
        command.build();
        command
    }

    #[test]
    fn secrets_are_not_kept() {
        for (typed, expect) in [
            ("ring show", true),
            ("", false),
            (" ring show", false),
            ("account list", true),
            ("account add joe", false),
            ("--output json account add joe", false),
            ("passwd joe", false),
            ("chat #a", true),
            ("chat #a --key k", false),
            ("chat #a --key=k", false),
            ("ring show\nchat #a --key k", false),
            ("frob 'x", true),
        ] {
            assert_eq!(may_keep(&command(), typed), expect, "{typed:?}");
        }
        assert!(!may_keep(&command(), &"x".repeat(LINE_BYTES_MAX + 1)));
    }

    fn open(path: &Path) -> FileHistory {
        prepare(path).unwrap();
        let config = Config::builder().max_history_size(LINES_MAX).unwrap().build();
        let mut history = FileHistory::with_config(&config);
        history.load(path).unwrap();
        history
    }

    fn add(history: &mut FileHistory, path: &Path, line: &str) {
        history.add(line).unwrap();
        history.append(path).unwrap();
    }

    #[test]
    fn consoles_do_not_lose_each_others_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let (mut one, mut two) = (open(&path), open(&path));
        add(&mut one, &path, "a");
        add(&mut two, &path, "b\nb");
        add(&mut one, &path, "c");
        let all: Vec<String> = open(&path).iter().cloned().collect();
        assert_eq!(all, ["a", "b\nb", "c"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        (0..LINES_MAX).for_each(|number| add(&mut two, &path, &number.to_string()));
        let all: Vec<String> = open(&path).iter().cloned().collect();
        assert_eq!((all.len(), all[0].as_str()), (LINES_MAX, "0"));
    }
}
