//! What nodes say to each other: edges to masters, masters to masters, and everyone to the directory.
//!
//! A dialler sends [`PeerCommand`]s; the node that accepted answers with [`LinkEvent`]s, as pushes. Edge and master exchange the same typed values
//! when they are in one process. Peer commands are refused until the connection has proved to know the network's secret.

use std::sync::Arc;

use crate::entry::{Ban, Content, Entry, MemberRow, Modes, Person, Rank, SayKind, Settings, Topic};
use crate::event::Code;
use crate::ids::{Birth, Epoch, Incarnation, SessionId, Term, Ticket};
use crate::names::{GroupName, Nick, NodeKey};
use crate::time::Time;
use crate::view::{NodeInfo, SharedView};
use crate::wire::Text;
use crate::{wire_enum, wire_struct};

/// The version of what is in this file. Peers of another are refused.
pub const PEER_VERSION: u64 = 1;

/// Rows in one command at most: what follows goes into another. Keeps a command below what a codec accepts.
pub const ROWS_MAX: usize = 48;

wire_struct! {
    /// The last entry someone has: where to go on from.
    #[derive(Copy, Eq)]
    pub struct Mark {
        /// Of the group they knew.
        birth: Birth,
        /// Its place.
        seq: u64,
    }
}

wire_enum! {
    /// What an edge wants a group's master to do for a session.
    pub enum Op {
        /// Join. Missed entries since the mark are in the answer.
        "join" Join { key: Option<Text>, mark: Option<Mark>, names: bool },
        /// Leave.
        "part" Part { reason: Text },
        /// Say something. Retried with the same counter until answered.
        "say" Say { kind: SayKind, text: Text, counter: u64 },
        /// Set the topic.
        "topic" SetTopic { text: Text },
        /// Show the topic.
        "topic?" ShowTopic {},
        /// Change modes.
        "mode" SetModes { changes: Modes },
        /// Show modes.
        "mode?" ShowModes {},
        /// Show bans.
        "bans?" ShowBans {},
        /// Remove someone.
        "kick" Kick { nick: Nick, reason: Text },
        /// Invite someone.
        "invite" Invite { nick: Nick },
        /// List members.
        "names?" Names {},
        /// The person is called something else (in groups they are in).
        "nick" Renick { person: Arc<Person> },
        /// Away, or back when empty (in one's own `@` group).
        "away" Away { text: Text },
        /// Invite the person whose `@` group this is to a group.
        "call" Call { group: GroupName },
    }
}

wire_struct! {
    /// A member as `NAMES`, `WHO` and `WHOIS` show them.
    pub struct NameRow {
        /// What they may do.
        rank: Rank,
        /// Who.
        person: Arc<Person>,
        /// Their edge.
        node: NodeKey,
        /// Since when.
        since: Time,
        /// Why they are away; empty when they are here.
        away: Text,
    }
}

wire_enum! {
    /// What a master answers.
    pub enum Outcome {
        /// Done; what changed is heard as an entry.
        "done" Done {},
        /// Not done.
        "refused" Refused { code: Code, text: Text },
        /// A member from here on: entries after `seq` follow on the stream. `missed` lie between the mark and `seq`; `lost` says that
        /// some of them are no longer known; `coming` that the join itself is the first of the stream.
        "joined" Joined { coming: bool, birth: Birth, seq: u64, members: u64, topic: Option<Topic>, missed: Vec<Arc<Entry>>, lost: bool, names: Vec<NameRow> },
        /// In the log, and heard by so many.
        "said" Said { seq: u64, heard: u64, away: Text },
        /// The topic.
        "topic" Topic { topic: Option<Topic> },
        /// The modes (ranks and bans left out).
        "modes" Modes { settings: Arc<Settings>, member: bool },
        /// The bans.
        "bans" Bans { bans: Vec<Ban> },
        /// The members.
        "names" Names { names: Vec<NameRow> },
        /// Another node is responsible, as of this epoch.
        "not-mine" NotMine { epoch: Epoch },
        /// Ask again, no sooner than this.
        "try-again" TryAgain { ms: u64 },
    }
}

wire_struct! {
    /// What the directory remembers of a group, for a master that finds no copy of it.
    pub struct GroupRecord {
        /// Who reported it.
        master: NodeKey,
        /// Its life.
        birth: Birth,
        /// In which term it was reported.
        term: Term,
        /// The last place given out.
        seq: u64,
        /// Its settings.
        settings: Settings,
        /// Who was in it.
        members: Vec<MemberRow>,
    }
}

wire_struct! {
    /// What a master reports of a group that changed. A later one (by term, then seq) wins; one that arrives late is ignored.
    pub struct GroupReport {
        /// Which.
        group: GroupName,
        /// Its life.
        birth: Birth,
        /// In which term.
        term: Term,
        /// As of this place.
        seq: u64,
        /// Everyone has left and nothing is worth keeping: forget it.
        closed: bool,
        /// `joined` are all members, not only the new ones.
        full: bool,
        /// Its settings.
        settings: Settings,
        /// Who came.
        joined: Vec<MemberRow>,
        /// Who went.
        left: Vec<SessionId>,
    }
}

wire_enum! {
    /// What a node that dialled tells the node it dialled.
    pub enum PeerCommand {
        /// Says who is calling and asks for a proof; answered by `challenge`.
        [Anyone Both "0.1"]
        "PEER" Peer { version: u64, network: Text, key: NodeKey, incarnation: Incarnation, nonce: Text },
        /// Proves to know the network's secret; answered by `proven`.
        [Anyone Both "0.1"]
        "PROVE" Prove { proof: Text },

        /// Asks the directory for a place in the ring; answered by `registered` once it is durable, and by views from then on.
        "REGISTER" Register { ticket: Ticket, name: Text },
        /// Asks for views from then on, without a place in the ring.
        "WATCH" Watch {},
        /// The node lives. Answered by `beat`.
        "HEARTBEAT" Heartbeat { sent: Time },
        /// The node goes for good; answered by `left` once it is durable.
        "LEAVE" Leave { ticket: Ticket },
        /// A connection to this node broke: have a look.
        "SUSPECT" Suspect { key: NodeKey },
        /// What changed in groups; answered by `stored` once it is durable.
        "REPORT" Report { ticket: Ticket, reports: Vec<GroupReport> },
        /// What does the directory remember of a group? Answered by `record`.
        "RECORD" Record { ticket: Ticket, group: GroupName },
        /// Which groups are there? Answered by `groups`.
        "GROUPLIST" GroupList { ticket: Ticket, pattern: Text },
        /// How many people and groups are there? Answered by `counts`.
        "COUNT" Count { ticket: Ticket },
        /// Which groups are there whose master is gone: last reported by this node before it died or started anew, or by one that is not in the ring?
        /// In order, from after a name on. Answered by `orphans`.
        "ORPHANS" Orphans { ticket: Ticket, master: NodeKey, after: Option<GroupName> },

        /// An edge asks a master. Answered by `answer`.
        "REQUEST" Request { ticket: Ticket, epoch: Epoch, group: GroupName, session: SessionId, person: Arc<Person>, op: Op },
        /// An edge shows all sessions it has in a group: a full replacement of what the master had from it.
        /// Large ones come in parts of one round; the last says so. Answered by `attached`.
        "ATTACH" Attach { epoch: Epoch, group: GroupName, round: u64, mark: Option<Mark>, last: bool, sessions: Vec<(SessionId, Arc<Person>)> },

        /// A new master asks the old one for a group. Answered by a handover from there, or by `not-held`.
        "PULL" Pull { epoch: Epoch, group: GroupName },
        /// An old master hands over a group: first its settings …
        "HANDOVER" Handover { epoch: Epoch, group: GroupName, birth: Birth, term: Term, seq: u64, settings: Settings },
        /// … then its members and each session's highest counter …
        "HANDMEMBERS" HandMembers { group: GroupName, members: Vec<(MemberRow, u64)> },
        /// … then its log …
        "HANDENTRIES" HandEntries { group: GroupName, entries: Vec<Arc<Entry>> },
        /// … and that was all. Answered by `adopted`.
        "HANDEND" HandEnd { group: GroupName, birth: Birth },
    }
}

wire_enum! {
    /// What the node that accepted tells the one that dialled.
    pub enum LinkEvent {
        /// Who was reached, and what proves it; asks for the same.
        "challenge" Challenge { key: NodeKey, incarnation: Incarnation, nonce: Text, proof: Text },
        /// Peer commands are welcome now.
        "proven" Proven {},

        /// A new view. Also sent to whoever watches, as it changes.
        "view" View { view: SharedView },
        /// The node has its place in the ring.
        "registered" Registered { ticket: Ticket, epoch: Epoch },
        /// The heartbeat sent at that time was heard.
        "beat" Beat { sent: Time, epoch: Epoch },
        /// The node is out of the ring.
        "left" Left { ticket: Ticket },
        /// The report is durable.
        "stored" Stored { ticket: Ticket },
        /// What is remembered of the group.
        "record" Record { ticket: Ticket, record: Option<Box<GroupRecord>> },
        /// The groups of the network that matched: name, members, topic.
        "groups" Groups { ticket: Ticket, groups: Vec<GroupLine> },
        /// How many there are in the network.
        "counts" Counts { ticket: Ticket, people: u64, groups: u64 },
        /// The next groups whose master is gone; none when there are no more.
        "orphans" Orphans { ticket: Ticket, groups: Vec<GroupName> },

        /// To an edge: the answer to a request.
        "answer" Answer { ticket: Ticket, group: GroupName, outcome: Outcome },
        /// To an edge: its sessions are members; entries after `seq` follow on the stream. `lost`: some between its mark and the `missed` are gone.
        "attached" Attached { group: GroupName, round: u64, birth: Birth, seq: u64, missed: Vec<Arc<Entry>>, lost: bool },
        /// To an edge: this session can't be a member (its nick belongs to someone else by now, say).
        "unseated" Unseated { group: GroupName, session: SessionId, code: Code, text: Text },
        /// To an edge: this node isn't the master, as of this epoch.
        "elsewhere" Elsewhere { group: GroupName, epoch: Epoch },
        /// To a puller: no such group here.
        "not-held" NotHeld { group: GroupName },
        /// To the old master: the group lives here now.
        "adopted" Adopted { group: GroupName },
        /// To a peer: this command was not accepted.
        "refused" Refused { code: Code, text: Text },
    }
}

wire_struct! {
    /// A group in a list.
    pub struct GroupLine {
        /// Which.
        group: GroupName,
        /// How many are in it.
        members: u64,
        /// Who is its master.
        master: NodeKey,
        /// What it is about.
        topic: Text,
    }
}

wire_enum! {
    /// A change of the directory's durable state. Applied in one order everywhere: the state is a pure function of the changes.
    pub enum Change {
        /// The network begins (or goes on after a recovery, in a higher generation).
        "found" Found { network: Text, params: crate::view::RingParams, generation: u32 },
        /// The directory servers are these.
        "directories" Directories { addresses: Vec<Text> },
        /// A super node is in the ring; another start of the same key replaces it.
        "admit" Admit { node: NodeInfo },
        /// A super node is out of the ring: it died, or went.
        "remove" Remove { key: NodeKey, incarnation: Incarnation, why: Text },
        /// What a master reported. Does not change the ring.
        "report" Report { master: NodeKey, report: Box<GroupReport> },
    }
}

/// For readers of [`Content`]: whether people may see it.
pub fn is_shown(content: &Content) -> bool {
    !matches!(content, Content::Return { .. } | Content::Away { .. } | Content::Call { .. })
}
