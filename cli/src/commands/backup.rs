//! `chatctl directory backup`, `restore` and `recover`: copies of a directory server's file, on its own machine, with nobody asked.

use std::path::{Path, PathBuf};

use chatring_admin::text::clean;
use chatring_admin::{Failure, Sheet};
use chatring_storage::{Copied, back_up, restore};
use clap::Args;
use serde_json::json;

use super::Global;

/// Which server's file.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Own {
    /// The directory server's SQLite file
    #[arg(long, value_name = "PATH")]
    database: Option<PathBuf>,
    /// The configuration that names it
    #[arg(long, value_name = "CHATD.TOML")]
    config: Option<PathBuf>,
}

/// What is copied, and where to.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// The copy; nothing may be there yet
    file: PathBuf,
    #[command(flatten)]
    own: Own,
}

/// Where a new server begins.
#[derive(Clone, Debug, Args)]
pub struct Beginning {
    /// Begin above this generation, where one is known that is above those in both files: super nodes listen to none that is lower. It is the number before the dot of an epoch
    #[arg(long, value_name = "GENERATION", default_value_t = 0)]
    above: u32,
}

/// What is put in the place of what.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    beginning: Beginning,
}

/// What is left, and what it is to become.
#[derive(Clone, Debug, Args)]
pub struct RecoverArgs {
    /// The file of the server that is left, or a copy of it
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    beginning: Beginning,
    /// What this file has not is lost, and the other servers' files count no more
    #[arg(long)]
    i_know_what_may_be_lost: bool,
}

/// What a recovery costs, for whoever has not said that it is known.
const LOST: &str = "Lost is every change that the directory servers had agreed on and this file has not: super nodes that came or went, planned changes, servers taken in or let go, \
                    and of groups what was reported last. The other servers' files count no more, whatever they have: they stay outside, and have to be moved away. \
                    Where a majority of the servers can still be started, start them instead: then nothing is lost. \
                    Otherwise say --i-know-what-may-be-lost.";

/// What has to follow, in words for people.
const NEXT: &str = "start the server; other directory servers need new files, and are taken in then";

/// Copies a server's file; it may run.
pub fn back_up_now(args: &BackupArgs, global: &Global) -> Result<(), Failure> {
    let (database, _) = args.own.database()?;
    let copied = back_up(&database, &args.file).map_err(|error| Failure::refused(error.to_string()))?;
    show(&args.file, &copied, None, global)
}

/// Puts a backup in the place of a server's file.
pub fn restore_now(args: &RestoreArgs, global: &Global) -> Result<(), Failure> {
    replace(&args.file, &args.own, &args.beginning, global)
}

/// The same, of the file of a server that is left of several.
pub fn recover(args: &RecoverArgs, global: &Global) -> Result<(), Failure> {
    if !args.i_know_what_may_be_lost {
        let what = format!("{} becomes the file of a directory server that is alone, and begins anew", args.from.display());
        return Err(Failure::refused(what).advise(LOST));
    }
    replace(&args.from, &args.own, &args.beginning, global)
}

fn replace(file: &Path, own: &Own, beginning: &Beginning, global: &Global) -> Result<(), Failure> {
    let (database, network) = own.database()?;
    let configured = own.config.as_deref().zip(network.as_deref());
    let copied = restore(file, &database, configured, beginning.above).map_err(|error| Failure::refused(error.to_string()))?;
    show(&database, &copied, Some(NEXT), global)
}

fn show(file: &Path, copied: &Copied, next: Option<&str>, global: &Global) -> Result<(), Failure> {
    let Copied { network, epoch, super_nodes, groups, bytes, before } = copied;
    let before = before.as_ref().map(|before| before.display().to_string());
    let mut rows = vec![
        ("file", clean(&file.display().to_string())),
        ("network", clean(network)),
        ("epoch", epoch.to_string()),
        ("super nodes", super_nodes.to_string()),
        ("groups", groups.to_string()),
        ("bytes", bytes.to_string()),
    ];
    if let Some(before) = &before {
        rows.push(("before", clean(before)));
    }
    rows.extend(next.map(|next| ("next", next.to_string())));
    let value = json!({
        "file": file.display().to_string(), "network": &**network, "epoch": epoch.to_string(), "super_nodes": super_nodes,
        "groups": groups, "bytes": bytes, "before": before,
    });
    global.output.show(&Sheet::facts(rows, value))
}

impl Own {
    /// Where the file is, and of which network it should be, where that is known.
    fn database(&self) -> Result<(PathBuf, Option<String>), Failure> {
        let Some(path) = &self.config else {
            let database = self.database.clone().ok_or_else(|| Failure::usage("name the server's file: --database PATH"))?;
            return Ok((database, None));
        };
        let config = chatring_config::load(path).map_err(|error| Failure::refused(error.to_string()))?;
        let directory = config.directory.ok_or_else(|| {
            Failure::refused(format!("{}: describes no directory server", path.display()))
                .advise("Name the configuration that has a [directory].")
        })?;
        Ok((directory.database.to_path_buf(), Some(config.network.name.to_string())))
    }
}
