//! `chatctl directory`: how the directory servers are, and changes of who they are and who leads.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chatring_admin::servers::{self, Seat, Server};
use chatring_admin::{Failure, FailureKind, interrupt, render};
use chatring_machines::command::{ClientCommand, DirectoryAsk};
use chatring_machines::event::Reply;
use chatring_machines::wire::Text;
use clap::{Args, Subcommand};

use super::backup::{self, BackupArgs, RecoverArgs, RestoreArgs};
use super::{Global, address, net};

/// Pause before it is looked again whether something is so.
const LOOK_MS: u64 = 200;
/// What is asked for is asked for again after so long: whoever leads may have changed.
const AGAIN_MS: u64 = 3_000;
/// How long a server may take to say how it is, unless it was said how long to wait.
const STATUS_MS: u64 = 1_500;

/// What to do about the directory servers.
#[derive(Clone, Debug, Subcommand)]
pub enum DirectoryCommand {
    /// Show each of them: what it does, how far its log goes, and whether it is in reach
    Status,
    /// Take a server in, or one anew that has lost its file, and wait until it has a vote. From a directory server's own machine only
    Add(Which),
    /// Let a server go, and wait until it is gone. From a directory server's own machine only
    Remove(Which),
    /// Have another server lead, and wait until it does. From a directory server's own machine only
    Transfer(Heir),
    /// Copy a server's file, on its own machine; the server may run
    Backup(BackupArgs),
    /// Put a backup in the place of a server's file, on its own machine: it becomes a new server with the old ring, alone and in a higher generation. The server is stopped, and so are all others
    Restore(RestoreArgs),
    /// The same in an emergency: go on with the file of the one server that is left, where a majority is lost for good
    Recover(RecoverArgs),
}

/// A server.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Where it is reached
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    address: String,
}

/// A server, or any.
#[derive(Clone, Debug, Args)]
pub struct Heir {
    /// Which; without it, any other that has all of the log
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    address: Option<String>,
}

/// Runs it.
pub fn run(command: DirectoryCommand, global: &Global) -> Result<(), Failure> {
    match command {
        DirectoryCommand::Status => {
            let all = statuses(global.timeout_ms().unwrap_or(STATUS_MS), global)?;
            global.output.show(&servers::sheet(&all))?;
            let leaders = all.iter().filter(|server| server.leads()).count();
            if leaders == 0 { Err(servers::without_a_leader(&all)) } else { Ok(()) }
        }
        DirectoryCommand::Add(Which { address }) => {
            let address = Text::from(&*address);
            let is_in = |all: &[Server]| all.iter().any(|server| server.leads() && servers::has_vote(all, server, &address));
            until(DirectoryAsk::Add, Some(&address), is_in, global)?;
            global.output.show(&render::done("server", &address, "has a vote"))
        }
        DirectoryCommand::Remove(Which { address }) => {
            let address = Text::from(&*address);
            let is_out = |all: &[Server]| all.iter().any(|server| server.leads() && server.vote_of(&address).is_none());
            until(DirectoryAsk::Remove, Some(&address), is_out, global)?;
            global.output.show(&render::done("server", &address, "is gone"))
        }
        DirectoryCommand::Transfer(Heir { address }) => {
            let address = address.as_deref().map(Text::from);
            let before = leader(&statuses(quick_ms(global), global)?);
            let is_so = |all: &[Server]| {
                leader(all).is_some_and(|now| address.as_ref().map_or(Some(&now) != before.as_ref(), |wanted| now == *wanted))
            };
            let all = until(DirectoryAsk::Transfer, address.as_ref(), is_so, global)?;
            global.output.show(&render::fact("leads", &*leader(&all).unwrap_or_else(|| "".into())))
        }
        DirectoryCommand::Backup(args) => backup::back_up_now(&args, global),
        DirectoryCommand::Restore(args) => backup::restore_now(&args, global),
        DirectoryCommand::Recover(args) => backup::recover(&args, global),
    }
}

/// How long one server may take of many looks.
fn quick_ms(global: &Global) -> u64 {
    STATUS_MS.min(global.change_patience_ms())
}

fn leader(all: &[Server]) -> Option<Text> {
    all.iter().find(|server| server.leads()).map(|server| server.address.clone())
}

/// Asks for it, and waits until it is so.
fn until(what: DirectoryAsk, address: Option<&Text>, is_so: impl Fn(&[Server]) -> bool, global: &Global) -> Result<Vec<Server>, Failure> {
    let (begun, mut asked) = (Instant::now(), None::<Instant>);
    loop {
        let all = statuses(quick_ms(global), global)?;
        if asked.is_some() && is_so(&all) {
            return Ok(all);
        }
        if begun.elapsed() >= Duration::from_millis(global.change_patience_ms()) {
            let advice = "`chatctl directory status` shows how the servers are: is it running, and of this network?";
            return Err(Failure::refused(format!("it is not so after {} s", global.change_patience_ms() / 1_000)).advise(advice));
        }
        if asked.is_none_or(|asked| asked.elapsed() >= Duration::from_millis(AGAIN_MS)) {
            let command = ClientCommand::Directory { what, address: address.cloned() };
            net::ask_one(global.servers(), command.into())?;
            asked = Some(Instant::now());
        }
        interrupt::pause(Duration::from_millis(LOOK_MS))?;
    }
}

/// Who is asked, and how each of them is that answers: none, where nobody does.
pub(super) fn all(patience_ms: u64, global: &Global) -> Result<(Vec<Text>, Vec<Server>), Failure> {
    match statuses(patience_ms, global) {
        Ok(all) => Ok((global.directories(), all)),
        Err(failure) if failure.kind == FailureKind::Unreachable => Ok((global.directories(), Vec::new())),
        Err(failure) => Err(failure),
    }
}

/// How each server is: those that are named, and those they know of.
fn statuses(patience_ms: u64, global: &Global) -> Result<Vec<Server>, Failure> {
    let (mut all, mut failure) = (Vec::new(), None);
    let mut known: BTreeSet<Text> = BTreeSet::new();
    let mut next: Vec<Text> = global.directories();
    while let Some(address) = next.pop() {
        if !known.insert(address.clone()) {
            continue;
        }
        interrupt::check()?;
        let status = ClientCommand::Directory { what: DirectoryAsk::Status, address: None };
        match net::ask_within(patience_ms, global.at(address.clone()), vec![status.into()]) {
            Ok(mut replies) => match replies.pop() {
                Some(Reply::DirectoryStatus { address: own, server, role, leader, term, last, agreed, epoch, cells }) => {
                    // It may have been reached under another name.
                    known.insert(own.clone());
                    let server = Server { address: own, id: server, role, leader, term, last, agreed, epoch, seats: Seat::all(&cells.0) };
                    next.extend(server.seats.iter().map(|seat| seat.address.clone()));
                    if !all.iter().any(|there: &Server| there.id == server.id) {
                        all.push(server);
                    }
                }
                _ => return Err(net::no_directory(global)),
            },
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    all.sort_by(|a, b| a.address.cmp(&b.address));
    match failure {
        Some(failure) if all.is_empty() => Err(failure),
        _ => Ok(all),
    }
}
