//! What systemd is told, where it has started this process: that it is ready, that it reads its files again, that it stops, and that it is well.
//!
//! A datagram for each, to the socket that it names. "Well" is said only while all loops turn, so a process that hangs is started anew.

use super::{Kind, Seen, Watch, health};
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether all loops turn, until they do.
const FIRST_LOOKS: Duration = Duration::from_millis(50);
/// How long a socket may take that nobody reads from.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// Who is to be told, if anyone.
#[derive(Debug, Default)]
pub struct Systemd {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants to hear that we are well.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says.
    pub fn from_env() -> Systemd {
        let said = |name: &str| std::env::var(name).ok();
        let socket = said("NOTIFY_SOCKET").filter(|path| !path.is_empty());
        let watchdog = watchdog(said("WATCHDOG_USEC").as_deref(), said("WATCHDOG_PID").as_deref(), std::process::id());
        let Some(path) = socket else { return Systemd::default() };
        match connect(&path) {
            Ok(to) => Systemd { to: Some(to), watchdog },
            Err(error) => {
                tracing::warn!("systemd can't be told anything at {path}: {error}");
                Systemd::default()
            }
        }
    }

    /// Begins to tell it whether all is well, on a thread of its own.
    pub fn start(self: &Arc<Self>, watch: Arc<Watch>) -> io::Result<()> {
        if self.to.is_none() {
            return Ok(());
        }
        let systemd = self.clone();
        std::thread::Builder::new().name("systemd".into()).spawn(move || systemd.keep_telling(&watch)).map(drop)
    }

    /// The process reads its files again; [`Systemd::reloaded`] follows.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    }

    /// It has read them.
    pub fn reloaded(&self) {
        self.say("READY=1");
    }

    /// The process ends.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=handing over and saying good-bye");
    }

    fn keep_telling(&self, watch: &Watch) {
        let mut roles = watch.look(FIRST_LOOKS).roles;
        while !roles.iter().all(|role| role.answers) {
            std::thread::sleep(FIRST_LOOKS);
            roles = watch.look(FIRST_LOOKS).roles;
        }
        self.say(&format!("READY=1\nSTATUS={}", status(&roles)));
        // Thrice in the time that it has: one look may come late.
        let Some(pause) = self.watchdog.map(|watchdog| watchdog / 3) else { return };
        while !watch.is_stopping() {
            std::thread::sleep(pause);
            let roles = watch.look(pause / 2).roles;
            if roles.iter().all(|role| role.answers) && !watch.is_stopping() {
                self.say(&format!("WATCHDOG=1\nSTATUS={}", status(&roles)));
            }
        }
    }

    /// It may not be there any more; that is its own trouble.
    fn say(&self, lines: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(error) = socket.send_to_addr(lines.as_bytes(), address)
        {
            tracing::warn!("systemd was not told {lines:?}: {error}");
        }
    }
}

fn connect(path: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(WRITE_MAX))?;
    Ok((socket, address(path)?))
}

/// A path, or behind `@` a name that is in no file system.
fn address(path: &str) -> io::Result<SocketAddr> {
    match path.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(io::ErrorKind::Unsupported.into()),
        None => SocketAddr::from_pathname(path),
    }
}

/// How often this process is to say that it is well: what is meant for another is not for it.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>, ours: u32) -> Option<Duration> {
    let microseconds: u64 = microseconds?.parse().ok()?;
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(ours));
    (is_ours && microseconds > 0).then(|| Duration::from_micros(microseconds))
}

/// A line for `systemctl status`.
fn status(roles: &[Seen]) -> String {
    let first = roles.iter().find_map(|role| health::missing(role, false).first().map(|what| (role, *what)));
    match first {
        None => "ready".to_string(),
        Some((role, what)) if role.name.kind == Kind::Directory => format!("not ready: directory server: {what}"),
        Some((role, what)) => format!("not ready: {}: {what}", role.name.node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_ours_or_nobodys() {
        let second = Some(Duration::from_secs(1));
        for (microseconds, pid, expect) in [
            (None, None, None),
            (Some("1000000"), None, second),
            (Some("1000000"), Some("7"), second),
            (Some("1000000"), Some("8"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), Some("7"), None),
            (Some("soon"), Some("7"), None),
        ] {
            assert_eq!(watchdog(microseconds, pid, 7), expect, "{microseconds:?} {pid:?}");
        }
    }

    #[test]
    fn it_is_told_at_a_path_and_at_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify").display().to_string();
        let name = format!("@chatring-test-{}", std::process::id());
        for place in [path, name] {
            let socket = UnixDatagram::bind_addr(&address(&place).unwrap()).unwrap();
            let systemd = Systemd { to: Some(connect(&place).unwrap()), watchdog: None };
            systemd.reloading();
            systemd.reloaded();
            systemd.stopping();
            let heard = || {
                let mut buffer = [0; 256];
                let count = socket.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..count]).into_owned()
            };
            let reloading = heard();
            let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(since.parse::<u64>().unwrap() > 0, "{since}");
            assert_eq!(heard(), "READY=1");
            assert!(heard().starts_with("STOPPING=1\n"));
        }
        // Nobody is told anything where nobody asked for it, nor where nobody is any more.
        Systemd::default().stopping();
        let gone = folder.path().join("gone").display().to_string();
        Systemd { to: Some(connect(&gone).unwrap()), watchdog: None }.stopping();
    }
}
