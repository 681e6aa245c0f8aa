//! How messages look while they are on their way: as bytes of the real RESP codec between machines, as plain records for raw sessions.
//!
//! Raw people stand for any transport, IRC above all, and hear every event whole; their records are written out as lengths and bytes.

use chatring_machines::command::Command;
use chatring_machines::event::{Event, Shape};
use chatring_machines::wire::{Argv, Bad};
use chatring_resp::{Conn, Resp};
use chatring_sdk::{Arg, Decoded, Flow, Kind, Record, Role, Transport};

/// One end of a connection.
pub enum Codec {
    /// Native clients and nodes.
    Resp(Box<Conn>),
    /// Raw sessions.
    Plain,
}

/// What every codec shares.
pub struct Codecs(Resp);

impl Codecs {
    /// With the settings a node has by default.
    pub fn new() -> Codecs {
        Codecs(Resp::start("").expect("the defaults are valid"))
    }

    /// A new end.
    pub fn open(&self, native: bool, dialled: bool) -> Codec {
        let role = if dialled { Role::Client } else { Role::Server };
        if native { Codec::Resp(Box::new(self.0.open(role))) } else { Codec::Plain }
    }

    /// The bytes of an event. Empty: this codec does not say it.
    pub fn encode(&self, codec: &mut Codec, event: &Event, to_all: bool) -> Vec<u8> {
        let mut argv = Argv::default();
        event.put(&mut argv);
        let mut out = Vec::new();
        match codec {
            Codec::Plain => {
                for arg in argv.iter() {
                    out.extend_from_slice(&(arg.len() as u32).to_le_bytes());
                    out.extend_from_slice(arg);
                }
            }
            Codec::Resp(conn) => {
                let args: Vec<Arg<'_>> = argv.iter().map(Arg::new).collect();
                let kind = Kind::try_from(event.shape() as u32).unwrap_or(Kind::Push);
                let record = Record::new(kind, &args);
                if to_all {
                    debug_assert_eq!(event.shape(), Shape::Push);
                    self.0.encode(self.0.class_of(conn), &record, &mut out);
                } else {
                    self.0.encode_private(conn, &record, &mut out);
                }
            }
        }
        out
    }

    /// The records in some bytes, each as its argv.
    pub fn decode(&self, codec: &mut Codec, bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        match codec {
            Codec::Plain => vec![plain(bytes)],
            Codec::Resp(conn) => {
                let mut found = Found(Vec::new());
                let used = self.0.decode(conn, bytes, &mut found);
                assert_eq!(used, Ok(bytes.len()), "the codec does not take what it wrote: {}", bytes.escape_ascii());
                found.0
            }
        }
    }
}

impl Default for Codecs {
    fn default() -> Codecs {
        Codecs::new()
    }
}

fn plain(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
        let (arg, rest) = rest.split_at(u32::from_le_bytes(*head) as usize);
        args.push(arg.to_vec());
        bytes = rest;
    }
    args
}

struct Found(Vec<Vec<Vec<u8>>>);

impl Decoded for Found {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.0.push(record.argv.iter().map(|arg| arg.to_vec()).collect());
        Flow::Continue
    }
    fn wire(&mut self, _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// What a server hears.
pub fn command(argv: &[Vec<u8>]) -> Result<Command, Bad> {
    Command::parse(&argv.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// What a dialler is told.
pub fn event(argv: &[Vec<u8>]) -> Result<Event, Bad> {
    Event::parse(&argv.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
