//! A super node: edge and master in one process, and the links between them and to others.
//!
//! The *edge* holds the sessions of connected people; the *master* orders the groups this node is responsible for. They talk in typed letters, whether the other is here or at
//! another node, and never call each other. This file only sorts inputs and delivers letters; each part decides for itself.

mod config;
mod ctx;
mod edge;
mod gauges;
mod group;
mod home;
mod links;
pub(crate) mod log;
mod master;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

pub use config::{NodeConfig, NodeLimits, NodeTiming};

use crate::certificate::{Certificate, Role};
use crate::command::Command;
use crate::event::Event;
use crate::gauges::{Gauges, NodeCounts};
use crate::handshake::Identity;
use crate::ids::{Birth, Conn, Epoch, ListenerId, Term};
use crate::machine::{Effect, Input, Level, Machine, Note};
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, PeerCommand};
use crate::ring::Ring;
use crate::time::{Time, earlier};
use crate::view::{Plan, SharedView, ViewChange};
use ctx::{Ctx, Ids, Letter, Placement, Planned};
use edge::Edge;
use home::{Home, Told};
use links::{Change, Links};
use master::Master;

/// Where peers are let in.
const OWN_PORT: ListenerId = ListenerId(0);

/// How long a node that was told to stop waits for its groups to be handed over; and how long when there is no directory that could let others have them.
const DRAIN_MS: u64 = 30_000;
const CUT_OFF_MS: u64 = 1_000;
/// How long it may take before that to report what there is.
const LAST_REPORT_MS: u64 = 1_000;

#[derive(Debug, PartialEq)]
enum Going {
    /// On duty.
    No,
    /// Told to stop; until then groups are handed over.
    Until(Time),
    /// All is said.
    Gone,
}

/// The machine.
#[derive(Debug)]
pub struct SuperNode {
    config: NodeConfig,
    identity: Identity,
    placement: Placement,
    ids: Ids,
    counts: NodeCounts,
    post: VecDeque<Letter>,
    edge: Edge,
    master: Master,
    links: Links,
    home: Home,
    going: Going,
    /// Told to stop: until then what groups there are is reported, and then the directory is asked to let us go.
    leave_at: Option<Time>,
    /// When something was handled last.
    turned: Option<Time>,
}

/// Makes a `Ctx` out of the node's fields, so that a part can be borrowed beside it.
macro_rules! ctx {
    ($node:ident, $now:ident, $effects:ident) => {
        &mut Ctx {
            now: $now,
            config: &$node.config,
            placement: &$node.placement,
            ids: &mut $node.ids,
            counts: &mut $node.counts,
            post: &mut $node.post,
            effects: $effects,
        }
    };
}

impl SuperNode {
    /// A node that has not started.
    pub fn new(config: NodeConfig) -> SuperNode {
        let identity = Identity {
            network: config.network.clone(),
            secret: config.secret.clone(),
            key: config.key.clone(),
            incarnation: config.incarnation,
            certified: config.certified,
        };
        SuperNode {
            ids: Ids::new(config.seed),
            counts: NodeCounts::default(),
            config,
            identity,
            placement: Placement::default(),
            post: VecDeque::new(),
            edge: Edge::default(),
            master: Master::default(),
            links: Links::default(),
            home: Home::new(),
            going: Going::No,
            leave_at: None,
            turned: None,
        }
    }

    /// The same with what it had of groups when it ran last.
    pub fn restore(&mut self, kept: Vec<crate::keeping::KeptGroup>) {
        self.master.restore(kept, &self.config.limits);
    }

    /// How many groups this node masters, opening and leaving ones included.
    pub fn groups_held(&self) -> usize {
        self.master.groups_held()
    }

    /// The groups this node serves at the moment, with the life and the term of each: for those who watch it.
    pub fn lives(&self) -> impl Iterator<Item = (&GroupName, Birth, Term)> {
        self.master.lives()
    }

    /// Every copy of a group there is here, whether this node serves it, and where it ends: for those who watch it.
    pub fn copies(&self) -> impl Iterator<Item = (&GroupName, bool, crate::peer::Last)> {
        self.master.copies().map(|(name, served, group)| (name, served, group.last()))
    }

    /// What directory servers should keep of the groups that are served here: for those who watch it.
    pub fn charters(&self) -> impl Iterator<Item = crate::charter::Charter> {
        self.master.copies().filter(|(name, served, _)| *served && !name.is_person()).map(|(.., group)| group.charter())
    }

    /// How many people are connected.
    pub fn people(&self) -> usize {
        self.edge.people()
    }

    fn heard(&mut self, now: Time, conn: Conn, command: Command, effects: &mut Vec<Effect>) {
        match command {
            Command::Client(command) => {
                // For INFO.
                self.edge.groups_held = self.master.groups_held();
                self.edge.command(ctx!(self, now, effects), conn, command);
            }
            Command::Peer(command) => {
                if !self.links.is_peer(conn) && self.edge.listener(conn) != Some(OWN_PORT) {
                    let text = "nodes are let in at the node's own port only";
                    return self.edge.refuse_peer(ctx!(self, now, effects), conn, text);
                }
                let by = (conn, self.edge.certificate(conn));
                let Some((from, command)) = self.links.heard(ctx!(self, now, effects), &self.identity, by, command) else {
                    // A peer, or closed by now: either way nobody's session any more.
                    self.edge.end(ctx!(self, now, effects), conn, "turned out to be a node");
                    let change = self.links.supersede(ctx!(self, now, effects), conn);
                    return self.link_changed(now, change, effects);
                };
                if self.identity.certified && !Role::of(&from).may_say(&command) {
                    return self.overstepped(now, conn, &from, &command, effects);
                }
                self.master.is_heard(&from);
                if let PeerCommand::Show {} = command {
                    return effects.push(Effect::Tell { conn, event: LinkEvent::Shown { word: self.home.word().clone() }.into() });
                }
                if let PeerCommand::Probe { sent } = command {
                    let epoch = self.master.newest_ring(&self.placement);
                    return effects.push(Effect::Tell { conn, event: LinkEvent::Here { asked: sent, epoch }.into() });
                }
                self.master.hear(ctx!(self, now, effects), from, Some(conn), command);
            }
        }
    }

    fn told(&mut self, now: Time, conn: Conn, event: Event, effects: &mut Vec<Effect>) {
        if self.home.owns(conn) {
            let told = self.home.told(ctx!(self, now, effects), &self.identity, event);
            self.mind_the_lease(now, effects);
            match told {
                Told::Nothing => {}
                Told::Settled => {
                    effects.push(log(Level::Info, "the directory knows us".into()));
                    self.master.reconnected(ctx!(self, now, effects));
                }
                Told::Event(event) => self.told_by_directory(now, event, effects),
            }
            return;
        }
        match self.links.told(ctx!(self, now, effects), &self.identity, conn, event) {
            Ok(Some((from, event))) => self.told_by_node(now, &from, event, effects),
            Ok(None) => {}
            Err(change) => self.link_changed(now, change, effects),
        }
    }

    /// The directory confirmed that it has heard of us: what nobody else has may be acknowledged for another while.
    fn mind_the_lease(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let until = self.home.lease_until(&self.config);
        if std::mem::replace(&mut self.placement.lease_until, until) < until {
            self.master.lease_renewed(ctx!(self, now, effects));
        }
    }

    fn told_by_directory(&mut self, now: Time, event: LinkEvent, effects: &mut Vec<Effect>) {
        match event {
            LinkEvent::View { view } => self.view_changed(now, view, effects),
            LinkEvent::ViewChanged { before, change } => self.view_follows(now, before, &change, effects),
            LinkEvent::Sealed { seal } => self.placement.seal = Some(seal),
            LinkEvent::Record { ticket, record } => self.master.recorded(ctx!(self, now, effects), ticket, record),
            LinkEvent::Orphans { ticket, groups } => self.master.orphans_named(ctx!(self, now, effects), ticket, groups),
            LinkEvent::Stored { ticket } => self.master.stored(ctx!(self, now, effects), ticket),
            LinkEvent::Chartered { ticket } => self.master.chartered(ctx!(self, now, effects), ticket),
            LinkEvent::ReportAnew {} => self.master.report_anew(ctx!(self, now, effects)),
            LinkEvent::Pending { number, plan } => self.planned(now, number, plan, effects),
            event => self.edge.directory_answered(ctx!(self, now, effects), event),
        }
    }

    fn told_by_node(&mut self, now: Time, from: &NodeKey, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Entry(group, entry) => self.edge.entry(ctx!(self, now, effects), from, &group, entry),
            Event::Link(
                event @ (LinkEvent::Appended { .. }
                | LinkEvent::Behind { .. }
                | LinkEvent::Deposed { .. }
                | LinkEvent::Marked { .. }
                | LinkEvent::Released { .. }
                | LinkEvent::Compared { .. }
                | LinkEvent::Rest { .. }
                | LinkEvent::Here { .. }
                | LinkEvent::NotHeld { .. }),
            ) => {
                // What another start of it has is not what this one had, whatever it says: the ring will tell.
                let in_ring = self.placement.view.as_ref().and_then(|view| view.node(from)).map(|node| node.incarnation);
                let is_other = in_ring.is_some_and(|there| self.links.incarnation_of(from) != Some(there));
                use LinkEvent::{Appended, Here, Marked, Released};
                let vouches = matches!(event, Appended { .. } | Marked { .. } | Released { .. } | Here { .. });
                if !(is_other && vouches) {
                    self.master.told(ctx!(self, now, effects), from, event);
                }
            }
            Event::Link(event) => self.edge.hear(ctx!(self, now, effects), from, event),
            _ => effects.push(log(Level::Warn, format!("{from} said something that is not for a peer"))),
        }
    }

    /// The view is the next one after this. A server that lags behind says what is known here already.
    fn view_follows(&mut self, now: Time, before: Epoch, change: &ViewChange, effects: &mut Vec<Effect>) {
        let Some(view) = self.placement.view.clone().filter(|view| view.epoch >= before) else {
            return self.home.lost_track(ctx!(self, now, effects));
        };
        if view.epoch == before
            && let Some(next) = view.changed(change)
        {
            self.view_changed(now, Arc::new(next), effects);
        }
    }

    fn view_changed(&mut self, now: Time, view: SharedView, effects: &mut Vec<Effect>) {
        if self.placement.view.is_some() && view.epoch <= self.placement.epoch() {
            return;
        }
        effects.push(log(Level::Info, format!("ring: {view}")));
        let before = self.placement.view.take();
        let gone = before.iter().flat_map(|before| &before.nodes).map(|node| &node.key).filter(|key| view.node(key).is_none());
        let gone: Vec<NodeKey> = gone.cloned().collect();
        let ring_before = Arc::new(std::mem::take(&mut self.placement.ring));
        self.placement.ring = Ring::new(&view);
        self.placement.view = Some(view.clone());
        self.foresee();
        effects.push(Effect::Note(Note::View(view)));
        self.links.view_changed(ctx!(self, now, effects));
        self.master.put_out(ctx!(self, now, effects), gone, &ring_before);
        // Who is in a group is shown to its master before it hears that there are no more copies of it.
        self.edge.view_changed(ctx!(self, now, effects));
        self.master.ring_changed(ctx!(self, now, effects));
        self.master.say_again_how_far(ctx!(self, now, effects));
        if let Some(before) = before {
            self.master.nodes_went(ctx!(self, now, effects), &before);
        }
    }

    /// A change of the ring is announced, or none any more.
    fn planned(&mut self, now: Time, number: u64, plan: Option<Plan>, effects: &mut Vec<Effect>) {
        self.placement.planned = plan.map(|plan| Planned { number, plan, ring: Ring::default() });
        self.foresee();
        self.master.planned(ctx!(self, now, effects));
    }

    /// The ring as it will be, seen from the one that is.
    fn foresee(&mut self) {
        let Placement { view: Some(view), planned: Some(planned), .. } = &mut self.placement else { return };
        planned.ring = view.after(&planned.plan).map_or_else(|| Ring::new(view), |after| Ring::new(&after));
    }

    fn link_changed(&mut self, now: Time, change: Change, effects: &mut Vec<Effect>) {
        match change {
            Change::None => {}
            Change::Down { to, .. } => {
                self.home.suspect(ctx!(self, now, effects), to.clone());
                self.edge.link_down(ctx!(self, now, effects), &to);
                self.master.link_down(ctx!(self, now, effects), &to);
            }
            Change::Gone { from } => self.master.lost_edge(ctx!(self, now, effects), &from),
        }
    }

    fn lost(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) {
        if self.home.owns(conn) {
            return self.home.lost(ctx!(self, now, effects));
        }
        let change = self.links.lost(ctx!(self, now, effects), conn);
        self.link_changed(now, change, effects);
        self.edge.end(ctx!(self, now, effects), conn, "connection lost");
    }

    /// What a node meant is not known, nor what it waits for now: a new link begins anew.
    fn misunderstood(&mut self, now: Time, conn: Conn, bad: &crate::wire::Bad, effects: &mut Vec<Effect>) {
        effects.push(log(Level::Warn, format!("a peer is not understood: {bad}")));
        effects.push(Effect::Close { conn });
        self.lost(now, conn, effects);
    }

    /// A peer said what its certificate does not make its to say.
    fn overstepped(&mut self, now: Time, conn: Conn, from: &NodeKey, command: &PeerCommand, effects: &mut Vec<Effect>) {
        let text = format!("{from} sent {}, which is not for a {} to say; its link is closed", command.word(), Role::of(from));
        effects.push(log(Level::Warn, text));
        effects.push(Effect::Close { conn });
        self.lost(now, conn, effects);
    }

    fn certified(&mut self, conn: Conn, certificate: Certificate) {
        self.home.certified(conn, &certificate);
        self.links.certified(conn, &certificate);
        self.edge.certified(conn, certificate);
    }

    fn fell(&mut self, now: Time, conn: Conn, list: crate::ids::ListId, next: Option<u64>, lost: u64, effects: &mut Vec<Effect>) {
        if self.links.is_peer(conn) {
            // An edge that can't keep up comes back and asks for what it missed.
            effects.push(log(Level::Warn, format!("an edge fell {lost} entries behind; its link is closed")));
            effects.push(Effect::Close { conn });
            return self.lost(now, conn, effects);
        }
        self.edge.fell(ctx!(self, now, effects), conn, list, next);
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.home.tick(ctx!(self, now, effects));
        for change in self.links.tick(ctx!(self, now, effects)) {
            self.link_changed(now, change, effects);
        }
        let links = &self.links;
        self.master.tick(ctx!(self, now, effects), |to| links.can_send(to, now));
        self.edge.tick(ctx!(self, now, effects));
    }

    /// Delivers letters until there are none. Each leads to a bounded number of others, and no part answers an answer.
    fn deliver(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(letter) = self.post.pop_front() {
            match letter {
                Letter::Master { to, command } if to == self.config.key => self.master.hear(ctx!(self, now, effects), to, None, command),
                Letter::Master { to, command } => {
                    if !self.links.can_send(&to, now) {
                        self.edge.unsent(ctx!(self, now, effects), &command);
                        self.master.unsent(ctx!(self, now, effects), &to, &command);
                    }
                    self.links.send(ctx!(self, now, effects), to, command);
                }
                Letter::Edge { event } => {
                    let me = self.config.key.clone();
                    self.edge.hear(ctx!(self, now, effects), &me, event);
                }
                Letter::Entry { group, entry } => self.edge.entry(ctx!(self, now, effects), &self.config.key, &group, entry),
                Letter::Directory(command) => self.home.send(ctx!(self, now, effects), command),
                Letter::Check { asker, group } => self.master.forced_check(ctx!(self, now, effects), asker, group),
                Letter::Checked { asker, cells } => self.edge.checked(ctx!(self, now, effects), asker, cells),
                Letter::Claim { asker, group } => {
                    let ctx = ctx!(self, now, effects);
                    let claim = Box::new(self.master.group_claim(ctx, &group));
                    self.edge.claimed_here(ctx, asker, claim);
                }
            }
        }
    }

    fn stop(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.going == Going::No {
            self.going = Going::Until(now + DRAIN_MS);
            effects.push(log(Level::Info, format!("going: {} groups are handed over", self.master.groups_held())));
            self.master.report_now(ctx!(self, now, effects));
            self.leave_at = Some(now + LAST_REPORT_MS);
        }
    }

    /// The directory lets us go when it knows of every group that there is: whoever has them next asks it.
    fn leave(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.leave_at.is_some_and(|at| at <= now || !self.home.is_up() || self.master.is_reported()) {
            self.leave_at = None;
            self.home.leave(ctx!(self, now, effects));
        }
    }

    /// A node that is to stop says good-bye when all its groups are elsewhere, or nobody is there to take them.
    fn go(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Going::Until(until) = self.going else { return };
        self.leave(now, effects);
        let alone = self.placement.view.as_ref().is_none_or(|view| view.nodes.iter().all(|node| node.key == self.config.key));
        let empty = self.master.groups_held() == 0;
        if self.home.is_cut_off() && until > now + CUT_OFF_MS {
            self.going = Going::Until(now + CUT_OFF_MS);
        }
        if (self.home.has_left() && (empty || alone)) || now >= until {
            self.edge.close_all(ctx!(self, now, effects), "the node is going down");
            // That they left is told to masters elsewhere, too.
            self.deliver(now, effects);
            // What was said in this turn is on disk and with the copies before anyone may take us for gone.
            self.master.flush(ctx!(self, now, effects));
            self.deliver(now, effects);
            effects.push(Effect::Stopped);
            self.going = Going::Gone;
        }
    }
}

fn log(level: Level, text: String) -> Effect {
    Effect::Note(Note::Log { level, text })
}

impl Machine for SuperNode {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        if self.going == Going::Gone {
            return;
        }
        // A process that is attached to others is never still for so long by itself.
        let last = self.turned.replace(now);
        if let Some(last) = last.filter(|last| now.since_ms(*last) >= self.config.timing.lease_ms) {
            self.edge.woke(ctx!(self, now, effects), last);
        }
        match input {
            Input::Start => {
                self.master.start(ctx!(self, now, effects));
                self.edge.start(ctx!(self, now, effects));
                self.home.tick(ctx!(self, now, effects));
            }
            Input::Opened { conn, listener, peer } => self.edge.opened(ctx!(self, now, effects), conn, listener, peer),
            Input::Certified { conn, certificate } => self.certified(conn, certificate),
            Input::Heard { conn, command: Ok(command) } => self.heard(now, conn, command, effects),
            Input::Heard { conn, command: Err(bad) } if self.links.is_peer(conn) => self.misunderstood(now, conn, &bad, effects),
            Input::Heard { conn, command: Err(bad) } => self.edge.bad(ctx!(self, now, effects), conn, bad),
            Input::Told { conn, event: Ok(event) } => self.told(now, conn, event, effects),
            Input::Told { conn, event: Err(bad) } => self.misunderstood(now, conn, &bad, effects),
            Input::Lost { conn } => self.lost(now, conn, effects),
            Input::Dialed { ticket, result } => {
                let change = match self.links.is_dialing(ticket) {
                    true => self.links.dialed(ctx!(self, now, effects), &self.identity, ticket, result),
                    false => {
                        self.home.dialed(ctx!(self, now, effects), &self.identity, ticket, result);
                        Change::None
                    }
                };
                self.link_changed(now, change, effects);
            }
            Input::Sifted { ticket, judgment } => self.edge.sifted(ctx!(self, now, effects), ticket, judgment),
            Input::Plugged { ticket, result } => self.edge.plugged(ctx!(self, now, effects), ticket, result),
            Input::Bot { nick, group, text } => self.edge.bot_says(ctx!(self, now, effects), nick, group, text),
            Input::Configured(settings) => {
                let before = std::mem::replace(&mut self.config.operators, settings.operators);
                self.config.motd = settings.motd;
                self.edge.operators_changed(&before, &self.config.operators);
            }
            Input::Judged { ticket, verdict } => self.edge.judged(ctx!(self, now, effects), ticket, verdict),
            Input::Fell { conn, list, next, lost } => self.fell(now, conn, list, next, lost, effects),
            Input::Drained { conn } => self.edge.drained(ctx!(self, now, effects), conn),
            Input::Surveyed { ticket, lags } => self.edge.surveyed(ctx!(self, now, effects), ticket, &lags),
            Input::Stop => self.stop(now, effects),
            Input::Deadline => self.tick(now, effects),
            Input::Kept { ticket } => self.master.kept(ctx!(self, now, effects), ticket),
            Input::DiskTrouble { why } => self.master.disk_trouble(ctx!(self, now, effects), &why),
            Input::DiskWell { torn } => self.master.disk_well(ctx!(self, now, effects), torn),
            // Of other machines.
            Input::Committed { .. } | Input::Answered { .. } | Input::Wish(_) => {}
        }
        self.deliver(now, effects);
        self.go(now, effects);
        #[cfg(debug_assertions)]
        self.check_invariants();
    }

    fn deadline(&self) -> Option<Time> {
        let going = match self.going {
            Going::Until(until) => earlier(Some(until), self.leave_at),
            Going::Gone => return None,
            Going::No => None,
        };
        let parts = [
            self.home.deadline(),
            self.links.deadline(),
            self.master.deadline(self.config.timing.empty_ms),
            self.edge.deadline(self.config.timing.filter_ms),
        ];
        parts.into_iter().fold(going, earlier)
    }

    fn check_invariants(&self) {
        self.master.check_invariants();
        self.edge.check_invariants();
    }

    fn gauges(&self, now: Time) -> Gauges {
        Gauges::Node(Box::new(self.look(now)))
    }
}
