//! Version 1 of the header only grows: what stands in `snapshot/chat_plugin_v1.h` stays as it is. New fields come at the ends of structs that
//! say their size, and everything else that is new has a name of its own.
//!
//! When a minor version is released, its header becomes the snapshot.

use std::collections::BTreeMap;

const NOW: &str = include_str!("../chat_plugin.h");
const THEN: &str = include_str!("../snapshot/chat_plugin_v1.h");

#[test]
fn version_1_only_grows() {
    let broken = broken(THEN, NOW);
    assert!(broken.is_empty(), "who was built with this header before would not work any more:\n{}", broken.join("\n"));
}

/// A header, as far as a plugin that was built with it depends on it.
#[derive(Debug, Default, PartialEq)]
struct Header {
    /// Fields by the name of their struct, in order.
    structs: BTreeMap<String, Vec<String>>,
    defines: BTreeMap<String, String>,
    /// All that is declared besides.
    others: Vec<String>,
}

impl Header {
    fn read(text: &str) -> Header {
        let text = without_comments(text);
        let mut header = Header::default();
        let (directives, code): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
        for line in directives {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["#define", name, value @ ..] = words.as_slice()
                && !value.is_empty()
            {
                header.defines.insert(name.to_string(), value.join(" "));
            }
        }
        // What makes it C for C++.
        let code = code.join(" ").replace("extern \"C\" {", "");
        for statement in statements(&code) {
            match statement.split_once('{') {
                Some((head, body)) => {
                    let name = head.split_whitespace().last().unwrap_or_default().to_string();
                    let body = body.rsplit_once('}').map_or(body, |(fields, _)| fields);
                    let fields = body.split(';').map(words).filter(|field| !field.is_empty()).collect();
                    header.structs.insert(name, fields);
                }
                None => header.others.push(statement),
            }
        }
        header
    }
}

fn without_comments(text: &str) -> String {
    let (mut rest, mut out) = (text, String::new());
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

/// With one blank between words, wherever there was any space.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Split at semicolons outside of braces.
fn statements(code: &str) -> Vec<String> {
    let (mut depth, mut all, mut one) = (0, Vec::new(), String::new());
    for c in code.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                all.push(words(&std::mem::take(&mut one)));
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    all
}

/// What a plugin that was built with `then` would miss or take for something else.
fn broken(then: &str, now: &str) -> Vec<String> {
    let (then, now) = (Header::read(then), Header::read(now));
    let mut broken = Vec::new();
    for (name, fields) in &then.structs {
        let found = now.structs.get(name).map_or(&[][..], Vec::as_slice);
        let grows = fields.first().is_some_and(|first| first == "uint32_t size");
        if !found.starts_with(fields) {
            broken.push(format!("struct {name} does not begin with the fields it had: {fields:?}, now {found:?}"));
        } else if found.len() > fields.len() && !grows {
            broken.push(format!("struct {name} says no size, so nobody can tell that it has grown by {:?}", &found[fields.len()..]));
        }
    }
    for (name, value) in &then.defines {
        match now.defines.get(name) {
            Some(found) if found == value => {}
            Some(found) if name == "CHAT_MINOR" && number(found) > number(value) => {}
            found => broken.push(format!("{name} was {value}, and is {}", found.map_or("gone", String::as_str))),
        }
    }
    let gone = then.others.iter().filter(|statement| !now.others.contains(statement));
    broken.extend(gone.map(|statement| format!("gone or changed: {statement}")));
    broken
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

#[test]
fn the_header_is_read() {
    let header = Header::read(THEN);
    assert_eq!(header.structs["chat_bytes"], ["const uint8_t *data", "size_t len"]);
    assert_eq!(header.structs["chat_host"].len(), 3);
    assert_eq!(header.structs["chat_transport"].len(), 7);
    assert_eq!(header.defines["CHAT_KIND_ROWS"], "10u");
    assert_eq!(header.defines["CHAT_ID_AUTH"], "\"chat.auth/1\"");
    assert!(header.others.contains(&"const chat_entry *chat_entry_v1(void)".to_string()), "{:?}", header.others);
    assert!(header.others.contains(&"typedef int32_t chat_status".to_string()), "{:?}", header.others);
    assert!(header.structs.len() >= 16 && header.defines.len() >= 34, "{header:?}");
}

/// What is said of the header after this change of the snapshot.
#[track_caller]
fn check(from: &str, to: &str, expect: &[&str]) {
    assert_eq!(THEN.matches(from).count(), 1, "{from}");
    let said = broken(THEN, &THEN.replace(from, to));
    assert_eq!(said.len(), expect.len(), "{said:#?}");
    for (said, expect) in said.iter().zip(expect) {
        assert!(said.contains(expect), "{said}");
    }
}

#[test]
fn growth_is_told_from_change() {
    let cancel = "void (*cancel)(void *plugin, uint64_t ticket);";
    // Comments, minor versions, new fields at ends, numbers, interfaces and functions.
    check("/* An authenticator. */", "/* Says who comes in. */", &[]);
    check("#define CHAT_MINOR 0", "#define CHAT_MINOR 1", &[]);
    check(cancel, &format!("{cancel}\n    void (*forget)(void *plugin);"), &[]);
    check("#define CHAT_INTERNAL 6", "#define CHAT_INTERNAL 6\n#define CHAT_LATER 7", &[]);
    check("/* A filter:", "typedef struct chat_new { uint32_t size; } chat_new;\n/* A filter:", &[]);
    // All else.
    check("#define CHAT_MAJOR 1", "#define CHAT_MAJOR 2", &["CHAT_MAJOR was 1, and is 2"]);
    check("#define CHAT_DENY 3", "#define CHAT_DENY 4", &["CHAT_DENY was 3"]);
    check("#define CHAT_PENDING 5", "", &["CHAT_PENDING was 5, and is gone"]);
    check("\"chat.log/1\"", "\"chat.log/2\"", &["CHAT_ID_LOG was"]);
    check(cancel, "", &["struct chat_auth does not begin with the fields it had"]);
    check(cancel, "int (*cancel)(void *plugin, uint64_t ticket);", &["struct chat_auth"]);
    check("    uint16_t major;", "    uint16_t more;\n    uint16_t major;", &["struct chat_entry"]);
    check("    size_t len;", "    size_t len;\n    size_t room;", &["struct chat_bytes says no size"]);
    check("typedef int32_t chat_status;", "typedef int64_t chat_status;", &["gone or changed: typedef int32_t chat_status"]);
    check("const chat_entry *chat_entry_v1(void);", "", &["gone or changed: const chat_entry *chat_entry_v1(void)"]);
}

#[test]
fn all_of_it_is_in_the_reference() {
    let reference = include_str!("../../../docs/plugin-abi.md");
    let header = Header::read(NOW);
    let function = |field: &str| field.split_once("(*").and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name.to_string());
    let functions = header.structs.values().flatten().filter_map(|field| function(field));
    let names = header.structs.keys().chain(header.defines.keys()).cloned().chain(functions);
    let missing: Vec<String> = names.filter(|name| !reference.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/plugin-abi.md: {missing:?}");
}
