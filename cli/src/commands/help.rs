//! `help` at the prompt: all commands in groups, and what a command does, with examples.

use std::fmt::Write;

use chatring_admin::Failure;
use clap::Command;

use super::marks::MARKS;
use super::registry::Mark;

/// What commands are about. Those that are nowhere here come last.
const GROUPS: &[(&str, &[&str])] = &[
    ("Talking", &["chat", "send", "tail"]),
    ("The network", &["status", "doctor", "ring", "node", "handoff", "directory", "check", "bundle"]),
    ("Groups and people", &["group", "who", "client"]),
    ("Who may come in, and steer", &["account", "config", "passwd", "token", "pki", "operator"]),
    ("Plugins", &["plugin"]),
    ("On this machine", &["context", "demo", "bench", "commands", "completions", "man"]),
    ("This prompt", &["help", "notices", "quit", "exit"]),
];

/// What `help` and these words say.
pub fn help(definitions: &mut Command, words: &[String]) -> Result<String, Failure> {
    if words.is_empty() {
        return Ok(all(definitions));
    }
    let mut command = definitions;
    for word in words {
        let names: Vec<&str> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name).collect();
        if !names.contains(&word.as_str()) {
            let about = format!("there is no command {}", words.join(" "));
            return Err(Failure::usage(about).advise(match similar(word, &names) {
                Some(name) => format!("Did you mean {name}?"),
                None => "help lists the commands.".into(),
            }));
        }
        command = command.find_subcommand_mut(word).expect("it was found by its name");
    }
    let mut text = command.render_long_help().to_string().replace("Usage:  ", "Usage: ");
    let begin = words.join(" ");
    let is_below = |mark: &&Mark| mark.words.strip_prefix(&*begin).is_some_and(|rest| rest.starts_with(' '));
    let examples: Vec<String> =
        MARKS.iter().filter(is_below).flat_map(|mark| mark.examples).map(|example| format!("  {example}\n")).collect();
    // A command itself has its own in its definition.
    if !examples.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(text, "\nExamples:\n{}", examples.concat());
    }
    Ok(text)
}

fn all(definitions: &Command) -> String {
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let visible = || definitions.get_subcommands().filter(|sub| !sub.is_hide_set());
    let more: Vec<&str> = visible().map(Command::get_name).filter(|name| !grouped(name)).collect();
    let width = visible().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, names) in GROUPS.iter().map(|(heading, names)| (*heading, *names)).chain([("More", more.as_slice())]) {
        let commands = names.iter().filter_map(|name| visible().find(|sub| sub.get_name() == *name));
        let lines: Vec<String> = commands.map(|sub| format!("  {:width$}  {}\n", sub.get_name(), first_words(sub))).collect();
        if !lines.is_empty() {
            let _ = write!(text, "{heading}\n{}\n", lines.concat());
        }
    }
    text + "help COMMAND says more of one, Tab completes commands and names, Ctrl-D leaves.\n"
}

fn first_words(command: &Command) -> String {
    command.get_about().map_or(String::new(), |about| about.to_string().lines().next().unwrap_or_default().into())
}

/// The name that differs least, if that is little.
fn similar<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    const STEPS_MAX: usize = 2;
    let close = names.iter().map(|name| (steps(word, name), *name)).min()?;
    (close.0 <= STEPS_MAX).then_some(close.1)
}

/// Letters put in, taken out, replaced, or swapped with the next one.
fn steps(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(32).collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::console::definitions;

    #[test]
    fn every_command_is_in_a_group() {
        let text = help(&mut definitions(), &[]).unwrap();
        assert!(!text.contains("More\n"), "{text}");
        for (_, names) in GROUPS {
            names.iter().for_each(|name| assert!(text.contains(&format!("\n  {name} ")), "{name} is missing in {text}"));
        }
        assert!(!text.contains("  serve "), "{text}");
    }

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        let found = help(&mut definitions(), &words).unwrap_or_else(|failure| failure.to_string());
        assert!(found.contains(expect), "{line}: {found}");
    }

    #[test]
    fn help_says_what_a_command_does() {
        check("ring owner", "Usage: ring owner");
        check("ring owner", "Examples:\n  ring owner '#erlang'\n");
        check("ring", "  ring points 160 --timeout 5m\n");
        check("notices", "on or off");
        check("rign", "there is no command rign\n  Did you mean ring?");
        check("ring shwo", "Did you mean show?");
        check("frobnicate", "help lists the commands.");
        check("serve", "there is no command serve");
    }
}
