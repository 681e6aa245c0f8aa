//! A plan for people.

use std::collections::BTreeMap;
use std::fmt;

use chatring_machines::names::NodeKey;
use serde_json::json;

use super::{Change, Move, RingPlan, Step};
use crate::output::Sheet;
use crate::text::{clean, count};

/// Groups that are shown one by one; the file has all of them.
const MOVES_SHOWN: usize = 20;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add(key) => write!(f, "add {key}"),
            Change::Points(points) => write!(f, "{} per node", count((*points).into(), "point", "points")),
            Change::Remove(key) => write!(f, "remove {key}"),
        }
    }
}

impl Step {
    /// How many people have to connect to another node at most.
    pub fn reconnect(&self) -> u64 {
        self.moves.iter().map(|moved| moved.near).sum()
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.change.to_string(),
            self.moves.len().to_string(),
            self.reconnect().to_string(),
            self.work.copies.to_string(),
            format!("{:.1} MiB", self.work.bytes as f64 / f64::from(1 << 20)),
            format!("{:.1} s", self.work.seconds()),
        ]
    }

    /// From where to where how many.
    fn ways(&self) -> BTreeMap<(&NodeKey, &NodeKey), (u64, u64)> {
        let mut ways: BTreeMap<(&NodeKey, &NodeKey), (u64, u64)> = BTreeMap::new();
        for Move { from, to, members, .. } in &self.moves {
            let (groups, people) = ways.entry((from, to)).or_default();
            (*groups, *people) = (*groups + 1, *people + members);
        }
        ways
    }
}

impl RingPlan {
    /// As a table: the changes, where groups go, and the first of them by name.
    pub fn sheet(&self) -> Sheet {
        let columns = [
            ("change", "change"),
            ("groups", "groups move"),
            ("people", "people reconnect at most"),
            ("copies", "copies"),
            ("bytes", "to copy at most"),
            ("seconds", "takes about"),
        ];
        let record = |step: &Step| {
            let (change, groups, people) = (step.change.to_string(), step.moves.len(), step.reconnect());
            json!({ "change": change, "groups": groups, "people": people, "copies": step.work.copies, "bytes": step.work.bytes, "seconds": step.work.seconds() })
        };
        let records = self.steps.iter().map(record).collect();
        let rows = self.steps.iter().map(Step::row).collect();
        let title = format!("a plan for {} at epoch {}", clean(&self.network), self.epoch);
        let sheet = Sheet::table(&columns, rows, records).with_value(self.to_json()).titled(title);
        self.steps.iter().filter(|step| !step.moves.is_empty()).fold(sheet, |sheet, step| sheet.above(ways(step)).above(moves(step)))
    }
}

fn ways(step: &Step) -> Sheet {
    let row = |((from, to), (groups, people)): ((&NodeKey, &NodeKey), (u64, u64))| {
        vec![from.to_string(), to.to_string(), groups.to_string(), people.to_string()]
    };
    let rows = step.ways().into_iter().map(row).collect();
    let columns = [("from", "from"), ("to", "to"), ("groups", "groups"), ("members", "members")];
    Sheet::table(&columns, rows, Vec::new()).titled(format!("{}:", step.change))
}

fn moves(step: &Step) -> Sheet {
    let row = |moved: &Move| vec![clean(moved.group.as_str()), moved.from.to_string(), moved.to.to_string(), moved.members.to_string()];
    let mut rows: Vec<Vec<String>> = step.moves.iter().take(MOVES_SHOWN).map(row).collect();
    let more = step.moves.len() - rows.len();
    if more > 0 {
        rows.push(vec![format!("and {more} more")]);
    }
    let columns = [("group", "group"), ("from", "from"), ("to", "to"), ("members", "members")];
    Sheet::table(&columns, rows, Vec::new())
}
