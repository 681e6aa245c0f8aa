//! The list, ready to be looked for.
//!
//! Each entry is a phrase: a pattern for each of its words. Its longest piece without `*` is looked for in the whole text, together with those of
//! all others, in one pass (Aho and Corasick); where that is found the words around it are compared.

use crate::text::{self, Text};
use aho_corasick::AhoCorasick;
use serde::Deserialize;
use thiserror::Error;

/// Entries of the configuration and the file together.
pub const ENTRIES_MAX: usize = 10_000;

/// Bytes of one entry.
pub const ENTRY_MAX: usize = 128;

/// What is done about an entry that is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    #[default]
    Refuse,
    Mask,
}

/// What was found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// The text with asterisks.
    Masked(String),
    Refused,
}

/// An entry that is no good, or one too many.
#[derive(Debug, Error)]
#[error("{entry:?}: {what}")]
pub(crate) struct BadEntry {
    /// Of the file; `None`: it stands in the configuration.
    pub line: Option<usize>,
    entry: String,
    what: &'static str,
}

/// All entries.
pub(crate) struct List {
    entries: Vec<Entry>,
    /// The key of each, by the same number.
    keys: AhoCorasick,
}

struct Entry {
    words: Vec<Pattern>,
    /// The word that the key is of.
    key_word: usize,
    action: Action,
}

/// A word with `*`: what is between them, in order. The first piece begins the word and the last one ends it; they are empty where a `*` does.
struct Pattern {
    pieces: Vec<String>,
}

impl List {
    /// `action` is for entries that say none.
    pub fn of<'a>(entries: impl Iterator<Item = (Option<usize>, &'a str)>, action: Action) -> Result<List, BadEntry> {
        let (mut all, mut keys) = (Vec::new(), Vec::new());
        for (line, text) in entries {
            let bad = |what| {
                let entry = text.chars().take(ENTRY_MAX).collect();
                BadEntry { line, entry, what }
            };
            if all.len() >= ENTRIES_MAX {
                return Err(bad("there are more than 10000 entries"));
            }
            let (entry, key) = Entry::of(text, action).map_err(bad)?;
            all.push(entry);
            keys.push(key);
        }
        let unbuildable = |_| BadEntry { line: None, entry: String::new(), what: "all together they are too much" };
        let keys = AhoCorasick::new(&keys).map_err(unbuildable)?;
        Ok(List { entries: all, keys })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks for all of them.
    pub fn find(&self, text: &str) -> Found {
        let words = Text::of(text);
        let mut masked = vec![false; words.words.len()];
        // For each entry the word behind the one where it was tried last. Keys are found from left to right: it needs no other try there.
        let mut tried = vec![0; self.entries.len()];
        for key in self.keys.find_overlapping_iter(&words.folded) {
            let number = key.pattern().as_usize();
            let entry = &self.entries[number];
            let Some(first) = words.word_at(key.start()).checked_sub(entry.key_word) else { continue };
            if first < tried[number] {
                continue;
            }
            tried[number] = first + 1;
            let is_here = (first..).zip(&entry.words).all(|(ix, word)| words.folded(ix).is_some_and(|there| word.is(there)));
            match entry.action {
                _ if !is_here => {}
                Action::Refuse => return Found::Refused,
                Action::Mask => masked[first..first + entry.words.len()].fill(true),
            }
        }
        if masked.contains(&true) { Found::Masked(mask(text, &words, &masked)) } else { Found::Nothing }
    }
}

fn mask(text: &str, words: &Text, masked: &[bool]) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for word in words.words.iter().zip(masked).filter(|(_, masked)| **masked).map(|(word, _)| word) {
        out.push_str(&text[done..word.at.start]);
        out.extend(std::iter::repeat_n('*', word.width));
        done = word.at.end;
    }
    out.push_str(&text[done..]);
    out
}

impl Entry {
    /// With the key to look for.
    fn of(text: &str, action: Action) -> Result<(Entry, String), &'static str> {
        if text.len() > ENTRY_MAX {
            return Err("expected at most 128 bytes");
        }
        let (action, phrase) = match text.split_once(':') {
            Some(("refuse", phrase)) => (Action::Refuse, phrase.trim()),
            Some(("mask", phrase)) => (Action::Mask, phrase.trim()),
            _ => (action, text.trim()),
        };
        let is_of_pattern = |c: char| c == '*' || text::is_of_word(c);
        // Elsewhere they part words; at the ends someone means them, and would be surprised by what else is found.
        if !phrase.starts_with(is_of_pattern) || !phrase.ends_with(is_of_pattern) {
            return Err("expected words that begin and end with a letter, a digit or `*`");
        }
        let words: Vec<Pattern> = phrase.split(|c| !is_of_pattern(c)).filter(|word| !word.is_empty()).map(Pattern::of).collect();
        let pieces = words.iter().enumerate().flat_map(|(ix, word)| word.pieces.iter().map(move |piece| (ix, piece)));
        match pieces.max_by_key(|(_, piece)| piece.len()) {
            Some((key_word, key)) if !key.is_empty() => {
                let key = key.clone();
                Ok((Entry { words, key_word, action }, key))
            }
            _ => Err("expected a letter or digit beside `*`"),
        }
    }
}

impl Pattern {
    fn of(word: &str) -> Pattern {
        Pattern { pieces: word.split('*').map(|piece| piece.chars().flat_map(text::fold).collect()).collect() }
    }

    fn is(&self, word: &str) -> bool {
        let (Some((first, later)), Some(rest)) =
            (self.pieces.split_first(), self.pieces.first().and_then(|first| word.strip_prefix(&**first)))
        else {
            return false;
        };
        let Some((last, between)) = later.split_last() else { return word == first };
        let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
        // The leftmost place leaves most for what follows.
        between.iter().all(|piece| match rest.find(&**piece) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    }
}
