//! `chatctl passwd`: a line for the file of the authenticator `password`.

use std::io::IsTerminal;

use chatring_admin::{Failure, Sheet, prompt};
use clap::Args;

use super::{Global, net};

/// Whose line.
#[derive(Clone, Debug, Args)]
pub struct PasswdArgs {
    /// The account's name
    #[arg(value_name = "ACCOUNT")]
    name: String,
}

/// Runs it.
pub fn run(args: PasswdArgs, global: &Global) -> Result<(), Failure> {
    let line = chatring_auth_password::hash_line(&args.name, &ask()?).map_err(|error| Failure::usage(error.to_string()))?;
    global.output.show(&Sheet::text_only("line", &line))
}

/// Asks for a new password, twice, or takes it from a pipe.
pub fn ask() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let first = prompt::secret("Password: ")?;
        if prompt::secret("Once more: ")? != first {
            return Err(Failure::usage("these were two different passwords"));
        }
        Ok(first)
    } else {
        let line = net::stdin_line().ok_or_else(|| Failure::usage("standard input is empty; it should hold the password"))?;
        line.map_err(|error| Failure::usage(format!("the password cannot be read: {error}")))
    }
}
