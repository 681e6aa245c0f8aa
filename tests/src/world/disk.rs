//! What a process has on its disk: synced, or on the way there.
//!
//! Whoever asked for a write is told once it is synced, and writes are synced in the order they were asked for. A process that is killed loses none of what is synced, and of the rest
//! some beginning may be there all the same, though nobody was told. The disk belongs to the place, not to the life of the process: what is synced outlives it.

use std::collections::VecDeque;

use chatring_machines::time::Jitter;

/// A disk for records of one kind. The directory's holds its changes; what super nodes keep has its place here, too.
#[derive(Debug)]
pub struct Disk<T> {
    pending: VecDeque<T>,
    /// Each write takes so much longer, in milliseconds.
    pub slow_ms: u64,
    /// The next sync fails, and with it the process.
    pub failing: bool,
    /// After so many more syncs the process ends, before it is told of the last one; 0: it does not.
    pub tears_after: u64,
}

impl<T> Disk<T> {
    /// In good order, with nothing on its way.
    pub fn new() -> Disk<T> {
        Disk { pending: VecDeque::new(), slow_ms: 0, failing: false, tears_after: 0 }
    }

    /// Something is to be written.
    pub fn write(&mut self, record: T) {
        self.pending.push_back(record);
    }

    /// One more write is synced. Whether the process ends right after it.
    pub fn tears(&mut self) -> bool {
        let torn = self.tears_after == 1;
        self.tears_after = self.tears_after.saturating_sub(1);
        torn
    }

    /// The oldest write is synced now; `None` when it fails, or when there is none.
    pub fn sync(&mut self) -> Option<T> {
        if self.failing { None } else { self.pending.pop_front() }
    }

    /// The process is gone: what reached the disk nevertheless, in order. Whoever replaces the process replaces a failing disk, too.
    pub fn crash(&mut self, rng: &mut Jitter) -> Vec<T> {
        let kept = if self.pending.is_empty() { 0 } else { rng.below(self.pending.len() as u64 + 1) as usize };
        let kept = self.pending.drain(..).take(kept).collect();
        (self.failing, self.tears_after) = (false, 0);
        kept
    }
}

impl<T> Default for Disk<T> {
    fn default() -> Disk<T> {
        Disk::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_not_synced_a_beginning_may_remain() {
        let rng = &mut Jitter::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let mut disk = Disk::new();
            (0..4).for_each(|n| disk.write(n));
            assert_eq!(disk.sync(), Some(0));
            seen.insert(disk.crash(rng));
            assert_eq!(disk.sync(), None);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [vec![], vec![1], vec![1, 2], vec![1, 2, 3]]);
    }

    #[test]
    fn a_process_ends_between_two_writes() {
        let mut disk = Disk::new();
        disk.tears_after = 2;
        let mut synced = Vec::new();
        (0..3).for_each(|n| disk.write(n));
        while let Some(write) = disk.sync() {
            synced.push(write);
            if disk.tears() {
                break;
            }
        }
        assert_eq!(synced, [0, 1]);
    }

    #[test]
    fn a_failing_disk_syncs_nothing_until_it_is_replaced() {
        let mut disk = Disk::new();
        disk.failing = true;
        disk.write(1);
        assert_eq!(disk.sync(), None);
        disk.crash(&mut Jitter::new(1));
        disk.write(2);
        assert_eq!(disk.sync(), Some(2));
    }
}
