//! Writing changes down: what a change means is decided by the machines' rules, here it becomes rows.

use chatring_machines::directory::{Applied, DirectoryState, VIEWS_KEPT, Version, Weight, weigh};
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
    let before = state.is_founded().then(|| state.view().clone());
    match (state.apply(change), change) {
        (Applied::Ring, _) => {
            if let Some(before) = before {
                past_view(conn, &before)?;
            }
            current_epoch(conn, state.view())?;
            ring(conn, change)
        }
        (Applied::Report, Change::Report { master, report }) => self::report(conn, master, report),
        _ => Ok(()),
    }
}

fn ring(conn: &Connection, change: &Change) -> Result<(), Trouble> {
    match change {
        Change::Directories { addresses } => {
            conn.execute("DELETE FROM directories", [])?;
            for (position, address) in addresses.iter().enumerate() {
                conn.prepare_cached("INSERT INTO directories (position, address) VALUES (?, ?)")?
                    .execute(params![position as i64, &**address])?;
            }
        }
        Change::Admit { node } => admit(conn, node)?,
        Change::Remove { key, .. } => {
            conn.prepare_cached("DELETE FROM super_nodes WHERE key = ?")?.execute([key.as_str()])?;
        }
        Change::Found { .. } | Change::Report { .. } | Change::Prepare { .. } | Change::Commit { .. } | Change::Cancel { .. } => {}
    }
    Ok(())
}

fn admit(conn: &Connection, node: &NodeInfo) -> Result<(), Trouble> {
    conn.prepare_cached("INSERT OR REPLACE INTO super_nodes (key, name, incarnation, since) VALUES (?, ?, ?, ?)")?.execute(params![
        node.key.as_str(),
        &*node.name,
        node.incarnation.to_string(),
        signed(node.since.0)
    ])?;
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
    let sql = "INSERT INTO groups (name, master, birth, generation, number, seq, topic, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET master = excluded.master, birth = excluded.birth, generation = excluded.generation,
               number = excluded.number, seq = excluded.seq, topic = excluded.topic, record = excluded.record";
    conn.prepare_cached(sql)?.execute(params![
        report.group.as_str(),
        master.as_str(),
        report.birth.to_string(),
        report.term.generation,
        signed(report.term.number),
        signed(report.seq),
        report.settings.topic.as_ref().map_or("", |topic| &topic.text),
        pack(&report.settings)
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
