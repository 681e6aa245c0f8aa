//! Reading back: the ring at a start, and what people and masters ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatring_machines::charter::{Account, Charter};
use chatring_machines::directory::{DirectoryState, Kept, KeptLog, Ledger, Place, Plans, Promise, Record, Rulings, Version};
use chatring_machines::entry::{MemberRow, Person};
use chatring_machines::ids::{Epoch, Term};
use chatring_machines::machine::{Answer, GroupPlace, NodeLoad, Query};
use chatring_machines::names::{GroupName, glob};
use chatring_machines::peer::{GroupLine, GroupRecord};
use chatring_machines::time::Time;
use chatring_machines::view::{DirectoryServer, NodeInfo, RingParams, View};
use chatring_machines::wire::{Bad, Field, Text};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Trouble;
use chatring_machines::netstrings::{parse, unpack};

pub(crate) const GROUP: &str = "SELECT master, birth, generation, number, seq, record, copies FROM groups WHERE name = ?";
const MEMBERS: &str = "SELECT session, nick, user, host, account, real, node, since FROM members WHERE group_name = ? ORDER BY session";
const WHEREABOUTS: &str = "SELECT session, nick, user, host, account, real, node, since, group_name FROM members
                           WHERE nick = ? COLLATE NOCASE ORDER BY group_name, session LIMIT ?";
const GROUPS_FROM: &str = "SELECT name, master, topic FROM groups WHERE name >= ? ORDER BY name";
const MEMBER_COUNT: &str = "SELECT count(*) FROM members WHERE group_name = ?";
/// Reads all memberships once, in their order, and sorts nothing but the counts of groups.
const LOADS: &str = "SELECT master, count(*), coalesce(sum(n), 0) FROM groups
  LEFT JOIN (SELECT group_name, count(*) AS n FROM members GROUP BY group_name) ON group_name = name GROUP BY master";
const PLACES: &str = "SELECT name, master, seq FROM groups WHERE name > ? ORDER BY name LIMIT ?";
const NEAR_COUNT: &str = "SELECT count(*), coalesce(sum(node = ?), 0) FROM members WHERE group_name = ?";
const PEOPLE: &str = "SELECT count(DISTINCT session) FROM members";
/// Steps through the masters there are, one look-up each, and reads the names of those that count only.
const ORPHANS: &str = "WITH RECURSIVE masters (key) AS (
    SELECT min(master) FROM groups
    UNION ALL SELECT (SELECT min(master) FROM groups WHERE master > key) FROM masters WHERE key IS NOT NULL)
  SELECT name FROM masters CROSS JOIN groups ON master = key
  WHERE (key = ?1 OR key NOT IN (SELECT key FROM super_nodes)) AND name > ?2 ORDER BY name LIMIT ?3";
pub(crate) const GROUPS: &str = "SELECT count(*) FROM groups";

/// What was last committed.
pub(crate) fn kept(conn: &Connection) -> Result<Kept, Trouble> {
    let state = DirectoryState::restore(current_view(conn)?, plans(conn)?, rulings(conn)?, ledger(conn)?);
    Ok(Kept { state, log: log(conn)? })
}

fn log(conn: &Connection) -> Result<KeptLog, Trouble> {
    let mut statement = conn.prepare("SELECT server, term, voted, base_number, base_term, roster, applied FROM log_head")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(KeptLog::default()) };
    let what = "the head of the log";
    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
    let voted = row.get::<_, Option<String>>(2)?.map(|voted| parse(&voted)).transpose();
    let voted = voted.map_err(|why| Trouble::Damaged(what.into(), why))?;
    let roster: Vec<u8> = row.get(5)?;
    let roster = unpack(&roster).map_err(|why| Trouble::Damaged(what.into(), why))?;
    let promise = Some(Promise { server: value(row, 0, what)?, term: number(1)?, voted });
    let base = Place { index: number(3)?, term: number(4)? };
    Ok(KeptLog { promise, base, roster, records: records(conn, base.index)?, applied: number(6)? })
}

fn records(conn: &Connection, base: u64) -> Result<Vec<Record>, Trouble> {
    let mut statement = conn.prepare("SELECT number, record FROM log ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)? as u64;
        let record: Vec<u8> = row.get(1)?;
        if number != base + 1 + records.len() as u64 {
            let why = Bad::value(format!("record {} is missing before it", base + 1 + records.len() as u64));
            return Err(Trouble::Damaged(format!("record {number} of the log"), why));
        }
        records.push(unpack(&record).map_err(|why| Trouble::Damaged(format!("record {number} of the log"), why))?);
    }
    Ok(records)
}

fn plans(conn: &Connection) -> Result<Plans, Trouble> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
    let row = conn.query_row("SELECT number, record FROM planned", [], read).optional()?;
    let (number, record) = row.unwrap_or_default();
    let pending = record.map(|record| unpack(&record)).transpose();
    let pending = pending.map_err(|why| Trouble::Damaged("the planned change".into(), why))?;
    let mut drained = BTreeMap::new();
    let mut statement = conn.prepare("SELECT number, key, incarnation FROM drained")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let what = format!("drained super node '{}'", text(row, 1)?);
        drained.insert(row.get::<_, i64>(0)? as u64, (value(row, 1, &what)?, value(row, 2, &what)?));
    }
    Ok(Plans { number: number as u64, pending, drained })
}

fn rulings(conn: &Connection) -> Result<Rulings, Trouble> {
    let mut statement = conn.prepare("SELECT key, ruling FROM rulings")?;
    let mut rows = statement.query([])?;
    let mut rulings = Rulings::new();
    while let Some(row) = rows.next()? {
        let what = format!("the ruling on super node '{}'", text(row, 0)?);
        rulings.insert(value(row, 0, &what)?, value(row, 1, &what)?);
    }
    Ok(rulings)
}

fn ledger(conn: &Connection) -> Result<Ledger, Trouble> {
    let (mut charters, mut accounts) = (Vec::new(), Vec::new());
    let mut statement = conn.prepare("SELECT name, birth, generation, number, seq, record FROM charters ORDER BY name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let what = format!("the charter of {}", text(row, 0)?);
        let record: Vec<u8> = row.get(5)?;
        charters.push(Charter {
            group: value(row, 0, &what)?,
            birth: value(row, 1, &what)?,
            term: Term { generation: row.get(2)?, number: row.get::<_, i64>(3)? as u64 },
            seq: row.get::<_, i64>(4)? as u64,
            settings: unpack(&record).map_err(|why| Trouble::Damaged(what, why))?,
        });
    }
    let mut statement = conn.prepare("SELECT name, secret, created, changed FROM accounts ORDER BY name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let what = format!("account {}", text(row, 0)?);
        let time = |column| row.get::<_, i64>(column).map(|time| Time(time as u64));
        accounts.push(Account { name: value(row, 0, &what)?, secret: text(row, 1)?, created: time(2)?, changed: time(3)? });
    }
    Ok(Ledger::restore(charters, accounts))
}

pub(crate) fn current_view(conn: &Connection) -> Result<Option<View>, Trouble> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get(3)?, row.get(4)?));
    let row = conn.query_row("SELECT name, generation, number, metric, points FROM network", [], read).optional()?;
    let Some((network, generation, number, metric, points)) = row else { return Ok(None) };
    let (network, metric): (String, String) = (network, metric);
    let metric = parse(&metric).map_err(|why| Trouble::Damaged("the network's metric".into(), why))?;
    Ok(Some(View {
        epoch: Epoch { generation, number: number as u64 },
        network: network.into(),
        params: RingParams { metric, points },
        nodes: nodes(conn)?,
        directories: directories(conn)?,
    }))
}

fn directories(conn: &Connection) -> Result<Vec<DirectoryServer>, Trouble> {
    // A backup of an earlier schema is looked at as it is.
    let mut statement = match conn.prepare("SELECT address, key FROM directories ORDER BY position") {
        Ok(statement) => statement,
        Err(_) => conn.prepare("SELECT address, '' FROM directories ORDER BY position")?,
    };
    let mut rows = statement.query([])?;
    let mut servers = Vec::new();
    while let Some(row) = rows.next()? {
        let (address, key) = (text(row, 0)?, text(row, 1)?);
        let what = || format!("the key of directory server '{address}'");
        let key = if key.is_empty() { None } else { Some(parse(&key).map_err(|why| Trouble::Damaged(what(), why))?) };
        servers.push(DirectoryServer { address, key });
    }
    Ok(servers)
}

/// By key: SQLite compares text byte by byte, as we do.
fn nodes(conn: &Connection) -> Result<Vec<NodeInfo>, Trouble> {
    let mut statement = conn.prepare("SELECT key, name, incarnation, since, admitted FROM super_nodes ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let what = format!("super node '{}'", text(row, 0)?);
        nodes.push(NodeInfo {
            key: value(row, 0, &what)?,
            name: text(row, 1)?,
            incarnation: value(row, 2, &what)?,
            since: Time(row.get::<_, i64>(3)? as u64),
            admitted: value(row, 4, &what)?,
        });
    }
    Ok(nodes)
}

/// Looks something up.
pub(crate) fn answer(conn: &Connection, query: &Query) -> Result<Answer, Trouble> {
    match query {
        Query::Record(group) => Ok(Answer::Record(record(conn, group)?.map(Box::new))),
        Query::Groups { pattern, limit } => Ok(Answer::Groups(groups(conn, pattern, *limit as usize)?)),
        Query::Counts => {
            let count = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
            Ok(Answer::Counts { people: count(PEOPLE)? as u64, groups: count(GROUPS)? as u64 })
        }
        Query::Loads => Ok(Answer::Loads(loads(conn)?)),
        Query::Places { after, limit } => Ok(Answer::Places(places(conn, after.as_ref(), *limit)?)),
        Query::Whereabouts { nick, limit } => Ok(Answer::Whereabouts(whereabouts(conn, nick.as_str(), *limit)?)),
        Query::Orphans { master, after, limit } => {
            // No name is empty, so that every name comes after that.
            let after = after.as_ref().map_or("", GroupName::as_str);
            let mut statement = conn.prepare_cached(ORPHANS)?;
            let mut rows = statement.query(params![master.as_str(), after, limit])?;
            let mut names = Vec::new();
            while let Some(row) = rows.next()? {
                names.push(value(row, 0, "a group's name")?);
            }
            Ok(Answer::Names(names))
        }
    }
}

/// A group's row, not yet checked.
pub(crate) struct GroupRow {
    master: String,
    birth: String,
    term: Term,
    seq: u64,
    settings: Vec<u8>,
    copies: Vec<u8>,
}

impl GroupRow {
    /// Reads a row of [`GROUP`].
    pub(crate) fn of(row: &Row<'_>) -> rusqlite::Result<GroupRow> {
        Ok(GroupRow {
            master: row.get(0)?,
            birth: row.get(1)?,
            term: Term { generation: row.get(2)?, number: row.get::<_, i64>(3)? as u64 },
            seq: row.get::<_, i64>(4)? as u64,
            settings: row.get(5)?,
            copies: row.get(6)?,
        })
    }

    /// Which report it is of.
    pub(crate) fn version(&self, group: &GroupName) -> Result<Version, Trouble> {
        let birth = parse(&self.birth).map_err(|why| damaged(group, why))?;
        Ok(Version { birth, term: self.term, seq: self.seq })
    }
}

fn record(conn: &Connection, group: &GroupName) -> Result<Option<GroupRecord>, Trouble> {
    let row = conn.prepare_cached(GROUP)?.query_row([group.as_str()], GroupRow::of).optional()?;
    let Some(row) = row else { return Ok(None) };
    let version = row.version(group)?;
    Ok(Some(GroupRecord {
        master: parse(&row.master).map_err(|why| damaged(group, why))?,
        birth: version.birth,
        term: version.term,
        seq: version.seq,
        settings: unpack(&row.settings).map_err(|why| damaged(group, why))?,
        members: members(conn, group)?,
        copies: unpack(&row.copies).map_err(|why| damaged(group, why))?,
    }))
}

fn members(conn: &Connection, group: &GroupName) -> Result<Vec<MemberRow>, Trouble> {
    let mut statement = conn.prepare_cached(MEMBERS)?;
    let mut rows = statement.query([group.as_str()])?;
    let what = format!("a member of {group}");
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(member(row, &what)?);
    }
    Ok(members)
}

/// A row that begins as those of [`MEMBERS`] do.
fn member(row: &Row<'_>, what: &str) -> Result<MemberRow, Trouble> {
    let (user, host, account, real) = (text(row, 2)?, text(row, 3)?, text(row, 4)?, text(row, 5)?);
    let person = Person { nick: value(row, 1, what)?, user, host, account, real };
    Ok(MemberRow {
        session: value(row, 0, what)?,
        person: Arc::new(person),
        node: value(row, 6, what)?,
        since: Time(row.get::<_, i64>(7)? as u64),
    })
}

/// By the index of nicks: reads that person's rows and no others.
fn whereabouts(conn: &Connection, nick: &str, limit: u32) -> Result<Vec<(GroupName, MemberRow)>, Trouble> {
    let mut statement = conn.prepare_cached(WHEREABOUTS)?;
    let mut rows = statement.query(params![nick, limit])?;
    let what = format!("where {nick} is");
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((value(row, 8, &what)?, member(row, &what)?));
    }
    Ok(found)
}

/// Reads only the names that begin as the pattern does, and stops at the limit.
fn groups(conn: &Connection, pattern: &str, limit: usize) -> Result<Vec<GroupLine>, Trouble> {
    let start = pattern.find(['*', '?']).map_or(pattern, |wild| &pattern[..wild]).to_ascii_lowercase();
    let mut statement = conn.prepare_cached(GROUPS_FROM)?;
    let mut count = conn.prepare_cached(MEMBER_COUNT)?;
    let mut rows = statement.query([&start])?;
    let mut lines = Vec::new();
    while lines.len() < limit
        && let Some(row) = rows.next()?
    {
        let name = text(row, 0)?;
        if !name.starts_with(&start) {
            break;
        }
        if glob(pattern, &name) {
            let what = format!("group {name}");
            let members = count.query_row([&*name], |row| row.get::<_, i64>(0))? as u64;
            lines.push(GroupLine { group: value(row, 0, &what)?, members, master: value(row, 1, &what)?, topic: text(row, 2)? });
        }
    }
    Ok(lines)
}

fn loads(conn: &Connection) -> Result<Vec<NodeLoad>, Trouble> {
    let mut statement = conn.prepare_cached(LOADS)?;
    let mut rows = statement.query([])?;
    let mut loads = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
        loads.push(NodeLoad { node: value(row, 0, "the master of a group")?, groups: number(1)?, members: number(2)? });
    }
    loads.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(loads)
}

/// A page: reads only what is shown on it.
fn places(conn: &Connection, after: Option<&GroupName>, limit: u32) -> Result<Vec<GroupPlace>, Trouble> {
    let mut statement = conn.prepare_cached(PLACES)?;
    let mut count = conn.prepare_cached(NEAR_COUNT)?;
    let mut rows = statement.query(params![after.map_or("", GroupName::as_str), limit])?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, master) = (text(row, 0)?, text(row, 1)?);
        let what = format!("group {name}");
        let counted = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        let (members, near) = count.query_row(params![&*master, &*name], counted)?;
        let seq = row.get::<_, i64>(2)? as u64;
        places.push(GroupPlace { group: value(row, 0, &what)?, master: value(row, 1, &what)?, members, near, seq });
    }
    Ok(places)
}

fn text(row: &Row<'_>, column: usize) -> Result<Text, Trouble> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?.into())
}

fn value<T: Field>(row: &Row<'_>, column: usize, what: &str) -> Result<T, Trouble> {
    parse(&text(row, column)?).map_err(|why| Trouble::Damaged(what.to_string(), why))
}

fn damaged(group: &GroupName, why: Bad) -> Trouble {
    Trouble::Damaged(format!("group {group}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps of SQLite's plan for a query.
    fn plan(conn: &Connection, sql: &str) -> Vec<String> {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![""; statement.parameter_count()];
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn one_group_is_found_by_index_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let opened = crate::schema::open(&dir.path().join("directory.db")).unwrap();
        for sql in [GROUP, MEMBERS, GROUPS_FROM, MEMBER_COUNT, PLACES, NEAR_COUNT] {
            let steps = plan(&opened.conn, sql);
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {steps:?}");
        }
        // Counting people reads all of a small index, and sorts nothing.
        let steps = plan(&opened.conn, PEOPLE);
        assert_eq!(steps, ["SCAN members USING COVERING INDEX members_by_session"]);
        let steps = plan(&opened.conn, LOADS);
        assert!(steps.iter().any(|step| step.starts_with("SCAN members USING PRIMARY KEY") || step == "SCAN members"), "{steps:?}");
        assert!(steps.iter().any(|step| step.starts_with("SCAN groups USING COVERING INDEX groups_by_master")), "{steps:?}");
        let steps = plan(&opened.conn, ORPHANS);
        assert!(!steps.iter().any(|step| step.starts_with("SCAN groups")), "{steps:?}");
        assert!(
            steps.iter().any(|step| step.starts_with("SEARCH groups USING COVERING INDEX groups_by_master (master=? AND name>?)")),
            "{steps:?}"
        );
    }
}
