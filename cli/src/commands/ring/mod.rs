//! `chatctl ring`: the ring as the directory has it, and who is responsible for a group; off line where the nodes are given.

mod census;
mod plan;
mod plot;
mod why;

pub use census::places;
pub use why::verdict;

use chatring_admin::{Failure, render};
use chatring_machines::command::{ClientCommand, If, RingAsk};
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::{POINTS_MAX, Ring};
use chatring_machines::view::{Metric, RingParams};
use chatring_machines::wire::Given;
use clap::{Args, Subcommand};

use super::bench::Where;
use super::{Global, group_name, handoff, net};

/// What to do with the ring.
#[derive(Clone, Debug, Subcommand)]
pub enum RingCommand {
    /// Show its parameters and super nodes, what part each has, and what that comes to
    Show(ShowArgs),
    /// Draw it: who has which part of the circle, and where groups are
    Plot(plot::PlotArgs),
    /// Work out who is responsible for a group
    Owner(OwnerArgs),
    /// Ask all super nodes what they have of a group, and say what is wrong: the exit code tells it, too
    Why(why::WhyArgs),
    /// Work out what a change would do: which groups move, whom that concerns, how long it takes
    Plan(plan::PlanArgs),
    /// Carry out a plan, in the ring that it was made for and in no other. From the directory server's own machine only
    Commit(plan::CommitArgs),
    /// Give every super node another number of points, and wait until groups are where they belong then.
    /// From the directory server's own machine only
    Points(PointsArgs),
}

/// How sure the answer is to be.
#[derive(Clone, Copy, Debug, Args)]
pub struct ShowArgs {
    /// Have a majority of the directory servers confirm that there is no newer ring
    #[arg(long)]
    linearizable: bool,
}

/// How many points.
#[derive(Clone, Debug, Args)]
pub struct PointsArgs {
    /// Points of each node
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(POINTS_MAX)))]
    points: u32,
}

/// Which group, in which ring.
#[derive(Clone, Debug, Args)]
pub struct OwnerArgs {
    /// The group
    #[arg(value_parser = group_name)]
    group: GroupName,
    /// Ask nobody: these super nodes, as IP or IP:port, separated by commas
    #[arg(long, value_name = "IP[:PORT]", value_delimiter = ',', value_parser = node_key)]
    nodes: Vec<NodeKey>,
    /// How distance is measured
    #[arg(long, value_name = "linear|circular", value_parser = metric, requires = "nodes", default_value = "circular")]
    metric: Metric,
    /// Points of each node
    #[arg(long, value_name = "N", requires = "nodes", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(POINTS_MAX)))]
    points: u32,
}

/// Runs it.
pub fn run(command: RingCommand, global: &Global) -> Result<(), Failure> {
    match command {
        RingCommand::Show(args) => {
            let how = args.linearizable.then_some(RingAsk::Linearizable);
            let (view, loads) = census::loads(global, ClientCommand::Ring { how: Given(how) })?;
            global.output.show(&render::view(&view, Some(&loads)))
        }
        RingCommand::Points(args) => {
            handoff::change(ClientCommand::Points { points: args.points, only: If::default() }, global.change_patience_ms(), global)?;
            global.output.show(&render::fact("points", args.points))
        }
        RingCommand::Plot(args) => plot::run(&args, global),
        RingCommand::Why(args) => why::run(&args, global),
        RingCommand::Plan(args) => plan::plan(&args, global),
        RingCommand::Commit(args) => plan::commit(&args, global),
        RingCommand::Owner(args) => {
            let ring = if args.nodes.is_empty() { Ring::new(&*net::view(global)?) } else { given(&args) };
            let sheet = render::owner(&ring, &args.group);
            global.output.show(&sheet.ok_or_else(|| nobody(global))?)
        }
    }
}

fn given(args: &OwnerArgs) -> Ring {
    Ring::of(args.nodes.iter().cloned(), RingParams { metric: args.metric, points: args.points })
}

/// The node that is master of `#bench`, and names of so many groups that are its own: a bench of several groups measures one server, too.
pub fn bench_target(groups: u32, global: &Global) -> Result<Where, Failure> {
    let ring = Ring::new(&*net::view(global)?);
    let named = |number: u64| GroupName::new(&format!("#bench{number}")).expect("letters and digits make a name");
    let master = ring.master(named(0).as_str()).ok_or_else(|| nobody(global))?;
    let address = master.address().ok_or_else(|| Failure::refused(format!("{master} can't be dialled")))?;
    // Every node has some part of the circle; one with next to none is not worth a search without end.
    let own = (0..u64::from(groups) * 10_000).map(named).filter(|group| ring.master(group.as_str()) == Some(master));
    let names: Vec<String> = own.take(groups as usize).map(|group| group.as_str().to_string()).collect();
    if names.len() < groups as usize {
        return Err(Failure::refused(format!("{master} is responsible for too small a part of the ring to find {groups} groups"))
            .advise("Name another server with --target HOST:PORT."));
    }
    Ok((address, names))
}

fn nobody(global: &Global) -> Failure {
    Failure::refused(format!("no super node is in the ring that {} knows", global.directories.join(", ")))
        .advise("Start one, or wait until it has registered; `chatctl node list` shows them.")
}

fn node_key(text: &str) -> Result<NodeKey, String> {
    let key = NodeKey::new(text).map_err(|bad| bad.to_string())?;
    if key.address().is_some() { Ok(key) } else { Err("a gateway has no place in the ring".into()) }
}

fn metric(text: &str) -> Result<Metric, String> {
    text.parse().map_err(|bad: chatring_machines::view::BadMetric| bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Cli, Verb};
    use clap::Parser;

    /// What another language's md5 and a brute-force search made of the design; written by the script beside it.
    const VECTORS: &str = include_str!("../../../../core/machines/tests/ring_vectors.txt");

    #[track_caller]
    fn check(ring: &str, group: &str) {
        let ring: Vec<&str> = ring.split(' ').collect();
        let group: Vec<&str> = group.split(' ').collect();
        let [_, metric, points, nodes @ ..] = ring.as_slice() else { panic!("{ring:?}") };
        let [_, name, at, standby, order @ ..] = group.as_slice() else { panic!("{group:?}") };
        let nodes = nodes.join(",");
        let line = ["chatctl", "ring", "owner", name, "--nodes", &nodes, "--metric", metric, "--points", points];
        let Some(Verb::Ring(RingCommand::Owner(args))) = Cli::try_parse_from(line).unwrap().verb else { panic!("{line:?}") };
        let value = render::owner(&given(&args), &args.group).unwrap().value().clone();
        assert_eq!(value["master"], order[0], "{line:?}");
        assert_eq!((value["group"].as_str(), value["metric"].as_str()), (Some(*name), Some(*metric)));
        assert_eq!(value["point"].to_string(), *at);
        assert_eq!(value["standbys"].as_array().unwrap().first().map_or("-", |key| key.as_str().unwrap()), *standby, "{line:?}");
        let mut all: Vec<&str> = value["standbys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).chain([order[0]]).collect();
        let mut expect = order.to_vec();
        all.sort_unstable();
        expect.sort_unstable();
        assert_eq!(all, expect);
    }

    #[test]
    fn owners_off_line_agree_with_the_vectors() {
        let mut ring = "";
        let mut checked = 0;
        for line in VECTORS.lines() {
            if line.starts_with("ring ") {
                ring = line;
            } else if line.starts_with("group ") && ring.split(' ').count() > 3 {
                check(ring, line);
                checked += 1;
            }
        }
        assert!(checked > 20, "only {checked} vectors");
    }
}
