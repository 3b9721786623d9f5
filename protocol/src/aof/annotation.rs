//! What annotation lines mean: Redis's timestamps, and our own marks of blocks and histories.
//!
//! Peers load files with our lines and skip them. They are what lets a node that starts from its append-only file
//! know its replication id and offset, and tell rot in the middle from a torn end.
//!
//! ```text
//! #TS:<unix seconds>\r\n
//! #tm <start> <end> <len> <crc> <place> <seal>\r\n  len bytes of commands follow, which bring the replication offset
//!                                                   from start to end; crc is their CRC-64/XZ, 16 hex digits; place is
//!                                                   where the mark stands in its file: one that is elsewhere tells that
//!                                                   the file was edited before it. Blanks may follow: a repair writes a
//!                                                   shorter mark over a longer one
//! #tm-history <id> <second id> <second offset> <seal>\r\n  whose offsets these are
//! #tm-follows <number> <size> <offset> <seal>\r\n  at the beginning of a file: which file was written before it, how many
//!                                                   bytes that had, and the replication offset there; −1 if not known
//! ```
//!
//! The seal is a checksum of the line before it, `s` and 8 hex digits: so a mark that rots is told apart from a file that was
//! edited, of which the marks are as they were. Marks of older files have no seal, and still older ones no place.
//!
//! `len` is not `end − start`: what only replicas get (PING, GETACK) counts in the offset and is not in the file, and
//! local writes of a replica are in the file and do not count.
//!
//! A mark must be written in one call with its block: a torn annotation at the end of a file goes unnoticed by
//! peers, and swallows the next command.
//!
//! # Invariants
//! - a line that begins like ours and is not is an error, never something unknown
//!
//! # Source
//! - our own; `aof.c` of Redis 7.2 for the rules that all annotations obey

use super::MAX_ANNOTATION_BYTES;
use crate::crc64::{journal_crc, journal_crc_of};
use thiserror::Error;

/// Characters of a replication id.
pub const REPLICATION_ID_BYTES: usize = 40;

/// A seal: a letter that no number has, so that it is none of the number before it if the blank rots, and 8 digits.
const SEAL_BYTES: usize = 1 + 8;
/// The longest of our lines: `#tm-history`, two ids, 20 characters of a number, the seal, blanks and line end.
const LONGEST_BYTES: usize = 11 + 2 * (1 + REPLICATION_ID_BYTES) + 1 + 20 + 1 + SEAL_BYTES + 2;
const _: () = assert!(LONGEST_BYTES <= MAX_ANNOTATION_BYTES);

/// Stands in place of the first letter of a mark while a repair writes over the line: until it is done, that is a comment. No
/// letter of ours becomes it by fewer than six bits, so rot does not pass for a repair.
pub const UNFINISHED: u8 = b'+';
const _: () = assert!((UNFINISHED ^ b't').count_ones() >= 6);

/// Stands before a block of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMark {
    /// The replication offset before the block.
    pub start: u64,
    /// The replication offset after it.
    pub end: u64,
    /// How many bytes the block has in this file.
    pub len: u64,
    /// Its checksum.
    pub crc: u64,
    /// Where the mark stands in its file, if it says so.
    pub place: Option<u64>,
    /// Whether it has a seal.
    pub sealed: bool,
}

/// Says whose offsets the marks count. As Redis's `replid`, `replid2` and `second_repl_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryMark {
    /// The present history.
    pub id: [u8; REPLICATION_ID_BYTES],
    /// The one before it; 40 zeros if there was none.
    pub second_id: [u8; REPLICATION_ID_BYTES],
    /// Up to where the second one is valid; −1 if there was none.
    pub second_offset: i64,
}

/// Ties a file to the end of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowsMark {
    /// The number of the last file before this one to which anything was written.
    pub sequence: u64,
    /// How many bytes it had when this file was begun.
    pub size: u64,
    /// The replication offset then, if it is known.
    pub offset: Option<u64>,
}

/// What an annotation line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotation {
    /// Unix seconds when the next command was executed.
    Timestamp(u64),
    /// A block of commands follows.
    Block(BlockMark),
    /// Whose offsets these are.
    History(HistoryMark),
    /// Behind which file this one comes.
    Follows(FollowsMark),
    /// Something else, to be skipped.
    Other,
}

/// Appends the whole line that says in which unix second the commands behind it were executed.
pub fn encode_timestamp(seconds: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"#TS:");
    out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A line that begins like one of ours and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("annotation is damaged: {reason}")]
pub struct AnnotationError {
    /// What is wrong.
    pub reason: &'static str,
}

impl Annotation {
    /// Reads the text of a line, without `#` and line end.
    pub fn parse(text: &[u8]) -> Result<Self, AnnotationError> {
        if swallows_mark(text) {
            return Err(AnnotationError { reason: "it reaches over a mark" });
        }
        if let Some(seconds) = text.strip_prefix(b"TS:") {
            // Peers' lines are theirs to get wrong.
            return Ok(decimal(seconds).map_or(Self::Other, Self::Timestamp));
        }
        let padded = text.starts_with(b"tm ");
        let text = if padded { text.trim_ascii_end() } else { text };
        if !text.starts_with(b"tm") {
            return match is_disguised(text) {
                true => Err(AnnotationError { reason: "it was a mark" }),
                false => Ok(Self::Other),
            };
        }
        let mut words = text.split(|&byte| byte == b' ');
        let mut next = || words.next().unwrap_or_default();
        let annotation = match next() {
            b"tm" => {
                let reason = "not a start, an end, a length, a checksum and a place";
                let (start, end, len, crc, place) = (next(), next(), next(), next(), next());
                let seal = next();
                let mark = block_mark([start, end, len, crc, place], !seal.is_empty());
                check_seal(text, seal)?;
                Self::Block(mark.ok_or(AnnotationError { reason })?)
            }
            b"tm-history" => {
                let reason = "not two replication ids and an offset";
                let (id, second_id, second_offset) = (next(), next(), next());
                let mark = (|| {
                    let second_offset = match second_offset {
                        b"-1" => -1,
                        digits => i64::try_from(decimal(digits)?).ok()?,
                    };
                    let (id, second_id) = (replication_id(id)?, replication_id(second_id)?);
                    Some(HistoryMark { id, second_id, second_offset })
                })();
                check_seal(text, next())?;
                Self::History(mark.ok_or(AnnotationError { reason })?)
            }
            b"tm-follows" => {
                let reason = "not a number, a size and an offset, sealed";
                let (sequence, size, offset, seal) = (next(), next(), next(), next());
                check_seal(text, seal)?;
                let mark = FollowsMark::of(sequence, size, offset).filter(|_| !seal.is_empty());
                Self::Follows(mark.ok_or(AnnotationError { reason })?)
            }
            _ => return Err(AnnotationError { reason: "unknown kind of mark" }),
        };
        match words.next() {
            None => Ok(annotation),
            Some(_) => Err(AnnotationError { reason: "more words than it has" }),
        }
    }
}

/// The mark of a block, from its words. Without a seal it may lack its place.
fn block_mark([start, end, len, crc, place]: [&[u8]; 5], sealed: bool) -> Option<BlockMark> {
    let place = match place {
        b"" if !sealed => None,
        digits => Some(decimal(digits)?),
    };
    let (start, end, len) = (decimal(start)?, decimal(end)?, decimal(len)?);
    let mark = BlockMark { start, end, len, crc: hex(crc)?, place, sealed };
    (start <= end).then_some(mark)
}

impl BlockMark {
    /// The mark of a block that brings the offset from `start` to `end`.
    #[must_use]
    pub fn of(start: u64, end: u64, block: &[u8]) -> Self {
        Self::of_pieces(start, end, std::iter::once(block))
    }

    /// The mark of a block that comes in pieces.
    #[must_use]
    pub fn of_pieces<'a>(
        start: u64,
        end: u64,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Self {
        assert!(start <= end, "a block cannot bring the offset back");
        let len = pieces.clone().map(|piece| piece.len() as u64).sum();
        Self { start, end, len, crc: journal_crc_of(pieces), place: None, sealed: false }
    }

    /// The same mark, to stand at an offset of its file, and sealed.
    #[must_use]
    pub fn at(self, place: u64) -> Self {
        Self { place: Some(place), sealed: true, ..self }
    }

    /// Whether a block is the one that the mark was made for.
    #[must_use]
    pub fn fits(&self, block: &[u8]) -> bool {
        self.len == block.len() as u64 && self.crc == journal_crc(block)
    }

    /// Appends the whole line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let from = out.len();
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(b"#tm ");
        for value in [self.start, self.end, self.len] {
            out.extend_from_slice(number.format(value).as_bytes());
            out.push(b' ');
        }
        put_hex(out, self.crc, 16);
        if let Some(place) = self.place {
            out.push(b' ');
            out.extend_from_slice(number.format(place).as_bytes());
            if self.sealed {
                put_seal(out, from);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl HistoryMark {
    /// Appends the whole line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(b"#tm-history ");
        out.extend_from_slice(&self.id);
        out.push(b' ');
        out.extend_from_slice(&self.second_id);
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(self.second_offset).as_bytes());
        put_seal(out, from);
        out.extend_from_slice(b"\r\n");
    }
}

impl FollowsMark {
    /// From the words of a line.
    fn of(sequence: &[u8], size: &[u8], offset: &[u8]) -> Option<Self> {
        let offset = match offset {
            b"-1" => None,
            digits => Some(decimal(digits)?),
        };
        Some(Self { sequence: decimal(sequence)?, size: decimal(size)?, offset })
    }

    /// Appends the whole line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let from = out.len();
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(b"#tm-follows ");
        for value in [self.sequence, self.size] {
            out.extend_from_slice(number.format(value).as_bytes());
            out.push(b' ');
        }
        match self.offset {
            Some(offset) => out.extend_from_slice(number.format(offset).as_bytes()),
            None => out.extend_from_slice(b"-1"),
        }
        put_seal(out, from);
        out.extend_from_slice(b"\r\n");
    }
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

fn put_hex(out: &mut Vec<u8>, number: u64, digits: u32) {
    let digit = |shift| HEX_DIGITS[(number >> (4 * shift) & 15) as usize];
    out.extend((0..digits).rev().map(digit));
}

/// Seals the line that begins with its `#` at `from`.
fn put_seal(out: &mut Vec<u8>, from: usize) {
    let checksum = journal_crc(&out[from + 1..]);
    out.extend_from_slice(b" s");
    put_hex(out, checksum, 8);
}

/// Whether a line is what its seal says; one without is believed.
fn check_seal(text: &[u8], seal: &[u8]) -> Result<(), AnnotationError> {
    if seal.is_empty() || is_sealed(text) {
        return Ok(());
    }
    Err(AnnotationError { reason: "it is not what its seal says" })
}

/// Whether a line ends with its seal.
fn is_sealed(text: &[u8]) -> bool {
    let Some((line, seal)) = text.split_last_chunk::<SEAL_BYTES>() else { return false };
    let Some(line) = line.strip_suffix(b" ") else { return false };
    let checksum = journal_crc(line);
    let digit =
        |place: usize| HEX_DIGITS[(checksum >> (4 * (SEAL_BYTES - 1 - place)) & 15) as usize];
    seal[0] == b's' && (1..SEAL_BYTES).all(|place| seal[place] == digit(place))
}

/// Whether a line was one of our marks before its first letters rotted: it would be passed over as a comment.
fn is_disguised(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    match text.get(2..).filter(|_| text[0] != UNFINISHED) {
        Some(rest @ ([b' ', ..] | [b'-', ..])) => is_sealed(&[b"tm", rest].concat()),
        _ => false,
    }
}

/// Whether a line has a whole mark in it: the line end before that has rotted.
fn swallows_mark(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    memchr::memmem::find_iter(text, b"#tm").any(|at| is_sealed(&text[at + 1..]))
}

/// A number in its one decimal form.
fn decimal(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] => text.iter().try_fold(0_u64, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        }),
        _ => None,
    }
}

/// Sixteen digits, in lower case as we write them.
fn hex(text: &[u8]) -> Option<u64> {
    if text.len() != 16 || !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

fn replication_id(text: &[u8]) -> Option<[u8; REPLICATION_ID_BYTES]> {
    // A peer's id is hexadecimal in practice; all that a line needs is that it has no blank.
    text.iter().all(u8::is_ascii_graphic).then_some(())?;
    text.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Record, parse_record};
    use super::*;

    #[test]
    fn a_mark_that_a_repair_has_not_finished_is_a_comment() {
        let mut line = Vec::new();
        BlockMark::of(100, 127, b"a block").at(0).encode(&mut line);
        assert!(matches!(read(&line), Ok(Annotation::Block(_))));
        line[1] = UNFINISHED;
        assert_eq!(read(&line), Ok(Annotation::Other));
        // Any other letter there tells that it was a mark.
        for letter in (b'!'..=b'~').filter(|letter| ![b't', UNFINISHED].contains(letter)) {
            line[1] = letter;
            assert!(read(&line).is_err(), "{}", char::from(letter));
        }
    }

    /// Parses a whole line as a file has it.
    fn read(line: &[u8]) -> Result<Annotation, AnnotationError> {
        match parse_record(line, &mut Vec::new()) {
            Record::Annotation { text, len } if len == line.len() => Annotation::parse(text),
            record => panic!("{record:?}"),
        }
    }

    #[test]
    fn blocks() {
        let mark = BlockMark::of(100, 114, b"123456789");
        let mut line = Vec::new();
        mark.encode(&mut line);
        assert_eq!(line, b"#tm 100 114 9 995dc9bbdf1939fa\r\n");
        assert_eq!(read(&line), Ok(Annotation::Block(mark)));
        assert_eq!(BlockMark::of_pieces(100, 114, [&b"1234"[..], b"56789"].into_iter()), mark);
        let padded = b"#tm 100 114 9 995dc9bbdf1939fa   \r\n";
        assert_eq!(read(padded), Ok(Annotation::Block(mark)));
        assert!(mark.fits(b"123456789") && !mark.fits(b"123456780") && !mark.fits(b"1"));
        let placed = mark.at(4711);
        line.clear();
        placed.encode(&mut line);
        assert_eq!(line, b"#tm 100 114 9 995dc9bbdf1939fa 4711 s42a22f07\r\n");
        assert_eq!(read(&line), Ok(Annotation::Block(placed)));
        let unsealed = BlockMark { sealed: false, ..placed };
        line.clear();
        unsealed.encode(&mut line);
        assert_eq!(line, b"#tm 100 114 9 995dc9bbdf1939fa 4711\r\n");
        assert_eq!(read(&line), Ok(Annotation::Block(unsealed)));
        let all = u64::MAX;
        let largest = BlockMark { start: all, end: all, len: all, crc: 0, ..mark }.at(all);
        line.clear();
        largest.encode(&mut line);
        assert_eq!(read(&line), Ok(Annotation::Block(largest)));
    }

    #[test]
    fn histories() {
        let id = *b"35edfed1983f3a6dca628483820a0346f6f0fcad";
        let mark = HistoryMark { id, second_id: [b'0'; 40], second_offset: -1 };
        for mark in [mark, HistoryMark { second_id: id, second_offset: i64::MAX, ..mark }] {
            let mut line = Vec::new();
            mark.encode(&mut line);
            assert!(line.len() <= LONGEST_BYTES);
            assert_eq!(read(&line), Ok(Annotation::History(mark)));
        }
    }

    #[test]
    fn what_a_file_follows() {
        let mark = FollowsMark { sequence: 3, size: 4711, offset: Some(9000) };
        let all = FollowsMark { sequence: u64::MAX, size: u64::MAX, offset: Some(u64::MAX) };
        for mark in [mark, all, FollowsMark { offset: None, ..mark }] {
            let mut line = Vec::new();
            mark.encode(&mut line);
            assert!(line.len() <= LONGEST_BYTES);
            assert_eq!(read(&line), Ok(Annotation::Follows(mark)));
        }
        assert!(read(b"#tm-follows 3 4711 9000\r\n").is_err(), "without a seal");
    }

    #[test]
    fn a_line_whose_end_has_rotted_does_not_hide_a_mark() {
        for before in [&b"#TS:1700000000\r"[..], b"# a comment\r", b"#tm-history x\r"] {
            for end in [0x0b, 0x08, 0x0e, 0x1a, 0x8a] {
                let mut line = [before, &[end]].concat();
                BlockMark::of(100, 114, b"123456789").at(4711).encode(&mut line);
                assert!(read(&line).is_err(), "{}", String::from_utf8_lossy(&line));
            }
        }
    }

    #[test]
    fn timestamps_and_foreign_lines() {
        let mut line = Vec::new();
        encode_timestamp(1_700_000_000, &mut line);
        assert_eq!(line, b"#TS:1700000000\r\n");
        assert_eq!(read(&line), Ok(Annotation::Timestamp(1_700_000_000)));
        for line in [&b"#TS:x\r\n"[..], b"#\r\n", b"# a comment\r\n", b"#Tm 1\r\n"] {
            assert_eq!(read(line), Ok(Annotation::Other));
        }
    }

    #[test]
    fn whatever_bit_of_a_sealed_line_rots_it_is_an_error_or_no_annotation() {
        let id = *b"35edfed1983f3a6dca628483820a0346f6f0fcad";
        let mut lines = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        BlockMark::of(100, 114, b"123456789").at(4711).encode(&mut lines[0]);
        HistoryMark { id, second_id: [b'0'; 40], second_offset: -1 }.encode(&mut lines[1]);
        lines[2] = lines[0][..lines[0].len() - 2].to_vec();
        lines[2].extend(b"   \r\n");
        FollowsMark { sequence: 3, size: 4711, offset: None }.encode(&mut lines[3]);
        for line in lines {
            assert!(read(&line).is_ok());
            for bit in 0..8 * line.len() {
                let mut rotten = line.clone();
                rotten[bit / 8] ^= 1 << (bit % 8);
                // What follows begins like a command.
                rotten.extend(b"*1\r\n$4\r\nPING\r\n");
                match parse_record(&rotten, &mut Vec::new()) {
                    Record::Annotation { text, .. } => {
                        let parsed = Annotation::parse(text);
                        // The CR in front of the LF says nothing.
                        let harmless = bit / 8 == line.len() - 2;
                        assert!(parsed.is_err() || harmless, "{bit}: {parsed:?}");
                    }
                    Record::Malformed(_) => {}
                    record => panic!("{bit}: {record:?}"),
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        for line in [
            &b"#tm 100 114 9\r\n"[..],
            b"#tm 100 114 9 995dc9bbdf1939f\r\n",
            b"#tm 100 114 9 995DC9BBDF1939FA\r\n",
            b"#tm 100 99 9 995dc9bbdf1939fa\r\n",
            b"#tm 0100 114 9 995dc9bbdf1939fa\r\n",
            b"#tm 100 114 -9 995dc9bbdf1939fa\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa x\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa -1\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa 07\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa 7 7\r\n",
            b"#tm 100 114  9 995dc9bbdf1939fa\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa 4711 s42a22f08\r\n",
            b"#tm 100 114 9 995dc9bbdf1939fa  s42a22f07\r\n",
            b"#um 100 114 9 995dc9bbdf1939fa 4711 s42a22f07\r\n",
            b"#tm-history abc abc 0\r\n",
            b"#tm-histery x\r\n",
            b"#tm\r\n",
        ] {
            assert!(read(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
        let id = "a".repeat(40);
        assert!(read(format!("#tm-history {id} {id} -2\r\n").as_bytes()).is_err());
        assert!(read(format!("#tm-history {id} {id} 7\r\n").as_bytes()).is_ok());
    }
}
