//! Answers in Redis's own form, so that its tools and client libraries feel at home: HELLO, CLIENT, COMMAND and INFO.

use std::net::IpAddr;

use crate::command::ClientCommand;
use crate::event::{Code, Event, Reply};
use crate::ids::Conn;
use crate::wire::{Arity, Rest, Spec, Text};

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The pairs of HELLO.
pub fn hello(proto: u8, conn: Conn, role: &str) -> Vec<Text> {
    let pairs = [
        ("server", "chatring".to_string()),
        ("version", VERSION.to_string()),
        ("proto", proto.to_string()),
        ("id", id(conn).to_string()),
        ("mode", "cluster".to_string()),
        ("role", role.to_string()),
        ("modules", String::new()),
    ];
    pairs.into_iter().flat_map(|(key, value)| [Text::from(key), value.into()]).collect()
}

/// A connection, as a number.
pub fn id(conn: Conn) -> u64 {
    (u64::from(conn.generation) << 32) | u64::from(conn.slot)
}

/// What CLIENT comes to.
#[derive(Debug, PartialEq)]
pub enum ClientAnswer {
    /// An answer.
    Event(Event),
    /// The connection wants this name: a nick, here.
    SetName(Text),
}

/// CLIENT word…
pub fn client(words: &[Text], conn: Conn, peer: IpAddr, name: Option<&str>, groups: usize) -> ClientAnswer {
    let word = words.first().map_or(String::new(), |word| word.to_ascii_uppercase());
    let line = || format!("id={} addr={peer} name={} sub={groups}\n", id(conn), name.unwrap_or_default());
    ClientAnswer::Event(match word.as_str() {
        "ID" => Reply::Integer { value: id(conn) }.into(),
        "GETNAME" => name.map_or(Reply::Null {}, |name| Reply::Text { text: name.into() }).into(),
        "SETNAME" if words.len() == 2 => return ClientAnswer::SetName(words[1].clone()),
        "SETINFO" | "NO-EVICT" | "NO-TOUCH" => Event::ok(),
        "INFO" | "LIST" => Reply::Text { text: line().into() }.into(),
        _ => Event::error(Code::Err, "CLIENT knows ID, GETNAME, SETNAME name, SETINFO, INFO, LIST, NO-EVICT and NO-TOUCH"),
    })
}

/// INFO: `name:value` lines under one heading. Only what is true of this server.
pub fn info(facts: &[(&str, String)]) -> Event {
    let lines = facts.iter().map(|(name, value)| format!("{name}:{value}\r\n"));
    let text: String = ["# Server\r\n".to_string(), "server_name:chatring\r\n".to_string(), format!("chatring_version:{VERSION}\r\n")]
        .into_iter()
        .chain(lines)
        .collect();
    Reply::Text { text: text.into() }.into()
}

/// COMMAND [COUNT | LIST | DOCS …]: from the command table.
pub fn command(words: &[Text]) -> Event {
    let table = ClientCommand::WORDS;
    match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
        Some("COUNT") => Reply::Integer { value: table.len() as u64 }.into(),
        Some("LIST") => Reply::Array { items: Rest(table.iter().map(|spec| spec.word.to_ascii_lowercase().into()).collect()) }.into(),
        Some("DOCS") => {
            // name, then its facts as one map of strings: what redis-cli needs for its hints is the summary.
            let wanted = |spec: &&Spec| words.len() == 1 || words[1..].iter().any(|word| word.eq_ignore_ascii_case(spec.word));
            let cells = table.iter().filter(wanted).flat_map(|spec| [spec.word.to_ascii_lowercase().into(), summary(spec)]);
            Reply::Rows { width: 2, cells: Rest(cells.collect()) }.into()
        }
        None => {
            let cells = table.iter().flat_map(|spec| [spec.word.to_ascii_lowercase().into(), arity(spec)]);
            Reply::Rows { width: 2, cells: Rest(cells.collect()) }.into()
        }
        Some(_) => Event::error(Code::Err, "COMMAND knows COUNT, LIST and DOCS [name ...]"),
    }
}

fn summary(spec: &Spec) -> Text {
    format!("{}: {}", spec.usage(), spec.doc.lines().next().unwrap_or_default().trim()).into()
}

/// As Redis counts: the name included, negative where more may follow.
fn arity(spec: &Spec) -> Text {
    let fixed = spec.args.iter().filter(|arg| arg.arity == Arity::One).count() as i64 + 1;
    let open = spec.args.iter().any(|arg| arg.arity != Arity::One);
    (if open { -fixed } else { fixed }).to_string().into()
}
