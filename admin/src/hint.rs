//! What could follow, in grey behind the line: names of arguments, from clap's definitions, and what was typed once before.

use std::fmt::Write;

use clap::{Arg, Command};
use rustyline::history::SearchDirection;

use crate::place::{Place, takes_many, value_name};
use crate::words::typed;

/// What is shown behind the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    shown: String,
    /// What the right arrow takes over.
    taken: Option<String>,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.taken.as_deref()
    }
}

/// Where an argument is wanted, its name; inside of a word, how the line went on once before, or else the only command that it can become.
pub fn hint(command: &Command, line: &str, context: &rustyline::Context<'_>) -> Option<Hint> {
    if let Some(shown) = arguments(command, line) {
        return Some(Hint { shown, taken: None });
    }
    let rest = once_before(line, context).or_else(|| only_command(command, line))?;
    Some(Hint { shown: rest.clone(), taken: Some(rest) })
}

fn once_before(line: &str, context: &rustyline::Context<'_>) -> Option<String> {
    let history = context.history();
    let newest = context.history_index().min(history.len().checked_sub(1)?);
    let found = history.starts_with(line, newest, SearchDirection::Reverse).ok()??;
    // Hints are of one line.
    let rest = found.entry.get(line.len()..).filter(|rest| !rest.is_empty() && !line.is_empty() && !rest.contains('\n'))?;
    Some(rest.to_string())
}

fn only_command(command: &Command, line: &str) -> Option<String> {
    let (words, under) = typed(line);
    let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let place = Place::of(command, &words);
    let wanted = place.waiting.is_none() && !under.text.is_empty() && !under.quoted;
    let names = place.command().get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
    let mut rests = names.filter_map(|name| name.strip_prefix(under.text.as_str())).filter(|rest| wanted && !rest.is_empty());
    match (rests.next(), rests.next()) {
        (Some(rest), None) => Some(rest.to_string()),
        _ => None,
    }
}

/// Options, and names of commands, that are shown; there may be more.
const OPTIONS_MAX: usize = 4;
const NAMES_MAX: usize = 8;

/// What may follow the words of a line.
fn arguments(command: &Command, line: &str) -> Option<String> {
    let (mut words, under) = typed(line);
    let begun = !under.text.is_empty();
    if words.is_empty() && !begun {
        return None;
    }
    if begun {
        words.push(under);
    }
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let place = Place::of(command, &texts);
    // An argument may not be done, but the name of a command is, and so is an option that wants its value.
    let done = !begun || place.waiting.is_some() || place.roles.last() == Some(&crate::place::Role::Command);
    let shown = if done { what_follows(&place) } else { String::new() };
    let blank = if begun { " " } else { "" };
    (!shown.is_empty()).then(|| format!("{blank}{shown}"))
}

fn what_follows(place: &Place<'_>) -> String {
    if let Some(arg) = place.waiting {
        return value(arg);
    }
    if place.roles.contains(&crate::place::Role::Unknown) {
        return String::new();
    }
    let command = place.command();
    if command.has_subcommands() {
        let names = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help").map(Command::get_name);
        let mut names: Vec<&str> = names.take(NAMES_MAX + 1).collect();
        if names.len() > NAMES_MAX {
            names[NAMES_MAX] = "…";
        }
        return names.join("|");
    }
    let arguments = place.wanted_by_position().map(argument);
    let mut all: Vec<String> = arguments.collect();
    let options: Vec<&Arg> = place.wanted_options().filter(|arg| !arg.is_global_set() && arg.get_long() != Some("help")).collect();
    all.extend(options.iter().take(OPTIONS_MAX).map(|arg| option(arg)));
    if options.len() > OPTIONS_MAX {
        all.push("[--…]".into());
    }
    all.join(" ")
}

fn argument(arg: &Arg) -> String {
    let many = if takes_many(arg) { "…" } else { "" };
    let name = value(arg);
    if arg.is_required_set() { format!("{name}{many}") } else { format!("[{name}{many}]") }
}

fn option(arg: &Arg) -> String {
    let mut text = format!("--{}", arg.get_long().unwrap_or_default());
    if arg.get_action().takes_values() {
        // Writing to a string does not fail.
        let _ = write!(text, " {}", value(arg));
    }
    if arg.is_required_set() { text } else { format!("[{text}]") }
}

fn value(arg: &Arg) -> String {
    let possible = arg.get_possible_values();
    let named: Vec<&str> = possible.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
    if named.is_empty() { value_name(arg) } else { named.join("|") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::command;
    use rustyline::history::{History, MemHistory};

    #[track_caller]
    fn check(line: &str, shown: Option<&str>, can_be_taken: bool) {
        let mut history = MemHistory::new();
        for line in ["ring owner #erlang", "send #a 'x\ny'", "ring show"] {
            history.add(line).unwrap();
        }
        let found = hint(&command(), line, &rustyline::Context::new(&history));
        assert_eq!(found.as_ref().map(|hint| hint.shown.as_str()), shown, "{line:?}");
        assert_eq!(found.is_some_and(|hint| hint.taken.is_some()), can_be_taken, "{line:?}");
    }

    #[test]
    fn what_could_follow() {
        check("", None, false);
        check("r", Some("ing show"), true);
        check("ring", Some(" owner|show"), false);
        check("ring ", Some("owner|show"), false);
        check("ring o", Some("wner #erlang"), true);
        check("ring owner", Some(" GROUP [--metric linear|circular]"), false);
        check("ring owner #e", Some("rlang"), true);
        check("ring owner #erlang", None, false);
        check("ring owner #erlang ", Some("[--metric linear|circular]"), false);
        check("ring owner #erlang --metric", Some(" linear|circular"), false);
        check("ring owner #erlang --metric linear ", None, false);
        check("send ", Some("GROUP [TEXT…]"), false);
        check("send #a 'x", None, false);
        check("chat ", Some("GROUP [--key KEY]"), false);
        check("pl", Some("ugin"), true);
        check("plugin s", Some("how"), true);
        check("plugin 's", None, false);
        check("plugin x", None, false);
        check("--output pl", None, false);
        check("rign ", None, false);
        check("ring show\nring ", Some("owner|show"), false);
    }
}
