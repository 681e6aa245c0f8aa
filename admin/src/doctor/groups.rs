//! Checks of groups: what super nodes say of what they have, held against each other and against what the directory servers know.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::asked;
use super::survey::{Row, Survey};
use super::{Finding, Grade, named};
use crate::text::count;

/// A node's answer to CHECK has no more rows: what is left out of it is not known.
const ROWS_MAX: usize = 5_000;

/// Of each group, the nodes that say that they serve it.
fn masters(survey: &Survey) -> BTreeMap<&str, Vec<&str>> {
    let mut masters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, row) in rows(survey).filter(|(_, row)| row.result == "kept") {
        masters.entry(&row.group).or_default().push(node);
    }
    masters
}

fn rows(survey: &Survey) -> impl Iterator<Item = (&str, &Row)> {
    survey.nodes.iter().flat_map(|node| node.check.iter().flatten().map(|row| (&*node.name, row)))
}

/// Whether no group is served by two.
pub(super) fn one_master(survey: &Survey) -> Finding {
    const NAME: &str = "one master";
    let several: Vec<String> = masters(survey)
        .into_iter()
        .filter(|(_, nodes)| nodes.len() > 1)
        .map(|(group, nodes)| format!("{group} by {}", nodes.join(" and ")))
        .collect();
    match several.is_empty() {
        true => asked(NAME, survey, |node| node.check.as_ref().err(), "no group is served by two"),
        false => {
            let advice = "The one that has not heard of the newest ring is cut off from the directory servers: see `ring agreement`, and stop it if that lasts.";
            Finding::of(NAME, Grade::Critical, format!("served twice: {}", named(&several)), advice)
        }
    }
}

/// Whether every group in which somebody is is served, or about to be.
pub(super) fn somebody_serves(survey: &Survey) -> Finding {
    const NAME: &str = "orphans";
    let groups = match &survey.groups {
        Ok(groups) => groups,
        Err(why) => return Finding::of(NAME, Grade::Unknown, why, ""),
    };
    let there: BTreeSet<&str> = rows(survey).filter(|(_, row)| row.result != "moved").map(|(_, row)| &*row.group).collect();
    let orphans: Vec<&str> =
        groups.iter().filter(|group| group.members > 0 && !there.contains(&*group.group)).map(|group| &*group.group).collect();
    let is_cut = survey.nodes.iter().any(|node| node.check.as_ref().is_ok_and(|rows| rows.len() >= ROWS_MAX));
    let all = asked(NAME, survey, |node| node.check.as_ref().err(), "every group in which somebody is has a master");
    match orphans.is_empty() {
        true => all,
        // Who does not answer may have it.
        false if all.grade != Grade::Ok => all,
        false if is_cut => Finding::of(
            NAME,
            Grade::Unknown,
            format!("a node has more than {ROWS_MAX} groups, and says of no more what it has"),
            "`check '#group'` asks for one.",
        ),
        false => {
            let found = format!("{} nobody serves: {}", count(orphans.len() as u64, "group", "groups"), named(&orphans));
            Finding::of(
                NAME,
                Grade::Critical,
                found,
                "Look again in a few seconds. If it stays so, bring back the nodes that were lost last, with their files.",
            )
        }
    }
}

/// Whether groups wait for something.
pub(super) fn blocked(survey: &Survey) -> Finding {
    const NAME: &str = "blocked groups";
    let blocked: Vec<String> = rows(survey)
        .filter(|(_, row)| row.result == "blocked")
        .map(|(node, row)| format!("{} at {node}: {}", row.group, row.why))
        .collect();
    match blocked.is_empty() {
        true => asked(NAME, survey, |node| node.check.as_ref().err(), "none"),
        false => {
            let found = format!("{}: {}", count(blocked.len() as u64, "group waits", "groups wait"), named(&blocked));
            Finding::of(
                NAME,
                Grade::Critical,
                found,
                "`check` has all of them. They are safe where they are, and go on as soon as they can.",
            )
        }
    }
}

/// Whether groups are in one place only.
pub(super) fn copies(survey: &Survey) -> Finding {
    const NAME: &str = "copies";
    let single: Vec<&str> =
        rows(survey).filter(|(_, row)| row.result == "kept" && row.why == ONLY_COPY).map(|(_, row)| &*row.group).collect();
    match single.is_empty() {
        true => asked(NAME, survey, |node| node.check.as_ref().err(), "every group is in two places"),
        false => {
            let found = format!("{} in one place only: {}", count(single.len() as u64, "group is", "groups are"), named(&single));
            Finding::of(
                NAME,
                Grade::Warning,
                found,
                "Run two super nodes or more, on machines of their own. If there are, look again in a moment: copies may be on their way.",
            )
        }
    }
}

/// As masters say it.
const ONLY_COPY: &str = "this is the only copy";
