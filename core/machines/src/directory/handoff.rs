//! What operators ask of a directory server: how the planned change of the ring goes, and changes of their own.

use super::Directory;
use super::agenda::{self, Stage, Wish};
use super::changes::{Asker, Wants, tell};
use crate::command::{HandoffAsk, If};
use crate::event::{Code, Event, Reply};
use crate::ids::Conn;
use crate::machine::Effect;
use crate::names::NodeKey;
pub(super) use crate::operators::Refusal;
use crate::ring::POINTS_MAX;
use crate::time::Time;
use crate::view::Plan;
use crate::wire::{Rest, Text};

impl Directory {
    pub(super) fn handoff(&mut self, now: Time, conn: Conn, what: HandoffAsk, effects: &mut Vec<Effect>) {
        let reply = match what {
            HandoffAsk::List => self.handoff_list(now),
            HandoffAsk::Why => {
                let sentences = Rest(self.handoff_why(now).into_iter().map(Text::from).collect());
                Reply::HandoffWhy { sentences }.into()
            }
            HandoffAsk::Abort => match self.abort(now, conn, effects) {
                Ok(()) => return,
                Err((code, text)) => Event::error(code, text),
            },
        };
        effects.push(tell(conn, reply));
    }

    /// Takes a node out of the ring when others have its groups. Answered when that is done, or will not be.
    pub(super) fn drain(&mut self, now: Time, conn: Conn, key: NodeKey, only: If, effects: &mut Vec<Effect>) {
        let plan = match self.state.view().node(&key) {
            Some(node) => Ok(Plan::Drain { key: key.clone(), incarnation: node.incarnation }),
            None => Err((Code::Err, format!("{key} is not in the ring; NODES lists who is"))),
        };
        self.want_or_refuse(now, conn, plan, only, effects);
    }

    /// Gives every node another number of points, in the same way.
    pub(super) fn points(&mut self, now: Time, conn: Conn, points: u32, only: If, effects: &mut Vec<Effect>) {
        let plan = match points {
            1..=POINTS_MAX => Ok(Plan::Points { points }),
            _ => Err((Code::Syntax, format!("a node has 1 to {POINTS_MAX} points"))),
        };
        self.want_or_refuse(now, conn, plan, only, effects);
    }

    fn want_or_refuse(&mut self, now: Time, conn: Conn, plan: Result<Plan, Refusal>, only: If, effects: &mut Vec<Effect>) {
        match plan {
            // A node's own connection may wait for its coming or going.
            Ok(_) if self.agenda.waits(conn) => {
                effects.push(tell(conn, Event::error(Code::Err, "this connection waits for another change of the ring")));
            }
            Ok(plan) => self.want(now, Wish { plan, asker: Asker { conn, wants: Wants::Done }, only }, effects),
            Err((code, text)) => effects.push(tell(conn, Event::error(code, text))),
        }
    }

    fn abort(&mut self, now: Time, conn: Conn, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        match self.agenda.current.as_ref().map(|current| current.stage) {
            None => Err((Code::Err, "no change of the ring is planned".to_string())),
            Some(Stage::Ending) => Err((Code::TryAgain, "100 it is just being decided".to_string())),
            Some(Stage::Announcing | Stage::Preparing) => {
                self.owe(now, conn, 1, true, effects);
                self.cancel("aborted by the operator", Some(Asker { conn, wants: Wants::Done }), effects);
                Ok(())
            }
        }
    }

    /// Whether the ring is the one that an operator means.
    pub(super) fn is_as_meant(&self, only: If) -> Result<(), Refusal> {
        let epoch = self.state.view().epoch;
        match only.0 {
            Some(meant) if meant != epoch => {
                Err((Code::Err, format!("the ring has changed: it is at epoch {epoch}, and this was meant for {meant}; nothing was done")))
            }
            _ => Ok(()),
        }
    }

    /// number, plan, subject, age, time left, how many wait; then for each node of the ring: key, state, groups left, why.
    fn handoff_list(&self, now: Time) -> Event {
        let queued = self.agenda.queue.len() as u64;
        let Some(current) = &self.agenda.current else {
            let (plan, subject) = ("".into(), "".into());
            let number = self.state.plans().number;
            return Reply::Handoff { number, plan, subject, age_ms: 0, deadline_ms: 0, queued, cells: Rest(Vec::new()) }.into();
        };
        let row = |key: &NodeKey| -> [Text; 4] {
            match current.said(key) {
                None => [key.as_str().into(), "silent".into(), "".into(), "".into()],
                Some(said) => {
                    let state = if said.left == 0 { "ready" } else { "copying" };
                    [key.as_str().into(), state.into(), said.left.to_string().into(), said.why.clone()]
                }
            }
        };
        let cells = self.state.view().nodes.iter().take(self.config.limits.rows as usize).flat_map(|node| row(&node.key)).collect();
        let subject = match &current.plan {
            Plan::Points { points } => points.to_string().into(),
            plan => agenda::node_of(plan).map_or("".into(), |key| key.as_str().into()),
        };
        Reply::Handoff {
            number: current.number,
            plan: current.plan.word().into(),
            subject,
            age_ms: now.since_ms(current.begun),
            deadline_ms: current.deadline(&self.config).since_ms(now),
            queued,
            cells: Rest(cells),
        }
        .into()
    }

    fn handoff_why(&self, now: Time) -> Vec<String> {
        let Some(current) = &self.agenda.current else { return vec!["no change of the ring is planned".to_string()] };
        let mut sentences = vec![format!("planned: {}", agenda::describe(&current.plan))];
        match current.stage {
            Stage::Announcing => sentences.push("it is just being announced".to_string()),
            Stage::Ending => sentences.push("it is just being decided".to_string()),
            Stage::Preparing => {
                sentences.extend(self.waits_for());
                let left_ms = current.deadline(&self.config).since_ms(now);
                sentences.push(format!("it is given up in {left_ms} ms unless all are ready by then"));
            }
        }
        sentences
    }
}
