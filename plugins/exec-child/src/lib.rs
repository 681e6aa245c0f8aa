//! A child process that answers questions, for plugins whose decisions are made by a program that isn't trusted, or isn't in Rust: it may crash, hang and say
//! nonsense, and chatd goes on.
//!
//! It speaks lines of JSON: a question a line on its standard input, each with an `id`; an answer a line on its standard output, with the same `id`, in any order. What it
//! writes to its standard error goes to the log. docs/plugins-exec.md says more, with examples.
//!
//! - One thread for a child does everything, and never waits for it: a child that reads nothing only keeps its own answers back.
//! - What waits, what is with the child, lines in both directions and in the log are bounded.
//! - It is started anew when it ends or says something that is no answer, after a pause that grows. Until then whoever asks hears [`Trouble::Down`].
//! - It has a process group of its own, which is killed with it, and of chatd's environment only what [`KEPT`] names.

mod desk;
mod driver;
mod noise;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use driver::Child;

/// Questions that wait for a place with the child; past it whoever asks hears [`Trouble::Full`].
pub const QUEUE_MAX: usize = 1024;

/// Longest line, in both directions.
pub const LINE_MAX: usize = 128 << 10;

/// What a child gets of chatd's environment.
pub const KEPT: [&str; 7] = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"];

/// What a child may answer, beside the `id`.
pub trait Answer: DeserializeOwned + Send + 'static {
    /// What is wrong with it, if something is.
    fn flaw(&self) -> Option<&'static str>;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No child runs at the moment, or it has ended with this question.
    Down,
    /// It answers nothing at the moment.
    Stalled,
    /// It took too long.
    Late,
    /// Too many wait.
    Full,
    /// The question is longer than a line may be.
    TooLong,
}

/// What hears the answer, once, on the child's own thread: it must not block.
pub type Done<A> = Box<dyn FnOnce(Result<A, Trouble>) + Send>;

/// What operators say of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long an answer may take.
    pub timeout_ms: u64,
    /// How many questions may be with it at a time.
    pub parallel: usize,
}

/// No child is asked more at a time.
const PARALLEL_MAX: usize = 64;

impl Settings {
    /// Checks what stands in a plugin's table.
    pub fn new(command: Vec<String>, timeout: &str, timeout_ms_max: u64, parallel: usize) -> Result<Settings, String> {
        if command.first().is_none_or(String::is_empty) {
            return Err("command: must name a program, and then its arguments, like [\"/usr/local/bin/check\", \"-v\"]".to_string());
        }
        let Some(timeout_ms) = milliseconds(timeout).filter(|ms| (TIMEOUT_MS_MIN..=timeout_ms_max).contains(ms)) else {
            let most = timeout_ms_max / 1000;
            return Err(format!("timeout = {timeout:?}: must be a time with its unit (ms or s), {TIMEOUT_MS_MIN}ms to {most}s"));
        };
        if !(1..=PARALLEL_MAX).contains(&parallel) {
            return Err(format!("parallel = {parallel}: must be 1 to {PARALLEL_MAX}"));
        }
        Ok(Settings { command, timeout_ms, parallel })
    }
}

const TIMEOUT_MS_MIN: u64 = 5;

/// Digits, then `ms` or `s`.
fn milliseconds(text: &str) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(digits_end);
    let factor = match unit.trim_start() {
        "ms" => 1,
        "s" => 1000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A question as it is written. An object.
fn body(question: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(question).unwrap_or_default()
}

/// A reason that a child gives, as people may be shown it: without what would end a line, and not longer than other reasons are.
pub fn reason(text: &str) -> String {
    const REASON_MAX: usize = 390;
    let end = (0..=REASON_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_string()
}
