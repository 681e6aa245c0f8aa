//! What people want to do goes past the filters first, where there are any: messages, joins and topics, each in its place in the order of its session.
//!
//! ```text
//! a command → `sift` → Effect::Sift … → Input::Sifted → done, done otherwise, or refused
//!                └ something behind one that is with the filters waits for it, whatever it is
//! ```
//!
//! Several things of one session are with the filters at a time. Patience is ours: what was not judged within the budget is done as it is.

use std::collections::BTreeMap;

use super::Edge;
use super::session::Gate;
use crate::command::ClientCommand;
use crate::entry::SayKind;
use crate::event::{Code, Event};
use crate::ids::{Conn, Ticket};
use crate::machine::{Deed, DeedKind, Effect, Judgment};
use crate::names::GroupName;
use crate::super_node::ctx::Ctx;
use crate::time::Time;
use crate::wire::{Given, Rest, Text};

/// Commands of one session that wait; then nothing more is read from it until half are done.
const WAITING_MAX: usize = 64;

/// Questions to the filters that are not answered.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    asked: BTreeMap<Ticket, (Conn, Time)>,
}

/// A command that waits.
#[derive(Debug)]
pub(super) struct Sifting {
    command: ClientCommand,
    /// Until it is judged.
    ticket: Option<Ticket>,
    judgment: Judgment,
}

impl Sieve {
    /// When someone is not waited for any more.
    pub(super) fn deadline(&self, budget_ms: u64) -> Option<Time> {
        self.asked.values().next().map(|(_, since)| *since + budget_ms)
    }
}

impl Edge {
    /// Does a command, once the filters have nothing against it.
    pub(super) fn sift(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand) {
        if !ctx.config.is_filtered {
            return self.run(ctx, conn, command);
        }
        match command {
            // One after the other: each may be refused.
            ClientCommand::Subscribe { groups: Rest(groups) } if groups.len() > 1 && groups.len() <= WAITING_MAX => {
                for group in groups {
                    self.sift_one(ctx, conn, ClientCommand::Subscribe { groups: Rest(vec![group]) });
                }
            }
            command => self.sift_one(ctx, conn, command),
        }
    }

    fn sift_one(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand) {
        let Some(session) = self.session(conn) else { return };
        let deed = deed_of(&command).map(|(kind, target, text)| Deed {
            kind,
            target: target.into(),
            text: text.into(),
            person: session.person.clone(),
            listener: session.listener,
        });
        if deed.is_none() && session.sifting.is_none() {
            return self.run(ctx, conn, command);
        }
        let ticket = deed.as_ref().map(|_| ctx.ids.ticket());
        let waiting = session.sifting.get_or_insert_default();
        waiting.push_back(Sifting { command, ticket, judgment: Judgment::Pass });
        let is_full = waiting.len() >= WAITING_MAX;
        if let (Some(deed), Some(ticket)) = (deed, ticket) {
            self.sieve.asked.insert(ticket, (conn, ctx.now));
            ctx.effects.push(Effect::Sift { ticket, deed: Box::new(deed) });
        }
        if is_full {
            self.pause(ctx, conn);
        }
    }

    /// The filters have decided.
    pub fn sifted(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, judgment: Judgment) {
        let Some((conn, _)) = self.sieve.asked.remove(&ticket) else { return };
        let Some(session) = self.session(conn) else { return };
        let waiting = session.sifting.iter_mut().flat_map(|waiting| waiting.iter_mut());
        if let Some(judged) = waiting.into_iter().find(|sifting| sifting.ticket == Some(ticket)) {
            (judged.ticket, judged.judgment) = (None, judgment);
        }
        self.do_what_is_judged(ctx, conn);
    }

    /// Whoever was not judged in time goes on.
    pub(super) fn give_up_sifting(&mut self, ctx: &mut Ctx<'_>) {
        while let Some((&ticket, &(_, since))) = self.sieve.asked.first_key_value()
            && ctx.now.since_ms(since) >= ctx.config.timing.filter_ms
        {
            ctx.effects.push(Effect::Unsift { ticket });
            self.sifted(ctx, ticket, Judgment::Pass);
        }
    }

    fn do_what_is_judged(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        while let Some(session) = self.session(conn)
            && let Some(waiting) = &mut session.sifting
            && let Some(Sifting { command, judgment, .. }) = waiting.pop_front_if(|sifting| sifting.ticket.is_none())
        {
            let is_half = waiting.len() <= WAITING_MAX / 2;
            if waiting.is_empty() {
                session.sifting = None;
            }
            let is_open = matches!(session.gate, Gate::Open);
            if is_half && is_open && session.slots.len() < ctx.config.limits.pending_per_session {
                self.resume(ctx, conn);
            }
            match judgment {
                Judgment::Pass => self.run(ctx, conn, command),
                Judgment::Rewrite(text) => self.run(ctx, conn, with_text(command, text)),
                Judgment::Refuse(reason) => self.refuse_deed(ctx, conn, &command, reason),
                Judgment::Busy => {
                    let text = "too much waits for the filters: try again in a moment";
                    self.say(ctx, conn, Event::error(Code::Busy, text));
                }
            }
        }
    }

    fn refuse_deed(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: &ClientCommand, reason: Text) {
        let Some((kind, target, _)) = deed_of(command) else { return };
        let code = match kind {
            DeedKind::Message | DeedKind::Notice => Code::CannotSend,
            DeedKind::Join => Code::Banned,
            DeedKind::Topic => Code::NeedOp,
        };
        let reason = if reason.is_empty() { "a filter of this network has something against it".into() } else { reason };
        self.say(ctx, conn, Event::error_about(code, reason, [Text::from(target)]));
    }
}

/// What a command wants that filters see, for whom, and with which text.
fn deed_of(command: &ClientCommand) -> Option<(DeedKind, &str, &str)> {
    Some(match command {
        ClientCommand::Publish { group, text } => (DeedKind::Message, group.as_str(), text),
        ClientCommand::Msg { target, text, .. } => (DeedKind::Message, target.as_str(), text),
        ClientCommand::Say { kind, target, text, .. } => {
            let kind = if *kind == SayKind::Notice { DeedKind::Notice } else { DeedKind::Message };
            (kind, target.as_str(), text)
        }
        ClientCommand::Join { group, .. } | ClientCommand::Enter { group, .. } => (DeedKind::Join, group.as_str(), ""),
        ClientCommand::Subscribe { groups: Rest(groups) } => (DeedKind::Join, groups.first().map(GroupName::as_str)?, ""),
        ClientCommand::Topic { group, text: Given(Some(text)) } => (DeedKind::Topic, group.as_str(), text),
        _ => return None,
    })
}

/// The same with another text. What has none stays as it is.
fn with_text(mut command: ClientCommand, new: Text) -> ClientCommand {
    match &mut command {
        ClientCommand::Publish { text, .. } | ClientCommand::Msg { text, .. } | ClientCommand::Say { text, .. } => *text = new,
        ClientCommand::Topic { text: Given(text), .. } => *text = Some(new),
        _ => {}
    }
    command
}
