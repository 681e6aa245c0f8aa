//! How a machine is, in numbers, for whoever watches it.
//!
//! Read by the driver when someone asks it to, and nothing changes by that. What only grows is counted on the way, as plain numbers; all else is looked up at the moment, in one pass over the groups at most.

use crate::ids::Epoch;
use crate::time::Time;

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Gauges {
    /// Nothing.
    #[default]
    Nothing,
    /// A super node, or a gateway.
    Node(Box<NodeGauges>),
    /// A directory server.
    Directory(Box<DirectoryGauges>),
}

/// How a super node is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeGauges {
    /// When that was, by its clock.
    pub now: Time,
    /// Whether it is, or will be, in the ring: not so for a gateway.
    pub is_for_ring: bool,
    /// Whether this start of it is in the ring.
    pub is_in_ring: bool,
    /// Told to stop.
    pub is_stopping: bool,
    /// Whether a directory server is in reach.
    pub is_directory_up: bool,
    /// How long it may acknowledge yet what nobody else has.
    pub lease_left_ms: u64,
    /// Of the newest view, if there is one.
    pub epoch: Option<Epoch>,
    /// Super nodes in it.
    pub nodes: u64,
    /// A change of the ring is announced.
    pub is_change_pending: bool,
    /// Nothing of groups can be written.
    pub has_disk_trouble: bool,
    /// Connections that are people's, or not known to be anyone else's yet.
    pub sessions: u64,
    /// Groups that people here are in.
    pub groups_heard: u64,
    /// Seats of people here who read a group's log, having been too slow for what is in memory.
    pub readers_behind: u64,
    /// Groups that it has.
    pub groups: Holdings,
    /// Nicks that it has, which are groups of their own.
    pub nicks: Holdings,
    /// Members of the groups that it serves.
    pub members: u64,
    /// Groups and nicks that are not where or what they should be.
    pub blocked: Blocked,
    /// Nicks whose master may be another node by now.
    pub doubtful_nicks: u64,
    /// Links to other nodes.
    pub links: LinkGauges,
    /// What it has done so far.
    pub counts: NodeCounts,
}

/// What a node has of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Those it serves, as their master.
    pub served: u64,
    /// Those of which it finds out what was before it can serve them.
    pub opening: u64,
    /// Copies of what another node serves.
    pub copies: u64,
}

/// Groups that are not where or what they should be, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// For those who had it to say what they have.
    pub opening: u64,
    /// For the directory to confirm that this node, which has the only copy, is in the ring.
    pub lease: u64,
    /// For the standby to have a complete copy.
    pub standby: u64,
    /// For the new master to take it over.
    pub handover: u64,
}

/// Links between nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkGauges {
    /// Dialled, and up.
    pub up: u64,
    /// Dialled, and not through yet.
    pub approaching: u64,
    /// Broken, to be dialled anew when there is something to send.
    pub down: u64,
    /// Dialled by others.
    pub inward: u64,
}

/// What a node has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Messages that got a place in a group that it serves.
    pub messages: u64,
    /// Groups and nicks taken over with all that was acknowledged.
    pub takeovers: u64,
    /// Groups and nicks that went on in another life, since not all who may have had more were there.
    pub forks: u64,
    /// Groups handed over to another master.
    pub handovers: u64,
    /// Copies elsewhere that were not the same, and were made anew.
    pub repairs: u64,
}

/// How a directory server is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DirectoryGauges {
    /// When that was, by its clock.
    pub now: Time,
    /// Whether it decides.
    pub leads: bool,
    /// Whether it knows who decides, and is in touch with them: with a majority, if it does itself.
    pub knows_leader: bool,
    /// Told to stop.
    pub is_stopping: bool,
    /// The newest term that it knows.
    pub term: u64,
    /// How far its log goes.
    pub log_last: u64,
    /// How far the log is agreed on, as far as it knows.
    pub log_agreed: u64,
    /// Directory servers that vote.
    pub voters: u64,
    /// Those of them that it has a link to, itself among them.
    pub voters_in_reach: u64,
    /// Of the view, once there is a network.
    pub epoch: Option<Epoch>,
    /// Super nodes in it.
    pub nodes: u64,
    /// Super nodes that want in, and are looked at or wait. Only where it leads.
    pub applicants: u64,
    /// Planned changes of the ring, the one under way among them. Only where it leads.
    pub plans: u64,
    /// Changes that are not agreed on yet. Only where it leads.
    pub undecided: u64,
    /// Accounts that are kept.
    pub accounts: u64,
    /// Groups whose settings are kept for an account.
    pub charters: u64,
    /// What both weigh, in bytes; their bound is [`LEDGER_BYTES_MAX`](crate::directory::LEDGER_BYTES_MAX).
    pub ledger_bytes: u64,
}
