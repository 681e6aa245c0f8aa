//! What goes on beside the prompt: lines that are printed above the one that is being typed, and work that is done while the prompt waits.
//!
//! Nobody ever waits for the prompt with a lock in hand that the prompt needs: a line may be stuck on its way to the terminal while a command runs.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::prompt::Printer;

/// Lines that are kept while a command runs, to be shown with the next prompt. Past that the oldest are left out, and counted.
const HELD_MAX: usize = 1_000;

/// The prompt, as those see it who work beside it.
#[derive(Clone)]
pub struct Beside(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    /// None where nothing can be printed above a line.
    printer: Mutex<Option<Printer>>,
}

#[derive(Default)]
struct State {
    /// A line is being typed, and no command runs.
    waits: bool,
    over: bool,
    held: VecDeque<String>,
    left_out: u64,
}

impl Beside {
    /// A prompt that does not wait yet.
    pub fn new(printer: Option<Printer>) -> Beside {
        Beside(Arc::new(Inner { state: Mutex::default(), changed: Condvar::new(), printer: Mutex::new(printer) }))
    }

    /// Prints a line above the one that is being typed; while a command runs, it is kept until the prompt is back. From any thread. May wait for the terminal.
    pub fn say(&self, line: &str) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        if !state.waits {
            if state.held.len() == HELD_MAX {
                state.held.pop_front();
                state.left_out += 1;
            }
            state.held.push_back(line.to_string());
            return;
        }
        drop(state);
        if let Some(printer) = &mut *self.0.printer.lock().unwrap_or_else(PoisonError::into_inner) {
            // A terminal that is gone ends the prompt by itself.
            let _ = printer.print(format!("{line}\n"));
        }
    }

    /// The prompt is about to wait. Gives what was kept, to be shown before it.
    pub fn waits(&self) -> Vec<String> {
        let mut state = self.lock();
        state.waits = true;
        let left_out = std::mem::take(&mut state.left_out);
        let mut lines: Vec<String> = state.held.drain(..).collect();
        if left_out > 0 {
            lines.insert(0, format!("--- {left_out} lines before these were left out"));
        }
        drop(state);
        self.0.changed.notify_all();
        lines
    }

    /// A line was typed.
    pub fn rests(&self) {
        self.lock().waits = false;
    }

    /// Nobody types any more. Ends the work beside the prompt, as soon as it comes to its end by itself.
    pub fn end(&self) {
        self.lock().over = true;
        self.0.changed.notify_all();
    }

    /// Does something on a thread of its own, at once and then after each pause, but only while the prompt waits.
    pub fn every(&self, pause: Duration, mut work: impl FnMut() + Send + 'static) -> io::Result<Errand> {
        let (beside, errand) = (self.clone(), Errand(Arc::default()));
        let turns = errand.clone();
        std::thread::Builder::new().name("beside".into()).spawn(move || {
            while beside.is_wanted() {
                let turn = turns.lock().wanted;
                work();
                turns.done(turn);
                turns.rest(pause);
            }
        })?;
        Ok(errand)
    }

    /// Waits until the prompt does. False when it is over.
    fn is_wanted(&self) -> bool {
        let state = self.0.changed.wait_while(self.lock(), |state| !state.waits && !state.over);
        !state.unwrap_or_else(PoisonError::into_inner).over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that is done beside the prompt now and then.
#[derive(Clone)]
pub struct Errand(Arc<(Mutex<Turns>, Condvar)>);

#[derive(Default)]
struct Turns {
    wanted: u64,
    done: u64,
}

impl Errand {
    /// Has it done now, and waits so long for it.
    pub fn now(&self, patience: Duration) {
        let mut turns = self.lock();
        // One that has begun already saw what was before.
        turns.wanted += 1;
        let wanted = turns.wanted;
        self.0.1.notify_all();
        drop(self.0.1.wait_timeout_while(turns, patience, |turns| turns.done < wanted));
    }

    fn done(&self, turn: u64) {
        self.lock().done = turn;
        self.0.1.notify_all();
    }

    fn rest(&self, pause: Duration) {
        drop(self.0.1.wait_timeout_while(self.lock(), pause, |turns| turns.wanted == turns.done));
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    struct Paper(std::sync::mpsc::Sender<String>);

    impl rustyline::ExternalPrinter for Paper {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.send(text).unwrap();
            Ok(())
        }
    }

    #[test]
    fn lines_are_kept_while_a_command_runs() {
        let (paper, printed) = channel();
        let beside = Beside::new(Some(Box::new(Paper(paper))));
        beside.say("early");
        assert_eq!(beside.waits(), ["early"]);
        beside.say("now");
        assert_eq!(printed.try_iter().collect::<Vec<_>>(), ["now\n"]);
        beside.rests();
        (0..HELD_MAX + 2).for_each(|number| beside.say(&number.to_string()));
        let kept = beside.waits();
        assert_eq!((kept.len(), kept[0].as_str(), kept[1].as_str()), (HELD_MAX + 1, "--- 2 lines before these were left out", "2"));
        assert!(beside.waits().is_empty() && printed.try_recv().is_err());
        beside.end();
        beside.say("late");
        assert!(printed.try_recv().is_err());
    }

    #[test]
    fn work_is_done_while_the_prompt_waits() {
        let beside = Beside::new(None);
        let (tell, told) = channel();
        let errand = beside.every(Duration::from_secs(600), move || tell.send(()).unwrap()).unwrap();
        assert!(told.try_recv().is_err());
        beside.waits();
        told.recv().unwrap();
        errand.now(Duration::from_secs(600));
        told.recv().unwrap();
        beside.rests();
        errand.now(Duration::from_millis(1));
        assert!(told.try_recv().is_err(), "a command runs");
        beside.waits();
        told.recv().unwrap();
        beside.end();
        errand.now(Duration::from_millis(1));
        assert!(told.recv().is_err(), "the thread has ended");
    }
}
