//! Every number on the page: what it is called, of what type it is, what it means, and where it comes from. docs/metrics.md is made from this.

use super::page::Type;
use super::process::Process;
use chatring_host::FilterCounts;
use chatring_machines::directory::LEDGER_BYTES_MAX;
use chatring_machines::gauges::{Blocked, DirectoryGauges, Holdings, LinkGauges, NodeGauges};
use chatring_machines::ids::Epoch;
use chatring_reactor::{Counters, DiskCounters, Logins, Spans};

/// A family of samples, made of a `T`.
pub struct Metric<T> {
    pub name: &'static str,
    pub kind: Type,
    /// What it means, as a sentence without its full stop.
    pub help: &'static str,
    pub of: Of<T>,
}

/// How a `T` gives its samples.
pub enum Of<T> {
    /// One value.
    One(fn(&T) -> f64),
    /// One value, if there is one.
    Maybe(fn(&T) -> Option<f64>),
    /// A value for each value of a label.
    By(&'static str, fn(&T) -> Vec<(&'static str, f64)>),
    /// A histogram.
    Spans(fn(&T) -> &Spans),
}

const fn one<T>(kind: Type, name: &'static str, help: &'static str, of: fn(&T) -> f64) -> Metric<T> {
    Metric { name, kind, help, of: Of::One(of) }
}

const fn maybe<T>(kind: Type, name: &'static str, help: &'static str, of: fn(&T) -> Option<f64>) -> Metric<T> {
    Metric { name, kind, help, of: Of::Maybe(of) }
}

const fn by<T>(
    kind: Type,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    of: fn(&T) -> Vec<(&'static str, f64)>,
) -> Metric<T> {
    Metric { name, kind, help, of: Of::By(label, of) }
}

const fn spans<T>(name: &'static str, help: &'static str, of: fn(&T) -> &Spans) -> Metric<T> {
    Metric { name, kind: Type::Histogram, help, of: Of::Spans(of) }
}

use Type::{Counter, Gauge};

/// Of the process.
pub const PROCESS: &[Metric<Process>] = &[
    one(Gauge, "process_start_time_seconds", "When the process was started, in seconds since 1970", |process| process.started),
    one(Counter, "process_cpu_seconds_total", "Time that its threads took", |process| process.cpu),
    maybe(Gauge, "process_resident_memory_bytes", "Resident memory", |process| process.memory),
    maybe(Gauge, "process_open_fds", "Open files, connections among them", |process| process.files),
    maybe(Gauge, "process_max_fds", "How many files may be open", |process| process.files_max),
];

/// Of each role's loop.
pub const LOOP: &[Metric<Counters>] = &[
    spans("chatring_turn_seconds", "Turns of the loop, by how long each took: nothing else happens meanwhile", |loops| &loops.turns),
    one(Gauge, "chatring_connections", "Connections that are there, of people and of nodes", |loops| loops.open as f64),
    one(Counter, "chatring_connections_accepted_total", "Connections that were accepted", |loops| loops.accepted as f64),
    one(
        Counter,
        "chatring_connections_refused_total",
        "Connections that were closed at once: their port had as many as it may, or as many TLS handshakes",
        |loops| loops.refused as f64,
    ),
    one(
        Counter,
        "chatring_connections_broken_total",
        "Connections that were closed since what came over them could not be understood",
        |loops| loops.broken as f64,
    ),
    one(Counter, "chatring_accept_rests_total", "Times that accepting rested for 100 ms since the process was out of files", |loops| {
        loops.exhausted as f64
    }),
    one(Counter, "chatring_read_bytes_total", "Bytes that were read from connections", |loops| loops.bytes_in as f64),
    one(Counter, "chatring_written_bytes_total", "Bytes that were written to connections", |loops| loops.bytes_out as f64),
    one(Counter, "chatring_reads_total", "Reads from connections", |loops| loops.reads as f64),
    one(Counter, "chatring_writes_total", "Writes to connections: a write may carry many deliveries", |loops| loops.writes as f64),
    one(Counter, "chatring_commands_total", "Commands that were heard, of people and of nodes, and what nodes were answered", |loops| {
        loops.heard as f64
    }),
    one(Counter, "chatring_replies_total", "What was told to one connection alone", |loops| loops.told as f64),
    one(Counter, "chatring_deliveries_total", "What was told to groups, times those who hear it", |loops| loops.deliveries as f64),
    one(
        Counter,
        "chatring_deliveries_missed_total",
        "Deliveries that slow readers had not taken before they were gone from memory: they read them in the group's log",
        |loops| loops.fell as f64,
    ),
    one(Gauge, "chatring_slow_readers", "Connections that take nothing at the moment, though something waits for them", |loops| {
        loops.stuck as f64
    }),
    one(Gauge, "chatring_block_bytes", "Memory of group traffic that someone has not read yet, shared by all who hear it", |loops| {
        loops.block_bytes as f64
    }),
    one(Gauge, "chatring_reply_bytes", "Memory of what waits for one connection alone", |loops| loops.private_bytes as f64),
    one(
        Counter,
        "chatring_reply_limit_held_total",
        "Times that nothing more was read from a connection until it had taken half of what waited for it",
        |loops| loops.held as f64,
    ),
    one(Counter, "chatring_reply_limit_cut_total", "Connections that were cut since too much waited for them", |loops| {
        loops.overflowed as f64
    }),
    one(Counter, "chatring_encode_faults_total", "What a transport failed to encode", |loops| loops.encode_faults as f64),
    by(Counter, "chatring_tls_handshakes_total", "TLS handshakes, of those who came and of those that were dialled", "result", |loops| {
        vec![("done", loops.handshakes as f64), ("failed", loops.handshakes_failed as f64)]
    }),
    by(
        Counter,
        "chatring_logins_total",
        "People who asked to be let in, by what the authenticators said: busy is that none had the time",
        "verdict",
        |loops| {
            let Logins { accepted, denied, busy } = loops.logins;
            vec![("accepted", accepted as f64), ("denied", denied as f64), ("busy", busy as f64)]
        },
    ),
];

/// Of each role that has a file.
pub const DISK: &[Metric<DiskCounters>] = &[
    spans("chatring_disk_write_seconds", "Transactions of the role's file, by how long each took", |disk| &disk.writes),
    one(Counter, "chatring_disk_write_failures_total", "Transactions that failed, and were tried again", |disk| disk.failures as f64),
    maybe(Gauge, "chatring_directory_groups", "Groups that the directory remembers, as of a minute ago at most", |disk| {
        disk.remembered.map(|remembered| remembered.groups as f64)
    }),
    maybe(Gauge, "chatring_directory_people", "People in these groups, each once, as of a minute ago at most", |disk| {
        disk.remembered.map(|remembered| remembered.people as f64)
    }),
];

/// Of each super node and gateway.
pub const NODE: &[Metric<NodeGauges>] = &[
    maybe(Gauge, "chatring_node_in_ring", "1: this start of the node is in the ring. A gateway never is, and does not say so", |node| {
        node.is_for_ring.then_some(truth(node.is_in_ring))
    }),
    maybe(
        Gauge,
        "chatring_node_lease_left_seconds",
        "How long the node may acknowledge yet what nobody else has: 0 where the directory has not confirmed it for a lease",
        |node| node.is_for_ring.then_some(node.lease_left_ms as f64 / 1e3),
    ),
    one(Gauge, "chatring_node_directory_up", "1: a directory server is in reach", |node| truth(node.is_directory_up)),
    one(Gauge, "chatring_node_change_pending", "1: a change of the ring is announced, and groups are copied for it", |node| {
        truth(node.is_change_pending)
    }),
    one(Gauge, "chatring_node_sessions", "People who are connected, and connections of which it is not known yet whose they are", |node| {
        node.sessions as f64
    }),
    one(Gauge, "chatring_node_groups_heard", "Groups that people here are in", |node| node.groups_heard as f64),
    one(
        Gauge,
        "chatring_node_readers_behind",
        "Seats of people who read a group's log, having been too slow for what is in memory",
        |node| node.readers_behind as f64,
    ),
    by(
        Gauge,
        "chatring_node_groups",
        "Groups that the node has: as their master, as one that finds out what was before, or as a copy",
        "holding",
        |node| holdings(node.groups),
    ),
    by(
        Gauge,
        "chatring_node_nicks",
        "Nicks that the node has: as their master, as one that finds out what was before, or as a copy",
        "holding",
        |node| holdings(node.nicks),
    ),
    one(Gauge, "chatring_node_members", "Members of the groups that the node is the master of", |node| node.members as f64),
    by(
        Gauge,
        "chatring_node_blocked",
        "Groups and nicks that are not where or what they should be, by what they wait for: `chatctl check` says which",
        "waits_for",
        |node| {
            let Blocked { opening, lease, standby, handover } = node.blocked;
            [("former_holders", opening), ("lease", lease), ("standby", standby), ("new_master", handover)].map(number).into()
        },
    ),
    one(Gauge, "chatring_node_doubtful_nicks", "Nicks that are not served, since another node may be their master by now", |node| {
        node.doubtful_nicks as f64
    }),
    by(
        Gauge,
        "chatring_node_links",
        "Links to other nodes: dialled and up, on their way, broken, and those that others dialled",
        "state",
        |node| {
            let LinkGauges { up, approaching, down, inward } = node.links;
            [("up", up), ("approaching", approaching), ("down", down), ("inward", inward)].map(number).into()
        },
    ),
    one(Counter, "chatring_node_messages_total", "Messages that were accepted, as the master of their group", |node| {
        node.counts.messages as f64
    }),
    one(
        Counter,
        "chatring_node_takeovers_total",
        "Groups and nicks that the node became the master of, with all that was acknowledged",
        |node| node.counts.takeovers as f64,
    ),
    one(Counter, "chatring_node_forks_total", "Groups and nicks that went on without all who may have had more of them", |node| {
        node.counts.forks as f64
    }),
    one(Counter, "chatring_node_handovers_total", "Groups and nicks that were handed over to another master", |node| {
        node.counts.handovers as f64
    }),
    one(Counter, "chatring_node_copies_repaired_total", "Copies elsewhere that were not the same, and were made anew", |node| {
        node.counts.repairs as f64
    }),
    one(Gauge, "chatring_node_disk_trouble", "1: the group logs can't be written", |node| truth(node.has_disk_trouble)),
];

/// Of each directory server.
pub const DIRECTORY: &[Metric<DirectoryGauges>] = &[
    one(Gauge, "chatring_directory_leads", "1: this directory server decides", |directory| truth(directory.leads)),
    one(
        Gauge,
        "chatring_directory_leader_known",
        "1: it is in touch with the directory server that decides, or with a majority if it does itself",
        |directory| truth(directory.knows_leader),
    ),
    one(Gauge, "chatring_directory_term", "The newest term that it knows: grows with each election", |directory| directory.term as f64),
    one(Gauge, "chatring_directory_log_last", "The place of the last record in its log", |directory| directory.log_last as f64),
    one(Gauge, "chatring_directory_log_agreed", "Up to which place the log is agreed on, as far as it knows", |directory| {
        directory.log_agreed as f64
    }),
    one(Gauge, "chatring_directory_voters", "Directory servers that vote", |directory| directory.voters as f64),
    one(Gauge, "chatring_directory_voters_in_reach", "Those of them that it has a link to, itself among them", |directory| {
        directory.voters_in_reach as f64
    }),
    one(
        Gauge,
        "chatring_directory_applicants",
        "Super nodes that want into the ring, and are looked at or wait; only the one that decides has any",
        |directory| directory.applicants as f64,
    ),
    one(
        Gauge,
        "chatring_directory_plans",
        "Planned changes of the ring, the one under way among them; only the one that decides has any",
        |directory| directory.plans as f64,
    ),
    one(Gauge, "chatring_directory_undecided", "Changes that are not agreed on yet; only the one that decides has any", |directory| {
        directory.undecided as f64
    }),
    one(Gauge, "chatring_directory_accounts", "Accounts that are kept", |directory| directory.accounts as f64),
    one(Gauge, "chatring_directory_charters", "Groups whose settings are kept for an account", |directory| directory.charters as f64),
    one(Gauge, "chatring_directory_ledger_bytes", "What accounts and charters weigh", |directory| directory.ledger_bytes as f64),
    one(Gauge, "chatring_directory_ledger_max_bytes", "What they may weigh: past it nothing is added", |_| LEDGER_BYTES_MAX as f64),
];

/// Of the view of the ring that a role has.
pub struct RingSeen {
    pub epoch: Option<Epoch>,
    pub nodes: u64,
    pub clock_ms: u64,
}

/// Of each role.
pub const RING: &[Metric<RingSeen>] = &[
    maybe(
        Gauge,
        "chatring_view_generation",
        "The first part of the epoch of the ring that it knows: grows when the directory is restored or recovered",
        |ring| ring.epoch.map(|epoch| f64::from(epoch.generation)),
    ),
    maybe(Gauge, "chatring_view_number", "The second part of that epoch: grows with each change of the ring", |ring| {
        ring.epoch.map(|epoch| epoch.number as f64)
    }),
    maybe(Gauge, "chatring_view_nodes", "Super nodes in that ring", |ring| ring.epoch.map(|_| ring.nodes as f64)),
    one(
        Gauge,
        "chatring_clock_seconds",
        "What it takes the time to be, in seconds since 1970: the system's as of the start, and what went by since",
        |ring| ring.clock_ms as f64 / 1e3,
    ),
];

/// Of each filter.
pub const FILTER: &[Metric<FilterCounts>] = &[
    one(Counter, "chatring_filter_judged_total", "What the filter was asked about", |filter| filter.judged as f64),
    one(Counter, "chatring_filter_refused_total", "How much of it the filter refused", |filter| filter.refused as f64),
    one(Counter, "chatring_filter_rewritten_total", "How much of it the filter changed", |filter| filter.rewritten as f64),
    one(Counter, "chatring_filter_faults_total", "How often the filter broke the contract", |filter| filter.faults as f64),
    one(Counter, "chatring_filter_overruns_total", "How often the filter was not waited for any longer", |filter| filter.overruns as f64),
];

/// A metric that is made where the page is.
pub struct Single {
    pub name: &'static str,
    pub help: &'static str,
}

pub const BUILD: Single = Single { name: "chatring_build_info", help: "Always 1: the version is in its label" };
pub const LOOP_UP: Single = Single {
    name: "chatring_loop_up",
    help: "1: the role's loop turns, and answered within 2 s; else all that is said of it is what it said last",
};
pub const READY: Single = Single { name: "chatring_ready", help: "1: the role does what it is there for: /readyz says what is missing" };
pub const CERTIFICATE: Single = Single {
    name: "chatring_certificate_expiry_timestamp_seconds",
    help: "Until when the certificates of this file that are in use are good, in seconds since 1970",
};
pub const PLUGIN: Single = Single { name: "chatring_plugin_info", help: "Always 1: a plugin that is linked in or loaded" };
pub const DISABLED: Single =
    Single { name: "chatring_plugin_disabled", help: "1: the plugin is disabled, by an operator or since it took too long too often" };

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn number((what, count): (&'static str, u64)) -> (&'static str, f64) {
    (what, count as f64)
}

fn holdings(Holdings { served, opening, copies }: Holdings) -> Vec<(&'static str, f64)> {
    [("master", served), ("opening", opening), ("copy", copies)].map(number).into()
}
