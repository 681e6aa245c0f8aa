//! `help` at the prompt: all commands in groups, and what a command does, with examples.

use std::fmt::Write;

use chatring_admin::Failure;
use clap::Command;

/// What commands are about. Those that are nowhere here come last.
const GROUPS: &[(&str, &[&str])] = &[
    ("Talking", &["chat", "send", "tail"]),
    ("The network", &["ring", "node", "handoff", "directory", "check"]),
    ("Groups and people", &["group", "who", "client"]),
    ("Who may come in", &["account", "passwd", "token", "pki"]),
    ("Plugins", &["plugin"]),
    ("On this machine", &["demo", "bench"]),
    ("This prompt", &["help", "notices", "quit", "exit"]),
];

/// Examples, by the command that they begin with.
const EXAMPLES: &[&str] = &[
    "chat #erlang --nick joe",
    "send #erlang 'the build is green'",
    "tail #erlang --count 10",
    "ring show",
    "ring show --linearizable",
    "ring owner #erlang",
    "ring owner #erlang --nodes 192.0.2.1,192.0.2.2",
    "ring points 160",
    "node list",
    "node drain alpha --timeout 120",
    "node pending",
    "node admit 192.0.2.8",
    "node refuse 192.0.2.8",
    "node forget 192.0.2.8",
    "node remove 192.0.2.8",
    "handoff list",
    "handoff why",
    "handoff abort",
    "directory status",
    "directory add 192.0.2.3:7400",
    "directory remove 192.0.2.3:7400",
    "directory transfer",
    "directory backup ring.backup --config chatd.toml",
    "directory restore ring.backup --config chatd.toml",
    "directory recover --from directory.sqlite --config chatd.toml",
    "check",
    "check #erlang",
    "group list",
    "group list #er*",
    "group show #erlang",
    "group members #erlang",
    "who joe",
    "client list --slow",
    "account list",
    "account add joe",
    "account password joe",
    "account remove joe",
    "passwd joe",
    "token key --kid 2026a",
    "token make joe --key signing-key --for 12h",
    "pki init --network example",
    "pki issue 192.0.2.1 --role directory,node",
    "plugin list --node alpha",
    "plugin show flood --node alpha",
    "plugin load ./libfriday.so --node alpha",
    "plugin swap irc ./libchatring_irc.so --node alpha",
    "plugin disable words --node alpha",
    "plugin enable words --node alpha",
    "plugin new swear --kind filter --lang rust",
    "plugin verify ./libfriday.so",
    "demo --super-nodes 5",
    "bench fanout --subs 1000",
    "help ring owner",
    "notices off",
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
    let examples =
        EXAMPLES.iter().filter(|example| example.strip_prefix(&*begin).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
    let examples: Vec<String> = examples.map(|example| format!("  {example}\n")).collect();
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

    fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() { leaves(sub, &path, all) } else { all.push(path.trim().to_string()) }
        }
    }

    #[test]
    fn every_command_has_an_example_and_every_example_is_one() {
        let mut commands = Vec::new();
        leaves(&definitions(), "", &mut commands);
        for command in commands.iter().filter(|command| !matches!(command.as_str(), "quit" | "exit")) {
            assert!(EXAMPLES.iter().any(|example| format!("{example} ").starts_with(&format!("{command} "))), "{command} has no example");
        }
        for example in EXAMPLES.iter().filter(|example| !example.starts_with("help")) {
            let words = chatring_admin::words::split(example).unwrap();
            let parsed = definitions().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }

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
        check("ring owner", "Examples:\n  ring owner #erlang\n");
        check("ring", "  ring points 160\n");
        check("notices", "on or off");
        check("rign", "there is no command rign\n  Did you mean ring?");
        check("ring shwo", "Did you mean show?");
        check("frobnicate", "help lists the commands.");
        check("serve", "there is no command serve");
    }
}
