//! Who of those connected is an operator, what they may have done, and what the audit log is told of it.
//!
//! What an operator does at a server that does not lead is written down there, where it is known who they are; the leader goes by what that server says of them.

use std::net::IpAddr;

use super::Directory;
use super::changes::tell;
use crate::command::ClientCommand;
use crate::event::{Event, Reply};
use crate::ids::Conn;
use crate::machine::{Effect, Note};
use crate::operators::{self, AuditLine, Operators};
use crate::wire::Text;

impl Directory {
    /// Someone has come from there.
    pub(super) fn stand(&mut self, conn: Conn, from: IpAddr) {
        if let Some(link) = self.links.of_mut(conn) {
            link.standing = operators::by_address(&self.config.operators, from);
        }
    }

    /// Others are configured. Whoever is none any more is nobody, or whoever comes from the machine itself.
    pub(super) fn operators_changed(&mut self, now: Operators) {
        let before = std::mem::replace(&mut self.config.operators, now);
        let now = &self.config.operators;
        for link in self.links.here_mut() {
            let said = link.standing.take().filter(|standing| operators::is_still(standing, &before, now));
            link.standing = said.or_else(|| operators::by_address(now, link.from));
        }
    }

    /// Someone says which operator they are.
    pub(super) fn log_in(&mut self, conn: Conn, name: &Text, secret: &Text) -> Event {
        match operators::by_secret(&self.config.operators, name, secret) {
            Ok(standing) => {
                let text = standing.role.as_str().into();
                if let Some(link) = self.links.of_mut(conn) {
                    link.standing = Some(standing);
                }
                Reply::Text { text }.into()
            }
            Err((code, text)) => Event::error(code, text),
        }
    }

    /// Whether they may; if not, they hear why. Notes what the audit log is to tell.
    pub(super) fn permits(&mut self, conn: Conn, command: &ClientCommand, effects: &mut Vec<Effect>) -> bool {
        let Some(link) = self.links.of_mut(conn) else { return false };
        let is_here = !link.via;
        if is_here && let Some(line) = AuditLine::of(link.standing.as_ref(), link.from, command) {
            match link.audit.replace(line) {
                Some(earlier) => effects.push(Effect::Note(Note::Audit(earlier))),
                None => self.audits += 1,
            }
        }
        let Err((code, text)) = operators::allow(link.standing.as_ref(), &self.config.operators, command) else { return true };
        effects.push(tell(conn, Event::error(code, text)));
        false
    }

    /// Has the audit log told of what was answered in this turn.
    pub(super) fn audit(&mut self, effects: &mut Vec<Effect>, from: usize) {
        if self.audits == 0 {
            return;
        }
        let mut lines = Vec::new();
        for effect in &effects[from..] {
            let Effect::Tell { conn, event: Event::Reply(reply) } = effect else { continue };
            if let Some(line) = self.links.of_mut(*conn).and_then(|link| link.audit.take()) {
                lines.push(line.answered(reply));
            }
        }
        self.audits -= lines.len();
        effects.extend(lines.into_iter().map(|line| Effect::Note(Note::Audit(line))));
    }

    /// Whoever wanted it is gone: what comes of it they will not hear.
    pub(super) fn audit_lost(&mut self, line: Option<AuditLine>, effects: &mut Vec<Effect>) {
        if let Some(line) = line {
            self.audits -= 1;
            effects.push(Effect::Note(Note::Audit(line)));
        }
    }
}
