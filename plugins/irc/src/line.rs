//! Lines coming in: finding their ends and taking them apart.
//!
//! Nothing here keeps anything. What is not yet a whole line stays with the host, and never more than [`TAGS_MAX`] plus
//! [`LINE_MAX`] bytes of it: past that the line is [`Cut::TooLong`] whether or not its end has come, so the same bytes get the same
//! answer however they were cut on their way.

/// Bytes of a line with its `\r\n`, without its tags.
pub(crate) const LINE_MAX: usize = 512;
/// Bytes of the tags of a line, with their `@` and the blank behind them.
pub(crate) const TAGS_MAX: usize = 8191;
/// Parameters of a message; the last takes all the rest.
const PARAMS_MAX: usize = 15;

/// What the front of the input is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut<'a> {
    /// A line without its end, and how many bytes it took with it.
    Line(&'a [u8], usize),
    /// A line past its limit: how many bytes of it are here, and whether its end is among them.
    TooLong(usize, bool),
    /// The beginning of a line.
    More,
}

/// Finds the first line.
pub(crate) fn cut(input: &[u8]) -> Cut<'_> {
    let end = input.iter().position(|&b| b == b'\n');
    let content = &input[..end.unwrap_or(input.len())];
    let content = match content {
        [content @ .., b'\r'] => content,
        content => content,
    };
    match end {
        Some(end) if too_long(content) => Cut::TooLong(end + 1, true),
        Some(end) => Cut::Line(content, end + 1),
        None if too_long(content) => Cut::TooLong(input.len(), false),
        None => Cut::More,
    }
}

fn too_long(content: &[u8]) -> bool {
    let tags = match content.first() {
        Some(b'@') => content.iter().position(|&b| b == b' ').map_or(content.len(), |blank| blank + 1),
        _ => 0,
    };
    tags > TAGS_MAX || content.len() - tags > LINE_MAX - 2
}

/// A line taken apart. Tags and source of a client mean nothing and are left out.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The command as written.
    pub command: &'a str,
    params: [&'a str; PARAMS_MAX],
    count: usize,
}

impl<'a> Message<'a> {
    /// `None` for a line without a command.
    pub fn parse(line: &'a str) -> Option<Message<'a>> {
        let mut rest = line.trim_start_matches(' ');
        for mark in ['@', ':'] {
            if rest.starts_with(mark) {
                rest = word(rest).1;
            }
        }
        let (command, mut rest) = word(rest);
        let mut message = Message { command, params: [""; PARAMS_MAX], count: 0 };
        while !rest.is_empty() && message.count < PARAMS_MAX {
            let last = message.count == PARAMS_MAX - 1;
            let (param, behind) = match rest.strip_prefix(':') {
                Some(trailing) => (trailing, ""),
                None if last => (rest, ""),
                None => word(rest),
            };
            message.params[message.count] = param;
            message.count += 1;
            rest = behind;
        }
        (!command.is_empty()).then_some(message)
    }

    /// The parameters.
    pub fn params(&self) -> &[&'a str] {
        &self.params[..self.count]
    }

    /// A parameter; empty if absent.
    pub fn param(&self, i: usize) -> &'a str {
        self.params().get(i).copied().unwrap_or("")
    }
}

/// The first word, and what follows the blanks behind it.
fn word(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_start_matches(' ')),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, parts: &[&str]) {
        let message = Message::parse(line);
        let got: Vec<&str> = message.iter().flat_map(|m| std::iter::once(&m.command).chain(m.params()).copied()).collect();
        assert_eq!(got, parts, "{line:?}");
    }

    #[test]
    fn messages() {
        check("", &[]);
        check("   ", &[]);
        check("@tag", &[]);
        check("@tag :source", &[]);
        check("JOIN #a", &["JOIN", "#a"]);
        check("  JOIN   #a  key ", &["JOIN", "#a", "key"]);
        check("@a=b;c :joe!j@h PRIVMSG #a :hello  world ", &["PRIVMSG", "#a", "hello  world "]);
        check("TOPIC #a :", &["TOPIC", "#a", ""]);
        check("PRIVMSG #a ::)", &["PRIVMSG", "#a", ":)"]);
        check(
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            &["X", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 16"],
        );
    }

    #[test]
    fn ends_of_lines() {
        assert_eq!(cut(b"PING x\r\nJ"), Cut::Line(b"PING x", 8));
        assert_eq!(cut(b"PING x\nJ"), Cut::Line(b"PING x", 7));
        assert_eq!(cut(b"PING x\r"), Cut::More);
        assert_eq!(cut(b"\n"), Cut::Line(b"", 1));
        assert_eq!(cut(b""), Cut::More);
    }

    #[test]
    fn limits() {
        let tags = |n: usize| format!("@{} ", "t".repeat(n - 2));
        for (line, fits) in [
            ("x".repeat(510), true),
            ("x".repeat(511), false),
            (tags(8191) + &"x".repeat(510), true),
            (tags(8192) + "x", false),
            (tags(8191) + &"x".repeat(511), false),
            ("@".repeat(8191), true),
            ("@".repeat(8192), false),
        ] {
            let len = line.len();
            for end in ["\n", "\r\n"] {
                let whole = format!("{line}{end}");
                let cut_here = cut(whole.as_bytes());
                if fits {
                    assert_eq!(cut_here, Cut::Line(line.as_bytes(), whole.len()));
                } else {
                    assert_eq!(cut_here, Cut::TooLong(whole.len(), true));
                }
            }
            let open = if fits { Cut::More } else { Cut::TooLong(len, false) };
            assert_eq!(cut(line.as_bytes()), open, "{len}");
        }
    }
}
