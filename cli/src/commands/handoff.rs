//! `chatctl handoff`: the planned change of the ring, what it waits for, and giving it up. Also how changes of the ring are asked for: they take a while.

use chatring_admin::{Failure, render};
use chatring_machines::command::{ClientCommand, HandoffAsk};
use chatring_machines::event::Reply;
use clap::Subcommand;

use super::{Global, net};

/// What to do with the planned change.
#[derive(Clone, Debug, Subcommand)]
pub enum HandoffCommand {
    /// Show what is planned, and how far each super node is with it
    List,
    /// Say what it waits for
    Why,
    /// Give it up; from the directory server's own machine only
    Abort,
}

/// Runs it.
pub fn run(command: HandoffCommand, global: &Global) -> Result<(), Failure> {
    let what = match command {
        HandoffCommand::List => HandoffAsk::List,
        HandoffCommand::Why => HandoffAsk::Why,
        HandoffCommand::Abort => HandoffAsk::Abort,
    };
    let sheet = match (what, net::ask(global.servers(), vec![ClientCommand::Handoff { what }.into()])?.pop()) {
        (_, Some(Reply::Handoff { number, plan, subject, age_ms, deadline_ms, queued, cells })) => {
            render::handoff(&render::Planned { number, plan, subject, age_ms, deadline_ms, queued }, &cells.0)
        }
        (_, Some(Reply::HandoffWhy { sentences })) => render::sentences(&sentences.0),
        (HandoffAsk::Abort, Some(Reply::Ok { .. })) => render::fact("handoff", "given up"),
        _ => return Err(net::no_directory(global)),
    };
    global.output.show(&sheet)
}

/// Asks for a change of the ring and waits until it is made.
pub fn change(command: ClientCommand, patience_ms: u64, global: &Global) -> Result<(), Failure> {
    // Each server has its share of the patience, and the first one that is there is to have all of it.
    let all_ms = patience_ms.saturating_mul(global.directories.len() as u64);
    match net::ask_within(all_ms, global.servers(), vec![command.into()]) {
        Ok(mut replies) => match replies.pop() {
            Some(Reply::Ok { .. }) => Ok(()),
            _ => Err(net::no_directory(global)),
        },
        // It may be on its way all the same.
        Err(failure) if failure.advice.is_none() => Err(failure.advise("`chatctl handoff why` says what is going on.")),
        Err(failure) => Err(failure),
    }
}
