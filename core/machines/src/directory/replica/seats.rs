//! Which servers there are: they are taken in and let go one at a time, through the log.
//!
//! A new server follows without a vote until it has nearly all of the log; then the leader gives it one. So the majority never depends on a server that has nothing yet.

use noraft::{ClusterConfig, NodeId};

use super::{Record, Replica, Roster};
use crate::ids::ServerId;
use crate::wire::Text;

/// A server that lacks no more records than these has caught up.
const NEARLY: u64 = 64;

/// Why the servers stay who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::directory) enum SeatError {
    /// Someone else decides.
    #[error("this directory server does not lead")]
    NotLeading,
    /// Not before the last change is agreed on.
    #[error("another change of the directory servers is under way")]
    Changing,
    /// Nobody would be left.
    #[error("it is the only directory server with a vote")]
    Last,
    /// Nothing to do.
    #[error("there is no such directory server")]
    Unknown,
}

impl Replica {
    /// The servers, as of the end of the log.
    pub(in crate::directory) fn roster(&self) -> Roster {
        Roster::of(self.node.config(), |server| self.address_of(server))
    }

    /// Where a server is reached.
    pub(in crate::directory) fn address_of(&self, server: ServerId) -> Text {
        self.addresses.get(&server).cloned().unwrap_or_else(|| "".into())
    }

    /// A server that may not have a seat yet says where it is reached.
    pub(in crate::directory) fn meet(&mut self, server: ServerId, address: Text) {
        self.addresses.insert(server, address);
    }

    pub(super) fn learn(&mut self, roster: &Roster) {
        for seat in &roster.seats {
            self.addresses.insert(seat.server, seat.address.clone());
        }
    }

    pub(super) fn learn_from(&mut self, record: &Record) {
        if let Record::Roster { roster } = record {
            self.learn(roster);
        }
    }

    /// How many records another server is known to have, where we lead.
    pub(in crate::directory) fn has(&self, server: ServerId) -> Option<u64> {
        self.node.follower_match_index(NodeId::new(server.0)).map(noraft::LogIndex::get)
    }

    /// Takes a server in; it gets a vote when it has caught up.
    pub(in crate::directory) fn seat(&mut self, server: ServerId, address: Text) -> Result<(), SeatError> {
        let node = NodeId::new(server.0);
        if self.node.config().contains(node) {
            return Ok(());
        }
        let mut config = self.changeable()?.clone();
        config.non_voters.insert(node);
        self.addresses.insert(server, address);
        self.node.propose_config(config);
        Ok(())
    }

    /// Lets a server go.
    pub(in crate::directory) fn unseat(&mut self, server: ServerId) -> Result<(), SeatError> {
        let node = NodeId::new(server.0);
        let config = self.changeable()?;
        let next = if config.non_voters.contains(&node) {
            let mut config = config.clone();
            config.non_voters.remove(&node);
            config
        } else if !config.voters.contains(&node) {
            return Err(SeatError::Unknown);
        } else if config.voters.len() == 1 {
            return Err(SeatError::Last);
        } else {
            config.to_joint_consensus(&[], &[node])
        };
        self.node.propose_config(next);
        Ok(())
    }

    /// The roster, if it may be changed now.
    fn changeable(&self) -> Result<&ClusterConfig, SeatError> {
        if !self.node.role().is_leader() {
            return Err(SeatError::NotLeading);
        }
        let agreed = self.node.commit_index().get();
        let newest = self.records.iter().rev().find(|(_, record)| matches!(record, Record::Roster { .. })).map_or(0, |(index, _)| *index);
        let proposed = self.node.log().last_position().index.get() > self.records.last_key_value().map_or(agreed, |(index, _)| *index);
        let config = self.node.config();
        if config.is_joint_consensus() || newest > agreed || proposed { Err(SeatError::Changing) } else { Ok(config) }
    }

    /// Whoever has caught up gets a vote.
    pub(super) fn settle_seats(&mut self) {
        if self.node.config().non_voters.is_empty() {
            return;
        }
        let Ok(config) = self.changeable() else { return };
        let last = self.node.log().last_position().index.get();
        let ready = config
            .non_voters
            .iter()
            .find(|node| self.node.follower_match_index(**node).is_some_and(|has| has.get() > 0 && has.get() + NEARLY >= last));
        if let Some(node) = ready {
            let next = config.to_joint_consensus(&[*node], &[]);
            self.node.propose_config(next);
        }
    }
}
