//! Commands: a message becomes records for the node, or is answered here when no group or person matters to the answer.
//!
//! One line gives a bounded number of records: one per item of its list, and a line holds at most 510 bytes of them. Where the node
//! says stop in the middle of a list, the line stays in front and `Conn::item` remembers how far it was taken.

use chatring_sdk::Broken;

use crate::line::Message;
use crate::sink::Sink;
use crate::{Conn, NOBODY, caps, register, time};

/// How far a line was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To its end.
    Done,
    /// Offer it again: the rest of its list is for another turn.
    Unfinished,
}

/// Targets of one `PRIVMSG` or `NOTICE`.
pub(crate) const TARGETS_MAX: usize = 4;
/// What other protocols begin a line with.
const HTTP_METHODS: [&str; 10] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI"];
/// The longest command there is, `AUTHENTICATE`.
const COMMAND_MAX: usize = 12;

/// Takes a message.
pub(crate) fn take(conn: &mut Conn, message: &Message<'_>, sink: &mut Sink<'_>) -> Result<Step, Broken> {
    let command = message.command.to_ascii_uppercase();
    let command = command.as_str();
    if !conn.may_chat() {
        let alphabetic = command.bytes().all(|b| b.is_ascii_alphabetic());
        if !alphabetic || HTTP_METHODS.contains(&command) {
            return Err(not_irc(sink));
        }
    }
    let known = if command.len() > COMMAND_MAX { "" } else { command };
    if session(conn, known, message, sink) {
        return Ok(Step::Done);
    }
    if !conn.may_chat() {
        sink.line(|out| conn.reply(out, "451").trailing(b"You have not registered"));
        return Ok(Step::Done);
    }
    if let Some(step) = lists(conn, known, message, sink) {
        return Ok(step);
    }
    if !single(conn, known, message, sink) && !local(conn, known, message, sink) {
        sink.line(|out| conn.reply(out, "421").middle(command.as_bytes()).trailing(b"Unknown command"));
    }
    Ok(Step::Done)
}

/// Before anything else is known of a client, `first` has to be able to begin a line of IRC.
pub(crate) fn expect_irc(conn: &Conn, first: u8, sink: &mut Sink<'_>) -> Result<(), Broken> {
    let plausible = first.is_ascii_alphabetic() || matches!(first, b'@' | b':' | b' ' | b'\r' | b'\n');
    if plausible || conn.may_chat() { Ok(()) } else { Err(not_irc(sink)) }
}

fn not_irc(sink: &mut Sink<'_>) -> Broken {
    sink.wire(b"ERROR :Closing Link: this is not IRC\r\n");
    Broken
}

impl Conn {
    /// Whether the client is welcome, or the node is about to say whether it is.
    pub(crate) fn may_chat(&self) -> bool {
        self.registration.as_ref().is_none_or(|registration| registration.login_open())
    }

    /// What the client is called, or wants to be called.
    pub(crate) fn asked_nick(&self) -> &str {
        self.registration.as_ref().map_or(&*self.nick, |registration| registration.nick().unwrap_or(NOBODY))
    }

    /// Whether there are `count` parameters that are not empty. Says so if not.
    fn needs(&self, count: usize, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> bool {
        let enough = (0..count).all(|i| !message.param(i).is_empty());
        if !enough {
            sink.line(|out| self.reply(out, "461").middle(command.as_bytes()).trailing(b"Not enough parameters"));
        }
        enough
    }
}

/// What may be said at any time.
fn session(conn: &mut Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> bool {
    match command {
        "CAP" => caps::cap(conn, message, sink),
        "AUTHENTICATE" => register::authenticate(conn, message, sink),
        "NICK" if message.param(0).is_empty() => {
            sink.line(|out| conn.reply(out, "431").trailing(b"No nickname given"));
        }
        "NICK" => {
            if !register::tell(conn, command, message, sink) {
                sink.record(&["NICK", message.param(0)]);
            }
        }
        "PASS" | "USER" => {
            let count = if command == "PASS" { 1 } else { 3 };
            if conn.needs(count, command, message, sink) && !register::tell(conn, command, message, sink) {
                sink.line(|out| conn.reply(out, "462").trailing(b"You may not reregister"));
            }
        }
        "PING" if message.params().is_empty() => sink.line(|out| conn.reply(out, "409").trailing(b"No origin specified")),
        "PING" => sink.line(|out| {
            let line = crate::Line::new(out).raw(":").raw(&conn.server).raw(" PONG");
            line.middle(conn.server.as_bytes()).trailing(message.param(0).as_bytes());
        }),
        // Any record shows the node that its peer is alive.
        "PONG" => sink.record(&["PONG"]),
        "QUIT" => optional_last(&["QUIT"], message.param(0), sink),
        _ => return false,
    }
    true
}

/// Commands that take a list of groups or people: a record for each.
fn lists(conn: &mut Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> Option<Step> {
    let (list, second) = (message.param(0), message.param(1));
    match command {
        "PRIVMSG" | "NOTICE" => return Some(say(conn, command, message, sink)),
        "NAMES" if list.is_empty() => return None,
        "JOIN" | "PART" | "NAMES" if !conn.needs(1, command, message, sink) => {}
        "KICK" if !conn.needs(2, command, message, sink) => {}
        "JOIN" if list == "0" => sink.line(|out| {
            conn.reply(out, "NOTICE").trailing(b"JOIN 0 is not known here: PART the groups you want to leave");
        }),
        "JOIN" => {
            let keys: Vec<&str> = second.split(',').collect();
            return Some(each(conn, list, sink, |conn, i, group, sink| match keys.get(i) {
                _ if !group.starts_with('#') => {
                    sink.line(|out| conn.reply(out, "403").middle(group.as_bytes()).trailing(b"No such channel"));
                }
                Some(key) => optional_last(&["ENTER", group], key, sink),
                None => sink.record(&["ENTER", group]),
            }));
        }
        "PART" => return Some(each(conn, list, sink, |_, _, group, sink| optional_last(&["PART", group], second, sink))),
        "NAMES" => return Some(each(conn, list, sink, |_, _, group, sink| sink.record(&["NAMES", group]))),
        "KICK" => {
            // One group and many nicks, or as many groups as nicks.
            let groups: Vec<&str> = list.split(',').collect();
            return Some(each(conn, second, sink, |_, i, nick, sink| {
                let group = if groups.len() == 1 { groups.first() } else { groups.get(i) };
                if let Some(group) = group {
                    optional_last(&["KICK", group, nick], message.param(2), sink);
                }
            }));
        }
        _ => return None,
    }
    Some(Step::Done)
}

/// `PRIVMSG` and `NOTICE`.
fn say(conn: &mut Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> Step {
    let (targets, text) = (message.param(0), message.param(1));
    let refusal = if targets.is_empty() {
        Some(("411", "No recipient given"))
    } else if text.is_empty() {
        Some(("412", "No text to send"))
    } else {
        None
    };
    if let Some((number, why)) = refusal {
        sink.line(|out| conn.reply(out, number).trailing(why.as_bytes()));
        return Step::Done;
    }
    if targets.split(',').count() > TARGETS_MAX {
        sink.line(|out| conn.reply(out, "407").middle(targets.as_bytes()).trailing(b"Too many targets; nothing was sent"));
        return Step::Done;
    }
    let kind = if command == "NOTICE" { "notice" } else { "msg" };
    let echo = if conn.caps.has(caps::Caps::ECHO_MESSAGE) { "1" } else { "0" };
    each(conn, targets, sink, |_, _, target, sink| sink.record(&["SAY", kind, target, echo, text]))
}

/// Does `act` for every item of a list that is not empty, from where the last turn stopped.
fn each(conn: &mut Conn, list: &str, sink: &mut Sink<'_>, mut act: impl FnMut(&Conn, usize, &str, &mut Sink<'_>)) -> Step {
    let mut items = list.split(',').enumerate().skip(conn.item.into()).peekable();
    while let Some((i, item)) = items.next() {
        if !item.is_empty() {
            act(conn, i, item, sink);
        }
        if sink.stopped_midway() && items.peek().is_some() {
            // A line is at most 510 bytes: its items can be counted in 16 bits.
            conn.item = i as u16 + 1;
            return Step::Unfinished;
        }
    }
    conn.item = 0;
    Step::Done
}

/// Commands that become one record.
fn single(conn: &mut Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> bool {
    let (first, second) = (message.param(0), message.param(1));
    let needed = match command {
        "TOPIC" | "WHOIS" | "MODE" | "ISON" | "USERHOST" => 1,
        "INVITE" => 2,
        _ => 0,
    };
    if needed > 0 && !conn.needs(needed, command, message, sink) {
        return true;
    }
    match command {
        "TOPIC" if message.params().len() == 1 => sink.record(&["TOPIC", first]),
        "TOPIC" => sink.record(&["TOPIC", first, second]),
        "WHO" if !is_mask(first) => sink.record(&["WHO", first]),
        "WHOIS" => {
            // `WHOIS server nick` asks a certain server; here every server knows.
            let asked = if second.is_empty() { first } else { second };
            let nick = asked.split(',').next().unwrap_or(asked);
            conn.whois = Some(nick.into());
            sink.record(&["WHOIS", nick]);
        }
        "LIST" => optional_last(&["LIST"], first, sink),
        "MODE" if first.starts_with('#') => mode(message, sink),
        "INVITE" => sink.record(&["INVITE", first, second]),
        "AWAY" => optional_last(&["AWAY"], first, sink),
        "ISON" | "USERHOST" => {
            let words = message.params().iter().flat_map(|param| param.split_ascii_whitespace());
            let argv: Vec<&str> = std::iter::once(command).chain(words).collect();
            sink.record(&argv);
        }
        "MOTD" | "LUSERS" => sink.record(&[command]),
        _ => return false,
    }
    true
}

/// Whether `WHO` asks for everyone of a kind, which is not told here: its list is empty.
fn is_mask(query: &str) -> bool {
    query.is_empty() || query == "0" || query.contains(['*', '?'])
}

/// `MODE` of a group. What asks for the bans is told apart from what changes them, as everyone asks in another way.
fn mode(message: &Message<'_>, sink: &mut Sink<'_>) {
    let mut argv = vec!["MODE"];
    argv.extend(message.params());
    while argv.last().is_some_and(|word| word.is_empty()) {
        argv.pop();
    }
    if let [_, _, changes @ ("b" | "+b" | "-b")] = argv.as_mut_slice() {
        *changes = "+b";
    }
    sink.record(&argv);
}

/// Commands answered here.
fn local(conn: &Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> bool {
    let first = message.param(0).as_bytes();
    match command {
        "NAMES" => sink.line(|out| conn.reply(out, "366").middle(b"*").trailing(b"End of /NAMES list")),
        "WHO" => sink.line(|out| conn.reply(out, "315").middle(first).trailing(b"End of /WHO list")),
        // There are no modes of people: whatever is asked for, none is set.
        "MODE" if message.param(0).eq_ignore_ascii_case(conn.asked_nick()) => {
            sink.line(|out| conn.reply(out, "221").middle(b"+").end());
        }
        "MODE" => sink.line(|out| conn.reply(out, "502").trailing(b"You can't see or change the modes of others")),
        "VERSION" => sink.line(|out| {
            let version = concat!("chatring-", env!("CARGO_PKG_VERSION"));
            conn.reply(out, "351").middle(version.as_bytes()).middle(conn.server.as_bytes()).trailing(b"");
        }),
        "TIME" => sink.line(|out| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let now = time::stamp(since.as_secs() * 1000);
            conn.reply(out, "391").middle(conn.server.as_bytes()).trailing(now.as_bytes());
        }),
        "WHOWAS" => sink.line(|out| {
            conn.reply(out, "406").middle(first).trailing(b"There was no such nickname");
            conn.reply(out, "369").middle(first).trailing(b"End of WHOWAS");
        }),
        // Tags without a message are not passed on; CLIENTTAGDENY has told the client.
        "TAGMSG" => {}
        _ => return false,
    }
    true
}

/// A record whose last word is left out when empty.
fn optional_last(words: &[&str], last: &str, sink: &mut Sink<'_>) {
    let mut argv = words.to_vec();
    if !last.is_empty() {
        argv.push(last);
    }
    sink.record(&argv);
}
