//! Everything around the machine: what is here, and the few verbs that all phases of a turn share.
//!
//! Holds no protocol decisions. What the machine shall hear goes to `inbox` and is handed in by the turn, so nothing here calls back into the machine.
//!
//! Sockets are registered once, for reading and writing. Being edge-triggered, the interest in writing costs nothing while nothing is left to write: the kernel reports room
//! only after it had refused some. Asking anew for each leftover would be two system calls for every time a reader lags.

use std::collections::{BTreeMap, VecDeque};
use std::net::Shutdown;
use std::sync::Arc;

use chatring_host::{Authenticator, Transport};
use chatring_machines::ids::{Conn, Ticket};
use chatring_machines::machine::{Lag, Note, StoreError};
use chatring_machines::wire::Argv;
use chatring_machines::{Input, Time};
use mio::Poll;
use mio::net::TcpListener;

use crate::connections::{AWAITED, CLOSING, CONNECTING, Connections, DIALLED_BY_US, FULL, OWED, READABLE, SHUT, TRUSTED, UNTOLD};
use crate::counters::Counters;
use crate::dialing::Dials;
use crate::fanout::{Fall, Fanout};
use crate::judges::JudgePool;
use crate::keeper::KeeperThread;
use crate::mailbox::Mailbox;
use crate::reading::Reading;
use crate::setup::{Limits, OnPlugin, ReactorError, Tuning};
use crate::sifter::Sifter;
use crate::store::StoreThread;
use crate::tls::{Beneath, Membership};
use crate::warnings::Warnings;

/// A listener at work.
pub(crate) struct Listener {
    pub name: Arc<str>,
    /// Gone once the machine has stopped.
    pub socket: Option<TcpListener>,
    pub codec: u16,
    pub beneath: Beneath,
    /// Connections that are still at their TLS handshake, and since when; in that order.
    pub handshakes: VecDeque<(Time, Conn)>,
    pub auth: Arc<[Arc<Authenticator>]>,
    pub limits: Limits,
    pub clients: usize,
    /// Someone may wait to be accepted.
    pub ready: bool,
    /// Out of file descriptors: nobody is accepted before this.
    pub rests_until: Option<Time>,
}

pub(crate) struct Driver {
    pub poll: Poll,
    pub now: Time,
    pub listeners: Vec<Listener>,
    pub transports: Vec<Arc<Transport>>,
    pub dial_codec: u16,
    pub dial_tls: Option<Arc<Membership>>,
    pub connections: Connections,
    pub fanout: Fanout,
    pub dials: Dials,
    pub mailbox: Arc<Mailbox>,
    pub judges: Arc<JudgePool>,
    pub sifter: Option<Sifter>,
    pub plugins: Option<OnPlugin>,
    pub store: Option<StoreThread>,
    pub keeper: Option<KeeperThread>,
    pub notes: Box<dyn FnMut(Note) + Send>,
    pub warnings: Warnings,
    pub tuning: Tuning,
    pub counters: Counters,
    /// What the machine hears next.
    pub inbox: VecDeque<Input>,
    /// Connections that stopped before their socket had nothing more, or were given leave to go on.
    pub owed: Vec<u32>,
    pub reading: Reading,
    /// Those that hear their last words, and until when; in that order.
    pub lingering: VecDeque<(Time, Conn)>,
    /// The machine is done: until when the last words may take.
    pub stopping: Option<Time>,
    pub failed: Option<ReactorError>,
    pub argv: Argv,
    pub encoded: Vec<u8>,
    pub dirty: Vec<u32>,
    /// Those that take nothing, and since when.
    pub stuck: BTreeMap<u32, Time>,
    pub falls: Vec<Fall>,
}

impl Driver {
    /// Gives a connection a turn, if it has a reason for one.
    pub fn owe(&mut self, slot: u32) {
        if let Some(connection) = self.connections.at(slot)
            && connection.has_input()
            && !connection.is(OWED)
        {
            connection.set(OWED);
            self.owed.push(slot);
        }
    }

    /// The bounds of a connection.
    pub fn limits(&mut self, slot: u32) -> Limits {
        let connection = self.connections.at(slot).filter(|connection| !connection.is(TRUSTED));
        let listener = connection.map_or(DIALLED_BY_US, |connection| connection.listener);
        self.listeners.get(listener as usize).map_or(self.tuning.peers, |listener| listener.limits)
    }

    /// Something was put into a connection's private output: looks after its bounds.
    pub fn bound_output(&mut self, slot: u32) {
        let limits = self.limits(slot);
        let bytes = self.fanout.private_len(slot);
        self.bound(slot, bytes > limits.output_soft, bytes > limits.output_hard);
    }

    /// A connection has to leave something out: looks after how many separate stretches that makes.
    pub fn bound_skips(&mut self, slot: u32) {
        let skips = self.fanout.skips_len(slot);
        self.bound(slot, skips > SKIPS_SOFT, skips > SKIPS_HARD);
    }

    fn bound(&mut self, slot: u32, soft: bool, hard: bool) {
        if hard {
            self.counters.overflowed += 1;
            self.cut(slot);
        } else if soft
            && let Some(connection) = self.connections.at(slot)
            && !connection.is(FULL)
        {
            connection.set(FULL);
            self.counters.held += 1;
        }
    }

    /// A connection that was not listened to took something: maybe it may be again.
    pub fn relieve(&mut self, slot: u32) {
        let half = self.limits(slot).output_soft / 2;
        let relieved = self.fanout.private_len(slot) <= half && self.fanout.skips_len(slot) <= SKIPS_SOFT / 2;
        if relieved && self.connections.at(slot).is_some_and(|connection| connection.unset(FULL)) {
            self.owe(slot);
        }
    }

    /// If the machine waits for room at this connection, and there is some, it hears of it.
    pub fn drained(&mut self, slot: u32) {
        if let Some(connection) = self.connections.at(slot)
            && connection.is(AWAITED)
            && !connection.is(CLOSING)
            && self.fanout.has_room(slot)
        {
            connection.unset(AWAITED);
            let conn = self.connections.name(slot);
            self.inbox.push_back(Input::Drained { conn });
        }
    }

    /// Who has something unread, or takes nothing at all.
    pub fn survey(&mut self, ticket: Ticket) {
        let mut lags = Vec::new();
        for slot in self.connections.slots() {
            let ours = self.connections.at(slot).filter(|connection| !connection.is(CLOSING) && !connection.is(CONNECTING));
            if ours.is_none_or(|connection| connection.is(UNTOLD)) {
                continue;
            }
            let ((bytes, entries), stuck) = (self.fanout.lag(slot), self.stuck.get(&slot).copied());
            if bytes > 0 || stuck.is_some() {
                lags.push(Lag { conn: self.connections.name(slot), bytes, entries, stuck });
            }
        }
        self.inbox.push_back(Input::Surveyed { ticket, lags });
    }

    /// The machine has nothing more to do with this connection: it hears what it still has to, then it goes.
    pub fn finish(&mut self, slot: u32) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        if connection.is(CLOSING) {
            return;
        }
        connection.set(CLOSING);
        connection.held = None;
        self.give_up_handshake(slot);
        self.fanout.delist_all(slot);
        self.lingering.push_back((self.now + self.tuning.linger_ms, self.connections.name(slot)));
    }

    /// As [`Driver::finish`], and the machine hears of it: the peer is gone, or can't be trusted any more.
    pub fn lose(&mut self, slot: u32) {
        self.report_lost(slot);
        self.finish(slot);
    }

    /// The connection goes at once.
    pub fn cut(&mut self, slot: u32) {
        self.report_lost(slot);
        self.remove(slot);
    }

    /// The connection goes at once, and nobody hears of it.
    pub fn remove(&mut self, slot: u32) {
        self.fanout.close(slot);
        self.stuck.remove(&slot);
        self.give_up_handshake(slot);
        if let Some(connection) = self.connections.remove(slot)
            && let Some(listener) = self.listeners.get_mut(connection.listener as usize)
        {
            listener.clients -= 1;
        }
    }

    /// A closing connection has heard everything: says so to the peer and waits for its end, because closing with something unread would destroy the last words on their way.
    pub fn shut(&mut self, slot: u32) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        if connection.is(CLOSING) && !connection.is(SHUT) {
            connection.set(SHUT);
            if connection.socket.shutdown(Shutdown::Write).is_err() {
                self.cut(slot);
                return;
            }
            connection.set(READABLE);
            self.owe(slot);
        }
    }

    /// Cuts those whose time for last words is over.
    pub fn reap(&mut self) {
        while let Some(&(until, conn)) = self.lingering.front() {
            let gone = self.connections.at(conn.slot).is_none() || self.connections.name(conn.slot) != conn;
            if !gone && until > self.now {
                return;
            }
            self.lingering.pop_front();
            if !gone {
                self.cut(conn.slot);
            }
        }
    }

    /// The store can't be relied on: the loop ends after this turn.
    pub fn fail(&mut self, error: StoreError) {
        self.failed.get_or_insert(ReactorError::Store(error));
    }

    fn report_lost(&mut self, slot: u32) {
        if self.connections.at(slot).is_some_and(|connection| !connection.is(CLOSING) && !connection.is(UNTOLD)) {
            let conn = self.connections.name(slot);
            self.inbox.push_back(Input::Lost { conn });
        }
    }
}

/// Stretches of a group that a connection leaves out, at which nothing more is read from it until half of them are behind it.
const SKIPS_SOFT: usize = 64;
/// Stretches at which it is cut.
const SKIPS_HARD: usize = 1024;
