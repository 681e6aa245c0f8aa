//! A network on one screen: what it is, who is there, and what is wrong.

use serde_json::{Value, json};

use crate::doctor::{Finding, Grade, Survey, worst};
use crate::output::Sheet;
use crate::text::clean;

/// Of what all servers said, how many people are there, as far as that is known, and what is to be said of it.
pub fn sheet(survey: &Survey, people: Option<u64>, findings: &[Finding]) -> Sheet {
    let view = survey.view.as_ref().ok();
    let leader = survey.servers.iter().find(|server| server.leads());
    let voters = leader.or(survey.servers.first()).map_or(0, |server| server.seats.len());
    let (nodes, up) = (survey.nodes.len(), survey.nodes.iter().filter(|node| node.epoch.is_ok()).count());
    let groups = survey.groups.as_ref().ok().map(Vec::len);
    let planned = survey.planned.as_ref().ok().and_then(Option::as_ref).map(|plan| &*plan.what);
    let wrong: Vec<&Finding> = findings.iter().filter(|finding| finding.grade != Grade::Ok).collect();
    let known = |number: Option<String>| number.unwrap_or_else(|| "not known".into());
    let names: Vec<String> = survey.nodes.iter().map(|node| clean(&node.name)).collect();
    let rows = vec![
        ("network", known(view.map(|view| clean(&view.network)))),
        ("epoch", known(view.map(|view| view.epoch.to_string()))),
        (
            "directory servers",
            format!(
                "{} of {voters} answer, {}",
                survey.servers.len(),
                leader.map_or("nobody leads".into(), |leader| format!("{} leads", clean(&leader.address)))
            ),
        ),
        ("super nodes", format!("{up} of {nodes} answer: {}", if names.is_empty() { "none".into() } else { names.join(", ") })),
        ("planned", planned.map_or("nothing".into(), clean)),
        ("groups", known(groups.map(|groups| groups.to_string()))),
        ("people", known(people.map(|people| people.to_string()))),
        ("result", worst(findings).word().to_string()),
    ];
    let wrongs: Vec<Value> = wrong
        .iter()
        .map(|finding| json!({"check": finding.check, "result": finding.grade.word(), "found": finding.found, "advice": finding.advice}))
        .collect();
    let value = json!({
        "network": view.map(|view| &*view.network), "epoch": view.map(|view| view.epoch.to_string()), "leader": leader.map(|leader| &*leader.address),
        "directory_servers": voters, "directory_servers_up": survey.servers.len(), "super_nodes": nodes, "super_nodes_up": up, "planned": planned,
        "groups": groups, "people": people, "result": worst(findings).word(), "wrong": wrongs,
    });
    let facts = Sheet::facts(rows, value);
    if wrong.is_empty() {
        return facts;
    }
    let row = |finding: &&Finding| vec![finding.check.to_string(), finding.grade.word().to_string(), clean(&finding.found)];
    let columns = [("check", "wrong"), ("result", "result"), ("found", "found")];
    facts.above(Sheet::table(&columns, wrong.iter().map(row).collect(), wrongs))
}
