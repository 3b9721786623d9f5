//! Data in memory: the table of keys, the data types, expiry and scans. No commands, no replies.
//!
//! # Contents
//! - [`hashing`]: the keyed hash of names
//! - [`table`]: the hash table under everything: keys of a database, members of large collections
//! - [`entry`]: one allocation that holds key, value, expiry and access clock
//! - [`db`]: a numbered database: entries in a table, expiry, scan
//! - [`list`], [`hash`], [`set`], [`zset`], [`stream`]: the data types; [`packed`], [`pairs`], [`block`] and [`btree`]
//!   serve them
//! - [`bits`], [`hyperloglog`]: strings as arrays of bits, and as counters of different elements
//! - [`rdb`]: values as bytes of a snapshot or a DUMP payload, and back
//! - [`eviction`]: which keys to give up when memory is short
//! - [`limits`]: when a small form becomes a large one

pub mod bits;
#[expect(unsafe_code, reason = "blocks of memory laid out by hand")]
pub mod block;
pub mod btree;
#[expect(unsafe_code, reason = "lends what lies in blocks, and owns them")]
pub mod db;
mod duplicates;
mod either;
#[expect(unsafe_code, reason = "blocks of memory laid out by hand")]
pub mod entry;
pub mod eviction;
pub mod hash;
pub mod hashing;
pub mod hyperloglog;
pub mod limits;
pub mod list;
#[expect(unsafe_code, reason = "a length that lies before the bytes, behind a thin pointer")]
pub mod packed;
pub mod pairs;
pub mod rdb;
mod sample;
pub mod set;
#[expect(unsafe_code, reason = "lends what lies in a block")]
mod slot;
pub mod stream;
#[expect(unsafe_code, reason = "items are thin pointers; look-ups are prefetched")]
pub mod table;
pub mod zset;
