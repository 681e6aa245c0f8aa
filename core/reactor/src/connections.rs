//! The table of connections: slot and generation, and little for each.

use std::collections::VecDeque;

use chatring_host::Codec;
use chatring_machines::Input;
use chatring_machines::ids::Conn;
use mio::net::TcpStream;

use crate::tls::Layer;

/// One connection, as small as it goes: an idle one has no buffers. What it hears and has to send is the fan-out's.
pub(crate) struct Connection {
    pub socket: TcpStream,
    pub codec: Codec,
    /// What lies between the two, where something does.
    pub layer: Option<Box<Layer>>,
    /// What was received and could not be used yet.
    pub held: Option<Box<Held>>,
    flags: u16,
    /// By which listener it came; [`DIALLED_BY_US`] if by none.
    pub listener: u16,
}

/// Received, and waiting: for the rest of a command, or for leave to go on.
#[derive(Default)]
pub(crate) struct Held {
    pub bytes: Vec<u8>,
    pub found: VecDeque<Input>,
    /// What follows what was found can't be trusted.
    pub broken: bool,
}

pub(crate) const DIALLED_BY_US: u16 = u16::MAX;

/// What is the case with a connection.
#[derive(Clone, Copy)]
pub(crate) struct Flag(u16);

/// The machine wants nothing more from it for now.
pub(crate) const PAUSED: Flag = Flag(1);
/// Too much waits for it: nothing is read until it took half of that.
pub(crate) const FULL: Flag = Flag(2);
/// The socket may have something to read.
pub(crate) const READABLE: Flag = Flag(4);
/// It is on the list of those that have a turn coming.
pub(crate) const OWED: Flag = Flag(8);
/// What is held may contain whole commands.
pub(crate) const UNDONE: Flag = Flag(16);
/// The peer will send nothing more; with [`READABLE`], behind what is still to be read.
pub(crate) const ENDED: Flag = Flag(32);
/// The connection is not established yet.
pub(crate) const CONNECTING: Flag = Flag(64);
/// The machine has nothing to do with it any more: it hears its last words.
pub(crate) const CLOSING: Flag = Flag(128);
/// It has heard its last words.
pub(crate) const SHUT: Flag = Flag(256);
/// It proved to be a peer's.
pub(crate) const TRUSTED: Flag = Flag(512);
/// The machine wants to know when it has taken what it alone was told.
pub(crate) const AWAITED: Flag = Flag(1024);
/// Its byte layer is not ready yet.
pub(crate) const HANDSHAKING: Flag = Flag(2048);
/// The machine has not heard of it.
pub(crate) const UNTOLD: Flag = Flag(4096);
/// Its first byte will tell whether it has a byte layer.
pub(crate) const UNDECIDED: Flag = Flag(8192);

impl Connection {
    pub fn new(socket: TcpStream, codec: Codec, layer: Option<Box<Layer>>, listener: u16) -> Connection {
        Connection { socket, codec, layer, held: None, flags: 0, listener }
    }

    pub fn is(&self, flag: Flag) -> bool {
        self.flags & flag.0 != 0
    }

    pub fn set(&mut self, flag: Flag) {
        self.flags |= flag.0;
    }

    /// Says whether it was set.
    pub fn unset(&mut self, flag: Flag) -> bool {
        let was = self.is(flag);
        self.flags &= !flag.0;
        was
    }

    pub fn is_dialled(&self) -> bool {
        self.listener == DIALLED_BY_US
    }

    /// Whether there is a reason to give it a turn.
    pub fn has_input(&self) -> bool {
        self.flags & (READABLE.0 | UNDONE.0 | ENDED.0) != 0
    }

    /// Whether commands may be taken from it.
    pub fn is_listened_to(&self) -> bool {
        self.flags & (PAUSED.0 | FULL.0 | CLOSING.0 | CONNECTING.0) == 0
    }
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Connections {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn insert(&mut self, connection: Connection) -> Conn {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        place.connection = Some(connection);
        Conn { slot, generation: place.generation }
    }

    pub fn remove(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.slots.get_mut(slot as usize)?.connection.take()?;
        self.free.push(slot);
        Some(connection)
    }

    pub fn at(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.connection.as_mut()
    }

    /// How a machine calls the connection in a slot.
    pub fn name(&self, slot: u32) -> Conn {
        Conn { slot, generation: self.slots[slot as usize].generation }
    }

    /// The connection a machine names, if it is still the same one and still any of its business.
    pub fn named(&mut self, conn: Conn) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(conn.slot as usize).filter(|slot| slot.generation == conn.generation)?;
        slot.connection.as_mut().filter(|connection| !connection.is(CLOSING) && !connection.is(CONNECTING))
    }

    pub fn slots(&self) -> Vec<u32> {
        (0..self.slots.len() as u32).filter(|&slot| self.slots[slot as usize].connection.is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_in_one_group_costs_few_bytes() {
        // The slot, and in the fan-out a reader with one subscription and its entry among the members of a stream.
        // A debug build of mio adds eight bytes to each socket.
        assert!(size_of::<Slot>() + 88 + 8 <= 160, "{}", size_of::<Slot>());
    }
}
