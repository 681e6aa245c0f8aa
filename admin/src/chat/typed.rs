//! What a line typed into a chat means.
//!
//! A line is said, unless it begins with `/`; `//` says a line that does. Commands are those of the command table, in the table's order of
//! arguments, so that a command added there can be typed here. Where the table wants a group and none is given, this group is meant.

use chatring_machines::command::ClientCommand;
use chatring_machines::names::GroupName;
use chatring_machines::wire::{Arity, At, Caller, Spec, Text};

use super::shown::ACTION;

/// What to do about a typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing was typed.
    Nothing,
    /// Say this.
    Say(String),
    /// Run this command of the table.
    Run(Vec<Text>),
    /// Show [`help`].
    Help,
    /// Show [`help_all`].
    HelpAll,
    /// Leave.
    Quit,
    /// It makes no sense; why.
    Wrong(String),
}

/// Commands of the table that make no sense inside of a chat, whose client does them by itself.
const NOT_HERE: [&str; 12] =
    ["HELLO", "AUTH", "SESSION", "LOGIN", "JOIN", "ENTER", "SUBSCRIBE", "UNSUBSCRIBE", "PART", "SAY", "PUBLISH", "PONG"];

/// What people do in a chat every day, in the words of a chat: names, usage, meaning.
const DAILY: [(&str, &str); 14] = [
    ("/msg nick text", "says something to one person"),
    ("/me does", "says what you do"),
    ("/names", "who is here"),
    ("/whois nick", "who someone is, and where"),
    ("/nick nick", "calls you so from now on"),
    ("/topic [text]", "shows or sets what this is about"),
    ("/away [text]", "says that you are away; back again without a text"),
    ("/list [pattern]", "lists the groups of the network"),
    ("/invite nick", "invites someone here"),
    ("/kick nick [reason]", "removes someone from here"),
    ("/mode [changes]", "shows or changes the modes: /mode +o nick makes an operator"),
    ("/quit", "leaves, as do /part and Ctrl-D"),
    ("//text", "says a line that begins with /"),
    ("/help all", "lists the other commands"),
];

/// Reads a line typed into the chat of `group`.
pub fn read(line: &str, group: &GroupName) -> Typed {
    let line = line.trim_end_matches(['\r', '\n']);
    let Some(command) = line.strip_prefix('/') else {
        return if line.trim().is_empty() { Typed::Nothing } else { Typed::Say(line.into()) };
    };
    if command.starts_with('/') {
        return Typed::Say(command.into());
    }
    let (word, rest) = first_word(command);
    match word.to_ascii_lowercase().as_str() {
        "me" if rest.is_empty() => Typed::Wrong("/me wants to know what you do: /me waves".into()),
        "me" => Typed::Say(format!("{ACTION}{rest}\u{1}")),
        "quit" | "exit" | "q" => Typed::Quit,
        "part" | "leave" => part(rest, group),
        "help" | "?" if rest.eq_ignore_ascii_case("all") => Typed::HelpAll,
        "help" | "?" | "" => Typed::Help,
        _ => match usable().find(|spec| spec.word.eq_ignore_ascii_case(word)) {
            Some(spec) => run(spec, rest, group),
            None => Typed::Wrong(format!("there is no command /{word}; /help lists them, // says a line that begins with /")),
        },
    }
}

/// A chat is in one group: to leave it is to leave.
fn part(rest: &str, group: &GroupName) -> Typed {
    let (word, _) = first_word(rest);
    match GroupName::new(word) {
        Ok(other) if other != *group => Typed::Wrong(format!("you are not in {}, only in {}", other.as_str(), group.as_str())),
        _ => Typed::Quit,
    }
}

/// The lines of `/help`: what people do every day.
pub fn help() -> Vec<String> {
    rows(DAILY.iter().map(|(usage, doc)| (usage.to_string(), doc.to_string())).collect())
}

/// The lines of `/help all`: the commands of the table that `/help` leaves out.
pub fn help_all() -> Vec<String> {
    let daily = |spec: &&Spec| DAILY.iter().any(|(usage, _)| first_word(&usage[1..]).0.eq_ignore_ascii_case(spec.word));
    let doc = |spec: &Spec| spec.doc.lines().next().unwrap_or_default().trim().to_string();
    rows(usable().filter(|spec| !daily(spec)).map(|spec| (format!("/{}", spec.usage().to_lowercase()), doc(spec))).collect())
}

fn rows(rows: Vec<(String, String)>) -> Vec<String> {
    let width = rows.iter().map(|(usage, _)| usage.chars().count()).max().unwrap_or(0).min(36);
    rows.into_iter().map(|(usage, doc)| format!("{usage:width$}  {doc}")).collect()
}

/// What can be typed after the `/`, for completion.
pub(crate) fn names() -> impl Iterator<Item = String> {
    ["me", "part", "quit", "help"].into_iter().map(str::to_string).chain(usable().map(|spec| spec.word.to_lowercase()))
}

fn usable() -> impl Iterator<Item = &'static Spec> {
    let here =
        |spec: &&Spec| spec.at != At::Directory && spec.caller != Caller::Peer && spec.word != "QUIT" && !NOT_HERE.contains(&spec.word);
    ClientCommand::WORDS.iter().filter(here)
}

/// Fills the arguments of a command from what follows its name. An argument that is free text takes the rest of the line.
fn run(spec: &Spec, rest: &str, group: &GroupName) -> Typed {
    let mut argv: Vec<Text> = vec![spec.word.into()];
    let mut rest = rest.trim();
    for (at, arg) in spec.args.iter().enumerate() {
        if at == 0 && arg.name == "group" && !rest.starts_with(['#', '@']) {
            argv.push(group.as_str().into());
            continue;
        }
        if rest.is_empty() && (arg.name == "group" || spec.word == "WHO") && arg.arity == Arity::One {
            argv.push(group.as_str().into());
            continue;
        }
        if rest.is_empty() {
            if arg.arity == Arity::One {
                return Typed::Wrong(format!("/{} lacks its {}: /{}", spec.word.to_lowercase(), arg.name, spec.usage().to_lowercase()));
            }
            break;
        }
        match (arg.arity, arg.name) {
            (_, "text" | "reason") => argv.push(std::mem::take(&mut rest).into()),
            // MODE's changes are several words too, though their type says it and not their name.
            (Arity::Rest, _) => argv.extend(std::mem::take(&mut rest).split_whitespace().map(Text::from)),
            _ => {
                let (word, left) = first_word(rest);
                argv.push(word.into());
                rest = left;
            }
        }
    }
    if rest.is_empty() { Typed::Run(argv) } else { Typed::Wrong(format!("that is too much for /{}", spec.usage().to_lowercase())) }
}

fn first_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Typed) {
        assert_eq!(read(line, &GroupName::new("#here").unwrap()), expect, "{line:?}");
    }

    #[track_caller]
    fn check_run(line: &str, argv: &[&str]) {
        check(line, Typed::Run(argv.iter().map(|word| Text::from(*word)).collect()));
    }

    #[test]
    fn words_are_said() {
        check("hello  you ", Typed::Say("hello  you ".into()));
        check("  ", Typed::Nothing);
        check("//etc/motd", Typed::Say("/etc/motd".into()));
        check("/me waves", Typed::Say("\u{1}ACTION waves\u{1}".into()));
        for line in ["/quit", "/quit so long", "/part", "/part #here", "/part #Here so long", "/part so long"] {
            check(line, Typed::Quit);
        }
        check("/part #there", Typed::Wrong("you are not in #there, only in #here".into()));
        check("/", Typed::Help);
        check("/help all", Typed::HelpAll);
    }

    #[test]
    fn commands_come_from_the_table() {
        check_run("/names", &["NAMES", "#here"]);
        check_run("/names #there", &["NAMES", "#there"]);
        check_run("/topic", &["TOPIC", "#here"]);
        check_run("/topic all  about it", &["TOPIC", "#here", "all  about it"]);
        check_run("/msg bob how are you", &["MSG", "bob", "how are you"]);
        check_run("/WHOIS joe", &["WHOIS", "joe"]);
        check_run("/kick joe too loud", &["KICK", "#here", "joe", "too loud"]);
        check_run("/mode +o joe", &["MODE", "#here", "+o", "joe"]);
        check_run("/mode", &["MODE", "#here"]);
        check_run("/ison joe bob", &["ISON", "joe", "bob"]);
        check_run("/away", &["AWAY"]);
        check_run("/invite joe", &["INVITE", "joe", "#here"]);
        check_run("/invite joe #there", &["INVITE", "joe", "#there"]);
        check_run("/kick #there joe", &["KICK", "#there", "joe"]);
        check_run("/who", &["WHO", "#here"]);
        check_run("/who joe", &["WHO", "joe"]);
    }

    #[test]
    fn every_command_is_helped_with_once() {
        let first = |lines: Vec<String>| lines.into_iter().map(|line| first_word(&line).0.to_string()).collect::<Vec<_>>();
        let (daily, rest) = (first(help()), first(help_all()));
        for spec in usable() {
            let name = format!("/{}", spec.word.to_lowercase());
            assert_eq!(daily.iter().chain(&rest).filter(|line| **line == name).count(), 1, "{name}");
        }
        for name in &daily {
            let read = read(name, &GroupName::new("#here").unwrap());
            assert!(!matches!(read, Typed::Wrong(why) if why.contains("no command")), "{name}");
        }
    }

    #[test]
    fn nonsense_is_explained() {
        check("/msg bob", Typed::Wrong("/msg lacks its text: /msg target text [counter] [birth]".into()));
        check("/whois joe bob", Typed::Wrong("that is too much for /whois nick".into()));
        for line in ["/frob", "/heartbeat", "/login", "/nodes"] {
            assert!(matches!(read(line, &GroupName::new("#here").unwrap()), Typed::Wrong(_)), "{line}");
        }
    }
}
