//! Members that know nothing of masters: they stay at one node, and when it is lost they go to another and begin anew, as Redis libraries and IRC clients do.

use super::common::irc;
use super::common::network::Place as Node;
use super::common::redis::{Value, frame};
use super::log::{Kind, Member};
use super::person::{Person, Then, Turn, lines, values};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// After a refusal, or when nobody was there.
const REST: Duration = Duration::from_millis(100);

pub struct Attached {
    kind: Kind,
    number: usize,
    group: String,
    /// Where it is, or tries next.
    edge: usize,
    /// Connections so far: each has a nick of its own, since the last one's lingers.
    connections: usize,
    patience: Duration,
    present: bool,
}

/// Nothing heard yet.
pub fn member(kind: Kind, group: usize) -> Member {
    Member { kind, group, heard: vec![], windows: vec![], gaps: vec![], breaks: 0, steps: vec![] }
}

/// What an IRC client says to get in.
pub fn register(nick: &str, group: &str) -> Vec<u8> {
    format!("CAP REQ :echo-message\r\nNICK {nick}\r\nUSER chaos 0 * :chaos\r\nCAP END\r\nJOIN {group}\r\n").into_bytes()
}

impl Attached {
    /// Adds the member to the log, too.
    pub fn new(kind: Kind, group: (usize, &str), edge: usize, patience: Duration, members: &mut Vec<Member>) -> Attached {
        let number = members.len();
        members.push(member(kind, group.0));
        Attached { kind, number, group: group.1.to_string(), edge, connections: 0, patience, present: false }
    }

    fn address(&self, map: &[Node]) -> SocketAddr {
        let node = &map[self.edge % map.len()];
        if self.kind == Kind::Irc { node.irc } else { node.native }
    }

    fn nick(&self) -> String {
        format!("i{}x{}", self.number, self.connections)
    }

    fn value(&mut self, value: &Value, turn: &mut Turn<'_>) -> Then {
        let me = &mut turn.log.members[self.number];
        match (value, &value.words()[..]) {
            (Value::Error(refusal), _) if refusal.starts_with("TRYAGAIN") || refusal.starts_with("BUSY") => return Then::Leave,
            (Value::Error(refusal), _) => {
                turn.log.refusals.push(format!("a Redis member: {refusal}"));
                return Then::Leave;
            }
            (_, ["subscribe", ..]) => {
                me.comes(turn.now);
                self.present = true;
            }
            // It is out, and begins anew.
            (_, ["unsubscribe", ..]) => return Then::Leave,
            (_, ["message", _, text]) => me.hears(text, turn.now, None),
            (_, ["gap", _, lost, ..]) => me.gaps.push((me.heard.len(), lost.to_string())),
            _ => {}
        }
        Then::Stay
    }

    fn line(&mut self, line: &str, turn: &mut Turn<'_>) -> Then {
        let me = &mut turn.log.members[self.number];
        if let Some((_, text)) = irc::message(line) {
            me.hears(text, turn.now, None);
        } else if let Some(token) = line.strip_prefix("PING ") {
            turn.out.extend(format!("PONG {token}\r\n").into_bytes());
        } else if line.contains(" NOTICE ") && line.contains("missing") {
            me.gaps.push((me.heard.len(), line.to_string()));
        } else {
            match line.split(' ').nth(1) {
                // It is out, and begins anew.
                Some("PART" | "KICK") if line.starts_with(&format!(":{}!", self.nick())) => return Then::Leave,
                Some("366") => {
                    me.comes(turn.now);
                    self.present = true;
                }
                // Asked to wait, or the nick is taken.
                Some("263" | "433") => return Then::Leave,
                Some(number) if matches!(number.as_bytes(), [b'4' | b'5', _, _]) && number != "422" => {
                    turn.log.refusals.push(format!("an IRC member: {line}"));
                    return Then::Leave;
                }
                _ => {}
            }
        }
        Then::Stay
    }
}

impl Person for Attached {
    fn dial(&mut self, _: Instant, map: &[Node]) -> SocketAddr {
        self.address(map)
    }

    fn greet(&mut self, turn: &mut Turn<'_>) {
        self.connections += 1;
        let address = self.address(turn.map);
        turn.log.members[self.number].steps(turn.now, format!("at {address}"));
        if self.kind == Kind::Irc {
            turn.out.extend(register(&self.nick(), &self.group));
        } else {
            turn.out.extend(frame(&["HELLO", "3"]));
            turn.out.extend(frame(&["SUBSCRIBE", &self.group]));
        }
    }

    fn hear(&mut self, inbox: &[u8], turn: &mut Turn<'_>) -> (usize, Then) {
        if self.kind == Kind::Irc { lines(inbox, |line| self.line(line, turn)) } else { values(inbox, |value| self.value(&value, turn)) }
    }

    fn tick(&mut self, _: &mut Turn<'_>) -> Then {
        Then::Stay
    }

    fn lost(&mut self, _: bool, turn: &mut Turn<'_>) -> Duration {
        turn.log.members[self.number].breaks(turn.now);
        let was_present = std::mem::take(&mut self.present);
        self.edge += 1;
        if was_present { turn.dice.millis(0, 50) } else { REST }
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if self.kind == Kind::Irc {
            out.extend(b"PING :there?\r\n");
        } else {
            out.extend(frame(&["PING"]));
        }
    }

    fn patience(&self) -> Option<Duration> {
        Some(if self.present { self.patience } else { self.patience.max(Duration::from_secs(10)) })
    }
}
