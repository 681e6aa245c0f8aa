//! Visits: a directory server dials the address that a node advertises, to see who is there.
//!
//! ```text
//! dial → both prove themselves → SHOW → shown word
//! ```
//!
//! The word is one that the node was given on the connection over which it asks for its place. So it is found at the address only where the same process is at both ends. A visit is made for this server itself, or for the one that leads.

use std::collections::BTreeMap;

use super::changes::tell;
use crate::approach::{Approach, Step};
use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::Event;
use crate::handshake::{Identity, Peer, Whom};
use crate::ids::{Conn, Ticket};
use crate::machine::{DialError, Effect};
use crate::peer::{Found, LinkEvent, PeerCommand};
use crate::time::{Jitter, Time};

/// Visits at a time; past it nobody is visited.
const VISITS_MAX: usize = 64;
/// How long one may take.
const VISIT_MS: u64 = 3_000;

/// All visits under way, by the ticket of their dial.
#[derive(Debug, Default)]
pub(super) struct Visits {
    all: BTreeMap<Ticket, Visit>,
    conns: BTreeMap<Conn, Ticket>,
}

#[derive(Debug)]
struct Visit {
    host: Host,
    peer: Peer,
    until: Time,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Approaching(Approach),
    Asking(Conn),
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// The server that leads, over this link; nobody: this one does.
    pub(super) conn: Option<Conn>,
    /// What they call it.
    pub(super) ticket: Ticket,
}

/// What came of a visit, and who wants to know.
pub(super) type Outcome = (Host, Found);

fn not(why: impl Into<crate::wire::Text>) -> Found {
    Found::Not { why: why.into() }
}

impl Visits {
    /// Sets out. What there is to say at once is said.
    pub(super) fn begin(&mut self, now: Time, ticket: Ticket, peer: Peer, host: Host, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let Some(address) = peer.key.address() else { return Some((host, not("has no address that can be dialled"))) };
        if self.all.len() >= VISITS_MAX {
            return Some((host, not("could not be dialled: too many are at this time")));
        }
        let stage = Stage::Approaching(Approach::new(Whom::Node(peer.key.clone())));
        self.all.insert(ticket, Visit { host, peer, until: now + VISIT_MS, stage });
        effects.push(Effect::Dial { ticket, address: address.to_string().into() });
        None
    }

    /// Whether this dial is a visit's.
    pub(super) fn is_dialing(&self, ticket: Ticket) -> bool {
        self.all.contains_key(&ticket)
    }

    /// Whether this connection is a visit's.
    pub(super) fn owns(&self, conn: Conn) -> bool {
        self.conns.contains_key(&conn)
    }

    pub(super) fn dialed(
        &mut self,
        ticket: Ticket,
        result: Result<Conn, DialError>,
        identity: &Identity,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) -> Option<Outcome> {
        let visit = self.all.get_mut(&ticket)?;
        let Stage::Approaching(approach) = &mut visit.stage else { return None };
        let step = approach.dialed(identity, result, jitter, effects);
        self.conns.extend(result.ok().map(|conn| (conn, ticket)));
        self.step(ticket, step, effects)
    }

    /// Whoever was reached has shown a certificate.
    pub(super) fn certified(&mut self, conn: Conn, certificate: Certificate) {
        let visit = self.conns.get(&conn).and_then(|ticket| self.all.get_mut(ticket));
        if let Some(Visit { stage: Stage::Approaching(approach), .. }) = visit {
            approach.certified(certificate);
        }
    }

    pub(super) fn told(&mut self, conn: Conn, event: Option<Event>, identity: &Identity, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let ticket = *self.conns.get(&conn)?;
        let visit = self.all.get_mut(&ticket)?;
        match (&mut visit.stage, event) {
            (Stage::Approaching(approach), Some(event)) => {
                let step = approach.told(identity, &event, effects);
                self.step(ticket, step, effects)
            }
            (Stage::Asking(_), Some(Event::Link(LinkEvent::Shown { word }))) => self.end(ticket, Found::Word { word }, effects),
            _ => self.end(ticket, not("says something that is not for a directory server"), effects),
        }
    }

    fn step(&mut self, ticket: Ticket, step: Step, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let visit = self.all.get_mut(&ticket)?;
        match step {
            Step::Wait => None,
            Step::Through(_, there) if there != visit.peer => self.end(ticket, not("is another start of that node"), effects),
            Step::Through(conn, _) => {
                visit.stage = Stage::Asking(conn);
                effects.push(tell(conn, Event::Command(Command::Peer(PeerCommand::Show {}))));
                None
            }
            Step::Failed(why) => self.end(ticket, not(why), effects),
        }
    }

    /// Nobody is there any more.
    pub(super) fn lost(&mut self, conn: Conn) -> Option<Outcome> {
        let ticket = self.conns.remove(&conn)?;
        let visit = self.all.remove(&ticket)?;
        Some((visit.host, not("closed the connection")))
    }

    /// Gives up those that take too long.
    pub(super) fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) -> Vec<Outcome> {
        let late: Vec<Ticket> = self.all.iter().filter(|(_, visit)| visit.until <= now).map(|(ticket, _)| *ticket).collect();
        late.into_iter().filter_map(|ticket| self.end(ticket, not("does not answer"), effects)).collect()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.all.values().map(|visit| visit.until).min()
    }

    fn end(&mut self, ticket: Ticket, found: Found, effects: &mut Vec<Effect>) -> Option<Outcome> {
        let visit = self.all.remove(&ticket)?;
        let conn = match &visit.stage {
            Stage::Approaching(approach) => approach.conn(),
            Stage::Asking(conn) => Some(*conn),
        };
        if let Some(conn) = conn {
            self.conns.remove(&conn);
            effects.push(Effect::Close { conn });
        }
        Some((visit.host, found))
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.conns.values().all(|ticket| self.all.contains_key(ticket)), "a connection of no visit is kept");
        assert!(self.all.len() <= VISITS_MAX);
    }
}
