//! The prompt of `chatctl` without a command. The same commands without a prompt are a [script](crate::script).
//!
//! Knows no command by itself: lines become words, words go to whoever parses them. Ctrl-C gives up the line, Ctrl-D the console.

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Command;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::complete;
use crate::failure::Failure;
use crate::words::split;

/// What the console needs of the commands.
pub trait Commands {
    /// Their definitions, built.
    fn definitions(&self) -> Command;
    /// Runs one, given as words without a program's name.
    fn run(&mut self, words: Vec<String>) -> Result<(), Failure>;
    /// Asks the network for the names of its groups, for completion. May take a moment; empty when nobody answers.
    fn groups(&self) -> Box<dyn Fn() -> Vec<String>>;
}

/// What the prompt adds to the help of the commands.
pub const LEAVING: &str = "quit, exit or Ctrl-D leaves the prompt.";

/// Lines a history keeps; the oldest go first.
const HISTORY_LINES: usize = 1000;

/// Reads commands from a terminal until someone has enough.
pub fn interactive(commands: &mut dyn Commands, history: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::builder().max_history_size(HISTORY_LINES).and_then(|config| config.history_ignore_dups(true));
    let config = config.map_err(broken)?.auto_add_history(true).completion_type(CompletionType::List).build();
    let mut editor: Editor<Completing, FileHistory> = Editor::with_config(config).map_err(broken)?;
    editor.set_helper(Some(Completing { definitions: commands.definitions(), ask: commands.groups(), groups: RefCell::default() }));
    if let Some(path) = &history {
        // There is none the first time.
        let _ = editor.load_history(path);
    }
    println!("help lists the commands, Tab completes them, Ctrl-D leaves.");
    loop {
        match editor.readline("chatring> ") {
            Ok(line) => match run_line(commands, &line) {
                Ok(Then::GoOn) => {}
                Ok(Then::Leave) => break,
                Err(failure) => eprintln!("{failure}"),
            },
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(broken(error)),
        }
        if let Some(helper) = editor.helper_mut() {
            helper.forget_failure();
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        eprintln!("The history could not be written to {}: {error}", path.display());
    }
    Ok(())
}

enum Then {
    GoOn,
    Leave,
}

fn run_line(commands: &mut dyn Commands, line: &str) -> Result<Then, Failure> {
    let words = split(line).map_err(|bad| Failure::usage(bad.to_string()))?;
    match words.first().map(String::as_str) {
        None => Ok(Then::GoOn),
        Some("quit" | "exit") => Ok(Then::Leave),
        Some(_) => commands.run(words).map(|()| Then::GoOn),
    }
}

fn broken(error: ReadlineError) -> Failure {
    Failure::usage(format!("the terminal does not work: {error}")).advise("Commands can be piped in as well, one on each line.")
}

struct Completing {
    definitions: Command,
    ask: Box<dyn Fn() -> Vec<String>>,
    /// As they were when first wanted.
    groups: RefCell<Option<Vec<String>>>,
}

impl Completing {
    /// Asked once, since a key press should not wait for a server each time.
    fn groups(&self) -> Vec<String> {
        self.groups.borrow_mut().get_or_insert_with(&self.ask).clone()
    }

    /// Where there was no answer, the next line may ask again.
    fn forget_failure(&mut self) {
        self.groups.get_mut().take_if(|groups| groups.is_empty());
    }
}

impl Helper for Completing {}
impl Highlighter for Completing {}
impl Validator for Completing {}
impl Hinter for Completing {
    type Hint = String;
}

impl Completer for Completing {
    type Candidate = String;
    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut found) = complete::console(&self.definitions, || self.groups(), line, pos);
        if let [only] = found.as_mut_slice() {
            only.push(' ');
        }
        Ok((start, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn groups_are_asked_for_once_they_are_wanted() {
        let asked = Rc::new(Cell::new(0));
        let ask = {
            let asked = asked.clone();
            Box::new(move || {
                asked.set(asked.get() + 1);
                // Nobody answers the first time.
                if asked.get() == 1 { Vec::new() } else { vec!["#a".to_string()] }
            })
        };
        let mut definitions = Command::new("x").subcommand(Command::new("check").arg(clap::Arg::new("group")));
        definitions.build();
        let mut helper = Completing { definitions, ask, groups: RefCell::default() };
        let history = rustyline::history::MemHistory::new();
        let complete = |helper: &Completing, line: &str| helper.complete(line, line.len(), &Context::new(&history)).unwrap().1;
        assert_eq!(complete(&helper, "che"), ["check "]);
        assert_eq!(asked.get(), 0);
        assert!(complete(&helper, "check ").is_empty());
        assert!(complete(&helper, "check ").is_empty());
        assert_eq!(asked.get(), 1);
        helper.forget_failure();
        assert_eq!(complete(&helper, "check "), ["#a "]);
        helper.forget_failure();
        assert_eq!(complete(&helper, "check #"), ["#a "]);
        assert_eq!(asked.get(), 2);
    }
}
