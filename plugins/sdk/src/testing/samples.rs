//! One example of every event in docs/records.md, to encode.

use super::OwnedRecord;
use crate::Kind;

/// One example of every event a node sends.
pub fn events() -> Vec<OwnedRecord> {
    let mut events: Vec<OwnedRecord> = Vec::new();
    let mut add = |kind: Kind, lines: &[&str]| {
        // `_` stands for an empty argument, `~` for a space in one.
        let word = |word: &str| if word == "_" { String::new() } else { word.replace('~', " ") };
        for line in lines {
            let argv: Vec<String> = line.split(' ').map(word).collect();
            events.push(OwnedRecord::new(kind, &argv));
        }
    };
    add(Kind::Push, PUSHES);
    add(Kind::Named, NAMED);
    add(Kind::Status, &["ok OK", "pong PONG"]);
    add(Kind::Error, &["error NOGROUP no~such~group #g", "error ERR what?"]);
    add(Kind::Integer, &["integer 3"]);
    add(Kind::Text, &["pong are~you~there", "text _"]);
    add(Kind::Array, &["array a _ c", "array"]);
    add(Kind::Map, &["hello server chatring version 0.1.0 proto 3 id 7 mode ring role master modules _"]);
    add(Kind::Null, &["null"]);
    add(Kind::Rows, &["rows 2 a 1 b 2", "rows 3"]);
    events
}

/// The first fields of an entry are: word, group, seq, term, id, time, nick, user, host, account, real.
const PUSHES: &[&str] = &[
    "message #g 1 2 s.1 1700000000123 joe joe host.example joe Joe~A msg hello,~world",
    "message #g 2 2 s.2 1700000000124 joe joe host.example _ _ notice _",
    "message @bob 3 2 s.3 1700000000125 joe joe host.example _ Joe msg psst",
    "join #g 4 2 s.4 1700000000126 joe joe host.example joe Joe 127.0.0.1",
    "part #g 5 2 s.5 1700000000127 joe joe host.example _ Joe gone~home",
    "kick #g 6 2 s.6 1700000000128 joe joe host.example _ Joe bob enough",
    "topic #g 7 2 s.7 1700000000129 joe joe host.example _ Joe all~about~g",
    "topic #g 8 2 s.8 1700000000130 joe joe host.example _ Joe _",
    "mode #g 9 2 s.9 1700000000131 joe joe host.example _ Joe +ov bob eve",
    "nick #g 10 2 s.10 1700000000132 joe joe host.example _ Joe joseph",
    "invite #g 11 2 s.11 1700000000133 joe joe host.example _ Joe bob",
    "return #g 12 2 s.12 1700000000134 joe joe host.example _ Joe",
    "away #g 13 2 s.13 1700000000135 joe joe host.example _ Joe lunch",
    "nick-is joe joe host.example joseph",
    "invited #g 1700000000136 bob bob host.example",
    "gap #g 17 _",
    "gap #g ? log~trimmed",
    "ping 1700000000",
    "moved #g 9 127.0.0.2:7411",
    "subscribe #g 1",
    "unsubscribe #g 0",
    "closing bye",
    "away-is bob lunch",
];

const NAMED: &[&str] = &[
    "welcome joe joe host.example 127.0.0.1 ring 0.1.0 1700000000000",
    "joined #g b1 12 3 2",
    "entered #g b1 12 2 all~about~g joe 1700000000129",
    "entered #g b1 12 2 _ _ 0",
    "names #g 0 o joe v bob",
    "names #g 1 _ eve",
    "topic-is #g all~about~g joe 1700000000129",
    "topic-is #g _ _ 0",
    "modes-are #g 1700000000000 +ntk secret",
    "bans-are #g *!*@bad.example joe 1700000000137",
    "bans-are #g",
    "who-is #g #g joe host.example 127.0.0.1 joe Ho Joe~A",
    "who-is joe",
    "whois-is joe joe host.example Joe 127.0.0.1 joe 5000 1700000000000 _",
    "whois-is joe joe host.example Joe 127.0.0.1 _ 5000 1700000000000 lunch",
    "list-is #g 2 all~about~g #h 1 _",
    "list-is",
    "ison-is joe bob",
    "userhost-is joe H joe host.example",
    "away-now 1",
    "away-now 0",
    "inviting-now #g bob",
    "lusers 3 1 3 2 1",
    "motd Welcome. _ Be~kind.",
    "sent #g 12",
];
