//! A native member: joins at the group's master, follows it wherever it goes, and comes back with the birth and seq it heard last.
//!
//! It works like the mail's clients. It keeps the list of nodes; when its node is lost it dials the next in the group's order, which is where the group should be now. Whoever is
//! asked there answers, sends it on, or lets it wait.

use super::common::network::Place as Node;
use super::common::redis::{Value, frame};
use super::log::{Kind, Member, Place};
use super::person::{Person, Then, Turn, asked_to_wait, values};
use chatring_machines::names::NodeKey;
use chatring_machines::ring::{Ring, point};
use chatring_machines::view::RingParams;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// For how long a node that was lost is not tried, unless there is no other: it may be back at once, or about to be declared dead.
const AVOIDED: Duration = Duration::from_millis(500);
/// The same of a node that fell silent: others may send us there until its lease is over.
const AVOIDED_SILENT: Duration = Duration::from_secs(4);
/// After which it asks once more whether the group is here, when it was sent where nobody is.
const AGAIN: Duration = Duration::from_millis(100);

pub struct Native {
    number: usize,
    group: String,
    token: String,
    patience: Duration,
    /// The nodes of the ring, as far as it knows.
    known: Vec<NodeKey>,
    /// Where it was sent.
    named: Option<NodeKey>,
    at: Option<NodeKey>,
    avoided: Vec<(NodeKey, Instant)>,
    joined: bool,
    join_at: Option<Instant>,
    /// What it heard last.
    birth: u64,
    seq: u64,
}

impl Native {
    /// Adds the member to the log, too.
    pub fn new(group: (usize, &str), map: &[Node], patience: Duration, members: &mut Vec<Member>) -> Native {
        let number = members.len();
        members.push(super::redis_and_irc::member(Kind::Native, group.0));
        Native {
            number,
            group: group.1.to_string(),
            token: format!("native-{}-{number}", std::process::id()),
            patience,
            known: map.iter().map(|node| node.key.clone()).collect(),
            named: None,
            at: None,
            avoided: Vec::new(),
            joined: false,
            join_at: None,
            birth: 0,
            seq: 0,
        }
    }

    fn join(&self, out: &mut Vec<u8>) {
        match self.birth {
            0 => out.extend(frame(&["JOIN", &self.group])),
            birth => out.extend(frame(&["JOIN", &self.group, "", &format!("{birth:016x}"), &self.seq.to_string()])),
        }
    }

    fn is_avoided(&self, node: &NodeKey, now: Instant) -> bool {
        self.avoided.iter().any(|(avoided, until)| avoided == node && *until > now)
    }

    fn sent_to(&mut self, node: &str, turn: &mut Turn<'_>) -> Then {
        let node = NodeKey::new(node).expect("the address of a node");
        if self.is_avoided(&node, turn.now) || self.at.as_ref() == Some(&node) {
            self.join_at = Some(turn.now + turn.dice.millis(50, 100));
            return Then::Stay;
        }
        self.named = Some(node);
        Then::Leave
    }

    fn refused(&mut self, refusal: &str, turn: &mut Turn<'_>) -> Then {
        turn.log.members[self.number].steps(turn.now, refusal);
        let mut words = refusal.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("MOVED"), Some(_), Some(node)) => self.sent_to(node, turn),
            (Some("TRYAGAIN" | "BUSY"), ..) => {
                self.join_at = Some(turn.now + asked_to_wait(refusal).max(AGAIN / 4));
                Then::Stay
            }
            _ => {
                turn.log.refusals.push(format!("a native member: {refusal}"));
                self.join_at = Some(turn.now + AGAIN);
                Then::Stay
            }
        }
    }

    fn heard(&mut self, words: &[&str], turn: &mut Turn<'_>) -> Then {
        let me = &mut turn.log.members[self.number];
        if let ["joined" | "gap" | "moved" | "part", ..] = words {
            me.steps(turn.now, words[..5.min(words.len())].join(" "));
        }
        match *words {
            ["joined", group, birth, seq, ..] if group == self.group => {
                let birth = u64::from_str_radix(birth, 16).expect("a birth");
                if birth != self.birth {
                    (self.birth, self.seq) = (birth, seq.parse().expect("a seq"));
                }
                (self.joined, self.join_at) = (true, None);
                me.comes(turn.now);
            }
            ["ring", ..] => {
                self.known = turn.map.iter().map(|node| &node.key).filter(|key| words.contains(&key.as_str())).cloned().collect();
            }
            ["gap", group, lost, reason, ..] if group == self.group => {
                let heard = me.heard.len();
                me.gaps.push((heard, format!("{lost} {reason}")));
            }
            // It is out, where its node says so to it alone: it comes again, and goes on from where it was.
            ["part", group, "0", ..] if group == self.group => self.join_at = Some(turn.now + AGAIN),
            ["moved", group, _, node, ..] if group == self.group => return self.sent_to(node, turn),
            [word, group, seq, term, _, ..] if group == self.group => {
                let seq: u64 = seq.parse().expect("a seq");
                let (generation, epoch) = term.split_once('.').expect("a term");
                let term = (generation.parse().expect("a generation"), epoch.parse().expect("an epoch"));
                self.seq = self.seq.max(seq);
                if let ("message", Some(text)) = (word, words.get(12)) {
                    me.hears(text, turn.now, Some(Place { birth: self.birth, seq, term }));
                }
            }
            _ => {}
        }
        Then::Stay
    }
}

impl Person for Native {
    fn dial(&mut self, now: Instant, map: &[Node]) -> SocketAddr {
        self.avoided.retain(|(_, until)| *until > now);
        let ring = Ring::of(self.known.iter().cloned(), RingParams::default());
        let named = self.named.take();
        let free = || ring.order(point(&self.group)).find(|node| !self.is_avoided(node, now));
        let node = named.or_else(|| free().cloned()).or_else(|| ring.master(&self.group).cloned());
        let node = node.unwrap_or_else(|| map[0].key.clone());
        let address = node.address().expect("a node has an address");
        self.at = Some(node);
        address
    }

    fn greet(&mut self, turn: &mut Turn<'_>) {
        (self.joined, self.join_at) = (false, None);
        turn.log.members[self.number].steps(turn.now, format!("at {:?}", self.at));
        turn.out.extend(frame(&["HELLO", "3"]));
        turn.out.extend(frame(&["SESSION", &self.token]));
        turn.out.extend(frame(&["RING"]));
        self.join(turn.out);
    }

    fn hear(&mut self, inbox: &[u8], turn: &mut Turn<'_>) -> (usize, Then) {
        values(inbox, |value| match value {
            Value::Error(refusal) => self.refused(&refusal, turn),
            value => self.heard(&value.words(), turn),
        })
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Then {
        if self.join_at.is_some_and(|at| at <= turn.now) {
            self.join_at = None;
            turn.out.extend(frame(&["RING"]));
            self.join(turn.out);
        }
        Then::Stay
    }

    fn lost(&mut self, silent: bool, turn: &mut Turn<'_>) -> Duration {
        if self.named.is_some() {
            return Duration::ZERO;
        }
        if let Some(node) = self.at.take() {
            self.avoided.retain(|(avoided, _)| *avoided != node);
            self.avoided.push((node, turn.now + if silent { AVOIDED_SILENT } else { AVOIDED }));
        }
        turn.log.members[self.number].breaks(turn.now);
        // Those who were lost together don't come back together.
        turn.dice.millis(0, 50)
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        out.extend(frame(&["PING"]));
    }

    fn patience(&self) -> Option<Duration> {
        // An answer to a ping waits behind the answer to a join, and that for a master.
        Some(if self.joined { self.patience } else { self.patience.max(Duration::from_secs(10)) })
    }
}
