//! Links to other nodes: one that we dialled to each master we need, and those that others dialled to us.
//!
//! A link is dialled when there is something to send, proves itself (see [`crate::handshake`]), and stays up. What is to be sent meanwhile waits, bounded;
//! past the bound, and while a node can't be reached, it is dropped: whoever needs an answer asks again. What others tell us goes to the parts by letters.
//!
//! A link that is up is never silent: whoever dialled it asks whether someone is there when nothing was sent, or nothing came, for `probe_ms`. When nothing comes for a lease after that, in either
//! direction, the link is taken for broken by whoever misses it; so a cut in one direction only is seen from both sides. That costs a comparison per link and probe, and nothing per delivery.

use std::collections::{BTreeMap, VecDeque};

use super::ctx::Ctx;
use crate::approach::{Approach, Step};
use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::Event;
use crate::gauges::LinkGauges;
use crate::handshake::{Accepting, HandshakeError, Identity, Peer, Whom};
use crate::ids::{Conn, Incarnation, Ticket};
use crate::machine::{DialError, Effect, Level};
use crate::names::NodeKey;
use crate::peer::{LinkEvent, PeerCommand};
use crate::time::{Time, earlier};

/// Commands that wait for a link to come up; at the bound the newest is dropped.
const QUEUE_MAX: usize = 8_192;
/// First and longest pause before a node is dialled again.
const RETRY_MS: (u64, u64) = (50, 2_000);
/// How long a handshake may take.
const SHAKE_MS: u64 = 3_000;
/// How often links are looked after while a probe would fall due.
const LOOKS: u64 = 4;

#[derive(Debug)]
enum Out {
    /// `until`: when the handshake has to be over. The driver bounds the dial before it.
    Approaching {
        ticket: Ticket,
        approach: Approach,
        until: Option<Time>,
        queue: VecDeque<PeerCommand>,
    },
    Up {
        conn: Conn,
        incarnation: Incarnation,
        pulse: Pulse,
    },
    Down {
        until: Time,
    },
}

/// What passed over a link that we dialled.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    sent: Time,
    heard: Time,
    /// When it was asked last, and since when nothing came after that.
    asked: Time,
    probed: Option<Time>,
}

#[derive(Debug)]
enum In {
    Accepting(Box<Accepting>),
    Up { from: NodeKey, heard: Time },
}

/// What the node has to know of a change of links.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// What we sent to this node and was not answered may not have arrived. Refused: nobody listens there any more.
    Down { to: NodeKey, refused: bool },
    /// A node that had dialled us is gone.
    Gone { from: NodeKey },
}

/// All links of a node, but for the one to the directory.
#[derive(Debug, Default)]
pub(super) struct Links {
    out: BTreeMap<NodeKey, Out>,
    tries: BTreeMap<NodeKey, u32>,
    out_conns: BTreeMap<Conn, NodeKey>,
    dials: BTreeMap<Ticket, NodeKey>,
    inward: BTreeMap<Conn, In>,
    /// When the links that are up are looked after.
    probe_at: Option<Time>,
}

impl Links {
    /// Sends a command to a node, now or when the link is up.
    pub fn send(&mut self, ctx: &mut Ctx<'_>, to: NodeKey, command: PeerCommand) {
        match self.out.get_mut(&to) {
            Some(Out::Up { conn, pulse, .. }) => {
                let conn = *conn;
                pulse.sent = ctx.now;
                ctx.tell(conn, Event::Command(Command::Peer(command)));
            }
            Some(Out::Approaching { queue, .. }) => {
                if queue.len() < QUEUE_MAX {
                    queue.push_back(command);
                }
            }
            Some(Out::Down { until }) if *until > ctx.now => {}
            _ => {
                let Some(address) = to.address() else { return };
                let ticket = ctx.ids.ticket();
                self.dials.insert(ticket, to.clone());
                let approach = Approach::new(Whom::Node(to.clone()));
                self.out.insert(to, Out::Approaching { ticket, approach, until: None, queue: VecDeque::from([command]) });
                ctx.effects.push(Effect::Dial { ticket, address: address.to_string().into() });
            }
        }
    }

    /// Whether what is sent to this node now may arrive.
    pub fn can_send(&self, to: &NodeKey, now: Time) -> bool {
        match self.out.get(to) {
            Some(Out::Down { until }) => *until <= now,
            Some(Out::Approaching { queue, .. }) => queue.len() < QUEUE_MAX,
            Some(Out::Up { .. }) => true,
            None => to.address().is_some(),
        }
    }

    /// Whether this dial is one of ours.
    pub fn is_dialing(&self, ticket: Ticket) -> bool {
        self.dials.contains_key(&ticket)
    }

    pub fn dialed(&mut self, ctx: &mut Ctx<'_>, identity: &Identity, ticket: Ticket, result: Result<Conn, DialError>) -> Change {
        let Some(to) = self.dials.remove(&ticket) else { return Change::None };
        let conn = match result {
            Ok(conn) => conn,
            Err(error) => return self.fail(ctx, to, error == DialError::Refused),
        };
        match self.out.get_mut(&to) {
            Some(Out::Approaching { ticket: ours, approach, until, .. }) if *ours == ticket => {
                *until = Some(ctx.now + SHAKE_MS);
                self.out_conns.insert(conn, to);
                approach.dialed(identity, result, &mut ctx.ids.jitter, ctx.effects);
            }
            _ => ctx.effects.push(Effect::Close { conn }),
        }
        Change::None
    }

    /// A node that we have dialled has shown a certificate.
    pub fn certified(&mut self, conn: Conn, certificate: &Certificate) {
        let out = self.out_conns.get(&conn).and_then(|to| self.out.get_mut(to));
        if let Some(Out::Approaching { approach, .. }) = out {
            approach.certified(certificate.clone());
        }
    }

    fn fail(&mut self, ctx: &mut Ctx<'_>, to: NodeKey, refused: bool) -> Change {
        let tries = self.tries.entry(to.clone()).or_insert(0);
        let pause = (RETRY_MS.0 << (*tries).min(6)).min(RETRY_MS.1);
        *tries += 1;
        let until = ctx.now + pause / 2 + ctx.ids.jitter.below(pause / 2 + 1);
        self.out.insert(to.clone(), Out::Down { until });
        Change::Down { to, refused }
    }

    /// Something on a link we dialled. Gives what is not about the link itself.
    pub fn told(&mut self, ctx: &mut Ctx<'_>, identity: &Identity, conn: Conn, event: Event) -> Result<Option<(NodeKey, Event)>, Change> {
        let Some(to) = self.out_conns.get(&conn).cloned() else { return Ok(None) };
        if let Some(Out::Up { pulse, .. }) = self.out.get_mut(&to) {
            (pulse.heard, pulse.probed) = (ctx.now, None);
            return Ok(Some((to, event)));
        }
        let Some(Out::Approaching { approach, .. }) = self.out.get_mut(&to) else { return Ok(None) };
        match approach.told(identity, &event, ctx.effects) {
            Step::Wait => Ok(None),
            Step::Through(conn, Peer { incarnation, .. }) => {
                self.come_up(ctx, to, conn, incarnation);
                Ok(None)
            }
            Step::Failed(why) => Err(self.give_up(ctx, conn, to, &why)),
        }
    }

    /// The link is there: what has waited for it goes first.
    fn come_up(&mut self, ctx: &mut Ctx<'_>, to: NodeKey, conn: Conn, incarnation: Incarnation) {
        self.tries.remove(&to);
        let pulse = Pulse { sent: ctx.now, heard: ctx.now, asked: ctx.now, probed: None };
        if let Some(Out::Approaching { queue, .. }) = self.out.insert(to, Out::Up { conn, incarnation, pulse }) {
            queue.into_iter().for_each(|command| ctx.tell(conn, Event::Command(Command::Peer(command))));
        }
        self.look_soon(ctx);
    }

    fn give_up(&mut self, ctx: &mut Ctx<'_>, conn: Conn, to: NodeKey, why: &str) -> Change {
        ctx.log(Level::Warn, format!("no link to {to}: it {why}"));
        ctx.effects.push(Effect::Close { conn });
        self.out_conns.remove(&conn);
        self.fail(ctx, to, false)
    }

    /// A command that only peers may send, from someone who has shown this certificate. Gives it with its sender when they have proved themselves.
    pub fn heard(
        &mut self,
        ctx: &mut Ctx<'_>,
        identity: &Identity,
        (conn, shown): (Conn, Option<&Certificate>),
        command: PeerCommand,
    ) -> Option<(NodeKey, PeerCommand)> {
        if let Some(In::Up { from, heard }) = self.inward.get_mut(&conn) {
            *heard = ctx.now;
            return Some((from.clone(), command));
        }
        let step = match (self.inward.remove(&conn), &command) {
            (None, PeerCommand::Peer { .. }) => {
                Accepting::start(identity, &command, shown, ctx.ids.jitter.draw()).map(|(accepting, challenge)| {
                    self.inward.insert(conn, In::Accepting(Box::new(accepting)));
                    challenge
                })
            }
            (Some(In::Accepting(accepting)), _) => accepting.proved(identity, &command).map(|Peer { key, .. }| {
                self.inward.insert(conn, In::Up { from: key, heard: ctx.now });
                self.look_soon(ctx);
                ctx.effects.push(Effect::Trust { conn });
                LinkEvent::Proven {}
            }),
            (Some(In::Up { .. }) | None, _) => Err(HandshakeError::Order { expected: "PEER" }),
        };
        match step {
            Ok(event) => ctx.tell(conn, event),
            Err(error) => {
                ctx.log(Level::Warn, format!("refused a peer: {error}"));
                ctx.tell(conn, Event::error(crate::event::Code::NoPerm, error.to_string()));
                ctx.effects.push(Effect::Close { conn });
            }
        }
        None
    }

    /// A node that dials us again has given up its other link, though we may not have noticed: it may even have been started anew.
    pub fn supersede(&mut self, ctx: &mut Ctx<'_>, conn: Conn) -> Change {
        let Some(In::Up { from, .. }) = self.inward.get(&conn) else { return Change::None };
        let is_other = |other: &Conn, link: &In| *other != conn && matches!(link, In::Up { from: key, .. } if key == from);
        let from = from.clone();
        let others: Vec<Conn> = self.inward.iter().filter(|(other, link)| is_other(other, link)).map(|(other, _)| *other).collect();
        for other in &others {
            self.inward.remove(other);
            ctx.effects.push(Effect::Close { conn: *other });
        }
        if others.is_empty() { Change::None } else { Change::Gone { from } }
    }

    /// Whether this connection is a peer's, or about to be.
    pub fn is_peer(&self, conn: Conn) -> bool {
        self.inward.contains_key(&conn)
    }

    /// Which start of a node is at the other end of the link that we dialled.
    pub fn incarnation_of(&self, node: &NodeKey) -> Option<Incarnation> {
        match self.out.get(node) {
            Some(Out::Up { incarnation, .. }) => Some(*incarnation),
            _ => None,
        }
    }

    /// A connection is gone: was it a link?
    pub fn lost(&mut self, ctx: &mut Ctx<'_>, conn: Conn) -> Change {
        if let Some(to) = self.out_conns.remove(&conn) {
            self.out.remove(&to);
            return self.fail(ctx, to, false);
        }
        match self.inward.remove(&conn) {
            Some(In::Up { from, .. }) => Change::Gone { from },
            _ => Change::None,
        }
    }

    /// Links of nodes that are not in the ring any more, and that we dialled, are closed.
    pub fn view_changed(&mut self, ctx: &mut Ctx<'_>) {
        let gone: Vec<NodeKey> = self.out.keys().filter(|key| !ctx.placement.contains(key)).cloned().collect();
        for key in gone {
            self.tries.remove(&key);
            let conn = match self.out.remove(&key) {
                Some(Out::Up { conn, .. }) => Some(conn),
                Some(Out::Approaching { ticket, approach, .. }) => {
                    self.dials.remove(&ticket);
                    approach.conn()
                }
                Some(Out::Down { .. }) | None => None,
            };
            if let Some(conn) = conn {
                self.out_conns.remove(&conn);
                ctx.effects.push(Effect::Close { conn });
            }
        }
    }

    /// How many there are, for whoever watches.
    pub fn look(&self) -> LinkGauges {
        let mut gauges = LinkGauges::default();
        for out in self.out.values() {
            match out {
                Out::Up { .. } => gauges.up += 1,
                Out::Approaching { .. } => gauges.approaching += 1,
                Out::Down { .. } => gauges.down += 1,
            }
        }
        gauges.inward = self.inward.values().filter(|link| matches!(link, In::Up { .. })).count() as u64;
        gauges
    }

    pub fn deadline(&self) -> Option<Time> {
        let shaking = self.out.values().filter_map(|out| match out {
            Out::Approaching { until, .. } => *until,
            _ => None,
        });
        earlier(shaking.min(), self.probe_at)
    }

    fn look_soon(&mut self, ctx: &Ctx<'_>) {
        self.probe_at.get_or_insert(ctx.now + ctx.config.timing.probe_ms / LOOKS);
    }

    /// Asks where nothing passed for a while, and gives up what is silent.
    fn probe(&mut self, ctx: &mut Ctx<'_>) -> Vec<Change> {
        let (now, timing) = (ctx.now, ctx.config.timing);
        let patience_ms = timing.lease_ms.saturating_sub(timing.probe_ms);
        // What others know of the ring counts where the directory does not say that we are in it.
        let is_unsure = ctx.placement.lease_until.since_ms(now) < timing.lease_ms / 2;
        let mut silent = Vec::new();
        for (to, out) in &mut self.out {
            let Out::Up { conn, pulse, .. } = out else { continue };
            if pulse.probed.is_some_and(|at| now.since_ms(at) >= patience_ms) {
                silent.push((to.clone(), *conn));
            } else if (is_unsure || now.since_ms(pulse.sent.min(pulse.heard)) >= timing.probe_ms)
                && now.since_ms(pulse.asked) >= timing.probe_ms
            {
                pulse.probed.get_or_insert(now);
                (pulse.sent, pulse.asked) = (now, now);
                ctx.tell(*conn, Event::Command(Command::Peer(PeerCommand::Probe { sent: now })));
            }
        }
        let mut changes: Vec<Change> = silent.into_iter().map(|(to, conn)| self.give_up(ctx, conn, to, "is silent")).collect();
        let is_silent = |link: &In| matches!(link, In::Up { heard, .. } if now.since_ms(*heard) >= timing.lease_ms);
        let gone: Vec<Conn> = self.inward.iter().filter(|(_, link)| is_silent(link)).map(|(conn, _)| *conn).collect();
        for conn in gone {
            ctx.effects.push(Effect::Close { conn });
            changes.push(self.lost(ctx, conn));
        }
        let any_up =
            self.out.values().any(|out| matches!(out, Out::Up { .. })) || self.inward.values().any(|link| matches!(link, In::Up { .. }));
        self.probe_at = any_up.then(|| now + timing.probe_ms / LOOKS);
        changes
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) -> Vec<Change> {
        let now = ctx.now;
        let slow = self.out.iter().filter_map(|(to, out)| match out {
            Out::Approaching { approach, until: Some(until), .. } if *until <= now => Some((to.clone(), approach.conn()?)),
            _ => None,
        });
        let slow: Vec<_> = slow.collect();
        let mut changes: Vec<Change> =
            slow.into_iter().map(|(to, conn)| self.give_up(ctx, conn, to, "does not finish the handshake")).collect();
        if self.probe_at.is_some_and(|at| at <= now) {
            changes.extend(self.probe(ctx));
        }
        changes
    }
}
