//! What a server answers to a command typed into a chat, as sentences and small tables.
//!
//! The group one is in is not named; others are. Everything others chose goes through [`clean`].

use chatring_machines::event::{Code, Reply};
use chatring_machines::names::GroupName;
use chatring_machines::time::Time;
use chatring_machines::wire::{Field, Text};

use super::shown::argv;
use crate::output::Sheet;
use crate::render;
use crate::text::{clean, count, date, from, span};

/// The answer to a command as lines. `None` where there is nothing to say.
pub fn answer(reply: &Reply, here: &GroupName) -> Option<String> {
    let of = |group: &GroupName| if group == here { String::new() } else { format!(" of {}", clean(group.as_str())) };
    let at = |group: &GroupName| if group == here { "here".to_string() } else { format!("in {}", clean(group.as_str())) };
    Some(match reply {
        // What was done is heard as an entry; a message to someone was shown when it was typed.
        Reply::Ok { .. } | Reply::Sent { .. } => return None,
        Reply::Null {} => "--- nothing".into(),
        Reply::Pong { .. } => "--- the server is there".into(),
        Reply::Error { code, text, subject } => {
            let about: String = subject.0.iter().map(|subject| format!("{}: ", clean(subject))).collect();
            format!("!!! {about}{}", refusal(*code, text))
        }
        Reply::Integer { value } => format!("--- {value}"),
        Reply::Text { text } => lines(text.lines()),
        Reply::Array { items } if items.0.is_empty() => "--- none".into(),
        Reply::Array { items } => lines(items.0.iter().map(|item| &**item)),
        Reply::Rows { width, cells } => table(&[], &cells.0, (*width).clamp(1, 64) as usize, plain),
        Reply::Names { group, members, .. } => {
            let shown = members.0.chunks(2).map(|pair| format!("{}{}", rank_sign(&pair[0]), pair.get(1).map_or("", |nick| nick)));
            format!("--- {}: {}", at(group), clean(&shown.collect::<Vec<_>>().join(" ")))
        }
        Reply::TopicIs { group, text, .. } if text.is_empty() => format!("--- there is no topic {}", at(group)),
        Reply::TopicIs { group, text, by, time } => {
            format!("--- topic{}: {} (by {}, {} UTC)", of(group), clean(text), clean(by), date(*time))
        }
        Reply::ModesAre { group, created, letters, args } => modes(&of(group), *created, letters, &args.0),
        Reply::BansAre { group, bans } if bans.0.is_empty() => format!("--- nobody is banned {}", at(group)),
        Reply::BansAre { bans, .. } => table(&["banned", "by", "since (UTC)"], &bans.0, 3, |row| {
            let since = row.get(2).and_then(|time| time.parse().ok()).map_or_else(String::new, |ms| date(Time(ms)));
            vec![cell(row, 0), cell(row, 1), since]
        }),
        Reply::WhoIs { cells, .. } => table(&["nick", "", "from", "at", "real name", "group"], &cells.0, 7, |row| {
            let group = if cell(row, 0) == "*" { String::new() } else { cell(row, 0) };
            vec![cell(row, 4), presence(&cell(row, 5)), from(&cell(row, 1), &cell(row, 2)), cell(row, 3), cell(row, 6), group]
        }),
        Reply::UserhostIs { cells } => {
            table(&["nick", "", "from"], &cells.0, 4, |row| vec![cell(row, 0), presence(&cell(row, 1)), from(&cell(row, 2), &cell(row, 3))])
        }
        Reply::WhoisIs { .. } => whois(reply),
        Reply::ListIs { cells } if cells.0.is_empty() => "--- no such group".into(),
        Reply::ListIs { cells } => table(&["group", "members", "topic"], &cells.0, 3, plain),
        Reply::IsonIs { nicks } if nicks.0.is_empty() => "--- none of them is there".into(),
        Reply::IsonIs { nicks } => format!("--- there now: {}", clean(&nicks.0.join(" "))),
        Reply::AwayNow { away: true } => "--- you are away now".into(),
        Reply::AwayNow { away: false } => "--- you are back".into(),
        Reply::InvitingNow { group, nick } => format!("--- {nick} is invited to {}", clean(group.as_str())),
        Reply::Lusers { people, groups, nodes, .. } => {
            let (people, groups) = (count(*people, "person", "people"), count(*groups, "group", "groups"));
            format!("--- {people} in {groups} at {}", count(*nodes, "super node", "super nodes"))
        }
        Reply::Motd { lines } if lines.0.is_empty() => "--- there is no message of the day".into(),
        Reply::Motd { lines: all } => lines(all.0.iter().map(|line| &**line)),
        Reply::Ring { view } => lines(render::view(view, None).text(false).lines()),
        Reply::Checked { cells } if cells.0.is_empty() => "--- this node holds no group".into(),
        Reply::Checked { cells } => table(&["group", "result", "to", "entries", "why"], &cells.0, 5, plain),
        Reply::Slow { cells } if cells.0.is_empty() => "--- nobody is behind".into(),
        Reply::Slow { cells } => table(&["nick", "from", "groups", "bytes in memory", "entries behind", "for ms"], &cells.0, 6, plain),
        other => format!("--- {}", words(other)),
    })
}

/// Why not: in the server's own words, and where those are none, in the table's.
fn refusal(code: Code, text: &str) -> String {
    if text.chars().any(char::is_alphabetic) {
        return clean(text);
    }
    let meaning = Code::WORDS.iter().find(|(word, _)| *word == code.as_str()).map_or("", |(_, meaning)| meaning).trim();
    let detail = if text.is_empty() { String::new() } else { format!(" ({})", clean(text)) };
    format!("{}{detail}", meaning.trim_end_matches('.'))
}

fn modes(of: &str, created: Time, letters: &str, args: &[Text]) -> String {
    let meaning = |letter: char| match letter {
        'i' => "only the invited may join",
        'k' => "a key is needed to join",
        'l' => "the number of members is limited",
        'm' => "only operators and voices may speak",
        'n' => "only members may speak",
        't' => "only operators set the topic",
        _ => "",
    };
    let meanings: Vec<&str> = letters.chars().map(meaning).filter(|meaning| !meaning.is_empty()).collect();
    let set: Vec<&str> = std::iter::once(letters).chain(args.iter().map(|arg| &**arg)).collect();
    let set = match letters.trim_start_matches('+') {
        "" => "none".to_string(),
        _ if meanings.is_empty() => clean(&set.join(" ")),
        _ => format!("{} ({})", clean(&set.join(" ")), meanings.join("; ")),
    };
    format!("--- modes{of}: {set}; the group is there since {} UTC", date(created))
}

fn whois(reply: &Reply) -> String {
    let Reply::WhoisIs { nick, user, host, real, node, account, idle_ms, signon, away } = reply else { return String::new() };
    let real = if real.is_empty() { String::new() } else { format!(" ({})", clean(real)) };
    let account = if account.is_empty() { "a guest".into() } else { format!("account {}", clean(account)) };
    let away = if away.is_empty() { String::new() } else { format!("; away: {}", clean(away)) };
    let idle = idle_ms.map_or_else(String::new, |idle_ms| format!(", idle for {}", span(idle_ms)));
    let from = clean(&from(user, host));
    format!("--- {nick}{real} from {from} is at {}, {account}{idle}, here since {} UTC{away}", clean(node), date(*signon))
}

/// `H` or `G`, then ranks.
fn presence(flags: &str) -> String {
    let state = if flags.starts_with('G') { "away" } else { "" };
    let rank = rank_name(flags.trim_start_matches(['H', 'G']));
    [state, rank].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

fn rank_sign(ranks: &str) -> &'static str {
    match ranks.as_bytes() {
        [b'q', ..] => "~",
        [b'o', ..] => "@",
        [b'v', ..] => "+",
        _ => "",
    }
}

fn rank_name(ranks: &str) -> &'static str {
    match ranks.as_bytes() {
        [b'q', ..] => "founder",
        [b'o', ..] => "operator",
        [b'v', ..] => "voice",
        _ => "",
    }
}

/// A reply of flat cells, as a table. A row that is short is shown as far as it goes.
fn table(head: &[&str], cells: &[Text], width: usize, shown: impl Fn(&[Text]) -> Vec<String>) -> String {
    if cells.is_empty() {
        return "--- none".into();
    }
    let rows = cells.chunks(width).map(|row| shown(row).iter().map(|cell| clean(cell)).collect()).collect();
    let columns: Vec<(&str, &str)> = head.iter().map(|head| (*head, *head)).collect();
    lines(Sheet::table(&columns, rows, Vec::new()).text(false).lines())
}

fn plain(row: &[Text]) -> Vec<String> {
    row.iter().map(|cell| cell.to_string()).collect()
}

fn cell(row: &[Text], at: usize) -> String {
    row.get(at).map_or_else(String::new, |cell| cell.to_string())
}

fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("--- {}", clean(line))).collect::<Vec<_>>().join("\n")
}

fn words(value: &impl Field) -> String {
    clean(&argv(value).join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_machines::event::Event;

    #[track_caller]
    fn check(argv: &[&str], expect: &[&str]) {
        let args: Vec<&[u8]> = argv.iter().map(|arg| arg.as_bytes()).collect();
        let Ok(Event::Reply(reply)) = Event::parse(&args) else { panic!("{argv:?} is no reply") };
        let shown = answer(&reply, &GroupName::new("#here").unwrap()).unwrap_or_default();
        assert_eq!(shown.lines().collect::<Vec<_>>(), expect, "{argv:?}");
    }

    #[test]
    fn about_groups() {
        check(&["names", "#here", "1", "qo", "joe", "", "bob", "v", "ann"], &["--- here: ~joe bob +ann"]);
        check(&["names", "#there", "1", "", "bob"], &["--- in #there: bob"]);
        check(&["topic-is", "#here", "", "", "0"], &["--- there is no topic here"]);
        check(&["topic-is", "#there", "hot", "ann", "0"], &["--- topic of #there: hot (by ann, 1970-01-01 00:00:00 UTC)"]);
        check(
            &["modes-are", "#here", "1795393362046", "+tk", "secret"],
            &[
                "--- modes: +tk secret (only operators set the topic; a key is needed to join); the group is there since 2026-11-23 00:22:42 UTC",
            ],
        );
        check(&["modes-are", "#there", "0", "+"], &["--- modes of #there: none; the group is there since 1970-01-01 00:00:00 UTC"]);
        check(&["bans-are", "#here"], &["--- nobody is banned here"]);
        check(&["bans-are", "#here", "x!*@*", "ann", "0"], &["--- banned  by   since (UTC)", "--- x!*@*   ann  1970-01-01 00:00:00"]);
        check(&["list-is", "#a", "3", "hot", "#bcd", "1", ""], &["--- group  members  topic", "--- #a     3        hot", "--- #bcd   1"]);
        check(&["checked", "#a", "kept", "", "7", ""], &["--- group  result  to  entries  why", "--- #a     kept        7"]);
    }

    #[test]
    fn about_people() {
        check(&["ison-is", "ann", "bob"], &["--- there now: ann bob"]);
        check(&["ison-is"], &["--- none of them is there"]);
        check(
            &["userhost-is", "ann", "H", "", "127.0.0.1", "bob", "G", "b", "192.0.2.1"],
            &["--- nick        from", "--- ann         127.0.0.1", "--- bob   away  b@192.0.2.1"],
        );
        check(
            &["who-is", "#here", "#here", "j", "192.0.2.1", "192.0.2.9", "joe", "Hqo", "Joe", "#here", "", "h", "n", "bob", "G", ""],
            &[
                "--- nick           from         at         real name  group",
                "--- joe   founder  j@192.0.2.1  192.0.2.9  Joe        #here",
                "--- bob   away     h            n                     #here",
            ],
        );
        check(
            &["whois-is", "ann", "", "127.0.0.1", "", "127.0.0.3", "", "4000", "0", ""],
            &["--- ann from 127.0.0.1 is at 127.0.0.3, a guest, idle for 4 s, here since 1970-01-01 00:00:00 UTC"],
        );
        check(&["lusers", "1", "2", "3", "0", "0"], &["--- 1 person in 2 groups at 3 super nodes"]);
    }

    #[test]
    fn about_the_network() {
        check(&["motd"], &["--- there is no message of the day"]);
        check(&["motd", "hi", "\x1b[2J"], &["--- hi", "--- ·[2J"]);
        let ring =
            ["ring", "1.5", "demo", "circular", "1", "1", "127.0.0.1", "node1", "16eb8f6fcd96850f", "0", "1.4", "1", "127.0.0.1:7400"];
        check(
            &ring,
            &[
                "--- demo, epoch 1.5, circular, 1 point per node, directories 127.0.0.1:7400",
                "--- super node  name   point     share    since (UTC)          incarnation",
                "--- 127.0.0.1   node1  ca0cb8d6  100.0 %  1970-01-01 00:00:00  16eb8f6fcd96850f",
            ],
        );
        check(&["integer", "5"], &["--- 5"]);
        check(&["ok", "OK"], &[]);
    }

    #[test]
    fn a_refusal_is_said_once() {
        check(&["error", "NEEDOP", "you are no operator", "#erlang"], &["!!! #erlang: you are no operator"]);
        check(&["error", "NOSUCHNICK", "nobody of that name is there"], &["!!! nobody of that name is there"]);
        check(&["error", "TRYAGAIN", "500"], &["!!! Not now; the text says in how many milliseconds (500)"]);
        check(&["error", "NEEDOP", ""], &["!!! Only operators may do that"]);
    }
}
