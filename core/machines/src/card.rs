//! What a directory server tells an operator of one group: the answer to GROUP.
//!
//! It is as of the group's last report, and says of which that is. A key is not in it: who may ask is anyone.

use crate::charter::Charter;
use crate::entry::{Ban, Modes, Rank, topic_parts};
use crate::ids::{Birth, Term};
use crate::names::{GroupName, Nick, NodeKey};
use crate::peer::GroupRecord;
use crate::time::Time;
use crate::wire::Text;
use crate::wire_struct;

wire_struct! {
    /// What is known of a group.
    pub struct GroupCard {
        /// Which.
        group: GroupName,
        /// Who reported it.
        master: NodeKey,
        /// In which term.
        term: Term,
        /// As of which place.
        seq: u64,
        /// Its life.
        birth: Birth,
        /// When it was opened.
        created: Time,
        /// How many are in it.
        members: u64,
        /// What it is about; empty when nobody said.
        topic: Text,
        /// Who set that; empty when nobody did.
        by: Text,
        /// When; 0 when nobody did.
        time: Time,
        /// What is set, bans and ranks left out. A key is `*`.
        modes: Modes,
        /// Whose copies counted, its master's included.
        copies: Vec<NodeKey>,
        /// Who has which rank, present or not.
        ranks: Vec<(Nick, Rank)>,
        /// Who is kept out.
        bans: Vec<Ban>,
        /// The accounts with a rank for which the directory servers keep it, as they agreed on; none: it is forgotten when everyone has left.
        kept_for: Vec<Nick>,
    }
}

impl GroupCard {
    /// Of what is remembered of a group, and what is agreed on.
    pub fn of(group: GroupName, record: GroupRecord, charter: Option<&Charter>) -> GroupCard {
        let modes = record.settings.modes(false);
        let (topic, by, time) = topic_parts(record.settings.topic);
        GroupCard {
            group,
            master: record.master,
            term: record.term,
            seq: record.seq,
            birth: record.birth,
            created: record.settings.created,
            members: record.members.len() as u64,
            topic,
            by,
            time,
            modes,
            copies: record.copies,
            ranks: record.settings.ranks,
            bans: record.settings.bans,
            kept_for: charter.map(|charter| charter.settings.ranks.iter().map(|(nick, _)| nick.clone()).collect()).unwrap_or_default(),
        }
    }
}
