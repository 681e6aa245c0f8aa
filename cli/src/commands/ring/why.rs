//! `chatctl ring why`: where a group is, and what every super node says about it.
//!
//! All nodes of the ring are asked at the same time, then those that they name and that are not in the ring: one that was cut off may go on serving. What is found amiss is looked at once more before anyone is told.

use std::collections::BTreeSet;
use std::time::Duration;

use chatring_admin::claims::{self, Asked, Finding};
use chatring_admin::{Failure, interrupt};
use chatring_machines::command::{ClientCommand, NodeAsk};
use chatring_machines::event::Reply;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::view::SharedView;
use chatring_machines::wire::Text;
use clap::Args;

use super::super::{Global, group_name, net};

/// How long a node may take to say what it has.
const PATIENCE_MS: u64 = 2_000;
/// Before what is amiss is looked at once more: most of it is a ring that is just changing.
const LOOK_AGAIN: Duration = Duration::from_millis(1_000);
/// Times that nodes are asked of which others have told, each time by those who were asked before.
const ROUNDS: usize = 3;

/// Which group.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// The group
    #[arg(value_parser = group_name)]
    group: GroupName,
    /// Ask this node, too, though it may not be in the ring; repeat it for each
    #[arg(long = "also", value_name = "NODE", value_parser = super::node_key)]
    also: Vec<NodeKey>,
}

/// What there is to say of a group at one moment.
struct Look {
    view: SharedView,
    asked: Vec<Asked>,
    findings: Vec<Finding>,
}

/// Runs it.
pub fn run(args: &WhyArgs, global: &Global) -> Result<(), Failure> {
    let mut look = take_a_look(args, global)?;
    if !look.findings.is_empty() {
        interrupt::pause(LOOK_AGAIN)?;
        look = take_a_look(args, global)?;
    }
    let sheet = claims::sheet(&look.view, &args.group, &look.asked, &look.findings);
    global.output.show(&sheet.ok_or_else(|| super::nobody(global))?)?;
    claims::failure(&look.findings).map_or(Ok(()), Err)
}

/// What is wrong with a group at this moment, for whoever looks at many.
pub fn verdict(group: &GroupName, global: &Global) -> Result<Vec<Finding>, Failure> {
    take_a_look(&WhyArgs { group: group.clone(), also: Vec::new() }, global).map(|look| look.findings)
}

fn take_a_look(args: &WhyArgs, global: &Global) -> Result<Look, Failure> {
    let view = net::view(global)?;
    let card = match net::ask_one(global.servers(), ClientCommand::Group { group: args.group.clone() }.into()) {
        Ok(Some(Reply::GroupCard { card })) => Some(card),
        // Nobody has reported it.
        _ => None,
    };
    let reported = card.as_ref().map_or(0, |card| card.members);
    let mut wanted: BTreeSet<NodeKey> = view.nodes.iter().map(|node| node.key.clone()).chain(args.also.iter().cloned()).collect();
    wanted.extend(card.into_iter().flat_map(|card| card.copies.iter().cloned().chain([card.master.clone()]).collect::<Vec<_>>()));
    wanted.extend(pending(global));
    let mut asked = Vec::new();
    for _ in 0..ROUNDS {
        asked.extend(ask(wanted, &args.group, global));
        wanted = claims::named(&asked);
    }
    let findings = claims::judge(&view, &args.group, &asked, reported);
    Ok(Look { view, asked, findings })
}

/// Nodes that want into the ring.
fn pending(global: &Global) -> Vec<NodeKey> {
    const WIDTH: usize = 5;
    let ask = ClientCommand::Node { what: NodeAsk::Pending, node: None, only: Default::default() };
    match net::ask_within(PATIENCE_MS, global.servers(), vec![ask.into()]) {
        Ok(replies) => match &replies[..] {
            [Reply::PendingNodes { cells }] => {
                let rows = cells.0.chunks_exact(WIDTH).filter(|row| !matches!(&*row[2], "refused" | "admitted"));
                rows.filter_map(|row: &[Text]| NodeKey::new(&row[0]).ok()).collect()
            }
            _ => Vec::new(),
        },
        // There is no leader: then nobody comes in either.
        Err(_) => Vec::new(),
    }
}

fn ask(nodes: BTreeSet<NodeKey>, group: &GroupName, global: &Global) -> Vec<Asked> {
    let nodes: Vec<NodeKey> = nodes.into_iter().filter(|node| node.address().is_some()).collect();
    let servers = nodes.iter().filter_map(NodeKey::address).map(|address| global.at(address.to_string())).collect();
    let answers = net::ask_each(PATIENCE_MS, servers, &ClientCommand::Claim { group: group.clone() }.into());
    let asked = |(node, answer): (NodeKey, Result<Vec<Reply>, Failure>)| {
        let answer = match answer.map(|mut replies| replies.pop()) {
            Ok(Some(Reply::ClaimIs { claim })) if claim.node == node => Ok(*claim),
            Ok(Some(Reply::ClaimIs { claim })) => Err(format!("{} is there instead", claim.node)),
            Ok(_) => Err("it answers something that is no answer".to_string()),
            Err(failure) => Err(failure.what),
        };
        Asked { node, answer }
    };
    nodes.into_iter().zip(answers).map(asked).collect()
}
