//! `chatctl check`: every super node checks now which groups it still owns.

use chatring_admin::render::Checks;
use chatring_admin::{Failure, interrupt};
use chatring_machines::command::ClientCommand;
use chatring_machines::event::Reply;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::wire::Text;
use clap::Args;

use super::{Global, group_name, net};

/// What to check.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Only this group
    #[arg(value_parser = group_name)]
    group: Option<GroupName>,
}

/// Runs it. Every node is asked, whatever another one said; then the worst decides.
pub fn run(args: CheckArgs, global: &Global) -> Result<(), Failure> {
    let view = net::view(global)?;
    let mut checks = Checks::default();
    let mut trouble: Vec<Failure> = Vec::new();
    for node in &view.nodes {
        interrupt::check()?;
        match check(&node.key, &args, global) {
            Ok(cells) => checks.add(&node.key, &cells),
            Err(failure) => trouble.push(Failure { advice: None, ..failure }),
        }
    }
    global.output.show(&checks.sheet())?;
    if let Some(worst) = trouble.iter().max_by_key(|failure| failure.kind as u8) {
        let what = trouble.iter().map(|failure| failure.what.as_str()).collect::<Vec<_>>().join("\n");
        return Err(Failure {
            kind: worst.kind,
            what,
            advice: Some("The ring may be about to change: try again in a few seconds.".into()),
        });
    }
    match checks.blocked() {
        0 => Ok(()),
        blocked => Err(Failure::refused(format!("{blocked} groups are blocked; the table says why"))
            .advise("They are safe where they are, and move as soon as they can.")),
    }
}

fn check(node: &NodeKey, args: &CheckArgs, global: &Global) -> Result<Vec<Text>, Failure> {
    let address = node.address().ok_or_else(|| Failure::refused(format!("{node} can't be dialled")))?;
    let ask = ClientCommand::Check { group: args.group.clone() };
    // A node checks once in a second at most: who comes too early is told when to come again.
    match net::ask_one(global.at(address.to_string()), ask.into())? {
        Some(Reply::Checked { cells }) => Ok(cells.0),
        _ => Err(Failure::refused(format!("{node} does not say what it checked"))),
    }
}
