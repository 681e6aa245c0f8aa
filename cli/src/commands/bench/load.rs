//! The load itself: one thread, one poll, as little work per delivery as checking it takes.
//!
//! The generator shares the machine with the server it measures, so what it spends is taken from there: connections read into one buffer, a stamp is compared
//! and forgotten, every eighth message is timed. Publishers write in batches and never get further ahead of the slowest subscriber than the window,
//! so that a server which drops slow readers has no reason to.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chatring_admin::{Failure, interrupt};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::speech::{Heard, Part, Protocol};
use super::stamp::{Faults, Follow, Shape, Stamp};

/// What to do to whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub target: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// How many subscribe, spread over the groups.
    pub subs: u32,
    /// Names of the groups.
    pub groups: Vec<String>,
    /// Who sends how much.
    pub shape: Shape,
    /// How far publishers may be ahead of the slowest subscriber, in messages.
    pub window: u64,
    /// For how long nothing may happen before we give up.
    pub patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// From the first message sent to the last one heard.
    pub took: Duration,
    /// Messages heard by all subscribers together.
    pub deliveries: u64,
    /// What went wrong.
    pub faults: Faults,
    /// From sending to hearing, in microseconds, of every eighth message.
    pub latency_us: Histogram<u64>,
}

/// Connections that are in, ready to be loaded.
pub struct Load {
    plan: Plan,
    poll: Poll,
    events: Events,
    lines: Vec<Line>,
    buffer: Box<[u8]>,
    began: Instant,
    /// Messages heard, by line; publishers stay at 0.
    heard: Vec<u64>,
    latency_us: Histogram<u64>,
    complaint: Option<String>,
}

/// One connection.
struct Line {
    socket: TcpStream,
    part: Part,
    group: u32,
    ready: bool,
    /// Received, not yet understood.
    carry: Vec<u8>,
    /// Still to be written, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    follow: Follow,
}

const BUFFER_BYTES: usize = 256 * 1024;
/// Connections that are on their way in at the same time: few, so that no server's backlog overflows.
const OPENING: usize = 64;
const TIMED_EVERY: u32 = 8;

impl Load {
    /// Connects everyone and waits until the server has let all of them in.
    pub fn open(plan: Plan) -> Result<Load, Failure> {
        let poll = Poll::new().map_err(|error| broken("cannot poll", &error))?;
        let latency_us = Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order");
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let (events, began) = (Events::with_capacity(1024), Instant::now());
        let mut load = Load { plan, poll, events, lines: Vec::new(), buffer, began, heard: Vec::new(), latency_us, complaint: None };
        let subscribers = (0..load.plan.subs).map(|_| Part::Subscriber);
        let parts: Vec<Part> = subscribers.chain((0..load.plan.shape.publishers).map(|_| Part::Publisher)).collect();
        for batch in parts.chunks(OPENING) {
            for part in batch {
                load.connect(*part)?;
            }
            load.wait(|load| load.lines.iter().rev().take(OPENING).all(|line| line.ready))?;
        }
        Ok(load)
    }

    /// Sends everything and hears everything.
    pub fn flood(&mut self) -> Result<Outcome, Failure> {
        let shape = self.plan.shape;
        self.heard.fill(0);
        let mut flow = Flow { next: vec![0; shape.publishers as usize], sent: vec![0; shape.groups as usize] };
        let start = Instant::now();
        let mut moved = (0, start);
        loop {
            self.publish(&mut flow);
            self.turn(Duration::from_millis(100))?;
            let heard: u64 = self.heard.iter().sum();
            if heard != moved.0 {
                moved = (heard, Instant::now());
            } else if moved.1.elapsed() > self.plan.patience {
                break;
            }
            if heard >= self.expected() {
                break;
            }
        }
        let took = moved.1 - start;
        self.settle(Duration::from_millis(50))?;
        Ok(self.outcome(took))
    }

    /// Goes on reading for a while.
    pub fn settle(&mut self, span: Duration) -> Result<(), Failure> {
        let end = Instant::now() + span;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.turn(left.min(Duration::from_millis(100)))?;
        }
        Ok(())
    }

    /// What a server refused on the way, if anything.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    fn expected(&self) -> u64 {
        let of = |line: &Line| if line.part == Part::Subscriber { self.plan.shape.deliveries(line.group) } else { 0 };
        self.lines.iter().map(of).sum()
    }

    fn outcome(&self, took: Duration) -> Outcome {
        let mut faults = Faults::default();
        let mut deliveries = 0;
        for (line, heard) in self.lines.iter().zip(&self.heard).filter(|(line, _)| line.part == Part::Subscriber) {
            let found = line.follow.faults;
            faults.repeated += found.repeated;
            faults.garbled += found.garbled;
            // Also counts what is missing at the end, where no later number shows the hole.
            faults.lost += self.plan.shape.deliveries(line.group).saturating_sub(heard - found.repeated);
            deliveries += heard;
        }
        Outcome { took, deliveries, faults, latency_us: self.latency_us.clone() }
    }

    fn connect(&mut self, part: Part) -> Result<(), Failure> {
        let number = self.lines.len();
        let (target, protocol, shape) = (self.plan.target, self.plan.protocol, self.plan.shape);
        let cannot = |error| broken(&format!("connection {} to {target} failed", number + 1), &error);
        // Waits until the kernel has the connection: on loopback that is at once.
        let socket = std::net::TcpStream::connect(target).map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        socket.set_nodelay(true).map_err(cannot)?;
        let mut socket = TcpStream::from_std(socket);
        self.poll.registry().register(&mut socket, Token(number), Interest::READABLE | Interest::WRITABLE).map_err(cannot)?;

        let group = number as u32 % shape.groups;
        let mut unsent = Vec::new();
        // Publishers speak in every group, so where only members may, they are in every group.
        let groups = if part == Part::Publisher { &self.plan.groups[..] } else { &self.plan.groups[group as usize..=group as usize] };
        let name = format!("b{}x{number}", std::process::id());
        for group in groups {
            protocol.greeting(part, &name, group, &mut unsent);
        }
        let follow = Follow::new(&shape, group);
        self.lines.push(Line { socket, part, group, ready: false, carry: Vec::new(), unsent, sent: 0, follow });
        self.heard.push(0);
        self.flush(number)
    }

    fn wait(&mut self, done: impl Fn(&Load) -> bool) -> Result<(), Failure> {
        let end = Instant::now() + self.plan.patience;
        while !done(self) {
            self.turn(Duration::from_millis(100))?;
            if Instant::now() > end {
                let waiting = self.lines.iter().filter(|line| !line.ready).count();
                return Err(Failure::unreachable(format!("{} accepts connections but lets {waiting} of them wait", self.plan.target))
                    .advise("Does --protocol name what this port speaks?"));
            }
        }
        Ok(())
    }

    fn turn(&mut self, timeout: Duration) -> Result<(), Failure> {
        interrupt::check()?;
        if let Err(error) = self.poll.poll(&mut self.events, Some(timeout))
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(broken("cannot poll", &error));
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter() {
            let ix = event.token().0;
            if event.is_readable() || event.is_error() || event.is_read_closed() {
                self.receive(ix)?;
            }
            if !self.lines[ix].unsent.is_empty() {
                self.flush(ix)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn receive(&mut self, ix: usize) -> Result<(), Failure> {
        loop {
            let line = &mut self.lines[ix];
            let kept = line.carry.len();
            self.buffer[..kept].copy_from_slice(&line.carry);
            let read = match line.socket.read(&mut self.buffer[kept..]) {
                Ok(0) => return Err(self.closed(ix, "closed the connection")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.closed(ix, &error.to_string())),
            };
            // A read that leaves room has emptied the socket; the next bytes come with an edge of their own.
            let emptied = kept + read < self.buffer.len();
            self.understand(ix, kept + read)?;
            if emptied {
                return Ok(());
            }
        }
    }

    fn understand(&mut self, ix: usize, len: usize) -> Result<(), Failure> {
        let (line, bytes, plan) = (&mut self.lines[ix], &self.buffer[..len], &self.plan);
        let done = if !line.ready {
            match plan.protocol.answer(line.part, bytes) {
                Some(Heard::Ready) => line.ready = true,
                Some(Heard::Refused(why)) => return Err(refused(plan, &why)),
                // Members' joins may flood a newcomer: only the end of it can be the answer.
                None => {
                    let tail = bytes.len().saturating_sub(BUFFER_BYTES / 2);
                    line.carry = bytes[tail..].to_vec();
                    return Ok(());
                }
            }
            answer_ping(line, plan.protocol, bytes);
            bytes.iter().rposition(|byte| *byte == b'\n').map_or(len, |end| end + 1)
        } else if line.part == Part::Publisher {
            if let Some(why) = plan.protocol.refusal(bytes) {
                return Err(refused(plan, &why));
            }
            answer_ping(line, plan.protocol, bytes);
            bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
        } else {
            let now_us = self.began.elapsed().as_micros() as u64;
            let (heard, latency_us, complaint) = (&mut self.heard[ix], &mut self.latency_us, &mut self.complaint);
            let mut pong = None;
            let done = line.follow.read(
                &plan.shape,
                bytes,
                |stamp| {
                    *heard += 1;
                    if stamp.number.is_multiple_of(TIMED_EVERY) {
                        latency_us.saturating_record(now_us.saturating_sub(stamp.sent_us).max(1));
                    }
                },
                |other| {
                    pong = pong.take().or_else(|| plan.protocol.sign_of_life(other));
                    *complaint = complaint.take().or_else(|| plan.protocol.refusal(other));
                },
            );
            line.unsent.extend(pong.unwrap_or_default());
            done
        };
        line.carry.clear();
        if len - done == BUFFER_BYTES {
            // A buffer full of nothing we know: no message of ours is that long.
            line.follow.faults.garbled += 1;
        } else {
            line.carry.extend_from_slice(&self.buffer[done..len]);
        }
        Ok(())
    }

    /// Gives publishers the next batch as soon as half of the window is free.
    fn publish(&mut self, flow: &mut Flow) {
        let shape = self.plan.shape;
        let behind = |(line, heard): (&Line, &u64)| {
            if line.part == Part::Subscriber { flow.sent[line.group as usize].saturating_sub(*heard) } else { 0 }
        };
        let lag = self.lines.iter().zip(&self.heard).map(behind).max().unwrap_or(0);
        let room = self.plan.window.saturating_sub(lag);
        if room < self.plan.window.div_ceil(2) || self.lines.iter().any(|line| line.part == Part::Publisher && !line.unsent.is_empty()) {
            return;
        }
        let share = (room / u64::from(shape.publishers)).max(1) as u32;
        let sent_us = self.began.elapsed().as_micros() as u64;
        for publisher in 0..shape.publishers {
            let ix = self.plan.subs as usize + publisher as usize;
            let from = flow.next[publisher as usize];
            let to = shape.each.min(from + share);
            for number in from..to {
                let group = shape.group_of(publisher, number) as usize;
                let unsent = &mut self.lines[ix].unsent;
                self.plan.protocol.message_head(&self.plan.groups[group], shape.size, unsent);
                Stamp { publisher: publisher as u16, number, sent_us }.put(shape.size, unsent);
                unsent.extend_from_slice(b"\r\n");
                flow.sent[group] += 1;
            }
            flow.next[publisher as usize] = to;
            if let Err(failure) = self.flush(ix) {
                // The connection says so itself at its next read.
                self.complaint.get_or_insert(failure.what);
            }
        }
    }

    fn flush(&mut self, ix: usize) -> Result<(), Failure> {
        let line = &mut self.lines[ix];
        while line.sent < line.unsent.len() {
            match line.socket.write(&line.unsent[line.sent..]) {
                Ok(written) => line.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.closed(ix, &error.to_string())),
            }
        }
        line.unsent.clear();
        line.sent = 0;
        Ok(())
    }

    fn closed(&self, ix: usize, why: &str) -> Failure {
        let (line, target) = (&self.lines[ix], self.plan.target);
        let part = if line.part == Part::Subscriber { "subscriber" } else { "publisher" };
        let words = String::from_utf8_lossy(&line.carry);
        let failure = Failure::refused(format!("{target} to {part} {}: {why}", ix + 1));
        if words.trim().is_empty() { failure } else { failure.advise(format!("Its last words: {}", words.trim())) }
    }
}

/// How far the publishers are.
struct Flow {
    /// The next number of each publisher.
    next: Vec<u32>,
    /// Messages sent to each group.
    sent: Vec<u64>,
}

fn answer_ping(line: &mut Line, protocol: Protocol, bytes: &[u8]) {
    line.unsent.extend(protocol.sign_of_life(bytes).unwrap_or_default());
}

fn refused(plan: &Plan, why: &str) -> Failure {
    Failure::refused(format!("{} refused: {why}", plan.target))
}

fn broken(what: &str, error: &std::io::Error) -> Failure {
    let failure = Failure::unreachable(format!("{what}: {error}"));
    // EMFILE: nothing else on the way here is about files.
    if error.raw_os_error() == Some(24) { failure.advise("Allow more open files first: ulimit -n 20000") } else { failure }
}
