//! The filter as chatd uses it: a config, a file, things that people say.

use super::*;
use chatring_sdk::Person;
use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;

fn says(text: &str) -> Deed<'_> {
    let by = Person { nick: "joe", user: "joe", host: "192.0.2.7", account: "" };
    Deed { what: What::Message, group: "#g", text, by, listener: "irc" }
}

fn refused() -> Judgment {
    Judgment::Refuse("that is not said here".to_string())
}

/// What becomes of each text: `!` it is refused, `=` it passes, and otherwise the text that is heard.
#[track_caller]
fn check(config: &str, texts: &[(&str, &str)]) {
    let filter = Words::start(config).unwrap();
    for (text, becomes) in texts {
        let expect = match *becomes {
            "!" => refused(),
            "=" => Judgment::Pass,
            masked => Judgment::Rewrite(masked.to_string()),
        };
        for what in [What::Message, What::Notice, What::Topic] {
            assert_eq!(filter.judge(&Deed { what, ..says(text) }), expect, "{what:?} {text:?}");
        }
        assert_eq!(filter.judge(&Deed { what: What::Join, ..says(text) }), Judgment::Pass);
    }
}

#[test]
fn whole_words_without_regard_to_case() {
    let spam = [("spam", "!"), ("SPAM!", "!"), ("no (Spam) here", "!"), ("spammer", "="), ("antispam", "="), ("sp am", "="), ("", "=")];
    check("words = ['spam']", &spam);
    check("words = ['ЖАРА', 'ὁδός', 'strasse']", &[("жара", "!"), ("ὉΔΌΣ", "!"), ("Straße", "!"), ("жар", "=")]);
    check("words = ['cafe\u{301}']", &[("CAFE\u{301}", "!"), ("cafe", "=")]);
    check("", &[("anything", "=")]);
}

#[test]
fn wildcards() {
    check("words = ['spam*']", &[("spam", "!"), ("spammers", "!"), ("antispam", "=")]);
    check("words = ['*spam']", &[("spam", "!"), ("spammers", "="), ("antispam", "!")]);
    check("words = ['*spam*']", &[("spam", "!"), ("xspamx", "!"), ("spa m", "=")]);
    check("words = ['a*b*c']", &[("abc", "!"), ("axbxc", "!"), ("abxbcc", "!"), ("ac", "="), ("abcd", "="), ("a b c", "=")]);
    // The pieces don't overlap.
    check("words = ['aba*aba']", &[("aba", "="), ("ababa", "="), ("abaaba", "!")]);
    check("words = ['*ab*ab*']", &[("ab", "="), ("aab", "="), ("abab", "!"), ("xabyabz", "!")]);
    check("words = ['**a**']", &[("xax", "!"), ("xx", "=")]);
}

#[test]
fn phrases() {
    let texts = [("buy now", "!"), ("BUY, now!", "!"), ("buy-now", "!"), ("buy it now", "="), ("now buy", "="), ("buybuy now", "=")];
    check("words = ['buy now']", &texts);
    check("words = ['buy * now']", &[("buy it now", "!"), ("buy now", "=")]);
    check("words = ['bad.example/*']", &[("see http://bad.example/x", "!"), ("bad.example/", "="), ("notbad.example/x", "=")]);
    // The word that is looked for need not be the first.
    check("words = ['a bc']", &[("bc", "="), ("a bc", "!"), ("x a a bc", "!"), ("bc a", "=")]);
    check("words = ['a a b']", &[("a a a b", "!"), ("a b", "=")]);
}

#[test]
fn masks() {
    let config = "action = 'mask'\nwords = ['darn*', 'go away', 'refuse: spam']";
    let texts = [
        ("Darn it, DARNED", "**** it, ******"),
        ("well, go  away.", "well, **  ****."),
        ("darn spam", "!"),
        ("spam", "!"),
        ("darn", "****"),
        ("fine", "="),
    ];
    check(config, &texts);
    // A character each, whatever its bytes, and what nobody sees goes.
    check("words = ['mask: ж*', 'mask:İx']", &[("жук İX é", "*** ** é")]);
    check("words = ['mask: darn']", &[("d\u{2}a\u{200b}rn\u{2} \u{3}04darn", "****\u{2} \u{3}04****")]);
    check("words = ['mask: action', 'mask: waves']", &[("\u{1}ACTION waves\u{1}", "\u{1}ACTION *****\u{1}")]);
    // One that is a part of another.
    check("words = ['mask: a b', 'mask: b c']", &[("a b c", "* * *"), ("b a b a", "b * * a")]);
}

#[test]
fn the_reason_is_the_operators() {
    let filter = Words::start("words = ['x']\nreason = 'mind the children'").unwrap();
    assert_eq!(filter.judge(&says("x")), Judgment::Refuse("mind the children".to_string()));
}

fn with_file(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("words");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

fn config(file: &Path) -> String {
    format!("file = '{}'\nwords = ['own']", file.display())
}

#[test]
fn a_file_that_changes() {
    let (_dir, file) = with_file("# words\n\n  spam*  \r\nmask: darn\n");
    let filter = Words::start(&config(&file)).unwrap();
    #[track_caller]
    fn check(filter: &Words, text: &str, expect: Judgment) {
        assert_eq!(filter.judge(&says(text)), expect, "{text:?}");
    }
    check(&filter, "spammer", refused());
    check(&filter, "own", refused());
    check(&filter, "darn", Judgment::Rewrite("****".to_string()));
    std::fs::write(&file, "eggs").unwrap();
    check(&filter, "eggs", refused());
    check(&filter, "own", refused());
    check(&filter, "spammer", Judgment::Pass);
    // One that went bad, or away, changes nothing.
    std::fs::write(&file, "eggs\n***").unwrap();
    check(&filter, "eggs", refused());
    std::fs::remove_file(&file).unwrap();
    check(&filter, "eggs", refused());
    std::fs::write(&file, "ham and").unwrap();
    check(&filter, "ham AND eggs", refused());
    check(&filter, "eggs", Judgment::Pass);
}

#[test]
fn bad_settings_are_refused() {
    #[track_caller]
    fn check(config: &str, complaint: &str) {
        let said = Words::start(config).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    }
    check("word = ['x']", "unknown field `word`");
    check("words = 'x'", "invalid type");
    check("action = 'block'", "unknown variant `block`, expected `refuse` or `mask`");
    check("reason = ''", "reason = \"\": expected 1 to 300 bytes");
    check("reason = \"a\\nb\"", "without control characters");
    check("file = '/nowhere/at/all'", "file = \"/nowhere/at/all\": No such file");
    for entry in ["", "c++", ".net", "mask:", "refuse: ?", "hide: ?"] {
        let complaint = format!("words: {entry:?}: expected words that begin and end with a letter, a digit or `*`");
        check(&format!("words = ['ok', '{entry}']"), &complaint);
    }
    check("words = ['* **']", "words: \"* **\": expected a letter or digit beside `*`");
    check(&format!("words = ['{}']", "x".repeat(129)), "expected at most 128 bytes");
    let many = |count| format!("words = [{}]", "'x',".repeat(count));
    check(&many(10_001), "there are more than 10000 entries");
    assert_eq!(Words::start(&many(10_000)).unwrap().judge(&says("x")), refused());
}

#[test]
fn a_bad_file_is_named() {
    #[track_caller]
    fn check(text: impl AsRef<[u8]>, complaint: &str) {
        let (_dir, file) = with_file(text);
        let said = Words::start(&config(&file)).err().expect("a bad file is refused");
        assert_eq!(said, complaint.replace("FILE", &file.display().to_string()));
    }
    check("x\n\nc++", "FILE:3: \"c++\": expected words that begin and end with a letter, a digit or `*`");
    check(b"jo\xff", "file = \"FILE\": not UTF-8");
    check(" ".repeat((2 << 20) + 1), "file = \"FILE\": larger than 2097152 bytes");
}

/// The plainest way to say whether a pattern is a word, without regard to how long it takes.
fn is_like(pattern: &[char], word: &[char]) -> bool {
    match pattern.split_first() {
        None => word.is_empty(),
        Some(('*', rest)) => (0..=word.len()).any(|skipped| is_like(rest, &word[skipped..])),
        Some((c, rest)) => word.split_first().is_some_and(|(first, words)| first == c && is_like(rest, words)),
    }
}

proptest! {
    #[test]
    fn found_as_the_plainest_way_does(pattern in "[ab*]{1,8}", words in prop::collection::vec("[ab]{1,8}", 0..4)) {
        prop_assume!(pattern.contains(['a', 'b']));
        let filter = Words::start(&format!("words = ['{pattern}']")).unwrap();
        let pattern: Vec<char> = pattern.chars().collect();
        let is_there = words.iter().any(|word| is_like(&pattern, &word.chars().collect::<Vec<_>>()));
        prop_assert_eq!(filter.judge(&says(&words.join(" "))) == refused(), is_there);
    }

    #[test]
    fn no_text_is_trouble(text in any::<String>(), entry in any::<String>()) {
        let config = toml::Table::from_iter([("words".to_string(), toml::Value::from(vec![entry, "mask: *a*".to_string(), "mask: é".to_string()]))]);
        if let Ok(filter) = Words::start(&config.to_string())
            && let Judgment::Rewrite(masked) = filter.judge(&says(&text))
        {
            prop_assert!(!masked.is_empty());
            prop_assert!(masked.len() <= text.len());
        }
    }
}
