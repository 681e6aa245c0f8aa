//! Several replicas with disks in a network that delays, loses and repeats letters, driven by one seed.
//!
//! Checked all the time: what a server says that it holds is on its disk; what two servers have applied is the same in the same order; a place that is agreed on is never another; at most one server is certain that it leads. In the end, with everything mended: one leads, all have
//! the same, and nothing that was agreed on is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::directory::{Kept, MemoryStore};
use crate::machine::{Store, Write};

const ELECTION_MS: u64 = 800;

struct Server {
    store: MemoryStore,
    replica: Option<Replica>,
    state: DirectoryState,
    /// On its way to the disk, and since when.
    writing: Option<(u64, Write)>,
    applied: Vec<(u64, Change)>,
}

struct World {
    now: u64,
    rng: Jitter,
    servers: Vec<Server>,
    /// When, to whom, from whom.
    letters: BTreeMap<(u64, u64), (usize, ServerId, Letter)>,
    ids: BTreeMap<ServerId, usize>,
    sent: u64,
    cut: BTreeSet<(usize, usize)>,
    agreed: BTreeMap<u64, Change>,
    proposed: u64,
    faults: bool,
    snapshots: u64,
}

fn address(server: usize) -> Text {
    format!("192.0.2.{server}:7400").into()
}

fn seeded(server: usize, life: u64, kept: &Kept) -> Replica {
    Replica::new(address(server), Pace { election_ms: ELECTION_MS }, Jitter::new(server as u64 * 1_000 + life), &kept.log)
}

impl World {
    fn new(seed: u64, count: usize) -> World {
        let servers = (0..count).map(|_| Server {
            store: MemoryStore::default(),
            replica: None,
            state: DirectoryState::default(),
            writing: None,
            applied: Vec::new(),
        });
        let mut world = World {
            now: 1_000,
            rng: Jitter::new(seed),
            servers: servers.collect(),
            letters: BTreeMap::new(),
            ids: BTreeMap::new(),
            sent: 0,
            cut: BTreeSet::new(),
            agreed: BTreeMap::new(),
            proposed: 0,
            faults: true,
            snapshots: 0,
        };
        for server in 0..count {
            let replica = seeded(server, 0, &Kept::default());
            world.ids.insert(replica.me(), server);
            world.servers[server].replica = Some(replica);
        }
        world
    }

    fn id(&self, server: usize) -> ServerId {
        *self.ids.iter().find(|(_, of)| **of == server).unwrap().0
    }

    fn found(&mut self, with: usize) {
        let others: Vec<(ServerId, Text)> = (1..with).map(|server| (self.id(server), address(server))).collect();
        let now = Time(self.now);
        let replica = self.servers[0].replica.as_mut().unwrap();
        replica.found(&others);
        replica.start(now);
        self.flush(0);
    }

    fn flush(&mut self, server: usize) {
        let now = Time(self.now);
        let mut out = Vec::new();
        loop {
            let Server { replica: Some(replica), state, .. } = &mut self.servers[server] else { return };
            replica.flush(now, state, &mut out);
            replica.check_invariants();
            if out.is_empty() {
                return;
            }
            for out in out.drain(..) {
                self.carry_out(server, out);
            }
        }
    }

    fn carry_out(&mut self, server: usize, out: Out) {
        match out {
            Out::Write(write) => {
                self.snapshots += u64::from(write.install.is_some());
                let slow = if self.faults && self.rng.below(20) == 0 { 1_500 } else { 5 };
                self.servers[server].writing = Some((self.now + 1 + self.rng.below(slow), Write::Log(write)));
            }
            Out::Send(to, letter) => {
                if let Letter::Held { last, .. } = &letter {
                    let on_disk = self.servers[server].store.kept().log.log();
                    assert!(on_disk.entries().contains(last.position()), "{server} says that it holds {last:?}, and has not written it");
                }
                let Some(to) = self.ids.get(&to).copied() else { return };
                let lost = self.faults && self.rng.below(20) == 0;
                if lost || self.cut.contains(&(server, to)) {
                    return;
                }
                let copies = if self.faults && self.rng.below(20) == 0 { 2 } else { 1 };
                for _ in 0..copies {
                    self.sent += 1;
                    let at = self.now + 1 + self.rng.below(if self.faults { 150 } else { 20 });
                    self.letters.insert((at, self.sent), (to, self.id(server), letter.clone()));
                }
            }
            Out::Apply(index, change) => {
                let known = self.agreed.entry(index).or_insert_with(|| change.clone());
                assert_eq!(*known, change, "record {index} is agreed on twice");
                self.servers[server].state.apply(&change);
                self.servers[server].applied.push((index, change));
            }
            Out::Servers(_) => {}
            Out::Install(state) => self.servers[server].state = *state,
        }
    }

    fn step(&mut self) {
        self.now += 1;
        let now = Time(self.now);
        while let Some(entry) = self.letters.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, from, letter) = entry.remove();
            if let Some(replica) = &mut self.servers[to].replica {
                // What is said to it is said in the words of the wire.
                let letter = crate::netstrings::unpack(&crate::netstrings::pack(&letter)).expect("a letter reads as it was written");
                replica.heard(now, from, letter);
                self.flush(to);
            }
        }
        for server in 0..self.servers.len() {
            if self.servers[server].writing.as_ref().is_some_and(|(due, _)| *due <= self.now) {
                self.written(server);
            }
            if let Some(replica) = self.servers[server].replica.as_mut().filter(|replica| replica.deadline().is_some_and(|due| due <= now))
            {
                replica.tick(now);
                self.flush(server);
            }
        }
        let certain = self.servers.iter().filter(|server| server.replica.as_ref().is_some_and(|replica| replica.is_certain(now)));
        assert!(certain.count() <= 1, "two are certain that they lead at {}", self.now);
    }

    fn written(&mut self, server: usize) {
        let Some((_, write)) = self.servers[server].writing.take() else { return };
        self.servers[server].store.commit(&[write]).unwrap();
        let mut out = Vec::new();
        if let Some(replica) = &mut self.servers[server].replica {
            replica.written(&mut out);
        }
        out.into_iter().for_each(|out| self.carry_out(server, out));
        self.flush(server);
    }

    fn kill(&mut self, server: usize) {
        let torn = self.rng.below(2) == 0;
        let there = &mut self.servers[server];
        if let Some((_, write)) = there.writing.take().filter(|_| torn) {
            there.store.commit(&[write]).unwrap(); // it reached the disk, and nobody was told
        }
        there.replica = None;
    }

    fn start(&mut self, server: usize) {
        if self.servers[server].replica.is_some() {
            return;
        }
        let life = self.now;
        let kept = self.servers[server].store.kept().clone();
        let mut replica = seeded(server, if kept.log.promise.is_some() { life } else { 0 }, &kept);
        assert_eq!(replica.me(), self.id(server));
        replica.start(Time(self.now));
        self.servers[server].state = kept.state;
        self.servers[server].replica = Some(replica);
        self.flush(server);
    }

    fn leader(&self) -> Option<usize> {
        let leads = |server: &Server| server.replica.as_ref().is_some_and(|replica| replica.leads(Time(self.now)));
        self.servers.iter().position(leads)
    }

    fn propose(&mut self) {
        if let Some(leader) = self.leader() {
            self.propose_at(leader);
        }
    }

    fn propose_at(&mut self, leader: usize) {
        self.proposed += 1;
        let change = match self.proposed {
            1 => Change::Found { network: "net".into(), params: crate::view::RingParams::default(), generation: 1 },
            number => {
                let server = crate::view::DirectoryServer { address: number.to_string().into(), key: None };
                Change::Directories { servers: vec![server] }
            }
        };
        self.servers[leader].replica.as_mut().unwrap().propose(change);
        self.flush(leader);
    }

    fn fault(&mut self) {
        let count = self.servers.len() as u64;
        let (one, other) = (self.rng.below(count) as usize, self.rng.below(count) as usize);
        match self.rng.below(8) {
            0 | 1 => self.kill(one),
            2 | 3 => self.start(one),
            4 if one != other => {
                self.cut.insert((one, other));
            }
            5 => self.cut.clear(),
            6 => {
                let (now, to) = (Time(self.now), self.id(other));
                if let Some(leader) = self.leader() {
                    self.servers[leader].replica.as_mut().unwrap().hand_over(now, to);
                    self.flush(leader);
                }
            }
            _ => {
                // Everything between one and the others.
                (0..count as usize).filter(|other| *other != one).for_each(|other| {
                    self.cut.extend([(one, other), (other, one)]);
                });
            }
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
            if self.rng.below(30) == 0 {
                self.propose();
            }
            if self.faults && self.rng.below(400) == 0 {
                self.fault();
            }
        }
    }

    fn heal(&mut self) {
        self.faults = false;
        self.cut.clear();
        (0..self.servers.len()).for_each(|server| self.start(server));
    }

    /// All have the same, and all of it.
    fn check_converged(&self, what: &str) {
        let leader = self.leader().unwrap_or_else(|| panic!("{what}: nobody leads"));
        let last = self.servers[leader].replica.as_ref().unwrap().applied();
        let newest = *self.agreed.last_key_value().unwrap().0;
        assert!(last >= newest, "{what}: record {newest} was agreed on, the leader has {last}");
        for server in &self.servers {
            let replica = server.replica.as_ref().unwrap();
            assert_eq!(replica.applied(), last, "{what}: {} is behind", replica.address);
            assert_eq!(server.state, self.servers[leader].state, "{what}");
        }
        let mut state = DirectoryState::default();
        self.agreed.values().for_each(|change| {
            state.apply(change);
        });
        assert_eq!(state, self.servers[leader].state, "{what}: the state is not what was agreed on");
    }
}

fn settle(world: &mut World, what: &str) {
    world.heal();
    for _ in 0..20_000 {
        world.step();
        let last = world.leader().map(|leader| world.servers[leader].replica.as_ref().unwrap().reach());
        let same = |server: &Server| {
            server.writing.is_none() && server.replica.as_ref().is_some_and(|replica| last == Some((replica.applied(), replica.applied())))
        };
        if world.servers.iter().all(same) {
            return world.check_converged(what);
        }
    }
    world.check_converged(what);
}

#[test]
fn a_server_alone_agrees_with_itself_at_once() {
    let mut world = World::new(1, 1);
    world.faults = false;
    world.found(1);
    world.run(1_000);
    assert!(world.agreed.len() > 10);
    world.kill(0);
    world.start(0);
    world.run(100);
    assert_eq!(world.leader(), Some(0));
    settle(&mut world, "alone");
}

#[test]
fn a_network_begins_and_goes_on_without_one() {
    for count in [3, 5] {
        let mut world = World::new(2, count);
        world.faults = false;
        world.found(count);
        world.run(3_000);
        let (leader, before) = (world.leader().unwrap(), world.agreed.len());
        assert!(before > 20, "{before} in 3 s");
        world.kill(leader);
        world.run(3_000);
        assert!(world.leader().is_some_and(|another| another != leader));
        assert!(world.agreed.len() > before + 10);
        settle(&mut world, "one killed");
    }
}

#[test]
fn storms() {
    for seed in 0..30 {
        let mut world = World::new(seed, if seed % 3 == 0 { 5 } else { 3 });
        let count = world.servers.len();
        world.faults = false;
        world.found(count);
        world.run(1_500);
        world.faults = true;
        world.run(15_000);
        settle(&mut world, &format!("seed {seed}"));
    }
}

#[test]
fn who_comes_back_after_long_is_sent_the_state() {
    let mut world = World::new(4, 3);
    world.faults = false;
    world.found(3);
    world.run(2_000);
    let away = (0..3).find(|server| Some(*server) != world.leader()).unwrap();
    world.kill(away);
    for _ in 0..(3 * KEPT_RECORDS) {
        world.propose();
        world.step();
    }
    settle(&mut world, "long away");
    assert!(world.snapshots > 0, "it caught up by records");
}

#[test]
fn who_was_cut_off_deposes_nobody() {
    let mut world = World::new(5, 3);
    world.faults = false;
    world.found(3);
    world.run(2_000);
    let (leader, away) = (world.leader().unwrap(), (world.leader().unwrap() + 1) % 3);
    let term = world.servers[leader].replica.as_ref().unwrap().term();
    (0..3).filter(|other| *other != away).for_each(|other| world.cut.extend([(away, other), (other, away)]));
    world.run(20_000);
    world.cut.clear();
    world.run(5_000);
    assert_eq!((world.leader(), world.servers[leader].replica.as_ref().unwrap().term()), (Some(leader), term));
    settle(&mut world, "one was cut off");
}

#[test]
fn servers_come_and_go() {
    let mut world = World::new(6, 4);
    world.faults = false;
    world.found(3);
    world.run(2_000);
    let leader = world.leader().unwrap();
    let newcomer = world.id(3);
    let replica = world.servers[leader].replica.as_mut().unwrap();
    assert_eq!(replica.seat(newcomer, address(3)), Ok(()));
    world.run(3_000);
    let roster = world.servers[leader].replica.as_ref().unwrap().roster();
    assert_eq!((roster.voters().count(), roster.joint), (4, false));
    // The leader lets itself go.
    let gone = world.id(leader);
    assert_eq!(world.servers[leader].replica.as_mut().unwrap().unseat(gone), Ok(()));
    world.run(5_000);
    let next = world.leader().unwrap();
    assert_ne!(next, leader);
    let roster = world.servers[next].replica.as_ref().unwrap().roster();
    assert_eq!(roster.voters().count(), 3);
    assert!(roster.seat(gone).is_none());
}

#[test]
fn an_office_is_handed_over() {
    let mut world = World::new(7, 3);
    world.faults = false;
    world.found(3);
    world.run(2_000);
    let leader = world.leader().unwrap();
    let heir = (leader + 1) % 3;
    let (now, to) = (Time(world.now), world.id(heir));
    // It must have all of the log.
    while !world.servers[leader].replica.as_mut().unwrap().hand_over(now, to) {
        world.step();
    }
    world.flush(leader);
    world.run(200);
    assert_eq!(world.leader(), Some(heir));
    settle(&mut world, "handed over");
}

/// A leader's disk takes its time over one record, and another one is gathered behind it. Meanwhile the others, which hear nothing of it, have a leader of their own, who puts something else in the place of both.
#[test]
fn what_was_gathered_behind_a_write_and_overwritten_is_not_confirmed() {
    let mut world = World::new(8, 3);
    world.faults = false;
    world.found(3);
    world.run(2_000);
    let old = world.leader().unwrap();
    let others: Vec<usize> = (0..3).filter(|other| *other != old).collect();
    while world.servers.iter().any(|server| server.writing.is_some()) {
        world.step();
    }
    others.iter().for_each(|other| _ = world.cut.insert((old, *other)));
    (0..2).for_each(|_| world.propose_at(old));
    world.servers[old].writing.as_mut().expect("the first one is on its way to the disk").0 = u64::MAX;
    let leads = |world: &World, server: usize| world.servers[server].replica.as_ref().is_some_and(|there| there.leads(Time(world.now)));
    let next = loop {
        world.step();
        if let Some(next) = others.iter().find(|other| leads(&world, **other)) {
            break *next;
        }
        assert!(world.now < 20_000, "the others have no leader");
    };
    (0..3).for_each(|_| world.propose_at(next));
    (0..500).for_each(|_| world.step());
    let replica = |server: usize| world.servers[server].replica.as_ref().unwrap();
    assert_eq!(replica(old).reach().0, replica(next).reach().0, "it has heard of the other leader's records");
    let writing = world.servers[old].writing.as_mut().expect("its disk has not answered yet");
    writing.0 = world.now;
    // What it says that it holds is compared with its disk.
    (0..500).for_each(|_| world.step());
    settle(&mut world, "overwritten");
}

/// All who are left notice at the same moment that the leader's process has ended: they stand one after the other, and the first is elected.
#[test]
fn a_leader_that_is_gone_is_followed_without_a_split_vote() {
    for seed in 0..60 {
        let count = if seed % 2 == 0 { 3 } else { 5 };
        let mut world = World::new(seed, count);
        world.faults = false;
        world.found(count);
        world.run(2_000);
        let leader = world.leader().unwrap_or_else(|| panic!("nobody leads, seed {seed}"));
        let gone = world.id(leader);
        world.kill(leader);
        // What it had said arrives before the end of its connection.
        (0..25).for_each(|_| world.step());
        let now = Time(world.now);
        for server in (0..count).filter(|server| *server != leader) {
            world.servers[server].replica.as_mut().unwrap().leader_is_gone(now, gone);
            world.flush(server);
        }
        world.run(300);
        assert!(world.leader().is_some_and(|next| next != leader), "nobody has followed, seed {seed}");
    }
}
