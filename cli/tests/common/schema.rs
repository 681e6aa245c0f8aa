//! What `chatctl --output json` prints, against docs/schemas.

#[path = "../../../plugins/json/tests/it/misfit.rs"]
mod misfit;

use chatring::commands::registry;
use serde_json::Value as Json;
use std::path::Path;

/// Why a value is not what this schema says. `None`: it is.
pub fn misfit_of(schema: &str, value: &Json) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(schema).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    misfit::misfit(&serde_json::from_str(&text).unwrap(), value)
}

/// The schema of a command's result, by the words that it begins with.
pub fn of_command(args: &[&str]) -> Option<&'static str> {
    let entries = registry::entries();
    let of = |words: &str| entries.iter().find(|entry| entry.mark.words == words).and_then(|entry| entry.mark.schema);
    of(&args[..args.len().min(2)].join(" ")).or_else(|| of(args.first()?))
}

/// Fails unless a command's result is what its schema says.
#[track_caller]
pub fn check(args: &[&str], value: &Json) {
    let schema = of_command(args).unwrap_or_else(|| panic!("{args:?} has no schema"));
    assert_eq!(misfit_of(schema, value), None, "{args:?} against {schema}: {value}");
}
