//! What a demo says: where everyone is, and what to type next.

use super::children::{Child, serve_command};
use super::files::Files;
use super::plan::{NodePlan, Plan};
use chatring_machines::names::NodeKey;
use chatring_machines::ring::Ring;
use chatring_machines::view::RingParams;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Prints. A screen that is gone doesn't matter to the network.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Once everything serves.
pub(super) fn welcome(plan: &Plan, children: &[Child], files: &Files) -> String {
    let pid = |name: &str| children.iter().find(|child| child.name == name).map_or(0, Child::pid);
    let mut text = String::new();
    for remark in &plan.remarks {
        let _ = writeln!(text, "{remark}");
    }
    let _ = writeln!(text, "The network serves.\n");
    let _ = writeln!(text, "  {:<10} {:<18} {:<18} pid", "", "native, Redis", "IRC");
    for server in &plan.directories {
        let _ = writeln!(text, "  {:<10} {:<18} {:<18} {}", server.name, server.address.to_string(), "", pid(&server.name));
    }
    for node in &plan.nodes {
        let _ = writeln!(text, "  {:<10} {:<18} {:<18} {}", node.name, node.native.to_string(), node.irc.to_string(), pid(&node.name));
    }
    let (at_irc, at_redis) = bystanders(plan);
    let (irc, redis, directory) = (at_irc.irc, at_redis.native, named_directories(plan));
    let chatctl = this_program();
    let _ = write!(
        text,
        "\nTalk, each in a terminal of its own:\n\n  \
         {chatctl} chat '{GROUP}' --nick joe{directory}\n  \
         irssi -c {} -p {}                        then /join {GROUP}\n  \
         redis-cli -h {} -p {} SUBSCRIBE '{GROUP}'\n\n\
         See who is responsible for the group, kill that process, and watch the group go on elsewhere:\n\n  \
         {chatctl} ring owner '{GROUP}'{directory}\n  \
         kill -9 PID\n\n\
         Configurations and logs are in {}\nCtrl-C ends the network: all that the demo has started.\n",
        irc.ip(),
        irc.port(),
        redis.ip(),
        redis.port(),
        files.dir().display(),
    );
    text
}

/// How to name the directory servers, where they are not those that chatctl knows by itself.
fn named_directories(plan: &Plan) -> String {
    match plan.directory_list() {
        list if list == crate::commands::DIRECTORIES => String::new(),
        list => format!(" --directory {list}"),
    }
}

/// When a child is gone.
pub(super) fn death(child: &Child, how: &str, files: &Files) -> String {
    let (name, pid) = (&child.name, child.pid());
    let again = match serve_command(&files.config(name)) {
        Ok((program, args)) => format!("{} {}", short(&program), args.join(" ")),
        Err(error) => format!("({error})"),
    };
    format!(
        "\n{name} (pid {pid}) is gone: {how}. To start it again, in another terminal:\n\n  {again}\n\n\
         What you start is yours to end: Ctrl-C there, not here.\n"
    )
}

/// At the end, when someone has started again what had died: it goes on without the rest of the network.
pub(super) fn left_running(names: &[String], files: &Files) -> String {
    format!("Started by hand, and yours to end: {}. Configurations and logs stay in {}\n", names.join(", "), files.dir().display())
}

/// The group that the demo is about.
const GROUP: &str = "#erlang";

/// Where IRC and Redis clients go: not to the group's master, which one is told to kill, since they don't come back by themselves. To different nodes where there
/// are so many.
fn bystanders(plan: &Plan) -> (&NodePlan, &NodePlan) {
    let ring = Ring::of(plan.nodes.iter().map(|node| NodeKey::of(node.native)), RingParams::default());
    let others: Vec<&NodePlan> = plan.nodes.iter().filter(|node| ring.master(GROUP) != Some(&NodeKey::of(node.native))).collect();
    match others.as_slice() {
        [] => (&plan.nodes[0], &plan.nodes[0]),
        [only] => (only, only),
        [redis, irc, ..] => (irc, redis),
    }
}

/// How the person at the terminal can call this program.
fn this_program() -> String {
    std::env::current_exe().map_or_else(|_| "chatctl".to_string(), |program| short(&program))
}

/// A path as seen from where we are.
fn short(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    match here.as_deref().and_then(|here| path.strip_prefix(here).ok()) {
        // A shell takes a bare name for something else.
        Some(inside) if inside.components().count() == 1 => format!("./{}", inside.display()),
        Some(inside) => inside.display().to_string(),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    /// Where one is sent in a network of so many nodes at the usual addresses, each named by the last byte of its own.
    #[track_caller]
    fn check(nodes: u8, irc: u8, redis: u8) {
        let node = |n: u8| {
            let at = |port: u16| SocketAddr::from((Ipv4Addr::new(127, 0, 0, n), port));
            NodePlan { name: n.to_string(), native: at(7411), irc: at(6667) }
        };
        let plan = Plan { directories: Vec::new(), nodes: (1..=nodes).map(node).collect(), remarks: Vec::new() };
        let (at_irc, at_redis) = bystanders(&plan);
        assert_eq!((at_irc.name.as_str(), at_redis.name.as_str()), (&*irc.to_string(), &*redis.to_string()));
    }

    /// The README says the same of three nodes, of which 127.0.0.3 is the master.
    #[test]
    fn nobody_is_sent_to_the_node_to_be_killed() {
        check(1, 1, 1);
        check(3, 2, 1);
    }
}
