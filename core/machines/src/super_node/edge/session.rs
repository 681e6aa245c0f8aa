//! A connected person: who they are, what they are in, and which answers they still wait for.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::answers::Claim;
use super::sifting::Sifting;
use crate::command::ClientCommand;
use crate::entry::Person;
use crate::event::Event;
use crate::ids::{Conn, ListenerId, SessionId, node_counter};
use crate::names::{GroupName, Nick};
use crate::operators::Standing;
use crate::time::Time;
use crate::wire::Text;

/// Nicks that begin so are given out by nodes and can't be taken.
pub const GUEST_PREFIX: &str = "guest-";

/// How far someone got past the authenticators.
#[derive(Debug)]
pub(super) enum Gate {
    /// Nothing was asked yet.
    Shut,
    /// They were asked; then this is to be done. Nothing is read meanwhile.
    Asked(Box<ClientCommand>),
    /// In.
    Open,
}

/// Answers in the order of their commands, though some are known earlier.
#[derive(Debug, Default)]
pub(super) struct Slots {
    first: u64,
    queue: VecDeque<Option<Vec<Event>>>,
}

impl Slots {
    /// Keeps a place for an answer that comes later.
    pub fn open(&mut self) -> u64 {
        self.queue.push_back(None);
        self.first + self.queue.len() as u64 - 1
    }

    /// Whether nothing is waited for: what is said now may go out at once.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Which place the next one gets.
    pub fn next(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Appends an answer that is known already behind those that are waited for.
    pub fn push(&mut self, event: Event) {
        self.queue.push_back(Some(vec![event]));
    }

    /// Fills a place, and gives out what has no gap before it.
    pub fn fill(&mut self, slot: u64, events: Vec<Event>) -> Vec<Event> {
        let place = slot.checked_sub(self.first).and_then(|ix| self.queue.get_mut(ix as usize));
        let Some(place) = place else { return Vec::new() };
        *place = Some(events);
        let mut ready = Vec::new();
        while let Some(Some(_)) = self.queue.front() {
            ready.extend(self.queue.pop_front().flatten().into_iter().flatten());
            self.first += 1;
        }
        if self.queue.is_empty() {
            // An idle session holds no buffers.
            self.queue = VecDeque::new();
        }
        ready
    }
}

/// A connected person.
#[derive(Debug)]
pub(super) struct Session {
    pub conn: Conn,
    pub id: SessionId,
    pub person: Arc<Person>,
    pub peer: IpAddr,
    pub since: Time,
    pub heard: Time,
    /// The last counter we gave something they said without one, in the series of this connection.
    pub counter: u64,
    pub gate: Gate,
    pub slots: Slots,
    /// Commands that are with the filters, and what came behind them.
    #[allow(clippy::box_collection)] // most sessions have none: a pointer is what they pay for that
    pub sifting: Option<Box<VecDeque<Sifting>>>,
    pub groups: SmallVec<[GroupName; 1]>,
    pub listener: ListenerId,
    pub proto: u8,
    pub failures: u8,
    /// Which operator they said they are.
    pub standing: Option<Box<Standing>>,
    /// The nick is theirs, claimed in the whole network.
    pub named: bool,
    /// Their nick was taken from them; what they are called now is a guest's name.
    pub renamed: bool,
    /// What they were called before.
    pub former: Option<Nick>,
    /// A claim of a nick is under way, and these come after it.
    pub claims: Option<VecDeque<(u64, Text, Claim)>>,
    /// A protocol that registers people: without a nick nothing goes, and pings are answered.
    pub registers: bool,
    /// A native client: it would rather be at the master.
    pub native: bool,
    /// It was sent there: what it has here is kept for it until it had the time to arrive.
    pub moved: bool,
    /// They want to hear what they say themselves.
    pub echo: bool,
    /// Reading was stopped.
    pub paused: bool,
    pub pinged: bool,
}

impl Session {
    pub fn new(conn: Conn, id: SessionId, listener: ListenerId, peer: IpAddr, now: Time, blank: &Text) -> Session {
        let nick = Nick::new(&format!("{GUEST_PREFIX}{:010x}", id.0 >> 24)).expect("hexadecimal digits make a nick");
        let person = Person { nick, user: blank.clone(), host: peer.to_string().into(), account: blank.clone(), real: blank.clone() };
        Session {
            conn,
            id,
            person: Arc::new(person),
            peer,
            since: now,
            heard: now,
            counter: node_counter(id),
            gate: Gate::Shut,
            slots: Slots::default(),
            sifting: None,
            groups: SmallVec::new(),
            listener,
            proto: 2,
            failures: 0,
            standing: None,
            named: false,
            renamed: false,
            former: None,
            claims: None,
            registers: false,
            native: false,
            moved: false,
            echo: true,
            paused: false,
            pinged: false,
        }
    }

    pub fn is_in(&self, group: &GroupName) -> bool {
        self.groups.contains(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Reply;

    fn number(value: u64) -> Event {
        Reply::Integer { value }.into()
    }

    #[test]
    fn answers_keep_the_order_of_commands() {
        let mut slots = Slots::default();
        let (a, b) = (slots.open(), slots.open());
        slots.push(number(3));
        assert_eq!(slots.fill(b, vec![number(2)]), vec![]);
        assert_eq!(slots.fill(a, vec![number(0), number(1)]), vec![number(0), number(1), number(2), number(3)]);
        assert!(slots.is_empty());
        assert_eq!(slots.fill(a, vec![number(9)]), vec![], "a late answer is dropped");
        let c = slots.open();
        assert_eq!(slots.fill(c, vec![number(4)]), vec![number(4)]);
    }
}
