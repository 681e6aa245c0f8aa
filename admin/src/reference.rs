//! docs/protocol.md, made from the tables that the servers themselves read.
//!
//! The prose is in `reference.md`; where it says `<!-- name -->`, a table goes. A test compares the result with the file in docs/.

use chatring_machines::command::ClientCommand;
use chatring_machines::entry::Content;
use chatring_machines::event::{Code, Push, Reply};
use chatring_machines::operators::Role;
use chatring_machines::peer::{LinkEvent, PeerCommand};
use chatring_machines::wire::{At, Caller, Spec};

/// The whole reference.
pub fn protocol() -> String {
    let tables = [
        ("commands", commands(ClientCommand::WORDS)),
        ("entries", events(Content::WORDS, "rest")),
        ("pushes", events(Push::WORDS, "arguments")),
        ("replies", events(Reply::WORDS, "arguments")),
        ("codes", codes()),
        ("peer-commands", events(PeerCommand::WORDS, "arguments")),
        ("link-events", events(LinkEvent::WORDS, "arguments")),
    ];
    let prose = include_str!("reference.md").to_string();
    tables.iter().fold(prose, |text, (name, table)| {
        let place = format!("<!-- {name} -->\n");
        assert!(text.contains(&place), "reference.md has no place for {name}");
        text.replace(&place, table)
    })
}

fn commands(words: &[Spec]) -> String {
    let row = |spec: &Spec| {
        let caller = match spec.caller {
            Caller::Anyone => "anyone",
            Caller::Session => "session",
            Caller::Viewer | Caller::Operator | Caller::Admin => spec.caller.role().map_or("", Role::as_str),
            Caller::Peer => "peer",
        };
        let at = match spec.at {
            At::Directory => "directory",
            At::SuperNode => "super node",
            At::Both => "both",
        };
        // Where what is asked for decides who may, those words follow.
        let more = |(ask, role): &(&str, Role)| (Some(*role) > spec.caller.role()).then(|| format!(", {role}: {ask}"));
        let more: String = ClientCommand::asks(spec.word).iter().filter_map(more).collect();
        format!("| `{}` | {caller}{more} | {at} | {} | {} |\n", spec.usage(), spec.since, meaning(spec.doc))
    };
    let head = "| command | caller | answered by | since | what it does |\n|---|---|---|---|---|\n";
    head.to_string() + &words.iter().map(row).collect::<String>()
}

fn events(words: &[Spec], arguments: &str) -> String {
    let row = |spec: &Spec| {
        let usage = spec.usage();
        let rest = usage.strip_prefix(spec.word).unwrap_or_default().trim();
        let rest = if rest.is_empty() { String::new() } else { format!("`{rest}`") };
        format!("| `{}` | {rest} | {} |\n", spec.word, meaning(spec.doc))
    };
    format!("| word | {arguments} | meaning |\n|---|---|---|\n") + &words.iter().map(row).collect::<String>()
}

fn codes() -> String {
    let row = |(word, meaning_of): &(&str, &str)| format!("| `{word}` | {} |\n", meaning(meaning_of));
    "| code | meaning |\n|---|---|\n".to_string() + &Code::WORDS.iter().map(row).collect::<String>()
}

/// A doc comment in one line of a table.
fn meaning(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
