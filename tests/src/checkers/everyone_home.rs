//! After faults have healed, everyone is where they want to be, and where a search of the whole ring says that the group is.
//!
//! Asked through the protocol wherever that goes: who is told to be in the group, whom NAMES lists, and whether a message from one member reaches every other exactly once. Also
//! looked at: which nodes serve the group, since two that do would each find their own half complete.

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::entry::Content;
use chatring_machines::event::{Event, Reply};
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::peer::Last;
use chatring_machines::ring::{Ring, point};
use chatring_machines::view::View;

use super::{chartered, one_directory};
use crate::ear::{Ear, Sound};
use crate::world::{Pid, Role, World};

/// How long a message and its answer may take at the very most when all is well.
const REACH_MS: u64 = 5_000;

/// How long a member whose edge is gone stays at most, once the group is served.
const LAPSE_MS: u64 = 12_000;

/// How often it is looked whether everyone is home.
const LOOK_MS: u64 = 250;

/// How long it may take to notice what went wrong at the last moment.
const NOTICE_MS: u64 = 7_000;

/// The responsible node, found by looking at all of them.
pub fn master_of(view: &View, group: &GroupName) -> Option<NodeKey> {
    let at = point(group.as_str());
    let text = |key: &NodeKey, ix: u32| if ix == 0 { key.as_str().to_string() } else { format!("{key}#{ix}") };
    let candidates = view.nodes.iter().flat_map(|node| (0..view.params.points).map(move |ix| (point(&text(&node.key, ix)), &node.key)));
    candidates.min_by_key(|(point, key)| (view.params.metric.distance(*point, at), *point, *key)).map(|(_, key)| key.clone())
}

/// Waits for as long as healing may take, then demands that everyone is home.
pub fn demand(world: &mut World, within_ms: u64) -> Result<(), String> {
    // What seems well may yet be found out: a lease that runs out, a dial that leads nowhere.
    world.run_for(NOTICE_MS);
    wait(world, within_ms)?;
    // Give what is still on its way the time to arrive, or to show that it goes wrong.
    world.run_for(REACH_MS);
    // Only what is on its way this moment.
    wait(world, LOOK_MS * 4)?;
    answered(world, within_ms)?;
    probe(world)
}

fn wait(world: &mut World, within_ms: u64) -> Result<(), String> {
    let until = world.now() + within_ms;
    while let Err(why) = homecoming(world) {
        if world.now() >= until {
            return Err(why);
        }
        world.run_for(LOOK_MS);
    }
    Ok(())
}

/// The groups of people who run, with who should be in each.
fn members(world: &World) -> BTreeMap<GroupName, Vec<Pid>> {
    let mut groups: BTreeMap<GroupName, Vec<Pid>> = BTreeMap::new();
    for pid in world.pids().filter(|pid| world.is_alive(*pid)) {
        world.wanted(pid).into_iter().for_each(|group| groups.entry(group).or_default().push(pid));
    }
    groups
}

fn homecoming(world: &World) -> Result<(), String> {
    one_directory::converged(world).map_err(|why| format!("everyone home: {why}"))?;
    let view = world.view();
    let nodes: Vec<Pid> = world.pids().filter(|pid| world.is_alive(*pid) && matches!(world.role(*pid), Role::Node { .. })).collect();
    let alive: BTreeSet<NodeKey> = nodes.iter().map(|node| world.key(*node)).collect();
    let listed: BTreeSet<NodeKey> = view.nodes.iter().map(|node| node.key.clone()).collect();
    if alive != listed {
        return Err(format!("everyone home: {alive:?} live and {listed:?} are in the ring"));
    }
    for (group, people) in members(world) {
        for pid in people.iter().copied() {
            if !world.inside(pid).contains(&group) {
                return Err(format!("everyone home: {} is not in {group}", world.name(pid)));
            }
        }
        let master = master_of(&view, &group);
        // Whoever can't be there stays where they are; who can is on their way sooner or later, and not home before they are there.
        let natives = people.iter().filter(|pid| matches!(world.role(**pid), Role::Client { .. }));
        if let Some((pid, at)) = natives.map(|pid| (*pid, world.node_of(*pid))).find(|(_, at)| *at != master) {
            return Err(format!("everyone home: {} is at {at:?}, and the master of {group} is {master:?}", world.name(pid)));
        }
        let serving: Vec<NodeKey> =
            nodes.iter().filter(|node| world.held(**node).iter().any(|(held, _)| *held == group)).map(|node| world.key(*node)).collect();
        let standby = Ring::new(&view).standby(group.as_str()).cloned();
        let mut should: Vec<NodeKey> = master.iter().chain(&standby).cloned().collect();
        should.sort();
        let copies: BTreeMap<NodeKey, Last> = nodes
            .iter()
            .flat_map(|node| world.copies(*node).into_iter().filter(|(held, ..)| *held == group).map(|(.., last)| (world.key(*node), last)))
            .collect();
        let equal = copies.values().all(|last| copies.values().next() == Some(last));
        if !copies.keys().eq(&should) || !equal {
            return Err(format!("everyone home: copies of {group} are {copies:?} and not at {should:?} alike"));
        }
        if serving.iter().ne(&master) {
            return Err(format!("everyone home: {group} belongs at {master:?} and is served by {serving:?}"));
        }
    }
    chartered::converged(world).map_err(|why| format!("everyone home: {why}"))?;
    for pid in world.pids().filter(|pid| world.is_alive(*pid)) {
        if matches!(world.role(pid), Role::Person(_)) && world.is_kept_waiting(pid) {
            // What they want next stands behind that.
            return Err(format!("everyone home: {} has said more than is answered", world.name(pid)));
        }
        if matches!(world.role(pid), Role::Person(_))
            && let Some(group) = world.inside(pid).iter().find(|group| !world.wanted(pid).contains(*group))
        {
            return Err(format!("everyone home: {} is still in {group}", world.name(pid)));
        }
        match world.role(pid) {
            Role::Client { gave_up: Some(why), .. } => return Err(format!("everyone home: {} gave up: {why}", world.name(pid))),
            // One message after the other: a probe would have to wait its turn.
            Role::Client { said, .. } if !said.is_empty() => {
                return Err(format!("everyone home: {} has {} messages that are not answered", world.name(pid), said.len()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Answers go out in the order of their commands: whoever hears the one to a ping has heard all that they waited for. A probe would have to wait its turn.
fn answered(world: &mut World, within_ms: u64) -> Result<(), String> {
    const WORD: &str = "all answered";
    let until = world.now() + within_ms;
    let is_raw = |world: &World, pid: &Pid| world.is_alive(*pid) && matches!(world.role(*pid), Role::Person(_));
    let mut waiting: Vec<Pid> = world.pids().filter(|pid| is_raw(world, pid)).collect();
    let has_word = |sound: &Sound| matches!(sound, Sound::Other(Event::Reply(Reply::Pong { text })) if text.0.as_deref() == Some(WORD));
    let heard = |world: &World, pid: &Pid| world.ear(*pid).is_some_and(|ear| ear.sounds.iter().any(|(_, sound)| has_word(sound)));
    loop {
        waiting.retain(|pid| world.is_alive(*pid) && !heard(world, pid));
        let Some(first) = waiting.first() else { return Ok(()) };
        if world.now() >= until {
            return Err(format!("everyone home: {} has commands that are not answered", world.name(*first)));
        }
        // Again, since the connection may have been lost meanwhile.
        waiting.iter().for_each(|pid| world.types(*pid, &["PING", WORD]));
        world.run_for(REACH_MS);
    }
}

/// Everyone speaks once in every group; every member hears each once, and NAMES lists as many as there are.
fn probe(world: &mut World) -> Result<(), String> {
    let mut said: Vec<(GroupName, Pid, String)> = Vec::new();
    let groups = members(world);
    for (group, people) in &groups {
        for pid in people {
            let text = format!("probe of {} in {group} at {}", world.name(*pid), world.now().0);
            world.say(*pid, group.as_str(), &text);
            said.push((group.clone(), *pid, text));
        }
    }
    world.run_for(REACH_MS);
    for (group, speaker, text) in said {
        for pid in groups[&group].iter().filter(|pid| **pid != speaker) {
            let heard = world.ear(*pid).map_or(0, |ear| times(ear, &text));
            if heard != 1 {
                return Err(format!("everyone home: {} heard {heard} times '{text}'", world.name(*pid)));
            }
        }
    }
    for (group, people) in &groups {
        let Some(asker) = people.first() else { continue };
        let mut named = ask_names(world, *asker, group);
        if named > people.len() {
            // Who was lost while the group waited for its copies lapses after that.
            world.run_for(LAPSE_MS);
            named = ask_names(world, *asker, group);
        }
        if named != people.len() {
            return Err(format!("everyone home: NAMES of {group} lists {named} and there are {}", people.len()));
        }
    }
    Ok(())
}

fn ask_names(world: &mut World, asker: Pid, group: &GroupName) -> usize {
    let from = world.ear(asker).map_or(0, |ear| ear.sounds.len());
    world.types(asker, &["NAMES", group.as_str()]);
    world.run_for(REACH_MS);
    world.ear(asker).map_or(0, |ear| names(&ear.sounds[from..], group))
}

fn times(ear: &Ear, what: &str) -> usize {
    ear.entries().filter(|(_, entry)| matches!(&entry.content, Content::Message { text, .. } if &**text == what)).count()
}

fn names(sounds: &[(chatring_machines::Time, Sound)], of: &GroupName) -> usize {
    let named = |sound: &Sound| match sound {
        Sound::Other(Event::Reply(Reply::Names { group, members, .. })) if group == of => members.0.len() / 2,
        _ => 0,
    };
    sounds.iter().map(|(_, sound)| named(sound)).sum()
}
