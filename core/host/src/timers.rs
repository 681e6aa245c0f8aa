//! Timers of plugins: one thread for each plugin that sets any, which calls it when their times have come.

use crate::instance::Instance;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Timers of one plugin at a time; past it no more are set.
pub(crate) const TIMERS_MAX: usize = 1024;
/// No timer is set for longer: numbers from a plugin are not computed with unless they are below.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The timers of one plugin.
#[derive(Default)]
pub(crate) struct Timers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: BTreeMap<u64, Instant>,
    /// Whose they are; `None` until it has started.
    of: Option<Weak<Instance>>,
    runs: bool,
    over: bool,
}

impl Timers {
    /// The plugin has started, and can be called. Timers that it set meanwhile count from when they were set.
    pub fn belong_to(&'static self, instance: &Arc<Instance>) {
        self.lock().of = Some(Arc::downgrade(instance));
        self.run();
    }

    /// Whether it is set.
    pub fn set(&'static self, timer: u64, ms: u64) -> bool {
        let mut state = self.lock();
        if state.over || (state.due.len() >= TIMERS_MAX && !state.due.contains_key(&timer)) {
            return false;
        }
        state.due.insert(timer, Instant::now() + Duration::from_millis(ms).min(LONGEST));
        drop(state);
        self.run();
        true
    }

    pub fn cancel(&self, timer: u64) {
        self.lock().due.remove(&timer);
    }

    /// The plugin is about to stop.
    pub fn end(&self) {
        let mut state = self.lock();
        (state.over, state.due) = (true, BTreeMap::new());
        self.changed.notify_all();
    }

    /// Starts the thread, if there is something to wait for and someone to call.
    fn run(&'static self) {
        let mut state = self.lock();
        self.changed.notify_all();
        if !state.runs && !state.due.is_empty() && state.of.is_some() {
            let spawned = std::thread::Builder::new().name("plugin timers".into()).spawn(|| self.wait());
            state.runs = spawned.is_ok();
            if let Err(error) = spawned {
                tracing::error!("no thread for the timers of a plugin: {error}");
            }
        }
    }

    fn wait(&self) {
        loop {
            let mut state = self.lock();
            if state.over {
                return;
            }
            let first = state.due.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
            let now = Instant::now();
            match first {
                Some((timer, at)) if at <= now => {
                    state.due.remove(&timer);
                    let instance = state.of.as_ref().and_then(Weak::upgrade);
                    drop(state);
                    match instance {
                        Some(instance) => instance.fire(timer),
                        None => return,
                    }
                }
                Some((_, at)) => drop(self.changed.wait_timeout(state, at - now)),
                None => drop(self.changed.wait(state)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
