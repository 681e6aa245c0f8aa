//! A typed line taken apart into words, with quotes as in a shell, and nothing else of a shell: `#` begins a group and not a comment.

/// Why a line is not words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// A quote was opened and not closed.
    #[error("the line ends inside of quotes; close them with {0}")]
    Unclosed(char),
    /// There is nothing after the backslash.
    #[error("the line ends with a backslash; write \\\\ if you mean one")]
    Backslash,
}

/// The words of a line.
pub fn split(line: &str) -> Result<Vec<String>, BadLine> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next().ok_or(BadLine::Backslash)?),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(BadLine::Unclosed(open));
    }
    words.extend(word);
    Ok(words)
}

/// Where the word begins that ends at `pos`. Quotes are looked at as [`split`] does.
pub fn word_start(line: &str, pos: usize) -> usize {
    let mut start = 0;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in line[..pos].char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, c) if c.is_whitespace() => start = at + c.len_utf8(),
            (None | Some('"'), '\\') => escaped = true,
            _ => {}
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Result<&[&str], BadLine>) {
        let words = split(line);
        assert_eq!(words.as_ref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>()), expect.as_ref().map(|w| w.to_vec()));
    }

    #[test]
    fn words() {
        check("", Ok(&[]));
        check("  ring  owner #erlang ", Ok(&["ring", "owner", "#erlang"]));
        check("send #g 'hello  world' \"it's\" a\\ b ''", Ok(&["send", "#g", "hello  world", "it's", "a b", ""]));
        check("say \"a \\\" b\" 'c\\d'", Ok(&["say", "a \" b", "c\\d"]));
        check("say 'oops", Err(BadLine::Unclosed('\'')));
        check("say \\", Err(BadLine::Backslash));
    }

    #[test]
    fn starts() {
        for (line, start) in [("ring ow", 5), ("ring ", 5), ("ring", 0), ("send '#a b", 5), ("send a\\ b", 5)] {
            assert_eq!(word_start(line, line.len()), start, "{line:?}");
        }
    }
}
