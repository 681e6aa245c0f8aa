//! Nobody hears an entry twice in a session, and what was said once is in the log once.
//!
//! The storms never say the same text twice, so a text heard twice was applied twice, whatever ids it came with. Told apart by the life of the group: what a lost master had applied
//! and not acknowledged is said again in the group's next life, whose members were told of the gap. With replicated groups only the loss of all copies ([`super::excused`])
//! excuses that.

use std::collections::BTreeMap;

use chatring_machines::entry::Content;
use chatring_machines::ids::{Birth, EntryId};
use chatring_machines::names::GroupName;

use super::excused::excused;
use super::life;
use crate::ear::Sound;
use crate::world::World;

/// Says what was heard twice by whom.
pub fn check(world: &World) -> Result<(), String> {
    let mut strict: BTreeMap<GroupName, bool> = BTreeMap::new();
    for ear in world.ears() {
        let mut ids: BTreeMap<(EntryId, Option<Birth>), u64> = BTreeMap::new();
        let mut texts: BTreeMap<(&str, &str, Option<Birth>), u64> = BTreeMap::new();
        for (at, sound) in &ear.sounds {
            let (group, entry) = match sound {
                Sound::Fresh => {
                    ids.clear();
                    texts.clear();
                    continue;
                }
                Sound::Entry(group, entry) => (group, entry),
                _ => continue,
            };
            let strict = *strict.entry(group.clone()).or_insert_with(|| world.options().replicated && !excused(world, group));
            let birth = life(world, group, entry).filter(|_| !strict);
            let twice =
                |first: u64, what: String| Err(format!("nothing twice: {} heard {what} in {group} at {first} and at {}", ear.name, at.0));
            if entry.id.counter > 0
                && let Some(first) = ids.insert((entry.id, birth), at.0)
            {
                return twice(first, format!("entry {}", entry.id));
            }
            if let Content::Message { text, .. } = &entry.content
                && let Some(first) = texts.insert((group.as_str(), text, birth), at.0)
            {
                return twice(first, format!("'{text}'"));
            }
        }
    }
    Ok(())
}
