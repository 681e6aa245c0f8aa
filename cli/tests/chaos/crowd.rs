//! Thousands of people on one thread: one poll, one table, as little work per message as recording it takes. The tests' own thread runs it, and does
//! harm between two of its turns.

use super::common::network::Place;
use super::log::Log;
use super::person::{Dice, Person, Then, Turn};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// How often everyone looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// After how long a silence a server is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(1);
/// How long a connection may take to be made.
const DIAL: Duration = Duration::from_secs(2);

/// Everyone.
pub struct Crowd {
    poll: Poll,
    events: Events,
    people: Vec<Seat>,
    map: Vec<Place>,
    dice: Dice,
    ticked: Instant,
    buffer: Box<[u8]>,
    pub log: Log,
    /// Publishers begin nothing new.
    pub hush: bool,
}

/// A person and their connection, if there is one.
struct Seat {
    person: Box<dyn Person>,
    line: Option<Line>,
    /// When to dial.
    rests_until: Instant,
}

struct Line {
    socket: TcpStream,
    open: bool,
    since: Instant,
    heard: Instant,
    pinged: bool,
    inbox: Vec<u8>,
    unsent: Vec<u8>,
}

impl Crowd {
    pub fn new(map: Vec<Place>, seed: u64) -> Crowd {
        let (poll, events) = (Poll::new().unwrap(), Events::with_capacity(1024));
        let buffer = vec![0; 64 << 10].into_boxed_slice();
        let (people, log) = Default::default();
        Crowd { poll, events, people, map, dice: Dice::new(seed), ticked: Instant::now(), buffer, log, hush: false }
    }

    pub fn add(&mut self, person: impl Person + 'static) {
        self.people.push(Seat { person: Box::new(person), line: None, rests_until: Instant::now() });
    }

    /// Lets time pass until something is so; whether it came to be.
    pub fn run(&mut self, until: Instant, mut done: impl FnMut(&Crowd) -> bool) -> bool {
        let mut looked = Instant::now() - 2 * TICK;
        loop {
            let now = Instant::now();
            if now - looked >= 2 * TICK {
                looked = now;
                if done(self) {
                    return true;
                }
            }
            if now >= until {
                return false;
            }
            self.turn();
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Duration) {
        self.run(Instant::now() + span, |_| false);
    }

    fn turn(&mut self) {
        let left = (self.ticked + TICK).saturating_duration_since(Instant::now());
        // Rounded up: a poll of less than a millisecond would spin.
        match self.poll.poll(&mut self.events, Some(left.max(Duration::from_millis(1)))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => panic!("cannot poll: {error}"),
            _ => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter() {
            self.serve(event.token().0);
        }
        self.events = events;
        let now = Instant::now();
        if now >= self.ticked + TICK {
            self.ticked = now;
            (0..self.people.len()).for_each(|ix| self.tick(ix, now));
        }
    }

    /// Something happened on a connection.
    fn serve(&mut self, ix: usize) {
        let Some(line) = &mut self.people[ix].line else { return };
        if !line.open {
            match (line.socket.take_error(), line.socket.peer_addr()) {
                (Ok(None), Ok(_)) => {}
                (Ok(None), Err(error)) if error.kind() == ErrorKind::NotConnected => return,
                _ => return self.lose(ix, false),
            }
            line.open = true;
            line.heard = Instant::now();
            let _ = line.socket.set_nodelay(true);
            self.with(ix, |person, _, turn| {
                person.greet(turn);
                Then::Stay
            });
        }
        self.receive(ix);
        self.flush(ix);
    }

    fn receive(&mut self, ix: usize) {
        while let Some(line) = &mut self.people[ix].line {
            match line.socket.read(&mut self.buffer) {
                Ok(0) => return self.lose(ix, false),
                Ok(count) => {
                    line.inbox.extend_from_slice(&self.buffer[..count]);
                    (line.heard, line.pinged) = (Instant::now(), false);
                    self.with(ix, |person, inbox, turn| {
                        let (used, then) = person.hear(inbox, turn);
                        inbox.drain(..used);
                        then
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.lose(ix, false),
            }
        }
    }

    fn flush(&mut self, ix: usize) {
        while let Some(line) = &mut self.people[ix].line {
            if !line.open || line.unsent.is_empty() {
                return;
            }
            match line.socket.write(&line.unsent) {
                Ok(count) => drop(line.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.lose(ix, false),
            }
        }
    }

    fn tick(&mut self, ix: usize, now: Instant) {
        let seat = &mut self.people[ix];
        let patience = seat.person.patience();
        match &mut seat.line {
            None if now >= seat.rests_until => self.dial(ix, now),
            None => {}
            Some(line) if !line.open && now - line.since > DIAL => self.lose(ix, true),
            Some(line) if !line.open => {}
            Some(line) if patience.is_some_and(|patience| now - line.heard > PING_AFTER + patience) => self.lose(ix, true),
            Some(line) => {
                if now - line.heard > PING_AFTER && !line.pinged {
                    line.pinged = true;
                    seat.person.ping(&mut line.unsent);
                }
                self.with(ix, |person, _, turn| person.tick(turn));
                self.flush(ix);
            }
        }
    }

    fn dial(&mut self, ix: usize, now: Instant) {
        let seat = &mut self.people[ix];
        let address = seat.person.dial(now, &self.map);
        let socket = TcpStream::connect(address).and_then(|mut socket| {
            self.poll.registry().register(&mut socket, Token(ix), Interest::READABLE | Interest::WRITABLE)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                let (inbox, unsent) = Default::default();
                seat.line = Some(Line { socket, open: false, since: now, heard: now, pinged: false, inbox, unsent });
            }
            Err(_) => self.lose(ix, false),
        }
    }

    /// Shows a person what is to be seen, and does as they want.
    fn with(&mut self, ix: usize, act: impl FnOnce(&mut dyn Person, &mut Vec<u8>, &mut Turn<'_>) -> Then) {
        let Crowd { people, map, dice, log, hush, .. } = self;
        let Seat { person, line: Some(line), .. } = &mut people[ix] else { return };
        let mut turn = Turn { now: Instant::now(), out: &mut line.unsent, log, map, hush: *hush, dice };
        if act(&mut **person, &mut line.inbox, &mut turn) == Then::Leave {
            self.lose(ix, false);
        }
    }

    fn lose(&mut self, ix: usize, silent: bool) {
        let Crowd { people, map, dice, log, hush, .. } = self;
        let seat = &mut people[ix];
        seat.line = None;
        let now = Instant::now();
        let mut turn = Turn { now, out: &mut Vec::new(), log, map, hush: *hush, dice };
        seat.rests_until = now + seat.person.lost(silent, &mut turn);
    }
}
