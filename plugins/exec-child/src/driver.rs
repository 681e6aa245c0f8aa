//! The process, its pipes, and the thread that has them.

use crate::desk::{Bounds, Desk, Effect};
use crate::noise::Noise;
use crate::{Answer, Done, KEPT, QUEUE_MAX, Settings, Trouble, body};
use chatring_sdk::{Counter, Log, Metrics};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::Serialize;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child as Running, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WAKE: Token = Token(0);
const PIPES: Token = Token(1);

/// Read of one pipe before the others have their turn.
const TURN_MAX: usize = 256 << 10;

/// How long one that has closed its output has to end by itself, so that the log can say how.
const LAST_MS: u64 = 50;

/// A child, and whoever waits for its answers. Dropping it kills it.
pub struct Child<A: Answer> {
    inbox: Arc<Inbox<A>>,
    thread: Option<JoinHandle<()>>,
}

struct Inbox<A> {
    orders: Mutex<Vec<Order<A>>>,
    waker: Waker,
}

enum Order<A> {
    Ask(Asker<A>, Vec<u8>),
    Forget(u64),
    Stop,
}

struct Asker<A> {
    ticket: u64,
    done: Done<A>,
}

impl<A: Answer> Child<A> {
    /// Starts it. Call it in a plugin's `start`: log and metrics are that plugin's.
    pub fn start(settings: Settings) -> Result<Child<A>, String> {
        let no_thread = |error: io::Error| format!("command: {error}");
        let poll = Poll::new().map_err(no_thread)?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(no_thread)?;
        let inbox = Arc::new(Inbox { orders: Mutex::default(), waker });
        let metrics = Metrics::here();
        let began = Instant::now();
        let mut driver = Driver {
            desk: Desk::new(Bounds { timeout_ms: settings.timeout_ms, parallel: settings.parallel }, 0),
            settings,
            process: None,
            poll,
            inbox: inbox.clone(),
            began,
            log: Log::here(),
            questions: metrics.counter("questions", "what the child was asked"),
            unanswered: metrics.counter("unanswered", "questions that it has not answered in time, or at all"),
            restarts: metrics.counter("restarts", "how often it was started again"),
        };
        driver.process = Some(driver.spawn().map_err(|error| format!("command: {}: {error}", driver.settings.command[0]))?);
        let thread = std::thread::Builder::new().name("exec".into()).spawn(move || driver.run()).map_err(no_thread)?;
        Ok(Child { inbox, thread: Some(thread) })
    }

    /// Asks. `question` is an object. The answer comes to `done`, once, on a thread of the child's; or never, if it is forgotten.
    pub fn ask(&self, ticket: u64, question: &impl Serialize, done: Done<A>) {
        let order = Order::Ask(Asker { ticket, done }, body(question));
        if let Some(Order::Ask(asker, _)) = self.inbox.put(order) {
            (asker.done)(Err(Trouble::Full));
        }
    }

    /// Nobody waits for this any more.
    pub fn forget(&self, ticket: u64) {
        self.inbox.put(Order::Forget(ticket));
    }
}

impl<A: Answer> Drop for Child<A> {
    fn drop(&mut self) {
        self.inbox.put(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl<A> Inbox<A> {
    /// Gives it back if there is no room.
    fn put(&self, order: Order<A>) -> Option<Order<A>> {
        let mut orders = self.lock();
        if matches!(order, Order::Ask(..)) && orders.len() >= QUEUE_MAX {
            return Some(order);
        }
        orders.push(order);
        let is_first = orders.len() == 1;
        drop(orders);
        if is_first {
            // What can't be woken finds it at its next turn.
            let _ = self.waker.wake();
        }
        None
    }

    /// The orders are whole after every step, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Vec<Order<A>>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Driver<A: Answer> {
    desk: Desk<Asker<A>, A>,
    settings: Settings,
    process: Option<Process>,
    poll: Poll,
    inbox: Arc<Inbox<A>>,
    began: Instant,
    log: Log,
    questions: Counter,
    unanswered: Counter,
    restarts: Counter,
}

/// A child that runs.
struct Process {
    child: Running,
    input: Sender,
    output: Receiver,
    errors: Receiver,
    /// What it has not taken yet: at most `parallel` lines.
    unwritten: Vec<u8>,
    noise: Noise,
}

impl<A: Answer> Driver<A> {
    fn run(mut self) {
        let (mut events, mut buffer) = (Events::with_capacity(8), vec![0; 16 << 10]);
        let mut is_owed = true;
        loop {
            let wait = if is_owed { Some(Duration::ZERO) } else { self.wait() };
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    self.log.error(&format!("the child can't be waited for, and is ended: {error}"));
                    return self.stop();
                }
                _ => {}
            }
            // Whatever was ready: looking at the others costs next to nothing.
            is_owed = self.listen(&mut buffer);
            let orders = std::mem::take(&mut *self.inbox.lock());
            for order in orders {
                match order {
                    Order::Ask(asker, body) => {
                        self.questions.add(1);
                        self.desk.ask(self.now(), asker, body);
                    }
                    Order::Forget(ticket) => self.desk.forget(|asker| asker.ticket == ticket),
                    Order::Stop => return self.stop(),
                }
            }
            self.desk.tick(self.now());
            self.act();
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn wait(&self) -> Option<Duration> {
        // One more, since what is left of the present one is not counted.
        self.desk.deadline().map(|deadline| Duration::from_millis((deadline + 1).saturating_sub(self.now())))
    }

    /// Reads what there is, and writes what is left to write. True if there may be more.
    fn listen(&mut self, buffer: &mut [u8]) -> bool {
        let now = self.now();
        let Some(process) = &mut self.process else { return false };
        let (log, noise) = (self.log, &mut process.noise);
        let errors = read(&mut process.errors, buffer, |bytes| noise.take(now, bytes, |line| log.info(line)));
        let desk = &mut self.desk;
        let output = read(&mut process.output, buffer, |bytes| desk.hear(now, bytes));
        match output {
            // It has said something that is no answer: that is why it ends, whatever else it does.
            _ if !desk.is_up() => {}
            Pipe::Ended => self.end("it has closed its standard output"),
            _ if process.write().is_err() => self.end("it has closed its standard input"),
            Pipe::More => return true,
            Pipe::Empty => return matches!(errors, Pipe::More),
        }
        false
    }

    /// What the desk wants.
    fn act(&mut self) {
        while !self.desk.effects.is_empty() {
            for effect in std::mem::take(&mut self.desk.effects) {
                match effect {
                    Effect::Tell(asker, outcome) => {
                        self.unanswered.add(outcome.is_err().into());
                        (asker.done)(outcome);
                    }
                    Effect::Write(line) => {
                        if let Some(process) = &mut self.process {
                            process.unwritten.extend_from_slice(&line);
                        }
                    }
                    Effect::End(why) => self.bury(&why, None),
                    Effect::Start => self.start_again(),
                }
            }
            if let Some(process) = &mut self.process
                && process.write().is_err()
            {
                self.end("it has closed its standard input");
            }
        }
    }

    fn start_again(&mut self) {
        self.restarts.add(1);
        match self.spawn() {
            Ok(process) => {
                self.log.info(&format!("{} is started again", self.settings.command[0]));
                self.process = Some(process);
                self.desk.started(self.now());
            }
            Err(error) => {
                self.log.error(&format!("{} can't be started: {error}", self.settings.command[0]));
                self.desk.ended(self.now());
            }
        }
    }

    /// It is over, and the desk does not know yet. `sign` is what shows that.
    fn end(&mut self, sign: &str) {
        self.desk.ended(self.now());
        // Whoever waits is not to wait for the burial.
        for effect in std::mem::take(&mut self.desk.effects) {
            if let Effect::Tell(asker, outcome) = effect {
                self.unanswered.add(outcome.is_err().into());
                (asker.done)(outcome);
            }
        }
        self.bury(sign, Some(LAST_MS));
    }

    /// Where it may still end by itself, that is why, if it does.
    fn bury(&mut self, why: &str, patience_ms: Option<u64>) {
        let now = self.now();
        let Some(mut process) = self.process.take() else { return };
        let (is_by_itself, status) = process.end(patience_ms.unwrap_or(0));
        let log = self.log;
        // What it has said last, and nobody has read yet.
        let noise = &mut process.noise;
        read(&mut process.errors, &mut [0; 4096], |bytes| noise.take(now, bytes, |line| log.info(line)));
        noise.end(now, |line| log.info(line));
        let why = if is_by_itself && patience_ms.is_some() { "it has ended" } else { why };
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        log.error(&format!("{}: {why} ({how}), and is started again", self.settings.command[0]));
    }

    fn stop(mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.end(0);
        }
    }

    fn spawn(&self) -> io::Result<Process> {
        let [program, args @ ..] = &self.settings.command[..] else { return Err(ErrorKind::InvalidInput.into()) };
        let kept = KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(kept).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else { return Err(ErrorKind::BrokenPipe.into()) };
        let (input, output, errors) = (Sender::from(input), Receiver::from(output), Receiver::from(errors));
        let noise = Noise::new(self.now());
        let mut process = Process { child, input, output, errors, unwritten: Vec::new(), noise };
        if let Err(error) = process.listen_at(&self.poll) {
            let _ = process.end(0);
            return Err(error);
        }
        Ok(process)
    }
}

impl Process {
    fn listen_at(&mut self, poll: &Poll) -> io::Result<()> {
        self.input.set_nonblocking(true)?;
        self.output.set_nonblocking(true)?;
        self.errors.set_nonblocking(true)?;
        let registry = poll.registry();
        registry.register(&mut self.input, PIPES, Interest::WRITABLE)?;
        registry.register(&mut self.output, PIPES, Interest::READABLE)?;
        registry.register(&mut self.errors, PIPES, Interest::READABLE)
    }

    /// As much as it takes.
    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let done = loop {
            if written == self.unwritten.len() {
                break Ok(());
            }
            match self.input.write(&self.unwritten[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.unwritten.drain(..written);
        done
    }

    /// Kills it and all it has started, after so long in which it may end by itself: whether it did, and how it ended.
    fn end(&mut self, patience_ms: u64) -> (bool, io::Result<ExitStatus>) {
        let pid = Pid::from_child(&self.child);
        let until = Instant::now() + Duration::from_millis(patience_ms);
        // It stays to be waited for, so that until then its number is nobody else's.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let has_ended = || matches!(waitid(WaitId::Pid(pid), look), Ok(Some(_)));
        while !has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let is_by_itself = has_ended();
        // Without anybody left in the group there is nobody to kill.
        let _ = kill_process_group(pid, Signal::KILL);
        (is_by_itself, self.child.wait())
    }
}

enum Pipe {
    Empty,
    More,
    Ended,
}

/// What there is, up to a bound.
fn read(pipe: &mut Receiver, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> Pipe {
    let mut total = 0;
    while total < TURN_MAX {
        match pipe.read(buffer) {
            Ok(0) => return Pipe::Ended,
            Ok(count) => {
                take(&buffer[..count]);
                total += count;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Pipe::Empty,
            Err(_) => return Pipe::Ended,
        }
    }
    Pipe::More
}
