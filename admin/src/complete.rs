//! What the word under the cursor could become.
//!
//! At the console the candidates come from the clap definitions that parse the line afterwards; in a chat from the command table. Names of groups and people come from
//! whoever knows some, and groups are asked for only where the line wants one.

use clap::{Arg, Command};

use crate::chat;
use crate::words::{split, word_start};

/// Where the completed word begins, and what it could be.
pub type Candidates = (usize, Vec<String>);

/// Completes a line of the console. `groups` is called where the name of a group is wanted.
pub fn console(command: &Command, groups: impl FnOnce() -> Vec<String>, line: &str, pos: usize) -> Candidates {
    let start = word_start(line, pos);
    let typed = line[start..pos].trim_start_matches(['\'', '"']);
    let Ok(before) = split(&line[..start]) else { return (start, Vec::new()) };
    let Place { inner, waiting, given } = descend(command, &before);
    let mut found: Vec<String> = match waiting {
        Some(arg) => values(arg),
        None if typed.starts_with('-') => options(inner),
        None if inner.has_subcommands() => subcommands(inner, before.is_empty()),
        None => {
            let wanted = inner.get_positionals().nth(given);
            let groups = if wanted.is_some_and(|arg| arg.get_id() == GROUP) { groups() } else { Vec::new() };
            // A name that would have to be quoted is typed as well as completed.
            let groups = groups.into_iter().filter(|name| !name.contains(['\'', '"', '\\']));
            wanted.into_iter().flat_map(values).chain(groups).collect()
        }
    };
    found.retain(|candidate| candidate.starts_with(typed));
    found.sort_unstable();
    found.dedup();
    (start, found)
}

/// What a definition calls an argument that is the name of a group.
const GROUP: &str = "group";

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

/// Where some words lead.
struct Place<'a> {
    inner: &'a Command,
    /// An option that still waits for its value.
    waiting: Option<&'a Arg>,
    /// Arguments by position that are there already.
    given: usize,
}

/// Follows the words into subcommands.
fn descend<'a>(command: &'a Command, words: &[String]) -> Place<'a> {
    let mut place = Place { inner: command, waiting: None, given: 0 };
    for word in words {
        if place.waiting.take().is_some() {
            continue;
        }
        if let Some(long) = word.strip_prefix("--") {
            let option = [place.inner, command].into_iter().flat_map(Command::get_arguments).find(|arg| arg.get_long() == Some(long));
            place.waiting = option.filter(|arg| arg.get_action().takes_values());
        } else if let Some(next) = place.inner.find_subcommand(word) {
            place.inner = next;
        } else {
            place.given += 1;
        }
    }
    place
}

fn subcommands(command: &Command, top: bool) -> Vec<String> {
    let own: &[&str] = if top { &["exit", "help", "quit"] } else { &[] };
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
        let groups = || vec!["#erlang".to_string(), "#elixir".to_string(), "#it's".to_string()];
        let (at, found) = console(&command(), groups, line, line.len());
        assert_eq!((at, found.iter().map(String::as_str).collect::<Vec<_>>()), (start, expect.to_vec()), "{line:?}");
    }

    #[test]
    fn the_console_follows_the_definitions() {
        check("", 0, &["exit", "help", "quit", "ring"]);
        check("ri", 0, &["ring"]);
        check("ring ", 5, &["help", "owner", "show"]);
        check("ring o", 5, &["owner"]);
        check("ring show ", 10, &[]);
        check("ring owner #e", 11, &["#elixir", "#erlang"]);
        check("ring owner '#er", 11, &["#erlang"]);
        check("ring owner --metric linear ", 27, &["#elixir", "#erlang"]);
        check("ring owner #erlang ", 19, &[]);
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
