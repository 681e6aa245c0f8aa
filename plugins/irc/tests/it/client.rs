//! A client to try the codec with: what it says and hears, as lines of text.

use chatring_irc::Irc;
use chatring_sdk::testing::{OwnedRecord, encode, encode_private};
use chatring_sdk::{Decoded, Flow, Kind, Record, Role, Transport};

/// One connection.
pub struct Client {
    irc: Irc,
    conn: <Irc as Transport>::Conn,
}

impl Client {
    /// Connected, and nothing said.
    pub fn new() -> Client {
        let irc = Irc::start("server_name = \"irc.test\"").expect("a good config");
        let conn = irc.open(Role::Server);
        Client { irc, conn }
    }

    /// Welcome as joe at the node `n:1`, with these capabilities.
    pub fn welcome(caps: &str) -> Client {
        let mut client = Client::new();
        if !caps.is_empty() {
            client.says(&format!("CAP REQ :{caps}"));
        }
        client.says("NICK joe\r\nUSER joe 0 * :Joe\r\nCAP END");
        client.hears("welcome joe joe host.example n:1 ring 0.1.0 0");
        client
    }

    /// Lines without the last `\r\n`; what comes of them: `> ` a record, `< ` a line back, `!` broken.
    pub fn says(&mut self, lines: &str) -> Vec<String> {
        self.sends(format!("{lines}\r\n").as_bytes())
    }

    /// The same of any bytes.
    pub fn sends(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut log = Log(Vec::new());
        match self.irc.decode(&mut self.conn, bytes, &mut log) {
            Ok(used) => assert_eq!(used, bytes.len(), "all taken"),
            Err(_) => log.0.push("!".to_owned()),
        }
        log.0
    }

    /// An event, words apart by blanks, `_` an empty one, `~` a blank in one; what the client reads.
    pub fn hears(&mut self, event: &str) -> Vec<String> {
        lines(&encode_private(&self.irc, &mut self.conn, &record(event)))
    }

    /// The same of a push everyone in a group hears.
    pub fn overhears(&self, event: &str) -> Vec<String> {
        lines(&encode(&self.irc, self.irc.class_of(&self.conn), &record(event)))
    }
}

/// A record out of its words.
pub fn record(event: &str) -> OwnedRecord {
    let word = |word: &str| if word == "_" { String::new() } else { word.replace('~', " ") };
    let argv: Vec<String> = event.split(' ').map(word).collect();
    OwnedRecord::new(Kind::Named, &argv)
}

/// Lines, each with its end checked.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?} ends in a line");
    text.split_terminator("\r\n").map(str::to_owned).collect()
}

struct Log(Vec<String>);

impl Decoded for Log {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        let word = |arg: &[u8]| {
            let text = String::from_utf8(arg.to_vec()).expect("UTF-8");
            if text.is_empty() { "_".to_owned() } else { text.replace(' ', "~") }
        };
        let words: Vec<String> = record.argv.iter().map(|arg| word(arg)).collect();
        assert_eq!(record.kind, Kind::Command);
        self.0.push(format!("> {}", words.join(" ")));
        Flow::Continue
    }

    fn wire(&mut self, bytes: &[u8]) -> Flow {
        self.0.extend(lines(bytes).into_iter().map(|line| format!("< {line}")));
        Flow::Continue
    }
}
