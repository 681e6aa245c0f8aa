//! What a group's log still holds, page by page, for edges with people who read slowly.

use super::{Held, Master};
use crate::ids::{Birth, Conn, Term, Ticket};
use crate::names::GroupName;
use crate::peer::{LinkEvent, Mark};
use crate::super_node::ctx::Ctx;
use crate::super_node::log::{Since, weight};

/// Bytes of text in one page, whatever an edge asks for.
const PAGE_BYTES_MAX: u64 = 1 << 20;

impl Master {
    /// Gives an edge what is in a group's log behind a place: at least one entry, if there is one.
    #[allow(clippy::too_many_arguments)] // the fields of one command
    pub(super) fn fetch(
        &mut self,
        ctx: &mut Ctx<'_>,
        conn: Option<Conn>,
        ticket: Ticket,
        group: &GroupName,
        birth: Birth,
        after: u64,
        limit: u64,
    ) {
        let held: Option<&mut Held> = self.held(group);
        let Some(Held { group: held, safe, .. }) = held else {
            return ctx.tell_edge(conn, LinkEvent::Elsewhere { group: group.clone(), epoch: ctx.placement.epoch() });
        };
        let Since { mut entries, lost } = held.missed_by(Some(Mark { birth, seq: after }), Term::default());
        let mut room = limit.min(PAGE_BYTES_MAX);
        let fits = entries.iter().take_while(|entry| {
            let fits = room > 0;
            room = room.saturating_sub(weight(entry) as u64);
            fits
        });
        // What is not safe yet was not heard by anyone.
        let count = fits.take_while(|entry| entry.seq <= *safe).count();
        entries.truncate(count);
        let (birth, newest) = (held.birth, *safe);
        ctx.tell_edge(conn, LinkEvent::Fetched { ticket, group: group.clone(), birth, entries, lost, newest });
    }
}
