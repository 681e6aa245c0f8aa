//! What goes wrong, and how it heals.

use chatring_machines::directory::Directory;
use chatring_machines::ids::Incarnation;
use chatring_machines::machine::Input;
use chatring_machines::super_node::SuperNode;

use super::network::pair;
use super::process::EndOf;
use super::{Pid, Role, World};

impl World {
    /// kill -9: what it had written may arrive in part; nobody listens there any more.
    pub fn kill(&mut self, pid: Pid) {
        if !self.processes[pid.0].alive {
            return;
        }
        self.trace.line(|| format!("{} {} is killed", self.now.0, self.processes[pid.0].name));
        self.leave_wires(pid, true);
    }

    /// It stopped by itself: everything it said arrives.
    pub(super) fn ended(&mut self, pid: Pid) {
        self.leave_wires(pid, false);
    }

    fn leave_wires(&mut self, pid: Pid, killed: bool) {
        for end in self.processes[pid.0].ends() {
            let there = EndOf { wire: end.wire, side: 1 - end.side };
            if killed {
                if let Some(wire) = &mut self.wires[end.wire] {
                    wire.ends[end.side].open = false;
                    wire.ways[end.side].queue.clear();
                }
                self.break_way(there);
                self.tidy(end.wire);
            } else {
                self.close(end);
            }
        }
        let process = &mut self.processes[pid.0];
        process.forget();
        process.alive = false;
        process.stalled = false;
        process.life += 1;
        process.wake = None;
    }

    /// Starts a process, again or for the first time: with a new incarnation, and a directory with what its disk had.
    pub fn start(&mut self, pid: Pid) {
        if self.processes[pid.0].alive {
            return;
        }
        let (incarnation, seed) = (Incarnation(self.rng.draw()), self.rng.draw());
        let process = &mut self.processes[pid.0];
        match &mut process.role {
            Role::Directory { config, machine, store } => {
                (config.incarnation, config.seed) = (incarnation, seed);
                let begun = Directory::new((**config).clone(), store.state().clone());
                **machine = begun.expect("it is the same network");
            }
            Role::Node { config, machine } => {
                (config.incarnation, config.seed) = (incarnation, seed);
                **machine = SuperNode::new((**config).clone());
            }
            Role::Client { .. } | Role::Person(_) => assert_eq!(process.life, 0, "people are not started twice"),
        }
        process.alive = true;
        process.life += 1;
        self.trace.line(|| format!("{} {} starts", self.now.0, self.processes[pid.0].name));
        self.hand(pid, Input::Start);
    }

    /// SIGTERM.
    pub fn stop(&mut self, pid: Pid) {
        self.hand(pid, Input::Stop);
    }

    /// Nothing passes between two processes. Their connections break now, or nothing arrives until it is healed.
    pub fn cut(&mut self, a: Pid, b: Pid, breaks: bool) {
        if breaks {
            for wire in 0..self.wires.len() {
                let between = self.wires[wire].as_ref().is_some_and(|wire| pair(wire.ends[0].pid, wire.ends[1].pid) == pair(a, b));
                if between {
                    self.reset(wire);
                    [0, 1].into_iter().for_each(|side| self.drain_over(EndOf { wire, side }));
                }
            }
        }
        self.cuts.insert(pair(a, b));
    }

    /// Connections break at once, though nothing else arrives.
    fn drain_over(&mut self, to: EndOf) {
        let Some(wire) = &mut self.wires[to.wire] else { return };
        let end = &mut wire.ends[to.side];
        if !std::mem::replace(&mut end.open, false) {
            return;
        }
        let (pid, conn) = (end.pid, end.conn);
        self.processes[pid.0].shut(conn);
        self.tidy(to.wire);
        self.hand(pid, Input::Lost { conn });
    }

    /// Messages between two take so much longer.
    pub fn slow(&mut self, a: Pid, b: Pid, ms: u64) {
        self.slow.insert(pair(a, b), ms);
    }

    /// It reads nothing, but lives.
    pub fn stall(&mut self, pid: Pid) {
        self.processes[pid.0].stalled = true;
    }

    /// It reads again.
    pub fn unstall(&mut self, pid: Pid) {
        self.processes[pid.0].stalled = false;
        for end in self.processes[pid.0].ends() {
            let Some(wire) = &self.wires[end.wire] else { continue };
            let (teller, conn) = (wire.ends[1 - end.side].pid, wire.ends[1 - end.side].conn);
            if self.processes[teller.0].awaited.remove(&conn) {
                self.drained(teller, conn);
            }
        }
        self.look_again();
    }

    /// All is well with the network from here on, and everyone reads.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.slow.clear();
        for pid in 0..self.processes.len() {
            if self.processes[pid].stalled {
                self.unstall(Pid(pid));
            }
        }
        self.look_again();
    }

    /// Whether a process runs.
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.processes[pid.0].alive
    }
}
