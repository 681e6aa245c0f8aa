//! Nobody hears an entry twice in a session, and what was said once is in the log once.
//!
//! The storms never say the same text twice, so a text heard twice was applied twice, whatever ids it came with.

use std::collections::BTreeMap;

use chatring_machines::entry::Content;
use chatring_machines::ids::EntryId;

use crate::ear::Sound;
use crate::world::World;

/// Says what was heard twice by whom.
pub fn check(world: &World) -> Result<(), String> {
    for ear in world.ears() {
        let mut ids: BTreeMap<EntryId, u64> = BTreeMap::new();
        let mut texts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
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
            let twice =
                |first: u64, what: String| Err(format!("nothing twice: {} heard {what} in {group} at {first} and at {}", ear.name, at.0));
            if entry.id.counter > 0
                && let Some(first) = ids.insert(entry.id, at.0)
            {
                return twice(first, format!("entry {}", entry.id));
            }
            if let Content::Message { text, .. } = &entry.content
                && let Some(first) = texts.insert((group.as_str(), text), at.0)
            {
                return twice(first, format!("'{text}'"));
            }
        }
    }
    Ok(())
}
