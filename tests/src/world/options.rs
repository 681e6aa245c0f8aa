//! What a world is like, how its driver may be broken, and what it remembers for those who watch.

use std::collections::BTreeMap;

use chatring_machines::keeping::Durability;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::peer::Last;
use chatring_machines::time::Time;
use chatring_machines::view::SharedView;

use super::Pid;

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Least and most a message takes.
    pub latency_ms: (u64, u64),
    /// How long authenticators take, at most.
    pub judge_ms: u64,
    /// How long the store takes, at most.
    pub store_ms: u64,
    /// How much later than it wanted a machine is woken, at most.
    pub late_ms: u64,
    /// Entries of a list that wait for someone who does not read; older ones go.
    pub retention: usize,
    /// One in so many messages is read in two parts; 0: none.
    pub torn: u64,
    /// How far a process's clock may be off, either way.
    pub skew_ms: u64,
    /// How much faster or slower it may run, in millionths.
    pub drift_ppm: u64,
    /// Connections of people and clients that are idle for longer die, and nobody is told.
    pub nat_ms: Option<u64>,
    /// How long a driver takes to find out about a dead connection by itself.
    pub keepalive_ms: u64,
    /// How super nodes keep their groups.
    pub durability: Durability,
    /// Bytes that may wait for a super node's disk.
    pub waiting_max: usize,
    /// Groups have standbys: what is acknowledged survives the loss of one copy, and a retry after it is applied once.
    pub replicated: bool,
    /// Print everything that happens.
    pub aloud: bool,
    /// What the driver does wrong on purpose.
    pub sabotage: Sabotage,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            latency_ms: (1, 5),
            judge_ms: 5,
            store_ms: 5,
            late_ms: 3,
            retention: 50,
            torn: 7,
            skew_ms: 3_600_000,
            drift_ppm: 10_000,
            nat_ms: None,
            keepalive_ms: 10_000,
            durability: Durability::Memory,
            waiting_max: 64 << 20,
            replicated: false,
            aloud: std::env::var_os("CHATRING_TRACE").is_some(),
            sabotage: Sabotage::None,
        }
    }
}

/// A driver that is broken in one way, to see whether the checkers notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// It is not.
    None,
    /// Now and then an entry is delivered twice.
    Twice,
    /// Now and then two entries change places.
    Swapped,
    /// Now and then an entry is not delivered.
    Swallowed,
    /// What edges show to masters is lost on the way.
    LostAttach,
    /// Now and then an entry is delivered as of an earlier term.
    OldTerm,
    /// Whoever is taken off a list stays on it.
    Lingering,
    /// Everyone is called the same.
    Namesakes,
    /// Who is welcomed is welcomed ten thousand times.
    Flood,
    /// Each answer between nodes is sent sixty times.
    Echoes,
    /// One directory server leaves the last node out of its views.
    OtherViews,
    /// One directory server says an old view again now and then.
    OldViews,
    /// Who asks for what is certainly the newest is asking for anything.
    HastyReads,
    /// Super nodes that ask for their place hear that they have it before it is so.
    HastyPlaces,
    /// After a while disks of super nodes say that they have what they don't.
    LyingDisks,
}

/// Something said in a group.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// When.
    pub at: Time,
    /// By whom.
    pub who: Pid,
    /// Where.
    pub group: GroupName,
    /// What: never the same twice.
    pub text: String,
}

/// What a group can lose a copy by.
#[derive(Clone, Debug)]
pub enum Lost {
    /// A super node's process ended, and with it what it had in memory.
    Node(NodeKey),
    /// The ring became this.
    View(SharedView),
}

/// A moment at which copies may have been lost.
#[derive(Clone, Debug)]
pub struct Loss {
    /// When.
    pub at: Time,
    /// By what.
    pub by: Lost,
    /// Which copies there were in all processes until then.
    pub copies: BTreeMap<GroupName, Vec<(NodeKey, Last)>>,
}
