//! What this process tells machines that watch it: numbers (`/metrics`), whether it lives (`/healthz`), whether it serves (`/readyz`), and the same for systemd.
//!
//! ```text
//! a request, systemd's watchdog → Watch::look → each loop is asked, and answers in its next turn → catalogue, health → the page
//! ```
//!
//! Nothing here runs on a loop's thread but what the loop says of itself, which costs it nothing as long as nobody asks. A loop that does not answer in time is what `/healthz` is there for.

mod catalogue;
mod health;
mod http;
mod page;
mod process;
mod reference;
mod serve;
pub mod systemd;

pub use serve::{Token, serve};

use super::center::PluginWatch;
use super::identities::Identities;
use chatring_host::PluginInfo;
use chatring_reactor::{Handle, Observation};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long a loop may take to answer. One that takes longer is not counted among those that live.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was seen is good for so long: whoever asks more often is told the same.
const FRESH: Duration = Duration::from_secs(1);

/// What one role is to whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    SuperNode,
    Gateway,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Directory => "directory",
            Kind::SuperNode => "super_node",
            Kind::Gateway => "gateway",
        }
    }
}

/// A role, by the names that it has on the page.
#[derive(Clone, Debug)]
pub struct Name {
    pub kind: Kind,
    /// What its operator calls it; of a directory server, where others reach it.
    pub node: String,
}

/// How a role was when it was looked at.
#[derive(Clone, Debug)]
struct Seen {
    name: Name,
    /// Whether its loop answered in time.
    answers: bool,
    /// What it said, then or the last time that it did.
    last: Option<Observation>,
}

/// All that can be seen.
#[derive(Clone, Debug, Default)]
struct View {
    roles: Vec<Seen>,
    plugins: Vec<PluginInfo>,
}

/// Who looks.
pub struct Watch {
    started: SystemTime,
    identities: Identities,
    stopping: AtomicBool,
    state: Mutex<State>,
}

struct State {
    roles: Vec<Role>,
    plugins: Option<PluginWatch>,
    looked: Option<Instant>,
    view: View,
}

struct Role {
    handle: Handle,
    /// What it was asked and has not answered yet: one question at a time, however long that takes.
    asked: Option<Receiver<Observation>>,
}

impl Watch {
    /// Nobody to look at yet.
    pub fn new(identities: &Identities, plugins: PluginWatch) -> Watch {
        let state = State { roles: Vec::new(), plugins: Some(plugins), looked: None, view: View::default() };
        let stopping = AtomicBool::new(false);
        Watch { started: SystemTime::now(), identities: identities.clone(), stopping, state: Mutex::new(state) }
    }

    /// A role is there.
    pub fn role(&self, name: Name, handle: Handle) {
        let mut state = self.lock();
        state.roles.push(Role { handle, asked: None });
        state.view.roles.push(Seen { name, answers: false, last: None });
    }

    /// The process is told to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Looks at the plugins no more: they end when nobody may ask for them.
    pub fn let_plugins_go(&self) {
        self.lock().plugins = None;
    }

    /// How everything is, as of so long ago at most.
    fn look(&self, age_max: Duration) -> View {
        let mut state = self.lock();
        if state.looked.is_none_or(|looked| looked.elapsed() >= age_max) {
            state.look();
        }
        state.view.clone()
    }

    /// It is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self) {
        for role in self.roles.iter_mut().filter(|role| role.asked.is_none()) {
            let (tell, told) = channel();
            role.handle.observe(tell);
            role.asked = Some(told);
        }
        let until = Instant::now() + PATIENCE;
        // Who loads one at the moment has no time: what was seen last stands.
        if let Some(plugins) = self.plugins.as_ref().and_then(|plugins| plugins.look(PATIENCE)) {
            self.view.plugins = plugins;
        }
        for (role, seen) in self.roles.iter_mut().zip(&mut self.view.roles) {
            let told = role.asked.as_ref().map(|told| told.recv_timeout(until.saturating_duration_since(Instant::now())));
            seen.answers = matches!(told, Some(Ok(_)));
            match told {
                Some(Ok(observation)) => (seen.last, role.asked) = (Some(observation), None),
                Some(Err(std::sync::mpsc::RecvTimeoutError::Disconnected)) => role.asked = None,
                Some(Err(std::sync::mpsc::RecvTimeoutError::Timeout)) | None => {}
            }
        }
        self.looked = Some(Instant::now());
    }
}
