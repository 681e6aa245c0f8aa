//! Numbers that name things, each of a type of its own so that they cannot be mixed up.

use std::fmt;
use std::str::FromStr;

/// A connection: the driver's slot and how often the slot was used before. An answer meant for a previous tenant names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn {
    /// Index in the driver's table.
    pub slot: u32,
    /// Grows each time the slot is given out.
    pub generation: u32,
}

/// A list of recipients that the driver keeps. Chosen by the machine, small numbers, reused after `Disband`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(pub u32);

/// Names a question that is answered later. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Which of a node's listeners a connection came in by. 0 is the node's own port, the only one where peers are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

macro_rules! hex_id {
    ($(#[$meta:meta])* $Name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(pub u64);

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl FromStr for $Name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                u64::from_str_radix(text, 16).map($Name)
            }
        }
    };
}

hex_id! {
    /// A person's connection to the network, across reconnects where the client shows its secret again. Public; derived from the secret.
    SessionId
}
hex_id! {
    /// The life of a group. Another birth means that history was lost in between.
    Birth
}
hex_id! {
    /// One start of a process. A node that restarted has another.
    Incarnation
}

hex_id! {
    /// A directory server, as its file knows it: one that lost its file is another. Never 0.
    ServerId
}

/// Numbers the ring's views: a later one always compares greater. `generation` grows when a directory was recovered or restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Grows with every recovery of the directory.
    pub generation: u32,
    /// Grows with every change of the ring.
    pub number: u64,
}

impl Epoch {
    /// The next one in this generation.
    pub fn next(self) -> Epoch {
        Epoch { generation: self.generation, number: self.number + 1 }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.number)
    }
}

/// Why a text is not an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an epoch is written generation.number, like 1.42")]
pub struct BadEpoch;

impl FromStr for Epoch {
    type Err = BadEpoch;
    fn from_str(text: &str) -> Result<Epoch, BadEpoch> {
        let (generation, number) = text.split_once('.').ok_or(BadEpoch)?;
        Ok(Epoch { generation: generation.parse().map_err(|_| BadEpoch)?, number: number.parse().map_err(|_| BadEpoch)? })
    }
}

/// Who assigned an entry its place: the epoch in which the group's pair last changed.
pub type Term = Epoch;

/// Names one thing said, for good: a retry carries the same and is applied once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Who said it.
    pub session: SessionId,
    /// The session's own count, below 2^63, or that of the node which it said this to ([`node_counter`]). 0 where nobody retries (a part because the connection broke).
    pub counter: u64,
}

/// Where a node begins to count what a connection says without a counter of its own. A session that goes on elsewhere, or also counts by itself, must not meet its own numbers again: each connection has a series, named
/// by the upper half.
pub fn node_counter(connection: SessionId) -> u64 {
    (1 << 63) | ((connection.0 & 0x7fff_ffff) << 32)
}

impl EntryId {
    /// The series of the counter: 0 is the session's own.
    pub fn series(&self) -> u32 {
        match self.counter >> 63 {
            0 => 0,
            _ => (self.counter >> 32) as u32,
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.session, self.counter)
    }
}

/// Why a text is not an entry id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry id is written session-counter, like 00000000000000a1-7")]
pub struct BadEntryId;

impl FromStr for EntryId {
    type Err = BadEntryId;
    fn from_str(text: &str) -> Result<EntryId, BadEntryId> {
        let (session, counter) = text.split_once('-').ok_or(BadEntryId)?;
        Ok(EntryId { session: session.parse().map_err(|_| BadEntryId)?, counter: counter.parse().map_err(|_| BadEntryId)? })
    }
}
