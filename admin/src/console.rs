//! The prompt of `chatctl` without a command. The same commands without a prompt are a [script](crate::script).
//!
//! Knows no command by itself: lines become words, words go to whoever parses them. Ctrl-C gives up the line, or ends the command that runs; Ctrl-D leaves.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use clap::{Arg, Command};

use crate::beside::{Beside, Errand};
use crate::complete::Want;
use crate::failure::Failure;
use crate::health::{Health, Seen, news};
use crate::interrupt;
use crate::names::Names;
use crate::prompt::Line;
use crate::typing::{Sight, Terminal};
use crate::words::commands;

/// What the console needs of the commands.
pub trait Commands {
    /// Their definitions, built, with [`own`] among them.
    fn definitions(&self) -> Command;
    /// Runs one, given as words without a program's name.
    fn run(&mut self, words: Vec<String>) -> Result<(), Failure>;
    /// The network that they are about.
    fn network(&self) -> Arc<dyn Network>;
}

/// What the prompt asks of a network, on threads of its own. Each answer may take a moment; it is given up when nobody is there.
pub trait Network: Send + Sync {
    /// Names of what there is, for completion. `None` where nobody answers.
    fn names(&self, want: &Want) -> Option<Vec<String>>;
    /// How it is. `None` where no directory server answers.
    fn health(&self) -> Option<Health>;
}

/// The commands of the prompt itself.
pub fn own() -> [Command; 3] {
    let what = Arg::new("what").value_name("on|off").value_parser(["on", "off"]).help("Without it, says how it is");
    [
        Command::new("notices")
            .about("Lines above the prompt when the ring changes, or the directory can't be reached: on or off")
            .arg(what),
        Command::new("quit").about("Leave the prompt, as exit and Ctrl-D do"),
        Command::new("exit").about("Leave the prompt, as quit and Ctrl-D do"),
    ]
}

/// How often it is asked how the network is, while the prompt waits.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a prompt waits to show what a command has changed; the first one, to show anything.
const MOMENT: Duration = Duration::from_millis(150);
const FIRST_MOMENT: Duration = Duration::from_millis(400);

/// Reads commands from a terminal until someone has enough.
pub fn interactive(commands: &mut dyn Commands, history: Option<PathBuf>) -> Result<(), Failure> {
    interrupt::listen().map_err(|error| Failure::refused(format!("signals can't be listened to: {error}")))?;
    let (network, sight) = (commands.network(), Sight::default());
    let names = {
        let network = network.clone();
        Names::new(Arc::new(move |want| network.names(want)))
    };
    let (terminal, printer) = Terminal::open(commands.definitions(), names.clone(), sight.clone(), history)?;
    let notices = printer.is_some().then(|| Arc::new(AtomicBool::new(true)));
    let beside = Beside::new(printer);
    let look = look_around(network, sight.clone(), beside.clone(), notices.clone());
    let look = beside.every(LOOK_EVERY, look).map_err(|error| Failure::refused(format!("no thread can be started: {error}")))?;
    println!("help lists the commands, Tab completes them, Ctrl-D leaves.");
    let mut console = Console { commands, terminal, names, sight, notices, look, beside: beside.clone() };
    let ended = console.run();
    beside.end();
    ended
}

/// Looks how the network is, and tells what has changed.
fn look_around(network: Arc<dyn Network>, sight: Sight, beside: Beside, notices: Option<Arc<AtomicBool>>) -> impl FnMut() + Send + 'static {
    let mut last: Option<Health> = None;
    move || {
        let now = network.health().map_or(Seen::Silence, Seen::Health);
        let before = std::mem::replace(&mut *sight.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        let news = news(&before, last.as_ref(), &now);
        if let Seen::Health(health) = now {
            last = Some(health);
        }
        if notices.as_ref().is_some_and(|notices| notices.load(Ordering::Relaxed)) {
            news.iter().for_each(|line| beside.say(line));
        }
    }
}

struct Console<'a> {
    commands: &'a mut dyn Commands,
    terminal: Terminal,
    names: Names,
    sight: Sight,
    /// Whether lines are printed above the prompt; none where there can be none.
    notices: Option<Arc<AtomicBool>>,
    look: Errand,
    beside: Beside,
}

impl Console<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let (mut moment, mut given_up) = (FIRST_MOMENT, 0);
        while !interrupt::leaving() {
            let line = self.line(moment)?;
            moment = Duration::ZERO;
            given_up = if line == Line::Interrupted && !self.terminal.gave_something_up() { given_up + 1 } else { 0 };
            match line {
                Line::Typed(line) if line.trim().is_empty() => {}
                Line::Typed(line) => {
                    self.terminal.remember(&line);
                    if let Then::Leave = self.run_all(&line) {
                        break;
                    }
                    self.names.forget();
                    moment = MOMENT;
                }
                Line::Interrupted if given_up >= 2 => println!("Ctrl-D or quit leaves."),
                Line::Interrupted => {}
                Line::End => break,
            }
        }
        Ok(())
    }

    /// Waits for a line, and before that for so long to know how the network is.
    fn line(&mut self, moment: Duration) -> Result<Line, Failure> {
        interrupt::begin();
        self.beside.waits().iter().for_each(|line| println!("{line}"));
        if !moment.is_zero() {
            self.look.now(moment);
        }
        let (prompt, _) = self.sight.lock().unwrap_or_else(PoisonError::into_inner).prompt();
        let line = self.terminal.line(&prompt);
        self.beside.rests();
        // What comes from now on is for the command.
        interrupt::begin();
        line
    }

    /// Runs what was typed, or pasted: several commands, until one fails.
    fn run_all(&mut self, text: &str) -> Then {
        let all = match commands(text) {
            Ok(all) => all,
            Err(bad) => {
                eprintln!("{bad}");
                return Then::GoOn;
            }
        };
        for words in all {
            let then = self.run_one(words);
            if interrupt::interrupted() {
                // Behind the ^C that the terminal shows.
                println!();
                return Then::GoOn;
            }
            match then {
                Ok(Then::GoOn) => {}
                Ok(Then::Leave) => return Then::Leave,
                Err(failure) => {
                    eprintln!("{failure}");
                    return Then::GoOn;
                }
            }
        }
        Then::GoOn
    }

    fn run_one(&mut self, words: Vec<String>) -> Result<Then, Failure> {
        let is_ours = words.first().is_some_and(|first| first == "notices");
        match words.get(1).map(String::as_str) {
            None if is_ours => {}
            Some(what @ ("on" | "off")) if is_ours && words.len() == 2 => self.set_notices(what == "on")?,
            _ => return run_words(self.commands, words),
        }
        let is_on = self.notices.as_ref().is_some_and(|notices| notices.load(Ordering::Relaxed));
        println!("notices are {}", if is_on { "on" } else { "off" });
        Ok(Then::GoOn)
    }

    fn set_notices(&self, on: bool) -> Result<(), Failure> {
        match &self.notices {
            Some(notices) => notices.store(on, Ordering::Relaxed),
            None if on => return Err(Failure::refused("this terminal can't show lines above the one that is being typed")),
            None => {}
        }
        Ok(())
    }
}

enum Then {
    GoOn,
    Leave,
}

fn run_words(commands: &mut dyn Commands, words: Vec<String>) -> Result<Then, Failure> {
    match words.first().map(String::as_str) {
        None => Ok(Then::GoOn),
        Some("quit" | "exit") => Ok(Then::Leave),
        Some(_) => commands.run(words).map(|()| Then::GoOn),
    }
}
