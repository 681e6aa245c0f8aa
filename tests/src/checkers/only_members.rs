//! Nobody hears a group after they left it and before they are in it again.
//!
//! Raw sessions only: a native client that was away takes up where it was, and hears what it missed.

use std::collections::BTreeSet;

use chatring_machines::entry::Content;

use crate::ear::Sound;
use crate::world::{Role, World};

/// Says who heard what they should not have.
pub fn check(world: &World) -> Result<(), String> {
    for pid in world.pids() {
        let (Role::Person(_), Some(ear)) = (world.role(pid), world.ear(pid)) else { continue };
        let names = ear.names();
        let mut out = BTreeSet::new();
        for (at, sound) in &ear.sounds {
            match sound {
                Sound::Fresh => out.clear(),
                Sound::Out(group) => {
                    out.insert(group.clone());
                }
                Sound::In(group) => {
                    out.remove(group);
                }
                Sound::Entry(group, entry) if out.contains(group) => {
                    let comes = matches!(entry.content, Content::Join { .. });
                    let own = names.contains(entry.sender.nick.as_str()) || entry.sender.nick.as_str().starts_with("guest-");
                    // What has no place is for them alone.
                    if comes && own {
                        out.remove(group);
                    } else if entry.seq > 0 {
                        return Err(format!("only members: at {} {} heard {group} {} and is not in it", at.0, ear.name, entry.seq));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}
