//! One batch, written: the entries of a group that come one after the other become one row.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatring_machines::entry::Entry;
use chatring_machines::keeping::{Image, Keep, Keeping, Place, Standing, place};
use chatring_machines::names::GroupName;
use chatring_machines::wire::Rest;
use rusqlite::{Connection, params};

use super::index::{Chunk, Index};
use crate::error::Trouble;
use chatring_machines::netstrings::{Packer, pack, unpack};

/// Entries in one row at most: what is forgotten goes by rows.
const CHUNK_ENTRIES: usize = 256;

/// Writes a batch, in order. What happens in different groups may change places.
pub(super) fn batch(conn: &Connection, index: &mut Index, packer: &mut Packer, batch: &[Keeping]) -> Result<(), Trouble> {
    let mut writer = Writer { conn, index, packer };
    let mut open: BTreeMap<&GroupName, Vec<&Arc<Entry>>> = BTreeMap::new();
    for Keeping { group, what, .. } in batch {
        let gathered = open.entry(group).or_default();
        if let Keep::Entries(entries) = what {
            let follows = gathered.last().zip(entries.first()).is_none_or(|(last, first)| first.seq == last.seq + 1);
            if !follows {
                writer.entries(group, gathered)?;
                gathered.clear();
            }
            gathered.extend(entries);
            continue;
        }
        writer.entries(group, gathered)?;
        gathered.clear();
        match what {
            Keep::Entries(_) => {}
            Keep::Image(image) => writer.image(group, image)?,
            Keep::Standing(standing) => writer.standing(group, standing)?,
            Keep::Drop => writer.forget(group)?,
        }
    }
    open.iter().try_for_each(|(group, entries)| writer.entries(group, entries))
}

struct Writer<'a> {
    conn: &'a Connection,
    index: &'a mut Index,
    packer: &'a mut Packer,
}

impl Writer<'_> {
    /// The group's number in the file.
    fn id(&mut self, group: &GroupName) -> Result<i64, Trouble> {
        if let Some(known) = self.index.of(group) {
            return Ok(known.id);
        }
        self.conn.prepare_cached("INSERT INTO groups (name, whole) VALUES (?, 0)")?.execute([group.as_str()])?;
        let id = self.conn.last_insert_rowid();
        self.index.add(group, id);
        Ok(id)
    }

    fn image(&mut self, group: &GroupName, image: &Image) -> Result<(), Trouble> {
        let id = self.id(group)?;
        let known = self.index.of(group).and_then(|known| known.image);
        if known.is_some_and(|(birth, _)| birth != image.birth) {
            self.cut_from(group, 0)?;
        }
        self.cut_from(group, image.head.seq + 1)?;
        self.cut_before(group, image.head.log_from)?;
        self.conn.prepare_cached("INSERT OR REPLACE INTO images (group_id, record) VALUES (?, ?)")?.execute(params![id, pack(image)])?;
        self.index.set_image(group, image.birth, image.head.seq);
        Ok(())
    }

    fn standing(&mut self, group: &GroupName, standing: &Standing) -> Result<(), Trouble> {
        let id = self.id(group)?;
        let sql = "UPDATE groups SET whole = ?, standing = ? WHERE id = ?";
        self.conn.prepare_cached(sql)?.execute(params![standing.whole, pack(standing), id])?;
        Ok(())
    }

    fn forget(&mut self, group: &GroupName) -> Result<(), Trouble> {
        let Some(id) = self.index.of(group).map(|known| known.id) else { return Ok(()) };
        self.cut_from(group, 0)?;
        self.conn.prepare_cached("DELETE FROM images WHERE group_id = ?")?.execute([id])?;
        self.conn.prepare_cached("DELETE FROM groups WHERE id = ?")?.execute([id])?;
        self.index.remove(group);
        Ok(())
    }

    fn entries(&mut self, group: &GroupName, entries: &[&Arc<Entry>]) -> Result<(), Trouble> {
        let Some(first) = entries.first().map(|entry| entry.seq) else { return Ok(()) };
        let id = self.id(group)?;
        let (image, newest) = self.index.of(group).map_or((0, None), |known| (known.image_seq(), known.newest()));
        match place(first, image, newest) {
            Place::Follows => {}
            Place::Replaces => self.cut_from(group, first)?,
            Place::Afresh => self.cut_from(group, 0)?,
        }
        for chunk in entries.chunks(CHUNK_ENTRIES) {
            self.packer.bytes.clear();
            chunk.iter().for_each(|entry| self.packer.add(*entry));
            self.insert(group, id, chunk)?;
        }
        Ok(())
    }

    /// Appends what is packed as a row.
    fn insert(&mut self, group: &GroupName, id: i64, entries: &[&Arc<Entry>]) -> Result<(), Trouble> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let sql = "INSERT INTO chunks (group_id, first, last, record) VALUES (?, ?, ?, ?)";
        let numbers = (first.seq as i64, last.seq as i64);
        self.conn.prepare_cached(sql)?.execute(params![id, numbers.0, numbers.1, self.packer.bytes])?;
        if self.index.of(group).is_some_and(|known| known.chunks.is_empty()) {
            self.index.set_from(group, first.seq);
        }
        self.index.push(group, Chunk { row: self.conn.last_insert_rowid(), last: last.seq, time: last.time });
        Ok(())
    }

    /// Takes the entries from `seq` on away.
    fn cut_from(&mut self, group: &GroupName, seq: u64) -> Result<(), Trouble> {
        while let Some((chunk, begins)) = self.index.of(group).and_then(|known| Some((*known.chunks.back()?, known.last_begins())))
            && chunk.last >= seq
        {
            self.index.pop(group);
            if begins >= seq {
                delete(self.conn, chunk)?;
                continue;
            }
            let kept = self.rewrite(chunk, |entry| entry.seq < seq)?;
            self.index.push(group, kept);
        }
        Ok(())
    }

    /// Takes the entries before `seq` away.
    fn cut_before(&mut self, group: &GroupName, seq: u64) -> Result<(), Trouble> {
        while let Some((chunk, from)) = self.index.of(group).and_then(|known| Some((*known.chunks.front()?, known.from)))
            && from < seq
        {
            if chunk.last >= seq {
                self.rewrite(chunk, |entry| entry.seq >= seq)?;
                self.index.set_from(group, seq);
                break;
            }
            delete(self.conn, chunk)?;
            self.index.pop_front(group);
        }
        Ok(())
    }

    /// Leaves of a row only some entries; at least one.
    fn rewrite(&mut self, chunk: Chunk, stays: impl Fn(&Entry) -> bool) -> Result<Chunk, Trouble> {
        let mut row = self.conn.prepare_cached("SELECT record FROM chunks WHERE id = ?")?;
        let record: Vec<u8> = row.query_row([chunk.row], |row| row.get(0))?;
        let damaged = |why| Trouble::Damaged(format!("row {} of the log", chunk.row), why);
        let Rest(mut entries) = unpack::<Rest<Entry>>(&record).map_err(damaged)?;
        entries.retain(stays);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(chunk) };
        let kept = Chunk { row: chunk.row, last: last.seq, time: last.time };
        self.packer.bytes.clear();
        entries.iter().for_each(|entry| self.packer.add(entry));
        let sql = "UPDATE chunks SET first = ?, last = ?, record = ? WHERE id = ?";
        self.conn.prepare_cached(sql)?.execute(params![first.seq as i64, last.seq as i64, self.packer.bytes, chunk.row])?;
        Ok(kept)
    }
}

pub(super) fn delete(conn: &Connection, chunk: Chunk) -> Result<(), Trouble> {
    conn.prepare_cached("DELETE FROM chunks WHERE id = ?")?.execute([chunk.row])?;
    Ok(())
}
