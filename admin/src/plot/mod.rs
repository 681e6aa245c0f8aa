//! The circle as a picture: who has which part of it, where nodes stand, and where groups are.
//!
//! [`Picture`] is what is to be drawn; `term` draws it with the characters of a terminal, `svg` for a report. Both are the same for the same picture: nothing in them depends on the time or on the machine.
//! Zero is at the top, and numbers grow clockwise.

mod svg;
mod term;

use std::collections::BTreeMap;

use chatring_machines::ids::Epoch;
use chatring_machines::machine::{GroupPlace, NodeLoad};
use chatring_machines::names::NodeKey;
use chatring_machines::ring::{Ring, point};
use chatring_machines::view::{Metric, View};
use serde_json::{Value, json};

use crate::output::Sheet;
use crate::plan::{NoPlan, RingPlan};
use crate::text::{clean, count};

pub use term::Screen;

/// Groups that are drawn. Names are spread evenly by their hashes, so that some show how all are.
pub const GROUPS_DRAWN: usize = 5_000;

/// A node, as the legend has it.
#[derive(Clone, Debug)]
struct Mark {
    key: NodeKey,
    name: String,
    points: Vec<u32>,
    share: f64,
    /// After the plan, where there is one.
    share_after: f64,
    groups: u64,
    members: u64,
}

/// A part of the circle, and the number of its node among the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    of: usize,
    first: u32,
    last: u32,
}

/// A group.
#[derive(Clone, Debug)]
struct Dot {
    group: String,
    at: u32,
    members: u64,
    of: usize,
    /// Who will have it, where that is another one.
    to: Option<usize>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture {
    network: String,
    epoch: Epoch,
    metric: Metric,
    points: u32,
    marks: Vec<Mark>,
    parts: Vec<Part>,
    dots: Vec<Dot>,
    groups: u64,
    members: u64,
    after: Option<After>,
}

/// What a plan makes of it.
#[derive(Clone, Debug)]
struct After {
    what: String,
    moves: usize,
    parts: Vec<Part>,
}

impl Picture {
    /// Of a ring, what its nodes have, and some or all of its groups, ordered by name; with a plan also what that moves.
    pub fn of(view: &View, loads: &[NodeLoad], places: &[GroupPlace], plan: Option<&RingPlan>) -> Result<Picture, NoPlan> {
        let rings = plan.map(|plan| plan.rings(view)).transpose()?;
        let (now, after) = (Ring::new(view), rings.and_then(|rings| rings.last().cloned()));
        let mut marks = marks(view, &now, loads);
        let ahead = after.as_ref();
        for share in ahead.iter().flat_map(|after| after.shares()) {
            let mark = Mark { share_after: share.fraction(), ..Mark::absent(share.key.clone(), share.points.clone()) };
            match marks.iter_mut().find(|mark| mark.key == *share.key) {
                Some(there) => there.share_after = mark.share_after,
                None => marks.push(mark),
            }
        }
        let index: BTreeMap<&NodeKey, usize> = marks.iter().enumerate().map(|(ix, mark)| (&mark.key, ix)).collect();
        let parts = |ring: &Ring| ring.arcs().iter().map(|arc| Part { of: index[arc.key], first: arc.first, last: arc.last }).collect();
        let dot = |place: &GroupPlace| {
            let at = point(place.group.as_str());
            let of = index[now.master_of(at)?];
            let to = ahead.and_then(|after| after.master_of(at)).map(|key| index[key]).filter(|to| *to != of);
            Some(Dot { group: place.group.as_str().to_string(), at, members: place.members, of, to })
        };
        let mut dots: Vec<Dot> = places.iter().filter_map(dot).collect();
        // What moves is what a plan is looked at for.
        dots.sort_by_key(|dot| dot.to.is_none());
        dots.truncate(GROUPS_DRAWN);
        let after = plan.zip(ahead).map(|(plan, after)| After {
            what: plan.steps.iter().map(|step| step.change.to_string()).collect::<Vec<_>>().join(", "),
            moves: plan.steps.iter().map(|step| step.moves.len()).sum(),
            parts: parts(after),
        });
        let (groups, members) = (loads.iter().map(|load| load.groups).sum(), loads.iter().map(|load| load.members).sum());
        Ok(Picture {
            network: clean(&view.network),
            epoch: view.epoch,
            metric: view.params.metric,
            points: view.params.points,
            parts: parts(&now),
            dots,
            groups,
            members,
            after,
            marks,
        })
    }

    fn title(&self) -> String {
        format!("{}, epoch {}", self.network, self.epoch)
    }

    fn facts(&self) -> String {
        format!(
            "{}, {} per node, {}, {}, {}",
            self.metric,
            count(self.points.into(), "point", "points"),
            count(self.marks.iter().filter(|mark| mark.share > 0.0).count() as u64, "super node", "super nodes"),
            count(self.groups, "group", "groups"),
            count(self.members, "member", "members")
        )
    }

    /// What has to be said of what is not drawn, and of the plan.
    fn remarks(&self) -> Vec<String> {
        let undrawn = (self.dots.len() as u64) < self.groups;
        let some = undrawn.then(|| format!("{} of {} groups are drawn", self.dots.len(), self.groups));
        let plan = self
            .after
            .as_ref()
            .map(|after| format!("planned: {}; {}", after.what, count(after.moves as u64, "group moves", "groups move")));
        plan.into_iter().chain(some).collect()
    }

    /// For a terminal: the drawing, and the legend.
    pub fn sheet(&self, screen: &Screen) -> Sheet {
        let with_plan = self.after.is_some();
        let row = |(ix, mark): (usize, &Mark)| {
            let mut row = vec![
                term::letter(ix).to_string(),
                mark.key.to_string(),
                mark.name.clone(),
                percent(mark.share),
                mark.groups.to_string(),
                mark.members.to_string(),
            ];
            if with_plan {
                row.insert(4, percent(mark.share_after));
            }
            row
        };
        let rows = self.marks.iter().enumerate().map(row).collect();
        let mut columns =
            vec![("letter", ""), ("key", "super node"), ("name", "name"), ("share", "share"), ("groups", "groups"), ("members", "members")];
        if with_plan {
            columns.insert(4, ("share_planned", "planned"));
        }
        let record = |(ix, mark): (usize, &Mark)| {
            let mut record = json!({
                "letter": term::letter(ix).to_string(), "key": mark.key.as_str(), "name": mark.name, "share": mark.share,
                "groups": mark.groups, "members": mark.members,
            });
            if with_plan {
                record["share_planned"] = json!(mark.share_after);
            }
            record
        };
        let records = self.marks.iter().enumerate().map(record).collect();
        let lines = [self.title(), self.facts()].into_iter().chain(self.remarks()).collect::<Vec<_>>().join("\n");
        Sheet::table(&columns, rows, records).with_value(self.value()).titled(format!("{lines}\n{}", self.draw(screen)))
    }

    fn value(&self) -> Value {
        let key = |ix: usize| self.marks[ix].key.as_str();
        let node = |mark: &Mark| json!({"key": mark.key.as_str(), "name": mark.name, "points": mark.points, "share": mark.share, "groups": mark.groups, "members": mark.members});
        let arc = |part: &Part| json!({"node": key(part.of), "first": part.first, "last": part.last});
        let dot = |dot: &Dot| json!({"group": dot.group, "point": dot.at, "members": dot.members, "master": key(dot.of), "moves_to": dot.to.map(key)});
        json!({
            "network": self.network, "epoch": self.epoch.to_string(), "groups": self.groups, "members": self.members,
            "nodes": self.marks.iter().map(node).collect::<Vec<_>>(), "arcs": self.parts.iter().map(arc).collect::<Vec<_>>(),
            "dots": self.dots.iter().map(dot).collect::<Vec<_>>(),
        })
    }
}

impl Mark {
    fn absent(key: NodeKey, points: Vec<u32>) -> Mark {
        Mark { key, name: "planned".into(), points, share: 0.0, share_after: 0.0, groups: 0, members: 0 }
    }
}

fn marks(view: &View, ring: &Ring, loads: &[NodeLoad]) -> Vec<Mark> {
    let loads: BTreeMap<&NodeKey, &NodeLoad> = loads.iter().map(|load| (&load.node, load)).collect();
    let mark = |share: chatring_machines::ring::Share<'_>| {
        let load = loads.get(share.key);
        Mark {
            key: share.key.clone(),
            name: view.node(share.key).map(|node| clean(&node.name)).unwrap_or_default(),
            share: share.fraction(),
            points: share.points,
            share_after: 0.0,
            groups: load.map_or(0, |load| load.groups),
            members: load.map_or(0, |load| load.members),
        }
    };
    ring.shares().into_iter().map(mark).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// How far round a number is, from 0 to 1.
fn turn(at: u32) -> f64 {
    f64::from(at) / (f64::from(u32::MAX) + 1.0)
}

/// How far out of the band for groups one is drawn, from 0 to 1: so that neighbours do not hide each other.
fn depth(at: u32) -> f64 {
    turn(at.wrapping_mul(2_654_435_769).reverse_bits())
}

#[cfg(test)]
mod tests;
