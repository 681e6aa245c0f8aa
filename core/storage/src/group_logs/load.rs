//! At a start: is the file ours, how did the last process end, and all that was kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chatring_machines::entry::Entry;
use chatring_machines::keeping::{Durability, Image, KeptGroup, Standing};
use chatring_machines::names::GroupName;
use chatring_machines::wire::{Bad, Rest};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::LogOptions;
use super::index::{Chunk, Index, Known};
use crate::error::{Kind, StorageError, Trouble};
use chatring_machines::netstrings::{parse, unpack};

/// Makes a new file ours, refuses another's, and notes that it is in use. On the disk when it returns.
pub(super) fn own(conn: &mut Connection, path: &Path, options: &LogOptions) -> Result<(), StorageError> {
    let at = |error: rusqlite::Error| Trouble::from(error).within(Kind::GroupLogs, path);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let owner = transaction.query_row("SELECT network, key, durable, clean FROM owner", [], read).optional().map_err(at)?;
    let (network, key) = (&*options.network, options.key.as_str());
    if let Some((found_network, found_key, durable, clean)) = owner {
        let (found_network, found_key, durable, clean): (String, String, bool, bool) = (found_network, found_key, durable, clean);
        if (found_network.as_str(), found_key.as_str()) != (network, key) {
            let named = |key: &str, network: &str| format!("{key} of network {network:?}");
            let (found, wanted) = (named(&found_key, &found_network), named(key, network));
            return Err(StorageError::Anothers { path: path.into(), found, wanted });
        }
        if !durable && !clean {
            transaction.execute("UPDATE groups SET whole = 0 WHERE whole", []).map_err(at)?;
        }
    }
    let durable = options.durability == Durability::Disk;
    let sql = "INSERT OR REPLACE INTO owner (one, network, key, durable, clean) VALUES (1, ?, ?, ?, 0)";
    transaction.execute(sql, params![network, key, durable]).map_err(at)?;
    transaction.commit().map_err(at)
}

/// A group on its way from rows to what it is.
struct Loading {
    name: GroupName,
    known: Known,
    standing: Standing,
    image: Option<Image>,
    entries: Vec<Arc<Entry>>,
}

/// All there is, in three scans.
pub(super) fn everything(conn: &Connection) -> Result<(Index, Vec<KeptGroup>), Trouble> {
    let mut loading = groups(conn)?;
    images(conn, &mut loading)?;
    chunks(conn, &mut loading)?;
    let (mut index, mut kept) = (BTreeMap::new(), BTreeMap::new());
    for Loading { name, known, standing, image, mut entries } in loading.into_values() {
        index.insert(name.clone(), known);
        let Some(image) = image else { continue };
        if entries.last().is_none_or(|last| last.seq < image.head.seq) {
            entries.clear();
        }
        kept.insert(name.clone(), KeptGroup { group: name, image, entries, standing });
    }
    Ok((Index::new(index), kept.into_values().collect()))
}

fn groups(conn: &Connection) -> Result<BTreeMap<i64, Loading>, Trouble> {
    let mut loading = BTreeMap::new();
    let mut statement = conn.prepare("SELECT id, name, whole, standing FROM groups")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, text): (i64, String) = (row.get(0)?, row.get(1)?);
        let damaged = |why| Trouble::Damaged(format!("group {text}"), why);
        let name = parse(&text).map_err(damaged)?;
        let mut standing = match row.get_ref(3)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
            Some(record) => unpack::<Standing>(record).map_err(damaged)?,
            None => Standing::default(),
        };
        standing.whole = row.get(2)?;
        let known = Known { id, ..Known::default() };
        loading.insert(id, Loading { name, known, standing, image: None, entries: Vec::new() });
    }
    Ok(loading)
}

fn images(conn: &Connection, loading: &mut BTreeMap<i64, Loading>) -> Result<(), Trouble> {
    let mut statement = conn.prepare("SELECT group_id, record FROM images")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let group = owner(loading, row.get(0)?)?;
        let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let image: Image = unpack(record).map_err(|why| Trouble::Damaged(format!("the image of {}", group.name), why))?;
        group.known.image = Some((image.birth, image.head.seq));
        group.image = Some(image);
    }
    Ok(())
}

/// In the order of their rows, which is that of their places.
fn chunks(conn: &Connection, loading: &mut BTreeMap<i64, Loading>) -> Result<(), Trouble> {
    let mut statement = conn.prepare("SELECT group_id, id, first, last, record FROM chunks ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let group = owner(loading, row.get(0)?)?;
        let (id, first, last) = (row.get(1)?, row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64);
        let damaged = |why| Trouble::Damaged(format!("the log of {} from {first} to {last}", group.name), why);
        let record = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let Rest(entries) = unpack::<Rest<Arc<Entry>>>(record).map_err(damaged)?;
        let follows = group.known.newest().is_none_or(|newest| first == newest + 1);
        let in_order = entries.iter().map(|entry| entry.seq).eq(first..=last);
        let Some(time) = entries.last().map(|entry| entry.time).filter(|_| follows && in_order) else {
            return Err(damaged(Bad::value("has a hole")));
        };
        if group.known.chunks.is_empty() {
            group.known.from = first;
        }
        group.known.chunks.push_back(Chunk { row: id, last, time });
        group.entries.extend(entries);
    }
    Ok(())
}

fn owner(loading: &mut BTreeMap<i64, Loading>, id: i64) -> Result<&mut Loading, Trouble> {
    loading.get_mut(&id).ok_or_else(|| Trouble::Damaged(format!("group number {id}"), Bad::value("has no name")))
}
