//! Ids of entries as text: what requests may say, and how replies show them.
//!
//! ```text
//! ms-seq     whole
//! ms         the missing part is 0, or the greatest where a range ends
//! - +        the lowest and the greatest, where a range is asked for
//! (ms-seq    a range without its end
//! * ms-*     made by XADD
//! ```
//!
//! The parts are read as Redis reads them: a canonical decimal, or else whatever C's `strtoull` takes to the end.

use crate::refusal::Refusal;
use keyspace::stream::StreamId;
use protocol::resp::Reply;

/// The longest text that is looked at.
const LONGEST: usize = 127;

const INVALID: Refusal =
    Refusal::fixed("ERR Invalid stream ID specified as stream command argument");

/// An id as text, `ms-seq`.
pub(super) struct IdText {
    bytes: [u8; 41],
    len: usize,
}

impl IdText {
    #[inline]
    pub fn of(id: StreamId) -> IdText {
        let mut text = IdText { bytes: [0; 41], len: 0 };
        let mut number = itoa::Buffer::new();
        text.push(number.format(id.ms).as_bytes());
        text.push(b"-");
        text.push(number.format(id.seq).as_bytes());
        text
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Writes an id.
#[inline]
pub(super) fn write(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(IdText::of(id).bytes());
}

/// The id that XADD is asked to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// Made of the time.
    Auto,
    /// The next one in this millisecond.
    InMs(u64),
    /// This one.
    Exactly(StreamId),
}

impl NewId {
    pub fn parse(text: &[u8]) -> Result<NewId, Refusal> {
        if text == b"*" {
            return Ok(NewId::Auto);
        }
        match text.split_last_chunk::<2>() {
            Some((ms, b"-*")) if text.len() <= LONGEST && !ms.contains(&b'-') => {
                natural(ms).map(NewId::InMs).ok_or(INVALID)
            }
            _ => whole(text, 0).map(NewId::Exactly),
        }
    }

    /// The id to use after `last`; `None` if there is none that is greater.
    pub fn after(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        match self {
            NewId::Auto if now_ms > last.ms => Some(StreamId { ms: now_ms, seq: 0 }),
            NewId::Auto => last.next(),
            NewId::InMs(ms) if ms == last.ms => {
                Some(StreamId { ms, seq: last.seq.checked_add(1)? })
            }
            NewId::InMs(ms) => Some(StreamId { ms, seq: 0 }).filter(|id| *id > last),
            NewId::Exactly(id) => Some(id).filter(|id| *id > last),
        }
    }
}

/// A whole id, or one without its second part.
pub(super) fn whole(text: &[u8], missing_seq: u64) -> Result<StreamId, Refusal> {
    if text.len() > LONGEST {
        return Err(INVALID);
    }
    let (ms, seq) = match text.iter().position(|byte| *byte == b'-') {
        None => (natural(text), Some(missing_seq)),
        Some(dash) => (natural(&text[..dash]), natural(&text[dash + 1..])),
    };
    match (ms, seq) {
        (Some(ms), Some(seq)) => Ok(StreamId { ms, seq }),
        _ => Err(INVALID),
    }
}

/// The same, or `-` or `+`.
pub(super) fn any(text: &[u8], missing_seq: u64) -> Result<StreamId, Refusal> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => whole(text, missing_seq),
    }
}

/// The first id of a range.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let refusal = Refusal::fixed("ERR invalid start ID for the interval");
            whole(rest, 0)?.next().ok_or(refusal)
        }
        _ => any(text, 0),
    }
}

/// The last id of a range.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let refusal = Refusal::fixed("ERR invalid end ID for the interval");
            whole(rest, u64::MAX)?.prev().ok_or(refusal)
        }
        _ => any(text, u64::MAX),
    }
}

/// One part of an id.
fn natural(text: &[u8]) -> Option<u64> {
    if let Some(number) = protocol::number::parse_i64(text) {
        return u64::try_from(number).ok();
    }
    // strtoull: blanks, a sign, digits. A negative number wraps around.
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(digit as u64)?;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, expected) in [
            ("1-2", Some(id(1, 2))),
            ("1", Some(id(1, 9))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616-0", None),
            ("0001-002", Some(id(1, 2))),
            (" 1- 2", Some(id(1, 2))),
            ("+1", Some(id(1, 9))),
            ("1--2", None),
            ("1--02", Some(id(1, u64::MAX - 1))),
            ("-1", None),
            ("-", None),
            ("+", None),
            ("", None),
            ("1-", None),
            ("1-2-3", None),
            ("1-*", None),
            ("a-1", None),
            ("1 -2", None),
        ] {
            assert_eq!(whole(text.as_bytes(), 9).ok(), expected, "{text}");
        }
        assert!(whole(&[b'0'; 127], 0).is_ok() && whole(&[b'0'; 128], 0).is_err());
        assert_eq!(NewId::parse(b"5-*"), Ok(NewId::InMs(5)));
        assert_eq!(NewId::parse(b"*"), Ok(NewId::Auto));
        assert!(NewId::parse(b"*-*").is_err() && NewId::parse(b"1-1-*").is_err());
    }

    #[test]
    fn new_ids_are_greater_than_the_last() {
        let last = id(5, 7);
        for (wanted, now, expected) in [
            (NewId::Auto, 6, Some(id(6, 0))),
            (NewId::Auto, 5, Some(id(5, 8))),
            (NewId::Auto, 1, Some(id(5, 8))),
            (NewId::InMs(5), 1, Some(id(5, 8))),
            (NewId::InMs(6), 1, Some(id(6, 0))),
            (NewId::InMs(4), 1, None),
            (NewId::Exactly(id(5, 7)), 1, None),
            (NewId::Exactly(id(5, 9)), 1, Some(id(5, 9))),
        ] {
            assert_eq!(wanted.after(last, now), expected, "{wanted:?}");
        }
        assert_eq!(NewId::InMs(5).after(id(5, u64::MAX), 9), None);
        assert_eq!(NewId::Auto.after(id(5, u64::MAX), 5), Some(id(6, 0)));
        assert_eq!(NewId::Auto.after(StreamId::MAX, 5), None);
        // With nothing before it, ms 0 begins at 1: 0-0 is no id.
        assert_eq!(NewId::InMs(0).after(StreamId::MIN, 5), Some(id(0, 1)));
    }

    #[test]
    fn the_text_of_an_id() {
        assert_eq!(IdText::of(id(0, 0)).bytes(), b"0-0");
        let longest = b"18446744073709551615-18446744073709551615";
        assert_eq!(IdText::of(StreamId::MAX).bytes(), longest);
    }
}
