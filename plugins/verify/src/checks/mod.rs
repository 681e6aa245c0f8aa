//! The checks themselves, a file for each part of the contract.

pub(crate) mod auth;
pub(crate) mod file;
pub(crate) mod filter;
pub(crate) mod life;
pub(crate) mod transport;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The quickest of a few tries: on a busy machine, any one may take long for reasons of its own.
fn quickest(tries: usize, mut work: impl FnMut()) -> Duration {
    let mut once = || {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..tries).map(|_| once()).min().unwrap_or_default()
}

/// How often something can be done within half a second: at least a few times, and at most so many.
fn affordable(most: usize, mut work: impl FnMut()) -> usize {
    let each = quickest(2, &mut work).max(Duration::from_micros(1));
    ((Duration::from_millis(500).as_nanos() / each.as_nanos()) as usize).clamp(4, most)
}

/// What was said by something that panics when it finds a mistake.
fn unless_it_panics(work: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
        // Those who compare show both on lines of their own.
        text.unwrap_or_else(|| "found a mistake".into()).replace("assertion `left == right` failed: ", "").replace('\n', ",")
    })
}

/// `1 record`, `2 records`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Something of a peer, short enough for a line.
fn shown(bytes: &[u8]) -> String {
    let more = if bytes.len() > 60 { "…" } else { "" };
    format!("\"{}\"{more}", bytes[..bytes.len().min(60)].escape_ascii())
}
