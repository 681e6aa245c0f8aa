//! Capabilities: what a client asked for on top of plain IRC, and `CAP`, the command it asks with.
//!
//! Some change what a whole group hears: those are a connection's class. The others only matter to the connection itself.

use crate::Conn;
use crate::line::Message;
use crate::sink::Sink;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caps(u8);

impl Caps {
    /// Pushes say when they happened.
    pub const SERVER_TIME: Caps = Caps(1);
    /// Messages carry their id.
    pub const MESSAGE_TAGS: Caps = Caps(2);
    /// Operators hear whom others invited.
    pub const INVITE_NOTIFY: Caps = Caps(4);
    /// The sender hears what it said.
    pub const ECHO_MESSAGE: Caps = Caps(8);
    /// Lists show all ranks of a person, not only the highest.
    pub const MULTI_PREFIX: Caps = Caps(16);
    /// An account can be proved before registration.
    pub const SASL: Caps = Caps(32);
    /// Would hear of new capabilities; there never are any.
    pub const CAP_NOTIFY: Caps = Caps(64);

    /// All there are, by name.
    const TABLE: [(&'static str, Caps); 7] = [
        ("cap-notify", Caps::CAP_NOTIFY),
        ("echo-message", Caps::ECHO_MESSAGE),
        ("invite-notify", Caps::INVITE_NOTIFY),
        ("message-tags", Caps::MESSAGE_TAGS),
        ("multi-prefix", Caps::MULTI_PREFIX),
        ("sasl", Caps::SASL),
        ("server-time", Caps::SERVER_TIME),
    ];

    /// Whether all of `other` are in.
    pub fn has(self, other: Caps) -> bool {
        self.0 & other.0 == other.0
    }

    /// What decides the bytes of a group's pushes.
    pub fn class(self) -> u32 {
        u32::from(self.0 & (Caps::SERVER_TIME.0 | Caps::MESSAGE_TAGS.0 | Caps::INVITE_NOTIFY.0))
    }

    /// The other way round.
    pub fn of_class(class: u32) -> Caps {
        Caps(class as u8)
    }

    fn with(self, other: Caps) -> Caps {
        Caps(self.0 | other.0)
    }

    fn without(self, other: Caps) -> Caps {
        Caps(self.0 & !other.0)
    }

    /// These, changed as `CAP REQ` asks; `None` if it asks for something unknown.
    fn changed(self, wishes: &str) -> Option<Caps> {
        wishes.split_ascii_whitespace().try_fold(self, |caps, wish| {
            let (name, on) = wish.strip_prefix('-').map_or((wish, true), |name| (name, false));
            let (_, cap) = Caps::TABLE.iter().find(|(known, _)| *known == name)?;
            Some(if on { caps.with(*cap) } else { caps.without(*cap) })
        })
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        Caps::TABLE.iter().filter(move |(_, cap)| self.has(*cap)).map(|(name, _)| *name)
    }
}

/// `CAP`. Asking what there is, or for something, holds registration back until `CAP END`.
pub(crate) fn cap(conn: &mut Conn, message: &Message<'_>, sink: &mut Sink<'_>) {
    let sub = message.param(0).to_ascii_uppercase();
    let answer = |conn: &Conn, word: &str, list: &str| {
        let mut out = Vec::new();
        conn.reply(&mut out, "CAP").raw(" ").raw(word).trailing(list.as_bytes());
        out
    };
    match sub.as_str() {
        "LS" => {
            conn.negotiate();
            let values = message.param(1).parse::<u32>().is_ok_and(|version| version >= 302);
            if values {
                conn.caps = conn.caps.with(Caps::CAP_NOTIFY);
            }
            let value = |name| if values && name == "sasl" { "sasl=PLAIN" } else { name };
            let list: Vec<&str> = Caps::TABLE.iter().map(|(name, _)| value(*name)).collect();
            sink.wire(&answer(conn, "LS", &list.join(" ")));
        }
        "LIST" => {
            let list: Vec<&str> = conn.caps.names().collect();
            sink.wire(&answer(conn, "LIST", &list.join(" ")));
        }
        "REQ" => {
            conn.negotiate();
            let wishes = message.param(1);
            let word = match conn.caps.changed(wishes) {
                Some(caps) => {
                    conn.caps = caps;
                    "ACK"
                }
                None => "NAK",
            };
            sink.wire(&answer(conn, word, wishes));
        }
        "END" => crate::register::end_of_caps(conn, sink),
        _ => sink.line(|out| conn.reply(out, "410").middle(message.param(0).as_bytes()).trailing(b"Unknown CAP subcommand")),
    }
}
