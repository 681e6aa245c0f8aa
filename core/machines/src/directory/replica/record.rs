//! What stands in the log that directory servers keep together, and what of it is on a server's disk.

use noraft::{ClusterConfig, Log, LogEntries, LogEntry, LogIndex, LogPosition, NodeId};

use crate::directory::DirectoryState;
use crate::ids::ServerId;
use crate::peer::Change;
use crate::wire::Text;
use crate::{wire_enum, wire_struct};

wire_struct! {
    /// A place in the log: its number, counted from 1, and the term of the leader who gave it.
    #[derive(Copy, Default, Eq, PartialOrd, Ord)]
    pub struct Place {
        /// Its number.
        index: u64,
        /// Whose.
        term: u64,
    }
}

wire_struct! {
    /// A directory server in a roster.
    #[derive(Eq)]
    pub struct Seat {
        /// Which file.
        server: ServerId,
        /// Where it is reached, as `host:port`.
        address: Text,
        /// It has a vote.
        votes: bool,
        /// It has one in the roster that is being changed to, where one is.
        will: bool,
    }
}

wire_struct! {
    /// The directory servers as of a place in the log. While it is being changed a majority of those who vote and one of those who will is needed for everything.
    #[derive(Default, Eq)]
    pub struct Roster {
        /// Ordered by server. One without a vote follows, until it has caught up.
        seats: Vec<Seat>,
        /// It is being changed.
        joint: bool,
    }
}

wire_enum! {
    /// An entry of the log.
    pub enum Record {
        /// A leader begins.
        "term" Term { term: u64 },
        /// The servers are these.
        "roster" Roster { roster: Roster },
        /// The state changes.
        "change" Change { change: Change },
    }
}

wire_struct! {
    /// What a server may never forget: what it has promised to whom.
    #[derive(Copy, Default, Eq)]
    pub struct Promise {
        /// Who it is itself.
        server: ServerId,
        /// The newest term that it knows.
        term: u64,
        /// Who has its vote in that.
        voted: Option<ServerId>,
    }
}

/// A server's part of the log, as it is on its disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptLog {
    /// `None`: a file that is new.
    pub promise: Option<Promise>,
    /// Behind this place the records begin; all up to it is in the state.
    pub base: Place,
    /// The servers as of there.
    pub roster: Roster,
    /// In order.
    pub records: Vec<Record>,
    /// The state is as of this record.
    pub applied: u64,
}

/// A state, and as of which place: for a server that is too far behind for records.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// As of this place.
    pub place: Place,
    /// The servers as of there.
    pub roster: Roster,
    /// The state.
    pub state: DirectoryState,
}

/// What a server writes at a time: all of it is there afterwards, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogWrite {
    /// What it promises from here on.
    pub promise: Option<Promise>,
    /// Instead of all records and of the state.
    pub install: Option<Box<Snapshot>>,
    /// Behind this record, whatever was there before, come these.
    pub append: Option<(u64, Vec<Record>)>,
    /// The state is to be as of this record; 0: as it is.
    pub commit: u64,
    /// Records up to this place are needed no more; the servers as of there.
    pub forget: Option<(Place, Roster)>,
}

impl LogWrite {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == LogWrite::default()
    }

    /// Whether anything in it has to be on the disk before others hear of it. That the state follows the log has not: the log is enough to do it again.
    pub fn is_promise(&self) -> bool {
        self.promise.is_some() || self.append.is_some() || self.install.is_some()
    }
}

impl KeptLog {
    /// The last record's number.
    pub fn last(&self) -> u64 {
        self.base.index + self.records.len() as u64
    }

    /// The record of this number, if it is here.
    pub fn record(&self, index: u64) -> Option<&Record> {
        let at = index.checked_sub(self.base.index + 1)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// Does what a write says. The changes that are to be made to the state come back in order, or the state itself.
    pub fn write(&mut self, write: &LogWrite) -> (Option<DirectoryState>, Vec<Change>) {
        self.promise = write.promise.or(self.promise);
        let installed = write.install.as_ref().map(|snapshot| {
            (self.base, self.roster) = (snapshot.place, snapshot.roster.clone());
            self.records.clear();
            self.applied = snapshot.place.index;
            snapshot.state.clone()
        });
        if let Some((after, records)) = &write.append {
            self.records.truncate(after.saturating_sub(self.base.index) as usize);
            self.records.extend(records.iter().cloned());
        }
        let mut changes = Vec::new();
        while self.applied < write.commit.min(self.last()) {
            self.applied += 1;
            if let Some(Record::Change { change }) = self.record(self.applied) {
                changes.push(change.clone());
            }
        }
        if let Some((place, roster)) = &write.forget {
            self.records.drain(..(place.index.saturating_sub(self.base.index) as usize).min(self.records.len()));
            (self.base, self.roster) = (*place, roster.clone());
        }
        (installed, changes)
    }

    /// For the library.
    pub(super) fn log(&self) -> Log {
        let entries = LogEntries::from_iter(self.base.position(), self.records.iter().map(Record::entry));
        Log::new(self.roster.config(), entries)
    }
}

impl Place {
    /// As the library says it.
    pub(super) fn position(self) -> LogPosition {
        LogPosition { term: noraft::Term::new(self.term), index: LogIndex::new(self.index) }
    }
}

impl From<LogPosition> for Place {
    fn from(position: LogPosition) -> Place {
        Place { index: position.index.get(), term: position.term.get() }
    }
}

impl Roster {
    /// Those who have a vote now.
    pub fn voters(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.votes)
    }

    /// The seat of this server.
    pub fn seat(&self, server: ServerId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.server == server)
    }

    /// As the library says it.
    pub(super) fn config(&self) -> ClusterConfig {
        let mut config = ClusterConfig::new();
        for seat in &self.seats {
            let node = NodeId::new(seat.server.0);
            if seat.votes {
                config.voters.insert(node);
            }
            if seat.will && self.joint {
                config.new_voters.insert(node);
            }
            if !(seat.votes || seat.will && self.joint) {
                config.non_voters.insert(node);
            }
        }
        config
    }

    /// From what the library says, and where the servers are reached.
    pub(super) fn of(config: &ClusterConfig, address: impl Fn(ServerId) -> Text) -> Roster {
        let joint = config.is_joint_consensus();
        let seat = |node: NodeId| {
            let server = ServerId(node.get());
            let will = if joint { config.new_voters.contains(&node) } else { config.voters.contains(&node) };
            Seat { server, address: address(server), votes: config.voters.contains(&node), will }
        };
        let mut seats: Vec<Seat> = config.unique_nodes().map(seat).collect();
        seats.sort_by_key(|seat| seat.server);
        Roster { seats, joint }
    }
}

impl Record {
    /// What it takes to send, roughly, in bytes.
    pub(super) fn weight(&self) -> usize {
        const FIXED: usize = 256;
        match self {
            Record::Change { change: Change::Charters { charters } } => charters.iter().map(|charter| charter.weight()).sum(),
            Record::Change { change: Change::Account { secret, .. } } => FIXED + secret.as_ref().map_or(0, |secret| secret.len()),
            Record::Change { change: Change::Directories { servers } } => FIXED * servers.len(),
            Record::Roster { roster } => FIXED * roster.seats.len(),
            Record::Term { .. } | Record::Change { .. } => FIXED,
        }
    }

    /// As the library says it: it knows places, not what stands there.
    pub(super) fn entry(&self) -> LogEntry {
        match self {
            Record::Term { term } => LogEntry::Term(noraft::Term::new(*term)),
            Record::Roster { roster } => LogEntry::ClusterConfig(roster.config()),
            Record::Change { .. } => LogEntry::Command,
        }
    }
}
