//! `chatctl` without a command: the prompt, or commands from a pipe.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use chatring_admin::console::{self, Commands, Network, interactive, piped};
use chatring_admin::{Failure, Output, state};
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, ValueEnum};

use super::network::Asked;
use super::{Cli, Global, help, net};

/// Reads commands until there are no more.
pub fn run(global: &Global) -> Result<(), Failure> {
    let mut console = Console { global };
    if std::io::stdin().is_terminal() { interactive(&mut console, state::file("history")) } else { piped(&mut console, net::stdin_line) }
}

struct Console<'a> {
    global: &'a Global,
}

/// As in a shell, but nobody types the program's name here, and the prompt has commands of its own.
pub(super) fn definitions() -> Command {
    let mut command = Cli::command().no_binary_name(true).bin_name("").after_help(None::<&str>).subcommands(console::own());
    command.build();
    command.mut_subcommand("help", |help| help.about("List the commands, or say what one does"))
}

impl Commands for Console<'_> {
    fn definitions(&self) -> Command {
        definitions()
    }

    fn run(&mut self, words: Vec<String>) -> Result<(), Failure> {
        if let Some((_, about)) = words.split_first().filter(|(first, _)| *first == "help") {
            show(&help::help(&mut definitions(), about)?);
            return Ok(());
        }
        let parsed = self.definitions().try_get_matches_from(command_line(self.global, words));
        match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
            Ok(Cli { verb: Some(verb), global }) => super::run(verb, &global),
            Ok(Cli { verb: None, .. }) => Err(Failure::usage("there is no command on this line").advise("help lists the commands.")),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                show(&words_of(&error));
                Ok(())
            }
            Err(error) => Err(Failure::usage(words_of(&error).trim_end().trim_start_matches("error: "))),
        }
    }

    fn network(&self) -> Arc<dyn Network> {
        Arc::new(Asked::new(self.global))
    }
}

/// Standard output that nobody reads is no failure of the command.
fn show(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Without a program's name there would be two blanks.
fn words_of(error: &clap::Error) -> String {
    error.to_string().replace("Usage:  ", "Usage: ")
}

/// The words as a command line, with what the console itself was told where the line does not say otherwise.
fn command_line(global: &Global, words: Vec<String>) -> Vec<String> {
    let says =
        |option: &str| words.iter().any(|word| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')));
    let mut line = Vec::new();
    if !says("--directory") {
        line.extend(global.directories.iter().map(|address| format!("--directory={address}")));
    }
    if let Some(ca) = global.ca.as_ref().filter(|_| !says("--ca")) {
        line.push(format!("--ca={}", ca.display()));
    }
    if !says("--output") && global.output != Output::default() {
        let value = global.output.to_possible_value().expect("no output is hidden");
        line.push(format!("--output={}", value.get_name()));
    }
    line.extend(words);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_admin::FailureKind;

    #[track_caller]
    fn check(line: &str, directories: &[&str], output: Output) {
        let outer = Global { directories: vec!["a:1".into(), "b:2".into()], output: Output::Json, ca: Some("ca.pem".into()) };
        let words = line.split(' ').map(str::to_string).collect();
        let matches = Console { global: &outer }.definitions().try_get_matches_from(command_line(&outer, words)).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        assert_eq!(
            (cli.global.directories, cli.global.output),
            (directories.iter().map(|text| text.to_string()).collect(), output),
            "{line}"
        );
        assert_eq!(cli.global.ca, Some(if line.contains("--ca") { "other.pem".into() } else { "ca.pem".into() }), "{line}");
    }

    #[test]
    fn a_line_can_say_otherwise() {
        check("ring show", &["a:1", "b:2"], Output::Json);
        check("ring show --directory c:3", &["c:3"], Output::Json);
        check("ring show --ca other.pem", &["a:1", "b:2"], Output::Json);
        check("ring show --directory=c:3 --output=table", &["c:3"], Output::Table);
    }

    #[test]
    fn a_console_explains_and_goes_on() {
        let global = Global { directories: vec!["127.0.0.1:1".into()], output: Output::Table, ca: None };
        let mut console = Console { global: &global };
        let mut run = |line: &str| console.run(line.split(' ').map(str::to_string).collect()).map_err(|failure| failure.kind);
        assert_eq!(run("ring owner #erlang --nodes 192.0.2.1"), Ok(()));
        assert_eq!(run("help"), Ok(()));
        assert_eq!(run("help ring owner"), Ok(()));
        assert_eq!(run("help frob"), Err(FailureKind::Usage));
        assert_eq!(run("notices off"), Err(FailureKind::Usage));
        assert_eq!(run("frob"), Err(FailureKind::Usage));
        assert_eq!(run("serve --config x"), Err(FailureKind::Usage));
        assert_eq!(run("plugin try"), Err(FailureKind::Usage));
    }

    #[test]
    fn nobody_is_told_to_type_the_name_of_the_program() {
        let global = Global { directories: vec!["127.0.0.1:1".into()], output: Output::Table, ca: None };
        let console = Console { global: &global };
        for line in ["", "ring", "ring owner", "help ring owner", "ring owner --help", "help"] {
            let error = console.definitions().try_get_matches_from(line.split_whitespace());
            let text = error.map_or_else(|error| words_of(&error), |_| String::new());
            assert!(!text.contains("chatctl"), "{line:?}: {text}");
            assert!(line.is_empty() || text.contains("Usage: ") && !text.contains("Usage:  "), "{line:?}: {text}");
        }
    }
}
