//! What directory servers say to each other about their log. Each goes over the link that its sender dialled.

use noraft::{LogEntries, Message, NodeId, Term};

use super::record::{Place, Record, Roster};
use crate::ids::ServerId;
use crate::time::Time;
use crate::wire::Text;
use crate::wire_enum;

wire_enum! {
    /// A message of the protocol by which directory servers agree (Raft, with the question before a vote of its author's thesis, 9.6).
    pub enum Letter {
        /// Would you vote for me in this term, if I stood? My log goes to there.
        "canvass" Canvass { term: u64, last: Place },
        /// The answer, and the newest term the answerer knows.
        "canvassed" Canvassed { term: u64, known: u64, granted: bool },
        /// Vote for me. `handed`: the leader itself wants it so.
        "stand" Stand { term: u64, last: Place, handed: bool },
        /// The answer.
        "vote" Vote { term: u64, granted: bool },
        /// The leader's next records behind a place, and up to where all is agreed on. Sent at that time by its clock.
        "entries" Entries { term: u64, commit: u64, after: Place, records: Vec<Record>, sent: Time },
        /// The sender's log goes to there; answers what was sent at that time.
        "held" Held { term: u64, last: Place, sent: Time },
        /// A piece of the state as of a place, for who is too far behind for records.
        "state" State { term: u64, place: Place, roster: Roster, at: u64, size: u64, piece: Text },
        /// So much of it is here.
        "got" Got { term: u64, place: Place, at: u64 },
        /// Stand at once: the sender was the leader, and wants you to be.
        "hand" Hand { term: u64 },
    }
}

impl Letter {
    /// Whether any number in it is beyond what is computed with.
    pub(super) fn is_beyond(&self, max: u64) -> bool {
        let (term, index) = match self {
            Letter::Canvass { term, last } | Letter::Stand { term, last, .. } | Letter::Held { term, last, .. } => (*term, last.index),
            Letter::Canvassed { term, known, .. } => (*term.max(known), 0),
            Letter::Vote { term, .. } | Letter::Hand { term } => (*term, 0),
            Letter::Entries { term, after, .. } => (*term, after.index),
            Letter::State { term, place, .. } | Letter::Got { term, place, .. } => (*term, place.index),
        };
        term >= max || index >= max
    }

    /// As the library says it, where it knows such a message.
    pub(super) fn as_message(&self, from: ServerId) -> Option<Message> {
        let from = NodeId::new(from.0);
        Some(match self {
            Letter::Stand { term, last, .. } => Message::RequestVoteCall { from, term: Term::new(*term), last_position: last.position() },
            Letter::Vote { term, granted } => Message::RequestVoteReply { from, term: Term::new(*term), vote_granted: *granted },
            Letter::Entries { term, commit, after, records, .. } => Message::AppendEntriesCall {
                from,
                term: Term::new(*term),
                commit_index: noraft::LogIndex::new(*commit),
                entries: LogEntries::from_iter(after.position(), records.iter().map(Record::entry)),
            },
            Letter::Held { term, last, .. } => Message::AppendEntriesReply { from, term: Term::new(*term), last_position: last.position() },
            _ => return None,
        })
    }
}
