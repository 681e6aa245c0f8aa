//! `chatctl operator`: makes operators. Nobody is asked: what is made is a secret for one person, and what servers check it with.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chatring_admin::Failure;
use chatring_machines::operators::{Role, SecretHash};
use clap::{Args, Subcommand};

use super::net::{self, Credential};

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

/// An operator's file, read.
#[derive(Clone, Debug)]
pub struct OperatorFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub credential: Credential,
}

/// Reads an operator's file, for clap.
pub fn file(path: &str) -> Result<OperatorFile, String> {
    let path = PathBuf::from(path);
    Ok(OperatorFile { credential: read(&path)?, path })
}

/// One line, their name and their secret. Refused where others may read it.
fn read(file: &Path) -> Result<Credential, String> {
    const FILE_MAX: u64 = 4 << 10;
    let unreadable = |error: std::io::Error| format!("{} can't be read: {error}", file.display());
    let open = File::open(file).map_err(unreadable)?;
    let mode = open.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{} can be read by others (mode {:03o}): chmod 600 it, and make a new secret if they may have",
            file.display(),
            mode & 0o777
        ));
    }
    let mut text = String::new();
    open.take(FILE_MAX).read_to_string(&mut text).map_err(unreadable)?;
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [name, secret] => Ok(Credential { name: name.into(), secret: secret.into() }),
        _ => Err(format!("{}: expected one line with a name and a secret", file.display())),
    }
}

/// Runs it.
pub fn run(command: OperatorCommand) -> Result<(), Failure> {
    let OperatorCommand::New(args) = command;
    let secret = net::random_hex(32)?;
    let unwritable = |error: std::io::Error| Failure::usage(format!("{} can't be written: {error}", args.out.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out).map_err(unwritable)?;
    writeln!(file, "{} {secret}", args.name).map_err(unwritable)?;
    println!("# into the configuration of each directory server and super node that {} may steer:", args.name);
    println!("[[operator]]\nname = \"{}\"\nrole = \"{}\"\nsha256 = \"{}\"", args.name, args.role, SecretHash::of(&secret).hex());
    Ok(())
}
