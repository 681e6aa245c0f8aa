//! Who reads how slowly: shown to those who ask, and closed when they read nothing at all.
//!
//! The driver knows what waits for a connection in memory and since when it takes nothing; the edge knows who is behind in a group's log. Together that is how far someone is behind. Being slow
//! is no reason to be closed; to take nothing at all for `unread_ms` while something waits is.

use super::*;
use crate::machine::Lag;
use crate::wire::Rest;

/// Rows of one answer: the slowest.
const ROWS_SHOWN_MAX: usize = 200;

/// A session that wants to know.
#[derive(Debug)]
pub(super) struct Asker {
    pub conn: Conn,
    pub slot: u64,
}

/// How far a session is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Behindhand {
    bytes: u64,
    entries: u64,
    /// For how long it has been off a list, or taken nothing.
    ms: u64,
    /// For how long it has taken nothing.
    stuck_ms: Option<u64>,
}

impl Edge {
    /// Asks the driver who is behind.
    pub(super) fn survey(&mut self, ctx: &mut Ctx<'_>, asker: Option<Asker>) {
        if self.live > 0 {
            let ticket = ctx.ids.ticket();
            self.surveys.insert(ticket, asker);
            ctx.effects.push(Effect::Survey { ticket });
        }
    }

    pub fn surveyed(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, lags: &[Lag]) {
        match self.surveys.remove(&ticket) {
            Some(Some(asker)) => self.show_slow(ctx, &asker, lags),
            Some(None) => self.close_the_stuck(ctx, lags),
            None => {}
        }
    }

    /// Seats of those who read a group's log, being too slow for what is in memory.
    pub fn readers_behind(&self) -> usize {
        self.attachments.values().map(|attachment| attachment.behind.len()).sum()
    }

    fn behindhand(&self, now: Time, lags: &[Lag]) -> BTreeMap<Conn, Behindhand> {
        let mut all: BTreeMap<Conn, Behindhand> = BTreeMap::new();
        for lag in lags.iter().filter(|lag| self.peek(lag.conn).is_some()) {
            let stuck_ms = lag.stuck.map(|since| now.since_ms(since));
            all.insert(lag.conn, Behindhand { bytes: lag.bytes, entries: lag.entries, ms: stuck_ms.unwrap_or(0), stuck_ms });
        }
        for attachment in self.attachments.values() {
            let newest = attachment.mark.map_or(0, |mark| mark.seq);
            for (conn, behind) in &attachment.behind {
                let row = all.entry(*conn).or_default();
                row.entries += newest.saturating_sub(behind.after);
                row.ms = row.ms.max(now.since_ms(behind.since));
            }
        }
        all.retain(|_, row| row.bytes > 0 || row.entries > 0);
        all
    }

    fn show_slow(&mut self, ctx: &mut Ctx<'_>, asker: &Asker, lags: &[Lag]) {
        let mut rows: Vec<(Conn, Behindhand)> = self.behindhand(ctx.now, lags).into_iter().collect();
        rows.sort_by_key(|(conn, row)| (std::cmp::Reverse((row.entries, row.bytes)), *conn));
        rows.truncate(ROWS_SHOWN_MAX);
        let cells = rows.iter().flat_map(|(conn, row)| {
            let session = self.peek(*conn);
            let (nick, peer) = session.map_or((String::new(), String::new()), |s| (s.person.nick.to_string(), s.peer.to_string()));
            let groups = session.map_or(0, |session| session.groups.len());
            let numbers = [row.bytes, row.entries, row.ms].map(|number| Text::from(number.to_string()));
            [nick.into(), peer.into(), groups.to_string().into()].into_iter().chain(numbers)
        });
        let event = Reply::Slow { cells: Rest(cells.collect()) }.into();
        self.fill(ctx, asker.conn, asker.slot, vec![event]);
    }

    fn close_the_stuck(&mut self, ctx: &mut Ctx<'_>, lags: &[Lag]) {
        let unread_ms = ctx.config.timing.unread_ms;
        for (conn, row) in self.behindhand(ctx.now, lags) {
            if row.stuck_ms.is_none_or(|ms| ms < unread_ms) {
                continue;
            }
            let Some(session) = self.peek(conn) else { continue };
            let (nick, peer) = (&session.person.nick, session.peer);
            let Behindhand { bytes, entries, .. } = row;
            let text = format!(
                "{nick} ({peer}) read nothing for {} s while {bytes} bytes and {entries} entries waited: closed",
                unread_ms / 1_000
            );
            ctx.log(Level::Warn, text);
            self.close(ctx, conn, &format!("nothing was read for {} s", unread_ms / 1_000));
        }
    }
}
