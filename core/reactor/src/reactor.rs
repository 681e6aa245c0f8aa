//! The loop: one thread, one machine, turns that always go the same way.
//!
//! ```text
//! poll until the earliest deadline; what time is it?
//!   -> accept -> read, decode, handle -> answers of workers -> deadlines -> falls, spread, flush -> close the condemned -> poll
//! ```
//!
//! Each step is bounded, so nobody can hold the loop; who stopped before there was nothing left is owed a turn, and then the poll does not sleep.
//! A panic of the machine is a broken invariant of ours: it leaves through [`Reactor::run`].

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatring_machines::ids::ListenerId;
use chatring_machines::machine::Effect;
use chatring_machines::time::earlier;
use chatring_machines::wire::Argv;
use chatring_machines::{Input, Machine, Time};
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clock::Clock;
use crate::connections::{AWAITED, CLOSING, CONNECTING, Connections, ENDED, FULL, READABLE};
use crate::counters::{Counters, Observation};
use crate::dialing::Dials;
use crate::driver::{Driver, Listener};
use crate::effects::codec_of;
use crate::fanout::{Fanout, Flushed};
use crate::keeper::KeeperThread;
use crate::mailbox::{Arrival, Handle, Mailbox};
use crate::reading::Reading;
use crate::setup::{Listening, ReactorError, Setup};
use crate::sifter::Sifter;
use crate::store::StoreThread;
use crate::tls;
use crate::warnings::Warnings;

const WAKER: Token = Token(usize::MAX);
/// Listener `i` has the token below this one by `i`; connections have their slots.
const LISTENERS: usize = usize::MAX - 1;
/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// The loop looks up at least this often.
const SLEEP_MS_MAX: u64 = 60_000;

/// Drives one machine.
pub struct Reactor<M> {
    machine: M,
    driver: Driver,
    clock: Clock,
    effects: Vec<Effect>,
    arrivals: VecDeque<Arrival>,
    addresses: Vec<SocketAddr>,
}

impl<M: Machine> Reactor<M> {
    /// Prepares everything; nobody is accepted before [`Reactor::run`].
    pub fn new(machine: M, setup: Setup) -> Result<Reactor<M>, ReactorError> {
        let poll = Poll::new().map_err(ReactorError::os("poll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(ReactorError::os("be woken"))?;
        let mailbox = Arc::new(Mailbox::new(waker));
        let mut transports = Vec::new();
        let dial_codec = codec_of(&mut transports, &setup.dial_transport);
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        if setup.listeners.len() > usize::from(u16::MAX) {
            return Err(ReactorError::TooManyListeners);
        }
        for (i, listening) in setup.listeners.into_iter().enumerate() {
            let codec = codec_of(&mut transports, &listening.transport);
            let (listener, address) = listener(&poll, i, codec, listening).map_err(ReactorError::os("listen"))?;
            listeners.push(listener);
            addresses.push(address);
        }
        let store = setup.store.map(|store| StoreThread::start(store, mailbox.clone()));
        let store = store.transpose().map_err(ReactorError::os("start a thread"))?;
        let keeper = setup.keep.map(|keep| KeeperThread::start(keep, mailbox.clone()));
        let keeper = keeper.transpose().map_err(ReactorError::os("start a thread"))?;
        let names = listeners.iter().map(|listener| listener.name.clone()).collect();
        let sifter = (!setup.filters.is_empty())
            .then(|| Sifter::start(setup.filters, names, Duration::from_millis(setup.tuning.filter_ms), mailbox.clone()));
        let sifter = sifter.transpose().map_err(ReactorError::os("start a thread"))?;
        let clock = Clock::start();
        let driver = Driver {
            poll,
            now: clock.now(),
            listeners,
            transports,
            dial_codec,
            dial_tls: setup.dial_tls,
            connections: Connections::default(),
            fanout: Fanout::new(setup.tuning.retention),
            dials: Dials::default(),
            mailbox,
            judges: setup.judges,
            sifter,
            plugins: setup.plugins,
            store,
            keeper,
            notes: setup.notes,
            warnings: Warnings::default(),
            tuning: setup.tuning,
            counters: Counters::default(),
            inbox: VecDeque::new(),
            owed: Vec::new(),
            reading: Reading::default(),
            lingering: VecDeque::new(),
            stopping: None,
            failed: None,
            argv: Argv::default(),
            encoded: Vec::new(),
            dirty: Vec::new(),
            stuck: BTreeMap::new(),
            falls: Vec::new(),
        };
        Ok(Reactor { machine, driver, clock, effects: Vec::new(), arrivals: VecDeque::new(), addresses })
    }

    /// Reaches it from other threads.
    pub fn handle(&self) -> Handle {
        Handle { mailbox: self.driver.mailbox.clone() }
    }

    /// Where a listener really listens.
    pub fn local_address(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.addresses.get(listener.0 as usize).copied()
    }

    /// Runs until the machine has stopped, and gives it back.
    pub fn run(mut self) -> Result<M, ReactorError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.feed(Input::Start);
        let mut began = Instant::now();
        loop {
            self.drain_inbox();
            self.flush();
            if let Some(error) = self.driver.failed.take() {
                return Err(error);
            }
            if self.driver.stopping.is_some_and(|until| until <= self.driver.now || self.driver.connections.len() == 0) {
                return Ok(self.machine);
            }
            let sleep = self.sleep();
            self.driver.counters.turns.note(began.elapsed());
            let polled = self.driver.poll.poll(&mut events, Some(sleep));
            began = Instant::now();
            match polled {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(ReactorError::os("poll")(error)),
            }
            // After the poll and before anything is handled: whoever was asleep, or stopped, knows it.
            self.driver.now = self.driver.now.max(self.clock.now());
            events.iter().for_each(|event| self.driver.ready(event));
            self.drain_inbox(); // who is connected, or lost, before what is heard
            self.accept();
            self.read();
            self.answers();
            self.deadlines();
        }
    }

    fn feed(&mut self, input: Input) {
        self.machine.handle(self.driver.now, input, &mut self.effects);
        #[cfg(debug_assertions)]
        self.machine.check_invariants();
        self.effects.drain(..).for_each(|effect| self.driver.carry_out(effect));
    }

    /// What became of effects. What comes of that is handled in the next turn, which does not sleep.
    fn drain_inbox(&mut self) {
        for _ in 0..self.driver.inbox.len() {
            if let Some(input) = self.driver.inbox.pop_front() {
                self.feed(input);
            }
        }
    }

    fn accept(&mut self) {
        for id in 0..self.driver.listeners.len() {
            let listener = &mut self.driver.listeners[id];
            listener.rests_until = listener.rests_until.filter(|until| *until > self.driver.now);
            for _ in 0..self.driver.tuning.accepts_max {
                let listener = &self.driver.listeners[id];
                if !listener.ready || listener.rests_until.is_some() {
                    break;
                }
                if let Some(opened) = self.driver.accept(id) {
                    self.feed(opened);
                }
            }
        }
    }

    fn read(&mut self) {
        // Whoever is owed another turn comes after all the others.
        for slot in std::mem::take(&mut self.driver.owed) {
            if self.driver.begin_read(slot) {
                while let Some(opened) = self.driver.reading.opened.pop_front() {
                    self.feed(opened);
                }
                while let Some(input) = self.driver.next_read(slot) {
                    self.feed(input);
                }
                self.driver.end_read(slot);
            }
        }
    }

    fn answers(&mut self) {
        let (blocks, privates) = self.driver.fanout.held();
        let counters = &mut self.driver.counters;
        (counters.block_bytes, counters.private_bytes) = (blocks as u64, privates as u64);
        (counters.open, counters.stuck) = (self.driver.connections.len() as u64, self.driver.stuck.len() as u64);
        self.driver.mailbox.exchange(&mut self.arrivals, self.driver.counters);
        while let Some(arrival) = self.arrivals.pop_front() {
            match arrival {
                Arrival::Input(input) => {
                    self.driver.counters.note(&input);
                    self.feed(input);
                }
                Arrival::Resolved(ticket, addresses) => self.driver.resolved(ticket, addresses),
                Arrival::StoreBroken(error) => self.driver.fail(error),
                Arrival::Exchange(exchange) => self.driver.exchange(exchange),
                // Whoever asked may have given up.
                Arrival::Census(tell) => drop(tell.send(self.driver.census())),
                Arrival::Observe(tell) => drop(tell.send(self.observe())),
            }
        }
    }

    fn observe(&self) -> Observation {
        let driver = &self.driver;
        let disk = driver.store.as_ref().map(|store| store.observe()).or_else(|| driver.keeper.as_ref().map(|keeper| keeper.observe()));
        Observation { counters: driver.counters, disk, gauges: self.machine.gauges(driver.now) }
    }

    fn deadlines(&mut self) {
        self.driver.reap_dials();
        self.driver.reap_handshakes();
        self.driver.reap();
        self.drain_inbox();
        if self.machine.deadline().is_some_and(|deadline| deadline <= self.driver.now) {
            self.feed(Input::Deadline);
        }
    }

    fn flush(&mut self) {
        let mut falls = std::mem::take(&mut self.driver.falls);
        self.driver.fanout.take_falls(&mut falls);
        for fall in falls.drain(..) {
            self.driver.counters.fell += fall.lost;
            let conn = self.driver.connections.name(fall.slot);
            self.feed(Input::Fell { conn, list: fall.list, next: fall.next, lost: fall.lost });
        }
        self.driver.falls = falls;
        self.driver.flush();
    }

    /// How long the poll may sleep.
    fn sleep(&self) -> Duration {
        let driver = &self.driver;
        let accepting = driver.listeners.iter().any(|listener| listener.ready && listener.rests_until.is_none());
        if accepting || !driver.owed.is_empty() || !driver.inbox.is_empty() || driver.fanout.is_dirty() {
            return Duration::ZERO;
        }
        let mut until = earlier(self.machine.deadline(), driver.dials.deadline());
        until = earlier(until, driver.lingering.front().map(|(until, _)| *until));
        until = earlier(until, driver.stopping);
        for listener in &driver.listeners {
            until = earlier(until, listener.rests_until);
            until = earlier(until, listener.handshakes.front().map(|(since, _)| *since + driver.tuning.handshake_ms));
        }
        let until = until.unwrap_or(Time(u64::MAX));
        Duration::from_millis(until.since_ms(self.clock.now()).min(SLEEP_MS_MAX))
    }
}

impl Driver {
    /// Marks the work an event announces.
    fn ready(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKER {
            return;
        }
        if let Some(listener) = LISTENERS.checked_sub(token.0).and_then(|id| self.listeners.get_mut(id)) {
            listener.ready = listener.socket.is_some();
            return;
        }
        let slot = token.0 as u32;
        let Some(connection) = self.connections.at(slot) else {
            return;
        };
        if connection.is(CONNECTING) {
            if event.is_writable() || event.is_error() || event.is_write_closed() {
                self.connecting(slot);
            }
            // What the peer said in the same breath is told by this event alone.
            return self.readable(slot, event);
        }
        if event.is_error() || (event.is_write_closed() && event.is_read_closed()) {
            return self.cut(slot);
        }
        if event.is_writable() {
            self.fanout.unblock(slot);
            self.stuck.remove(&slot);
            self.drained(slot);
        }
        self.readable(slot, event);
    }

    fn readable(&mut self, slot: u32, event: &Event) {
        if let Some(connection) = self.connections.at(slot)
            && (event.is_readable() || event.is_read_closed())
        {
            connection.set(READABLE);
            if event.is_read_closed() {
                connection.set(ENDED);
            }
            if !connection.is(CONNECTING) {
                self.owe(slot);
            }
        }
    }

    /// One write for everyone who has something to hear.
    fn flush(&mut self) {
        self.fanout.spread();
        let mut dirty = std::mem::take(&mut self.dirty);
        self.fanout.take_dirty(&mut dirty);
        for &slot in &dirty {
            let Some(connection) = self.connections.at(slot) else {
                continue;
            };
            let is_closing = connection.is(CLOSING);
            let (socket, writes) = (&mut connection.socket, &mut self.counters.writes);
            let (flushed, taken) = match &mut connection.layer {
                None => self.fanout.flush(slot, |slices| {
                    *writes += 1;
                    socket.write_vectored(slices)
                }),
                Some(layer) => {
                    *writes += 1;
                    tls::flush(layer, socket, &mut self.fanout, slot, is_closing)
                }
            };
            self.counters.bytes_out += taken as u64;
            if flushed == Flushed::Blocked {
                let since = self.stuck.entry(slot).or_insert(self.now);
                *since = if taken > 0 { self.now } else { *since };
            }
            let (is_full, is_awaited) = (connection.is(FULL), connection.is(AWAITED));
            match flushed {
                Flushed::Broken(_) => {
                    self.cut(slot);
                    continue;
                }
                Flushed::Done if is_closing => self.shut(slot),
                _ => {}
            }
            if is_full {
                self.relieve(slot);
            }
            if is_awaited {
                self.drained(slot);
            }
        }
        self.dirty = dirty;
    }
}

fn listener(poll: &Poll, id: usize, codec: u16, listening: Listening) -> std::io::Result<(Listener, SocketAddr)> {
    let Listening { name, socket, transport: _, beneath, auth, limits } = listening;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let mut socket = TcpListener::from_std(socket);
    poll.registry().register(&mut socket, Token(LISTENERS - id), Interest::READABLE)?;
    let socket = Some(socket);
    let (auth, handshakes) = (auth.into(), VecDeque::new());
    Ok((Listener { name, socket, codec, beneath, handshakes, auth, limits, clients: 0, ready: false, rests_until: None }, address))
}
