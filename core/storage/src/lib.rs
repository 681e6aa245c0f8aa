//! Where servers keep what must survive them: one SQLite file each.
//!
//! [`GroupLogs`] is where a super node keeps its groups: see `group_logs`. For a directory server, [`SqliteStore`] is the [`Store`](chatring_machines::machine::Store) on disk. It decides nothing: the ring changes by
//! [`DirectoryState::apply`](chatring_machines::directory::DirectoryState::apply) and reports are weighed by
//! [`weigh`](chatring_machines::directory::weigh), as in memory; here the outcome is written down.
//!
//! Promises: a commit that returned is on the disk (WAL, `synchronous=FULL`), whether the process is killed or the power fails; the changes of
//! one commit are there together or not at all; a file of a newer chatring, of another program, or in use by another process is refused, not touched.
//!
//! Start at `store`. `schema` opens and migrates, `write` and `read` hold the SQL, `backup` copies files and puts copies in their place.
#![warn(missing_docs)]

mod backup;
mod error;
mod group_logs;
mod read;
mod schema;
mod store;
mod write;

pub use backup::{BackupError, Copied, back_up, restore};
pub use error::{Kind, StorageError};
pub use group_logs::{GroupLogs, LogOptions};
pub use schema::{GROUP_LOGS_VERSION, SCHEMA_VERSION};
pub use store::SqliteStore;
