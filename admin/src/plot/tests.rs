use super::*;
use crate::plan::Change;
use chatring_machines::ids::Incarnation;
use chatring_machines::names::GroupName;
use chatring_machines::view::{NodeInfo, RingParams};

/// A ring of so many nodes with so many points, and 40 groups of different sizes.
fn network(nodes: u8, points: u32) -> (View, Vec<NodeLoad>, Vec<GroupPlace>) {
    let node = |number: u8| NodeInfo {
        key: NodeKey::new(&format!("192.0.2.{number}")).unwrap(),
        name: format!("node{number}").into(),
        incarnation: Incarnation(1),
        since: Default::default(),
        admitted: Epoch::default(),
    };
    let epoch = Epoch { generation: 1, number: 7 };
    let params = RingParams { points, ..RingParams::default() };
    let view = View { epoch, network: "exa<m>ple".into(), params, nodes: (1..=nodes).map(node).collect(), directories: Vec::new() };
    let ring = Ring::new(&view);
    let place = |number: u64| {
        let group = GroupName::new(&format!("#room{number:02}")).unwrap();
        let master = ring.master(group.as_str())?.clone();
        Some(GroupPlace { group, master, members: number * number, near: number, seq: 10 * number })
    };
    let places: Vec<GroupPlace> = (0..40).filter_map(place).collect();
    let load = |key: &NodeKey| {
        let own = places.iter().filter(|place| place.master == *key);
        let (groups, members) = own.fold((0, 0), |(groups, members), place| (groups + 1, members + place.members));
        NodeLoad { node: key.clone(), groups, members }
    };
    let loads = ring.nodes().iter().map(load).collect();
    (view, loads, places)
}

fn picture(nodes: u8, points: u32, changes: &[Change]) -> Picture {
    let (view, loads, places) = network(nodes, points);
    let plan = (!changes.is_empty()).then(|| RingPlan::of(&view, changes, &places).unwrap());
    Picture::of(&view, &loads, &places, plan.as_ref()).unwrap()
}

fn add(number: u8) -> Change {
    Change::Add(NodeKey::new(&format!("192.0.2.{number}")).unwrap())
}

/// Compares with the file of this name; `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
fn check_file(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is drawn otherwise: look at it, and run UPDATE_SNAPSHOTS=1 cargo test -p chatring-admin");
}

/// How many elements of this name, in a picture that is XML.
#[track_caller]
fn elements(svg: &str, name: &str) -> usize {
    let document = roxmltree::Document::parse(svg).unwrap();
    document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name))).count()
}

#[test]
fn a_picture_is_what_it_was() {
    check_file("ring.svg", &picture(4, 1, &[]).svg());
    check_file("ring-plan.svg", &picture(4, 1, &[add(9)]).svg());
}

#[test]
fn a_picture_is_xml_and_has_everything() {
    for (nodes, points, changes) in [(1, 1, vec![]), (4, 1, vec![]), (4, 64, vec![add(9), Change::Points(8)]), (60, 2, vec![])] {
        let picture = picture(nodes, points, &changes);
        let svg = picture.svg();
        let drawn: usize = picture.marks.iter().map(|mark| mark.points.len()).sum();
        assert_eq!(elements(&svg, "circle"), picture.dots.len() + drawn);
        assert!(elements(&svg, "path") >= picture.parts.len(), "{nodes}");
        assert_eq!(elements(&svg, "title"), 1);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        assert!(texts.contains(&"The ring of exa<m>ple, epoch 1.7"), "{texts:?}");
        assert_eq!(texts.contains(&"and 20 more"), nodes == 60);
        let places = document.descendants().flat_map(|node| node.attributes()).filter(|at| ["x", "y", "cx", "cy"].contains(&at.name()));
        for place in places.map(|at| at.value().parse::<f64>().unwrap()) {
            assert!((0.0..=1_420.0).contains(&place), "{place} in a picture of {nodes} nodes");
        }
    }
}

#[test]
fn an_empty_ring_is_drawn() {
    let (view, ..) = network(0, 1);
    let picture = Picture::of(&view, &[], &[], None).unwrap();
    assert_eq!(elements(&picture.svg(), "circle"), 0);
    picture.sheet(&Screen { width: 80, unicode: true, colour: true });
}

#[track_caller]
fn drawn(width: usize, unicode: bool, colour: bool) -> Vec<String> {
    let drawing = picture(4, 1, &[]).draw(&Screen { width, unicode, colour });
    drawing.lines().map(str::to_string).collect()
}

#[test]
fn a_circle_in_characters() {
    let lines = drawn(80, true, false);
    assert!((30..=33).contains(&lines.len()), "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    let all: String = lines.concat();
    assert!(all.chars().all(|c| c == ' ' || "ABCD".contains(c) || ('\u{2800}'..='\u{28ff}').contains(&c)), "{all}");
    assert!("ABCD".chars().all(|letter| all.contains(letter)), "{all}");
    check_file("ring.txt", &(lines.join("\n") + "\n"));

    let lines = drawn(40, false, false);
    assert!(lines.iter().all(|line| line.len() <= 40 && line.is_ascii()), "{lines:#?}");
    assert!("aAbBcCdD".chars().all(|letter| lines.concat().contains(letter)), "{lines:#?}");
    check_file("ring-ascii.txt", &(lines.join("\n") + "\n"));

    let colours = drawn(80, true, true).join("\n");
    assert!(colours.contains("\x1b[38;5;33m") && colours.contains("\x1b[0m"));
    // However narrow a terminal is, something is to be seen.
    assert!((8..=11).contains(&drawn(1, true, false).len()));
}

#[test]
fn a_legend_and_values() {
    let screen = Screen { width: 60, unicode: true, colour: false };
    let sheet = picture(4, 1, &[add(9)]).sheet(&screen);
    let text = sheet.text(false);
    assert!(text.starts_with("exa<m>ple, epoch 1.7\ncircular, 1 point per node, 4 super nodes, 40 groups, "), "{text}");
    assert!(text.contains("\nplanned: add 192.0.2.9; "), "{text}");
    assert!(text.lines().any(|line| line.contains("192.0.2.9") && line.contains("0.0 %")), "{text}");
    let value = sheet.value();
    assert_eq!((&value["network"], value["nodes"].as_array().unwrap().len()), (&json!("exa<m>ple"), 5));
    let moving = value["dots"].as_array().unwrap().iter().filter(|dot| dot["moves_to"] == "192.0.2.9").count();
    assert!(moving > 0 && text.contains(&count(moving as u64, "group moves", "groups move")));
}
