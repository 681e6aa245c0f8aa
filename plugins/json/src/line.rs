//! Lines coming in: finding their ends.
//!
//! What is not yet a whole line stays with the host, and never more than `line_max` bytes of it: past that the line is [`Cut::TooLong`]
//! whether or not its end has come, so the same bytes get the same answer however they were cut on their way. A byte is looked at once.

/// Where in its lines a connection is.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Bytes at the front of the input that are known to hold no end.
    seen: usize,
    /// What comes is the rest of a line that was too long.
    skipping: bool,
}

/// What the front of the input is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut<'a> {
    /// A line without its end.
    Line(&'a [u8]),
    /// A line past its limit, or as much of it as is here.
    TooLong(&'a [u8]),
    /// The rest of a line that was too long, or as much of it as is here.
    Rest,
}

impl Lines {
    /// Takes the next line, and says how many bytes it took. `None` where more is needed.
    pub fn next<'a>(&mut self, input: &'a [u8], line_max: usize) -> Option<(Cut<'a>, usize)> {
        let seen = self.seen.min(input.len());
        let end = input[seen..].iter().position(|&byte| byte == b'\n').map(|at| seen + at);
        let line = &input[..end.unwrap_or(input.len())];
        let taken = end.map_or(input.len(), |end| end + 1);
        self.seen = 0;
        let was_skipping = std::mem::replace(&mut self.skipping, false);
        let is_too_long = line.len() > line_max;
        if end.is_none() {
            if input.is_empty() || !(was_skipping || is_too_long) {
                (self.seen, self.skipping) = (input.len(), was_skipping);
                return None;
            }
            self.skipping = true;
        }
        let cut = match (was_skipping, is_too_long) {
            (true, _) => Cut::Rest,
            (false, true) => Cut::TooLong(line),
            (false, false) => Cut::Line(line),
        };
        Some((cut, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"abc", 4), None);
        assert_eq!(lines.next(b"abc\nd", 4), Some((Cut::Line(b"abc"), 4)));
        assert_eq!(lines.next(b"d", 4), None);
        assert_eq!(lines.next(b"d\n", 4), Some((Cut::Line(b"d"), 2)));
        assert_eq!(lines.next(b"", 4), None);
        assert_eq!(lines.next(b"\n", 4), Some((Cut::Line(b""), 1)));
    }

    #[test]
    fn what_is_too_long_is_said_once_and_skipped_to_its_end() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"abcd", 4), None);
        assert_eq!(lines.next(b"abcde", 4), Some((Cut::TooLong(b"abcde"), 5)));
        assert_eq!(lines.next(b"", 4), None);
        assert_eq!(lines.next(b"fg", 4), Some((Cut::Rest, 2)));
        assert_eq!(lines.next(b"\nh\n", 4), Some((Cut::Rest, 1)));
        assert_eq!(lines.next(b"h\n", 4), Some((Cut::Line(b"h"), 2)));
        assert_eq!(lines.next(b"abcde\n", 4), Some((Cut::TooLong(b"abcde"), 6)));
        assert_eq!(lines.next(b"abcd\n", 4), Some((Cut::Line(b"abcd"), 5)));
    }
}
