//! What a server tells the people and nodes connected to it.
//!
//! Four families, told apart by their word: entries of groups, pushes to one session, replies to commands, and what nodes tell each other.
//! docs/records.md describes the argv of each for those who write transports.

use std::sync::Arc;

use crate::entry::Entry;
use crate::ids::{Birth, Epoch, ServerId, Term};
use crate::names::{GroupName, Nick};
use crate::peer::LinkEvent;
use crate::time::Time;
use crate::wire::{Argv, Bad, Field, Given, Reader, Rest, Text};
use crate::{wire_enum, wire_words};

/// What shape an event has on a wire that knows shapes. The numbers are the plugin ABI's kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // docs/records.md has the table
pub enum Shape {
    Command = 0,
    Status = 1,
    Error = 2,
    Integer = 3,
    Text = 4,
    Array = 5,
    Map = 6,
    Named = 7,
    Push = 8,
    Null = 9,
    Rows = 10,
}

/// Anything a connection can be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An entry of a group.
    Entry(GroupName, Arc<Entry>),
    /// Something for this session that answers nothing.
    Push(Push),
    /// The answer to a command.
    Reply(Reply),
    /// From node to node.
    Link(LinkEvent),
    /// A command, on a connection we dialled.
    Command(crate::command::Command),
}

impl Event {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        match self {
            Event::Entry(..) | Event::Push(_) | Event::Link(_) => Shape::Push,
            Event::Reply(reply) => reply.shape(),
            Event::Command(_) => Shape::Command,
        }
    }

    /// Its place in a group's log, if it has one.
    pub fn place(&self) -> Option<u64> {
        if let Event::Entry(_, entry) = self { Some(entry.seq) } else { None }
    }

    /// Appends its record.
    pub fn put(&self, out: &mut Argv) {
        match self {
            Event::Entry(group, entry) => entry.put_in(group.as_str(), out),
            Event::Push(push) => push.put(out),
            // Every Redis client waits for this word.
            Event::Reply(Reply::Pong { text: Given(None) }) => ["pong", "PONG"].iter().for_each(|word| out.push(word.as_bytes())),
            Event::Reply(reply) => reply.put(out),
            Event::Link(link) => link.put(out),
            Event::Command(command) => command.put(out),
        }
    }

    /// Reads the record of something we were told on a connection we dialled.
    pub fn parse(args: &[&[u8]]) -> Result<Event, Bad> {
        let mut reader = Reader::new(args);
        // A map has no word of its own on the wire, and only HELLO is answered by one.
        let word = match reader.bytes()? {
            b"map" => b"hello",
            word => word,
        };
        let event = if let Some(link) = LinkEvent::take_args(word, &mut reader) {
            Event::Link(link?)
        } else if let Some(push) = Push::take_args(word, &mut reader) {
            Event::Push(push?)
        } else if let Some(reply) = Reply::take_args(word, &mut reader) {
            Event::Reply(reply?)
        } else {
            let group = GroupName::take(&mut reader).map_err(|bad| bad.of("group"))?;
            let entry = Entry::take_tail(word, &mut reader);
            let entry = entry.ok_or_else(|| Bad::Unknown(String::from_utf8_lossy(&word[..word.len().min(32)]).into_owned()))?;
            Event::Entry(group, Arc::new(entry?))
        };
        reader.finish()?;
        Ok(event)
    }

    /// A refusal.
    pub fn error(code: Code, text: impl Into<Text>) -> Event {
        Event::Reply(Reply::Error { code, text: text.into(), subject: Rest(Vec::new()) })
    }

    /// A refusal that concerns a nick, a group, or a nick in a group.
    pub fn error_about(code: Code, text: impl Into<Text>, subject: impl IntoIterator<Item = Text>) -> Event {
        Event::Reply(Reply::Error { code, text: text.into(), subject: Rest(subject.into_iter().collect()) })
    }

    /// Done, and nothing more to say.
    pub fn ok() -> Event {
        Event::Reply(Reply::Ok { text: "OK".into() })
    }
}

impl From<Push> for Event {
    fn from(push: Push) -> Event {
        Event::Push(push)
    }
}
impl From<Reply> for Event {
    fn from(reply: Reply) -> Event {
        Event::Reply(reply)
    }
}
impl From<LinkEvent> for Event {
    fn from(link: LinkEvent) -> Event {
        Event::Link(link)
    }
}

wire_words! {
    /// Why something was refused: the first word of a RESP error.
    pub enum Code {
        /// Malformed or not possible here.
        "ERR" Err,
        /// The arguments are wrong.
        "SYNTAX" Syntax,
        /// No such command.
        "UNKNOWN" Unknown,
        /// Log in first.
        "NOAUTH" NoAuth,
        /// The account or its password is wrong.
        "WRONGPASS" WrongPass,
        /// Not for you.
        "NOPERM" NoPerm,
        /// This protocol version is not spoken.
        "NOPROTO" NoProto,
        /// Take a nick first.
        "NONICK" NoNick,
        /// Another node is responsible: epoch and address follow.
        "MOVED" Moved,
        /// Not now; the text says in how many milliseconds.
        "TRYAGAIN" TryAgain,
        /// Too much is waiting already.
        "BUSY" Busy,
        /// Nobody of that name.
        "NOSUCHNICK" NoSuchNick,
        /// No group of that name.
        "NOSUCHGROUP" NoSuchGroup,
        /// You are not in that group.
        "NOTMEMBER" NotMember,
        /// They are not in that group.
        "NOTINGROUP" NotInGroup,
        /// They are in that group already.
        "ALREADYIN" AlreadyIn,
        /// That nick belongs to someone else.
        "NICKINUSE" NickInUse,
        /// That is not a nick.
        "BADNICK" BadNick,
        /// That is not the name of a group.
        "BADGROUP" BadGroup,
        /// Only operators may do that.
        "NEEDOP" NeedOp,
        /// You may not speak there.
        "CANNOTSEND" CannotSend,
        /// You are banned there.
        "BANNED" Banned,
        /// Only the invited may join.
        "INVITEONLY" InviteOnly,
        /// The group is full.
        "FULL" Full,
        /// The key is missing or wrong.
        "BADKEY" BadKey,
        /// You are in too many groups, or asked for too much at once.
        "TOOMANY" TooMany,
        /// The text is too long.
        "TOOLONG" TooLong,
        /// No such mode.
        "UNKNOWNMODE" UnknownMode,
        /// This retry comes too late to be told from a new one.
        "EXPIRED" Expired,
    }
}

wire_enum! {
    /// Something for one session that answers nothing.
    pub enum Push {
        /// Your own nick is another now.
        "nick-is" NickIs { old: Text, user: Text, host: Text, new: Nick },
        /// Someone invites you.
        "invited" Invited { group: GroupName, time: Time, nick: Nick, user: Text, host: Text },
        /// You missed entries of this group: how many, or `?`. Where that's because it goes on in another life, which.
        "gap" Gap { group: GroupName, lost: Text, reason: Text, birth: Given<Birth> },
        /// Show that you are there.
        "ping" Ping { text: Text },
        /// Answers ALIVE, ahead of answers that have to wait.
        "alive" Alive {},
        /// This group is better joined there now.
        "moved" Moved { group: GroupName, epoch: Epoch, address: Text },
        /// Redis's confirmation, one for each group; with the number of groups joined.
        "subscribe" Subscribed { group: GroupName, count: u64 },
        /// The same for leaving; no group when there was none to leave.
        "unsubscribe" Unsubscribed { group: Option<GroupName>, count: u64 },
        /// The last word before the connection is closed.
        "closing" Closing { reason: Text },
        /// Whom you wrote to is away.
        "away-is" AwayIs { nick: Nick, text: Text },
    }
}

wire_enum! {
    /// The answer to a command.
    pub enum Reply {
        /// Done.
        "ok" Ok { text: Text },
        /// Not done.
        "error" Error { code: Code, text: Text, subject: Rest<Text> },
        /// A number.
        "integer" Integer { value: u64 },
        /// A text.
        "text" Text { text: Text },
        /// Nothing there.
        "null" Null {},
        /// The server is there.
        "pong" Pong { text: Given<Text> },
        /// Some texts.
        "array" Array { items: Rest<Text> },
        /// A table: its width, then its cells.
        "rows" Rows { width: u64, cells: Rest<Text> },
        /// Answers HELLO: keys and values.
        "hello" Hello { pairs: Rest<Text> },
        /// Answers LOGIN.
        "welcome" Welcome { nick: Nick, user: Text, host: Text, node: Text, network: Text, version: Text, created: Time },
        /// Answers JOIN.
        "joined" Joined { group: GroupName, birth: Birth, seq: u64, epoch: Epoch, members: u64, term: Term },
        /// Answers ENTER.
        "entered" Entered { group: GroupName, birth: Birth, seq: u64, members: u64, topic: Text, by: Text, time: Time },
        /// Members of a group: ranks and nick, alternating. Not done: more of them follow.
        "names" Names { group: GroupName, done: bool, members: Rest<Text> },
        /// The topic; empty when there is none.
        "topic-is" TopicIs { group: GroupName, text: Text, by: Text, time: Time },
        /// The modes: letters, then the arguments some of them have.
        "modes-are" ModesAre { group: GroupName, created: Time, letters: Text, args: Rest<Text> },
        /// The bans: mask, by whom, when.
        "bans-are" BansAre { group: GroupName, bans: Rest<Text> },
        /// People: group, user, host, node, nick, flags, real name.
        "who-is" WhoIs { query: Text, cells: Rest<Text> },
        /// A person.
        "whois-is" WhoisIs { nick: Nick, user: Text, host: Text, real: Text, node: Text, account: Text, idle_ms: Option<u64>, signon: Time, away: Text },
        /// Groups: name, members, topic.
        "list-is" ListIs { cells: Rest<Text> },
        /// Who of those asked for is there.
        "ison-is" IsonIs { nicks: Rest<Text> },
        /// Who is where: nick, flags, user, host.
        "userhost-is" UserhostIs { cells: Rest<Text> },
        /// Whether you are away.
        "away-now" AwayNow { away: bool },
        /// The invitation is on its way.
        "inviting-now" InvitingNow { group: GroupName, nick: Nick },
        /// How many there are.
        "lusers" Lusers { people: u64, groups: u64, nodes: u64, local_people: u64, local_groups: u64 },
        /// The message of the day.
        "motd" Motd { lines: Rest<Text> },
        /// Answers MSG: the place in the log.
        "sent" Sent { group: GroupName, seq: u64 },
        /// Answers RING.
        "ring" Ring { view: crate::view::SharedView },
        /// Answers RING SIGNED: the view, and who vouches for it until when.
        "signed-ring" SignedRing { seal: crate::list::Seal, view: crate::view::SharedView },
        /// Answers CLIENT LIST SLOW: nick, address, groups, bytes that wait in memory, entries that wait there or in logs, for how many milliseconds.
        "slow" Slow { cells: Rest<Text> },
        /// Answers CLIENTS: id, nick, account, address, groups, since, milliseconds since something was heard. None: there are no more.
        "clients" Clients { cells: Rest<Text> },
        /// Answers CHECK: group, result (kept, moved, blocked), to, entries, why.
        "checked" Checked { cells: Rest<Text> },
        /// Answers CLAIM.
        "claim-is" ClaimIs { claim: Box<crate::claim::GroupClaim> },
        /// Answers LOADS: master, groups, members.
        "loads" Loads { cells: Rest<Text> },
        /// Answers PLACES: group, master, members, those of them who are connected to the master itself, last place.
        "places" Places { cells: Rest<Text> },
        /// Answers STEER HISTORY, oldest first: time, place in the log, who, what, and the rest of it in words.
        "history" History { cells: Rest<Text> },
        /// Answers NODES: key, name, incarnation, since, state, groups.
        "nodes" Nodes { cells: Rest<Text> },
        /// Answers NODE PENDING: key, name, state (waits, dialled, watched, turned away, admitted, refused), since, why.
        "pending-nodes" PendingNodes { cells: Rest<Text> },
        /// Answers PLUGIN LIST: name, version, kinds, file, state, what it does at the moment.
        "plugins" Plugins { cells: Rest<Text> },
        /// Answers PLUGIN SHOW: names and values, alternating.
        "plugin-is" PluginIs { pairs: Rest<Text> },
        /// Answers ACCOUNT LIST: name, since when, password since when.
        "accounts" Accounts { cells: Rest<Text> },
        /// Answers GROUPS: name, members, master, topic.
        "grouplist" GroupList { cells: Rest<Text> },
        /// Answers GROUP: group, master, term, seq, birth, created, members, topic, by, time, modes and their arguments (a key is `*`). Then, each with their number before them: copies (node), ranks (nick, rank), bans (mask, by, time).
        "group-card" GroupCard { card: Box<crate::card::GroupCard> },
        /// Answers MEMBERS: nick, session, edge, since, rank.
        "memberlist" MemberList { cells: Rest<Text> },
        /// Answers WHERE: group, session, edge, since, account.
        "where" Where { cells: Rest<Text> },
        /// Answers HANDOFF LIST: what is planned (join, drain, points; empty for nothing) and of whom or what, since when, how long it may still take,
        /// how many changes wait behind it. Then for each super node in the ring: key, state (ready, copying, silent), groups left, why.
        "handoff" Handoff { number: u64, plan: Text, subject: Text, age_ms: u64, deadline_ms: u64, queued: u64, cells: Rest<Text> },
        /// Answers DIRECTORY STATUS: which server this is, what it does (leads, follows, asks for votes), who leads as far as it knows, the newest term, how far its log goes and is agreed on, its epoch. Then for each server that has
        /// a seat: address, server, vote (votes, follows, comes, goes), link (up, down, here), and, where this one leads, how many records it lacks.
        "directory-status" DirectoryStatus { address: Text, server: ServerId, role: Text, leader: Text, term: u64, last: u64, agreed: u64, epoch: Epoch, cells: Rest<Text> },
        /// Answers HANDOFF WHY: what is planned, and what it waits for, a sentence each.
        "handoff-why" HandoffWhy { sentences: Rest<Text> },
    }
}

impl Reply {
    /// Its shape on a wire that knows shapes.
    pub fn shape(&self) -> Shape {
        match self {
            Reply::Ok { .. } => Shape::Status,
            Reply::Pong { text: Given(None) } => Shape::Status,
            Reply::Pong { .. } | Reply::Text { .. } => Shape::Text,
            Reply::Error { .. } => Shape::Error,
            Reply::Integer { .. } => Shape::Integer,
            Reply::Null {} => Shape::Null,
            Reply::Array { .. } => Shape::Array,
            Reply::Rows { .. } => Shape::Rows,
            Reply::Hello { .. } => Shape::Map,
            _ => Shape::Named,
        }
    }
}
