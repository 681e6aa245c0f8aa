//! Starting children, one for each check, and making sense of how they end.

use crate::catalogue::{CHECKS, Check};
use crate::word::{Case, Errand, Identity, Word};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// Nothing wrong.
    Passed,
    /// What it looks for is there.
    Failed,
    /// The process has ended in it.
    Crashed,
    /// A call did not come back.
    Hung,
    /// What it needs did not pass.
    Skipped,
}

/// A check that was made, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its name.
    pub check: &'static str,
    /// How it came out.
    pub result: Result,
    /// In a sentence.
    pub said: String,
    /// What was being done when it crashed or hung.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<String>,
    /// Which signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<&'static str>,
    /// The last lines that the plugin wrote, where it did not pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrote: Vec<String>,
    /// How long it took.
    pub ms: u64,
}

impl Outcome {
    /// Whether the plugin is at fault.
    pub fn is_bad(&self) -> bool {
        matches!(self.result, Result::Failed | Result::Crashed | Result::Hung)
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What the plugin says of itself, if it came so far.
    pub plugin: Option<Identity>,
    /// Every check, in order.
    pub checks: Vec<Outcome>,
}

impl Report {
    /// How many came out so.
    pub fn count(&self, result: Result) -> usize {
        self.checks.iter().filter(|outcome| outcome.result == result).count()
    }

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        !self.checks.iter().any(Outcome::is_bad)
    }
}

/// Verifies a plugin, a child process for each check.
pub struct Watch<'w> {
    /// What is verified.
    pub case: Case,
    /// The command that runs [`child`](crate::child) in a process of its own.
    pub command: &'w dyn Fn() -> Command,
}

impl Watch<'_> {
    /// Makes all checks, or those whose names begin with one of these, and what they need. `hear` is told of each as it ends, and says whether to go on.
    pub fn run(&self, only: &[String], mut hear: impl FnMut(&Report, &Outcome) -> bool) -> io::Result<Report> {
        let wanted = wanted(only);
        let mut report = Report::default();
        let mut passed = BTreeSet::new();
        for check in CHECKS.iter().filter(|check| wanted.contains(check.name)) {
            let offers = |id: &str| report.plugin.as_ref().is_some_and(|plugin| plugin.interfaces.iter().any(|one| one == id));
            if check.of.is_some_and(|id| !offers(id)) {
                continue;
            }
            let outcome = match check.needs.iter().find(|need| !passed.contains(*need)) {
                Some(need) => skipped(check, need),
                None => {
                    let (outcome, identity) = self.make(check)?;
                    report.plugin = identity.or(report.plugin.take());
                    outcome
                }
            };
            if outcome.result == Result::Passed || forgiven(check, &outcome) {
                passed.insert(check.name);
            }
            let go_on = hear(&report, &outcome);
            report.checks.push(outcome);
            if !go_on {
                break;
            }
        }
        Ok(report)
    }

    fn make(&self, check: &Check) -> io::Result<(Outcome, Option<Identity>)> {
        let began = Instant::now();
        let mut command = (self.command)();
        // The last lines it writes have to be what a panic says, and not where.
        command.env("RUST_BACKTRACE", "0");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let wrote = tail_of(child.stderr.take());
        let words = words_of(child.stdout.take());
        if let Some(mut stdin) = child.stdin.take() {
            let errand = Errand { check: check.name.to_string(), case: self.case.clone() };
            // A child that does not read it says so by its end.
            let _ = stdin.write_all(&serde_json::to_vec(&errand)?);
        }
        let heard = listen(&words, Instant::now() + Duration::from_millis(self.case.patience_ms.saturating_mul(PATIENCES)));
        let status = end(&mut child, heard.over)?;
        let mut outcome = judge(check, &heard, status);
        outcome.ms = began.elapsed().as_millis() as u64;
        if outcome.is_bad() {
            // What the plugin started may hold its end open for longer.
            outcome.wrote = wrote.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
        }
        Ok((outcome, heard.identity))
    }
}

/// A check makes many calls; all of them together may take this many times as long as one.
const PATIENCES: u64 = 30;

/// What failed inside, or was not understood, still decodes.
fn forgiven(check: &Check, outcome: &Outcome) -> bool {
    outcome.result == Result::Failed && matches!(check.name, "transport.decodes" | "transport.encodes")
}

fn skipped(check: &Check, need: &str) -> Outcome {
    let said = format!("not made, since {need} did not pass");
    Outcome { check: check.name, result: Result::Skipped, said, during: None, signal: None, wrote: Vec::new(), ms: 0 }
}

/// Those whose names begin so, and all that they need. None given: all.
fn wanted(only: &[String]) -> BTreeSet<&'static str> {
    let mut wanted = BTreeSet::new();
    for check in CHECKS.iter().rev() {
        let asked = only.is_empty() || only.iter().any(|begin| check.name.starts_with(begin.as_str()));
        if asked || wanted.contains(check.name) {
            wanted.insert(check.name);
            wanted.extend(check.needs);
        }
    }
    wanted
}

/// What a child has said.
#[derive(Debug, Default)]
struct Heard {
    identity: Option<Identity>,
    doing: Option<String>,
    last: Option<Word>,
    /// It had all the time that there is.
    over: bool,
}

fn listen(words: &Receiver<Word>, until: Instant) -> Heard {
    let mut heard = Heard::default();
    loop {
        match words.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Word::Doing(what)) => heard.doing = Some(what),
            Ok(Word::Is(identity)) => heard.identity = Some(identity),
            Ok(word) => heard.last = Some(word),
            Err(RecvTimeoutError::Disconnected) => return heard,
            Err(RecvTimeoutError::Timeout) => {
                heard.over = true;
                return heard;
            }
        }
        // The last one; whatever the plugin has started may hold the pipe open.
        if matches!(heard.last, Some(Word::Passed(_) | Word::Failed(_) | Word::Hung(_))) {
            return heard;
        }
    }
}

fn end(child: &mut Child, over: bool) -> io::Result<ExitStatus> {
    if over {
        child.kill()?;
    }
    child.wait()
}

fn judge(check: &Check, heard: &Heard, status: ExitStatus) -> Outcome {
    let made = |result, said: String| Outcome { check: check.name, result, said, during: None, signal: None, wrote: Vec::new(), ms: 0 };
    let call = |call: &str| if call.is_empty() { "a thread of its own".to_string() } else { call.to_string() };
    let during = heard.doing.clone();
    match &heard.last {
        Some(Word::Passed(said)) => made(Result::Passed, said.clone()),
        Some(Word::Failed(said)) => made(Result::Failed, said.clone()),
        Some(Word::Hung(what)) => Outcome { during, ..made(Result::Hung, format!("{what} does not come back")) },
        _ if heard.over => Outcome { during, ..made(Result::Hung, "does not come to an end".into()) },
        last => {
            let place = match last {
                Some(Word::Dying(what)) => format!(" in {}", call(what)),
                _ => String::new(),
            };
            let signal = status.signal().map(signal_name);
            let how = match signal {
                Some(signal) => format!("died of {signal}{place}"),
                None => format!("ended the whole process with exit code {}", status.code().unwrap_or_default()),
            };
            let said = match check.crash {
                Some(meaning) if signal.is_some() => format!("{how}: {meaning}"),
                _ => how,
            };
            Outcome { during, signal, ..made(Result::Crashed, said) }
        }
    }
}

fn signal_name(number: i32) -> &'static str {
    match number {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGSYS => "SIGSYS",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXCPU => "SIGXCPU",
        _ => "a signal",
    }
}

fn words_of(from: Option<impl Read + Send + 'static>) -> Receiver<Word> {
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let lines = from.into_iter().flat_map(|from| BufReader::new(from).lines().map_while(io::Result::ok));
        for word in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if tell.send(word).is_err() {
                return;
            }
        }
    });
    heard
}

/// Lines shown of what a plugin wrote, and how long each may be.
const TAIL: usize = 5;
const LINE_MAX: usize = 300;

fn tail_of(from: Option<impl Read + Send + 'static>) -> Receiver<Vec<String>> {
    let (tell, heard) = channel();
    std::thread::spawn(move || {
        let mut tail: Vec<String> = Vec::new();
        // Bytes, since it may write anything.
        let lines = from.into_iter().flat_map(|from| BufReader::new(from).split(b'\n').map_while(io::Result::ok));
        for line in lines.filter(|line| !line.is_empty()) {
            if tail.len() == TAIL {
                tail.remove(0);
            }
            tail.push(String::from_utf8_lossy(&line[..line.len().min(LINE_MAX)]).into_owned());
        }
        // Nobody may wait for it.
        let _ = tell.send(tail);
    });
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        wanted(&only.iter().map(|name| name.to_string()).collect::<Vec<_>>()).into_iter().collect()
    }

    #[test]
    fn what_is_needed_is_made() {
        assert_eq!(names(&[]).len(), CHECKS.len());
        assert_eq!(names(&["entry.major"]), ["entry.major", "file.architecture", "file.loads", "file.readable", "file.symbol"]);
        assert!(names(&["transport.cuts"]).contains(&"transport.decodes"));
        assert!(!names(&["transport.cuts"]).contains(&"transport.noise"));
        assert!(names(&["nothing-like-it"]).is_empty());
    }

    #[track_caller]
    fn check(last: Option<Word>, over: bool, status: i32, expect: (Result, &str)) {
        let check = CHECKS.iter().find(|check| check.name == "transport.keeps").unwrap();
        let heard = Heard { last, over, doing: Some("this".into()), identity: None };
        let outcome = judge(check, &heard, ExitStatus::from_raw(status));
        assert_eq!((outcome.result, outcome.said.as_str()), expect);
        assert_eq!(outcome.during.is_some(), matches!(expect.0, Result::Crashed | Result::Hung));
    }

    #[test]
    fn how_a_child_ends_is_told_apart() {
        check(Some(Word::Passed("well".into())), false, 0, (Result::Passed, "well"));
        check(Some(Word::Failed("badly".into())), false, 0, (Result::Failed, "badly"));
        check(Some(Word::Hung("decode".into())), false, 0, (Result::Hung, "decode does not come back"));
        check(None, true, 9, (Result::Hung, "does not come to an end"));
        let kept = "died of SIGSEGV in decode: it uses memory that was lent for an earlier call, or beyond its end, or writes to it";
        check(Some(Word::Dying("decode".into())), false, 11, (Result::Crashed, kept));
        let own =
            "died of SIGABRT in a thread of its own: it uses memory that was lent for an earlier call, or beyond its end, or writes to it";
        check(Some(Word::Dying(String::new())), false, 6, (Result::Crashed, own));
        check(None, false, 3 << 8, (Result::Crashed, "ended the whole process with exit code 3"));
    }
}
