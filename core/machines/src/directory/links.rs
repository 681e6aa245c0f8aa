//! The connections of a directory server: who is on each, what they still wait for, and how many there may be.
//!
//! Invariants: a connection that has not proved to be a peer stands among the strangers, once, at the time it was last heard; past
//! the bound the one that was silent longest goes, so that no crowd of idle connections keeps a newcomer out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::certificate::Certificate;
use crate::handshake::{Accepting, Peer};
use crate::ids::{Conn, Epoch, ListenerId};
use crate::names::NodeKey;
use crate::operators::{AuditLine, Standing};
use crate::time::Time;
use crate::wire::Text;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<Conn, Link>,
    strangers: BTreeSet<(Time, Conn)>,
    opened: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    /// From where it came.
    pub(super) from: IpAddr,
    /// By which listener it came.
    pub(super) listener: ListenerId,
    /// Counts connections, for `CLIENT ID`.
    pub(super) id: u64,
    /// What `CLIENT SETNAME` called it.
    pub(super) name: Option<Text>,
    /// How far it is trusted.
    pub(super) stage: Stage,
    /// Hears of every new view.
    pub(super) watches: bool,
    /// The epoch of the view that it has, as it says.
    pub(super) known: Option<Epoch>,
    /// Had a place in the ring given to it, and not taken by a drain.
    pub(super) registered: bool,
    /// What it asked and we have not answered.
    pub(super) pending: usize,
    /// Its answer must come before anything else is read from it.
    pub(super) waits: bool,
    /// Nothing is read from it now.
    pub(super) paused: bool,
    /// It ends at another server.
    pub(super) via: bool,
    /// The leader has heard of it.
    pub(super) is_known_to_leader: bool,
    /// What the leader was asked for it and has not answered.
    pub(super) asked_leader: usize,
    /// The certificate that was shown.
    pub(super) certificate: Option<Certificate>,
    /// Which operator it is, if it is one.
    pub(super) standing: Option<Standing>,
    /// What it is having done that the audit log is to tell. Nothing more is read from it until that is answered.
    pub(super) audit: Option<AuditLine>,
    heard: Time,
}

/// How far a connection is trusted.
#[derive(Debug)]
pub(super) enum Stage {
    /// Anyone.
    Stranger,
    /// Says to be a peer and has been asked to prove it.
    Challenged(Accepting),
    /// A peer.
    Proven(Peer),
}

impl Links {
    /// A new connection. Gives the strangers that must go to stay within the bound.
    pub(super) fn open(&mut self, now: Time, conn: Conn, from: IpAddr, listener: ListenerId, strangers_max: usize) -> Vec<Conn> {
        self.opened += 1;
        let link = Link {
            from,
            listener,
            id: self.opened,
            name: None,
            stage: Stage::Stranger,
            watches: false,
            known: None,
            registered: false,
            pending: 0,
            waits: false,
            paused: false,
            via: false,
            is_known_to_leader: false,
            asked_leader: 0,
            certificate: None,
            standing: None,
            audit: None,
            heard: now,
        };
        self.links.insert(conn, link);
        let excess = (self.strangers.len() + 1).saturating_sub(strangers_max.max(1));
        let gone = self.strangers.iter().take(excess).map(|(_, conn)| *conn).collect();
        self.strangers.insert((now, conn));
        gone
    }

    /// Something was heard on it.
    pub(super) fn hear(&mut self, now: Time, conn: Conn) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if self.strangers.remove(&(link.heard, conn)) {
            self.strangers.insert((now, conn));
        }
        link.heard = now;
    }

    /// It is a peer from here on.
    pub(super) fn trust(&mut self, conn: Conn, peer: Peer) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        self.strangers.remove(&(link.heard, conn));
        link.stage = Stage::Proven(peer);
    }

    /// This node only watches from here on. Looks at all connections, as often as a node is drained.
    pub(super) fn demote(&mut self, key: &NodeKey) {
        let own = self.links.values_mut().filter(|link| link.peer().is_some_and(|peer| peer.key == *key));
        own.for_each(|link| link.registered = false);
    }

    /// It is gone.
    pub(super) fn remove(&mut self, conn: Conn) -> Option<Link> {
        let link = self.links.remove(&conn)?;
        self.strangers.remove(&(link.heard, conn));
        Some(link)
    }

    pub(super) fn of(&self, conn: Conn) -> Option<&Link> {
        self.links.get(&conn)
    }

    pub(super) fn of_mut(&mut self, conn: Conn) -> Option<&mut Link> {
        self.links.get_mut(&conn)
    }

    /// All who are on a link of their own here.
    pub(super) fn here_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.values_mut().filter(|link| !link.via)
    }

    /// Who waits for an answer of the leader's. Looks at all connections, as often as the leader changes.
    pub(super) fn asking_leader(&self) -> Vec<Conn> {
        self.links.iter().filter(|(_, link)| link.asked_leader > 0).map(|(conn, _)| *conn).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// How many of them are peers.
    pub(super) fn peers(&self) -> usize {
        self.links.len() - self.strangers.len()
    }

    pub(super) fn check_invariants(&self) {
        for (conn, link) in &self.links {
            let proven = matches!(link.stage, Stage::Proven(_));
            assert_eq!(self.strangers.contains(&(link.heard, *conn)), !proven, "{conn:?} is counted wrongly");
            assert!(!link.paused || link.pending > 0, "{conn:?} is not read from and waits for nothing");
        }
    }
}

impl Link {
    /// Who it proved to be.
    pub(super) fn peer(&self) -> Option<&Peer> {
        match &self.stage {
            Stage::Proven(peer) => Some(peer),
            _ => None,
        }
    }
}
