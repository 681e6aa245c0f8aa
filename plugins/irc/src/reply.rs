//! What the node tells one client, as numerics.
//!
//! Every name of docs/records.md that IRC has words for is in one `match`. What has none (`ok`, `sent`, `moved` …) is written as
//! nothing, and what is not known here is left to `entry`, so the language of records can grow.

use chatring_sdk::{Arg, Record};

use crate::caps::Caps;
use crate::command::TARGETS_MAX;
use crate::entry::{number, tags};
use crate::write::{Line, spread};
use crate::{Conn, register, server_name, time};

/// Writes an event. False if it is none for one client alone.
pub(crate) fn encode(conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
    match record.name() {
        "ok" => {
            register::answer_sasl(conn, true, out);
        }
        "error" => error(conn, record, out),
        "welcome" => welcome(conn, record, out),
        "nick-is" => nick_is(conn, record, out),
        "whois-is" => whois(conn, record, out),
        name => return plain(conn, name, record, out),
    }
    true
}

/// The events that change nothing here.
fn plain(conn: &Conn, name: &str, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
    let arg = |i| record.arg(i);
    match name {
        "entered" if arg(5).is_empty() => {}
        "entered" => topic(conn, arg(1), arg(5), arg(6), arg(7), out),
        "topic-is" => topic(conn, arg(1), arg(2), arg(3), arg(4), out),
        "names" => names(conn, record, out),
        "modes-are" => modes(conn, record, out),
        "bans-are" => bans(conn, record, out),
        "who-is" => who(conn, record, out),
        "list-is" => list(conn, record, out),
        "lusers" => lusers(conn, record, out),
        "motd" => motd(conn, record, out),
        "ison-is" => {
            let nicks = record.argv.iter().skip(1).map(|nick| nick.to_vec());
            spread(out, &head(conn, "303", None), nicks);
        }
        "userhost-is" => userhost(conn, record, out),
        "away-now" if arg(1) == b"1" => conn.reply(out, "306").trailing(b"You have been marked as being away"),
        "away-now" => conn.reply(out, "305").trailing(b"You are no longer marked as being away"),
        "away-is" => conn.reply(out, "301").middle(arg(1)).trailing(arg(2)),
        "inviting-now" => conn.reply(out, "341").middle(arg(2)).middle(arg(1)).end(),
        "invited" => {
            tags(conn.caps, arg(2), b"", out);
            let line = Line::new(out).source(arg(3), arg(4), arg(5)).raw("INVITE");
            line.middle(conn.nick.as_bytes()).middle(arg(1)).end();
        }
        "gap" => gap(conn, record, out),
        "ping" => Line::new(out).raw("PING").trailing(arg(1)),
        "closing" => {
            let text = [b"Closing Link: ", conn.asked_nick().as_bytes(), b" (", arg(1), b")"].concat();
            Line::new(out).raw("ERROR").trailing(&text);
        }
        _ => return false,
    }
    true
}

/// A refused command. Numerics that IRC gives one meaning also keep their place for it: the group or nick they are about.
fn error(conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    if register::answer_sasl(conn, false, out) {
        return;
    }
    register::refused(conn);
    let (code, text) = (record.str(1), record.arg(2));
    let subjects = record.argv.get(3..).unwrap_or(&[]);
    let Some((number, wanted)) = numeric_of(code, subjects.len()) else { return };
    let missing = wanted.saturating_sub(subjects.len());
    let subjects = subjects.iter().take(wanted).copied().chain(std::iter::repeat_n(Arg::default(), missing));
    let line = subjects.fold(conn.reply(out, number), |line, subject| line.middle(&subject));
    match number {
        "400" => line.trailing(&[code.as_bytes(), b": ", text].concat()),
        _ => line.trailing(text),
    }
    // Clients wait for the end of a WHOIS, also when there was nobody to tell of.
    let asked = record.arg(3);
    if number == "401" && conn.whois.take_if(|nick| nick.as_bytes().eq_ignore_ascii_case(asked)).is_some() {
        conn.reply(out, "318").middle(asked).trailing(b"End of /WHOIS list");
    }
}

/// The numeric of an error's code, and how many subjects stand before its text. `None` where IRC says nothing.
fn numeric_of(code: &str, subjects: usize) -> Option<(&'static str, usize)> {
    Some(match code {
        "BUSY" | "TRYAGAIN" => ("263", 1),
        "NOSUCHNICK" => ("401", 1),
        "NOSUCHGROUP" => ("403", 1),
        "CANNOTSEND" => ("404", 1),
        "TOOMANY" => ("405", 1),
        "UNKNOWN" => ("421", 1),
        "BADNICK" => ("432", 1),
        "NICKINUSE" => ("433", 1),
        "NOTINGROUP" => ("441", 2),
        "NOTMEMBER" => ("442", 1),
        "NONICK" => ("451", 0),
        // Without a nick it is the client's own: to enter a group twice is nothing to speak of.
        "ALREADYIN" if subjects < 2 => return None,
        "ALREADYIN" => ("443", 2),
        "TOOLONG" => ("417", 0),
        "SYNTAX" => ("461", 1),
        "NOAUTH" | "WRONGPASS" => ("464", 0),
        "FULL" => ("471", 1),
        "UNKNOWNMODE" => ("472", 1),
        "INVITEONLY" => ("473", 1),
        "BANNED" => ("474", 1),
        "BADKEY" => ("475", 1),
        "BADGROUP" => ("476", 1),
        "NOPERM" => ("481", 0),
        "NEEDOP" => ("482", 1),
        _ => ("400", 1),
    })
}

fn welcome(conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let [nick, user, host, node, network, version, created] = [1, 2, 3, 4, 5, 6, 7].map(|i| record.arg(i));
    conn.registration = None;
    conn.nick = String::from_utf8_lossy(nick).into();
    conn.server = server_name(node).into();
    let hello = [b"Welcome to ", network, b", ", nick, b"!", user, b"@", host].concat();
    conn.reply(out, "001").trailing(&hello);
    let host = [b"Your host is ", conn.server.as_bytes(), b", running chatring ", version].concat();
    conn.reply(out, "002").trailing(&host);
    let created = match number(created) {
        0 => String::from_utf8_lossy(created).into_owned(),
        ms => time::stamp(ms),
    };
    conn.reply(out, "003").trailing(format!("This server was created {created}").as_bytes());
    // The one user mode is accepted from clients that set it without asking, and means nothing.
    let line = conn.reply(out, "004").middle(conn.server.as_bytes()).middle(version);
    line.middle(b"i").middle(b"bklimnoqtv").middle(b"bkloqv").end();
    let network = [b"NETWORK=", network].concat();
    let targets = format!("TARGMAX=JOIN:,KICK:,NAMES:,NOTICE:{TARGETS_MAX},PART:,PRIVMSG:{TARGETS_MAX},WHOIS:1");
    let line = SUPPORTED.iter().fold(conn.reply(out, "005"), |line, token| line.middle(token.as_bytes()));
    line.trailing(b"are supported by this server");
    let line = conn.reply(out, "005").middle(&network).middle(targets.as_bytes());
    line.middle(b"CLIENTTAGDENY=*").middle(b"UTF8ONLY").trailing(b"are supported by this server");
}

/// The fixed part of ISUPPORT. The lengths are those of names, texts and changes at the node.
const SUPPORTED: [&str; 9] = [
    "CASEMAPPING=ascii",
    "CHANTYPES=#",
    "PREFIX=(qov)~@+",
    "CHANMODES=b,k,l,imnt",
    "NICKLEN=32",
    "CHANNELLEN=64",
    "TOPICLEN=390",
    "MODES=12",
    "STATUSMSG=",
];

fn nick_is(conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let new = record.arg(4);
    let line = Line::new(out).source(record.arg(1), record.arg(2), record.arg(3));
    line.raw("NICK").middle(new).end();
    conn.nick = String::from_utf8_lossy(new).into();
}

fn whois(conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    conn.whois = None;
    let [nick, user, host, real, node, account, idle, signon, away] = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|i| record.arg(i));
    conn.reply(out, "311").middle(nick).middle(user).middle(host).middle(b"*").trailing(real);
    let server = server_name(node);
    conn.reply(out, "312").middle(nick).middle(server.as_bytes()).trailing(b"chatring");
    if !away.is_empty() {
        conn.reply(out, "301").middle(nick).trailing(away);
    }
    if !account.is_empty() {
        conn.reply(out, "330").middle(nick).middle(account).trailing(b"is logged in as");
    }
    // Unknown is not zero.
    if !idle.is_empty() {
        let line = conn.reply(out, "317").middle(nick).middle(&seconds(idle)).middle(&seconds(signon));
        line.trailing(b"seconds idle, signon time");
    }
    conn.reply(out, "318").middle(nick).trailing(b"End of /WHOIS list");
}

fn topic(conn: &Conn, group: &[u8], text: &[u8], by: &[u8], time: &[u8], out: &mut Vec<u8>) {
    if text.is_empty() {
        conn.reply(out, "331").middle(group).trailing(b"No topic is set");
        return;
    }
    conn.reply(out, "332").middle(group).trailing(text);
    conn.reply(out, "333").middle(group).middle(by).middle(&seconds(time)).end();
}

fn names(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let group = record.arg(1);
    let people = rows(record, 3, 2);
    if people.len() > 0 {
        let people = people.map(|row| [prefixes(conn, &row[0]).as_bytes(), &row[1]].concat());
        let head = head(conn, "353", Some([b"=", group]));
        spread(out, &head, people);
    }
    if record.arg(2) != b"0" {
        conn.reply(out, "366").middle(group).trailing(b"End of /NAMES list");
    }
}

/// The signs before a name: the highest rank, or all of them for who asked for that.
fn prefixes(conn: &Conn, ranks: &[u8]) -> String {
    let most = if conn.caps.has(Caps::MULTI_PREFIX) { 3 } else { 1 };
    let signs = [(b'q', '~'), (b'o', '@'), (b'v', '+')];
    signs.iter().filter(|(rank, _)| ranks.contains(rank)).map(|(_, sign)| sign).take(most).collect()
}

fn modes(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let (group, letters) = (record.arg(1), record.arg(3));
    let letters = if letters.is_empty() { b"+" } else { letters };
    let line = conn.reply(out, "324").middle(group).middle(letters);
    record.argv.iter().skip(4).fold(line, |line, arg| line.middle(arg)).end();
    conn.reply(out, "329").middle(group).middle(&seconds(record.arg(2))).end();
}

fn bans(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let group = record.arg(1);
    for row in rows(record, 2, 3) {
        conn.reply(out, "367").middle(group).middle(&row[0]).middle(&row[1]).middle(&seconds(&row[2])).end();
    }
    conn.reply(out, "368").middle(group).trailing(b"End of channel ban list");
}

fn who(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    for row in rows(record, 2, 7) {
        let [group, user, host, node, nick, flags, real] = row else { continue };
        let away = if flags.contains(&b'G') { "G" } else { "H" };
        let flags = format!("{away}{}", prefixes(conn, flags));
        let line = conn.reply(out, "352").middle(group).middle(user).middle(host).middle(server_name(node).as_bytes());
        line.middle(nick).middle(flags.as_bytes()).trailing(&[b"0 ", real.as_bytes()].concat());
    }
    conn.reply(out, "315").middle(record.arg(1)).trailing(b"End of /WHO list");
}

fn list(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    conn.reply(out, "321").middle(b"Channel").trailing(b"Users  Name");
    for row in rows(record, 1, 3) {
        conn.reply(out, "322").middle(&row[0]).middle(&row[1]).trailing(&row[2]);
    }
    conn.reply(out, "323").trailing(b"End of /LIST");
}

fn lusers(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let [people, groups, nodes, here, _] = [1, 2, 3, 4, 5].map(|i| number(record.arg(i)));
    let text = format!("There are {people} users and 0 invisible on {nodes} servers");
    conn.reply(out, "251").trailing(text.as_bytes());
    conn.reply(out, "252").middle(b"0").trailing(b"operator(s) online");
    conn.reply(out, "253").middle(b"0").trailing(b"unknown connection(s)");
    conn.reply(out, "254").middle(groups.to_string().as_bytes()).trailing(b"channels formed");
    let others = nodes.saturating_sub(1);
    conn.reply(out, "255").trailing(format!("I have {here} clients and {others} servers").as_bytes());
    conn.reply(out, "265").trailing(format!("Current local users: {here}").as_bytes());
    conn.reply(out, "266").trailing(format!("Current global users: {people}").as_bytes());
}

fn motd(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    if record.argv.len() < 2 {
        conn.reply(out, "422").trailing(b"There is no message of the day");
        return;
    }
    let title = [b"- ", conn.server.as_bytes(), b" Message of the day - "].concat();
    conn.reply(out, "375").trailing(&title);
    for line in record.argv.iter().skip(1) {
        conn.reply(out, "372").trailing(&[b"- ", line.as_bytes()].concat());
    }
    conn.reply(out, "376").trailing(b"End of /MOTD command");
}

fn userhost(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let people = rows(record, 1, 4).map(|row| {
        let [nick, flags, user, host] = [0, 1, 2, 3].map(|i| row[i].as_bytes());
        let away: &[u8] = if flags.contains(&b'G') { b"-" } else { b"+" };
        [nick, b"=", away, user, b"@", host].concat()
    });
    spread(out, &head(conn, "302", None), people);
}

fn gap(conn: &Conn, record: &Record<'_>, out: &mut Vec<u8>) {
    let [group, lost, reason] = [1, 2, 3].map(|i| record.str(i));
    let what = match lost {
        "?" => "Some of what was said here may be missing".to_owned(),
        "1" => "1 line of what was said here is missing".to_owned(),
        count => format!("{count} lines of what was said here are missing"),
    };
    let text = if reason.is_empty() { what } else { format!("{what}: {reason}") };
    let target = if group.starts_with('@') { &conn.nick } else { group };
    let line = Line::new(out).raw(":").raw(&conn.server).raw(" NOTICE");
    line.middle(target.as_bytes()).trailing(text.as_bytes());
}

/// A record's arguments from `from` on, `width` at a time. What would be left over is not there.
fn rows<'a>(record: &Record<'a>, from: usize, width: usize) -> std::slice::ChunksExact<'a, Arg<'a>> {
    record.argv.get(from..).unwrap_or(&[]).chunks_exact(width)
}

/// A numeric up to its last parameter, for [`spread`].
fn head(conn: &Conn, number: &str, middles: Option<[&[u8]; 2]>) -> Vec<u8> {
    let mut head = Vec::new();
    let line = conn.reply(&mut head, number);
    let _unended = middles.into_iter().flatten().fold(line, |line, word| line.middle(word));
    head
}

/// Milliseconds as seconds, which is how IRC counts.
fn seconds(ms: &[u8]) -> Vec<u8> {
    (number(ms) / 1000).to_string().into_bytes()
}
