//! The ring against a brute-force search, and against vectors that another language's md5 computed.

use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::{Ring, point};
use chatring_machines::view::{Metric, RingParams};
use proptest::prelude::*;

fn key(text: &str) -> NodeKey {
    NodeKey::new(text).unwrap()
}

fn texts<'a>(keys: impl Iterator<Item = &'a NodeKey>) -> Vec<&'a str> {
    keys.map(NodeKey::as_str).collect()
}

/// One line of the vectors, against the ring its section is about.
#[track_caller]
fn check(ring: &Ring, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<u32>().unwrap();
    match words[..] {
        ["point", text, expected] => assert_eq!(point(text), number(expected), "{text}"),
        ["group", name, at, standby, ref order @ ..] => {
            let group = GroupName::new(name).unwrap();
            assert_eq!(point(group.as_str()), number(at), "{name}");
            assert_eq!(texts(ring.master(group.as_str()).into_iter()), order.iter().take(1).copied().collect::<Vec<_>>(), "{line}");
            assert_eq!(ring.standby(group.as_str()).map_or("-", NodeKey::as_str), standby, "{line}");
            assert_eq!(texts(ring.order(number(at))), order, "{line}");
        }
        ["at", at, standby, ref order @ ..] => {
            let at = number(at);
            assert_eq!(ring.master_of(at).map(NodeKey::as_str), order.first().copied(), "{line}");
            assert_eq!(ring.standby_of(at).map_or("-", NodeKey::as_str), standby, "{line}");
            assert_eq!(texts(ring.order(at)), order, "{line}");
        }
        ["share", node, covers] => {
            let shares = ring.shares();
            let share = shares.iter().find(|share| share.key.as_str() == node).unwrap();
            assert_eq!(share.covers, covers.parse::<u64>().unwrap(), "{line}");
        }
        _ => panic!("what is {line:?}?"),
    }
}

#[test]
fn vectors() {
    let mut ring = Ring::default();
    let mut lines = 0;
    for line in include_str!("ring_vectors.txt").lines().filter(|line| !line.starts_with('#')) {
        lines += 1;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["ring", metric, points, ref keys @ ..] => {
                let params = RingParams { metric: metric.parse().unwrap(), points: points.parse().unwrap() };
                ring = Ring::of(keys.iter().map(|text| key(text)), params);
            }
            _ => check(&ring, line),
        }
    }
    assert!(lines > 900, "the vectors are cut short: {lines} lines");
}

/// Placement as the design writes it, without any cleverness: all points of a node, the nearest counts, sorted.
fn brute_order(keys: &[NodeKey], params: RingParams, at: u32) -> Vec<NodeKey> {
    let distance = |a: u32, b: u32| {
        let straight = (i64::from(a) - i64::from(b)).abs();
        if params.metric == Metric::Linear { straight } else { straight.min((1 << 32) - straight) }
    };
    let points = |key: &NodeKey| {
        let text = |number: u32| if number == 0 { key.to_string() } else { format!("{key}#{number}") };
        (0..params.points).map(|number| point(&text(number))).collect::<Vec<u32>>()
    };
    let nearest = |key: &NodeKey| points(key).into_iter().map(|its| (distance(its, at), its)).min().unwrap();
    let mut order = keys.to_vec();
    order.sort_by_cached_key(|key| (nearest(key), key.clone()));
    order.dedup();
    order
}

fn brute_standby(order: &[NodeKey]) -> Option<&NodeKey> {
    let (master, rest) = order.split_first()?;
    rest.iter().find(|key| key.host() != master.host()).or(rest.first())
}

/// Few hosts with several ports, so that hosts repeat; among them two that fall on the same point.
fn any_key() -> impl Strategy<Value = NodeKey> {
    prop_oneof![
        4 => (0u8..40, prop_oneof![Just(7411u16), 7000u16..7004]).prop_map(|(host, port)| key(&format!("192.0.2.{host}:{port}"))),
        1 => any::<u32>().prop_map(|ip| key(&std::net::Ipv4Addr::from(ip).to_string())),
        1 => any::<u128>().prop_map(|ip| key(&std::net::Ipv6Addr::from(ip).to_string())),
        1 => prop_oneof![Just(key("10.1.106.249")), Just(key("10.1.134.47"))],
    ]
}

fn any_params() -> impl Strategy<Value = RingParams> {
    let points = prop_oneof![Just(1u32), 1u32..8];
    (prop_oneof![Just(Metric::Circular), Just(Metric::Linear)], points).prop_map(|(metric, points)| RingParams { metric, points })
}

/// Where to look: anywhere, and where ties and turning points are.
fn places(keys: &[NodeKey], any: &[u32]) -> Vec<u32> {
    let its: Vec<u32> = keys.iter().map(|key| point(key.as_str())).collect();
    let edges = its.iter().flat_map(|&p| [p, p.wrapping_add(1), p.wrapping_add(1 << 31)]);
    let middles = its.windows(2).flat_map(|pair| {
        let middle = pair[0].wrapping_add(pair[1].wrapping_sub(pair[0]) / 2);
        [middle, middle.wrapping_add(1), middle.wrapping_add(1 << 31)]
    });
    any.iter().copied().chain(edges).chain(middles).chain([0, u32::MAX]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_ring_agrees_with_brute_force(
        keys in proptest::collection::vec(any_key(), 0..12),
        params in any_params(),
        any in proptest::collection::vec(any::<u32>(), 3),
    ) {
        let ring = Ring::of(keys.clone(), params);
        for at in places(&keys[..keys.len().min(3)], &any) {
            let order = brute_order(&keys, params, at);
            prop_assert_eq!(ring.master_of(at), order.first());
            prop_assert_eq!(ring.standby_of(at), brute_standby(&order));
            prop_assert_eq!(ring.order(at).cloned().collect::<Vec<_>>(), order);
        }
        let covered: u64 = ring.shares().iter().map(|share| share.covers).sum();
        prop_assert_eq!(covered, if keys.is_empty() { 0 } else { 1 << 32 });
        let arcs = ring.arcs();
        for arc in &arcs {
            prop_assert_eq!([ring.master_of(arc.first), ring.master_of(arc.last)], [Some(arc.key); 2]);
        }
        for pair in arcs.windows(2) {
            prop_assert!(pair[0].key != pair[1].key && pair[0].last + 1 == pair[1].first, "{:?}", pair);
        }
        let ends = arcs.first().zip(arcs.last()).map(|(first, last)| (first.first, last.last));
        prop_assert_eq!(ends, (!keys.is_empty()).then_some((0, u32::MAX)));
    }

    #[test]
    fn a_new_node_moves_only_what_it_takes(
        keys in proptest::collection::vec(any_key(), 1..10),
        new in any_key(),
        params in any_params(),
        at in any::<u32>(),
    ) {
        let before = Ring::of(keys.clone(), params);
        let after = Ring::of(keys.into_iter().chain([new.clone()]), params);
        let master = after.master_of(at);
        prop_assert!(master == Some(&new) || master == before.master_of(at));
    }

    #[test]
    fn when_a_master_dies_its_standby_is_the_next(
        hosts in proptest::collection::btree_set(0u8..200, 2..10),
        params in any_params(),
        at in any::<u32>(),
    ) {
        let keys: Vec<NodeKey> = hosts.iter().map(|host| key(&format!("127.0.0.{host}"))).collect();
        let ring = Ring::of(keys.clone(), params);
        let master = ring.master_of(at).unwrap().clone();
        let left = Ring::of(keys.into_iter().filter(|key| *key != master), params);
        prop_assert_eq!(left.master_of(at), ring.standby_of(at));
    }
}

#[test]
fn a_gateway_has_no_place_and_a_key_counts_once() {
    let ring = Ring::of([NodeKey::gateway("home"), key("192.0.2.1"), key("192.0.2.1:7411")], RingParams::default());
    assert_eq!(texts(ring.nodes().iter()), ["192.0.2.1"]);
    assert_eq!(ring.distance_to(0, &key("192.0.2.2")), None);
    assert_eq!(ring.distance_to(point("192.0.2.1").wrapping_sub(7), &key("192.0.2.1")), Some(7));
}
