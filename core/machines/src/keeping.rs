//! What a super node keeps of its groups on disk: what is said to the driver about it, and what comes back at a start.
//!
//! A machine tells what is new of a copy by [`Effect::Keep`](crate::Effect::Keep): now and then the whole state as an [`Image`], in between the entries that follow it, and
//! what the copy may claim as its [`Standing`]. Nothing is read back while the node runs; at a start each copy comes as a [`KeptGroup`]: an image and the log around it.
//!
//! Rules, the same on disk and in [`MemoryKeeper`]. An image of another birth clears the log; one of the same birth cuts what lies behind its seq, and what lies before
//! its `log_from`. Entries follow the newest kept, or replace all from their first place on. A log that ends before its image, because a copy was cut off on its way, is left out.
//! A hole behind an image is a broken invariant of ours.
//!
//! **When the disk fails**, keeping goes on in memory up to a bound, [`Input::DiskTrouble`](crate::Input::DiskTrouble) is said once, and no ticket is answered. Past the bound what is to be kept of a group is dropped,
//! and with it all that follows for that group, until an image makes a new beginning: so the file never has a hole. [`Input::DiskWell`](crate::Input::DiskWell) names those groups: their tickets are void, their images are due.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::entry::{Entry, MemberRow, Rank};
use crate::ids::{Birth, SessionId, Term, Ticket};
use crate::machine::StoreError;
use crate::names::{GroupName, NodeKey};
use crate::peer::{CopyHead, Counted};
use crate::super_node::log::weight;
use crate::time::Time;
use crate::wire_struct;

/// How a super node keeps its groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The standby's copy is what an acknowledgement waits for; the disk has it soon after.
    #[default]
    Replicated,
    /// An acknowledgement waits for the disk, too.
    Disk,
    /// There is no file.
    Memory,
}

impl Durability {
    /// All there are.
    pub const ALL: [Durability; 3] = [Durability::Replicated, Durability::Disk, Durability::Memory];

    /// Its word in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Replicated => "replicated",
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        }
    }
}

wire_struct! {
    /// A copy's whole state but for its log, as of `head.seq`.
    pub struct Image {
        /// Which life of the group.
        birth: Birth,
        /// Who assigned the last place.
        term: Term,
        /// Settings and the like.
        head: CopyHead,
        /// Who is in it.
        members: Vec<(MemberRow, Rank)>,
        /// What is known of what sessions said.
        counters: Vec<(SessionId, Counted)>,
    }
}

wire_struct! {
    /// What a copy may claim: see [`Claim`](crate::peer::Claim).
    #[derive(Default, Eq)]
    pub struct Standing {
        /// Since which term nothing is acknowledged without the holder; 0.0: never was.
        marked: Term,
        /// Of whom else that is true, the holder included.
        members: Vec<NodeKey>,
        /// Nothing of a lower term is taken from anyone.
        promised: Term,
        /// To whom it was promised since it was marked, and from which term on.
        given: Vec<(NodeKey, Term)>,
        /// Nothing the holder ever acknowledged is missing. Read back, it is so only if the machine said so, and either the process ended in order or an acknowledgement waited for the disk.
        whole: bool,
    }
}

/// What is new of a copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// All of it. Due when the copy begins, when it is not a continuation of what was kept, and when [`image_is_due`].
    Image(Box<Image>),
    /// Its next entries, without holes.
    Entries(Vec<Arc<Entry>>),
    /// What it may claim.
    Standing(Standing),
    /// There is none any more.
    Drop,
}

/// One thing to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Keeping {
    /// Answered by [`Input::Kept`](crate::Input::Kept) where someone waits for it.
    pub ticket: Option<Ticket>,
    /// Of which group.
    pub group: GroupName,
    /// What.
    pub what: Keep,
}

/// A copy as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptGroup {
    /// Of which group.
    pub group: GroupName,
    /// Its state, as of `image.head.seq`.
    pub image: Image,
    /// The end of its log, without holes: some entries up to the image, then those that are to be applied to it.
    pub entries: Vec<Arc<Entry>>,
    /// What it may claim.
    pub standing: Standing,
}

impl KeptGroup {
    /// The entries the image does not have yet.
    pub fn tail(&self) -> &[Arc<Entry>] {
        let behind = self.entries.partition_point(|entry| entry.seq <= self.image.head.seq);
        &self.entries[behind..]
    }
}

/// Entries after which an image is due at the earliest.
pub const IMAGE_EVERY: u64 = 256;
/// Entries for each row of an image: writing one costs about as much as writing an entry, so images take a quarter of what entries do.
const ENTRIES_A_ROW: u64 = 4;

/// Whether a new image is due, so many entries after the last one, of a copy with so many members and counters. A start has no more to apply than that.
pub fn image_is_due(entries: u64, rows: usize) -> bool {
    entries >= IMAGE_EVERY.max(ENTRIES_A_ROW * rows as u64)
}

impl Keep {
    /// What it costs to hold, roughly, in bytes.
    pub fn weight(&self) -> usize {
        const ROW: usize = 256;
        match self {
            Keep::Image(image) => ROW * (1 + image.members.len() + image.counters.len() + image.head.settings.bans.len()),
            Keep::Entries(entries) => entries.iter().map(|entry| weight(entry)).sum(),
            Keep::Standing(_) | Keep::Drop => ROW,
        }
    }
}

/// Where a super node's groups are kept. A driver runs it on a thread of its own.
pub trait Keeper: Send {
    /// Writes all of these, in order, together or not at all, as safely as its [`Durability`] says. After an error the same are given again.
    fn keep(&mut self, batch: &[Keeping]) -> Result<(), StoreError>;
    /// Called about once a second: some housekeeping, at most so much as can be waited for. Whether there is more to do.
    fn tidy(&mut self, now: Time) -> Result<bool, StoreError>;
    /// The end, in order: all there was to keep was given.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// What a [`Keeper`] does, in memory: the simulator's disk, and the model that the one on disk is compared with.
///
/// What was given is pending until [`sync`](MemoryKeeper::sync). A crash keeps some of what is pending, but never something without all that came before it.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeeper {
    durability: Durability,
    synced: BTreeMap<GroupName, Copy>,
    pending: VecDeque<Keeping>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Copy {
    image: Option<Image>,
    entries: Vec<Arc<Entry>>,
    standing: Standing,
}

impl MemoryKeeper {
    /// An empty disk.
    pub fn new(durability: Durability) -> MemoryKeeper {
        MemoryKeeper { durability, ..MemoryKeeper::default() }
    }

    /// Takes something to keep.
    pub fn keep(&mut self, keeping: Keeping) {
        self.pending.push_back(keeping);
    }

    /// How much is pending.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Makes all durable that is pending, and gives the tickets that are to be answered, in order.
    pub fn sync(&mut self) -> Vec<Ticket> {
        let tickets = self.pending.iter().filter_map(|keeping| keeping.ticket).collect();
        self.write(self.pending.len());
        tickets
    }

    /// The process ends with no warning. Of what was pending, the first so many are on the disk.
    pub fn crash(&mut self, survive: usize) {
        self.write(survive.min(self.pending.len()));
        self.pending.clear();
        match self.durability {
            Durability::Disk => {}
            Durability::Replicated => self.synced.values_mut().for_each(|copy| copy.standing.whole = false),
            Durability::Memory => self.synced.clear(),
        }
    }

    /// The process ends in order.
    pub fn close(&mut self) {
        self.write(self.pending.len());
        if self.durability == Durability::Memory {
            self.synced.clear();
        }
    }

    /// What a process that starts finds, ordered by name.
    pub fn load(&self) -> Vec<KeptGroup> {
        self.synced.iter().filter_map(|(group, copy)| copy.kept(group)).collect()
    }

    fn write(&mut self, count: usize) {
        for Keeping { group, what, .. } in self.pending.drain(..count) {
            match what {
                Keep::Drop => drop(self.synced.remove(&group)),
                what => self.synced.entry(group).or_default().take(what),
            }
        }
    }
}

impl Copy {
    fn take(&mut self, what: Keep) {
        match what {
            Keep::Image(image) => {
                if self.image.as_ref().is_some_and(|known| known.birth != image.birth) {
                    self.entries.clear();
                }
                self.entries.retain(|entry| (image.head.log_from..=image.head.seq).contains(&entry.seq));
                self.image = Some(*image);
            }
            Keep::Entries(entries) => {
                let Some(first) = entries.first().map(|entry| entry.seq) else { return };
                let image = self.image.as_ref().map_or(0, |image| image.head.seq);
                match place(first, image, self.entries.last().map(|entry| entry.seq)) {
                    Place::Follows => {}
                    Place::Replaces => self.entries.retain(|entry| entry.seq < first),
                    Place::Afresh => self.entries.clear(),
                }
                self.entries.extend(entries);
            }
            Keep::Standing(standing) => self.standing = standing,
            Keep::Drop => *self = Copy::default(),
        }
    }

    fn kept(&self, group: &GroupName) -> Option<KeptGroup> {
        let image = self.image.clone()?;
        let reaches = self.entries.last().is_some_and(|last| last.seq >= image.head.seq);
        let entries = if reaches { self.entries.clone() } else { Vec::new() };
        Some(KeptGroup { group: group.clone(), image, entries, standing: self.standing.clone() })
    }
}

/// Where entries go in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the newest.
    Follows,
    /// In the place of those from the first of them on.
    Replaces,
    /// The log begins with them.
    Afresh,
}

/// Where entries that begin at `first` go in the log of a copy with an image as of `image`, whose newest entry kept is `newest`. Panics where there would be a hole behind the image.
pub fn place(first: u64, image: u64, newest: Option<u64>) -> Place {
    assert!(first <= image.max(newest.unwrap_or(0)) + 1, "what is kept of a group has no holes: {first} after {image}, {newest:?}");
    match newest {
        Some(newest) if first == newest + 1 => Place::Follows,
        Some(newest) if first <= newest => Place::Replaces,
        _ => Place::Afresh,
    }
}

/// What waits to be written: a queue with a bound, and what is said of the disk's health.
///
/// Pure, so that the driver's thread and the simulator go by the same rules.
#[derive(Debug, Default)]
pub struct Waiting {
    queue: VecDeque<Keeping>,
    /// Of the queue and of what was taken from it and is not written yet.
    weight: usize,
    weight_max: usize,
    /// Something of theirs was dropped: nothing more is taken of them before an image.
    torn: BTreeSet<GroupName>,
    /// Those the machine is still to be told of.
    untold: BTreeSet<GroupName>,
    trouble: bool,
}

/// What the machine is to be told of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As it was.
    Same,
    /// It can't keep up, or fails.
    Trouble(String),
    /// It writes again. Of these groups something was dropped.
    Well(Vec<GroupName>),
}

impl Waiting {
    /// An empty queue that holds about so many bytes.
    pub fn new(weight_max: usize) -> Waiting {
        Waiting { weight_max, ..Waiting::default() }
    }

    /// Takes something to keep. At the bound it is dropped, and what follows of that group.
    pub fn push(&mut self, keeping: Keeping) -> Health {
        let begins = matches!(keeping.what, Keep::Image(_) | Keep::Drop);
        if !begins && self.torn.contains(&keeping.group) {
            return Health::Same;
        }
        let weight = keeping.what.weight();
        // One thing is always taken, however heavy.
        if self.weight > 0 && self.weight + weight > self.weight_max {
            self.untold.insert(keeping.group.clone());
            self.torn.insert(keeping.group);
            return self.trouble("what is to be kept comes faster than the disk takes it");
        }
        self.torn.remove(&keeping.group);
        self.weight += weight;
        self.queue.push_back(keeping);
        Health::Same
    }

    /// Moves the next few into `batch`, up to about so many bytes.
    pub fn take(&mut self, batch: &mut Vec<Keeping>, weight_max: usize) {
        let mut weight = 0;
        while weight < weight_max
            && let Some(keeping) = self.queue.pop_front()
        {
            weight += keeping.what.weight();
            batch.push(keeping);
        }
    }

    /// What was taken is written. `well`: nothing else is wrong with the disk.
    pub fn written(&mut self, batch: &[Keeping], well: bool) -> Health {
        self.weight -= batch.iter().map(|keeping| keeping.what.weight()).sum::<usize>();
        if !self.trouble || !well || self.weight > self.weight_max / 2 {
            return Health::Same;
        }
        self.trouble = false;
        Health::Well(std::mem::take(&mut self.untold).into_iter().collect())
    }

    /// Writing failed.
    pub fn failed(&mut self, why: &StoreError) -> Health {
        self.trouble(&why.0)
    }

    fn trouble(&mut self, why: &str) -> Health {
        if std::mem::replace(&mut self.trouble, true) { Health::Same } else { Health::Trouble(why.to_string()) }
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the disk has, or will have by what still waits, all that was pushed.
    pub fn is_whole(&self) -> bool {
        self.torn.is_empty()
    }
}
