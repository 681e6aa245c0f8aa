//! `chatctl commands|completions|man`: what the table of commands is, for programs, shells and readers.

use std::io::Write;
use std::path::PathBuf;

use chatring_admin::{Failure, Sheet};
use clap::Args;
use serde_json::{Value, json};

use super::Global;
use super::registry::{self, Asks, Entry};

/// For which shell.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Where to.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// The folder for the pages; it is made where it is missing
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Lists all commands.
pub fn commands(global: &Global) -> Result<(), Failure> {
    let entries = registry::entries();
    let row =
        |entry: &Entry| vec![entry.mark.words.to_string(), entry.mark.needs.name().unwrap_or_default().to_string(), entry.summary.clone()];
    let columns = [("words", "command"), ("role", "asks as"), ("summary", "what it does")];
    let sheet = Sheet::table(&columns, entries.iter().map(row).collect(), entries.iter().map(record).collect());
    global.output.show(&sheet.also(&["usage", "schema", "asks", "examples"]))
}

fn record(entry: &Entry) -> Value {
    let mark = entry.mark;
    let asks = match mark.asks {
        Asks::Never => None,
        Asks::Always(what) | Asks::Where(what) => Some(what),
    };
    json!({
        "words": mark.words, "role": mark.needs.name(), "summary": entry.summary, "usage": entry.usage, "schema": mark.schema, "asks": asks,
        "examples": mark.examples.iter().map(|example| format!("chatctl {example}")).collect::<Vec<_>>(),
    })
}

/// Writes what completes commands.
pub fn completions(args: CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut registry::definitions(false), "chatctl", &mut text);
    // A reader that went away is not an error.
    let _ = std::io::stdout().write_all(&text);
    Ok(())
}

/// Writes the man pages.
pub fn man(args: &ManArgs, global: &Global) -> Result<(), Failure> {
    let trouble = |error: std::io::Error| Failure::refused(format!("{}: {error}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(trouble)?;
    clap_mangen::generate_to(registry::definitions(false), &args.dir).map_err(trouble)?;
    let pages = registry::entries().len();
    let value = json!({ "dir": args.dir.display().to_string(), "commands": pages });
    let rows =
        vec![("dir", args.dir.display().to_string()), ("commands", pages.to_string()), ("read", "man chatctl-ring-show".to_string())];
    global.output.show(&Sheet::facts(rows, value))
}
