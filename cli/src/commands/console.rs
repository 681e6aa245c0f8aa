//! `chatctl` without a command: the prompt, or commands from a pipe.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use chatring_admin::console::{Commands, interactive, piped};
use chatring_admin::{Failure, Output, state};
use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser, ValueEnum};

use super::{Cli, Global, net};

/// Reads commands until there are no more.
pub fn run(global: &Global) -> Result<(), Failure> {
    let mut console = Console { global, groups: BTreeSet::new() };
    if std::io::stdin().is_terminal() { interactive(&mut console, state::file("history")) } else { piped(&mut console, net::stdin_line) }
}

struct Console<'a> {
    global: &'a Global,
    /// Groups that were named so far.
    groups: BTreeSet<String>,
}

/// Groups that completion remembers.
const GROUPS_MAX: usize = 1000;

impl Commands for Console<'_> {
    fn definitions(&self) -> Command {
        let mut command = Cli::command();
        command.build();
        command
    }

    fn run(&mut self, words: Vec<String>) -> Result<(), Failure> {
        if self.groups.len() < GROUPS_MAX {
            self.groups.extend(words.iter().filter(|word| word.starts_with('#')).cloned());
        }
        match Cli::try_parse_from(command_line(self.global, words)) {
            Ok(Cli { verb: Some(verb), global }) => super::run(verb, &global),
            Ok(Cli { verb: None, .. }) => Err(Failure::usage("there is no command on this line").advise("help lists the commands.")),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                // Standard output that nobody reads is no failure of the command.
                let _ = error.print();
                Ok(())
            }
            Err(error) => Err(Failure::usage(error.to_string().trim_end().trim_start_matches("error: "))),
        }
    }

    fn names(&self) -> Vec<String> {
        self.groups.iter().cloned().collect()
    }
}

/// The words as a command line, with what the console itself was told where the line does not say otherwise.
fn command_line(global: &Global, words: Vec<String>) -> Vec<String> {
    let says =
        |option: &str| words.iter().any(|word| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('=')));
    let mut line = vec!["chatctl".to_string()];
    if !says("--directory") {
        line.extend(global.directories.iter().map(|address| format!("--directory={address}")));
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
        let outer = Global { directories: vec!["a:1".into(), "b:2".into()], output: Output::Json };
        let words = line.split(' ').map(str::to_string).collect();
        let cli = Cli::try_parse_from(command_line(&outer, words)).unwrap();
        assert_eq!(
            (cli.global.directories, cli.global.output),
            (directories.iter().map(|text| text.to_string()).collect(), output),
            "{line}"
        );
    }

    #[test]
    fn a_line_can_say_otherwise() {
        check("ring show", &["a:1", "b:2"], Output::Json);
        check("ring show --directory c:3", &["c:3"], Output::Json);
        check("ring show --directory=c:3 --output=table", &["c:3"], Output::Table);
    }

    #[test]
    fn a_console_explains_and_goes_on() {
        let global = Global { directories: vec!["127.0.0.1:1".into()], output: Output::Table };
        let mut console = Console { global: &global, groups: BTreeSet::new() };
        let mut run = |line: &str| console.run(line.split(' ').map(str::to_string).collect()).map_err(|failure| failure.kind);
        assert_eq!(run("ring owner #erlang --nodes 192.0.2.1"), Ok(()));
        assert_eq!(run("help"), Ok(()));
        assert_eq!(run("frob"), Err(FailureKind::Usage));
        assert_eq!(run("serve --config x"), Err(FailureKind::Usage));
        assert_eq!(console.names(), ["#erlang"]);
    }
}
