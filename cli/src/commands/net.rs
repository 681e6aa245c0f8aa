//! Driving a client machine: the reactor, with nothing but outgoing connections.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chatring_admin::{Failure, interrupt};
use chatring_config::is_loopback;
use chatring_host::{Hooks, Plugins, Transport};
use chatring_machines::Machine;
use chatring_machines::command::{ClientCommand, Command};
use chatring_machines::event::{Code, Event, Reply};
use chatring_machines::machine::{Input, Note};
use chatring_machines::view::SharedView;
use chatring_machines::wire::{Given, Text};
use chatring_reactor::{Handle, JudgePool, Membership, Reactor, Setup, Tuning};

use super::Global;
use super::context::Credential;

/// Servers that are asked side by side.
const ASKED_AT_ONCE: usize = 32;
/// What a look that begins late may take all the same.
const LAST_LOOK_MS: u64 = 500;

/// Servers, the first of which that answers is asked.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Where they are.
    pub addresses: Vec<Text>,
    /// They are asked over TLS, and have to be known to the CA in this file.
    pub ca: Option<PathBuf>,
    /// Who asks, where that is an operator who says so.
    pub operator: Option<Credential>,
    /// Whoever asks says that nobody listens on the way.
    pub is_way_trusted: bool,
    /// For all of them together.
    pub patience_ms: u64,
    /// The context that names them.
    pub context: Option<String>,
}

impl Servers {
    /// As they are called in complaints.
    fn names(&self) -> String {
        let names = self.addresses.join(", ");
        self.context.as_ref().map_or(names.clone(), |context| format!("{names} (context {context})"))
    }

    /// A secret is not said where others can hear it.
    fn check_secrecy(&self) -> Result<(), Failure> {
        if self.operator.is_none() || self.ca.is_some() || self.is_way_trusted {
            return Ok(());
        }
        match self.addresses.iter().find(|address| !is_loopback(address)) {
            None => Ok(()),
            Some(address) => Err(Failure::usage(format!("an operator's secret is not sent to {address} in the clear"))
                .advise("Name the network's CA with --ca; or, where a tunnel protects the way, say --plaintext.")),
        }
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
    ask_within(servers.patience_ms, servers, commands)
}

/// As [`ask`], with another patience. One that wants to be asked again later has not done it: the next one is asked then, which may know better, as a server that was let go, or was just started, knows of no leader.
pub fn ask_within(patience_ms: u64, mut servers: Servers, commands: Vec<Command>) -> Result<Vec<Reply>, Failure> {
    let (asked, until) = (servers.names(), Instant::now() + Duration::from_millis(patience_ms));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(patience_ms).max(LAST_LOOK_MS.min(patience_ms));
        let replies = answers(left_ms, servers.clone(), commands.clone())?;
        let Some(Reply::Error { code, text, .. }) = replies.iter().find(|reply| is_refusal(reply)) else { return Ok(replies) };
        let pause = pause(text);
        if *code != Code::TryAgain || Instant::now() + pause >= until {
            return Err(refusal(&asked, *code, text));
        }
        interrupt::pause(pause)?;
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
    let replies = exchange(patience_ms, servers, commands, |handle| {
        interrupt::on(move || {
            // It fails only when a thousand others have told it so.
            let _ = handle.input(Input::Stop);
        })
    });
    interrupt::check()?;
    replies
}

/// The same for whoever works beside a prompt: it concerns no command, and no Ctrl-C ends it. `None` where nobody answers.
pub fn answers_beside(patience_ms: u64, servers: Servers, commands: Vec<Command>) -> Option<Vec<Reply>> {
    exchange(patience_ms, servers, commands, |_| ()).ok()
}

fn exchange<G>(
    patience_ms: u64,
    servers: Servers,
    mut commands: Vec<Command>,
    begun: impl FnOnce(Handle) -> G,
) -> Result<Vec<Reply>, Failure> {
    let asked = servers.names();
    servers.check_secrecy()?;
    let login = servers
        .operator
        .map(|Credential { name, secret }| ClientCommand::Operator { name: name.as_str().into(), secret: secret.as_str().into() });
    let logs_in = login.is_some();
    commands.splice(0..0, login.map(Command::from));
    let expected = commands.len();
    // Bounded by the number of commands.
    let (tell, heard) = mpsc::channel();
    let machine = chatring_machines::client::Asker::new(servers.addresses, commands, patience_ms);
    let reactor = reactor(machine, servers.ca.as_deref(), move |note| {
        // Nobody listens any more only when this function has returned.
        let _ = tell.send(note);
    })?;
    let _begun = begun(reactor.handle());
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
        if logs_in && !replies.first().is_some_and(is_refusal) {
            replies.remove(0);
        }
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

/// More than any command or message may have.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The next line of standard input, without its end. `None` at the end of it. Holds on to nothing between lines.
pub fn stdin_line() -> Option<std::io::Result<String>> {
    line_of(&mut std::io::stdin().lock())
}

/// The next line of something. What follows one that is too long can't be told from what belongs to it.
pub fn line_of(input: &mut impl BufRead) -> Option<std::io::Result<String>> {
    let mut line = Vec::new();
    let read = input.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line);
    match read {
        Ok(0) => None,
        Err(error) => Some(Err(error)),
        Ok(_) if line.len() as u64 > LINE_BYTES_MAX && !line.ends_with(b"\n") => {
            let what = format!("it is longer than {} KiB", LINE_BYTES_MAX >> 10);
            Some(Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what)))
        }
        Ok(_) => {
            let text = String::from_utf8(line).map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"));
            Some(text.map(|text| text.trim_end_matches(['\r', '\n']).to_string()))
        }
    }
}

fn refusal(asked: &str, code: Code, text: &str) -> Failure {
    let failure = Failure::refused(format!("{asked} refuses: {}", chatring_admin::text::clean(text)));
    match code {
        Code::WrongPass => {
            failure.advise("Each server knows its own operators: `chatctl operator new` shows what goes into its configuration.")
        }
        Code::NoPerm => failure.advise("An operator's secret is named with --operator-file; `chatctl operator new` makes one."),
        Code::NoAuth => failure.advise("The server wants an account for that; chatctl asks as a guest."),
        Code::TryAgain | Code::Busy => failure.advise("Try again in a moment."),
        Code::Unknown => failure.advise("Is it another kind of server, or an older one?"),
        _ => failure,
    }
}

fn nobody(asked: &str, why: &str) -> Failure {
    Failure::unreachable(format!("no answer from {asked}: {why}"))
        .advise("Is the network running there? Name its directory servers with --directory HOST:PORT, CHATCTL_DIRECTORY or a context; `chatctl demo` starts one here.")
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
    fn lines_have_an_end() {
        let mut input = std::io::Cursor::new([b"one\r\n\n\xff\n".as_slice(), &[b'x'; 70_000], b"\n"].concat());
        let mut next = || line_of(&mut input).map(|line| line.map_err(|error| error.to_string()));
        assert_eq!((next(), next()), (Some(Ok("one".into())), Some(Ok("".into()))));
        assert_eq!(next(), Some(Err("it is not UTF-8".into())));
        assert_eq!(next(), Some(Err("it is longer than 64 KiB".into())));
        assert_eq!(line_of(&mut std::io::Cursor::new(b"")).map(|line| line.unwrap()), None);
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
