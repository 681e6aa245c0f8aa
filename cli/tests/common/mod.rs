//! What tests of real processes share: the processes, whole networks of them, and small clients over plain sockets.
//!
//! Nothing here sleeps: everything waits for a line, a frame or a connection's end, up to a deadline. Whatever was started ends with its owner, also
//! when a test panics, and daemons even when the test program is killed: they end with their standard input.

#![allow(dead_code, reason = "each test program uses some of it")]

pub mod irc;
pub mod member;
pub mod network;
pub mod plugins;
pub mod process;
pub mod redis;
pub mod schema;
pub mod terminal;
pub mod watch;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// For what should happen at once, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// When [`PATIENCE`] is over.
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Tries until something is there. Each try has to wait for something by itself (an answer, a process).
#[track_caller]
pub fn within<T>(until: Instant, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(there) = attempt() {
            return there;
        }
        assert!(Instant::now() < until, "{what}: not in time");
    }
}

/// A socket, or what goes over one.
pub trait Stream: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Reads what there is, waiting for it until then. `None` when there was nothing; no bytes when the other end has ended.
pub fn read_some(stream: &mut impl Stream, buffer: &mut [u8], until: Instant) -> io::Result<Option<usize>> {
    // Zero would mean for ever.
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.socket().set_read_timeout(Some(left))?;
    match stream.read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All that comes until the other end closes the connection, in good order or not. It has to.
#[track_caller]
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (until, mut all, mut buffer) = (soon(), Vec::new(), [0; 4096]);
    loop {
        match read_some(stream, &mut buffer, until) {
            Ok(Some(0)) | Err(_) => return all,
            Ok(Some(count)) => all.extend_from_slice(&buffer[..count]),
            Ok(None) => assert!(Instant::now() < until, "still open after {:?}", String::from_utf8_lossy(&all)),
        }
    }
}
