//! The directory server: keeps the list of super nodes and says who is on it.
//!
//! ```text
//! a command → checked by the server that leads → the log (`replica`) → agreed on → DirectoryState::apply → answer, and the new view to who watches
//! ```
//!
//! The ring changes at once when a node dies, or comes into an empty ring; every other change of it is planned: announced, prepared by its nodes, then made (`planned`).
//! Durable state changes in one place only, when a majority of the servers has the change on disk (`state`, `replica`). Heartbeats, suspicion, leases and who waits for what are soft state of the one that leads
//! (`pulses`, `agenda`), forgotten when another does, which gives every node a full lease. Anyone may ask any server: what only the leader can say is asked of it (`via`).
//! What masters report of groups passes through to the store of each server and is read back from it; the machine holds none of it.
//!
//! Nothing a client can send changes anything here, unless an operator sends it: only connections that proved to know the network's secret may register, report or suspect.
//!
//! Invariants, where this server leads: the pulses are those of the nodes that will be in the ring once all changes under way are agreed on; a death is committed once;
//! each connection is answered in the order it asked.

mod accounts;
mod admission;
mod agenda;
mod applicants;
mod changes;
mod charters;
mod clients;
mod colleagues;
mod config;
mod gauges;
mod handoff;
mod holds;
mod ledger;
mod links;
mod lists;
mod memory_store;
mod peers;
mod planned;
mod pulses;
mod questions;
mod replica;
mod servers;
mod standing;
mod state;
mod steering;
#[cfg(test)]
mod tests;
mod via;
mod visits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use admission::{Admission, Policy};
pub use config::{DirectoryConfig, DirectoryLimits};
pub use ledger::{LEDGER_BYTES_MAX, Ledger};
pub use memory_store::{Kept, MemoryStore, Version, Weight, weigh};
pub use replica::{KeptLog, Letter, LogWrite, Place, Promise, Record, Roster, STATE_PIECE_MAX, Seat, Snapshot};
pub use state::{Applied, DRAINED_KEPT, DirectoryState, Plans, RULINGS_MAX, Rulings};

use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::{Code, Event, Push};
use crate::gauges::Gauges;
use crate::handshake::Identity;
use crate::ids::{Conn, Epoch, Incarnation, ListId, ServerId, Ticket};
use crate::list::Seal;
use crate::machine::{DialError, Effect, Input, Level, Machine, Note};
use crate::names::NodeKey;
use crate::peer::{LinkEvent, PeerCommand};
use crate::ring::Ring;
use crate::time::{Jitter, Time, earlier};
use crate::wire::{Bad, Text};

use agenda::{Agenda, Stage};
use applicants::Applicants;
use changes::{Pending, Storing};
use colleagues::Colleagues;
use holds::Holds;
use links::Links;
use pulses::{Due, Pulses};
use questions::Question;
use replica::{Pace, Replica};
use state::empty_view;
use via::Vias;
use visits::Visits;

/// The list of connections that hear of every new view.
const WATCHERS: ListId = ListId(0);

/// Why a directory server can't start from what it stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored directory is of network '{stored}', not '{configured}': correct [network] name, or give this network a data directory of its own"
)]
pub struct OtherNetwork {
    /// Whose state it is.
    pub stored: Text,
    /// What the configuration says.
    pub configured: Text,
}

/// How often in a lease a server that judges nodes looks at the clock at least.
const LOOKS: u64 = 6;

/// A directory server.
#[derive(Debug)]
pub struct Directory {
    config: DirectoryConfig,
    identity: Identity,
    state: DirectoryState,
    /// Where groups are placed, as of an epoch: made when it is first needed.
    ring: (Epoch, Arc<Ring>),
    jitter: Jitter,
    links: Links,
    pulses: Pulses,
    agenda: Agenda,
    holds: Holds,
    /// What vouches for the view.
    seal: Option<Seal>,
    /// Who wants into the ring and is looked at first.
    applicants: Applicants,
    /// Who is being looked at, for this server or another one.
    visits: Visits,
    /// Its part in the log that the servers keep together.
    replica: Replica,
    colleagues: Colleagues,
    vias: Vias,
    /// Whether this server decides, and who does, as far as is known.
    leads: bool,
    leader: Option<ServerId>,
    /// The others have heard that this server has a log.
    said_founded: bool,
    /// Who wants to read what is certainly the newest, and since when.
    exact_reads: Vec<(Time, Conn)>,
    /// Servers that an operator wants taken in, by address.
    wanted: BTreeSet<Text>,
    /// Changes that are not agreed on yet, in order. None where this server does not lead.
    commits: VecDeque<Pending>,
    /// In the order they were given to the store.
    storing: VecDeque<Storing>,
    questions: BTreeMap<Ticket, Question>,
    client_questions: usize,
    dials: BTreeMap<Ticket, (NodeKey, Incarnation)>,
    tickets: u64,
    /// How many connections wait for something that the audit log is told of.
    audits: usize,
    stopping: bool,
    /// When it last looked at the clock.
    looked: Time,
}

impl Directory {
    /// A server that goes on from what its store gave when it was opened: nothing, for a new one.
    pub fn new(config: DirectoryConfig, kept: Kept) -> Result<Directory, OtherNetwork> {
        let state = kept.state;
        if state.is_founded() && state.view().network != config.network {
            return Err(OtherNetwork { stored: state.view().network.clone(), configured: config.network });
        }
        Ok(Directory {
            identity: config.identity(),
            replica: Replica::new(
                config.address.clone(),
                Pace { election_ms: config.election_ms.max(1) },
                Jitter::new(config.seed.wrapping_add(1)),
                &kept.log,
            ),
            colleagues: Colleagues::default(),
            vias: Vias::default(),
            leads: false,
            leader: None,
            said_founded: !kept.log.records.is_empty() || kept.log.base.index > 0,
            exact_reads: Vec::new(),
            wanted: BTreeSet::new(),
            storing: VecDeque::new(),
            ring: (Epoch::default(), Arc::new(Ring::new(&empty_view()))),
            jitter: Jitter::new(config.seed),
            links: Links::default(),
            pulses: Pulses::new(config.lease_ms),
            agenda: Agenda::default(),
            holds: Holds::new(config.hold_ms),
            seal: None,
            applicants: Applicants::default(),
            visits: Visits::default(),
            commits: VecDeque::new(),
            questions: BTreeMap::new(),
            client_questions: 0,
            dials: BTreeMap::new(),
            tickets: 0,
            audits: 0,
            stopping: false,
            looked: Time(0),
            state,
            config,
        })
    }

    /// What it knows for certain.
    pub fn state(&self) -> &DirectoryState {
        &self.state
    }

    /// Whether it decides, as far as it knows: for those who watch it.
    pub fn leads(&self) -> bool {
        self.leads
    }
}

impl Machine for Directory {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        let from = effects.len();
        self.look_at_office(now, effects);
        self.notice_sleep(now, effects);
        match input {
            Input::Start => self.start(now, effects),
            Input::Opened { conn, listener, peer } => {
                let crowds = self.links.open(now, conn, peer, listener, self.config.limits.strangers);
                self.stand(conn, peer);
                for crowd in crowds {
                    let reason = "too many connections are waiting, and this one was silent longest".into();
                    effects.push(Effect::Tell { conn: crowd, event: Push::Closing { reason }.into() });
                    self.close(now, crowd, effects);
                }
            }
            Input::Certified { conn, certificate } => self.certified(conn, certificate),
            Input::Heard { conn, command } => self.heard(now, conn, command, effects),
            Input::Lost { conn } => self.lost(now, conn, effects),
            Input::Dialed { ticket, result } => self.dialed(now, ticket, result, effects),
            Input::Committed { ticket } => self.stored(now, ticket, effects),
            Input::Told { conn, event } if self.colleagues.owns(conn) => {
                let change = self.colleagues.told(now, conn, event.ok(), &self.identity, &mut self.jitter, effects);
                self.colleague_changed(now, change, effects);
            }
            Input::Told { conn, event } if self.visits.owns(conn) => {
                let outcome = self.visits.told(conn, event.ok(), &self.identity, effects);
                self.visit_over(now, outcome, effects);
            }
            Input::Answered { ticket, answer } => self.answered(now, ticket, answer, effects),
            // A watcher that missed views needs the newest one only.
            Input::Fell { conn, list, .. } => {
                self.show_view(conn, None, effects);
                effects.push(Effect::Enlist { list, conn });
            }
            Input::Stop => {
                self.hand_office_over(now);
                self.stopping = true;
                self.stop_when_idle(effects);
            }
            Input::Configured(settings) => self.operators_changed(settings.operators),
            Input::Deadline => self.attend(now, effects),
            Input::Sifted { .. } | Input::Bot { .. } | Input::Plugged { .. } => {}
            Input::Told { .. } | Input::Judged { .. } | Input::Wish(_) | Input::Drained { .. } | Input::Surveyed { .. } => {}
            Input::Kept { .. } | Input::DiskTrouble { .. } | Input::DiskWell { .. } => {}
        }
        self.settle_log(now, effects);
        self.answer_exact_reads(now, effects);
        self.audit(effects, from);
        self.wrap(effects, from);
        if !self.leads {
            // What came over other servers was answered, and is not asked here again.
            let vias = self.vias.all();
            self.forget_vias(vias, effects);
        }
        self.looked = now;
    }

    fn deadline(&self) -> Option<Time> {
        if self.stopping {
            return self.replica.deadline();
        }
        // Often enough to notice that it stood still, or that its clock did not.
        let look = self.pulses.deadline().map(|due| due.min(self.looked + self.config.lease_ms / LOOKS));
        let of_log = earlier(self.replica.deadline(), self.colleagues.deadline());
        let of_newcomers = earlier(self.visits.deadline(), self.applicants.deadline());
        let others = [self.agenda.deadline(&self.config), of_log, of_newcomers, self.seal_due()];
        others.into_iter().fold(look, earlier)
    }

    fn gauges(&self, now: Time) -> Gauges {
        Gauges::Directory(Box::new(self.look(now)))
    }

    fn check_invariants(&self) {
        self.state.check_invariants();
        self.links.check_invariants();
        self.pulses.check_invariants();
        self.agenda.check_invariants();
        self.replica.check_invariants();
        self.visits.check_invariants();
        assert!(self.applicants.all.keys().all(|conn| !self.agenda.waits(*conn)), "a node is looked at and planned for");
        let asked = self.questions.values().filter(|question| question.is_clients()).count();
        assert_eq!(asked, self.client_questions);
        if !self.leads {
            assert!(self.applicants.all.is_empty(), "nodes ask a server that does not lead");
            assert!(self.commits.is_empty() && self.agenda.current.is_none() && self.pulses.keys().next().is_none());
            return;
        }
        let mut durable = self.state.clone();
        self.commits.iter().for_each(|pending| {
            durable.apply(&pending.change);
        });
        let ring: Vec<_> = durable.view().nodes.iter().map(|node| (&node.key, node.incarnation)).collect();
        assert_eq!(self.pulses.keys().collect::<Vec<_>>(), ring, "pulses are not those of the ring to be");
        let current = self.agenda.current.as_ref();
        let begun = current.filter(|current| current.stage != Stage::Announcing).map(|current| (current.number, &current.plan));
        assert!(begun.is_none() || begun.is_some_and(|(number, _)| number <= durable.plans().number));
        if current.is_none_or(|current| current.stage == Stage::Preparing) && !self.ring_is_changing() {
            assert_eq!(self.state.pending(), begun, "what is under way is not what is durable");
        }
    }
}

impl Directory {
    fn start(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.want_colleagues(now, effects);
        if self.state.is_founded() {
            self.publish_seal(now, effects);
        }
        self.replica.start(now);
        self.found_if_due(now, effects);
    }

    /// A process that did not run could not hear anyone: nobody is judged for that time.
    fn notice_sleep(&mut self, now: Time, effects: &mut Vec<Effect>) {
        // Once for each sleep: whatever else came in meanwhile is heard at the same time.
        let late_ms = self.deadline().map_or(0, |deadline| now.since_ms(deadline)).min(now.since_ms(self.looked));
        if late_ms > self.config.lease_ms / 3 {
            note(effects, Level::Warn, format!("this process stood still for {late_ms} ms; every super node gets a new lease"));
            self.pulses.renew_all(now);
            if let Some(current) = &mut self.agenda.current {
                current.since = now;
            }
        }
    }

    fn heard(&mut self, now: Time, conn: Conn, command: Result<Command, Bad>, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of(conn) else { return };
        let is_peer = link.peer().is_some();
        self.links.hear(now, conn);
        if command.as_ref().is_ok_and(|command| self.oversteps(now, conn, command, effects)) {
            return;
        }
        if let Ok(Command::Peer(PeerCommand::Register { known, .. } | PeerCommand::Watch { known })) = &command
            && let Some(link) = self.links.of_mut(conn)
        {
            link.known = *known;
        }
        let is_for_leader = command.as_ref().is_ok_and(via::is_for_leader);
        let refusal = match command {
            Ok(_) if self.stopping => Some((Code::TryAgain, "1000 this directory server is stopping".to_string())),
            Ok(Command::Client(command)) if !self.permits(conn, &command, effects) => None,
            Ok(command) if !self.leads && is_for_leader && (is_peer || matches!(command, Command::Client(_))) => {
                self.ask_leader(now, conn, command, effects);
                None
            }
            Ok(Command::Client(command)) => {
                self.client_command(now, conn, command, effects);
                None
            }
            Ok(Command::Peer(command)) => {
                self.peer_command(now, conn, command, effects);
                None
            }
            Err(bad) => Some((code_of(&bad), bad.to_string())),
        };
        if let Some((code, text)) = refusal {
            let event = if is_peer { LinkEvent::Refused { code, text: text.into() }.into() } else { Event::error(code, text) };
            effects.push(Effect::Tell { conn, event });
        }
    }

    fn certified(&mut self, conn: Conn, certificate: Certificate) {
        match self.links.of_mut(conn) {
            Some(link) => link.certificate = Some(certificate),
            None if self.visits.owns(conn) => self.visits.certified(conn, certificate),
            None => self.colleagues.certified(conn, certificate),
        }
    }

    fn lost(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if self.colleagues.owns(conn) {
            let change = self.colleagues.lost(now, conn);
            return self.colleague_changed(now, change, effects);
        }
        if self.visits.owns(conn) {
            let outcome = self.visits.lost(conn);
            return self.visit_over(now, outcome, effects);
        }
        let Some(mut link) = self.links.remove(conn) else { return };
        self.audit_lost(link.audit.take(), effects);
        self.caller_gone(now, conn, effects);
        let vias = self.vias.of(conn);
        self.forget_vias(vias, effects);
        self.forget_asker(conn, effects);
        if link.is_known_to_leader {
            self.tell_leader_lost(now, conn, effects);
        }
        if let Some(peer) = link.peer()
            && self.pulses.disconnect(&peer.key, conn)
        {
            self.suspect(now, &peer.key, effects);
        }
    }

    /// Forgets a connection and has it closed. Its node, if it has one, is not suspected: we did this.
    fn close(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        let mut link = self.links.remove(conn);
        self.audit_lost(link.as_mut().and_then(|link| link.audit.take()), effects);
        self.caller_gone(now, conn, effects);
        if let Some(peer) = link.as_ref().and_then(links::Link::peer) {
            self.pulses.disconnect(&peer.key, conn);
        }
        if link.is_some_and(|link| link.is_known_to_leader) {
            self.tell_leader_lost(now, conn, effects);
        }
        self.forget_asker(conn, effects);
        effects.push(Effect::Close { conn });
    }

    /// Looks after whoever is due. Heartbeats that came in this turn were heard before.
    fn attend(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.replica.tick(now);
        let tickets = &mut self.tickets;
        let ticket = || {
            *tickets += 1;
            Ticket(*tickets)
        };
        for change in self.colleagues.tick(now, ticket, &mut self.jitter, effects) {
            self.colleague_changed(now, change, effects);
        }
        let mut spared = Vec::new();
        while !self.stopping
            && let Some((key, due)) = self.pulses.first_due(now)
        {
            match due {
                Due::Lapsed if self.pulses.spare(now, &key) => spared.push(key),
                Due::Lapsed => {
                    let why = format!("was silent for {} ms", self.config.lease_ms);
                    self.declare_dead(now, &key, why, effects);
                }
                Due::Probe => self.probe(now, &key, effects),
            }
        }
        if let Some(first) = spared.first() {
            let more = if spared.len() > 1 { format!(" and {} more are", spared.len() - 1) } else { " is".into() };
            let text = format!("{first}{more} silent, and so is everyone else: this server may be cut off, and does not judge for now");
            note(effects, Level::Warn, text);
        }
        if self.seal_due().is_some_and(|due| due <= now) {
            self.publish_seal(now, effects);
        }
        if !self.stopping {
            self.attend_applicants(now, effects);
            self.attend_plan(now, effects);
        }
    }

    /// Someone's connection to this node broke: has a look, now or as soon as the last look is long enough ago.
    fn suspect(&mut self, now: Time, key: &NodeKey, effects: &mut Vec<Effect>) {
        self.pulses.suspect(now, key);
        if !self.stopping && self.pulses.probe_due(now, key) {
            self.probe(now, key, effects);
        }
    }

    fn probe(&mut self, now: Time, key: &NodeKey, effects: &mut Vec<Effect>) {
        let Some(incarnation) = self.pulses.of(key).map(|pulse| pulse.incarnation) else { return };
        self.pulses.probe(now, key);
        match key.address() {
            Some(address) => {
                let ticket = self.ticket();
                self.dials.insert(ticket, (key.clone(), incarnation));
                effects.push(Effect::Dial { ticket, address: address.to_string().into() });
            }
            None => {
                self.pulses.probed(key, incarnation);
            }
        }
    }

    fn dialed(&mut self, now: Time, ticket: Ticket, result: Result<Conn, DialError>, effects: &mut Vec<Effect>) {
        if let Some(change) = self.colleagues.dialed(now, ticket, result, &self.identity, &mut self.jitter, effects) {
            return self.colleague_changed(now, change, effects);
        }
        if self.visits.is_dialing(ticket) {
            let outcome = self.visits.dialed(ticket, result, &self.identity, &mut self.jitter, effects);
            return self.visit_over(now, outcome, effects);
        }
        let suspect = self.dials.remove(&ticket);
        if let Ok(conn) = result {
            effects.push(Effect::Close { conn });
        }
        let Some((key, incarnation)) = suspect else { return };
        // Only a refusal says something for certain. In every other case the lease decides.
        if self.pulses.probed(&key, incarnation) && result == Err(DialError::Refused) && !self.stopping {
            self.declare_dead(now, &key, "refuses connections".to_string(), effects);
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn stop_when_idle(&mut self, effects: &mut Vec<Effect>) {
        if self.stopping && self.commits.is_empty() && self.storing.is_empty() && self.questions.is_empty() {
            effects.push(Effect::Stopped);
        }
    }
}

fn code_of(bad: &Bad) -> Code {
    match bad {
        Bad::Unknown(_) => Code::Unknown,
        Bad::Missing { .. } | Bad::Value { .. } | Bad::TooMany(_) => Code::Syntax,
    }
}

fn note(effects: &mut Vec<Effect>, level: Level, text: String) {
    effects.push(Effect::Note(Note::Log { level, text }));
}
