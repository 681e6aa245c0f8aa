//! `chatctl group`: groups and their members as masters reported them to the directory, about a second ago.

use chatring_admin::{Failure, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use chatring_machines::names::GroupName;
use clap::Subcommand;

use super::{Global, group_name, net};

/// What to do with groups.
#[derive(Clone, Debug, Subcommand)]
pub enum GroupCommand {
    /// List them: members, master, topic
    List {
        /// Only those whose name matches, with * and ?
        pattern: Option<String>,
    },
    /// List the members of one
    Members {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
    },
}

/// Runs it.
pub fn run(command: GroupCommand, global: &Global) -> Result<(), Failure> {
    let ask = match command {
        GroupCommand::List { pattern } => ClientCommand::Groups { pattern: pattern.map(Into::into) },
        GroupCommand::Members { group } => ClientCommand::Members { group },
    };
    let sheet = match net::ask(global.directories(), vec![ask.into()])?.pop() {
        Some(Reply::GroupList { cells }) => render::groups(&cells.0),
        Some(Reply::MemberList { cells }) => render::members(&cells.0),
        _ => return Err(net::no_directory(global)),
    };
    global.output.show(&sheet);
    Ok(())
}
