//! A host in a few lines: keeps the unread input, offers it again, writes down what comes out.

use chatring_resp::{Conn, Resp};
use chatring_sdk::{Arg, Decoded, Flow, Kind, Record, Role, Transport};

/// One connection and its unread input.
pub struct Host {
    pub resp: Resp,
    pub conn: Conn,
    pub unread: Vec<u8>,
    pub seen: Vec<String>,
    pub broken: bool,
}

impl Host {
    pub fn new(role: Role) -> Host {
        Host::with("", role)
    }

    pub fn with(config: &str, role: Role) -> Host {
        let resp = Resp::start(config).expect("a valid config");
        let conn = resp.open(role);
        Host { resp, conn, unread: Vec::new(), seen: Vec::new(), broken: false }
    }

    /// What a broken connection receives is thrown away.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.unread.extend_from_slice(bytes);
        match self.resp.decode(&mut self.conn, &self.unread, &mut Notes(&mut self.seen)) {
            Ok(used) => drop(self.unread.drain(..used)),
            Err(_) => {
                self.seen.push("broken".into());
                self.broken = true;
            }
        }
    }

    /// What came out, one line each, and how many bytes wait for more.
    pub fn transcript(mut self) -> String {
        if !self.broken && !self.unread.is_empty() {
            self.seen.push(format!("{} unread", self.unread.len()));
        }
        self.seen.join("\n")
    }

    pub fn says(&mut self, kind: Kind, argv: &[&str]) -> String {
        let argv: Vec<Arg<'_>> = argv.iter().map(|arg| Arg::from(*arg)).collect();
        let mut out = Vec::new();
        self.resp.encode_private(&mut self.conn, &Record::new(kind, &argv), &mut out);
        String::from_utf8(out).expect("text in, text out")
    }
}

struct Notes<'a>(&'a mut Vec<String>);

impl Decoded for Notes<'_> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.0.push(format!("{record:?}"));
        Flow::Continue
    }

    fn wire(&mut self, bytes: &[u8]) -> Flow {
        self.0.push(format!("wire {}", bytes.escape_ascii()));
        Flow::Continue
    }
}

/// The transcript of `input` in one piece, which must be the same however the input is cut in two, and byte by byte.
#[track_caller]
pub fn transcript(role: Role, input: &[u8]) -> String {
    let fed = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut host = Host::new(role);
        pieces.for_each(|piece| host.feed(piece));
        host.transcript()
    };
    let whole = fed(&mut std::iter::once(input));
    for cut in 1..input.len().min(512) {
        let (before, after) = input.split_at(cut);
        assert_eq!(fed(&mut [before, after].into_iter()), whole, "cut at {cut}");
    }
    assert_eq!(fed(&mut input.chunks(1)), whole, "byte by byte");
    whole
}
