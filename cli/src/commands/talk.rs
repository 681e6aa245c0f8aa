//! Being in a group: the client machine on a reactor in a thread of its own, and what it says and hears.
//!
//! Notes come through a bounded channel. When whoever shows them is slow, the client reads no more from its node, which keeps what it says in the group's
//! log meanwhile: nobody's memory grows.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use chatring_admin::state::Lists;
use chatring_admin::{Failure, interrupt, text};
use chatring_config::is_loopback;
use chatring_machines::client::{Client, ClientConfig, ClientLimits, ClientTiming};
use chatring_machines::command::Account;
use chatring_machines::ids::SessionId;
use chatring_machines::list::{ListError, SignedList, Trust};
use chatring_machines::machine::{Input, Note, Wish};
use chatring_machines::names::{GroupName, Nick};
use chatring_machines::view::View;
use chatring_reactor::Handle;
use clap::Args;

use super::{Global, group_name, net};

/// Which group, and as whom.
#[derive(Clone, Debug, Args)]
pub struct TalkArgs {
    /// The group; in a shell, quote it: '#erlang'
    #[arg(value_parser = group_name)]
    pub group: GroupName,
    /// What to be called; a guest's name without it
    #[arg(long, value_name = "NAME", value_parser = nick)]
    pub nick: Option<String>,
    /// The group's key, if it has one
    #[arg(long)]
    pub key: Option<String>,
    /// Log in with this account; its password comes from CHATCTL_PASSWORD, so that nobody sees it in the list of processes
    #[arg(long)]
    pub account: Option<String>,
}

/// Notes that wait to be shown.
const NOTES_MAX: usize = 1024;

/// A client that is in a group, or on its way there.
pub struct Talk {
    /// Who we are to the network.
    pub session: SessionId,
    handle: Handle,
    reactor: JoinHandle<Result<(), Failure>>,
    lists: Option<Lists>,
    ending: Ending,
    trouble: Trouble,
    /// Ctrl-C, where someone listens for it, takes leave.
    _interrupt: interrupt::Guard,
}

/// What the reactor said last of a server that it can't talk to.
type Trouble = Arc<Mutex<Option<String>>>;

impl Talk {
    /// Starts it. `pick` turns a note into what `tell` is sent, on the client's thread; what it leaves out is not waited for by anyone.
    pub fn start<T: Send + 'static>(
        args: &TalkArgs,
        global: &Global,
        tell: mpsc::SyncSender<T>,
        mut pick: impl FnMut(Note) -> Option<T> + Send + 'static,
    ) -> Result<Talk, Failure> {
        let lists = Lists::of(&global.directories);
        let config = ClientConfig {
            directories: global.directories(),
            cached: lists.as_ref().and_then(kept_list).map(Into::into),
            trust: trust(lists.as_ref(), global),
            group: args.group.clone(),
            key: args.key.as_deref().map(Into::into),
            nick: args.nick.as_deref().map(Into::into),
            account: account(args)?,
            token: net::random_hex(16)?.into(),
            seed: net::random_seed()?,
            timing: timing(global),
            limits: ClientLimits::default(),
        };
        let client = Client::new(config);
        let session = client.session();
        let trouble = Trouble::default();
        let heard = trouble.clone();
        let reactor = net::reactor(client, global.ca.as_deref(), move |note| {
            if let Note::Log { text, .. } = &note {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
            }
            if let Some(what) = pick(note) {
                // Whoever has stopped listening has told the client to stop, too.
                let _ = tell.send(what);
            }
        })?;
        let handle = reactor.handle();
        let run = move || reactor.run().map(drop).map_err(|error| Failure::refused(format!("the client had to end: {error}")));
        let reactor = std::thread::Builder::new().name("client".into()).spawn(run);
        let reactor = reactor.map_err(|error| Failure::refused(format!("no thread can be started: {error}")))?;
        let voice = Voice { handle: handle.clone() };
        let _interrupt = interrupt::on(move || voice.stop());
        Ok(Talk { session, handle, reactor, lists, ending: Ending::default(), trouble, _interrupt })
    }

    /// Reaches the client from other threads.
    pub fn voice(&self) -> Voice {
        Voice { handle: self.handle.clone() }
    }

    /// To be shown every note that concerns the connection: keeps the cache, and remembers how it ends.
    pub fn note(&mut self, note: &Note) {
        match note {
            Note::Cache(list) => self.keep(list),
            Note::Unbelieved { server, error } => self.doubt(server, error),
            Note::Joined { .. } => self.ending = Ending { joined: true, ..Ending::default() },
            Note::Away { why } => self.ending.away = Some(why.clone()),
            Note::GaveUp { why } => self.ending.gave_up = Some(why.clone()),
            _ => {}
        }
    }

    fn keep(&self, list: &SignedList) {
        if let Some(lists) = &self.lists
            && let Err(error) = lists.save(list)
        {
            // It is only there for the day when no directory answers.
            eprintln!("The list of super nodes could not be kept in {}: {error}", lists.list_file().display());
        }
    }

    fn doubt(&self, server: &str, error: &ListError) {
        eprintln!("{server} gives a list of super nodes that is not used: {error}.");
        if let (Some(lists), ListError::Stranger { .. }) = (&self.lists, error) {
            eprintln!("If the network's operators have set its directory servers up anew, remove {}.", lists.known_file().display());
        }
    }

    /// Whether the client has gone.
    pub fn is_over(&self) -> bool {
        self.reactor.is_finished()
    }

    /// Waits until the client has gone, and tells whether it went of its own accord.
    pub fn end(self, global: &Global) -> Result<(), Failure> {
        self.reactor.join().unwrap_or_else(|_| Err(Failure::refused("the client broke; this is a bug")))?;
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.ending.outcome(trouble, global)
    }
}

/// Tells the client what the person wants.
#[derive(Clone)]
pub struct Voice {
    handle: Handle,
}

impl Voice {
    /// Wants something. False when too much is wanted already.
    pub fn wish(&self, wish: Wish) -> bool {
        self.handle.input(Input::Wish(wish)).is_ok()
    }

    /// Has had enough. The second time it is in a hurry.
    pub fn stop(&self) {
        // It fails only when a thousand wishes wait, and then the client is asked again by the next.
        let _ = self.handle.input(Input::Stop);
    }
}

/// The channel that [`Talk::start`] wants.
pub fn channel<T>() -> (mpsc::SyncSender<T>, mpsc::Receiver<T>) {
    mpsc::sync_channel(NOTES_MAX)
}

/// How the conversation went, as far as it matters for the exit code.
#[derive(Debug, Default)]
struct Ending {
    joined: bool,
    away: Option<String>,
    gave_up: Option<String>,
}

impl Ending {
    fn outcome(self, trouble: Option<String>, global: &Global) -> Result<(), Failure> {
        let Some(why) = self.gave_up else { return Ok(()) };
        // The client gives up at once when it is refused for good, and else when nothing has helped: then the last trouble is the reason.
        let exhausted = self.away.as_deref() == Some(&why) || why == "nobody answers";
        if !exhausted {
            return Err(Failure::refused(chatring_admin::text::clean(&why)));
        }
        let directories = global.directories.join(", ");
        let why = trouble.filter(|_| !self.joined).unwrap_or(why);
        let failure = Failure::unreachable(format!("gave up with directory {directories}: {why}"));
        Err(if self.joined {
            failure
        } else {
            failure.advise("Is the network running there? `chatctl ring show` tells; `chatctl demo` starts one here.")
        })
    }
}

/// The list from before, to start from when nobody answers.
fn kept_list(lists: &Lists) -> Option<View> {
    match lists.load(text::now()) {
        Ok(view) => view,
        Err(error) => {
            eprintln!("The list of super nodes in {} is not used: {error}.", lists.list_file().display());
            None
        }
    }
}

/// What lists are held against. On this machine alone whoever answers is believed: a network that was begun anew here is no attack.
fn trust(lists: Option<&Lists>, global: &Global) -> Option<Trust> {
    let here = global.directories.iter().all(|address| is_loopback(address));
    (!here).then(|| lists.map(Lists::trust).unwrap_or_default())
}

/// How long one wants to wait is about the way into the group; once in it, the client knows best.
fn timing(global: &Global) -> ClientTiming {
    let usual = ClientTiming::default();
    ClientTiming { first_join_ms: global.timeout_ms().or(usual.first_join_ms), ..usual }
}

fn account(args: &TalkArgs) -> Result<Option<Account>, Failure> {
    let Some(name) = &args.account else { return Ok(None) };
    let password = std::env::var("CHATCTL_PASSWORD").map_err(|_| {
        Failure::usage(format!("there is no password for the account {name}")).advise("Put it into the environment as CHATCTL_PASSWORD.")
    })?;
    Ok(Some(Account { name: name.as_str().into(), password: password.into() }))
}

fn nick(text: &str) -> Result<String, String> {
    Nick::new(text).map(|nick| nick.as_str().to_string()).map_err(|bad| bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_admin::FailureKind;

    #[track_caller]
    fn check(away: Option<&str>, gave_up: Option<&str>, expect: Option<FailureKind>) {
        let global = Global::of(&["127.0.0.1:1"]);
        let ending = Ending { joined: false, away: away.map(Into::into), gave_up: gave_up.map(Into::into) };
        assert_eq!(ending.outcome(None, &global).err().map(|failure| failure.kind), expect);
    }

    #[test]
    fn how_it_ended() {
        check(None, None, None);
        check(None, Some("you are banned"), Some(FailureKind::Refused));
        check(Some("127.0.0.1 refuses"), Some("you are banned"), Some(FailureKind::Refused));
        check(Some("127.0.0.1 is gone"), Some("127.0.0.1 is gone"), Some(FailureKind::Unreachable));
        check(None, Some("nobody answers"), Some(FailureKind::Unreachable));
    }
}
