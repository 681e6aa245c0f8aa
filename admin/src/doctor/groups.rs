//! Checks of groups: what super nodes say of what they have, held against each other and against what the directory servers know.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::asked;
use super::survey::{Row, Survey};
use super::{Finding, Grade, named};
use crate::claims::Finding as Verdict;
use crate::text::count;

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

/// Groups with two masters or none, as far as CHECK says: of each of them all nodes should be asked, by [`claims`](crate::claims).
pub fn suspects(survey: &Survey) -> Vec<String> {
    let several = masters(survey).into_iter().filter(|(_, nodes)| nodes.len() > 1).map(|(group, _)| group);
    let mut suspects: Vec<String> = several.chain(nowhere(survey)).map(str::to_string).collect();
    suspects.sort();
    suspects
}

/// Groups in which somebody is, and which are in no answer to CHECK. One that has more groups than an answer holds leaves some out.
fn nowhere(survey: &Survey) -> Vec<&str> {
    let there: BTreeSet<&str> = rows(survey).filter(|(_, row)| row.result != "moved").map(|(_, row)| &*row.group).collect();
    let groups = survey.groups.iter().flatten();
    groups.filter(|group| group.members > 0 && !there.contains(&*group.group)).map(|group| &*group.group).collect()
}

/// Whether no group is served by two.
pub(super) fn one_master(survey: &Survey) -> Finding {
    const NAME: &str = "one master";
    // Where all nodes were asked of it at once, that counts.
    let is_judged_well = |group: &str| {
        survey.verdicts.get(group).is_some_and(|found| !found.iter().any(|found| matches!(found, Verdict::TwoMasters { .. })))
    };
    let several: Vec<String> = masters(survey)
        .into_iter()
        .filter(|(group, nodes)| nodes.len() > 1 && !is_judged_well(group))
        .map(|(group, nodes)| format!("{group} by {}", nodes.join(" and ")))
        .collect();
    match several.is_empty() {
        true => asked(NAME, survey, |node| node.check.as_ref().err(), "no group is served by two"),
        false => {
            let advice = "`ring why GROUP` has all of it. The one that has not heard of the newest ring is cut off from the directory servers: stop it if that lasts.";
            Finding::of(NAME, Grade::Critical, format!("served twice: {}", named(&several)), advice)
        }
    }
}

/// Whether every group in which somebody is is served, or about to be.
pub(super) fn somebody_serves(survey: &Survey) -> Finding {
    const NAME: &str = "orphans";
    if let Err(why) = &survey.groups {
        return Finding::of(NAME, Grade::Unknown, why, "");
    }
    let is_orphan = |group: &&str| survey.verdicts[*group].iter().any(|found| matches!(found, Verdict::Orphan { .. }));
    let (judged, open): (Vec<&str>, Vec<&str>) = nowhere(survey).into_iter().partition(|group| survey.verdicts.contains_key(*group));
    let orphans: Vec<&str> = judged.into_iter().filter(is_orphan).collect();
    let all = asked(NAME, survey, |node| node.check.as_ref().err(), "every group in which somebody is has a master");
    if all.grade != Grade::Ok {
        // Who does not answer may have it.
        return all;
    }
    match (orphans.is_empty(), open.is_empty()) {
        (true, true) => all,
        (true, false) => {
            Finding::of(NAME, Grade::Unknown, format!("who serves them is not known: {}", named(&open)), "`ring why GROUP` asks for one.")
        }
        (false, _) => {
            let found = format!("{} nobody serves: {}", count(orphans.len() as u64, "group", "groups"), named(&orphans));
            let advice = "`ring why GROUP` says who has a copy. Bring back the nodes that were lost last, with their files.";
            Finding::of(NAME, Grade::Critical, found, advice)
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
