//! Connections we ask for: look up the name, try its addresses one after the other, with the TLS handshake where there is one, within a bounded time.
//!
//! Every dial is answered once, by `Dialed`. There are few at a time, so they are kept in a list that is searched from the front.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use chatring_host::Role;
use chatring_machines::ids::Ticket;
use chatring_machines::machine::DialError;
use chatring_machines::wire::Text;
use chatring_machines::{Input, Time};
use mio::net::TcpStream;
use rustls::pki_types::ServerName;

use crate::connections::{CONNECTING, Connection, DIALLED_BY_US, HANDSHAKING, UNTOLD};
use crate::driver::Driver;
use crate::fanout::Class;
use crate::resolve::Resolver;
use crate::tls::{Layer, Membership};

/// Dials under way, the oldest first.
#[derive(Default)]
pub(crate) struct Dials {
    list: VecDeque<Dial>,
    resolver: Resolver,
}

pub(crate) struct Dial {
    pub ticket: Ticket,
    /// What was dialled, without its port: what a certificate has to be for.
    host: Text,
    until: Time,
    /// The connection that is being tried.
    slot: Option<u32>,
    /// What is tried next.
    rest: Vec<SocketAddr>,
}

impl Dials {
    /// When the first one has taken too long.
    pub fn deadline(&self) -> Option<Time> {
        self.list.front().map(|dial| dial.until)
    }

    /// The dial that is at this connection.
    pub fn take_at(&mut self, slot: u32) -> Option<Dial> {
        self.take(|dial| dial.slot == Some(slot))
    }

    fn put(&mut self, dial: Dial) {
        // In the order of their ends: one that tries its second address keeps its place.
        let place = self.list.partition_point(|other| other.until <= dial.until);
        self.list.insert(place, dial);
    }

    fn take(&mut self, wanted: impl Fn(&Dial) -> bool) -> Option<Dial> {
        let i = self.list.iter().position(wanted)?;
        self.list.remove(i)
    }
}

impl Driver {
    /// Begins a dial.
    pub fn dial(&mut self, ticket: Ticket, address: Text) {
        if self.stopping.is_some() || self.dials.list.len() >= self.tuning.dials_max {
            return self.dialed(ticket, Err(DialError::Unreachable));
        }
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']).into();
        let mut dial = Dial { ticket, host, until: self.now + self.tuning.dial_ms, slot: None, rest: Vec::new() };
        if let Ok(address) = address.parse() {
            dial.rest.push(address);
            self.try_next(dial, DialError::Unreachable);
        } else if self.dials.resolver.ask(ticket, address, &self.mailbox) {
            self.dials.list.push_back(dial);
        } else {
            self.dialed(ticket, Err(DialError::Unreachable));
        }
    }

    /// A name was looked up.
    pub fn resolved(&mut self, ticket: Ticket, mut addresses: Vec<SocketAddr>) {
        // Not there any more: it took too long.
        if let Some(mut dial) = self.dials.take(|dial| dial.ticket == ticket) {
            addresses.reverse(); // the first to be tried is the last of the list
            dial.rest = addresses;
            self.try_next(dial, DialError::Unreachable);
        }
    }

    /// Something happened to a connection that is being established.
    pub fn connecting(&mut self, slot: u32) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        let failed = match connection.socket.take_error() {
            Ok(None) => match connection.socket.peer_addr() {
                Ok(_) => None,
                Err(error) if error.kind() == ErrorKind::NotConnected => return, // not yet
                Err(error) => Some(error),
            },
            Ok(Some(error)) | Err(error) => Some(error),
        };
        let Some(dial) = self.dials.take_at(slot) else {
            return;
        };
        if let Some(error) = failed {
            self.connections.remove(slot);
            return self.try_next(dial, reason(&error));
        }
        connection.unset(CONNECTING);
        let class = Class { codec: self.dial_codec, class: connection.codec.class() };
        self.fanout.open(slot, class);
        match self.dial_tls.clone() {
            None => {
                let conn = self.connections.name(slot);
                self.dialed(dial.ticket, Ok(conn));
            }
            Some(membership) => self.shake_hands(slot, dial, &membership),
        }
    }

    /// We are connected, and want to be sure with whom.
    fn shake_hands(&mut self, slot: u32, dial: Dial, membership: &Membership) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        let name = ServerName::try_from(&*dial.host).map(|name| name.to_owned());
        let peer = connection.socket.peer_addr();
        let layer = match (name, peer) {
            (Ok(name), Ok(peer)) => Layer::connect(membership, name, peer).map_err(|error| error.to_string()),
            (Err(error), _) => Err(format!("no certificate can be for {}: {error}", dial.host)),
            (_, Err(error)) => Err(error.to_string()),
        };
        match layer {
            Ok(layer) => {
                connection.layer = Some(layer);
                connection.set(HANDSHAKING);
                connection.set(UNTOLD);
                self.dials.put(Dial { slot: Some(slot), ..dial });
                self.fanout.nudge(slot);
            }
            Err(why) => {
                tracing::warn!("can't talk to {} over TLS: {why}", dial.host);
                self.remove_dialled(slot);
                self.try_next(dial, DialError::Unreachable);
            }
        }
    }

    /// A connection that we dialled turned out not to be one to talk on.
    pub fn dial_failed(&mut self, slot: u32) {
        if let Some(dial) = self.dials.take_at(slot) {
            self.try_next(dial, DialError::Unreachable);
        }
    }

    /// Closes a connection of which the machine has not heard.
    fn remove_dialled(&mut self, slot: u32) {
        match self.connections.at(slot) {
            // Nothing else knows of it.
            Some(connection) if connection.is(CONNECTING) => drop(self.connections.remove(slot)),
            Some(connection) => {
                connection.set(UNTOLD);
                self.remove(slot);
            }
            None => {}
        }
    }

    /// Gives up what has taken too long.
    pub fn reap_dials(&mut self) {
        while self.dials.list.front().is_some_and(|dial| dial.until <= self.now) {
            let Some(dial) = self.dials.list.pop_front() else {
                return;
            };
            if let Some(slot) = dial.slot {
                self.say_why(slot, false, "it does not finish the handshake");
                self.remove_dialled(slot);
            }
            self.dialed(dial.ticket, Err(DialError::Unreachable));
        }
    }

    /// Nobody waits for them any more.
    pub fn drop_dials(&mut self) {
        for dial in std::mem::take(&mut self.dials.list) {
            if let Some(slot) = dial.slot {
                self.remove_dialled(slot);
            }
        }
    }

    /// Tries the next address; `error` is what became of the one before.
    fn try_next(&mut self, mut dial: Dial, mut error: DialError) {
        while let Some(address) = dial.rest.pop() {
            match self.connect(address) {
                Ok(slot) => {
                    dial.slot = Some(slot);
                    return self.dials.put(dial);
                }
                Err(reason) => error = reason,
            }
        }
        self.dialed(dial.ticket, Err(error));
    }

    fn connect(&mut self, address: SocketAddr) -> Result<u32, DialError> {
        let socket = TcpStream::connect(address).map_err(|error| reason(&error))?;
        let codec = self.transports[self.dial_codec as usize].open(Role::Client).map_err(|_| DialError::Unreachable)?;
        let mut connection = Connection::new(socket, codec, None, DIALLED_BY_US);
        connection.set(CONNECTING);
        let conn = self.connections.insert(connection);
        if self.register(conn) {
            return Ok(conn.slot);
        }
        self.connections.remove(conn.slot);
        Err(DialError::Unreachable)
    }

    fn dialed(&mut self, ticket: Ticket, result: Result<chatring_machines::ids::Conn, DialError>) {
        self.inbox.push_back(Input::Dialed { ticket, result });
    }
}

fn reason(error: &std::io::Error) -> DialError {
    if error.kind() == ErrorKind::ConnectionRefused { DialError::Refused } else { DialError::Unreachable }
}
