//! The list as a directory server hands it out: the view, and its own seal on it.
//!
//! Each server seals what it has applied, once for each view and again before the seal is old; whoever watches gets the seal after the view, and can hand both on.

use super::changes::tell;
use super::{Directory, WATCHERS};
use crate::event::{Code, Event, Reply};
use crate::ids::{Conn, Epoch};
use crate::list::Seal;
use crate::machine::Effect;
use crate::peer::LinkEvent;
use crate::time::Time;
use crate::view::ViewChange;

/// A list is sealed anew when this part of its time has passed, so that what is handed out is good for the rest at least.
const FRESH: u64 = 4;

impl Directory {
    /// There is a view that has nothing to do with the one before: whoever watches hears all of it, and what vouches for it.
    pub(super) fn publish_view(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let view = self.state.view().clone();
        effects.push(Effect::TellAll { list: WATCHERS, event: LinkEvent::View { view }.into(), skip: None });
        self.publish_seal(now, effects);
    }

    /// The same, to who has the one before: only what is different.
    pub(super) fn publish_change(&mut self, now: Time, before: Epoch, change: ViewChange, effects: &mut Vec<Effect>) {
        effects.push(Effect::TellAll { list: WATCHERS, event: LinkEvent::ViewChanged { before, change }.into(), skip: None });
        self.publish_seal(now, effects);
    }

    /// The seal is to be as good as new.
    pub(super) fn publish_seal(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let expires = now + self.config.list_valid_ms;
        let seal = self.config.signer.seal(self.state.view(), now, expires);
        self.seal = Some(seal.clone());
        effects.push(Effect::TellAll { list: WATCHERS, event: LinkEvent::Sealed { seal }.into(), skip: None });
    }

    /// When the seal is no longer as good as new.
    pub(super) fn seal_due(&self) -> Option<Time> {
        self.seal.as_ref().map(|seal| seal.issued + (self.config.list_valid_ms / FRESH).max(1))
    }

    /// One connection hears what is so now; the view not where it has that already: it may be a megabyte, and after a restart of this server everyone comes back.
    pub(super) fn show_view(&self, conn: Conn, known: Option<Epoch>, effects: &mut Vec<Effect>) {
        let view = self.state.view();
        if known != Some(view.epoch) {
            effects.push(tell(conn, LinkEvent::View { view: view.clone() }));
        }
        effects.extend(self.present_seal().map(|seal| tell(conn, LinkEvent::Sealed { seal: seal.clone() })));
        effects.push(tell(conn, self.pending_event()));
    }

    /// The seal, if it is of the present view.
    fn present_seal(&self) -> Option<&Seal> {
        self.seal.as_ref().filter(|seal| seal.epoch == self.state.view().epoch)
    }

    /// The list, to be kept.
    pub(super) fn signed_ring(&self) -> Event {
        match self.present_seal() {
            Some(seal) => Reply::SignedRing { seal: seal.clone(), view: self.state.view().clone() }.into(),
            None => Event::error(Code::TryAgain, "100 the network is just being founded"),
        }
    }
}
