//! Events as lines. Pure, and never allocates but in the caller's buffer.
//!
//! Whatever the node hands over, what leaves here is one line and one JSON object: bytes that are no text are replaced, and what some
//! program might take for the end of a line is escaped.

use crate::event::{self, Event, Field, Form};
use crate::mode;
use chatring_sdk::{Arg, Record};

/// What a line says of the command that it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answered<'a> {
    /// What `do` said. Of `ok` and errors only: other replies speak for themselves.
    pub word: Option<&'static str>,
    /// As JSON.
    pub id: Option<&'a str>,
}

/// Appends a push. What is not for people, or not known, is nothing.
pub(crate) fn push(record: &Record<'_>, out: &mut Vec<u8>) {
    if let Some((common, event)) = event::push(record) {
        let mut line = Line::begin(event.name, out);
        line.fields(common, record.argv);
        line.fields(event.fields, record.argv);
        line.end();
    }
}

/// Appends a reply. One that is not known is told as it is: somebody waits for it.
pub(crate) fn reply(record: &Record<'_>, answered: Answered<'_>, out: &mut Vec<u8>) {
    let Some(event) = event::reply(record) else {
        let mut line = Line::begin("other", out);
        line.key("name").text(record.arg(0));
        line.key("values").texts(record.argv.get(1..).unwrap_or(&[]));
        return line.answers(Answered { word: None, ..answered });
    };
    let mut line = Line::begin(event.name, out);
    line.fields(event.fields, record.argv);
    line.answers(Answered { word: answered.word.filter(|_| matches!(event.name, "ok" | "error")), ..answered });
}

/// Appends `ok`.
pub(crate) fn ok(answered: Answered<'_>, out: &mut Vec<u8>) {
    Line::begin("ok", out).answers(answered);
}

/// Appends a refusal of our own.
pub(crate) fn error(code: &str, text: &str, answered: Answered<'_>, out: &mut Vec<u8>) {
    let Event { name, fields, .. } = event::ERROR;
    let mut line = Line::begin(name, out);
    line.fields(&fields[..2], &[Arg::default(), Arg::from(code), Arg::from(text)]);
    line.answers(answered);
}

/// An object being written at the end of a buffer.
struct Line<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Line<'o> {
    /// With a name of ours, which needs no escaping.
    fn begin(name: &str, out: &'o mut Vec<u8>) -> Line<'o> {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        Line { out }
    }

    fn answers(mut self, answered: Answered<'_>) {
        if let Some(word) = answered.word {
            self.key("do").text(word.as_bytes());
        }
        if let Some(id) = answered.id {
            self.key("id").out.extend_from_slice(id.as_bytes());
        }
        self.end();
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// Behind another one, or as the first of an object.
    fn key(&mut self, name: &str) -> &mut Self {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    fn fields(&mut self, fields: &[Field], argv: &[Arg<'_>]) {
        fields.iter().for_each(|field| self.field(field, argv));
    }

    fn field(&mut self, &Field { at, name, form, .. }: &Field, argv: &[Arg<'_>]) {
        let arg = argv.get(at).map_or(&[][..], Arg::as_bytes);
        let rest = argv.get(at..).unwrap_or(&[]);
        match form {
            Form::Text => self.key(name).text(arg),
            Form::Maybe if arg.is_empty() => {}
            Form::Maybe => self.key(name).text(arg),
            Form::Number => self.key(name).number(digits(arg).unwrap_or(b"0")),
            Form::MaybeNumber => digits(arg).into_iter().for_each(|digits| self.key(name).number(digits)),
            Form::Place => digits(arg).filter(|digits| *digits != b"0").into_iter().for_each(|digits| self.key(name).number(digits)),
            Form::Bool => self.key(name).raw(if arg == b"1" { b"true" } else { b"false" }),
            Form::Where => match arg {
                [b'@', nick @ ..] => self.key("to").text(nick),
                [b'#', ..] => self.key("group").text(arg),
                _ => {}
            },
            Form::Ranks => self.ranks(name, arg),
            Form::Away => self.key(name).raw(if arg.contains(&b'G') { b"true" } else { b"false" }),
            Form::Modes => self.modes(name, arg, rest.get(1..).unwrap_or(&[])),
            Form::Texts => self.key(name).texts(rest),
            Form::Rows(width, fields) => {
                self.key(name).raw(b"[");
                for (ix, row) in rest.chunks_exact(width).enumerate() {
                    self.raw(if ix == 0 { b"{" } else { b",{" });
                    self.fields(fields, row);
                    self.raw(b"}");
                }
                self.raw(b"]");
            }
        }
    }

    fn ranks(&mut self, name: &str, letters: &[u8]) {
        let mut mark: &[u8] = b"[\"";
        for (_, rank) in mode::RANKS.iter().filter(|(letter, _)| letters.contains(letter)) {
            if mark == b"[\"" {
                self.key(name);
            }
            self.raw(mark);
            self.raw(rank.as_bytes());
            mark = b"\",\"";
        }
        if mark == b"\",\"" {
            self.raw(b"\"]");
        }
    }

    fn modes(&mut self, name: &str, letters: &[u8], arguments: &[Arg<'_>]) {
        self.key(name).raw(b"[");
        let (mut is_set, mut arguments, mut is_first) = (true, arguments.iter(), true);
        for &letter in letters {
            if matches!(letter, b'+' | b'-') {
                is_set = letter == b'+';
                continue;
            }
            self.raw(if std::mem::take(&mut is_first) { b"{" } else { b",{" });
            let mode = mode::of_letter(letter);
            match mode {
                Some(mode) => self.key("mode").text(mode.name.as_bytes()),
                // Of a later version.
                None => self.key("mode").text(&[letter]),
            }
            self.key("set").raw(if is_set { b"true" } else { b"false" });
            let argument = mode.filter(|mode| mode.takes_argument(is_set)).and_then(|_| arguments.next());
            let is_shown = mode.is_some_and(|mode| mode.takes_value(is_set));
            if let Some(value) = argument.filter(|_| is_shown) {
                self.key("value").text(value);
            }
            self.raw(b"}");
        }
        self.raw(b"]");
    }

    fn texts(&mut self, texts: &[Arg<'_>]) {
        self.raw(b"[");
        for (ix, text) in texts.iter().enumerate() {
            if ix > 0 {
                self.raw(b",");
            }
            self.text(text);
        }
        self.raw(b"]");
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Digits that are a number.
    fn number(&mut self, digits: &[u8]) {
        self.raw(digits);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 2);
        self.out.push(b'"');
        for chunk in bytes.utf8_chunks() {
            self.characters(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.raw("\u{fffd}".as_bytes());
            }
        }
        self.out.push(b'"');
    }

    /// In runs of what needs no escaping.
    fn characters(&mut self, text: &str) {
        let mut rest = text;
        while let Some((at, escaped)) = rest.char_indices().find(|(_, c)| is_escaped(*c)) {
            self.raw(&rest.as_bytes()[..at]);
            self.escape(escaped);
            rest = &rest[at + escaped.len_utf8()..];
        }
        self.raw(rest.as_bytes());
    }

    fn escape(&mut self, c: char) {
        match c {
            '"' => self.raw(b"\\\""),
            '\\' => self.raw(b"\\\\"),
            '\n' => self.raw(b"\\n"),
            '\r' => self.raw(b"\\r"),
            '\t' => self.raw(b"\\t"),
            c => {
                let digit = |shift: u32| b"0123456789abcdef"[(c as usize >> shift) & 15];
                self.raw(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
        }
    }
}

/// What JSON has escaped, and what else ends a line for some programs.
fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\x1f' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A number's digits as JSON has them. `None` where it is none that fits into 64 bits.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let number: u64 = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let zeros = text.iter().take_while(|digit| **digit == b'0').count();
    Some(if number == 0 { b"0" } else { &text[zeros..] })
}
