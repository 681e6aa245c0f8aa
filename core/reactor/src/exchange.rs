//! Plugins that take the place of others while everything goes on.

use std::sync::Arc;

use chatring_host::{Authenticator, Transport};

use crate::driver::Driver;
use crate::effects::codec_of;
use crate::mailbox::Exchange;

impl Driver {
    /// From here on it is the new one, for all that is new.
    pub fn exchange(&mut self, exchange: Exchange) {
        match exchange {
            Exchange::Transport { old, new } => self.exchange_transport(&old, &new),
            Exchange::Auth { old, new } => {
                for listener in &mut self.listeners {
                    let changed = |auth: &Arc<Authenticator>| if Arc::ptr_eq(auth, &old) { new.clone() } else { auth.clone() };
                    listener.auth = listener.auth.iter().map(changed).collect();
                }
            }
            Exchange::Filter { old, new } => {
                if let Some(sifter) = &self.sifter {
                    sifter.exchange(&old, &new);
                }
            }
        }
    }

    fn exchange_transport(&mut self, old: &Arc<Transport>, new: &Arc<Transport>) {
        let Some(before) = self.transports.iter().position(|known| Arc::ptr_eq(known, old)) else { return };
        // Numbers are never given out again: blocks that are shared may have been encoded under an old one.
        if self.transports.len() > usize::from(u16::MAX) {
            tracing::error!(
                "transport {}: 65,536 have been in use since this node was started; start it anew to swap another in",
                new.name()
            );
            return;
        }
        let after = codec_of(&mut self.transports, new);
        let codecs = self.listeners.iter_mut().map(|listener| &mut listener.codec).chain([&mut self.dial_codec]);
        codecs.filter(|codec| usize::from(**codec) == before).for_each(|codec| *codec = after);
        self.census();
    }

    /// How many connections each transport has. One that nobody uses any more, and that nobody new will, is let go.
    pub fn census(&mut self) -> Vec<(Arc<Transport>, usize)> {
        let mut counts = vec![0; self.transports.len()];
        for slot in self.connections.slots() {
            counts[usize::from(self.fanout.class(slot).codec)] += 1;
        }
        let current = |ix: usize, driver: &Driver| {
            driver.listeners.iter().any(|listener| usize::from(listener.codec) == ix) || usize::from(driver.dial_codec) == ix
        };
        let unused: Vec<usize> = (0..counts.len()).filter(|ix| counts[*ix] == 0 && !current(*ix, self)).collect();
        // Its number is never given out again, and stands for one that is in use.
        let stand_in = self.transports[usize::from(self.dial_codec)].clone();
        unused.into_iter().for_each(|ix| self.transports[ix] = stand_in.clone());
        let mut all: Vec<(Arc<Transport>, usize)> = Vec::new();
        for (transport, count) in self.transports.iter().zip(counts) {
            match all.iter_mut().find(|(known, _)| Arc::ptr_eq(known, transport)) {
                Some((_, sum)) => *sum += count,
                None => all.push((transport.clone(), count)),
            }
        }
        all
    }
}
