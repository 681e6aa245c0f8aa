//! A copy of a group goes from one node to another: in parts that fit a link, put together again at the other end.

use std::sync::Arc;

use crate::entry::{Content, Entry, MemberRow, Rank};
use crate::ids::{Birth, SessionId, Term};
use crate::names::NodeKey;
use crate::peer::{CopyHead, Counted, Last, PeerCommand, ROWS_MAX};
use crate::super_node::config::NodeLimits;
use crate::super_node::ctx::Ctx;
use crate::super_node::group::{CopyBody, Group};

/// Entries in one command at most.
pub(super) const ENTRIES_MAX: usize = 48;
/// Bytes of text in one command, beyond which the next begins.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// What a member or an entry takes on a link, without the text: for an estimate.
const ROW_BYTES: usize = 256;

/// Sends a group to a node: all of it, or what follows the entry it has as its last. With members the copy counts, together with theirs. Says how many bytes it is, roughly.
pub(super) fn send_copy(ctx: &mut Ctx<'_>, to: &NodeKey, term: Term, group: &Group, have: Option<&Last>, members: Vec<NodeKey>) -> usize {
    let (name, birth) = (|| group.name.clone(), group.birth);
    let have = have.filter(|have| group.has(have));
    let head = have.is_none().then(|| Box::new(group.head()));
    let whole = head.is_some();
    ctx.post_master(to, PeerCommand::Copy { epoch: ctx.placement.epoch(), term, group: name(), birth, head });
    let mut rows = 0;
    if whole {
        let (members, counters) = (group.member_rows(), group.counter_rows());
        rows = members.len() + counters.len();
        for part in members.chunks(ROWS_MAX) {
            ctx.post_master(to, PeerCommand::CopyRows { group: name(), members: part.to_vec(), counters: Vec::new() });
        }
        for part in counters.chunks(ROWS_MAX) {
            ctx.post_master(to, PeerCommand::CopyRows { group: name(), members: Vec::new(), counters: part.to_vec() });
        }
    }
    let mut bytes = ROW_BYTES * (1 + rows);
    for entries in in_parts(group.log().behind(have.map_or(0, |have| have.seq))) {
        bytes += entries.iter().map(|entry| ROW_BYTES + text_bytes(entry)).sum::<usize>();
        ctx.post_master(to, PeerCommand::CopyLog { group: name(), entries });
    }
    ctx.post_master(to, PeerCommand::CopyEnd { term, group: name(), last: group.last(), members });
    bytes
}

/// Entries in portions of which each fits a command.
pub(super) fn in_parts<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<Vec<Arc<Entry>>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        let text = text_bytes(entry);
        if !part.is_empty() && (part.len() >= ENTRIES_MAX || bytes + text > TEXT_BYTES_MAX) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += text;
        part.push(entry.clone());
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn text_bytes(entry: &Entry) -> usize {
    if let Content::Message { text, .. } = &entry.content { text.len() } else { 0 }
}

/// A copy on its way to us, as far as it has come.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) from: NodeKey,
    pub(super) term: Term,
    birth: Birth,
    head: Option<CopyHead>,
    members: Vec<(MemberRow, Rank)>,
    counters: Vec<(SessionId, Counted)>,
    entries: Vec<Arc<Entry>>,
}

impl Incoming {
    pub(super) fn new(from: NodeKey, term: Term, birth: Birth, head: Option<Box<CopyHead>>) -> Incoming {
        let head = head.map(|head| *head);
        Incoming { from, term, birth, head, members: Vec::new(), counters: Vec::new(), entries: Vec::new() }
    }

    /// More rows. False when it is more than a group has.
    pub(super) fn rows(&mut self, members: Vec<(MemberRow, Rank)>, counters: Vec<(SessionId, Counted)>, limits: &NodeLimits) -> bool {
        self.members.extend(members);
        self.counters.extend(counters);
        self.members.len() <= limits.members_per_group && self.counters.len() <= COUNTERS_MAX
    }

    /// More of the log. False when it is more than a log may hold anywhere.
    pub(super) fn entries(&mut self, entries: Vec<Arc<Entry>>) -> bool {
        self.entries.extend(entries);
        self.entries.len() <= LOG_MAX
    }

    /// All is here: the group, whole or as what we have of it goes on. `None` when it does not fit together.
    pub(super) fn finish(self, own: Option<&Group>, name: &crate::names::GroupName, last: Last, limits: &NodeLimits) -> Option<Group> {
        let Incoming { term, birth, head, members, counters, entries, .. } = self;
        if last.birth != birth {
            return None;
        }
        if let Some(head) = head {
            return Group::from_copy(name.clone(), term, last, CopyBody { head, members, counters, entries }, limits);
        }
        let mut group = own.filter(|own| own.birth == birth)?.clone();
        for entry in &entries {
            if !group.follow(entry) {
                return None;
            }
        }
        (group.last() == last).then_some(group)
    }
}

/// Sessions whose counters one group remembers: far more than it has members, since those who left count for a while.
const COUNTERS_MAX: usize = 1_000_000;
/// Entries of a log, whatever another node's limits are.
const LOG_MAX: usize = 1_000_000;
