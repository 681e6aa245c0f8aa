//! `chatctl group`: groups and their members as masters reported them to the directory, about a second ago.

use chatring_admin::{Failure, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::ring::Ring;
use chatring_machines::wire::Given;
use clap::{Args, Subcommand};

use super::{Global, group_name, net};

/// What to do with groups.
#[derive(Clone, Debug, Subcommand)]
pub enum GroupCommand {
    /// List them: members, master, topic
    List {
        /// Only those whose name matches, with * and ?
        pattern: Option<String>,
    },
    /// Show one as its master last reported it: where it is, topic, modes, ranks, bans
    Show {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
    },
    /// List the members of one
    Members {
        /// The group
        #[arg(value_parser = group_name)]
        group: GroupName,
    },
}

/// Whom to look for.
#[derive(Clone, Debug, Args)]
pub struct WhoArgs {
    /// What they are called
    #[arg(value_parser = nick)]
    nick: Nick,
}

fn nick(text: &str) -> Result<Nick, String> {
    Nick::new(text).map_err(|bad| bad.to_string())
}

/// `chatctl who`: where someone is.
pub fn who(args: WhoArgs, global: &Global) -> Result<(), Failure> {
    match net::ask(global.servers(), vec![ClientCommand::Where { nick: args.nick.clone() }.into()])?.pop() {
        Some(Reply::Where { cells }) if cells.0.is_empty() => Err(Failure::refused(format!("{} is in no group", args.nick))
            .advise("What masters report is known in a second; WHOIS over IRC asks the person's own group.")),
        Some(Reply::Where { cells }) => global.output.show(&render::whereabouts(&cells.0)),
        _ => Err(net::no_directory(global)),
    }
}

/// Runs it.
pub fn run(command: GroupCommand, global: &Global) -> Result<(), Failure> {
    let ask = match command {
        GroupCommand::List { pattern } => ClientCommand::Groups { pattern: pattern.map(Into::into) },
        GroupCommand::Show { group } => return show(group, global),
        GroupCommand::Members { group } => ClientCommand::Members { group },
    };
    let sheet = match net::ask(global.servers(), vec![ask.into()])?.pop() {
        Some(Reply::GroupList { cells }) => render::groups(&cells.0),
        Some(Reply::MemberList { cells }) => render::members(&cells.0),
        _ => return Err(net::no_directory(global)),
    };
    global.output.show(&sheet)
}

/// Who is responsible says the ring of the server that gives the card.
fn show(group: GroupName, global: &Global) -> Result<(), Failure> {
    let asks = vec![ClientCommand::Group { group }.into(), ClientCommand::Ring { how: Given(None) }.into()];
    match net::ask(global.servers(), asks)?.as_slice() {
        [Reply::GroupCard { card }, Reply::Ring { view }] => global.output.show(&render::group(card, &Ring::new(view))),
        _ => Err(net::no_directory(global)),
    }
}
