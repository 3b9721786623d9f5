//! The append-only file: which files there are, and what is in them.
//!
//! ```text
//! appendonlydir/P.manifest      [`Manifest`]: one line per file
//! appendonlydir/P.2.base.rdb    a snapshot (or commands)
//! appendonlydir/P.3.incr.aof    records: commands in array form, and annotation lines
//!
//! #tm-follows <number> <size> <offset>\r\n              which file this one was begun behind
//! #tm-history <id> <second id> <second offset>\r\n      whose offsets the marks below count
//! #tm <start> <end> <len> <crc>\r\n                     the next len bytes bring the offset from start to end
//! *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n…
//! ```
//!
//! # Map
//! - `manifest`: the manifest, parsed, written, and the steps of a rewrite
//! - `record`: commands and annotation lines out of a window of a file
//! - `annotation`: what the annotation lines mean, ours above all
//! - `words`: words with quotes, as the manifest has them
//!
//! # Not here
//! - files, fsync, repair: `backup`
//!
//! # Source
//! - `aof.c` of Redis 7.2; for our marks docs/persistence.md

mod annotation;
mod manifest;
mod record;
mod words;

pub use annotation::{
    Annotation, AnnotationError, BlockMark, FollowsMark, HistoryMark, REPLICATION_ID_BYTES,
    UNFINISHED, encode_timestamp,
};
pub use manifest::{FileEntry, FileKind, Manifest, ManifestError, ManifestReason};
pub use record::{MAX_ANNOTATION_BYTES, Record, RecordError, Span, parse_record};
