//! What becomes of what people say.

use chat_{{ident}}::Plugin;
use chatring_sdk::{Deed, Filter, Judgment, Person, What};

#[track_caller]
fn check(what: What, text: &str, expect: Judgment) {
    let plugin = Plugin::start("word = 'darn'").unwrap();
    let by = Person { nick: "joe", user: "joe", host: "192.0.2.7", account: "" };
    assert_eq!(plugin.judge(&Deed { what, group: "#g", text, by, listener: "irc" }), expect);
}

#[test]
fn the_word_becomes_stars() {
    check(What::Message, "hello", Judgment::Pass);
    check(What::Message, "oh darn, darn", Judgment::Rewrite("oh ****, ****".into()));
    check(What::Topic, "darn", Judgment::Refuse("not in a topic".into()));
    check(What::Join, "", Judgment::Pass);
}

#[test]
fn settings_are_looked_at() {
    assert!(Plugin::start("").is_ok());
    assert!(Plugin::start("wort = 'darn'").is_err());
}
