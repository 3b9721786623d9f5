//! Writing: databases as an RDB file of version 10, into any sink.
//!
//! ```text
//! header | redis-ver redis-bits ctime used-mem [repl-stream-db repl-id repl-offset] aof-base | functions
//!        | per database with keys: SELECTDB RESIZEDB, per key: [expiry] [idle | freq] type key value | EOF checksum
//! ```
//!
//! Keys come in the table's storage order, whose iterator fetches ahead. What is packed in memory is copied as it
//! is; the one exception are sets kept as listpacks, for which Redis 7.0 has no type.
//!
//! # Invariants
//! - the databases are not changed; no allocation grows with them
//! - a database without keys leaves no trace
//!
//! # Not here
//! - the encoding of a value: [`super::value`]; where the bytes go: [`super::FileSink`], [`crate::fork`]
//!
//! # Source
//! - `rdb.c` of Redis 7.0: the order of a file, and what it can read

use super::PROGRESS_KEYS;
use keyspace::db::{Db, EntryRef};
use keyspace::eviction::Frequency;
use keyspace::rdb::write_value;
use protocol::aof::REPLICATION_ID_BYTES;
use protocol::rdb::{self, Sink, Writer};

/// Where in the replication stream a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicationPoint {
    /// The replication id.
    pub id: [u8; REPLICATION_ID_BYTES],
    /// The offset.
    pub offset: u64,
    /// The database that is selected in the stream; 0 if none is yet.
    pub stream_db: u64,
}

/// The auxiliary field of the lines of users. It is ours: peers skip what they do not know.
pub(super) const USERS: &[u8] = b"tidemark-users";

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The version that INFO announces, as `redis-ver`.
    pub redis_ver: String,
    /// When it was taken, unix seconds.
    pub ctime_s: i64,
    /// Bytes of memory in use.
    pub used_mem_bytes: u64,
    /// Present if this server is a replica or has a backlog.
    pub replication: Option<ReplicationPoint>,
    /// Whether it is the base of an append-only file.
    pub aof_base: bool,
    /// Sources of the function libraries.
    pub functions: Vec<Vec<u8>>,
    /// The lines of all users, for a replica that is to have the same (`acl-replicate`).
    pub users: Option<Vec<u8>>,
}

/// What is said of a key's last access, which its 24-bit clock tells.
#[derive(Clone, Copy, Debug, Default)]
pub enum Access {
    /// Nothing.
    #[default]
    None,
    /// For how many seconds it was idle, at this second (under an LRU policy).
    Idle {
        /// The access clock of now.
        seconds: u32,
    },
    /// Its counter of uses, at this minute (under an LFU policy).
    Freq {
        /// How counters fall.
        frequency: Frequency,
        /// Minutes since 1970.
        minutes: u64,
    },
}

/// How to write.
#[derive(Clone, Copy, Default)]
pub struct SaveOptions {
    /// Checksum and compression.
    pub format: rdb::Options,
    /// What is said of the last access.
    pub access: Access,
    /// Microseconds to wait after each key; below 0: one microsecond after each so many keys. For experiments with
    /// slow saves (`rdb-key-save-delay`).
    pub key_delay_us: i32,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaveStats {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Bytes, checksum included.
    pub bytes: u64,
}

/// Writes all databases. `progress` gets the number of keys written now and then, and at the end.
pub fn write_snapshot<S: Sink>(
    sink: S,
    dbs: &[Db],
    meta: &SnapshotMeta,
    options: SaveOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<SaveStats, S::Error> {
    let mut writer = Writer::new(sink, options.format);
    writer.header()?;
    write_aux(&mut writer, meta)?;
    for source in &meta.functions {
        writer.function2(source)?;
    }
    let mut stats = SaveStats::default();
    for (index, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.select_db(index as u64)?;
        writer.resize_db(db.len() as u64, db.expiring_len() as u64)?;
        for entry in db.iter() {
            write_key(&mut writer, entry, options.access)?;
            stats.keys += 1;
            options.delay(stats.keys);
            if stats.keys.is_multiple_of(PROGRESS_KEYS) {
                progress(stats.keys);
            }
        }
        stats.expires += db.expiring_len() as u64;
    }
    writer.eof()?;
    progress(stats.keys);
    stats.bytes = writer.bytes_written();
    Ok(stats)
}

impl SaveOptions {
    /// Waits after a key, if that is asked for: the last of so many.
    pub(crate) fn delay(&self, keys: u64) {
        let us = match self.key_delay_us {
            0 => return,
            delay_us @ 1.. => delay_us as u64,
            delay_us => u64::from(keys.is_multiple_of(u64::from(delay_us.unsigned_abs()))),
        };
        std::thread::sleep(std::time::Duration::from_micros(us));
    }
}

fn write_aux<S: Sink>(writer: &mut Writer<S>, meta: &SnapshotMeta) -> Result<(), S::Error> {
    let mut number = itoa::Buffer::new();
    writer.aux(b"redis-ver", meta.redis_ver.as_bytes())?;
    writer.aux(b"redis-bits", b"64")?;
    writer.aux(b"ctime", number.format(meta.ctime_s).as_bytes())?;
    writer.aux(b"used-mem", number.format(meta.used_mem_bytes).as_bytes())?;
    if let Some(point) = &meta.replication {
        writer.aux(b"repl-stream-db", number.format(point.stream_db).as_bytes())?;
        writer.aux(b"repl-id", &point.id)?;
        writer.aux(b"repl-offset", number.format(point.offset).as_bytes())?;
    }
    if let Some(users) = &meta.users {
        writer.aux(USERS, users)?;
    }
    writer.aux(b"aof-base", if meta.aof_base { b"1" } else { b"0" })
}

#[inline]
fn write_key<S: Sink>(
    writer: &mut Writer<S>,
    entry: EntryRef<'_>,
    access: Access,
) -> Result<(), S::Error> {
    if let Some(expire_ms) = entry.expiry() {
        writer.expire_ms(expire_ms)?;
    }
    match access {
        Access::None => {}
        Access::Idle { seconds } => {
            writer.idle(u64::from(seconds.wrapping_sub(entry.clock()) & 0xff_ffff))?;
        }
        Access::Freq { frequency, minutes } => {
            writer.freq(frequency.count(entry.clock(), minutes))?;
        }
    }
    write_value(writer, Some(entry.key()), entry.value())
}
