//! The manifest: which files make up the append-only file, in which order.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b       base: the state to begin with, at most one
//! file appendonly.aof.1.incr.aof seq 1 type h       history: no longer needed, to be deleted
//! file appendonly.aof.4.incr.aof seq 4 type i       incremental: what happened since, in this order
//! ```
//!
//! # The steps of a rewrite
//! ```text
//! add_incremental      then persist; commands go to the new file
//!   … a snapshot is taken and written to a temporary file …
//! replace_base         on a copy, then rename the snapshot to the new base's name, persist, adopt the copy
//! take_history         delete these files, then persist
//! ```
//! A crash between any two steps leaves a manifest that names a complete set of files.
//!
//! # What is refused
//! All that Redis refuses: numbers of incremental files that do not ascend, a second base, an unknown type, lines that are not made of
//! keys and values. A key that the line has already, a NUL, a name that comes twice, and a line of history behind one of an incremental file are
//! refused as well: nobody writes them, and one rotten bit, or a sector that reads as zeros, makes them. What rot can make of
//! one well-formed manifest that is another is noticed by the marks of the files: `backup::aof`.
//!
//! # Invariants
//! - incremental numbers ascend strictly; no number is 0; no name has a slash
//! - a new name is none that the manifest has already
//!
//! # Source
//! - `aof.c` of Redis 7.2; 8.0 for the keys that it adds

use super::words;
use std::collections::BTreeSet;
use thiserror::Error;

/// The longest line, with its LF.
const MAX_LINE_BYTES: usize = 1024;
/// The least a line has: three keys and their values.
const LEAST_WORDS: usize = 6;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The state to begin with.
    Base,
    /// Not needed any more.
    History,
    /// Commands since the base.
    Incremental,
}

impl FileKind {
    fn letter(self) -> u8 {
        match self {
            Self::Base => b'b',
            Self::History => b'h',
            Self::Incremental => b'i',
        }
    }
}

/// A file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name in the directory; any bytes but a slash.
    pub name: Vec<u8>,
    /// Its number.
    pub sequence: u64,
}

/// The files of one append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The state to begin with.
    pub base: Option<FileEntry>,
    /// What is to be deleted.
    pub history: Vec<FileEntry>,
    /// Commands since the base, in order.
    pub incremental: Vec<FileEntry>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ManifestReason {
    /// There is no line at all.
    #[error("Found an empty AOF manifest")]
    Empty,
    /// More than 1024 bytes.
    #[error("The AOF manifest file contains too long line")]
    LongLine,
    /// The last line has no LF.
    #[error("The AOF manifest file contains too long line, or one that does not end in a newline")]
    Unfinished,
    /// Nothing but blanks.
    #[error("Invalid AOF manifest file format: line is blank")]
    Blank,
    /// A NUL.
    #[error("Invalid AOF manifest file format: line has a NUL")]
    Nul,
    /// `file`, `seq` or `type` comes twice: the line end between two lines is gone.
    #[error("Invalid AOF manifest file format: file, seq or type comes twice in a line")]
    Doubled,
    /// Unbalanced quotes, an odd number of words, or fewer than six.
    #[error("Invalid AOF manifest file format: line is not made of keys and values")]
    Words,
    /// One of `file`, `seq` and `type` is missing.
    #[error("Invalid AOF manifest file format: file, seq or type is missing")]
    Missing,
    /// An empty name, one of another directory, or one with a NUL.
    #[error("Invalid AOF manifest file format: File can't be a path, just a filename")]
    Name,
    /// Not a number above 0.
    #[error("Invalid AOF manifest file format: seq is not a number above 0")]
    Sequence,
    /// Not `b`, `h` or `i`.
    #[error("Unknown AOF file type")]
    Type,
    /// There was a base already.
    #[error("Found duplicate base file information")]
    SecondBase,
    /// A name that was there already.
    #[error("Found a file that is named twice")]
    SameName,
    /// History behind an incremental file: what is no longer needed is older than all that is.
    #[error("Found a file of history behind an incremental file, which would leave a gap")]
    HistoryBehind,
    /// An incremental number that is not above the one before.
    #[error("Found a non-monotonic sequence number")]
    Order,
}

/// Why a manifest is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("manifest, line {line}: {reason}")]
pub struct ManifestError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: ManifestReason,
}

impl Manifest {
    /// Reads a manifest. Keys that we do not know are ignored with their values, comments are dropped.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        if text.is_empty() {
            return Err(ManifestError { line: 1, reason: ManifestReason::Empty });
        }
        let mut names = BTreeSet::new();
        for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let fail = |reason| ManifestError { line: index + 1, reason };
            manifest.parse_line(line, &mut names).map_err(fail)?;
        }
        Ok(manifest)
    }

    fn parse_line(
        &mut self,
        line: &[u8],
        names: &mut BTreeSet<Vec<u8>>,
    ) -> Result<(), ManifestReason> {
        if line.len() > MAX_LINE_BYTES {
            return Err(ManifestReason::LongLine);
        }
        let line = line.strip_suffix(b"\n").ok_or(ManifestReason::Unfinished)?;
        if line.contains(&0) {
            return Err(ManifestReason::Nul);
        }
        if line.starts_with(b"#") {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            return Err(ManifestReason::Blank);
        }
        let words = words::split(line).ok_or(ManifestReason::Words)?;
        if words.len() < LEAST_WORDS || !words.len().is_multiple_of(2) {
            return Err(ManifestReason::Words);
        }
        let (mut name, mut sequence, mut kind) = (None, None, None);
        for pair in words.chunks_exact(2) {
            let doubled = if pair[0].eq_ignore_ascii_case(b"file") {
                name.replace(parse_name(&pair[1])?).is_some()
            } else if pair[0].eq_ignore_ascii_case(b"seq") {
                sequence.replace(parse_sequence(&pair[1])?).is_some()
            } else if pair[0].eq_ignore_ascii_case(b"type") {
                kind.replace(parse_kind(&pair[1])?).is_some()
            } else {
                false
            };
            if doubled {
                return Err(ManifestReason::Doubled);
            }
        }
        let (Some(name), Some(sequence), Some(kind)) = (name, sequence, kind) else {
            return Err(ManifestReason::Missing);
        };
        if kind == FileKind::Base && self.base.is_some() {
            return Err(ManifestReason::SecondBase);
        }
        if !names.insert(name.clone()) {
            return Err(ManifestReason::SameName);
        }
        let entry = FileEntry { name, sequence };
        match kind {
            FileKind::Base => self.base = Some(entry),
            FileKind::History if !self.incremental.is_empty() => {
                return Err(ManifestReason::HistoryBehind);
            }
            FileKind::History => self.history.push(entry),
            FileKind::Incremental => {
                if self.incremental.last().is_some_and(|last| last.sequence >= sequence) {
                    return Err(ManifestReason::Order);
                }
                self.incremental.push(entry);
            }
        }
        Ok(())
    }

    /// The manifest as text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, entry) in self.files() {
            out.extend_from_slice(b"file ");
            words::put(&mut out, &entry.name);
            out.extend_from_slice(format!(" seq {} type ", entry.sequence).as_bytes());
            out.extend_from_slice(&[kind.letter(), b'\n']);
        }
        out
    }

    /// All files, in the order in which they are written: base, history, incremental.
    pub fn files(&self) -> impl Iterator<Item = (FileKind, &FileEntry)> {
        let base = self.base.iter().map(|entry| (FileKind::Base, entry));
        let history = self.history.iter().map(|entry| (FileKind::History, entry));
        let incremental = self.incremental.iter().map(|entry| (FileKind::Incremental, entry));
        base.chain(history).chain(incremental)
    }

    /// Adds the next incremental file to the end.
    pub fn add_incremental(&mut self, prefix: &[u8]) -> &FileEntry {
        self.add_incremental_above(prefix, 0)
    }

    /// Adds one whose number is above `least` as well.
    pub fn add_incremental_above(&mut self, prefix: &[u8], least: u64) -> &FileEntry {
        let last = self.incremental.last().map_or(0, |entry| entry.sequence).max(least);
        let entry = self.unused(prefix, last, b"incr.aof");
        self.incremental.push(entry);
        self.incremental.last().expect("just pushed")
    }

    /// Puts a new base in place of the old one. The old base, and the incremental files whose number is below
    /// `first_kept`, become history. `rdb` says in which form the base is.
    pub fn replace_base(&mut self, prefix: &[u8], rdb: bool, first_kept: u64) -> &FileEntry {
        let last = self.base.as_ref().map_or(0, |entry| entry.sequence);
        let base = self.unused(prefix, last, if rdb { b"base.rdb" } else { b"base.aof" });
        // The newest history comes first, as Redis writes it.
        let old = self.incremental.partition_point(|entry| entry.sequence < first_kept);
        self.history.splice(..0, self.incremental.drain(..old).chain(self.base.take()));
        self.base.insert(base)
    }

    /// Removes the files that are no longer needed, to be deleted.
    #[must_use = "what is neither named nor deleted stays for ever"]
    pub fn take_history(&mut self) -> Vec<FileEntry> {
        std::mem::take(&mut self.history)
    }

    /// The first number above `last` whose name is free: a history file may be one that is just being deleted.
    fn unused(&self, prefix: &[u8], last: u64, suffix: &[u8]) -> FileEntry {
        let mut sequence = last;
        loop {
            sequence = sequence.checked_add(1).expect("numbers read are below i64::MAX");
            let name = [prefix, b".", sequence.to_string().as_bytes(), b".", suffix].concat();
            if self.files().all(|(_, entry)| entry.name != name) {
                return FileEntry { name, sequence };
            }
        }
    }
}

fn parse_name(word: &[u8]) -> Result<Vec<u8>, ManifestReason> {
    let plain = !word.is_empty() && word != b"." && word != b"..";
    if plain && !word.iter().any(|byte| matches!(byte, b'/' | 0)) {
        Ok(word.to_vec())
    } else {
        Err(ManifestReason::Name)
    }
}

fn parse_sequence(word: &[u8]) -> Result<u64, ManifestReason> {
    let text = std::str::from_utf8(word).map_err(|_| ManifestReason::Sequence)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        // Peers keep it in a signed number.
        Ok(sequence) if digits && sequence > 0 && sequence < i64::MAX as u64 => Ok(sequence),
        _ => Err(ManifestReason::Sequence),
    }
}

fn parse_kind(word: &[u8]) -> Result<FileKind, ManifestReason> {
    match word {
        b"b" => Ok(FileKind::Base),
        b"h" => Ok(FileKind::History),
        b"i" => Ok(FileKind::Incremental),
        _ => Err(ManifestReason::Type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                          file appendonly.aof.1.incr.aof seq 1 type h\n\
                          file appendonly.aof.4.incr.aof seq 4 type i\n";

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text.as_bytes())
    }

    fn text(manifest: &Manifest) -> String {
        String::from_utf8(manifest.to_bytes()).expect("ASCII names")
    }

    #[test]
    fn reads_and_writes_the_same() {
        let manifest = parse(SAMPLE).expect("well-formed");
        assert_eq!(manifest.base.as_ref().expect("a base").sequence, 2);
        assert_eq!((manifest.history.len(), manifest.incremental.len()), (1, 1));
        assert_eq!(text(&manifest), SAMPLE);
    }

    #[test]
    fn what_newer_peers_add_is_ignored() {
        let added = format!(
            "# a comment\n{}",
            SAMPLE.replace("type i", "TYPE i startoffset 12 endoffset 14")
        );
        assert_eq!(parse(&added), parse(SAMPLE));
        assert_eq!(parse("# nothing yet\n"), Ok(Manifest::default()));
    }

    #[test]
    fn names_with_blanks_are_quoted() {
        let name = "my \"old\" file.\u{e9}";
        let manifest = Manifest {
            base: Some(FileEntry { name: name.into(), sequence: 1 }),
            ..Manifest::default()
        };
        assert_eq!(text(&manifest), "file \"my \\\"old\\\" file.\\xc3\\xa9\" seq 1 type b\n");
        assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
    }

    #[test]
    fn violations_name_their_line() {
        let long = format!("file {} seq 1 type b\n", "x".repeat(1024));
        for (line, reason) in [
            ("file a seq 1 type i", ManifestReason::Unfinished),
            ("\n", ManifestReason::Blank),
            (" \t\n", ManifestReason::Blank),
            (&long, ManifestReason::LongLine),
            ("file a seq 1\n", ManifestReason::Words),
            ("file a seq 1 type i x\n", ManifestReason::Words),
            ("file \"a seq 1 type i\n", ManifestReason::Words),
            ("file a seq 1 color red\n", ManifestReason::Missing),
            ("file ../a seq 1 type i\n", ManifestReason::Name),
            ("file \"\" seq 1 type i\n", ManifestReason::Name),
            ("file a seq 0 type i\n", ManifestReason::Sequence),
            ("file a seq -1 type i\n", ManifestReason::Sequence),
            ("file a seq +1 type i\n", ManifestReason::Sequence),
            ("file a seq 99999999999999999999 type i\n", ManifestReason::Sequence),
            ("file a seq 1 type x\n", ManifestReason::Type),
            ("file a seq 9 type b\n", ManifestReason::SecondBase),
            ("file a seq 9 type h\n", ManifestReason::HistoryBehind),
            ("file appendonly.aof.4.incr.aof seq 9 type i\n", ManifestReason::SameName),
            ("file appendonly.aof.1.incr.aof seq 9 type i\n", ManifestReason::SameName),
            ("file appendonly.aof.2.base.rdb seq 9 type i\n", ManifestReason::SameName),
            ("file a seq 9 type i file b seq 10 type i\n", ManifestReason::Doubled),
            ("file a seq 9 type i\0\n", ManifestReason::Nul),
            ("\0\0\0\n", ManifestReason::Nul),
            ("\0", ManifestReason::Unfinished),
            ("file a seq 4 type i\n", ManifestReason::Order),
        ] {
            let error = parse(&format!("{SAMPLE}{line}")).expect_err(line);
            assert_eq!(error, ManifestError { line: 4, reason }, "{line}");
        }
        assert_eq!(parse("").expect_err("empty").reason, ManifestReason::Empty);
    }

    #[test]
    fn a_line_of_1024_bytes_is_the_longest() {
        let frame = "file  seq 1 type b\n".len();
        let line = |name: usize| format!("file {} seq 1 type b\n", "x".repeat(name));
        assert!(parse(&line(1024 - frame)).is_ok());
        assert!(parse(&line(1025 - frame)).is_err());
    }

    #[test]
    fn the_steps_of_a_rewrite() {
        let mut manifest = Manifest::default();
        manifest.replace_base(b"P", true, 0);
        manifest.add_incremental(b"P");
        assert_eq!(
            text(&manifest),
            "file P.1.base.rdb seq 1 type b\nfile P.1.incr.aof seq 1 type i\n"
        );

        let first_kept = manifest.add_incremental(b"P").sequence;
        let mut next = manifest.clone();
        assert_eq!(next.replace_base(b"P", false, first_kept).name, b"P.2.base.aof");
        assert_eq!(
            text(&next),
            "file P.2.base.aof seq 2 type b\n\
             file P.1.incr.aof seq 1 type h\n\
             file P.1.base.rdb seq 1 type h\n\
             file P.2.incr.aof seq 2 type i\n"
        );
        let names: Vec<_> = next.take_history().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [&b"P.1.incr.aof"[..], b"P.1.base.rdb"]);
        assert_eq!(next.files().count(), 2);
    }

    #[test]
    fn names_in_use_are_passed_over() {
        let mut manifest = parse("file P.1.incr.aof seq 1 type h\n").expect("well-formed");
        assert_eq!(manifest.add_incremental(b"P").name, b"P.2.incr.aof");
    }
}
