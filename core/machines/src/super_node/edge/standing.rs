//! Which of the sessions are operators, what they may have done, and what the audit log is told of it.
//!
//! A command is written down when it is answered: at once, or when the place that was kept for its answer is filled.

use std::sync::Arc;

use super::answers::Purpose;
use super::{Asked, Edge};
use crate::command::ClientCommand;
use crate::event::{Event, Reply};
use crate::ids::Conn;
use crate::machine::{Effect, Note};
use crate::names::GroupName;
use crate::operators::{self, AuditLine, Operators, Standing};
use crate::order::{NOBODYS, Order, person_of};
use crate::peer::Op;
use crate::super_node::ctx::Ctx;
use crate::wire::Text;

impl Edge {
    pub(super) fn standing(&self, ctx: &Ctx<'_>, conn: Conn) -> Option<Standing> {
        let session = self.peek(conn)?;
        let said = session.standing.as_deref().cloned();
        said.or_else(|| operators::by_address(&ctx.config.operators, session.peer))
    }

    /// Someone says which operator they are.
    pub(super) fn log_in_operator(&mut self, ctx: &mut Ctx<'_>, conn: Conn, name: &Text, secret: &Text) {
        let event = match operators::by_secret(&ctx.config.operators, name, secret) {
            Ok(standing) => {
                let text = standing.role.as_str().into();
                if let Some(session) = self.session(conn) {
                    session.standing = Some(Box::new(standing));
                }
                Reply::Text { text }.into()
            }
            Err((code, text)) => Event::error(code, text),
        };
        self.say(ctx, conn, event);
    }

    /// Others are configured. Whoever is none any more has to log in again.
    pub fn operators_changed(&mut self, before: &Operators, now: &Operators) {
        for session in self.sessions.iter_mut().flatten() {
            session.standing = session.standing.take().filter(|standing| operators::is_still(standing, before, now));
        }
    }

    /// Whether they may; if not, they hear why.
    pub(super) fn permits(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: &ClientCommand) -> bool {
        let standing = self.standing(ctx, conn);
        match operators::allow(standing.as_ref(), &ctx.config.operators, command) {
            Ok(()) => true,
            Err((code, text)) => {
                self.say(ctx, conn, Event::error(code, text));
                false
            }
        }
    }

    /// An operator has something done in a group: its master is asked, as for anyone.
    pub(super) fn steer(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, order: Order) {
        let Some(standing) = self.standing(ctx, conn) else { return };
        let person = Arc::new(person_of(&standing.name, ctx.config.name.clone()));
        let purpose = match &order {
            Order::History { .. } => Purpose::History,
            Order::Kick { nick, .. } => Purpose::About { nick: nick.clone() },
            _ => Purpose::Change,
        };
        let Some(session) = self.session(conn) else { return };
        let slot = Some(session.slots.open());
        let op = Op::Steer { order };
        self.ask(ctx, Asked { conn: Some(conn), slot, session: NOBODYS, person, group, op, purpose, to: None, since: ctx.now });
    }

    /// A command is about to be done. Where the audit log is told of it: which place its answer will have, unless it is answered at once.
    pub(super) fn begin_audit(&mut self, ctx: &Ctx<'_>, conn: Conn, command: &ClientCommand) -> Option<(Conn, u64)> {
        if !command.is_audited() {
            return None;
        }
        let standing = self.standing(ctx, conn);
        let (from, place) = self.peek(conn).map(|session| (session.peer, session.slots.next()))?;
        self.auditing = AuditLine::of(standing.as_ref(), from, command);
        Some((conn, place))
    }

    /// It was not answered at once.
    pub(super) fn audit_later(&mut self, place: (Conn, u64)) {
        if let Some(line) = self.auditing.take() {
            self.audits.insert(place, line);
        }
    }

    /// Something was answered at once.
    pub(super) fn audit_said(&mut self, ctx: &mut Ctx<'_>, event: &Event) {
        if let (Some(line), Event::Reply(reply)) = (self.auditing.take(), event) {
            ctx.effects.push(Effect::Note(Note::Audit(line.answered(reply))));
        }
    }

    /// A place was filled.
    pub(super) fn audit_filled(&mut self, ctx: &mut Ctx<'_>, place: (Conn, u64), events: &[Event]) {
        // What is at hand may be answered before anyone could keep it.
        let Some(line) = self.audits.remove(&place).or_else(|| self.auditing.take()) else { return };
        let line = match events.last() {
            Some(Event::Reply(reply)) => line.answered(reply),
            _ => line,
        };
        ctx.effects.push(Effect::Note(Note::Audit(line)));
    }

    /// Whoever wanted these is gone: what comes of them they will not hear.
    pub(super) fn audit_lost(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let gone = self.audits.extract_if((conn, 0)..=(conn, u64::MAX), |_, _| true);
        ctx.effects.extend(gone.map(|(_, line)| Effect::Note(Note::Audit(line))));
    }
}
