//! `chatctl bench fanout`: what a delivery costs a server, measured the same way for ours and for others.
//!
//! The figure that counts is the server's CPU time per delivery, because it stays stable on a busy machine. Nothing is believed: every subscriber
//! checks that every message came once and in order, and a run in which one did not is refused with exit code 1.

mod load;
mod server;
mod speech;
mod stamp;

use std::net::SocketAddr;
use std::time::Duration;

use chatring_admin::{Failure, Form, Output, Sheet};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::Global;
use load::{Load, Plan};
pub use speech::Protocol;
use stamp::{PUBLISHERS_MAX, STAMP_BYTES, Shape};

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// Few publishers, many subscribers: deliveries per second and what each costs the server
    Fanout(FanoutArgs),
}

/// How to measure fan-out.
#[derive(Clone, Debug, Args)]
pub struct FanoutArgs {
    /// Subscribers, spread over the groups.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    subs: u32,
    /// Messages, of all publishers together.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..1 << 30))]
    msgs: u32,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(STAMP_BYTES as i64..=15_000))]
    size: u32,
    /// Who speak, in turn to every group.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=PUBLISHERS_MAX as i64))]
    publishers: u32,
    /// Groups.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    groups: u32,
    /// How many messages publishers may be ahead of the slowest subscriber.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// The server; without it, the master of the bench's groups, as the directory has it.
    #[arg(long, value_name = "HOST:PORT")]
    target: Option<String>,
    /// What the server speaks.
    #[arg(long, value_enum, default_value_t = Protocol::Resp)]
    protocol: Protocol,
    /// The server's process, where the kernel should not be asked who listens there. Of several, separated by commas, the CPU time is added up.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    server_pid: Vec<u32>,
    /// Send nothing: open this many connections, join, and weigh the server.
    #[arg(long, value_name = "CONNECTIONS")]
    idle: Option<u32>,
    /// With --idle: seconds between the last join and the weighing, for servers that give memory back after a while.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    settle: u32,
    /// The same as --output json.
    #[arg(long)]
    json: bool,
}

/// Where to send the load: the server, and names for so many groups.
pub type Where = (SocketAddr, Vec<String>);

/// Runs a bench. `find` asks the directory for a server and for groups that are its own.
pub(super) fn run(command: BenchCommand, global: &Global, find: impl FnOnce(u32) -> Result<Where, Failure>) -> Result<(), Failure> {
    let BenchCommand::Fanout(args) = command;
    let (target, groups) = match &args.target {
        Some(target) => (resolve(target)?, (0..args.groups).map(|number| format!("#bench{number}")).collect()),
        None => find(args.groups)?,
    };
    let output = if args.json { Form::of(Output::Json) } else { global.output.clone() };
    let shape = Shape {
        publishers: if args.idle.is_some() { 0 } else { args.publishers },
        groups: args.groups,
        each: args.msgs.div_ceil(args.publishers),
        size: args.size as usize,
    };
    let plan = Plan {
        target,
        protocol: args.protocol,
        subs: args.idle.unwrap_or(args.subs),
        groups,
        shape,
        window: u64::from(args.window),
        patience: Duration::from_millis(global.timeout_ms().unwrap_or(10_000)),
    };
    let mut pids = args.server_pid;
    if pids.is_empty() {
        pids.extend(server::listener(target));
    }
    match args.idle {
        Some(_) => idle(plan, pids.first().copied(), Duration::from_secs(u64::from(args.settle)), &output),
        None if args.protocol == Protocol::Mqtt => Err(Failure::usage("mqtt can only be measured with --idle")),
        None => fanout(plan, &pids, &output),
    }
}

#[derive(Serialize)]
struct Report {
    protocol: String,
    target: String,
    subs: u32,
    groups: u32,
    publishers: u32,
    messages: u64,
    size: usize,
    seconds: f64,
    deliveries: u64,
    deliveries_per_s: f64,
    /// Of the server; absent where the kernel does not tell.
    cpu_us_per_delivery: Option<f64>,
    /// Of this program.
    bench_cpu_us_per_delivery: Option<f64>,
    latency_us: serde_json::Value,
    rss_before: Option<u64>,
    rss_after: Option<u64>,
    faults: stamp::Faults,
    complaint: Option<String>,
}

fn fanout(plan: Plan, pids: &[u32], output: &Form) -> Result<(), Failure> {
    let mut load = Load::open(plan.clone())?;
    let own = std::process::id();
    let all = |figure: &dyn Fn(u32) -> Option<u64>| if pids.is_empty() { None } else { pids.iter().map(|pid| figure(*pid)).sum() };
    let cpu = || (all(&server::cpu_ns), server::cpu_ns(own));
    let rss = || all(&|pid| server::memory(pid).map(|memory| memory.rss));
    let (before, rss_before) = (cpu(), rss());
    let outcome = load.flood()?;
    let (after, rss_after) = (cpu(), rss());

    let each = |before: Option<u64>, after: Option<u64>| {
        let spent = after?.checked_sub(before?)?;
        Some(spent as f64 / 1000.0 / outcome.deliveries.max(1) as f64)
    };
    let seconds = outcome.took.as_secs_f64();
    let latency = |quantile| outcome.latency_us.value_at_quantile(quantile);
    let report = Report {
        protocol: format!("{:?}", plan.protocol).to_lowercase(),
        target: plan.target.to_string(),
        subs: plan.subs,
        groups: plan.shape.groups,
        publishers: plan.shape.publishers,
        messages: u64::from(plan.shape.each) * u64::from(plan.shape.publishers),
        size: plan.shape.size,
        seconds,
        deliveries: outcome.deliveries,
        deliveries_per_s: outcome.deliveries as f64 / seconds.max(1e-9),
        cpu_us_per_delivery: each(before.0, after.0),
        bench_cpu_us_per_delivery: each(before.1, after.1),
        latency_us: json!({"p50": latency(0.5), "p90": latency(0.9), "p99": latency(0.99), "p999": latency(0.999), "max": outcome.latency_us.max()}),
        rss_before,
        rss_after,
        faults: outcome.faults,
        complaint: load.complaint().map(str::to_string),
    };
    output.show(&fanout_sheet(&report))?;
    if outcome.faults == stamp::Faults::default() { Ok(()) } else { Err(unfaithful(&plan, &report)) }
}

fn unfaithful(plan: &Plan, report: &Report) -> Failure {
    let stamp::Faults { lost, repeated, garbled } = report.faults;
    let failure = Failure::refused(format!(
        "{} did not deliver every message once and in order: {lost} lost, {repeated} repeated or late, {garbled} garbled",
        plan.target
    ));
    match &report.complaint {
        Some(words) => failure.advise(format!("It said: {words}")),
        None => failure,
    }
}

fn fanout_sheet(report: &Report) -> Sheet {
    let micros = |value: Option<f64>| value.map_or("unknown".into(), |value| format!("{value:.3} µs"));
    let latency = |name: &str| report.latency_us[name].to_string();
    let faults = report.faults;
    let rows = vec![
        ("server", format!("{} ({})", report.target, report.protocol)),
        (
            "shape",
            format!(
                "{} groups, {} subscribers, {} publishers, {} messages of {} bytes",
                report.groups, report.subs, report.publishers, report.messages, report.size
            ),
        ),
        ("deliveries", format!("{} in {:.3} s", report.deliveries, report.seconds)),
        ("deliveries per second", format!("{:.0}", report.deliveries_per_s)),
        ("server CPU per delivery", micros(report.cpu_us_per_delivery)),
        ("bench CPU per delivery", micros(report.bench_cpu_us_per_delivery)),
        (
            "latency p50 p90 p99 p99.9 max",
            format!("{} {} {} {} {} µs", latency("p50"), latency("p90"), latency("p99"), latency("p999"), latency("max")),
        ),
        ("server memory", kib_change(report.rss_before, report.rss_after)),
        ("lost, repeated, garbled", format!("{}, {}, {}", faults.lost, faults.repeated, faults.garbled)),
    ];
    Sheet::facts(rows, serde_json::to_value(report).expect("a report is plain data"))
}

fn kib_change(before: Option<u64>, after: Option<u64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("{} KiB before, {} KiB after", before / 1024, after / 1024),
        _ => "unknown".into(),
    }
}

fn idle(plan: Plan, pid: Option<u32>, settle: Duration, output: &Form) -> Result<(), Failure> {
    let unknown = || {
        Failure::refused(format!("which process listens at {} is not known, so it can't be weighed", plan.target))
            .advise("Give its process with --server-pid; it must run on this machine and be yours.")
    };
    let pid = pid.ok_or_else(unknown)?;
    let before = server::memory(pid).ok_or_else(unknown)?;
    let mut load = Load::open(plan.clone())?;
    load.settle(settle)?;
    let after = server::memory(pid).ok_or_else(unknown)?;
    let each = |before: u64, after: u64| (after as f64 - before as f64) / f64::from(plan.subs);
    let (rss, pss, anonymous) = (each(before.rss, after.rss), each(before.pss, after.pss), each(before.anonymous, after.anonymous));
    let rows = vec![
        ("server", format!("{} (process {pid})", plan.target)),
        ("idle connections", format!("{} in {} groups", plan.subs, plan.shape.groups)),
        ("resident before, after", format!("{} KiB, {} KiB", before.rss / 1024, after.rss / 1024)),
        ("bytes per connection", format!("{rss:.0} resident, {pss:.0} proportional, {anonymous:.0} anonymous")),
    ];
    let value = json!({
        "target": plan.target.to_string(), "connections": plan.subs, "groups": plan.shape.groups, "before": before, "after": after,
        "rss_per_connection": rss, "pss_per_connection": pss, "anonymous_per_connection": anonymous,
    });
    output.show(&Sheet::facts(rows, value))
}

fn resolve(target: &str) -> Result<SocketAddr, Failure> {
    use std::net::ToSocketAddrs;
    let wrong = || Failure::usage(format!("--target {target} is not an address")).advise("Write it as HOST:PORT, like 127.0.0.1:7411.");
    target.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}
