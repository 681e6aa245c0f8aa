//! The links to the other directory servers: one dialled to each, over which all goes that this server has to say to it. What they have to say comes over theirs.
//!
//! A link is kept up as long as the server is one of ours, is configured, or keeps one to us. What can't be sent is dropped: the log's protocol says everything again. A link that is up is asked whether someone is there, and is
//! taken for broken when nobody has answered for a while.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::tell;
use super::note;
use crate::approach::{Approach, Step};
use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::Event;
use crate::handshake::{Identity, Whom};
use crate::ids::{Conn, ServerId, Ticket};
use crate::list::ListKey;
use crate::machine::{DialError, Effect, Level};
use crate::peer::{LinkEvent, PeerCommand};
use crate::time::{Jitter, Time};
use crate::wire::Text;

/// First and longest pause before a server is dialled again.
const RETRY_MS: (u64, u64) = (50, 1_000);
/// How long a step of the handshake may take.
const STEP_MS: u64 = 2_000;
/// How often a link is asked whether someone is there, and when it is taken for broken.
const PROBE_MS: (u64, u64) = (1_000, 4_000);

/// All of them, by where they are reached.
#[derive(Debug, Default)]
pub(super) struct Colleagues {
    all: BTreeMap<Text, Colleague>,
    dials: BTreeMap<Ticket, Text>,
    conns: BTreeMap<Conn, Text>,
    /// What servers have said of themselves, by where they are reached, and over which link of theirs: good as long as that is there. One that nobody wants yet says so only once, so it is kept, too; a link says one thing, so
    /// there are no more of these than links.
    introduced: BTreeMap<Text, (Introduced, Conn)>,
}

/// Another directory server.
#[derive(Debug)]
struct Colleague {
    state: State,
    tries: u32,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Introduced {
    pub(super) server: ServerId,
    pub(super) founded: bool,
    /// What its lists are checked with.
    pub(super) list: ListKey,
}

#[derive(Debug)]
enum State {
    Waiting { until: Time },
    Approaching { approach: Approach, until: Time },
    Up { conn: Conn, heard: Time, probe_at: Time },
}

/// What became of a link.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    None,
    /// This server can be told things now.
    Up(Text),
    /// It can't be, and what it was told lately may not have arrived. `gone`: nobody listens there any more.
    Down {
        address: Text,
        gone: bool,
    },
    /// It answers something.
    Told(Text, Box<LinkEvent>),
}

impl Colleagues {
    /// These are the others, from here on.
    pub(super) fn want(&mut self, now: Time, addresses: BTreeSet<Text>, effects: &mut Vec<Effect>) {
        let gone: Vec<Text> = self.all.keys().filter(|address| !addresses.contains(*address)).cloned().collect();
        for address in gone {
            self.all.remove(&address).and_then(|colleague| colleague.conn()).into_iter().for_each(|conn| {
                self.conns.remove(&conn);
                effects.push(Effect::Close { conn });
            });
        }
        for address in addresses {
            self.all.entry(address).or_insert_with(|| Colleague { state: State::Waiting { until: now }, tries: 0 });
        }
    }

    /// Where they are reached.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Text> {
        self.all.keys()
    }

    /// Whether it is one of ours.
    pub(super) fn has(&self, address: &Text) -> bool {
        self.all.contains_key(address)
    }

    /// Who keeps a link to us, and knows of a network.
    pub(super) fn callers(&self) -> impl Iterator<Item = &Text> {
        self.introduced.iter().filter(|(_, (there, _))| there.founded).map(|(address, _)| address)
    }

    /// A server said this of itself.
    pub(super) fn introduce(&mut self, address: &Text, introduced: Introduced, over: Conn) {
        self.gone(over);
        self.introduced.insert(address.clone(), (introduced, over));
    }

    /// A link that others dialled is gone. Says whether a server had introduced itself over it.
    pub(super) fn gone(&mut self, conn: Conn) -> bool {
        self.introduced.extract_if(.., |_, (_, over)| *over == conn).count() > 0
    }

    /// Which server of ours introduced itself over this link of its own.
    pub(super) fn at(&self, over: Conn) -> Option<&Text> {
        let found = self.introduced.iter().find(|(address, (_, link))| *link == over && self.all.contains_key(*address));
        found.map(|(address, _)| address)
    }

    /// What the server there said of itself.
    pub(super) fn introduced(&self, address: &Text) -> Option<Introduced> {
        self.introduced.get(address).map(|(introduced, _)| *introduced)
    }

    /// The server's link, if it is up.
    pub(super) fn link_of(&self, address: &Text) -> Option<Conn> {
        match self.all.get(address)?.state {
            State::Up { conn, .. } => Some(conn),
            _ => None,
        }
    }

    /// Tells a server something, if its link is up.
    pub(super) fn send(&self, address: &Text, command: PeerCommand, effects: &mut Vec<Effect>) {
        if let Some(conn) = self.link_of(address) {
            effects.push(tell(conn, Event::Command(Command::Peer(command))));
        }
    }

    /// Whether this is a connection that we dialled to another server.
    pub(super) fn owns(&self, conn: Conn) -> bool {
        self.conns.contains_key(&conn)
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        self.all.values().map(Colleague::deadline).min()
    }

    /// Dials who is due, and gives up who does not answer.
    pub(super) fn tick(
        &mut self,
        now: Time,
        mut ticket: impl FnMut() -> Ticket,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let due: Vec<Text> =
            self.all.iter().filter(|(_, colleague)| colleague.deadline() <= now).map(|(address, _)| address.clone()).collect();
        for address in due {
            let Some(colleague) = self.all.get_mut(&address) else { continue };
            match &mut colleague.state {
                State::Waiting { .. } => {
                    let ticket = ticket();
                    self.dials.insert(ticket, address.clone());
                    colleague.state = State::Approaching { approach: Approach::new(Whom::Directory), until: now + STEP_MS };
                    effects.push(Effect::Dial { ticket, address });
                }
                State::Up { conn, heard, probe_at } if now.since_ms(*heard) < PROBE_MS.1 => {
                    *probe_at = now + PROBE_MS.0;
                    effects.push(tell(*conn, Event::Command(Command::Peer(PeerCommand::Probe { sent: now }))));
                }
                _ => changes.push(self.fail(now, &address, false, "does not answer", jitter, effects)),
            }
        }
        changes
    }

    /// What became of a dial. `None`: it was not one of ours.
    pub(super) fn dialed(
        &mut self,
        now: Time,
        ticket: Ticket,
        result: Result<Conn, DialError>,
        identity: &Identity,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) -> Option<Change> {
        let address = self.dials.remove(&ticket)?;
        let state = self.all.get_mut(&address).map(|colleague| &mut colleague.state);
        let Some(State::Approaching { approach, until }) = state.filter(|state| state.conn().is_none()) else {
            result.into_iter().for_each(|conn| effects.push(Effect::Close { conn }));
            return Some(Change::None);
        };
        *until = now + STEP_MS;
        let step = approach.dialed(identity, result, jitter, effects);
        self.conns.extend(result.ok().map(|conn| (conn, address.clone())));
        Some(self.step(now, &address, step, result == Err(DialError::Refused), jitter, effects))
    }

    /// What a step on the way to a server came to. `gone`: nobody listens there.
    fn step(&mut self, now: Time, address: &Text, step: Step, gone: bool, jitter: &mut Jitter, effects: &mut Vec<Effect>) -> Change {
        match step {
            Step::Wait => Change::None,
            Step::Through(conn, _) => {
                let Some(colleague) = self.all.get_mut(address) else { return Change::None };
                (colleague.state, colleague.tries) = (State::Up { conn, heard: now, probe_at: now + PROBE_MS.0 }, 0);
                Change::Up(address.clone())
            }
            Step::Failed(why) => self.fail(now, address, gone, &why, jitter, effects),
        }
    }

    /// The server at the other end of a link that we dialled has shown a certificate.
    pub(super) fn certified(&mut self, conn: Conn, certificate: Certificate) {
        let colleague = self.conns.get(&conn).and_then(|address| self.all.get_mut(address));
        if let Some(Colleague { state: State::Approaching { approach, .. }, .. }) = colleague {
            approach.certified(certificate);
        }
    }

    /// A link that we dialled is gone.
    pub(super) fn lost(&mut self, now: Time, conn: Conn) -> Change {
        let Some(address) = self.conns.remove(&conn) else { return Change::None };
        if let Some(colleague) = self.all.get_mut(&address) {
            // Dialled at once: who refuses is gone. One that never let us in is left alone for a moment.
            let pause = if matches!(colleague.state, State::Up { .. }) { 0 } else { RETRY_MS.1 };
            colleague.state = State::Waiting { until: now + pause };
        }
        Change::Down { address, gone: false }
    }

    /// A server answers on a link that we dialled.
    pub(super) fn told(
        &mut self,
        now: Time,
        conn: Conn,
        event: Option<Event>,
        identity: &Identity,
        jitter: &mut Jitter,
        effects: &mut Vec<Effect>,
    ) -> Change {
        let Some(address) = self.conns.get(&conn).cloned() else { return Change::None };
        let Some(colleague) = self.all.get_mut(&address) else { return Change::None };
        match (&mut colleague.state, event) {
            (State::Approaching { approach, until }, Some(event)) => {
                *until = now + STEP_MS;
                let step = approach.told(identity, &event, effects);
                self.step(now, &address, step, false, jitter, effects)
            }
            (State::Up { .. }, Some(Event::Link(LinkEvent::Refused { text, .. }))) => {
                self.fail(now, &address, false, &format!("refuses us: {text}"), jitter, effects)
            }
            (State::Up { heard, .. }, Some(Event::Link(event))) => {
                *heard = now;
                match event {
                    LinkEvent::Here { .. } => Change::None,
                    event => Change::Told(address, Box::new(event)),
                }
            }
            _ => self.fail(now, &address, false, "says something that is not for a directory server", jitter, effects),
        }
    }

    fn fail(&mut self, now: Time, address: &Text, gone: bool, why: &str, jitter: &mut Jitter, effects: &mut Vec<Effect>) -> Change {
        let Some(colleague) = self.all.get_mut(address) else { return Change::None };
        if let Some(conn) = colleague.conn() {
            self.conns.remove(&conn);
            effects.push(Effect::Close { conn });
        }
        let level = if colleague.tries == 0 { Level::Warn } else { Level::Debug };
        note(effects, level, format!("directory server {address} {why}"));
        let pause = (RETRY_MS.0 << colleague.tries.min(6)).min(RETRY_MS.1);
        colleague.tries += 1;
        colleague.state = State::Waiting { until: now + pause / 2 + jitter.below(pause / 2 + 1) };
        Change::Down { address: address.clone(), gone }
    }
}

impl Colleague {
    fn conn(&self) -> Option<Conn> {
        self.state.conn()
    }

    fn deadline(&self) -> Time {
        match self.state {
            State::Waiting { until } | State::Approaching { until, .. } => until,
            State::Up { heard, probe_at, .. } => probe_at.min(heard + PROBE_MS.1),
        }
    }
}

impl State {
    fn conn(&self) -> Option<Conn> {
        match self {
            State::Waiting { .. } => None,
            State::Approaching { approach, .. } => approach.conn(),
            State::Up { conn, .. } => Some(*conn),
        }
    }
}
