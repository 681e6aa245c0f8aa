//! A person's own machine: it gets into a group, and stays in it whatever happens to the nodes.
//!
//! It fetches the list of super nodes, works out by itself which one is responsible for the group, and joins there. When that node is lost, or says that
//! another is responsible, it fetches the list again and goes there, with growing, jittered pauses. What the person says waits meanwhile; what is heard is
//! heard once.
//!
//! ```text
//!     New ─▶ Finding ─▶ Dialing ─▶ Talking (entering ─▶ in the group)
//!               ▲  ▲       │          │  MOVED: to the node it names
//!               │  └───────┼──────────┘
//!               └─ Resting ◀┘ refused, lost, silent, TRYAGAIN            Over: gave up, or stopped
//! ```
//!
//! Seeking the node is in `seek`, what is said and heard on the connection in `converse`. Invariants: at most one connection to a node, and at most one question for
//! the list, at a time; a message keeps its counter until it is answered for good; no entry of the group is passed on twice while the group lives.
//!
//! Absent: it doesn't notice a hole in the sequence by itself, since not every place in the log is for people to see. Whoever serves it announces one as a `gap`.

mod asker;
mod config;
mod converse;
mod errand;
mod heard;
mod outbox;
mod seek;
mod talk;
#[cfg(test)]
mod tests;

pub use asker::Asker;
pub use config::{ClientConfig, ClientLimits, ClientTiming};

use self::errand::{Errand, Tickets};
use self::heard::Heard;
use self::outbox::Outbox;
use self::talk::{Asked, Stage, Talk};
use crate::command::{ClientCommand, Command, TEXT_BYTES_MAX};
use crate::event::{Code, Event};
use crate::ids::{Birth, Epoch, SessionId, Term, Ticket};
use crate::machine::{Effect, Input, Machine, Note, Wish};
use crate::names::{Nick, NodeKey};
use crate::ring::Ring;
use crate::secret::session_of_token;
use crate::time::{Jitter, Time, earlier};
use crate::view::SharedView;
use crate::wire::Text;

/// Gets a person into a group and keeps them there.
pub struct Client {
    config: ClientConfig,
    /// Who we are to the network.
    session: SessionId,
    /// What we are called, as far as we know.
    nick: Option<Nick>,
    jitter: Jitter,
    tickets: Tickets,

    view: Option<SharedView>,
    /// Of the view.
    ring: Ring,
    /// The view was fetched; one from the cache gives way to any that is.
    fetched: bool,

    phase: Phase,
    /// Where a MOVED pointed, and as of which epoch.
    named: Option<(Epoch, NodeKey)>,
    /// Who fell silent, and until when others may take them for alive: nobody's word leads us back there before.
    silent: Option<(NodeKey, Time)>,
    /// MOVEDs since the last join.
    hops: u32,
    /// Pauses since we were in the group for a while.
    attempts: u32,
    /// Since when we are not in the group.
    away_since: Time,
    /// What was last said of that.
    away_why: String,
    /// Since when our own nick is refused to us.
    nick_refused: Option<Time>,

    /// The life of the group that we know; `None` until the first join.
    birth: Option<Birth>,
    /// The last entry heard: in which term, and its place.
    term: Term,
    seq: u64,
    /// What we knew of the life before, until something of this one came: the gap, and what was missed, may be lost with the connection.
    before: Option<(Birth, Term, u64)>,
    /// Nothing is known of what follows that: in another life of the group the next entry may have a lower place.
    adrift: bool,
    heard: Heard,
    outbox: Outbox,
    /// We were told to stop: when we go, whatever is left.
    stopping: Option<Time>,
}

enum Phase {
    /// Before `Start`.
    New,
    /// Asking for the list.
    Finding(Errand),
    /// On the way to a node.
    Dialing { ticket: Ticket, node: NodeKey, until: Time },
    /// With a node.
    Talking(Box<Talk>),
    /// Before the next attempt.
    Resting { until: Time },
    /// Nothing happens any more.
    Over,
}

impl Client {
    /// Does nothing until `Start`.
    pub fn new(config: ClientConfig) -> Client {
        let ring = config.cached.as_deref().map_or_else(Ring::default, Ring::new);
        Client {
            session: session_of_token(&config.token),
            nick: config.nick.as_deref().and_then(|nick| Nick::new(nick).ok()),
            jitter: Jitter::new(config.seed),
            tickets: Tickets::default(),
            view: config.cached.clone(),
            ring,
            fetched: false,
            phase: Phase::New,
            named: None,
            silent: None,
            hops: 0,
            attempts: 0,
            away_since: Time(0),
            away_why: String::new(),
            nick_refused: None,
            birth: None,
            term: Term::default(),
            seq: 0,
            before: None,
            adrift: false,
            heard: Heard::default(),
            outbox: Outbox::new(config.limits.outbox),
            stopping: None,
            config,
        }
    }

    /// Who it is to the network: the session in the ids of its own entries.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// What it is called, as far as it knows.
    pub fn nick(&self) -> Option<&Nick> {
        self.nick.as_ref()
    }

    fn wish(&mut self, now: Time, wish: Wish, effects: &mut Vec<Effect>) {
        match wish {
            Wish::Say { number, text } => {
                if let Err(why) = self.say(number, text) {
                    effects.push(Effect::Note(Note::Unsent { number, why: why.into() }));
                }
            }
            Wish::Run(words) => {
                if let Err((code, why)) = self.run(now, &words, effects) {
                    effects.push(Effect::Note(Note::Answer(Event::error(code, why))));
                }
            }
        }
    }

    fn say(&mut self, number: u64, text: Text) -> Result<(), &'static str> {
        if self.is_over() || self.stopping.is_some() {
            return Err("the client has stopped");
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err("the text is too long");
        }
        if self.outbox.push(number, text) { Ok(()) } else { Err("too much is waiting to be said already") }
    }

    fn run(&mut self, now: Time, words: &[Text], effects: &mut Vec<Effect>) -> Result<(), (Code, String)> {
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let command = Command::parse(&args).map_err(|bad| (Code::Syntax, bad.to_string()))?;
        self.may_run(&command).map_err(|why| (Code::NoPerm, why.into()))?;
        let nick = match &command {
            Command::Client(ClientCommand::Nick { nick }) => Some(nick.clone()),
            _ => None,
        };
        match &mut self.phase {
            Phase::Talking(talk) if talk.is_in() && talk.owes() >= self.config.limits.asked => {
                Err((Code::Busy, "too many commands are waiting for their answers".into()))
            }
            Phase::Talking(talk) if talk.is_in() => {
                talk.ask(now, Asked::Run { nick }, command, effects);
                Ok(())
            }
            _ => Err((Code::Err, "not in the group at the moment".into())),
        }
    }

    /// What would disturb the order of answers, or what the machine does by itself, is not for the person to send.
    fn may_run(&self, command: &Command) -> Result<(), &'static str> {
        use ClientCommand as C;
        match command {
            Command::Peer(_) => Err("that is for nodes"),
            Command::Client(C::Hello { .. } | C::Auth { .. } | C::Session { .. } | C::Login { .. }) => {
                Err("this client is logged in already")
            }
            Command::Client(C::Join { .. } | C::Enter { .. } | C::Subscribe { .. }) => Err("this client stays in one group"),
            Command::Client(C::Part { .. } | C::Unsubscribe { .. } | C::Quit { .. }) => Err("stop the client instead"),
            Command::Client(C::Say { .. } | C::Pong { .. }) => Err("that has no answer"),
            Command::Client(C::Publish { group, .. }) if *group == self.config.group => Err("say that in the group instead"),
            Command::Client(C::Msg { target, .. }) if target.group() == self.config.group => Err("say that in the group instead"),
            Command::Client(_) => Ok(()),
        }
    }

    fn stop(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match (&self.phase, self.stopping) {
            (Phase::Over, _) => effects.push(Effect::Stopped),
            // Told twice: someone is in a hurry.
            (Phase::New, _) | (_, Some(_)) => self.finish(now, effects),
            (_, None) => self.stopping = Some(now + self.config.timing.drain_ms),
        }
    }

    /// Everything is said and answered, or there is no time left for it.
    fn finish(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let Phase::Talking(talk) = &self.phase {
            if talk.is_in() {
                talk.tell(ClientCommand::Part { group: self.config.group.clone(), reason: None }, effects);
            }
            talk.tell(ClientCommand::Quit { reason: None }, effects);
        }
        self.end(now, "the client was stopped before it was answered", effects);
        effects.push(Effect::Stopped);
    }

    /// Not tried any further; the person has to do something.
    fn give_up(&mut self, now: Time, why: impl Into<String>, effects: &mut Vec<Effect>) {
        let why = why.into();
        self.end(now, &why, effects);
        effects.push(Effect::Note(Note::GaveUp { why }));
        if self.stopping.is_some() {
            effects.push(Effect::Stopped);
        }
    }

    fn end(&mut self, now: Time, why: &str, effects: &mut Vec<Effect>) {
        self.leave(now, why, effects);
        self.phase = Phase::Over;
        effects.extend(self.outbox.give_up().map(|number| Effect::Note(Note::Unsent { number, why: why.into() })));
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// What is due by now, after any input.
    fn turn(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match &mut self.phase {
            Phase::New | Phase::Over => return,
            Phase::Finding(errand) => {
                let progress = errand.handle(now, Input::Deadline, &mut self.tickets, effects);
                self.found(now, progress, effects);
            }
            Phase::Dialing { node, until, .. } if *until <= now => {
                let node = node.clone();
                self.fell_silent(now, &node);
                self.retreat(now, format!("{node} does not answer"), effects);
            }
            Phase::Resting { until } if *until <= now => self.seek(now, effects),
            Phase::Dialing { .. } | Phase::Resting { .. } => {}
            Phase::Talking(_) => self.converse(now, effects),
        }
        if self.is_over() {
            return;
        }
        if self.patience_ends().is_some_and(|end| end <= now) {
            let why = if self.away_why.is_empty() { "nobody answers" } else { &self.away_why };
            return self.give_up(now, why.to_owned(), effects);
        }
        let owed = match &self.phase {
            Phase::Talking(talk) => talk.owes_runs(),
            _ => 0,
        };
        let done = self.outbox.is_empty() && owed == 0;
        if self.stopping.is_some_and(|until| done || until <= now) {
            self.finish(now, effects);
        }
    }

    /// When to give up, unless we get into the group before.
    fn patience_ends(&self) -> Option<Time> {
        let timing = &self.config.timing;
        let span = if self.birth.is_some() { timing.rejoin_ms } else { timing.first_join_ms };
        match &self.phase {
            Phase::Talking(talk) if talk.is_in() => None,
            _ => span.map(|span_ms| self.away_since + span_ms),
        }
    }
}

impl Machine for Client {
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start if matches!(self.phase, Phase::New) => {
                self.away_since = now;
                self.seek(now, effects);
            }
            Input::Wish(wish) => self.wish(now, wish, effects),
            Input::Stop => self.stop(now, effects),
            Input::Dialed { .. } | Input::Told { .. } | Input::Lost { .. } => self.connection(now, input, effects),
            _ => {}
        }
        self.turn(now, effects);
    }

    fn deadline(&self) -> Option<Time> {
        let phase = match &self.phase {
            Phase::New | Phase::Over => return None,
            Phase::Finding(errand) => errand.deadline(),
            Phase::Dialing { until, .. } | Phase::Resting { until } => Some(*until),
            Phase::Talking(talk) => {
                let say = if talk.is_in() { self.outbox.deadline() } else { None };
                earlier(talk.deadline(&self.config.timing), say)
            }
        };
        earlier(earlier(phase, self.patience_ends()), self.stopping)
    }

    fn check_invariants(&self) {
        self.outbox.check_invariants();
        if let Phase::Talking(talk) = &self.phase {
            assert!(talk.owes() <= self.config.limits.asked + 2, "more is asked than may be");
            assert!(!matches!(talk.stage, Stage::In { .. }) || self.birth.is_some(), "in a group of no birth");
        }
    }
}
