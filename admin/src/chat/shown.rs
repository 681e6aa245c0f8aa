//! What is heard in a group, as a line for people or as JSON for programs.
//!
//! Everything others chose (nicks, texts, topics) goes through [`clean`]: nobody moves anybody's cursor.

use chatring_machines::entry::{Content, Entry, SayKind};
use chatring_machines::event::{Event, Push};
use chatring_machines::names::GroupName;
use chatring_machines::time::Time;
use chatring_machines::wire::{Argv, Field};
use serde_json::{Map, Value, json};

use super::answers::answer;
use crate::text::{clean, clock};

/// How IRC has always told an action from words: this before it, and one more such character behind it.
pub(super) const ACTION: &str = "\u{1}ACTION ";

/// An event as a line. `None` for what people need not see. `here` is the group one is in: other groups are named.
pub fn event(event: &Event, here: &GroupName) -> Option<String> {
    match event {
        Event::Entry(group, entry) => {
            // What is said to a person's own group says by itself whom it is for.
            let direct = group.is_person() && matches!(entry.content, Content::Message { .. });
            let place = if group == here || direct { String::new() } else { format!("[{}] ", clean(group.as_str())) };
            line(group, entry).map(|line| format!("{} {place}{line}", clock(entry.time)))
        }
        Event::Push(push) => pushed(push),
        Event::Reply(reply) => answer(reply, here),
        Event::Link(_) | Event::Command(_) => None,
    }
}

fn line(group: &GroupName, entry: &Entry) -> Option<String> {
    let who = entry.sender.nick.as_str();
    let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(" ({})", clean(reason)) };
    Some(match &entry.content {
        Content::Message { kind, text } | Content::Again { kind, text, .. } => said(who, group.is_person(), *kind, text),
        Content::Join { node } => format!("--> {who} joins, at {node}"),
        Content::Part { reason } => format!("<-- {who} leaves{}", because(reason)),
        Content::Kick { nick, reason } => format!("<-- {who} removes {nick}{}", because(reason)),
        Content::Topic { text } if text.is_empty() => format!("--- {who} clears the topic"),
        Content::Topic { text } => format!("--- {who} sets the topic: {}", clean(text)),
        Content::Mode { changes } => format!("--- {who} sets mode {}", clean(&argv(changes).join(" "))),
        Content::Nick { new } => format!("--- {who} is now {new}"),
        Content::Invite { nick } => format!("--- {who} invites {nick} to {}", clean(group.as_str())),
        Content::Return { .. } | Content::Away { .. } | Content::Call { .. } | Content::Close { .. } => return None,
    })
}

fn said(who: &str, direct: bool, kind: SayKind, text: &str) -> String {
    let action = text.strip_prefix(ACTION).map(|does| does.trim_end_matches('\u{1}'));
    let to = if direct { " → you:" } else { "" };
    match (action, kind) {
        (Some(does), _) => format!("* {who}{to} {}", clean(does)),
        (None, SayKind::Message) => format!("<{who}>{to} {}", clean(text)),
        (None, SayKind::Notice) => format!("-{who}-{to} {}", clean(text)),
    }
}

/// A message that was typed for a person or for another group, in the style of what is heard. Nobody sends it back.
pub fn sent_to(target: &str, text: &str, now: Time) -> String {
    format!("{} -> {}: {}", clock(now), clean(target.trim_start_matches('@')), clean(text))
}

fn pushed(push: &Push) -> Option<String> {
    Some(match push {
        Push::NickIs { new, .. } => format!("--- you are now {new}"),
        Push::Invited { group, nick, .. } => format!("--- {nick} invites you to {}", clean(group.as_str())),
        Push::Gap { lost, reason, .. } if &**lost == "?" => format!("--- some of what was said here was lost: {}", clean(reason)),
        Push::Gap { lost, reason, .. } => format!("--- {} lines are missing here: {}", clean(lost), clean(reason)),
        Push::Closing { reason } => format!("--- the server closes the connection: {}", clean(reason)),
        Push::AwayIs { nick, text } => format!("--- {nick} is away: {}", clean(text)),
        // The client answers pings and follows moves by itself.
        Push::Alive {} | Push::Ping { .. } | Push::Moved { .. } | Push::Subscribed { .. } | Push::Unsubscribed { .. } => return None,
    })
}

pub(super) fn argv(value: &impl Field) -> Vec<String> {
    let mut argv = Argv::default();
    value.put(&mut argv);
    argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

/// An entry as an object on one line: its word as `what`, its place, who, and what the word's own fields hold.
pub fn entry_json(group: &GroupName, entry: &Entry) -> Value {
    let person = &entry.sender;
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.into(), value);
    set("what", json!(entry.content.word()));
    set("group", json!(group.as_str()));
    set("seq", json!(entry.seq));
    set("term", json!(entry.term.to_string()));
    set("id", json!(entry.id.to_string()));
    set("time", json!(entry.time.0));
    set("nick", json!(person.nick.as_str()));
    set("user", json!(&*person.user));
    set("host", json!(&*person.host));
    set("account", json!(&*person.account));
    match &entry.content {
        Content::Message { kind, text } | Content::Again { kind, text, .. } => {
            set("kind", json!(kind.as_str()));
            set("text", json!(&**text));
        }
        Content::Join { node } | Content::Return { node } => drop(set("node", json!(node.as_str()))),
        Content::Part { reason } | Content::Close { reason } => drop(set("reason", json!(&**reason))),
        Content::Kick { nick, reason } => {
            set("kicked", json!(nick.as_str()));
            set("reason", json!(&**reason));
        }
        Content::Topic { text } | Content::Away { text } => drop(set("text", json!(&**text))),
        Content::Mode { changes } => drop(set("changes", json!(argv(changes)))),
        Content::Nick { new } => drop(set("new", json!(new.as_str()))),
        Content::Invite { nick } => drop(set("invited", json!(nick.as_str()))),
        Content::Call { group } => drop(set("to", json!(group.as_str()))),
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(argv: &[&str]) -> Event {
        let args: Vec<&[u8]> = argv.iter().map(|arg| arg.as_bytes()).collect();
        Event::parse(&args).unwrap()
    }

    fn entry_argv<'a>(word: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let head = [word, "#erlang", "7", "1.5", "00000000000000a1-9", "3660000", "joe", "j", "192.0.2.1", "", "Joe"];
        head.iter().chain(rest).copied().collect()
    }

    #[track_caller]
    fn check(argv: &[&str], expect: Option<&str>) {
        let here = GroupName::new("#erlang").unwrap();
        assert_eq!(event(&heard(argv), &here).as_deref(), expect, "{argv:?}");
    }

    #[test]
    fn entries() {
        check(&entry_argv("message", &["msg", "hello \x1b[2J"]), Some("01:01 <joe> hello ·[2J"));
        check(&entry_argv("message", &["notice", "beep"]), Some("01:01 -joe- beep"));
        check(&entry_argv("message", &["msg", "\x01ACTION waves\x01"]), Some("01:01 * joe waves"));
        check(&entry_argv("join", &["127.0.0.2"]), Some("01:01 --> joe joins, at 127.0.0.2"));
        check(&entry_argv("part", &["bye"]), Some("01:01 <-- joe leaves (bye)"));
        check(&entry_argv("part", &[""]), Some("01:01 <-- joe leaves"));
        check(&entry_argv("kick", &["bob", "loud"]), Some("01:01 <-- joe removes bob (loud)"));
        check(&entry_argv("topic", &["all about it"]), Some("01:01 --- joe sets the topic: all about it"));
        check(&entry_argv("mode", &["+ov", "bob", "ann"]), Some("01:01 --- joe sets mode +ov bob ann"));
        check(&entry_argv("nick", &["joe2"]), Some("01:01 --- joe is now joe2"));
        check(&entry_argv("return", &["127.0.0.2"]), None);
        let mut direct = entry_argv("message", &["msg", "psst"]);
        direct[1] = "@ann";
        check(&direct, Some("01:01 <joe> → you: psst"));
        let mut nick = entry_argv("nick", &["joe2"]);
        nick[1] = "#other";
        check(&nick, Some("01:01 [#other] --- joe is now joe2"));
        assert_eq!(sent_to("@ann", "psst\x07", Time(3_660_000)), "01:01 -> ann: psst·");
    }

    #[test]
    fn pushes() {
        check(&["gap", "#erlang", "3", "you were away too long"], Some("--- 3 lines are missing here: you were away too long"));
        check(&["gap", "#erlang", "?", "a copy was lost"], Some("--- some of what was said here was lost: a copy was lost"));
        check(&["ping", "x"], None);
    }

    #[test]
    fn json() {
        let argv = entry_argv("message", &["msg", "hello\n"]);
        let Event::Entry(group, entry) = heard(&argv) else { panic!("not an entry") };
        let expect = json!({"what": "message", "group": "#erlang", "seq": 7, "term": "1.5", "id": "00000000000000a1-9", "time": 3660000,
            "nick": "joe", "user": "j", "host": "192.0.2.1", "account": "", "kind": "msg", "text": "hello\n"});
        assert_eq!(entry_json(&group, &entry), expect);
        assert!(!entry_json(&group, &entry).to_string().contains('\n'), "one line each");
    }
}
