//! A text as words. Knows no list.
//!
//! A word is a run of letters and digits of any script, with the marks that combine with them. Each is kept twice: where it is in the text,
//! and folded, so that upper and lower case are the same. Folding may change how long something is, so nothing computes one from the other.

use std::ops::Range;

/// The words of a text.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// All of them folded, each between two spaces: no word has one.
    pub folded: String,
    pub words: Vec<Word>,
}

/// A word of a text.
#[derive(Debug)]
pub(crate) struct Word {
    /// In the text.
    pub at: Range<usize>,
    /// In `folded`.
    pub folded: Range<usize>,
    /// How many characters are seen of it.
    pub width: usize,
}

impl Text {
    pub fn of(text: &str) -> Text {
        let mut all = Text { folded: " ".to_string(), words: Vec::new() };
        let mut word: Option<Word> = None;
        let mut rest = ctcp_rest(text);
        while let Some(c) = rest.chars().next() {
            let from = text.len() - rest.len();
            let hidden = hidden(rest);
            let (next, is_hidden) = if hidden > 0 { (hidden, true) } else { (c.len_utf8(), false) };
            rest = &rest[next..];
            if is_hidden {
                continue;
            }
            if !is_of_word(c) {
                all.end(word.take());
                continue;
            }
            let start = all.folded.len();
            let word = word.get_or_insert(Word { at: from..from, folded: start..start, width: 0 });
            all.folded.extend(fold(c));
            (word.at.end, word.folded.end) = (from + next, all.folded.len());
            word.width += 1;
        }
        all.end(word);
        all
    }

    /// A word, folded.
    pub fn folded(&self, word: usize) -> Option<&str> {
        self.words.get(word).map(|word| &self.folded[word.folded.clone()])
    }

    /// Which word this place of `folded` is in.
    pub fn word_at(&self, folded: usize) -> usize {
        self.words.partition_point(|word| word.folded.end <= folded)
    }

    fn end(&mut self, word: Option<Word>) {
        if let Some(word) = word {
            self.words.push(word);
            self.folded.push(' ');
        }
    }
}

/// What is behind the word that says what kind of CTCP message it is (`\x01ACTION waves\x01`): that word is no one's.
fn ctcp_rest(text: &str) -> &str {
    match text.strip_prefix('\u{1}') {
        Some(ctcp) => ctcp.find(' ').map_or("", |end| &ctcp[end..]),
        None => text,
    }
}

pub(crate) fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}')
}

/// Upper case first: letters with two lower-case forms (`σ` and `ς`) have one upper-case form.
pub(crate) fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}

/// How many bytes at the beginning are not seen by anyone: how something is shown (bold, colours), or characters without width. 0: none.
fn hidden(text: &str) -> usize {
    let digits = |text: &str, max: usize| text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    let mut chars = text.chars();
    match chars.next() {
        Some('\u{3}') => {
            let rest = chars.as_str();
            let ink = digits(rest, 2);
            let paper = rest[ink..].strip_prefix(',').filter(|_| ink > 0).map_or(0, |paper| digits(paper, 2));
            1 + ink + if paper > 0 { 1 + paper } else { 0 }
        }
        Some('\u{4}') => {
            let rest = chars.as_str();
            let is_colour = rest.len() >= 6 && rest.bytes().take(6).all(|byte| byte.is_ascii_hexdigit());
            if is_colour { 7 } else { 1 }
        }
        Some('\u{2}' | '\u{f}' | '\u{11}' | '\u{16}' | '\u{1d}'..='\u{1f}') => 1,
        Some(c @ ('\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')) => c.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, words: &[&str]) {
        let found = Text::of(text);
        let folded: Vec<&str> = (0..found.words.len()).filter_map(|word| found.folded(word)).collect();
        assert_eq!(folded, words, "{text:?}");
        for (ix, word) in found.words.iter().enumerate() {
            assert!(!text[word.at.clone()].is_empty() && word.width > 0);
            assert!(word.folded.clone().all(|at| found.word_at(at) == ix));
        }
    }

    #[test]
    fn words_of_texts() {
        check("", &[]);
        check(" ...", &[]);
        check("Hello, WORLD", &["hello", "world"]);
        check("it's 5 o'clock_now", &["it", "s", "5", "o", "clock", "now"]);
        check("ΟΔΟΣ οδος Straße ſ İ", &["οδοσ", "οδοσ", "strasse", "s", "i\u{307}"]);
        check("cafe\u{301} हिन्दी 日本語", &["cafe\u{301}", "हिन", "दी", "日本語"]);
        check("one\u{1f600}two", &["one", "two"]);
    }

    #[test]
    fn what_nobody_sees_is_skipped() {
        check("s\u{2}p\u{200b}a\u{ad}m\u{f}", &["spam"]);
        check("\u{3}04spam \u{3}4,12eggs \u{3}4,ham \u{3},1 \u{3}", &["spam", "eggs", "ham", "1"]);
        check("\u{3}123 \u{4}ff0000red \u{4}blue \u{4}é", &["3", "red", "blue", "é"]);
        check("\u{1}ACTION waves\u{1}", &["waves"]);
        check("\u{1}VERSION\u{1}", &[]);
        check("\u{1}", &[]);
    }
}
