//! A whole RDB file, read as a start does: the same result however the source hands out its bytes; every value that is
//! loaded obeys its type; written and read again, all keys, expiries and values are the same.
//!
//! ```text
//! input:  kind u8 | what follows the header
//! ```
//!
//! The target writes the header, and, if `kind` says so, end mark and checksum: else a mutation would never get past them.

#![no_main]

use backup::snapshot::{
    LoadOptions, LoadedMeta, SaveOptions, SnapshotMeta, load_values, write_snapshot,
};
use fuzzing::{same, small_limits};
use keyspace::db::Db;
use keyspace::limits::Limits;
use keyspace::table::hash_bytes;
use libfuzzer_sys::fuzz_target;
use protocol::crc64::rdb_crc;
use protocol::rdb::{Reader, Source};

const HEADERS: [&[u8]; 8] = [
    b"REDIS0010",
    b"REDIS0011",
    b"REDIS0012",
    b"VALKEY080",
    b"REDIS0009",
    b"REDIS0006",
    b"REDIS0003",
    b"REDIS0010",
];

/// What the reader reads through: little, so that strings above and below what it lends occur.
const BUFFER_BYTES: usize = 1024;

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let mut file = [HEADERS[usize::from(kind & 7)], body].concat();
    let checksum = kind & 8 != 0;
    if checksum {
        file.push(0xff);
        let crc = rdb_crc(&file);
        file.extend_from_slice(&crc.to_le_bytes());
    }
    let limits = if kind & 16 == 0 { Limits::DEFAULT } else { small_limits() };

    let mut dbs = [Db::new(), Db::new()];
    let loaded = load(&file[..], &mut dbs, &limits, checksum);
    if kind & 32 != 0 {
        let mut again = [Db::new(), Db::new()];
        let pieces = Pieces(&file, *kind);
        let second = load(pieces, &mut again, &limits, checksum);
        assert_eq!(loaded, second, "whole and in pieces");
        if loaded.is_ok() {
            assert_all_same(&dbs, &again);
        }
    }
    dbs.iter().for_each(check);
    let Ok(meta) = loaded else { return };
    assert_eq!(meta.keys_loaded, dbs.iter().map(|db| db.len() as u64).sum::<u64>());

    let said = SnapshotMeta {
        redis_ver: "7.2.4".to_string(),
        ctime_s: 1_700_000_000,
        used_mem_bytes: 1,
        replication: meta.replication,
        aof_base: meta.aof_base,
        functions: meta.functions.clone(),
        users: meta.users.clone(),
    };
    let mut written = Vec::new();
    let Ok(_) = write_snapshot(&mut written, &dbs, &said, SaveOptions::default(), &mut |_| ());
    let mut again = [Db::new(), Db::new()];
    let reread = load(&written[..], &mut again, &limits, true).expect("we read what we write");
    assert!(reread.verified);
    assert_eq!(reread.functions, meta.functions);
    assert_eq!((reread.replication, reread.aof_base), (meta.replication, meta.aof_base));
    again.iter().for_each(check);
    assert_all_same(&dbs, &again);
});

fn load<S: Source>(
    source: S,
    dbs: &mut [Db],
    limits: &Limits,
    checksum: bool,
) -> Result<LoadedMeta, String>
where
    S::Error: std::fmt::Display,
{
    let clock = |_: &_| 7;
    let options = LoadOptions { now_ms: 1_000_000, drop_expired: true, checksum, clock: &clock };
    let mut reader = match Reader::with_buffer(source, BUFFER_BYTES) {
        Ok(reader) => reader,
        Err(_) => return Err("header".to_string()),
    };
    load_values(&mut reader, dbs, limits, options, &mut |_| ()).map_err(|error| error.to_string())
}

/// A source that hands out few bytes at a time.
struct Pieces<'a>(&'a [u8], u8);

impl Source for Pieces<'_> {
    type Error = std::convert::Infallible;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        self.1 = self.1.wrapping_mul(37).wrapping_add(11);
        let len = (1 + usize::from(self.1 >> 3)).min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.0 = later;
        Ok(len)
    }
}

fn check(db: &Db) {
    db.check();
    db.iter().for_each(|entry| same::check(entry.value()));
}

fn assert_all_same(left: &[Db], right: &[Db]) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.len(), right.len(), "keys");
        for entry in left.iter() {
            let other = right.get(hash_bytes(entry.key()), entry.key());
            same::assert_same(entry, other.expect("the key is there"));
        }
    }
}
