//! What servers answer to questions about the network, as sheets.
//!
//! Replies come as flat cells of a known width. A row that is short is shown as far as it goes: a newer server may say more, an older one less.

use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::ring::{Ring, point};
use chatring_machines::time::Time;
use chatring_machines::view::View;
use chatring_machines::wire::Text;
use serde_json::{Value, json};

use crate::output::Sheet;
use crate::text::{clean, count, date, span};

/// The ring: its parameters, and what each super node has of it.
pub fn view(view: &View) -> Sheet {
    let ring = Ring::new(view);
    let shares = ring.shares();
    let share = |key: &NodeKey| shares.binary_search_by(|share| share.key.cmp(key)).map_or(0.0, |at| shares[at].fraction());
    let directories: Vec<&str> = view.directories.iter().map(|server| &*server.address).collect();
    let title = format!(
        "{}, epoch {}, {}, {} per node, directories {}",
        clean(&view.network),
        view.epoch,
        view.params.metric,
        count(view.params.points.into(), "point", "points"),
        clean(&directories.join(" "))
    );
    let rows = view.nodes.iter().map(|node| {
        vec![
            node.key.to_string(),
            clean(&node.name),
            format!("{:08x}", point(node.key.as_str())),
            format!("{:.1} %", share(&node.key) * 100.0),
            date(node.since),
            node.incarnation.to_string(),
        ]
    });
    let nodes: Vec<Value> = view
        .nodes
        .iter()
        .map(|node| {
            json!({"key": node.key.as_str(), "name": &*node.name, "point": point(node.key.as_str()), "share": share(&node.key),
                "since": node.since.0, "incarnation": node.incarnation.to_string()})
        })
        .collect();
    let value = json!({
        "epoch": view.epoch.to_string(), "network": &*view.network, "metric": view.params.metric.as_str(), "points": view.params.points,
        "nodes": nodes, "directories": directories,
    });
    Sheet::table(&["super node", "name", "point", "share", "since (UTC)", "incarnation"], rows.collect(), value).titled(title)
}

/// Who is responsible for a group, as everyone who has this ring works out. `None` in an empty ring.
pub fn owner(ring: &Ring, group: &GroupName) -> Option<Sheet> {
    let at = point(group.as_str());
    let master = ring.master_of(at)?;
    let distance = ring.distance_to(at, master)?;
    let standby = ring.standby_of(at);
    // The standby keeps the copy; behind it, whoever would come next.
    let next = ring.order(at).filter(|key| *key != master && Some(*key) != standby);
    let standbys: Vec<&str> = standby.into_iter().chain(next).map(NodeKey::as_str).collect();
    let metric = ring.params().metric.as_str();
    let named = |keys: Option<&[&str]>| keys.filter(|keys| !keys.is_empty()).map_or("none".to_string(), |keys| keys.join(" "));
    let rows = vec![
        ("group", clean(group.as_str())),
        ("point", format!("{at} ({at:08x})")),
        ("metric", metric.into()),
        ("master", master.to_string()),
        ("standby", named(standbys.get(..1))),
        ("then", named(standbys.get(1..4.min(standbys.len())))),
        ("distance", distance.to_string()),
    ];
    let value = json!({"group": group.as_str(), "point": at, "metric": metric, "master": master.as_str(), "standbys": standbys, "distance": distance});
    Some(Sheet::facts(rows, value))
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Cell {
    Text,
    Number,
    Moment,
}

/// A reply of flat cells: names in JSON, headings in tables, what each column holds.
fn cells(columns: &[(&str, &str, Cell)], cells: &[Text]) -> Sheet {
    let head: Vec<&str> = columns.iter().map(|(_, head, _)| *head).collect();
    let shown = |(cell, column): (&Text, &(&str, &str, Cell))| match column.2 {
        Cell::Moment => cell.parse().map_or_else(|_| clean(cell), |ms| if ms == 0 { String::new() } else { date(Time(ms)) }),
        _ => clean(cell),
    };
    let rows = cells.chunks(columns.len()).map(|row| {
        let mut shown: Vec<String> = row.iter().zip(columns).map(shown).collect();
        shown.resize(columns.len(), String::new());
        shown
    });
    let typed = |(cell, (name, _, kind)): (&Text, &(&str, &str, Cell))| {
        let number = || cell.parse::<u64>().map_or_else(|_| json!(&**cell), |number| json!(number));
        (name.to_string(), if matches!(kind, Cell::Text) { json!(&**cell) } else { number() })
    };
    let objects = cells.chunks(columns.len()).map(|row| Value::Object(row.iter().zip(columns).map(typed).collect()));
    Sheet::table(&head, rows.collect(), Value::Array(objects.collect()))
}

/// The answer to NODES.
pub fn nodes(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [
        ("key", "super node", Text),
        ("name", "name", Text),
        ("incarnation", "incarnation", Text),
        ("since", "since (UTC)", Moment),
        ("state", "state", Text),
        ("groups", "groups", Number),
    ];
    cells(&columns, reply)
}

/// The answer to GROUPS.
pub fn groups(reply: &[Text]) -> Sheet {
    use Cell::*;
    cells(&[("group", "group", Text), ("members", "members", Number), ("master", "master", Text), ("topic", "topic", Text)], reply)
}

/// The answer to MEMBERS.
pub fn members(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [
        ("nick", "nick", Text),
        ("session", "session", Text),
        ("edge", "at", Text),
        ("since", "since (UTC)", Moment),
        ("rank", "rank", Text),
    ];
    cells(&columns, reply)
}

/// The answer to WHERE.
pub fn whereabouts(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [
        ("group", "group", Text),
        ("session", "session", Text),
        ("edge", "at", Text),
        ("since", "since (UTC)", Moment),
        ("account", "account", Text),
    ];
    cells(&columns, reply)
}

/// The head of the answer to HANDOFF LIST.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Of the plan, or of the last one.
    pub number: u64,
    /// What: join, drain or points; empty when nothing is planned.
    pub plan: Text,
    /// Of which node, or how many points.
    pub subject: Text,
    /// Since when it is.
    pub age_ms: u64,
    /// When it is given up.
    pub deadline_ms: u64,
    /// How many changes wait behind it.
    pub queued: u64,
}

/// The answer to HANDOFF LIST.
pub fn handoff(planned: &Planned, reply: &[Text]) -> Sheet {
    use Cell::*;
    let nodes =
        cells(&[("key", "super node", Text), ("state", "state", Text), ("left", "groups left", Number), ("why", "why", Text)], reply);
    let Planned { number, plan, subject, age_ms, deadline_ms, queued } = planned;
    let is_one = !plan.is_empty();
    let title = match is_one {
        true => format!(
            "plan {number}: {} {}, announced {} ago, given up in {}, {queued} more waiting",
            clean(plan),
            clean(subject),
            span(*age_ms),
            span(*deadline_ms)
        ),
        false => "no change of the ring is planned".to_string(),
    };
    let value = json!({
        "number": number, "plan": is_one.then_some(&**plan), "subject": is_one.then_some(&**subject), "age_ms": age_ms,
        "deadline_ms": deadline_ms, "queued": queued, "nodes": nodes.value(),
    });
    nodes.with_value(value).titled(title)
}

/// The answer to NODE PENDING.
pub fn pending_nodes(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [
        ("key", "super node", Text),
        ("name", "name", Text),
        ("state", "state", Text),
        ("since", "since (UTC)", Moment),
        ("why", "why", Text),
    ];
    let sheet = cells(&columns, reply);
    if reply.is_empty() { sheet.titled("nobody waits for a place in the ring") } else { sheet }
}

/// Sentences, one on each line; an array in JSON.
pub fn sentences(sentences: &[Text]) -> Sheet {
    let rows = sentences.iter().map(|sentence| vec![clean(sentence)]).collect();
    Sheet::table(&[], rows, Value::Array(sentences.iter().map(|sentence| json!(&**sentence)).collect()))
}

/// Something was done: what it is about, and how that is now.
pub fn done(what: &str, now: impl Into<Value>) -> Sheet {
    let now = now.into();
    let text = now.as_str().map_or_else(|| now.to_string(), clean);
    Sheet::facts(vec![(what, text)], json!({ what: now }))
}

/// A node is empty.
pub fn drained(node: &NodeKey, took: std::time::Duration) -> Sheet {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let rows = vec![("super node", node.to_string()), ("state", "drained".to_string()), ("took", format!("{ms} ms"))];
    Sheet::facts(rows, json!({"node": node.as_str(), "state": "drained", "took_ms": ms}))
}

/// The answers to CLIENT LIST SLOW: by node, the rows it gave.
#[derive(Clone, Debug, Default)]
pub struct Slow {
    rows: Vec<Vec<Text>>,
}

impl Slow {
    const WIDTH: usize = 6;

    /// Takes in what a node answered.
    pub fn add(&mut self, node: &NodeKey, reply: &[Text]) {
        let rows = reply.chunks_exact(Self::WIDTH);
        self.rows.extend(rows.map(|row| row.iter().cloned().chain([node.as_str().into()]).collect()));
    }

    /// All of them, the furthest behind first.
    pub fn sheet(mut self) -> Sheet {
        let number = |row: &[Text], at: usize| row.get(at).and_then(|cell| cell.parse::<u64>().ok()).unwrap_or(0);
        self.rows.sort_by_key(|row| std::cmp::Reverse((number(row, 4), number(row, 3))));
        let columns = [
            ("nick", "nick", Cell::Text),
            ("address", "from", Cell::Text),
            ("groups", "groups", Cell::Number),
            ("bytes", "bytes in memory", Cell::Number),
            ("entries", "entries behind", Cell::Number),
            ("ms", "for ms", Cell::Number),
            ("node", "at", Cell::Text),
        ];
        cells(&columns, &self.rows.concat())
    }
}

/// The answers to CHECK: by node, the rows it gave.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    cells: Vec<Text>,
}

impl Checks {
    const WIDTH: usize = 5;

    /// Takes in what a node answered.
    pub fn add(&mut self, node: &NodeKey, reply: &[Text]) {
        for row in reply.chunks_exact(Self::WIDTH) {
            self.cells.push(node.as_str().into());
            self.cells.extend(row.iter().cloned());
        }
    }

    /// Groups that are somewhere they should not be and can't move.
    pub fn blocked(&self) -> usize {
        self.cells.chunks(Self::WIDTH + 1).filter(|row| &*row[2] == "blocked").count()
    }

    /// All of it.
    pub fn sheet(&self) -> Sheet {
        use Cell::*;
        let columns = [
            ("node", "super node", Text),
            ("group", "group", Text),
            ("result", "result", Text),
            ("to", "to", Text),
            ("entries", "entries", Number),
            ("why", "why", Text),
        ];
        cells(&columns, &self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chatring_machines::view::{Metric, RingParams};

    fn texts(words: &[&str]) -> Vec<Text> {
        words.iter().map(|word| Text::from(*word)).collect()
    }

    #[test]
    fn replies_become_rows_and_objects() {
        let sheet = groups(&texts(&["#a", "3", "127.0.0.2", "hot\x1b[31m", "#b", "0", "127.0.0.1", ""]));
        assert_eq!(
            sheet.text(false).lines().collect::<Vec<_>>(),
            ["group  members  master     topic", "#a     3        127.0.0.2  hot·[31m", "#b     0        127.0.0.1"]
        );
        assert_eq!(
            sheet.value(),
            &json!([{"group": "#a", "members": 3, "master": "127.0.0.2", "topic": "hot\x1b[31m"},
                    {"group": "#b", "members": 0, "master": "127.0.0.1", "topic": ""}])
        );
    }

    #[test]
    fn what_is_planned() {
        let plan = |plan: &str| Planned {
            number: 7,
            plan: plan.into(),
            subject: "192.0.2.2".into(),
            age_ms: 1_500,
            deadline_ms: 29_000,
            queued: 2,
        };
        let sheet = handoff(&plan("drain"), &texts(&["192.0.2.1", "copying", "3", "#a\x1b", "192.0.2.2", "silent", "", ""]));
        assert_eq!(
            sheet.text(false).lines().collect::<Vec<_>>(),
            [
                "plan 7: drain 192.0.2.2, announced 1 s ago, given up in 29 s, 2 more waiting",
                "super node  state    groups left  why",
                "192.0.2.1   copying  3            #a·",
                "192.0.2.2   silent"
            ]
        );
        assert_eq!((&sheet.value()["plan"], &sheet.value()["nodes"][0]["left"]), (&json!("drain"), &json!(3)));
        let nothing = handoff(&plan(""), &[]);
        assert!(nothing.text(false).starts_with("no change of the ring is planned\n"));
        assert_eq!((&nothing.value()["plan"], &nothing.value()["nodes"]), (&json!(null), &json!([])));
        assert_eq!(sentences(&texts(&["one", "two\n"])).text(false), "one\ntwo·");
    }

    #[test]
    fn checks_of_several_nodes() {
        let mut checks = Checks::default();
        let node = |text| NodeKey::new(text).unwrap();
        checks.add(&node("127.0.0.1"), &texts(&["#a", "kept", "", "7", "", "#b", "moved", "127.0.0.2", "9", ""]));
        checks.add(&node("127.0.0.2"), &texts(&["#c", "blocked", "127.0.0.3", "1", "it does not answer"]));
        assert_eq!(checks.blocked(), 1);
        assert_eq!(checks.sheet().value()[2]["why"], "it does not answer");
        assert_eq!(checks.sheet().text(false).lines().count(), 4);
    }

    #[test]
    fn an_owner_names_the_copy_on_another_host_first() {
        let keys = ["192.0.2.1", "192.0.2.1:7412", "192.0.2.2"].map(|key| NodeKey::new(key).unwrap());
        for number in 0..50 {
            let group = GroupName::new(&format!("#g{number}")).unwrap();
            let ring = Ring::of(keys.clone(), RingParams { metric: Metric::Circular, points: 1 });
            let value = owner(&ring, &group).unwrap().value().clone();
            let (master, standbys) = (value["master"].as_str().unwrap(), value["standbys"].as_array().unwrap());
            assert_eq!(standbys.len(), 2);
            assert_ne!(master.starts_with("192.0.2.1"), standbys[0].as_str().unwrap().starts_with("192.0.2.1"), "{value}");
        }
        let group = GroupName::new("#a").unwrap();
        assert_eq!(owner(&Ring::default(), &group), None);
        let alone = Ring::of(keys[..1].iter().cloned(), RingParams::default());
        let text = owner(&alone, &group).unwrap().text(false);
        assert!(text.contains("standby   none\n") && text.contains("then      none\n"), "{text}");
    }
}
