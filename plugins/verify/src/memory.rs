//! How much of this process's memory, files and threads is in use, and whether something takes more each time.

use std::fmt;

/// What is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Use {
    /// Handed out by malloc, where the C library tells.
    allocated: u64,
    resident: u64,
    files: u64,
    threads: u64,
}

impl Use {
    fn now() -> Use {
        let count = |dir: &str| std::fs::read_dir(dir).map_or(0, |entries| entries.count() as u64);
        Use { allocated: allocated(), resident: resident(), files: count("/proc/self/fd"), threads: count("/proc/self/task") }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocated() -> u64 {
    // SAFETY: only adds up.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocated() -> u64 {
    0
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// What something takes each time that it never gives back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leak {
    what: &'static str,
    each: f64,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.what == "bytes" { write!(f, "{:.0} bytes", self.each) } else { write!(f, "{:.1} {}", self.each, self.what) }
    }
}

const ROUNDS: usize = 5;

type Measure = fn(&Use) -> u64;

/// Does it again and again, and looks at what each round has added. A table that grows now and then does so in some rounds; a leak in all of them.
pub(crate) fn leak(times: usize, mut work: impl FnMut()) -> Option<Leak> {
    let mut round = || (0..times).for_each(|_| work());
    round();
    let mut uses = vec![Use::now()];
    for _ in 0..ROUNDS {
        round();
        uses.push(Use::now());
    }
    least(&uses, times)
}

fn least(uses: &[Use], times: usize) -> Option<Leak> {
    // What has to be added in every round before it counts: by the way it is measured, some may be there by chance.
    let of: [(&'static str, Measure, u64); 4] = [
        ("bytes", |one| one.allocated, 2048 + 8 * times as u64),
        ("bytes", |one| one.resident, 256 * 1024 + 64 * times as u64),
        ("open files", |one| one.files, (times as u64).div_ceil(4)),
        ("threads", |one| one.threads, (times as u64).div_ceil(4)),
    ];
    of.into_iter().find_map(|(what, how_much, enough)| {
        let least = uses.windows(2).map(|pair| how_much(&pair[1]).saturating_sub(how_much(&pair[0]))).min()?;
        (least >= enough).then(|| Leak { what, each: least as f64 / times as f64 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_no_leak() {
        let mut kept = Vec::new();
        // One that grows now and then, and one that comes and goes.
        assert_eq!(leak(1000, || drop(std::hint::black_box(vec![0u8; 300]))), None);
        assert_eq!(leak(10, || kept.push(0u64)), None);
    }

    #[test]
    fn nothing_takes_nothing() {
        for times in [4, 60, 1000] {
            assert_eq!(leak(times, || {}), None);
        }
    }

    #[test]
    fn only_what_grows_in_every_round_counts() {
        let uses = |allocated: [u64; 4]| allocated.map(|allocated| Use { allocated, ..Use::default() });
        assert_eq!(least(&uses([0, 32_000, 64_000, 96_000]), 1000), Some(Leak { what: "bytes", each: 32.0 }));
        assert_eq!(least(&uses([0, 320_000, 320_000, 320_064]), 100), None);
        let files = [0, 100, 200].map(|files| Use { files, ..Use::default() });
        assert_eq!(least(&files, 100).unwrap().to_string(), "1.0 open files");
        let resident = [0, 4_096_000, 8_192_000].map(|resident| Use { resident, ..Use::default() });
        assert_eq!(least(&resident, 1000).unwrap().to_string(), "4096 bytes");
    }
}
