//! Connections, as operators see them: which there are, and an end to one of them.

use super::Edge;
use super::session::Session;
use crate::event::{Code, Event, Reply};
use crate::ids::Conn;
use crate::names::Nick;
use crate::redis;
use crate::super_node::ctx::Ctx;
use crate::time::Time;
use crate::wire::{Rest, Text};

/// Connections in one answer.
const PAGE_MAX: usize = 200;
/// Longest reason, in bytes.
const REASON_MAX: usize = 200;

impl Edge {
    /// A page of them, in the order of their places: one that comes meanwhile may be missed, and none is there twice.
    pub(super) fn list_clients(&mut self, ctx: &mut Ctx<'_>, conn: Conn, after: Option<u64>) {
        let first = after.map_or(0, |id| place_of(id) + 1);
        let others = self.sessions.iter().skip(first).flatten().filter(|session| session.conn != conn);
        let cells = Rest(others.take(PAGE_MAX).flat_map(|session| row(session, ctx.now)).collect());
        self.say(ctx, conn, Reply::Clients { cells });
    }

    /// Somebody is to go.
    pub(super) fn kill(&mut self, ctx: &mut Ctx<'_>, conn: Conn, who: &str, reason: &str) {
        let Some(standing) = self.standing(ctx, conn) else { return };
        let found = match who.parse::<u64>() {
            Ok(id) => {
                self.sessions.get(place_of(id)).and_then(|session| session.as_deref()).filter(|session| redis::id(session.conn) == id)
            }
            Err(_) => Nick::new(who)
                .ok()
                .and_then(|nick| self.sessions.iter().flatten().map(|session| &**session).find(|session| session.person.nick.is(&nick))),
        };
        let Some(target) = found.map(|session| session.conn) else {
            let text = format!("{} is not connected here", who.escape_debug());
            return self.say(ctx, conn, Event::error_about(Code::NoSuchNick, text, [who.into()]));
        };
        if reason.len() > REASON_MAX {
            return self.say(ctx, conn, Event::error(Code::TooLong, format!("a reason has at most {REASON_MAX} bytes")));
        }
        self.say(ctx, conn, Event::ok());
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        self.close(ctx, target, &format!("closed by the operator {}{because}", standing.name));
    }
}

/// Which place a connection with this id has.
fn place_of(id: u64) -> usize {
    (id & u64::from(u32::MAX)) as usize
}

fn row(session: &Session, now: Time) -> [Text; 7] {
    let Session { conn, person, peer, groups, since, heard, .. } = session;
    let number = |value: u64| Text::from(value.to_string());
    let (id, groups, idle_ms) = (number(redis::id(*conn)), number(groups.len() as u64), number(now.since_ms(*heard)));
    [id, person.nick.as_str().into(), person.account.clone(), peer.to_string().into(), groups, number(since.0), idle_ms]
}
