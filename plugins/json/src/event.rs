//! What people's programs are told: the one table of events, by the names that records have in docs/records.md.
//!
//! Encoder, schema and docs/json.md all read it. A field says where in the record it stands and what it is.

use chatring_sdk::{Kind, Record};

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    /// `argv[0]` of the record.
    pub word: &'static str,
    /// What `type` says.
    pub name: &'static str,
    pub fields: &'static [Field],
    /// For the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub says: &'static str,
}

/// A field of an event, or of one of its rows.
#[derive(Debug)]
pub(crate) struct Field {
    /// Which argument of the record, or which cell of the row.
    pub at: usize,
    pub name: &'static str,
    pub form: Form,
    /// For the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub means: &'static str,
}

/// What a field holds, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Text,
    /// A text that is left out where it is empty.
    Maybe,
    Number,
    /// A number that is left out where it is none.
    MaybeNumber,
    /// A number that is left out where it is 0.
    Place,
    Bool,
    /// `#name` is a `group`; `@nick` is whom it is said `to`; anything else is left out.
    Where,
    /// The words for ranks; left out where there are none.
    Ranks,
    /// Whether flags say that someone is away.
    Away,
    /// Letters, and arguments to the record's end: a list of modes.
    Modes,
    /// Texts to the record's end.
    Texts,
    /// Rows to the record's end: so wide, and a list of objects.
    Rows(usize, &'static [Field]),
}

const fn field(at: usize, name: &'static str, form: Form, means: &'static str) -> Field {
    Field { at, name, form, means }
}

/// Before the fields of each entry.
pub(crate) const ENTRY: &[Field] = &[
    field(1, "group", Form::Where, "where; of a direct message `to`, and the nick that it is for"),
    field(2, "seq", Form::Place, "its place in the group's log; absent where it has none"),
    field(5, "time", Form::Number, "when, in milliseconds since 1970"),
    field(6, "nick", Form::Text, "who"),
    field(7, "user", Form::Text, "the user name they gave"),
    field(8, "host", Form::Text, "where they are connected from"),
    field(9, "account", Form::Maybe, "as whom they are logged in; absent for guests"),
    field(4, "msgid", Form::Text, "the same wherever it is heard, and of nothing else"),
];

/// How many arguments entries have before their own.
pub(crate) const ENTRY_ARGS: usize = 11;

/// What happens in groups: everyone there hears it.
pub(crate) const ENTRIES: &[Event] = &[
    Event { word: "message", name: "message", fields: &[field(12, "text", Form::Text, "what was said")], says: "Something was said." },
    Event { word: "join", name: "join", fields: &[], says: "Someone came; you, too." },
    Event { word: "part", name: "part", fields: &[field(11, "reason", Form::Maybe, "why")], says: "Someone went, or was lost." },
    Event {
        word: "kick",
        name: "kick",
        fields: &[field(11, "kicked", Form::Text, "the nick of who had to go"), field(12, "reason", Form::Maybe, "why")],
        says: "`nick` removed someone.",
    },
    Event {
        word: "topic",
        name: "topic",
        fields: &[field(11, "text", Form::Text, "empty where it was cleared")],
        says: "Someone set the topic.",
    },
    Event {
        word: "mode",
        name: "mode",
        fields: &[field(11, "changes", Form::Modes, "what was set or taken away")],
        says: "Someone changed modes.",
    },
    Event {
        word: "nick",
        name: "nick",
        fields: &[field(11, "new", Form::Text, "their nick from now on")],
        says: "Someone took another nick. Who it was hears `you-are` instead.",
    },
    Event {
        word: "invite",
        name: "invite",
        fields: &[field(11, "invited", Form::Text, "the nick of who may come")],
        says: "Someone was invited; operators hear of it.",
    },
];

/// A message that no program answers.
pub(crate) const NOTICE: Event = Event {
    word: "message",
    name: "notice",
    fields: &[field(12, "text", Form::Text, "what was said")],
    says: "Something was said that no program should answer.",
};

/// What one connection is told without having asked.
pub(crate) const PUSHES: &[Event] = &[
    Event {
        word: "nick-is",
        name: "you-are",
        fields: &[
            field(4, "nick", Form::Text, "your nick from now on"),
            field(1, "old", Form::Text, "what it was"),
            field(2, "user", Form::Text, ""),
            field(3, "host", Form::Text, ""),
        ],
        says: "You have another nick: because you took it, or because yours could not be held any more.",
    },
    Event {
        word: "invited",
        name: "invited",
        fields: &[
            field(1, "group", Form::Where, "where"),
            field(2, "time", Form::Number, "when"),
            field(3, "nick", Form::Text, "by whom"),
            field(4, "user", Form::Text, ""),
            field(5, "host", Form::Text, ""),
        ],
        says: "Someone invites you.",
    },
    Event {
        word: "gap",
        name: "gap",
        fields: &[
            field(1, "group", Form::Where, "where; `to` for direct messages"),
            field(2, "lost", Form::MaybeNumber, "how many; absent where nobody knows"),
            field(3, "reason", Form::Maybe, "why"),
        ],
        says: "You missed something here that is not known any more.",
    },
    Event { word: "ping", name: "ping", fields: &[field(1, "text", Form::Text, "")], says: "You said nothing for a while: answer `pong`." },
    Event { word: "alive", name: "alive", fields: &[], says: "The node is there." },
    Event {
        word: "moved",
        name: "moved",
        fields: &[
            field(1, "group", Form::Where, "which"),
            field(2, "epoch", Form::Text, "as of which ring"),
            field(3, "address", Form::Text, "where"),
        ],
        says: "This group is better joined elsewhere.",
    },
    Event {
        word: "away-is",
        name: "away",
        fields: &[field(1, "nick", Form::Text, "who"), field(2, "text", Form::Text, "why")],
        says: "Whom you wrote to is away.",
    },
    Event {
        word: "closing",
        name: "closing",
        fields: &[field(1, "reason", Form::Text, "why")],
        says: "The last word before the connection is closed.",
    },
];

const PERSON: &[Field] = &[
    field(0, "group", Form::Where, "where, if a group was asked for"),
    field(4, "nick", Form::Text, ""),
    field(1, "user", Form::Text, ""),
    field(2, "host", Form::Text, ""),
    field(3, "node", Form::Text, "the super node they are at"),
    field(5, "away", Form::Away, ""),
    field(5, "ranks", Form::Ranks, "absent where there are none"),
    field(6, "real", Form::Text, ""),
];

/// What answers commands.
pub(crate) const REPLIES: &[Event] = &[
    Event { word: "ok", name: "ok", fields: &[], says: "Done." },
    ERROR,
    Event {
        word: "welcome",
        name: "welcome",
        fields: &[
            field(1, "nick", Form::Text, "what you are called"),
            field(2, "user", Form::Text, ""),
            field(3, "host", Form::Text, ""),
            field(4, "node", Form::Text, "the super node you are at"),
            field(5, "network", Form::Text, ""),
            field(6, "version", Form::Text, "of the node's program"),
            field(7, "created", Form::Number, "since when the node is in the ring"),
        ],
        says: "You are in.",
    },
    Event {
        word: "entered",
        name: "joined",
        fields: &[
            field(1, "group", Form::Where, ""),
            field(2, "birth", Form::Text, "which life of the group: in another one `seq` starts anew"),
            field(3, "seq", Form::Number, "the place in the log from which you hear it"),
            field(4, "members", Form::Number, "how many"),
            field(5, "topic", Form::Maybe, "absent where there is none"),
            field(6, "topic_by", Form::Maybe, "who set it"),
            field(7, "topic_time", Form::Place, "when"),
        ],
        says: "You are in the group, and hear it. `names` follow.",
    },
    Event {
        word: "names",
        name: "names",
        fields: &[
            field(1, "group", Form::Where, ""),
            field(2, "done", Form::Bool, "false where more of them follow"),
            field(
                3,
                "members",
                Form::Rows(
                    2,
                    &[
                        field(1, "nick", Form::Text, ""),
                        field(0, "ranks", Form::Ranks, "any of founder, operator, voice; absent where there are none"),
                    ],
                ),
                "",
            ),
        ],
        says: "Who is in a group.",
    },
    Event {
        word: "sent",
        name: "sent",
        fields: &[field(1, "group", Form::Where, "where; `to` for direct messages"), field(2, "seq", Form::Number, "its place in the log")],
        says: "It was said, and is kept.",
    },
    Event {
        word: "topic-is",
        name: "topic-is",
        fields: &[
            field(1, "group", Form::Where, ""),
            field(2, "text", Form::Text, "empty where there is none"),
            field(3, "by", Form::Maybe, "who set it"),
            field(4, "time", Form::Place, "when"),
        ],
        says: "A group's topic.",
    },
    Event {
        word: "modes-are",
        name: "modes",
        fields: &[
            field(1, "group", Form::Where, ""),
            field(2, "created", Form::Number, "when the group was"),
            field(3, "modes", Form::Modes, "what is set"),
        ],
        says: "What is set in a group.",
    },
    Event {
        word: "bans-are",
        name: "bans",
        fields: &[
            field(1, "group", Form::Where, ""),
            field(
                2,
                "bans",
                Form::Rows(
                    3,
                    &[
                        field(0, "mask", Form::Text, "`nick!user@host`, with `*` and `?`"),
                        field(1, "by", Form::Text, "who set it"),
                        field(2, "time", Form::Number, "when"),
                    ],
                ),
                "",
            ),
        ],
        says: "Who is banned from a group.",
    },
    Event {
        word: "who-is",
        name: "who",
        fields: &[field(1, "of", Form::Text, "who was asked for"), field(2, "people", Form::Rows(7, PERSON), "")],
        says: "People in detail.",
    },
    Event {
        word: "whois-is",
        name: "whois",
        fields: &[
            field(1, "nick", Form::Text, ""),
            field(2, "user", Form::Text, ""),
            field(3, "host", Form::Text, ""),
            field(4, "real", Form::Text, ""),
            field(5, "node", Form::Text, "the super node they are at"),
            field(6, "account", Form::Maybe, "absent for guests"),
            field(7, "idle_ms", Form::MaybeNumber, "known where they are connected"),
            field(8, "since", Form::Number, "when they came"),
            field(9, "away", Form::Maybe, "why, if they are"),
        ],
        says: "A person.",
    },
    Event {
        word: "list-is",
        name: "groups",
        fields: &[field(
            1,
            "groups",
            Form::Rows(
                3,
                &[
                    field(0, "group", Form::Where, ""),
                    field(1, "members", Form::Number, "how many"),
                    field(2, "topic", Form::Maybe, "absent where there is none"),
                ],
            ),
            "",
        )],
        says: "Groups of the network.",
    },
    Event { word: "ison-is", name: "online", fields: &[field(1, "nicks", Form::Texts, "")], says: "Who of those asked for is there." },
    Event { word: "away-now", name: "away-now", fields: &[field(1, "away", Form::Bool, "")], says: "Whether you are away." },
    Event {
        word: "inviting-now",
        name: "inviting",
        fields: &[field(1, "group", Form::Where, ""), field(2, "nick", Form::Text, "")],
        says: "The invitation is on its way.",
    },
    Event {
        word: "lusers",
        name: "counts",
        fields: &[
            field(1, "people", Form::Number, "in the network"),
            field(2, "groups", Form::Number, ""),
            field(3, "nodes", Form::Number, ""),
            field(4, "local_people", Form::Number, "at this node"),
            field(5, "local_groups", Form::Number, ""),
        ],
        says: "How many there are.",
    },
    Event { word: "motd", name: "motd", fields: &[field(1, "lines", Form::Texts, "")], says: "The message of the day." },
    PONG,
];

/// A refusal.
pub(crate) const ERROR: Event = Event {
    word: "error",
    name: "error",
    fields: &[
        field(1, "code", Form::Text, "to go by"),
        field(2, "text", Form::Text, "to read"),
        field(3, "about", Form::Maybe, "the group or nick that it is about"),
        field(4, "group", Form::Maybe, "in which group, where it is about a nick"),
    ],
    says: "Not done.",
};

const PONG: Event =
    Event { word: "pong", name: "pong", fields: &[field(1, "text", Form::Maybe, "what was sent along")], says: "The node is there." };
const BARE_PONG: Event = Event { word: "pong", name: "pong", fields: &[], says: "" };

/// The table's row for a push. `None` for what is not for people, or not known.
pub(crate) fn push(record: &Record<'_>) -> Option<(&'static [Field], &'static Event)> {
    let word = record.name();
    if let Some(event) = ENTRIES.iter().find(|event| event.word == word) {
        let is_notice = word == "message" && record.arg(ENTRY_ARGS) == b"notice";
        return (record.argv.len() >= ENTRY_ARGS).then_some((ENTRY, if is_notice { &NOTICE } else { event }));
    }
    PUSHES.iter().find(|event| event.word == word).map(|event| (&[][..], event))
}

/// The table's row for a reply.
pub(crate) fn reply(record: &Record<'_>) -> Option<&'static Event> {
    match record.name() {
        // A node without a text to send back says PONG, as Redis does.
        "pong" if record.kind == Kind::Status => Some(&BARE_PONG),
        word => REPLIES.iter().find(|event| event.word == word),
    }
}
