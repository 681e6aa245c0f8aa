//! Who is in the world: directory servers, super nodes, native clients and raw people.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use chatring_machines::charter::Charter;
use chatring_machines::client::{Client, ClientConfig, ClientLimits, ClientTiming};
use chatring_machines::directory::{Admission, Directory, DirectoryConfig, DirectoryLimits, Kept};
use chatring_machines::event::Reply;
use chatring_machines::ids::{Birth, Incarnation, ListenerId, ServerId};
use chatring_machines::list::{ListSigner, Trust};
use chatring_machines::machine::{Input, Wish};
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::peer::Last;
use chatring_machines::secret::NetworkSecret;
use chatring_machines::super_node::{NodeConfig, NodeLimits, NodeTiming, SuperNode};
use chatring_machines::time::Time;
use chatring_machines::view::{RingParams, SharedView};
use chatring_machines::wire::Text;

use super::disk::Disk;
use super::keeping::NodeDisk;
use super::process::{EndOf, Process};
use super::{Pid, Role, Spoken, World};
use crate::ear::Ear;
use crate::operator::Operator;
use crate::person::{Person, Style, parse};

/// Where a directory server is.
fn directory_at(ix: usize) -> Text {
    format!("10.1.0.{}:7410", ix + 1).into()
}

/// Where raw people are let in at the node of this key.
pub fn address_of(key: &NodeKey) -> Text {
    let address = key.address().expect("nodes in the ring have addresses");
    format!("{}:{}", address.ip(), address.port() - 744).into()
}

fn ip(text: &str) -> IpAddr {
    text.split(':').next().and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("scenarios use proper names")
}

/// Building, and looking at what was built.
impl World {
    fn add(&mut self, name: &str, ip: IpAddr, role: Role) -> Pid {
        self.processes.push(Process::new(name, ip, role));
        Pid(self.processes.len() - 1)
    }

    /// So many directory servers, which found the network together. Not started.
    pub fn add_directories(&mut self, count: usize, params: RingParams, lease_ms: u64) -> Vec<Pid> {
        self.directories = (0..count).map(directory_at).collect();
        (0..count).map(|ix| self.add_directory(ix, params, lease_ms)).collect()
    }

    /// One more directory server, which waits to be taken in by those there are. Not started.
    pub fn add_newcomer(&mut self, params: RingParams, lease_ms: u64) -> Pid {
        let ix = self.directories.len();
        self.directories.push(directory_at(ix));
        self.add_directory(ix, params, lease_ms)
    }

    /// Who looks after directory servers, at any of their machines. It runs.
    pub fn add_operator(&mut self, name: &str) -> Pid {
        // Changes are heard from the machine itself only.
        let pid = self.add(name, IpAddr::V4(Ipv4Addr::LOCALHOST), Role::Operator(Box::default()));
        self.processes[pid.0].alive = true;
        pid
    }

    fn add_directory(&mut self, ix: usize, params: RingParams, lease_ms: u64) -> Pid {
        let address = directory_at(ix);
        let config = DirectoryConfig {
            address: address.clone(),
            key: NodeKey::gateway(&format!("directory-{}", ix + 1)),
            network: "world".into(),
            secret: NetworkSecret::new("hush"),
            certified: false,
            params,
            directories: self.directories.clone(),
            election_ms: 800,
            lease_ms,
            prepare_ms: 30_000,
            // A node that was killed again and again is to be home before the world is looked at.
            hold_ms: 8_000,
            admission: Admission::default(),
            signer: ListSigner::new([ix as u8; 32]),
            list_valid_ms: 7 * 86_400_000,
            seed: 1,
            incarnation: Incarnation(1),
            operators: Default::default(),
            limits: DirectoryLimits::default(),
        };
        let machine = Directory::new(config.clone(), Kept::default()).expect("an empty state belongs to any network");
        let role = Role::Directory { config: Box::new(config), machine: Box::new(machine), store: Box::default(), disk: Disk::new() };
        let name = if ix == 0 { "directory".to_string() } else { format!("directory-{}", ix + 1) };
        let pid = self.add(&name, ip(&address), role);
        self.listen(&address, pid, ListenerId(0));
        pid
    }

    /// A super node at `ip` or `ip:port`. Not started.
    pub fn add_node(&mut self, key: &str, timing: NodeTiming, limits: NodeLimits) -> Pid {
        let key = NodeKey::new(key).expect("scenarios use proper addresses");
        let config = NodeConfig {
            token: None,
            key: key.clone(),
            name: key.as_str().into(),
            network: "world".into(),
            secret: NetworkSecret::new("hush"),
            certified: false,
            incarnation: Incarnation(1),
            seed: 1,
            directories: self.directories.clone(),
            in_ring: true,
            is_filtered: false,
            process_id: 1,
            operators: Default::default(),
            motd: vec!["Hello.".into()],
            durability: self.options.durability,
            timing,
            limits,
        };
        let machine = Box::new(SuperNode::new(config.clone()));
        let address = key.address().expect("a node has an address").to_string();
        let disk = Box::new(NodeDisk::new(self.options.durability, self.options.waiting_max));
        let pid = self.add(key.as_str(), ip(&address), Role::Node { config: Box::new(config), machine, disk });
        self.listen(&address, pid, ListenerId(0));
        self.listen(&address_of(&key), pid, ListenerId(1));
        pid
    }

    /// A native client that wants to be in a group. Not started.
    pub fn add_client(&mut self, nick: &str, name: &str, timing: ClientTiming) -> Pid {
        let config = ClientConfig {
            directories: self.directories.clone(),
            cached: None,
            trust: Some(Trust::default()),
            group: group(name),
            key: None,
            nick: Some(nick.into()),
            account: None,
            token: format!("token-of-{nick}").into(),
            seed: self.rng.draw(),
            timing,
            limits: ClientLimits::default(),
        };
        let machine = Box::new(Client::new(config));
        let ear = Ear::new(nick);
        let role =
            Role::Client { machine, group: group(name), ear, joined: false, gave_up: None, said: BTreeMap::new(), acked: BTreeMap::new() };
        self.add(nick, ip("10.2.0.1"), role)
    }

    /// Someone with an IRC program or a Redis client, who knows these nodes. Not started.
    pub fn add_person(&mut self, nick: &str, style: Style, nodes: &[Pid]) -> Pid {
        let servers = nodes.iter().map(|node| address_of(&self.key(*node))).collect();
        let person = Person::new(nick, style, servers, self.rng.draw());
        self.add(nick, ip("10.3.0.1"), Role::Person(Box::new(person)))
    }

    /// A node's key.
    pub fn key(&self, node: Pid) -> NodeKey {
        match &self.processes[node.0].role {
            Role::Node { config, .. } => config.key.clone(),
            _ => panic!("{} is no super node", self.processes[node.0].name),
        }
    }

    /// Where a directory server is reached.
    pub fn address(&self, directory: Pid) -> Text {
        match &self.processes[directory.0].role {
            Role::Directory { config, .. } => config.address.clone(),
            _ => panic!("{} is no directory server", self.processes[directory.0].name),
        }
    }

    /// Which server a directory server's disk says that it is, if it does.
    pub fn server(&self, directory: Pid) -> Option<ServerId> {
        match &self.processes[directory.0].role {
            Role::Directory { store, .. } => store.kept().log.promise.map(|promise| promise.server),
            _ => None,
        }
    }

    /// The directory server that leads, as far as it knows itself.
    pub fn leader(&self) -> Option<Pid> {
        let leads = |process: &Process| matches!(&process.role, Role::Directory { machine, .. } if process.alive && machine.leads());
        self.processes.iter().position(leads).map(Pid)
    }

    /// All processes.
    pub fn pids(&self) -> impl Iterator<Item = Pid> + use<> {
        (0..self.processes.len()).map(Pid)
    }

    /// What runs there.
    pub fn role(&self, pid: Pid) -> &Role {
        &self.processes[pid.0].role
    }

    /// What it is called.
    pub fn name(&self, pid: Pid) -> &str {
        &self.processes[pid.0].name
    }

    /// The newest view that the directory servers agreed on, as far as any of them has said or written.
    pub fn view(&self) -> SharedView {
        let newest = self.registry.views().last_key_value().map(|(_, view)| view.clone());
        newest.unwrap_or_else(|| Kept::default().state.view().clone())
    }

    /// The directory servers that run: where they are, and what each knows.
    pub fn directories(&self) -> impl Iterator<Item = (&str, &Directory)> {
        self.processes.iter().filter(|process| process.alive).filter_map(|process| match &process.role {
            Role::Directory { machine, .. } => Some((&*process.name, &**machine)),
            _ => None,
        })
    }

    /// The groups a node serves, and which life of each.
    pub fn held(&self, node: Pid) -> Vec<(GroupName, Birth)> {
        match &self.processes[node.0].role {
            Role::Node { machine, .. } if self.processes[node.0].alive => {
                machine.lives().map(|(group, birth, _)| (group.clone(), birth)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Every copy of a group that a node that runs has, whether it serves it, and where it ends.
    pub fn copies(&self, node: Pid) -> Vec<(GroupName, bool, Last)> {
        match &self.processes[node.0].role {
            Role::Node { machine, .. } if self.processes[node.0].alive => {
                machine.copies().map(|(group, served, last)| (group.clone(), served, last)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What directory servers should keep of the groups that a node serves.
    pub fn charters(&self, node: Pid) -> Vec<Charter> {
        match &self.processes[node.0].role {
            Role::Node { machine, .. } if self.processes[node.0].alive => machine.charters().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether any node serves this group.
    pub fn is_served(&self, group: &GroupName) -> bool {
        self.pids().any(|pid| self.held(pid).iter().any(|(held, _)| held == group))
    }

    /// Everyone's transcripts.
    pub fn ears(&self) -> impl Iterator<Item = &Ear> {
        self.pids().filter_map(|pid| self.ear(pid))
    }

    /// Someone's transcript.
    pub fn ear(&self, pid: Pid) -> Option<&Ear> {
        match self.role(pid) {
            Role::Client { ear, .. } => Some(ear),
            Role::Person(person) => Some(person.ear()),
            _ => None,
        }
    }

    /// How many groups and people nodes look after, all together.
    pub fn groups_within(&self) -> u64 {
        self.pids().map(|pid| self.held(pid).len() as u64).sum()
    }

    /// The groups someone is in, as far as they were told.
    pub fn inside(&self, pid: Pid) -> Vec<GroupName> {
        match self.role(pid) {
            Role::Client { group, joined: true, .. } => vec![group.clone()],
            Role::Person(person) => person.inside().iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// The super node a native client is connected to.
    pub fn node_of(&self, client: Pid) -> Option<NodeKey> {
        let ends = self.processes[client.0].ends();
        let there = |end: EndOf| self.wires[end.wire].as_ref().map(|wire| wire.ends[1 - end.side].pid);
        let nodes = ends.into_iter().filter_map(there).filter(|pid| matches!(self.role(*pid), Role::Node { .. }));
        nodes.map(|pid| self.key(pid)).next()
    }

    /// How often a process has ended.
    pub fn life(&self, pid: Pid) -> u32 {
        self.processes[pid.0].life
    }

    /// The groups someone wants to be in.
    pub fn wanted(&self, pid: Pid) -> Vec<GroupName> {
        match self.role(pid) {
            Role::Client { group, gave_up: None, .. } => vec![group.clone()],
            Role::Person(person) => person.wanted().iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// What people do.
impl World {
    /// A person goes into a group.
    pub fn enter(&mut self, person: Pid, name: &str) {
        let name = group(name);
        self.with_person(person, |person, now, effects| person.enter(now, &name, effects));
    }

    /// A person leaves a group.
    pub fn part(&mut self, person: Pid, name: &str) {
        let name = group(name);
        self.with_person(person, |person, now, effects| person.part(now, &name, effects));
    }

    /// Someone says something; a client can only speak in its group.
    pub fn say(&mut self, who: Pid, target: &str, text: &str) {
        self.say_and(who, target, text, false);
    }

    /// The same; an IRC program may ask to hear it, too.
    pub fn say_and(&mut self, who: Pid, target: &str, text: &str, echo: bool) {
        let said_in = match self.role(who) {
            Role::Client { group, .. } => Ok(group.clone()),
            _ => GroupName::new(target),
        };
        if let Ok(group) = said_in {
            self.spoken.push(Spoken { at: self.now, who, group, text: text.to_string() });
        }
        if matches!(self.role(who), Role::Person(person) if person.style() == Style::Irc) && echo {
            return self.types(who, &["SAY", "msg", target, "1", text]);
        }
        if matches!(self.role(who), Role::Client { .. }) {
            let number = self.rng.draw();
            if let Role::Client { said, .. } = &mut self.processes[who.0].role {
                said.insert(number, text.to_string());
            }
            return self.hand(who, Input::Wish(Wish::Say { number, text: text.into() }));
        }
        self.with_person(who, |person, _, effects| person.say(target, text, effects));
    }

    /// A person types a command.
    pub fn types(&mut self, who: Pid, words: &[&str]) {
        if matches!(self.role(who), Role::Client { .. }) {
            let words = words.iter().map(|word| Text::from(*word)).collect();
            return self.hand(who, Input::Wish(Wish::Run(words)));
        }
        let command = parse(words);
        self.with_person(who, |person, _, effects| person.send(command, effects));
    }
}

/// What operators do.
impl World {
    /// An operator asks a directory server something. False: they are still asking something else.
    pub fn ask(&mut self, operator: Pid, directory: Pid, words: &[&str]) -> bool {
        let (address, command) = (self.address(directory), parse(words));
        let done = self.with_operator(operator, |operator, _, effects| {
            let free = !operator.is_busy();
            if free {
                operator.ask(address, command, effects);
            }
            free
        });
        done == Some(true)
    }

    /// Whether an operator waits for an answer.
    pub fn is_asking(&self, operator: Pid) -> bool {
        matches!(&self.processes[operator.0].role, Role::Operator(operator) if operator.is_busy())
    }

    /// What came of what an operator asked last, once they have an answer or have given up.
    pub fn answer(&self, operator: Pid) -> Option<&Reply> {
        match &self.processes[operator.0].role {
            Role::Operator(operator) if !operator.is_busy() => operator.answer(),
            _ => None,
        }
    }

    /// From here on an operator sees to it that the directory servers are those that are wanted.
    pub fn look_after(&mut self, operator: Pid, change: impl FnOnce(&mut Operator, Time)) {
        self.with_operator(operator, |operator, now, _| change(operator, now));
    }

    /// Whether the directory servers are those that this operator wants.
    pub fn is_content(&self, operator: Pid) -> bool {
        matches!(&self.processes[operator.0].role, Role::Operator(operator) if operator.is_content())
    }
}
