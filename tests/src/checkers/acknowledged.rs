//! What was acknowledged, or heard by anyone, is heard by everyone who was there throughout: in the group from before it was said until the end, and told of no gap.
//!
//! Who said it and asked for no echo hears none. Where groups have one copy, what was said in a life of the group that is over may be lost with it.
//! With replicated groups nothing is lost with a life, and a gap excuses only where the group lost its last copy ([`super::excused`]).

use std::collections::{BTreeMap, BTreeSet};

use chatring_machines::Time;
use chatring_machines::entry::Content;
use chatring_machines::ids::Birth;
use chatring_machines::names::GroupName;

use super::excused::excused;
use crate::ear::{Ear, Sound};
use crate::world::{Pid, Role, World};

/// Says what was acknowledged and not heard by whom.
pub fn check(world: &World) -> Result<(), String> {
    let mut safe: BTreeMap<GroupName, bool> = BTreeMap::new();
    let mut is_safe =
        |group: &GroupName| *safe.entry(group.clone()).or_insert_with(|| world.options().replicated && !excused(world, group));
    let people: Vec<(Pid, Presence<'_>)> = world
        .pids()
        .filter(|pid| world.is_alive(*pid))
        .filter_map(|pid| {
            world.ear(pid).map(|ear| (pid, Presence::of(ear, world, matches!(world.role(pid), Role::Client { .. }), &mut is_safe)))
        })
        .collect();
    let mut heard: BTreeMap<&str, Option<Birth>> = BTreeMap::new();
    people.iter().for_each(|(_, presence)| heard.extend(&presence.heard));
    let living: BTreeSet<Birth> = world.pids().flat_map(|pid| world.held(pid)).map(|(_, birth)| birth).collect();
    for spoken in world.spoken() {
        let answered = match world.role(spoken.who) {
            Role::Client { acked, .. } => acked.contains_key(&spoken.text),
            Role::Person(person) => person.acked().contains_key(&spoken.text),
            _ => false,
        };
        let life = heard.get(spoken.text.as_str());
        let lives_on = is_safe(&spoken.group) || life.is_some_and(|life| life.is_some_and(|birth| living.contains(&birth)));
        if !answered && life.is_none() || !lives_on {
            continue;
        }
        for (pid, presence) in people.iter().filter(|(pid, _)| *pid != spoken.who) {
            let there = presence.since.get(&spoken.group).is_some_and(|since| *since < spoken.at);
            if there && !presence.heard.contains_key(spoken.text.as_str()) {
                let how = if answered { "acknowledged" } else { "heard by others" };
                let (name, group, text, at) = (world.name(*pid), &spoken.group, &spoken.text, spoken.at.0);
                return Err(format!("acknowledged: {name} was in {group} and never heard '{text}', said at {at} and {how}"));
            }
        }
    }
    Ok(())
}

/// Since when someone is in which groups without a gap, and what they heard said.
struct Presence<'a> {
    since: BTreeMap<&'a GroupName, Time>,
    /// With the life of the group in which it was said.
    heard: BTreeMap<&'a str, Option<Birth>>,
}

impl<'a> Presence<'a> {
    /// A native client that is away takes up where it was: it is there all the time, as far as nobody tells it of a gap. Coming back it can't say which history of a life it knows, so behind a fork a gap is all it hears.
    fn of(ear: &'a Ear, world: &World, native: bool, is_safe: &mut dyn FnMut(&GroupName) -> bool) -> Presence<'a> {
        let (mut since, mut heard) = (BTreeMap::new(), BTreeMap::new());
        for (at, sound) in &ear.sounds {
            match sound {
                Sound::Fresh => since.clear(),
                Sound::In(group) => {
                    since.entry(group).or_insert(*at);
                }
                Sound::Out(group) if !native => {
                    since.remove(group);
                }
                Sound::Gap(group, reborn) if native || !reborn || !is_safe(group) => {
                    since.entry(group).and_modify(|since| *since = *at);
                }
                Sound::Entry(group, entry) => {
                    if let Content::Message { text, .. } = &entry.content {
                        heard.insert(&**text, super::life(world, group, entry));
                    }
                }
                _ => {}
            }
        }
        Presence { since, heard }
    }
}
