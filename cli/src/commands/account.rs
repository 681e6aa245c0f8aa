//! `chatctl account`: the accounts that directory servers keep, for the authenticator `password`.

use chatring_admin::{Failure, render};
use chatring_machines::command::{AccountAsk, ClientCommand};
use chatring_machines::event::Reply;
use chatring_machines::names::Nick;
use clap::{Args, Subcommand};

use super::{Global, net, passwd};

/// What to do with accounts. All of it from a directory server's own machine only.
#[derive(Clone, Debug, Subcommand)]
pub enum AccountCommand {
    /// List them: since when, and since when with the present password
    List,
    /// Make one. Asks for its password, or takes it from a pipe
    Add(Name),
    /// Give one another password
    Password(Known),
    /// End one. Who is logged in stays so; the nick is anyone's afterwards
    Remove(Known),
}

/// An account that is to be.
#[derive(Clone, Debug, Args)]
pub struct Name {
    /// Its name, which is its nick, too
    #[arg(value_name = "NAME", value_parser = nick)]
    name: Nick,
}

/// An account that there is.
#[derive(Clone, Debug, Args)]
pub struct Known {
    /// Its name, which is its nick, too
    #[arg(value_name = "ACCOUNT", value_parser = nick)]
    name: Nick,
}

/// The name of an account, for clap.
pub fn nick(text: &str) -> Result<Nick, String> {
    Nick::new(text).map_err(|bad| bad.to_string())
}

/// Runs it.
pub fn run(command: AccountCommand, global: &Global) -> Result<(), Failure> {
    match command {
        AccountCommand::List => list(global),
        AccountCommand::Add(Name { name }) => match is_there(&name, global)? {
            true => Err(Failure::refused(format!("there is an account {name} already"))
                .advise(format!("`chatctl account password {name}` gives it another password."))),
            false => set(name, "added", global),
        },
        AccountCommand::Password(Known { name }) => match is_there(&name, global)? {
            true => set(name, "has another password", global),
            false => {
                Err(Failure::refused(format!("there is no account {name}")).advise(format!("`chatctl account add {name}` makes one.")))
            }
        },
        AccountCommand::Remove(Known { name }) => change(AccountAsk::Remove, name, None, "removed", global),
    }
}

/// Asks for a password first: only what it is checked with leaves this machine.
fn set(name: Nick, now: &str, global: &Global) -> Result<(), Failure> {
    let password = passwd::ask()?;
    let secret = chatring_auth_password::hash(&password).map_err(|error| Failure::usage(error.to_string()))?;
    change(AccountAsk::Set, name, Some(secret), now, global)
}

fn change(what: AccountAsk, name: Nick, secret: Option<String>, now: &str, global: &Global) -> Result<(), Failure> {
    let ask = ClientCommand::Account { what, name: Some(name.clone()), secret: secret.map(Into::into) };
    match net::ask(global.servers(), vec![ask.into()])?.pop() {
        Some(Reply::Ok { .. }) => global.output.show(&render::done("account", name.as_str(), now)),
        _ => Err(net::no_directory(global)),
    }
}

/// A page of the list: name, since when, password since when.
fn page(from: Option<Nick>, global: &Global) -> Result<Vec<chatring_machines::wire::Text>, Failure> {
    let ask = ClientCommand::Account { what: AccountAsk::List, name: from, secret: None };
    match net::ask(global.servers(), vec![ask.into()])?.pop() {
        Some(Reply::Accounts { cells }) => Ok(cells.0),
        _ => Err(net::no_directory(global)),
    }
}

fn is_there(name: &Nick, global: &Global) -> Result<bool, Failure> {
    let first = page(Some(name.clone()), global)?.into_iter().next();
    Ok(first.is_some_and(|first| first.eq_ignore_ascii_case(name.as_str())))
}

/// Page after page: each begins with the last one of the page before.
fn list(global: &Global) -> Result<(), Failure> {
    let mut all = page(None, global)?;
    let mut more = !all.is_empty();
    while more {
        let last = all[all.len() - 3].clone();
        let next = page(Nick::new(&last).ok(), global)?;
        more = next.len() > 3;
        all.extend(next.into_iter().skip(3));
    }
    global.output.show(&render::accounts(&all))
}
