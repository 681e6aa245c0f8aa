//! What the word under the cursor could become.
//!
//! At the console the candidates come from the clap definitions that parse the line afterwards; in a chat from the command table. Names of groups and people come from
//! whoever knows some: completion itself asks no server, so that a key press never waits for one.

use clap::{Arg, Command};

use crate::chat;
use crate::words::{split, word_start};

/// Where the completed word begins, and what it could be.
pub type Candidates = (usize, Vec<String>);

/// Completes a line of the console.
pub fn console(command: &Command, names: &[String], line: &str, pos: usize) -> Candidates {
    let start = word_start(line, pos);
    let typed = line[start..pos].trim_start_matches(['\'', '"']);
    let Ok(before) = split(&line[..start]) else { return (start, Vec::new()) };
    let (inner, waiting) = descend(command, &before);
    let mut found: Vec<String> = match waiting {
        Some(arg) => values(arg),
        None if typed.starts_with('-') => options(inner),
        None if inner.has_subcommands() => subcommands(inner, before.is_empty()),
        None => inner.get_positionals().flat_map(values).chain(names.iter().cloned()).collect(),
    };
    found.retain(|candidate| candidate.starts_with(typed));
    found.sort_unstable();
    found.dedup();
    (start, found)
}

/// Completes a line of a chat: commands after `/`, elsewhere nicks; at the start of a line nicks get a colon.
pub fn chat(nicks: &[String], line: &str, pos: usize) -> Candidates {
    let start = word_start_plain(line, pos);
    let typed = line[start..pos].to_ascii_lowercase();
    if let (0, Some(slash)) = (start, typed.strip_prefix('/')) {
        return (0, chat::command_names().filter(|name| name.starts_with(slash)).map(|name| format!("/{name} ")).collect());
    }
    let end = if start == 0 { ": " } else { " " };
    let mut found: Vec<String> =
        nicks.iter().filter(|nick| nick.to_ascii_lowercase().starts_with(&typed)).map(|nick| format!("{nick}{end}")).collect();
    found.sort_unstable();
    (start, found)
}

/// In a chat an apostrophe is not a quote.
fn word_start_plain(line: &str, pos: usize) -> usize {
    line[..pos].rfind(char::is_whitespace).map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8))
}

/// Follows the words into subcommands. An option that still waits for its value comes back as well.
fn descend<'a>(command: &'a Command, words: &[String]) -> (&'a Command, Option<&'a Arg>) {
    let mut inner = command;
    let mut waiting = None;
    for word in words {
        if waiting.take().is_some() {
            continue;
        }
        if let Some(long) = word.strip_prefix("--") {
            let option = [inner, command].into_iter().flat_map(Command::get_arguments).find(|arg| arg.get_long() == Some(long));
            waiting = option.filter(|arg| arg.get_action().takes_values());
        } else if let Some(next) = inner.find_subcommand(word) {
            inner = next;
        }
    }
    (inner, waiting)
}

fn subcommands(command: &Command, top: bool) -> Vec<String> {
    let own: &[&str] = if top { &["help", "quit"] } else { &[] };
    let names = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
    names.chain(own.iter().copied()).map(str::to_string).collect()
}

fn options(command: &Command) -> Vec<String> {
    let longs = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
    longs.map(|long| format!("--{long}")).collect()
}

fn values(arg: &Arg) -> Vec<String> {
    arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::builder::PossibleValuesParser;

    fn command() -> Command {
        let output = Arg::new("output").long("output").global(true).value_parser(PossibleValuesParser::new(["table", "json"]));
        let metric = Arg::new("metric").long("metric").value_parser(PossibleValuesParser::new(["linear", "circular"]));
        let owner = Command::new("owner").arg(Arg::new("group")).arg(metric);
        let ring = Command::new("ring").subcommand(owner).subcommand(Command::new("show"));
        let mut command = Command::new("chatctl").arg(output).subcommand(ring).subcommand(Command::new("serve").hide(true));
        command.build();
        command
    }

    #[track_caller]
    fn check(line: &str, start: usize, expect: &[&str]) {
        let names = ["#erlang".to_string(), "#elixir".to_string()];
        let (at, found) = console(&command(), &names, line, line.len());
        assert_eq!((at, found.iter().map(String::as_str).collect::<Vec<_>>()), (start, expect.to_vec()), "{line:?}");
    }

    #[test]
    fn the_console_follows_the_definitions() {
        check("", 0, &["help", "quit", "ring"]);
        check("ri", 0, &["ring"]);
        check("ring ", 5, &["help", "owner", "show"]);
        check("ring o", 5, &["owner"]);
        check("ring owner #e", 11, &["#elixir", "#erlang"]);
        check("ring owner '#er", 11, &["#erlang"]);
        check("ring owner #erlang --m", 19, &["--metric"]);
        check("ring owner #erlang --metric l", 28, &["linear"]);
        check("--output ", 9, &["json", "table"]);
        check("serve", 0, &[]);
    }

    #[test]
    fn a_chat_completes_commands_and_nicks() {
        let nicks = ["joe".to_string(), "Jane".to_string()];
        assert_eq!(chat(&nicks, "/who", 4), (0, vec!["/who ".into(), "/whois ".into()]));
        assert_eq!(chat(&nicks, "j", 1), (0, vec!["Jane: ".into(), "joe: ".into()]));
        assert_eq!(chat(&nicks, "it's jo", 7), (5, vec!["joe ".into()]));
    }
}
