//! What nodes say to each other: edges to masters, masters to masters, and everyone to the directory.
//!
//! A dialler sends [`PeerCommand`]s; the node that accepted answers with [`LinkEvent`]s, as pushes. Edge and master exchange the same typed values
//! when they are in one process. Peer commands are refused until the connection has proved to know the network's secret.

use std::sync::Arc;

use crate::charter::{Account, Charter};
use crate::directory::Letter;
use crate::entry::{Ban, Content, Entry, MemberRow, Modes, Person, Rank, SayKind, Settings, Topic};
use crate::event::Code;
use crate::ids::{Birth, Epoch, Incarnation, ServerId, SessionId, Term, Ticket};
use crate::list::{ListKey, Seal};
use crate::names::{GroupName, Nick, NodeKey};
use crate::operators::Role;
use crate::order::Order;
use crate::time::Time;
use crate::view::{DirectoryServer, NodeInfo, SharedView, ViewChange};
use crate::wire::{Rest, Text};
use crate::{wire_enum, wire_struct, wire_words};

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

wire_struct! {
    /// The last entry of a copy: which it is, and who assigned its place. Two copies of one life that have an entry of the same place and term in common are the same up to it.
    #[derive(Copy, Default, Eq)]
    pub struct Last {
        /// Of which life.
        birth: Birth,
        /// Its place.
        seq: u64,
        /// Who assigned it; that of the life itself where there is no entry.
        term: Term,
    }
}

wire_struct! {
    /// What someone holds of a group.
    #[derive(Eq)]
    pub struct Claim {
        /// How far it goes.
        last: Last,
        /// Since which term nothing is acknowledged without the holder. 0.0: never was; the copy was on its way.
        marked: Term,
        /// Of whom else that is true, the holder included.
        members: Vec<NodeKey>,
        /// The holder refuses what is of a lower term.
        promised: Term,
        /// To whom the holder has promised it since it was marked, and from which term on: each of them may have gone on from there.
        given: Vec<(NodeKey, Term)>,
        /// The holder has not served it in any term from this one on. `None`: that is not known.
        idle: Option<Term>,
        /// Nothing the holder ever acknowledged is missing: the process did not end since, or had it on disk first.
        whole: bool,
        /// The term in which this life was begun, where that was in doubt: before everyone had said what they have.
        doubt: Option<Term>,
    }
}

wire_struct! {
    /// A group's state but for members and log.
    pub struct CopyHead {
        /// The last place given out.
        seq: u64,
        /// The latest time of an entry.
        time: Time,
        /// When counters were last looked through for old ones.
        pruned: Time,
        /// What it keeps when all have left.
        settings: Settings,
        /// Who was invited, oldest first.
        invited: Vec<Nick>,
        /// Why the person is away (of a person's group).
        away: Text,
        /// Where what is left of its log begins; not the same in all copies.
        log_from: u64,
        /// Where the life that this one goes on from ended, as far as was known: of what was acknowledged behind it in that life something may come back.
        former: Option<Last>,
        /// It was begun anew before everyone had said what they have: the same of any other life.
        in_doubt: bool,
        /// The term in which it was begun, and not gone on with from another life.
        begun: Term,
    }
}

wire_struct! {
    /// The highest counter of a session, what became of it, and which of those just below it were heard: one that was asked to wait may be overtaken by the next.
    #[derive(Copy, Eq)]
    pub struct Counted {
        /// The highest.
        counter: u64,
        /// The place it got; 0 when that is not known any more.
        seq: u64,
        /// When it was heard.
        at: Time,
        /// Bit n stands for the counter n below the highest.
        heard: u64,
    }
}

impl Counted {
    /// Whether this counter was heard.
    pub fn has_heard(&self, counter: u64) -> bool {
        let below = self.counter.saturating_sub(counter);
        counter <= self.counter && (below >= u64::from(u64::BITS) || self.heard & (1 << below) != 0)
    }

    /// Whether it is certain that this counter was heard: of what is too far below it is not known.
    pub fn has_heard_for_certain(&self, counter: u64) -> bool {
        self.counter.checked_sub(counter).is_some_and(|below| below < u64::from(u64::BITS) && self.heard & (1 << below) != 0)
    }

    /// This counter is heard, and got this place.
    pub fn hear(&mut self, counter: u64, seq: u64) {
        if counter > self.counter {
            self.heard = u32::try_from(counter - self.counter).ok().and_then(|up| self.heard.checked_shl(up)).unwrap_or(0);
            (self.counter, self.seq) = (counter, seq);
        } else if counter == self.counter {
            self.seq = seq;
        }
        self.heard |= 1u64.checked_shl(u32::try_from(self.counter - counter).unwrap_or(u32::MAX)).unwrap_or(0);
    }
}

wire_enum! {
    /// What an edge wants a group's master to do for a session.
    pub enum Op {
        /// Join. Missed entries since the mark, which was said in that term, are in the answer.
        "join" Join { key: Option<Text>, mark: Option<Mark>, term: Term, names: bool },
        /// Leave.
        "part" Part { reason: Text },
        /// Say something. Retried with the same counter until answered; `birth`: it was said before, in that life of the group.
        "say" Say { kind: SayKind, text: Text, counter: u64, birth: Option<Birth> },
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
        /// An operator of the network has this done: needs neither a place nor a rank in the group.
        "steer" Steer { order: Order },
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
        /// A member from here on: entries after `seq`, which is of this term, follow on the stream. `missed` lie between the mark and `seq`; `lost` says that
        /// some of them are no longer known; `coming` that the join itself is the first of the stream.
        "joined" Joined { coming: bool, birth: Birth, seq: u64, term: Term, members: u64, topic: Option<Topic>, missed: Vec<Arc<Entry>>, lost: bool, names: Vec<NameRow> },
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
        /// The last entries of the log.
        "history" History { entries: Vec<Arc<Entry>> },
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
        /// Who had a copy of it, its master included.
        copies: Vec<NodeKey>,
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
        /// Who has a copy of it, its master included.
        copies: Vec<NodeKey>,
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
        /// The node is looked at first: see `word`. A token, where the directory wants one; and the epoch of the view that the node has, which it need not be shown.
        "REGISTER" Register { ticket: Ticket, name: Text, token: Option<Text>, known: Option<Epoch> },
        /// The node has its word, and may be asked for it.
        "READY" Ready { word: Text },
        /// A directory server asks who has dialled it, and been dialled: which word was the node given by the directory? Answered by `shown`.
        "SHOW" Show {},
        /// The directory server that leads asks another one to dial a node. Answered by `visited`.
        "VISIT" Visit { ticket: Ticket, key: NodeKey, incarnation: Incarnation },
        /// Asks for views from then on, without a place in the ring. `known` as above.
        "WATCH" Watch { known: Option<Epoch> },
        /// The node lives. Answered by `beat`.
        "HEARTBEAT" Heartbeat { sent: Time },
        /// The node goes for good; answered by `left` once it is durable.
        "LEAVE" Leave { ticket: Ticket },
        /// A connection to this node broke: have a look.
        "SUSPECT" Suspect { key: NodeKey },
        /// What changed in groups; answered by `stored` once it is durable.
        "REPORT" Report { ticket: Ticket, reports: Vec<GroupReport> },
        /// What the directory servers are to agree on of groups that accounts have a rank in, from their master; answered by `chartered` once they have. Nobody says so if they can't: to be asked again.
        "CHARTER" Charter { ticket: Ticket, charters: Vec<Charter> },
        /// What is known of an account? Answered by `account`.
        "ACCOUNTOF" AccountOf { ticket: Ticket, name: Nick },
        /// What does the directory remember of a group? Answered by `record`.
        "RECORD" Record { ticket: Ticket, group: GroupName },
        /// Which groups are there? Answered by `groups`.
        "GROUPLIST" GroupList { ticket: Ticket, pattern: Text },
        /// How many people and groups are there? Answered by `counts`.
        "COUNT" Count { ticket: Ticket },
        /// Which groups are there whose master is gone: last reported by this node before it died or started anew, or by one that is not in the ring?
        /// In order, from after a name on. Answered by `orphans`.
        "ORPHANS" Orphans { ticket: Ticket, master: NodeKey, after: Option<GroupName> },

        /// Is someone there, and what ring do they know? Answered by `here`. Sent when nothing else was sent, or heard, for a while; and when the sender can't be sure that it is in the ring itself.
        "PROBE" Probe { sent: Time },

        /// An edge asks a master. Answered by `answer`.
        "REQUEST" Request { ticket: Ticket, epoch: Epoch, group: GroupName, session: SessionId, person: Arc<Person>, op: Op },
        /// An edge shows all sessions it has in a group: a full replacement of what the master had from it.
        /// Large ones come in parts of one round; the last says so. `term`: of the entry at the mark, where known. Answered by `attached`.
        "ATTACH" Attach { epoch: Epoch, group: GroupName, round: u64, mark: Option<Mark>, term: Term, last: bool, sessions: Vec<(SessionId, Arc<Person>)> },
        /// An edge asks a group's master for what is in its log behind a place, of so many bytes of text at most, for people who read slowly. Answered by `fetched`.
        "FETCH" Fetch { ticket: Ticket, group: GroupName, birth: Birth, after: u64, limit: u64 },

        /// Whoever holds a copy of a group tells its master of the present ring what it has. To a new master that is a promise, too: nothing of a lower term than this epoch
        /// is taken from anyone from here on.
        "OFFER" Offer { epoch: Epoch, offers: Vec<(GroupName, Claim)> },
        /// A master of the present ring asks a holder for its promise at this term, and what it has. Answered by an `OFFER`, or `not-held`.
        "ASK" Ask { term: Term, group: GroupName },
        /// That was all: of the groups that are the receiver's as of this epoch, the sender holds no other.
        "SETTLED" Settled { epoch: Epoch },
        /// A new master asks one who offered for the copy, or for what follows the entry it has itself.
        "WANT" Want { epoch: Epoch, group: GroupName, have: Option<Last> },
        /// A master asks for entries of another life of its group, behind this one. Answered by `REST`s.
        "WANTREST" WantRest { group: GroupName, after: Last },
        /// A copy begins, from a master to who is to follow it, or as the answer to `WANT`. Without `head` only entries follow, behind what the receiver has …
        "COPY" Copy { epoch: Epoch, term: Term, group: GroupName, birth: Birth, head: Option<Box<CopyHead>> },
        /// … then its members, and what is known of what sessions said …
        "COPYROWS" CopyRows { group: GroupName, members: Vec<(MemberRow, Rank)>, counters: Vec<(SessionId, Counted)> },
        /// … then its log …
        "COPYLOG" CopyLog { group: GroupName, entries: Vec<Arc<Entry>> },
        /// … and that was all. With members it is marked at once: see `MARK`.
        "COPYEND" CopyEnd { term: Term, group: GroupName, last: Last, members: Vec<NodeKey> },
        /// A master's next entries. Answered by `appended`, `behind` or `deposed`.
        "APPEND" Append { term: Term, group: GroupName, entries: Vec<Arc<Entry>> },
        /// The receiver has all that was acknowledged: from here on nothing is without it, and these are all of whom that is true. Answered by `marked`.
        "MARK" Mark { term: Term, group: GroupName, number: u64, members: Vec<NodeKey> },
        /// The receiver's copy is not needed any more. Answered by `released`.
        "RELEASE" Release { epoch: Epoch, term: Term, group: GroupName },
        /// What the state is at this place: is it the same with the receiver? Answered by `compared`.
        "COMPARE" Compare { term: Term, group: GroupName, seq: u64, hash: u64 },
        /// Entries of another life of a group, that its master has not: they were acknowledged before it was lost.
        "REST" Rest { group: GroupName, birth: Birth, doubt: Option<Term>, entries: Vec<Arc<Entry>>, last: bool },
        /// A directory server introduces itself to another: which it is, where it is reached, whether it knows of a network already, and what its lists are checked with.
        "SERVER" Server { server: ServerId, address: Text, founded: bool, list: ListKey },
        /// A directory server says something about the log that all of them keep together.
        "LOG" Log { server: ServerId, to: ServerId, letter: Box<Letter> },
        /// A directory server passes on to the one that leads what someone asked it: as of when it had heard that one, by its clock, over which link, who they have proved to be, whether they are on its machine, and the
        /// command. Answered by `via`.
        "VIA" Via { as_of: Time, link: u64, key: Option<NodeKey>, incarnation: Incarnation, operator: Option<Text>, role: Option<Role>, words: Rest<Text> },
        /// That link is gone.
        "VIALOST" ViaLost { link: u64 },
        /// What a master reported to one directory server, for the others.
        "RELAY" Relay { master: NodeKey, reports: Vec<GroupReport> },

        /// How far a node is with what a planned change asks of it: groups left to copy, and what of them takes longest.
        "PREPARED" Prepared { number: u64, epoch: Epoch, left: u64, why: Text },
    }
}

wire_enum! {
    /// What is at the address that a node advertises.
    #[derive(Eq)]
    pub enum Found {
        /// That node, and this is the word it was given.
        "word" Word { word: Text },
        /// Not that node, or nobody: the end of a sentence that begins with the address.
        "not" Not { why: Text },
    }
}

wire_words! {
    /// What an operator ruled of a node, whatever the directory's policy is.
    pub enum Ruling {
        /// It may come into the ring.
        "ADMITTED" Admitted,
        /// It may not.
        "REFUSED" Refused,
    }
}

wire_enum! {
    /// What the node that accepted tells the one that dialled.
    pub enum LinkEvent {
        /// Who was reached, and what proves it; asks for the same.
        "challenge" Challenge { key: NodeKey, incarnation: Incarnation, nonce: Text, proof: Text },
        /// Peer commands are welcome now.
        "proven" Proven {},

        /// The view. Sent to whoever begins to watch, and where it is not made of the one before.
        "view" View { view: SharedView },
        /// The view is the next one after this, and this is what is different: to whoever watches, as it changes.
        "view-changed" ViewChanged { before: Epoch, change: ViewChange },
        /// The seal of the view, for whoever hands it on. Also sent to whoever watches, after each view and before it expires.
        "sealed" Sealed { seal: Seal },
        /// The node has its place in the ring.
        "registered" Registered { ticket: Ticket, epoch: Epoch },
        /// The node is about to be dialled at the address it advertises, and has to say this word there. Answered by `READY`.
        "word" Word { word: Text },
        /// The word that this node was given last; empty: none.
        "shown" Shown { word: Text },
        /// What another directory server found at a node's address.
        "visited" Visited { ticket: Ticket, found: Found },
        /// The node's place has to wait, for this.
        "waiting" Waiting { why: Text },
        /// The heartbeat sent at that time was heard.
        "beat" Beat { sent: Time, epoch: Epoch },
        /// The node is out of the ring.
        "left" Left { ticket: Ticket },
        /// The report is durable.
        "stored" Stored { ticket: Ticket },
        /// The directory servers have agreed on the charters.
        "chartered" Chartered { ticket: Ticket },
        /// What is known of the account. To a gateway without what its password is checked with.
        "account" Account { ticket: Ticket, account: Option<Box<Account>> },
        /// What is remembered of the group.
        "record" Record { ticket: Ticket, record: Option<Box<GroupRecord>> },
        /// The groups of the network that matched: name, members, topic.
        "groups" Groups { ticket: Ticket, groups: Vec<GroupLine> },
        /// How many there are in the network.
        "counts" Counts { ticket: Ticket, people: u64, groups: u64 },
        /// The next groups whose master is gone; none when there are no more.
        "orphans" Orphans { ticket: Ticket, groups: Vec<GroupName> },

        /// Someone is there, was asked at that time by the asker's clock, and knows of no newer ring than this.
        "here" Here { asked: Time, epoch: Epoch },

        /// To an edge: the answer to a request.
        "answer" Answer { ticket: Ticket, group: GroupName, outcome: Outcome },
        /// To an edge: its sessions are members; entries after `seq`, which is of this term, follow on the stream. `lost`: some between its mark and the `missed` are not known any more.
        "attached" Attached { group: GroupName, round: u64, birth: Birth, seq: u64, term: Term, missed: Vec<Arc<Entry>>, lost: bool },
        /// To an edge: what the log has behind the place it asked for. `lost`: not all that was between is known any more; `newest` is the last place that was given out.
        "fetched" Fetched { ticket: Ticket, group: GroupName, birth: Birth, entries: Vec<Arc<Entry>>, lost: bool, newest: u64 },
        /// To an edge: this session can't be a member (its nick belongs to someone else by now, say).
        "unseated" Unseated { group: GroupName, session: SessionId, code: Code, text: Text },
        /// To an edge: this node isn't the master, as of this epoch.
        "elsewhere" Elsewhere { group: GroupName, epoch: Epoch },
        /// To a master: this much of its entries is held. Of many groups at once, so far as they came.
        "appended" Appended { held: Vec<(GroupName, Term, u64)> },
        /// To a master: there is no copy here that goes on where its entries do.
        /// `copy`: a copy that was sent was not taken.
        "behind" Behind { term: Term, group: GroupName, copy: bool },
        /// To a master: someone else was promised the group since.
        "deposed" Deposed { group: GroupName, promised: Term },
        /// To a master: the mark is known.
        "marked" Marked { term: Term, group: GroupName, number: u64 },
        /// To a master: the copy is gone.
        "released" Released { term: Term, group: GroupName },
        /// To a master: what was said in a life of the group before the one whose copy has just come.
        "rest" Rest { group: GroupName, birth: Birth, doubt: Option<Term>, entries: Vec<Arc<Entry>> },
        /// To a master: whether the state was the same.
        "compared" Compared { term: Term, group: GroupName, seq: u64, same: bool },
        /// To who asked for a copy or a promise: there is no copy here. `idle`: nor was the group served here in any term from this one on. `None`: that is not known.
        "not-held" NotHeld { group: GroupName, idle: Option<Term> },
        /// A change of the ring is planned, or none any more: copy what will be elsewhere, and say how far you are.
        "pending" Pending { number: u64, plan: Option<crate::view::Plan> },
        /// From the directory server that leads, to one that passed something on: for whoever asked over this link.
        "via" Via { link: u64, words: Rest<Text> },
        /// Close that link.
        "via-closed" ViaClosed { link: u64 },
        /// To super nodes: a directory server has come (back) that has not heard what you reported.
        "report-anew" ReportAnew {},
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
        "directories" Directories { servers: Vec<DirectoryServer> },
        /// A super node is in the ring; another start of the same key replaces it.
        "admit" Admit { node: NodeInfo },
        /// A super node is out of the ring: it died, or went.
        "remove" Remove { key: NodeKey, incarnation: Incarnation, why: Text },
        /// A change of the ring is announced. One at a time; nothing changes yet.
        "prepare" Prepare { number: u64, plan: crate::view::Plan },
        /// The announced change is made.
        "commit" Commit { number: u64 },
        /// An operator ruled on a node, or takes that back.
        "rule" Rule { key: NodeKey, ruling: Option<Ruling> },
        /// What is kept of groups is this: each of them, where it is later than what is known; one that is void ends it.
        "charters" Charters { charters: Vec<Charter> },
        /// An account is made, or its password changed; without a secret it is ended.
        "account" Account { name: Nick, secret: Option<Text>, time: Time },
        /// The announced change is not made.
        "cancel" Cancel { number: u64, why: Text },
    }
}

/// For readers of [`Content`]: whether people may see it.
pub fn is_shown(content: &Content) -> bool {
    !matches!(content, Content::Return { .. } | Content::Away { .. } | Content::Call { .. } | Content::Close { .. })
}
