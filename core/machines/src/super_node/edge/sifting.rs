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
use crate::wire::{Bad, Given, Rest, Text};

/// Commands of one session that wait; then nothing more is read from it until half are done.
const WAITING_MAX: usize = 64;

/// Questions to the filters that are not answered.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    asked: BTreeMap<Ticket, (Conn, Time)>,
}

/// What was heard and waits: for the filters, or behind something that does.
#[derive(Debug)]
pub(super) struct Sifting {
    heard: Heard,
    /// Until it is judged.
    ticket: Option<Ticket>,
    /// What the filters say; `None`: they have not been asked.
    judgment: Option<Judgment>,
}

/// What a program sent.
#[derive(Debug)]
pub(super) enum Heard {
    Command(ClientCommand),
    /// What should have been a command.
    Bad(Bad),
}

impl Sieve {
    /// When someone is not waited for any more.
    pub(super) fn deadline(&self, budget_ms: u64) -> Option<Time> {
        self.asked.values().next().map(|(_, since)| *since + budget_ms)
    }
}

impl Edge {
    /// Does a command whose turn it is, once the filters have nothing against it: ahead of whatever waits.
    pub(super) fn sift(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand) {
        match ctx.config.is_filtered && deed_of(&command).is_some() {
            true => self.wait_at(ctx, conn, 0, Heard::Command(command)),
            false => self.run(ctx, conn, command),
        }
    }

    /// Whether something of this session is with the filters: whatever comes then waits behind it.
    pub(super) fn waits_for_filters(&self, conn: Conn) -> bool {
        self.peek(conn).is_some_and(|session| session.sifting.is_some())
    }

    pub(super) fn wait_behind(&mut self, ctx: &mut Ctx<'_>, conn: Conn, heard: Heard) {
        let last = self.peek(conn).and_then(|session| session.sifting.as_ref()).map_or(0, |waiting| waiting.len());
        self.wait_at(ctx, conn, last, heard);
    }

    fn wait_at(&mut self, ctx: &mut Ctx<'_>, conn: Conn, place: usize, heard: Heard) {
        match heard {
            // One after the other: each may be refused.
            Heard::Command(ClientCommand::Subscribe { groups: Rest(groups) }) if groups.len() > 1 && groups.len() <= WAITING_MAX => {
                for (ix, group) in groups.into_iter().enumerate() {
                    let one = ClientCommand::Subscribe { groups: Rest(vec![group]) };
                    self.wait_for(ctx, conn, place + ix, Heard::Command(one));
                }
            }
            heard => self.wait_for(ctx, conn, place, heard),
        }
    }

    fn wait_for(&mut self, ctx: &mut Ctx<'_>, conn: Conn, place: usize, heard: Heard) {
        let Some(session) = self.session(conn) else { return };
        // What will be refused anyway filters need not see.
        let may = matches!(session.gate, Gate::Open) && (!session.registers || session.named || session.renamed);
        let deed = if let (Heard::Command(command), true) = (&heard, may) { deed_of(command) } else { None };
        let deed = deed.map(|(kind, target, text)| Deed {
            kind,
            target: target.into(),
            text: text.into(),
            person: session.person.clone(),
            listener: session.listener,
        });
        let ticket = deed.as_ref().map(|_| ctx.ids.ticket());
        let waiting = session.sifting.get_or_insert_default();
        waiting.insert(place.min(waiting.len()), Sifting { heard, ticket, judgment: None });
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
            (judged.ticket, judged.judgment) = (None, Some(judgment));
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

    /// Whatever is at the front and has not to wait any more, until something has: for the filters, or for the authenticators.
    pub(super) fn do_what_is_judged(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        while let Some(session) = self.session(conn)
            && !matches!(session.gate, Gate::Asked(_))
            && let Some(waiting) = &mut session.sifting
            && let Some(Sifting { heard, judgment, .. }) = waiting.pop_front_if(|sifting| sifting.ticket.is_none())
        {
            let is_half = waiting.len() <= WAITING_MAX / 2;
            if waiting.is_empty() {
                session.sifting = None;
            }
            if is_half && session.slots.len() < ctx.config.limits.pending_per_session {
                self.resume(ctx, conn);
            }
            match (heard, judgment) {
                (Heard::Bad(bad), _) => self.complain(ctx, conn, &bad),
                // It would have been refused when it came. Now it may not be: then it goes to them, ahead of what waits.
                (Heard::Command(command), None) if deed_of(&command).is_some() => self.obey(ctx, conn, command, false),
                (Heard::Command(command), None | Some(Judgment::Pass)) => self.obey(ctx, conn, command, true),
                (Heard::Command(command), Some(Judgment::Rewrite(text))) => self.obey(ctx, conn, with_text(command, text), true),
                (Heard::Command(command), Some(Judgment::Refuse(reason))) => self.refuse_deed(ctx, conn, &command, reason),
                (Heard::Command(_), Some(Judgment::Busy)) => {
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
