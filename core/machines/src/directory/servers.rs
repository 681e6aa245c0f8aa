//! The directory servers among themselves: how a network's first ones find each other, who leads, and what each tells the others.
//!
//! A server with a new file founds the network if it is configured alone. Several wait until all that are configured are there and none of them knows of a network; then the one whose file has the lowest number begins the log,
//! with all of them in it. A server with a new file that comes later is taken in by the leader, if its address is configured there and nobody else's seat.
//!
//! A file may hold a ring and no log: it was restored from a backup, or is of a version without logs. Its ring is an old one, and not to be mixed with what others agreed on. So its server says of itself that it knows of a network, hears nothing of the
//! others' log, and begins one of its own, alone and in a higher generation, when none of those that are configured knows of a network.

use std::collections::BTreeSet;

use super::changes::tell;
use super::colleagues::{self, Introduced};
use super::replica::{Letter, Out, Roster, SeatError};
use super::{Directory, note};
use crate::event::Event;
use crate::ids::{Conn, ServerId};
use crate::machine::{Effect, Level, Write};
use crate::peer::{Change, GroupReport, LinkEvent, PeerCommand};
use crate::time::Time;
use crate::view::DirectoryServer;
use crate::wire::Text;

impl Directory {
    /// Does what the log wants done, as long as anything follows from it.
    pub(super) fn settle_log(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut out = Vec::new();
        loop {
            self.replica.flush(now, &self.state, &mut out);
            let leads = if self.leads { self.replica.leads(now) } else { self.replica.may_begin(now) };
            if out.is_empty() && leads == self.leads {
                break;
            }
            // Whoever has just lost the office decides nothing on what was agreed on with it.
            self.look_at_office(now, effects);
            self.carry_out(now, std::mem::take(&mut out), effects);
            match self.leads {
                false if self.replica.may_begin(now) => self.lead(now, effects),
                true if !self.replica.leads(now) => self.resign(now, effects),
                _ => {}
            }
        }
        if self.replica.is_founded() && !std::mem::replace(&mut self.said_founded, true) {
            self.introduce(now, effects);
        }
        let leader = self.replica.leader(now);
        if std::mem::replace(&mut self.leader, leader) != leader {
            self.leader_changed(now, effects);
        }
    }

    pub(super) fn carry_out(&mut self, now: Time, out: Vec<Out>, effects: &mut Vec<Effect>) {
        for out in out {
            match out {
                Out::Write(write) => self.store(Write::Log(write), None, effects),
                Out::Send(server, letter) => {
                    let (address, letter) = (self.replica.address_of(server), Box::new(letter));
                    self.colleagues.send(&address, PeerCommand::Log { server: self.replica.me(), to: server, letter }, effects);
                }
                Out::Apply(index, change) => self.agreed(now, index, change, effects),
                Out::Servers(roster) => self.servers_are(now, &roster, effects),
                Out::Install(state) => self.installed(now, *state, effects),
            }
        }
    }

    /// Whoever has lost touch with the others decides nothing more, before anything else happens.
    pub(super) fn look_at_office(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.leads && !self.replica.leads(now) {
            self.resign(now, effects);
        }
    }

    /// This server is about to end: another one leads from here on, if there is one that can.
    pub(super) fn hand_office_over(&mut self, now: Time) {
        let roster = self.replica.roster();
        let others = roster.voters().filter(|seat| seat.server != self.replica.me());
        let heir = others.max_by_key(|seat| self.replica.has(seat.server)).map(|seat| seat.server);
        if let Some(heir) = heir.filter(|_| self.leads) {
            self.replica.hand_over(now, heir);
        }
    }

    /// This server decides from here on. Every super node gets a full lease before it is judged.
    fn lead(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.leads = true;
        if self.replica.roster().seats.len() > 1 {
            note(effects, Level::Info, format!("this directory server leads, in term {}", self.replica.term()));
        }
        if !self.state.is_founded() {
            let (network, params) = (self.config.network.clone(), self.config.params);
            self.commit(Change::Found { network, params, generation: 1 }, None, effects);
        } else if self.state.view().params != self.config.params {
            let kept = self.state.view().params;
            let text = format!(
                "the network keeps the placement it was founded with: {} with {} points; `chatctl ring points` changes these",
                kept.metric, kept.points
            );
            note(effects, Level::Warn, text);
        }
        self.publish_servers(effects);
        for node in self.state.view().nodes.clone() {
            self.pulses.begin(now, &node.key, node.incarnation, None);
            self.pulses.renew(now, &node.key, node.incarnation);
        }
        if self.replica.roster().seats.len() > 1 {
            self.pulses.take_over(now + self.config.election_ms);
        }
        self.resume_plan(now, effects);
        self.take_in_newcomers(effects);
    }

    /// Someone else decides, or nobody can. Whoever waits for something hears so, and asks again.
    fn resign(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.leads = false;
        note(effects, Level::Warn, "this directory server does not lead any more".to_string());
        let waiting: Vec<_> = self.commits.drain(..).filter_map(|pending| pending.asker).chain(self.agenda.take_all()).collect();
        for asker in waiting {
            let text = "200 another directory server leads from here on";
            self.deny(now, asker, crate::event::Code::TryAgain, text, effects);
        }
        self.dismiss_applicants(effects);
        self.pulses.clear();
        self.dials.clear();
        self.stop_when_idle(effects);
    }

    /// The state is another server's: this one was too far behind.
    fn installed(&mut self, now: Time, state: super::DirectoryState, effects: &mut Vec<Effect>) {
        self.state = state;
        let how = if self.replica.roster().seats.len() == 1 { "goes on by itself" } else { "caught up with the other directory servers" };
        note(effects, Level::Info, format!("{how} at epoch {}", self.state.view().epoch));
        self.publish_view(now, effects);
        effects.push(Effect::TellAll { list: super::WATCHERS, event: self.pending_event(), skip: None });
        effects.push(Effect::Note(crate::machine::Note::View(self.state.view().clone())));
        self.want_colleagues(now, effects);
        self.release_held(now, effects);
    }

    /// The servers are these, agreed on.
    fn servers_are(&mut self, now: Time, roster: &Roster, effects: &mut Vec<Effect>) {
        let names: Vec<&str> = roster.seats.iter().map(|seat| &*seat.address).collect();
        if names.len() > 1 {
            note(effects, Level::Info, format!("the directory servers are {}", names.join(", ")));
        }
        self.want_colleagues(now, effects);
        if self.leads {
            self.publish_servers(effects);
            self.take_in_newcomers(effects);
        }
    }

    /// Sees to it that the view names the servers.
    fn publish_servers(&mut self, effects: &mut Vec<Effect>) {
        let roster = self.replica.roster();
        let published = self.config.published();
        let mut servers: Vec<DirectoryServer> = roster.seats.iter().map(|seat| self.as_published(&seat.address)).collect();
        // Alone, it is known by what is configured: that may be a name for it.
        if let ([server], [address]) = (&mut servers[..], &published[..]) {
            server.address = address.clone();
        }
        servers.sort_by(|a, b| a.address.cmp(&b.address));
        if self.state.view().directories != servers && !self.is_publishing(&servers) {
            self.commit(Change::Directories { servers }, None, effects);
        }
    }

    /// What its lists are checked with it said itself, now or before.
    fn as_published(&self, address: &Text) -> DirectoryServer {
        let before = self.state.view().directories.iter().find(|server| server.address == *address).and_then(|server| server.key);
        let key = match *address == self.config.address {
            true => Some(self.config.signer.key()),
            false => self.colleagues.introduced(address).map(|there| there.list).or(before),
        };
        DirectoryServer { address: address.clone(), key }
    }

    fn is_publishing(&self, wanted: &[DirectoryServer]) -> bool {
        let last = self.commits.iter().rev().find_map(|pending| match &pending.change {
            Change::Directories { servers } => Some(servers),
            _ => None,
        });
        last.is_some_and(|servers| servers == wanted)
    }

    /// Keeps links to all that are configured, or have a seat, and to who keeps one to us: who was away knows nothing of those that were taken in meanwhile, and one of them may lead, or need its vote, or take it in.
    pub(super) fn want_colleagues(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let roster = self.replica.roster();
        let seated = roster.seats.iter().map(|seat| seat.address.clone());
        let others = self.config.directories.iter().chain(&self.wanted).chain(self.colleagues.callers());
        let mut all: BTreeSet<Text> = seated.chain(others.cloned()).collect();
        all.remove(&self.config.address);
        self.colleagues.want(now, all, effects);
    }

    /// A link that others dialled is gone: nobody counts on our answers to what was said over it.
    pub(super) fn caller_gone(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if self.colleagues.gone(conn) {
            self.want_colleagues(now, effects);
        }
    }

    /// Something became of a link to another server.
    pub(super) fn colleague_changed(&mut self, now: Time, change: colleagues::Change, effects: &mut Vec<Effect>) {
        match change {
            colleagues::Change::None => {}
            colleagues::Change::Up(address) => {
                // Whoever is not on its disk yet may be another one tomorrow.
                if self.replica.is_named() {
                    let hello = self.introduction();
                    self.colleagues.send(&address, hello, effects);
                }
                // What masters reported while it was away it has not heard of.
                effects.push(Effect::TellAll { list: super::WATCHERS, event: LinkEvent::ReportAnew {}.into(), skip: None });
            }
            colleagues::Change::Down { address, gone } => {
                let roster = self.replica.roster();
                let server = roster.seats.iter().find(|seat| seat.address == address).map(|seat| seat.server);
                if let Some(server) = server.filter(|_| gone) {
                    self.replica.leader_is_gone(now, server);
                }
                if server.is_some() && self.leader == server {
                    self.leader_changed(now, effects);
                }
            }
            colleagues::Change::Told(_, event) if matches!(*event, LinkEvent::Visited { .. }) => {
                if let LinkEvent::Visited { ticket, found } = *event {
                    self.visited(now, ticket, found, effects);
                }
            }
            // Who has lost the office may still answer what was given up by then.
            colleagues::Change::Told(address, _) if self.leader.map(|leader| self.replica.address_of(leader)) != Some(address.clone()) => {}
            colleagues::Change::Told(_, event) => match *event {
                LinkEvent::Via { link, words } => self.leader_answers(now, link, &words.0, effects),
                LinkEvent::ViaClosed { link } => self.leader_closes(now, link, effects),
                _ => {}
            },
        }
    }

    /// Now that this server's disk says which it is, the others hear of it.
    pub(super) fn introduce(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let addresses: Vec<Text> = self.colleagues.addresses().cloned().collect();
        for address in addresses {
            let hello = self.introduction();
            self.colleagues.send(&address, hello, effects);
        }
        self.found_if_due(now, effects);
    }

    fn introduction(&self) -> PeerCommand {
        let founded = self.replica.is_founded() || self.has_only_a_ring();
        PeerCommand::Server { server: self.replica.me(), address: self.config.address.clone(), founded, list: self.config.signer.key() }
    }

    /// Whether there is a ring and no log that made it.
    fn has_only_a_ring(&self) -> bool {
        self.state.is_founded() && !self.replica.is_founded()
    }

    /// Another server says something of the log. What is for the one that was here before, with another file, is not for this one; but where this one has no log yet, it hears from that who leads.
    pub(super) fn heard_of_log(&mut self, now: Time, server: ServerId, to: ServerId, letter: Letter) {
        if self.has_only_a_ring() {
            return;
        }
        if to == self.replica.me() {
            self.replica.heard(now, server, letter);
        } else if !self.replica.is_founded() {
            self.replica.overheard(now, server, &letter);
        }
    }

    /// Another server says which it is.
    pub(super) fn introduced(&mut self, now: Time, over: Conn, there: Introduced, address: &Text, effects: &mut Vec<Effect>) {
        let Introduced { server, founded, .. } = there;
        self.colleagues.introduce(address, there, over);
        self.want_colleagues(now, effects);
        if !self.colleagues.has(address) {
            return;
        }
        self.replica.meet(server, address.clone());
        if self.leads {
            self.publish_servers(effects);
            self.take_in_newcomers(effects);
        }
        if founded && self.has_only_a_ring() {
            let text = format!(
                "the ring in this server's file is an old one, and directory server {address} knows of a network, too: this server does not join it. \
                 Either stop that one and move its file away, or stop this one, move its file away, and let `chatctl directory add {}` take it in",
                self.config.address
            );
            note(effects, Level::Error, text);
        }
        self.found_if_due(now, effects);
    }

    /// Begins the log where there is none, and nobody else has to be asked or will.
    pub(super) fn found_if_due(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.replica.is_founded() || !self.replica.is_named() {
            return;
        }
        if self.has_only_a_ring() {
            return self.go_on_if_due(now, effects);
        }
        let me = self.replica.me();
        let mut others = Vec::new();
        for address in self.colleagues.addresses() {
            match self.colleagues.introduced(address) {
                Some(Introduced { server, founded: false, .. }) if server > me => others.push((server, address.clone())),
                _ => return,
            }
        }
        let before = self.state.view().epoch;
        note(effects, Level::Info, format!("this directory server begins the log, with {} others, at epoch {before}", others.len()));
        self.replica.found(&others);
    }

    /// Goes on from an old ring, in a higher generation, where all others are new. Whatever was agreed on since that ring is of a lower one, and nobody listens to that any more.
    fn go_on_if_due(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let before = self.state.view().epoch;
        let is_new = |address: &&Text| self.colleagues.introduced(address).is_some_and(|there| !there.founded);
        let missing: Vec<&str> = self.colleagues.addresses().filter(|address| !is_new(address)).map(|address| &**address).collect();
        if !missing.is_empty() {
            let text = format!(
                "the ring in this server's file is an old one, of epoch {before}: it goes on from there when all others that are configured are there, with new files; missing: {}",
                missing.join(", ")
            );
            return note(effects, Level::Warn, text);
        }
        let mut state = self.state.clone();
        let (network, params) = (state.view().network.clone(), state.view().params);
        state.apply(&Change::Found { network, params, generation: before.generation.saturating_add(1) });
        let text = format!("this directory server goes on from epoch {before}, as the only one for now, at epoch {}", state.view().epoch);
        note(effects, Level::Warn, text);
        self.replica.found_upon(now, state);
    }

    /// Takes in servers with a new file that are configured here, and those that an operator wants, one after the other.
    pub(super) fn take_in_newcomers(&mut self, effects: &mut Vec<Effect>) {
        let roster = self.replica.roster();
        let is_there = |address: &Text| {
            let there = self.colleagues.introduced(address).map(|there| there.server);
            roster.seats.iter().any(|seat| seat.address == *address && seat.votes && Some(seat.server) == there)
        };
        self.wanted.retain(|address| !is_there(address));
        let candidates: Vec<Text> = self.wanted.iter().chain(&self.config.directories).cloned().collect();
        for address in candidates {
            let is_wanted = self.wanted.contains(&address);
            let newcomer = self.colleagues.introduced(&address).filter(|there| !there.founded || is_wanted).map(|there| there.server);
            let Some(server) = newcomer.filter(|server| roster.seat(*server).is_none()) else { continue };
            let before = roster.seats.iter().find(|seat| seat.address == address).map(|seat| seat.server);
            let result = match before {
                Some(before) if is_wanted => self.replica.unseat(before),
                Some(before) => {
                    let text = format!(
                        "directory server {address} has lost its file (it was {before}, and is {server}): `chatctl directory add {address}` takes it in anew"
                    );
                    note(effects, Level::Warn, text);
                    continue;
                }
                None => self.replica.seat(server, address.clone()),
            };
            match result {
                Ok(()) => note(effects, Level::Info, format!("directory server {address} is being taken in")),
                // Its turn comes when the change before it is agreed on.
                Err(SeatError::Changing) => break,
                Err(error) => note(effects, Level::Warn, format!("directory server {address} can't be taken in: {error}")),
            }
        }
    }

    fn leader_closes(&mut self, now: Time, link: u64, effects: &mut Vec<Effect>) {
        let conn = super::via::conn_of(link);
        if self.links.of(conn).is_some() {
            self.close(now, conn, effects);
        }
    }

    /// What a master reported here is told the other servers, too: each keeps that by itself.
    pub(super) fn relay(&mut self, master: &crate::names::NodeKey, reports: &[GroupReport], effects: &mut Vec<Effect>) {
        let up: Vec<Conn> = self.colleagues.addresses().filter_map(|address| self.colleagues.link_of(address)).collect();
        for conn in up {
            let relay = PeerCommand::Relay { master: master.clone(), reports: reports.to_vec() };
            effects.push(tell(conn, Event::Command(crate::command::Command::Peer(relay))));
        }
    }
}
