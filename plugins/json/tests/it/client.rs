//! A program and its node in a few lines: what the one says becomes records, what the other answers becomes lines.

use chatring_json::Json;
use chatring_sdk::testing::{Feed, OwnedRecord, encode_private};
use chatring_sdk::{Kind, Role, Transport};

/// One connection.
pub struct Client<'t> {
    json: &'t Json,
    feed: Feed<'t, Json>,
}

pub fn json() -> Json {
    Json::start("").expect("the defaults")
}

impl<'t> Client<'t> {
    pub fn new(json: &'t Json) -> Client<'t> {
        Client { json, feed: Feed::new(json, Role::Server) }
    }

    /// Records, their words separated by blanks, `_` where one is empty; then what is on the wire, and `!` where the stream is broken.
    pub fn says(&mut self, line: &str) -> Vec<String> {
        self.sends(format!("{line}\n").as_bytes())
    }

    pub fn sends(&mut self, bytes: &[u8]) -> Vec<String> {
        let (records, wire) = (self.feed.heard.records.len(), self.feed.heard.wire.len());
        self.feed.bytes(bytes);
        let heard = &self.feed.heard;
        let words = heard.records[records..].iter().map(|record| {
            assert_eq!(record.kind, Kind::Command);
            let words = record.argv.iter().map(|word| String::from_utf8_lossy(word).replace(' ', "~"));
            words.map(|word| if word.is_empty() { "_".to_string() } else { word }).collect::<Vec<_>>().join(" ")
        });
        let wire = (heard.wire.len() > wire).then(|| format!("< {}", String::from_utf8_lossy(&heard.wire[wire..]).trim_end()));
        words.chain(wire).chain(heard.broken.then(|| "!".to_string())).collect()
    }

    /// What a record of the node comes to: its kind, then its words as above.
    pub fn hears(&mut self, kind: Kind, words: &str) -> String {
        let text = encode_private(self.json, &mut self.feed.conn, &record(kind, words));
        String::from_utf8(text).expect("JSON is text")
    }
}

/// A record from words separated by blanks; `_` is an empty one, `~` a blank.
pub fn record(kind: Kind, words: &str) -> OwnedRecord {
    let words = words.split(' ').map(|word| if word == "_" { String::new() } else { word.replace('~', " ") });
    OwnedRecord::new(kind, &words.collect::<Vec<_>>())
}
