//! From sockets to inputs: accepting, reading, decoding.
//!
//! A connection's turn is bounded in bytes and in commands. Commands are taken out of the codec one at a time, and each is handled before the next is looked at, so that a `Pause`, or an answer
//! that changes how the codec speaks, holds from there on. What is left over is kept with the connection; everyone reads into one shared buffer.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::time::Duration;

use chatring_host::{Decoded, Flow, Role};
use chatring_machines::Input;
use chatring_machines::command::Command;
use chatring_machines::event::Event;
use chatring_machines::ids::{Conn, ListenerId};
use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{SockRef, TcpKeepalive};

use crate::connections::{CLOSING, Connection, ENDED, Held, OWED, READABLE, SHUT, UNDECIDED, UNDONE};
use crate::driver::Driver;
use crate::fanout::Class;
use crate::tls::{Beneath, FIRST_BYTE};

/// The turn of one connection.
#[derive(Default)]
pub(crate) struct Reading {
    /// Whose turn it is: what it says may make another take its slot.
    conn: Option<Conn>,
    buffer: Vec<u8>,
    /// What came from a socket with a byte layer, before that has opened it.
    sealed: Vec<u8>,
    /// That its byte layer is ready: what the machine hears before anything else.
    pub opened: VecDeque<Input>,
    /// How much of the buffer is filled, and used.
    filled: usize,
    used: usize,
    /// Decoded already.
    found: VecDeque<Input>,
    /// What the codec wants sent after the command that was just found.
    after: Vec<u8>,
    broken: bool,
    commands: usize,
}

/// How long accepting rests when the process is out of file descriptors.
const REST_MS: u64 = 100;
/// An idle peer is probed after this long, so that a dead one is noticed.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20));
/// More of the shared buffer is given back after a turn that needed it.
const BUFFER_KEPT_MAX: usize = 1 << 20;

impl Driver {
    /// Accepts the next one of a listener, if there is one.
    pub fn accept(&mut self, id: usize) -> Option<Input> {
        let listener = &mut self.listeners[id];
        let (socket, address) = match listener.socket.as_ref()?.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                listener.ready = false;
                return None;
            }
            Err(error) if is_exhausted(&error) => {
                listener.rests_until = Some(self.now + REST_MS);
                self.counters.exhausted += 1;
                return None;
            }
            Err(_) => return None, // it went before it was accepted
        };
        if listener.clients >= listener.limits.clients_max {
            self.counters.refused += 1;
            return None;
        }
        let (layer, is_offered) = match listener.beneath.clone() {
            Beneath::Nothing => (None, false),
            Beneath::Tls(identity) => (Some(self.layer(id, identity.current(), address)?), false),
            Beneath::TlsOffered(_) => (None, true),
        };
        let listener = &mut self.listeners[id];
        if self.transports[listener.codec as usize].is_disabled() {
            self.counters.refused += 1;
            return None;
        }
        let Ok(codec) = self.transports[listener.codec as usize].open(Role::Server) else {
            self.counters.broken += 1;
            return None;
        };
        let is_layered = layer.is_some();
        let class = Class { codec: listener.codec, class: codec.class() };
        let mut connection = Connection::new(socket, codec, layer, id as u16);
        if is_offered {
            connection.set(UNDECIDED);
        }
        let conn = self.connections.insert(connection);
        listener.clients += 1;
        self.fanout.open(conn.slot, class);
        self.counters.accepted += 1;
        if !self.register(conn) {
            self.remove(conn.slot); // the machine has not heard of it
            return None;
        }
        if is_layered {
            self.begin_handshake(conn, true);
            return None;
        }
        Some(Input::Opened { conn, listener: ListenerId(id as u16), peer: address.ip() })
    }

    /// Has a connection polled.
    pub fn register(&mut self, conn: Conn) -> bool {
        let Some(connection) = self.connections.at(conn.slot) else {
            return false;
        };
        tune(&connection.socket);
        let token = Token(conn.slot as usize);
        self.poll.registry().register(&mut connection.socket, token, Interest::READABLE | Interest::WRITABLE).is_ok()
    }

    /// Begins a connection's turn. False when there is nothing to do.
    pub fn begin_read(&mut self, slot: u32) -> bool {
        let conn = self.connections.name(slot);
        let Some(connection) = self.connections.at(slot) else {
            return false;
        };
        connection.unset(OWED);
        if connection.is(SHUT) {
            self.discard(slot);
            return false;
        }
        if !connection.is_listened_to() {
            return false;
        }
        // First what is there already: reading on top of it would pile up what nobody has the time for.
        let undone = connection.unset(UNDONE);
        let held = connection.held.take().map(|held| *held).unwrap_or_default();
        let reading = &mut self.reading;
        reading.conn = Some(conn);
        let kept = held.bytes.len();
        reading.buffer.resize(reading.buffer.len().max(kept + self.tuning.read_max), 0);
        reading.buffer[..kept].copy_from_slice(&held.bytes);
        (reading.filled, reading.used, reading.found, reading.broken, reading.commands) = (kept, 0, held.found, held.broken, 0);
        reading.after.clear();
        if connection.is(READABLE) && !undone { self.receive(conn) } else { true }
    }

    /// Reads from the socket, behind what is there. False when nothing can be done with it.
    fn receive(&mut self, conn: Conn) -> bool {
        let Some(connection) = self.connections.at(conn.slot) else {
            return false;
        };
        let (reading, read_max) = (&mut self.reading, self.tuning.read_max);
        let is_plain = connection.layer.is_none() && !connection.is(UNDECIDED);
        let room = if is_plain {
            &mut reading.buffer[reading.filled..reading.filled + read_max]
        } else {
            reading.sealed.resize(read_max, 0);
            &mut reading.sealed[..]
        };
        self.counters.reads += 1;
        match connection.socket.read(room) {
            Ok(0) => {
                connection.unset(READABLE);
                connection.set(ENDED);
                self.ended_unannounced(conn.slot);
            }
            // Less than there was room for: all there was. What comes later, or the end, is another edge.
            Ok(count) => {
                self.counters.bytes_in += count as u64;
                if count < read_max && !connection.is(ENDED) {
                    connection.unset(READABLE);
                }
                if !is_plain {
                    return self.open(conn, count);
                }
                reading.filled += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.unset(READABLE);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                self.cut(conn.slot);
                return false;
            }
        }
        true
    }

    /// Gives what was just read to the connection's byte layer, which it may get by that. False when that can't be trusted.
    fn open(&mut self, conn: Conn, count: usize) -> bool {
        let Some(connection) = self.connections.at(conn.slot) else {
            return false;
        };
        if connection.unset(UNDECIDED) {
            let reading = &mut self.reading;
            if reading.sealed[0] != FIRST_BYTE {
                reading.buffer[reading.filled..reading.filled + count].copy_from_slice(&reading.sealed[..count]);
                reading.filled += count;
                return true;
            }
            if !self.take_offer(conn) {
                return false;
            }
        }
        let (Some(connection), reading) = (self.connections.at(conn.slot), &mut self.reading) else {
            return false;
        };
        let Some(layer) = &mut connection.layer else {
            return false;
        };
        match layer.open(&reading.sealed[..count], &mut reading.buffer, &mut reading.filled) {
            Ok(false) => {}
            Ok(true) => {
                connection.unset(READABLE);
                connection.set(ENDED);
            }
            Err(error) => {
                self.distrust(conn.slot, &error);
                return false;
            }
        }
        self.end_handshake(conn);
        // An answer of the layer's own.
        if self.connections.at(conn.slot).and_then(|connection| connection.layer.as_ref()).is_some_and(|layer| layer.is_owing()) {
            self.fanout.nudge(conn.slot);
        }
        true
    }

    /// The next thing a connection said in its turn.
    pub fn next_read(&mut self, slot: u32) -> Option<Input> {
        loop {
            if !self.reading.after.is_empty() {
                let after = std::mem::take(&mut self.reading.after);
                self.tell_bytes(slot, &after);
            }
            if !self.being_read(slot)?.is_listened_to() || self.reading.commands >= self.tuning.commands_max {
                return None;
            }
            if let Some(input) = self.reading.found.pop_front() {
                self.reading.commands += 1;
                self.counters.heard += 1;
                return Some(input);
            }
            if self.reading.broken || self.reading.used == self.reading.filled || !self.decode(slot) {
                return None;
            }
        }
    }

    /// Has the codec look at what is there. False when it needs more to go on.
    fn decode(&mut self, slot: u32) -> bool {
        let conn = self.connections.name(slot);
        let Some(connection) = self.connections.at(slot) else {
            return false;
        };
        let dialled = connection.is_dialled();
        let Reading { buffer, filled, used, found, after, broken, .. } = &mut self.reading;
        let before = &mut self.encoded;
        before.clear();
        let end = connection.codec.decode(&buffer[*used..*filled], &mut |decoded| match decoded {
            Decoded::Record(record) => {
                let argv: smallvec::SmallVec<[&[u8]; 16]> = record.argv.iter().map(|arg| arg.as_bytes()).collect();
                found.push_back(match dialled {
                    false => Input::Heard { conn, command: Command::parse(&argv) },
                    true => Input::Told { conn, event: Event::parse(&argv) },
                });
                Flow::Stop
            }
            Decoded::Wire(bytes) => {
                if found.is_empty() {
                    before.extend_from_slice(bytes)
                } else {
                    after.extend_from_slice(bytes)
                }
                Flow::Continue
            }
        });
        *used += end.used.min(*filled - *used);
        *broken = end.broken;
        let class = connection.codec.class();
        let codec = self.fanout.class(slot).codec;
        self.fanout.set_class(slot, Class { codec, class });
        if !self.encoded.is_empty() {
            let before = std::mem::take(&mut self.encoded);
            self.tell_bytes(slot, &before);
            self.encoded = before;
        }
        !self.reading.found.is_empty()
    }

    fn tell_bytes(&mut self, slot: u32, bytes: &[u8]) {
        if self.being_read(slot).is_some_and(|connection| !connection.is(CLOSING)) {
            self.fanout.tell(slot, bytes);
            self.bound_output(slot);
        }
    }

    /// Ends a connection's turn: keeps what was not used, and decides whether it has another coming.
    pub fn end_read(&mut self, slot: u32) {
        let input_max = self.limits(slot).input_max;
        let same = self.reading.conn == Some(self.connections.name(slot));
        let reading = &mut self.reading;
        let Some(connection) = self.connections.at(slot).filter(|connection| same && !connection.is(CLOSING)) else {
            reading.found.clear();
            reading.buffer.truncate(BUFFER_KEPT_MAX);
            return;
        };
        let rest = &reading.buffer[reading.used..reading.filled];
        let stopped = reading.commands >= self.tuning.commands_max;
        let undone = !reading.found.is_empty() || (!rest.is_empty() && !reading.broken && (stopped || !connection.is_listened_to()));
        let broken = reading.broken && reading.found.is_empty();
        let too_long = !undone && rest.len() > input_max;
        if undone || !rest.is_empty() {
            let found = std::mem::take(&mut reading.found);
            connection.held = Some(Box::new(Held { bytes: rest.to_vec(), found, broken: reading.broken }));
        }
        reading.buffer.truncate(BUFFER_KEPT_MAX);
        if undone {
            connection.set(UNDONE);
        }
        if broken || too_long {
            self.counters.broken += 1;
            self.lose(slot);
        } else if connection.is(ENDED) && !connection.is(READABLE) && !undone && connection.is_listened_to() {
            self.lose(slot);
        } else if connection.is_listened_to() {
            self.owe(slot);
        }
    }

    /// The connection whose turn it is, if it is still there.
    fn being_read(&mut self, slot: u32) -> Option<&mut Connection> {
        let same = self.reading.conn == Some(self.connections.name(slot));
        self.connections.at(slot).filter(|_| same)
    }

    /// Reads what nobody listens to any more, until the peer ends.
    fn discard(&mut self, slot: u32) {
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        self.reading.buffer.resize(self.reading.buffer.len().max(self.tuning.read_max), 0);
        match connection.socket.read(&mut self.reading.buffer[..self.tuning.read_max]) {
            Ok(count) if count > 0 => self.owe(slot),
            Err(error) if error.kind() == ErrorKind::Interrupted => self.owe(slot),
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.stopping.is_none() => {
                connection.unset(READABLE);
                connection.unset(ENDED);
            }
            _ => self.cut(slot),
        }
    }
}

fn is_exhausted(error: &std::io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Small messages at once, and dead peers noticed. A socket that refuses this is still a socket.
fn tune(socket: &TcpStream) {
    let _ = socket.set_nodelay(true);
    let _ = SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE);
}
