//! What people's programs may say: the one table of commands, and how a line becomes records.
//!
//! Parser, errors, schema and docs/json.md all read [`COMMANDS`]. A line is one JSON object; `do` says what is wanted, and the fields are
//! those of the table, no others: a slip of the pen is answered by what was expected. Whether a group exists, or a nick may be taken, is
//! the node's to say.

use crate::mode;
use serde_json::{Map, Value};

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    /// What `do` says.
    pub word: &'static str,
    pub fields: &'static [Field],
    pub answer: Answer,
    /// For the reference: by events of which type.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub types: &'static [&'static str],
    /// For the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub does: &'static str,
}

/// A field of a command.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub form: Form,
    pub is_needed: bool,
    /// For the reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the reference is made of it"))]
    pub means: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Texts,
    Changes,
}

/// How the node answers what a command becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Not at all.
    Never,
    /// By one record.
    One,
    /// By `welcome`, `lusers` and `motd`.
    Login,
    /// By `entered`, then as `Names`.
    Join,
    /// By `names`, until one says that it is the last.
    Names,
    /// By an error or not at all; then the `PING` behind it is answered.
    Unless,
}

const fn needed(name: &'static str, form: Form, means: &'static str) -> Field {
    Field { name, form, is_needed: true, means }
}

const fn may(name: &'static str, form: Form, means: &'static str) -> Field {
    Field { name, form, is_needed: false, means }
}

const GROUP: Field = needed("group", Form::Text, "its name, like `#erlang`");
const NICK: Field = needed("nick", Form::Text, "whom");
const REASON: Field = may("reason", Form::Text, "why");
const TO: Field = needed("to", Form::Text, "a group like `#erlang`, or a nick");
const TEXT: Field = needed("text", Form::Text, "up to 16 KiB");

/// All of them.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        word: "login",
        fields: &[
            needed("nick", Form::Text, "what to be called, in the whole network"),
            may("account", Form::Text, "the nick unless given"),
            may("password", Form::Text, "the account's; a guest has none"),
            may("user", Form::Text, "the nick unless given"),
            may("real", Form::Text, "a name or a description; the nick unless given"),
        ],
        answer: Answer::Login,
        types: &["welcome"],
        does: "Registers. Nothing behind it need wait for its answer. Where guests are welcome, other commands may come without it; then the nick is one that the node gave.",
    },
    Command {
        word: "join",
        fields: &[GROUP, may("key", Form::Text, "where one is needed")],
        answer: Answer::Join,
        types: &["joined", "names"],
        does: "Joins a group.",
    },
    Command { word: "part", fields: &[GROUP, REASON], answer: Answer::One, types: &["ok"], does: "Leaves a group." },
    Command {
        word: "say",
        fields: &[TO, TEXT],
        answer: Answer::One,
        types: &["sent"],
        does: "Says something to a group or to a person. What is said to a group is heard by who said it, too.",
    },
    Command {
        word: "notice",
        fields: &[TO, TEXT],
        answer: Answer::Unless,
        types: &["ok"],
        does: "The same as something that no program answers: what bots should use to answer, so that two of them don't talk for ever. It comes back to who said it.",
    },
    Command {
        word: "topic",
        fields: &[GROUP, may("text", Form::Text, "the new topic; empty clears it")],
        answer: Answer::One,
        types: &["ok", "topic-is"],
        does: "Sets a group's topic, or asks for it without `text`.",
    },
    Command { word: "names", fields: &[GROUP], answer: Answer::Names, types: &["names"], does: "Asks who is in a group." },
    Command {
        word: "who",
        fields: &[needed("of", Form::Text, "a group, or a nick")],
        answer: Answer::One,
        types: &["who"],
        does: "The same in detail, or of one person.",
    },
    Command { word: "whois", fields: &[NICK], answer: Answer::One, types: &["whois"], does: "Asks who a person is, and where." },
    Command {
        word: "online",
        fields: &[needed("nicks", Form::Texts, "up to 32")],
        answer: Answer::One,
        types: &["online"],
        does: "Asks which of these people are there.",
    },
    Command {
        word: "groups",
        fields: &[may("pattern", Form::Text, "like `#er*`; all of them unless given")],
        answer: Answer::One,
        types: &["groups"],
        does: "Asks which groups there are.",
    },
    Command {
        word: "counts",
        fields: &[],
        answer: Answer::One,
        types: &["counts"],
        does: "Asks how many people, groups and nodes there are.",
    },
    Command {
        word: "modes",
        fields: &[
            GROUP,
            may("changes", Form::Changes, "up to 12, like `[{\"mode\":\"voice\",\"value\":\"joe\"}]`; `\"set\":false` takes one away"),
        ],
        answer: Answer::One,
        types: &["ok", "modes"],
        does: "Changes what is set in a group, or asks for it without `changes`.",
    },
    Command { word: "bans", fields: &[GROUP], answer: Answer::One, types: &["bans"], does: "Asks who is banned from a group." },
    Command { word: "kick", fields: &[GROUP, NICK, REASON], answer: Answer::One, types: &["ok"], does: "Removes someone from a group." },
    Command { word: "invite", fields: &[GROUP, NICK], answer: Answer::One, types: &["inviting"], does: "Invites someone to a group." },
    Command {
        word: "nick",
        fields: &[needed("nick", Form::Text, "the new one")],
        answer: Answer::One,
        types: &["ok"],
        does: "Takes another nick; `you-are` says so, too.",
    },
    Command {
        word: "away",
        fields: &[may("text", Form::Text, "what to tell those who write; back without it")],
        answer: Answer::One,
        types: &["away-now"],
        does: "Says that you are away, or back.",
    },
    Command { word: "motd", fields: &[], answer: Answer::One, types: &["motd"], does: "Asks for the message of the day." },
    Command {
        word: "ping",
        fields: &[may("text", Form::Text, "comes back")],
        answer: Answer::One,
        types: &["pong"],
        does: "Asks whether the node is there.",
    },
    Command {
        word: "pong",
        fields: &[],
        answer: Answer::Never,
        types: &[],
        does: "Answers `ping`, which comes when nothing was said for a while: who says nothing then is taken for gone.",
    },
    Command {
        word: "quit",
        fields: &[REASON],
        answer: Answer::One,
        types: &["ok"],
        does: "Says good-bye; the node closes the connection.",
    },
];

/// A line that was understood.
#[derive(Debug)]
pub(crate) struct Asked {
    pub command: &'static Command,
    pub id: Id,
    /// What it becomes: one record, or two.
    pub records: Vec<Vec<String>>,
}

/// What a program calls a command, as JSON; none in most.
pub(crate) type Id = Option<Box<str>>;

/// A line that was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: &'static str,
    pub text: String,
    /// Of which command, where that is known.
    pub word: Option<&'static str>,
}

/// Characters of an id.
pub(crate) const ID_MAX: usize = 64;
/// Mode changes in one command: as many as the node takes.
pub(crate) const CHANGES_MAX: usize = 12;
/// Characters of what was said that an error repeats.
const QUOTED_MAX: usize = 32;
/// One object a line, and what it looks like.
pub(crate) const EXPECTED: &str = r##"expected one JSON object a line, like {"do":"join","group":"#erlang"}"##;

/// Reads a line. A fault comes with the id, where there is a good one.
pub(crate) fn parse(line: &[u8]) -> Result<Asked, (Box<Fault>, Id)> {
    let syntax = |text, word| Box::new(Fault { code: "SYNTAX", text, word });
    let object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err((syntax(EXPECTED.to_string(), None), None)),
        Err(error) => return Err((syntax(format!("{error}; {EXPECTED}"), None), None)),
    };
    let id = id_of(&object).map_err(|text| (syntax(text, None), None))?;
    let command = match command_of(&object) {
        Ok(command) => command,
        Err(fault) => return Err((fault, id)),
    };
    match fields_of(command, object) {
        Ok(given) => Ok(Asked { command, id, records: records(command, given) }),
        Err(text) => Err((syntax(format!("{}: {text}", command.word), Some(command.word)), id)),
    }
}

fn id_of(object: &Map<String, Value>) -> Result<Id, String> {
    match object.get("id") {
        None => Ok(None),
        Some(id @ Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(id.to_string().into())),
        Some(id @ Value::String(text)) if text.chars().count() <= ID_MAX => Ok(Some(id.to_string().into())),
        Some(_) => Err(format!("\"id\" has to be a whole number, or a text of at most {ID_MAX} characters")),
    }
}

fn command_of(object: &Map<String, Value>) -> Result<&'static Command, Box<Fault>> {
    let (code, found) = match object.get("do") {
        Some(Value::String(word)) => match COMMANDS.iter().find(|command| command.word == word) {
            Some(command) => return Ok(command),
            None => ("UNKNOWN", format!("there is no \"do\":\"{}\"", quoted(word))),
        },
        Some(_) => ("SYNTAX", "\"do\" has to be a text".to_string()),
        None => ("SYNTAX", "\"do\" is missing".to_string()),
    };
    let words: Vec<&str> = COMMANDS.iter().map(|command| command.word).collect();
    Err(Box::new(Fault { code, text: format!("{found}; expected one of {}", words.join(", ")), word: None }))
}

/// The fields that were given, all of them good.
struct Given(Map<String, Value>);

fn fields_of(command: &Command, mut object: Map<String, Value>) -> Result<Given, String> {
    let names = || {
        let names: Vec<&str> = command.fields.iter().map(|field| field.name).chain(["id"]).collect();
        names.join(", ")
    };
    object.retain(|name, _| !matches!(name.as_str(), "do" | "id"));
    for (name, value) in &object {
        let Some(field) = command.fields.iter().find(|field| field.name == name) else {
            return Err(format!("there is no field \"{}\"; expected {}", quoted(name), names()));
        };
        match (field.form, value) {
            (Form::Text, Value::String(_)) => {}
            (Form::Text, _) => return Err(format!("\"{name}\" has to be a text")),
            (Form::Texts, Value::Array(items)) if items.iter().all(Value::is_string) => {}
            (Form::Texts, _) => return Err(format!("\"{name}\" has to be a list of texts")),
            (Form::Changes, value) => drop(changes_of(value)?),
        }
    }
    if object.contains_key("account") && !object.contains_key("password") {
        return Err("\"account\" needs a \"password\"".to_string());
    }
    match command.fields.iter().find(|field| field.is_needed && !object.contains_key(field.name)) {
        Some(field) => Err(format!("\"{}\" is missing; expected {}", field.name, names())),
        None => Ok(Given(object)),
    }
}

/// Mode changes as letters and arguments.
fn changes_of(value: &Value) -> Result<Vec<String>, String> {
    let items = value.as_array().filter(|items| (1..=CHANGES_MAX).contains(&items.len()));
    let items = items.ok_or_else(|| format!("\"changes\" has to be a list of 1 to {CHANGES_MAX} objects"))?;
    let (mut letters, mut arguments) = (String::new(), Vec::new());
    for item in items {
        let object = item.as_object().ok_or("a change has to be an object with \"mode\", \"set\", \"value\"")?;
        if let Some(name) = object.keys().find(|name| !matches!(name.as_str(), "mode" | "set" | "value")) {
            return Err(format!("a change has no field \"{}\"; expected mode, set, value", quoted(name)));
        }
        let name = object.get("mode").and_then(Value::as_str).ok_or("\"mode\" of a change has to be a text")?;
        let Some(mode) = mode::of_name(name) else {
            let names: Vec<&str> = mode::MODES.iter().map(|mode| mode.name).collect();
            return Err(format!("there is no mode \"{}\"; expected one of {}", quoted(name), names.join(", ")));
        };
        let is_set = match object.get("set") {
            None => true,
            Some(Value::Bool(is_set)) => *is_set,
            Some(_) => return Err("\"set\" of a change has to be true or false".to_string()),
        };
        let value = match object.get("value") {
            None => None,
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
            Some(_) => return Err("\"value\" of a change has to be a text that is not empty, or a whole number".to_string()),
        };
        match (mode.takes_value(is_set), value) {
            (true, Some(value)) => arguments.push(value),
            (true, None) => return Err(format!("{name} needs a \"value\"")),
            (false, Some(_)) => return Err(format!("{name} takes no \"value\" then")),
            // Whatever it is, it goes.
            (false, None) if mode.takes_argument(is_set) => arguments.push("*".to_string()),
            (false, None) => {}
        }
        letters.push(if is_set { '+' } else { '-' });
        letters.push(mode.letter.into());
    }
    Ok(std::iter::once(letters).chain(arguments).collect())
}

/// What a command is in docs/records.md.
fn records(command: &Command, mut given: Given) -> Vec<Vec<String>> {
    let mut take = |name: &str| match given.0.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let mut need = |name: &str| take(name).unwrap_or_default();
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    let one = match command.word {
        "login" => {
            let nick = need("nick");
            let [user, real] = [take("user"), take("real")].map(|name| name.unwrap_or_else(|| nick.clone()));
            let proof = take("password").map(|password| [take("account").unwrap_or_else(|| nick.clone()), password]);
            ["LOGIN".into(), nick, user, real].into_iter().chain(proof.into_iter().flatten()).collect()
        }
        "join" => optional(&["ENTER", &need("group")], take("key")),
        "part" => optional(&["PART", &need("group")], take("reason")),
        "say" => words(&["MSG", &need("to"), &need("text")]),
        // Its refusal alone says nothing of its success, so something behind it is asked for that is always answered.
        "notice" => return vec![words(&["SAY", "notice", &need("to"), "1", &need("text")]), words(&["PING"])],
        // Empty is not the same as absent here.
        "topic" => ["TOPIC".into(), need("group")].into_iter().chain(take("text")).collect(),
        "names" => words(&["NAMES", &need("group")]),
        "who" => words(&["WHO", &need("of")]),
        "whois" => words(&["WHOIS", &need("nick")]),
        "groups" => optional(&["LIST"], take("pattern")),
        "counts" => words(&["LUSERS"]),
        "bans" => words(&["MODE", &need("group"), "+b"]),
        "kick" => optional(&["KICK", &need("group"), &need("nick")], take("reason")),
        "invite" => words(&["INVITE", &need("nick"), &need("group")]),
        "nick" => words(&["NICK", &need("nick")]),
        "away" => optional(&["AWAY"], take("text")),
        "motd" => words(&["MOTD"]),
        "ping" => ["PING".into()].into_iter().chain(take("text")).collect(),
        "pong" => words(&["PONG"]),
        "quit" => optional(&["QUIT"], take("reason")),
        "online" => {
            let nicks = given.0.remove("nicks").and_then(|nicks| nicks.as_array().cloned()).unwrap_or_default();
            std::iter::once("ISON".into()).chain(nicks.iter().filter_map(Value::as_str).map(str::to_string)).collect()
        }
        _ => {
            let group = need("group");
            let changes = given.0.get("changes").and_then(|changes| changes_of(changes).ok()).unwrap_or_default();
            ["MODE".into(), group].into_iter().chain(changes).collect()
        }
    };
    vec![one]
}

/// A record whose last word is left out where it is empty.
fn optional(words: &[&str], last: Option<String>) -> Vec<String> {
    let last = last.filter(|last| !last.is_empty());
    words.iter().map(|word| word.to_string()).chain(last).collect()
}

/// The beginning of what a program said.
fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(QUOTED_MAX).map_or(text.len(), |(at, _)| at);
    text[..end].to_string()
}
