//! The base of an append-only file: a snapshot, or the commands that make the same data.
//!
//! ```text
//! snapshot:  an RDB file, `.base.rdb`
//! commands:  [#TS:…] | #tm-history … | #tm mark | FUNCTION LOAD …  SELECT 0  SET …  RPUSH …  PEXPIREAT … | #tm mark | …
//! ```
//!
//! The second form (`aof-use-rdb-preamble no`) is for who reads or edits the file by other means, and is larger and slower to
//! load. Collections come in commands of at most 64 elements, as Redis writes them; the marks are ours, so that rot is noticed
//! and the position is known. All blocks stand at the same offset: the base is what was before it.
//!
//! # What a stream needs
//! An entry can be pending that the stream no longer has. XCLAIM, which makes one pending, wants it to be there. So such entries
//! are added with the others, and taken out again when they are pending. Redis leaves them out, and after a load they are no
//! longer pending. The times at which consumers were last seen have no command and become those of the load, as in Redis.
//!
//! # Invariants
//! - the databases are not changed; what is buffered is one block, one command or one element
//! - what is loaded from it has the same digest in Redis 7.0 and here
//!
//! # Source
//! - `aof.c` of Redis 7.2: steps of a rewrite, order of the commands

use crate::files::{FileError, Files};
use crate::snapshot::{SaveOptions, SnapshotMeta, save_commands, save_file};
use keyspace::db::{Db, EntryRef};
use keyspace::entry::ValueRef;
use keyspace::stream::{Group, Stream, StreamId};
use protocol::aof::{BlockMark, HistoryMark, REPLICATION_ID_BYTES, encode_timestamp};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::number::push_f64;
use protocol::rdb::Sink;
use protocol::resp::encode;
use std::collections::BTreeSet;
use std::path::Path;

/// The most elements of one command. Source: Redis's `AOF_REWRITE_ITEMS_PER_CMD`.
const ITEMS: usize = 64;
/// The most bytes of elements of one command, unless it is a single one.
const ITEMS_BYTES: usize = 1024 * 1024;
/// The bytes after which a block ends.
const BLOCK_BYTES: usize = 256 * 1024;

/// The form of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseForm {
    /// An RDB file.
    Snapshot,
    /// Commands, and the unix second in which they were written, if it is to be said.
    Commands {
        /// `aof-timestamp-enabled`.
        timestamp_s: Option<i64>,
    },
}

impl BaseForm {
    /// Whether it is an RDB file: for its name.
    pub fn is_rdb(self) -> bool {
        self == Self::Snapshot
    }
}

/// What a base is made of, and how it is written.
#[derive(Clone, Copy)]
pub struct BaseJob<'a> {
    /// The databases.
    pub dbs: &'a [Db],
    /// What a snapshot says about itself; with `aof_base`.
    pub meta: &'a SnapshotMeta,
    /// How to write.
    pub options: SaveOptions,
    /// As what.
    pub form: BaseForm,
}

/// Writes a base to `target`, by way of `temporary`.
pub(crate) fn save_base(
    files: &Files,
    target: &Path,
    temporary: &Path,
    job: BaseJob<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), FileError> {
    let BaseJob { dbs, meta, options, form } = job;
    match form {
        BaseForm::Snapshot => {
            save_file(files, target, temporary, dbs, meta, options, progress).map(|_| ())
        }
        BaseForm::Commands { timestamp_s } => save_commands(files, target, temporary, |sink| {
            write_commands(sink, (dbs, meta), options, timestamp_s, progress)
        }),
    }
}

/// Writes the commands that make these databases.
pub(crate) fn write_commands<S: Sink>(
    sink: S,
    (dbs, meta): (&[Db], &SnapshotMeta),
    options: SaveOptions,
    timestamp_s: Option<i64>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), S::Error> {
    let mut out = Commands::new(sink, meta, timestamp_s);
    for source in &meta.functions {
        encode::command(&mut out.block, [&b"FUNCTION"[..], b"LOAD", source].into_iter());
        out.end_unit()?;
    }
    let mut keys = 0;
    for (index, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        out.select(index as u64);
        for entry in db.iter() {
            out.key(entry)?;
            keys += 1;
            options.delay(keys);
            if keys.is_multiple_of(crate::snapshot::PROGRESS_KEYS) {
                progress(keys);
            }
        }
    }
    if let Some(point) = &meta.replication {
        // The database that the stream stands in: the position at the end of the base is that of the stream.
        out.select(point.stream_db);
    }
    progress(keys);
    out.end_block()
}

/// Commands on their way into blocks.
struct Commands<S> {
    sink: S,
    /// What stands in front of the next block.
    lines: Vec<u8>,
    block: Vec<u8>,
    /// Elements of the command that is being made.
    items: Vec<u8>,
    /// Bytes written.
    bytes: u64,
    /// Where the base is in the replication stream.
    offset: u64,
}

impl<S: Sink> Commands<S> {
    fn new(sink: S, meta: &SnapshotMeta, timestamp_s: Option<i64>) -> Self {
        let mut lines = Vec::new();
        if let Some(seconds) = timestamp_s {
            encode_timestamp(seconds, &mut lines);
        }
        if let Some(point) = &meta.replication {
            let second_id = [b'0'; REPLICATION_ID_BYTES];
            HistoryMark { id: point.id, second_id, second_offset: -1 }.encode(&mut lines);
        }
        let offset = meta.replication.map_or(0, |point| point.offset);
        Self { sink, lines, block: Vec::new(), items: Vec::new(), bytes: 0, offset }
    }

    /// A command is complete.
    fn end_unit(&mut self) -> Result<(), S::Error> {
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), S::Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        let place = self.bytes + self.lines.len() as u64;
        let mark = BlockMark::of(self.offset, self.offset, &self.block).at(place);
        mark.encode(&mut self.lines);
        self.sink.write(&self.lines)?;
        self.sink.write(&self.block)?;
        self.bytes += (self.lines.len() + self.block.len()) as u64;
        self.lines.clear();
        self.block.clear();
        // One long element is no reason to keep so much for all that follow.
        self.block.shrink_to(2 * BLOCK_BYTES);
        Ok(())
    }

    fn words(&mut self, words: &[&[u8]]) -> Result<(), S::Error> {
        encode::command(&mut self.block, words.iter().copied());
        self.end_unit()
    }

    fn select(&mut self, db: u64) {
        encode::head(&mut self.block, 2);
        encode::arg(&mut self.block, b"SELECT");
        encode::int_arg(&mut self.block, db as i64);
    }

    fn key(&mut self, entry: EntryRef<'_>) -> Result<(), S::Error> {
        let key = entry.key();
        match entry.value() {
            ValueRef::Str(text) => {
                self.words(&[b"SET", key, text.to_text(&mut TextBuffer::new())])?;
            }
            ValueRef::List(list) => {
                self.collection(b"RPUSH", key, 1, list.iter(), |out, item| {
                    text_arg(out, item);
                })?
            }
            ValueRef::Set(set) => self.collection(b"SADD", key, 1, set.iter(), |out, member| {
                text_arg(out, member);
            })?,
            ValueRef::Zset(zset) => {
                self.collection(b"ZADD", key, 2, zset.iter(), |out, (member, score)| {
                    let mut text = Vec::new();
                    push_f64(&mut text, score);
                    encode::arg(out, &text);
                    text_arg(out, member);
                })?;
            }
            ValueRef::Hash(hash) => {
                self.collection(b"HMSET", key, 2, hash.iter(), |out, (field, value)| {
                    text_arg(out, field);
                    text_arg(out, value);
                })?;
            }
            ValueRef::Stream(stream) => self.stream(key, stream)?,
        }
        if let Some(expire_ms) = entry.expiry() {
            let mut time = itoa::Buffer::new();
            self.words(&[b"PEXPIREAT", key, time.format(expire_ms).as_bytes()])?;
        }
        Ok(())
    }

    /// Commands that add elements, each of which has so many arguments.
    fn collection<T>(
        &mut self,
        name: &[u8],
        key: &[u8],
        arguments: usize,
        elements: impl Iterator<Item = T>,
        put: impl Fn(&mut Vec<u8>, T),
    ) -> Result<(), S::Error> {
        let mut count = 0;
        for element in elements {
            put(&mut self.items, element);
            count += 1;
            if count == ITEMS || self.items.len() >= ITEMS_BYTES {
                self.add(name, key, count * arguments)?;
                count = 0;
            }
        }
        if count > 0 {
            self.add(name, key, count * arguments)?;
        }
        Ok(())
    }

    /// One such command, with the elements that were collected.
    fn add(&mut self, name: &[u8], key: &[u8], arguments: usize) -> Result<(), S::Error> {
        encode::head(&mut self.block, 2 + arguments);
        encode::arg(&mut self.block, name);
        encode::arg(&mut self.block, key);
        self.block.append(&mut self.items);
        self.items.shrink_to(2 * ITEMS_BYTES);
        self.end_unit()
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) -> Result<(), S::Error> {
        let entries = stream.entries();
        let absent = gone_but_pending(stream);
        let mut gone = absent.iter().copied().peekable();
        for entry in entries.range(StreamId::MIN, StreamId::MAX) {
            while let Some(id) = gone.next_if(|id| *id < entry.id) {
                self.placeholder(key, id)?;
            }
            let fields = entry.pairs().count();
            encode::head(&mut self.block, 3 + 2 * fields);
            encode::arg(&mut self.block, b"XADD");
            encode::arg(&mut self.block, key);
            encode::arg(&mut self.block, id_text(entry.id).as_bytes());
            for (field, value) in entry.pairs() {
                text_arg(&mut self.block, field);
                text_arg(&mut self.block, value);
            }
            self.end_unit()?;
        }
        for id in gone {
            self.placeholder(key, id)?;
        }
        if entries.is_empty() && absent.is_empty() {
            // A stream without entries is a value, and this is how one is made.
            self.words(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])?;
        }
        self.set_id(key, stream)?;
        for group in stream.groups() {
            self.group(key, group)?;
        }
        if absent.is_empty() {
            return Ok(());
        }
        let first = entries.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id);
        match first {
            None => self.words(&[b"XTRIM", key, b"MAXLEN", b"0"])?,
            Some(first) => {
                self.words(&[b"XTRIM", key, b"MINID", id_text(first).as_bytes()])?;
                for id in absent.iter().filter(|id| **id > first) {
                    self.words(&[b"XDEL", key, id_text(*id).as_bytes()])?;
                }
            }
        }
        self.set_id(key, stream)
    }

    fn placeholder(&mut self, key: &[u8], id: StreamId) -> Result<(), S::Error> {
        self.words(&[b"XADD", key, id_text(id).as_bytes(), b"x", b"y"])
    }

    fn set_id(&mut self, key: &[u8], stream: &Stream) -> Result<(), S::Error> {
        let entries = stream.entries();
        let (last, deleted) = (id_text(entries.last_id()), id_text(entries.max_deleted_id()));
        let mut number = itoa::Buffer::new();
        let added = number.format(entries.added() as i64).as_bytes();
        let (added_word, deleted_word) = (&b"ENTRIESADDED"[..], &b"MAXDELETEDID"[..]);
        let words = [b"XSETID", key, last.as_bytes(), added_word, added, deleted_word];
        self.words(&[&words[..], &[deleted.as_bytes()]].concat())
    }

    fn group(&mut self, key: &[u8], group: &Group) -> Result<(), S::Error> {
        let last = id_text(group.last_id);
        let mut number = itoa::Buffer::new();
        let read = number.format(group.entries_read.map_or(-1, |read| read as i64)).as_bytes();
        let create = [b"XGROUP", &b"CREATE"[..], key, group.name(), last.as_bytes()];
        self.words(&[&create[..], &[b"ENTRIESREAD", read]].concat())?;
        for consumer in group.consumers() {
            if consumer.pending_len() == 0 {
                let name = consumer.name();
                self.words(&[b"XGROUP", b"CREATECONSUMER", key, group.name(), name])?;
            }
            for id in consumer.pending_from(StreamId::MIN) {
                let pending = group.pending(id).expect("what a consumer has is the group's");
                let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
                let claim = [b"XCLAIM", key, group.name(), consumer.name(), b"0"];
                let (id, time) = (id_text(id), time.format(pending.delivered_ms).as_bytes());
                let count = count.format(pending.count as i64).as_bytes();
                let about =
                    [id.as_bytes(), b"TIME", time, b"RETRYCOUNT", count, b"JUSTID", b"FORCE"];
                self.words(&[&claim[..], &about].concat())?;
            }
        }
        Ok(())
    }
}

/// Ids that are pending and that the stream does not have any more. None is above the last id.
fn gone_but_pending(stream: &Stream) -> BTreeSet<StreamId> {
    let entries = stream.entries();
    let pending = stream.groups().flat_map(|group| group.pending_from(StreamId::MIN));
    let is_gone = |id: &StreamId| *id <= entries.last_id() && entries.get(*id).is_none();
    pending.map(|pending| pending.id).filter(is_gone).collect()
}

fn text_arg(out: &mut Vec<u8>, text: Text<'_>) {
    encode::arg(out, text.to_text(&mut TextBuffer::new()));
}

fn id_text(id: StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::ReplicationPoint;
    use protocol::aof::{Annotation, Record, parse_record};

    fn meta(replication: Option<ReplicationPoint>) -> SnapshotMeta {
        SnapshotMeta {
            redis_ver: "7.2.4".into(),
            ctime_s: 0,
            used_mem_bytes: 0,
            replication,
            aof_base: true,
            functions: vec![b"#!lua name=l\n".to_vec()],
            users: None,
        }
    }

    /// The lines and commands of a base, and that its marks fit.
    fn records(mut base: &[u8]) -> Vec<String> {
        let (whole, mut records, mut spans) = (base, Vec::new(), Vec::new());
        while !base.is_empty() {
            let at = whole.len() - base.len();
            let len = match parse_record(base, &mut spans) {
                Record::Command { len } => {
                    let words = spans.iter().map(|span| String::from_utf8_lossy(span.of(base)));
                    records.push(words.collect::<Vec<_>>().join(" "));
                    len
                }
                Record::Annotation { text, len } => {
                    match Annotation::parse(text).expect("an annotation") {
                        Annotation::Block(mark) => {
                            assert!(mark.fits(&base[len..len + mark.len as usize]));
                            assert_eq!((mark.place, mark.start), (Some(at as u64), mark.end));
                            records.push(format!("mark at {}", mark.end));
                        }
                        Annotation::History(_) => records.push("history".into()),
                        Annotation::Timestamp(seconds) => records.push(format!("time {seconds}")),
                        Annotation::Other | Annotation::Follows(_) => panic!("a comment"),
                    }
                    len
                }
                record => panic!("{record:?}"),
            };
            base = &base[len..];
        }
        records
    }

    fn base_of(dbs: &[Db], meta: &SnapshotMeta, timestamp_s: Option<i64>) -> Vec<String> {
        let (mut bytes, options) = (Vec::new(), SaveOptions::default());
        write_commands(&mut bytes, (dbs, meta), options, timestamp_s, &mut |_| ()).expect("memory");
        records(&bytes)
    }

    #[test]
    fn what_it_begins_and_ends_with() {
        let mut db = Db::new();
        db.add_new_bytes(b"k", b"v", Some(1700), 0);
        let dbs = [Db::new(), db];
        let point = ReplicationPoint { id: [b'a'; 40], offset: 77, stream_db: 5 };
        let library = "FUNCTION LOAD #!lua name=l\n";
        assert_eq!(
            base_of(&dbs, &meta(Some(point)), Some(12)),
            [
                "time 12",
                "history",
                "mark at 77",
                library,
                "SELECT 1",
                "SET k v",
                "PEXPIREAT k 1700",
                "SELECT 5"
            ]
        );
        assert_eq!(base_of(&[], &meta(None), None), ["mark at 0", library]);
        let nothing = SnapshotMeta { functions: Vec::new(), ..meta(None) };
        assert!(base_of(&[Db::new()], &nothing, None).is_empty());
    }

    #[test]
    fn elements_come_by_64_or_by_the_megabyte_and_blocks_are_bounded() {
        let key = b"l";
        let mut out = Commands::new(Vec::new(), &meta(None), None);
        let elements = (0..130).map(|number: i64| number);
        out.collection(b"RPUSH", key, 1, elements, encode::int_arg).expect("memory");
        let long = vec![b'x'; 400_000];
        out.collection(b"RPUSH", key, 1, (0..7).map(|_| &long), |out, item| encode::arg(out, item))
            .expect("memory");
        out.end_block().expect("memory");
        let records = records(&out.sink);
        let counts: Vec<usize> = records
            .iter()
            .filter(|line| line.starts_with("RPUSH"))
            .map(|line| line.split(' ').count() - 2)
            .collect();
        assert_eq!(counts, [64, 64, 2, 3, 3, 1]);
        assert_eq!(records.iter().filter(|line| line.starts_with("mark")).count(), 3);
    }
}
