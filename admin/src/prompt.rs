//! Typing while others talk: a prompt whose line survives whatever is printed meanwhile, and one that does not show what is typed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, Config, Context, Editor, ExternalPrinter, Helper};

use crate::complete;
use crate::failure::Failure;

/// The nicks heard of in a chat, for completion. Bounded; past that, new ones are not remembered.
#[derive(Clone, Debug, Default)]
pub struct Nicks(Arc<Mutex<BTreeSet<String>>>);

const NICKS_MAX: usize = 10_000;

impl Nicks {
    /// Someone is there.
    pub fn add(&self, nick: &str) {
        let mut nicks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nicks.len() < NICKS_MAX {
            nicks.insert(nick.to_string());
        }
    }

    /// Someone went.
    pub fn remove(&self, nick: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(nick);
    }

    fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// What came of waiting for a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// This was typed.
    Typed(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
}

/// The prompt of a chat.
pub struct ChatPrompt {
    editor: Editor<Nicks, MemHistory>,
}

/// Prints above the prompt, from any thread.
pub type Printer = Box<dyn ExternalPrinter + Send>;

impl ChatPrompt {
    /// Takes the terminal.
    pub fn open(nicks: Nicks) -> Result<(ChatPrompt, Printer), Failure> {
        let config = Config::builder().auto_add_history(true).build();
        let mut editor: Editor<Nicks, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(broken)?;
        editor.set_helper(Some(nicks));
        let printer = editor.create_external_printer().map_err(broken)?;
        Ok((ChatPrompt { editor }, Box::new(printer)))
    }

    /// Waits for a line.
    pub fn line(&mut self, prompt: &str) -> Result<Line, Failure> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Line::Typed(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(broken(error)),
        }
    }
}

impl Helper for Nicks {}
impl Highlighter for Nicks {}
impl Validator for Nicks {}
impl Hinter for Nicks {
    type Hint = String;
}

impl Completer for Nicks {
    type Candidate = String;
    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::chat(&self.list(), line, pos))
    }
}

/// Asks for something that nobody should read over one's shoulder.
pub fn secret(prompt: &str) -> Result<String, Failure> {
    let config = Config::builder().color_mode(ColorMode::Forced).build();
    let mut editor: Editor<Masked, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(broken)?;
    editor.set_helper(Some(Masked));
    match editor.readline(prompt) {
        Ok(line) => Ok(line),
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => Err(Failure::usage("nothing was typed")),
        Err(error) => Err(broken(error)),
    }
}

struct Masked;

impl Helper for Masked {}
impl Validator for Masked {}
impl Hinter for Masked {
    type Hint = String;
}
impl Completer for Masked {
    type Candidate = String;
}

impl Highlighter for Masked {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> std::borrow::Cow<'l, str> {
        "*".repeat(line.chars().count()).into()
    }
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

fn broken(error: ReadlineError) -> Failure {
    Failure::usage(format!("the terminal does not work: {error}")).advise("Without a terminal, lines can be piped in.")
}
