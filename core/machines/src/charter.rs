//! What outlives groups and stays: of groups that accounts have a rank in, and of accounts themselves.
//!
//! Directory servers agree on both, in the log that they keep together (`directory/ledger.rs`): so they survive whatever becomes of super nodes, and of all directory servers but a majority.

use crate::entry::Settings;
use crate::ids::{Birth, Term};
use crate::names::{GroupName, Nick};
use crate::time::Time;
use crate::wire::Text;
use crate::wire_struct;

wire_struct! {
    /// The settings of a group with ranks that outlast a stay: modes, bans, topic, and who may steer it. Without such ranks there is nothing to keep, and what was kept is void.
    pub struct Charter {
        /// Which.
        group: GroupName,
        /// Its life.
        birth: Birth,
        /// In which term they were so.
        term: Term,
        /// As of this place in the group's log.
        seq: u64,
        /// Those that outlast a stay, ranks of guests left out.
        settings: Settings,
    }
}

impl Charter {
    /// Whether nobody has a rank in the group that outlasts their stay.
    pub fn is_void(&self) -> bool {
        self.settings.ranks.is_empty()
    }

    /// Whether it is of a later moment than the other one.
    pub fn is_later_than(&self, other: &Charter) -> bool {
        (self.term, self.seq) > (other.term, other.seq)
    }

    /// What it takes to hold or to send, roughly, in bytes.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 320;
        const ROW: usize = 64;
        let Settings { topic, key, bans, ranks, .. } = &self.settings;
        let topic = topic.as_ref().map_or(0, |topic| topic.text.len() + ROW);
        let bans: usize = bans.iter().map(|ban| ban.mask.len() + ROW).sum();
        FIXED + topic + key.as_ref().map_or(0, |key| key.len()) + bans + ranks.len() * ROW
    }
}

wire_struct! {
    /// An account: whoever shows that they know its password may use its nick, and keeps their rank in groups.
    #[derive(Eq)]
    pub struct Account {
        /// What it is called. Compared like nicks.
        name: Nick,
        /// What its password is checked with: the password's hash, with its parameters, as authenticators write it (for the bundled one the PHC form of Argon2, RFC 9106).
        secret: Text,
        /// When it was made.
        created: Time,
        /// When its password was set last.
        changed: Time,
    }
}

/// The longest [`Account::secret`], in bytes.
pub const SECRET_BYTES_MAX: usize = 512;

impl Account {
    /// What it takes to hold or to send, roughly, in bytes.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 160;
        FIXED + self.secret.len()
    }
}
