//! The state for a server that is too far behind for records: sent in pieces, each when the one before has arrived.
//!
//! A piece that is lost is sent again when the library asks for the state again, which it does as long as the server's log does not go on.

use std::sync::Arc;

use noraft::LogIndex;

use super::{Contact, Letter, Place, Replica, Roster, Snapshot};
use crate::directory::DirectoryState;
use crate::ids::ServerId;
use crate::netstrings;
use crate::time::Time;

/// Bytes of a piece: less than a codec takes in one argument.
pub const STATE_PIECE_MAX: usize = 48 << 10;
/// The largest state that is taken in, in bytes.
const STATE_MAX: u64 = 256 << 20;
/// A server that has taken nothing for so many heartbeats gets the piece again.
const PATIENCE: u64 = 16;

/// A state on its way to someone.
#[derive(Debug)]
pub(super) struct Sending {
    place: Place,
    roster: Roster,
    text: Arc<str>,
    at: usize,
    sent: Time,
}

/// A state on its way here.
#[derive(Debug)]
pub(super) struct Receiving {
    from: ServerId,
    place: Place,
    size: u64,
    text: String,
}

impl Replica {
    /// Someone needs the state: it is sent from here on.
    pub(super) fn ship(&mut self, now: Time, to: ServerId, state: &DirectoryState) -> Option<(ServerId, Letter)> {
        if !self.node.role().is_leader() {
            return None;
        }
        let patience_ms = PATIENCE * self.pace.heartbeat_ms();
        if self.sending.get(&to).is_some_and(|sending| now.since_ms(sending.sent) < patience_ms) {
            return None;
        }
        let (position, config) = self.node.log().get_position_and_config(LogIndex::new(self.applied))?;
        let roster = Roster::of(config, |server| self.address_of(server));
        let text = String::from_utf8(netstrings::pack(state)).expect("all that is in a state is text");
        self.sending.insert(to, Sending { place: position.into(), roster, text: text.into(), at: 0, sent: now });
        self.next_piece(now, to)
    }

    fn next_piece(&mut self, now: Time, to: ServerId) -> Option<(ServerId, Letter)> {
        let term = self.term();
        let sending = self.sending.get_mut(&to)?;
        sending.sent = now;
        let rest = &sending.text[sending.at..];
        let end = (0..=rest.len().min(STATE_PIECE_MAX)).rev().find(|&end| rest.is_char_boundary(end)).unwrap_or(0);
        let letter = Letter::State {
            term,
            place: sending.place,
            roster: sending.roster.clone(),
            at: sending.at as u64,
            size: sending.text.len() as u64,
            piece: rest[..end].into(),
        };
        Some((to, letter))
    }

    /// So much has arrived there.
    pub(super) fn got(&mut self, now: Time, from: ServerId, term: u64, place: Place, at: u64) {
        let is_ours = term == self.term() && self.node.role().is_leader();
        let Some(sending) = self.sending.get_mut(&from).filter(|sending| is_ours && sending.place == place) else { return };
        let at = at as usize;
        if at >= sending.text.len() {
            self.sending.remove(&from);
        } else if at > sending.at && sending.text.is_char_boundary(at) {
            sending.at = at;
            let letter = self.next_piece(now, from);
            self.letters.extend(letter);
        }
    }

    /// A piece of the state has come.
    #[allow(clippy::too_many_arguments)] // the fields of one letter
    pub(super) fn piece(
        &mut self,
        now: Time,
        from: ServerId,
        term: u64,
        place: Place,
        roster: Roster,
        (at, size): (u64, u64),
        piece: &str,
    ) {
        if term < self.term() || size > STATE_MAX || place.index <= self.node.commit_index().get() || self.arrived.is_some() {
            return;
        }
        // Of a leader of a newer term nothing else has been heard yet.
        self.hear_of_term(from, term);
        let sent = self.contact.filter(|contact| contact.leader == from).map_or(Time(0), |contact| contact.sent);
        self.contact = Some(Contact { leader: from, heard: now, sent });
        if self.timer.is_some() {
            self.set_timer(now);
        }
        let is_same = |there: &Receiving| there.from == from && there.place == place && there.size == size;
        if at == 0 && !self.receiving.as_ref().is_some_and(is_same) {
            self.receiving = Some(Receiving { from, place, size, text: String::new() });
        }
        let Some(receiving) = self.receiving.as_mut().filter(|there| is_same(there)) else { return };
        if at == receiving.text.len() as u64 {
            receiving.text.push_str(piece);
        }
        let at = receiving.text.len() as u64;
        self.letters.push((from, Letter::Got { term, place, at }));
        if at >= size {
            let text = self.receiving.take().map_or(String::new(), |receiving| receiving.text);
            if let Ok(state) = netstrings::unpack(text.as_bytes()) {
                self.arrived = Some(Box::new(Snapshot { place, roster, state }));
            }
        }
    }

    /// A state that has come in whole takes the place of all that was here, once it is written.
    pub(super) fn take_in(&mut self) -> Option<Box<Snapshot>> {
        let snapshot = self.arrived.take()?;
        let Snapshot { place, roster, .. } = &*snapshot;
        if !self.node.handle_snapshot_installed(place.position(), roster.config()) {
            return None; // what came meanwhile goes beyond it
        }
        self.records = self.records.split_off(&(place.index + 1));
        self.learn(roster);
        (self.applied, self.kept) = (place.index, place.index);
        Some(snapshot)
    }
}
