//! The schemas against the codec itself: what it accepts fits the one, what it writes fits the other, and nothing else does.

use crate::client::{Client, json, record};
use crate::misfit::misfit;
use chatring_sdk::Kind;
use chatring_sdk::testing::{encode, events};
use serde_json::Value;

fn schema(of: &str) -> Value {
    let path = format!("{}/schema/{of}.schema.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("a schema is JSON")
}

/// The variant of a schema for an event.
fn variant<'s>(schema: &'s Value, event: &Value) -> &'s Value {
    let variants = schema["oneOf"].as_array().expect("variants");
    variants
        .iter()
        .find(|variant| variant["properties"]["type"]["const"] == event["type"])
        .unwrap_or_else(|| panic!("no variant for {event}"))
}

/// Whatever is there is described, too, however deep.
fn check_described(schema: &Value, value: &Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let property = schema["properties"].get(name).unwrap_or_else(|| panic!("{name} is not in the schema: {object:?}"));
                check_described(property, value);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_described(&schema["items"], item)),
        _ => {}
    }
}

#[track_caller]
fn check_event(schema: &Value, line: &[u8]) -> Value {
    let event: Value = serde_json::from_slice(line).expect("an event is JSON");
    let variant = variant(schema, &event);
    assert_eq!(misfit(variant, &event), None, "{event}");
    assert_eq!(misfit(schema, &event), None, "{event}");
    check_described(variant, &event);
    event
}

#[test]
fn what_is_written_fits() {
    let (schema, json) = (schema("events"), json());
    let mut seen = Vec::new();
    let more = [
        record(Kind::Text, "pong are~you~there"),
        record(Kind::Error, "error NOTINGROUP no bob #g"),
        record(Kind::Push, "mode #g 9 2 s.9 1700000000131 joe joe h _ Joe +o-klb+x bob * *!*@x"),
        record(Kind::Push, "part #g 0 2 s.9 1700000000131 joe joe h _ Joe _"),
        record(Kind::Push, "alive"),
    ];
    for record in events().iter().chain(&more) {
        let line = encode(&json, 0, record);
        if !line.is_empty() {
            seen.push(check_event(&schema, &line)["type"].clone());
        }
    }
    let variants = schema["oneOf"].as_array().unwrap().iter().map(|variant| &variant["properties"]["type"]["const"]);
    variants.for_each(|name| assert!(seen.contains(name), "no sample of {name}"));

    // With what answers have beside.
    let mut client = Client::new(&json);
    for (id, line) in
        [r##"{"do":"part","group":"#g","id":7}"##, r##"{"do":"part","group":"#g","id":"x"}"##, r#"{"id":0}"#].iter().enumerate()
    {
        client.says(line);
        let line = if id == 1 { client.hears(Kind::Error, "error NOTMEMBER no #g") } else { client.hears(Kind::Status, "ok OK") };
        let event = check_event(&schema, line.as_bytes());
        assert!(event.get("id").is_some(), "{event}");
    }
}

#[test]
fn the_schema_of_events_refuses_what_is_not_one() {
    let schema = schema("events");
    for line in [
        r#"{}"#,
        r#"{"type":"frob"}"#,
        r##"{"type":"sent","group":"#g"}"##,
        r##"{"type":"sent","group":"#g","seq":"12"}"##,
        r##"{"type":"names","group":"#g","done":true,"members":[{"nick":"joe","ranks":["king"]}]}"##,
    ] {
        assert!(misfit(&schema, &serde_json::from_str(line).unwrap()).is_some(), "{line}");
    }
}

/// Codec and schema agree on every line that is JSON.
#[test]
fn what_is_accepted_fits_and_what_fits_is_accepted() {
    let (schema, json) = (schema("commands"), json());
    let long = "é".repeat(64);
    let mut count = [0, 0];
    for line in [
        r#"{"do":"login","nick":"joe"}"#,
        r#"{"do":"login","nick":"joe","account":"j","password":"p","user":"u","real":"r","id":18446744073709551615}"#,
        r#"{"do":"login","nick":"joe","password":"p","id":-9223372036854775808}"#,
        r##"{"do":"join","group":"#g","key":"k"}"##,
        r##"{"do":"part","group":"#g","reason":""}"##,
        r##"{"do":"say","to":"#g","text":"hi","id":7}"##,
        r##"{"do":"notice","to":"#g","text":"hi"}"##,
        r##"{"do":"topic","group":"#g"}"##,
        r##"{"do":"topic","group":"#g","text":""}"##,
        r##"{"do":"names","group":"#g"}"##,
        r##"{"do":"who","of":"#g"}"##,
        r##"{"do":"whois","nick":"joe"}"##,
        r##"{"do":"online","nicks":["joe"]}"##,
        r##"{"do":"groups"}"##,
        r##"{"do":"counts"}"##,
        r##"{"do":"modes","group":"#g"}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"operator","value":"joe"},{"mode":"key","set":false},{"mode":"limit","value":3},{"mode":"moderated","set":true}]}"##,
        r##"{"do":"bans","group":"#g"}"##,
        r##"{"do":"kick","group":"#g","nick":"joe"}"##,
        r##"{"do":"invite","group":"#g","nick":"joe"}"##,
        r##"{"do":"nick","nick":"joe"}"##,
        r##"{"do":"away","text":"x"}"##,
        r##"{"do":"motd"}"##,
        r##"{"do":"ping","text":""}"##,
        r##"{"do":"pong"}"##,
        r##"{"do":"quit"}"##,
        &format!(r#"{{"do":"motd","id":"{long}"}}"#),
        // From here on, not.
        "1",
        "[]",
        "{}",
        r##"{"do":"frob"}"##,
        r##"{"do":["motd"]}"##,
        r##"{"do":"motd","x":1}"##,
        r##"{"do":"motd","id":null}"##,
        r##"{"do":"motd","id":1.5}"##,
        &format!(r#"{{"do":"motd","id":"{long}x"}}"#),
        r##"{"do":"join"}"##,
        r##"{"do":"join","group":null}"##,
        r##"{"do":"join","group":7}"##,
        r##"{"do":"login","nick":"joe","account":"j"}"##,
        r##"{"do":"online","nicks":[1]}"##,
        r##"{"do":"modes","group":"#g","changes":[]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"operator"}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"operator","value":""}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"operator","value":-1}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"limit","set":false,"value":3}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"moderated","value":"x"}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"frob"}]}"##,
        r##"{"do":"modes","group":"#g","changes":[{"mode":"moderated","set":null}]}"##,
    ] {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let mut client = Client::new(&json);
        client.says(line);
        // What was refused is an error when its turn comes.
        let is_accepted = !client.hears(Kind::Status, "pong PONG").contains("\"type\":\"error\"");
        assert_eq!(misfit(&schema, &value).is_none(), is_accepted, "{line}: {:?}", misfit(&schema, &value));
        count[usize::from(is_accepted)] += 1;
    }
    assert!(count.iter().all(|count| *count > 20), "{count:?}");
}
