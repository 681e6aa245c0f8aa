//! `chatctl client`: the people's programs that are connected to super nodes.

use chatring_admin::{Failure, interrupt, render};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use chatring_machines::names::{Nick, NodeKey};
use chatring_machines::view::SharedView;
use chatring_machines::wire::{Rest, Text};
use clap::{Args, Subcommand};

use super::{Global, net};

/// What to do with clients.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommands {
    /// List those of all super nodes, or those that are behind in what they should hear, the furthest first
    List {
        #[command(flatten)]
        at: At,
        /// Only those that are behind, and how far
        #[arg(long)]
        slow: bool,
    },
    /// Close somebody's connection; they hear why
    Kill {
        /// Their nick, or with --node the id that `client list` shows
        #[arg(value_name = "NICK_OR_ID")]
        who: String,
        /// Why
        reason: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

/// Which super node.
#[derive(Clone, Debug, Args)]
pub struct At {
    /// Only this super node, by its name or key
    #[arg(long)]
    node: Option<String>,
}

impl At {
    fn nodes(&self, view: &SharedView) -> Result<Vec<NodeKey>, Failure> {
        let Some(wanted) = &self.node else { return Ok(view.nodes.iter().map(|node| node.key.clone()).collect()) };
        match view.nodes.iter().find(|node| node.key.as_str() == wanted || *node.name == **wanted) {
            Some(node) => Ok(vec![node.key.clone()]),
            None => {
                // One that is not in the ring (any more) may run all the same.
                let is_none =
                    |_| Failure::refused(format!("no super node '{wanted}' is in the ring")).advise("`chatctl node list` shows them.");
                NodeKey::new(wanted).map(|key| vec![key]).map_err(is_none)
            }
        }
    }
}

/// Runs it.
pub fn run(command: ClientCommands, global: &Global) -> Result<(), Failure> {
    match command {
        ClientCommands::List { at, slow: true } => {
            let mut slow = render::Slow::default();
            let trouble = each(&at, global, |node| {
                slow.add(node, &ask_slow(node, global)?);
                Ok(())
            })?;
            global.output.show(&slow.sheet())?;
            trouble.map_or(Ok(()), Err)
        }
        ClientCommands::List { at, slow: false } => {
            let mut clients = render::Clients::default();
            let trouble = each(&at, global, |node| list(node, &mut clients, global))?;
            global.output.show(&clients.sheet())?;
            trouble.map_or(Ok(()), Err)
        }
        ClientCommands::Kill { who, reason, at } => kill(&who, reason, &at, global),
    }
}

/// Every node is asked, whatever another one said. Gives the first failure.
fn each(at: &At, global: &Global, mut ask: impl FnMut(&NodeKey) -> Result<(), Failure>) -> Result<Option<Failure>, Failure> {
    let mut trouble = None;
    for node in at.nodes(&net::view(global)?)? {
        interrupt::check()?;
        if let Err(failure) = ask(&node) {
            trouble.get_or_insert(failure);
        }
    }
    Ok(trouble)
}

fn ask(node: &NodeKey, command: ClientCommand, global: &Global) -> Result<Option<Reply>, Failure> {
    let address = node.address().ok_or_else(|| Failure::refused(format!("{node} can't be dialled")))?;
    net::ask_one(global.at(address.to_string()), command.into())
}

fn ask_slow(node: &NodeKey, global: &Global) -> Result<Vec<Text>, Failure> {
    match ask(node, ClientCommand::Client { words: Rest(vec!["LIST".into(), "SLOW".into()]) }, global)? {
        Some(Reply::Slow { cells }) => Ok(cells.0),
        _ => Err(Failure::refused(format!("{node} does not say who is slow"))),
    }
}

/// Page after page, each behind the last one of the page before.
fn list(node: &NodeKey, clients: &mut render::Clients, global: &Global) -> Result<(), Failure> {
    let mut after = None;
    loop {
        interrupt::check()?;
        let Some(Reply::Clients { cells }) = ask(node, ClientCommand::Clients { after }, global)? else {
            return Err(Failure::refused(format!("{node} does not say who is connected")));
        };
        clients.add(node, &cells.0);
        // It only goes up: whoever answers otherwise has no end.
        let last = cells.0.chunks_exact(render::Clients::WIDTH).next_back().and_then(|row| row[0].parse::<u64>().ok());
        match last.filter(|last| after.is_none_or(|after: u64| (after as u32) < *last as u32)) {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

/// Where they are knows the directory, if they are in a group; else each node is asked.
fn kill(who: &str, reason: Option<String>, at: &At, global: &Global) -> Result<(), Failure> {
    let nick = Nick::new(who).ok();
    if at.node.is_none() && nick.is_none() {
        return Err(
            Failure::usage(format!("{who} is no nick")).advise("Each super node has ids of its own: --node says which one is meant.")
        );
    }
    let mut nodes = at.nodes(&net::view(global)?)?;
    if let (None, Some(nick)) = (&at.node, nick)
        && let Some(Reply::Where { cells }) = net::ask_one(global.servers(), ClientCommand::Where { nick }.into())?
    {
        let is_known = |node: &NodeKey| cells.0.chunks_exact(5).any(|row| *row[2] == *node.as_str());
        nodes.sort_by_key(|node| !is_known(node));
    }
    let command = ClientCommand::Kill { who: who.into(), reason: reason.map(Into::into) };
    for node in nodes {
        interrupt::check()?;
        match ask(&node, command.clone(), global) {
            Ok(_) => return global.output.show(&render::killed(who, &node)),
            Err(failure) if failure.what.contains("is not connected here") => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::refused(format!("{who} is not connected")).advise("`chatctl client list` shows who is."))
}
