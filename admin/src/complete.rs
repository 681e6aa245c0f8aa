//! What the word under the cursor could become.
//!
//! At the console the candidates come from the clap definitions that parse the line afterwards; in a chat from the command table. Names of what there is in the network come from
//! whoever knows some, and are asked for only where the line wants one.

use clap::{Arg, Command};

use crate::chat;
use crate::place::{Kind, Place};
use crate::text::clean;
use crate::words::typed;

/// Where the completed word begins, and what it could be.
pub type Candidates = (usize, Vec<String>);

/// Candidates that are shown. Past that the first ones are, and the last, so that what all of them begin with is what is completed.
const CANDIDATES_MAX: usize = 1_000;

/// What is in the network and can be named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// What is to be named.
    pub kind: Kind,
    /// Of which super node, where the line says so.
    pub node: Option<String>,
}

impl Want {
    /// What the line wants named next, if servers know such names.
    pub fn of(place: &Place<'_>) -> Option<Want> {
        let kind = Kind::of(place.wanted()?).filter(|kind| !matches!(kind, Kind::Path | Kind::Secret))?;
        let node = place.options.iter().find(|(arg, _)| kind == Kind::Plugin && Kind::of(arg) == Some(Kind::Node));
        Some(Want { kind, node: node.and_then(|(_, value)| value.clone()) })
    }
}

/// Completes a line of the console. `names` is called where something in the network is to be named.
pub fn console(command: &Command, names: impl FnOnce(&Want) -> Vec<String>, line: &str, pos: usize) -> Candidates {
    let (before, under) = typed(&line[..pos]);
    let mut words: Vec<&str> = before.iter().map(|word| word.text.as_str()).collect();
    // `--option=value` is both.
    let (option, text) = match under.text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (Some(option), value),
        _ => (None, under.text.as_str()),
    };
    words.extend(option);
    let place = Place::of(command, &words);
    let mut found = match option {
        Some(_) if place.waiting.is_none() => Vec::new(),
        None if text.starts_with('-') && place.takes_options() => options(&place),
        None if place.waiting.is_none() && place.command().has_subcommands() => subcommands(place.command()),
        _ => values(&place, names),
    };
    found.retain(|candidate| candidate.starts_with(text));
    if let Some(option) = option {
        found.iter_mut().for_each(|value| value.insert_str(0, &format!("{option}=")));
    }
    found.sort_unstable();
    found.dedup();
    cut(&mut found);
    (under.place.start, found)
}

/// Leaves the first ones and the last.
pub(crate) fn cut<T>(found: &mut Vec<T>) {
    if found.len() > CANDIDATES_MAX {
        found.drain(CANDIDATES_MAX - 1..found.len() - 1);
    }
}

/// Whether the word under the cursor is the name of a file.
pub fn wants_path(command: &Command, line: &str, pos: usize) -> bool {
    let (before, under) = typed(&line[..pos]);
    let mut words: Vec<&str> = before.iter().map(|word| word.text.as_str()).collect();
    words.extend(under.text.split_once('=').map(|(option, _)| option).filter(|option| option.starts_with("--")));
    let is_option = words.len() == before.len() && under.text.starts_with('-');
    !is_option && Place::of(command, &words).wanted().and_then(Kind::of) == Some(Kind::Path)
}

fn options(place: &Place<'_>) -> Vec<String> {
    place.wanted_options().filter_map(Arg::get_long).map(|long| format!("--{long}")).collect()
}

fn subcommands(command: &Command) -> Vec<String> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| sub.get_name().to_string()).collect()
}

fn values(place: &Place<'_>, names: impl FnOnce(&Want) -> Vec<String>) -> Vec<String> {
    let possible = place.wanted().map_or(Vec::new(), Arg::get_possible_values);
    let mut found: Vec<String> = possible.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_string()).collect();
    if let Some(want) = Want::of(place) {
        // A name that would have to be quoted is typed as well as completed.
        let plain = |name: &String| clean(name) == *name && !name.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\'));
        found.extend(names(&want).into_iter().filter(plain));
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::command;

    #[track_caller]
    fn check(line: &str, start: usize, expect: &[&str]) {
        let names = |want: &Want| match (want.kind, want.node.as_deref()) {
            (Kind::Group, _) => ["#erlang", "#elixir", "#it's", "#a\u{1b}b"].map(str::to_string).to_vec(),
            (Kind::Node, _) => ["192.0.2.1", "alpha"].map(str::to_string).to_vec(),
            (Kind::Plugin, Some("alpha")) => vec!["flood".to_string()],
            (Kind::Plugin, None) => vec!["words".to_string()],
            _ => panic!("{want:?} is not wanted by {line:?}"),
        };
        let (at, found) = console(&command(), names, line, line.len());
        assert_eq!((at, found.iter().map(String::as_str).collect::<Vec<_>>()), (start, expect.to_vec()), "{line:?}");
    }

    #[test]
    fn the_console_follows_the_definitions() {
        check("", 0, &["chat", "help", "plugin", "ring", "send"]);
        check("ri", 0, &["ring"]);
        check("ring ", 5, &["help", "owner", "show"]);
        check("ring o", 5, &["owner"]);
        check("help ring o", 10, &["owner"]);
        check("ring show ", 10, &[]);
        check("ring show\nri", 10, &["ring"]);
        check("ring owner #e", 11, &["#elixir", "#erlang"]);
        check("ring owner '#er", 11, &["#erlang"]);
        check("ring owner --metric linear ", 27, &["#elixir", "#erlang"]);
        check("ring owner #erlang ", 19, &[]);
        check("ring owner #erlang --m", 19, &["--metric"]);
        check("ring owner #erlang --metric l", 28, &["linear"]);
        check("ring owner #erlang --metric=l", 19, &["--metric=linear"]);
        check("ring owner --frob=", 11, &[]);
        check("ring owner --metric linear --m", 27, &[]);
        check("--output ", 9, &["json", "table"]);
        check("serve", 0, &[]);
        check("chat #e", 5, &["#elixir", "#erlang"]);
        check("chat --key ", 11, &[]);
        check("plugin show ", 12, &["words"]);
        check("plugin show --node a", 19, &["alpha"]);
        check("plugin show --node alpha ", 25, &["flood"]);
    }

    #[test]
    fn many_candidates_are_cut_so_that_their_beginning_stays() {
        let names = |_: &Want| (0..5_000).map(|number| format!("#{number:04}")).collect();
        let (_, found) = console(&command(), names, "chat ", 5);
        assert_eq!((found.len(), found[0].as_str(), found[998].as_str(), found[999].as_str()), (1_000, "#0000", "#0998", "#4999"));
    }

    #[test]
    fn files_are_named() {
        for (line, expect) in [("plugin load ./", true), ("plugin load --", false), ("plugin load", false), ("ring owner ", false)] {
            assert_eq!(wants_path(&command(), line, line.len()), expect, "{line:?}");
        }
    }

    #[test]
    fn a_chat_completes_commands_and_nicks() {
        let nicks = ["joe".to_string(), "Jane".to_string()];
        assert_eq!(chat(&nicks, "/who", 4), (0, vec!["/who ".into(), "/whois ".into()]));
        assert_eq!(chat(&nicks, "j", 1), (0, vec!["Jane: ".into(), "joe: ".into()]));
        assert_eq!(chat(&nicks, "it's jo", 7), (5, vec!["joe ".into()]));
    }
}
