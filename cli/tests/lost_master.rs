//! The super node that is master of groups is killed, or freezes: within the lease and two seconds everyone is back, with no one doing anything.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::member::{Hears, Member, Sturdy, Tail};
use common::network::{Network, Node, groups_where};
use common::process::Process;
use common::redis::Redis;
use common::{soon, within};
use std::time::{Duration, Instant};

/// Beyond the lease.
const GRACE: Duration = Duration::from_secs(2);
/// How long one message may take to be heard, before another is tried.
const TRY: Duration = Duration::from_millis(250);

/// Three super nodes, and several groups that one of them is master of.
struct Scene {
    net: Network,
    _directory: Process,
    /// The master first.
    nodes: [Node; 3],
    groups: Vec<String>,
    /// Who speaks.
    iris: Member<Irc>,
    ivan: Member<Irc>,
    ruth: Member<Redis>,
    lines: usize,
}

impl Scene {
    fn new() -> Scene {
        let net = Network::new();
        let directory = net.directory();
        let mut nodes = net.nodes([1, 2, 3]);
        let owner = net.json(&["ring", "owner", "#erlang"])["master"].as_str().unwrap().to_string();
        nodes.sort_by_key(|node| node.key.as_str() != owner);
        let ring = net.ring(&[1, 2, 3]);
        let mut groups = vec!["#erlang".to_string()];
        groups.extend(groups_where(3, |group| ring.master(group) == Some(&nodes[0].key)));
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let iris = Member::new("iris", Irc::joined(nodes[1].irc, "iris", &names));
        let ivan = Member::new("ivan", Irc::joined(nodes[2].irc, "ivan", &names));
        let ruth = Member::new("ruth", Redis::subscribed(nodes[2].native, Some("ruth"), &names));
        Scene { net, _directory: directory, nodes, groups, iris, ivan, ruth, lines: 0 }
    }

    /// The native client in each group. They are at the master.
    fn tails(&self) -> Vec<Member<Tail>> {
        self.groups.iter().enumerate().map(|(ix, group)| self.net.tail(group, &format!("tess{ix}"))).collect()
    }

    /// A Redis client in all groups that is connected to the master and knows where else it may go.
    fn rosa(&self) -> Member<Sturdy> {
        let names: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let connection = Some(Redis::subscribed(self.nodes[0].native, None, &names));
        Member::new("rosa", Sturdy { addresses: vec![self.nodes[1].native, self.nodes[2].native], groups: self.groups.clone(), connection })
    }

    /// iris says something in a group, and everyone there hears it, or who does not.
    fn all_hear(&mut self, ix: usize, others: &mut [&mut dyn Hears], until: Instant) -> Result<(), String> {
        self.lines += 1;
        let (group, text) = (&self.groups[ix], format!("line {}", self.lines));
        self.iris.ear.say(group, &text);
        let all = [&mut self.iris as &mut dyn Hears, &mut self.ivan, &mut self.ruth].into_iter();
        let deaf = all.chain(others.iter_mut().map(|other| &mut **other as &mut dyn Hears)).find_map(|member| {
            let hears = member.hears(group, &text, until);
            (!hears).then(|| format!("{} does not hear {text:?} in {group}", member.name()))
        });
        deaf.map_or(Ok(()), Err)
    }

    /// As soon as something that iris says is heard by everyone.
    #[track_caller]
    fn all_hear_again(&mut self, ix: usize, others: &mut [&mut dyn Hears], until: Instant) {
        let mut why = String::new();
        while Instant::now() < until {
            match self.all_hear(ix, others, until.min(Instant::now() + TRY)) {
                Ok(()) => return,
                Err(error) => why = error,
            }
        }
        panic!("not in time: {why}");
    }

    /// When everyone has to be back who was there until now.
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.net.lease_ms) + GRACE
    }

    fn owner(&self, group: &str) -> String {
        self.net.json(&["ring", "owner", group])["master"].as_str().unwrap().to_string()
    }
}

#[test]
fn a_killed_one() {
    let mut scene = Scene::new();
    let (mut tails, mut rosa) = (scene.tails(), scene.rosa());
    for (ix, tail) in tails.iter_mut().enumerate() {
        scene.all_hear(ix, &mut [&mut rosa, tail], soon()).unwrap();
    }

    scene.nodes[0].process.kill();
    let (killed, until) = (Instant::now(), scene.deadline());
    for (ix, tail) in tails.iter_mut().enumerate() {
        scene.all_hear_again(ix, &mut [&mut rosa, tail], until);
        println!("{}: all hear again {:?} after the kill", scene.groups[ix], killed.elapsed());
    }

    let left = common::network::ring([&scene.nodes[1].key, &scene.nodes[2].key]);
    for (group, tail) in scene.groups.iter().zip(&tails) {
        assert_eq!(scene.owner(group), left.master(group).unwrap().as_str());
        within(soon(), "rosa's lost connection is gone, and all others are members", || {
            let nicks = scene.net.members(group);
            let nicks: Vec<&str> = nicks.iter().map(String::as_str).collect();
            matches!(nicks[..], [guest, "iris", "ivan", "ruth", native] if guest.starts_with("guest-") && native == tail.name).then_some(())
        });
    }
}

/// Its connections stay open and nothing comes back: only the lease can tell. When it wakes up, it must not go on as if nothing had happened.
#[test]
fn a_frozen_one() {
    let mut scene = Scene::new();
    // These are at their masters themselves: nobody but they can notice that one is silent.
    let mut tails = scene.tails();
    for (ix, tail) in tails.iter_mut().enumerate() {
        scene.all_hear(ix, &mut [tail], soon()).unwrap();
    }

    scene.nodes[0].process.freeze();
    let (frozen, until) = (Instant::now(), scene.deadline());
    for (ix, tail) in tails.iter_mut().enumerate() {
        scene.all_hear_again(ix, &mut [tail], until);
        println!("{}: all hear again {:?} after the master froze", scene.groups[ix], frozen.elapsed());
        assert_ne!(scene.owner(&scene.groups[ix]), scene.nodes[0].key.as_str());
    }

    scene.nodes[0].process.signal("CONT");
    for node in &mut scene.nodes[1..] {
        node.process.err.wait("with 2 super nodes");
        node.process.err.wait("with 3 super nodes");
    }
    let mut rosa = scene.rosa();
    for ix in 0..scene.groups.len() {
        scene.all_hear_again(ix, &mut [&mut rosa], soon());
        assert_eq!(scene.owner(&scene.groups[ix]), scene.nodes[0].key.as_str());
        // From here on, with nothing lost.
        scene.all_hear(ix, &mut [&mut rosa], soon()).unwrap();
    }
}
