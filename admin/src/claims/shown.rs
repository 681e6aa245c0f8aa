//! What nodes say of a group, as tables: where it belongs, who is near, and who says what.

use chatring_machines::claim::GroupClaim;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::{Ring, point};
use chatring_machines::view::View;
use serde_json::{Value, json};

use super::{Asked, Finding};
use crate::output::Sheet;
use crate::text::clean;

/// Nodes that are shown as candidates; the first two have the group.
const CANDIDATES: usize = 5;

/// All of it. `None` in an empty ring.
pub fn sheet(view: &View, group: &GroupName, asked: &[Asked], findings: &[Finding]) -> Option<Sheet> {
    let (ring, at) = (Ring::new(view), point(group.as_str()));
    let (master, standby) = (ring.master_of(at)?, ring.standby_of(at));
    let facts = vec![
        ("group", clean(group.as_str())),
        ("point", format!("{at} ({at:08x})")),
        ("ring", format!("{}, epoch {}, {}", clean(&view.network), view.epoch, view.params.metric)),
        ("master", master.to_string()),
        ("standby", standby.map_or("none".to_string(), NodeKey::to_string)),
        ("verdict", if findings.is_empty() { "all is well".to_string() } else { words(findings) }),
    ];
    let near: Vec<(&NodeKey, u32)> = ring.order(at).take(CANDIDATES).filter_map(|key| Some((key, ring.distance_to(at, key)?))).collect();
    let candidate = |(key, distance): &(&NodeKey, u32)| json!({"node": key.as_str(), "distance": distance});
    let value = json!({
        "group": group.as_str(), "point": at, "point_hex": format!("{at:08x}"), "network": &*view.network, "epoch": view.epoch.to_string(),
        "metric": view.params.metric.as_str(), "master": master.as_str(), "standby": standby.map(NodeKey::as_str),
        "candidates": near.iter().map(candidate).collect::<Vec<_>>(), "claims": asked.iter().map(|asked| said(view, asked)).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(), "verdict": findings.first().map_or("well", Finding::word),
        "exit_code": findings.first().map_or(0, |worst| worst.kind() as u8),
    });
    let rows = near.iter().map(|(key, distance)| vec![key.to_string(), name(view, key), distance.to_string()]).collect();
    let near = Sheet::table(&[("node", "nearest"), ("name", "name"), ("distance", "distance")], rows, Vec::new());
    Some(Sheet::facts(facts, value).above(near).above(claims(view, asked)))
}

fn words(findings: &[Finding]) -> String {
    findings.iter().map(Finding::word).collect::<Vec<_>>().join(", ")
}

fn name(view: &View, key: &NodeKey) -> String {
    view.node(key).map_or("not in the ring".to_string(), |node| clean(&node.name))
}

fn claims(view: &View, asked: &[Asked]) -> Sheet {
    let row = |asked: &Asked| match &asked.answer {
        Ok(claim) => row(view, claim),
        Err(_) => vec![asked.node.to_string(), name(view, &asked.node), "does not answer".to_string()],
    };
    let mut rows: Vec<Vec<String>> = asked.iter().map(row).collect();
    let columns = [
        ("node", "super node"),
        ("name", "name"),
        ("says", "says"),
        ("epoch", "epoch"),
        ("since", "since term"),
        ("birth", "life"),
        ("seq", "last place"),
        ("counts", "counts"),
        ("members", "members"),
        ("own_people", "own people"),
        ("hears_from", "hear it from"),
    ];
    rows.iter_mut().for_each(|row| row.resize(columns.len(), String::new()));
    Sheet::table(&columns, rows, Vec::new())
}

fn row(view: &View, claim: &GroupClaim) -> Vec<String> {
    let has = claim.birth.is_some();
    let only = |there: bool, text: String| if there { text } else { String::new() };
    let hears = match &claim.hears {
        _ if claim.seats == 0 => String::new(),
        Some(hears) if claim.live => hears.to_string(),
        Some(hears) => format!("{hears}, which has not answered yet"),
        None => "nobody".to_string(),
    };
    vec![
        claim.node.to_string(),
        name(view, &claim.node),
        claim.stand.to_string(),
        claim.epoch.to_string(),
        claim.since.map_or(String::new(), |since| since.to_string()),
        claim.birth.map_or(String::new(), |birth| birth.to_string()),
        claim.seq.map_or(String::new(), |seq| seq.to_string()),
        only(has, if claim.counts { "yes" } else { "no" }.to_string()),
        only(has, claim.members.to_string()),
        only(claim.seats > 0, claim.seats.to_string()),
        hears,
    ]
}

fn said(view: &View, asked: &Asked) -> Value {
    let in_ring = view.node(&asked.node).is_some();
    let claim = match &asked.answer {
        Ok(claim) => claim,
        Err(why) => return json!({"node": asked.node.as_str(), "in_ring": in_ring, "answers": false, "why": why}),
    };
    json!({
        "node": claim.node.as_str(), "in_ring": in_ring, "answers": true, "says": claim.stand.as_str(), "incarnation": claim.incarnation.to_string(),
        "epoch": claim.epoch.to_string(), "believes_in_ring": claim.in_ring, "birth": claim.birth.map(|birth| birth.to_string()), "seq": claim.seq,
        "term": claim.term.map(|term| term.to_string()), "since": claim.since.map(|since| since.to_string()), "counts": claim.counts,
        "members": claim.members, "master": claim.master.as_ref().map(NodeKey::as_str),
        "copies": claim.copies.iter().map(NodeKey::as_str).collect::<Vec<_>>(), "waits": (!claim.why.is_empty()).then_some(&*claim.why),
        "gone": claim.gone.iter().map(NodeKey::as_str).collect::<Vec<_>>(), "own_people": claim.seats,
        "hears_from": claim.hears.as_ref().map(NodeKey::as_str), "hears": claim.live,
    })
}

fn finding(finding: &Finding) -> Value {
    let nodes: Vec<&str> = finding.nodes().into_iter().map(NodeKey::as_str).collect();
    json!({"finding": finding.word(), "nodes": nodes, "text": finding.to_string()})
}
