//! Charters of groups: masters tell the server that leads what their groups that accounts have a rank in are like, until that is in the log.
//!
//! Only the group's master as of the present ring is believed. What was a master's before says so too late, whatever it was told.

use std::sync::Arc;

use super::Directory;
use super::changes::{Asker, Wants, tell};
use super::note;
use crate::charter::Charter;
use crate::ids::{Conn, Ticket};
use crate::machine::{Effect, Level};
use crate::names::{GroupName, NodeKey};
use crate::peer::{Change, GroupRecord, LinkEvent};
use crate::ring::Ring;
use crate::time::Time;

impl Directory {
    /// What a master says of some of its groups. Answered when it is agreed on; at once where it says nothing new.
    pub(super) fn chartered(
        &mut self,
        now: Time,
        conn: Conn,
        master: &NodeKey,
        (ticket, charters): (Ticket, Vec<Charter>),
        effects: &mut Vec<Effect>,
    ) {
        let ring = self.ring();
        let ledger = self.state.ledger();
        let is_masters = |charter: &Charter| !charter.group.is_person() && ring.master(charter.group.as_str()) == Some(master);
        let news = charters.into_iter().filter(|charter| ledger.would_learn(charter) && is_masters(charter));
        let (news, too_much): (Vec<_>, Vec<_>) = news.partition(|charter| ledger.has_room_for(charter));
        if let Some(first) = too_much.first() {
            let text = format!(
                "the settings of {} and {} more groups are not agreed on: charters and accounts weigh {} MiB, as much as they may",
                first.group,
                too_much.len() - 1,
                ledger.weight() >> 20
            );
            note(effects, Level::Warn, text);
        }
        if news.is_empty() {
            return effects.push(tell(conn, LinkEvent::Chartered { ticket }));
        }
        self.owe(now, conn, 1, false, effects);
        self.commit(Change::Charters { charters: news }, Some(Asker { conn, wants: Wants::Chartered(ticket) }), effects);
    }

    /// Where groups are placed in the present view.
    fn ring(&mut self) -> Arc<Ring> {
        let view = self.state.view();
        if self.ring.0 != view.epoch {
            self.ring = (view.epoch, Arc::new(Ring::new(view)));
        }
        self.ring.1.clone()
    }

    /// What is agreed on of a group goes before what was reported of it earlier; where nothing was, it is what there is.
    pub(super) fn with_charter(&mut self, group: &GroupName, record: Option<Box<GroupRecord>>) -> Option<Box<GroupRecord>> {
        let Some(charter) = self.state.ledger().charter(group).cloned() else { return record };
        let Charter { birth, term, seq, ref settings, .. } = *charter;
        let (master, members, copies) = match record {
            Some(record) if (record.term, record.seq) >= (term, seq) => return Some(record),
            Some(record) => (record.master, record.members, record.copies),
            None => (self.ring().master(group.as_str())?.clone(), Vec::new(), Vec::new()),
        };
        Some(Box::new(GroupRecord { master, birth, term, seq, settings: settings.clone(), members, copies }))
    }
}
