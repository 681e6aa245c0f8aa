//! What is wrong with a network: what all its servers say, held against each other, check by check.
//!
//! Nobody is asked here. Whoever asks makes a [`Survey`]; what could not be asked is in it as the reason why.

mod checks;
mod groups;
mod survey;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::output::Sheet;
use crate::text::{clean, count};

pub use groups::suspects;
pub use survey::{Dialled, GroupRow, NodeSays, Pending, Planned, Row, Survey};

/// How a check ended, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// All is well.
    Ok,
    /// It could not be looked at.
    Unknown,
    /// It works, and wants to be looked after.
    Warning,
    /// People notice, or will at the next failure.
    Critical,
}

impl Grade {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Unknown => "unknown",
            Grade::Warning => "warning",
            Grade::Critical => "critical",
        }
    }

    /// The exit code that programs which watch expect (those of Nagios know these four).
    pub fn code(self) -> u8 {
        match self {
            Grade::Ok => 0,
            Grade::Warning => 1,
            Grade::Critical => 2,
            Grade::Unknown => 3,
        }
    }
}

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: &'static str,
    /// How it ended.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub advice: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding { check, grade: Grade::Ok, found: found.into(), advice: String::new() }
    }

    fn of(check: &'static str, grade: Grade, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { check, grade, found: found.into(), advice: advice.into() }
    }
}

/// All checks, in the order in which one would look.
pub fn examine(survey: &Survey) -> Vec<Finding> {
    let checks = [
        checks::majority,
        checks::directory_servers,
        checks::agreement,
        checks::super_nodes,
        checks::epochs,
        groups::one_master,
        groups::somebody_serves,
        groups::blocked,
        groups::copies,
        checks::clocks,
        checks::certificates,
        checks::pending,
        checks::plan,
        checks::slow_readers,
        checks::plugins,
    ];
    checks.iter().map(|check| check(survey)).collect()
}

/// The worst of them.
pub fn worst(findings: &[Finding]) -> Grade {
    findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok)
}

/// In a line: how many ended how, the worst first.
pub fn summary(findings: &[Finding]) -> String {
    let many = |grade: Grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let counts = [Grade::Critical, Grade::Warning, Grade::Unknown].map(|grade| (many(grade), grade));
    let counts: Vec<String> = counts.iter().filter(|(many, _)| *many > 0).map(|(many, grade)| format!("{many} {}", grade.word())).collect();
    match counts.is_empty() {
        true => format!("all {} ok", count(findings.len() as u64, "check is", "checks are")),
        false => format!("of {}: {}", count(findings.len() as u64, "check", "checks"), counts.join(", ")),
    }
}

/// All of it.
pub fn sheet(findings: &[Finding]) -> Sheet {
    let row = |finding: &Finding| {
        vec![finding.check.to_string(), finding.grade.word().to_string(), clean(&finding.found), clean(&finding.advice)]
    };
    let object = |finding: &Finding| json!({"check": finding.check, "result": finding.grade.word(), "found": finding.found, "advice": finding.advice});
    let objects: Vec<Value> = findings.iter().map(object).collect();
    let value = json!({"result": worst(findings).word(), "code": worst(findings).code(), "checks": objects});
    let columns = [("check", "check"), ("result", "result"), ("found", "found"), ("advice", "what to do")];
    Sheet::table(&columns, findings.iter().map(row).collect(), objects).with_value(value).titled(summary(findings))
}

/// Names in a sentence, as many as one wants to read.
fn named<T: std::fmt::Display>(all: &[T]) -> String {
    const NAMED_MAX: usize = 5;
    let shown: Vec<String> = all.iter().take(NAMED_MAX).map(|one| clean(&one.to_string())).collect();
    match all.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
