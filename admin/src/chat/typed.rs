//! What a line typed into a chat means.
//!
//! A line is said, unless it begins with `/`; `//` says a line that does. Commands are those of the command table, in the table's order of
//! arguments, so that a command added there can be typed here. Where the table wants a group first and none is given, this group is meant.

use chatring_machines::command::ClientCommand;
use chatring_machines::names::GroupName;
use chatring_machines::wire::{Arity, At, Caller, Spec, Text};

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
    /// Leave, with these words.
    Quit(Option<String>),
    /// It makes no sense; why.
    Wrong(String),
}

/// Commands of the table that make no sense inside of a chat, whose client does them by itself.
const NOT_HERE: [&str; 12] =
    ["HELLO", "AUTH", "SESSION", "LOGIN", "JOIN", "ENTER", "SUBSCRIBE", "UNSUBSCRIBE", "PART", "SAY", "PUBLISH", "PONG"];

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
        // How IRC has always told an action from words.
        "me" => Typed::Say(format!("\u{1}ACTION {rest}\u{1}")),
        "quit" | "exit" | "q" => Typed::Quit(Some(rest.to_string()).filter(|rest| !rest.is_empty())),
        "help" | "?" | "" => Typed::Help,
        _ => match usable().find(|spec| spec.word.eq_ignore_ascii_case(word)) {
            Some(spec) => run(spec, rest, group),
            None => Typed::Wrong(format!("there is no command /{word}; /help lists them, // says a line that begins with /")),
        },
    }
}

/// The lines of `/help`.
pub fn help() -> Vec<String> {
    let own = [("/me does", "says what you do"), ("/quit [reason]", "leaves"), ("//text", "says a line that begins with /")];
    let own = own.into_iter().map(|(usage, doc)| (usage.to_string(), doc.to_string()));
    let table =
        usable().map(|spec| (format!("/{}", spec.usage().to_lowercase()), spec.doc.lines().next().unwrap_or_default().trim().to_string()));
    let rows: Vec<(String, String)> = own.chain(table).collect();
    let width = rows.iter().map(|(usage, _)| usage.chars().count()).max().unwrap_or(0).min(36);
    rows.into_iter().map(|(usage, doc)| format!("{usage:width$}  {doc}")).collect()
}

/// What can be typed after the `/`, for completion.
pub(crate) fn names() -> impl Iterator<Item = String> {
    ["me", "quit", "help"].into_iter().map(str::to_string).chain(usable().map(|spec| spec.word.to_lowercase()))
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
        check("/quit", Typed::Quit(None));
        check("/quit so long", Typed::Quit(Some("so long".into())));
        check("/", Typed::Help);
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
    }

    #[test]
    fn nonsense_is_explained() {
        check("/msg bob", Typed::Wrong("/msg lacks its text: /msg target text [counter]".into()));
        check("/whois joe bob", Typed::Wrong("that is too much for /whois nick".into()));
        for line in ["/frob", "/heartbeat", "/login", "/nodes"] {
            assert!(matches!(read(line, &GroupName::new("#here").unwrap()), Typed::Wrong(_)), "{line}");
        }
    }
}
