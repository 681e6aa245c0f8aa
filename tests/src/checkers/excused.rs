//! Whether a group may have lost what was acknowledged, or what is known of who is in it: at some moment nobody had a whole copy any more who was in the ring without a break.
//!
//! Worked out from which copies there were just before each process ended and each change of the ring, not from what machines say of them. How fast machines repair is not asked here: where
//! one copy was left, its loss excuses; that there are two again when all is well is `everyone_home`. Where an acknowledgement waits for the disk, a copy is lost only with a node that never came back.

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::Time;
use chatring_machines::ids::{Birth, Epoch, Incarnation};
use chatring_machines::keeping::Durability;
use chatring_machines::names::{GroupName, NodeKey};

use crate::world::{Loss, Lost, Role, World};

/// Whether all copies of a group were lost at some time.
pub fn excused(world: &World, group: &GroupName) -> bool {
    let gone = world.pids().any(|pid| matches!(world.role(pid), Role::Node { .. }) && !world.is_alive(pid));
    if world.options().durability == Durability::Disk && !gone {
        return false;
    }
    all_copies_lost(world, group)
}

/// The same, whatever disks bring back later: for what is not waited for.
pub fn all_copies_lost(world: &World, group: &GroupName) -> bool {
    all_lost(world.losses(), group, &Heard::of(world, group))
}

/// How far each life of a group was heard when, or let out by a node: what a master that is alone acknowledges may be heard by nobody before it is lost with it.
#[derive(Default)]
struct Heard(BTreeMap<Birth, Vec<(Time, u64)>>);

impl Heard {
    fn of(world: &World, group: &GroupName) -> Heard {
        let mut heard = Heard::default();
        for ear in world.ears() {
            for (at, sound) in &ear.sounds {
                if let crate::ear::Sound::Entry(of, entry) = sound
                    && of == group
                    && let Some(birth) = super::life(world, group, entry)
                {
                    heard.0.entry(birth).or_default().push((*at, entry.seq));
                }
            }
        }
        for (at, entry) in world.told(group) {
            if let Some(birth) = super::life(world, group, entry) {
                heard.0.entry(birth).or_default().push((*at, entry.seq));
            }
        }
        heard
    }

    fn by(&self, birth: Birth, at: Time) -> u64 {
        let heard = self.0.get(&birth).into_iter().flatten();
        heard.filter(|(then, _)| *then <= at).map(|(_, seq)| *seq).max().unwrap_or(0)
    }
}

fn all_lost(losses: &[Loss], group: &GroupName, heard: &Heard) -> bool {
    let mut there: BTreeMap<NodeKey, (Incarnation, Epoch)> = BTreeMap::new();
    for loss in losses {
        let mut lost: BTreeSet<NodeKey> = BTreeSet::new();
        match &loss.by {
            Lost::Node(key) => _ = lost.insert(key.clone()),
            Lost::View(view) => {
                let now: BTreeMap<_, _> = view.nodes.iter().map(|node| (node.key.clone(), (node.incarnation, node.admitted))).collect();
                lost.extend(there.iter().filter(|(key, was)| now.get(*key) != Some(was)).map(|(key, _)| key.clone()));
                there = now;
            }
        }
        let copies = loss.copies.get(group).into_iter().flatten();
        let whole: Vec<&NodeKey> = copies.filter(|(_, last)| last.seq >= heard.by(last.birth, loss.at)).map(|(key, _)| key).collect();
        if !whole.is_empty() && whole.iter().all(|key| lost.contains(*key) || !there.contains_key(*key)) {
            return true;
        }
    }
    false
}

/// Whether any super node ended, or lost its place in the ring: with it go the groups that have one copy.
pub fn single_copy_lost(losses: &[Loss]) -> bool {
    let mut here: Vec<NodeKey> = Vec::new();
    losses.iter().any(|loss| match &loss.by {
        Lost::Node(_) => true,
        Lost::View(view) => {
            let before = std::mem::replace(&mut here, view.nodes.iter().map(|node| node.key.clone()).collect());
            before.iter().any(|key| !here.contains(key))
        }
    })
}
