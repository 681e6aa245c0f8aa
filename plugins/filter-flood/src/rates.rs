//! Who has said how much lately. Knows neither the time nor anyone's name: both come with each question.
//!
//! Each rate is a bucket of tokens, kept as the moment at which it is full again: taking one moves that moment away by the time in which one
//! token comes, and it may not be further away than the time in which all of them do.

use chatring_sdk::{Deed, Person, What};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv6Addr;
use std::sync::Arc;

/// What is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Of messages, notices and topics; `None`: any.
    pub messages: Option<Rate>,
    /// Of joins.
    pub joins: Option<Rate>,
    /// How often in a row the same may be said; 0: any.
    pub repeats: u32,
    pub repeats_within_ms: u64,
    /// How many people are remembered.
    pub people_max: usize,
}

/// So many in some time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time in which one token comes. In µs: there may be more than one in a millisecond.
    token_us: u64,
    /// The time in which all of them do.
    full_us: u64,
}

impl Rate {
    /// `count` and `burst` are not 0.
    pub fn new(count: u64, per_ms: u64, burst: u64) -> Rate {
        let token_us = (per_ms * 1_000 / count).max(1);
        Rate { token_us, full_us: token_us * burst }
    }
}

/// When a bucket is full again.
#[derive(Clone, Copy, Default)]
struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// The bucket with one token less, or how long it takes until there is one.
    fn less_one(self, rate: Rate, now_ms: u64) -> Result<Bucket, u64> {
        let now_us = now_ms * 1_000;
        let full_at_us = self.full_at_us.max(now_us) + rate.token_us;
        match full_at_us.saturating_sub(now_us + rate.full_us) {
            0 => Ok(Bucket { full_at_us }),
            wait_us => Err(wait_us.div_ceil(1_000)),
        }
    }
}

/// Why someone is stopped, and how long they have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Messages { wait_ms: u64 },
    Joins { wait_ms: u64 },
    Repeat { times: u32, wait_ms: u64 },
}

impl Stop {
    /// What they have done, for others.
    pub fn offence(&self) -> &'static str {
        match self {
            Stop::Messages { .. } => "too much at once",
            Stop::Joins { .. } => "too many groups at once",
            Stop::Repeat { .. } => "the same again and again",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = |wait_ms: u64| wait_ms.div_ceil(1_000);
        match *self {
            Stop::Messages { wait_ms } => write!(f, "you say too much at once: try again in {} s", wait(wait_ms)),
            Stop::Joins { wait_ms } => write!(f, "you join too many groups at once: try again in {} s", wait(wait_ms)),
            Stop::Repeat { times: 1, wait_ms } => write!(f, "you have just said that: say it again in {} s", wait(wait_ms)),
            Stop::Repeat { times, wait_ms } => write!(f, "you have said that {times} times: say it again in {} s", wait(wait_ms)),
        }
    }
}

/// Everyone who is remembered.
pub(crate) struct Rates {
    rules: Rules,
    people: HashMap<Arc<str>, Known>,
    /// Who was heard when, the one who is quiet for longest first.
    heard: BTreeMap<u64, Arc<str>>,
    /// Counts what was asked.
    turn: u64,
    hasher: RandomState,
}

#[derive(Default)]
struct Known {
    /// The place in `heard`.
    turn: u64,
    messages: Bucket,
    joins: Bucket,
    last: Last,
    warned_at_ms: Option<u64>,
}

/// What someone said last.
#[derive(Clone, Copy, Default)]
struct Last {
    /// Not the text: that may be long.
    hash: u64,
    times: u32,
    at_ms: u64,
}

/// The bot says no more about a person in this time.
const WARNED_MS: u64 = 60_000;

impl Rates {
    pub fn new(rules: Rules) -> Rates {
        Rates { rules, people: HashMap::new(), heard: BTreeMap::new(), turn: 0, hasher: RandomState::new() }
    }

    /// How many are remembered.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Whether someone may do this now; then it counts.
    pub fn judge(&mut self, now_ms: u64, deed: &Deed<'_>) -> Result<(), Stop> {
        let hash = self.hasher.hash_one(deed.text);
        let rules = self.rules.clone();
        let known = self.known(&deed.by);
        if deed.what == What::Join {
            if let Some(rate) = rules.joins {
                known.joins = known.joins.less_one(rate, now_ms).map_err(|wait_ms| Stop::Joins { wait_ms })?;
            }
            return Ok(());
        }
        let mut last = known.last;
        if deed.what != What::Topic {
            let over_at_ms = last.at_ms + rules.repeats_within_ms;
            let is_again = last.times > 0 && last.hash == hash && now_ms < over_at_ms;
            if is_again && rules.repeats > 0 && last.times >= rules.repeats {
                return Err(Stop::Repeat { times: last.times, wait_ms: over_at_ms - now_ms });
            }
            last = Last { hash, times: if is_again { last.times.saturating_add(1) } else { 1 }, at_ms: now_ms };
        }
        if let Some(rate) = rules.messages {
            known.messages = known.messages.less_one(rate, now_ms).map_err(|wait_ms| Stop::Messages { wait_ms })?;
        }
        known.last = last;
        Ok(())
    }

    /// Whether others may be told that they were stopped; then it counts as told.
    pub fn may_warn(&mut self, now_ms: u64, person: &Person<'_>) -> bool {
        let known = self.known(person);
        let may = known.warned_at_ms.is_none_or(|at_ms| now_ms >= at_ms + WARNED_MS);
        if may {
            known.warned_at_ms = Some(now_ms);
        }
        may
    }

    /// What is known of them, who have just been heard.
    fn known(&mut self, person: &Person<'_>) -> &mut Known {
        let key: Arc<str> = key(person).into();
        self.turn += 1;
        match self.people.get(&key) {
            Some(known) => drop(self.heard.remove(&known.turn)),
            None if self.people.len() >= self.rules.people_max => {
                if let Some((_, quietest)) = self.heard.pop_first() {
                    self.people.remove(&quietest);
                }
            }
            None => {}
        }
        self.heard.insert(self.turn, key.clone());
        let known = self.people.entry(key).or_default();
        known.turn = self.turn;
        known
    }
}

/// Who counts as one: an account, or where guests come from. The sigils keep an account from being taken for a host.
fn key(person: &Person<'_>) -> String {
    if !person.account.is_empty() {
        return format!("@{}", person.account.to_ascii_lowercase());
    }
    match person.host.parse::<Ipv6Addr>() {
        // Whoever has one address of a /64 has all of them.
        Ok(ip) if ip.to_ipv4_mapped().is_none() => format!("/{:x}", ip.to_bits() >> 64),
        _ => format!("%{}", person.host),
    }
}
