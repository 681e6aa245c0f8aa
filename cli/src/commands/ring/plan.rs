//! `chatctl ring plan` and `ring commit`: what a change of the ring would do, and doing it, in the ring that was looked at and in no other.

use std::io::{IsTerminal, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use chatring_admin::plan::{Change, FILE_BYTES_MAX, RingPlan};
use chatring_admin::text::{clean, count};
use chatring_admin::{Failure, interrupt, render};
use chatring_machines::command::{ClientCommand, HandoffAsk, If, NodeAsk};
use chatring_machines::event::Reply;
use chatring_machines::ids::Epoch;
use chatring_machines::names::NodeKey;
use chatring_machines::ring::POINTS_MAX;
use chatring_machines::view::View;
use clap::Args;

use super::super::{Global, handoff, net, node};
use super::census;

/// How often it is looked how far a change is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is to be changed.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// A super node comes, by its key (IP or IP:port); repeat it for each
    #[arg(long, value_name = "NODE", value_parser = super::node_key)]
    add: Vec<NodeKey>,
    /// All super nodes have so many points
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(POINTS_MAX)))]
    points: Option<u32>,
    /// A super node goes, by its key or its name; repeat it for each
    #[arg(long, value_name = "NODE")]
    remove: Vec<String>,
    /// Write the plan to this file, for `ring commit`
    #[arg(long, value_name = "PLAN")]
    out: Option<PathBuf>,
}

/// Which plan.
#[derive(Clone, Debug, Args)]
pub struct CommitArgs {
    /// The file that `ring plan --out` has written
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
}

/// Works it out, and changes nothing. Nodes come before others go, so that nothing moves twice that need not.
pub fn plan(args: &PlanArgs, global: &Global) -> Result<(), Failure> {
    let (view, places) = census::all(global)?;
    let adds = args.add.iter().cloned().map(Change::Add);
    let points = args.points.map(Change::Points);
    let removes: Vec<Change> =
        args.remove.iter().map(|name| named(&view, &args.add, name).map(Change::Remove)).collect::<Result<_, _>>()?;
    let changes: Vec<Change> = adds.chain(points).chain(removes).collect();
    let plan = RingPlan::of(&view, &changes, &places)
        .map_err(|why| Failure::refused(why.to_string()).advise("`chatctl ring show` shows the ring."))?;
    if let Some(file) = &args.out {
        write(file, &plan)?;
    }
    global.output.show(&plan.sheet())
}

fn named(view: &View, added: &[NodeKey], name: &str) -> Result<NodeKey, Failure> {
    let there = view.nodes.iter().find(|node| node.key.as_str() == name || *node.name == *name).map(|node| node.key.clone());
    let there = there.or_else(|| added.iter().find(|key| key.as_str() == name).cloned());
    there.ok_or_else(|| Failure::refused(format!("no super node '{name}' is in the ring")).advise("`chatctl node list` shows them."))
}

fn write(file: &Path, plan: &RingPlan) -> Result<(), Failure> {
    let text = format!("{:#}\n", plan.to_json());
    std::fs::write(file, text).map_err(|error| Failure::refused(format!("{} can't be written: {error}", file.display())))
}

/// A plan that was written before.
pub fn read(file: &Path) -> Result<RingPlan, Failure> {
    let unread = |error: std::io::Error| Failure::usage(format!("{} can't be read: {error}", file.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(unread)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} is too large to be a plan", file.display())));
    }
    RingPlan::from_json(&text, &file.display().to_string())
}

/// The plan, if it is for this ring.
pub fn fresh(plan: RingPlan, view: &View) -> Result<RingPlan, Failure> {
    match plan.is_stale(view) {
        None => Ok(plan),
        Some(why) => Err(stale(why)),
    }
}

fn stale(why: String) -> Failure {
    Failure::refused(why).advise("Make another one with `chatctl ring plan`.")
}

/// Carries it out, one change after the other. Each is asked for with the epoch in which it was planned, and the directory server that leads looks at that when it begins: where anything else came between, nothing more is done.
pub fn commit(args: &CommitArgs, global: &Global) -> Result<(), Failure> {
    let view = net::view(global)?;
    let plan = fresh(read(&args.plan)?, &view)?;
    let began = Instant::now();
    for (ix, step) in plan.steps.iter().enumerate() {
        let until = Instant::now() + Duration::from_millis(global.change_patience_ms());
        eprintln!("{}: {}", step.change, count(step.moves.len() as u64, "group moves", "groups move"));
        watched(global, || carry_out(&step.change, plan.epoch_of(ix), until, global)).map_err(|failure| {
            let done = if ix == 0 { String::new() } else { format!("; done before: {}", count(ix as u64, "change", "changes")) };
            Failure { what: format!("{}: {}{done}", step.change, failure.what), ..failure }
        })?;
    }
    let steps = plan.steps.iter().map(|step| step.change.to_string()).collect::<Vec<_>>();
    global.output.show(&render::committed(&steps, net::view(global)?.epoch, began.elapsed()))
}

fn carry_out(change: &Change, epoch: Epoch, until: Instant, global: &Global) -> Result<(), Failure> {
    let only = If(Some(epoch));
    match change {
        Change::Points(points) => handoff::change(ClientCommand::Points { points: *points, only }, node::left_ms(until), global),
        Change::Remove(key) => {
            handoff::change(ClientCommand::Drain { node: key.clone(), only }, node::left_ms(until), global)?;
            node::wait_until_empty(key, until, global)
        }
        Change::Add(key) => {
            let admit = ClientCommand::Node { what: NodeAsk::Admit, node: Some(key.clone()), only };
            if net::ask_one(global.servers(), admit.into())? != Some(Reply::Ok { text: "OK".into() }) {
                return Err(net::no_directory(global));
            }
            wait_for(key, epoch, until, global)
        }
    }
}

/// Until a node that was admitted is in the ring. One that is not there comes when it is started.
fn wait_for(key: &NodeKey, epoch: Epoch, until: Instant, global: &Global) -> Result<(), Failure> {
    let mut is_told = false;
    loop {
        let view = net::view(global)?;
        if view.node(key).is_some() {
            let planned = Epoch { number: epoch.number + 1, ..epoch };
            return match view.epoch == planned {
                true => Ok(()),
                false => Err(stale(format!(
                    "{key} is in the ring, but at epoch {}, and not at {planned}: something else changed it, too",
                    view.epoch
                ))),
            };
        }
        let why = pending(key, global)?;
        if Instant::now() >= until {
            let why = why.unwrap_or_else(|| "it has not asked for a place".into());
            return Err(Failure::refused(format!("{key} may come, and is not in the ring yet: {why}"))
                .advise("It comes by itself when it is started; `chatctl node pending` says what keeps it."));
        }
        if why.is_none() && !std::mem::replace(&mut is_told, true) {
            eprintln!("{key} may come now, and has not asked for a place: start it");
        }
        interrupt::pause(LOOK_EVERY)?;
    }
}

/// Why a node is not in the ring, if it wants to be.
fn pending(key: &NodeKey, global: &Global) -> Result<Option<String>, Failure> {
    let ask = ClientCommand::Node { what: NodeAsk::Pending, node: None, only: If::default() };
    match net::ask_one(global.servers(), ask.into())? {
        Some(Reply::PendingNodes { cells }) => {
            let row = cells.0.chunks(5).find(|row| *row[0] == *key.as_str() && row.len() == 5 && &*row[2] != "admitted");
            Ok(row.map(|row| format!("{} {}", clean(&row[2]), clean(&row[4]))))
        }
        _ => Err(net::no_directory(global)),
    }
}

/// Says on standard error how far the planned change is, while it is waited for.
fn watched<T>(global: &Global, change: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut said = String::new();
            while is_done.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                // Whoever can't say so now says so the next time.
                let Some(progress) = progress(global).filter(|progress| *progress != said) else { continue };
                let mut err = std::io::stderr().lock();
                // On a terminal in one line.
                let line = if err.is_terminal() { format!("\r\x1b[K  {progress}") } else { format!("  {progress}\n") };
                let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
                said = progress;
            }
            if !said.is_empty() && std::io::stderr().is_terminal() {
                eprintln!();
            }
        });
        let result = change();
        drop(done);
        result
    })
}

fn progress(global: &Global) -> Option<String> {
    let list = ClientCommand::Handoff { what: HandoffAsk::List };
    match net::ask_one(global.servers(), list.into()).ok()?? {
        Reply::Handoff { plan, cells, .. } if !plan.is_empty() => {
            let left = |row: &&[chatring_machines::wire::Text]| row.get(2).and_then(|left| left.parse::<u64>().ok());
            let rows: Vec<_> = cells.0.chunks(4).collect();
            let silent = rows.iter().filter(|row| left(row).is_none()).count();
            let groups: u64 = rows.iter().filter_map(left).sum();
            let silent =
                if silent > 0 { format!(", {} not said how far", count(silent as u64, "node has", "nodes have")) } else { String::new() };
            Some(format!("{} left to copy{silent}", count(groups, "group", "groups")))
        }
        _ => None,
    }
}
