//! `chatctl plugin`: the plugins of super nodes; and for whoever writes plugins, or is about to trust one.

mod live;
mod new;
mod verify;

use chatring_admin::Failure;

use super::Global;

/// What can be done with plugins.
#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
    /// List those of a super node's process. From its own machine only, as all that is about a running one
    List(live::At),
    /// Show one, with what it counts
    Show(live::Named),
    /// Start one from a shared library
    Load(live::FromFile),
    /// Start another one of the same name beside it; new connections are its, and those that are there go on. If it can't be, nothing changes
    Swap(live::Swap),
    /// Have nothing new go to one: no connection, no login, nothing to judge
    Disable(live::Named),
    /// Take that back
    Enable(live::Named),
    /// Begin a plugin: a project that builds, with a test
    New(new::NewArgs),
    /// Find out whether a plugin keeps the contract; fails when it does not
    Verify(verify::VerifyArgs),
    /// Make one check: what `verify` starts
    #[command(hide = true)]
    Try,
}

/// Runs one of them.
pub fn run(command: PluginCommand, global: &Global) -> Result<(), Failure> {
    match command {
        PluginCommand::List(at) => live::list(&at, global),
        PluginCommand::Show(named) => live::show(&named, global),
        PluginCommand::Load(from) => live::load(&from, global),
        PluginCommand::Swap(swap) => live::swap(&swap, global),
        PluginCommand::Disable(named) => live::disable(&named, global),
        PluginCommand::Enable(named) => live::enable(&named, global),
        PluginCommand::New(args) => new::run(args, &global.output),
        PluginCommand::Verify(args) => verify::run(args, &global.output),
        PluginCommand::Try => Err(Failure::usage("this is what `plugin verify` starts, and ends the process")),
    }
}
