//! Data at rest: snapshots by fork, the append-only file, loading, checking and repair.
//!
//! ```text
//! keyspace ──► snapshot::write_snapshot ──► temporary file ──fsync, rename──► dump.rdb
//!    ▲            (in a forked child)  ╰──► pipe or socket of waiting replicas
//!    ├────────── snapshot::load_snapshot ◄── file, socket
//!    ╰── engine ◄── aof::load ◄── base + incremental files ◄── aof::AppendThread ◄── journal
//! ```
//!
//! # Map, in reading order
//! - [`files`]: the file system below, real or not, and the only place where one file replaces another
//! - [`snapshot`]: databases to RDB and back, as values and as files
//! - [`fork`]: the child that writes a snapshot of a frozen moment, and what it reports
//! - [`frozen`]: the same in memory, where there are no processes
//! - [`aof`]: the append-only file: directory, loading with repair, appending
//! - [`check`]: the same reading without a server, for the operator's tools
//!
//! # Invariants
//! - nothing here reads a clock, knows a command's meaning (beyond SELECT, MULTI and EXEC in the append-only file) or
//!   talks to a peer
//! - a failed load leaves the caller's data as it was: only fresh databases are filled

pub mod aof;
pub mod check;
pub mod files;
#[expect(unsafe_code, reason = "fork, and what a child may do before it ends")]
pub mod fork;
pub mod frozen;
pub mod snapshot;
