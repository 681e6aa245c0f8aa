//! The contract between a machine and whoever drives it.
//!
//! One way in, one way out: a driver samples the time, hands in an [`Input`] and carries out the [`Effect`]s in order. All machines share this vocabulary, so that
//! one reactor and one simulator drive them all; a machine ignores the inputs that can't happen to it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::certificate::Certificate;
use crate::command::{Command, PluginAsk};
use crate::directory::LogWrite;
use crate::entry::{MemberRow, Person};
use crate::event::Event;
use crate::gauges::Gauges;
use crate::ids::{Conn, ListId, ListenerId, Ticket};
use crate::keeping::Keep;
use crate::names::{GroupName, Nick, NodeKey};
use crate::operators::{AuditLine, Operators};
use crate::peer::{GroupLine, GroupRecord, GroupReport};
use crate::time::Time;
use crate::wire::{Bad, Text};

/// A protocol as a function.
pub trait Machine {
    /// Runs to completion. Never fails, blocks, sleeps, or asks the time. `now` never runs back.
    fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>);

    /// When the machine next wants [`Input::Deadline`], whatever else happens. Late is fine, early is harmless.
    fn deadline(&self) -> Option<Time>;

    /// Panics when an invariant of ours is broken. Called after every `handle` in simulations and debug builds.
    fn check_invariants(&self) {}

    /// How it is, for whoever watches: asked for at most once a second, as it may look at every group once.
    fn gauges(&self, _now: Time) -> Gauges {
        Gauges::Nothing
    }
}

/// What may change in the configuration while a machine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who steers.
    pub operators: Operators,
    /// A super node's message of the day.
    pub motd: Vec<Text>,
}

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The driver is ready: dial, load, begin. Comes once, first.
    Start,
    /// Someone connected.
    Opened {
        /// The new connection.
        conn: Conn,
        /// By which listener.
        listener: ListenerId,
        /// From where.
        peer: IpAddr,
    },
    /// The other end of a connection, accepted or dialled, has shown a certificate that is good. Comes at most once, before anything is heard or told on it.
    Certified {
        /// Which.
        conn: Conn,
        /// What it says.
        certificate: Certificate,
    },
    /// A command came in on an accepted connection, or something that should have been one.
    Heard {
        /// From whom.
        conn: Conn,
        /// What.
        command: Result<Command, Bad>,
    },
    /// We were told something on a connection we dialled.
    Told {
        /// By whom.
        conn: Conn,
        /// What.
        event: Result<Event, Bad>,
    },
    /// The connection is gone. Nothing more will come from it, and effects that name it are void. Never follows our own `Close`.
    Lost {
        /// Which.
        conn: Conn,
    },
    /// What became of a `Dial`.
    Dialed {
        /// Which.
        ticket: Ticket,
        /// A connection, or why not.
        result: Result<Conn, DialError>,
    },
    /// What became of a `Sift`.
    Sifted {
        /// Of which.
        ticket: Ticket,
        /// What the filters say.
        judgment: Judgment,
    },
    /// What became of a `Plugin`.
    Plugged {
        /// Of which.
        ticket: Ticket,
        /// What there is to say, in the shape that the wish asks for; or why it can't be.
        result: Result<Vec<Text>, Text>,
    },
    /// A bot of a plugin says something.
    Bot {
        /// What it is called.
        nick: Nick,
        /// Where.
        group: GroupName,
        /// What.
        text: Text,
    },
    /// The configuration was read again: from now on this holds.
    Configured(Box<Settings>),
    /// What became of a `Judge`.
    Judged {
        /// Which.
        ticket: Ticket,
        /// In or not.
        verdict: Verdict,
    },
    /// A `Commit` is durable. In the order the commits were made.
    Committed {
        /// Which.
        ticket: Ticket,
    },
    /// A `Keep` is as durable as the node's policy says. In the order of the effects, for those that carry a ticket.
    Kept {
        /// Which.
        ticket: Ticket,
    },
    /// Nothing can be written, or not as fast as it comes: nothing is `Kept` from here on. Said once, until `DiskWell`.
    DiskTrouble {
        /// What the disk says.
        why: String,
    },
    /// Writing goes on, and what waited is being written. Of these groups something was dropped meanwhile: the tickets of their `Keep`s are void, and nothing of them is kept
    /// before an image.
    DiskWell {
        /// Which, ordered by name.
        torn: Vec<GroupName>,
    },
    /// What became of a `Query`.
    Answered {
        /// Which.
        ticket: Ticket,
        /// What is stored.
        answer: Answer,
    },
    /// A reader of a list was so slow that what it had not read is gone from memory. It is off the list: it hears what is before the first event that it missed, and nothing behind it.
    Fell {
        /// Who.
        conn: Conn,
        /// Of which list.
        list: ListId,
        /// The place of the first event it missed, see [`Event::place`].
        next: Option<u64>,
        /// How many events it missed, all that were told until now.
        lost: u64,
    },
    /// What became of an `Await`: the connection has taken what it alone was told, and there is room for more.
    Drained {
        /// Who.
        conn: Conn,
    },
    /// What became of a `Survey`.
    Surveyed {
        /// Which.
        ticket: Ticket,
        /// Who has something unread, in no order that means anything.
        lags: Vec<Lag>,
    },
    /// Someone at the console wants something of a client machine.
    Wish(Wish),
    /// Finish what you are doing and go: SIGTERM, or the end of a command.
    Stop,
    /// It is `deadline` or later.
    Deadline,
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell one connection.
    Tell {
        /// Whom.
        conn: Conn,
        /// What.
        event: Event,
    },
    /// Tell everyone on a list: encoded once per class of recipients.
    TellAll {
        /// Whom.
        list: ListId,
        /// What.
        event: Event,
        /// Who on the list does not hear this one.
        skip: Option<Conn>,
    },
    /// Put a connection on a list: it hears what is told from here on. It may be on it once.
    Enlist {
        /// Which list.
        list: ListId,
        /// Whom.
        conn: Conn,
    },
    /// Take a connection off a list: it still hears all that was told until here. Should it have fallen from the list, and [`Input::Fell`] be on its way, that does not come any more, and the connection is told this instead.
    Delist {
        /// Which list.
        list: ListId,
        /// Whom.
        conn: Conn,
        /// What it hears in place of what it did not take.
        missed: Option<Box<Event>>,
    },
    /// The list is not used any more; whoever is on it still hears all that was told until here. Its id may be used again.
    Disband {
        /// Which list.
        list: ListId,
    },
    /// Say when this connection has taken all that it alone was told, and takes more. Answered once by `Drained`.
    Await {
        /// Which.
        conn: Conn,
    },
    /// Say who has something unread. Answered by `Surveyed`.
    Survey {
        /// For the answer.
        ticket: Ticket,
    },
    /// Read nothing more from this connection until `Resume`: not even what was received already.
    Pause {
        /// Which.
        conn: Conn,
    },
    /// Read from it again.
    Resume {
        /// Which.
        conn: Conn,
    },
    /// This connection has proved to be a peer's: it may be sent, and may send, as much at a time as nodes have to say to each other.
    Trust {
        /// Which.
        conn: Conn,
    },
    /// Send what it still has to hear, as far as it takes it soon, then close. No `Lost` follows.
    Close {
        /// Which.
        conn: Conn,
    },
    /// Connect to `host:port`. Answered by `Dialed`, within a time the driver bounds.
    Dial {
        /// For the answer.
        ticket: Ticket,
        /// Where.
        address: Text,
    },
    /// Ask the filters, off the loop and in this order. Answered by `Sifted`.
    Sift {
        /// For the answer.
        ticket: Ticket,
        /// What someone wants to do.
        deed: Box<Deed>,
    },
    /// An operator wants something of the plugins. Answered by `Plugged`.
    Plugin {
        /// For the answer.
        ticket: Ticket,
        /// What.
        wish: PluginWish,
    },
    /// Nobody waits for this one any more: they were not quick enough.
    Unsift {
        /// Which.
        ticket: Ticket,
    },
    /// Ask the listener's authenticators, off the loop. Answered by `Judged`.
    Judge {
        /// For the answer.
        ticket: Ticket,
        /// Whose authenticators.
        listener: ListenerId,
        /// What is asked.
        ask: Ask,
    },
    /// Make this durable. Answered by `Committed`; a driver that can't, stops the process.
    Commit {
        /// For the answer.
        ticket: Ticket,
        /// What is new.
        write: Write,
    },
    /// Look something up in what is durable. Answered by `Answered`; sees all commits made before.
    Query {
        /// For the answer.
        ticket: Ticket,
        /// What is asked.
        query: Query,
    },
    /// Keep what is new of a group's copy, of which a node that starts again is given all that was kept. Never waited for by the driver.
    Keep {
        /// For `Kept`, where someone waits for that.
        ticket: Option<Ticket>,
        /// Which group.
        group: GroupName,
        /// What is new.
        what: Keep,
    },
    /// Tell whoever watches this machine: the log of a server, the screen of a client.
    Note(Note),
    /// All is done after `Stop`: the driver flushes, closes everything and ends.
    Stopped,
}

/// How far a connection is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Which.
    pub conn: Conn,
    /// Bytes that wait for it.
    pub bytes: u64,
    /// Events of lists among them.
    pub entries: u64,
    /// Since when it takes nothing at all, if it does not.
    pub stuck: Option<Time>,
}

/// Who wants in, and what they show for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The account claimed and its password; `None` for someone who shows nothing.
    pub account: Option<crate::command::Account>,
    /// What the directory servers keep of it.
    pub kept: Kept,
    /// From where.
    pub peer: IpAddr,
}

/// What an operator wants of the plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginWish {
    /// What is to be done.
    pub what: PluginAsk,
    /// With which plugin; of `Load` nothing.
    pub name: Text,
    /// From which file, on the node's machine; of others than `Load` and `Swap` nothing.
    pub file: Text,
}

/// What someone wants to do, as filters see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// What kind of thing.
    pub kind: DeedKind,
    /// In which group, or for whom: a nick.
    pub target: Text,
    /// The message, or the new topic. Of a join nothing.
    pub text: Text,
    /// Who wants it.
    pub person: Arc<Person>,
    /// By which listener they came in.
    pub listener: ListenerId,
}

/// The kinds of things that filters see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// Something is said.
    Message,
    /// Something is said by a program, which no program may answer.
    Notice,
    /// Someone wants into a group.
    Join,
    /// Someone sets a topic.
    Topic,
}

/// What filters decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgment {
    /// It is done as it is.
    Pass,
    /// It is done with this text.
    Rewrite(Text),
    /// It is not done, and why.
    Refuse(Text),
    /// Too much waits for them.
    Busy,
}

/// What directory servers keep of an account that is claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// They have no such account.
    #[default]
    Nothing,
    /// What its password is checked with.
    Secret(Text),
    /// None of them answers.
    Unknown,
}

/// What authenticators decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// In, as this account, or as a guest.
    Accept(Option<Text>),
    /// Out, and why.
    Deny(Text),
    /// No one had time to decide.
    Busy,
}

/// Why a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialError {
    /// Nobody listens there: the process is gone.
    Refused,
    /// No answer, no route, no such name, or nobody that can be trusted: nothing can be said of the process.
    Unreachable,
}

/// A question to the directory's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// What is remembered of this group?
    Record(GroupName),
    /// Groups whose name matches, at most so many, ordered by name.
    Groups {
        /// With `*` and `?`.
        pattern: Text,
        /// Bound of the answer.
        limit: u32,
    },
    /// How many groups has each master, and how many people are in them?
    Loads,
    /// Where are groups, ordered by name?
    Places {
        /// Only those that come after this one.
        after: Option<GroupName>,
        /// Bound of the answer.
        limit: u32,
    },
    /// In which groups is someone of this nick, at most so many, ordered by group?
    Whereabouts {
        /// Whom.
        nick: Nick,
        /// Bound of the answer.
        limit: u32,
    },
    /// How many people are there, and how many groups (`@` groups left out)?
    Counts,
    /// Groups that were last reported by this node, or by one that is not in the ring: at most so many, ordered by name.
    Orphans {
        /// A node that died, or started anew.
        master: NodeKey,
        /// Only those that come after this one.
        after: Option<GroupName>,
        /// Bound of the answer.
        limit: u32,
    },
}

/// What one super node is the master of, as far as it has reported that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLoad {
    /// Which node, in the ring or not.
    pub node: NodeKey,
    /// How many groups.
    pub groups: u64,
    /// How many are in them, all together; who is in two counts twice.
    pub members: u64,
}

/// Where a group is, as far as its master has reported that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlace {
    /// Which group.
    pub group: GroupName,
    /// Who reported it.
    pub master: NodeKey,
    /// How many are in it.
    pub members: u64,
    /// How many of them are connected to its master, and not to another node.
    pub near: u64,
    /// Its last place.
    pub seq: u64,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Record`.
    Record(Option<Box<GroupRecord>>),
    /// To `Groups`.
    Groups(Vec<GroupLine>),
    /// To `Loads`: ordered by key.
    Loads(Vec<NodeLoad>),
    /// To `Places`.
    Places(Vec<GroupPlace>),
    /// To `Counts`.
    Counts {
        /// Distinct sessions in groups.
        people: u64,
        /// Groups.
        groups: u64,
    },
    /// To `Orphans`.
    Names(Vec<GroupName>),
    /// To `Whereabouts`.
    Whereabouts(Vec<(GroupName, MemberRow)>),
}

/// What the person behind a client machine wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Say this in the group. The number comes back in [`Note::Sent`].
    Say {
        /// The caller's number for it, growing.
        number: u64,
        /// What.
        text: Text,
    },
    /// Send any other command of the table, as typed; its answer comes as [`Note::Answer`].
    Run(Vec<Text>),
}

/// What whoever watches a machine may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// Server: worth a line in the log, at this severity.
    Log {
        /// How serious.
        level: Level,
        /// What happened, as a sentence.
        text: String,
    },
    /// Server: an operator had something done, or wanted to.
    Audit(AuditLine),
    /// Any node or client: the ring is this now.
    View(crate::view::SharedView),
    /// Client: in the group, at this node.
    Joined {
        /// Where.
        node: NodeKey,
        /// How many are in it.
        members: u64,
    },
    /// Client: not in the group any more; trying again by itself.
    Away {
        /// Why.
        why: String,
    },
    /// Client: heard in the group, or a push.
    Heard(Event),
    /// Client: what was said has its place in the log.
    Sent {
        /// The caller's number.
        number: u64,
        /// The place.
        seq: u64,
    },
    /// Client: what was said is refused for good.
    Unsent {
        /// The caller's number.
        number: u64,
        /// Why.
        why: String,
    },
    /// Client: the answer to `Wish::Run`.
    Answer(Event),
    /// Client: a server gave a list that is not used.
    Unbelieved {
        /// Who.
        server: Text,
        /// Why not.
        error: crate::list::ListError,
    },
    /// Client: no use trying on.
    GaveUp {
        /// Why.
        why: String,
    },
    /// Client: keep this list, to start from it when nobody answers.
    Cache(crate::list::SignedList),
}

/// How serious a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// What a directory server keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Of the log that directory servers keep together, and of the state that it makes.
    Log(Box<LogWrite>),
    /// What a master reports of a group: every server keeps that by itself.
    Report {
        /// Who says so.
        master: NodeKey,
        /// What.
        report: Box<GroupReport>,
    },
}

/// Where what a directory server keeps becomes durable. A driver runs it on a thread of its own; the simulator has one in memory.
pub trait Store: Send {
    /// Makes all of these durable, in order, together or not at all. Returns after the disk has them.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
    /// Looks something up. Sees every commit that returned.
    fn query(&mut self, query: &Query) -> Result<Answer, StoreError>;
}

/// The store is broken: the process must stop rather than answer from what it can't keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);
