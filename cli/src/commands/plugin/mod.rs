//! `chatctl plugin`: for whoever writes plugins, or is about to trust one.

mod new;
mod verify;

use chatring_admin::Failure;

use super::Global;

/// What can be done with plugins.
#[derive(Debug, clap::Subcommand)]
pub enum PluginCommand {
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
        PluginCommand::New(args) => new::run(args, global.output),
        PluginCommand::Verify(args) => verify::run(args, global.output),
        PluginCommand::Try => Err(Failure::usage("this is what `plugin verify` starts, and ends the process")),
    }
}
