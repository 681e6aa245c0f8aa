//! What a process on this machine costs, as the kernel counts it: CPU time and memory; and which process listens at an address.
//!
//! Everything here is `None` where the kernel does not tell (another machine, another user's process, not Linux): figures are then left out.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// CPU time of all threads of a process so far, in nanoseconds.
pub fn cpu_ns(pid: u32) -> Option<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let path = task.ok()?.path().join("schedstat");
        // A thread may end while we look.
        let Ok(text) = fs::read_to_string(path) else { continue };
        total += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(total)
}

/// What a process has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Resident bytes.
    pub rss: u64,
    /// Resident bytes, shared pages counted by their share.
    pub pss: u64,
    /// Anonymous resident bytes: what the process itself wrote.
    pub anonymous: u64,
}

/// Memory of a process.
pub fn memory(pid: u32) -> Option<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { rss: bytes("Rss:")?, pss: bytes("Pss:")?, anonymous: bytes("Anonymous:")? })
}

/// The process that listens at an address of this machine.
pub fn listener(address: SocketAddr) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let socket = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(listening)
        .find(|(ip, port, _)| *port == address.port() && (*ip == address.ip() || ip.is_unspecified()))?;
    let link = format!("socket:[{}]", socket.2);
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.into_iter().find(|pid| holds(*pid, &link))
}

fn holds(pid: u32, link: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == Path::new(link)))
}

/// Address, port and inode of a row of the kernel's table, if it is of a listening socket.
fn listening(row: &str) -> Option<(IpAddr, u16, &str)> {
    let mut columns = row.split_whitespace();
    let (local, state, inode) = (columns.nth(1)?, columns.nth(1)?, columns.nth(5)?);
    let (ip, port) = local.split_once(':')?;
    // Each group of four bytes stands there as a number in the machine's own order.
    let words = (0..ip.len() / 8).map(|at| u32::from_str_radix(&ip[at * 8..at * 8 + 8], 16).ok().map(u32::to_ne_bytes));
    let bytes = words.collect::<Option<Vec<[u8; 4]>>>()?.concat();
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    (state == "0A").then_some((ip, u16::from_str_radix(port, 16).ok()?, inode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn this_process_is_found_and_measured() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let pid = std::process::id();
        assert_eq!(listener(socket.local_addr().unwrap()), Some(pid));
        assert!(cpu_ns(pid).unwrap() > 0);
        let memory = memory(pid).unwrap();
        assert!(memory.rss >= memory.anonymous && memory.pss > 0);
    }
}
