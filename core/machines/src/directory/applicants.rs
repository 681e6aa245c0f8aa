//! Those who want into the ring and are looked at first; and how often an address may be dialled for them.
//!
//! This file keeps; `admission` decides. Soft state of the server that leads: whoever waits here asks again when another one does.
//!
//! Invariant: each connection stands here once at most, and not while it waits for a planned change.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::handshake::Peer;
use crate::ids::{Conn, Ticket};
use crate::names::NodeKey;
use crate::time::Time;
use crate::wire::Text;

/// How many may be looked at at a time; past it whoever comes hears TRYAGAIN.
pub(super) const APPLICANTS_MAX: usize = 512;
/// Of so many it is remembered why they were turned away last; past it the oldest is forgotten.
const TURNED_AWAY_MAX: usize = 256;
/// An address may be dialled so often in a row, and once in so many milliseconds from then on: nobody is to be attacked by asking for a place at their address.
const DIALS: (u64, u64) = (32, 500);
/// Addresses that are counted; past it those that were not dialled for longest start anew.
const ADDRESSES_MAX: usize = 4_096;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Applicants {
    pub(super) all: BTreeMap<Conn, Applicant>,
    pub(super) turned_away: BTreeMap<NodeKey, TurnedAway>,
    /// Until when what an address was dialled for is paid.
    paid_until: BTreeMap<IpAddr, Time>,
}

/// A node that wants in.
#[derive(Debug)]
pub(super) struct Applicant {
    pub(super) peer: Peer,
    pub(super) name: Text,
    pub(super) ticket: Ticket,
    pub(super) since: Time,
    pub(super) stage: Stage,
}

/// What it waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// An operator.
    Ruling,
    /// It was given this word, and has not said yet that it has it.
    Word { word: Text, until: Time },
    /// It is to say this word where it can be dialled; these visits have not come back yet, by where they set out from.
    Visits { word: Text, missing: BTreeMap<Ticket, Text>, until: Time },
    /// It was found, and has to be there for a while.
    Watched { until: Time },
}

/// Why someone was turned away last.
#[derive(Debug)]
pub(super) struct TurnedAway {
    pub(super) name: Text,
    pub(super) at: Time,
    pub(super) why: Text,
}

impl Applicants {
    /// Someone was turned away: operators may want to know why.
    pub(super) fn turn_away(&mut self, now: Time, key: &NodeKey, name: Text, why: Text) {
        if self.turned_away.len() >= TURNED_AWAY_MAX && !self.turned_away.contains_key(key) {
            let oldest = self.turned_away.iter().min_by_key(|(_, turned)| turned.at).map(|(key, _)| key.clone());
            oldest.into_iter().for_each(|oldest| {
                self.turned_away.remove(&oldest);
            });
        }
        self.turned_away.insert(key.clone(), TurnedAway { name, at: now, why });
    }

    /// An address is to be dialled so often: how long that has to wait; 0: it may be.
    pub(super) fn pay(&mut self, now: Time, address: IpAddr, dials: u64) -> u64 {
        self.paid_until.retain(|_, until| *until > now);
        let paid = self.paid_until.get(&address).copied().unwrap_or(now).max(now) + dials * DIALS.1;
        let wait_ms = paid.since_ms(now).saturating_sub(DIALS.0 * DIALS.1);
        if wait_ms > 0 {
            return wait_ms;
        }
        if self.paid_until.len() >= ADDRESSES_MAX && !self.paid_until.contains_key(&address) {
            let first = self.paid_until.iter().min_by_key(|(_, until)| **until).map(|(address, _)| *address);
            first.into_iter().for_each(|first| {
                self.paid_until.remove(&first);
            });
        }
        self.paid_until.insert(address, paid);
        0
    }

    /// Who waits for this visit.
    pub(super) fn of_visit(&self, ticket: Ticket) -> Option<Conn> {
        let waits = |applicant: &Applicant| matches!(&applicant.stage, Stage::Visits { missing, .. } if missing.contains_key(&ticket));
        self.all.iter().find(|(_, applicant)| waits(applicant)).map(|(conn, _)| *conn)
    }

    /// Everyone whose time has come.
    pub(super) fn due(&self, now: Time) -> Vec<Conn> {
        self.all.iter().filter(|(_, applicant)| applicant.until().is_some_and(|until| until <= now)).map(|(conn, _)| *conn).collect()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.all.values().filter_map(Applicant::until).min()
    }
}

impl Applicant {
    fn until(&self) -> Option<Time> {
        match &self.stage {
            Stage::Ruling => None,
            Stage::Word { until, .. } | Stage::Visits { until, .. } | Stage::Watched { until } => Some(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_dialled_so_often_and_then_slowly() {
        let (mut applicants, address) = (Applicants::default(), IpAddr::from([192, 0, 2, 1]));
        let waits: Vec<u64> = (0..17).map(|_| applicants.pay(Time(1_000), address, 2)).collect();
        assert_eq!((&waits[..16], waits[16]), (&[0; 16][..], 1_000));
        // Another address has nothing to do with it; and what could not be paid was not.
        assert_eq!(applicants.pay(Time(1_000), IpAddr::from([192, 0, 2, 2]), 2), 0);
        assert_eq!((applicants.pay(Time(1_999), address, 2), applicants.pay(Time(2_000), address, 2)), (1, 0));
        for n in 0..5_000u32 {
            applicants.pay(Time(2_000), IpAddr::from(n.to_be_bytes()), 1);
        }
        assert_eq!(applicants.paid_until.len(), ADDRESSES_MAX);
    }

    #[test]
    fn those_turned_away_last_are_remembered() {
        let mut applicants = Applicants::default();
        for n in 1..=TURNED_AWAY_MAX + 9 {
            let key = NodeKey::new(&format!("192.0.2.1:{n}")).unwrap();
            applicants.turn_away(Time(n as u64), &key, "n".into(), "why".into());
        }
        assert_eq!(applicants.turned_away.len(), TURNED_AWAY_MAX);
        assert!(applicants.turned_away.values().all(|turned| turned.at > Time(9)));
    }
}
