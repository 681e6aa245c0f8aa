//! What nodes say to a directory server: who they are, that they live, and what their groups are like.

use super::Directory;
use super::agenda::Wish;
use super::changes::{Asker, Wants, tell};
use super::colleagues::Introduced;
use super::links::Stage;
use super::note;
use super::questions::Shape;
use super::via;
use crate::certificate::Role;
use crate::command::{Command, If};
use crate::event::{Code, Event};
use crate::handshake::{Accepting, HandshakeError, Peer};
use crate::ids::{Conn, ListenerId, Ticket};
use crate::machine::{Effect, Level, Query, Write};
use crate::names::NodeKey;
use crate::operators::Standing;
use crate::peer::{GroupReport, LinkEvent, PeerCommand};
use crate::time::Time;
use crate::view::Plan;
use crate::wire::Text;

impl Directory {
    pub(super) fn peer_command(&mut self, now: Time, conn: Conn, command: PeerCommand, effects: &mut Vec<Effect>) {
        let peer = self.links.of(conn).and_then(|link| link.peer()).cloned();
        match peer {
            Some(peer) => self.proven_command(now, conn, &peer, command, effects),
            None => self.handshake(now, conn, &command, effects),
        }
    }

    /// What comes before the proof. Anything unexpected ends the connection.
    fn handshake(&mut self, now: Time, conn: Conn, command: &PeerCommand, effects: &mut Vec<Effect>) {
        let nonce = self.jitter.draw();
        let Some(link) = self.links.of_mut(conn) else { return };
        let result = match (&link.stage, command) {
            _ if link.listener != ListenerId(0) => Err(None),
            (Stage::Stranger, PeerCommand::Peer { .. }) => {
                Accepting::start(&self.identity, command, link.certificate.as_ref(), nonce).map_err(Some).map(|(accepting, challenge)| {
                    link.stage = Stage::Challenged(accepting);
                    challenge
                })
            }
            (Stage::Challenged(accepting), PeerCommand::Prove { .. }) => {
                let proved = accepting.clone().proved(&self.identity, command).map_err(Some);
                proved.map(|peer| self.welcome(conn, peer, effects))
            }
            _ => Err(None),
        };
        match result {
            Ok(event) => effects.push(tell(conn, event)),
            Err(why) => self.turn_away(now, conn, command, why, effects),
        }
        let proven = self.links.of(conn).is_some_and(|link| link.peer().is_some());
        if proven && self.links.peers() > self.config.limits.peers {
            self.refuse(conn, Code::TooMany, "this directory server has all the peers it takes; try another one", effects);
            self.close(now, conn, effects);
        }
    }

    fn welcome(&mut self, conn: Conn, peer: Peer, effects: &mut Vec<Effect>) -> LinkEvent {
        self.links.trust(conn, peer);
        effects.push(Effect::Trust { conn });
        LinkEvent::Proven {}
    }

    fn turn_away(&mut self, now: Time, conn: Conn, command: &PeerCommand, why: Option<HandshakeError>, effects: &mut Vec<Effect>) {
        match why {
            Some(error) => {
                note(effects, Level::Warn, format!("a node was turned away: {error}"));
                effects.push(tell(conn, error.event()));
            }
            None => {
                let text = format!("{} is for nodes of this network that have proved it, on the node's own port", command.word());
                effects.push(tell(conn, Event::error(Code::NoPerm, text)));
            }
        }
        self.close(now, conn, effects);
    }

    /// What a peer says that its certificate does not make its to say ends its link. Says whether it did.
    pub(super) fn oversteps(&mut self, now: Time, conn: Conn, command: &Command, effects: &mut Vec<Effect>) -> bool {
        let (Command::Peer(command), true) = (command, self.identity.certified) else { return false };
        let Some(peer) = self.links.of(conn).and_then(|link| link.peer()) else { return false };
        let role = Role::of(&peer.key);
        if role.may_say(command) {
            return false;
        }
        let text = format!("{} sent {}, which is not for a {role} to say", peer.key, command.word());
        note(effects, Level::Warn, format!("{text}; its link is closed"));
        self.refuse(conn, Code::NoPerm, text, effects);
        self.close(now, conn, effects);
        true
    }

    fn proven_command(&mut self, now: Time, conn: Conn, peer: &Peer, command: PeerCommand, effects: &mut Vec<Effect>) {
        match command {
            PeerCommand::Register { ticket, name, token, .. } => self.register(now, conn, peer, (ticket, name, token), effects),
            PeerCommand::Ready { word } => self.has_word(now, conn, &word, effects),
            PeerCommand::Visit { ticket, key, incarnation } => {
                self.asked_to_visit(now, conn, ticket, Peer { key, incarnation }, effects);
            }
            PeerCommand::Watch { .. } => self.watch(conn, effects),
            PeerCommand::Heartbeat { sent } => self.heartbeat(now, conn, peer, sent, effects),
            PeerCommand::Leave { ticket } => self.leave(now, conn, peer, ticket, effects),
            PeerCommand::Suspect { key } => self.suspect(now, &key, effects),
            PeerCommand::Report { ticket, reports } => self.report(now, conn, &peer.key, ticket, reports, effects),
            PeerCommand::Charter { ticket, charters } => self.chartered(now, conn, &peer.key, (ticket, charters), effects),
            PeerCommand::AccountOf { ticket, name } => {
                let mut account = self.state.ledger().account(&name).map(|account| Box::new((**account).clone()));
                // A gateway stands on somebody's desk: it hears that there is one, and nothing to guess passwords by.
                if let (Some(account), None) = (&mut account, peer.key.address()) {
                    account.secret = "".into();
                }
                effects.push(tell(conn, LinkEvent::Account { ticket, account }));
            }
            PeerCommand::Record { ticket, group } => self.ask(now, conn, Query::Record(group), Shape::Peer(ticket), effects),
            PeerCommand::GroupList { ticket, pattern } => {
                let query = Query::Groups { pattern, limit: self.config.limits.rows };
                self.ask(now, conn, query, Shape::Peer(ticket), effects);
            }
            PeerCommand::Count { ticket } => self.ask(now, conn, Query::Counts, Shape::Peer(ticket), effects),
            PeerCommand::Orphans { ticket, master, after } => {
                let query = Query::Orphans { master, after, limit: self.config.limits.rows };
                self.ask(now, conn, query, Shape::Peer(ticket), effects);
            }
            PeerCommand::Probe { sent } => effects.push(tell(conn, LinkEvent::Here { asked: sent, epoch: self.state.view().epoch })),
            PeerCommand::Server { server, address, founded, list } => {
                self.introduced(now, conn, Introduced { server, founded, list }, &address, effects);
            }
            PeerCommand::Log { server, to, letter } => self.heard_of_log(now, server, to, *letter),
            PeerCommand::Via { as_of, link, key, incarnation, operator, role, words } => {
                let standing = operator.zip(role).map(|(name, role)| Standing { name, role });
                self.via(now, conn, (link, as_of), via::peer_of(key, incarnation), standing, &words.0, effects);
            }
            PeerCommand::ViaLost { link } => self.via_lost(now, conn, link, effects),
            PeerCommand::Relay { master, reports } => {
                for report in reports {
                    self.store(Write::Report { master: master.clone(), report: Box::new(report) }, None, effects);
                }
            }
            PeerCommand::Prepared { number, epoch, left, why } => self.prepared(now, peer, (number, epoch), left, &why, effects),
            PeerCommand::Peer { .. } | PeerCommand::Prove { .. } => {
                self.refuse(conn, Code::NoPerm, "you have proved who you are already", effects);
            }
            other => {
                let text = format!("{} is answered by super nodes; this is a directory server", other.word());
                self.refuse(conn, Code::Err, text, effects);
            }
        }
    }

    /// A place in the ring, at once where this start of the node has it already. Whoever has none is looked at first.
    fn register(&mut self, now: Time, conn: Conn, peer: &Peer, wants: (Ticket, Text, Option<Text>), effects: &mut Vec<Effect>) {
        let Peer { key, incarnation } = peer;
        if self.agenda.waits(conn) || self.applicants.all.contains_key(&conn) {
            self.refuse(conn, Code::Err, format!("{key} has asked already"), effects);
            return;
        }
        if let Some((code, text)) = self.turned_down(peer) {
            self.refuse(conn, code, text, effects);
            return;
        }
        let seated = self.state.view().node(key).is_some_and(|node| node.incarnation == *incarnation);
        if seated && !self.is_changing(key) {
            self.supersede(now, conn, peer, effects);
            return self.seat_again(now, conn, peer, wants.0, effects);
        }
        if let Some(text) = self.held_down(now, key) {
            self.refuse(conn, Code::TryAgain, text, effects);
            return;
        }
        let asker = Asker { conn, wants: Wants::Registered(wants.0) };
        if self.agenda.plans_join_of(peer) {
            self.supersede(now, conn, peer, effects);
            self.watch(conn, effects);
            self.take_up_join(now, peer, asker, effects);
        } else {
            self.apply(now, conn, peer.clone(), wants, effects);
        }
    }

    /// The place is there: only its connection is new.
    fn seat_again(&mut self, now: Time, conn: Conn, Peer { key, incarnation }: &Peer, ticket: Ticket, effects: &mut Vec<Effect>) {
        if !self.replica.is_certain(now) {
            self.refuse(conn, Code::TryAgain, "200 another directory server may lead by now", effects);
            return;
        }
        self.pulses.connect(key, conn);
        self.pulses.renew(now, key, *incarnation);
        self.registered(conn, ticket, effects);
    }

    /// Why a node has to wait before it may ask.
    pub(super) fn held_down(&self, now: Time, key: &NodeKey) -> Option<String> {
        let wait_ms = self.holds.left_ms(now, key);
        (wait_ms > 0).then(|| format!("{wait_ms} {key} came and went too often; it has to wait"))
    }

    /// Why a node can't ever come into the ring as it is.
    fn turned_down(&self, Peer { key, incarnation }: &Peer) -> Option<(Code, String)> {
        if key.address().is_none() {
            return Some((Code::Err, format!("{key} can't be dialled, so it can't be in the ring: WATCH it instead")));
        }
        let drained = self.state.is_drained(key, *incarnation);
        drained.then(|| (Code::NotMember, format!("{key} was drained: it comes back into the ring when it is started anew")))
    }

    /// Confirms a heartbeat, but never to a node whose death is under way: it would believe in a lease that it has not.
    fn heartbeat(&mut self, now: Time, conn: Conn, peer: &Peer, sent: Time, effects: &mut Vec<Effect>) {
        let in_ring = self.pulses.hear(now, &peer.key, peer.incarnation, conn);
        let only_watches = match self.links.of(conn) {
            // Which links of theirs were registered other servers don't say: who is told that it is heard, and is not in the ring, has to know that.
            Some(link) if link.via => {
                self.agenda.waits(conn) || self.applicants.all.contains_key(&conn) || self.state.is_drained(&peer.key, peer.incarnation)
            }
            Some(link) => !link.registered,
            None => false,
        };
        // Nor to one that is just being let go: it hears soon that it only watches.
        if !in_ring && !only_watches && self.is_being_drained(&peer.key) {
            return;
        }
        // Nor where another server may lead by now, and judge otherwise. The node asks again soon.
        if in_ring && !self.replica.is_certain(now) {
            return;
        }
        if in_ring || only_watches {
            effects.push(tell(conn, LinkEvent::Beat { sent, epoch: self.state.view().epoch }));
        } else {
            self.refuse(conn, Code::NotMember, format!("{} is not in the ring (any more): register again", peer.key), effects);
        }
    }

    fn leave(&mut self, now: Time, conn: Conn, peer: &Peer, ticket: Ticket, effects: &mut Vec<Effect>) {
        let Peer { key, incarnation } = peer;
        if self.applicants.all.remove(&conn).is_some() || self.drop_join(now, conn, effects) {
            effects.push(tell(conn, LinkEvent::Left { ticket }));
        } else if self.agenda.waits(conn) && !self.is_coming(conn) {
            self.refuse(conn, Code::Err, format!("{key} has asked already"), effects);
        } else if self.pulses.of(key).is_some_and(|pulse| pulse.incarnation == *incarnation) || self.is_changing(key) {
            let plan = Plan::Drain { key: key.clone(), incarnation: *incarnation };
            self.want(now, Wish { plan, asker: Asker { conn, wants: Wants::Left(ticket) }, only: If::default() }, effects);
        } else {
            effects.push(tell(conn, LinkEvent::Left { ticket }));
        }
    }

    fn report(&mut self, now: Time, conn: Conn, master: &NodeKey, ticket: Ticket, reports: Vec<GroupReport>, effects: &mut Vec<Effect>) {
        let count = reports.len();
        if count > self.config.limits.reports_per_batch {
            let text = format!("at most {} reports at a time", self.config.limits.reports_per_batch);
            self.refuse(conn, Code::TooMany, text, effects);
            return;
        }
        if count == 0 {
            effects.push(tell(conn, LinkEvent::Stored { ticket }));
        }
        self.relay(master, &reports, effects);
        for (ix, report) in reports.into_iter().enumerate() {
            let wants = if ix + 1 == count { Wants::Stored(ticket) } else { Wants::Nothing };
            let write = Write::Report { master: master.clone(), report: Box::new(report) };
            self.store(write, Some(Asker { conn, wants }), effects);
        }
        self.owe(now, conn, count, false, effects);
    }

    pub(super) fn refuse(&mut self, conn: Conn, code: Code, text: impl Into<Text>, effects: &mut Vec<Effect>) {
        effects.push(tell(conn, LinkEvent::Refused { code, text: text.into() }));
    }
}
