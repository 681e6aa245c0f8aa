//! `chatctl plugin list|show|load|swap|disable|enable`: the plugins of the process that a super node runs in.

use chatring_admin::{Failure, render};
use chatring_machines::command::{ClientCommand, PluginAsk};
use chatring_machines::event::Reply;
use chatring_machines::names::NodeKey;
use chatring_machines::wire::Text;
use clap::Args;
use std::path::{Path, PathBuf};

use super::super::{Global, net};
use super::verify;

/// At which super node. From its own machine only.
#[derive(Clone, Debug, Args)]
pub struct At {
    /// The super node: its key (IP or IP:port) or its name; not needed where there is one only
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
}

/// Which plugin, and where.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// Its name
    #[arg(value_name = "PLUGIN")]
    name: String,
    #[command(flatten)]
    at: At,
}

/// How a file is looked at before it is used.
#[derive(Clone, Debug, Args)]
pub struct Trust {
    /// Take it as it is, without verifying it first
    #[arg(long)]
    unverified: bool,
    /// What it is verified with: its table as TOML text, or @FILE. The node goes by its own configuration
    #[arg(long, value_name = "TEXT|@FILE", default_value = "")]
    config: String,
}

impl Trust {
    fn verify(&self, file: &Path) -> Result<(), Failure> {
        if self.unverified { Ok(()) } else { verify::before_use(file, &self.config) }
    }
}

/// Which file, and where.
#[derive(Clone, Debug, Args)]
pub struct FromFile {
    /// The shared library, on this machine
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    at: At,
}

/// Which plugin, from which file, and where.
#[derive(Clone, Debug, Args)]
pub struct Swap {
    /// Its name
    #[arg(value_name = "PLUGIN")]
    name: String,
    /// The shared library with the other one, on this machine
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    at: At,
}

/// Lists the plugins of a node's process.
pub fn list(at: &At, global: &Global) -> Result<(), Failure> {
    match ask(PluginAsk::List, None, None, at, global)? {
        Reply::Plugins { cells } => global.output.show(&render::plugins(&cells.0)),
        _ => Err(unexpected()),
    }
}

/// Shows one, with what it counts.
pub fn show(named: &Named, global: &Global) -> Result<(), Failure> {
    show_pairs(ask(PluginAsk::Show, Some(&named.name), None, &named.at, global)?, global)
}

/// Starts one from a file.
pub fn load(from: &FromFile, global: &Global) -> Result<(), Failure> {
    from.trust.verify(&from.file)?;
    show_pairs(ask(PluginAsk::Load, None, Some(&from.file), &from.at, global)?, global)
}

/// Puts one in the place of another one of its name.
pub fn swap(swap: &Swap, global: &Global) -> Result<(), Failure> {
    swap.trust.verify(&swap.file)?;
    show_pairs(ask(PluginAsk::Swap, Some(&swap.name), Some(&swap.file), &swap.at, global)?, global)
}

/// Has nothing new go to one.
pub fn disable(named: &Named, global: &Global) -> Result<(), Failure> {
    if let Reply::Plugins { cells } = ask(PluginAsk::List, None, None, &named.at, global)?
        && is_last_transport(&named.name, &cells.0)
    {
        global.confirm(&format!("`plugin disable {}` takes the last transport out of use, so that nobody new can connect", named.name))?;
    }
    ask(PluginAsk::Disable, Some(&named.name), None, &named.at, global)?;
    global.output.show(&render::done("plugin", &named.name, "disabled"))
}

/// Takes that back.
pub fn enable(named: &Named, global: &Global) -> Result<(), Failure> {
    ask(PluginAsk::Enable, Some(&named.name), None, &named.at, global)?;
    global.output.show(&render::done("plugin", &named.name, "enabled"))
}

fn show_pairs(reply: Reply, global: &Global) -> Result<(), Failure> {
    match reply {
        Reply::PluginIs { pairs } => global.output.show(&render::plugin(&pairs.0)),
        _ => Err(unexpected()),
    }
}

/// Of the answer to PLUGIN LIST (name, version, kinds, file, state, what it does): whether nothing but this one takes connections.
fn is_last_transport(name: &str, cells: &[Text]) -> bool {
    let in_use = |row: &&[Text; 6]| row[2].contains("transport") && &*row[4] == "in use";
    let mut transports = cells.as_chunks().0.iter().filter(in_use).map(|row| &*row[0]);
    transports.next() == Some(name) && transports.next().is_none()
}

fn unexpected() -> Failure {
    Failure::refused("the super node does not say what its plugins are: is it older than this chatctl?")
}

fn ask(what: PluginAsk, name: Option<&str>, file: Option<&Path>, at: &At, global: &Global) -> Result<Reply, Failure> {
    let address = address(at, global)?;
    // The node's process may have been started elsewhere.
    let absolute = |file: &Path| std::path::absolute(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())));
    let file = file.map(absolute).transpose()?.map(|file| Text::from(file.to_string_lossy().into_owned()));
    let name = name.map(Text::from);
    let (name, file) = if what == PluginAsk::Load { (file, None) } else { (name, file) };
    net::ask_one(global.at(address), ClientCommand::Plugin { what, name, file }.into())?.ok_or_else(unexpected)
}

fn address(at: &At, global: &Global) -> Result<String, Failure> {
    let view = net::view(global)?;
    let found = match &at.node {
        Some(wanted) => view.nodes.iter().find(|node| node.key.as_str() == wanted || *node.name == **wanted).map(|node| node.key.clone()),
        None if view.nodes.len() == 1 => Some(view.nodes[0].key.clone()),
        None => {
            let names: Vec<&str> = view.nodes.iter().map(|node| &*node.name).collect();
            return Err(Failure::usage(format!("there are {} super nodes: --node says which ({})", names.len(), names.join(", "))));
        }
    };
    // One that is not in the ring (any more) may run all the same.
    let key = match (found, &at.node) {
        (Some(key), _) => key,
        (None, Some(wanted)) => NodeKey::new(wanted)
            .map_err(|_| Failure::refused(format!("no super node '{wanted}' is in the ring")).advise("`chatctl node list` shows them."))?,
        (None, None) => return Err(Failure::refused("no super node is in the ring")),
    };
    key.address().map(|address| address.to_string()).ok_or_else(|| Failure::refused(format!("{key} can't be dialled")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_transport_is_known() {
        let row = |name: &str, kinds: &str, state: &str| [name, "1", kinds, "linked in", state, ""].map(Text::from);
        let all = |second: &str| {
            [row("irc", "transport", second), row("resp", "transport, auth", "in use"), row("words", "filter", "in use")].concat()
        };
        for (name, irc, expect) in
            [("resp", "disabled", true), ("resp", "draining", true), ("resp", "in use", false), ("words", "disabled", false)]
        {
            assert_eq!(is_last_transport(name, &all(irc)), expect, "{name}, irc {irc}");
        }
    }
}
