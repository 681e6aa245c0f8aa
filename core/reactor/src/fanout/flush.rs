//! One write for one recipient: what goes into it, and what it took.
//!
//! First comes the rest of a message that was begun; then private bytes, each after what was told before it; then the rest of what was told. Subscriptions with something
//! unread take turns, a share each, so that a flooded group does not starve the others; one that only reads to its end is finished first, because its successor waits behind it.

use std::io::{self, IoSlice};

use smallvec::SmallVec;

use super::Fanout;
use super::reader::{ENDLESS, NIL, Reader};

/// Slices in one write.
const SLICES_MAX: usize = 64;
/// Bytes in one write, give or take a block: more waits for the next turn.
const WRITE_MAX: usize = 256 * 1024;
/// Bytes of one subscription, give or take a block, where others wait.
const SHARE: usize = 64 * 1024;

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All is written.
    Done,
    /// There is more, for the next turn: the recipient is dirty again.
    More,
    /// The recipient takes no more for now: call [`Fanout::unblock`] when it does.
    Blocked,
    /// The connection is broken.
    Broken(io::ErrorKind),
}

/// Where some bytes of a write come from.
struct Step {
    /// A subscription's place, or `NIL` for private bytes.
    source: u32,
    len: usize,
}

/// A write in the making.
struct Gathered<'a> {
    slices: SmallVec<[IoSlice<'a>; SLICES_MAX]>,
    steps: SmallVec<[Step; 8]>,
    bytes: usize,
    /// How far each subscription is read by the steps so far; in the chain's order, from its head.
    cursors: SmallVec<[(u32, u64); 4]>,
}

impl<'a> Gathered<'a> {
    fn is_full(&self) -> bool {
        self.slices.len() == SLICES_MAX || self.bytes >= WRITE_MAX
    }

    fn add(&mut self, source: u32, slice: IoSlice<'a>) {
        self.bytes += slice.len();
        self.steps.push(Step { source, len: slice.len() });
        self.slices.push(slice);
    }
}

impl Fanout {
    /// Writes what a recipient has to hear, once. Returns how it ended and how many bytes it took. Call after [`Fanout::spread`].
    pub fn flush(&mut self, slot: u32, write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> (Flushed, usize) {
        let Some(reader) = self.readers.get_mut(slot as usize).and_then(Option::as_mut) else {
            return (Flushed::Done, 0); // closed since it became dirty
        };
        reader.dirty = false;
        if reader.blocked {
            return (Flushed::Blocked, 0);
        }
        let (steps, offered, visited, result) = {
            let Gathered { slices, steps, bytes, cursors } = self.gather(self.reader(slot));
            (steps, bytes, cursors.len(), if bytes == 0 { Ok(0) } else { write(&slices) })
        };
        let taken = match result {
            Ok(0) if offered > 0 => return (Flushed::Broken(io::ErrorKind::WriteZero), 0),
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.mark_dirty(slot);
                return (Flushed::More, 0);
            }
            Err(error) => return (Flushed::Broken(error.kind()), 0),
        };
        if taken > 0 || offered == 0 {
            self.took(slot, &steps, taken, visited);
        }
        if taken < offered {
            self.reader_mut(slot).blocked = true;
            return (Flushed::Blocked, taken);
        }
        if self.reader(slot).is_idle() {
            return (Flushed::Done, taken);
        }
        self.mark_dirty(slot);
        (Flushed::More, taken)
    }

    fn gather<'a>(&'a self, reader: &'a Reader) -> Gathered<'a> {
        let mut out = Gathered { slices: SmallVec::new(), steps: SmallVec::new(), bytes: 0, cursors: SmallVec::new() };
        if let Some(private) = &reader.private {
            self.gather_begun(reader, &mut out);
            let mut unread = private.unread();
            for segment in &private.segments {
                let (bytes, rest) = unread.split_at(segment.len);
                unread = rest;
                if !self.gather_told(reader, segment.stamp, &mut out) || out.is_full() {
                    return out;
                }
                let bytes = &bytes[..bytes.len().min(WRITE_MAX)];
                out.add(NIL, IoSlice::new(bytes));
                if bytes.len() < segment.len {
                    return out;
                }
            }
            if out.is_full() {
                return out;
            }
        }
        self.gather_told(reader, u64::MAX, &mut out);
        out
    }

    /// The rest of a message in whose middle the last write ended.
    fn gather_begun<'a>(&'a self, reader: &Reader, out: &mut Gathered<'a>) {
        let Some(sub) = reader.subs.get(reader.head as usize) else {
            return;
        };
        let stream = self.stream(sub.stream);
        // One that has read to its end may stand where the stream has forgotten already.
        let begun = if sub.pos < sub.end { stream.message_end(sub.pos) } else { None };
        let pos = match begun {
            Some(end) => {
                out.add(reader.head, stream.piece(sub.pos, end));
                sub.skips.as_ref().and_then(|skips| skips.front()).filter(|skip| skip.0 == end).map_or(end, |skip| skip.1)
            }
            None => sub.pos,
        };
        out.cursors.push((reader.head, pos));
    }

    /// What lists were told up to `stamp`. False when there was no room for all of it.
    fn gather_told<'a>(&'a self, reader: &Reader, stamp: u64, out: &mut Gathered<'a>) -> bool {
        let mut place = reader.head;
        let mut nth = 0;
        while place != NIL {
            if out.is_full() {
                return false;
            }
            let sub = &reader.subs[place as usize];
            if nth == out.cursors.len() {
                out.cursors.push((place, sub.pos));
            }
            let stream = self.stream(sub.stream);
            let from = out.cursors[nth].1;
            let to = stream.position_at(stamp, from).min(sub.end);
            let alone = sub.next == NIL && nth == 0;
            let share = if stamp == u64::MAX && !alone { SHARE } else { usize::MAX };
            let skips = sub.skips.iter().flat_map(|skips| skips.iter().copied()).filter(|skip| skip.1 > from);
            let mut pos = from;
            let before = out.bytes;
            for (skip_from, skip_to) in skips.chain([(to, to)]) {
                let stop = skip_from.min(to);
                while pos < stop && !out.is_full() && out.bytes - before < share {
                    let piece = stream.piece(pos, stop);
                    pos += piece.len() as u64;
                    out.add(place, piece);
                }
                if pos < stop || stop == to {
                    break;
                }
                pos = skip_to;
            }
            out.cursors[nth].1 = pos;
            if pos < to && (out.is_full() || sub.end != ENDLESS) {
                return false;
            }
            place = sub.next;
            nth += 1;
        }
        true
    }

    /// The recipient took the first so many bytes of what was gathered.
    fn took(&mut self, slot: u32, steps: &[Step], mut taken: usize, visited: usize) {
        let mut stopped = NIL;
        for step in steps {
            let count = taken.min(step.len);
            taken -= count;
            if count > 0 && step.source == NIL {
                self.took_private(slot, count);
            } else if count > 0 {
                let pos = self.reader(slot).subs[step.source as usize].pos;
                self.go(slot, step.source, pos + count as u64);
            }
            if count < step.len {
                stopped = step.source;
                break;
            }
        }
        self.rotate(slot, stopped, visited);
    }

    fn took_private(&mut self, slot: u32, count: usize) {
        self.private_bytes -= count;
        let private = &mut self.reader_mut(slot).private;
        if let Some(unread) = private {
            unread.consume(count);
            if unread.len() == 0 {
                let empty = private.take().expect("it was just looked at");
                self.keep_private(empty);
            }
        }
    }

    /// Takes those out of the chain that have read everything, and puts the others behind those who were not served: but first comes the one that was interrupted, maybe in the middle
    /// of a message, then those that only read to their end.
    fn rotate(&mut self, slot: u32, stopped: u32, visited: usize) {
        let mut first: SmallVec<[u32; 4]> = SmallVec::new();
        let mut last: SmallVec<[u32; 4]> = SmallVec::new();
        for _ in 0..visited {
            let Some(place) = self.reader_mut(slot).unlink_head() else {
                break;
            };
            let sub = &self.reader(slot).subs[place as usize];
            let (end, drained) = (sub.end, sub.pos >= sub.end.min(self.stream(sub.stream).end()));
            match (drained, end) {
                (true, ENDLESS) => {}
                (true, _) => self.remove_sub(slot, place),
                (false, _) if place == stopped => first.insert(0, place),
                (false, ENDLESS) => last.push(place),
                (false, _) => first.push(place),
            }
        }
        let reader = self.reader_mut(slot);
        first.iter().rev().for_each(|&place| reader.link_front(place));
        last.iter().for_each(|&place| reader.link(place));
    }
}
