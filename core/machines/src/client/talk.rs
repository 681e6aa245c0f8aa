//! A connection to a node: what it was asked and has yet to answer, and whether it still lives.
//!
//! A node answers in the order it was asked, so an answer belongs to the oldest question. A silent node is asked whether it is there, which it
//! answers ahead of everything else; one that stays silent, or owes an answer for too long, is dead.

use std::collections::VecDeque;

use super::config::ClientTiming;
use crate::command::{ClientCommand, Command};
use crate::event::{Event, Reply};
use crate::ids::{Conn, Epoch};
use crate::machine::Effect;
use crate::names::NodeKey;
use crate::time::{Time, earlier};
use crate::wire::Text;

/// An answer may take this many times `answer_ms` when other things are heard meanwhile: much that was missed may come before it.
const BUSY_FACTOR: u64 = 6;

/// What a node was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// SESSION or HELLO.
    Greeting,
    /// NICK, to begin with.
    Nick,
    /// JOIN.
    Join,
    /// The first message of the outbox.
    Say,
    /// A command of the person; for NICK, the nick.
    Run { nick: Option<Text> },
}

/// How far one has got with the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// Logging in, or joining.
    Entering,
    /// It asked to wait and be asked again.
    Waiting { until: Time, again: Asked },
    /// In the group, as of this seq and this view of the ring.
    In { since: Time, epoch: Epoch, seq: u64 },
}

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) conn: Conn,
    pub(super) node: NodeKey,
    pub(super) stage: Stage,
    /// Its last word.
    pub(super) closing: Option<Text>,
    /// Nothing it does for us keeps it from answering whether it is there.
    pub(super) is_let_in: bool,
    /// The connection is gone already.
    pub(super) lost: bool,
    asked: VecDeque<(Asked, Time)>,
    heard_at: Time,
    /// When it last said that it is there, and nothing else.
    alive_at: Time,
    /// Since when it has been asked whether it is there and nothing came.
    probed_at: Option<Time>,
}

impl Talk {
    pub(super) fn new(conn: Conn, node: NodeKey, now: Time) -> Talk {
        Talk {
            conn,
            node,
            stage: Stage::Entering,
            closing: None,
            is_let_in: false,
            lost: false,
            asked: VecDeque::new(),
            heard_at: now,
            alive_at: now,
            probed_at: None,
        }
    }

    pub(super) fn is_in(&self) -> bool {
        matches!(self.stage, Stage::In { .. })
    }

    /// How many answers it owes.
    pub(super) fn owes(&self) -> usize {
        self.asked.len()
    }

    /// How many of them a person waits for.
    pub(super) fn owes_runs(&self) -> usize {
        self.asked.iter().filter(|(asked, _)| matches!(asked, Asked::Run { .. })).count()
    }

    pub(super) fn ask(&mut self, now: Time, asked: Asked, command: impl Into<Command>, effects: &mut Vec<Effect>) {
        self.asked.push_back((asked, now));
        self.tell(command, effects);
    }

    /// Sends what is not answered.
    pub(super) fn tell(&self, command: impl Into<Command>, effects: &mut Vec<Effect>) {
        effects.push(Effect::Tell { conn: self.conn, event: Event::Command(command.into()) });
    }

    /// Anything came.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard_at = now;
        self.is_alive(now);
    }

    /// It is there, though that is no answer to anything else.
    pub(super) fn is_alive(&mut self, now: Time) {
        (self.alive_at, self.probed_at) = (now, None);
    }

    /// To what this is an answer; `None` when nothing was asked.
    pub(super) fn answered(&mut self, reply: &Reply) -> Option<Asked> {
        match reply {
            Reply::Names { done: false, .. } => self.asked.front().map(|(asked, _)| asked.clone()),
            _ => self.asked.pop_front().map(|(asked, _)| asked),
        }
    }

    pub(super) fn is_dead(&self, now: Time, timing: &ClientTiming) -> bool {
        self.death(timing).is_some_and(|death| death <= now)
    }

    /// Asks whether it is there, if that is due.
    pub(super) fn probe(&mut self, now: Time, timing: &ClientTiming, effects: &mut Vec<Effect>) {
        if self.probe_at(timing).is_some_and(|at| at <= now) {
            self.probed_at = Some(now);
            self.tell(ClientCommand::Alive {}, effects);
        }
    }

    pub(super) fn deadline(&self, timing: &ClientTiming) -> Option<Time> {
        let waiting = match self.stage {
            Stage::Waiting { until, .. } => Some(until),
            _ => None,
        };
        [self.death(timing), self.probe_at(timing), waiting].into_iter().flatten().min()
    }

    fn death(&self, timing: &ClientTiming) -> Option<Time> {
        let probe = self.probed_at.map(|at| at + timing.silent_ms);
        let late = |(_, since): &(Asked, Time)| (self.heard_at.max(*since) + timing.answer_ms).min(*since + timing.answer_ms * BUSY_FACTOR);
        earlier(probe, self.asked.front().map(late))
    }

    /// Not before one is let in: who is asked for a password does not answer anything else.
    fn probe_at(&self, timing: &ClientTiming) -> Option<Time> {
        ((self.is_let_in || self.stage != Stage::Entering) && self.probed_at.is_none()).then(|| self.alive_at + timing.ping_ms)
    }
}
