//! The encoded messages of one list for one class of recipients, once, in blocks.
//!
//! ```text
//!    block            block            block (the tail)
//!   [m1 m2 m3 .. m9] [m10 .. m31]     [m32 m33 ........]
//!        ^ pos             ^ pos                 ^ end: who is here is caught up
//!    readers: 1        readers: 1       readers: 0, caught_up: 998
//! ```
//!
//! A position counts bytes since the stream began. A message never spans blocks, so the end of a block is the end of a message. Each block counts the readers whose
//! position lies in it; those at the end are counted by the stream and enter the tail together, in one addition, when a message is appended. Blocks in front that nobody
//! reads go back to the pool at once: a stream everyone has read holds no memory.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::Class;
use super::pool::{Buffer, Pool};

/// Where a message ends in its block, when it was told, and its place in a log (both counted from the block's first).
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    end: u32,
    after: u32,
    ahead: u32,
}

/// A reader's subscription, seen from its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub slot: u32,
    pub sub: u32,
}

#[derive(Debug)]
pub(super) struct Block {
    start: u64,
    first_stamp: u64,
    /// 0: what is told here has no places.
    first_place: u64,
    readers: u32,
    buffer: Buffer,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// The list it belongs to, while anyone on it still listens.
    pub list: u32,
    pub class: Class,
    /// Everyone with a position in it, those who only read to their end included.
    pub members: Vec<Member>,
    /// Those who hear what is told from now on.
    pub live: u32,
    /// Waits to be spread to its members.
    pub dirty: bool,
    caught_up: u32,
    held: usize,
    end: u64,
    blocks: VecDeque<Block>,
}

impl Block {
    pub fn end(&self) -> u64 {
        self.start + self.buffer.bytes.len() as u64
    }

    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    fn fits(&self, len: usize, stamp: u64, place: u64) -> bool {
        let is_near = place.checked_sub(self.first_place).is_some_and(|ahead| ahead <= u64::from(u32::MAX))
            && (place == 0) == (self.first_place == 0);
        self.buffer.bytes.len() + len <= self.buffer.bytes.capacity() && stamp - self.first_stamp <= u64::from(u32::MAX) && is_near
    }

    /// The place of the message that begins here.
    pub fn place_at(&self, pos: u64) -> Option<u64> {
        let mark = self.buffer.marks.get(self.messages_until(pos))?;
        (self.first_place != 0).then_some(self.first_place + u64::from(mark.ahead))
    }

    /// How many messages end at or before this position.
    fn messages_until(&self, pos: u64) -> usize {
        self.buffer.marks.partition_point(|mark| self.start + u64::from(mark.end) <= pos)
    }

    /// Where the message ends in whose middle this position is.
    pub fn message_end(&self, pos: u64) -> Option<u64> {
        let before = self.messages_until(pos);
        let starts = if before == 0 { self.start } else { self.start + u64::from(self.buffer.marks[before - 1].end) };
        (starts < pos).then(|| self.start + u64::from(self.buffer.marks[before].end))
    }

    /// How many messages lie between two boundaries of this block; what is outside of it does not count.
    pub fn count(&self, from: u64, to: u64) -> u64 {
        (self.messages_until(to).saturating_sub(self.messages_until(from))) as u64
    }

    pub fn bytes(&self, from: u64, to: u64) -> &[u8] {
        &self.buffer.bytes[(from - self.start) as usize..(to - self.start) as usize]
    }
}

impl Stream {
    pub fn new(list: u32, class: Class) -> Stream {
        Stream { list, class, members: Vec::new(), live: 0, dirty: false, caught_up: 0, held: 0, end: 0, blocks: VecDeque::new() }
    }

    /// The position behind everything told.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of memory it holds.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn blocks_len(&self) -> usize {
        self.blocks.len()
    }

    /// When the oldest message it holds was told.
    pub fn oldest(&self) -> Option<u64> {
        self.blocks.front().map(|block| block.first_stamp)
    }

    /// Appends a message; whoever was caught up is now at its start.
    pub fn append(&mut self, bytes: &[u8], stamp: u64, place: u64, pool: &mut Pool) {
        if !self.blocks.back().is_some_and(|tail| tail.fits(bytes.len(), stamp, place)) {
            let buffer = pool.take(bytes.len(), self.blocks.is_empty());
            self.held += buffer.bytes.capacity();
            self.blocks.push_back(Block { start: self.end, first_stamp: stamp, first_place: place, readers: 0, buffer });
        }
        let tail = self.blocks.back_mut().expect("a tail was just made sure of");
        tail.readers += std::mem::take(&mut self.caught_up);
        tail.buffer.bytes.extend_from_slice(bytes);
        let (after, ahead) = ((stamp - tail.first_stamp) as u32, (place - tail.first_place) as u32);
        tail.buffer.marks.push(Mark { end: tail.buffer.bytes.len() as u32, after, ahead });
        self.end += bytes.len() as u64;
    }

    /// A reader is at this position from now on.
    pub fn enter(&mut self, pos: u64) {
        match self.block_of(pos) {
            None => self.caught_up += 1,
            Some(i) => self.blocks[i].readers += 1,
        }
    }

    /// A reader is not at this position any more. [`Stream::trim`] follows when it has settled elsewhere.
    pub fn leave(&mut self, pos: u64) {
        match self.block_of(pos) {
            None => self.caught_up -= 1,
            Some(i) => self.blocks[i].readers -= 1,
        }
    }

    /// Gives back what everyone has read.
    pub fn trim(&mut self, pool: &mut Pool) {
        while self.blocks.front().is_some_and(|block| block.readers == 0) {
            let block = self.pop_front().expect("there is a front");
            pool.give(block.into_buffer());
        }
    }

    /// Takes the oldest block away, readers or not. They have to [`Stream::enter`] again elsewhere.
    pub fn pop_front(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.held -= block.buffer.bytes.capacity();
        Some(block)
    }

    /// The position behind the last message told up to `stamp`, as seen from `from`.
    pub fn position_at(&self, stamp: u64, from: u64) -> u64 {
        if stamp == u64::MAX {
            return self.end;
        }
        let blocks = self.blocks.partition_point(|block| block.first_stamp <= stamp);
        let Some(block) = blocks.checked_sub(1).and_then(|i| self.blocks.get(i)) else {
            return from;
        };
        let after = stamp - block.first_stamp;
        let marks = block.buffer.marks.partition_point(|mark| u64::from(mark.after) <= after);
        let end = block.start + u64::from(block.buffer.marks[marks - 1].end);
        end.max(from)
    }

    /// How many messages end between two positions; a whole one that was begun before counts.
    pub fn count(&self, from: u64, to: u64) -> u64 {
        let within = self.blocks.iter().filter(|block| block.start < to && from < block.end());
        within.map(|block| block.count(from.max(block.start), to.min(block.end()))).sum()
    }

    /// Where the message ends in whose middle this position is.
    pub fn message_end(&self, pos: u64) -> Option<u64> {
        self.block_of(pos).and_then(|i| self.blocks[i].message_end(pos))
    }

    /// The place of the message that begins here.
    pub fn place_at(&self, pos: u64) -> Option<u64> {
        self.block_of(pos).and_then(|i| self.blocks[i].place_at(pos))
    }

    /// What can be sent in one piece from `from`, not past `to`. `from` is before `to`, which is not behind the end.
    pub fn piece(&self, from: u64, to: u64) -> IoSlice<'_> {
        let i = self.block_of(from).expect("only what was told is read");
        let block = &self.blocks[i];
        IoSlice::new(block.bytes(from, to.min(block.end())))
    }

    /// The block a position lies in; `None` at the end.
    fn block_of(&self, pos: u64) -> Option<usize> {
        if pos >= self.end {
            return None;
        }
        let last = self.blocks.len() - 1;
        if pos >= self.blocks[last].start {
            return Some(last); // where all but the slow are
        }
        Some(self.blocks.partition_point(|block| block.start <= pos) - 1)
    }

    /// Panics when the counts don't agree with the positions given.
    #[cfg(test)]
    pub fn check(&self, positions: &[u64]) {
        let caught_up = positions.iter().filter(|&&pos| pos == self.end).count();
        assert_eq!(self.caught_up as usize, caught_up, "caught up");
        for block in &self.blocks {
            let readers = positions.iter().filter(|&&pos| block.start <= pos && pos < block.end()).count();
            assert_eq!(block.readers as usize, readers, "readers of a block");
        }
        assert!(self.blocks.front().is_none_or(|block| block.readers > 0), "a block that nobody reads");
        assert_eq!(self.held, self.blocks.iter().map(|block| block.buffer.bytes.capacity()).sum::<usize>());
    }
}
