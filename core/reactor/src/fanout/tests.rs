//! The fan-out against a model that keeps a queue for everyone, and the few shapes worth telling one by one.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use proptest::prelude::*;

use super::*;

const READERS: u32 = 4;
const LISTS: u32 = 3;

/// A message on the wire: length, then `P` (for one) or `L` and the list, then a number.
fn message(kind: &str, number: u64, padding: usize) -> Vec<u8> {
    let body = format!("{kind} {number} {}", "x".repeat(padding));
    format!("{:06}{body}", body.len()).into_bytes()
}

/// `(kind, number)` of each message; panics when one was torn.
#[track_caller]
fn parse(mut wire: &[u8]) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    while !wire.is_empty() {
        let len: usize = std::str::from_utf8(&wire[..6]).unwrap().parse().expect("a length: else a message was torn");
        let body = std::str::from_utf8(&wire[6..6 + len]).unwrap();
        let mut words = body.split(' ');
        found.push((words.next().unwrap().to_string(), words.next().unwrap().parse().unwrap()));
        wire = &wire[6 + len..];
    }
    found
}

/// The real thing, with sockets that take what they are told to.
struct World {
    fanout: Fanout,
    wires: Vec<Vec<u8>>,
    room: Vec<usize>,
}

impl World {
    fn new(retention: Retention) -> World {
        let mut fanout = Fanout::new(retention);
        (0..READERS).for_each(|slot| fanout.open(slot, Class::default()));
        World { fanout, wires: vec![Vec::new(); READERS as usize], room: vec![0; READERS as usize] }
    }

    /// Says whether anything was left to do.
    fn turn(&mut self) -> bool {
        self.fanout.spread();
        let mut dirty = Vec::new();
        self.fanout.take_dirty(&mut dirty);
        for &slot in &dirty {
            let (wire, room) = (&mut self.wires[slot as usize], &mut self.room[slot as usize]);
            self.fanout.flush(slot, |slices| {
                let before = wire.len();
                for slice in slices {
                    let count = slice.len().min(*room);
                    wire.extend_from_slice(&slice[..count]);
                    *room -= count;
                }
                if wire.len() == before { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(wire.len() - before) }
            });
        }
        self.check();
        !dirty.is_empty()
    }

    fn drain(&mut self) {
        (0..READERS).for_each(|slot| self.make_room(slot, usize::MAX / 2));
        while self.turn() {}
    }

    fn make_room(&mut self, slot: u32, bytes: usize) {
        self.room[slot as usize] += bytes;
        self.fanout.unblock(slot);
    }

    fn tell_all(&mut self, list: u32, number: u64, skip: Option<u32>, padding: usize) {
        self.fanout.tell_all(ListId(list), Some(number + 1), skip, |class, out| {
            // Each class has its own length, so that positions differ between them.
            out.extend(message(&format!("L{list}"), number, padding + class.class as usize));
        });
    }

    fn tell(&mut self, slot: u32, number: u64, padding: usize) {
        self.fanout.tell(slot, &message("P", number, padding));
    }

    fn check(&self) {
        for (id, stream) in self.fanout.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            let mut positions = Vec::new();
            for (i, member) in stream.members.iter().enumerate() {
                let sub = &self.fanout.reader(member.slot).subs[member.sub as usize];
                assert_eq!((sub.stream as usize, sub.member as usize), (id, i));
                if sub.pos < sub.end {
                    positions.push(sub.pos);
                }
            }
            stream.check(&positions);
        }
    }
}

/// What each reader should hear: all it was told, in order, and where its subscriptions begin and end.
#[derive(Default)]
struct Model {
    on: BTreeMap<(u32, u32), ()>,
    queues: BTreeMap<u32, VecDeque<(String, u64)>>,
}

#[derive(Clone, Debug)]
enum Act {
    Enlist(u32, u32),
    Delist(u32, u32),
    Disband(u32),
    TellAll { list: u32, skip: Option<u32>, padding: usize },
    Tell { slot: u32, padding: usize },
    Class(u32, u32),
    Turn,
    Room(u32, usize),
    Reopen(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let (slot, list) = (0..READERS, 0..LISTS);
    let padding = prop_oneof![8 => 0usize..200, 1 => 2_000usize..5_000, 1 => 60_000usize..90_000];
    prop_oneof![
        3 => (list.clone(), slot.clone()).prop_map(|(list, slot)| Act::Enlist(list, slot)),
        1 => (list.clone(), slot.clone()).prop_map(|(list, slot)| Act::Delist(list, slot)),
        1 => list.clone().prop_map(Act::Disband),
        10 => (list, proptest::option::of(slot.clone()), padding.clone())
            .prop_map(|(list, skip, padding)| Act::TellAll { list, skip, padding }),
        4 => (slot.clone(), padding).prop_map(|(slot, padding)| Act::Tell { slot, padding }),
        2 => (slot.clone(), 0u32..3).prop_map(|(slot, class)| Act::Class(slot, class)),
        6 => Just(Act::Turn),
        6 => (slot.clone(), prop_oneof![1usize..60, 100usize..5_000, 10_000usize..200_000]).prop_map(|(slot, room)| Act::Room(slot, room)),
        1 => slot.prop_map(Act::Reopen),
    ]
}

impl Model {
    /// Who falls off a list hears what was told before the first one they miss.
    #[track_caller]
    fn fall(&mut self, fall: Fall) {
        let (queue, kind) = (self.queues.entry(fall.slot).or_default(), format!("L{}", fall.list.0));
        let (before, next) = (queue.len(), fall.next.expect("all have places") - 1);
        queue.retain(|(of, number)| *of != kind || *number < next);
        assert_eq!((before - queue.len()) as u64, fall.lost, "of {kind} at {} from {next}", fall.slot);
        assert!(self.on.remove(&(fall.list.0, fall.slot)).is_some(), "only who is on it falls off a list");
    }
}

/// Runs both. Returns per reader what it heard, what it should have, and how many fell.
fn run(retention: Retention, acts: &[Act]) -> (World, Model, usize) {
    let (mut world, mut model, mut fell) = (World::new(retention), Model::default(), 0);
    let mut falls = Vec::new();
    for (number, act) in acts.iter().enumerate() {
        let number = number as u64;
        match *act {
            Act::Enlist(list, slot) => {
                world.fanout.enlist(ListId(list), slot);
                model.on.insert((list, slot), ());
            }
            Act::Delist(list, slot) => {
                world.fanout.delist(ListId(list), slot);
                model.on.remove(&(list, slot));
            }
            Act::Disband(list) => {
                world.fanout.disband(ListId(list));
                model.on.retain(|key, ()| key.0 != list);
            }
            Act::TellAll { list, skip, padding } => {
                world.tell_all(list, number, skip, padding);
                for &(_, slot) in model.on.keys().filter(|key| key.0 == list && Some(key.1) != skip) {
                    model.queues.entry(slot).or_default().push_back((format!("L{list}"), number));
                }
            }
            Act::Tell { slot, padding } => {
                world.tell(slot, number, padding);
                model.queues.entry(slot).or_default().push_back(("P".into(), number));
            }
            Act::Class(slot, class) => world.fanout.set_class(slot, Class { codec: 0, class }),
            Act::Turn => {
                world.turn();
            }
            Act::Room(slot, room) => world.make_room(slot, room),
            Act::Reopen(slot) => {
                world.fanout.close(slot);
                world.fanout.open(slot, Class::default());
                model.on.retain(|key, ()| key.1 != slot);
                model.queues.remove(&slot);
                world.wires[slot as usize].clear();
            }
        }
        world.fanout.take_falls(&mut falls);
        fell += falls.len();
        falls.drain(..).for_each(|fall| model.fall(fall));
        world.check();
    }
    world.drain();
    (world, model, fell)
}

/// What lies between two private messages, per list in order.
fn between_privates(heard: impl IntoIterator<Item = (String, u64)>) -> Vec<BTreeMap<String, Vec<u64>>> {
    let mut parts = vec![BTreeMap::<String, Vec<u64>>::new()];
    for (kind, number) in heard {
        if kind == "P" {
            parts.push(BTreeMap::new());
        }
        parts.last_mut().unwrap().entry(kind).or_default().push(number);
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Everyone hears all they should, whole, each list in order, and private messages exactly where they belong.
    #[test]
    fn everyone_hears_what_the_model_says(acts in prop::collection::vec(act(), 1..150)) {
        let (world, model, fell) = run(Retention { stream_max: 64 << 20, total_max: 256 << 20 }, &acts);
        prop_assert_eq!(fell, 0);
        for slot in 0..READERS {
            let heard = parse(&world.wires[slot as usize]);
            let told = model.queues.get(&slot).cloned().unwrap_or_default();
            prop_assert_eq!(between_privates(heard), between_privates(told));
        }
        prop_assert_eq!(world.fanout.held(), (0, 0));
    }

    /// With little room whoever falls behind hears exactly what was before the place that is reported, and may come back.
    #[test]
    fn who_falls_knows_where(acts in prop::collection::vec(act(), 1..150)) {
        let (world, model, _) = run(Retention { stream_max: 100_000, total_max: 300_000 }, &acts);
        for slot in 0..READERS {
            let heard = parse(&world.wires[slot as usize]);
            let told: Vec<_> = model.queues.get(&slot).cloned().unwrap_or_default().into();
            for kind in ["P", "L0", "L1", "L2"] {
                let of = |all: &[(String, u64)]| -> Vec<u64> { all.iter().filter(|(k, _)| k == kind).map(|(_, n)| *n).collect() };
                let (heard, told) = (of(&heard), of(&told));
                let list = kind[1..].parse().unwrap_or(u32::MAX);
                let left = |act: &Act| matches!(act, Act::Delist(l, s) if (*l, *s) == (list, slot)) || matches!(act, Act::Disband(l) if *l == list);
                if !acts.iter().any(left) {
                    prop_assert_eq!(heard, told, "{} at {}", kind, slot);
                } else {
                    // What was lost after leaving a list is not reported.
                    let mut rest = told.iter();
                    prop_assert!(heard.iter().all(|number| rest.any(|other| other == number)), "{} at {}: {:?} of {:?}", kind, slot, heard, told);
                }
            }
        }
        prop_assert_eq!(world.fanout.held(), (0, 0));
    }
}

#[track_caller]
fn heard(world: &World, slot: u32, expected: &str) {
    let heard: Vec<_> = parse(&world.wires[slot as usize]).into_iter().map(|(kind, number)| format!("{kind}:{number}")).collect();
    assert_eq!(heard.join(" "), expected);
}

#[test]
fn private_and_shared_go_out_in_the_order_told() {
    let mut world = World::new(Retention::default());
    world.fanout.enlist(ListId(1), 0);
    world.tell(0, 1, 0);
    world.tell_all(1, 2, None, 0);
    world.tell(0, 3, 0);
    world.tell_all(1, 4, Some(0), 0);
    world.tell_all(1, 5, None, 0);
    world.fanout.delist(ListId(1), 0);
    world.tell_all(1, 6, None, 0);
    world.tell(0, 7, 0);
    world.drain();
    heard(&world, 0, "P:1 L1:2 P:3 L1:5 P:7");
}

#[test]
fn what_all_have_read_is_given_back() {
    let mut world = World::new(Retention::default());
    (0..READERS).for_each(|slot| world.fanout.enlist(ListId(0), slot));
    world.tell_all(0, 1, None, 50_000);
    world.tell_all(0, 2, Some(3), 50_000);
    (0..READERS - 1).for_each(|slot| world.make_room(slot, 1 << 20));
    world.turn();
    let slow = world.fanout.held().0;
    assert!(slow > 0, "the last one has not read it");
    world.make_room(3, 1 << 20);
    world.turn();
    assert_eq!(world.fanout.held(), (0, 0));
    heard(&world, 3, "L0:1");
}

#[test]
fn who_falls_off_a_list_costs_nothing_more_and_can_come_back() {
    let mut world = World::new(Retention { stream_max: 128 << 10, total_max: 1 << 30 });
    world.fanout.enlist(ListId(0), 0);
    let mut falls = Vec::new();
    world.tell_all(0, 0, None, 1_000);
    world.make_room(0, 500);
    world.turn();
    (1..1_000).for_each(|number| world.tell_all(0, number, None, 1_000));
    world.turn();
    world.fanout.take_falls(&mut falls);
    let [Fall { slot: 0, list: ListId(0), next: Some(2), lost }] = falls[..] else { panic!("{falls:?}") };
    assert!((50..999).contains(&lost), "{lost}");
    assert_eq!(world.fanout.recipients(ListId(0)), 0);
    assert!(world.fanout.held().0 == 0 && world.fanout.held().1 < 1_000, "{:?}", world.fanout.held());
    assert!(!world.fanout.has_room(0));
    world.fanout.enlist(ListId(0), 0);
    world.tell_all(0, 1_000, None, 0);
    world.drain();
    heard(&world, 0, "L0:0 L0:1000");
    assert!(world.fanout.has_room(0));
}

#[test]
fn how_far_someone_is_behind() {
    let mut world = World::new(Retention::default());
    world.fanout.enlist(ListId(0), 0);
    (0..10).for_each(|number| world.tell_all(0, number, Some(1), 100));
    world.tell(0, 10, 0);
    let (bytes, entries) = world.fanout.lag(0);
    assert_eq!((entries, bytes), (10, world.fanout.private_len(0) as u64 + 10 * message("L0", 0, 100).len() as u64));
    world.drain();
    assert_eq!(world.fanout.lag(0), (0, 0));
}

#[test]
fn a_flooded_list_does_not_starve_another() {
    let mut world = World::new(Retention::default());
    world.fanout.enlist(ListId(0), 0);
    world.fanout.enlist(ListId(1), 0);
    (0..1_000).for_each(|number| world.tell_all(0, number, None, 2_000));
    world.tell_all(1, 5, None, 0);
    world.make_room(0, usize::MAX / 2);
    world.turn();
    assert!(world.wires[0].len() < 600_000, "a turn is bounded");
    assert!(parse(&world.wires[0]).contains(&("L1".into(), 5)));
}

#[test]
fn a_list_of_nobody_is_never_encoded() {
    let mut fanout = Fanout::new(Retention::default());
    assert_eq!(fanout.tell_all(ListId(7), None, None, |_, _| panic!("nobody listens")), 0);
    fanout.disband(ListId(9));
    assert!(!fanout.is_dirty());
}
