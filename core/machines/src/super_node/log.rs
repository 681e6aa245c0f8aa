//! The last entries of a group, without holes.
//!
//! Bounded by entries and by bytes of text; the oldest go first, and whoever asks for them is told that they are gone.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::{Content, Entry};

/// A window on a group's history that ends with the newest entry.
#[derive(Clone, Debug)]
pub struct Log {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    entries_max: usize,
    bytes_max: usize,
}

/// What a log holds after some place.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The entries, oldest first.
    pub entries: Vec<Arc<Entry>>,
    /// Some that should be among them are not known any more.
    pub lost: bool,
}

impl Log {
    /// An empty one with its bounds.
    pub fn new(entries_max: usize, bytes_max: usize) -> Log {
        Log { entries: VecDeque::new(), bytes: 0, entries_max, bytes_max }
    }

    /// Nothing, within the same bounds.
    pub fn emptied(&self) -> Log {
        Log::new(self.entries_max, self.bytes_max)
    }

    /// Appends. The entry's seq must follow the last one's.
    pub fn push(&mut self, entry: Arc<Entry>) {
        if let Some(last) = self.entries.back() {
            assert_eq!(entry.seq, last.seq + 1, "a log has no holes");
        }
        self.bytes += weight(&entry);
        self.entries.push_back(entry);
        while self.entries.len() > self.entries_max || (self.bytes > self.bytes_max && self.entries.len() > 1) {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= weight(&oldest);
            }
        }
    }

    /// The seq of the newest entry.
    pub fn newest(&self) -> Option<u64> {
        self.entries.back().map(|entry| entry.seq)
    }

    /// What came after `seq`, up to the newest entry, whose seq is `newest`.
    pub fn since(&self, seq: u64, newest: u64) -> Since {
        let wanted = newest.saturating_sub(seq) as usize;
        let held = wanted.min(self.entries.len());
        let entries = self.entries.iter().skip(self.entries.len() - held).cloned().collect();
        Since { entries, lost: held < wanted }
    }

    /// The entry of this place, if it is still here.
    pub fn at(&self, seq: u64) -> Option<&Arc<Entry>> {
        let oldest = self.entries.front()?.seq;
        self.entries.get(usize::try_from(seq.checked_sub(oldest)?).ok()?)
    }

    /// Entries behind this place, oldest first, as far as they are here.
    pub fn behind(&self, seq: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let oldest = self.entries.front().map_or(0, |entry| entry.seq);
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        self.entries.iter().skip(skip)
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// What an entry costs to keep, roughly.
pub(crate) fn weight(entry: &Entry) -> usize {
    let text = match &entry.content {
        Content::Message { text, .. } | Content::Topic { text } | Content::Away { text } => text.len(),
        Content::Part { reason } | Content::Close { reason } | Content::Kick { reason, .. } => reason.len(),
        _ => 0,
    };
    text + size_of::<Entry>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Person, SayKind};
    use crate::ids::{EntryId, Term};
    use crate::names::Nick;
    use crate::time::Time;

    fn entry(seq: u64) -> Arc<Entry> {
        let text = || "".into();
        let sender = Person { nick: Nick::new("joe").unwrap(), user: text(), host: text(), account: text(), real: text() };
        let content = Content::Message { kind: SayKind::Message, text: "x".into() };
        Arc::new(Entry { seq, term: Term::default(), id: EntryId::default(), time: Time(0), sender: Arc::new(sender), content })
    }

    #[track_caller]
    fn check(pushed: u64, since: u64, seqs: &[u64], lost: bool) {
        let mut log = Log::new(3, 10_000);
        (1..=pushed).for_each(|seq| log.push(entry(seq)));
        let got = log.since(since, pushed);
        assert_eq!((got.entries.iter().map(|e| e.seq).collect::<Vec<_>>(), got.lost), (seqs.to_vec(), lost));
    }

    #[test]
    fn since() {
        check(0, 0, &[], false);
        check(2, 0, &[1, 2], false);
        check(2, 2, &[], false);
        check(5, 2, &[3, 4, 5], false);
        check(5, 1, &[3, 4, 5], true);
        check(5, 9, &[], false);
    }
}
