//! What goes wrong, and how it heals.

use chatring_machines::directory::{Directory, MemoryStore};
use chatring_machines::ids::Incarnation;
use chatring_machines::machine::Input;
use chatring_machines::super_node::SuperNode;
use chatring_machines::time::Time;

use super::clock::Clock;
use super::disk::Disk;
use super::process::EndOf;
use super::{Happening, Lost, Pid, Role, World};

impl World {
    /// kill -9: what it had written may arrive in part; nobody listens there any more.
    pub fn kill(&mut self, pid: Pid) {
        if !self.processes[pid.0].alive {
            return;
        }
        self.trace.line(|| format!("{} {} is killed", self.now.0, self.processes[pid.0].name));
        self.registry.is_amiss(self.now, pid);
        self.leave_wires(pid, true);
        let reached = match &mut self.processes[pid.0].role {
            Role::Directory { disk, .. } => disk.crash(&mut self.rng),
            _ => Vec::new(),
        };
        let kept = if let Role::Node { disk, .. } = &mut self.processes[pid.0].role { disk.crash(&mut self.rng) } else { false };
        if kept || !reached.is_empty() {
            self.count("unsynced write outlived a kill");
        }
        for write in reached {
            self.reaches_disk(pid, &write);
        }
    }

    /// A directory server is killed, and its file is lost for good: whatever starts in its place is another server.
    pub fn lose_file(&mut self, pid: Pid) {
        self.kill(pid);
        let directories = self.directories.clone();
        if let Role::Directory { config, store, disk, .. } = &mut self.processes[pid.0].role {
            config.directories = directories;
            (**store, *disk) = (MemoryStore::default(), Disk::new());
        }
        self.registry.forget(pid);
    }

    /// It stopped by itself: everything it said arrives.
    pub(super) fn ended(&mut self, pid: Pid) {
        if let Role::Node { disk, .. } = &mut self.processes[pid.0].role {
            disk.close();
        }
        self.leave_wires(pid, false);
    }

    fn leave_wires(&mut self, pid: Pid, killed: bool) {
        for end in self.processes[pid.0].ends() {
            let there = EndOf { wire: end.wire, side: 1 - end.side };
            if killed {
                if let Some(wire) = &mut self.wires[end.wire] {
                    wire.ends[end.side].open = false;
                    wire.ways[end.side].clear();
                }
                self.break_way(there);
                self.tidy(end.wire);
            } else {
                self.close(end);
            }
        }
        if let Role::Node { config, .. } = &self.processes[pid.0].role {
            let by = Lost::Node(config.key.clone());
            self.lost(by);
        }
        self.nicks.forget(pid);
        self.processes[pid.0].end_life();
    }

    /// Starts a process, again or for the first time: with a new incarnation and another clock, and a directory with what its disk had.
    pub fn start(&mut self, pid: Pid) {
        if self.processes[pid.0].alive {
            return;
        }
        let (incarnation, seed) = (Incarnation(self.rng.draw()), self.rng.draw());
        let clock = Clock::draw(self.now, self.options.skew_ms, self.options.drift_ppm, &mut self.rng);
        let process = &mut self.processes[pid.0];
        process.clock = clock;
        match &mut process.role {
            Role::Directory { config, machine, store, .. } => {
                (config.incarnation, config.seed) = (incarnation, seed);
                let begun = Directory::new((**config).clone(), store.kept().clone());
                **machine = begun.expect("it is the same network");
            }
            Role::Node { config, machine, disk } => {
                config.directories.clone_from(&self.directories);
                (config.incarnation, config.seed) = (incarnation, seed);
                **machine = SuperNode::new((**config).clone());
                machine.restore(disk.load());
            }
            Role::Client { .. } => assert_eq!(process.life, 0, "people are not started twice"),
            // People, and all who watch, go by the clock of the world.
            Role::Person(_) | Role::Operator(_) => {
                assert_eq!(process.life, 0, "people are not started twice");
                process.clock = Clock::right();
            }
        }
        process.alive = true;
        process.life += 1;
        self.trace.line(|| format!("{} {} starts", self.now.0, self.processes[pid.0].name));
        self.hand(pid, Input::Start);
    }

    /// SIGTERM.
    pub fn stop(&mut self, pid: Pid) {
        self.processes[pid.0].leaves = true;
        self.hand(pid, Input::Stop);
    }

    /// Nothing passes from one process to another. Their connections break now, or nothing arrives until it is healed.
    pub fn cut_way(&mut self, from: Pid, to: Pid, breaks: bool) {
        if breaks {
            [from, to].into_iter().for_each(|pid| self.registry.is_amiss(self.now, pid));
            for wire in self.wires_between(from, to) {
                self.reset(wire);
                [0, 1].into_iter().for_each(|side| self.lose(EndOf { wire, side }));
            }
        }
        self.cuts.insert((from, to));
    }

    /// Nothing passes between two processes, in either direction.
    pub fn cut(&mut self, a: Pid, b: Pid, breaks: bool) {
        self.cut_way(a, b, breaks);
        self.cut_way(b, a, false);
    }

    /// The connections of two processes die, and only the second hears of it.
    /// False: there were none.
    pub fn half_open(&mut self, knows_not: Pid, knows: Pid) -> bool {
        let wires = self.wires_between(knows_not, knows);
        [knows_not, knows].into_iter().for_each(|pid| self.registry.is_amiss(self.now, pid));
        for wire in &wires {
            let wire = *wire;
            let Some(there) = &mut self.wires[wire] else { continue };
            (there.mute, there.half) = (true, true);
            let side = usize::from(there.ends[1].pid == knows);
            self.count("half-open connection");
            self.lose(EndOf { wire, side });
            self.keep_alive(wire);
        }
        !wires.is_empty()
    }

    fn wires_between(&self, a: Pid, b: Pid) -> Vec<usize> {
        let between = |wire: &usize| {
            let pids = self.wires[*wire].as_ref().map(|wire| (wire.ends[0].pid, wire.ends[1].pid));
            pids == Some((a, b)) || pids == Some((b, a))
        };
        (0..self.wires.len()).filter(between).collect()
    }

    /// Messages from one to the other take so much longer.
    pub fn slow(&mut self, from: Pid, to: Pid, ms: u64) {
        self.slow.insert((from, to), ms);
    }

    /// Whoever dials this one is refused for a while, though it lives.
    pub fn refuse(&mut self, pid: Pid, ms: u64) {
        self.registry.is_amiss(self.now + ms, pid);
        self.refusing.insert(pid, self.now + ms);
    }

    /// All connections of people and clients with this node break at once.
    /// False: nobody had one.
    pub fn drop_people(&mut self, node: Pid) -> bool {
        let mut dropped = false;
        for end in self.processes[node.0].ends() {
            let Some(wire) = &self.wires[end.wire] else { continue };
            let there = wire.ends[1 - end.side].pid;
            if matches!(self.processes[there.0].role, Role::Person(_) | Role::Client { .. }) {
                self.count("connection dropped");
                self.reset(end.wire);
                [0, 1].into_iter().for_each(|side| self.lose(EndOf { wire: end.wire, side }));
                dropped = true;
            }
        }
        dropped
    }

    /// SIGSTOP, and SIGCONT after a while: what comes meanwhile waits, and is handled at the time of waking. Stopped in the middle of a turn, what it said last leaves only then.
    pub fn freeze(&mut self, pid: Pid, ms: u64, mid_turn: bool) {
        let until = self.now + ms;
        let process = &mut self.processes[pid.0];
        if !process.alive || process.frozen.is_some() {
            return;
        }
        process.frozen = Some(until);
        let life = process.life;
        self.trace.line(|| format!("{} {} is frozen for {ms} ms", self.now.0, self.processes[pid.0].name));
        if mid_turn {
            self.hold_back(pid, until);
        }
        self.schedule(until, Happening::Thaw { pid, life });
    }

    fn hold_back(&mut self, pid: Pid, until: Time) {
        for end in self.processes[pid.0].ends() {
            let now = self.now;
            let Some(wire) = &mut self.wires[end.wire] else { continue };
            let way = &mut wire.ways[1 - end.side];
            let mut held = false;
            for packet in way.queue.iter_mut().filter(|packet| packet.at > now) {
                packet.at = packet.at.max(until);
                held = true;
            }
            if held {
                way.last = way.last.max(until);
                self.schedule(until, Happening::Arrival(EndOf { wire: end.wire, side: 1 - end.side }));
                self.count("said before a pause, heard after it");
            }
        }
    }

    pub(super) fn thaw(&mut self, pid: Pid) {
        let process = &mut self.processes[pid.0];
        if process.frozen.take().is_none() {
            return;
        }
        let held = std::mem::take(&mut process.held);
        self.registry.is_amiss(self.now, pid);
        self.trace.line(|| format!("{} {} goes on", self.now.0, self.processes[pid.0].name));
        // Before anything that happens only now.
        held.into_iter().for_each(|happening| self.happens(happening));
        self.tell_of_falls(pid);
        self.look_again();
    }

    /// A process's clock jumps ahead.
    pub fn jump(&mut self, pid: Pid, ms: u64) {
        let now = self.now;
        let process = &mut self.processes[pid.0];
        if !process.alive || matches!(process.role, Role::Person(_) | Role::Operator(_)) {
            return;
        }
        self.registry.is_amiss(now, pid);
        process.clock.jump(now, ms);
        process.wake = None;
        process.wakes_planned += 1;
        let deadline = process.deadline();
        self.plan_wake(pid, deadline);
    }

    /// Writes to a process's disk take so much longer.
    pub fn slow_disk(&mut self, pid: Pid, ms: u64) {
        match &mut self.processes[pid.0].role {
            Role::Directory { disk, .. } => disk.slow_ms = ms,
            Role::Node { disk, .. } => disk.slow_ms = ms,
            _ => {}
        }
    }

    /// A super node's disk takes nothing any more, or does again.
    pub fn fill_disk(&mut self, pid: Pid, full: bool) {
        if let Role::Node { disk, .. } = &mut self.processes[pid.0].role {
            disk.full = full;
        }
    }

    /// What a directory server writes from here on takes at least so long.
    pub fn stall_disk(&mut self, pid: Pid, ms: u64) {
        let until = self.now + ms;
        let busy = self.store_at.entry(pid).or_default();
        *busy = until.max(*busy);
        self.registry.is_amiss(until, pid);
    }

    /// A directory server is killed when it has written so many more times, before it is told of the last one.
    pub fn tear_disk(&mut self, pid: Pid, writes: u64) {
        if let Role::Directory { disk, .. } = &mut self.processes[pid.0].role {
            disk.tears_after = writes;
        }
    }

    /// The next write to a directory's disk fails.
    pub fn break_disk(&mut self, pid: Pid) {
        if let Role::Directory { disk, .. } = &mut self.processes[pid.0].role {
            disk.failing = true;
        }
    }

    /// It reads nothing, but lives.
    pub fn stall(&mut self, pid: Pid) {
        self.processes[pid.0].stalled = true;
    }

    /// It reads again.
    pub fn unstall(&mut self, pid: Pid) {
        self.registry.is_amiss(self.now, pid);
        self.processes[pid.0].stalled = false;
        self.tell_of_falls(pid);
        self.look_again();
    }

    fn tell_of_falls(&mut self, pid: Pid) {
        for end in self.processes[pid.0].ends() {
            let Some(wire) = &self.wires[end.wire] else { continue };
            let (teller, conn) = (wire.ends[1 - end.side].pid, wire.ends[1 - end.side].conn);
            if self.processes[teller.0].awaited.remove(&conn) {
                self.drained(teller, conn);
            }
        }
    }

    /// All is well with the network, the disks and the processes that run from here on, and everyone reads. Connections that died stay dead, and whoever writes into one hears so.
    pub fn heal(&mut self) {
        let ailing: Vec<Pid> = self.pids().filter(|pid| self.ails(*pid)).collect();
        ailing.into_iter().for_each(|pid| self.registry.is_amiss(self.now, pid));
        self.cuts.clear();
        self.slow.clear();
        self.refusing.clear();
        self.options.nat_ms = None;
        self.wires.iter_mut().flatten().for_each(|wire| wire.mute = false);
        for pid in (0..self.processes.len()).map(Pid) {
            match &mut self.processes[pid.0].role {
                Role::Directory { disk, .. } => (disk.slow_ms, disk.failing, disk.tears_after) = (0, false, 0),
                Role::Node { disk, .. } => (disk.slow_ms, disk.full) = (0, false),
                _ => {}
            }
            if self.processes[pid.0].stalled {
                self.unstall(pid);
            }
            self.thaw(pid);
        }
        self.look_again();
    }

    /// Whether a process runs.
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.processes[pid.0].alive
    }
}
