//! Once an entry of a term is acknowledged, none of a lower term is, in that life of the group.
//!
//! What is heard late was perhaps acknowledged early, so this looks at places, not at times: in a life of a group a place holds one entry whoever gave it out, and later places are of the
//! same or a later term. Two masters at a time would give out a place twice, or an early term's place behind a later one's.

use std::collections::BTreeMap;

use chatring_machines::ids::{Birth, EntryId, Term};
use chatring_machines::names::GroupName;

use super::life;
use crate::world::World;

/// By place: of which term, what, and who heard it.
type Places<'a> = BTreeMap<u64, (Term, EntryId, &'a str)>;

/// Says which entries contradict each other.
pub fn check(world: &World) -> Result<(), String> {
    let mut logs: BTreeMap<(&GroupName, Birth), Places<'_>> = BTreeMap::new();
    for ear in world.ears() {
        for (group, entry) in ear.entries().filter(|(group, entry)| !group.is_person() && entry.seq > 0) {
            let Some(birth) = life(world, group, entry) else { continue };
            let places = logs.entry((group, birth)).or_default();
            let (term, id, other) = *places.entry(entry.seq).or_insert((entry.term, entry.id, &ear.name));
            if (term, id) != (entry.term, entry.id) {
                let (seq, name) = (entry.seq, &ear.name);
                return Err(format!(
                    "terms: {group} {seq} is {id} of term {term} to {other}, and {} of term {} to {name}",
                    entry.id, entry.term
                ));
            }
        }
    }
    for ((group, _), places) in &logs {
        let pairs = places.iter().zip(places.iter().skip(1));
        for ((seq, (term, ..)), (next, (later, _, name))) in pairs {
            if later < term {
                return Err(format!("terms: {name} heard {group} {next} of term {later}, and {seq} is of term {term}"));
            }
        }
    }
    Ok(())
}
