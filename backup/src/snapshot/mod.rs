//! Snapshots: databases to RDB and back.
//!
//! ```text
//! &[Db] ─► save::write_snapshot ─► any Sink          (a file, a pipe, a vector)
//! any Source ─► load::load_snapshot ─► fresh &mut [Db] (the caller swaps them in when all is verified)
//!                 └─ keyspace::rdb: one value, checked while it is converted
//! ```
//!
//! # Map
//! - [`write_snapshot`] (`save`), [`load_snapshot`] (`load`), `value` between file and memory
//! - [`load_file`], [`save_file`], [`FileSource`], [`FileSink`] (`file`): the same with paths
//!
//! # Invariants
//! - what is written loads in Redis 7.0 (RDB version 10)
//! - nothing that a file says is believed: order, uniqueness, counts and the checksum are verified

mod file;
mod load;
mod save;
#[cfg(test)]
mod tests;

pub use file::{
    FileLoadError, FileSink, FileSource, has_keys, load_file, load_opened, save_file, save_snapshot,
};
pub(crate) use file::{save_and, save_commands};
pub(crate) use load::refused_aux;
pub use load::{InKey, LoadError, LoadOptions, LoadedMeta, load_snapshot, load_values};
pub use save::{Access, ReplicationPoint, SaveOptions, SaveStats, SnapshotMeta, write_snapshot};

/// The keys between two calls of a progress callback.
pub const PROGRESS_KEYS: u64 = 1024;
