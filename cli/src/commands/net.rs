//! Driving a client machine: the reactor, with nothing but outgoing connections.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chatring_admin::Failure;
use chatring_host::{Hooks, Plugins, Transport};
use chatring_machines::Machine;
use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::event::{Code, Event, Reply};
use chatring_machines::machine::Note;
use chatring_machines::view::SharedView;
use chatring_machines::wire::{Given, Text};
use chatring_reactor::{JudgePool, Membership, Reactor, Setup, Tuning};

use super::Global;

/// Servers that are asked side by side.
const ASKED_AT_ONCE: usize = 32;
/// For all servers that are asked together.
const PATIENCE_MS: u64 = 6_000;
/// What a look that begins late may take all the same.
const LAST_LOOK_MS: u64 = 500;

/// Servers, the first of which that answers is asked.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Where they are.
    pub addresses: Vec<Text>,
    /// They are asked over TLS, and have to be known to the CA in this file.
    pub ca: Option<PathBuf>,
}

impl Servers {
    /// As they are called in complaints.
    fn names(&self) -> String {
        self.addresses.join(", ")
    }
}

/// A reactor around a machine that only dials: over TLS, where there is a CA.
pub fn reactor<M: Machine>(machine: M, ca: Option<&Path>, notes: impl FnMut(Note) + Send + 'static) -> Result<Reactor<M>, Failure> {
    let dial_tls = ca.map(Membership::of_guest).transpose().map_err(|error| Failure::usage(error.to_string()))?;
    let broken = |error: &dyn std::fmt::Display| Failure::refused(format!("no client can be started on this machine: {error}"));
    // Nobody comes in, so nobody is judged.
    let judges = Arc::new(JudgePool::start(1, 1).map_err(|error| broken(&error))?);
    let setup = Setup {
        listeners: Vec::new(),
        dial_transport: transport().map_err(|error| broken(&error))?,
        dial_tls: dial_tls.map(Arc::new),
        store: None,
        keep: None,
        judges,
        filters: Vec::new(),
        plugins: None,
        notes: Box::new(notes),
        tuning: Tuning::default(),
    };
    Reactor::new(machine, setup).map_err(|error| broken(&error))
}

fn transport() -> Result<Arc<Transport>, String> {
    let mut plugins = Plugins::new(Hooks::of(Arc::new(|_, _| {})));
    plugins.link(chatring_resp::entry(), "").map_err(|error| error.to_string())?;
    plugins.transport("resp").ok_or_else(|| "the transport resp is missing".to_string())
}

/// Asks the first of these servers that answers; one reply for each command. A refusal is a failure.
pub fn ask(servers: Servers, commands: Vec<Command>) -> Result<Vec<Reply>, Failure> {
    ask_within(PATIENCE_MS, servers, commands)
}

/// As [`ask`], with so much patience for all servers together. One that wants to be asked again later has not done it: the next one is asked then, which may know better, as a server that was let go, or was just started, knows of no leader.
pub fn ask_within(patience_ms: u64, mut servers: Servers, commands: Vec<Command>) -> Result<Vec<Reply>, Failure> {
    let (asked, until) = (servers.names(), Instant::now() + Duration::from_millis(patience_ms));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(patience_ms).max(LAST_LOOK_MS);
        let replies = answers(left_ms, servers.clone(), commands.clone())?;
        let Some(Reply::Error { code, text, .. }) = replies.iter().find(|reply| is_refusal(reply)) else { return Ok(replies) };
        let pause = pause(text);
        if *code != Code::TryAgain || Instant::now() + pause >= until {
            return Err(refusal(&asked, *code, text));
        }
        std::thread::sleep(pause);
        servers.addresses.rotate_left(1);
    }
}

/// Asks one thing.
pub fn ask_one(servers: Servers, command: Command) -> Result<Option<Reply>, Failure> {
    ask(servers, vec![command]).map(|mut replies| replies.pop())
}

/// Asks several servers at the same time, one thing each: as many at a time as there are threads for it. What became of each, in their order.
pub fn ask_each(patience_ms: u64, servers: Vec<Servers>, command: &Command) -> Vec<Result<Vec<Reply>, Failure>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let ix = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = servers.get(ix) else { return done };
            done.push((ix, ask_within(patience_ms, one.clone(), vec![command.clone()])));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..servers.len().min(ASKED_AT_ONCE)).map(|_| scope.spawn(worker)).collect();
        let all = workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let ordered: BTreeMap<usize, _> = all.collect();
        ordered.into_values().collect()
    })
}

/// How long a server wants us to wait: the last number in its text. Not more than it may.
fn pause(text: &str) -> Duration {
    const PAUSE_MS: u64 = 500;
    const PAUSE_MS_MAX: u64 = 5_000;
    let last = text.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    Duration::from_millis(last.and_then(|digits| digits.parse().ok()).unwrap_or(PAUSE_MS).min(PAUSE_MS_MAX))
}

/// What the first of these servers that answers says, refusals and all.
fn answers(patience_ms: u64, servers: Servers, commands: Vec<Command>) -> Result<Vec<Reply>, Failure> {
    let asked = servers.names();
    let expected = commands.len();
    // Bounded by the number of commands.
    let (tell, heard) = mpsc::channel();
    let machine = chatring_machines::client::Asker::new(servers.addresses, commands, patience_ms);
    let reactor = reactor(machine, servers.ca.as_deref(), move |note| {
        // Nobody listens any more only when this function has returned.
        let _ = tell.send(note);
    })?;
    reactor.run().map_err(|error| Failure::refused(format!("asking {asked} failed: {error}")))?;
    let (mut replies, mut trouble) = (Vec::new(), None);
    for note in heard {
        match note {
            Note::Log { text, .. } => trouble = Some(text),
            Note::Answer(Event::Reply(reply)) => replies.push(reply),
            // Behind a refusal nothing more needs to follow.
            Note::GaveUp { why } if !replies.iter().any(is_refusal) => return Err(nobody(&asked, &trouble.unwrap_or(why))),
            _ => {}
        }
    }
    if replies.len() == expected || replies.iter().any(is_refusal) {
        Ok(replies)
    } else {
        Err(nobody(&asked, "it answers something that is no answer"))
    }
}

fn is_refusal(reply: &Reply) -> bool {
    matches!(reply, Reply::Error { .. })
}

/// The network's ring as the first directory server that answers has it.
pub fn view(global: &Global) -> Result<SharedView, Failure> {
    match ask_one(global.servers(), ClientCommand::Ring { how: Given(None) }.into())? {
        Some(Reply::Ring { view }) => Ok(view),
        _ => Err(Failure::refused(format!("{} does not answer with the ring", global.directories.join(", ")))
            .advise("Is it a directory server of chatring?")),
    }
}

/// Fresh random bytes, as hexadecimal digits.
pub fn random_hex(bytes: usize) -> Result<String, Failure> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| Failure::refused(format!("this machine has no random source: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A number for jitter.
pub fn random_seed() -> Result<u64, Failure> {
    let hex = random_hex(8)?;
    Ok(u64::from_str_radix(&hex, 16).expect("16 hexadecimal digits are a u64"))
}

/// The next line of standard input, without its end. `None` at the end of it. Holds on to nothing between lines.
pub fn stdin_line() -> Option<std::io::Result<String>> {
    /// More than any command or message may have.
    const LINE_BYTES_MAX: u64 = 64 * 1024;
    let mut line = Vec::new();
    let read = std::io::BufRead::read_until(&mut std::io::stdin().lock().take(LINE_BYTES_MAX), b'\n', &mut line);
    match read {
        Ok(0) => None,
        Err(error) => Some(Err(error)),
        Ok(_) => {
            let text = String::from_utf8(line).map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"));
            Some(text.map(|text| text.trim_end_matches(['\r', '\n']).to_string()))
        }
    }
}

fn refusal(asked: &str, code: Code, text: &str) -> Failure {
    let failure = Failure::refused(format!("{asked} refuses: {}", chatring_admin::text::clean(text)));
    match code {
        Code::NoAuth => failure.advise("The server wants an account for that; chatctl asks as a guest."),
        Code::TryAgain | Code::Busy => failure.advise("Try again in a moment."),
        Code::Unknown => failure.advise("Is it another kind of server, or an older one?"),
        _ => failure,
    }
}

fn nobody(asked: &str, why: &str) -> Failure {
    Failure::unreachable(format!("no answer from {asked}: {why}"))
        .advise("Is the network running there? Name its directory servers with --directory HOST:PORT or CHATCTL_DIRECTORY; `chatctl demo` starts one here.")
}

/// A server answered, but not as a directory does.
pub fn no_directory(global: &Global) -> Failure {
    Failure::refused(format!("{} does not answer as a directory server does", global.directories.join(", ")))
        .advise("Name a directory server with --directory HOST:PORT; super nodes and IRC ports are others.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ms: u64) {
        assert_eq!(pause(text), Duration::from_millis(ms), "{text:?}");
    }

    #[test]
    fn a_server_says_how_long_to_wait() {
        check("a check was made less than 1 s ago: try again in 1000 ms", 1_000);
        check("250", 250);
        check("later", 500);
        check("in 99999999 ms", 5_000);
        check("in 99999999999999999999999 ms", 500);
    }
}
