//! `chatctl node`: the super nodes as the directory sees them.

use chatring_admin::{Failure, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use clap::Subcommand;

use super::{Global, net};

/// What to do with nodes.
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// List them: since when, in which state, with how many groups
    List,
}

/// Runs it.
pub fn run(command: NodeCommand, global: &Global) -> Result<(), Failure> {
    let NodeCommand::List = command;
    match net::ask(global.directories(), vec![ClientCommand::Nodes {}.into()])?.pop() {
        Some(Reply::Nodes { cells }) => global.output.show(&render::nodes(&cells.0)),
        _ => return Err(net::no_directory(global)),
    }
    Ok(())
}
