//! Fan-out by position: who hears what, without a copy or a queue for each.
//!
//! What is told to a list is encoded once for each class of recipients and appended to that class's stream; a recipient holds positions in streams, and a flush
//! writes from the blocks. Telling a list touches no recipient; once a turn [`Fanout::spread`] passes over the members of the lists that were told something. What is meant for one
//! recipient alone lies in its private output, each piece with the stamp of when it was told, so that both kinds go out in the order in which they were told.
//!
//! Knows nothing of sockets: [`Fanout::flush`] is handed a function that writes. Recipients are named by a small number, the driver's slot.
//!
//! Bounds, and what happens at them: a stream and all streams together keep so many bytes; past that the oldest block goes, and whoever was still reading it
//! is off the list and reported by [`Fanout::take_falls`], with the place of the first message it misses: from there on it costs nothing here. Private output and skips are not bounded here but counted, for the driver to act.
//!
//! Invariants: a message is written whole or not begun before another; of one list a recipient hears messages in the order told, each once; a block without readers is not kept.

mod flush;
mod pool;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub use flush::Flushed;

use chatring_machines::ids::ListId;
use pool::Pool;
use reader::{ENDLESS, NO_LIST, Private, Reader, Sub, UNLINKED};
use smallvec::SmallVec;
use stream::{Member, Stream};

/// Recipients of one class get the same bytes for the same event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Which transport encodes for it.
    pub codec: u16,
    /// What that transport calls it.
    pub class: u32,
}

/// How much unread group traffic is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Bytes of one stream: one list for one class.
    pub stream_max: usize,
    /// Bytes of all streams together.
    pub total_max: usize,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { stream_max: 4 << 20, total_max: 256 << 20 }
    }
}

/// Someone was so slow that what they had not read is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// Who.
    pub slot: u32,
    /// Of which list.
    pub list: ListId,
    /// The place of the first message they missed.
    pub next: Option<u64>,
    /// How many messages they missed of those told until then.
    pub lost: u64,
}

/// Lists, streams and recipients.
#[derive(Debug, Default)]
pub struct Fanout {
    readers: Vec<Option<Reader>>,
    /// For each list the streams of the classes present.
    lists: Vec<SmallVec<[u32; 2]>>,
    streams: Vec<Option<Stream>>,
    streams_free: Vec<u32>,
    /// Streams that were told something since the last spread. One that is gone, or another in its place, is passed over without harm.
    told: Vec<u32>,
    /// Recipients to flush.
    dirty: Vec<u32>,
    falls: Vec<Fall>,
    /// Streams that hold too much.
    large: Vec<u32>,
    pool: Pool,
    #[allow(clippy::vec_box)] // they come boxed from readers and go boxed to readers
    privates: Vec<Box<Private>>,
    private_bytes: usize,
    scratch: Vec<u8>,
    /// Grows with every message told to a list: the order of everything.
    clock: u64,
    retention: Retention,
}

impl Fanout {
    /// Nobody there yet.
    pub fn new(retention: Retention) -> Fanout {
        Fanout { retention, ..Fanout::default() }
    }

    /// A recipient comes, on no list.
    pub fn open(&mut self, slot: u32, class: Class) {
        if self.readers.len() <= slot as usize {
            self.readers.resize_with(slot as usize + 1, || None);
        }
        debug_assert!(self.readers[slot as usize].is_none(), "a slot is opened once");
        self.readers[slot as usize] = Some(Reader::new(class));
    }

    /// A recipient goes, whatever it has not read.
    pub fn close(&mut self, slot: u32) {
        let Some(reader) = self.readers.get(slot as usize).and_then(Option::as_ref) else {
            return;
        };
        for place in reader.places() {
            let sub = &self.reader(slot).subs[place as usize];
            let (stream, member, live, reads) = (sub.stream, sub.member, sub.end == ENDLESS, sub.pos < sub.end);
            let pos = sub.pos;
            if reads {
                self.stream_mut(stream).leave(pos);
            }
            if live {
                self.stream_mut(stream).live -= 1;
            }
            self.remove_member(stream, member);
        }
        if let Some(reader) = self.readers[slot as usize].take() {
            if let Some(private) = reader.private {
                self.private_bytes -= private.len();
                self.keep_private(private);
            }
            if reader.fell {
                self.falls.retain(|fall| fall.slot != slot);
            }
        }
    }

    /// A recipient's class is another from now on: it hears what was told before in the old one.
    pub fn set_class(&mut self, slot: u32, class: Class) {
        if self.reader(slot).class == class {
            return;
        }
        self.reader_mut(slot).class = class;
        for place in self.reader(slot).places() {
            let sub = &self.reader(slot).subs[place as usize];
            if sub.end == ENDLESS {
                let list = sub.list;
                self.end_sub(slot, place);
                self.subscribe(list, slot);
            }
        }
    }

    /// Puts a recipient on a list: it hears what is told from here on. Being on it already changes nothing.
    pub fn enlist(&mut self, list: ListId, slot: u32) {
        if self.reader(slot).live_on(list.0).is_none() {
            self.subscribe(list.0, slot);
        }
    }

    /// Takes a recipient off a list: it still hears all that was told until here. Says whether it had fallen, and nobody knows yet: that is not reported any more.
    pub fn delist(&mut self, list: ListId, slot: u32) -> bool {
        for place in self.reader(slot).places() {
            let sub = &self.reader(slot).subs[place as usize];
            if sub.list == list.0 {
                self.release(slot, place);
            }
        }
        let falls = self.falls.len();
        if self.reader(slot).fell {
            self.falls.retain(|fall| (fall.slot, fall.list) != (slot, list));
        }
        self.falls.len() < falls
    }

    /// Takes a recipient off all lists, and has it flushed even if it has read everything: its end is near.
    pub fn delist_all(&mut self, slot: u32) {
        for place in self.reader(slot).places() {
            self.release(slot, place);
        }
        self.mark_dirty(slot);
    }

    /// What class a recipient is of.
    pub fn class(&self, slot: u32) -> Class {
        self.reader(slot).class
    }

    /// Takes everyone off a list: they still hear all that was told until here.
    pub fn disband(&mut self, list: ListId) {
        self.falls.retain(|fall| fall.list != list);
        let Some(streams) = self.lists.get(list.0 as usize).cloned() else {
            return;
        };
        self.lists[list.0 as usize].clear();
        for id in streams {
            self.stream_mut(id).list = NO_LIST;
            // From the back, because a member that has read everything goes, and the last one takes its place.
            for i in (0..self.stream(id).members.len()).rev() {
                let member = self.stream(id).members[i];
                self.release(member.slot, member.sub);
            }
        }
    }

    /// How many hear what is told to a list.
    pub fn recipients(&self, list: ListId) -> u64 {
        let streams = self.lists.get(list.0 as usize);
        streams.map_or(0, |streams| streams.iter().map(|&id| u64::from(self.stream(id).live)).sum())
    }

    /// Tells a list the message of a place. `encode` is asked once for each class present; what it leaves empty is not told. Returns how many will hear it.
    pub fn tell_all(&mut self, list: ListId, place: Option<u64>, skip: Option<u32>, mut encode: impl FnMut(Class, &mut Vec<u8>)) -> u64 {
        self.clock += 1;
        let skip = skip.and_then(|slot| self.readers[slot as usize].as_ref()?.live_on(list.0).map(|place| (slot, place)));
        let mut bytes = std::mem::take(&mut self.scratch);
        let mut heard = 0;
        for i in 0..self.lists.get(list.0 as usize).map_or(0, SmallVec::len) {
            let id = self.lists[list.0 as usize][i];
            if self.stream(id).live == 0 {
                continue;
            }
            bytes.clear();
            encode(self.stream(id).class, &mut bytes);
            if !bytes.is_empty() {
                heard += self.append(id, &bytes, place, skip);
            }
        }
        self.make_room();
        bytes.shrink_to(pool::LARGE);
        self.scratch = bytes;
        heard
    }

    /// Tells one recipient, after all it was told until now.
    pub fn tell(&mut self, slot: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let stamp = self.clock;
        self.private(slot).push(bytes, stamp);
        self.private_bytes += bytes.len();
        self.mark_dirty(slot);
    }

    /// Passes over the members of the lists that were told something, so that the next flush knows of it. Once a turn.
    pub fn spread(&mut self) {
        for id in std::mem::take(&mut self.told) {
            let Some(stream) = &mut self.streams[id as usize] else {
                continue;
            };
            stream.dirty = false;
            for &Member { slot, sub } in &stream.members {
                let reader = self.readers[slot as usize].as_mut().expect("a member is a reader");
                reader.link(sub);
                if !reader.dirty && !reader.blocked {
                    reader.dirty = true;
                    self.dirty.push(slot);
                }
            }
        }
    }

    /// Moves the recipients that have something to flush into `out`.
    pub fn take_dirty(&mut self, out: &mut Vec<u32>) {
        out.clear();
        std::mem::swap(out, &mut self.dirty);
    }

    /// Whether there is something to spread or to flush.
    pub fn is_dirty(&self) -> bool {
        !self.told.is_empty() || !self.dirty.is_empty()
    }

    /// A recipient takes no more for now, even if it took all that it was offered: that is still on its way. It is flushed again when [`Fanout::unblock`] says so.
    pub fn block(&mut self, slot: u32) {
        let reader = self.reader_mut(slot);
        (reader.blocked, reader.owing) = (true, true);
    }

    /// Has a recipient flushed even if there is nothing for it to hear: something else waits for its socket.
    pub fn nudge(&mut self, slot: u32) {
        self.mark_dirty(slot);
    }

    /// A recipient takes bytes again.
    pub fn unblock(&mut self, slot: u32) {
        let reader = self.reader_mut(slot);
        let owing = std::mem::take(&mut reader.owing);
        if std::mem::take(&mut reader.blocked) && (owing || !reader.is_idle()) {
            self.mark_dirty(slot);
        }
    }

    /// Moves out who fell off which list.
    pub fn take_falls(&mut self, out: &mut Vec<Fall>) {
        for fall in self.falls.drain(..) {
            let reader = self.readers[fall.slot as usize].as_mut().expect("who closes is taken out");
            reader.fell = false;
            out.push(fall);
        }
    }

    /// Whether a recipient has taken all that it alone was told, and takes more.
    pub fn has_room(&self, slot: u32) -> bool {
        let reader = self.reader(slot);
        !reader.blocked && reader.private.is_none()
    }

    /// What a recipient has not read: bytes, and messages of lists among them.
    pub fn lag(&self, slot: u32) -> (u64, u64) {
        let mut lag = (self.private_len(slot) as u64, 0);
        for place in self.reader(slot).places() {
            let sub = &self.reader(slot).subs[place as usize];
            let end = sub.end.min(self.stream(sub.stream).end());
            lag = (lag.0 + (end - sub.pos), lag.1 + self.unread(slot, place, sub.pos));
        }
        lag
    }

    /// How many messages a subscription has yet to hear from a position on.
    fn unread(&self, slot: u32, place: u32, from: u64) -> u64 {
        let sub = &self.reader(slot).subs[place as usize];
        let stream = self.stream(sub.stream);
        let to = sub.end.min(stream.end());
        let skips = sub.skips.iter().flat_map(|skips| skips.iter());
        let skipped: u64 = skips.map(|skip| stream.count(skip.0.max(from), skip.1.min(to))).sum();
        stream.count(from, to).saturating_sub(skipped)
    }

    /// Bytes that wait for one recipient alone.
    pub fn private_len(&self, slot: u32) -> usize {
        self.reader(slot).private.as_ref().map_or(0, |private| private.len())
    }

    /// How many separate stretches a recipient leaves out.
    pub fn skips_len(&self, slot: u32) -> usize {
        self.reader(slot).subs.iter().map(Sub::skips_len).max().unwrap_or(0)
    }

    /// Whether a recipient has read everything. Holds after a spread.
    pub fn is_idle(&self, slot: u32) -> bool {
        self.reader(slot).is_idle()
    }

    /// Bytes of memory in blocks, and bytes of private output.
    pub fn held(&self) -> (usize, usize) {
        (self.pool.held(), self.private_bytes)
    }

    fn append(&mut self, id: u32, bytes: &[u8], place: Option<u64>, skip: Option<(u32, u32)>) -> u64 {
        let stream = self.streams[id as usize].as_mut().expect("a list's streams are there");
        let start = stream.end();
        stream.append(bytes, self.clock, place.unwrap_or(0), &mut self.pool);
        if !stream.dirty {
            stream.dirty = true;
            self.told.push(id);
        }
        let mut heard = u64::from(stream.live);
        let end = stream.end();
        if stream.held() > self.retention.stream_max && stream.blocks_len() > 1 {
            self.large.push(id);
        }
        if let Some((slot, place)) = skip.filter(|&(slot, place)| self.reader(slot).subs[place as usize].stream == id) {
            heard -= 1;
            if self.reader(slot).subs[place as usize].pos == start {
                self.go(slot, place, end);
            } else {
                self.reader_mut(slot).subs[place as usize].skip(start, end);
            }
        }
        heard
    }

    /// After something was told: a stream that holds too much, and all of them together, let go of what is oldest.
    fn make_room(&mut self) {
        while let Some(id) = self.large.pop() {
            let too_much = |stream: &Stream, max| stream.held() > max && stream.blocks_len() > 1;
            if self.streams[id as usize].as_ref().is_some_and(|stream| too_much(stream, self.retention.stream_max)) {
                self.evict(id);
            }
        }
        if self.pool.held() > self.retention.total_max {
            self.evict_oldest();
        }
    }

    /// Lets the oldest blocks of all go until there is some room again, so that this is not needed for every message.
    fn evict_oldest(&mut self) {
        let streams = self.streams.iter().enumerate();
        let mut oldest: Vec<(u64, u32)> = streams.filter_map(|(id, stream)| Some((stream.as_ref()?.oldest()?, id as u32))).collect();
        oldest.sort_unstable();
        let wanted = self.retention.total_max / 16 * 15;
        for (_, id) in oldest {
            if self.pool.held() <= wanted {
                return;
            }
            self.evict(id);
        }
    }

    /// Lets the oldest block of a stream go; whoever was in it is off the list.
    fn evict(&mut self, id: u32) {
        let Some(block) = self.streams[id as usize].as_mut().and_then(Stream::pop_front) else {
            return;
        };
        let mut fallen: SmallVec<[Fall; 4]> = SmallVec::new();
        for i in 0..self.stream(id).members.len() {
            let Member { slot, sub: place } = self.stream(id).members[i];
            let sub = &self.reader(slot).subs[place as usize];
            let (list, pos, end) = (sub.list, sub.pos, sub.end);
            if pos >= block.end().min(end) {
                continue;
            }
            let boundary = block.message_end(pos).unwrap_or(pos);
            if boundary > pos {
                self.private(slot).push_front(block.bytes(pos, boundary));
                self.private_bytes += (boundary - pos) as usize;
            }
            let until = block.end().min(end);
            let sub = &self.reader(slot).subs[place as usize];
            let skips = sub.skips.iter().flat_map(|skips| skips.iter());
            let skipped: u64 = skips.map(|&(from, to)| block.count(from.max(boundary), to.min(until))).sum();
            let mut lost = block.count(boundary, until) - skipped;
            if lost == 0 || list == NO_LIST {
                self.reader_mut(slot).subs[place as usize].set(until);
                let pos = self.reader(slot).subs[place as usize].pos;
                if pos < end {
                    self.stream_mut(id).enter(pos);
                }
                continue;
            }
            // What is behind this block would come too early, too. It is counted nowhere from here on, and ends where it stands.
            lost += self.unread(slot, place, until);
            self.stream_mut(id).live -= u32::from(end == ENDLESS);
            let sub = &mut self.reader_mut(slot).subs[place as usize];
            (sub.pos, sub.end, sub.skips) = (boundary, boundary, None);
            fallen.push(Fall { slot, list: ListId(list), next: block.place_at(boundary), lost });
        }
        self.pool.give(block.into_buffer());
        self.trim(id);
        fallen.into_iter().for_each(|fall| self.fell(fall));
    }

    /// A recipient is off a list without having read on to where the list is now.
    fn fell(&mut self, fall: Fall) {
        let Fall { slot, list, mut next, mut lost } = fall;
        for place in self.reader(slot).places() {
            let sub = &self.reader(slot).subs[place as usize];
            let (id, pos, end) = (sub.stream, sub.pos, sub.end);
            if sub.list != list.0 {
                continue;
            }
            let mut boundary = pos;
            if pos < end {
                // Of another class: what was told before theirs changed, or after.
                if let Some(message_end) = self.stream(id).message_end(pos) {
                    let begun = self.stream(id).piece(pos, message_end).to_vec();
                    self.private_bytes += begun.len();
                    self.private(slot).push_front(&begun);
                    boundary = message_end;
                }
                let unread = self.unread(slot, place, boundary);
                if unread > 0 {
                    lost += unread;
                    next = next.min(self.stream(id).place_at(boundary));
                }
                let stream = self.stream_mut(id);
                stream.live -= u32::from(end == ENDLESS);
                stream.leave(pos);
            }
            let sub = &mut self.reader_mut(slot).subs[place as usize];
            (sub.list, sub.pos, sub.end, sub.skips) = (NO_LIST, boundary, boundary, None);
            if !sub.is_linked() {
                self.remove_sub(slot, place); // else the next flush does
            } else {
                self.trim(id);
            }
        }
        self.reader_mut(slot).fell = true;
        match self.falls.iter_mut().find(|other| (other.slot, other.list) == (slot, list)) {
            Some(other) => (other.next, other.lost) = (other.next.min(next), other.lost + lost),
            None => self.falls.push(Fall { slot, list, next, lost }),
        }
    }

    /// A subscription goes to a position.
    fn go(&mut self, slot: u32, place: u32, pos: u64) {
        let reader = self.readers[slot as usize].as_mut().expect("the reader is there");
        let sub = &mut reader.subs[place as usize];
        let stream = self.streams[sub.stream as usize].as_mut().expect("a stream lives as long as its members");
        stream.leave(sub.pos);
        sub.set(pos);
        if sub.pos < sub.end {
            stream.enter(sub.pos);
        }
        stream.trim(&mut self.pool);
    }

    fn trim(&mut self, id: u32) {
        if let Some(stream) = &mut self.streams[id as usize] {
            stream.trim(&mut self.pool);
        }
    }

    fn subscribe(&mut self, list: u32, slot: u32) {
        let class = self.reader(slot).class;
        let id = self.stream_for(list, class);
        let stream = self.streams[id as usize].as_mut().expect("it was just made sure of");
        let (pos, member) = (stream.end(), stream.members.len() as u32);
        stream.enter(pos);
        stream.live += 1;
        let reader = self.readers[slot as usize].as_mut().expect("a recipient is open");
        let sub = reader.insert(Sub { list, stream: id, pos, end: ENDLESS, member, next: UNLINKED, skips: None });
        stream.members.push(Member { slot, sub });
    }

    fn stream_for(&mut self, list: u32, class: Class) -> u32 {
        if self.lists.len() <= list as usize {
            self.lists.resize_with(list as usize + 1, SmallVec::new);
        }
        if let Some(&id) = self.lists[list as usize].iter().find(|&&id| self.stream(id).class == class) {
            return id;
        }
        let stream = Some(Stream::new(list, class));
        let id = match self.streams_free.pop() {
            Some(id) => {
                self.streams[id as usize] = stream;
                id
            }
            None => {
                self.streams.push(stream);
                self.streams.len() as u32 - 1
            }
        };
        self.lists[list as usize].push(id);
        id
    }

    /// A subscription does not belong to its list any more; it reads on to where the list is now.
    fn release(&mut self, slot: u32, place: u32) {
        let sub = &mut self.reader_mut(slot).subs[place as usize];
        let live = sub.end == ENDLESS;
        sub.list = NO_LIST;
        if live {
            self.end_sub(slot, place);
        }
    }

    /// A live subscription reads on to where its stream is now, and no further.
    fn end_sub(&mut self, slot: u32, place: u32) {
        let reader = self.readers[slot as usize].as_mut().expect("the reader is there");
        let sub = &mut reader.subs[place as usize];
        let id = sub.stream;
        let stream = self.streams[id as usize].as_mut().expect("a stream lives as long as its members");
        stream.live -= 1;
        sub.end = stream.end();
        if sub.pos < sub.end {
            // It is served before whatever the recipient subscribes to next.
            reader.link(place);
            self.mark_dirty(slot);
            return;
        }
        stream.leave(sub.pos);
        if !sub.is_linked() {
            self.remove_sub(slot, place); // else the next flush does
        }
    }

    /// A subscription that is in no chain and counted nowhere goes.
    fn remove_sub(&mut self, slot: u32, place: u32) {
        let sub = &self.reader(slot).subs[place as usize];
        let (stream, member) = (sub.stream, sub.member);
        self.remove_member(stream, member);
        self.reader_mut(slot).remove(place);
    }

    fn remove_member(&mut self, id: u32, member: u32) {
        let stream = self.stream_mut(id);
        stream.members.swap_remove(member as usize);
        let (list, moved, empty) = (stream.list, stream.members.get(member as usize).copied(), stream.members.is_empty());
        if let Some(moved) = moved {
            self.reader_mut(moved.slot).subs[moved.sub as usize].member = member;
        }
        self.trim(id);
        if empty {
            if list != NO_LIST {
                self.lists[list as usize].retain(|other| *other != id);
            }
            self.streams[id as usize] = None;
            self.streams_free.push(id);
        }
    }

    fn mark_dirty(&mut self, slot: u32) {
        let reader = self.reader_mut(slot);
        if !reader.dirty && !reader.blocked {
            reader.dirty = true;
            self.dirty.push(slot);
        }
    }

    fn private(&mut self, slot: u32) -> &mut Private {
        let reader = self.readers[slot as usize].as_mut().expect("a recipient is open");
        reader.private.get_or_insert_with(|| self.privates.pop().unwrap_or_default())
    }

    fn keep_private(&mut self, mut private: Box<Private>) {
        if self.privates.len() < PRIVATES_KEPT_MAX && private.capacity() <= PRIVATE_KEPT_BYTES_MAX {
            private.clear();
            self.privates.push(private);
        }
    }

    fn reader(&self, slot: u32) -> &Reader {
        self.readers[slot as usize].as_ref().expect("a recipient is open")
    }

    fn reader_mut(&mut self, slot: u32) -> &mut Reader {
        self.readers[slot as usize].as_mut().expect("a recipient is open")
    }

    fn stream(&self, id: u32) -> &Stream {
        self.streams[id as usize].as_ref().expect("a stream lives as long as its members")
    }

    fn stream_mut(&mut self, id: u32) -> &mut Stream {
        self.streams[id as usize].as_mut().expect("a stream lives as long as its members")
    }
}

/// Buffers of private output kept for the next ones who need one.
const PRIVATES_KEPT_MAX: usize = 64;
const PRIVATE_KEPT_BYTES_MAX: usize = 16 * 1024;
