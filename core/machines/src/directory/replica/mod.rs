//! One directory server's part in the log that all of them keep together: what is in it a majority has on disk, in the same order, for good.
//!
//! The protocol is Raft, by the `noraft` crate, which decides and does nothing: it knows places, not what stands there, and says what is to be written, sent and waited for. This module keeps the
//! records, the clock and the order of things:
//!
//! ```text
//! a letter, a proposal, a deadline → noraft → to be written → Out::Write → `written` → its letters go, what is agreed on is Out::Apply
//! ```
//!
//! One write is under way at a time; what comes up meanwhile is gathered and goes with the next. Nothing leaves that speaks of what is not on this server's disk yet. A leader's heartbeats wait for no write.
//!
//! Beyond the library: nobody stands for election before a majority has said that it misses its leader, too (`election`); a leader knows until when it certainly is the only one, which is what heartbeats of super
//! nodes and exact reads are answered by; who is far behind is sent the state (`shipping`); servers are taken in and let go one at a time (`seats`).
//!
//! Invariants: `records` are those of the library's log, each of them; `applied` ≤ `durable`; what is applied was agreed on.

mod election;
mod letter;
mod record;
mod seats;
mod shipping;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use noraft::{Action, LogIndex, Message, Node, NodeId, Role};

pub use letter::Letter;
pub use record::{KeptLog, LogWrite, Place, Promise, Record, Roster, Seat, Snapshot};
pub use shipping::STATE_PIECE_MAX;

use super::DirectoryState;
use crate::ids::ServerId;
use crate::peer::Change;
use crate::time::{Jitter, Time};
use crate::wire::Text;
pub(super) use seats::SeatError;

use election::Canvass;
use shipping::{Receiving, Sending};

/// Records that go into one letter at most, and what they may weigh together, in bytes: with what is around them less than a codec takes in one command. One goes in any case.
const RECORDS_MAX: usize = 128;
const RECORDS_WEIGHT_MAX: usize = 48 << 10;
/// Records behind the state that are kept for servers that are a little behind.
const KEPT_RECORDS: u64 = 1_024;
/// No place is beyond this: numbers from elsewhere are not computed with unless they are below.
const PLACE_MAX: u64 = 1 << 60;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A follower that hears nothing from its leader for this long, or up to twice as long, asks for an election.
    pub(super) election_ms: u64,
}

impl Pace {
    fn heartbeat_ms(self) -> u64 {
        (self.election_ms / 8).max(1)
    }
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Out {
    /// To the disk; then `written` is to be called.
    Write(Box<LogWrite>),
    /// To that server, if it is in reach.
    Send(ServerId, Letter),
    /// This record is agreed on: the next change of the state.
    Apply(u64, Change),
    /// The servers are these, agreed on.
    Servers(Roster),
    /// The state is another: this server was too far behind for records.
    Install(Box<DirectoryState>),
}

/// A server's part.
#[derive(Debug)]
pub(super) struct Replica {
    me: ServerId,
    address: Text,
    node: Node,
    pace: Pace,
    jitter: Jitter,
    /// What stands at each place behind the base.
    records: BTreeMap<u64, Record>,
    /// Where servers are reached that a roster has named, or that have said so themselves.
    addresses: BTreeMap<ServerId, Text>,
    durable: Durable,
    applied: u64,
    /// The state on disk is to be as of there, as was said last.
    kept: u64,
    /// Whether a promise that names us is on its way to the disk, and whether it is there.
    has_named: bool,
    is_named: bool,
    writing: Option<Writing>,
    letters: Vec<(ServerId, Letter)>,
    timer: Option<Time>,
    canvass: Option<Canvass>,
    contact: Option<Contact>,
    /// Whoever we heard before we were started anew may count on our silence until then.
    bound_until: Option<Time>,
    /// The term in which our leader handed its office to us.
    handed: Option<u64>,
    /// Until when we try to hand ours over.
    handing: Option<Time>,
    /// When our leader sent what we have not answered yet.
    unanswered: BTreeMap<ServerId, Time>,
    /// The latest time at which we sent something that they have answered in this term.
    answered: BTreeMap<ServerId, Time>,
    sending: BTreeMap<ServerId, Sending>,
    receiving: Option<Receiving>,
    /// A state that has come in whole, to be written.
    arrived: Option<Box<Snapshot>>,
}

/// The leader that was heard last.
#[derive(Clone, Copy, Debug)]
struct Contact {
    leader: ServerId,
    heard: Time,
    /// When it sent that, by its own clock.
    sent: Time,
}

/// What is on disk here of what is in memory.
#[derive(Clone, Copy, Debug)]
struct Durable {
    /// The last record that is.
    last: Place,
    /// The newest term.
    term: u64,
}

/// A write under way.
#[derive(Debug)]
struct Writing {
    /// What others may hear when it is done.
    letters: Vec<(ServerId, Letter)>,
    durable: Durable,
    install: Option<Box<DirectoryState>>,
}

impl Replica {
    /// Goes on from what is on the disk.
    pub(super) fn new(address: Text, pace: Pace, mut jitter: Jitter, kept: &KeptLog) -> Replica {
        let promise = kept.promise.unwrap_or_else(|| Promise { server: ServerId(jitter.draw().max(1)), ..Promise::default() });
        let me = promise.server;
        let node = if kept.promise.is_none() {
            Node::start(NodeId::new(me.0))
        } else {
            let voted = promise.voted.map(|server| NodeId::new(server.0));
            Node::restart(NodeId::new(me.0), noraft::Term::new(promise.term), voted, kept.log())
        };
        let node_last = node.log().last_position().into();
        let mut replica = Replica {
            me,
            address,
            node,
            pace,
            jitter,
            records: (kept.base.index + 1..).zip(kept.records.iter().cloned()).collect(),
            addresses: BTreeMap::new(),
            durable: Durable { last: node_last, term: promise.term },
            applied: kept.applied,
            kept: kept.applied,
            has_named: kept.promise.is_some(),
            is_named: kept.promise.is_some(),
            writing: None,
            letters: Vec::new(),
            timer: None,
            canvass: None,
            contact: None,
            bound_until: None,
            handed: None,
            handing: None,
            unanswered: BTreeMap::new(),
            answered: BTreeMap::new(),
            sending: BTreeMap::new(),
            receiving: None,
            arrived: None,
        };
        replica.learn(&kept.roster);
        kept.records.iter().for_each(|record| replica.learn_from(record));
        replica
    }

    /// Which server this is.
    pub(super) fn me(&self) -> ServerId {
        self.me
    }

    /// Begins the log, with these servers and this one.
    pub(super) fn found(&mut self, others: &[(ServerId, Text)]) {
        self.addresses.insert(self.me, self.address.clone());
        others.iter().for_each(|(server, address)| {
            self.addresses.insert(*server, address.clone());
        });
        // Not all that were met: one may have come with another file since.
        let ids = others.iter().map(|(server, _)| *server).chain([self.me]).map(|server| NodeId::new(server.0));
        self.node.create_cluster(&ids.collect::<Vec<_>>());
    }

    /// Begins a log behind a state that is older than it, with this server alone: whoever comes later is too far behind for records, and is sent the state.
    pub(super) fn found_upon(&mut self, now: Time, state: DirectoryState) {
        self.hear_of_term(self.me, self.term() + 1);
        self.addresses.insert(self.me, self.address.clone());
        let seat = Seat { server: self.me, address: self.address.clone(), votes: true, will: true };
        let (place, roster) = (Place { index: 1, term: self.term() }, Roster { seats: vec![seat], joint: false });
        self.arrived = Some(Box::new(Snapshot { place, roster, state }));
        // It has nobody to ask for votes.
        self.timer = Some(now);
    }

    /// Whether this server's disk says which it is. Before, nobody may count on that.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    /// Whether there is a log.
    pub(super) fn is_founded(&self) -> bool {
        self.node.config().unique_nodes().next().is_some()
    }

    /// Adds a change to the log, and gives its place. `None`: this server does not lead.
    pub(super) fn propose(&mut self, change: Change) -> Option<u64> {
        if !self.node.role().is_leader() || self.handing.is_some() {
            return None;
        }
        let place = Place::from(self.node.propose_command());
        self.records.insert(place.index, Record::Change { change });
        Some(place.index)
    }

    /// Another server says something.
    pub(super) fn heard(&mut self, now: Time, from: ServerId, letter: Letter) {
        if letter.is_beyond(PLACE_MAX) {
            return;
        }
        match letter {
            Letter::Canvass { term, last } => self.canvassed(now, from, term, last),
            Letter::Canvassed { term, known, granted } => self.answered_canvass(now, from, term, known, granted),
            Letter::Hand { term } => self.take_office(from, term),
            Letter::State { term, place, roster, at, size, piece } => self.piece(now, from, term, place, roster, (at, size), &piece),
            Letter::Got { term, place, at } => self.got(now, from, term, place, at),
            Letter::Stand { handed: false, .. } if self.is_led(now) => {}
            Letter::Entries { term, after, records, sent, commit } => {
                if term >= self.term() {
                    // Whoever led before we were started anew leads no more, or is this one.
                    (self.contact, self.bound_until) = (Some(Contact { leader: from, heard: now, sent }), None);
                    self.unanswered.insert(from, sent);
                    self.entries(from, term, commit, after, records);
                } else {
                    self.entries(from, term, commit, after, Vec::new());
                }
            }
            Letter::Held { term, last, sent } => {
                if term == self.term() {
                    let latest = self.answered.entry(from).or_default();
                    *latest = sent.max(*latest);
                }
                self.take(&Letter::Held { term, last, sent }, from);
            }
            letter @ (Letter::Stand { .. } | Letter::Vote { .. }) => self.take(&letter, from),
        }
    }

    /// Another server says something that is not for us. Nothing comes of it but who leads, so that what only that one can do can be asked of it.
    pub(super) fn overheard(&mut self, now: Time, from: ServerId, letter: &Letter) {
        if let Letter::Entries { term, sent, .. } = letter
            && *term >= self.term()
        {
            self.contact = Some(Contact { leader: from, heard: now, sent: *sent });
        }
    }

    fn take(&mut self, letter: &Letter, from: ServerId) {
        let Some(message) = letter.as_message(from) else { return };
        let term = self.term();
        self.node
            .handle_message(&message)
            .expect("the log on this disk and the leader's have agreed on different things: one of them is not of this network");
        if self.term() != term {
            self.answered.clear();
        }
    }

    fn entries(&mut self, from: ServerId, term: u64, commit: u64, after: Place, records: Vec<Record>) {
        let letter = Letter::Entries { term, commit, after, records, sent: Time(0) };
        self.node.actions_mut().append_log_entries = None;
        self.take(&letter, from);
        let (Letter::Entries { records, .. }, Some(Message::AppendEntriesCall { entries, .. })) = (&letter, letter.as_message(from)) else {
            return;
        };
        // What a state that came meanwhile stands for is not a record here, though the log knows its last place.
        let base = self.node.log().snapshot_position().index;
        for ((position, _), record) in entries.iter_with_positions().zip(records) {
            if position.index > base && self.node.log().entries().contains(position) {
                self.learn_from(record);
                self.records.insert(position.index.get(), record.clone());
            }
        }
        let last = self.node.log().last_position().index.get();
        self.records.split_off(&(last + 1));
        // What this leader has in the place of something else is not on disk here, though something is.
        let log = self.node.log().entries();
        let same = |place: Place| match log.contains(place.position()) {
            true => place,
            false => {
                let index = place.index.min(after.index).min(last);
                log.get_term(LogIndex::new(index)).map_or(Place::default(), |term| Place { index, term: term.get() })
            }
        };
        self.durable.last = same(self.durable.last);
        if let Some(writing) = &mut self.writing {
            writing.durable.last = same(writing.durable.last);
        }
    }

    /// The write under way is on the disk.
    pub(super) fn written(&mut self, out: &mut Vec<Out>) {
        let Some(writing) = self.writing.take() else { return };
        self.durable = writing.durable;
        self.is_named = true;
        out.extend(writing.install.map(Out::Install));
        out.extend(writing.letters.into_iter().map(|(to, letter)| Out::Send(to, letter)));
    }

    /// Does what the library wants done. `state` is as of what was applied.
    pub(super) fn flush(&mut self, now: Time, state: &DirectoryState, out: &mut Vec<Out>) {
        if !self.node.role().is_leader() {
            self.handing = None;
            self.sending.clear();
        }
        self.settle_seats();
        out.extend(self.letters.drain(..).map(|(to, letter)| Out::Send(to, letter)));
        if self.writing.is_none() {
            let mut letters = Vec::new();
            let mut write = LogWrite { install: self.take_in(), ..LogWrite::default() };
            let actions: Vec<Action> = self.node.actions_mut().collect();
            for action in actions {
                match action {
                    Action::SetElectionTimeout => self.set_timer(now),
                    Action::SaveCurrentTerm | Action::SaveVotedFor => write.promise = Some(self.promise()),
                    // What is to be written is told from the log itself: what the library gathered may be of two leaders.
                    Action::AppendLogEntries(_) => {}
                    Action::BroadcastMessage(message) => {
                        let peers: Vec<NodeId> = self.node.peers().collect();
                        letters.extend(peers.into_iter().map(|to| self.letter(now, to, &message)));
                    }
                    Action::SendMessage(to, message) => letters.push(self.letter(now, to, &message)),
                    Action::InstallSnapshot(to) => letters.extend(self.ship(now, ServerId(to.get()), state)),
                }
            }
            write.append = self.unwritten(write.install.as_deref());
            self.complete(&mut write);
            self.write(write, letters, out);
        }
        let before = self.applied;
        self.apply(out);
        if self.applied > before && self.node.role().is_leader() {
            // What is agreed on the others hear at once: their watchers wait for it.
            self.beat(now);
        }
    }

    /// What the log has behind what is on disk. Where a leader has put something in the place of what was there, `durable` ends before it.
    fn unwritten(&mut self, install: Option<&Snapshot>) -> Option<(u64, Vec<Record>)> {
        let after = install.map_or(self.durable.last, |snapshot| snapshot.place);
        let entries = self.node.log().entries().since(after.position())?;
        let all: Vec<_> = entries.iter_with_positions().collect();
        let records: Vec<Record> = all.into_iter().map(|(position, entry)| self.record(position.index.get(), entry)).collect();
        Some((after.index, records)).filter(|(_, records)| !records.is_empty())
    }

    /// What else belongs into a write.
    fn complete(&mut self, write: &mut LogWrite) {
        if !self.has_named {
            write.promise = Some(self.promise());
        }
        let agreed = self.node.commit_index().get();
        if agreed > self.kept {
            (write.commit, self.kept) = (agreed, agreed);
        }
        let base = self.node.log().snapshot_position().index.get();
        if self.applied - base >= 2 * KEPT_RECORDS {
            write.forget = self.forget(self.applied - KEPT_RECORDS);
        }
    }

    /// Records up to here are needed no more.
    fn forget(&mut self, index: u64) -> Option<(Place, Roster)> {
        let (position, config) = self.node.log().get_position_and_config(LogIndex::new(index))?;
        let config = config.clone();
        let roster = Roster::of(&config, |server| self.address_of(server));
        let forgot = self.node.handle_snapshot_installed(position, config);
        assert!(forgot, "record {index} can't be the last that is forgotten");
        self.records = self.records.split_off(&(index + 1));
        Some((position.into(), roster))
    }

    fn write(&mut self, write: LogWrite, mut letters: Vec<(ServerId, Letter)>, out: &mut Vec<Out>) {
        if !write.is_promise() {
            out.extend(letters.drain(..).map(|(to, letter)| Out::Send(to, letter)));
        }
        if write.is_empty() {
            return;
        }
        self.has_named |= write.promise.is_some();
        let durable = Durable { last: self.node.log().last_position().into(), term: self.term() };
        let install = write.install.as_ref().map(|snapshot| Box::new(snapshot.state.clone()));
        self.writing = Some(Writing { letters, durable, install });
        out.push(Out::Write(Box::new(write)));
    }

    /// What is agreed on, and on this disk, changes the state.
    fn apply(&mut self, out: &mut Vec<Out>) {
        let until = self.node.commit_index().get().min(self.durable.last.index);
        while self.applied < until {
            self.applied += 1;
            match self.records.get(&self.applied) {
                Some(Record::Change { change }) => out.push(Out::Apply(self.applied, change.clone())),
                Some(Record::Roster { roster }) => out.push(Out::Servers(roster.clone())),
                Some(Record::Term { .. }) => {}
                None => panic!("record {} is agreed on, and is not here", self.applied),
            }
        }
    }

    fn promise(&self) -> Promise {
        Promise { server: self.me, term: self.term(), voted: self.node.voted_for().map(|node| ServerId(node.get())) }
    }

    /// What stands at a place. What the library proposes by itself is said here for the first time.
    fn record(&mut self, index: u64, entry: noraft::LogEntry) -> Record {
        if let Some(record) = self.records.get(&index).filter(|record| record.entry() == entry) {
            return record.clone();
        }
        let record = match entry {
            noraft::LogEntry::Term(term) => Record::Term { term: term.get() },
            noraft::LogEntry::ClusterConfig(config) => Record::Roster { roster: Roster::of(&config, |server| self.address_of(server)) },
            noraft::LogEntry::Command => panic!("a change is to be written that nobody proposed"),
        };
        self.records.insert(index, record.clone());
        record
    }

    /// A message of the library's, with what it does not know.
    fn letter(&mut self, now: Time, to: NodeId, message: &Message) -> (ServerId, Letter) {
        let to = ServerId(to.get());
        let letter = match message {
            Message::RequestVoteCall { term, last_position, .. } => {
                let handed = self.handed == Some(term.get());
                Letter::Stand { term: term.get(), last: (*last_position).into(), handed }
            }
            Message::RequestVoteReply { term, vote_granted, .. } => Letter::Vote { term: term.get(), granted: *vote_granted },
            Message::AppendEntriesCall { term, commit_index, entries, .. } => {
                let (mut records, mut weight) = (Vec::new(), 0);
                for (position, entry) in entries.iter_with_positions().take(RECORDS_MAX) {
                    let record = self.record(position.index.get(), entry);
                    weight += record.weight();
                    if weight > RECORDS_WEIGHT_MAX && !records.is_empty() {
                        break;
                    }
                    records.push(record);
                }
                let after = entries.prev_position().into();
                Letter::Entries { term: term.get(), commit: commit_index.get(), after, records, sent: now }
            }
            Message::AppendEntriesReply { term, last_position, .. } => {
                let sent = self.unanswered.remove(&to).unwrap_or_default();
                Letter::Held { term: term.get(), last: (*last_position).into(), sent }
            }
        };
        (to, letter)
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.timer
    }

    /// The newest term known here.
    pub(super) fn term(&self) -> u64 {
        self.node.current_term().get()
    }

    /// Up to where the state is.
    #[cfg(test)]
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// How far the log goes, and how far it is agreed on, as far as is known here.
    pub(super) fn reach(&self) -> (u64, u64) {
        (self.node.log().last_position().index.get(), self.node.commit_index().get())
    }

    /// What it is in its term.
    pub(super) fn role(&self) -> Role {
        self.node.role()
    }

    pub(super) fn check_invariants(&self) {
        let log = self.node.log();
        let numbers = log.snapshot_position().index.get() + 1..=log.last_position().index.get();
        // What the library proposes by itself is said when it is written.
        let written = log.snapshot_position().index.get() + 1..=self.durable.last.index.min(*numbers.end());
        assert!(written.clone().all(|index| self.records.contains_key(&index)), "records are missing");
        assert!(self.records.keys().all(|index| numbers.contains(index)), "records are here that the log has not");
        assert!(self.applied <= self.durable.last.index.max(log.snapshot_position().index.get()));
    }
}
