//! What a demo says: where everyone is, and what to type next.

use super::children::{Child, serve_command};
use super::files::{DIRECTORY, Files};
use super::plan::Plan;
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
    let _ = writeln!(text, "  {DIRECTORY:<10} {:<18} {:<18} {}", plan.directory.to_string(), "", pid(DIRECTORY));
    for node in &plan.nodes {
        let _ = writeln!(text, "  {:<10} {:<18} {:<18} {}", node.name, node.native.to_string(), node.irc.to_string(), pid(&node.name));
    }
    let (second, third) = (nth(plan, 1), nth(plan, 2));
    let (irc, redis, directory) = (plan.nodes[second].irc, plan.nodes[third].native, plan.directory);
    let chatctl = this_program();
    let _ = write!(
        text,
        "\nTalk, each in a terminal of its own:\n\n  \
         {chatctl} chat '#erlang' --nick joe --directory {directory}\n  \
         irssi -c {} -p {}                        then /join #erlang\n  \
         redis-cli -h {} -p {} SUBSCRIBE '#erlang'\n\n\
         See who is responsible for the group, kill that process, and watch the group go on elsewhere:\n\n  \
         {chatctl} ring owner '#erlang' --directory {directory}\n  \
         kill -9 PID\n\n\
         Configurations and logs are in {}\nCtrl-C ends the network.\n",
        irc.ip(),
        irc.port(),
        redis.ip(),
        redis.port(),
        files.dir().display(),
    );
    text
}

/// When a child is gone.
pub(super) fn death(child: &Child, how: &str, files: &Files) -> String {
    let (name, pid) = (&child.name, child.pid());
    let again = match serve_command(&files.config(name)) {
        Ok((program, args)) => format!("{} {}", short(&program), args.join(" ")),
        Err(error) => format!("({error})"),
    };
    format!("\n{name} (pid {pid}) is gone: {how}. To start it again, in another terminal:\n\n  {again}\n")
}

/// The index of a node other than the first where there are so many.
fn nth(plan: &Plan, wanted: usize) -> usize {
    wanted.min(plan.nodes.len() - 1)
}

/// How the person at the terminal can call this program.
fn this_program() -> String {
    std::env::current_exe().map_or_else(|_| "chatctl".to_string(), |program| short(&program))
}

/// A path as seen from where we are.
fn short(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let path = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    path.display().to_string()
}
