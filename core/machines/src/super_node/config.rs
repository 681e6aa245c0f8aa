//! What a super node is told when it starts.

use crate::ids::Incarnation;
use crate::names::NodeKey;
use crate::operators::Operators;
use crate::secret::NetworkSecret;
use crate::wire::Text;

/// Who it is and whom it knows.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its ring key: the address it advertises. For a gateway that is never in the ring, [`NodeKey::gateway`].
    pub key: NodeKey,
    /// What its operator calls it.
    pub name: Text,
    /// The network it belongs to.
    pub network: Text,
    /// What its nodes have in common.
    pub secret: NetworkSecret,
    /// What the directory wants to be shown for a place in the ring, where it does.
    pub token: Option<Text>,
    /// Whether peers have to show a certificate: the driver then has TLS on the node's own port, and dials with it.
    pub certified: bool,
    /// Which start of it this is: drawn by the driver.
    pub incarnation: Incarnation,
    /// For jitter, ids and nonces: drawn by the driver from the system's random source.
    pub seed: u64,
    /// The directory servers, as `host:port`.
    pub directories: Vec<Text>,
    /// Whether it carries groups. A gateway or front tier does not.
    pub in_ring: bool,
    /// What people want to do goes past filters first.
    pub is_filtered: bool,
    /// The process it runs in, for INFO.
    pub process_id: u32,
    /// The message of the day.
    pub motd: Vec<Text>,
    /// Who may steer it.
    pub operators: Operators,
    /// What an acknowledgement waits for.
    pub durability: crate::keeping::Durability,
    /// Spans.
    pub timing: NodeTiming,
    /// Bounds.
    pub limits: NodeLimits,
}

/// Spans of time, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct NodeTiming {
    /// How long the directory waits for a heartbeat; three are sent in that time.
    pub lease_ms: u64,
    /// How often a node checks that it still owns its groups, and an edge that its attachments are right.
    pub check_ms: u64,
    /// How long a link to another node may be silent before it is asked whether someone is there. Silent for a lease, it is taken for broken.
    pub probe_ms: u64,
    /// How long an edge keeps a nick whose claim it can't renew. With two leases before that, one in which a master believes its copies and one in which a link is silent, it takes less than `lapse_ms`: a nick never belongs
    /// to two.
    pub rename_ms: u64,
    /// How long a member stays in a group after their edge was lost, before they are parted.
    pub lapse_ms: u64,
    /// How long a group that everyone has left is kept as it is: for whoever comes back, and for what is said again. Longer than `patience_ms`.
    pub empty_ms: u64,
    /// How long an edge tries to get a request through before it tells the session TRYAGAIN.
    pub patience_ms: u64,
    /// How long a group of whose copies those that count are missing waits for them, before it goes on without what only they have.
    pub takeover_ms: u64,
    /// How long filters may take to judge something; then it is done as it is.
    pub filter_ms: u64,
    /// How often changed groups are reported to the directory.
    pub report_ms: u64,
    /// How long a session of a protocol with pings may be silent before it is pinged; after twice that it is closed.
    pub idle_ms: u64,
    /// How long a session may read nothing at all while something waits for it, before it is closed.
    pub unread_ms: u64,
}

impl Default for NodeTiming {
    fn default() -> NodeTiming {
        NodeTiming {
            lease_ms: 3_000,
            check_ms: 10_000,
            probe_ms: 1_000,
            rename_ms: 3_000,
            lapse_ms: 10_000,
            empty_ms: 60_000,
            patience_ms: 8_000,
            takeover_ms: 30_000,
            filter_ms: 250,
            report_ms: 1_000,
            idle_ms: 120_000,
            unread_ms: 60_000,
        }
    }
}

/// Bounds, each with what happens at it.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// Groups one session may be in; past it a join is refused.
    pub groups_per_session: usize,
    /// Commands of one session that wait for a master; at it nothing more is read from the session.
    pub pending_per_session: usize,
    /// Members of a group; past it a join is refused.
    pub members_per_group: usize,
    /// Bans, and remembered ranks, of a group; past it a new one is refused.
    pub bans_per_group: usize,
    /// Entries a group's log keeps; the oldest go first.
    pub log_entries: usize,
    /// Bytes of text a group's log keeps; the oldest go first.
    pub log_bytes: usize,
    /// Native clients let into a group per second; past it they hear TRYAGAIN, each with a time of their own.
    pub joins_per_second: usize,
    /// Requests that wait for a group to open; past it they hear TRYAGAIN.
    pub opening_queue: usize,
}

impl Default for NodeLimits {
    fn default() -> NodeLimits {
        NodeLimits {
            groups_per_session: 128,
            pending_per_session: 1_024,
            members_per_group: 100_000,
            bans_per_group: 100,
            log_entries: 1_000,
            log_bytes: 256 * 1024,
            joins_per_second: 5_000,
            opening_queue: 1_024,
        }
    }
}
