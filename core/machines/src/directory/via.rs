//! Whoever asks a directory server that does not lead is answered by the one that does, through the one that was asked.
//!
//! ```text
//! a node, an operator → the server they reached → VIA link … → the leader: a connection like any other
//!                     ← unwrapped, once the view it speaks of is here ← `via` link … ←
//! ```
//!
//! At the leader such a link has a `Conn` that no driver gave out; what is told to it is wrapped on the way out (`wrap`). Views are not sent this way: each server tells its own watchers. Where a link between servers
//! breaks, or the leader changes, whoever waits for an answer hears TRYAGAIN; nodes beat on, and their next heartbeat goes to the new leader.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::changes::tell;
use super::links::Stage;
use super::{Directory, note};
use crate::command::{AccountAsk, ClientCommand, Command, DirectoryAsk, RingAsk};
use crate::event::{Code, Event, Reply};
use crate::handshake::Peer;
use crate::ids::{Conn, Epoch, Incarnation, ListenerId};
use crate::machine::{Effect, Level};
use crate::names::NodeKey;
use crate::operators::Standing;
use crate::peer::{LinkEvent, PeerCommand};
use crate::time::Time;
use crate::wire::{Argv, Field, Given, Rest, Text};

/// What no driver gives out.
const GENERATION: u32 = u32::MAX;

/// Answers that wait for the view they speak of; past it the oldest goes out without.
const HELD_MAX: usize = 65_536;

/// Links that end at another server.
#[derive(Debug, Default)]
pub(super) struct Vias {
    by_conn: BTreeMap<Conn, (Conn, u64)>,
    by_link: BTreeMap<(Conn, u64), Conn>,
    opened: u32,
    /// Answers of the leader's for whom we asked it, and from which epoch on they may hear them.
    held: Vec<(Epoch, Conn, Event)>,
}

impl Vias {
    /// Whether it ends at another server.
    pub(super) fn is_via(conn: Conn) -> bool {
        conn.generation == GENERATION
    }

    fn open(&mut self, server: Conn, link: u64) -> (Conn, bool) {
        if let Some(conn) = self.by_link.get(&(server, link)) {
            return (*conn, false);
        }
        self.opened = self.opened.wrapping_add(1);
        let conn = Conn { slot: self.opened, generation: GENERATION };
        self.by_link.insert((server, link), conn);
        self.by_conn.insert(conn, (server, link));
        (conn, true)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Conn> {
        self.by_conn.keys().copied().collect()
    }

    fn remove(&mut self, conn: Conn) -> Option<(Conn, u64)> {
        let place = self.by_conn.remove(&conn)?;
        self.by_link.remove(&place);
        Some(place)
    }

    /// Over whose link someone reached us who is at another server.
    pub(super) fn server_of(&self, conn: Conn) -> Option<Conn> {
        self.by_conn.get(&conn).map(|(server, _)| *server)
    }

    /// All links that end at the server of this connection.
    pub(super) fn of(&self, server: Conn) -> Vec<Conn> {
        self.by_link.range((server, 0)..=(server, u64::MAX)).map(|(_, conn)| *conn).collect()
    }
}

/// What only the leader can answer, or do.
pub(super) fn is_for_leader(command: &Command) -> bool {
    match command {
        Command::Peer(command) => matches!(
            command,
            PeerCommand::Register { .. }
                | PeerCommand::Heartbeat { .. }
                | PeerCommand::Leave { .. }
                | PeerCommand::Suspect { .. }
                | PeerCommand::Prepared { .. }
                | PeerCommand::Ready { .. }
                | PeerCommand::Charter { .. }
        ),
        Command::Client(command) => matches!(
            command,
            ClientCommand::Handoff { .. }
                | ClientCommand::Drain { .. }
                | ClientCommand::Points { .. }
                | ClientCommand::Nodes {}
                | ClientCommand::Node { .. }
                | ClientCommand::Account { what: AccountAsk::Set | AccountAsk::Remove, .. }
                | ClientCommand::Ring { how: Given(Some(RingAsk::Linearizable)) }
                | ClientCommand::Directory { what: DirectoryAsk::Add | DirectoryAsk::Remove | DirectoryAsk::Transfer, .. }
        ),
    }
}

/// Whether an answer follows, and what the asker is to hear instead where there is none.
fn is_answered(command: &Command) -> bool {
    use PeerCommand::{Charter, Heartbeat, Prepared, Ready, Suspect};
    // Charters are answered when they are agreed on, and said again until then.
    !matches!(command, Command::Peer(Heartbeat { .. } | Suspect { .. } | Prepared { .. } | Ready { .. } | Charter { .. }))
}

fn words(value: &dyn Fn(&mut Argv)) -> Rest<Text> {
    let mut argv = Argv::default();
    value(&mut argv);
    Rest(argv.iter().map(|word| String::from_utf8_lossy(word).into()).collect())
}

impl Directory {
    /// Asks the leader for one of ours.
    pub(super) fn ask_leader(&mut self, now: Time, conn: Conn, command: Command, effects: &mut Vec<Effect>) {
        let leader = self.replica.leader(now).map(|leader| self.replica.address_of(leader));
        let to = leader.as_ref().and_then(|address| self.colleagues.link_of(address));
        let answered = is_answered(&command);
        let Some(to) = to.filter(|_| !Vias::is_via(conn)) else {
            if answered {
                self.no_leader(conn, effects);
            }
            return;
        };
        let Some(link) = self.links.of_mut(conn) else { return };
        let peer = link.peer().cloned();
        link.asked_leader += usize::from(answered);
        link.is_known_to_leader = true;
        let (key, incarnation) = peer.map_or((None, Incarnation::default()), |peer| (Some(peer.key), peer.incarnation));
        let standing = link.standing.clone();
        if key.is_some() {
            // It has to know the ring before it is part of it, and hears of it from us.
            self.watch(conn, effects);
        } else if answered {
            self.owe(now, conn, 1, true, effects);
        }
        let words = words(&|argv| command.put(argv));
        let (operator, role) = standing.map_or((None, None), |standing| (Some(standing.name), Some(standing.role)));
        let via = PeerCommand::Via { as_of: self.replica.leader_time(), link: name_of(conn), key, incarnation, operator, role, words };
        effects.push(tell(to, Event::Command(Command::Peer(via))));
    }

    fn no_leader(&mut self, conn: Conn, effects: &mut Vec<Effect>) {
        let text = "200 the directory servers have no leader at the moment: a majority of them has to be there";
        let is_peer = self.links.of(conn).is_some_and(|link| link.peer().is_some());
        let event = if is_peer {
            LinkEvent::Refused { code: Code::TryAgain, text: text.into() }.into()
        } else {
            Event::error(Code::TryAgain, text)
        };
        effects.push(tell(conn, event));
    }

    /// One of ours is gone that the leader knows.
    pub(super) fn tell_leader_lost(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        let leader = self.replica.leader(now).map(|leader| self.replica.address_of(leader));
        if let Some(to) = leader.and_then(|address| self.colleagues.link_of(&address)) {
            effects.push(tell(to, Event::Command(Command::Peer(PeerCommand::ViaLost { link: name_of(conn) }))));
        }
    }

    /// Another server asks for one of theirs.
    #[allow(clippy::too_many_arguments)] // the fields of one command
    pub(super) fn via(
        &mut self,
        now: Time,
        server: Conn,
        (link, as_of): (u64, Time),
        peer: Option<Peer>,
        standing: Option<Standing>,
        words: &[Text],
        effects: &mut Vec<Effect>,
    ) {
        let (conn, is_new) = self.vias.open(server, link);
        if is_new {
            // They are not strangers to us: the other server has let them in.
            self.links.open(now, conn, IpAddr::V4(Ipv4Addr::UNSPECIFIED), ListenerId(0), usize::MAX);
        }
        if let Some(link) = self.links.of_mut(conn) {
            (link.via, link.standing) = (true, standing);
        }
        if let (Some(peer), Some(link)) = (peer, self.links.of(conn))
            && !matches!(link.stage, Stage::Proven(_))
        {
            self.links.trust(conn, peer);
        }
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        match Command::parse(&args) {
            // A node that asks for its place may have been started anew since, and be there already.
            Ok(command) if is_for_leader(&command) && self.replica.is_late(now, as_of) => {
                if is_answered(&command) {
                    self.no_leader(conn, effects);
                }
            }
            Ok(command) if is_for_leader(&command) => self.heard(now, conn, Ok(command), effects),
            _ => note(effects, Level::Warn, "another directory server passes on what is not for the leader".to_string()),
        }
    }

    /// The link of someone at another server is gone.
    pub(super) fn via_lost(&mut self, now: Time, server: Conn, link: u64, effects: &mut Vec<Effect>) {
        let Some(conn) = self.vias.by_link.get(&(server, link)).copied() else { return };
        self.vias.remove(conn);
        self.lost(now, conn, effects);
    }

    /// A server can't pass anything on any more: its links are gone, and nobody is suspected for that.
    pub(super) fn forget_vias(&mut self, conns: Vec<Conn>, effects: &mut Vec<Effect>) {
        for conn in conns {
            self.vias.remove(conn);
            if let Some(peer) = self.links.remove(conn).as_ref().and_then(super::links::Link::peer) {
                self.pulses.disconnect(&peer.key, conn);
            }
            self.forget_asker(conn, effects);
        }
    }

    /// The leader has an answer for one of ours.
    pub(super) fn leader_answers(&mut self, now: Time, link: u64, words: &[Text], effects: &mut Vec<Effect>) {
        let conn = conn_of(link);
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let Ok(event) = Event::parse(&args) else { return };
        let after = match &event {
            Event::Link(LinkEvent::Registered { epoch, .. } | LinkEvent::Beat { epoch, .. }) => *epoch,
            // Whoever asks this server the next time hears of nothing older.
            Event::Reply(Reply::Ring { view }) => view.epoch,
            Event::Link(LinkEvent::View { .. } | LinkEvent::ViewChanged { .. } | LinkEvent::Pending { .. }) => return,
            _ => Epoch::default(),
        };
        if after > self.state.view().epoch {
            if self.vias.held.len() >= HELD_MAX {
                let (_, conn, event) = self.vias.held.remove(0);
                self.pass_on(now, conn, event, effects);
            }
            return self.vias.held.push((after, conn, event));
        }
        self.pass_on(now, conn, event, effects);
    }

    fn pass_on(&mut self, now: Time, conn: Conn, event: Event, effects: &mut Vec<Effect>) {
        let Some(link) = self.links.of_mut(conn) else { return };
        if link.peer().is_none() && link.asked_leader == 0 {
            return; // it was told that there will be no answer
        }
        // Neither these nor heartbeats end what it waits for.
        if !matches!(
            event,
            Event::Link(LinkEvent::Beat { .. } | LinkEvent::Word { .. } | LinkEvent::Waiting { .. } | LinkEvent::Chartered { .. })
        ) {
            link.asked_leader = link.asked_leader.saturating_sub(1);
        }
        if matches!(event, Event::Link(LinkEvent::Registered { .. })) {
            link.registered = true;
        }
        let is_clients = link.peer().is_none();
        effects.push(tell(conn, event));
        if is_clients {
            if let Some(link) = self.links.of_mut(conn) {
                link.waits = false;
            }
            self.settle(now, conn, 1, effects);
        }
    }

    /// The view is another: answers that waited for it.
    pub(super) fn release_held(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let epoch = self.state.view().epoch;
        let (ready, held) = std::mem::take(&mut self.vias.held).into_iter().partition(|(after, ..)| *after <= epoch);
        self.vias.held = held;
        let ready: Vec<(Epoch, Conn, Event)> = ready;
        ready.into_iter().for_each(|(_, conn, event)| self.pass_on(now, conn, event, effects));
    }

    /// Whoever waits for the leader's answer hears that there will be none: it is another, or out of reach.
    pub(super) fn leader_changed(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.vias.held.clear();
        for conn in self.links.asking_leader() {
            let Some(link) = self.links.of_mut(conn) else { continue };
            link.asked_leader = 0;
            let is_clients = link.peer().is_none();
            link.waits &= !is_clients;
            self.no_leader(conn, effects);
            if is_clients {
                self.settle(now, conn, 1, effects);
            }
        }
    }

    /// What is for links that end at other servers goes there; what drivers do for connections they know nothing of.
    pub(super) fn wrap(&mut self, effects: &mut Vec<Effect>, from: usize) {
        if self.vias.by_conn.is_empty() && !effects[from..].iter().any(|effect| conn_in(effect).is_some_and(Vias::is_via)) {
            return;
        }
        let made = effects.split_off(from);
        for effect in made {
            let Some(conn) = conn_in(&effect).filter(|conn| Vias::is_via(*conn)) else {
                effects.push(effect);
                continue;
            };
            match effect {
                Effect::Tell { event, .. } => {
                    if let Some((server, link)) = self.vias.by_conn.get(&conn) {
                        let words = words(&|argv| event.put(argv));
                        effects.push(tell(*server, LinkEvent::Via { link: *link, words }));
                    }
                }
                Effect::Close { .. } => {
                    if let Some((server, link)) = self.vias.remove(conn) {
                        effects.push(tell(server, LinkEvent::ViaClosed { link }));
                    }
                }
                _ => {}
            }
        }
    }
}

/// The connection that an effect is about, if it is about one.
fn conn_in(effect: &Effect) -> Option<Conn> {
    match effect {
        Effect::Tell { conn, .. }
        | Effect::Enlist { conn, .. }
        | Effect::Delist { conn, .. }
        | Effect::Pause { conn }
        | Effect::Resume { conn }
        | Effect::Trust { conn }
        | Effect::Await { conn }
        | Effect::Close { conn } => Some(*conn),
        _ => None,
    }
}

fn name_of(conn: Conn) -> u64 {
    u64::from(conn.generation) << 32 | u64::from(conn.slot)
}

pub(super) fn conn_of(name: u64) -> Conn {
    Conn { slot: name as u32, generation: (name >> 32) as u32 }
}

/// Who is at the other end of such a link, if they have proved it.
pub(super) fn peer_of(key: Option<NodeKey>, incarnation: Incarnation) -> Option<Peer> {
    key.map(|key| Peer { key, incarnation })
}
