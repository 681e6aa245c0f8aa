//! All members hear a group in the same order.
//!
//! A place in a group's life holds one entry, whoever hears it; and everyone hears rising places: first by the term of whoever assigned them, then by place.

use std::collections::BTreeMap;

use chatring_machines::ids::{Birth, EntryId, Term};
use chatring_machines::names::GroupName;

use super::life;
use crate::ear::Sound;
use crate::world::World;

/// A place in a life of a group, as a term's master gave it out.
type Place = (GroupName, Birth, Term, u64);
/// Who first heard what there.
type First = (String, EntryId, String);

/// Says which two entries contradict each other.
pub fn check(world: &World) -> Result<(), String> {
    let mut places: BTreeMap<Place, First> = BTreeMap::new();
    for ear in world.ears() {
        let mut last: BTreeMap<GroupName, (Term, u64, Option<Birth>)> = BTreeMap::new();
        for (at, sound) in &ear.sounds {
            let (group, entry) = match sound {
                Sound::Fresh => {
                    last.clear();
                    continue;
                }
                Sound::Entry(group, entry) if !group.is_person() && entry.seq > 0 => (group, entry),
                _ => continue,
            };
            let birth = life(world, group, entry);
            let here = (entry.term, entry.seq, birth);
            if let Some(before) = last.insert(group.clone(), here)
                && (before.0, before.1) >= (here.0, here.1)
                && (before.0 != here.0 || before.2 == here.2 && birth.is_some())
            {
                let (name, time) = (&ear.name, at.0);
                return Err(format!(
                    "one order: at {time} {name} heard {group} {} of term {} after {} of term {}",
                    here.1, here.0, before.1, before.0
                ));
            }
            let Some(birth) = birth else { continue };
            let what = format!("{:?}", entry.content);
            let place = (group.clone(), birth, entry.term, entry.seq);
            let (other, id, heard) = places.entry(place).or_insert_with(|| (ear.name.clone(), entry.id, what.clone()));
            if *id != entry.id || *heard != what {
                return Err(format!(
                    "one order: {group} {} of term {} is {id} {heard} to {other}, and {} {what} to {}",
                    entry.seq, entry.term, entry.id, ear.name
                ));
            }
        }
    }
    Ok(())
}
