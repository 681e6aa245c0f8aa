//! The daemon of a chat network: directory server, super node, gateway, or several of these in one process.

use clap::Parser;
use std::process::ExitCode;

/// The daemon of a chat network: directory server, super node, gateway, or several of these in one process
#[derive(Parser)]
#[command(name = "chatd", version)]
struct Args {
    #[command(flatten)]
    daemon: chatring::daemon::DaemonArgs,
}

fn main() -> ExitCode {
    chatring::daemon::run(Args::parse().daemon)
}
