//! `chatctl config`: what daemons are told by their files.

use std::path::PathBuf;

use chatring_admin::{Failure, render};
use clap::Subcommand;

use super::Global;
use crate::daemon;

/// What to do with configurations.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with a daemon's file, and where: all of it, what its plugins are told and its certificates, too
    Check {
        /// The file
        #[arg(value_hint = clap::ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// Runs it.
pub fn run(command: ConfigCommand, global: &Global) -> Result<(), Failure> {
    let ConfigCommand::Check { file } = command;
    daemon::check(&file).map_err(|error| Failure::usage(error.to_string()))?;
    global.output.show(&render::done("file", &file.display().to_string(), "nothing wrong"))
}
