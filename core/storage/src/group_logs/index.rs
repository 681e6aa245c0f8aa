//! What the file holds of each group, but for the contents: enough to write without reading.
//!
//! Costs about 100 bytes a group and 24 a row of its log. Every change can be taken back until the next [`Index::begin`], for a transaction that fails.

use std::collections::{BTreeMap, VecDeque};

use chatring_machines::Time;
use chatring_machines::ids::Birth;
use chatring_machines::names::GroupName;

/// A row of a group's log. It begins behind the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chunk {
    pub row: i64,
    pub last: u64,
    /// Of its last entry.
    pub time: Time,
}

/// A group in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    pub id: i64,
    /// The image's life and place.
    pub image: Option<(Birth, u64)>,
    /// The first entry of the first chunk.
    pub from: u64,
    pub chunks: VecDeque<Chunk>,
}

impl Known {
    pub fn image_seq(&self) -> u64 {
        self.image.map_or(0, |(_, seq)| seq)
    }

    pub fn newest(&self) -> Option<u64> {
        self.chunks.back().map(|chunk| chunk.last)
    }

    /// Where the newest chunk begins.
    pub fn last_begins(&self) -> u64 {
        let before = self.chunks.len().checked_sub(2);
        before.map_or(self.from, |before| self.chunks[before].last + 1)
    }
}

#[derive(Debug, Default)]
pub(super) struct Index {
    groups: BTreeMap<GroupName, Known>,
    undo: Vec<Undo>,
}

/// What brings back what was before a change.
#[derive(Debug)]
enum Undo {
    Forget(GroupName),
    Restore(GroupName, Known),
    Image(GroupName, Option<(Birth, u64)>),
    PopBack(GroupName),
    PushBack(GroupName, Chunk),
    PushFront(GroupName, Chunk),
    From(GroupName, u64),
}

impl Index {
    pub fn new(groups: BTreeMap<GroupName, Known>) -> Index {
        Index { groups, undo: Vec::new() }
    }

    /// From here on changes may be taken back.
    pub fn begin(&mut self) {
        self.undo.clear();
    }

    /// Takes back all changes since [`Index::begin`].
    pub fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Forget(group) => drop(self.groups.remove(&group)),
                Undo::Restore(group, known) => drop(self.groups.insert(group, known)),
                Undo::Image(group, image) => self.known(&group).image = image,
                Undo::PopBack(group) => drop(self.known(&group).chunks.pop_back()),
                Undo::PushBack(group, chunk) => self.known(&group).chunks.push_back(chunk),
                Undo::PushFront(group, chunk) => self.known(&group).chunks.push_front(chunk),
                Undo::From(group, from) => self.known(&group).from = from,
            }
        }
    }

    fn known(&mut self, group: &GroupName) -> &mut Known {
        self.groups.get_mut(group).expect("a group that is changed was added before")
    }

    pub fn of(&self, group: &GroupName) -> Option<&Known> {
        self.groups.get(group)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, &Known)> {
        self.groups.iter()
    }

    pub fn add(&mut self, group: &GroupName, id: i64) {
        self.groups.insert(group.clone(), Known { id, ..Known::default() });
        self.undo.push(Undo::Forget(group.clone()));
    }

    pub fn remove(&mut self, group: &GroupName) {
        if let Some(known) = self.groups.remove(group) {
            self.undo.push(Undo::Restore(group.clone(), known));
        }
    }

    pub fn set_image(&mut self, group: &GroupName, birth: Birth, seq: u64) {
        let before = self.known(group).image.replace((birth, seq));
        self.undo.push(Undo::Image(group.clone(), before));
    }

    pub fn set_from(&mut self, group: &GroupName, from: u64) {
        let before = std::mem::replace(&mut self.known(group).from, from);
        self.undo.push(Undo::From(group.clone(), before));
    }

    pub fn push(&mut self, group: &GroupName, chunk: Chunk) {
        self.known(group).chunks.push_back(chunk);
        self.undo.push(Undo::PopBack(group.clone()));
    }

    pub fn pop(&mut self, group: &GroupName) {
        if let Some(chunk) = self.known(group).chunks.pop_back() {
            self.undo.push(Undo::PushBack(group.clone(), chunk));
        }
    }

    /// Takes the oldest chunk away: what follows it is where the log begins.
    pub fn pop_front(&mut self, group: &GroupName) {
        let known = self.known(group);
        if let Some(chunk) = known.chunks.pop_front() {
            let from = std::mem::replace(&mut known.from, chunk.last + 1);
            self.undo.extend([Undo::From(group.clone(), from), Undo::PushFront(group.clone(), chunk)]);
        }
    }
}
