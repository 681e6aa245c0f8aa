//! What a reactor counts, and what it says of itself when someone asks.

use chatring_machines::Input;
use chatring_machines::gauges::Gauges;
use chatring_machines::machine::Verdict;

use crate::spans::Spans;

/// Totals since the start, and a few levels as of the last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns of the loop, by how long they took: the time it was asleep left out.
    pub turns: Spans,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once, because the listener had as many as it may.
    pub refused: u64,
    /// Times that accepting had to rest because the process was out of file descriptors.
    pub exhausted: u64,
    /// Connections that are there.
    pub open: u64,
    /// Connections whose sockets take nothing at the moment, though something waits.
    pub stuck: u64,
    /// People who asked to be let in and were, were not, or met nobody with the time to decide.
    pub logins: Logins,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Commands and events heard.
    pub heard: u64,
    /// Events told to one connection.
    pub told: u64,
    /// Messages told to lists, times their recipients.
    pub deliveries: u64,
    /// Messages that slow recipients missed.
    pub fell: u64,
    /// Connections whose bytes could not be trusted any more.
    pub broken: u64,
    /// TLS handshakes that came to an end as they should.
    pub handshakes: u64,
    /// TLS handshakes that came to nothing.
    pub handshakes_failed: u64,
    /// Connections cut because too much waited for them.
    pub overflowed: u64,
    /// Times that reading from a connection stopped because too much waited for it.
    pub held: u64,
    /// Events that a transport failed to encode.
    pub encode_faults: u64,
    /// Bytes of memory in blocks of group traffic.
    pub block_bytes: u64,
    /// Bytes that wait for one connection alone.
    pub private_bytes: u64,
}

/// What became of those who asked to be let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// In.
    pub accepted: u64,
    /// Out.
    pub denied: u64,
    /// Nobody had the time to decide.
    pub busy: u64,
}

impl Counters {
    /// Something came back from a worker.
    pub(crate) fn note(&mut self, input: &Input) {
        if let Input::Judged { verdict, .. } = input {
            match verdict {
                Verdict::Accept(_) => self.logins.accepted += 1,
                Verdict::Deny(_) => self.logins.denied += 1,
                Verdict::Busy => self.logins.busy += 1,
            }
        }
    }
}

/// How what is kept gets to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Transactions, by how long they took.
    pub writes: Spans,
    /// Transactions that failed; each was tried again.
    pub failures: u64,
    /// Of a directory server: groups that are remembered, and people in them, as they were counted last.
    pub remembered: Option<Remembered>,
}

/// What a directory server's file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// People.
    pub people: u64,
    /// Groups.
    pub groups: u64,
}

/// How a reactor and its machine are at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// What the reactor counts.
    pub counters: Counters,
    /// What it has on disk, where it has something there.
    pub disk: Option<DiskCounters>,
    /// What the machine says.
    pub gauges: Gauges,
}
