//! `chatctl operator`: makes operators. Nobody is asked: what is made is a secret for one person, and what servers check it with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use chatring_admin::{Failure, Sheet};
use chatring_machines::operators::{Role, SecretHash};
use clap::{Args, Subcommand};

use super::{Global, net};

/// What to make.
#[derive(Clone, Debug, Subcommand)]
pub enum OperatorCommand {
    /// Make an operator: writes their secret to a file, and shows what goes into the servers' configuration
    New(NewArgs),
}

/// Which operator.
#[derive(Clone, Debug, Args)]
pub struct NewArgs {
    /// What they are called: letters, digits, '-', '_' or '.'
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// What they may do: look, steer, or everything
    #[arg(long, value_name = "viewer|operator|admin", value_parser = role)]
    role: Role,
    /// Where their secret goes: a new file that only its owner can read, for --operator-file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.iter().copied().find(|role| role.as_str() == text);
    found.ok_or_else(|| "an operator is a viewer, an operator or an admin".into())
}

fn name(text: &str) -> Result<String, String> {
    let plain = (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain { Ok(text.into()) } else { Err("a name has 1 to 63 letters, digits, '-', '_' or '.'".into()) }
}

/// Runs it.
pub fn run(command: OperatorCommand, global: &Global) -> Result<(), Failure> {
    let OperatorCommand::New(args) = command;
    let secret = net::random_hex(32)?;
    let unwritable = |error: std::io::Error| Failure::usage(format!("{} can't be written: {error}", args.out.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out).map_err(unwritable)?;
    writeln!(file, "{} {secret}", args.name).map_err(unwritable)?;
    let about = format!("# into the configuration of each directory server and super node that {} may steer:", args.name);
    let table = format!("[[operator]]\nname = \"{}\"\nrole = \"{}\"\nsha256 = \"{}\"", args.name, args.role, SecretHash::of(&secret).hex());
    global.output.show(&Sheet::text_only("table", &format!("{about}\n{table}")))
}
