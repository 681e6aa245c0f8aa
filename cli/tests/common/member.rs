//! Members of groups, whatever program they use: what they heard, in order.

use super::irc::{self, Irc};
use super::process::Process;
use super::redis::Redis;
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::time::Instant;

/// What was said, and where.
pub type Said = (String, String);

/// Something that hears.
pub trait Ear {
    /// The next message, if one comes by then.
    fn next(&mut self, until: Instant) -> Option<Said>;
}

/// Who hears.
pub struct Member<E> {
    pub name: String,
    pub ear: E,
    /// All of it.
    pub heard: Vec<Said>,
}

/// As the tests keep them, programs of all kinds together.
pub trait Hears {
    fn name(&self) -> &str;
    fn heard(&self) -> &[Said];
    /// Whether this was said by then.
    fn hears(&mut self, group: &str, text: &str, until: Instant) -> bool;
    /// What was said in a group.
    fn heard_in(&self, group: &str) -> Vec<&str> {
        self.heard().iter().filter(|(place, _)| place == group).map(|(_, text)| text.as_str()).collect()
    }
}

impl<E: Ear> Member<E> {
    pub fn new(name: &str, ear: E) -> Member<E> {
        Member { name: name.to_string(), ear, heard: Vec::new() }
    }
}

impl<E: Ear> Hears for Member<E> {
    fn name(&self) -> &str {
        &self.name
    }

    fn heard(&self) -> &[Said] {
        &self.heard
    }

    fn hears(&mut self, group: &str, text: &str, until: Instant) -> bool {
        let is_it = |said: &Said| said.0 == group && said.1 == text;
        if self.heard.iter().any(is_it) {
            return true;
        }
        while let Some(said) = self.ear.next(until) {
            let found = is_it(&said);
            self.heard.push(said);
            if found {
                return true;
            }
        }
        false
    }
}

impl Ear for Irc {
    fn next(&mut self, until: Instant) -> Option<Said> {
        loop {
            let line = Irc::next(self, until).expect("IRC clients stay connected")?;
            if let Some((group, text)) = irc::message(&line) {
                return Some((group.to_string(), text.to_string()));
            }
        }
    }
}

impl Ear for Redis {
    fn next(&mut self, until: Instant) -> Option<Said> {
        loop {
            let value = Redis::next(self, until).expect("this client stays connected")?;
            if let Some((group, text)) = value.message() {
                return Some((group.to_string(), text.to_string()));
            }
        }
    }
}

/// A Redis client that does what their libraries do: connects anew when it has to, wherever it may, and subscribes again.
pub struct Sturdy {
    pub addresses: Vec<SocketAddr>,
    pub groups: Vec<String>,
    pub connection: Option<Redis>,
}

impl Sturdy {
    fn connect(&mut self) -> Option<Redis> {
        let mut redis = self.addresses.iter().find_map(|address| Redis::try_connect(*address).ok())?;
        let words: Vec<&str> = std::iter::once("SUBSCRIBE").chain(self.groups.iter().map(String::as_str)).collect();
        redis.try_send(&words).ok().map(|()| redis)
    }
}

impl Ear for Sturdy {
    fn next(&mut self, until: Instant) -> Option<Said> {
        loop {
            let mut redis = self.connection.take().or_else(|| self.connect())?;
            match redis.next(until) {
                Err(_) => continue,
                // What was refused for now is asked again, on a new connection.
                Ok(Some(refusal)) if !refusal.code().is_empty() => continue,
                Ok(Some(value)) => {
                    self.connection = Some(redis);
                    if let Some((group, text)) = value.message() {
                        return Some((group.to_string(), text.to_string()));
                    }
                }
                Ok(None) => {
                    self.connection = Some(redis);
                    return None;
                }
            }
        }
    }
}

/// `chatctl tail --json`: the native client.
pub struct Tail {
    pub process: Process,
    /// Everything it showed.
    pub entries: Vec<Json>,
}

impl Tail {
    /// Reads on until it shows something of this kind.
    #[track_caller]
    pub fn wait(&mut self, what: &str) {
        let until = super::soon();
        while let Some(entry) = self.entry(until) {
            if entry["what"] == what {
                return;
            }
        }
        panic!("no {what} in {:?}", self.entries);
    }

    fn entry(&mut self, until: Instant) -> Option<Json> {
        let entry: Json = serde_json::from_str(&self.process.out.next(until)?).unwrap();
        self.entries.push(entry.clone());
        Some(entry)
    }
}

impl Ear for Tail {
    fn next(&mut self, until: Instant) -> Option<Said> {
        loop {
            let entry = self.entry(until)?;
            if entry["what"] == "message" {
                let word = |name: &str| entry[name].as_str().unwrap().to_string();
                return Some((word("group"), word("text")));
            }
        }
    }
}
