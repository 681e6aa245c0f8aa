//! All commands in one table: what clap parses, and what it cannot hold.
//!
//! The prompt, scripts, the shell, completion, man pages, [`reference`](super::reference) and tests read it. A command without a mark fails a test, and a mark without
//! a command does.

pub use chatring_machines::operators::Role;
use clap::{ArgMatches, Command, CommandFactory};

use super::Cli;
use super::console::SCRIPT;
use super::marks::MARKS;

/// As whom a command asks servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It asks none.
    Nobody,
    /// As the people who talk.
    Person,
    /// As somebody who may do that.
    Role(Role),
}

impl Needs {
    /// In one word; none for a command that asks no server.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Needs::Nobody => None,
            Needs::Person => Some("person"),
            Needs::Role(role) => Some(role.as_str()),
        }
    }
}

/// Whether a command asks first if it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// It does not: what it does can be taken back.
    Never,
    /// Always; what it is about to do.
    Always(&'static str),
    /// By itself, where this is so.
    Where(&'static str),
}

/// What is to be known of a command beside its definition.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Which.
    pub words: &'static str,
    /// As whom it asks.
    pub needs: Needs,
    /// The file of docs/schemas that says what it prints with `--output json`; none, if it prints no result.
    pub schema: Option<&'static str>,
    /// Whether it asks first.
    pub asks: Asks,
    /// As somebody would type them behind `chatctl`.
    pub examples: &'static [&'static str],
}

/// A command, and all that is to be known of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is beside the definition.
    pub mark: &'static Mark,
    /// In a sentence.
    pub summary: String,
    /// How it is written.
    pub usage: String,
    /// The definition.
    pub command: Command,
}

/// What a command is marked with.
pub fn mark(words: &str) -> Option<&'static Mark> {
    MARKS.iter().find(|mark| mark.words == words)
}

/// The definitions as a shell's line is parsed with, or the prompt's, at which nobody types the program's name.
pub fn definitions(at_prompt: bool) -> Command {
    let program = if at_prompt { "" } else { "chatctl " };
    let command = with_examples(Cli::command(), "", program);
    // No line begins another script.
    SCRIPT.iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.hide(at_prompt)))
}

fn with_examples(command: Command, words: &str, program: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_string()).collect();
    let command = names.iter().fold(command, |command, name| {
        let words = [words, name].join(" ");
        command.mut_subcommand(name, |sub| with_examples(sub, words.trim_start(), program))
    });
    match mark(words) {
        Some(mark) => {
            let lines = mark.examples.iter().map(|example| format!("\n  {program}{example}"));
            command.after_help(format!("Examples:{}", lines.collect::<String>()))
        }
        None => command,
    }
}

/// The words of the command that was parsed.
pub fn words(matches: &ArgMatches) -> String {
    let (mut words, mut inner) = (Vec::new(), matches);
    while let Some((name, next)) = inner.subcommand() {
        words.push(name);
        inner = next;
    }
    words.join(" ")
}

/// What was given to it by its place.
pub fn arguments(matches: &ArgMatches) -> String {
    let (mut command, mut inner) = (Cli::command(), matches);
    while let Some((name, next)) = inner.subcommand() {
        command = command.find_subcommand(name).cloned().unwrap_or_default();
        inner = next;
    }
    let texts = command.get_positionals().filter_map(|arg| inner.get_raw(arg.get_id().as_str())).flatten();
    texts.map(|text| text.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// All commands that are not hidden, in the order of their help.
pub fn entries() -> Vec<Entry> {
    let mut command = definitions(false);
    command.build();
    let mut entries = Vec::new();
    collect(&command, "", &mut entries);
    entries
}

fn collect(command: &Command, words: &str, entries: &mut Vec<Entry>) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let words = [words, sub.get_name()].join(" ");
        let words = words.trim_start();
        if sub.has_subcommands() {
            collect(sub, words, entries);
            continue;
        }
        let mark = mark(words).unwrap_or_else(|| panic!("{words} has no mark: add one to marks.rs"));
        let usage = sub.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace(" [OPTIONS]", "");
        let summary = sub.get_about().map(|about| about.to_string()).unwrap_or_default();
        entries.push(Entry { mark, summary, usage, command: sub.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_admin::words::split;
    use std::path::Path;

    fn entry_words() -> Vec<String> {
        entries().iter().map(|entry| entry.mark.words.to_string()).collect()
    }

    #[test]
    fn every_command_has_a_mark_and_every_mark_a_command() {
        let words = entry_words();
        let marks: Vec<&str> = MARKS.iter().map(|mark| mark.words).collect();
        assert_eq!(words, marks, "marks.rs is in the order of the definitions");
    }

    #[test]
    fn every_command_says_all_there_is_to_say() {
        for Entry { mark, summary, usage, command } in entries() {
            let words = mark.words;
            assert!(!summary.is_empty() && !summary.ends_with('.'), "{words}: a summary, without a dot: {summary:?}");
            assert!(usage.starts_with(&format!("chatctl {words}")), "{words}: {usage}");
            assert!(!mark.examples.is_empty(), "{words} has no example");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{words}: {} says nothing", arg.get_id());
            }
            // These talk, or write what is no result.
            assert_eq!(
                mark.schema.is_none(),
                ["demo", "chat", "send", "completions"].contains(&words),
                "{words} has a schema, or prints nothing"
            );
            if let Some(schema) = mark.schema {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(schema).with_extension("json");
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{words}: {}: {error}", path.display()));
                let schema: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(schema["title"].is_string() && schema["description"].is_string(), "{}", path.display());
            }
        }
    }

    #[test]
    fn no_schema_is_left_over() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
        for file in std::fs::read_dir(dir).unwrap() {
            let stem = file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
            assert!(stem == "error" || MARKS.iter().any(|mark| mark.schema == Some(&stem)), "no command prints {stem}");
        }
    }

    #[test]
    fn every_example_is_a_line_of_its_command() {
        for mark in MARKS {
            for example in mark.examples {
                // What is behind a pipe or a redirection is the shell's.
                let own = example.split([';', '>']).next().unwrap().split(" < ").next().unwrap().split(" | ").next().unwrap();
                let line = [vec!["chatctl".to_string()], split(own).unwrap()].concat();
                let matches = definitions(false).try_get_matches_from(line).unwrap_or_else(|error| panic!("{example}: {error}"));
                assert_eq!(words(&matches), mark.words, "{example}");
            }
        }
        for Entry { mark, mut command, .. } in entries() {
            let help = command.render_long_help().to_string();
            assert!(mark.examples.iter().all(|example| help.contains(&format!("  chatctl {example}"))), "{}: {help}", mark.words);
        }
    }

    #[test]
    fn what_is_asked_about_names_its_subject() {
        let matches = definitions(false).try_get_matches_from(["chatctl", "node", "remove", "alpha", "--yes", "--timeout", "5s"]).unwrap();
        assert_eq!((words(&matches).as_str(), arguments(&matches).as_str()), ("node remove", "alpha"));
    }
}
