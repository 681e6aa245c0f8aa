//! A line of the console while it is typed: completed, hinted at and coloured on a terminal that can show that, and plain on one that can't.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Command;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper};

use crate::complete::{self, Want};
use crate::failure::Failure;
use crate::health::Seen;
use crate::hint::{self, Hint};
use crate::names::Names;
use crate::place::Place;
use crate::prompt::{Line, Printer, came_of, reading};
use crate::words::{scan, typed};
use crate::{history, interrupt, paint};

/// What is known of the network, as the prompt shows it.
pub type Sight = Arc<Mutex<Seen>>;

/// Where commands are typed.
pub enum Terminal {
    /// One that can move its cursor.
    Full(Box<Full>),
    /// One that can't: lines as they come, edited by the system.
    Plain,
}

/// The line editor, and where its history is.
pub struct Full {
    editor: Editor<Typing, FileHistory>,
    history: Option<PathBuf>,
}

/// Terminals that the line editor can't do anything with.
const PLAIN: [&str; 3] = ["dumb", "cons25", "emacs"];

impl Terminal {
    /// Takes the terminal, as far as it goes: no escape sequences where TERM says that it knows none, or where standard output is no terminal.
    pub fn open(
        definitions: Command,
        names: Names,
        sight: Sight,
        history: Option<PathBuf>,
    ) -> Result<(Terminal, Option<Printer>), Failure> {
        let is_plain = |term: std::ffi::OsString| PLAIN.iter().any(|plain| term.eq_ignore_ascii_case(plain));
        if !io::stdout().is_terminal() || std::env::var_os("TERM").is_some_and(is_plain) {
            return Ok((Terminal::Plain, None));
        }
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let config = Config::builder().max_history_size(history::LINES_MAX).and_then(|config| config.history_ignore_dups(true));
        // Without colours, too, the prompt is painted anew, since it may have changed.
        let config = config.map_err(broken)?.color_mode(ColorMode::Forced).completion_type(CompletionType::List).build();
        let mut editor: Editor<Typing, FileHistory> = Editor::with_config(config).map_err(broken)?;
        let files = FilenameCompleter::new();
        editor.set_helper(Some(Typing { definitions, names, files, sight, colours, is_empty: Cell::new(true) }));
        let history = history.filter(|path| match history::prepare(path) {
            Ok(()) => {
                // Lines that can't be read are not missed by anyone who is about to type others.
                let _ = editor.load_history(path);
                true
            }
            Err(error) => {
                eprintln!("What is typed is not kept: {}: {error}", path.display());
                false
            }
        });
        let printer = editor.create_external_printer().map_err(broken)?;
        Ok((Terminal::Full(Box::new(Full { editor, history })), Some(Box::new(printer))))
    }

    /// Waits for a line.
    pub fn line(&mut self, prompt: &str) -> Result<Line, Failure> {
        match self {
            Terminal::Full(full) => came_of(reading(|| full.editor.readline(prompt))).map_err(broken),
            Terminal::Plain => plain_line(prompt).map_err(|error| broken(error.into())),
        }
    }

    /// The line that was given up had something in it.
    pub fn gave_something_up(&self) -> bool {
        matches!(self, Terminal::Full(full) if full.editor.helper().is_some_and(|typing| !typing.is_empty.get()))
    }

    /// Keeps a line that was typed, unless it is nobody's business.
    pub fn remember(&mut self, line: &str) {
        let Terminal::Full(full) = self else { return };
        let Full { editor, history } = &mut **full;
        if !editor.helper().is_some_and(|typing| history::may_keep(&typing.definitions, line)) {
            return;
        }
        let added = editor.add_history_entry(line);
        if let (Ok(true), Some(path)) = (added, history.as_ref())
            && let Err(error) = editor.append_history(path)
        {
            eprintln!("What is typed is not kept any more: {}: {error}", path.display());
            *history = None;
        }
    }
}

fn broken(error: ReadlineError) -> Failure {
    Failure::usage(format!("the terminal does not work: {error}")).advise("Commands can be piped in as well, one on each line.")
}

/// Bytes of a line, and of the lines it goes on in.
const PLAIN_BYTES_MAX: u64 = 64 * 1024;

/// The system edits the line, and throws it away at Ctrl-C; what was typed before it goes then, too.
fn plain_line(prompt: &str) -> io::Result<Line> {
    let given_up = Arc::new(AtomicBool::new(false));
    let again = {
        let (given_up, prompt) = (given_up.clone(), prompt.to_string());
        move || {
            if interrupt::leaving() {
                // Nobody can be woken who reads so, and there is nothing to put in order.
                let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTERM);
            }
            given_up.store(true, Ordering::SeqCst);
            say(&format!("\nCtrl-D or quit leaves.\n{prompt}"));
        }
    };
    say(prompt);
    let _guard = interrupt::on(again);
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if io::stdin().lock().take(PLAIN_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(Line::End);
        }
        if given_up.swap(false, Ordering::SeqCst) {
            text.clear();
        }
        text.push_str(line.trim_end_matches(['\r', '\n']));
        let done = scan(&text).bad.is_none();
        if done || text.len() as u64 > PLAIN_BYTES_MAX {
            return Ok(Line::Typed(text));
        }
        text.push('\n');
        say("> ");
    }
}

/// A terminal that is gone is noticed by whoever reads.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Helps with the line that is being typed.
struct Typing {
    definitions: Command,
    names: Names,
    files: FilenameCompleter,
    sight: Sight,
    colours: bool,
    /// As it was when it was last changed.
    is_empty: Cell<bool>,
}

impl Typing {
    /// What will be wanted with the next Tab is fetched while one types.
    fn prepare(&self, line: &str) {
        let (words, _) = typed(line);
        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        if let Some(want) = Want::of(&Place::of(&self.definitions, &words)) {
            self.names.prepare(&want);
        }
    }
}

impl Helper for Typing {}

impl Validator for Typing {
    /// Inside of quotes, and behind a backslash, the line goes on.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if scan(context.input()).bad.is_some() { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Typing {
    type Hint = Hint;

    /// Without colours a hint would look like what was typed.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Hint> {
        self.is_empty.set(line.is_empty());
        if pos < line.len() {
            return None;
        }
        self.prepare(line);
        if self.colours { hint::hint(&self.definitions, line, context) } else { None }
    }
}

impl Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        if self.colours { paint::line(&self.definitions, line, pos).into() } else { line.into() }
    }

    /// The prompt was made when the line began; it shows how the network is now, as far as there is room.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, is_ours: bool) -> Cow<'b, str> {
        if !is_ours {
            return prompt.into();
        }
        let (now, well) = self.sight.lock().unwrap_or_else(PoisonError::into_inner).prompt_in_place_of(prompt);
        if well || !self.colours { now.into() } else { paint::red(&now).into() }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        paint::grey(hint).into()
    }

    /// Each key shows the line anew, prompt and all.
    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if complete::wants_path(&self.definitions, line, pos) {
            let (start, mut found) = self.files.complete_path(line, pos)?;
            complete::cut(&mut found);
            return Ok((start, found));
        }
        let (start, found) = complete::console(&self.definitions, |want| self.names.list(want), line, pos);
        // What is complete is done with.
        let end = if found.len() == 1 { " " } else { "" };
        Ok((start, found.into_iter().map(|one| Pair { replacement: format!("{one}{end}"), display: one }).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Kind;
    use rustyline::history::MemHistory;

    fn typing(colours: bool) -> Typing {
        let ask = |want: &Want| (want.kind == Kind::Group).then(|| vec!["#a".to_string()]);
        let definitions = crate::place::tests::command();
        let (names, files) = (Names::new(Arc::new(ask)), FilenameCompleter::new());
        Typing { definitions, names, files, sight: Sight::default(), colours, is_empty: Cell::new(true) }
    }

    #[test]
    fn candidates_come_from_definitions_the_network_and_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib.so"), "").unwrap();
        let file = dir.path().join("li").display().to_string();
        let history = MemHistory::new();
        let check = |line: &str, expect: &str| {
            let (start, found) = typing(true).complete(line, line.len(), &Context::new(&history)).unwrap();
            let found: Vec<&str> = found.iter().map(|one| one.replacement.as_str()).collect();
            assert_eq!(format!("{}{}", &line[..start], found.join("|")), expect);
        };
        check("r", "ring ");
        check("ring ", "ring help|owner|show");
        check("ring owner ", "ring owner #a ");
        check(&format!("plugin load {file}"), &format!("plugin load {file}b.so"));
    }

    #[test]
    fn nothing_is_coloured_where_nobody_wants_it() {
        let history = MemHistory::new();
        let bare = typing(false);
        assert_eq!(bare.highlight("ring frob", 9), "ring frob");
        assert_eq!(bare.hint("ring ", 5, &Context::new(&history)), None);
        assert!(typing(true).highlight("ring frob", 9).contains("\x1b[31m"));
        assert!(typing(true).hint("ring ", 5, &Context::new(&history)).is_some());
    }

    #[test]
    fn the_prompt_changes_while_one_types() {
        let typing = typing(true);
        *typing.sight.lock().unwrap() = Seen::Silence;
        let shown = typing.highlight_prompt("example 1.5 ok> ", true).into_owned();
        assert_eq!(shown, paint::red("(no directory)> "));
        assert_eq!(typing.highlight_prompt("(reverse-i-search)`x': ", false), "(reverse-i-search)`x': ");
    }
}
