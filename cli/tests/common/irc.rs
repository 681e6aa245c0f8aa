//! An IRC client, as far as a line at a time takes it.

use super::{Stream, read_some, soon};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// A connection.
pub struct Irc<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
    /// For the report of a failure.
    seen: Vec<String>,
}

impl Irc {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Irc {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Irc::over(stream)
    }

    /// Registered, hearing what it says itself, and in these groups.
    #[track_caller]
    pub fn joined(address: SocketAddr, nick: &str, groups: &[&str]) -> Irc {
        let mut irc = Irc::connect(address);
        irc.register(nick, groups);
        irc
    }
}

impl<S: Stream> Irc<S> {
    pub fn over(stream: S) -> Irc<S> {
        Irc { stream, buffer: Vec::new(), seen: Vec::new() }
    }

    /// Registers, to hear what it says itself, and joins these groups.
    #[track_caller]
    pub fn register(&mut self, nick: &str, groups: &[&str]) {
        self.send("CAP REQ :echo-message");
        self.send(&format!("NICK {nick}"));
        self.send(&format!("USER {nick} 0 * :{nick} of the tests"));
        self.send("CAP END");
        self.wait(" 001 ");
        for group in groups {
            self.join(group);
        }
    }

    #[track_caller]
    pub fn join(&mut self, group: &str) {
        self.send(&format!("JOIN {group}"));
        self.wait(&format!("{group} :End of /NAMES list"));
    }

    #[track_caller]
    pub fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    #[track_caller]
    pub fn say(&mut self, target: &str, text: &str) {
        self.send(&format!("PRIVMSG {target} :{text}"));
    }

    /// Skips to a line with these words.
    #[track_caller]
    pub fn wait(&mut self, words: &str) -> String {
        let until = soon();
        loop {
            match self.next(until) {
                Ok(Some(line)) if line.contains(words) => return line,
                Ok(Some(_)) => {}
                ended => panic!("no {words:?} ({ended:?}) in:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// The next line, if it comes by then. Fails when the connection has ended.
    pub fn next(&mut self, until: Instant) -> io::Result<Option<String>> {
        let mut more = [0; 4096];
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.drain(..=end).collect();
                let line = String::from_utf8(line).expect("lines are UTF-8").trim_end().to_string();
                self.seen.push(line.clone());
                return Ok(Some(line));
            }
            match read_some(&mut self.stream, &mut more, until)? {
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(count) => self.buffer.extend_from_slice(&more[..count]),
                None if Instant::now() >= until => return Ok(None),
                None => {}
            }
        }
    }
}

/// Group and text, if the line is a message.
pub fn message(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(" PRIVMSG ")?;
    let (group, text) = rest.split_once(' ')?;
    Some((group, text.strip_prefix(':').unwrap_or(text)))
}
