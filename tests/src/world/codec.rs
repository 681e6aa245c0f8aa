//! How messages look while they are on their way: as bytes of the real RESP codec between machines, as plain records for raw sessions.
//!
//! Raw people stand for any transport, IRC above all, and hear every event whole; their records are written out as lengths and bytes. Either codec is fed what a socket would give: bytes cut anywhere, several records at once.

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
                let len: usize = argv.iter().map(|arg| 4 + arg.len()).sum();
                out.extend_from_slice(&(len as u32).to_le_bytes());
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

    /// The whole records at the beginning of some bytes, each as its argv. Takes these bytes away; what is left is shown again, with what came after it.
    pub fn decode(&self, codec: &mut Codec, bytes: &mut Vec<u8>) -> Vec<Vec<Vec<u8>>> {
        let (found, used) = match codec {
            Codec::Plain => plain(bytes),
            Codec::Resp(conn) => {
                let mut found = Found(Vec::new());
                let used = self.0.decode(conn, bytes, &mut found);
                let used = used.unwrap_or_else(|_| panic!("the codec does not take what it wrote: {}", bytes.escape_ascii()));
                (found.0, used)
            }
        };
        bytes.drain(..used);
        found
    }
}

impl Default for Codecs {
    fn default() -> Codecs {
        Codecs::new()
    }
}

/// A length and so many bytes: what stands at the beginning, and what follows it.
fn plain_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*head) as usize)
}

fn plain(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize) {
    let (mut records, mut left) = (Vec::new(), bytes);
    while let Some((mut record, rest)) = plain_bytes(left) {
        let mut args = Vec::new();
        while let Some((arg, rest)) = plain_bytes(record) {
            args.push(arg.to_vec());
            record = rest;
        }
        records.push(args);
        left = rest;
    }
    (records, bytes.len() - left.len())
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

/// Whether it is only asked, or answered, whether someone is there, or directory servers agree.
pub fn is_probe(argv: &[Vec<u8>]) -> bool {
    let is = |word: &[u8]| argv.iter().take(2).any(|arg| arg.eq_ignore_ascii_case(word));
    argv.len() <= 2 && (is(b"PROBE") || is(b"HERE")) || argv.first().is_some_and(|word| word.eq_ignore_ascii_case(b"LOG"))
}

#[cfg(test)]
mod tests {
    use chatring_machines::charter::Charter;
    use chatring_machines::directory::{Letter, Place, Record, Roster, STATE_PIECE_MAX};
    use chatring_machines::entry::{Ban, Rank, Settings, Topic};
    use chatring_machines::ids::{Birth, ServerId, Term, Ticket};
    use chatring_machines::names::{GroupName, Nick};
    use chatring_machines::peer::{Change, PeerCommand};
    use chatring_machines::time::Time;

    use super::*;

    /// Whether a command is taken whole at the other end, with the settings that everyone has.
    #[track_caller]
    fn check(command: PeerCommand) {
        let codecs = Codecs::new();
        let (mut dialler, mut server) = (codecs.open(true, true), codecs.open(true, false));
        let mut bytes = codecs.encode(&mut dialler, &Event::Command(Command::Peer(command.clone())), false);
        let heard: Vec<_> = codecs.decode(&mut server, &mut bytes).iter().map(|argv| super::command(argv)).collect();
        assert_eq!(heard, [Ok(Command::Peer(command))]);
    }

    /// As large as a group may have it.
    fn charter(group: &str) -> Charter {
        let nick = |n: usize| Nick::new(&format!("{:x<32}", format!("n{n}"))).unwrap();
        let mut settings = Settings::new(Time(1));
        settings.topic = Some(Topic { text: "t".repeat(400).as_str().into(), by: nick(0), time: Time(u64::MAX >> 1) });
        let ban = |n| Ban { mask: "m".repeat(400).as_str().into(), by: nick(n), time: Time(u64::MAX >> 1) };
        settings.bans = (0..100).map(ban).collect();
        settings.ranks = (0..100).map(|n| (nick(n), Rank { founder: true, operator: true, voice: true })).collect();
        Charter { group: GroupName::new(group).unwrap(), birth: Birth(1), term: Term::default(), seq: u64::MAX >> 1, settings }
    }

    #[test]
    fn the_largest_that_servers_say_to_each_other_is_taken() {
        let log = |letter| PeerCommand::Log { server: ServerId(1), to: ServerId(2), letter: Box::new(letter) };
        let piece = "p".repeat(STATE_PIECE_MAX).as_str().into();
        let (place, roster) = (Place { index: 1, term: 1 }, Roster::default());
        check(log(Letter::State { term: 1, place, roster, at: 0, size: 1 << 20, piece }));
        // One batch is one record, which goes in any case.
        let charters = vec![charter("#a"), charter("#b")];
        let records = vec![Record::Change { change: Change::Charters { charters: charters.clone() } }];
        check(log(Letter::Entries { term: 1, commit: 1, after: place, records, sent: Time(1) }));
        check(PeerCommand::Charter { ticket: Ticket(1), charters });
    }
}
