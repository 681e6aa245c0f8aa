//! The schemas and the tables of docs/json.md, made from the tables of commands and events. `UPDATE_DOCS=1 cargo test -p chatring-json`
//! writes them anew; otherwise the tests fail where they are out of date.

use crate::command::{self, Answer, COMMANDS, Command};
use crate::event::{ENTRIES, ENTRY, Event, Field, Form, NOTICE, PUSHES, REPLIES};
use crate::mode::{MODES, RANKS, Takes};
use crate::{CLASS, Json};
use chatring_sdk::Transport;
use chatring_sdk::testing::{encode, events};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Whether a field is always there, and what fits it, by its name or names.
type Property = (&'static str, bool, Value);

#[test]
fn the_schema_of_commands_is_up_to_date() {
    let variants: Vec<Value> = COMMANDS.iter().map(command_schema).collect();
    let title = "What a program may say to chatring's transport json: one object a line";
    same(&here("schema/commands.schema.json"), &pretty(&schema(title, variants)));
}

#[test]
fn the_schema_of_events_is_up_to_date() {
    let told = ENTRIES.iter().chain([&NOTICE]).map(|event| event_schema(ENTRY, event));
    let pushes = PUSHES.iter().map(|event| event_schema(&[], event));
    let replies = REPLIES.iter().map(|event| {
        let mut schema = event_schema(&[], event);
        let answers = [("id", id()), ("do", json!({ "type": "string", "description": "the command that this answers" }))];
        let count = if matches!(event.name, "ok" | "error") { 2 } else { 1 };
        answers.into_iter().take(count).for_each(|(name, what)| schema["properties"][name] = what);
        schema
    });
    let other = json!({
        "title": "other",
        "description": "An answer of a later version.",
        "type": "object",
        "properties": { "type": { "const": "other" }, "name": { "type": "string" }, "values": texts(), "id": id() },
        "required": ["type", "name", "values"],
    });
    let title = "What chatring's transport json tells a program: one object a line. Types and fields that are not here may be added";
    same(&here("schema/events.schema.json"), &pretty(&schema(title, told.chain(pushes).chain(replies).chain([other]).collect())));
}

#[test]
fn the_reference_is_up_to_date() {
    let path = here("../../docs/json.md");
    let mut text = std::fs::read_to_string(&path).expect("docs/json.md");
    for (name, table) in [("commands", commands_table()), ("modes", modes_table()), ("events", events_tables())] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let from = text.find(&begin).expect("where it begins") + begin.len();
        let to = text.find(&end).expect("where it ends");
        text.replace_range(from..to, &format!("\n{table}\n"));
    }
    same(&path, &text);
}

#[test]
fn a_type_means_one_thing() {
    let mut names: Vec<&str> = all_events().map(|(_, event)| event.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for kind in COMMANDS.iter().flat_map(|command| command.types) {
        assert!(names.contains(kind), "{kind}");
    }
    assert!(COMMANDS.iter().all(|command| command.types.is_empty() == (command.answer == Answer::Never)));
}

fn all_events() -> impl Iterator<Item = (&'static [Field], &'static Event)> {
    let told = ENTRIES.iter().chain([&NOTICE]).map(|event| (ENTRY, event));
    told.chain(PUSHES.iter().chain(REPLIES).map(|event| (&[][..], event)))
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[track_caller]
fn same(path: &Path, expect: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, expect).expect("a place to write to");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = expect.lines().zip(found.lines()).find(|(expect, found)| expect != found);
    assert!(found == expect, "{} is out of date at {differs:?}: run UPDATE_DOCS=1 cargo test -p chatring-json", path.display());
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value is JSON") + "\n"
}

fn schema(title: &str, variants: Vec<Value>) -> Value {
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "oneOf": variants })
}

fn id() -> Value {
    json!({
        "description": "What a program calls a command: the answer has the same.",
        "type": ["integer", "string"],
        "minimum": i64::MIN,
        "maximum": u64::MAX,
        "maxLength": command::ID_MAX,
    })
}

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn command_schema(command: &Command) -> Value {
    let mut properties = Map::from_iter([("do".into(), json!({ "const": command.word })), ("id".into(), id())]);
    for field in command.fields {
        let mut form = match field.form {
            command::Form::Text => json!({ "type": "string" }),
            command::Form::Texts => texts(),
            command::Form::Changes => changes_schema(),
        };
        form["description"] = field.means.into();
        properties.insert(field.name.into(), form);
    }
    let needed = command.fields.iter().filter(|field| field.is_needed).map(|field| field.name);
    let needed: Vec<&str> = std::iter::once("do").chain(needed).collect();
    let mut schema = json!({
        "title": command.word,
        "description": command.does,
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    });
    if command.fields.iter().any(|field| field.name == "account") {
        schema["dependentRequired"] = json!({ "account": ["password"] });
    }
    schema
}

fn changes_schema() -> Value {
    let names = |is_one: fn(Takes) -> bool| MODES.iter().filter(|mode| is_one(mode.takes)).map(|mode| mode.name).collect::<Vec<_>>();
    let value = json!({ "type": ["string", "integer"], "minLength": 1, "minimum": 0, "maximum": u64::MAX });
    let variant = |names: Vec<&str>, set: Value, has_value: bool, needed: Vec<&str>| {
        let mut properties = json!({ "mode": { "enum": names }, "set": set });
        if has_value {
            properties["value"] = value.clone();
        }
        json!({ "type": "object", "properties": properties, "required": needed, "additionalProperties": false })
    };
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": command::CHANGES_MAX,
        "items": {
            "oneOf": [
                variant(names(|takes| takes == Takes::Always), json!({ "type": "boolean" }), true, vec!["mode", "value"]),
                variant(names(|takes| takes == Takes::WhenSet), json!({ "const": true }), true, vec!["mode", "value"]),
                variant(names(|takes| takes == Takes::WhenSet), json!({ "const": false }), false, vec!["mode", "set"]),
                variant(names(|takes| takes == Takes::Nothing), json!({ "type": "boolean" }), false, vec!["mode"]),
            ],
        },
    })
}

fn event_schema(common: &[Field], event: &Event) -> Value {
    let (mut properties, needed) = properties(common.iter().chain(event.fields));
    properties.insert("type".into(), json!({ "const": event.name }));
    let needed: Vec<&str> = ["type"].into_iter().chain(needed).collect();
    json!({ "title": event.name, "description": event.says, "type": "object", "properties": properties, "required": needed })
}

fn properties<'f>(fields: impl Iterator<Item = &'f Field>) -> (Map<String, Value>, Vec<&'static str>) {
    let (mut all, mut needed) = (Map::new(), Vec::new());
    for field in fields {
        for (name, is_always, mut what) in properties_of(field) {
            if !field.means.is_empty() {
                what["description"] = field.means.into();
            }
            all.insert(name.into(), what);
            needed.extend(is_always.then_some(name));
        }
    }
    (all, needed)
}

fn properties_of(field: &Field) -> Vec<Property> {
    let number = json!({ "type": "integer", "minimum": 0 });
    let (is_always, what) = match field.form {
        Form::Text => (true, json!({ "type": "string" })),
        Form::Maybe => (false, json!({ "type": "string", "minLength": 1 })),
        Form::Number => (true, number),
        Form::MaybeNumber => (false, number),
        Form::Place => (false, json!({ "type": "integer", "minimum": 1 })),
        Form::Bool | Form::Away => (true, json!({ "type": "boolean" })),
        Form::Where => {
            let name = json!({ "type": "string", "minLength": 1 });
            return vec![("group", false, name.clone()), ("to", false, name)];
        }
        Form::Ranks => {
            let ranks = RANKS.map(|(_, rank)| rank);
            (false, json!({ "type": "array", "items": { "enum": ranks }, "minItems": 1 }))
        }
        Form::Modes => {
            let mode = json!({ "type": "string", "description": "by name; one that has none yet by its letter" });
            let properties = json!({ "mode": mode, "set": { "type": "boolean" }, "value": { "type": "string" } });
            (true, json!({ "type": "array", "items": { "type": "object", "properties": properties, "required": ["mode", "set"] } }))
        }
        Form::Texts => (true, texts()),
        Form::Rows(_, fields) => {
            let (properties, needed) = properties(fields.iter());
            (true, json!({ "type": "array", "items": { "type": "object", "properties": properties, "required": needed } }))
        }
    };
    vec![(field.name, is_always, what)]
}

fn commands_table() -> String {
    let mut table = "| `do` | fields | answered by | what it does |\n|---|---|---|---|\n".to_string();
    for command in COMMANDS {
        let fields = command.fields.iter().map(|field| {
            let mark = if field.is_needed { "**" } else { "" };
            format!("{mark}`{}`{mark}: {}", field.name, field.means)
        });
        let fields = fields.collect::<Vec<_>>().join("<br>");
        let answer = command.types.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let joint = if command.answer == Answer::Join { ", " } else { " or " };
        table += &format!("| `{}` | {fields} | {} | {} |\n", command.word, answer.join(joint), command.does);
    }
    table
}

fn modes_table() -> String {
    let mut table = "| `mode` | `value` | meaning |\n|---|---|---|\n".to_string();
    for mode in &MODES {
        let value = match mode.takes {
            Takes::Always => "always",
            Takes::WhenSet => "when set",
            Takes::Nothing => "",
        };
        table += &format!("| `{}` | {value} | {} |\n", mode.name, mode.means);
    }
    table
}

fn events_tables() -> String {
    let common: Vec<String> = ENTRY.iter().map(|field| format!("- {}\n", field_text(field))).collect();
    let entries: Vec<&Event> = std::iter::once(&ENTRIES[0]).chain([&NOTICE]).chain(&ENTRIES[1..]).collect();
    let pushes: Vec<&Event> = PUSHES.iter().collect();
    let replies: Vec<&Event> = REPLIES.iter().collect();
    format!(
        "### What happens in groups, and direct messages\n\nAll of them have\n\n{}\n{}\n### What else you are told\n\n{}\n### Answers\n\nEach has the `id` of its command, if \
         that had one; `ok` and `error` also say in `do` which it was.\n\n{}\n### As they come\n\n```json\n{}```\n",
        common.concat(),
        events_table(&entries),
        events_table(&pushes),
        events_table(&replies),
        samples()
    )
}

fn events_table(events: &[&Event]) -> String {
    let mut table = "| `type` | fields | meaning |\n|---|---|---|\n".to_string();
    for event in events {
        let fields: Vec<String> = event.fields.iter().map(field_text).collect();
        table += &format!("| `{}` | {} | {} |\n", event.name, fields.join("<br>"), event.says);
    }
    table
}

fn field_text(field: &Field) -> String {
    let mut text = format!("`{}`", field.name);
    if !field.means.is_empty() {
        text += &format!(": {}", field.means);
    }
    match field.form {
        Form::Rows(_, fields) => {
            let fields: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
            text + &format!(": a list of objects with {}", fields.join(", "))
        }
        Form::Modes => text + ": a list of objects with `mode`, `set`, `value`",
        Form::Texts => text + ": a list of texts",
        _ => text,
    }
}

/// One line of each type, made by the encoder.
fn samples() -> String {
    let json = Json::start("").expect("the defaults");
    let mut seen = Vec::new();
    let lines = events().into_iter().filter_map(|record| {
        let line = String::from_utf8(encode(&json, CLASS, &record)).expect("JSON is text");
        let object: Value = serde_json::from_str(&line).ok()?;
        let name = object["type"].clone();
        let is_new = name != "other" && !seen.contains(&name);
        seen.push(name);
        is_new.then_some(line)
    });
    lines.collect()
}
