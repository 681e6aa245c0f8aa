//! What scenarios are told in: a network of some nodes, people at them, and what they expect to hear.

use chatring_machines::client::ClientTiming;
use chatring_machines::entry::Content;
use chatring_machines::event::{Event, Reply};
use chatring_machines::names::GroupName;
use chatring_machines::super_node::{NodeLimits, NodeTiming};
use chatring_machines::view::RingParams;

use crate::checkers::{self, everyone_home};
use crate::ear::{Ear, Sound};
use crate::person::Style;
use crate::world::{Options, Pid, World};

/// How long anything ordinary may take.
const SOON_MS: u64 = 3_000;

/// A network and the people in it.
pub struct Story {
    /// Where it takes place.
    pub world: World,
    /// The directory server.
    pub directory: Pid,
    /// The super nodes, in the order they came.
    pub nodes: Vec<Pid>,
    timing: NodeTiming,
    limits: NodeLimits,
}

impl Story {
    /// Begins with so many super nodes, each on a host of its own, all in the ring.
    pub fn of(seed: u64, nodes: usize) -> Story {
        Story::with(seed, nodes, Options::default(), RingParams::default(), NodeLimits::default())
    }

    /// The same in a world of one's own.
    pub fn with(seed: u64, nodes: usize, options: Options, params: RingParams, limits: NodeLimits) -> Story {
        let mut world = World::new(seed, options);
        let timing = NodeTiming::default();
        let directory = world.add_directories(1, params, timing.lease_ms)[0];
        world.start(directory);
        let mut story = Story { world, directory, nodes: Vec::new(), timing, limits };
        (0..nodes).for_each(|_| {
            story.add_node();
        });
        story.settle_ring();
        story
    }

    /// One more super node comes.
    pub fn add_node(&mut self) -> Pid {
        let key = format!("10.0.0.{}", self.nodes.len() + 1);
        self.add_node_at(&key)
    }

    /// One more super node comes, at this address.
    pub fn add_node_at(&mut self, key: &str) -> Pid {
        let pid = self.world.add_node(key, self.timing, self.limits);
        self.world.start(pid);
        self.nodes.push(pid);
        pid
    }

    /// All nodes that run are in the ring.
    #[track_caller]
    pub fn settle_ring(&mut self) {
        let nodes = self.nodes.clone();
        let settled = self.world.run_until(SOON_MS, |world| {
            let view = world.view();
            nodes.iter().filter(|node| world.is_alive(**node)).all(|node| view.node(&world.key(*node)).is_some())
        });
        assert!(settled, "not all nodes came into the ring: {}", self.world.view());
        self.world.run_for(500);
    }

    /// Someone with an IRC program at this node. Waits until they are registered.
    #[track_caller]
    pub fn person(&mut self, nick: &str, node: usize) -> Pid {
        let pid = self.comes(nick, Style::Irc, node);
        let here = |world: &World| matches!(world.role(pid), crate::world::Role::Person(person) if person.is_here());
        assert!(self.world.run_until(SOON_MS, here), "{nick} did not get in");
        pid
    }

    /// Someone with a program of this style at this node, who knows the others, too. Does not wait.
    pub fn comes(&mut self, nick: &str, style: Style, node: usize) -> Pid {
        let mut nodes = self.nodes.clone();
        nodes.rotate_left(node);
        let pid = self.world.add_person(nick, style, &nodes);
        self.world.start(pid);
        pid
    }

    /// Someone with a native client, who wants to be in a group. Waits until they are.
    #[track_caller]
    pub fn client(&mut self, nick: &str, group: &str) -> Pid {
        let pid = self.world.add_client(nick, group, ClientTiming::default());
        self.world.start(pid);
        self.is_in(pid, group);
        pid
    }

    /// A person goes into a group. Waits until they are in it.
    #[track_caller]
    pub fn enter(&mut self, who: Pid, group: &str) {
        self.world.enter(who, group);
        self.is_in(who, group);
    }

    /// Waits until someone is in a group as far as they were told.
    #[track_caller]
    pub fn is_in(&mut self, who: Pid, group: &str) {
        let name = GroupName::new(group).expect("scenarios use proper names");
        let there = self.world.run_until(self.long_ms(), |world| world.inside(who).contains(&name));
        assert!(there, "{} did not get into {group}: {:#?}", self.world.name(who), self.last(who));
    }

    /// Someone says something.
    pub fn says(&mut self, who: Pid, target: &str, text: &str) {
        self.world.say(who, target, text);
    }

    /// Someone types a command, and the answer is one for which `wanted` holds.
    #[track_caller]
    pub fn asks(&mut self, who: Pid, words: &[&str], wanted: impl Fn(&Event) -> bool) -> Event {
        let from = self.ear(who).sounds.len();
        self.world.types(who, words);
        let find = |ear: &Ear| {
            ear.sounds[from..].iter().find_map(|(_, sound)| match sound {
                Sound::Other(event) if wanted(event) => Some(event.clone()),
                _ => None,
            })
        };
        self.world.run_until(self.long_ms(), |world| world.ear(who).is_some_and(|ear| find(ear).is_some()));
        let answer = find(self.ear(who));
        assert!(answer.is_some(), "{words:?} of {} was answered by {:#?}", self.world.name(who), &self.ear(who).sounds[from..]);
        answer.unwrap_or_else(Event::ok)
    }

    /// Someone types a command that is done.
    #[track_caller]
    pub fn does(&mut self, who: Pid, words: &[&str]) {
        self.asks(who, words, |event| matches!(event, Event::Reply(Reply::Ok { .. })));
    }

    /// Waits until someone hears this said.
    #[track_caller]
    pub fn hears(&mut self, who: Pid, what: &str) {
        let heard = |ear: &Ear| ear.entries().any(|(_, entry)| matches!(&entry.content, Content::Message { text, .. } if &**text == what));
        let in_time = self.world.run_until(self.long_ms(), |world| world.ear(who).is_some_and(heard));
        assert!(in_time, "{} did not hear '{what}': {:#?}", self.world.name(who), self.last(who));
    }

    /// Whether someone heard this said so far.
    pub fn heard(&self, who: Pid, what: &str) -> bool {
        self.ear(who).entries().any(|(_, entry)| matches!(&entry.content, Content::Message { text, .. } if &**text == what))
    }

    /// Which node is responsible for a group, as a search of them all says.
    #[track_caller]
    pub fn master_of(&self, group: &str) -> usize {
        let name = GroupName::new(group).expect("scenarios use proper names");
        let master = everyone_home::master_of(&self.world.view(), &name);
        let is = |node: &Pid| Some(self.world.key(*node)) == master;
        self.nodes.iter().position(is).expect("the master is one of the nodes")
    }

    /// A name of a group for which this node is responsible.
    pub fn group_at(&self, node: usize) -> String {
        let mut names = (0..).map(|n| format!("#group{n}"));
        names.find(|name| self.master_of(name) == node).expect("every node is responsible for something")
    }

    /// After healing everyone is where they want to be, and nothing went wrong on the way.
    #[track_caller]
    pub fn ends_well(&mut self) {
        self.world.heal();
        let within_ms = self.long_ms();
        let home = everyone_home::demand(&mut self.world, within_ms);
        if let Err(why) = home.and_then(|()| checkers::safety(&self.world)) {
            panic!("{why}");
        }
    }

    /// How long healing may take: a lease, a lapse of lost members, a check, and some.
    pub fn long_ms(&self) -> u64 {
        self.timing.lease_ms + self.timing.lapse_ms + self.timing.check_ms + 7_000
    }

    /// What someone heard.
    pub fn ear(&self, who: Pid) -> &Ear {
        self.world.ear(who).expect("people have ears")
    }

    fn last(&self, who: Pid) -> &[(chatring_machines::Time, Sound)] {
        let sounds = &self.ear(who).sounds;
        &sounds[sounds.len().saturating_sub(12)..]
    }
}
