//! What a client is told when it starts.

use crate::command::Account;
use crate::list::Trust;
use crate::names::GroupName;
use crate::view::SharedView;
use crate::wire::Text;

/// Which group it wants to be in, and as whom. Holds secrets, so it is not for printing.
#[derive(Clone)]
pub struct ClientConfig {
    /// The directory servers it begins with, as `host:port`.
    pub directories: Vec<Text>,
    /// The list as it was when last saved, to start from when no directory answers. The first one that is fetched replaces it.
    pub cached: Option<SharedView>,
    /// What lists are held against; it learns from each. `None`: whoever answers is believed, each time, where that is this machine itself.
    pub trust: Option<Trust>,
    /// The group.
    pub group: GroupName,
    /// Its key, where it has one.
    pub key: Option<Text>,
    /// What the person wants to be called; a guest's name without it.
    pub nick: Option<Text>,
    /// Who logs in, where the network asks.
    pub account: Option<Account>,
    /// The session's secret: 8 to 64 printable characters, fresh for each start of the process, from a source nobody can guess.
    pub token: Text,
    /// For jitter: drawn by the driver.
    pub seed: u64,
    /// Spans.
    pub timing: ClientTiming,
    /// Bounds.
    pub limits: ClientLimits,
}

/// Spans of time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct ClientTiming {
    /// How long one server may take to answer with the list before the next is asked.
    pub fetch_ms: u64,
    /// How long a dial may take.
    pub dial_ms: u64,
    /// After how long a silence the node is asked whether it is there.
    pub ping_ms: u64,
    /// How long it may go on being silent then, before it is taken for dead. Both together: a lease.
    pub silent_ms: u64,
    /// How long a node may owe an answer while other things come, before it is taken for dead. More than a node's own patience.
    pub answer_ms: u64,
    /// The first wait before trying again, at most; doubled each time.
    pub backoff_first_ms: u64,
    /// The longest such wait: how much later than the directory a client may notice a new ring.
    pub backoff_max_ms: u64,
    /// How long to try for the first join; `None`: for ever.
    pub first_join_ms: Option<u64>,
    /// How long to try to get back in; `None`: for ever.
    pub rejoin_ms: Option<u64>,
    /// How long one's own nick may be refused after a reconnect: the claim of the lost connection lingers.
    pub nick_ms: u64,
    /// How long, after being told to stop, what was said may take to get through.
    pub drain_ms: u64,
}

impl Default for ClientTiming {
    fn default() -> ClientTiming {
        ClientTiming {
            fetch_ms: 1_000,
            dial_ms: 3_000,
            ping_ms: 1_000,
            silent_ms: 2_000,
            answer_ms: 10_000,
            backoff_first_ms: 80,
            backoff_max_ms: 1_000,
            first_join_ms: Some(30_000),
            rejoin_ms: None,
            nick_ms: 30_000,
            drain_ms: 5_000,
        }
    }
}

/// Bounds, each with what happens at it.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Messages that wait to be said; the next is unsent at once.
    pub outbox: usize,
    /// Commands that wait for their answer; the next is answered BUSY at once.
    pub asked: usize,
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits { outbox: 256, asked: 64 }
    }
}
