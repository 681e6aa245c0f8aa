//! `chatctl node`: the super nodes as the directory sees them, and taking one out of service.

use std::time::{Duration, Instant};

use chatring_admin::{Failure, interrupt, render};
use chatring_machines::command::{ClientCommand, If, NodeAsk};
use chatring_machines::event::Reply;
use chatring_machines::names::NodeKey;
use chatring_machines::wire::Rest;
use clap::{Args, Subcommand};

use super::{Global, handoff, net};

/// What to do with nodes.
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// List them: since when, in which state, with how many groups
    List,
    /// Take one out of the ring and wait until it is empty: no groups, no native clients. It comes back when it is started anew.
    /// From the directory server's own machine only
    Drain(Key),
    /// Show which want into the ring and are not in it, and why; and what was ruled of nodes that are not there
    Pending,
    /// Let one in, whatever [directory] admit says, as soon as it can be reached at its address.
    /// From a directory server's own machine only, as all of the following
    Admit(Key),
    /// Keep one out from now on. One that is in the ring stays there: see `node remove`
    Refuse(Key),
    /// Take back what was ruled of one
    Forget(Key),
    /// Take one out at once, without copying its groups first, and keep it out: for one that does harm. `node drain` is the gentle way
    Remove(Key),
}

/// A node that need not be there.
#[derive(Clone, Debug, Args)]
pub struct Key {
    /// Its key (IP or IP:port), or its name if it is in the ring
    #[arg(value_name = "NODE")]
    node: String,
}

/// How often a node that is out of the ring is asked what it still has.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Runs it.
pub fn run(command: NodeCommand, global: &Global) -> Result<(), Failure> {
    match command {
        NodeCommand::List => match net::ask(global.servers(), vec![ClientCommand::Nodes {}.into()])?.pop() {
            Some(Reply::Nodes { cells }) => global.output.show(&render::nodes(&cells.0)),
            _ => Err(net::no_directory(global)),
        },
        NodeCommand::Drain(key) => drain(&key.node, global),
        NodeCommand::Pending => {
            match net::ask(global.servers(), vec![ClientCommand::Node { what: NodeAsk::Pending, node: None, only: If::default() }.into()])?
                .pop()
            {
                Some(Reply::PendingNodes { cells }) => global.output.show(&render::pending_nodes(&cells.0)),
                _ => Err(net::no_directory(global)),
            }
        }
        NodeCommand::Admit(key) => rule(NodeAsk::Admit, "admitted", &key, global),
        NodeCommand::Refuse(key) => rule(NodeAsk::Refuse, "refused", &key, global),
        NodeCommand::Forget(key) => rule(NodeAsk::Forget, "like any other", &key, global),
        NodeCommand::Remove(key) => rule(NodeAsk::Remove, "out of the ring, and refused", &key, global),
    }
}

/// Rules of a node, and says how that is now.
fn rule(what: NodeAsk, now: &str, Key { node }: &Key, global: &Global) -> Result<(), Failure> {
    let key = match NodeKey::new(node) {
        Ok(key) => key,
        Err(_) => {
            let view = net::view(global)?;
            let named = view.nodes.iter().find(|there| *there.name == **node).map(|there| there.key.clone());
            named.ok_or_else(|| {
                Failure::refused(format!("no super node '{node}' is in the ring")).advise(
                    "`chatctl node list` shows those that are, `chatctl node pending` those that want to be; others go by their key.",
                )
            })?
        }
    };
    match net::ask(global.servers(), vec![ClientCommand::Node { what, node: Some(key.clone()), only: If::default() }.into()])?.pop() {
        Some(Reply::Ok { .. }) => global.output.show(&render::done("node", key.as_str(), now)),
        _ => Err(net::no_directory(global)),
    }
}

/// Out of the ring first, then empty. One that is out already is only waited for.
fn drain(wanted: &str, global: &Global) -> Result<(), Failure> {
    let began = Instant::now();
    let until = began + Duration::from_millis(global.change_patience_ms());
    let view = net::view(global)?;
    let node = match view.nodes.iter().find(|node| node.key.as_str() == wanted || *node.name == *wanted) {
        Some(node) => {
            let key = node.key.clone();
            handoff::change(ClientCommand::Drain { node: key.clone(), only: If::default() }, left_ms(until), global)?;
            key
        }
        None => NodeKey::new(wanted)
            .map_err(|_| Failure::refused(format!("no super node '{wanted}' is in the ring")).advise("`chatctl node list` shows them."))?,
    };
    wait_until_empty(&node, until, global)?;
    global.output.show(&render::drained(&node, began.elapsed()))
}

/// Until a node that is out of the ring has no groups and no native clients any more.
pub fn wait_until_empty(node: &NodeKey, until: Instant, global: &Global) -> Result<(), Failure> {
    let began = Instant::now();
    let address = node.address().ok_or_else(|| Failure::refused(format!("{node} can't be dialled")))?.to_string();
    loop {
        let held = match held(&address, left_ms(until), global) {
            Ok(held) => held,
            Err(failure) => {
                let what = format!("{node} is out of the ring, but does not say whether it is empty: {}", failure.what);
                return Err(Failure { what, advice: None, ..failure });
            }
        };
        if held == (Held { groups: 0, clients: 0 }) {
            return Ok(());
        }
        if Instant::now() >= until {
            let Held { groups, clients } = held;
            return Err(Failure::refused(format!(
                "{node} is out of the ring, but still has {groups} groups and {clients} native clients after {} s",
                began.elapsed().as_secs()
            ))
            .advise("Run the command again to wait on; `chatctl check` says what blocks groups."));
        }
        interrupt::pause(LOOK_EVERY)?;
    }
}

/// What is left of a patience; a last look is always taken.
pub fn left_ms(until: Instant) -> u64 {
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    u64::try_from(left).unwrap_or(u64::MAX).max(1_000)
}

/// What a node still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    groups: u64,
    clients: u64,
}

fn held(address: &str, patience_ms: u64, global: &Global) -> Result<Held, Failure> {
    let ask = ClientCommand::Info { section: Rest(Vec::new()) };
    let info = match net::ask_within(patience_ms, global.at(address), vec![ask.into()])?.pop() {
        Some(Reply::Text { text }) => text,
        _ => return Err(Failure::refused(format!("{address} does not answer INFO"))),
    };
    read_held(&info).ok_or_else(|| Failure::refused(format!("{address} does not say what it holds: is it older than this chatctl?")))
}

fn read_held(info: &str) -> Option<Held> {
    let fact = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
    Some(Held { groups: fact("groups_held")?, clients: fact("native_clients")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(info: &str, expect: Option<(u64, u64)>) {
        assert_eq!(read_held(info), expect.map(|(groups, clients)| Held { groups, clients }));
    }

    #[test]
    fn what_a_node_holds() {
        check("# Server\r\nnative_clients:2\r\ngroups_attached:9\r\ngroups_held:17\r\n", Some((17, 2)));
        check("groups_held:0\r\nnative_clients:0\r\n", Some((0, 0)));
        check("groups_attached:9\r\nnative_clients:2\r\n", None);
        check("groups_held:many\r\nnative_clients:2\r\n", None);
    }
}
