//! `chatctl` in a terminal of its own: keys go in, and what comes out is waited for.

use rexpect::process::Signal;
use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};
use std::process::Command;

/// A terminal with a program in it, which ends with it.
pub struct Terminal {
    session: PtySession,
    /// How a prompt begins that was not there before: lines that are painted anew look otherwise.
    beginning: &'static str,
    /// All that came out so far.
    seen: String,
}

pub const ENTER: &str = "\r";
pub const TAB: &str = "\t";
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
/// Takes the line away.
pub const CTRL_U: &str = "\x15";
pub const CTRL_R: &str = "\x12";
pub const RIGHT: &str = "\x1b[C";

/// The line editor takes the terminal, and paints the line.
const BEGINNING: &str = "\x1b[?2004h\x1b[?2026h\r\x1b[K";

impl Terminal {
    /// A terminal of this name (TERM), of which what comes out is looked at as it is or without escape sequences.
    #[track_caller]
    pub fn start(mut command: Command, term: &str, as_it_is: bool) -> Terminal {
        command.env("TERM", term).env_remove("NO_COLOR");
        Terminal::open(command, as_it_is, if term == "dumb" { "\n" } else { BEGINNING })
    }

    /// The same with NO_COLOR.
    #[track_caller]
    pub fn without_colours(mut command: Command) -> Terminal {
        command.env("TERM", "xterm").env("NO_COLOR", "1");
        Terminal::open(command, true, BEGINNING)
    }

    #[track_caller]
    fn open(command: Command, as_it_is: bool, beginning: &'static str) -> Terminal {
        let options = Options::new().timeout_ms(Some(super::PATIENCE.as_millis() as u64)).strip_ansi_escape_codes(!as_it_is);
        let beginning = if as_it_is { beginning } else { "\n\r" };
        Terminal { session: spawn_with_options(command, options).unwrap(), beginning, seen: String::new() }
    }

    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
        self.session.flush().unwrap();
    }

    /// Waits for a text, and gives what came before it.
    #[track_caller]
    pub fn see(&mut self, text: &str) -> String {
        match self.session.exp_string(text) {
            Ok(before) => {
                self.seen += &before;
                self.seen += text;
                before
            }
            Err(error) => panic!("{text:?} is not seen: {error}\nbehind:\n{}", self.seen),
        }
    }

    /// Waits for a new prompt, of a network in good health, and gives what came before.
    #[track_caller]
    pub fn prompt(&mut self) -> String {
        let before = self.see(&format!("{}test ", self.beginning));
        before + &self.see("ok> ")
    }

    /// Types a line, sees it, and runs it.
    #[track_caller]
    pub fn line(&mut self, line: &str) {
        self.keys(line);
        self.see(&format!("> {line}"));
        self.keys(ENTER);
    }

    /// As `kill` does it.
    pub fn terminate(&mut self) {
        self.session.process_mut().signal(Signal::SIGTERM).unwrap();
    }

    /// Waits until the program has ended, and gives what came before that.
    #[track_caller]
    pub fn end(&mut self) -> String {
        match self.session.exp_eof() {
            Ok(rest) => rest,
            Err(error) => panic!("it does not end: {error}\nbehind:\n{}", self.seen),
        }
    }
}
