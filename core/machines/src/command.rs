//! What people's programs may say to a server: the one command table.
//!
//! Parser, permissions, help, completion and docs/protocol.md all read [`ClientCommand::WORDS`]. What nodes say to each other is in [`crate::peer`].

use crate::entry::{Modes, SayKind};
use crate::ids::{Birth, Epoch, Term};
use crate::names::{GroupName, Nick, NodeKey};
use crate::order::Order;
use crate::peer::PeerCommand;
use crate::wire::{Argv, Bad, Field, Given, Reader, Rest, Text};
use crate::{wire_enum, wire_struct, wire_words};

/// Longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Anything a server hears on a connection it accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// From anyone.
    Client(ClientCommand),
    /// From a peer that proved itself, or is about to.
    Peer(PeerCommand),
}

impl Command {
    /// Reads a command from its argv, name first.
    pub fn parse(args: &[&[u8]]) -> Result<Command, Bad> {
        let mut reader = Reader::new(args);
        let word = reader.bytes()?;
        let command = match ClientCommand::take_args(word, &mut reader) {
            Some(command) => Command::Client(command?),
            None => match PeerCommand::take_args(word, &mut reader) {
                Some(command) => Command::Peer(command?),
                None => {
                    return Err(Bad::Unknown(String::from_utf8_lossy(&word[..word.len().min(32)]).into_owned()));
                }
            },
        };
        reader.finish()?;
        Ok(command)
    }
}

impl From<ClientCommand> for Command {
    fn from(command: ClientCommand) -> Command {
        Command::Client(command)
    }
}

impl From<PeerCommand> for Command {
    fn from(command: PeerCommand) -> Command {
        Command::Peer(command)
    }
}

impl Field for Command {
    fn put(&self, out: &mut Argv) {
        match self {
            Command::Client(command) => command.put(out),
            Command::Peer(command) => command.put(out),
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let mut args = Vec::new();
        while reader.left() > 0 {
            args.push(reader.bytes()?);
        }
        Command::parse(&args)
    }
}

wire_enum! {
    /// A command of a person's program.
    pub enum ClientCommand {
        // The busy ones come first: the table is searched from the top.

        /// Says something to everyone in a group; answers how many heard it.
        /// Redis's word. The publisher hears it too, if subscribed.
        [Session SuperNode "0.1"]
        "PUBLISH" Publish { group: GroupName, text: Text },

        /// Says something to a group or to a person; answers the place it got in the log.
        /// With a counter that grows, sending it again is harmless: it is applied once. Whoever sends it again over another connection names the life of the group in which it was said first: if that one is
        /// over, with all that was known of what was said, the answer is EXPIRED.
        [Session SuperNode "0.1"]
        "MSG" Msg { target: Target, text: Text, counter: Option<u64>, birth: Given<Birth> },

        /// Says something and is answered only when that is refused.
        /// For transports whose protocol has no acknowledgement. echo 1: the sender hears it too.
        [Session SuperNode "0.1"]
        "SAY" Say { kind: SayKind, target: Target, echo: bool, text: Text },

        /// Asks whether the server is there.
        [Anyone Both "0.1"]
        "PING" Ping { text: Given<Text> },

        /// Asks whether the server is there, whatever it still owes an answer to: it says `alive` at once.
        [Anyone Both "0.1"]
        "ALIVE" Alive {},

        /// Shows that the client is there. Not answered.
        [Anyone Both "0.1"]
        "PONG" Pong { text: Option<Text> },

        /// Chooses the protocol version, and may log in and set a nick at once.
        [Anyone Both "0.1"]
        "HELLO" Hello { options: Hello },

        /// Logs in with an account and its password.
        [Anyone Both "0.1"]
        "AUTH" Auth { credentials: Credentials },

        /// Logs in as an operator of the network, one that is configured at this server (`[[operator]]`); answers the role. Where none is configured, whoever connects over loopback is one.
        [Anyone Both "0.1"]
        "OPERATOR" Operator { name: Text, secret: Text },

        /// Makes this connection part of a session that outlives it: whoever knows the token is the session.
        /// 8 to 64 printable characters, before anything else is done.
        [Anyone SuperNode "0.1"]
        "SESSION" Session { token: Text },

        /// Registers a person: nick, user name, real name, and an account where they have one.
        [Anyone SuperNode "0.1"]
        "LOGIN" Login { nick: Text, user: Text, real: Text, account: Option<Text>, password: Option<Text> },

        /// Takes a nick, unique in the whole network.
        [Session SuperNode "0.1"]
        "NICK" Nick { nick: Text },

        /// Says good-bye; the server closes the connection.
        [Anyone Both "0.1"]
        "QUIT" Quit { reason: Option<Text> },

        /// Joins a group at its master; refused with MOVED where that is another node.
        /// With birth and seq of what was last heard, missed entries come first; with its term, too, also those of a later life of the group that goes on from there.
        [Session SuperNode "0.1"]
        "JOIN" Join { group: GroupName, key: Option<Text>, birth: Option<Birth>, seq: Option<u64>, term: Option<Term> },

        /// Joins a group through this node, whoever is its master.
        [Session SuperNode "0.1"]
        "ENTER" Enter { group: GroupName, key: Option<Text> },

        /// Redis's word for joining groups through this node.
        [Session SuperNode "0.1"]
        "SUBSCRIBE" Subscribe { groups: Rest<GroupName> },

        /// Redis's word for leaving groups; all of them without arguments.
        [Session SuperNode "0.1"]
        "UNSUBSCRIBE" Unsubscribe { groups: Rest<GroupName> },

        /// Leaves a group.
        [Session SuperNode "0.1"]
        "PART" Part { group: GroupName, reason: Option<Text> },

        /// Shows a group's topic, or sets it; empty clears it.
        [Session SuperNode "0.1"]
        "TOPIC" Topic { group: GroupName, text: Given<Text> },

        /// Lists who is in a group.
        [Session SuperNode "0.1"]
        "NAMES" Names { group: GroupName },

        /// Lists who is in a group, or a person, in detail.
        [Session SuperNode "0.1"]
        "WHO" Who { target: Target },

        /// Shows who a person is and where.
        [Session SuperNode "0.1"]
        "WHOIS" Whois { nick: Nick },

        /// Lists the groups of the network.
        [Session SuperNode "0.1"]
        "LIST" List { pattern: Option<Text> },

        /// Shows or changes a group's modes. A lone `b` or `+b` lists the bans.
        [Session SuperNode "0.1"]
        "MODE" Mode { group: GroupName, changes: ModeAsk },

        /// Removes someone from a group.
        [Session SuperNode "0.1"]
        "KICK" Kick { group: GroupName, nick: Nick, reason: Option<Text> },

        /// Invites someone to a group.
        [Session SuperNode "0.1"]
        "INVITE" Invite { nick: Nick, group: GroupName },

        /// Says that you are away, or back without a text.
        [Session SuperNode "0.1"]
        "AWAY" Away { text: Option<Text> },

        /// Tells which of these people are there.
        [Session SuperNode "0.1"]
        "ISON" Ison { nicks: Rest<Text> },

        /// Tells where these people are.
        [Session SuperNode "0.1"]
        "USERHOST" Userhost { nicks: Rest<Text> },

        /// Shows the message of the day.
        [Session SuperNode "0.1"]
        "MOTD" Motd {},

        /// Counts people, groups and nodes.
        [Session SuperNode "0.1"]
        "LUSERS" Lusers {},

        /// Redis's CLIENT: ID, GETNAME, SETNAME, SETINFO, INFO, LIST, NO-EVICT and NO-TOUCH. CLIENT LIST SLOW shows who reads how slowly.
        [Session Both "0.1"]
        "CLIENT" Client { words: Rest<Text> },

        /// Lists the connections of this node, other than the one that asks and those of nodes, page after page: from the first one, or from behind the one with this id.
        [Viewer SuperNode "0.1"]
        "CLIENTS" Clients { after: Option<u64> },

        /// Closes a connection of this node, by its nick or the id that CLIENTS shows. It hears by whom, and why.
        [Operator SuperNode "0.1"]
        "KILL" Kill { who: Text, reason: Option<Text> },

        /// Tells about the server, in Redis's form.
        [Session Both "0.1"]
        "INFO" Info { section: Rest<Text> },

        /// Lists the commands, in Redis's form: COUNT, DOCS, INFO, LIST.
        [Anyone Both "0.1"]
        "COMMAND" Command { words: Rest<Text> },

        /// Gives the ring's view: epoch, parameters, super nodes, directory servers. As far as the server that is asked has heard, which may be a moment ago;
        /// LINEARIZABLE has a majority of the directory servers confirm that there is none newer; SIGNED has it as a list that can be kept and handed on.
        [Anyone Both "0.1"]
        "RING" Ring { how: Given<RingAsk> },

        /// Plugins of the process that this super node is in: LIST shows them, SHOW one of them with what it counts. LOAD starts one from a file; SWAP starts another one of the same name beside it, gives new connections to that and
        /// lets those go on that are there; DISABLE has nothing new go to one, ENABLE takes that back.
        [Viewer SuperNode "0.1"]
        "PLUGIN" Plugin { what: PluginAsk, name: Option<Text>, file: Option<Text> },

        /// Makes the node check now which groups it still owns; one row per group: kept, moved or blocked.
        /// At most once in a second.
        [Operator SuperNode "0.1"]
        "CHECK" Check { group: Option<GroupName> },

        /// Tells what this node has of a group, and what its people hear of it, whether it should or not: for whoever compares what all nodes say.
        [Viewer SuperNode "0.1"]
        "CLAIM" Claim { group: GroupName },

        /// Has something done in a group, whoever is its master, as an operator: without being in it, and above all ranks in it. TOPIC text; MODE changes, `+b mask` and `-b mask` among them; `KICK nick [reason]`; `CLOSE [reason]` removes everyone, and
        /// forgets its settings and what was said. HISTORY n shows the last entries of its log. Members see the operator's name.
        [Operator SuperNode "0.1"]
        "STEER" Steer { group: GroupName, order: Order },

        /// Lists the super nodes.
        [Anyone Directory "0.1"]
        "NODES" Nodes {},

        /// Counts the groups of each super node, and who is in them, as of their last reports: master, groups, members. Groups of people (`@`) are not known here.
        [Anyone Directory "0.1"]
        "LOADS" Loads {},

        /// Lists where groups are, ordered by name, from behind a name on and as many as one answer holds: group, master, members, how many of them are connected to the master itself, last place.
        [Viewer Directory "0.1"]
        "PLACES" Places { after: Option<GroupName> },

        /// Lists groups: name, members, master, topic.
        [Viewer Directory "0.1"]
        "GROUPS" Groups { pattern: Option<Text> },

        /// Tells what is known of a group, as of its last report: its master, copies, topic, modes, ranks and bans.
        [Viewer Directory "0.1"]
        "GROUP" Group { group: GroupName },

        /// Lists the members of a group: nick, session, edge, since.
        [Viewer Directory "0.1"]
        "MEMBERS" Members { group: GroupName },

        /// Lists the groups that someone is in: group, session, edge, since, account.
        [Viewer Directory "0.1"]
        "WHERE" Where { nick: Nick },

        /// Tells of the planned change of the ring: LIST shows how far each node is, WHY what is waited for; ABORT gives it up.
        [Viewer Directory "0.1"]
        "HANDOFF" Handoff { what: HandoffAsk },

        /// Takes a super node out of the ring once others have its groups. Answered when it is out, or stays in.
        /// It stays connected, and comes back when it is started anew. `IF epoch`: only if the ring is as of that epoch when its turn comes.
        [Operator Directory "0.1"]
        "DRAIN" Drain { node: NodeKey, only: If },

        /// Tells which super nodes want into the ring and are not in it, and why (PENDING): node, name, state, since, why. ADMIT lets one in whatever the policy says, as soon as it can be reached; REFUSE keeps it out from now on; FORGET takes
        /// either back; REMOVE takes one out at once, without copying anything first, and keeps it out.
        /// `IF epoch`: only if the ring is as of that epoch.
        [Viewer Directory "0.1"]
        "NODE" Node { what: NodeAsk, node: Option<NodeKey>, only: If },

        /// Lists the accounts that are kept by the directory servers: name, since when, password since when (LIST, from a name on). SET makes one with what its password is checked with, or changes that; REMOVE ends one.
        /// Who is logged in stays so.
        [Operator Directory "0.1"]
        "ACCOUNT" Account { what: AccountAsk, name: Option<Nick>, secret: Option<Text> },

        /// Gives every super node another number of points, once groups are where they will belong.
        /// Answered when it is so, or given up. `IF epoch`: only if the ring is as of that epoch when its turn comes.
        [Operator Directory "0.1"]
        "POINTS" Points { points: u32, only: If },

        /// Tells how this directory server and the others are (STATUS). ADD takes a server in, or one anew that has lost its file; REMOVE lets one go; TRANSFER has another one lead.
        /// The others than STATUS are answered when they have begun: STATUS shows when it is so.
        [Viewer Directory "0.1"]
        "DIRECTORY" Directory { what: DirectoryAsk, address: Option<Text> },
    }
}

wire_words! {
    /// What may follow `RING`.
    pub enum RingAsk {
        /// No view newer than the answer was agreed on when it was asked.
        "LINEARIZABLE" Linearizable,
        /// With a directory server's signature, and until when it is good: to be kept.
        "SIGNED" Signed,
    }
}

wire_words! {
    /// What follows `DIRECTORY`.
    pub enum DirectoryAsk {
        /// How are the servers?
        "STATUS" Status,
        /// Take this one in.
        "ADD" Add,
        /// Let this one go.
        "REMOVE" Remove,
        /// Let this one lead, or any other.
        "TRANSFER" Transfer,
    }
}

wire_words! {
    /// What follows `NODE`.
    pub enum NodeAsk {
        /// Who wants in, and why are they not in?
        "PENDING" Pending,
        /// This one may come.
        "ADMIT" Admit,
        /// This one may not.
        "REFUSE" Refuse,
        /// It is like any other again.
        "FORGET" Forget,
        /// Out with it, and it may not come back.
        "REMOVE" Remove,
    }
}

wire_words! {
    /// What follows `PLUGIN`.
    pub enum PluginAsk {
        /// Which are there?
        "LIST" List,
        /// What about this one?
        "SHOW" Show,
        /// Start the one in this file.
        "LOAD" Load,
        /// Put the one in this file in the place of the one of this name.
        "SWAP" Swap,
        /// Nothing new goes to this one.
        "DISABLE" Disable,
        /// It is as before.
        "ENABLE" Enable,
    }
}

wire_words! {
    /// What follows `ACCOUNT`.
    pub enum AccountAsk {
        /// Which are there?
        "LIST" List,
        /// This one is, with this secret.
        "SET" Set,
        /// This one is not any more.
        "REMOVE" Remove,
    }
}

wire_words! {
    /// What follows `HANDOFF`.
    pub enum HandoffAsk {
        /// How far is everyone?
        "LIST" List,
        /// What is it waiting for?
        "WHY" Why,
        /// Give it up.
        "ABORT" Abort,
    }
}

/// `IF epoch`, at the end of what changes the ring: whoever asks has a ring of that epoch before their eyes, and means no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct If(pub Option<Epoch>);

impl Field for If {
    const ARITY: crate::wire::Arity = crate::wire::Arity::Rest;
    fn put(&self, out: &mut Argv) {
        if let Some(epoch) = self.0 {
            out.push(b"IF");
            epoch.put(out);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        match reader.peek() {
            None => Ok(If(None)),
            Some(word) if word.eq_ignore_ascii_case(b"IF") => reader.bytes().and_then(|_| Epoch::take(reader)).map(|epoch| If(Some(epoch))),
            Some(_) => Err(Bad::value("goes on with IF epoch")),
        }
    }
}

/// Where a message goes: a group by its name, a person by their nick.
pub type Target = GroupOrNick;

/// A group, or a person written as a bare nick (`joe`) or as a group (`@joe`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOrNick {
    /// A group.
    Group(GroupName),
    /// A person.
    Nick(Nick),
}

impl GroupOrNick {
    /// The group that is meant: a person's is their `@` group.
    pub fn group(&self) -> GroupName {
        match self {
            GroupOrNick::Group(group) => group.clone(),
            GroupOrNick::Nick(nick) => nick.group(),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            GroupOrNick::Group(group) => group.as_str(),
            GroupOrNick::Nick(nick) => nick.as_str(),
        }
    }
}

impl Field for GroupOrNick {
    fn put(&self, out: &mut Argv) {
        out.push(self.as_str().as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let text = reader.text()?;
        if text.starts_with(['#', '@']) {
            return GroupName::new(text).map(GroupOrNick::Group).map_err(Bad::value);
        }
        Nick::new(text).map(GroupOrNick::Nick).map_err(Bad::value)
    }
}

wire_struct! {
    /// An account and the proof that it is one's own.
    #[derive(Eq)]
    pub struct Account {
        /// Its name.
        name: Text,
        /// Its password.
        password: Text,
    }
}

/// `AUTH password` or `AUTH account password`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials(pub Account);

impl Field for Credentials {
    fn put(&self, out: &mut Argv) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        if reader.left() == 1 {
            // Redis's old form names no one: its default user is called so.
            return Ok(Credentials(Account { name: "default".into(), password: Text::take(reader)? }));
        }
        Account::take(reader).map(Credentials)
    }
}

/// `HELLO [version] [AUTH account password] [SETNAME nick]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// 2 or 3.
    pub version: Option<u64>,
    /// Who logs in.
    pub account: Option<Account>,
    /// What they want to be called.
    pub nick: Option<Text>,
}

impl Field for Hello {
    const ARITY: crate::wire::Arity = crate::wire::Arity::Rest;
    fn put(&self, out: &mut Argv) {
        if let Some(version) = self.version {
            version.put(out);
        }
        if let Some(account) = &self.account {
            out.push(b"AUTH");
            account.put(out);
        }
        if let Some(nick) = &self.nick {
            out.push(b"SETNAME");
            nick.put(out);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let mut hello = Hello::default();
        if reader.left() > 0 {
            hello.version = Some(u64::take(reader)?);
        }
        while reader.left() > 0 {
            match reader.bytes()? {
                word if word.eq_ignore_ascii_case(b"AUTH") => hello.account = Some(Account::take(reader)?),
                word if word.eq_ignore_ascii_case(b"SETNAME") => hello.nick = Some(Text::take(reader)?),
                _ => {
                    return Err(Bad::value("goes on with AUTH account password or SETNAME nick"));
                }
            }
        }
        Ok(hello)
    }
}

/// What follows `MODE group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModeAsk {
    /// Nothing: which modes are set?
    Show,
    /// `b` or `+b`: who is banned?
    Bans,
    /// Changes.
    Change(Modes),
}

impl Field for ModeAsk {
    const ARITY: crate::wire::Arity = crate::wire::Arity::Rest;
    fn put(&self, out: &mut Argv) {
        match self {
            ModeAsk::Show => {}
            ModeAsk::Bans => out.push(b"+b"),
            ModeAsk::Change(modes) => modes.put(out),
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        match (reader.left(), reader.peek()) {
            (0, _) => Ok(ModeAsk::Show),
            (1, Some(b"b" | b"+b")) => reader.bytes().map(|_| ModeAsk::Bans),
            _ => Modes::take(reader).map(ModeAsk::Change),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Result<&str, &str>) {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let parsed = Command::parse(&args);
        match (&parsed, expect) {
            (Ok(command), Ok(expect)) => {
                let mut out = Argv::default();
                command.put(&mut out);
                let back: Vec<_> = out.iter().map(String::from_utf8_lossy).collect();
                assert_eq!(back.join(" "), expect);
            }
            (Err(bad), Err(expect)) => assert_eq!(bad.to_string(), expect),
            _ => panic!("{parsed:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn commands() {
        check("publish #A hi", Ok("PUBLISH #a hi"));
        check("MSG joe hi 7", Ok("MSG joe hi 7"));
        check("HELLO 3 SETNAME joe", Ok("HELLO 3 SETNAME joe"));
        check("AUTH secret", Ok("AUTH default secret"));
        check("MODE #a +b", Ok("MODE #a +b"));
        check("MODE #a +o joe", Ok("MODE #a +o joe"));
        check("SUBSCRIBE #a #b", Ok("SUBSCRIBE #a #b"));
        check(
            "JOIN a",
            Err("argument 'group': a group's name is # and 1 to 63 bytes without blanks, commas, colons or control characters"),
        );
        check("handoff why", Ok("HANDOFF WHY"));
        check("HANDOFF frob", Err("argument 'what': must be one of: LIST WHY ABORT"));
        check("DRAIN 192.0.2.1:7412", Ok("DRAIN 192.0.2.1:7412"));
        check("drain 192.0.2.1 if 1.7", Ok("DRAIN 192.0.2.1 IF 1.7"));
        check("NODE ADMIT 192.0.2.1 IF 1.7", Ok("NODE ADMIT 192.0.2.1 IF 1.7"));
        check("POINTS 8 UNLESS 1.7", Err("argument 'only': goes on with IF epoch"));
        check("POINTS 8 IF", Err("argument 'only' is missing"));
        check("POINTS 8 IF 7", Err("argument 'only': must be an epoch like 1.42"));
        check("PLACES", Ok("PLACES "));
        check("PUBLISH #a", Err("argument 'text' is missing"));
        check("MOTD x y", Err("2 arguments too many"));
        check("FROB", Err("unknown command 'FROB'"));
    }
}
