//! Nobody misses an entry in silence: what others heard between two entries one heard oneself, one heard too, or was told of a gap, if later.
//!
//! Left out are what one said oneself (a program that asks for no echo hears none) and what nobody is shown.

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::ids::{Birth, EntryId};
use chatring_machines::names::GroupName;

use super::life;
use crate::ear::Sound;
use crate::world::World;

/// Says which entry was missed by whom.
pub fn check(world: &World) -> Result<(), String> {
    let mut known: BTreeMap<(GroupName, Birth), BTreeMap<u64, (EntryId, String)>> = BTreeMap::new();
    for (group, entry) in world.ears().flat_map(|ear| ear.entries()).filter(|(group, entry)| !group.is_person() && entry.seq > 0) {
        // What came back from another life is not shown to an edge's people where the edge was beyond it in that one: they have heard it, or came later.
        if let Some(birth) = life(world, group, entry).filter(|_| !world.is_again(entry)) {
            let sender = (entry.id, entry.sender.nick.to_string());
            known.entry((group.clone(), birth)).or_default().insert(entry.seq, sender);
        }
    }
    for ear in world.ears() {
        let own = ear.names();
        // A program that tells retries apart shows once what was said in two lives.
        let heard: BTreeSet<EntryId> = ear.entries().map(|(_, entry)| entry.id).filter(|id| id.counter > 0).collect();
        let mut last: BTreeMap<&GroupName, (Option<Birth>, u64)> = BTreeMap::new();
        let mut holes: BTreeMap<&GroupName, String> = BTreeMap::new();
        for (at, sound) in &ear.sounds {
            match sound {
                Sound::Fresh => {
                    last.clear();
                    holes.clear();
                }
                Sound::Gap(group, _) | Sound::Out(group) => {
                    last.remove(group);
                    holes.remove(group);
                }
                Sound::Entry(group, entry) if !group.is_person() && entry.seq > 0 => {
                    let birth = life(world, group, entry);
                    let before = last.insert(group, (birth, entry.seq));
                    let (Some(birth), Some((Some(was), seq))) = (birth, before) else { continue };
                    let between = known.get(&(group.clone(), birth)).filter(|_| was == birth && seq < entry.seq);
                    let missed = between.and_then(|known| {
                        known
                            .range(seq + 1..entry.seq)
                            .find(|(_, (id, nick))| !heard.contains(id) && !own.contains(nick) && !nick.starts_with("guest-"))
                    });
                    if let Some((hole, (_, nick))) = missed {
                        let what = format!(
                            "no hole: at {} {} heard {group} {} after {seq} and never {hole}, by {nick}",
                            at.0, ear.name, entry.seq
                        );
                        holes.entry(group).or_insert(what);
                    }
                }
                _ => {}
            }
        }
        if let Some(hole) = holes.into_values().next() {
            return Err(hole);
        }
    }
    Ok(())
}
