//! Loading: an RDB file of any known version into fresh databases.
//!
//! The caller hands in databases that nobody uses yet and swaps them in when this returns well. So a file that turns
//! out to be damaged at its last byte costs nothing but time.
//!
//! ```text
//! AUX … FUNCTION2 … SELECTDB RESIZEDB  key value  key value …  EOF checksum
//!  └► LoadedMeta ◄┘      └ bounded by the slice   └ string: straight from the reader's buffer into its block
//!                                                 └ other:  ValueBuilder, checked while it is converted
//! ```
//!
//! # Invariants
//! - a key that comes twice, a database that is not there, an unknown type: refused with key, offset and reason
//! - without an error, every byte up to the checksum was understood, and the checksum is right or absent
//!
//! # Not here
//! - what replaces what: `server`; files: [`super::load_file`]
//!
//! # Source
//! - `rdb.c` of Redis 7.0 to 8.0 and of Valkey 9.1: headers, opcodes, fields of AUX

use super::PROGRESS_KEYS;
use super::save::{ReplicationPoint, USERS};
use journal::planted::{self, Fault};
use keyspace::db::{Db, Duplicate, Loader, UnixMillis};
use keyspace::entry::Value;
use keyspace::limits::Limits;
use keyspace::rdb::ValueBuilder;
use protocol::number::parse_i64;
use protocol::rdb::{
    Checksum, Collection, Item, KeyMeta, Malformed, ObjectType, PackedKind, ReadError, Reader,
    Source, StrRef, ValueVisitor, Version,
};
use std::fmt;
use thiserror::Error;

/// Why a snapshot was not loaded.
#[derive(Debug, Error)]
pub enum LoadError<E> {
    /// The source failed.
    #[error("reading: {0}")]
    Source(E),
    /// The bytes are wrong.
    #[error("byte {offset}{key}: {reason}")]
    Malformed {
        /// Where it was noticed, counted from the header's first byte.
        offset: u64,
        /// In the value of which key.
        key: InKey,
        /// What is wrong.
        reason: Malformed,
    },
}

/// The key in whose value something is wrong, if it is in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InKey(pub Option<(Vec<u8>, ObjectType)>);

impl fmt::Display for InKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((key, object_type)) => {
                let shown = key[..key.len().min(SHOWN_BYTES)].escape_ascii();
                let more = if key.len() > SHOWN_BYTES { "…" } else { "" };
                write!(f, ", key \"{shown}{more}\" of type {}", object_type.name())
            }
            None => Ok(()),
        }
    }
}

/// How much of a key is shown in an error.
const SHOWN_BYTES: usize = 128;

/// How to load.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// The time, unix milliseconds.
    pub now_ms: UnixMillis,
    /// Whether keys whose time has passed are dropped: on a primary loading its own file.
    pub drop_expired: bool,
    /// Whether the checksum is verified, if there is one (`rdbchecksum`).
    pub checksum: bool,
    /// The access clock of a key.
    pub clock: &'a dyn Fn(&KeyMeta) -> u32,
}

/// What a snapshot said about itself, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadedMeta {
    /// The header.
    pub version: Option<Version>,
    /// `redis-ver` or `valkey-ver`.
    pub redis_ver: Option<String>,
    /// When it was taken, unix seconds.
    pub ctime_s: Option<i64>,
    /// Bytes of memory then in use.
    pub used_mem_bytes: Option<u64>,
    /// Where in the replication stream it was taken, if it says so completely.
    pub replication: Option<ReplicationPoint>,
    /// Whether it is the base of an append-only file.
    pub aof_base: bool,
    /// Sources of the function libraries.
    pub functions: Vec<Vec<u8>>,
    /// The lines of all users, if it is one for a replica that is to have the same.
    pub users: Option<Vec<u8>>,
    /// Keys now in the databases.
    pub keys_loaded: u64,
    /// Keys dropped because their time had passed.
    pub keys_expired: u64,
    /// Keys dropped because their collection has no elements.
    pub keys_empty: u64,
    /// The names of some of these.
    pub empty_names: Vec<Vec<u8>>,
    /// Streams whose figures about their own entries were wrong, and were mended: how many, and the names of some.
    pub streams_mended: (u64, Vec<Vec<u8>>),
    /// The dropped keys whose time had passed, with their database, if the replication point is known: replicas that
    /// continue from there must hear of them.
    pub expired: Vec<(usize, Vec<u8>)>,
    /// Whether the checksum was there and right.
    pub verified: bool,
    /// Bytes read, checksum included.
    pub bytes: u64,
}

impl LoadedMeta {
    fn note_empty(&mut self, key: &[u8]) {
        self.keys_empty += 1;
        if self.empty_names.len() < NAMES_MAX {
            self.empty_names.push(key.to_vec());
        }
    }
}

/// How many names of mended streams, and of empty collections, are remembered.
const NAMES_MAX: usize = 10;

#[derive(Default)]
struct AuxPoint {
    id: Option<[u8; 40]>,
    offset: Option<u64>,
    stream_db: u64,
}

/// Loads a whole snapshot. `progress` gets the number of bytes understood now and then, and at the end.
pub fn load_snapshot<S: Source>(
    source: S,
    dbs: &mut [Db],
    limits: &Limits,
    options: LoadOptions<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<LoadedMeta, LoadError<S::Error>> {
    let mut reader = Reader::new(source).map_err(|error| located(error, None))?;
    load_values(&mut reader, dbs, limits, options, progress)
}

/// The same from a reader that has looked at the header; it stands behind the checksum afterwards.
pub fn load_values<S: Source>(
    reader: &mut Reader<S>,
    dbs: &mut [Db],
    limits: &Limits,
    options: LoadOptions<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<LoadedMeta, LoadError<S::Error>> {
    if !options.checksum {
        reader.ignore_checksum();
    }
    let mut meta = LoadedMeta { version: Some(reader.version()), ..LoadedMeta::default() };
    let mut point = AuxPoint::default();
    let mut loading = Loading { builder: ValueBuilder::new(limits), key: Vec::new(), options };
    let mut db_index = 0;
    let mut dbs: Vec<Loader<'_>> = dbs.iter_mut().map(Db::loader).collect();
    let mut seen = 0_u64;
    loop {
        let at = reader.offset();
        match next(reader)? {
            Item::Key { meta: key_meta, object_type, .. } => {
                seen += 1;
                if seen.is_multiple_of(PROGRESS_KEYS) {
                    progress(at);
                }
                let Some(db) = dbs.get_mut(db_index) else {
                    return Err(malformed(at, Malformed::invalid("there are no databases")));
                };
                let outcome = loading.next_key(reader, db, key_meta, object_type)?;
                if loading.builder.take_mended() {
                    let (count, names) = &mut meta.streams_mended;
                    *count += 1;
                    if names.len() < NAMES_MAX {
                        names.push(loading.key.clone());
                    }
                }
                match outcome {
                    Outcome::Loaded => meta.keys_loaded += 1,
                    Outcome::Empty => meta.note_empty(&loading.key),
                    Outcome::Expired => {
                        meta.keys_expired += 1;
                        if point.id.is_some() {
                            meta.expired.push((db_index, std::mem::take(&mut loading.key)));
                        }
                    }
                }
            }
            Item::Aux { name, value } => {
                read_aux(name, value, &mut meta, &mut point)
                    .map_err(|reason| malformed(at, reason))?;
            }
            Item::SelectDb(number) => {
                db_index = usize::try_from(number).unwrap_or(usize::MAX);
                if db_index >= dbs.len() {
                    let reason = format!("database {number}, but there are only {}", dbs.len());
                    return Err(malformed(at, Malformed::invalid(reason)));
                }
            }
            Item::Function(source) => meta.functions.push(source.to_vec()),
            Item::ModuleAux(name) => return Err(malformed(at, Malformed::Module(name))),
            Item::ResizeDb { .. } | Item::SlotInfo { .. } => {}
            Item::End(checksum) => {
                let finished = dbs.into_iter().try_for_each(Loader::finish);
                finished.map_err(|key| twice(at, &key))?;
                meta.verified = checksum == Checksum::Verified;
                break;
            }
        }
    }
    meta.bytes = reader.offset();
    meta.replication = point.id.zip(point.offset).map(|(id, offset)| ReplicationPoint {
        id,
        offset,
        stream_db: point.stream_db,
    });
    progress(meta.bytes);
    Ok(meta)
}

/// The next item of the file.
fn next<S: Source>(reader: &mut Reader<S>) -> Result<Item<'_>, LoadError<S::Error>> {
    match reader.next() {
        Err(_) if planted::is(Fault::TransferCutShort) => Ok(Item::End(Checksum::Absent)),
        item => item.map_err(|error| located(error, None)),
    }
}

enum Outcome {
    Loaded,
    Empty,
    Expired,
}

struct Loading<'a> {
    builder: ValueBuilder<'a>,
    /// The present key: its vector goes round between here and the reader.
    key: Vec<u8>,
    options: LoadOptions<'a>,
}

impl Loading<'_> {
    /// Loads the key that the reader has just met.
    #[inline]
    fn next_key<S: Source>(
        &mut self,
        reader: &mut Reader<S>,
        db: &mut Loader<'_>,
        meta: KeyMeta,
        object_type: ObjectType,
    ) -> Result<Outcome, LoadError<S::Error>> {
        match self.key(reader, db, meta, object_type) {
            Err(_) if planted::is(Fault::TransferCutShort) => Ok(Outcome::Empty),
            outcome => outcome,
        }
    }

    #[inline]
    fn key<S: Source>(
        &mut self,
        reader: &mut Reader<S>,
        db: &mut Loader<'_>,
        meta: KeyMeta,
        object_type: ObjectType,
    ) -> Result<Outcome, LoadError<S::Error>> {
        reader.swap_key(&mut self.key);
        let (key, expiry) = (&self.key, meta.expire_ms);
        if self.options.drop_expired && expiry.is_some_and(|at| at < self.options.now_ms) {
            let skipped = reader.skip_value();
            return match skipped {
                Ok(()) => Ok(Outcome::Expired),
                Err(error) => Err(located(error, Some((key, object_type)))),
            };
        }
        let clock = (self.options.clock)(&meta);
        if object_type == ObjectType::String {
            let mut visitor = StringInto { db, key, expiry, clock, added: Ok(()) };
            let read = reader.read_value(object_type, &mut visitor);
            let added = visitor.added;
            read.map_err(|error| located(error, Some((key, object_type))))?;
            return added.map(|()| Outcome::Loaded).map_err(|key| twice(reader.offset(), &key));
        }
        let read = reader.read_value(object_type, &mut self.builder);
        read.map_err(|error| located(error, Some((key, object_type))))?;
        let refused = |reason| LoadError::Malformed {
            offset: reader.offset(),
            key: InKey(Some((key.clone(), object_type))),
            reason,
        };
        match self.builder.take().map_err(refused)? {
            None => Ok(Outcome::Empty),
            Some(value) => match db.add(key, value, expiry, clock) {
                Ok(()) => Ok(Outcome::Loaded),
                Err(key) => Err(twice(reader.offset(), &key)),
            },
        }
    }
}

/// The offset is a few keys behind the second one, which is named.
fn twice<E>(offset: u64, key: &Duplicate) -> LoadError<E> {
    let shown = key.0[..key.0.len().min(SHOWN_BYTES)].escape_ascii();
    malformed(offset, Malformed::invalid(format!("before here the key \"{shown}\" comes twice")))
}

/// Puts a string from the reader's buffer into its block.
struct StringInto<'a, 'd> {
    db: &'a mut Loader<'d>,
    key: &'a [u8],
    expiry: Option<UnixMillis>,
    clock: u32,
    added: Result<(), Duplicate>,
}

impl ValueVisitor for StringInto<'_, '_> {
    #[inline]
    fn string(&mut self, value: StrRef<'_>) -> Result<(), Malformed> {
        self.added = match value {
            StrRef::Int(number) => {
                self.db.add(self.key, Value::Int(number), self.expiry, self.clock)
            }
            StrRef::Bytes(bytes) => self.db.add_bytes(self.key, bytes, self.expiry, self.clock),
        };
        Ok(())
    }

    fn begin(&mut self, _: Collection, _: u64) -> Result<(), Malformed> {
        unreachable!("only strings are visited")
    }
    fn element(&mut self, _: StrRef<'_>) -> Result<(), Malformed> {
        unreachable!("only strings are visited")
    }
    fn pair(&mut self, _: StrRef<'_>, _: StrRef<'_>) -> Result<(), Malformed> {
        unreachable!("only strings are visited")
    }
    fn scored(&mut self, _: StrRef<'_>, _: f64) -> Result<(), Malformed> {
        unreachable!("only strings are visited")
    }
    fn packed(&mut self, _: PackedKind, _: &[u8]) -> Result<(), Malformed> {
        unreachable!("only strings are visited")
    }
}

/// Whether a field is no note but a part of the data that cannot be kept: KeyDB says so, behind a collection, when one
/// of its members expires.
pub(crate) fn refused_aux(name: &[u8]) -> Option<Malformed> {
    name.starts_with(b"keydb-subexpire-")
        .then_some(Malformed::invalid("members with an expiry are not supported"))
}

/// Understands the fields that we need. Unknown ones, and known ones with odd values, are left alone as peers do.
fn read_aux(
    name: &[u8],
    value: &[u8],
    meta: &mut LoadedMeta,
    point: &mut AuxPoint,
) -> Result<(), Malformed> {
    let number = || parse_i64(value);
    let natural = || number().and_then(|number| u64::try_from(number).ok());
    match name {
        b"redis-ver" | b"valkey-ver" => {
            meta.redis_ver = Some(String::from_utf8_lossy(value).into_owned());
        }
        b"ctime" => meta.ctime_s = number(),
        b"used-mem" => meta.used_mem_bytes = natural(),
        b"aof-base" | b"aof-preamble" => meta.aof_base = value != b"0",
        b"repl-id" => point.id = value.try_into().ok(),
        b"repl-offset" => point.offset = natural(),
        USERS => meta.users = Some(value.to_vec()),
        b"repl-stream-db" => point.stream_db = natural().unwrap_or(0),
        _ => return refused_aux(name).map_or(Ok(()), Err),
    }
    Ok(())
}

fn malformed<E>(offset: u64, reason: Malformed) -> LoadError<E> {
    LoadError::Malformed { offset, key: InKey::default(), reason }
}

fn located<E>(error: ReadError<E>, key: Option<(&Vec<u8>, ObjectType)>) -> LoadError<E> {
    match error {
        ReadError::Source(error) => LoadError::Source(error),
        ReadError::Malformed { offset, reason } => {
            let key = InKey(key.map(|(key, object_type)| (key.clone(), object_type)));
            LoadError::Malformed { offset, key, reason }
        }
    }
}
