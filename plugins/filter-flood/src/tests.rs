//! The filter as chatd uses it, with a clock of the test's own.

use super::*;
use chatring_sdk::Person;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A filter, and what its clock says.
fn flood(config: &str) -> (Flood, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(0));
    let now = clock.clone();
    let flood = Flood::start(config).unwrap();
    (Flood { now_ms: Box::new(move || now.load(Ordering::Relaxed)), ..flood }, clock)
}

const JOE: Person<'_> = Person { nick: "joe", user: "joe", host: "192.0.2.7", account: "" };

fn says<'a>(by: Person<'a>, text: &'a str) -> Deed<'a> {
    Deed { what: What::Message, group: "#g", text, by, listener: "irc" }
}

/// Lines of a moment in milliseconds, who does it, and what: `: text`, `- text` (a notice), `= text` (a topic) or `#group`. Then what
/// they hear; nothing where it is done.
#[track_caller]
fn check(config: &str, story: &[(u64, &str, &str, &str)]) {
    let (flood, clock) = flood(config);
    for &(at_ms, who, what, heard) in story {
        clock.store(at_ms, Ordering::Relaxed);
        let (nick, host) = who.split_once('@').unwrap_or((who, "192.0.2.7"));
        let account = if nick.starts_with(char::is_uppercase) { nick } else { "" };
        let by = Person { nick, user: "u", host, account };
        let deed = match what.split_at(1) {
            (":", text) => says(by, text),
            ("-", text) => Deed { what: What::Notice, ..says(by, text) },
            ("=", text) => Deed { what: What::Topic, ..says(by, text) },
            _ => Deed { what: What::Join, group: what, ..says(by, "") },
        };
        let expect = if heard.is_empty() { Judgment::Pass } else { Judgment::Refuse(heard.to_string()) };
        assert_eq!(flood.judge(&deed), expect, "{who} at {at_ms}: {what}");
    }
}

#[test]
fn so_much_in_some_time_and_so_much_at_once() {
    let config = "messages = 2\nper = '4s'\nburst = 3\nrepeats = 0";
    let soon = "you say too much at once: try again in 2 s";
    check(
        config,
        &[
            (0, "joe", ":a", ""),
            (0, "joe", "-b", ""),
            (0, "joe", "=c", ""),
            (0, "joe", ":d", soon),
            // What was refused costs nothing.
            (100, "joe", ":d", soon),
            (1_999, "joe", ":d", "you say too much at once: try again in 1 s"),
            (2_000, "joe", ":d", ""),
            (2_000, "joe", ":e", soon),
            // Joins are apart.
            (2_000, "joe", "#g", ""),
            // Quiet for long, and the burst is there again, not more.
            (60_000, "joe", ":f", ""),
            (60_000, "joe", ":g", ""),
            (60_000, "joe", ":h", ""),
            (60_000, "joe", ":i", soon),
        ],
    );
    check("messages = 0\nrepeats = 0", &[(0, "joe", ":a", ""); 100]);
}

#[test]
fn joins() {
    let soon = "you join too many groups at once: try again in 5 s";
    let config = "joins = 1\njoin_burst = 2";
    check(config, &[(7, "joe", "#a", ""), (7, "joe", "#b", ""), (7, "joe", "#c", soon), (7, "joe", ":hi", ""), (5_007, "joe", "#c", "")]);
    check("joins = 0", &[(0, "joe", "#a", ""); 200]);
    // Whoever comes back with all their groups is let in.
    check("", &[(0, "joe", "#a", ""); 128]);
}

#[test]
fn who_is_one_person() {
    let config = "messages = 1\nper = '9s'\nburst = 1\nrepeats = 0";
    let soon = "you say too much at once: try again in 9 s";
    // Guests by their host, whatever they are called.
    check(config, &[(0, "joe@h1", ":a", ""), (0, "ann@h1", ":a", soon), (0, "joe@h2", ":a", "")]);
    // Those with an account by that, wherever they come from.
    check(config, &[(0, "Joe@h1", ":a", ""), (0, "JOE@h2", ":a", soon), (0, "joe@h1", ":a", "")]);
    // An account can't be taken for a host.
    check(config, &[(0, "Joe@x", ":a", ""), (0, "joe@Joe", ":a", ""), (0, "joe@@joe", ":a", "")]);
    let (one, same, other) = ("joe@2001:db8::1", "joe@2001:db8::f:2", "joe@2001:db8:0:1::1");
    check(config, &[(0, one, ":a", ""), (0, same, ":a", soon), (0, other, ":a", "")]);
    check(config, &[(0, "joe@::ffff:192.0.2.1", ":a", ""), (0, "joe@::ffff:192.0.2.2", ":a", "")]);
}

#[test]
fn the_same_again() {
    let config = "messages = 0\nrepeats = 2\nrepeats_within = '10s'";
    let story = [
        (0, "joe", ":buy", ""),
        (1_000, "joe", "-buy", ""),
        (2_000, "joe", ":buy", "you have said that 2 times: say it again in 9 s"),
        (2_000, "ann@h", ":buy", ""),
        // A topic says nothing in between, and something else does.
        (3_000, "joe", "=buy", ""),
        (3_000, "joe", ":buy", "you have said that 2 times: say it again in 8 s"),
        (3_000, "joe", ":sell", ""),
        (3_000, "joe", ":buy", ""),
        (3_500, "joe", ":buy", ""),
        (13_499, "joe", ":buy", "you have said that 2 times: say it again in 1 s"),
        (13_500, "joe", ":buy", ""),
    ];
    check(config, &story);
    check("messages = 0\nrepeats = 1", &[(0, "joe", ":x", ""), (0, "joe", ":x", "you have just said that: say it again in 60 s")]);
    // What the rate refuses was not said.
    let soon = "you say too much at once: try again in 5 s";
    let story = [(0, "joe", ":x", ""), (0, "joe", ":y", soon), (5_000, "joe", ":x", "you have just said that: say it again in 55 s")];
    check("messages = 1\nburst = 1\nrepeats = 1", &story);
}

#[test]
fn whoever_was_quiet_longest_is_forgotten() {
    let config = "messages = 1\nburst = 1\nrepeats = 0\npeople = 2";
    let soon = "you say too much at once: try again in 5 s";
    let story = [
        (0, "joe@a", ":x", ""),
        (0, "ann@b", ":x", ""),
        // Heard again, so that ann is quiet for longer.
        (0, "joe@a", ":x", soon),
        (0, "rob@c", ":x", ""),
        (0, "joe@a", ":x", soon),
        (0, "ann@b", ":x", ""),
    ];
    check(config, &story);
    let (flood, _) = flood(config);
    for n in 0..1_000 {
        let host = n.to_string();
        flood.judge(&says(Person { host: &host, ..JOE }, "x"));
    }
    let rates = flood.rates.into_inner().unwrap();
    assert_eq!(rates.people(), 2);
}

#[test]
fn others_are_warned_once_a_minute() {
    let (flood, clock) = flood("warn_as = 'warden'\nmessages = 1\nburst = 1\nrepeats = 0");
    #[track_caller]
    fn check(flood: &Flood, now_ms: u64, by: Person<'_>, expect: bool) {
        assert_eq!(flood.rates.lock().unwrap().may_warn(now_ms, &by), expect);
    }
    // Nobody is warned of a join, nor of what only one hears: nothing was said about joe so far.
    for group in ["#g", "ann"] {
        flood.judge(&Deed { group, ..says(JOE, "x") });
    }
    assert!(matches!(flood.judge(&Deed { group: "ann", ..says(JOE, "x") }), Judgment::Refuse(_)));
    check(&flood, 0, JOE, true);
    clock.store(60_000, Ordering::Relaxed);
    check(&flood, 60_000, JOE, true);
    // Through the filter, too.
    clock.store(120_000, Ordering::Relaxed);
    flood.judge(&says(JOE, "x"));
    assert!(matches!(flood.judge(&says(JOE, "x")), Judgment::Refuse(_)));
    check(&flood, 179_999, JOE, false);
    check(&flood, 179_999, Person { host: "h", ..JOE }, true);
    check(&flood, 180_000, JOE, true);
}

#[test]
fn bad_settings_are_refused() {
    #[track_caller]
    fn check(config: &str, complaint: &str) {
        let said = Flood::start(config).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    }
    check("mesages = 1", "unknown field `mesages`");
    check("messages = 'x'", "invalid type");
    check("messages = -1", "messages = -1: expected a number from 0 to 100000");
    check("burst = 0", "burst = 0: expected a number from 1 to 100000");
    check("joins = 100001", "joins = 100001: expected a number from 0 to 100000");
    check("join_burst = 0", "join_burst = 0: expected a number from 1 to 100000");
    check("repeats = -1", "repeats = -1: expected a number from 0 to 100000");
    check("people = 0", "people = 0: expected a number from 1 to 1000000");
    for per in ["5", "", "s", "-5s", "0s", "25h", "1.5s", "5 s", "99999999999999999999s", "9999999999999999h", "5é"] {
        check(&format!("per = '{per}'"), &format!("per = {per:?}: expected a time with its unit (ms, s, m or h) from 1s to 24h"));
    }
    check("repeats_within = '999ms'", "repeats_within = \"999ms\": expected a time");
    for nick in ["", "9x", "a b", "zoë", &"x".repeat(33)] {
        check(&format!("warn_as = '{nick}'"), "expected a nick");
    }
    // The extremes of what is allowed are no trouble.
    let (flood, clock) = flood("messages = 1\nper = '24h'\nburst = 100000\njoins = 100000\njoin_burst = 100000\npeople = 1");
    clock.store(u64::MAX / 2_000, Ordering::Relaxed);
    assert_eq!(flood.judge(&says(JOE, "x")), Judgment::Pass);
}
