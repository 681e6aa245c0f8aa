//! Typing while others talk: a prompt whose line survives whatever is printed meanwhile, and one that does not show what is typed.
//!
//! The prompt of a chat is the time and one's own name, in the form of everyone's lines: what was typed stays on the screen as what was said.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper};

use crate::failure::Failure;
use crate::text::{clock, now};
use crate::{complete, interrupt};

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

/// What one is called oneself. It changes on one thread while another waits for lines.
#[derive(Clone, Debug, Default)]
pub struct OwnNick(Arc<(Mutex<Naming>, Condvar)>);

#[derive(Debug, Default)]
struct Naming {
    nick: String,
    /// Requests for another name that were answered.
    answers: u64,
}

impl OwnNick {
    /// This is the name now.
    pub fn set(&self, nick: &str) {
        let (naming, changed) = &*self.0;
        let mut naming = naming.lock().unwrap_or_else(PoisonError::into_inner);
        if naming.nick != nick {
            naming.nick = nick.to_string();
            naming.answers += 1;
            changed.notify_all();
        }
    }

    /// Something was refused; it may have been another name.
    pub fn refused(&self) {
        let (naming, changed) = &*self.0;
        naming.lock().unwrap_or_else(PoisonError::into_inner).answers += 1;
        changed.notify_all();
    }

    /// Runs something that asks for another name, and waits a moment for what comes of it: the next prompt should show it.
    pub fn changing<T>(&self, ask: impl FnOnce() -> T) -> T {
        let (naming, changed) = &*self.0;
        let before = naming.lock().unwrap_or_else(PoisonError::into_inner).answers;
        let result = ask();
        let guard = naming.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(guard, NAMING_MAX, |naming| naming.answers == before));
        result
    }

    fn get(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).nick.clone()
    }
}

/// How long the prompt waits for another name.
const NAMING_MAX: Duration = Duration::from_secs(1);

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
    editor: Editor<Chat, MemHistory>,
    own: OwnNick,
}

/// Prints above the prompt, from any thread.
pub type Printer = Box<dyn ExternalPrinter + Send>;

impl ChatPrompt {
    /// Takes the terminal.
    pub fn open(nicks: Nicks, own: OwnNick) -> Result<(ChatPrompt, Printer), Failure> {
        let config = Config::builder().auto_add_history(true).completion_type(CompletionType::List).build();
        let mut editor: Editor<Chat, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(broken)?;
        editor.set_helper(Some(Chat(nicks)));
        let printer = editor.create_external_printer().map_err(broken)?;
        Ok((ChatPrompt { editor, own }, Box::new(printer)))
    }

    /// Waits for a line.
    pub fn line(&mut self) -> Result<Line, Failure> {
        let prompt = format!("{} <{}> ", clock(now()), self.own.get());
        came_of(reading(|| self.editor.readline(&prompt))).map_err(broken)
    }
}

/// Has a line read; whoever asks the process to end meanwhile ends the reading.
pub(crate) fn reading<T>(read: impl FnOnce() -> T) -> T {
    let _guard = interrupt::on(|| {
        if interrupt::leaving() {
            // The line editor takes it for a Ctrl-C.
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGINT);
        }
    });
    read()
}

/// What reading a line came to.
pub(crate) fn came_of(read: rustyline::Result<String>) -> rustyline::Result<Line> {
    match read {
        Ok(line) => Ok(Line::Typed(line)),
        Err(ReadlineError::Interrupted) if interrupt::leaving() => Ok(Line::End),
        Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
        Err(ReadlineError::Eof) => Ok(Line::End),
        Err(error) => Err(error),
    }
}

/// Completes nicks, and keeps the prompt's clock.
struct Chat(Nicks);

impl Helper for Chat {}
impl Validator for Chat {}
impl Hinter for Chat {
    type Hint = String;
}

impl Highlighter for Chat {
    /// The prompt was made when the line began; what is said is said when it is typed. Both are of one width.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        match prompt.split_once(' ') {
            Some((_, rest)) => format!("{} {rest}", clock(now())).into(),
            None => prompt.into(),
        }
    }

    /// Each key shows the line anew, prompt and all.
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

impl Completer for Chat {
    type Candidate = String;
    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::chat(&self.0.list(), line, pos))
    }
}

/// Asks for something that nobody should read over one's shoulder.
pub fn secret(prompt: &str) -> Result<String, Failure> {
    let config = Config::builder().color_mode(ColorMode::Forced).build();
    let mut editor: Editor<Masked, MemHistory> = Editor::with_history(config, MemHistory::new()).map_err(broken)?;
    editor.set_helper(Some(Masked));
    match reading(|| editor.readline(prompt)) {
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
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        "*".repeat(line.chars().count()).into()
    }
    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

fn broken(error: ReadlineError) -> Failure {
    Failure::usage(format!("the terminal does not work: {error}")).advise("Without a terminal, lines can be piped in.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_is_waited_for() {
        let own = OwnNick::default();
        own.set("joe");
        let began = std::time::Instant::now();
        own.changing(|| own.set("joe2"));
        own.changing(|| own.refused());
        assert!(began.elapsed() < NAMING_MAX, "it was answered at once");
        assert_eq!(own.get(), "joe2");
    }

    #[test]
    fn the_clock_goes_on_while_one_types() {
        let shown = Chat(Nicks::default()).highlight_prompt("99:99 <joe> ", true).into_owned();
        assert!(shown.ends_with(" <joe> ") && shown.len() == "99:99 <joe> ".len() && shown != "99:99 <joe> ", "{shown}");
    }
}
