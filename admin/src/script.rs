//! Commands that nobody types: from a file, a pipe, or the command line.
//!
//! The first one that fails ends it, so that a script does not go on after something went wrong; or all are tried, and each that fails is told.

use std::io;

use crate::Failure;
use crate::text::clean;
use crate::words::split;

/// A line of a script.
#[derive(Debug)]
pub struct Line {
    /// Where it stands: `FILE:LINE`, or what else leads to it.
    pub at: String,
    /// What it says, without its end.
    pub text: io::Result<String>,
}

/// Of a line that is shown in a complaint, so many characters.
const SHOWN_MAX: usize = 100;

/// Runs lines, each as words by `command`; blank ones, and those that begin with `#`, are left out. Gives the first failure; all of them have been told by then.
///
/// Takes one line at a time, so that a command that reads from the same pipe finds what follows it.
pub fn run(
    mut command: impl FnMut(Vec<String>) -> Result<(), Failure>,
    lines: impl IntoIterator<Item = Line>,
    keep_going: bool,
    mut tell: impl FnMut(&Failure),
) -> Option<Failure> {
    let mut first = None;
    for Line { at, text } in lines {
        let (failure, is_over) = match text {
            Err(error) => (Failure::usage(format!("{at}: cannot be read: {error}")), true),
            Ok(text) if text.trim_start().starts_with('#') => continue,
            Ok(text) => match split(&text).map_err(|bad| Failure::usage(bad.to_string())) {
                Ok(words) if words.is_empty() => continue,
                Ok(words) if words[0] == "quit" || words[0] == "exit" => break,
                words => match words.and_then(&mut command) {
                    Ok(()) => continue,
                    Err(failure) => (Failure { what: format!("{at}: {}: {}", shown(&text), failure.what), ..failure }, !keep_going),
                },
            },
        };
        tell(&failure);
        first.get_or_insert(failure);
        if is_over {
            break;
        }
    }
    first
}

/// A line as it is shown in a complaint.
fn shown(text: &str) -> String {
    let text = clean(text.trim());
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    /// Writes down what is to be run, and fails at some of it.
    fn log(ran: &mut Vec<String>) -> impl FnMut(Vec<String>) -> Result<(), Failure> {
        |words| {
            ran.push(words.join("|"));
            match words[0].as_str() {
                "bad" => Err(Failure::refused("no").advise("ask")),
                "worse" => Err(Failure::unreachable("nobody")),
                _ => Ok(()),
            }
        }
    }

    /// All that is told, and the kind of the first.
    #[track_caller]
    fn check(input: &str, keep_going: bool, ran: &[&str], told: &[&str], first: Option<FailureKind>) {
        let (mut log, mut heard) = (Vec::new(), Vec::new());
        let lines = input.lines().enumerate().map(|(ix, line)| Line { at: format!("f:{}", ix + 1), text: Ok(line.to_string()) });
        let result = run(self::log(&mut log), lines, keep_going, |failure| heard.push(failure.what.clone()));
        assert_eq!(log, ran);
        assert_eq!(heard, told);
        assert_eq!(result.map(|failure| failure.kind), first);
    }

    #[test]
    fn a_script_stops_at_the_first_error() {
        let fine = "#!/usr/bin/env -S chatctl -f\nring show\n\n# so far\n  #a\nring owner '#a b'\n";
        check(fine, false, &["ring|show", "ring|owner|#a b"], &[], None);
        check("a\nbad\nb\n", false, &["a", "bad"], &["f:2: bad: no"], Some(FailureKind::Refused));
        let unclosed = "f:1: a 'b: the line ends inside of quotes; close them with '";
        check("a 'b\nc\n", false, &[], &[unclosed], Some(FailureKind::Usage));
        check("a\nquit\nb\n", false, &["a"], &[], None);
    }

    #[test]
    fn or_goes_on_and_tells_all() {
        let told = ["f:1: worse: nobody", "f:3: bad: no"];
        check("worse\na\nbad\nb\n", true, &["worse", "a", "bad", "b"], &told, Some(FailureKind::Unreachable));
        check("a\nb\n", true, &["a", "b"], &[], None);
    }

    #[test]
    fn what_cannot_be_read_ends_it_all_the_same() {
        let unreadable = || Err(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"));
        let lines = [Line { at: "f:1".into(), text: unreadable() }, Line { at: "f:2".into(), text: Ok("a".into()) }];
        let mut log = Vec::new();
        let failure = run(self::log(&mut log), lines, true, |_| {}).unwrap();
        assert_eq!((failure.what.as_str(), log.len()), ("f:1: cannot be read: it is not UTF-8", 0));
    }

    #[test]
    fn a_long_line_is_shown_as_far_as_one_reads() {
        assert_eq!(shown(" a\tb "), "a·b");
        assert_eq!(shown(&"ü".repeat(101)), format!("{} …", "ü".repeat(100)));
    }
}
