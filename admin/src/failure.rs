//! What goes wrong for the person at the console, and the exit code that tells a script the same.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};

/// Why a command did not do what was asked. Read aloud: what was wrong, which server, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the exit code says.
    pub kind: FailureKind,
    /// What was wrong, and which server said so.
    pub what: String,
    /// What to do about it, where there is something to do.
    pub advice: Option<String>,
}

/// The kinds that scripts tell apart. The numbers are exit codes, and stay what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureKind {
    /// A server said no, or something is blocked.
    Refused = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Nobody answers.
    Unreachable = 3,
    /// Several nodes serve one group.
    TwoMasters = 4,
    /// Someone is in a group that nobody serves.
    Orphan = 5,
    /// A node goes by an older ring than others.
    Stale = 6,
    /// Someone had enough of it.
    Interrupted = 130,
}

impl FailureKind {
    /// All of them, by their exit codes, and what each means.
    pub const ALL: [(FailureKind, &str); 6] = [
        (FailureKind::Refused, "A server said no, something is blocked, or what was asked for did not come about."),
        (
            FailureKind::Usage,
            "The command line, a script, a file or the configuration makes no sense, or it was not said that it is meant (`--yes`).",
        ),
        (FailureKind::Unreachable, "Nobody answers, or a super node that was asked does not."),
        (FailureKind::TwoMasters, "`ring why`: several super nodes serve one group."),
        (FailureKind::Orphan, "`ring why`: people are in a group that nobody serves."),
        (FailureKind::Stale, "`ring why`: a super node goes by an older ring than others."),
    ];
}

/// What `--help` says of exit codes.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or blocked, 2 wrong usage, 3 nobody answers.
Of `ring why` also: 4 a group has two masters, 5 a group is orphaned, 6 a node goes by an older ring.";

impl Failure {
    /// A server said no.
    pub fn refused(what: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Refused, what: what.into(), advice: None }
    }

    /// The command line makes no sense.
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Usage, what: what.into(), advice: None }
    }

    /// Nobody answers.
    pub fn unreachable(what: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Unreachable, what: what.into(), advice: None }
    }

    /// Someone had enough of it.
    pub fn interrupted() -> Failure {
        Failure { kind: FailureKind::Interrupted, what: "interrupted".into(), advice: None }
    }

    /// Adds what to do about it.
    pub fn advise(mut self, advice: impl Into<String>) -> Failure {
        self.advice = Some(advice.into());
        self
    }

    /// For programs: one object, on one line.
    pub fn json(&self) -> Value {
        json!({"error": self.what, "code": self.kind as u8, "advice": self.advice})
    }

    /// For the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
