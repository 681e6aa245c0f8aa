//! The life of a daemon's threads: all start, then the first word to stop ends them all, within a bounded time.
//!
//! The word may be a signal, the end of standard input, or a thread that ended when nobody had told it to. Super nodes go first and the directory
//! last, since they take their leave of it. A second signal is someone who doesn't want to wait.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long an orderly end may take.
pub const END_MAX: Duration = Duration::from_secs(10);

/// What runs on a thread of its own.
pub struct Role {
    /// For the log and the thread's name.
    pub name: String,
    /// Stopped only after all that are not.
    pub last: bool,
    /// Runs until stopped.
    pub run: Box<dyn FnOnce() -> anyhow::Result<()> + Send>,
    /// Tells it to stop. From another thread; it may have ended by then.
    pub stop: Box<dyn Fn()>,
}

/// What may happen while the roles run.
pub enum News {
    /// Someone wants the process to end. Who sends a second one doesn't want to wait.
    Signal(&'static str),
    /// Whoever started the process is gone.
    Orphaned,
    /// A role ended.
    Ended(usize, anyhow::Result<()>),
}

/// Why a process ends otherwise than in good order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A role failed, or ended on its own.
    #[error("{name}: {why}")]
    Role {
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
    /// Someone said it twice.
    #[error("told to stop a second time: not waiting for {0}")]
    Impatient(String),
    /// It took too long.
    #[error("still not done after {end_max} s: {0}", end_max = END_MAX.as_secs())]
    Slow(String),
}

/// Runs all roles until they have ended. `tell` and `news` are the two ends of one channel, which others may use, too. `at_stop` is called once, when they are told to stop.
pub fn run(mut roles: Vec<Role>, tell: &Sender<News>, news: &Receiver<News>, at_stop: &dyn Fn()) -> Result<(), Failure> {
    let mut running = Running { ended: vec![false; roles.len()], stopping: None, failure: None, at_stop };
    for (ix, role) in roles.iter_mut().enumerate() {
        let work = std::mem::replace(&mut role.run, Box::new(|| Ok(())));
        if let Err(error) = spawn(&role.name, ix, work, tell.clone()) {
            let _ = tell.send(News::Ended(ix, Err(error.into())));
        }
    }
    while !running.all_ended() {
        match running.next(news) {
            Ok(News::Signal(name)) if running.stopping.is_none() => {
                tracing::info!("stopping: {name}");
                running.stop(&roles);
            }
            Ok(News::Orphaned) if running.stopping.is_none() => {
                tracing::info!("stopping: standard input ended");
                running.stop(&roles);
            }
            Ok(News::Orphaned) => {}
            Ok(News::Signal(_)) => return Err(Failure::Impatient(running.names(&roles))),
            Ok(News::Ended(ix, result)) => running.note_end(ix, result, &roles),
            Err(_) => return Err(running.failure.take().unwrap_or_else(|| Failure::Slow(running.names(&roles)))),
        }
    }
    running.failure.map_or(Ok(()), Err)
}

struct Running<'a> {
    ended: Vec<bool>,
    /// Until when, once told to stop.
    stopping: Option<Instant>,
    /// The first.
    failure: Option<Failure>,
    at_stop: &'a dyn Fn(),
}

impl Running<'_> {
    fn all_ended(&self) -> bool {
        self.ended.iter().all(|ended| *ended)
    }

    fn next(&self, news: &Receiver<News>) -> Result<News, RecvTimeoutError> {
        match self.stopping {
            None => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => news.recv_timeout(until.saturating_duration_since(Instant::now())),
        }
    }

    fn note_end(&mut self, ix: usize, result: anyhow::Result<()>, roles: &[Role]) {
        self.ended[ix] = true;
        let why = match result {
            Err(error) => Some(format!("{error:#}")),
            Ok(()) if self.stopping.is_none() => Some("ended although nobody had told it to".to_string()),
            Ok(()) => None,
        };
        if let Some(why) = why {
            let failure = Failure::Role { name: roles[ix].name.clone(), why };
            tracing::error!("{failure}");
            self.failure.get_or_insert(failure);
        }
        if self.stopping.is_none() || self.first_ended(roles) {
            self.stop(roles);
        }
    }

    /// Stops those that may go now.
    fn stop(&mut self, roles: &[Role]) {
        if self.stopping.is_none() {
            self.stopping = Some(Instant::now() + END_MAX);
            (self.at_stop)();
        }
        let first_ended = self.first_ended(roles);
        let may_go = roles.iter().zip(&self.ended).filter(|(role, ended)| !**ended && role.last == first_ended);
        may_go.for_each(|(role, _)| (role.stop)());
    }

    /// Whether only those are left that go last.
    fn first_ended(&self, roles: &[Role]) -> bool {
        roles.iter().zip(&self.ended).all(|(role, ended)| *ended || role.last)
    }

    fn names(&self, roles: &[Role]) -> String {
        let left = roles.iter().zip(&self.ended).filter(|(_, ended)| !**ended).map(|(role, _)| role.name.as_str());
        left.collect::<Vec<_>>().join(", ")
    }
}

fn spawn(name: &str, ix: usize, work: Box<dyn FnOnce() -> anyhow::Result<()> + Send>, tell: Sender<News>) -> std::io::Result<()> {
    let work = move || {
        // What it leaves behind is not used again: the process ends.
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(anyhow::anyhow!("panicked: {}", words_of(&*panic))));
        // Nobody listens when the process was told twice.
        let _ = tell.send(News::Ended(ix, result));
    };
    thread::Builder::new().name(name.to_string()).spawn(work).map(drop)
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    /// A role that ends when stopped, and writes that down.
    fn patient(name: &str, last: bool, log: &Arc<Mutex<Vec<String>>>) -> Role {
        let (stop, stopped) = channel();
        let (name, log) = (name.to_string(), log.clone());
        let run = {
            let name = name.clone();
            Box::new(move || {
                stopped.recv()?;
                log.lock().unwrap().push(name);
                Ok(())
            })
        };
        let stop = Box::new(move || {
            let _ = stop.send(());
        });
        Role { name, last, run, stop }
    }

    fn role(name: &str, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Role {
        Role { name: name.into(), last: false, run: Box::new(run), stop: Box::new(|| ()) }
    }

    #[test]
    fn the_directory_goes_last() {
        let (tell, news) = channel();
        let log = Arc::default();
        let roles = vec![patient("directory", true, &log), patient("node", false, &log)];
        tell.send(News::Signal("test")).unwrap();
        let stops = std::cell::Cell::new(0);
        assert_eq!(run(roles, &tell, &news, &|| stops.set(stops.get() + 1)), Ok(()));
        assert_eq!(stops.get(), 1);
        assert_eq!(*log.lock().unwrap(), ["node", "directory"]);
    }

    /// What comes of a role that ends by itself beside one that waits to be stopped.
    #[track_caller]
    fn check(failing: Role, expect: &str) {
        let (tell, news) = channel();
        let log = Arc::default();
        let result = run(vec![failing, patient("other", true, &log)], &tell, &news, &|| ());
        assert_eq!(result.unwrap_err().to_string(), expect);
        assert_eq!(*log.lock().unwrap(), ["other"]);
    }

    #[test]
    fn one_failure_ends_all() {
        check(role("a", || Err(anyhow::anyhow!("disk full"))), "a: disk full");
        check(role("b", || Ok(())), "b: ended although nobody had told it to");
        check(role("c", || panic!("broken")), "c: panicked: broken");
    }

    #[test]
    fn a_second_word_is_not_waited_for() {
        let (tell, news) = channel();
        let (hold, held) = channel::<()>();
        tell.send(News::Signal("one")).unwrap();
        tell.send(News::Signal("two")).unwrap();
        let stubborn = role("stubborn", move || {
            let _ = held.recv();
            Ok(())
        });
        assert_eq!(run(vec![stubborn], &tell, &news, &|| ()), Err(Failure::Impatient("stubborn".into())));
        drop(hold);
    }
}
