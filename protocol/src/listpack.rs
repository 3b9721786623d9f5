//! The listpack: a string of bytes that holds a sequence of short strings and integers.
//!
//! Small collections are kept in memory in exactly the layout in which RDB stores them, so a
//! snapshot copies bytes. This module holds the algorithms on slices: reading, walking, searching,
//! checking and writing one entry into a gap. Who owns the bytes and makes the gap is
//! `keyspace::packed`.
//!
//! A position is the byte offset of an entry. Functions that take a listpack expect one that
//! [`validate`] accepts; with other bytes they may panic, never more.
//!
//! ```text
//! u32 LE total bytes | u16 LE count (65535 = unknown) | entry … | FF
//!
//! entry:  body | backlen
//! body:   0xxxxxxx                          0 … 127
//!         10llllll            bytes         up to 63 bytes
//!         110xxxxx xxxxxxxx                 -4096 … 4095, big endian
//!         1110llll llllllll   bytes         up to 4095 bytes
//!         F0 u32 LE           bytes
//!         F1 i16 LE, F2 i24 LE, F3 i32 LE, F4 i64 LE
//! backlen: size of the body in 7-bit groups, most significant first; all but the first have
//!         bit 7 set, so that it can be read from its end
//! ```
//!
//! # Source
//! - `docs` of the formats, 3.1. The limits of the backlen are off by one from the natural ones (a
//!   body of 16383 bytes takes three bytes): every implementation agrees, so it is part of the
//!   format.

use std::cmp::Ordering;
use std::ops::Range;

use crate::number::parse_i64;

/// Bytes before the first entry.
pub const HEADER_BYTES: usize = 6;
/// The listpack without entries.
pub const EMPTY: [u8; 7] = [7, 0, 0, 0, 0, 0, END];
/// The largest listpack that peers make.
pub const MAX_BYTES: usize = 1 << 30;

const END: u8 = 0xFF;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Why bytes are not a listpack or an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct Malformed {
    /// Where in the bytes.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Room for the text of an integer.
#[derive(Default)]
pub struct TextBuffer(itoa::Buffer);

impl TextBuffer {
    /// A fresh buffer.
    pub fn new() -> Self {
        Self(itoa::Buffer::new())
    }
}

/// One element: an integer, or bytes.
///
/// Equality is that of the form; an integer equals its own text under [`Value::eq_bytes`] and
/// [`Value::text_cmp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Stands for its decimal text.
    Int(i64),
    /// Any bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The form in which `bytes` is stored: an integer if it is the canonical text of an `i64`.
    pub fn of(bytes: &'a [u8]) -> Self {
        match parse_i64(bytes) {
            Some(number) => Value::Int(number),
            None => Value::Bytes(bytes),
        }
    }

    /// Length of the text.
    #[expect(clippy::len_without_is_empty, reason = "no caller asks whether an element is empty")]
    pub fn len(self) -> usize {
        match self {
            Value::Int(number) => {
                let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                digits + usize::from(number < 0)
            }
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    /// The text; that of an integer is written into `buffer`.
    pub fn to_text<'b>(self, buffer: &'b mut TextBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Value::Int(number) => buffer.0.format(number).as_bytes(),
            Value::Bytes(bytes) => bytes,
        }
    }

    /// The text in a vector of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.to_text(&mut TextBuffer::new()).to_vec()
    }

    /// The integer, also if it is held as text.
    pub fn to_i64(self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(number),
            Value::Bytes(bytes) => parse_i64(bytes),
        }
    }

    /// Whether the text is `bytes`.
    pub fn eq_bytes(self, bytes: &[u8]) -> bool {
        match self {
            Value::Int(number) => parse_i64(bytes) == Some(number),
            Value::Bytes(own) => own == bytes,
        }
    }

    /// Whether the texts are equal; cheaper than [`Value::eq_bytes`] for one needle and many
    /// values.
    pub fn same_text(self, other: Value<'_>) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Int(number), Value::Bytes(text)) | (Value::Bytes(text), Value::Int(number)) => {
                parse_i64(text) == Some(number)
            }
        }
    }

    /// Compares the texts byte by byte.
    pub fn text_cmp(self, bytes: &[u8]) -> Ordering {
        self.to_text(&mut TextBuffer::new()).cmp(bytes)
    }
}

/// Checks bytes from outside; returns the number of entries.
pub fn validate(bytes: &[u8]) -> Result<usize, Malformed> {
    let fail = |offset, reason| Err(Malformed { offset, reason });
    if bytes.len() < EMPTY.len() {
        return fail(0, "listpack shorter than its frame");
    }
    if total_bytes(bytes) != bytes.len() {
        return fail(0, "listpack total differs from its length");
    }
    let end = bytes.len() - 1;
    if bytes[end] != END {
        return fail(end, "listpack without end mark");
    }
    let mut at = HEADER_BYTES;
    let mut count = 0;
    while at < end {
        let Some(body) = checked_body_len(&bytes[at..end]) else {
            return fail(at, "listpack entry is unknown or cut");
        };
        let backlen_at = at + body;
        let next = backlen_at + backlen_bytes(body);
        if next > end {
            return fail(backlen_at, "listpack entry is cut");
        }
        let mut expected = [0; 5];
        if bytes[backlen_at..next] != *put_backlen(body, &mut expected) {
            return fail(backlen_at, "listpack backlen differs from the entry");
        }
        count += 1;
        at = next;
    }
    match stored_count(bytes) {
        Some(stored) if stored != count => fail(4, "listpack count differs from its entries"),
        _ => Ok(count),
    }
}

/// Total bytes by the header.
pub fn total_bytes(list: &[u8]) -> usize {
    u32::from_le_bytes([list[0], list[1], list[2], list[3]]) as usize
}

/// The element at `at` and the position behind its entry.
#[inline]
pub fn read(list: &[u8], at: usize) -> (Value<'_>, usize) {
    let (value, body) = decode(&list[at..]);
    (value, at + body + backlen_bytes(body))
}

/// Number of entries by the header, unless there are too many for it.
pub fn stored_count(list: &[u8]) -> Option<usize> {
    let count = u16::from_le_bytes([list[4], list[5]]);
    (count != COUNT_UNKNOWN).then_some(usize::from(count))
}

/// The six bytes of a header.
///
/// # Panics
/// If `total` is too large for a listpack.
pub fn header(total: usize, count: Option<usize>) -> [u8; HEADER_BYTES] {
    let total = u32::try_from(total).expect("a listpack is smaller than 4 GiB");
    let count = count.and_then(|count| u16::try_from(count).ok()).unwrap_or(COUNT_UNKNOWN);
    let [a, b, c, d] = total.to_le_bytes();
    let [e, f] = count.to_le_bytes();
    [a, b, c, d, e, f]
}

/// Number of entries; walks if the header does not know it.
pub fn count(list: &[u8]) -> usize {
    stored_count(list).unwrap_or_else(|| {
        let mut entries = 0;
        let mut at = first(list);
        while let Some(position) = at {
            entries += 1;
            at = next(list, position);
        }
        entries
    })
}

/// Position of the first entry.
pub fn first(list: &[u8]) -> Option<usize> {
    (list.len() > EMPTY.len()).then_some(HEADER_BYTES)
}

/// Position of the last entry.
pub fn last(list: &[u8]) -> Option<usize> {
    prev(list, list.len() - 1)
}

/// Position of the entry after the one at `at`.
pub fn next(list: &[u8], at: usize) -> Option<usize> {
    let next = at + entry_len(list, at);
    (next < list.len() - 1).then_some(next)
}

/// Position of the entry before `at`, which may also be the position of the end mark.
pub fn prev(list: &[u8], at: usize) -> Option<usize> {
    if at <= HEADER_BYTES {
        return None;
    }
    let (mut body, mut shift, mut from) = (0, 0, at - 1);
    while list[from] & 0x80 != 0 {
        body |= usize::from(list[from] & 0x7F) << shift;
        shift += 7;
        from -= 1;
    }
    body |= usize::from(list[from]) << shift;
    Some(from - body)
}

/// Size of the entry at `at`, backlen included.
pub fn entry_len(list: &[u8], at: usize) -> usize {
    let body = body_len(&list[at..]);
    body + backlen_bytes(body)
}

/// The element at `at`.
pub fn value(list: &[u8], at: usize) -> Value<'_> {
    decode(&list[at..]).0
}

/// Position of the entry with that index, found from the nearer end.
pub fn seek(list: &[u8], index: usize) -> Option<usize> {
    let stored = stored_count(list);
    match stored {
        Some(count) if index >= count => None,
        Some(count) if index > count / 2 => {
            let mut at = last(list)?;
            for _ in index + 1..count {
                at = prev(list, at)?;
            }
            Some(at)
        }
        _ => {
            let mut at = first(list)?;
            for _ in 0..index {
                at = next(list, at)?;
            }
            Some(at)
        }
    }
}

/// Position of the first entry whose text is `needle`, looking at one entry and then passing over
/// `skip` ones (1 for the fields of a hash).
pub fn find(list: &[u8], needle: &[u8], skip: usize) -> Option<usize> {
    let integer = parse_i64(needle);
    let end = list.len() - 1;
    let mut at = HEADER_BYTES;
    while at < end {
        let (value, body) = decode(&list[at..]);
        let found = match value {
            Value::Bytes(bytes) => bytes == needle,
            Value::Int(number) => integer == Some(number),
        };
        if found {
            return Some(at);
        }
        at += body + backlen_bytes(body);
        for _ in 0..skip {
            if at < end {
                at += entry_len(list, at);
            }
        }
    }
    None
}

/// All elements; the iterator goes both ways.
pub fn iter(list: &[u8]) -> Iter<'_> {
    Iter { list, front: HEADER_BYTES, back: list.len() - 1 }
}

/// The elements with the indexes in `range`, which is cut to what is there.
pub fn range(list: &[u8], range: Range<usize>) -> Iter<'_> {
    let end = list.len() - 1;
    if range.is_empty() {
        return Iter { list, front: end, back: end };
    }
    let front = seek(list, range.start).unwrap_or(end);
    Iter { list, front, back: seek(list, range.end).unwrap_or(end).max(front) }
}

/// Iterator over elements, see [`iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (value, body) = decode(&self.list[self.front..]);
        self.front += body + backlen_bytes(body);
        Some(value)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = prev(self.list, self.back)?;
        Some(value(self.list, self.back))
    }
}

/// Size of the entry that [`write()`] makes of `value`.
pub fn encoded_len(value: Value<'_>) -> usize {
    let body = encoded_body_len(value);
    body + backlen_bytes(body)
}

/// Size of the body that [`write_body()`] makes of `value`.
#[inline]
pub fn encoded_body_len(value: Value<'_>) -> usize {
    match value {
        Value::Int(number) => integer_body(number),
        Value::Bytes(bytes) => match bytes.len() {
            len @ 0..=0x3F => 1 + len,
            len @ 0x40..=0xFFF => 2 + len,
            len => 5 + len,
        },
    }
}

/// Writes the entry of `value` in its smallest form.
///
/// # Panics
/// If `gap` is not exactly [`encoded_len`] bytes.
pub fn write(value: Value<'_>, gap: &mut [u8]) {
    let body = write_body(value, gap);
    let mut backlen = [0; 5];
    gap[body..].copy_from_slice(put_backlen(body, &mut backlen));
}

/// Writes an entry without its backlen to the beginning of `gap`; returns its size.
///
/// # Panics
/// If `gap` has less than [`encoded_body_len`] bytes.
pub fn write_body(value: Value<'_>, gap: &mut [u8]) -> usize {
    match value {
        Value::Int(number) => write_integer(number, gap),
        Value::Bytes(bytes) => write_bytes(bytes, gap),
    }
}

/// Makes a listpack of `count` bodies that lie one behind the other. The vector's old content is lost.
pub fn of_bodies(bodies: &[u8], count: usize, list: &mut Vec<u8>) {
    list.clear();
    // Bodies of up to 127 bytes, as they usually are, have a backlen of one byte.
    list.reserve(EMPTY.len() + bodies.len() + count);
    list.extend_from_slice(&EMPTY[..HEADER_BYTES]);
    let mut rest = bodies;
    while !rest.is_empty() {
        let (body, behind) = rest.split_at(body_len(rest));
        list.extend_from_slice(body);
        match body.len() {
            len @ 0..=127 => list.push(len as u8),
            len => list.extend_from_slice(put_backlen(len, &mut [0; 5])),
        }
        rest = behind;
    }
    list.push(END);
    let head = header(list.len(), Some(count));
    list[..HEADER_BYTES].copy_from_slice(&head);
}

/// The bodies of all entries, for a form that needs no backlens.
pub fn bodies(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &list[HEADER_BYTES..list.len() - 1];
    std::iter::from_fn(move || {
        let len = if rest.is_empty() { return None } else { body_len(rest) };
        let body = &rest[..len];
        rest = &rest[len + backlen_bytes(len)..];
        Some(body)
    })
}

/// Appends to a listpack in a vector: for readers of old encodings and for tests.
pub fn push(list: &mut Vec<u8>, value: Value<'_>) {
    let count = stored_count(list).map(|count| count + 1);
    let at = list.len() - 1;
    list.resize(list.len() + encoded_len(value), 0);
    let end = list.len() - 1;
    write(value, &mut list[at..end]);
    list[end] = END;
    let head = header(list.len(), count);
    list[..HEADER_BYTES].copy_from_slice(&head);
}

/// Appends many elements to a listpack in a vector: its frame is closed once, at the end.
///
/// Between [`Appender::new`] and [`Appender::finish`] the bytes are no listpack.
pub struct Appender<'a> {
    list: &'a mut Vec<u8>,
    count: usize,
}

impl<'a> Appender<'a> {
    /// Opens the frame; the first element is put behind the last one.
    #[inline]
    pub fn new(list: &'a mut Vec<u8>) -> Self {
        assert_eq!(list.pop(), Some(END), "a listpack ends with its mark");
        Self { list, count: 0 }
    }

    /// Appends one element.
    #[inline]
    pub fn push(&mut self, value: Value<'_>) {
        let at = self.list.len();
        self.count += 1;
        if let Value::Int(number @ 0..=127) = value {
            return self.list.extend_from_slice(&[number as u8, 1]);
        }
        self.list.resize(at + encoded_len(value), 0);
        write(value, &mut self.list[at..]);
    }

    /// Closes the frame.
    #[inline]
    pub fn finish(self) {
        self.list.push(END);
        let count = stored_count(self.list).map(|count| count + self.count);
        let head = header(self.list.len(), count);
        self.list[..HEADER_BYTES].copy_from_slice(&head);
    }
}

/// Replaces the element at `at` of a listpack in a vector by an integer. Returns by how much what follows moved.
pub fn replace_int(list: &mut Vec<u8>, at: usize, number: i64) -> isize {
    let (value, old) = (Value::Int(number), entry_len(list, at));
    let new = encoded_len(value);
    if new != old {
        list.splice(at..at + old, std::iter::repeat_n(0, new));
        let head = header(list.len(), stored_count(list));
        list[..HEADER_BYTES].copy_from_slice(&head);
    }
    write(value, &mut list[at..at + new]);
    new as isize - old as isize
}

fn write_integer(number: i64, gap: &mut [u8]) -> usize {
    let body = integer_body(number);
    let bytes = number.to_le_bytes();
    match body {
        1 => gap[0] = bytes[0],
        2 => {
            gap[0] = 0xC0 | (bytes[1] & 0x1F);
            gap[1] = bytes[0];
        }
        _ => {
            gap[0] = match body {
                3 => 0xF1,
                4 => 0xF2,
                5 => 0xF3,
                _ => 0xF4,
            };
            gap[1..body].copy_from_slice(&bytes[..body - 1]);
        }
    }
    body
}

fn write_bytes(bytes: &[u8], gap: &mut [u8]) -> usize {
    let len = bytes.len();
    let start = match len {
        0..=0x3F => {
            gap[0] = 0x80 | len as u8;
            1
        }
        0x40..=0xFFF => {
            gap[0] = 0xE0 | (len >> 8) as u8;
            gap[1] = len as u8;
            2
        }
        _ => {
            let len = u32::try_from(len).expect("an element is smaller than 4 GiB");
            gap[0] = 0xF0;
            gap[1..5].copy_from_slice(&len.to_le_bytes());
            5
        }
    };
    gap[start..start + len].copy_from_slice(bytes);
    start + len
}

fn integer_body(number: i64) -> usize {
    match number {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7FFF => 3,
        -0x80_0000..=0x7F_FFFF => 4,
        -0x8000_0000..=0x7FFF_FFFF => 5,
        _ => 9,
    }
}

/// Little endian, two's complement, any width up to 8.
fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xFF; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

fn long_len(entry: &[u8]) -> usize {
    u32::from_le_bytes([entry[1], entry[2], entry[3], entry[4]]) as usize
}

/// The element of an entry, and the size of its body. What follows the body is not looked at.
#[inline]
pub fn decode(entry: &[u8]) -> (Value<'_>, usize) {
    let bytes = |head, len| (Value::Bytes(&entry[head..head + len]), head + len);
    match entry[0] {
        byte @ 0..=0x7F => (Value::Int(i64::from(byte)), 1),
        byte @ 0x80..=0xBF => bytes(1, usize::from(byte & 0x3F)),
        byte @ 0xC0..=0xDF => {
            let raw = u16::from_be_bytes([byte & 0x1F, entry[1]]);
            (Value::Int(i64::from(((raw << 3) as i16) >> 3)), 2)
        }
        byte @ 0xE0..=0xEF => bytes(2, usize::from(u16::from_be_bytes([byte & 0x0F, entry[1]]))),
        0xF0 => bytes(5, long_len(entry)),
        0xF1 => (Value::Int(signed(&entry[1..3])), 3),
        0xF2 => (Value::Int(signed(&entry[1..4])), 4),
        0xF3 => (Value::Int(signed(&entry[1..5])), 5),
        0xF4 => (Value::Int(signed(&entry[1..9])), 9),
        _ => panic!("not a listpack entry"),
    }
}

/// Size of the body by its first bytes.
#[inline]
pub fn body_len(entry: &[u8]) -> usize {
    match entry[0] {
        0..=0x7F => 1,
        byte @ 0x80..=0xBF => 1 + usize::from(byte & 0x3F),
        0xC0..=0xDF => 2,
        byte @ 0xE0..=0xEF => 2 + usize::from(u16::from_be_bytes([byte & 0x0F, entry[1]])),
        0xF0 => 5 + long_len(entry),
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        _ => panic!("not a listpack entry"),
    }
}

/// The same for bytes that nobody has checked; `None` if the body is unknown or does not fit.
pub fn checked_body_len(rest: &[u8]) -> Option<usize> {
    let head = match *rest.first()? {
        0xF5.. => return None,
        0xF0 => 5,
        0xE0..=0xEF => 2,
        _ => 1,
    };
    let body = if rest.len() >= head { body_len(rest) } else { return None };
    (body <= rest.len()).then_some(body)
}

fn backlen_bytes(body: usize) -> usize {
    match body {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn put_backlen(body: usize, buffer: &mut [u8; 5]) -> &[u8] {
    let len = backlen_bytes(body);
    for (index, byte) in buffer[..len].iter_mut().enumerate() {
        let group = (body >> (7 * (len - 1 - index))) as u8 & 0x7F;
        *byte = if index == 0 { group } else { group | 0x80 };
    }
    &buffer[..len]
}

#[cfg(test)]
mod tests;
