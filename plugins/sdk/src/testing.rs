//! Trying a codec without a server: what it makes of some bytes, and a conformance check every codec has to pass.
//!
//! ```no_run
//! use chatring_sdk::testing::{OwnedRecord, check_codec, decode_all};
//! use chatring_sdk::{Kind, Role, Transport};
//!
//! fn try_out<T: Transport>(codec: &T) {
//!     let heard = decode_all(codec, Role::Server, b"NICK joe\r\nJO");
//!     assert_eq!(heard.records, [OwnedRecord::new(Kind::Command, &["NICK", "joe"])]);
//!     assert_eq!((heard.used, heard.broken), (10, false));
//!     check_codec(codec, Role::Server, &[b"NICK joe\r\nJOIN #g\r\n"]);
//! }
//! ```

mod conformance;
mod samples;

pub use conformance::{UNREAD_MAX, check_codec, check_cuts, check_encoding, check_noise, check_unread, hostile_records};
pub use samples::events;

use crate::{Arg, Decoded, Flow, Kind, Record, Role, Transport};

/// A record that owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Its shape.
    pub kind: Kind,
    /// Its name and arguments.
    pub argv: Vec<Vec<u8>>,
}

impl OwnedRecord {
    /// A record of these arguments.
    pub fn new<A: AsRef<[u8]>>(kind: Kind, argv: &[A]) -> OwnedRecord {
        OwnedRecord { kind, argv: argv.iter().map(|arg| arg.as_ref().to_vec()).collect() }
    }

    /// Lends it as a [`Record`].
    pub fn lend<R>(&self, borrower: impl FnOnce(&Record<'_>) -> R) -> R {
        let argv: Vec<Arg<'_>> = self.argv.iter().map(|arg| Arg::new(arg)).collect();
        borrower(&Record::new(self.kind, &argv))
    }
}

impl From<&Record<'_>> for OwnedRecord {
    fn from(record: &Record<'_>) -> OwnedRecord {
        OwnedRecord::new(record.kind, record.argv)
    }
}

impl std::fmt::Debug for OwnedRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lend(|record| record.fmt(f))
    }
}

/// What a codec made of the bytes it was given so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The records, in order.
    pub records: Vec<OwnedRecord>,
    /// What it wants sent to the peer.
    pub wire: Vec<u8>,
    /// How many bytes it took.
    pub used: usize,
    /// It trusts the peer no more.
    pub broken: bool,
}

/// One connection of a codec, fed by hand, treating the codec as chatd does: what is unused is offered again.
pub struct Feed<'t, T: Transport> {
    transport: &'t T,
    /// The connection's state, for `encode_private` and `class_of`.
    pub conn: T::Conn,
    /// What came of it so far.
    pub heard: Heard,
    unread: Vec<u8>,
    stop_after_each: bool,
}

impl<'t, T: Transport> Feed<'t, T> {
    /// A fresh connection.
    pub fn new(transport: &'t T, role: Role) -> Feed<'t, T> {
        let conn = transport.open(role);
        Feed { transport, conn, heard: Heard::default(), unread: Vec::new(), stop_after_each: false }
    }

    /// As chatd does when a connection's turn is over: answers STOP to every record, then asks again.
    pub fn stop_after_each(mut self) -> Feed<'t, T> {
        self.stop_after_each = true;
        self
    }

    /// Bytes arrive. Panics if the codec breaks its contract; after it called the stream broken, nothing is fed any more.
    #[track_caller]
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.heard.broken {
            return;
        }
        self.unread.extend_from_slice(bytes);
        for _ in 0..TURNS_MAX {
            let before = self.heard.records.len();
            let mut sink = Sink { heard: &mut self.heard, stop: self.stop_after_each, stopped: false };
            let end = self.transport.decode(&mut self.conn, &self.unread, &mut sink);
            let stopped = sink.stopped;
            let Ok(used) = end else {
                self.heard.broken = true;
                return;
            };
            let offered = self.unread.len();
            assert!(used <= offered, "used {used} of {offered} bytes");
            let given = self.heard.records.len() - before;
            assert!(used > 0 || given == 0 || stopped, "{given} records for no bytes: they would come again and again");
            self.unread.drain(..used);
            self.heard.used += used;
            if !stopped || (used == 0 && given == 0) {
                return;
            }
        }
        panic!("stopped {TURNS_MAX} times, and still not at the end of {} bytes", self.unread.len());
    }
}

/// More turns than any input of the conformance check can take.
const TURNS_MAX: usize = 1 << 20;

struct Sink<'h> {
    heard: &'h mut Heard,
    stop: bool,
    stopped: bool,
}

impl Decoded for Sink<'_> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.heard.records.push(record.into());
        self.flow()
    }

    fn wire(&mut self, bytes: &[u8]) -> Flow {
        self.heard.wire.extend_from_slice(bytes);
        self.flow()
    }
}

impl Sink<'_> {
    fn flow(&mut self) -> Flow {
        self.stopped |= self.stop;
        if self.stop { Flow::Stop } else { Flow::Continue }
    }
}

/// What a fresh connection makes of `bytes` that arrive at once.
#[track_caller]
pub fn decode_all<T: Transport>(transport: &T, role: Role, bytes: &[u8]) -> Heard {
    let mut feed = Feed::new(transport, role);
    feed.bytes(bytes);
    feed.heard
}

/// The bytes of a push for a class.
pub fn encode<T: Transport>(transport: &T, class: u32, record: &OwnedRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.lend(|record| transport.encode(class, record, &mut bytes));
    bytes
}

/// The bytes of an event for one connection.
pub fn encode_private<T: Transport>(transport: &T, conn: &mut T::Conn, record: &OwnedRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.lend(|record| transport.encode_private(conn, record, &mut bytes));
    bytes
}
