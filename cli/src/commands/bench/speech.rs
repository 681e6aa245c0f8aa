//! What a subscriber and a publisher say in each protocol, and how one hears that they are in.
//!
//! Only as much of each as the load needs. All four end a message with its text and `\r\n`, which is what the reading side relies on.

use std::io::Write as _;

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// chatring over RESP: SUBSCRIBE, and PUBLISH by members.
    Resp,
    /// IRC: JOIN and PRIVMSG.
    Irc,
    /// redis-server: SUBSCRIBE and PUBLISH.
    Redis,
    /// nats-server: SUB and PUB.
    Nats,
    /// An MQTT 3.1.1 broker; idle connections only.
    Mqtt,
}

/// Which part a connection plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Listens.
    Subscriber,
    /// Speaks.
    Publisher,
}

/// What some received bytes mean before the load starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The server let us in.
    Ready,
    /// It refused; its own words.
    Refused(String),
}

impl Protocol {
    /// Everything a connection says to get in. `name` is unique per connection.
    pub fn greeting(self, part: Part, name: &str, group: &str, out: &mut Vec<u8>) {
        match self {
            // In RESP3 a connection may publish while it is subscribed.
            Protocol::Resp if part == Part::Publisher => {
                command(&["HELLO", "3"], out);
                command(&["SUBSCRIBE", group], out);
            }
            Protocol::Redis if part == Part::Publisher => command(&["PING"], out),
            Protocol::Resp | Protocol::Redis => command(&["SUBSCRIBE", group], out),
            Protocol::Irc => put(out, format_args!("NICK {name}\r\nUSER bench 0 * :bench\r\nJOIN {group}\r\n")),
            Protocol::Nats => {
                put(out, format_args!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n"));
                if part == Part::Subscriber {
                    put(out, format_args!("SUB {group} 1\r\n"));
                }
                put(out, format_args!("PING\r\n"));
            }
            Protocol::Mqtt => mqtt_greeting(name, group, out),
        }
    }

    /// Whether what came in so far says that the connection is in, or why not. `heard` begins at the connection's first byte.
    pub fn answer(self, part: Part, heard: &[u8]) -> Option<Heard> {
        let ready: &[u8] = match (self, part) {
            (Protocol::Redis, Part::Publisher) => b"+PONG",
            (Protocol::Resp | Protocol::Redis, _) => b"$9\r\nsubscribe\r\n",
            (Protocol::Irc, _) => b" 366 ",
            (Protocol::Nats, _) => b"PONG\r\n",
            (Protocol::Mqtt, _) => b"\x90\x03\x00\x01\x00",
        };
        if heard.windows(ready.len()).any(|window| window == ready) {
            return Some(Heard::Ready);
        }
        self.refusal(heard).map(Heard::Refused)
    }

    /// The first complete line in which the server refuses something.
    pub fn refusal(self, heard: &[u8]) -> Option<String> {
        let complete = &heard[..heard.iter().rposition(|byte| *byte == b'\n')?];
        let refused = |line: &&[u8]| match self {
            Protocol::Irc => line.starts_with(b"ERROR") || irc_error(line),
            Protocol::Mqtt => false,
            _ => line.starts_with(b"-"),
        };
        complete.split(|byte| *byte == b'\n').find(refused).map(|line| String::from_utf8_lossy(line).trim().to_string())
    }

    /// The answer to a server's question whether we live, if there is one among these bytes.
    pub fn sign_of_life(self, heard: &[u8]) -> Option<Vec<u8>> {
        let asked = |line: &&[u8]| line.starts_with(b"PING");
        let line = heard.split(|byte| *byte == b'\n').find(asked)?;
        match self {
            Protocol::Irc | Protocol::Nats => Some([b"PONG", &line[4..], b"\n"].concat()),
            _ => None,
        }
    }

    /// Appends a message up to its text, which is `size` bytes.
    pub fn message_head(self, group: &str, size: usize, out: &mut Vec<u8>) {
        match self {
            Protocol::Resp | Protocol::Redis => {
                put(out, format_args!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{group}\r\n${size}\r\n", group.len()));
            }
            Protocol::Irc => put(out, format_args!("PRIVMSG {group} :")),
            Protocol::Nats => put(out, format_args!("PUB {group} {size}\r\n")),
            Protocol::Mqtt => {}
        }
    }
}

/// `:server 4xx …`: numerics from 400 on refuse; that there is no message of the day refuses nothing.
fn irc_error(line: &[u8]) -> bool {
    let numeric = line.split(|byte| *byte == b' ').nth(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<u16>().ok());
    numeric.is_some_and(|numeric| (400..600).contains(&numeric) && numeric != 422)
}

fn command(words: &[&str], out: &mut Vec<u8>) {
    put(out, format_args!("*{}\r\n", words.len()));
    for word in words {
        put(out, format_args!("${}\r\n{word}\r\n", word.len()));
    }
}

/// CONNECT without keep-alive, then SUBSCRIBE; short enough that every length is one byte.
fn mqtt_greeting(name: &str, group: &str, out: &mut Vec<u8>) {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let connect = [&text("MQTT")[..], &[4, 2, 0, 0], &text(name)].concat();
    let subscribe = [&[0, 1][..], &text(&group.replace('#', "")), &[0]].concat();
    for (kind, body) in [(0x10, connect), (0x82, subscribe)] {
        out.extend([kind, body.len() as u8]);
        out.extend(body);
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(protocol: Protocol, heard: &str, expect: Option<Heard>) {
        assert_eq!(protocol.answer(Part::Subscriber, heard.as_bytes()), expect, "{heard:?}");
    }

    #[test]
    fn answers() {
        let refused = |text: &str| Some(Heard::Refused(text.into()));
        check(Protocol::Redis, "*3\r\n$9\r\nsubscribe\r\n$2\r\n#b\r\n:1\r\n", Some(Heard::Ready));
        check(Protocol::Redis, "*3\r\n$9\r\nsubsc", None);
        check(Protocol::Redis, "-NOAUTH log in first\r\n", refused("-NOAUTH log in first"));
        check(Protocol::Irc, ":s 001 s1 :Welcome\r\n:s 422 s1 :no MOTD\r\n", None);
        check(Protocol::Irc, ":s 433 * s1 :taken\r\n", refused(":s 433 * s1 :taken"));
        check(Protocol::Irc, ":s 366 s1 #b :End\r\n", Some(Heard::Ready));
        check(Protocol::Nats, "INFO {}\r\nPONG\r\n", Some(Heard::Ready));
    }

    #[test]
    fn signs_of_life() {
        assert_eq!(Protocol::Irc.sign_of_life(b"PING :x\r\n").as_deref(), Some(&b"PONG :x\r\n"[..]));
        assert_eq!(Protocol::Nats.sign_of_life(b"PING\r\n").as_deref(), Some(&b"PONG\r\n"[..]));
        assert_eq!(Protocol::Nats.sign_of_life(b"PONG\r\n"), None);
    }
}
