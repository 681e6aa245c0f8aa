//! What a child writes to its standard error, on its way to the log: lines of bounded length, and not too many of them.

/// What is longer is cut.
const LINE_MAX: usize = 1024;
/// So many at once, and then so many a second.
const BURST: u64 = 100;
const PER_SECOND: u64 = 10;

pub(crate) struct Noise {
    line: Vec<u8>,
    is_cut: bool,
    /// Lines that may be said now, in thousandths.
    room: u64,
    since: u64,
    left_out: u64,
}

impl Noise {
    pub fn new(now: u64) -> Noise {
        Noise { line: Vec::new(), is_cut: false, room: BURST * 1000, since: now, left_out: 0 }
    }

    /// Says each line that is complete now.
    pub fn take(&mut self, now: u64, bytes: &[u8], mut say: impl FnMut(&str)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        self.gather(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.finish(now, &mut say);
            self.gather(piece);
        }
    }

    /// Says what is left, also without its end.
    pub fn end(&mut self, now: u64, mut say: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.finish(now, &mut say);
        }
        if self.left_out > 0 {
            say(&format!("({} more lines)", self.left_out));
        }
    }

    fn gather(&mut self, piece: &[u8]) {
        let fits = piece.len().min(LINE_MAX - self.line.len());
        self.line.extend_from_slice(&piece[..fits]);
        self.is_cut |= fits < piece.len();
    }

    fn finish(&mut self, now: u64, say: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_cut);
        self.room = (self.room + now.saturating_sub(self.since) * PER_SECOND).min(BURST * 1000);
        self.since = now;
        if self.room < 1000 {
            self.left_out += 1;
            return;
        }
        self.room -= 1000;
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            say(&format!("({left_out} lines left out)"));
        }
        let mut text: String =
            String::from_utf8_lossy(&line).trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if is_cut {
            text.push('…');
        }
        if !text.is_empty() {
            say(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], expect: &[&str]) {
        let (mut noise, mut said) = (Noise::new(0), Vec::new());
        for piece in pieces {
            noise.take(0, piece, |line| said.push(line.to_string()));
        }
        noise.end(0, |line| said.push(line.to_string()));
        assert_eq!(said, expect);
    }

    #[test]
    fn lines() {
        check(&[], &[]);
        check(&[b"one\ntwo\r\n\nth", b"ree\n"], &["one", "two", "three"]);
        check(&[b"no end"], &["no end"]);
        check(&[b"a\x1b[31mb\0\xff\n"], &["a\u{fffd}[31mb\u{fffd}\u{fffd}"]);
        let long = "x".repeat(LINE_MAX);
        check(&[format!("{long}\n").as_bytes()], &[&long]);
        check(&[format!("{long}yz").as_bytes(), b"yz\nnext\n"], &[&format!("{long}…"), "next"]);
    }

    #[test]
    fn not_too_many() {
        let (mut noise, mut said) = (Noise::new(0), Vec::new());
        noise.take(0, &b"x\n".repeat(150), |line| said.push(line.to_string()));
        assert_eq!(said, vec!["x"; 100]);
        noise.take(200, b"y\n", |line| said.push(line.to_string()));
        assert_eq!(said[100..], ["(50 lines left out)", "y"]);
        noise.take(200, b"z\nz\n", |line| said.push(line.to_string()));
        noise.end(200, |line| said.push(line.to_string()));
        assert_eq!(said[102..], ["z", "(1 more lines)"]);
    }
}
