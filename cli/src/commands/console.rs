//! `chatctl` without a command: the prompt, or a script.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chatring_admin::console::{self, Commands, Network, interactive};
use chatring_admin::script::{self, Line};
use chatring_admin::{Failure, Output, state};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command};

use super::global::{Global, Said};
use super::network::Asked;
use super::registry::{self, Needs, Role};
use super::{carry_out, help, net, tell};

/// Commands that nobody types. Without any of it, and without a terminal, they are read from standard input.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Scripts")]
pub struct ScriptArgs {
    /// Run this command; repeat it for more
    #[arg(short = 'e', long = "execute", value_name = "COMMAND", conflicts_with = "file")]
    execute: Vec<String>,
    /// Run the commands in this file, one on each line; - is standard input
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Go on after a command that failed; the first failure gives the exit code
    #[arg(long)]
    keep_going: bool,
}

/// How clap calls them.
pub const SCRIPT: [&str; 3] = ["execute", "file", "keep_going"];

impl ScriptArgs {
    /// Whether anything of it was said.
    pub fn is_given(&self) -> bool {
        !self.execute.is_empty() || self.file.is_some() || self.keep_going
    }

    /// Where commands come from.
    fn lines(&self) -> Result<Box<dyn Iterator<Item = Line> + '_>, Failure> {
        Ok(match &self.file {
            _ if !self.execute.is_empty() => Box::new(numbered("-e ", self.execute.iter().map(|text| Ok(text.clone())))),
            Some(path) if path != Path::new("-") => {
                let file = File::open(path).map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", path.display())))?;
                let mut file = BufReader::new(file);
                Box::new(numbered(&format!("{}:", path.display()), std::iter::from_fn(move || net::line_of(&mut file))))
            }
            _ => Box::new(numbered("standard input:", std::iter::from_fn(net::stdin_line))),
        })
    }
}

fn numbered<'a>(prefix: &str, texts: impl Iterator<Item = std::io::Result<String>> + 'a) -> impl Iterator<Item = Line> + 'a {
    let prefix = prefix.to_string();
    (1..).zip(texts).map(move |(number, text): (u64, _)| Line { at: format!("{prefix}{number}"), text })
}

/// Reads commands until there are no more.
pub fn begin(script: &ScriptArgs, matches: &ArgMatches, output: Output) -> ExitCode {
    let done = outer(matches).and_then(|global| {
        let mut console = Console { global: &global };
        if !script.is_given() && std::io::stdin().is_terminal() {
            return interactive(&mut console, state::file("history")).map(|()| None);
        }
        Ok(script::run(
            |words| console.run(words),
            script.lines()?,
            script.keep_going,
            |failure| {
                tell(failure, output);
            },
        ))
    });
    match done {
        Ok(None) => ExitCode::SUCCESS,
        // It was told when it happened.
        Ok(Some(first)) => first.exit_code(),
        Err(failure) => tell(&failure, output),
    }
}

/// What holds for all lines. Whoever has a credential gives it now, and not in the middle of things.
fn outer(matches: &ArgMatches) -> Result<Global, Failure> {
    let layers = Said::layers(matches).map_err(|error| misread(&error))?;
    Global::settle(layers, None, Needs::Role(Role::Viewer))
}

struct Console<'a> {
    global: &'a Global,
}

/// As in a shell, but nobody types the program's name here, what the environment says was heard before, and the prompt has commands of its own.
pub(super) fn definitions() -> Command {
    let command = registry::definitions(true).no_binary_name(true).bin_name("").subcommands(console::own());
    let mut command = command.mut_args(|arg| arg.env(None::<&str>));
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
        match definitions().try_get_matches_from(words) {
            Ok(matches) => carry_out(&matches, Some(self.global)),
            Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                show(&words_of(&error));
                Ok(())
            }
            Err(error) => Err(misread(&error)),
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

/// A line that is no command.
pub fn misread(error: &clap::Error) -> Failure {
    Failure::usage(words_of(error).trim_end().trim_start_matches("error: "))
}

/// Without a program's name there would be two blanks.
fn words_of(error: &clap::Error) -> String {
    error.to_string().replace("Usage:  ", "Usage: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_admin::FailureKind;
    use chatring_admin::words::split;

    /// What holds for a line, where something was said before it.
    #[track_caller]
    fn check(line: &str, directories: &[&str], output: Output) {
        let before = registry::definitions(false).try_get_matches_from([
            "chatctl",
            "--directory=a:1,b:2",
            "--output=json",
            "--ca=ca.pem",
            "--timeout=9s",
            "--columns=key",
        ]);
        let outer = Global::settle(Said::layers(&before.unwrap()).unwrap(), None, Needs::Person).unwrap();
        let matches = Console { global: &outer }.definitions().try_get_matches_from(line.split(' ')).unwrap();
        let global = Global::settle(Said::layers(&matches).unwrap(), Some(&outer), Needs::Person).unwrap();
        assert_eq!((global.directories.as_slice(), global.output.output), (directories.map_strings().as_slice(), output), "{line}");
        assert_eq!(global.ca, Some(if line.contains("--ca") { "other.pem".into() } else { "ca.pem".into() }), "{line}");
        assert_eq!(global.patience_ms(), if line.contains("--timeout") { 5_000 } else { 9_000 }, "{line}");
        assert_eq!(global.output.columns, if line.contains("--columns") { ["name"] } else { ["key"] }, "{line}");
    }

    trait MapStrings {
        fn map_strings(&self) -> Vec<String>;
    }

    impl MapStrings for [&str] {
        fn map_strings(&self) -> Vec<String> {
            self.iter().map(|text| text.to_string()).collect()
        }
    }

    #[test]
    fn a_line_can_say_otherwise() {
        check("ring show", &["a:1", "b:2"], Output::Json);
        check("ring show --directory c:3", &["c:3"], Output::Json);
        check("ring show --ca other.pem --timeout 5s", &["a:1", "b:2"], Output::Json);
        check("--columns name ring show --directory=c:3 --output=table", &["c:3"], Output::Table);
    }

    #[test]
    fn a_console_explains_and_goes_on() {
        let global = Global::of(&["127.0.0.1:1"]);
        let mut console = Console { global: &global };
        let mut run = |line: &str| console.run(line.split(' ').map(str::to_string).collect()).map_err(|failure| failure.kind);
        assert_eq!(run("ring owner #erlang --nodes 192.0.2.1"), Ok(()));
        assert_eq!(run("help"), Ok(()));
        assert_eq!(run("frob"), Err(FailureKind::Usage));
        assert_eq!(run("serve --config x"), Err(FailureKind::Usage));
        assert_eq!(run("plugin try"), Err(FailureKind::Usage));
        assert_eq!(run("-e help"), Err(FailureKind::Usage));
    }

    /// What a line gives, by the names of arguments.
    fn given(matches: &ArgMatches) -> Vec<(String, Vec<String>)> {
        let mut inner = matches;
        while let Some((_, next)) = inner.subcommand() {
            inner = next;
        }
        // Groups have names as well, and no text.
        let raw = |id: &clap::Id| inner.try_get_raw(id.as_str()).ok().flatten();
        let given = inner.ids().filter_map(|id| {
            let texts = raw(id)?.map(|text| text.to_string_lossy().into_owned());
            Some((id.to_string(), texts.collect()))
        });
        let mut given: Vec<_> = given.collect();
        given.sort();
        given
    }

    #[test]
    fn a_line_is_the_same_at_the_prompt_as_in_a_shell() {
        let global = Global::of(&["127.0.0.1:1"]);
        let at_prompt = Console { global: &global }.definitions();
        for mark in super::super::marks::MARKS {
            for example in mark.examples {
                let words = split(example.split([';', '>', '|']).next().unwrap().split(" < ").next().unwrap()).unwrap();
                let in_shell =
                    registry::definitions(false).try_get_matches_from([vec!["chatctl".to_string()], words.clone()].concat()).unwrap();
                let typed = at_prompt.clone().try_get_matches_from(words).unwrap();
                assert_eq!((registry::words(&typed), given(&typed)), (registry::words(&in_shell), given(&in_shell)), "{example}");
            }
        }
    }

    #[test]
    fn nobody_is_told_to_type_the_name_of_the_program() {
        let global = Global::of(&["127.0.0.1:1"]);
        let console = Console { global: &global };
        for line in ["", "ring", "ring owner", "help ring owner", "ring owner --help", "help"] {
            let error = console.definitions().try_get_matches_from(line.split_whitespace());
            let text = error.map_or_else(|error| words_of(&error), |_| String::new());
            assert!(!text.contains("chatctl"), "{line:?}: {text}");
            assert!(line.is_empty() || text.contains("Usage: ") && !text.contains("Usage:  "), "{line:?}: {text}");
        }
    }
}
