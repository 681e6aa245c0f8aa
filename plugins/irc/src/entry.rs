//! Entries of a group as lines: what everyone there hears. Pure: the same class and record give the same bytes.
//!
//! A text that one line can't hold becomes several, each with the tags of the whole. Nothing of it is lost.

use chatring_sdk::Record;

use crate::caps::Caps;
use crate::line::LINE_MAX;
use crate::time;
use crate::write::{Line, clip, pieces};

/// Writes the lines of an entry. Whatever else the record is, nothing.
pub(crate) fn encode(class: Caps, record: &Record<'_>, out: &mut Vec<u8>) {
    if record.argv.len() < REST {
        return;
    }
    let entry = Entry { class, record, group: record.arg(1) };
    match record.name() {
        "message" => entry.message(out),
        "join" => entry.begin(out).raw("JOIN").middle(entry.group).end(),
        "part" => match entry.rest(0) {
            b"" => entry.begin(out).raw("PART").middle(entry.group).end(),
            reason => entry.begin(out).raw("PART").middle(entry.group).trailing(reason),
        },
        "kick" => entry.begin(out).raw("KICK").middle(entry.group).middle(entry.rest(0)).trailing(entry.rest(1)),
        "topic" => entry.begin(out).raw("TOPIC").middle(entry.group).trailing(entry.rest(0)),
        "mode" => entry.mode(out),
        "nick" => entry.begin(out).raw("NICK").middle(entry.rest(0)).end(),
        "invite" if class.has(Caps::INVITE_NOTIFY) => {
            entry.begin(out).raw("INVITE").middle(entry.rest(0)).middle(entry.group).end();
        }
        _ => {}
    }
}

/// Where the arguments of its own begin: behind word, group, seq, term, id, time, nick, user, host, account, real.
const REST: usize = 11;

struct Entry<'a> {
    class: Caps,
    record: &'a Record<'a>,
    group: &'a [u8],
}

impl Entry<'_> {
    fn rest(&self, i: usize) -> &[u8] {
        self.record.arg(REST + i)
    }

    /// Tags and source.
    fn begin<'o>(&self, out: &'o mut Vec<u8>) -> Line<'o> {
        let id = if self.class.has(Caps::MESSAGE_TAGS) { self.record.arg(4) } else { b"" };
        tags(self.class, self.record.arg(5), id, out);
        Line::new(out).source(self.record.arg(6), self.record.arg(7), self.record.arg(8))
    }

    fn message(&self, out: &mut Vec<u8>) {
        let command = if self.rest(0) == b"notice" { "NOTICE" } else { "PRIVMSG" };
        // A person's group is a person.
        let target = self.group.strip_prefix(b"@").unwrap_or(self.group);
        let mut head = Vec::new();
        tags(self.class, self.record.arg(5), if self.class.has(Caps::MESSAGE_TAGS) { self.record.arg(4) } else { b"" }, &mut head);
        let tags_len = head.len();
        let source = Line::new(&mut head).source(self.record.arg(6), self.record.arg(7), self.record.arg(8));
        source.raw(command).middle(target).raw(" :");
        let (before, text, after) = action(self.rest(1));
        let room = LINE_MAX - 2 - (head.len() - tags_len) - before.len() - after.len();
        for piece in pieces(text, room) {
            for part in [&head[..], before, &piece, after, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }

    /// As many lines as the changes need: what a program doesn't hear of, it shows wrong for ever.
    fn mode(&self, out: &mut Vec<u8>) {
        let mut args = self.record.argv[REST..].iter().skip(1);
        let (mut letters, mut words) = (Vec::new(), Vec::new());
        let (mut sign, mut written) = (b'+', b' ');
        for &letter in self.rest(0) {
            if matches!(letter, b'+' | b'-') {
                sign = letter;
                continue;
            }
            let arg = if takes_argument(letter, sign) { args.next().map(|arg| arg.as_bytes()) } else { None };
            let size = letters.len() + 2 + words.iter().chain(&arg).map(|arg: &&[u8]| arg.len() + 1).sum::<usize>();
            if size > MODE_ROOM && !letters.is_empty() {
                self.mode_line(&letters, &words, out);
                letters.clear();
                words.clear();
                written = b' ';
            }
            if written != sign {
                letters.push(sign);
                written = sign;
            }
            letters.push(letter);
            words.extend(arg);
        }
        if !letters.is_empty() {
            self.mode_line(&letters, &words, out);
        }
    }

    fn mode_line(&self, letters: &[u8], words: &[&[u8]], out: &mut Vec<u8>) {
        let line = self.begin(out).raw("MODE").middle(self.group).middle(letters);
        words.iter().fold(line, |line, word| line.middle(word)).end();
    }
}

/// What is left of a line for mode changes behind the longest source and group that names can have.
const MODE_ROOM: usize = 200;

fn takes_argument(letter: u8, sign: u8) -> bool {
    matches!(letter, b'q' | b'o' | b'v' | b'b' | b'k') || (letter == b'l' && sign == b'+')
}

/// A CTCP ACTION is one however long it is: what it begins and ends with belongs to every piece.
fn action(text: &[u8]) -> (&'static [u8], &[u8], &'static [u8]) {
    match text.strip_prefix(ACTION) {
        Some(rest) => (ACTION, rest.strip_suffix(b"\x01").unwrap_or(rest), b"\x01"),
        None => (b"", text, b""),
    }
}

const ACTION: &[u8] = b"\x01ACTION ";

/// Writes `@time=…;msgid=… `, whatever of it the class wants. An id may be empty: it is left out.
pub(crate) fn tags(class: Caps, time_ms: &[u8], id: &[u8], out: &mut Vec<u8>) {
    let mut mark = b'@';
    if class.has(Caps::SERVER_TIME) {
        out.push(mark);
        out.extend_from_slice(b"time=");
        out.extend_from_slice(time::stamp(number(time_ms)).as_bytes());
        mark = b';';
    }
    if !id.is_empty() {
        out.push(mark);
        out.extend_from_slice(b"msgid=");
        for &b in clip(id, ID_MAX) {
            match b {
                b';' => out.extend_from_slice(b"\\:"),
                b' ' => out.extend_from_slice(b"\\s"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\n' => out.extend_from_slice(b"\\n"),
                0 => {}
                b => out.push(b),
            }
        }
        mark = b';';
    }
    if mark == b';' {
        out.push(b' ');
    }
}

/// Most of an id, in bytes.
const ID_MAX: usize = 200;

/// A decimal number; 0 if it is none.
pub(crate) fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
