//! Connections whose byte layer is not ready yet: few at a time, for a short time, and nothing that the machine would know of.
//!
//! Such a connection counts among its listener's clients like any other; its bound here is on what is dear about it, the handshake. When that comes to an end, the machine hears `Opened`.

use std::net::SocketAddr;

use chatring_machines::Input;
use chatring_machines::ids::{Conn, ListenerId};

use crate::connections::HANDSHAKING;
use crate::driver::Driver;
use crate::tls::{Identity, Layer};

impl Driver {
    /// A byte layer for who was just accepted, if there is room for one more handshake.
    pub fn layer(&mut self, id: usize, identity: &Identity, peer: SocketAddr) -> Option<Box<Layer>> {
        if !self.has_room_for_handshake(id) {
            self.counters.refused += 1;
            return None;
        }
        match Layer::accept(identity, peer) {
            Ok(layer) => Some(layer),
            Err(error) => {
                tracing::error!("TLS can't be begun: {error}");
                self.counters.handshakes_failed += 1;
                None
            }
        }
    }

    /// An accepted connection has to agree on a key first.
    pub fn begin_handshake(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.at(conn.slot) {
            connection.set(HANDSHAKING);
            let listener = connection.listener;
            self.listeners[listener as usize].handshakes.push_back((self.now, conn));
        }
    }

    /// If a connection's byte layer has become ready, gives what the machine hears of that.
    pub fn end_handshake(&mut self, conn: Conn) -> Option<Input> {
        let connection = self.connections.at(conn.slot)?;
        let layer = connection.layer.as_ref().filter(|layer| !layer.is_handshaking())?;
        let peer = layer.peer.ip();
        let listener = connection.listener;
        if !connection.unset(HANDSHAKING) {
            return None;
        }
        self.listeners[listener as usize].handshakes.retain(|(_, other)| *other != conn);
        Some(Input::Opened { conn, listener: ListenerId(listener), peer })
    }

    /// A connection ends. If it was still at its handshake, that came to nothing.
    pub fn give_up_handshake(&mut self, slot: u32) {
        if let Some(connection) = self.connections.at(slot)
            && connection.unset(HANDSHAKING)
        {
            let listener = connection.listener;
            self.listeners[listener as usize].handshakes.retain(|(_, other)| other.slot != slot);
            self.counters.handshakes_failed += 1;
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
        if let Some(layer) = self.connections.at(slot).and_then(|connection| connection.layer.as_ref()) {
            tracing::debug!("{}: TLS: {error}", layer.peer);
        }
        self.counters.broken += 1;
        self.lose(slot);
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
        if let Some(layer) = self.connections.at(conn.slot).and_then(|connection| connection.layer.as_ref()) {
            tracing::debug!("{}: TLS: the handshake is given up, {why}", layer.peer);
        }
        self.cut(conn.slot);
    }
}
