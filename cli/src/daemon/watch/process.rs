//! What the system knows of this process.

use std::time::{SystemTime, UNIX_EPOCH};

/// As of a moment.
#[derive(Debug)]
pub struct Process {
    /// When it was started, in seconds since 1970.
    pub started: f64,
    /// Time that its threads took, in seconds.
    pub cpu: f64,
    /// Resident memory, in bytes.
    pub memory: Option<f64>,
    /// Open files, sockets among them, and how many there may be.
    pub files: Option<f64>,
    pub files_max: Option<f64>,
}

impl Process {
    /// This one.
    pub fn look(started: SystemTime) -> Process {
        let started = started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Process {
            started,
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            memory: memory(),
            files: files(),
            files_max: rlimit::Resource::NOFILE.get_soft().ok().map(|max| max as f64),
        }
    }
}

/// The second number of `statm`, in pages.
fn memory() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as f64)
}

fn files() -> Option<f64> {
    // One of them is what looks.
    std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64)
}
