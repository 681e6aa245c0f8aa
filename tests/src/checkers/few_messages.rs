//! When all is well, nodes have little to say to each other: so much in peace, and so much for each thing said. This finds storms of messages.

use crate::world::{Pid, Role, World};

/// How long is listened, twice.
const LISTEN_MS: u64 = 4_000;
/// What a super node and a directory may say to each other in a second of peace: heartbeats and their answers, reports, checks.
const PEACE: u64 = 12;
/// The same between two directory servers, their log left out: whether someone is there, and what is passed on for others.
const SERVERS: u64 = 4;
/// What a thing said may cost, besides one message for each super node: the question, its answer, the standby's copy and word, and what a report adds.
const SAID: u64 = 8;

/// Listens, has everyone say something, and listens again. All must be well.
pub fn demand(world: &mut World) -> Result<(), String> {
    let nodes = world.pids().filter(|pid| world.is_alive(*pid) && matches!(world.role(*pid), Role::Node { .. })).count() as u64;
    let before = world.between_nodes();
    world.run_for(LISTEN_MS);
    let peace = world.between_nodes() - before;
    let groups = world.groups_within();
    let servers = world.directories().count() as u64;
    // Through a server that does not lead everything goes twice.
    let detour = if servers > 1 { 2 } else { 1 };
    if peace > (nodes * PEACE * detour + servers * (servers - 1) * SERVERS) * LISTEN_MS / 1_000 + groups {
        return Err(format!("few messages: {peace} between {nodes} nodes in {LISTEN_MS} ms of peace"));
    }
    let people: Vec<Pid> = world.pids().filter(|pid| world.is_alive(*pid)).collect();
    let mut said = 0;
    for pid in people {
        for group in world.inside(pid) {
            let text = format!("after all, by {} at {}", world.name(pid), world.now().0);
            world.say(pid, group.as_str(), &text);
            said += 1;
        }
    }
    let before = world.between_nodes();
    world.run_for(LISTEN_MS);
    let cost = (world.between_nodes() - before).saturating_sub(peace);
    if cost > said * (nodes + SAID) + nodes * PEACE {
        return Err(format!("few messages: {cost} between {nodes} nodes for {said} things said"));
    }
    Ok(())
}
