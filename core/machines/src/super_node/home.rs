//! The link to the directory: a place in the ring, views, heartbeats, and questions.
//!
//! Dials the directory servers it knows one after the other until one answers. While none does, the node goes on with the last view it had. The handshake and the
//! registration are steps of one state; answers to questions are given to the parts that asked, by ticket.

use super::config::NodeConfig;
use super::ctx::Ctx;
use crate::approach::{Approach, Step};
use crate::certificate::Certificate;
use crate::command::Command;
use crate::event::{Code, Event};
use crate::handshake::{Identity, Whom};
use crate::ids::{Conn, Epoch, Ticket};
use crate::machine::{DialError, Effect, Level};
use crate::names::NodeKey;
use crate::peer::{LinkEvent, PeerCommand};
use crate::time::{Time, earlier};
use crate::wire::Text;

/// First and longest pause between two tries.
const RETRY_MS: (u64, u64) = (50, 1_000);
/// How long a step may take before the next server is tried.
const STEP_MS: u64 = 3_000;

#[derive(Debug)]
enum State {
    Waiting { until: Time },
    Approaching { ticket: Ticket, approach: Approach },
    Registering { conn: Conn, ticket: Ticket, sent: Time },
    Up { conn: Conn },
}

/// What the node has to do about something it was told.
#[derive(Debug)]
pub(super) enum Told {
    Nothing,
    /// The directory has us in the ring, or lets us watch.
    Settled,
    /// For the parts.
    Event(LinkEvent),
}

/// The link to the directory.
#[derive(Debug)]
pub(super) struct Home {
    state: State,
    /// Which server is next.
    next: usize,
    tries: u32,
    step_until: Time,
    beat_at: Option<Time>,
    /// When the last confirmed heartbeat was sent, or we came in.
    confirmed: Option<Time>,
    /// From when our lease runs: a heartbeat, or what we asked to come in with, was sent.
    lease_from: Option<Time>,
    leaving: Option<Ticket>,
    gone: bool,
    /// What the directory gave us to say to whoever it has dial us.
    word: Text,
}

/// The epoch of the view that we have.
fn known(ctx: &Ctx<'_>) -> Option<Epoch> {
    ctx.placement.view.as_ref().map(|view| view.epoch)
}

impl Home {
    pub fn new() -> Home {
        let state = State::Waiting { until: Time(0) };
        Home {
            state,
            next: 0,
            tries: 0,
            step_until: Time(0),
            beat_at: None,
            confirmed: None,
            lease_from: None,
            leaving: None,
            gone: false,
            word: "".into(),
        }
    }

    /// What the directory gave us to say to whoever it has dial us; empty: nothing yet.
    pub fn word(&self) -> &Text {
        &self.word
    }

    pub fn owns(&self, conn: Conn) -> bool {
        self.conn() == Some(conn)
    }

    fn conn(&self) -> Option<Conn> {
        match &self.state {
            State::Waiting { .. } => None,
            State::Approaching { approach, .. } => approach.conn(),
            State::Registering { conn, .. } | State::Up { conn } => Some(*conn),
        }
    }

    /// Whether the directory is in reach.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether the directory has let us go, or can't any more.
    pub fn has_left(&self) -> bool {
        self.gone
    }

    /// Whether nobody will take what we have: we wanted to leave, and there is no directory to say so.
    pub fn is_cut_off(&self) -> bool {
        self.gone && !self.is_up()
    }

    pub fn send(&mut self, ctx: &mut Ctx<'_>, command: PeerCommand) {
        if let State::Up { conn } = self.state {
            ctx.tell(conn, Event::Command(Command::Peer(command)));
        }
    }

    /// Until when the directory can't have declared us dead for our silence.
    pub fn lease_until(&self, config: &NodeConfig) -> Time {
        self.lease_from.filter(|_| config.in_ring).map_or(Time(0), |sent| sent + config.timing.lease_ms)
    }

    /// Asks to be let go: groups are handed over as soon as the ring says so.
    pub fn leave(&mut self, ctx: &mut Ctx<'_>) {
        let ticket = ctx.ids.ticket();
        self.leaving = Some(ticket);
        if self.is_up() && ctx.config.in_ring {
            self.send(ctx, PeerCommand::Leave { ticket });
        } else {
            self.gone = true;
        }
    }

    /// Those that are configured, and those that the ring names.
    fn servers(ctx: &Ctx<'_>) -> Vec<Text> {
        let mut servers = ctx.config.directories.clone();
        let named = ctx.placement.view.iter().flat_map(|view| &view.directories).map(|server| &server.address);
        servers.extend(named.filter(|address| !ctx.config.directories.contains(address)).cloned());
        servers
    }

    fn dial(&mut self, ctx: &mut Ctx<'_>) {
        let servers = Home::servers(ctx);
        let Some(address) = servers.get(self.next % servers.len().max(1)).cloned() else {
            self.state = State::Waiting { until: Time(u64::MAX) };
            return;
        };
        self.next += 1;
        let ticket = ctx.ids.ticket();
        self.state = State::Approaching { ticket, approach: Approach::new(Whom::Directory) };
        self.step_until = ctx.now + STEP_MS;
        ctx.effects.push(Effect::Dial { ticket, address });
    }

    pub fn dialed(&mut self, ctx: &mut Ctx<'_>, identity: &Identity, ticket: Ticket, result: Result<Conn, DialError>) {
        let approach = match &mut self.state {
            State::Approaching { ticket: ours, approach } if *ours == ticket && approach.conn().is_none() => approach,
            _ => return result.into_iter().for_each(|conn| ctx.effects.push(Effect::Close { conn })),
        };
        self.step_until = ctx.now + STEP_MS;
        if let Step::Failed(why) = approach.dialed(identity, result, &mut ctx.ids.jitter, ctx.effects) {
            self.fail(ctx, &why);
        }
    }

    /// The directory server that we have dialled has shown a certificate.
    pub fn certified(&mut self, conn: Conn, certificate: &Certificate) {
        if let State::Approaching { approach, .. } = &mut self.state
            && approach.conn() == Some(conn)
        {
            approach.certified(certificate.clone());
        }
    }

    fn fail(&mut self, ctx: &mut Ctx<'_>, why: &str) {
        let servers = Home::servers(ctx);
        let server = servers.get(self.next.saturating_sub(1) % servers.len().max(1)).cloned();
        let level = if self.tries == 0 { Level::Warn } else { Level::Debug };
        ctx.log(level, format!("directory server {} {why}; going on with what is known", server.as_deref().unwrap_or("(none configured)")));
        if let Some(conn) = self.conn() {
            ctx.effects.push(Effect::Close { conn });
        }
        let pause = (RETRY_MS.0 << self.tries.min(6)).min(RETRY_MS.1);
        self.tries += 1;
        self.beat_at = None;
        self.state = State::Waiting { until: ctx.now + pause / 2 + ctx.ids.jitter.below(pause / 2 + 1) };
        if self.leaving.is_some() {
            self.gone = true;
        }
    }

    /// The directory server speaks of a ring that it has not shown: a new link begins with all of it.
    pub fn lost_track(&mut self, ctx: &mut Ctx<'_>) {
        self.fail(ctx, "says what is different in a ring that it has not shown");
    }

    pub fn lost(&mut self, ctx: &mut Ctx<'_>) {
        self.state = State::Waiting { until: ctx.now };
        self.fail(ctx, "closed the connection");
    }

    pub fn told(&mut self, ctx: &mut Ctx<'_>, identity: &Identity, event: Event) -> Told {
        if let State::Approaching { approach, .. } = &mut self.state {
            let step = approach.told(identity, &event, ctx.effects);
            return self.approached(ctx, step);
        }
        let refused = match &event {
            Event::Link(LinkEvent::Refused { text, .. }) => Some(text.to_string()),
            Event::Reply(crate::event::Reply::Error { text, .. }) => Some(text.to_string()),
            _ => None,
        };
        if let (State::Registering { conn, .. }, Event::Link(LinkEvent::Refused { code: Code::NotMember, text })) = (&self.state, &event) {
            // Drained: until it is started anew it may watch.
            ctx.log(Level::Warn, format!("the directory does not let us into the ring: {text}"));
            let conn = *conn;
            ctx.tell(conn, Event::Command(Command::Peer(PeerCommand::Watch { known: known(ctx) })));
            self.up(ctx, conn, ctx.now);
            return Told::Settled;
        }
        if let Some(text) = refused {
            // Also how a directory tells a node it had declared dead to come back in.
            self.fail(ctx, &format!("refuses us: {text}"));
            return Told::Nothing;
        }
        let Event::Link(event) = event else {
            self.fail(ctx, "said something that is not for a peer");
            return Told::Nothing;
        };
        match (&self.state, event) {
            (State::Registering { conn, ticket, sent }, LinkEvent::Registered { ticket: answered, .. }) if *ticket == answered => {
                let (conn, sent) = (*conn, *sent);
                self.up(ctx, conn, sent);
                Told::Settled
            }
            (State::Up { .. }, LinkEvent::Beat { sent, .. }) => {
                (self.confirmed, self.lease_from) = (Some(sent), Some(sent));
                Told::Nothing
            }
            (State::Registering { conn, .. }, LinkEvent::Word { word }) => {
                ctx.tell(*conn, Event::Command(Command::Peer(PeerCommand::Ready { word: word.clone() })));
                self.word = word;
                Told::Nothing
            }
            (State::Registering { .. }, LinkEvent::Waiting { why }) => {
                ctx.log(Level::Warn, format!("our place in the ring has to wait: {why}"));
                Told::Nothing
            }
            (State::Registering { .. }, LinkEvent::Beat { .. }) => {
                self.step_until = ctx.now + STEP_MS;
                Told::Nothing
            }
            (State::Up { .. }, LinkEvent::Left { ticket }) if self.leaving == Some(ticket) => {
                self.gone = true;
                Told::Nothing
            }
            (_, event) => Told::Event(event),
        }
    }

    fn approached(&mut self, ctx: &mut Ctx<'_>, step: Step) -> Told {
        match step {
            Step::Wait => Told::Nothing,
            Step::Through(conn, _) => self.enter(ctx, conn),
            Step::Failed(why) => {
                self.fail(ctx, &why);
                Told::Nothing
            }
        }
    }

    fn enter(&mut self, ctx: &mut Ctx<'_>, conn: Conn) -> Told {
        if ctx.config.in_ring && self.leaving.is_none() {
            let ticket = ctx.ids.ticket();
            let command =
                PeerCommand::Register { ticket, name: ctx.config.name.clone(), token: ctx.config.token.clone(), known: known(ctx) };
            ctx.tell(conn, Event::Command(Command::Peer(command)));
            self.state = State::Registering { conn, ticket, sent: ctx.now };
            // It takes as long as others need to copy our groups to us. Until then heartbeats show that the directory is there.
            self.beat_at = Some(ctx.now + STEP_MS / 3);
            Told::Nothing
        } else {
            ctx.tell(conn, Event::Command(Command::Peer(PeerCommand::Watch { known: known(ctx) })));
            self.up(ctx, conn, ctx.now);
            Told::Settled
        }
    }

    fn up(&mut self, ctx: &mut Ctx<'_>, conn: Conn, sent: Time) {
        self.state = State::Up { conn };
        self.tries = 0;
        self.beat_at = ctx.config.in_ring.then_some(ctx.now);
        (self.confirmed, self.lease_from) = (Some(ctx.now), Some(sent));
    }

    /// A server that vanished without a word leaves a connection that looks well; by now it has declared us dead, if it is there.
    fn is_forgotten(&self, ctx: &Ctx<'_>) -> bool {
        self.confirmed.is_some_and(|confirmed| ctx.now.since_ms(confirmed) >= 2 * ctx.config.timing.lease_ms)
    }

    /// A connection to this node broke: the directory should have a look.
    pub fn suspect(&mut self, ctx: &mut Ctx<'_>, key: NodeKey) {
        self.send(ctx, PeerCommand::Suspect { key });
    }

    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Up { .. } => self.beat_at,
            State::Registering { .. } => earlier(self.beat_at, Some(self.step_until)),
            _ => Some(self.step_until),
        }
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        match &self.state {
            State::Waiting { until } if *until <= ctx.now && self.leaving.is_none() => self.dial(ctx),
            State::Waiting { .. } if self.leaving.is_some() => self.state = State::Waiting { until: Time(u64::MAX) },
            State::Up { .. } if self.beat_at.is_some() && self.is_forgotten(ctx) => self.fail(ctx, "does not answer heartbeats"),
            State::Up { .. } if self.beat_at.is_some_and(|at| at <= ctx.now) => {
                self.beat_at = Some(ctx.now + (ctx.config.timing.lease_ms / 3).max(1));
                self.send(ctx, PeerCommand::Heartbeat { sent: ctx.now });
            }
            State::Approaching { .. } | State::Registering { .. } if self.step_until <= ctx.now => {
                self.fail(ctx, "does not answer in time");
            }
            State::Registering { conn, .. } if self.beat_at.is_some_and(|at| at <= ctx.now) => {
                self.beat_at = Some(ctx.now + STEP_MS / 3);
                ctx.tell(*conn, Event::Command(Command::Peer(PeerCommand::Heartbeat { sent: ctx.now })));
            }
            _ => {}
        }
    }
}
