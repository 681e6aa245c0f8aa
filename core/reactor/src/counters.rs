//! What a reactor counts.

/// Totals since the start, and a few levels as of the last turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns of the loop.
    pub turns: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once, because the listener had as many as it may.
    pub refused: u64,
    /// Times that accepting had to rest because the process was out of file descriptors.
    pub exhausted: u64,
    /// Connections that are there.
    pub open: u64,
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
