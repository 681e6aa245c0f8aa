//! Lines going out.
//!
//! Whatever the node hands over, what leaves here is one line: at most [`LINE_MAX`] bytes behind its tags, cut between
//! characters, with its only `\r\n` at the end, and no blank where a parameter has to be one word. So nobody can smuggle a line of
//! their own into a topic, a reason or a name.

use crate::line::LINE_MAX;

/// Most of any parameter but the last, in bytes. Names have limits of their own below this, so only what nobody could name is cut.
const MIDDLE_MAX: usize = 200;
/// Most of each of nick, user and host in a source.
const SOURCE_PART_MAX: usize = 64;

/// A line being written at the end of a buffer.
pub(crate) struct Line<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Line<'o> {
    /// Begins behind what is in `out`, such as tags.
    pub fn new(out: &'o mut Vec<u8>) -> Line<'o> {
        let start = out.len();
        Line { out, start }
    }

    /// Text of our own, as it stands.
    pub fn raw(self, text: &str) -> Line<'o> {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    /// Who it is from. Without a nick it is from the server, which on IRC is what no source means.
    pub fn source(self, nick: &[u8], user: &[u8], host: &[u8]) -> Line<'o> {
        if nick.is_empty() {
            return self;
        }
        for (mark, part) in [(b':', nick), (b'!', user), (b'@', host)] {
            self.out.push(mark);
            let word = clip(part, SOURCE_PART_MAX).iter();
            self.out.extend(word.map(|&b| if matches!(b, b'!' | b'@') { b'_' } else { wordly(b) }));
        }
        self.out.push(b' ');
        self
    }

    /// A parameter of one word.
    pub fn middle(self, word: &[u8]) -> Line<'o> {
        self.out.push(b' ');
        match word.first() {
            None => self.out.push(b'*'),
            // An IPv6 address may begin with a colon, which would make it the last parameter.
            Some(b':') => self.out.push(b'0'),
            Some(_) => {}
        }
        self.out.extend(clip(word, MIDDLE_MAX).iter().map(|&b| wordly(b)));
        self
    }

    /// The last parameter, and the end.
    pub fn trailing(self, text: &[u8]) {
        self.out.extend_from_slice(b" :");
        self.out.extend(clip(text, LINE_MAX).iter().map(|&b| on_a_line(b)));
        self.end();
    }

    /// The end.
    pub fn end(self) {
        let fits = clip(&self.out[self.start..], LINE_MAX - 2).len();
        self.out.truncate(self.start + fits);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The longest beginning of at most `max` bytes that ends between characters. Keeps at least `max - 3` bytes of anything.
pub(crate) fn clip(text: &[u8], max: usize) -> &[u8] {
    if text.len() <= max {
        return text;
    }
    let begins = |&end: &usize| text[end] & 0b1100_0000 != 0b1000_0000;
    let end = (max.saturating_sub(3)..=max).rev().find(begins).unwrap_or(max);
    &text[..end]
}

/// What may stand in a text.
fn on_a_line(b: u8) -> u8 {
    if matches!(b, 0 | b'\r' | b'\n') { b' ' } else { b }
}

/// What may stand in a word.
fn wordly(b: u8) -> u8 {
    if b <= b' ' || b == 0x7f { b'_' } else { b }
}

/// Writes `items`, with blanks between them, as the last parameter of as many lines as they need; `head` begins each. No items
/// make one line.
pub(crate) fn spread(out: &mut Vec<u8>, head: &[u8], items: impl Iterator<Item = Vec<u8>>) {
    let room = LINE_MAX - 2 - (head.len() + 2).min(LINE_MAX - 2);
    let mut flush = |text: &[u8]| {
        let line = Line::new(out);
        line.out.extend_from_slice(head);
        line.trailing(text);
    };
    let mut text = Vec::new();
    let mut lines = 0;
    for item in items {
        if !text.is_empty() && text.len() + 1 + item.len() > room {
            flush(&text);
            text.clear();
            lines += 1;
        }
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend(item);
    }
    if !text.is_empty() || lines == 0 {
        flush(&text);
    }
}

/// Cuts a text into what fits on lines with `room` bytes each: at its newlines, and between characters where it is too long.
/// At most [`PIECES_MAX`] newlines count; behind them they are blanks, so a text of nothing but newlines can't become a flood. Always
/// at least one piece; empty lines are left out.
pub(crate) fn pieces(text: &[u8], room: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let lines = text.splitn(PIECES_MAX, |&b| b == b'\n');
    for line in lines {
        let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
        while !rest.is_empty() {
            let piece = clip(rest, room.max(4));
            pieces.push(piece.iter().map(|&b| on_a_line(b)).collect());
            rest = &rest[piece.len()..];
        }
    }
    if pieces.is_empty() {
        pieces.push(Vec::new());
    }
    pieces
}

/// The most lines a text is cut into for its newlines.
const PIECES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(Line<'_>), expected: &str) {
        let mut out = Vec::new();
        write(Line::new(&mut out));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn parameters_stay_parameters() {
        check(|line| line.raw("X").middle(b"a b\r\nc").end(), "X a_b__c\r\n");
        check(|line| line.raw("X").middle(b"").middle(b"::1").end(), "X * 0::1\r\n");
        check(|line| line.raw("X").trailing(b"a\r\nQUIT\0"), "X :a  QUIT \r\n");
        check(|line| line.source(b"j!@e", b"u ", b"::1").raw("X").end(), ":j__e!u_@::1 X\r\n");
        check(|line| line.source(b"", b"u", b"h").raw("X").end(), "X\r\n");
    }

    #[test]
    fn long_lines_end_between_characters() {
        let mut out = Vec::new();
        Line::new(&mut out).raw("X").trailing("é".repeat(400).as_bytes());
        let text = String::from_utf8(out).expect("cut between characters");
        assert!(text.len() == 511 && text.ends_with("é\r\n"));
    }

    #[test]
    fn texts_in_pieces() {
        for (text, room, expected) in [
            ("", 9, &[""][..]),
            ("\n\r\n", 9, &[""]),
            ("a\r\n\nb", 9, &["a", "b"]),
            ("héllo wörld", 5, &["héll", "o wö", "rld"]),
            ("aaaaé", 5, &["aaaa", "é"]),
            ("a\0b\rc", 9, &["a b c"]),
        ] {
            let expected: Vec<Vec<u8>> = expected.iter().map(|piece| piece.as_bytes().to_vec()).collect();
            assert_eq!(pieces(text.as_bytes(), room), expected, "{text:?}");
        }
        let flood = "x\n".repeat(100_000);
        let got = pieces(flood.as_bytes(), 400);
        assert!(got.len() < 64 + 200_000 / 390, "{}", got.len());
        assert_eq!(got.concat().iter().filter(|&&b| b == b'x').count(), 100_000, "nothing is lost");
    }

    #[test]
    fn lists_over_lines() {
        let mut out = Vec::new();
        spread(&mut out, b"H", (0..300).map(|i| format!("n{i}").into_bytes()));
        let text = String::from_utf8(out).expect("text");
        let words: usize = text.lines().map(|line| line.split(' ').count() - 1).sum();
        assert!(text.lines().all(|line| line.len() <= 510 && line.starts_with("H :n")));
        assert_eq!((words, text.lines().count()), (300, 3));
    }
}
