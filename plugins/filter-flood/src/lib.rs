//! The filter `flood`: how fast someone may talk and join, and how often they may say the same.
//!
//! ```toml
//! messages = 5           # what someone may say in `per`: messages, notices, topics; 0: as much as they like
//! burst = 10             # and so much of it at once, after they were quiet
//! joins = 20             # groups someone may join in `per`; 0: as many as they like
//! join_burst = 128       # and so many at once: who comes back joins all their groups
//! per = "5s"             # 1s to 24h
//! repeats = 3            # how often in a row the same text may be said; 0: as often as they like
//! repeats_within = "60s" # after this time it is not the same any more; 1s to 24h
//! people = 10000         # so many people are remembered
//! warn_as = "warden"     # a bot that says in the group who was stopped; none unless given
//! ```
//!
//! - A person is an account, or for guests the host that they come from, an IPv6 one by its /64: guests who share an address share its rate.
//! - What is refused costs nothing: who waits as long as they were told gets through.
//! - A filter sees the people of its own process: who connects to two nodes may talk twice as fast.
//! - Memory is bounded by `people`. Whoever was quiet for longest is forgotten, and is new when they say something.
//! - The bot speaks at most once a minute about each person, and only about what was said in a group, not about joins.

mod rates;
mod settings;

use chatring_sdk::{Bots, ChatEntry, Clock, Counter, Deed, Filter, Gauge, Judgment, Metrics, What};
use rates::{Rates, Stop};
use settings::Settings;
use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

/// The filter.
pub struct Flood {
    rates: Mutex<Rates>,
    /// Milliseconds since some moment.
    now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    warn_as: Option<String>,
    bots: Bots,
    counts: Counts,
}

struct Counts {
    messages: Counter,
    joins: Counter,
    repeats: Counter,
    warnings: Counter,
    people: Gauge,
}

impl Filter for Flood {
    const NAME: &'static CStr = c"flood";
    const VERSION: &'static CStr = chatring_sdk::version!();

    fn start(config: &str) -> Result<Self, String> {
        let Settings { warn_as, rules } = Settings::read(config)?;
        let (clock, metrics) = (Clock::here(), Metrics::here());
        let counts = Counts {
            messages: metrics.counter("messages_stopped", "messages, notices and topics of people who said too much"),
            joins: metrics.counter("joins_stopped", "joins of people who joined too much"),
            repeats: metrics.counter("repeats_stopped", "messages and notices that said the same again"),
            warnings: metrics.counter("warnings", "what the bot has said about people who were stopped"),
            people: metrics.gauge("people", "people who are remembered"),
        };
        let rates = Mutex::new(Rates::new(rules));
        Ok(Flood { rates, now_ms: Box::new(move || clock.steady_ms()), warn_as, bots: Bots::here(), counts })
    }

    fn judge(&self, deed: &Deed<'_>) -> Judgment {
        let now_ms = (self.now_ms)();
        // The worst that a panic may leave is someone who is not among those to be forgotten.
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = rates.judge(now_ms, deed);
        self.counts.people.set(rates.people() as i64);
        let Err(stop) = judged else { return Judgment::Pass };
        let is_heard = deed.what != What::Join && deed.group.starts_with('#');
        let bot = self.warn_as.as_deref().filter(|_| is_heard && rates.may_warn(now_ms, &deed.by));
        drop(rates);
        match stop {
            Stop::Messages { .. } => self.counts.messages.add(1),
            Stop::Joins { .. } => self.counts.joins.add(1),
            Stop::Repeat { .. } => self.counts.repeats.add(1),
        }
        if let Some(bot) = bot
            && self.bots.say(bot, deed.group, &format!("{} was stopped: {}", deed.by.nick, stop.offence()))
        {
            self.counts.warnings.add(1);
        }
        Judgment::Refuse(stop.to_string())
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::filter::<Flood>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

#[cfg(test)]
mod tests;
