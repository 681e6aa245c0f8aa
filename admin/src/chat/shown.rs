//! What is heard in a group, as a line for people or as JSON for programs.
//!
//! Everything others chose (nicks, texts, topics) goes through [`clean`]: nobody moves anybody's cursor.

use chatring_machines::entry::{Content, Entry, SayKind};
use chatring_machines::event::{Code, Event, Push, Reply};
use chatring_machines::names::GroupName;
use chatring_machines::wire::{Argv, Field, Text};
use serde_json::{Map, Value, json};

use crate::text::{clean, clock, date, span};

/// An event as a line. `None` for what people need not see. `here` is the group one is in: other groups are named.
pub fn event(event: &Event, here: &GroupName) -> Option<String> {
    match event {
        Event::Entry(group, entry) => {
            let place = if group == here { String::new() } else { format!("[{}] ", clean(group.as_str())) };
            line(group, entry).map(|line| format!("{} {place}{line}", clock(entry.time)))
        }
        Event::Push(push) => pushed(push),
        Event::Reply(reply) => answer(reply),
        Event::Link(_) | Event::Command(_) => None,
    }
}

fn line(group: &GroupName, entry: &Entry) -> Option<String> {
    let who = entry.sender.nick.as_str();
    let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(" ({})", clean(reason)) };
    Some(match &entry.content {
        Content::Message { kind, text } => said(who, *kind, text),
        Content::Join { node } => format!("--> {who} joins, at {node}"),
        Content::Part { reason } => format!("<-- {who} leaves{}", because(reason)),
        Content::Kick { nick, reason } => format!("<-- {who} removes {nick}{}", because(reason)),
        Content::Topic { text } if text.is_empty() => format!("--- {who} clears the topic"),
        Content::Topic { text } => format!("--- {who} sets the topic: {}", clean(text)),
        Content::Mode { changes } => format!("--- {who} sets mode {}", words(changes)),
        Content::Nick { new } => format!("--- {who} is now {new}"),
        Content::Invite { nick } => format!("--- {who} invites {nick} to {}", clean(group.as_str())),
        Content::Return { .. } | Content::Away { .. } | Content::Call { .. } => return None,
    })
}

fn said(who: &str, kind: SayKind, text: &str) -> String {
    let action = text.strip_prefix("\u{1}ACTION ").map(|does| does.trim_end_matches('\u{1}'));
    match (action, kind) {
        (Some(does), _) => format!("* {who} {}", clean(does)),
        (None, SayKind::Message) => format!("<{who}> {}", clean(text)),
        (None, SayKind::Notice) => format!("-{who}- {}", clean(text)),
    }
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
        Push::Ping { .. } | Push::Moved { .. } | Push::Subscribed { .. } | Push::Unsubscribed { .. } => return None,
    })
}

/// The answer to a command as lines. `None` where there is nothing to say.
pub fn answer(reply: &Reply) -> Option<String> {
    Some(match reply {
        Reply::Ok { .. } | Reply::Pong { .. } | Reply::Null {} => return None,
        Reply::Error { code, text, subject } => {
            let about: String = subject.0.iter().map(|subject| format!("{}: ", clean(subject))).collect();
            format!("!!! {about}{}{}", clean(text), meaning(*code))
        }
        Reply::Text { text } => clean_lines(text),
        Reply::Names { members, .. } => {
            let shown = members.0.chunks(2).map(|pair| format!("{}{}", rank_sign(&pair[0]), clean(pair.get(1).map_or("", |nick| nick))));
            format!("--- here: {}", shown.collect::<Vec<_>>().join(" "))
        }
        Reply::TopicIs { text, .. } if text.is_empty() => "--- there is no topic".into(),
        Reply::TopicIs { text, by, time, .. } => format!("--- topic: {} (by {}, {} UTC)", clean(text), clean(by), date(*time)),
        Reply::WhoisIs { nick, user, host, real, node, account, idle_ms, signon, away } => {
            let account = if account.is_empty() { "a guest".into() } else { format!("account {}", clean(account)) };
            let away = if away.is_empty() { String::new() } else { format!("; away: {}", clean(away)) };
            let idle = idle_ms.map_or_else(String::new, |idle_ms| format!(", idle for {}", span(idle_ms)));
            format!(
                "--- {nick} ({}@{}, {}) is at {}, {account}{idle}, here since {} UTC{away}",
                clean(user),
                clean(host),
                clean(real),
                clean(node),
                date(*signon)
            )
        }
        Reply::AwayNow { away: true } => "--- you are away now".into(),
        Reply::AwayNow { away: false } => "--- you are back".into(),
        Reply::InvitingNow { nick, .. } => format!("--- {nick} is invited"),
        Reply::Sent { group, .. } => format!("--- sent to {}", clean(group.as_str())),
        Reply::Lusers { people, groups, nodes, .. } => format!("--- {people} people in {groups} groups at {nodes} super nodes"),
        Reply::Motd { lines } => lines.0.iter().map(|line| format!("--- {}", clean(line))).collect::<Vec<_>>().join("\n"),
        Reply::ListIs { cells } => table(&cells.0, 3),
        Reply::BansAre { bans, .. } if bans.0.is_empty() => "--- nobody is banned".into(),
        Reply::BansAre { bans, .. } => table(&bans.0, 3),
        Reply::WhoIs { cells, .. } => table(&cells.0, 7),
        Reply::UserhostIs { cells } => table(&cells.0, 4),
        Reply::Checked { cells } => table(&cells.0, 5),
        Reply::Rows { width, cells } => table(&cells.0, (*width).clamp(1, 64) as usize),
        other => format!("--- {}", words(other)),
    })
}

/// What a code means, in the table's own words, where that says more than the text beside it.
fn meaning(code: Code) -> String {
    let meaning = Code::WORDS.iter().find(|(word, _)| *word == code.as_str()).map_or("", |(_, meaning)| meaning);
    if code == Code::Err { String::new() } else { format!(" ({})", meaning.trim().trim_end_matches('.')) }
}

fn rank_sign(ranks: &str) -> &'static str {
    match ranks.as_bytes() {
        [b'q', ..] => "~",
        [b'o', ..] => "@",
        [b'v', ..] => "+",
        _ => "",
    }
}

fn table(cells: &[Text], width: usize) -> String {
    let row = |row: &[Text]| format!("--- {}", row.iter().map(|cell| clean(cell)).collect::<Vec<_>>().join("  "));
    if cells.is_empty() { "--- none".into() } else { cells.chunks(width).map(row).collect::<Vec<_>>().join("\n") }
}

fn clean_lines(text: &str) -> String {
    text.lines().map(|line| format!("--- {}", clean(line))).collect::<Vec<_>>().join("\n")
}

fn argv(value: &impl Field) -> Vec<String> {
    let mut argv = Argv::default();
    value.put(&mut argv);
    argv.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
}

fn words(value: &impl Field) -> String {
    clean(&argv(value).join(" "))
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
        Content::Message { kind, text } => {
            set("kind", json!(kind.as_str()));
            set("text", json!(&**text));
        }
        Content::Join { node } | Content::Return { node } => drop(set("node", json!(node.as_str()))),
        Content::Part { reason } => drop(set("reason", json!(&**reason))),
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
        check(&direct, Some("01:01 [@ann] <joe> psst"));
    }

    #[test]
    fn pushes_and_answers() {
        check(&["gap", "#erlang", "3", "you were away too long"], Some("--- 3 lines are missing here: you were away too long"));
        check(&["gap", "#erlang", "?", "a copy was lost"], Some("--- some of what was said here was lost: a copy was lost"));
        check(&["ping", "x"], None);
        check(&["names", "#erlang", "1", "qo", "joe", "", "bob", "v", "ann"], Some("--- here: ~joe bob +ann"));
        check(&["topic-is", "#erlang", "", "", "0"], Some("--- there is no topic"));
        check(
            &["error", "NEEDOP", "you are no operator", "#erlang"],
            Some("!!! #erlang: you are no operator (Only operators may do that)"),
        );
        check(&["ok", "OK"], None);
        check(&["list-is", "#a", "3", "hot", "#b", "1", ""], Some("--- #a  3  hot\n--- #b  1  "));
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
