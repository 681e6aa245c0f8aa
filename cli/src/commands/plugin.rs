//! `chatctl plugin`: plugins, at work and in the making.

use chatring_admin::Failure;
use clap::Subcommand;

use super::Global;
use super::live_plugins::{self, At, FromFile, Named, Swap};

/// What to do with plugins.
#[derive(Clone, Debug, Subcommand)]
pub enum PluginCommand {
    /// List those of a super node's process. From its own machine only, as all of these
    List(At),
    /// Show one, with what it counts
    Show(Named),
    /// Start one from a shared library
    Load(FromFile),
    /// Start another one of the same name beside it; new connections are its, and those that are there go on. If it can't be, nothing changes
    Swap(Swap),
    /// Have nothing new go to one: no connection, no login, nothing to judge
    Disable(Named),
    /// Take that back
    Enable(Named),
}

/// Runs it.
pub fn run(command: PluginCommand, global: &Global) -> Result<(), Failure> {
    match command {
        PluginCommand::List(at) => live_plugins::list(&at, global),
        PluginCommand::Show(named) => live_plugins::show(&named, global),
        PluginCommand::Load(from) => live_plugins::load(&from, global),
        PluginCommand::Swap(swap) => live_plugins::swap(&swap, global),
        PluginCommand::Disable(named) => live_plugins::disable(&named, global),
        PluginCommand::Enable(named) => live_plugins::enable(&named, global),
    }
}
