//! Checking files without a server: what `tidemark check-rdb` and `check-aof` report.
//!
//! Reading is the same as at a start, into nothing: every value is taken apart and verified, every block's checksum
//! too, but commands are not executed and no file is changed.
//!
//! # Not here
//! - keys that come twice in a snapshot: only a load into a database notices them
//! - repair: a start does it ([`crate::aof::load`]), and keeps what it cuts

use crate::aof::{
    AofDir, AofError, Before, CommandRefused, Handler, Progress, ScanSummary, Tolerance,
    is_snapshot, scan_file,
};
use crate::files::{File, FileError, Files};
use crate::snapshot::{FileLoadError, FileSource, InKey, LoadError, refused_aux};
use keyspace::limits::Limits;
use keyspace::rdb::ValueBuilder;
use protocol::aof::FileKind;
use protocol::rdb::{Checksum, Item, ObjectType, ReadError, Reader, Version};
use protocol::resp::Batch;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What is in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbReport {
    /// The header.
    pub version: Version,
    /// The fields before the keys, as text.
    pub aux: Vec<(String, String)>,
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Of which keys the time has passed.
    pub expired: u64,
    /// Function libraries.
    pub functions: u64,
    /// Keys of types that cannot be loaded, and members whose expiry cannot be kept.
    pub unsupported: u64,
    /// Whether the checksum is there and right.
    pub verified: bool,
    /// Where it ends in the file.
    pub bytes: u64,
}

/// Reads a whole snapshot. An error says where the damage is.
pub fn check_rdb(files: &Files, path: &Path, now_ms: i64) -> Result<RdbReport, FileLoadError> {
    check_snapshot(path, &mut files.open(path)?, now_ms).map(|(report, _)| report)
}

/// Also gives back what was read behind the snapshot.
fn check_snapshot(
    path: &Path,
    file: &mut File,
    now_ms: i64,
) -> Result<(RdbReport, Vec<u8>), FileLoadError> {
    let at = |error, key: Option<(Vec<u8>, ObjectType)>| {
        let error = match error {
            ReadError::Source(error) => LoadError::Source(error),
            ReadError::Malformed { offset, reason } => {
                LoadError::Malformed { offset, key: InKey(key), reason }
            }
        };
        FileLoadError::at(path, error)
    };
    let mut reader = Reader::new(FileSource(file)).map_err(|error| at(error, None))?;
    let mut report = RdbReport {
        version: reader.version(),
        aux: Vec::new(),
        keys: 0,
        expires: 0,
        expired: 0,
        functions: 0,
        unsupported: 0,
        verified: false,
        bytes: 0,
    };
    let mut builder = ValueBuilder::new(&Limits::DEFAULT);
    loop {
        match reader.next().map_err(|error| at(error, None))? {
            Item::Key { meta, object_type, .. } => {
                report.keys += 1;
                report.expires += u64::from(meta.expire_ms.is_some());
                report.expired += u64::from(meta.expire_ms.is_some_and(|at| at < now_ms));
                let key = reader.key().to_vec();
                let read = if is_supported(object_type) {
                    reader.read_value(object_type, &mut builder).and_then(|()| {
                        builder.take().map(|_| ()).map_err(|reason| {
                            let offset = reader.offset();
                            ReadError::Malformed { offset, reason }
                        })
                    })
                } else {
                    report.unsupported += 1;
                    reader.skip_value()
                };
                read.map_err(|error| at(error, Some((key, object_type))))?;
            }
            Item::Aux { name, value } => {
                report.unsupported += u64::from(refused_aux(name).is_some());
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                report.aux.push((text(name), text(value)));
            }
            Item::Function(_) => report.functions += 1,
            Item::SelectDb(_) | Item::ResizeDb { .. } => {}
            Item::ModuleAux(_) | Item::SlotInfo { .. } => {}
            Item::End(checksum) => {
                report.verified = checksum == Checksum::Verified;
                break;
            }
        }
    }
    report.bytes = reader.offset();
    Ok((report, reader.into_parts().1))
}

fn is_supported(object_type: ObjectType) -> bool {
    use ObjectType::{HashExpiry, HashListpackEx, HashMetadata, Module};
    !matches!(object_type, Module | HashExpiry | HashMetadata | HashListpackEx)
}

/// One file of an append-only file.
#[derive(Debug)]
pub struct AofFileReport {
    /// The file.
    pub path: PathBuf,
    /// Base or incremental.
    pub kind: FileKind,
    /// Its size.
    pub bytes: u64,
    /// The snapshot that it begins with.
    pub snapshot: Option<RdbReport>,
    /// Commands, transactions' MULTI and EXEC not counted.
    pub commands: u64,
    /// Blocks whose checksum is right.
    pub blocks: u64,
    /// How it ends.
    pub end: AofEnd,
}

/// How a file of an append-only file ends.
#[derive(Debug)]
pub enum AofEnd {
    /// Well.
    Whole,
    /// Inside of something. At this offset it would be cut, if it were the last file.
    Torn {
        /// The end of what is whole.
        offset: u64,
        /// Inside of what it ends.
        reason: &'static str,
    },
    /// With damage, which only a person can judge.
    Damaged(AofError),
}

/// All of an append-only file.
#[derive(Debug)]
pub struct AofReport {
    /// The files, in order.
    pub files: Vec<AofFileReport>,
    /// The replication offset at the end, if it is known and all files are whole.
    pub position: Option<u64>,
}

impl AofReport {
    /// Whether a server starts with it, and with all of it.
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|file| matches!(file.end, AofEnd::Whole))
    }
}

/// Reads all files that a manifest names.
pub fn check_aof(dir: &AofDir, now_ms: i64) -> Result<AofReport, AofError> {
    let mut report = AofReport { files: Vec::new(), position: None };
    let mut known = Progress::default();
    let mut before = Before::default();
    for (kind, entry) in dir.manifest().files() {
        if kind == FileKind::History {
            continue;
        }
        let path = dir.path_of(entry);
        let Some(size) = dir.files().size(&path)? else {
            return Err(AofError::Missing { path });
        };
        let (file, after) = check_file(dir.files(), &path, kind, (&before, known), now_ms)?;
        known = after;
        match kind {
            FileKind::Incremental => before.files.push((entry.sequence, size)),
            _ => before.base = known.history.and(known.position),
        }
        report.files.push(file);
    }
    report.position = known.position.filter(|_| report.is_whole());
    Ok(report)
}

/// Reads one file: an incremental one, or a base of either form, or an old single file. `before` is what is known
/// where it begins; what is known where it ends is given back.
fn check_file(
    files: &Files,
    path: &Path,
    kind: FileKind,
    (files_before, before): (&Before, Progress),
    now_ms: i64,
) -> Result<(AofFileReport, Progress), AofError> {
    let mut file = files.open(path)?;
    let size = files.size(path)?.unwrap_or(0);
    let mut report = AofFileReport {
        path: path.to_path_buf(),
        kind,
        bytes: size,
        snapshot: None,
        commands: 0,
        blocks: 0,
        end: AofEnd::Whole,
    };
    let mut from = before.next_file();
    let mut read_ahead = Vec::new();
    if is_snapshot(&mut file, path)? {
        match check_snapshot(path, &mut file, now_ms) {
            Ok((snapshot, ahead)) => {
                from.offset = snapshot.bytes;
                read_ahead = ahead;
                let offset = snapshot.aux.iter().find(|(name, _)| name == "repl-offset");
                from.position = offset.and_then(|(_, value)| value.parse().ok());
                report.snapshot = Some(snapshot);
            }
            Err(error) => {
                report.end = AofEnd::Damaged(AofError::Snapshot(error));
                return Ok((report, from));
            }
        }
    }
    let next = from.offset + read_ahead.len() as u64;
    let sought = file.seek(SeekFrom::Start(next));
    sought.map_err(|error| FileError::new("seek in", path, error))?;
    let tolerance = Tolerance { torn: true, torn_block: true, edited: false };
    let before = (kind == FileKind::Incremental).then_some(files_before);
    match scan_file(files, (path, file), read_ahead, (before, from), size, tolerance, &mut Nothing)
    {
        Ok(ScanSummary { committed, commands, blocks, torn, .. }) => {
            (report.commands, report.blocks) = (commands, blocks);
            if let Some(reason) = torn {
                let offset = crate::aof::cut_offset(&committed);
                report.end = AofEnd::Torn { offset, reason };
            }
            Ok((report, committed))
        }
        Err(error @ AofError::File(_)) => Err(error),
        Err(error) => {
            report.end = AofEnd::Damaged(error);
            Ok((report, from))
        }
    }
}

struct Nothing;

impl Handler for Nothing {
    fn commands(&mut self, _: &[u8], _: &Batch) -> Result<(), CommandRefused> {
        Ok(())
    }
    fn progress(&mut self, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    fn aof_with(folder: &Path, incremental: &[u8]) -> AofDir {
        let directory = folder.join("appendonlydir");
        std::fs::create_dir(&directory).expect("a folder");
        let manifest = b"file P.1.incr.aof seq 1 type i\n";
        std::fs::write(directory.join("P.manifest"), manifest).expect("written");
        std::fs::write(directory.join("P.1.incr.aof"), incremental).expect("written");
        AofDir::open(&Files::real(), folder, "appendonlydir".as_ref(), "P".as_ref())
            .expect("opened")
            .0
    }

    #[test]
    fn a_report_says_how_each_file_ends_and_changes_none() {
        for (tail, expected) in
            [(&b""[..], "whole"), (b"*3\r\n$3\r\nSE", "torn"), (b"\0\0\0\0", "damaged")]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let bytes = [SET, tail].concat();
            let dir = aof_with(folder.path(), &bytes);
            let report = check_aof(&dir, 0).expect("readable");
            let found = match &report.files[0].end {
                AofEnd::Whole => "whole",
                AofEnd::Torn { offset, .. } => {
                    assert_eq!(*offset, SET.len() as u64);
                    "torn"
                }
                AofEnd::Damaged(error) => {
                    assert!(error.to_string().contains("byte 27"), "{error}");
                    "damaged"
                }
            };
            assert_eq!((found, report.is_whole()), (expected, expected == "whole"));
            let after = std::fs::read(&report.files[0].path).expect("read");
            assert_eq!(after, bytes);
        }
    }

    #[test]
    fn a_key_keeps_its_expiry_over_a_field_and_a_member_with_one_is_unsupported() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        let bytes = b"REDIS0009\xfe\0\xfc\x07\0\0\0\0\0\0\0\xfa\x01m\x01t\0\x01k\x01v\
            \xfa\x13keydb-subexpire-key\x01f\xfa\x14keydb-subexpire-when\x019\xff\0\0\0\0\0\0\0\0";
        std::fs::write(&path, bytes).expect("written");
        let report = check_rdb(&Files::real(), &path, 8).expect("whole");
        assert_eq!((report.keys, report.expires, report.expired), (1, 1, 1));
        assert_eq!(report.unsupported, 2);
    }

    #[test]
    fn a_snapshot_is_taken_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        let bytes = b"REDIS0010\xfa\x03abc\x01d\xfe\0\0\x01k\x01v\x12\x01l\x01\x02\x0a\x0a\0\0\0\x01\0\x81a\x02\xff\xff\0\0\0\0\0\0\0\0";
        std::fs::write(&path, bytes).expect("written");
        let report = check_rdb(&Files::real(), &path, 0).expect("whole");
        assert_eq!((report.keys, report.expires, report.verified), (2, 0, false));
        assert_eq!(report.aux, [("abc".to_string(), "d".to_string())]);
        assert_eq!(report.bytes, bytes.len() as u64);
        std::fs::write(&path, &bytes[..30]).expect("written");
        let error = check_rdb(&Files::real(), &path, 0).expect_err("torn").to_string();
        assert!(error.contains("dump.rdb, byte "), "{error}");
    }
}
