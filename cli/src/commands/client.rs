//! `chatctl client`: the people's programs that are connected to super nodes.

use chatring_admin::{Failure, interrupt, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use chatring_machines::names::NodeKey;
use chatring_machines::wire::{Rest, Text};
use clap::Subcommand;

use super::{Global, net};

/// What to do with clients.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommands {
    /// List those that are behind in what they should hear, the furthest first
    List {
        /// Those that are behind: of others nothing is listed
        #[arg(long, required = true)]
        slow: bool,
    },
}

/// Runs it. Every node is asked, whatever another one said.
pub fn run(command: ClientCommands, global: &Global) -> Result<(), Failure> {
    let ClientCommands::List { .. } = command;
    let view = net::view(global)?;
    let mut slow = render::Slow::default();
    let mut trouble = Vec::new();
    for node in &view.nodes {
        interrupt::check()?;
        match ask(&node.key, global) {
            Ok(cells) => slow.add(&node.key, &cells),
            Err(failure) => trouble.push(failure),
        }
    }
    global.output.show(&slow.sheet())?;
    match trouble.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn ask(node: &NodeKey, global: &Global) -> Result<Vec<Text>, Failure> {
    let address = node.address().ok_or_else(|| Failure::refused(format!("{node} can't be dialled")))?;
    let ask = ClientCommand::Client { words: Rest(vec!["LIST".into(), "SLOW".into()]) };
    match net::ask_one(global.at(address.to_string()), ask.into())? {
        Some(Reply::Slow { cells }) => Ok(cells.0),
        _ => Err(Failure::refused(format!("{node} does not say who is slow"))),
    }
}
