//! Packed encodings once more, as plainly as they can be written: what the project's readers are compared with.
//!
//! A mutated byte nearly always makes a total, a count or a length of the entry before wrong, and the reader is right
//! to look no further. So each encoding also has a builder here that puts these right around entries as they come.
//!
//! # Source
//! - `listpack.c`, `intset.c`, `ziplist.c` and `zipmap.c` of Redis 7.2

use protocol::listpack::{TextBuffer, Value};

/// The elements of a packed value as texts.
pub type Texts = Vec<Vec<u8>>;

/// Whether values have these texts. Nothing is allocated: it is asked after every step of every input.
pub fn are<'a, 'b>(
    values: impl Iterator<Item = Value<'a>>,
    texts: impl ExactSizeIterator<Item = &'b Vec<u8>>,
) -> bool {
    let (mut left, mut texts) = (texts.len(), texts);
    for value in values {
        match texts.next() {
            Some(text) if value.to_text(&mut TextBuffer::new()) == text => left -= 1,
            _ => return false,
        }
    }
    left == 0
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The little-endian number in up to 8 bytes, with its sign.
fn signed(bytes: &[u8]) -> i64 {
    let number = bytes.iter().rev().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    let unused = 64 - 8 * bytes.len() as u32;
    number << unused >> unused
}

/// One entry of a listpack without its backlen: its text and how many bytes it takes.
fn listpack_entry(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = *rest.first()?;
    let bytes = |from: usize, len: usize| Some((rest.get(from..from + len)?.to_vec(), from + len));
    let number = |len: usize| Some((text(signed(rest.get(1..1 + len)?)), 1 + len));
    match first {
        0..=0x7f => Some((text(i64::from(first)), 1)),
        0x80..=0xbf => bytes(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let number = i64::from(first & 0x1f) << 8 | i64::from(*rest.get(1)?);
            Some((text(if number < 4096 { number } else { number - 8192 }), 2))
        }
        0xe0..=0xef => bytes(2, usize::from(first & 0x0f) << 8 | usize::from(*rest.get(1)?)),
        0xf0 => bytes(5, u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xf1 => number(2),
        0xf2 => number(3),
        0xf3 => number(4),
        0xf4 => number(8),
        _ => None,
    }
}

fn backlen(body: usize) -> Vec<u8> {
    let groups = match body {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2097150 => 3,
        2097151..=268435454 => 4,
        _ => 5,
    };
    let group = |index: usize| (body >> (7 * index) & 0x7f) as u8;
    let top = groups - 1;
    (0..groups).rev().map(|index| group(index) | if index == top { 0 } else { 0x80 }).collect()
}

/// The elements of a listpack; `None` if the bytes are none.
pub fn listpack(bytes: &[u8]) -> Option<Texts> {
    let (header, rest) = bytes.split_at_checked(6)?;
    let (end, mut rest) = rest.split_last()?;
    let total = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    if *end != 0xff || total != bytes.len() {
        return None;
    }
    let mut texts = Texts::new();
    while !rest.is_empty() {
        let (text, body) = listpack_entry(rest)?;
        texts.push(text);
        rest = rest[body..].strip_prefix(&backlen(body)[..])?;
    }
    let count = u16::from_le_bytes([header[4], header[5]]);
    (count == u16::MAX || usize::from(count) == texts.len()).then_some(texts)
}

/// A listpack of the entries that lie one after the other in `bodies`, without backlens, up to the first bad one.
pub fn listpack_of(mut bodies: &[u8], count_is_known: bool) -> Vec<u8> {
    let (mut bytes, mut count) = (vec![0; 6], 0_u16);
    while let Some((_, body)) = listpack_entry(bodies) {
        bytes.extend_from_slice(&bodies[..body]);
        bytes.extend(backlen(body));
        bodies = &bodies[body..];
        count += 1;
    }
    bytes.push(0xff);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    let count = if count_is_known { count } else { u16::MAX };
    bytes[4..6].copy_from_slice(&count.to_le_bytes());
    bytes
}

/// The numbers of an intset; `None` if the bytes are none.
pub fn intset(bytes: &[u8]) -> Option<Vec<i64>> {
    let (header, slots) = bytes.split_at_checked(8)?;
    let width = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let count = u32::from_le_bytes(header[4..].try_into().ok()?) as usize;
    if ![2, 4, 8].contains(&width) || count == 0 || slots.len() % width != 0 {
        return None;
    }
    let numbers: Vec<i64> = slots.chunks(width).map(signed).collect();
    (numbers.len() == count && numbers.is_sorted_by(|a, b| a < b)).then_some(numbers)
}

/// One entry of a ziplist without its prevlen: its text and how many bytes it takes.
fn ziplist_entry(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let first = *rest.first()?;
    let bytes = |from: usize, len: usize| Some((rest.get(from..from + len)?.to_vec(), from + len));
    let number = |len: usize| Some((text(signed(rest.get(1..1 + len)?)), 1 + len));
    match first {
        0..=0x3f => bytes(1, usize::from(first)),
        0x40..=0x7f => bytes(2, usize::from(first & 0x3f) << 8 | usize::from(*rest.get(1)?)),
        0x80 => bytes(5, u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize),
        0xc0 => number(2),
        0xd0 => number(4),
        0xe0 => number(8),
        0xf0 => number(3),
        0xfe => number(1),
        0xf1..=0xfd => Some((text(i64::from(first) - 0xf1), 1)),
        _ => None,
    }
}

/// The elements of a ziplist; `None` if the bytes are none.
pub fn ziplist(bytes: &[u8]) -> Option<Texts> {
    let (header, rest) = bytes.split_at_checked(10)?;
    let (end, mut rest) = rest.split_last()?;
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4")) as usize;
    if *end != 0xff || word(0) != bytes.len() {
        return None;
    }
    let (mut texts, mut at, mut last, mut previous) = (Texts::new(), 10, 10, 0);
    while !rest.is_empty() {
        let (prevlen, taken) = match rest[0] {
            0xfe => (u32::from_le_bytes(rest.get(1..5)?.try_into().ok()?) as usize, 5),
            0xff => return None,
            short => (usize::from(short), 1),
        };
        let (text, len) = ziplist_entry(&rest[taken..])?;
        if prevlen != previous {
            return None;
        }
        texts.push(text);
        (last, previous) = (at, taken + len);
        at += previous;
        rest = &rest[previous..];
    }
    let count = u16::from_le_bytes([header[8], header[9]]);
    let counted = count == u16::MAX || usize::from(count) == texts.len();
    (counted && word(4) == last).then_some(texts)
}

/// A ziplist of the entries that lie one after the other in `bodies`, without prevlens, up to the first bad one.
pub fn ziplist_of(mut bodies: &[u8], wide_lengths: bool, count_is_known: bool) -> Vec<u8> {
    let (mut bytes, mut count) = (vec![0; 10], 0_u16);
    let (mut last, mut previous) = (10, 0);
    while let Some((_, body)) = ziplist_entry(bodies) {
        last = bytes.len();
        if previous < 0xfe && !wide_lengths {
            bytes.push(previous as u8);
        } else {
            bytes.push(0xfe);
            bytes.extend((previous as u32).to_le_bytes());
        }
        bytes.extend_from_slice(&bodies[..body]);
        bodies = &bodies[body..];
        previous = bytes.len() - last;
        count += 1;
    }
    bytes.push(0xff);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    let count = if count_is_known { count } else { u16::MAX };
    bytes[8..10].copy_from_slice(&count.to_le_bytes());
    bytes
}

/// The keys and values of a zipmap; `None` if the bytes are none.
pub fn zipmap(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (count, rest) = bytes.split_first()?;
    let (end, mut rest) = rest.split_last()?;
    if *end != 0xff {
        return None;
    }
    fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
        let (taken, behind) = rest.split_at_checked(len)?;
        *rest = behind;
        Some(taken)
    }
    fn length(rest: &mut &[u8]) -> Option<usize> {
        match take(rest, 1)?[0] {
            0xfe => Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?) as usize),
            0xff => None,
            short => Some(usize::from(short)),
        }
    }
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let len = length(&mut rest)?;
        let key = take(&mut rest, len)?.to_vec();
        let len = length(&mut rest)?;
        let free = usize::from(take(&mut rest, 1)?[0]);
        pairs.push((key, take(&mut rest, len)?.to_vec()));
        take(&mut rest, free)?;
    }
    (*count >= 0xfe || usize::from(*count) == pairs.len()).then_some(pairs)
}
