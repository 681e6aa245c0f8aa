//! A group goes from one node to another: taken apart, put together again, and kept the same by applying the same entries.

use std::sync::Arc;

use super::super::config::NodeLimits;
use super::{Group, Member, SEQ_MAX};
use crate::entry::{Entry, MemberRow, Rank};
use crate::ids::{EntryId, SessionId, Term};
use crate::names::GroupName;
use crate::peer::{CopyHead, Counted, Last};
use crate::wire::{Argv, Field};

/// The parts of a copy.
#[derive(Clone, Debug)]
pub struct CopyBody {
    /// Its state but for the rest.
    pub head: CopyHead,
    /// Who is in it.
    pub members: Vec<(MemberRow, Rank)>,
    /// What sessions said.
    pub counters: Vec<(SessionId, Counted)>,
    /// Its log.
    pub entries: Vec<Arc<Entry>>,
}

impl Group {
    /// A copy of what someone else has. The log must end where the group does; `None` when it does not, or has a hole.
    pub fn from_copy(name: GroupName, term: Term, last: Last, copy: CopyBody, limits: &NodeLimits) -> Option<Group> {
        let CopyBody { head, members, counters, entries } = copy;
        let ends = entries.last().is_none_or(|newest| newest.seq == head.seq && newest.term == last.term);
        let whole = entries.windows(2).all(|pair| pair[0].seq.checked_add(1) == Some(pair[1].seq));
        if !ends || !whole || head.seq != last.seq || head.seq >= SEQ_MAX {
            return None;
        }
        let mut group = Group::new(name, last.birth, term, head.time, limits);
        (group.seq, group.settings, group.invited, group.away) = (head.seq, head.settings, head.invited, head.away);
        (group.last_term, group.pruned, group.former) = (last.term, head.pruned, head.former);
        (group.in_doubt, group.begun) = (head.in_doubt, head.begun);
        for (MemberRow { session, person, node, since }, rank) in members {
            group.members.insert(session, Box::new(Member { person, node, since, rank, round: 0, fresh: false }));
        }
        let series = |session, counted: &Counted| EntryId { session, counter: counted.counter }.series();
        group.counters.extend(counters.into_iter().map(|(session, counted)| ((session, series(session, &counted)), counted)));
        entries.into_iter().for_each(|entry| group.log.push(entry));
        Some(group)
    }

    /// What a copy of it begins with.
    pub fn head(&self) -> CopyHead {
        CopyHead {
            seq: self.seq,
            time: self.last_time,
            pruned: self.pruned,
            settings: self.settings.clone(),
            invited: self.invited.clone(),
            away: self.away.clone(),
            log_from: self.log.iter().next().map_or(self.seq + 1, |entry| entry.seq),
            former: self.former,
            in_doubt: self.in_doubt,
            begun: self.begun,
        }
    }

    /// Its members, as a copy has them.
    pub fn member_rows(&self) -> Vec<(MemberRow, Rank)> {
        let row = |session: &SessionId, member: &Member| {
            let Member { person, node, since, rank, .. } = member;
            (MemberRow { session: *session, person: person.clone(), node: node.clone(), since: *since }, *rank)
        };
        self.members.iter().map(|(session, member)| row(session, member)).collect()
    }

    /// How many rows a copy of it has.
    pub fn rows(&self) -> usize {
        self.members.len() + self.counters.len()
    }

    /// What sessions said, as a copy has it.
    pub fn counter_rows(&self) -> Vec<(SessionId, Counted)> {
        self.counters.iter().map(|((session, _), counted)| (*session, *counted)).collect()
    }

    /// Which entry is the last.
    pub fn last(&self) -> Last {
        Last { birth: self.birth, seq: self.seq, term: self.last_term }
    }

    /// Whether whoever has this entry as their last has nothing that is not here, and all that was here up to it.
    pub fn has(&self, last: &Last) -> bool {
        let logged = || self.log.at(last.seq).is_some_and(|entry| entry.term == last.term);
        last.birth == self.birth && (*last == self.last() || logged())
    }

    /// Applies an entry that someone else gave its place, or knows it already. False when it does not fit: there is a hole, another entry in its place, or it is of an earlier term than what stands before.
    pub fn follow(&mut self, entry: &Arc<Entry>) -> bool {
        if entry.seq == self.seq + 1 && entry.term >= self.last_term {
            self.apply(entry);
            return true;
        }
        let known = if entry.seq == self.seq { Some(self.last_term) } else { self.log.at(entry.seq).map(|entry| entry.term) };
        // What is older than the log can't be compared any more; the next ones can.
        known.map_or(entry.seq < self.seq, |term| term == entry.term)
    }

    /// What follows this place, oldest first; `None` when some of it is not in the log any more.
    pub fn tail(&self, seq: u64) -> Option<impl Iterator<Item = &Arc<Entry>>> {
        let covered = seq >= self.seq || self.log.at(seq + 1).is_some();
        covered.then(|| self.log.behind(seq))
    }

    /// A number that is the same where the state is.
    pub fn state_hash(&self) -> u64 {
        let mut argv = Argv::default();
        let head = CopyHead { log_from: 0, ..self.head() };
        self.last().put(&mut argv);
        head.put(&mut argv);
        self.member_rows().put(&mut argv);
        self.counter_rows().put(&mut argv);
        argv.hash()
    }
}
