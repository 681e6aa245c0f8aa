//! When all is well, every directory server keeps of each group that accounts have a rank in what its master says of it, and of no other group anything.

use std::collections::BTreeMap;

use chatring_machines::entry::Settings;
use chatring_machines::names::GroupName;

use super::everyone_home::master_of;
use crate::world::World;

/// Says of which group a server keeps something else.
pub fn converged(world: &World) -> Result<(), String> {
    let view = world.view();
    let mut served: BTreeMap<GroupName, Settings> = BTreeMap::new();
    for pid in world.pids() {
        let charters = world.charters(pid).into_iter();
        let own = charters.filter(|charter| !charter.is_void() && master_of(&view, &charter.group) == Some(world.key(pid)));
        served.extend(own.map(|charter| (charter.group, charter.settings)));
    }
    for (name, directory) in world.directories() {
        let kept: BTreeMap<GroupName, Settings> =
            directory.state().ledger().charters().map(|charter| (charter.group.clone(), charter.settings.clone())).collect();
        if let Some((group, settings)) = served.iter().find(|(group, settings)| kept.get(*group) != Some(settings)) {
            return Err(format!("{name} keeps of {group} {:?}, and its master has {settings:?}", kept.get(group)));
        }
        if let Some(group) = kept.keys().find(|group| !served.contains_key(*group) && world.is_served(group)) {
            return Err(format!("{name} keeps something of {group}, in which nobody has a lasting rank"));
        }
    }
    Ok(())
}
