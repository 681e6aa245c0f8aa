//! What bots of plugins say, on its way to a super node: plugins start before there is one.

use chatring_host::OnSay;
use chatring_machines::Input;
use chatring_machines::names::{GroupName, Nick};
use chatring_reactor::Handle;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest thing that a bot says, in bytes: as for people.
const TEXT_MAX: usize = 16 << 10;

/// Where it goes: the first super node of this process, once it runs.
#[derive(Clone, Default)]
pub struct Bots(Arc<Mutex<Option<Handle>>>);

impl Bots {
    /// For the plugins.
    pub fn hook(&self) -> OnSay {
        let bots = self.clone();
        Arc::new(move |nick, group, text| bots.say(nick, group, text))
    }

    /// A super node is there. Only the first one counts.
    pub fn speak_through(&self, node: Handle) {
        self.lock().get_or_insert(node);
    }

    fn say(&self, nick: &str, group: &str, text: &str) -> bool {
        let (Ok(nick), Ok(group)) = (Nick::new(nick), GroupName::new(group)) else { return false };
        if text.is_empty() || text.len() > TEXT_MAX {
            return false;
        }
        let input = Input::Bot { nick, group, text: text.into() };
        self.lock().as_ref().is_some_and(|node| node.input(input).is_ok())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
