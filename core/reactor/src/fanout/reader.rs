//! What is kept of one recipient: positions in shared streams, and what is meant for it alone.
//!
//! A reader with one subscription and nothing to hear is some eighty bytes and holds no buffer. Its subscriptions that have something unread are chained through
//! [`Sub::next`], in the order in which they will be served; free places are chained the same way, so that a place never moves.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::Class;

/// No place: the end of a chain.
pub(super) const NIL: u32 = u32::MAX;
/// This subscription is in no chain.
pub(super) const UNLINKED: u32 = u32::MAX - 1;
/// The subscription's list is none of the machine's business any more: it only reads to its end.
pub(super) const NO_LIST: u32 = u32::MAX;
/// The end of a subscription that has none.
pub(super) const ENDLESS: u64 = u64::MAX;

/// A position in a stream.
#[derive(Debug)]
pub(super) struct Sub {
    pub list: u32,
    pub stream: u32,
    pub pos: u64,
    pub end: u64,
    /// Its index among the stream's members.
    pub member: u32,
    pub next: u32,
    /// What this one does not hear, ahead of its position: from, to. Apart from each other and in order.
    #[allow(clippy::box_collection)] // eight bytes in every subscription instead of 32: nearly all of them skip nothing
    pub skips: Option<Box<VecDeque<(u64, u64)>>>,
}

/// Bytes for one reader alone, and when they were told.
#[derive(Debug, Default)]
pub(super) struct Private {
    bytes: Vec<u8>,
    read: usize,
    pub segments: VecDeque<Segment>,
}

/// What was told up to `stamp` goes out before these bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub stamp: u64,
    pub len: usize,
}

/// One recipient.
#[derive(Debug)]
pub(super) struct Reader {
    pub class: Class,
    pub subs: SmallVec<[Sub; 1]>,
    /// The chain of those with something unread.
    pub head: u32,
    pub tail: u32,
    /// The chain of free places.
    pub free: u32,
    /// It took less than it was offered: it is not offered more until it says so.
    pub blocked: bool,
    /// What it took is still on its way to it: it is flushed once more, even if there is nothing else.
    pub owing: bool,
    /// Waits to be flushed.
    pub dirty: bool,
    /// It missed something that was not reported yet.
    pub fell: bool,
    pub private: Option<Box<Private>>,
}

impl Sub {
    pub fn is_linked(&self) -> bool {
        self.next != UNLINKED
    }

    /// Goes to a position, and over whatever is skipped from there.
    pub fn set(&mut self, pos: u64) {
        self.pos = pos;
        let Some(skips) = &mut self.skips else {
            return;
        };
        while let Some(&(_, to)) = skips.front().filter(|(from, _)| *from <= self.pos) {
            self.pos = self.pos.max(to);
            skips.pop_front();
        }
        if skips.is_empty() {
            self.skips = None;
        }
    }

    /// Leaves out what lies between, which is behind all it leaves out already.
    pub fn skip(&mut self, from: u64, to: u64) {
        let skips = self.skips.get_or_insert_default();
        match skips.back_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => skips.push_back((from, to)),
        }
    }

    pub fn skips_len(&self) -> usize {
        self.skips.as_ref().map_or(0, |skips| skips.len())
    }
}

impl Private {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.read
    }

    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn push(&mut self, bytes: &[u8], stamp: u64) {
        self.bytes.extend_from_slice(bytes);
        match self.segments.back_mut() {
            Some(last) if last.stamp == stamp => last.len += bytes.len(),
            _ => self.segments.push_back(Segment { stamp, len: bytes.len() }),
        }
    }

    /// Puts bytes before everything else: the rest of a message that was begun.
    pub fn push_front(&mut self, bytes: &[u8]) {
        self.bytes.splice(self.read..self.read, bytes.iter().copied());
        self.segments.push_front(Segment { stamp: 0, len: bytes.len() });
    }

    /// The reader took so many bytes of the first segment.
    pub fn consume(&mut self, count: usize) {
        let first = self.segments.front_mut().expect("only what is there is sent");
        first.len -= count;
        if first.len == 0 {
            self.segments.pop_front();
        }
        self.read += count;
        if self.read > self.bytes.len() / 2 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.segments.clear();
        self.read = 0;
    }
}

impl Reader {
    pub fn new(class: Class) -> Reader {
        Reader {
            class,
            subs: SmallVec::new(),
            head: NIL,
            tail: NIL,
            free: NIL,
            blocked: false,
            owing: false,
            dirty: false,
            fell: false,
            private: None,
        }
    }

    /// A place for a subscription.
    pub fn insert(&mut self, sub: Sub) -> u32 {
        if self.free == NIL {
            self.subs.push(sub);
            return self.subs.len() as u32 - 1;
        }
        let place = self.free;
        self.free = std::mem::replace(&mut self.subs[place as usize], sub).next;
        place
    }

    /// Frees a place, which is in no chain.
    pub fn remove(&mut self, place: u32) {
        let free = Sub { list: NO_LIST, stream: NIL, pos: 0, end: 0, member: NIL, next: self.free, skips: None };
        self.subs[place as usize] = free;
        self.free = place;
    }

    /// Places in use.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        let used: SmallVec<[u32; 8]> = (0..self.subs.len() as u32).filter(|&place| self.subs[place as usize].stream != NIL).collect();
        used.into_iter()
    }

    /// The place of the subscription that hears what is told on a list from now on.
    pub fn live_on(&self, list: u32) -> Option<u32> {
        self.subs.iter().position(|sub| sub.list == list && sub.end == ENDLESS).map(|place| place as u32)
    }

    /// Puts a subscription behind all that have something unread.
    pub fn link(&mut self, place: u32) {
        if self.subs[place as usize].is_linked() {
            return;
        }
        self.subs[place as usize].next = NIL;
        match self.tail {
            NIL => self.head = place,
            tail => self.subs[tail as usize].next = place,
        }
        self.tail = place;
    }

    /// Puts a subscription before all that have something unread.
    pub fn link_front(&mut self, place: u32) {
        self.subs[place as usize].next = self.head;
        if self.tail == NIL {
            self.tail = place;
        }
        self.head = place;
    }

    /// Takes the first one out.
    pub fn unlink_head(&mut self) -> Option<u32> {
        let place = self.head;
        if place == NIL {
            return None;
        }
        self.head = std::mem::replace(&mut self.subs[place as usize].next, UNLINKED);
        if self.head == NIL {
            self.tail = NIL;
        }
        Some(place)
    }

    pub fn is_idle(&self) -> bool {
        self.head == NIL && self.private.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscription_costs_so_many_bytes() {
        assert_eq!((size_of::<Sub>(), size_of::<Reader>()), (40, 88));
    }
}
