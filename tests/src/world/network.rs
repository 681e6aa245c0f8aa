//! Connections: two ends, and in each direction a queue that keeps its order whatever the latency.

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

pub(super) struct Wire {
    pub ends: [End; 2],
    /// By the side they lead to.
    pub ways: [Way; 2],
}

pub(super) struct End {
    pub pid: Pid,
    pub conn: Conn,
    pub open: bool,
    pub paused: bool,
    pub codec: Codec,
}

/// What is on its way to one end.
#[derive(Default)]
pub(super) struct Way {
    pub queue: VecDeque<Packet>,
    /// When the last one arrives: the next does not before.
    last: Time,
}

pub(super) struct Packet {
    at: Time,
    pub what: What,
    /// Told to a list, not to this connection alone; and its place in a log.
    pub list: Option<(ListId, Option<u64>)>,
}

pub(super) enum What {
    Bytes(Rc<[u8]>),
    Over,
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
            world.schedule(world.now + ms, Happening::Input { to: from, life, input });
        };
        let Some((to, listener)) = self.addresses.get(address).copied() else {
            return answer(self, DIAL_MS, DialError::Unreachable);
        };
        if self.is_cut(from, to) {
            return answer(self, DIAL_MS, DialError::Unreachable);
        }
        if !self.processes[to.0].alive {
            return answer(self, back, DialError::Refused);
        }
        let wire = self.wires.iter().position(Option::is_none).unwrap_or(self.wires.len());
        if wire == self.wires.len() {
            self.wires.push(None);
        }
        let native = !matches!(self.processes[from.0].role, Role::Person(_));
        let mut end = |pid: Pid, side: usize| {
            let conn = self.processes[pid.0].open(EndOf { wire, side });
            End { pid, conn, open: true, paused: false, codec: self.codecs.open(native, side == 0) }
        };
        let (dialled, accepted) = (end(from, 0), end(to, 1));
        let (conn, theirs) = (dialled.conn, accepted.conn);
        let mut ways = [Way::default(), Way::default()];
        ways[0].last = self.now + back;
        self.wires[wire] = Some(Wire { ends: [dialled, accepted], ways });
        let input = Input::Dialed { ticket, result: Ok(conn) };
        self.schedule(self.now + back, Happening::Input { to: from, life, input });
        let peer = self.processes[from.0].ip;
        self.hand(to, Input::Opened { conn: theirs, listener, peer });
    }

    /// How long a message from one to the other takes now.
    pub(super) fn latency(&mut self, from: Pid, to: Pid) -> u64 {
        let (least, most) = self.options.latency_ms;
        let slow = self.slow.get(&pair(from, to)).copied().unwrap_or(0);
        least + self.rng.below(most - least + 1) + slow
    }

    pub(super) fn is_cut(&self, a: Pid, b: Pid) -> bool {
        self.cuts.contains(&pair(a, b))
    }

    /// Puts something on its way to the other end.
    pub(super) fn push(&mut self, from: EndOf, what: What, list: Option<(ListId, Option<u64>)>) {
        let Some(wire) = &self.wires[from.wire] else { return };
        let to = EndOf { wire: from.wire, side: 1 - from.side };
        let (us, them) = (wire.ends[from.side].pid, wire.ends[to.side].pid);
        if !wire.ends[to.side].open {
            return;
        }
        let arrives = self.now + self.latency(us, them);
        let (stalled, retention) = (self.processes[them.0].stalled, self.options.retention);
        let Some(wire) = &mut self.wires[from.wire] else { return };
        let way = &mut wire.ways[to.side];
        way.last = way.last.max(arrives);
        let at = way.last;
        way.queue.push_back(Packet { at, what, list });
        let conn = wire.ends[from.side].conn;
        if stalled
            && let Some((list, _)) = list
            && let Some((next, lost)) = wire.ways[to.side].bound(list, retention)
        {
            self.processes[us.0].fall(list, conn);
            let input = Input::Fell { conn, list, next, lost };
            self.schedule(self.now, Happening::Input { to: us, life: self.processes[us.0].life, input });
        }
        self.schedule(at, Happening::Arrival(to));
    }

    /// Hands in what has arrived at an end, as far as it is read from.
    pub(super) fn drain(&mut self, to: EndOf) {
        loop {
            let now = self.now;
            let Some(wire) = &mut self.wires[to.wire] else { return };
            let (end, other) = (&wire.ends[to.side], &wire.ends[1 - to.side]);
            let (pid, conn) = (end.pid, end.conn);
            let held = end.paused || self.processes[pid.0].stalled || self.cuts.contains(&pair(pid, other.pid));
            if !end.open || held || wire.ways[to.side].queue.front().is_none_or(|packet| packet.at > now) {
                return;
            }
            let Some(packet) = wire.ways[to.side].queue.pop_front() else { return };
            match packet.what {
                What::Bytes(bytes) => self.arrived(to, pid, conn, &bytes),
                What::Over => {
                    wire.ends[to.side].open = false;
                    self.processes[pid.0].shut(conn);
                    self.tidy(to.wire);
                    self.hand(pid, Input::Lost { conn });
                    return;
                }
            }
        }
    }

    fn arrived(&mut self, to: EndOf, pid: Pid, conn: Conn, bytes: &[u8]) {
        self.trace.number(self.now.0);
        self.trace.number(pid.0 as u64);
        self.trace.add(bytes);
        self.messages += 1;
        let Some(wire) = &mut self.wires[to.wire] else { return };
        let found = self.codecs.decode(&mut wire.ends[to.side].codec, bytes);
        for argv in found {
            let input = match to.side {
                0 => Input::Told { conn, event: codec::event(&argv) },
                _ => Input::Heard { conn, command: codec::command(&argv) },
            };
            self.hand(pid, input);
        }
    }

    /// A machine closes its end: the other hears what was told before, and then that it is over.
    pub(super) fn close(&mut self, of: EndOf) {
        let Some(wire) = &mut self.wires[of.wire] else { return };
        let end = &mut wire.ends[of.side];
        end.open = false;
        let (pid, conn) = (end.pid, end.conn);
        wire.ways[of.side].queue.clear();
        self.processes[pid.0].shut(conn);
        self.push(of, What::Over, None);
        self.tidy(of.wire);
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
        let queue = &mut wire.ways[to.side].queue;
        let kept = self.rng.below(queue.len() as u64 + 1) as usize;
        queue.truncate(kept);
        self.push(EndOf { wire: to.wire, side: 1 - to.side }, What::Over, None);
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
        let of_list = |packet: &&Packet| packet.list.is_some_and(|(of, _)| of == list);
        let count = self.queue.iter().filter(of_list).count();
        let first = self.queue.iter().find(of_list).filter(|_| count > retention)?.list.and_then(|(_, place)| place);
        self.queue.retain(|packet| !of_list(&packet));
        Some((first, count as u64))
    }

    /// Two entries that were told one after the other change places.
    pub fn swap_last(&mut self) {
        let len = self.queue.len();
        if len >= 2
            && self.queue[len - 1].list.is_some()
            && self.queue[len - 2].list.map(|(list, _)| list) == self.queue[len - 1].list.map(|(list, _)| list)
        {
            let packets = self.queue.make_contiguous();
            let (head, tail) = packets.split_at_mut(len - 1);
            std::mem::swap(&mut head[len - 2].what, &mut tail[0].what);
        }
    }
}

/// Two processes, in either order.
pub(super) fn pair(a: Pid, b: Pid) -> (Pid, Pid) {
    if a <= b { (a, b) } else { (b, a) }
}
