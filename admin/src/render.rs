//! What servers answer to questions about the network, as sheets.
//!
//! Replies come as flat cells of a known width. A row that is short is shown as far as it goes: a newer server may say more, an older one less.

use std::collections::BTreeMap;

use chatring_machines::card::GroupCard;
use chatring_machines::entry::{Ban, Mode, ModeChange, Modes, Rank};
use chatring_machines::ids::Epoch;
use chatring_machines::machine::NodeLoad;
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::ring::{Ring, point};
use chatring_machines::time::Time;
use chatring_machines::view::View;
use chatring_machines::wire::{Argv, Field, Text};
use serde_json::{Value, json};

use crate::output::Sheet;
use crate::text::{clean, count, date, span};

/// The ring: its parameters, what each super node has of it, and what that comes to, where that is known. The load of a node is what it has of all members of groups, as a multiple of an equal share; where there are none, of groups.
pub fn view(view: &View, loads: Option<&[NodeLoad]>) -> Sheet {
    let ring = Ring::new(view);
    let shares = ring.shares();
    let share = |key: &NodeKey| shares.binary_search_by(|share| share.key.cmp(key)).map_or(0.0, |at| shares[at].fraction());
    let directories: Vec<&str> = view.directories.iter().map(|server| &*server.address).collect();
    let mut title = format!(
        "{}, epoch {}, {}, {} per node, directories {}",
        clean(&view.network),
        view.epoch,
        view.params.metric,
        count(view.params.points.into(), "point", "points"),
        clean(&directories.join(" "))
    );
    let burden = loads.map(|loads| Burden::of(view, loads));
    let mut columns = vec![
        ("key", "super node"),
        ("name", "name"),
        ("point", "point"),
        ("share", "share"),
        ("since", "since (UTC)"),
        ("incarnation", "incarnation"),
    ];
    let (mut rows, mut nodes) = (Vec::new(), Vec::new());
    for node in &view.nodes {
        let (key, share) = (&node.key, share(&node.key));
        let mut row = vec![
            key.to_string(),
            clean(&node.name),
            format!("{:08x}", point(key.as_str())),
            format!("{:.1} %", share * 100.0),
            date(node.since),
            node.incarnation.to_string(),
        ];
        let mut value = json!({
            "key": key.as_str(), "name": &*node.name, "point": point(key.as_str()), "share": share, "since": node.since.0,
            "incarnation": node.incarnation.to_string(),
        });
        if let Some(burden) = &burden {
            let ((groups, members), load) = (burden.counted(key), burden.load(key));
            let load_text = load.map_or(String::new(), |load| format!("{load:.2}"));
            row.splice(4.., [groups.to_string(), members.to_string(), load_text, date(node.since)]);
            (value["groups"], value["members"], value["load"]) = (json!(groups), json!(members), json!(load));
        }
        rows.push(row);
        nodes.push(value);
    }
    let mut value = json!({
        "epoch": view.epoch.to_string(), "network": &*view.network, "metric": view.params.metric.as_str(), "points": view.params.points,
        "nodes": nodes.clone(), "directories": directories,
    });
    if let Some(burden) = &burden {
        // The incarnation is of little use beside these, and long.
        columns.splice(4.., [("groups", "groups"), ("members", "members"), ("load", "load"), ("since", "since (UTC)")]);
        value["groups_of_lost"] = json!(burden.lost);
        if burden.lost > 0 {
            title.push_str(&format!("\n{} with a node that is gone", count(burden.lost, "group was", "groups were")));
        }
    }
    let sheet = Sheet::table(&columns, rows, nodes).with_value(value).titled(title);
    if burden.is_some() { sheet.also(&["incarnation"]) } else { sheet }
}

/// What the nodes of a ring have to carry.
struct Burden<'a> {
    of: BTreeMap<&'a NodeKey, &'a NodeLoad>,
    nodes: usize,
    groups: u64,
    members: u64,
    /// Groups that were reported by a node that is not in the ring: others are about to have them.
    lost: u64,
}

impl Burden<'_> {
    fn of<'a>(view: &View, loads: &'a [NodeLoad]) -> Burden<'a> {
        let (here, lost): (Vec<&NodeLoad>, Vec<&NodeLoad>) = loads.iter().partition(|load| view.node(&load.node).is_some());
        Burden {
            nodes: view.nodes.len(),
            groups: here.iter().map(|load| load.groups).sum(),
            members: here.iter().map(|load| load.members).sum(),
            lost: lost.iter().map(|load| load.groups).sum(),
            of: here.into_iter().map(|load| (&load.node, load)).collect(),
        }
    }

    fn counted(&self, key: &NodeKey) -> (u64, u64) {
        self.of.get(key).map_or((0, 0), |load| (load.groups, load.members))
    }

    fn load(&self, key: &NodeKey) -> Option<f64> {
        let (groups, members) = self.counted(key);
        let (own, all) = if self.members > 0 { (members, self.members) } else { (groups, self.groups) };
        (all > 0).then(|| own as f64 * self.nodes as f64 / all as f64)
    }
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
    let named: Vec<(&str, &str)> = columns.iter().map(|(name, head, _)| (*name, *head)).collect();
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
        // What a server does not know is null, so that a column has one type.
        let value = match kind {
            Cell::Text => json!(&**cell),
            Cell::Number => json!(cell.parse::<u64>().ok()),
            Cell::Moment => json!(cell.parse::<u64>().ok().filter(|ms| *ms != 0)),
        };
        (name.to_string(), value)
    };
    let objects = cells.chunks(columns.len()).map(|row| Value::Object(row.iter().zip(columns).map(typed).collect()));
    Sheet::table(&named, rows.collect(), objects.collect())
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

/// The answer to GROUP, and who is responsible as this ring says.
pub fn group(card: &GroupCard, ring: &Ring) -> Sheet {
    let at = point(card.group.as_str());
    let (master, standby) = (ring.master_of(at), ring.standby_of(at));
    let others = card.copies.iter().filter(|key| Some(*key) != master && Some(*key) != standby);
    let others: Vec<&str> = others.map(NodeKey::as_str).collect();
    let founder = card.ranks.iter().find(|(_, rank)| rank.founder).map(|(nick, _)| nick.as_str());
    let or_none = |text: String| if text.is_empty() { "none".to_string() } else { text };
    let topic_by = if card.by.is_empty() { String::new() } else { format!("{}, {}", clean(&card.by), date(card.time)) };
    let kept_for: Vec<&str> = card.kept_for.iter().map(|nick| nick.as_str()).collect();
    let rows = vec![
        ("master", responsible(master, master == Some(&card.master), "has not reported it yet")),
        ("standby", responsible(standby, standby.is_some_and(|key| card.copies.contains(key)), "had no copy then")),
        ("other copies", or_none(others.join(" "))),
        ("birth", card.birth.to_string()),
        ("last place", card.seq.to_string()),
        ("created (UTC)", date(card.created)),
        ("founder", or_none(founder.map(clean).unwrap_or_default())),
        ("topic", or_none(clean(&card.topic))),
        ("topic set by", or_none(topic_by)),
        ("modes", or_none(clean(&mode_words(&card.modes)))),
        ("kept for", if kept_for.is_empty() { "nobody: it is forgotten when all have left".into() } else { clean(&kept_for.join(" ")) }),
        ("members", card.members.to_string()),
        ("ranks", card.ranks.len().to_string()),
        ("bans", card.bans.len().to_string()),
    ];
    let topic = (!card.topic.is_empty()).then(|| json!({"text": &*card.topic, "by": &*card.by, "time": card.time.0}));
    let (ranks, bans) = (ranks(&card.ranks), bans(&card.bans));
    let value = json!({
        "group": card.group.as_str(), "master": master.map(NodeKey::as_str), "standby": standby.map(NodeKey::as_str),
        "reported": {"by": card.master.as_str(), "term": card.term.to_string(), "seq": card.seq},
        "copies": card.copies.iter().map(NodeKey::as_str).collect::<Vec<_>>(), "birth": card.birth.to_string(), "created": card.created.0,
        "founder": founder, "kept_for": kept_for, "topic": topic, "modes": mode_values(&card.modes), "members": card.members,
        "ranks": ranks.value(), "bans": bans.value(),
    });
    let title = format!("{}, as reported by {} in term {}", clean(card.group.as_str()), card.master, card.term);
    let tables = [(card.ranks.is_empty(), ranks), (card.bans.is_empty(), bans)];
    let tables = tables.into_iter().filter(|(is_empty, _)| !is_empty);
    tables.fold(Sheet::facts(rows, value).titled(title), |sheet, (_, table)| sheet.above(table))
}

/// Who has an office in the ring, and what is to be said where the report does not show them in it.
fn responsible(key: Option<&NodeKey>, is_in_report: bool, otherwise: &str) -> String {
    match key {
        None => "none".to_string(),
        Some(key) if is_in_report => key.to_string(),
        Some(key) => format!("{key}, which {otherwise}"),
    }
}

/// `+tk *`: letters, then the arguments of those that have one.
fn mode_words(modes: &Modes) -> String {
    let mut out = Argv::default();
    modes.put(&mut out);
    out.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// By letter: `true`, or the argument.
fn mode_values(modes: &Modes) -> Value {
    let typed = |ModeChange { mode, argument, .. }: &ModeChange| match mode {
        Mode::Limit => argument.parse::<u64>().map_or_else(|_| json!(&**argument), |limit| json!(limit)),
        Mode::Key => json!(&**argument),
        _ => json!(true),
    };
    Value::Object(modes.0.iter().map(|set| (set.mode.letter().to_string(), typed(set))).collect())
}

fn ranks(ranks: &[(Nick, Rank)]) -> Sheet {
    let rows = ranks.iter().map(|(nick, rank)| vec![clean(nick.as_str()), rank.letters()]).collect();
    let values = ranks.iter().map(|(nick, rank)| json!({"nick": nick.as_str(), "rank": rank.letters()}));
    Sheet::table(&[("nick", "nick"), ("rank", "rank")], rows, values.collect())
}

fn bans(bans: &[Ban]) -> Sheet {
    let rows = bans.iter().map(|ban| vec![clean(&ban.mask), clean(ban.by.as_str()), date(ban.time)]).collect();
    let values = bans.iter().map(|ban| json!({"mask": &*ban.mask, "by": ban.by.as_str(), "time": ban.time.0}));
    Sheet::table(&[("mask", "banned"), ("by", "by"), ("time", "since (UTC)")], rows, values.collect())
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

/// Plugins.
pub fn plugins(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [
        ("name", "plugin", Text),
        ("version", "version", Text),
        ("kinds", "is", Text),
        ("from", "from", Text),
        ("state", "state", Text),
        ("doing", "at the moment", Text),
    ];
    cells(&columns, reply)
}

/// One of them: names and values.
pub fn plugin(pairs: &[Text]) -> Sheet {
    let pairs = pairs.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1]));
    let value = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    let object = pairs.clone().map(|(key, text)| (key.replace(' ', "_"), value(text))).collect();
    Sheet::facts(pairs.map(|(key, text)| (key, clean(text))).collect(), Value::Object(object))
}

/// Accounts.
pub fn accounts(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns = [("name", "account", Text), ("created", "since (UTC)", Moment), ("changed", "password since (UTC)", Moment)];
    let sheet = cells(&columns, reply);
    if reply.is_empty() { sheet.titled("the directory keeps no accounts") } else { sheet }
}

/// Sentences, one on each line; an array in JSON.
pub fn sentences(sentences: &[Text]) -> Sheet {
    let rows = sentences.iter().map(|sentence| vec![clean(sentence)]).collect();
    let records = sentences.iter().map(|sentence| json!({"sentence": &**sentence})).collect();
    Sheet::table(&[("sentence", "")], rows, records).with_value(sentences.iter().map(|sentence| json!(&**sentence)).collect())
}

/// Something is so from now on.
pub fn fact(what: &str, now: impl Into<Value>) -> Sheet {
    let now = now.into();
    let text = now.as_str().map_or_else(|| now.to_string(), clean);
    Sheet::facts(vec![(what, text)], json!({ what: now }))
}

/// Something was done to one of a kind: which, and how that is now.
pub fn done(kind: &str, which: &str, state: &str) -> Sheet {
    Sheet::facts(vec![(kind, clean(which)), ("state", state.to_string())], json!({ kind: which, "state": state }))
}

/// A plan is carried out.
pub fn committed(steps: &[String], epoch: Epoch, took: std::time::Duration) -> Sheet {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let rows = vec![("done", clean(&steps.join(", "))), ("epoch", epoch.to_string()), ("took", format!("{ms} ms"))];
    Sheet::facts(rows, json!({"done": steps, "epoch": epoch.to_string(), "took_ms": ms}))
}

/// What a group is about.
pub fn topic(group: &str, topic: &str) -> Sheet {
    Sheet::facts(vec![("group", clean(group)), ("topic", clean(topic))], json!({"group": group, "topic": topic}))
}

/// The answer to STEER HISTORY.
pub fn history(reply: &[Text]) -> Sheet {
    use Cell::*;
    let columns =
        [("time", "time (UTC)", Moment), ("seq", "place", Number), ("who", "who", Text), ("what", "what", Text), ("text", "text", Text)];
    cells(&columns, reply)
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

/// The answers to CLIENTS: by node, the rows it gave.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    cells: Vec<Text>,
}

impl Clients {
    /// Cells in a row of an answer.
    pub const WIDTH: usize = 7;

    /// Takes in a page.
    pub fn add(&mut self, node: &NodeKey, reply: &[Text]) {
        for row in reply.chunks_exact(Self::WIDTH) {
            self.cells.extend(row.iter().cloned().chain([node.as_str().into()]));
        }
    }

    /// All of them.
    pub fn sheet(&self) -> Sheet {
        use Cell::*;
        let columns = [
            ("id", "id", Text),
            ("nick", "nick", Text),
            ("account", "account", Text),
            ("address", "from", Text),
            ("groups", "groups", Number),
            ("since", "since (UTC)", Moment),
            ("idle_ms", "idle ms", Number),
            ("node", "at", Text),
        ];
        cells(&columns, &self.cells)
    }
}

/// Somebody's connection was closed.
pub fn killed(who: &str, node: &NodeKey) -> Sheet {
    let rows = vec![("client", clean(who)), ("at", node.to_string()), ("state", "closed".to_string())];
    Sheet::facts(rows, json!({"client": who, "node": node.as_str(), "state": "closed"}))
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
    use chatring_machines::ids::Incarnation;
    use chatring_machines::view::{Metric, NodeInfo, RingParams};
    use chatring_machines::wire::Reader;

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

    /// A card as its words on the wire, in a ring of these nodes.
    fn card_of(words: &str, nodes: &[&str]) -> Sheet {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let card = GroupCard::take(&mut Reader::new(&args)).unwrap();
        let keys = nodes.iter().map(|key| NodeKey::new(key).unwrap());
        group(&card, &Ring::of(keys, RingParams { metric: Metric::Circular, points: 1 }))
    }

    #[track_caller]
    fn check_card(words: &str, nodes: &[&str], expect: &[&str]) {
        assert_eq!(card_of(words, nodes).text(false).lines().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn what_is_known_of_a_group() {
        let full = "#d 192.0.2.1 1.3 9 0000000000000001 86400000 3 hot\x1b joe 86401000 +tkl * 12 3 192.0.2.1 192.0.2.2 192.0.2.3 \
                    2 joe q bob ov 1 *!*@\x1bspam joe 86402000 1 joe";
        let nodes = ["192.0.2.1", "192.0.2.2"];
        let words = [
            "#d, as reported by 192.0.2.1 in term 1.3",
            "master         192.0.2.1",
            "standby        192.0.2.2",
            "other copies   192.0.2.3",
            "birth          0000000000000001",
            "last place     9",
            "created (UTC)  1970-01-02 00:00:00",
            "founder        joe",
            "topic          hot·",
            "topic set by   joe, 1970-01-02 00:00:01",
            "modes          +tkl * 12",
            "kept for       joe",
            "members        3",
            "ranks          2",
            "bans           1",
            "nick  rank",
            "joe   q",
            "bob   ov",
            "banned     by   since (UTC)",
            "*!*@·spam  joe  1970-01-02 00:00:02",
        ];
        check_card(full, &nodes, &words);
        let bare = "#d 192.0.2.1 1.3 9 0000000000000001 86400000 0   0  1 192.0.2.1 0 0 0";
        let facts = [
            "birth          0000000000000001",
            "last place     9",
            "created (UTC)  1970-01-02 00:00:00",
            "founder        none",
            "topic          none",
            "topic set by   none",
            "modes          none",
            "kept for       nobody: it is forgotten when all have left",
            "members        0",
            "ranks          0",
            "bans           0",
        ];
        let head = |master, standby| ["#d, as reported by 192.0.2.1 in term 1.3", master, standby, "other copies   none"];
        let standby = "standby        192.0.2.2, which had no copy then";
        check_card(bare, &nodes, &[&head("master         192.0.2.1", standby)[..], &facts].concat());
        // Its master is gone, and the next one has not said anything yet; or nobody is left.
        let head = |master| ["#d, as reported by 192.0.2.1 in term 1.3", master, "standby        none"];
        let next = [&head("master         192.0.2.2, which has not reported it yet")[..], &["other copies   192.0.2.1"], &facts];
        check_card(bare, &nodes[1..], &next.concat());
        check_card(bare, &[], &[&head("master         none")[..], &["other copies   192.0.2.1"], &facts].concat());

        assert_eq!(
            card_of(full, &nodes).value(),
            &json!({
                "group": "#d", "master": "192.0.2.1", "standby": "192.0.2.2", "reported": {"by": "192.0.2.1", "term": "1.3", "seq": 9},
                "copies": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "birth": "0000000000000001", "created": 86_400_000, "founder": "joe", "kept_for": ["joe"],
                "topic": {"text": "hot\x1b", "by": "joe", "time": 86_401_000}, "modes": {"t": true, "k": "*", "l": 12}, "members": 3,
                "ranks": [{"nick": "joe", "rank": "q"}, {"nick": "bob", "rank": "ov"}],
                "bans": [{"mask": "*!*@\x1bspam", "by": "joe", "time": 86_402_000}],
            })
        );
        let bare = card_of(bare, &[]).value().clone();
        assert_eq!((&bare["master"], &bare["topic"], &bare["modes"], &bare["bans"]), (&json!(null), &json!(null), &json!({}), &json!([])));
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
        assert_eq!(sheet.value()["nodes"][1]["left"], json!(null));
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
    fn a_ring_and_its_load() {
        let node = |key: &str| NodeInfo {
            key: NodeKey::new(key).unwrap(),
            name: "n\x1b".into(),
            incarnation: Incarnation(1),
            since: Time(0),
            admitted: Epoch::default(),
        };
        let (epoch, nodes) = (Epoch { generation: 1, number: 5 }, vec![node("192.0.2.1"), node("192.0.2.2")]);
        let ring = View { epoch, network: "net".into(), params: RingParams::default(), nodes, directories: Vec::new() };
        let load = |key: &str, groups, members| NodeLoad { node: NodeKey::new(key).unwrap(), groups, members };
        let sheet = view(&ring, Some(&[load("192.0.2.1", 3, 30), load("192.0.2.2", 1, 10), load("192.0.2.9", 2, 7)]));
        let text = sheet.text(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["net, epoch 1.5, circular, 1 point per node, directories ", "2 groups were with a node that is gone"]);
        assert!(lines[3].starts_with("192.0.2.1   n·") && lines[3].contains("  3       30       1.50  "), "{text}");
        assert_eq!((&sheet.value()["nodes"][1]["load"], &sheet.value()["groups_of_lost"]), (&json!(0.5), &json!(2)));
        // Nobody is in them, or there are none.
        let sheet = view(&ring, Some(&[load("192.0.2.1", 3, 0), load("192.0.2.2", 1, 0)]));
        assert_eq!(sheet.value()["nodes"][0]["load"], 1.5);
        assert_eq!(view(&ring, Some(&[])).value()["nodes"][0]["load"], json!(null));
        // A super node that is asked knows the ring, and not that.
        let sheet = view(&ring, None);
        assert!(sheet.value()["nodes"][0].get("load").is_none() && !sheet.text(false).contains("load"));
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
