//! docs/chatctl.md, made from the table of commands that chatctl itself parses with.
//!
//! The prose is in `reference.md`; where it says `<!-- name -->`, something from the tables goes.

use chatring_admin::{FailureKind, Output};
use clap::{Arg, ArgAction, ValueEnum};

use super::registry::{self, Asks, Entry};

/// The whole reference.
pub fn chatctl() -> String {
    let pieces = [("options", options()), ("forms", forms()), ("exit-codes", exit_codes()), ("commands", commands())];
    let prose = include_str!("reference.md").to_string();
    pieces.iter().fold(prose, |text, (name, piece)| {
        let place = format!("<!-- {name} -->\n");
        assert!(text.contains(&place), "reference.md has no place for {name}");
        text.replace(&place, piece)
    })
}

fn options() -> String {
    let mut command = registry::definitions(false);
    command.build();
    let row = |arg: &Arg| {
        let env = arg.get_env().map_or(String::new(), |env| format!("`{}`", env.to_string_lossy()));
        format!("| `{}` | {env} | {} |\n", written(arg), cell(&help(arg)))
    };
    let rows: String = command.get_arguments().filter(|arg| arg.is_global_set()).map(row).collect();
    format!("| option | environment | |\n|---|---|---|\n{rows}")
}

fn forms() -> String {
    let row = |output: &Output| {
        let value = output.to_possible_value().expect("no form is hidden");
        format!("| `{}` | {} |\n", value.get_name(), cell(&value.get_help().map(ToString::to_string).unwrap_or_default()))
    };
    format!("| `--output` | |\n|---|---|\n{}", Output::value_variants().iter().map(row).collect::<String>())
}

fn exit_codes() -> String {
    let row = |(kind, meaning): &(FailureKind, &str)| format!("| {} | {} |\n", *kind as u8, cell(meaning));
    format!("| code | |\n|---|---|\n| 0 | Done. |\n{}", FailureKind::ALL.iter().map(row).collect::<String>())
}

fn commands() -> String {
    registry::entries().iter().map(section).collect()
}

fn section(entry: &Entry) -> String {
    let mark = entry.mark;
    let mut facts = Vec::new();
    if let Some(name) = mark.needs.name() {
        facts.push(format!("asks as {name}"));
    }
    facts.extend(mark.schema.map(|schema| format!("prints [{schema}](schemas/{schema}.json)")));
    match mark.asks {
        Asks::Never => {}
        Asks::Always(what) => facts.push(format!("asks first, unless `--yes`: it {what}")),
        Asks::Where(what) => facts.push(format!("asks first, unless `--yes`, where {what}")),
    }
    let facts = if facts.is_empty() { String::new() } else { format!("\n{}.\n", sentence(&facts.join("; "))) };
    let own = entry
        .command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version");
    let arguments: String = own.map(|arg| format!("- `{}`: {}\n", written(arg), help(arg))).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("\n{arguments}") };
    let examples: String = mark.examples.iter().map(|example| format!("chatctl {example}\n")).collect();
    format!("\n### {}\n\n{}.\n{facts}{arguments}\n```sh\n{examples}```\n", mark.words, entry.summary)
}

/// How an argument is written.
fn written(arg: &Arg) -> String {
    let names: Vec<String> = arg.get_value_names().unwrap_or_default().iter().map(|name| name.to_string()).collect();
    let values = if names.is_empty() { arg.get_id().to_string().to_uppercase() } else { names.join(" ") };
    let takes = arg.get_action().takes_values();
    let many = if matches!(arg.get_action(), ArgAction::Append) && arg.is_positional() { " …" } else { "" };
    match (arg.get_short(), arg.get_long()) {
        (None, None) => format!("{values}{many}"),
        (short, long) => {
            let names = [short.map(|short| format!("-{short}")), long.map(|long| format!("--{long}"))];
            let names = names.into_iter().flatten().collect::<Vec<_>>().join(", ");
            if takes { format!("{names} {values}") } else { names }
        }
    }
}

/// What an argument is about, with the words that it knows and what it is without being said.
fn help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words: Vec<String> = arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !words.is_empty() {
        help += &format!(" ({})", words.join(", "));
    }
    let defaults: Vec<String> = arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() && defaults != ["``"] {
        help += &format!(" (without it {})", defaults.join(" "));
    }
    help
}

/// In one line of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_reference_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/chatctl.md");
        let expect = super::chatctl();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &expect).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        let differs = expect.lines().zip(found.lines()).find(|(expect, found)| expect != found);
        assert!(found == expect, "docs/chatctl.md is out of date at {differs:?}: run UPDATE_DOCS=1 cargo test -p chatring --lib reference");
    }
}
