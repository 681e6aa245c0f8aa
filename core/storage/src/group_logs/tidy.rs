//! What is done when there is a moment: pages to the disk, old entries away, room given back. Each call is bounded, so that what is to be kept meanwhile does not wait for long.

use chatring_machines::Time;
use chatring_machines::keeping::Durability;
use chatring_machines::names::GroupName;
use rusqlite::{Connection, TransactionBehavior};

use super::GroupLogs;
use super::index::{Chunk, Known};
use super::write::delete;
use crate::error::Trouble;

/// How often old entries are looked for.
const AGE_EVERY_MS: u64 = 60_000;
/// Rows that are forgotten in one call.
const ROWS_MAX: usize = 1_000;
/// Pages that are given back in one call.
const PAGES_MAX: i64 = 256;

impl GroupLogs {
    /// Does some of what there is to do, and says whether there is more.
    pub(super) fn tidy_up(&mut self, now: Time) -> Result<bool, Trouble> {
        if self.unsynced && self.options.durability != Durability::Disk {
            // Brings the last commits to the disk, too.
            self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
        self.unsynced = false;
        if now >= self.aged {
            if self.forget_old(now)? {
                return Ok(true);
            }
            self.aged = now + AGE_EVERY_MS;
        }
        shrink(&self.conn)
    }

    fn forget_old(&mut self, now: Time) -> Result<bool, Trouble> {
        let before = Time(now.0.saturating_sub(self.options.age_ms_max));
        let old: Vec<(GroupName, Chunk)> = self.index.iter().flat_map(|(group, known)| aged(group, known, before)).take(ROWS_MAX).collect();
        if old.is_empty() {
            return Ok(false);
        }
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        old.iter().try_for_each(|(_, chunk)| delete(&transaction, *chunk))?;
        transaction.commit()?;
        old.iter().for_each(|(group, _)| self.index.pop_front(group));
        Ok(old.len() == ROWS_MAX)
    }
}

/// A group's rows that ended before a time, and that its image does without.
fn aged(group: &GroupName, known: &Known, before: Time) -> impl Iterator<Item = (GroupName, Chunk)> {
    let image = known.image_seq();
    let old = known.chunks.iter().take_while(move |chunk| chunk.time < before && chunk.last <= image);
    old.map(move |chunk| (group.clone(), *chunk))
}

/// Gives pages back to the system when a quarter of the file is empty: what is less is soon filled again.
fn shrink(conn: &Connection) -> Result<bool, Trouble> {
    let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (empty, all) = (number("freelist_count")?, number("page_count")?);
    if empty < PAGES_MAX || empty < all / 4 {
        return Ok(false);
    }
    let mut vacuum = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES_MAX})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(true)
}
