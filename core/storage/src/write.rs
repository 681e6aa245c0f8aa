//! Writing changes down: what a change means is decided by the machines' rules, here it becomes rows.

use chatring_machines::charter::{Account, Charter};
use chatring_machines::directory::{Applied, DirectoryState, Kept, KeptLog, Ledger, LogWrite, Plans, Rulings, Version, Weight, weigh};
use chatring_machines::entry::MemberRow;
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::{Change, GroupReport};
use chatring_machines::view::{DirectoryServer, NodeInfo, View};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Trouble;
use crate::read;
use chatring_machines::netstrings::pack;

/// What is new in the log, and what the state becomes by it.
pub(crate) fn log(conn: &Connection, kept: &mut Kept, write: &LogWrite) -> Result<(), Trouble> {
    let (installed, changes) = kept.log.write(write);
    if let Some(state) = installed {
        conn.execute("DELETE FROM log", [])?;
        self::state(conn, &kept.state, &state)?;
        kept.state = state;
    }
    if let Some((after, records)) = &write.append {
        conn.prepare_cached("DELETE FROM log WHERE number > ?")?.execute([signed(*after)])?;
        let mut insert = conn.prepare_cached("INSERT INTO log (number, record) VALUES (?, ?)")?;
        for (number, record) in (after + 1..).zip(records) {
            insert.execute(params![signed(number), pack(record)])?;
        }
    }
    if let Some((place, _)) = &write.forget {
        conn.prepare_cached("DELETE FROM log WHERE number <= ?")?.execute([signed(place.index)])?;
    }
    changes.iter().try_for_each(|change| self::change(conn, &mut kept.state, change))?;
    log_head(conn, &kept.log)
}

fn log_head(conn: &Connection, log: &KeptLog) -> Result<(), Trouble> {
    let promise = log.promise.unwrap_or_default();
    let sql = "INSERT OR REPLACE INTO log_head (one, server, term, voted, base_number, base_term, roster, applied) VALUES (1, ?, ?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        promise.server.to_string(),
        signed(promise.term),
        promise.voted.map(|server| server.to_string()),
        signed(log.base.index),
        signed(log.base.term),
        pack(&log.roster),
        signed(log.applied)
    ])?;
    Ok(())
}

/// Applies one change to the state and to the file.
fn change(conn: &Connection, state: &mut DirectoryState, change: &Change) -> Result<(), Trouble> {
    // Of what may be a hundred thousand only what the change names is looked at.
    match change {
        Change::Charters { charters } => {
            state.apply(change);
            return charters.iter().try_for_each(|charter| self::charter(conn, state.ledger(), &charter.group));
        }
        Change::Account { name, .. } => {
            state.apply(change);
            return account(conn, state.ledger(), name);
        }
        _ => {}
    }
    let before = state.clone();
    match state.apply(change) {
        Applied::Ignored => Ok(()),
        Applied::Ring | Applied::Plan | Applied::Ruling | Applied::Ledger => self::state(conn, &before, state),
    }
}

/// Writes what is different.
fn state(conn: &Connection, before: &DirectoryState, state: &DirectoryState) -> Result<(), Trouble> {
    if before.view() != state.view() {
        let known = before.is_founded().then(|| before.view().clone());
        current_epoch(conn, state.view())?;
        directories(conn, known.as_deref(), state.view())?;
        super_nodes(conn, known.as_deref(), state.view())?;
    }
    plans(conn, before.plans(), state.plans())?;
    rulings(conn, before.rulings(), state.rulings())?;
    ledger(conn, before.ledger(), state.ledger())
}

fn directories(conn: &Connection, before: Option<&View>, view: &View) -> Result<(), Trouble> {
    if before.is_some_and(|before| before.directories == view.directories) {
        return Ok(());
    }
    conn.execute("DELETE FROM directories", [])?;
    let mut insert = conn.prepare_cached("INSERT INTO directories (position, address, key) VALUES (?, ?, ?)")?;
    for (position, DirectoryServer { address, key }) in view.directories.iter().enumerate() {
        insert.execute(params![position as i64, &**address, key.map_or_else(String::new, |key| key.to_string())])?;
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

fn rulings(conn: &Connection, before: &Rulings, rulings: &Rulings) -> Result<(), Trouble> {
    for key in before.keys().filter(|key| !rulings.contains_key(key)) {
        conn.prepare_cached("DELETE FROM rulings WHERE key = ?")?.execute([key.as_str()])?;
    }
    for (key, ruling) in rulings.iter().filter(|(key, ruling)| before.get(key) != Some(ruling)) {
        conn.prepare_cached("INSERT OR REPLACE INTO rulings (key, ruling) VALUES (?, ?)")?.execute([key.as_str(), ruling.as_str()])?;
    }
    Ok(())
}

/// Writes what is different: all that either has is looked at.
fn ledger(conn: &Connection, before: &Ledger, ledger: &Ledger) -> Result<(), Trouble> {
    let gone = before.charters().filter(|charter| ledger.charter(&charter.group).is_none());
    let new = ledger.charters().filter(|charter| before.charter(&charter.group) != Some(charter));
    gone.chain(new).try_for_each(|charter| self::charter(conn, ledger, &charter.group))?;
    let gone = before.accounts().filter(|account| ledger.account(&account.name).is_none());
    let new = ledger.accounts().filter(|account| before.account(&account.name) != Some(account));
    gone.chain(new).try_for_each(|account| self::account(conn, ledger, &account.name))
}

/// Writes what is kept of a group.
fn charter(conn: &Connection, ledger: &Ledger, group: &GroupName) -> Result<(), Trouble> {
    let Some(Charter { birth, term, seq, settings, .. }) = ledger.charter(group).map(|charter| &**charter) else {
        conn.prepare_cached("DELETE FROM charters WHERE name = ?")?.execute([group.as_str()])?;
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO charters (name, birth, generation, number, seq, record) VALUES (?, ?, ?, ?, ?, ?)";
    conn.prepare_cached(sql)?.execute(params![
        group.as_str(),
        birth.to_string(),
        term.generation,
        signed(term.number),
        signed(*seq),
        pack(settings)
    ])?;
    Ok(())
}

/// Writes what is kept of an account.
fn account(conn: &Connection, ledger: &Ledger, name: &Nick) -> Result<(), Trouble> {
    // Another spelling is the same account.
    conn.prepare_cached("DELETE FROM accounts WHERE name = ?")?.execute([name.as_str()])?;
    if let Some(Account { name, secret, created, changed }) = ledger.account(name).map(|account| &**account) {
        let sql = "INSERT INTO accounts (name, secret, created, changed) VALUES (?, ?, ?, ?)";
        conn.prepare_cached(sql)?.execute(params![name.as_str(), &**secret, signed(created.0), signed(changed.0)])?;
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

/// What a master reported of a group.
pub(crate) fn report(conn: &Connection, master: &NodeKey, report: &GroupReport) -> Result<(), Trouble> {
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
