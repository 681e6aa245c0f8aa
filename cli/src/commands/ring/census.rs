//! The ring and where groups are, as one directory server has both.

use chatring_admin::{Failure, census};
use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::event::Reply;
use chatring_machines::machine::{GroupPlace, NodeLoad};
use chatring_machines::view::SharedView;
use chatring_machines::wire::Given;

use super::super::{Global, net};

/// Groups that a plan is made of; a network has fewer.
const GROUPS_MAX: usize = 2_000_000;
/// Times that it is begun anew, because the ring has changed meanwhile.
const TRIES: usize = 3;

/// The ring, and what each node is the master of.
pub fn loads(global: &Global, view: ClientCommand) -> Result<(SharedView, Vec<NodeLoad>), Failure> {
    let asks: Vec<Command> = vec![view.into(), ClientCommand::Loads {}.into()];
    match &net::ask(global.servers(), asks)?[..] {
        [Reply::Ring { view }, Reply::Loads { cells }] => match census::loads(&cells.0) {
            Some(loads) => Ok((view.clone(), loads)),
            None => Err(net::no_directory(global)),
        },
        _ => Err(net::no_directory(global)),
    }
}

/// Where groups are, at most so many, ordered by name.
pub fn places(global: &Global, limit: usize) -> Result<Vec<GroupPlace>, Failure> {
    let mut places: Vec<GroupPlace> = Vec::new();
    loop {
        let after = places.last().map(|place| place.group.clone());
        let page = match net::ask_one(global.servers(), ClientCommand::Places { after }.into())? {
            Some(Reply::Places { cells }) => census::places(&cells.0).ok_or_else(|| net::no_directory(global))?,
            _ => return Err(net::no_directory(global)),
        };
        if page.is_empty() || places.len() >= limit {
            places.truncate(limit);
            return Ok(places);
        }
        // A server that begins anew would keep us for ever.
        if places.last().is_some_and(|last| page[0].group <= last.group) {
            return Err(net::no_directory(global));
        }
        places.extend(page);
    }
}

/// The ring and all groups, while that did not change.
pub fn all(global: &Global) -> Result<(SharedView, Vec<GroupPlace>), Failure> {
    for _ in 0..TRIES {
        let before = net::view(global)?;
        let places = places(global, GROUPS_MAX + 1)?;
        if places.len() > GROUPS_MAX {
            return Err(Failure::refused(format!("there are more than {GROUPS_MAX} groups, more than a plan is made of")));
        }
        if net::view(global)?.epoch == before.epoch {
            return Ok((before, places));
        }
    }
    Err(Failure::refused("the ring changes all the time")
        .advise("Try again when it has come to rest; `chatctl handoff list` shows what is planned."))
}

/// `RING`.
pub fn ring() -> ClientCommand {
    ClientCommand::Ring { how: Given(None) }
}
