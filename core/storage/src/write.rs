//! Writing changes down: what a change means is decided by the machines' rules, here it becomes rows.

use chatring_machines::directory::{Applied, DirectoryState, Plans, VIEWS_KEPT, Version, Weight, weigh};
use chatring_machines::entry::MemberRow;
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::peer::{Change, GroupReport};
use chatring_machines::view::{NodeInfo, View};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Trouble;
use crate::read;
use crate::record::pack;

/// Applies one change to the ring and to the file.
pub(crate) fn change(conn: &Connection, state: &mut DirectoryState, change: &Change) -> Result<(), Trouble> {
    let before = (state.is_founded().then(|| state.view().clone()), state.plans().clone());
    match (state.apply(change), change) {
        (Applied::Ring, _) => {
            if let Some(before) = &before.0 {
                past_view(conn, before)?;
            }
            current_epoch(conn, state.view())?;
            directories(conn, before.0.as_deref(), state.view())?;
            super_nodes(conn, before.0.as_deref(), state.view())?;
            plans(conn, &before.1, state.plans())
        }
        (Applied::Plan, _) => plans(conn, &before.1, state.plans()),
        (Applied::Report, Change::Report { master, report }) => self::report(conn, master, report),
        _ => Ok(()),
    }
}

fn directories(conn: &Connection, before: Option<&View>, view: &View) -> Result<(), Trouble> {
    if before.is_some_and(|before| before.directories == view.directories) {
        return Ok(());
    }
    conn.execute("DELETE FROM directories", [])?;
    for (position, address) in view.directories.iter().enumerate() {
        conn.prepare_cached("INSERT INTO directories (position, address) VALUES (?, ?)")?.execute(params![position as i64, &**address])?;
    }
    Ok(())
}

/// Writes what is different: a ring may have thousands of nodes, and a change has one.
fn super_nodes(conn: &Connection, before: Option<&View>, view: &View) -> Result<(), Trouble> {
    let before = before.map_or(&[][..], |before| &before.nodes);
    for gone in before.iter().filter(|node| view.node(&node.key).is_none()) {
        conn.prepare_cached("DELETE FROM super_nodes WHERE key = ?")?.execute([gone.key.as_str()])?;
    }
    let known = |node: &NodeInfo| before.binary_search_by(|there| there.key.cmp(&node.key)).is_ok_and(|ix| before[ix] == *node);
    let sql = "INSERT OR REPLACE INTO super_nodes (key, name, incarnation, since, admitted) VALUES (?, ?, ?, ?, ?)";
    for node in view.nodes.iter().filter(|node| !known(node)) {
        conn.prepare_cached(sql)?.execute(params![
            node.key.as_str(),
            &*node.name,
            node.incarnation.to_string(),
            signed(node.since.0),
            node.admitted.to_string()
        ])?;
    }
    Ok(())
}

fn plans(conn: &Connection, before: &Plans, plans: &Plans) -> Result<(), Trouble> {
    if (before.number, &before.pending) != (plans.number, &plans.pending) {
        conn.prepare_cached("INSERT OR REPLACE INTO planned (one, number, record) VALUES (1, ?, ?)")?
            .execute(params![signed(plans.number), plans.pending.as_ref().map(pack)])?;
    }
    for number in before.drained.keys().filter(|number| !plans.drained.contains_key(number)) {
        conn.prepare_cached("DELETE FROM drained WHERE number = ?")?.execute([signed(*number)])?;
    }
    for (number, (key, incarnation)) in plans.drained.iter().filter(|(number, _)| !before.drained.contains_key(number)) {
        conn.prepare_cached("INSERT INTO drained (number, key, incarnation) VALUES (?, ?, ?)")?.execute(params![
            signed(*number),
            key.as_str(),
            incarnation.to_string()
        ])?;
    }
    Ok(())
}

fn current_epoch(conn: &Connection, view: &View) -> Result<(), Trouble> {
    let sql = "INSERT OR REPLACE INTO network (one, name, generation, number, metric, points) VALUES (1, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        &*view.network,
        view.epoch.generation,
        signed(view.epoch.number),
        view.params.metric.as_str(),
        view.params.points
    ])?;
    Ok(())
}

/// Remembers the view before a change, and forgets the oldest: with the current one there are [`VIEWS_KEPT`].
fn past_view(conn: &Connection, view: &View) -> Result<(), Trouble> {
    conn.prepare_cached("INSERT INTO past_views (generation, number, record) VALUES (?, ?, ?)")?.execute(params![
        view.epoch.generation,
        signed(view.epoch.number),
        pack(view)
    ])?;
    let sql = "DELETE FROM past_views WHERE (generation, number) NOT IN
               (SELECT generation, number FROM past_views ORDER BY generation DESC, number DESC LIMIT ?)";
    conn.prepare_cached(sql)?.execute([VIEWS_KEPT as i64 - 1])?;
    Ok(())
}

fn report(conn: &Connection, master: &NodeKey, report: &GroupReport) -> Result<(), Trouble> {
    match weigh(version(conn, &report.group)?.as_ref(), report) {
        Weight::Ignore => Ok(()),
        Weight::Forget => {
            // Its members go with it.
            conn.prepare_cached("DELETE FROM groups WHERE name = ?")?.execute([report.group.as_str()])?;
            Ok(())
        }
        Weight::Take { afresh } => {
            group(conn, master, report)?;
            members(conn, report, afresh)
        }
    }
}

fn version(conn: &Connection, group: &GroupName) -> Result<Option<Version>, Trouble> {
    let row = conn.prepare_cached(read::GROUP)?.query_row([group.as_str()], read::GroupRow::of).optional()?;
    row.map(|row| row.version(group)).transpose()
}

fn group(conn: &Connection, master: &NodeKey, report: &GroupReport) -> Result<(), Trouble> {
    let sql = "INSERT INTO groups (name, master, birth, generation, number, seq, topic, record, copies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET master = excluded.master, birth = excluded.birth, generation = excluded.generation,
               number = excluded.number, seq = excluded.seq, topic = excluded.topic, record = excluded.record,
               copies = excluded.copies";
    conn.prepare_cached(sql)?.execute(params![
        report.group.as_str(),
        master.as_str(),
        report.birth.to_string(),
        report.term.generation,
        signed(report.term.number),
        signed(report.seq),
        report.settings.topic.as_ref().map_or("", |topic| &topic.text),
        pack(&report.settings),
        pack(&report.copies)
    ])?;
    Ok(())
}

/// In this order: who is known is forgotten where the report says so, who went goes, who came comes.
fn members(conn: &Connection, report: &GroupReport, afresh: bool) -> Result<(), Trouble> {
    let group = report.group.as_str();
    if afresh {
        conn.prepare_cached("DELETE FROM members WHERE group_name = ?")?.execute([group])?;
    }
    let mut leave = conn.prepare_cached("DELETE FROM members WHERE group_name = ? AND session = ?")?;
    for session in &report.left {
        leave.execute([group, &session.to_string()])?;
    }
    let sql = "INSERT OR REPLACE INTO members (group_name, session, nick, user, host, account, real, node, since)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut join = conn.prepare_cached(sql)?;
    for MemberRow { session, person, node, since } in &report.joined {
        let (session, since) = (session.to_string(), signed(since.0));
        let (nick, node) = (person.nick.as_str(), node.as_str());
        join.execute(params![group, session, nick, &*person.user, &*person.host, &*person.account, &*person.real, node, since])?;
    }
    Ok(())
}

/// SQLite's integers are signed. Numbers of ours that need the last bit come back by the same cast; SQL never compares them.
fn signed(number: u64) -> i64 {
    number as i64
}
