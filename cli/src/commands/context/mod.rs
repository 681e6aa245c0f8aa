//! `chatctl context`: networks by name, each with its directory servers, its CA, and who one is there.

mod credential;
mod file;

use std::path::{Path, PathBuf};

use chatring_admin::text::clean;
use chatring_admin::{Failure, Sheet, render};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Global;
pub(crate) use credential::Credential;
pub(super) use credential::Source;
pub(super) use file::{Context, Contexts};

/// What to do with contexts.
#[derive(Clone, Debug, Subcommand)]
pub enum ContextCommand {
    /// Give a network a name: --directory says where it is; --ca, --operator-file or --operator-command how it is talked to
    Add(AddArgs),
    /// Choose the network of every command that names none
    Use(UseArgs),
    /// List them, and which is chosen
    List,
    /// Forget one. Files that it names stay
    Remove(Named),
}

/// Which one.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// Its name
    #[arg(value_name = "NAME", value_parser = file::name)]
    name: String,
}

/// What is to be known of one.
#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    named: Named,
    /// Ask as the operator whose name and secret this command prints, on one line; it is run by sh
    #[arg(long, value_name = "COMMAND", conflicts_with = "operator_file")]
    operator_command: Option<String>,
}

/// Which one, or none.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct UseArgs {
    /// Its name
    #[arg(value_name = "NAME", value_parser = file::name)]
    name: Option<String>,
    /// None: this machine's demo, where a command does not say otherwise
    #[arg(long)]
    none: bool,
}

/// Runs it.
pub(super) fn run(command: ContextCommand, global: &Global) -> Result<(), Failure> {
    match command {
        ContextCommand::Add(args) => {
            let context = said(&args, global)?;
            Contexts::change(|contexts| contexts.add(&args.named.name, context))?;
            global.output.show(&render::done("context", &args.named.name, "added"))
        }
        ContextCommand::Use(args) => {
            Contexts::change(|contexts| contexts.choose(args.name.as_deref()))?;
            global.output.show(&render::done("context", args.name.as_deref().unwrap_or("none"), "chosen"))
        }
        ContextCommand::List => global.output.show(&sheet(&Contexts::load()?)),
        ContextCommand::Remove(named) => {
            Contexts::change(|contexts| contexts.remove(&named.name))?;
            global.output.show(&render::done("context", &named.name, "removed"))
        }
    }
}

/// A context as this line describes it. Files are found from anywhere afterwards.
fn said(args: &AddArgs, global: &Global) -> Result<Context, Failure> {
    let typed = global.typed();
    if typed.directories.is_empty() {
        return Err(Failure::usage("a context needs the network's directory servers").advise("Name each with --directory HOST:PORT."));
    }
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())));
    let file = typed.operator_file.as_ref().map(absolute).transpose()?.map(Source::File);
    let operator = file.or_else(|| args.operator_command.clone().map(Source::Command));
    if let Some(Source::File(path)) = &operator {
        // Better now than at the first command that needs it.
        Source::File(path.clone()).read()?;
    }
    Ok(Context { directories: typed.directories.clone(), ca: typed.ca.as_ref().map(absolute).transpose()?, operator })
}

fn sheet(contexts: &Contexts) -> Sheet {
    let chosen = contexts.current().map(|(name, _)| name);
    let path = |path: &Option<PathBuf>| path.as_deref().map(Path::display).map(|path| path.to_string());
    let row = |(name, context): (&str, &Context)| {
        let operator = context.operator.as_ref().map_or(String::new(), |source| clean(&source.to_string()));
        let ca = clean(&path(&context.ca).unwrap_or_default());
        vec![
            name.to_string(),
            if chosen == Some(name) { "yes" } else { "" }.to_string(),
            clean(&context.directories.join(" ")),
            ca,
            operator,
        ]
    };
    let record = |(name, context): (&str, &Context)| {
        let operator = context.operator.as_ref().map_or(Value::Null, |source| json!(source.to_string()));
        json!({"name": name, "chosen": chosen == Some(name), "directories": context.directories, "ca": path(&context.ca), "operator": operator})
    };
    let columns =
        [("name", "context"), ("chosen", "chosen"), ("directories", "directory servers"), ("ca", "CA"), ("operator", "operator from")];
    Sheet::table(&columns, contexts.all().map(row).collect(), contexts.all().map(record).collect())
}
