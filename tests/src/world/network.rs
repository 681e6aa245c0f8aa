//! Connections: two ends, and in each direction a queue that keeps its order whatever the latency.
//!
//! What is read is what a socket would give: now and then only a part of a message, or several at once. A connection may be dead without both ends knowing:
//! then what is written vanishes, until the network is whole again and answers with a reset, or until the driver's keepalive finds out.

use std::collections::VecDeque;
use std::rc::Rc;

use chatring_machines::ids::{Conn, ListId, ListenerId, Ticket};
use chatring_machines::machine::{DialError, Input};
use chatring_machines::time::Time;
use chatring_machines::wire::Text;

use super::codec::{self, Codec};
use super::process::EndOf;
use super::{Happening, Pid, Role, World};

/// How long a dial to where nothing answers takes.
const DIAL_MS: u64 = 3_000;
/// How long the rest of a torn message takes, at most.
const REST_MS: u64 = 30;

pub(super) struct Wire {
    /// Names it for as long as the world lasts.
    pub id: u64,
    pub ends: [End; 2],
    /// By the side they lead to.
    pub ways: [Way; 2],
    /// Nothing passes, and nobody is told.
    pub mute: bool,
    /// One of the ends is not there any more, and the other was not told: what it writes is answered with a reset.
    pub half: bool,
    /// Whatever translates addresses in between has forgotten it: as `half` for who dialled, while what the other side writes vanishes for good.
    pub forgotten: bool,
    /// When something was last written.
    used: Time,
    /// The driver's keepalive looks after it.
    pub watched: bool,
}

pub(super) struct End {
    pub pid: Pid,
    pub conn: Conn,
    pub open: bool,
    pub paused: bool,
    pub codec: Codec,
    /// Read, and no whole message yet.
    unread: Vec<u8>,
    /// Decoded, and not handed in yet.
    ready: VecDeque<Vec<Vec<u8>>>,
}

/// What is on its way to one end.
#[derive(Default)]
pub(super) struct Way {
    pub queue: VecDeque<Packet>,
    /// When the last one arrives: the next does not before.
    pub last: Time,
    /// How many bytes are in the queue.
    bytes: usize,
}

pub(super) struct Packet {
    pub at: Time,
    pub what: What,
    /// Told to a list, not to this connection alone; and its place in a log.
    pub list: Option<(ListId, Option<u64>)>,
    /// So much of it was read.
    begun: usize,
}

pub(super) enum What {
    Bytes(Rc<[u8]>),
    Over,
}

impl Packet {
    fn left(&self) -> usize {
        match &self.what {
            What::Bytes(bytes) => bytes.len() - self.begun,
            What::Over => 0,
        }
    }
}

impl World {
    /// Someone dials: when it gets there, there may be someone or not.
    pub(super) fn knock(&mut self, from: Pid, life: u32, ticket: Ticket, address: &Text) {
        if !self.processes[from.0].alive || self.processes[from.0].life != life {
            return;
        }
        let back = self.latency(from, from);
        let answer = |world: &mut World, ms: u64, error| {
            let input = Input::Dialed { ticket, result: Err(error) };
            world.schedule(world.now + ms, Happening::Input { to: from, life, input: Box::new(input) });
        };
        let Some((to, listener)) = self.addresses.get(address).copied() else {
            return answer(self, DIAL_MS, DialError::Unreachable);
        };
        if self.is_cut(from, to) || self.is_cut(to, from) {
            return answer(self, DIAL_MS, DialError::Unreachable);
        }
        if self.refusing.get(&to).is_some_and(|until| *until > self.now) {
            self.count("dial refused by who lives");
            return answer(self, back, DialError::Refused);
        }
        if !self.processes[to.0].alive {
            return answer(self, back, DialError::Refused);
        }
        let wire = self.wires.iter().position(Option::is_none).unwrap_or(self.wires.len());
        if wire == self.wires.len() {
            self.wires.push(None);
        }
        let native = !matches!(self.processes[from.0].role, Role::Person(_) | Role::Operator(_));
        let mut end = |pid: Pid, side: usize| {
            let conn = self.processes[pid.0].open(EndOf { wire, side });
            let codec = self.codecs.open(native, side == 0);
            End { pid, conn, open: true, paused: false, codec, unread: Vec::new(), ready: VecDeque::new() }
        };
        let ends = [end(from, 0), end(to, 1)];
        let (conn, theirs) = (ends[0].conn, ends[1].conn);
        let mut ways = [Way::default(), Way::default()];
        ways[0].last = self.now + back;
        self.wire_ids += 1;
        let (id, used) = (self.wire_ids, self.now);
        self.wires[wire] = Some(Wire { id, ends, ways, mute: false, half: false, forgotten: false, used, watched: false });
        let input = Input::Dialed { ticket, result: Ok(conn) };
        self.schedule(self.now + back, Happening::Input { to: from, life, input: Box::new(input) });
        if matches!(self.processes[from.0].role, Role::Client { .. }) {
            self.nicks.is_native((to, theirs), from);
        }
        let peer = self.processes[from.0].ip;
        self.hand(to, Input::Opened { conn: theirs, listener, peer });
    }

    /// How long a message from one to the other takes now.
    pub(super) fn latency(&mut self, from: Pid, to: Pid) -> u64 {
        let (least, most) = self.options.latency_ms;
        let slow = self.slow.get(&(from, to)).copied().unwrap_or(0);
        least + self.rng.below(most - least + 1) + slow
    }

    pub(super) fn is_cut(&self, from: Pid, to: Pid) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// Puts something on its way to the other end.
    pub(super) fn push(&mut self, from: EndOf, what: What, list: Option<(ListId, Option<u64>)>) {
        let (now, nat_ms) = (self.now, self.options.nat_ms);
        let Some(wire) = &mut self.wires[from.wire] else { return };
        let to = EndOf { wire: from.wire, side: 1 - from.side };
        let (us, them) = (wire.ends[from.side].pid, wire.ends[to.side].pid);
        let idle_ms = now.since_ms(std::mem::replace(&mut wire.used, now));
        let inside = matches!(self.processes[wire.ends[0].pid.0].role, Role::Person(_) | Role::Client { .. });
        let expires = nat_ms.is_some_and(|nat_ms| idle_ms > nat_ms) && inside && !wire.forgotten;
        if expires {
            wire.forgotten = true;
            self.count("NAT expiry");
        }
        if self.vanishes(from) {
            self.count("write into a dead connection");
            return self.keep_alive(from.wire);
        }
        let Some(wire) = &self.wires[from.wire] else { return };
        if !wire.ends[to.side].open {
            return;
        }
        let arrives = self.now + self.latency(us, them);
        let (stalled, retention) = (self.processes[them.0].is_slow(), self.options.retention);
        let Some(wire) = &mut self.wires[from.wire] else { return };
        let way = &mut wire.ways[to.side];
        way.last = way.last.max(arrives);
        let at = way.last;
        let packet = Packet { at, what, list, begun: 0 };
        way.bytes += packet.left();
        way.queue.push_back(packet);
        let conn = wire.ends[from.side].conn;
        if stalled
            && let Some((list, _)) = list
            && let Some((next, lost)) = wire.ways[to.side].bound(list, retention)
        {
            self.processes[us.0].fall(list, conn);
            let input = Input::Fell { conn, list, next, lost };
            self.schedule(self.now, Happening::Input { to: us, life: self.processes[us.0].life, input: Box::new(input) });
            self.count("reader fell behind");
        }
        let Some(wire) = &mut self.wires[from.wire] else { return };
        let way = &mut wire.ways[to.side];
        if way.bytes > self.fullest.0 {
            self.fullest = (way.bytes, us, them);
        }
        self.schedule(at, Happening::Arrival(to));
    }

    /// Whether what this end writes gets lost; a reset may come of it.
    fn vanishes(&mut self, from: EndOf) -> bool {
        let Some(wire) = &self.wires[from.wire] else { return true };
        let there = &wire.ends[1 - from.side];
        let (us, them, conn, id) = (wire.ends[from.side].pid, there.pid, wire.ends[from.side].conn, wire.id);
        if wire.mute || wire.forgotten && from.side == 1 {
            return true;
        }
        if !(wire.forgotten || wire.half && !there.open) {
            return false;
        }
        if !self.is_cut(us, them) && !self.is_cut(them, us) {
            let at = self.now + self.latency(us, them);
            self.schedule(at, Happening::Reset { end: from, conn, id });
        }
        true
    }

    /// What was written into a dead connection is answered.
    pub(super) fn reset_comes(&mut self, end: EndOf, conn: Conn, id: u64) {
        let Some(wire) = self.wires[end.wire].as_mut().filter(|wire| wire.id == id && wire.ends[end.side].conn == conn) else { return };
        wire.half = true;
        self.count("reset");
        self.lose(end);
    }

    /// The driver's keepalive will find out about a dead connection.
    pub(super) fn keep_alive(&mut self, wire: usize) {
        let at = self.now + self.options.keepalive_ms;
        let Some(there) = &mut self.wires[wire] else { return };
        if !std::mem::replace(&mut there.watched, true) {
            let id = there.id;
            self.schedule(at, Happening::Keepalive { wire, id });
        }
    }

    pub(super) fn keepalive_ends(&mut self, wire: usize, id: u64) {
        let Some(there) = self.wires[wire].as_mut().filter(|there| there.id == id) else { return };
        there.watched = false;
        if there.mute || there.forgotten || there.half {
            there.half = true;
            self.count("keepalive found a dead connection");
            [0, 1].into_iter().for_each(|side| self.lose(EndOf { wire, side }));
        }
    }

    /// Hands in what has arrived at an end, as far as it is read from.
    pub(super) fn drain(&mut self, to: EndOf) {
        loop {
            let now = self.now;
            let Some(wire) = &mut self.wires[to.wire] else { return };
            let other = wire.ends[1 - to.side].pid;
            let end = &mut wire.ends[to.side];
            let (pid, conn) = (end.pid, end.conn);
            if !end.open || end.paused || self.processes[pid.0].is_slow() {
                return;
            }
            if let Some(argv) = end.ready.pop_front() {
                let input = match to.side {
                    0 => Input::Told { conn, event: codec::event(&argv) },
                    _ => Input::Heard { conn, command: codec::command(&argv) },
                };
                self.hand(pid, input);
                continue;
            }
            let way = &mut wire.ways[to.side];
            let held = wire.mute || self.cuts.contains(&(other, pid));
            let Some(packet) = way.queue.front().filter(|packet| !held && packet.at <= now) else { return };
            if matches!(packet.what, What::Over) {
                return self.lose(to);
            }
            self.read(to);
        }
    }

    /// Reads what a socket would give.
    fn read(&mut self, to: EndOf) {
        let (now, torn) = (self.now, self.options.torn);
        let Some(wire) = &mut self.wires[to.wire] else { return };
        let (end, way) = (&mut wire.ends[to.side], &mut wire.ways[to.side]);
        let (from, mut messages, mut rest_at) = (end.unread.len(), 0, None);
        while let Some(packet) = way.queue.front_mut().filter(|packet| packet.at <= now) {
            let What::Bytes(bytes) = &packet.what else { break };
            let left = packet.left();
            let takes = if torn > 0 && left > 1 && self.rng.below(torn) == 0 { 1 + self.rng.below(left as u64 - 1) as usize } else { left };
            end.unread.extend_from_slice(&bytes[packet.begun..packet.begun + takes]);
            way.bytes -= takes;
            if takes < left {
                packet.begun += takes;
                packet.at = now + self.rng.below(REST_MS);
                way.last = way.last.max(packet.at);
                rest_at = Some(packet.at);
                break;
            }
            way.queue.pop_front();
            messages += 1;
        }
        self.trace.number(now.0);
        self.trace.number(end.pid.0 as u64);
        self.trace.add(&end.unread[from..]);
        let found = self.codecs.decode(&mut end.codec, &mut end.unread);
        let said = found.iter().filter(|argv| !codec::is_probe(argv)).count() as u64;
        end.ready.extend(found);
        let between = wire.ends.iter().all(|end| self.processes[end.pid.0].role.is_of_network());
        self.messages += messages;
        self.between_nodes += if between { said } else { 0 };
        if messages > 1 {
            self.count("several messages in one read");
        }
        if let Some(at) = rest_at {
            self.count("torn read");
            self.schedule(at, Happening::Arrival(to));
        }
    }

    /// A connection is gone for this end.
    pub(super) fn lose(&mut self, at: EndOf) {
        let Some(wire) = &mut self.wires[at.wire] else { return };
        let end = &mut wire.ends[at.side];
        if !std::mem::replace(&mut end.open, false) {
            return;
        }
        let (pid, conn) = (end.pid, end.conn);
        self.processes[pid.0].shut(conn);
        self.tidy(at.wire);
        self.hand(pid, Input::Lost { conn });
    }

    /// A machine closes its end: the other hears what was told before, and then that it is over.
    pub(super) fn close(&mut self, of: EndOf) {
        let Some(wire) = &mut self.wires[of.wire] else { return };
        let end = &mut wire.ends[of.side];
        end.open = false;
        let (pid, conn) = (end.pid, end.conn);
        wire.ways[of.side].clear();
        self.processes[pid.0].shut(conn);
        self.say_over(of);
        self.tidy(of.wire);
    }

    /// The other end is told that it is over, where that gets through.
    pub(super) fn say_over(&mut self, from: EndOf) {
        if let Some(wire) = &mut self.wires[from.wire]
            && (wire.mute || wire.forgotten)
        {
            wire.half = true;
            return self.keep_alive(from.wire);
        }
        self.push(from, What::Over, None);
    }

    /// A connection that both ends are done with is gone.
    pub(super) fn tidy(&mut self, wire: usize) {
        let over = self.wires[wire].as_ref().is_some_and(|wire| wire.ends.iter().all(|end| !end.open));
        if over {
            self.wires[wire] = None;
        }
    }

    /// Both ends of a connection hear that it is lost; of what was on its way a part still arrives.
    pub(super) fn reset(&mut self, wire: usize) {
        for side in [0, 1] {
            self.break_way(EndOf { wire, side });
        }
    }

    /// What leads to this end breaks off somewhere.
    pub(super) fn break_way(&mut self, to: EndOf) {
        let Some(wire) = &mut self.wires[to.wire] else { return };
        if !wire.ends[to.side].open {
            return;
        }
        let way = &mut wire.ways[to.side];
        let kept = self.rng.below(way.queue.len() as u64 + 1) as usize;
        way.queue.truncate(kept);
        way.bytes = way.queue.iter().map(Packet::left).sum();
        self.say_over(EndOf { wire: to.wire, side: 1 - to.side });
    }

    /// Looks again at everything that may have arrived.
    pub(super) fn look_again(&mut self) {
        for wire in 0..self.wires.len() {
            if self.wires[wire].is_some() {
                for side in [0, 1] {
                    self.schedule(self.now, Happening::Arrival(EndOf { wire, side }));
                }
            }
        }
    }

    /// Where people and nodes are let in.
    pub(super) fn listen(&mut self, address: &str, pid: Pid, listener: ListenerId) {
        self.addresses.insert(address.into(), (pid, listener));
    }
}

impl Way {
    /// When too many entries of a list wait, all of them are let go of. Gives the place of the first, and how many there were.
    fn bound(&mut self, list: ListId, retention: usize) -> Option<(Option<u64>, u64)> {
        let of_list = |packet: &Packet| packet.begun == 0 && packet.list.is_some_and(|(of, _)| of == list);
        let count = self.queue.iter().filter(|packet| of_list(packet)).count();
        let first = self.queue.iter().find(|packet| of_list(packet)).filter(|_| count > retention)?.list.and_then(|(_, place)| place);
        let gone: usize = self.queue.iter().filter(|packet| of_list(packet)).map(Packet::left).sum();
        self.queue.retain(|packet| !of_list(packet));
        self.bytes -= gone;
        Some((first, count as u64))
    }

    /// What was told to a list stays, and counts no more as of that list.
    pub fn leave(&mut self, list: ListId) {
        let of_list = |packet: &&mut Packet| packet.list.is_some_and(|(of, _)| of == list);
        self.queue.iter_mut().filter(of_list).for_each(|packet| packet.list = None);
    }

    /// Nobody reads it any more.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    /// Two entries that were told one after the other change places.
    pub fn swap_last(&mut self) {
        let len = self.queue.len();
        let of = |packet: &Packet| packet.list.map(|(list, _)| list);
        let of_one = len >= 2 && self.queue[len - 1].list.is_some() && of(&self.queue[len - 2]) == of(&self.queue[len - 1]);
        if of_one && self.queue[len - 2].begun == 0 {
            let packets = self.queue.make_contiguous();
            let (head, tail) = packets.split_at_mut(len - 1);
            std::mem::swap(&mut head[len - 2].what, &mut tail[0].what);
        }
    }
}
