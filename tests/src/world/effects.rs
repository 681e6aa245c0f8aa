//! What a machine wants done, done: as the reactor does it, with a network that isn't there.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::event::{Event, Push, Reply};
use chatring_machines::ids::{Conn, ListId, Ticket};
use chatring_machines::keeping::{Health, Keeping};
use chatring_machines::machine::{Effect, Input, Judgment, Note, Query, Store, Verdict, Write};
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::peer::{Last, LinkEvent, PeerCommand};
use chatring_machines::view::SharedView;
use chatring_machines::wire::Given;

use super::codec::Codec;
use super::keeping::Written;
use super::network::What;
use super::{Happening, Loss, Lost, Pid, Role, Sabotage, World};
use crate::coverage;
use crate::ear::Sound;

/// Before that lying disks tell the truth.
const LYING_MS: u64 = 3_000;

impl World {
    pub(super) fn carry_out(&mut self, of: Pid, effect: Effect) {
        self.trace.line(|| format!("{} {}    -> {effect:?}", self.now.0, self.processes[of.0].name));
        self.trace.number((of.0 as u64) << 8 | kind(&effect));
        let life = self.processes[of.0].life;
        match effect {
            Effect::Tell { conn, event } => self.tell(of, conn, &event),
            Effect::TellAll { list, event, skip } => self.tell_all(of, list, &event, skip),
            Effect::Enlist { list, conn } => {
                if self.options.sabotage == Sabotage::Lingering {
                    self.processes[of.0].delist(list, conn);
                }
                self.processes[of.0].enlist(list, conn);
            }
            Effect::Delist { .. } if self.options.sabotage == Sabotage::Lingering => {}
            Effect::Delist { list, conn, missed } => {
                self.leaves(of, list, conn);
                if self.processes[of.0].delist(list, conn)
                    && let Some(missed) = missed
                {
                    self.tell(of, conn, &missed);
                }
            }
            Effect::Disband { list } => {
                self.processes[of.0].recipients(list).into_iter().for_each(|conn| self.leaves(of, list, conn));
                self.processes[of.0].disband(list);
            }
            Effect::Await { conn } => self.awaits(of, conn),
            Effect::Survey { ticket } => {
                let input = Input::Surveyed { ticket, lags: Vec::new() };
                self.schedule(self.now, Happening::Input { to: of, life, input: Box::new(input) });
            }
            Effect::Pause { conn } => self.pause(of, conn, true),
            Effect::Resume { conn } => self.pause(of, conn, false),
            Effect::Close { conn } => {
                if let Some(end) = self.processes[of.0].end(conn) {
                    self.close(end);
                }
            }
            Effect::Dial { ticket, address } => {
                let at = self.now + self.latency(of, of);
                self.schedule(at, Happening::Knock { from: of, life, ticket, address });
            }
            // Nobody has filters here.
            Effect::Sift { ticket, .. } => {
                let input = Input::Sifted { ticket, judgment: Judgment::Pass };
                self.schedule(self.now, Happening::Input { to: of, life, input: Box::new(input) });
            }
            Effect::Unsift { .. } | Effect::Plugin { .. } => {}
            // Everyone knows their password.
            Effect::Judge { ticket, ask, .. } => {
                let at = self.now + self.rng.below(self.options.judge_ms + 1);
                let input = Input::Judged { ticket, verdict: Verdict::Accept(ask.account.map(|account| account.name)) };
                self.schedule(at, Happening::Input { to: of, life, input: Box::new(input) });
            }
            Effect::Commit { ticket, write } => {
                if let Role::Directory { disk, .. } = &mut self.processes[of.0].role {
                    disk.write(write);
                }
                let at = self.store_time(of);
                self.schedule(at, Happening::Commit { to: of, life, ticket });
            }
            Effect::Query { ticket, query } => {
                let at = self.store_time(of);
                self.schedule(at, Happening::Query { to: of, life, ticket, query });
            }
            Effect::Keep { ticket, group, what } => {
                let Role::Node { disk, .. } = &mut self.processes[of.0].role else { return };
                let (health, begins) = disk.push(Keeping { ticket, group, what });
                self.say_of_disk(of, health);
                if begins {
                    self.write(of, 0);
                }
            }
            Effect::Note(note) => self.noted(of, note),
            // Nothing here is bounded by bytes.
            Effect::Trust { .. } => {}
            Effect::Stopped => self.ended(of),
        }
    }

    /// The store works on one thing after the other.
    fn store_time(&mut self, of: Pid) -> chatring_machines::Time {
        let slow_ms = match &self.processes[of.0].role {
            Role::Directory { disk, .. } => disk.slow_ms,
            _ => 0,
        };
        let busy = self.store_at.get(&of).copied().unwrap_or_default().max(self.now);
        let at = busy + self.rng.below(self.options.store_ms + 1) + slow_ms;
        self.store_at.insert(of, at);
        at
    }

    /// A super node's disk begins to write.
    fn write(&mut self, of: Pid, after_ms: u64) {
        let slow_ms = if let Role::Node { disk, .. } = &self.processes[of.0].role { disk.slow_ms } else { 0 };
        let at = self.now + after_ms + slow_ms + self.rng.below(self.options.store_ms + 1);
        let life = self.processes[of.0].life;
        self.schedule(at, Happening::Keep { to: of, life });
    }

    /// A super node's disk has what it was given, or can't take it.
    pub(super) fn written(&mut self, to: Pid, life: u32) {
        let lies = self.options.sabotage == Sabotage::LyingDisks && self.now >= World::BEGINS + LYING_MS;
        let process = &mut self.processes[to.0];
        if !process.alive || process.life != life {
            return;
        }
        let Role::Node { disk, .. } = &mut process.role else { return };
        let Written { tickets, health, more_ms } = disk.sync(lies);
        if let Some(after_ms) = more_ms {
            self.write(to, after_ms);
        }
        for ticket in tickets {
            self.hand_to_life(to, life, Input::Kept { ticket });
        }
        self.say_of_disk(to, health);
    }

    fn say_of_disk(&mut self, of: Pid, health: Health) {
        let input = match health {
            Health::Same => return,
            Health::Trouble(why) => Input::DiskTrouble { why },
            Health::Well(torn) => Input::DiskWell { torn },
        };
        let life = self.processes[of.0].life;
        self.schedule(self.now, Happening::Input { to: of, life, input: Box::new(input) });
    }

    pub(super) fn commit(&mut self, to: Pid, life: u32, ticket: Ticket) {
        let process = &mut self.processes[to.0];
        if !process.alive || process.life != life {
            return;
        }
        let Role::Directory { disk, .. } = &mut process.role else { return };
        let Some(write) = disk.sync() else {
            // A driver that can't make durable what it should stops the process.
            self.count("disk failed");
            return self.kill(to);
        };
        let torn = disk.tears();
        self.reaches_disk(to, &write);
        if torn {
            self.count("ended between two writes");
            return self.kill(to);
        }
        self.hand(to, Input::Committed { ticket });
    }

    /// Something is on a directory server's disk.
    pub(super) fn reaches_disk(&mut self, of: Pid, write: &Write) {
        let Role::Directory { store, .. } = &mut self.processes[of.0].role else { return };
        store.commit(std::slice::from_ref(write)).expect("a store in memory does not fail");
        let view = store.kept().state.view().clone();
        self.saw_view(of, &view);
    }

    /// Remembers which copies there were.
    pub(super) fn lost(&mut self, by: Lost) {
        let mut copies: BTreeMap<GroupName, Vec<(NodeKey, Last)>> = BTreeMap::new();
        for pid in self.pids() {
            for (group, _, last) in self.copies(pid) {
                copies.entry(group).or_default().push((self.key(pid), last));
            }
        }
        self.losses.push(Loss { at: self.now, by, copies });
    }

    pub(super) fn query(&mut self, to: Pid, life: u32, ticket: Ticket, query: &Query) {
        let process = &mut self.processes[to.0];
        if !process.alive || process.life != life {
            return;
        }
        if let Role::Directory { store, .. } = &mut process.role {
            let answer = store.query(query).expect("a store in memory does not fail");
            self.hand(to, Input::Answered { ticket, answer });
        }
    }

    fn awaits(&mut self, of: Pid, conn: Conn) {
        let Some(end) = self.processes[of.0].end(conn) else { return };
        let Some(wire) = &self.wires[end.wire] else { return };
        match self.processes[wire.ends[1 - end.side].pid.0].stalled {
            true => _ = self.processes[of.0].awaited.insert(conn),
            false => self.drained(of, conn),
        }
    }

    pub(super) fn drained(&mut self, of: Pid, conn: Conn) {
        let at = self.now + self.latency(of, of);
        let life = self.processes[of.0].life;
        self.schedule(at, Happening::Input { to: of, life, input: Box::new(Input::Drained { conn }) });
    }

    fn pause(&mut self, of: Pid, conn: Conn, paused: bool) {
        let Some(end) = self.processes[of.0].end(conn) else { return };
        if let Some(wire) = &mut self.wires[end.wire] {
            wire.ends[end.side].paused = paused;
        }
        if !paused {
            self.schedule(self.now, Happening::Arrival(end));
        }
    }

    pub(super) fn tell(&mut self, of: Pid, conn: Conn, event: &Event) {
        let lost =
            self.options.sabotage == Sabotage::LostAttach && matches!(event, Event::Command(Command::Peer(PeerCommand::Attach { .. })));
        let Some(end) = self.processes[of.0].end(conn).filter(|_| !lost) else { return };
        self.count_told(event);
        self.watch_told(of, event);
        let hasty = if self.options.sabotage == Sabotage::HastyReads { ask_hastily(event) } else { None };
        let event = hasty.as_ref().unwrap_or(event);
        let Some(wire) = &mut self.wires[end.wire] else { return };
        let bytes: Rc<[u8]> = self.codecs.encode(&mut wire.ends[end.side].codec, event, false).into();
        if bytes.is_empty() {
            return;
        }
        let copies = match (self.options.sabotage, event) {
            (Sabotage::Flood, Event::Reply(Reply::Welcome { .. })) => 10_000,
            (Sabotage::Echoes, Event::Link(LinkEvent::Answer { .. })) => 60,
            _ => 1,
        };
        (0..copies).for_each(|_| self.push(end, What::Bytes(bytes.clone()), None));
    }

    fn count_told(&mut self, event: &Event) {
        match event {
            Event::Command(Command::Peer(command)) => self.count(command.word()),
            Event::Command(Command::Client(ClientCommand::Join { birth: Some(_), .. })) => self.count("client resumes"),
            Event::Command(Command::Client(ClientCommand::Join { .. })) => self.count("client joins"),
            Event::Link(link) => self.count(link.word()),
            Event::Push(Push::Gap { .. }) => self.count("gap told to a session"),
            Event::Push(Push::Moved { .. }) => self.count("client is shown a better node"),
            Event::Reply(Reply::Error { code, .. }) => self.count(code.as_str()),
            _ => {}
        }
    }

    /// What waits for someone who leaves a list is not of that list any more: its id may be used for another.
    fn leaves(&mut self, of: Pid, list: ListId, conn: Conn) {
        let Some(end) = self.processes[of.0].end(conn) else { return };
        if let Some(wire) = &mut self.wires[end.wire] {
            wire.ways[1 - end.side].leave(list);
        }
    }

    fn tell_all(&mut self, of: Pid, list: ListId, event: &Event, skip: Option<Conn>) {
        self.watch_told(of, event);
        let mut plain: Option<Rc<[u8]>> = None;
        for conn in self.processes[of.0].recipients(list) {
            let Some(end) = self.processes[of.0].end(conn).filter(|_| skip != Some(conn)) else { continue };
            let Some(wire) = &mut self.wires[end.wire] else { continue };
            let codec = &mut wire.ends[end.side].codec;
            let to_person = matches!(codec, Codec::Plain);
            let bytes: Rc<[u8]> = match (&plain, to_person) {
                (Some(bytes), true) => bytes.clone(),
                _ => self.codecs.encode(codec, event, true).into(),
            };
            if to_person {
                plain = Some(bytes.clone());
            }
            if bytes.is_empty() {
                continue;
            }
            let amiss = to_person && matches!(event, Event::Entry(..)) && self.rng.below(20) == 0;
            let sabotage = if amiss { self.options.sabotage } else { Sabotage::None };
            if sabotage == Sabotage::Swallowed {
                continue;
            }
            self.push(end, What::Bytes(bytes.clone()), Some((list, event.place())));
            match sabotage {
                Sabotage::Twice => self.push(end, What::Bytes(bytes), Some((list, event.place()))),
                Sabotage::Swapped => {
                    if let Some(wire) = &mut self.wires[end.wire] {
                        wire.ways[1 - end.side].swap_last();
                    }
                }
                _ => {}
            }
        }
    }

    fn noted(&mut self, of: Pid, note: Note) {
        if let Note::Log { text, .. } = &note
            && let Some(path) = coverage::path(text)
        {
            self.count(path);
        }
        let now = self.now;
        if let (true, Note::View(view)) = (self.processes[of.0].role.is_of_network(), &note) {
            self.goes_by(of, view.epoch);
            self.saw_view(of, view);
        }
        let Role::Client { ear, joined, gave_up, said, acked, group, .. } = &mut self.processes[of.0].role else { return };
        match note {
            Note::Heard(event) => ear.hear(now, &event),
            Note::Answer(event) => ear.add(now, Sound::Other(event)),
            Note::Joined { .. } => {
                *joined = true;
                ear.add(now, Sound::In(group.clone()));
            }
            Note::Away { .. } => {
                *joined = false;
                ear.add(now, Sound::Out(group.clone()));
            }
            Note::GaveUp { why } => {
                *joined = false;
                *gave_up = Some(why);
            }
            Note::Sent { number, .. } => {
                if let Some(text) = said.remove(&number) {
                    acked.insert(text, now);
                }
            }
            Note::Unsent { number, .. } => _ = said.remove(&number),
            _ => {}
        }
    }
}

/// Which effect it is.
fn kind(effect: &Effect) -> u64 {
    match effect {
        Effect::Tell { .. } => 0,
        Effect::TellAll { .. } => 1,
        Effect::Enlist { .. } => 2,
        Effect::Delist { .. } => 3,
        Effect::Disband { .. } => 4,
        Effect::Pause { .. } => 5,
        Effect::Resume { .. } => 6,
        Effect::Close { .. } => 7,
        Effect::Dial { .. } => 8,
        Effect::Judge { .. } => 9,
        Effect::Commit { .. } => 10,
        Effect::Query { .. } => 11,
        Effect::Note(_) => 12,
        Effect::Stopped => 13,
        _ => 14,
    }
}

/// The same, as if the master before the last one had said it.
pub(super) fn say_of_old(effect: &mut Effect) {
    if let Effect::TellAll { event: Event::Entry(_, entry), .. } = effect {
        let entry = Arc::make_mut(entry);
        entry.term.number = entry.term.number.saturating_sub(1);
    }
}

/// A view without its last node.
pub(super) fn leave_one_out(effect: &mut Effect) {
    if let Effect::Note(Note::View(view)) | Effect::TellAll { event: Event::Link(LinkEvent::View { view }), .. } = effect {
        Arc::make_mut(view).nodes.pop();
    }
}

/// The oldest view there was.
pub(super) fn say_old_view(effect: &mut Effect, old: Option<&SharedView>) {
    if let (Effect::Tell { event: Event::Link(LinkEvent::View { view }), .. }, Some(old)) = (effect, old) {
        *view = old.clone();
    }
}

/// Whatever a server knows is good enough.
fn ask_hastily(event: &Event) -> Option<Event> {
    let any = ClientCommand::Ring { how: Given(None) };
    matches!(event, Event::Command(Command::Client(ClientCommand::Ring { .. }))).then_some(Event::Command(Command::Client(any)))
}
