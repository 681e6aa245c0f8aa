//! Connections whose byte layer is not ready yet: few at a time, for a short time, and nothing is heard from them.
//!
//! An accepted one counts among its listener's clients like any other; its bound here is on what is dear about it, the handshake. Where everyone has TLS, the machine hears `Opened` when that comes to an end. Where TLS is offered, it
//! has heard that before: whoever says nothing at all is to be known, and counted, as on a plain port. One that we dial is bounded as dials are, and the machine hears `Dialed`. If the other end has shown a certificate, `Certified` follows.

use std::net::SocketAddr;
use std::sync::Arc;

use chatring_machines::Input;
use chatring_machines::ids::{Conn, ListenerId};
use rustls::ServerConfig;

use crate::connections::{HANDSHAKING, UNTOLD};
use crate::driver::Driver;
use crate::tls::{Beneath, Layer, explain, is_about_certificates};

impl Driver {
    /// A byte layer for whoever has come in, if there is room for one more handshake.
    pub fn layer(&mut self, id: usize, config: Arc<ServerConfig>, peer: SocketAddr) -> Option<Box<Layer>> {
        if !self.has_room_for_handshake(id) {
            self.counters.refused += 1;
            return None;
        }
        match Layer::accept(config, peer) {
            Ok(layer) => Some(layer),
            Err(error) => {
                tracing::error!("TLS can't be begun: {error}");
                self.counters.handshakes_failed += 1;
                None
            }
        }
    }

    /// An accepted connection has to agree on a key first. `untold`: the machine hears of it when it has.
    pub fn begin_handshake(&mut self, conn: Conn, untold: bool) {
        if let Some(connection) = self.connections.at(conn.slot) {
            connection.set(HANDSHAKING);
            if untold {
                connection.set(UNTOLD);
            }
            let listener = connection.listener;
            self.listeners[listener as usize].handshakes.push_back((self.now, conn));
        }
    }

    /// Someone begins with TLS where it is offered. False where they had to be closed.
    pub fn take_offer(&mut self, conn: Conn) -> bool {
        let Some(connection) = self.connections.at(conn.slot) else {
            return false;
        };
        let (id, peer) = (connection.listener as usize, connection.socket.peer_addr());
        let config = match &self.listeners[id].beneath {
            Beneath::TlsOffered(membership) => membership.server(),
            _ => None,
        };
        let layer = config.zip(peer.ok()).and_then(|(config, peer)| self.layer(id, config, peer));
        let is_taken = layer.is_some();
        if let Some(connection) = self.connections.at(conn.slot) {
            connection.layer = layer;
        }
        if is_taken {
            self.begin_handshake(conn, false)
        } else {
            self.lose(conn.slot)
        }
        is_taken
    }

    /// If a connection's byte layer has become ready, the machine hears of that first.
    pub fn end_handshake(&mut self, conn: Conn) {
        let Some(connection) = self.connections.at(conn.slot) else {
            return;
        };
        let Some(layer) = connection.layer.as_ref().filter(|layer| !layer.is_handshaking()) else {
            return;
        };
        let (peer, certificate) = (layer.peer.ip(), layer.certificate());
        if !connection.unset(HANDSHAKING) {
            return;
        }
        self.counters.handshakes += 1;
        let (listener, is_untold) = (connection.listener, connection.unset(UNTOLD));
        if let Some(listener) = self.listeners.get_mut(listener as usize) {
            listener.handshakes.retain(|(_, other)| *other != conn);
        }
        let opened = match self.dials.take_at(conn.slot) {
            Some(dial) => Some(Input::Dialed { ticket: dial.ticket, result: Ok(conn) }),
            None => is_untold.then_some(Input::Opened { conn, listener: ListenerId(listener), peer }),
        };
        self.reading.opened.extend(opened);
        self.reading.opened.extend(certificate.map(|certificate| Input::Certified { conn, certificate }));
    }

    /// A connection ends. If it was still at its handshake, that came to nothing.
    pub fn give_up_handshake(&mut self, slot: u32) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        if !connection.unset(HANDSHAKING) {
            return;
        }
        self.counters.handshakes_failed += 1;
        let listener = connection.listener;
        match self.listeners.get_mut(listener as usize) {
            Some(listener) => listener.handshakes.retain(|(_, other)| other.slot != slot),
            None => self.dial_failed(slot),
        }
    }

    /// Cuts those who take too long.
    pub fn reap_handshakes(&mut self) {
        for id in 0..self.listeners.len() {
            while let Some(&(since, conn)) = self.listeners[id].handshakes.front()
                && since + self.tuning.handshake_ms <= self.now
            {
                self.cut_handshake(conn, "its time is over");
            }
        }
    }

    /// What a connection sent can't be opened: it is told so, and closed.
    pub fn distrust(&mut self, slot: u32, error: &rustls::Error) {
        if self.is_for_peers(slot) {
            self.say_why(slot, is_about_certificates(error), &explain(error));
        } else {
            self.say_why(slot, false, &error.to_string());
        }
        self.counters.broken += 1;
        self.lose(slot);
    }

    /// Whether the network's certificates are what matters on this connection.
    fn is_for_peers(&mut self, slot: u32) -> bool {
        let listener = self.connections.at(slot).and_then(|connection| self.listeners.get(connection.listener as usize));
        listener.is_none_or(|listener| matches!(listener.beneath, Beneath::TlsOffered(_)))
    }

    /// A connection with TLS has ended without the word that this was all.
    pub fn ended_unannounced(&mut self, slot: u32) {
        self.say_why(slot, false, "ended without saying so");
    }

    /// Why TLS came to nothing. A line at debug level, since ports hear a lot; at warning level where it is about one of ours.
    pub fn say_why(&mut self, slot: u32, is_ours: bool, why: &str) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        let (is_dialled, is_handshaking) = (connection.is_dialled(), connection.is(HANDSHAKING));
        let Some(peer) = connection.layer.as_ref().map(|layer| layer.peer) else {
            return;
        };
        match is_dialled {
            true if is_ours || is_handshaking => self.warn(peer, format!("can't talk to {peer} over TLS: {why}")),
            false if is_ours => self.warn(peer, format!("turned away {} at its TLS handshake: {why}", peer.ip())),
            _ => tracing::debug!("{peer}: TLS: {why}"),
        }
    }

    /// Whether one more may begin; the oldest makes room if it had its time.
    fn has_room_for_handshake(&mut self, id: usize) -> bool {
        if self.listeners[id].handshakes.len() < self.tuning.handshakes_max {
            return true;
        }
        match self.listeners[id].handshakes.front() {
            Some(&(since, conn)) if since + self.tuning.handshake_ms_min <= self.now => {
                self.cut_handshake(conn, "it has to make room");
                true
            }
            _ => false,
        }
    }

    fn cut_handshake(&mut self, conn: Conn, why: &str) {
        self.say_why(conn.slot, false, &format!("the handshake is given up, {why}"));
        self.cut(conn.slot);
    }
}
