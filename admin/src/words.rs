//! A typed line taken apart into words, with quotes as in a shell, and nothing else of a shell: `#` begins a group and not a comment.
//!
//! One scanner for whoever runs a line and whoever shows it while it is typed, so that what one sees is what will be run.

use std::ops::Range;

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

/// A word as it stands in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where, quotes and all.
    pub place: Range<usize>,
    /// What it says, without them.
    pub text: String,
    /// It has quotes.
    pub quoted: bool,
    /// Line breaks outside of quotes before it: each begins another command.
    pub line: usize,
}

/// What there is in a text.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Its words, as far as it goes.
    pub words: Vec<Word>,
    /// What is wrong with its end.
    pub bad: Option<BadLine>,
    /// Line breaks outside of quotes.
    lines: usize,
}

/// Takes text apart as far as it goes.
pub fn scan(text: &str) -> Scan {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut line = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let begin = || Word { place: at..at, text: String::new(), quoted: false, line };
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_with(begin).quoted = true;
            }
            (None, c) if c.is_whitespace() => {
                words.extend(word.take().map(|word| ended(word, at)));
                line += usize::from(c == '\n');
            }
            (None | Some('"'), '\\') => match chars.next() {
                // The line goes on in the next one.
                Some((_, '\n')) => {}
                Some((_, c)) => word.get_or_insert_with(begin).text.push(c),
                None => {
                    word.get_or_insert_with(begin);
                    words.extend(word.take().map(|word| ended(word, text.len())));
                    return Scan { words, bad: Some(BadLine::Backslash), lines: line };
                }
            },
            (_, c) => word.get_or_insert_with(begin).text.push(c),
        }
    }
    words.extend(word.take().map(|word| ended(word, text.len())));
    Scan { words, bad: quote.map(BadLine::Unclosed), lines: line }
}

fn ended(word: Word, end: usize) -> Word {
    Word { place: word.place.start..end, ..word }
}

/// The words of a line.
pub fn split(line: &str) -> Result<Vec<String>, BadLine> {
    let Scan { words, bad, .. } = scan(line);
    bad.map_or_else(|| Ok(words.into_iter().map(|word| word.text).collect()), Err)
}

/// The words of each command of a text that may have several, a line each.
pub fn commands(text: &str) -> Result<Vec<Vec<String>>, BadLine> {
    let Scan { words, bad, .. } = scan(text);
    let command = |words: &[Word]| words.iter().map(|word| word.text.clone()).collect();
    bad.map_or_else(|| Ok(words.chunk_by(|a, b| a.line == b.line).map(command).collect()), Err)
}

/// A text up to the cursor: the words that are done of the command that is being typed, and the one under the cursor, which may be empty.
pub fn typed(text: &str) -> (Vec<Word>, Word) {
    let Scan { mut words, lines, .. } = scan(text);
    let under = words.pop_if(|word| word.place.end == text.len());
    let under = under.unwrap_or_else(|| Word { place: text.len()..text.len(), text: String::new(), quoted: false, line: lines });
    words.retain(|word| word.line == under.line);
    (words, under)
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
        check("send #g \\\n'one\ntwo' th\\\nree", Ok(&["send", "#g", "one\ntwo", "three"]));
    }

    #[test]
    fn a_text_may_have_several_commands() {
        let commands = commands("ring show\n\nsend #g 'a\nb' \\\nc\n who joe").unwrap();
        assert_eq!(commands, [vec!["ring", "show"], vec!["send", "#g", "a\nb", "c"], vec!["who", "joe"]]);
        assert_eq!(super::commands("a\n'"), Err(BadLine::Unclosed('\'')));
        assert_eq!(super::commands(" \n "), Ok(vec![]));
    }

    #[test]
    fn the_word_under_the_cursor() {
        for (text, done, start, under) in [
            ("ring ow", "ring", 5, "ow"),
            ("ring ", "ring", 5, ""),
            ("ring", "", 0, "ring"),
            ("send '#a b", "send", 5, "#a b"),
            ("send a\\ b", "send", 5, "a b"),
            ("send a\\", "send", 5, "a"),
            ("ring show\nwho ", "who", 14, ""),
            ("ring show\n", "", 10, ""),
            ("ring \\\nsh", "ring", 7, "sh"),
            ("ring \\\n", "ring", 7, ""),
        ] {
            let (words, word) = typed(text);
            let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!((words.join(" ").as_str(), word.place.start, word.text.as_str()), (done, start, under), "{text:?}");
        }
    }
}
