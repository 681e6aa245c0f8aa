//! What a group's log is made of: entries, the people who caused them, and the settings they change.

use std::sync::Arc;

use crate::ids::{EntryId, SessionId, Term};
use crate::names::{GroupName, Nick, NodeKey};
use crate::time::Time;
use crate::wire::{Argv, Bad, Field, Reader, Text};
use crate::{wire_enum, wire_struct, wire_words};

wire_struct! {
    /// Who someone is, as others see it.
    #[derive(Eq)]
    pub struct Person {
        /// What they are called.
        nick: Nick,
        /// The user name their program sent.
        user: Text,
        /// Where they come from: an address, or what the network shows instead of it.
        host: Text,
        /// The account they proved; empty for a guest.
        account: Text,
        /// The real name their program sent.
        real: Text,
    }
}

impl Person {
    /// `nick!user@host`, what bans are matched against.
    pub fn mask(&self) -> String {
        format!("{}!{}@{}", self.nick, self.user, self.host)
    }
}

wire_words! {
    /// How a message wants to be taken.
    pub enum SayKind {
        /// Said.
        "msg" Message,
        /// Said by a program, which no program may answer.
        "notice" Notice,
    }
}

wire_enum! {
    /// What happened. The words are what transports see (docs/records.md).
    pub enum Content {
        /// Something was said. To a person's group it is a direct message.
        "message" Message { kind: SayKind, text: Text },
        /// Was said in another life of the group, acknowledged at this place of it and lost with it for a while.
        "again" Again { kind: SayKind, text: Text, birth: crate::ids::Birth, place: u64, said: Time },
        /// The sender came, at this edge.
        "join" Join { node: NodeKey },
        /// The sender went, or was lost.
        "part" Part { reason: Text },
        /// The sender removed someone.
        "kick" Kick { nick: Nick, reason: Text },
        /// The sender set the topic; empty clears it.
        "topic" Topic { text: Text },
        /// The sender changed modes.
        "mode" Mode { changes: Modes },
        /// The sender is called something else now.
        "nick" Nick { new: Nick },
        /// The sender invited someone.
        "invite" Invite { nick: Nick },
        /// The sender is back after their edge or the group's master was lost. Not shown to people.
        "return" Return { node: NodeKey },
        /// The sender is away, or back when the text is empty. Only in a person's own group; not shown to people.
        "away" Away { text: Text },
        /// The sender, an operator of the network, ended the group: everyone is out, its settings and what was said are gone. Not shown as an entry: each member hears that they were removed.
        "close" Close { reason: Text },
        /// The sender invites the person whose group this is. Not shown as an entry: their session hears `invited`.
        "call" Call { group: GroupName },
    }
}

/// One line of a group's log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place. Never restarts while the group lives.
    pub seq: u64,
    /// Who assigned the place.
    pub term: Term,
    /// Who caused it, and which of their doings it is.
    pub id: EntryId,
    /// When it was appended; never before the entry before it.
    pub time: Time,
    /// Who caused it, as others see them (before the change, for a change of nick).
    pub sender: Arc<Person>,
    /// What happened.
    pub content: Content,
}

impl Entry {
    /// Appends the record of an entry of `group`: word, group, seq, term, id, time, person, rest.
    pub fn put_in(&self, group: &str, out: &mut Argv) {
        out.push(self.content.word().as_bytes());
        out.push(group.as_bytes());
        self.put_tail(out);
    }

    fn put_tail(&self, out: &mut Argv) {
        self.seq.put(out);
        self.term.put(out);
        self.id.put(out);
        self.time.put(out);
        self.sender.put(out);
        self.content.put_args(out);
    }

    /// Reads what follows word and group. `None` when the word is not an entry's.
    pub fn take_tail(word: &[u8], reader: &mut Reader<'_>) -> Option<Result<Entry, Bad>> {
        let known = Content::WORDS.iter().any(|spec| word.eq_ignore_ascii_case(spec.word.as_bytes()));
        known.then(|| {
            let (seq, term, id) = (Field::take(reader)?, Field::take(reader)?, Field::take(reader)?);
            // Often the same says several things in a row.
            let (time, sender) = (Field::take(reader)?, reader.again()?);
            let content = Content::take_args(word, reader).unwrap_or(Err(Bad::Missing { what: "content" }))?;
            Ok(Entry { seq, term, id, time, sender, content })
        })
    }
}

/// Between nodes and on disk, an entry stands without its group: word first, then the rest.
impl Field for Entry {
    fn put(&self, out: &mut Argv) {
        out.push(self.content.word().as_bytes());
        self.put_tail(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let word = reader.bytes()?;
        Entry::take_tail(word, reader).unwrap_or_else(|| Err(Bad::value("must be an entry")))
    }
}

/// One letter of a mode change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// o: operator, takes a nick.
    Operator,
    /// v: may speak in a moderated group, takes a nick.
    Voice,
    /// b: a mask that is kept out.
    Ban,
    /// k: a key is needed to join.
    Key,
    /// l: at most so many members.
    Limit,
    /// i: only the invited may join.
    InviteOnly,
    /// m: only voices and operators may speak.
    Moderated,
    /// n: only members may speak.
    NoExternal,
    /// t: only operators may set the topic.
    TopicLock,
}

impl Mode {
    const LETTERS: [(u8, Mode); 9] = [
        (b'o', Mode::Operator),
        (b'v', Mode::Voice),
        (b'b', Mode::Ban),
        (b'k', Mode::Key),
        (b'l', Mode::Limit),
        (b'i', Mode::InviteOnly),
        (b'm', Mode::Moderated),
        (b'n', Mode::NoExternal),
        (b't', Mode::TopicLock),
    ];

    /// By its letter.
    pub fn of(letter: u8) -> Option<Mode> {
        Self::LETTERS.iter().find(|(l, _)| *l == letter).map(|(_, mode)| *mode)
    }

    /// Its letter.
    pub fn letter(self) -> char {
        let (letter, _) = Self::LETTERS.iter().find(|(_, mode)| *mode == self).expect("every mode has a letter");
        char::from(*letter)
    }

    /// Whether a change in this direction comes with an argument.
    pub fn takes_argument(self, add: bool) -> bool {
        match self {
            Mode::Operator | Mode::Voice | Mode::Ban | Mode::Key => true,
            Mode::Limit => add,
            _ => false,
        }
    }
}

/// One change of a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange {
    /// Set, or taken away.
    pub add: bool,
    /// Which.
    pub mode: Mode,
    /// The nick, mask, key or limit. Empty where the mode takes none.
    pub argument: Text,
}

/// Some mode changes in a row, written as IRC writes them: `+ov-b joe bob *!*@spam`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(pub Vec<ModeChange>);

/// The most changes in one command.
pub const MODE_CHANGES_MAX: usize = 12;

impl Field for Modes {
    fn put(&self, out: &mut Argv) {
        let mut letters = String::new();
        let mut sign = None;
        for change in &self.0 {
            if sign != Some(change.add) {
                letters.push(if change.add { '+' } else { '-' });
                sign = Some(change.add);
            }
            letters.push(change.mode.letter());
        }
        out.push(letters.as_bytes());
        for change in self.0.iter().filter(|change| change.mode.takes_argument(change.add)) {
            change.argument.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let mut changes = Vec::new();
        let mut add = true;
        for &letter in reader.bytes()? {
            match letter {
                b'+' => add = true,
                b'-' => add = false,
                _ => {
                    let unknown = || Bad::value(format!("mode '{}' is unknown", char::from(letter).escape_default()));
                    let mode = Mode::of(letter).ok_or_else(unknown)?;
                    // `-k` is often sent without its key.
                    let optional = mode == Mode::Key && !add && reader.left() == 0;
                    let wants = mode.takes_argument(add) && !optional;
                    let argument = if wants { Text::take(reader).map_err(|bad| bad.of("arg"))? } else { "".into() };
                    changes.push(ModeChange { add, mode, argument });
                }
            }
        }
        if changes.len() > MODE_CHANGES_MAX {
            return Err(Bad::value(format!("at most {MODE_CHANGES_MAX} changes at a time")));
        }
        Ok(Modes(changes))
    }
}

/// What someone may do in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rank {
    /// q: opened the group; is an operator, too.
    pub founder: bool,
    /// o: may kick, set modes and a locked topic.
    pub operator: bool,
    /// v: may speak in a moderated group.
    pub voice: bool,
}

impl Rank {
    /// May steer the group.
    pub fn steers(self) -> bool {
        self.founder || self.operator
    }

    /// Whether there is anything to remember.
    pub fn is_plain(self) -> bool {
        self == Rank::default()
    }

    /// `qov`, a subset in that order, or empty.
    pub fn letters(self) -> String {
        let letters = [(self.founder, 'q'), (self.operator, 'o'), (self.voice, 'v')];
        letters.iter().filter(|(set, _)| *set).map(|(_, letter)| *letter).collect()
    }
}

/// As its letters.
impl Field for Rank {
    fn put(&self, out: &mut Argv) {
        out.push(self.letters().as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let letters = reader.bytes()?;
        let has = |letter| letters.contains(&letter);
        Ok(Rank { founder: has(b'q'), operator: has(b'o'), voice: has(b'v') })
    }
}

wire_struct! {
    /// A group's topic.
    pub struct Topic {
        /// What it says. Never empty.
        text: Text,
        /// Who set it.
        by: Nick,
        /// When.
        time: Time,
    }
}

wire_struct! {
    /// Someone kept out.
    pub struct Ban {
        /// `nick!user@host` with `*` and `?`.
        mask: Text,
        /// Who set it.
        by: Nick,
        /// When.
        time: Time,
    }
}

wire_struct! {
    /// What a group keeps when everyone has left, and what the directory remembers of it.
    pub struct Settings {
        /// When the group was opened.
        created: Time,
        /// What it is about.
        topic: Option<Topic>,
        /// n
        no_external: bool,
        /// t
        topic_lock: bool,
        /// m
        moderated: bool,
        /// i
        invite_only: bool,
        /// k
        key: Option<Text>,
        /// l
        limit: Option<u64>,
        /// b
        bans: Vec<Ban>,
        /// Who has a rank, present or not, by nick.
        ranks: Vec<(Nick, Rank)>,
    }
}

impl Settings {
    /// Of a group that was just opened: the topic is for operators. Messages from outside are let in, since Redis publishers are not members.
    pub fn new(created: Time) -> Settings {
        Settings {
            created,
            topic: None,
            no_external: false,
            topic_lock: true,
            moderated: false,
            invite_only: false,
            key: None,
            limit: None,
            bans: Vec::new(),
            ranks: Vec::new(),
        }
    }

    /// The modes that are set, but for ranks and bans. The key is for members only: whoever is none sees `*`.
    pub fn modes(&self, with_key: bool) -> Modes {
        let flag = |set: bool| set.then(|| Text::from(""));
        let key = self.key.clone().map(|key| if with_key { key } else { "*".into() });
        let all = [
            (Mode::NoExternal, flag(self.no_external)),
            (Mode::TopicLock, flag(self.topic_lock)),
            (Mode::Moderated, flag(self.moderated)),
            (Mode::InviteOnly, flag(self.invite_only)),
            (Mode::Key, key),
            (Mode::Limit, self.limit.map(|limit| limit.to_string().into())),
        ];
        let set = all.into_iter().filter_map(|(mode, argument)| Some(ModeChange { add: true, mode, argument: argument? }));
        Modes(set.collect())
    }
}

/// Text, by whom, when; empty and 0 where there is no topic.
pub fn topic_parts(topic: Option<Topic>) -> (Text, Text, Time) {
    topic.map_or(("".into(), "".into(), Time(0)), |topic| (topic.text, topic.by.as_str().into(), topic.time))
}

wire_struct! {
    /// A member, as nodes tell each other and as the directory keeps it.
    pub struct MemberRow {
        /// Their session: membership is keyed by it.
        session: SessionId,
        /// Who.
        person: Arc<Person>,
        /// The edge that holds the session.
        node: NodeKey,
        /// Since when.
        since: Time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_modes(args: &[&str], expect: Result<&[&str], &str>) {
        let bytes: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        match (Modes::take(&mut Reader::new(&bytes)), expect) {
            (Ok(modes), Ok(expect)) => {
                let mut out = Argv::default();
                modes.put(&mut out);
                let back: Vec<&str> = out.iter().map(|arg| std::str::from_utf8(arg).unwrap()).collect();
                assert_eq!(back, expect);
            }
            (Err(bad), Err(expect)) => assert_eq!(bad.to_string(), expect),
            (got, expect) => panic!("{got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn modes() {
        check_modes(&["+o", "joe"], Ok(&["+o", "joe"]));
        check_modes(&["o-v+b", "joe", "bob", "*!*@x"], Ok(&["+o-v+b", "joe", "bob", "*!*@x"]));
        check_modes(&["+l-l", "10"], Ok(&["+l-l", "10"]));
        check_modes(&["-k"], Ok(&["-k", ""]));
        check_modes(&["+o"], Err("argument 'arg' is missing"));
        check_modes(&["+x"], Err("argument '': mode 'x' is unknown"));
    }

    #[test]
    fn an_entry_comes_back() {
        let person =
            Person { nick: Nick::new("joe").unwrap(), user: "j".into(), host: "h".into(), account: "".into(), real: "Joe A".into() };
        let id = EntryId { session: SessionId(7), counter: 3 };
        let content = Content::Message { kind: SayKind::Message, text: "hi\nthere".into() };
        let term = Term { generation: 1, number: 2 };
        let entry = Entry { seq: 9, term, id, time: Time(5_000), sender: Arc::new(person), content };
        let mut out = Argv::default();
        entry.put(&mut out);
        let args: Vec<&[u8]> = out.iter().collect();
        assert_eq!(Entry::take(&mut Reader::new(&args)), Ok(entry));
    }
}
