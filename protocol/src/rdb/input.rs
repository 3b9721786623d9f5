//! The reader's buffer: bytes, lengths and strings out of any source, with offset and checksum.
//!
//! The source is asked for whole buffers; everything else is arithmetic on indices. The checksum is taken over
//! whole regions too, when they are about to be overwritten.
//!
//! ```text
//! buffer:  [ … digested | read, not digested | unread           | free ]
//!                       ^digested    ^pin    ^position    filled^
//! ```
//!
//! A string is lent out of the buffer without a copy if it is short; `pin` then keeps its first byte from being
//! overwritten while a second one (the value of a field) is read. Longer ones are collected in a scratch vector that
//! grows only as bytes arrive.
//!
//! # Invariants
//! - digested ≤ position ≤ filled ≤ length of the buffer; pin ≤ position while pinned
//! - two lent strings, their lengths and a score fit in the buffer: none is above a quarter of it, and a string that
//!   is collected leaves nothing in it

use super::error::{Malformed, ReadError};
use crate::crc64::RdbCrc;
use crate::lzf;

/// Where RDB bytes come from.
pub trait Source {
    /// How it can fail.
    type Error;

    /// Puts the next bytes at the front of `buffer` and returns how many; 0 means the end. May give fewer than fit.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

impl Source for &[u8] {
    type Error = std::convert::Infallible;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let len = self.len().min(buffer.len());
        let (now, later) = self.split_at(len);
        buffer[..len].copy_from_slice(now);
        *self = later;
        Ok(len)
    }
}

impl<S: Source> Source for &mut S {
    type Error = S::Error;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        (**self).read(buffer)
    }
}

/// A string as it lies in the file: the short forms of integers are not turned into text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrRef<'a> {
    /// An integer, which stands for its decimal text.
    Int(i64),
    /// The bytes.
    Bytes(&'a [u8]),
}

impl<'a> StrRef<'a> {
    /// The text, written into `buffer` if it was an integer.
    pub fn text<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(number) => buffer.format(number).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The text, as a copy.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }
}

/// A string that has been read, by where it is now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Int(i64),
    /// In the buffer, so many bytes behind the pin.
    Lent {
        from_pin: usize,
        len: usize,
    },
    /// In the scratch vector with this number.
    Scratch(usize),
}

/// A length, or the form of string that stands in its place.
enum Length {
    Plain(u64),
    Form(u8),
}

/// The least buffer with which two lent strings are sure to fit.
const LEAST_BUFFER_BYTES: usize = 1024;
/// How much a string may grow ahead of the bytes that have arrived.
const GROWTH_BYTES: usize = 1 << 20;
/// A scratch vector above this is given back before the next string.
const KEPT_SCRATCH_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Input<S> {
    source: S,
    buffer: Vec<u8>,
    position: usize,
    filled: usize,
    digested: usize,
    pin: Option<usize>,
    /// What the index of an unread byte lacks of its offset in the file.
    base: u64,
    crc: Option<RdbCrc>,
    scratch: [Vec<u8>; 2],
    compressed: Vec<u8>,
}

type Read<T, S> = Result<T, ReadError<<S as Source>::Error>>;

impl<S: Source> Input<S> {
    pub(super) fn new(source: S, buffer_bytes: usize, checksum: bool) -> Self {
        Self {
            source,
            buffer: vec![0; buffer_bytes.max(LEAST_BUFFER_BYTES)],
            position: 0,
            filled: 0,
            digested: 0,
            pin: None,
            base: 0,
            crc: checksum.then(RdbCrc::new),
            scratch: [Vec::new(), Vec::new()],
            compressed: Vec::new(),
        }
    }

    /// Offset of the next unread byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    pub(super) fn fail<T>(&self, reason: Malformed) -> Read<T, S> {
        Err(ReadError::Malformed { offset: self.offset(), reason })
    }

    pub(super) fn invalid<T>(&self, reason: &'static str) -> Read<T, S> {
        self.fail(Malformed::invalid(reason))
    }

    /// The checksum of everything read so far; `None` if it is not kept.
    pub(super) fn checksum(&mut self) -> Option<u64> {
        self.digest();
        self.crc.as_ref().map(RdbCrc::value)
    }

    pub(super) fn drop_checksum(&mut self) {
        self.crc = None;
    }

    /// Gives back the source and what has been read of it too far.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.source, self.buffer[self.position..self.filled].to_vec())
    }

    /// Whether nothing follows.
    pub(super) fn at_end(&mut self) -> Read<bool, S> {
        match self.ensure(1) {
            Ok(()) => Ok(false),
            Err(ReadError::Malformed { reason: Malformed::Truncated, .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn digest(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.buffer[self.digested..self.position]);
        }
        self.digested = self.position;
    }

    /// Makes sure that `count` unread bytes are in the buffer.
    #[inline]
    fn ensure(&mut self, count: usize) -> Read<(), S> {
        if self.filled - self.position >= count { Ok(()) } else { self.refill(count) }
    }

    #[cold]
    fn refill(&mut self, count: usize) -> Read<(), S> {
        self.digest();
        let keep = self.pin.unwrap_or(self.position);
        self.buffer.copy_within(keep..self.filled, 0);
        self.position -= keep;
        self.filled -= keep;
        self.digested -= keep;
        self.base += keep as u64;
        self.pin = self.pin.map(|_| 0);
        assert!(self.position + count <= self.buffer.len(), "a pinned region outgrew the buffer");
        while self.filled - self.position < count {
            let read = self.source.read(&mut self.buffer[self.filled..]);
            match read.map_err(ReadError::Source)? {
                0 => {
                    let offset = self.base + self.filled as u64;
                    return Err(ReadError::Malformed { offset, reason: Malformed::Truncated });
                }
                read => self.filled += read,
            }
            assert!(self.filled <= self.buffer.len(), "a source gave more than was asked for");
        }
        Ok(())
    }

    /// The next `N` bytes.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N], S> {
        self.ensure(N)?;
        let bytes = &self.buffer[self.position..self.position + N];
        self.position += N;
        Ok(bytes.try_into().expect("N bytes"))
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Read<u8, S> {
        self.ensure(1)?;
        let byte = self.buffer[self.position];
        self.position += 1;
        Ok(byte)
    }

    /// The next bytes, at most 255.
    pub(super) fn short_bytes(&mut self, count: u8) -> Read<&[u8], S> {
        let count = usize::from(count);
        self.ensure(count)?;
        self.position += count;
        Ok(&self.buffer[self.position - count..self.position])
    }

    #[inline]
    fn length_or_form(&mut self) -> Read<Length, S> {
        let first = self.byte()?;
        Ok(match first {
            0x00..=0x3F => Length::Plain(u64::from(first)),
            0x40..=0x7F => Length::Plain(u64::from(first & 0x3F) << 8 | u64::from(self.byte()?)),
            0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0xC0..=0xFF => Length::Form(first),
            _ => return self.fail(Malformed::Length(first)),
        })
    }

    /// A `len`.
    #[inline]
    pub(super) fn length(&mut self) -> Read<u64, S> {
        match self.length_or_form()? {
            Length::Plain(length) => Ok(length),
            Length::Form(form) => self.fail(Malformed::Length(form)),
        }
    }

    /// A `str`. Slot 0 begins a group and moves the pin; slot 1 leaves the string of slot 0 in place.
    #[inline]
    pub(super) fn string(&mut self, slot: usize) -> Read<Piece, S> {
        if slot == 0 {
            self.pin = Some(self.position);
        }
        match self.length_or_form()? {
            Length::Plain(len) if len <= self.buffer.len() as u64 / 4 => self.lend(len as usize),
            Length::Plain(len) => {
                let mut text = self.empty_scratch(slot);
                let result = self.collect(len, &mut text);
                self.scratch[slot] = text;
                result.map(|()| Piece::Scratch(slot))
            }
            Length::Form(0xC0) => Ok(Piece::Int(i64::from(i8::from_le_bytes(self.array()?)))),
            Length::Form(0xC1) => Ok(Piece::Int(i64::from(i16::from_le_bytes(self.array()?)))),
            Length::Form(0xC2) => Ok(Piece::Int(i64::from(i32::from_le_bytes(self.array()?)))),
            Length::Form(0xC3) => self.compressed(slot),
            Length::Form(form) => self.fail(Malformed::Length(form)),
        }
    }

    #[inline]
    fn lend(&mut self, len: usize) -> Read<Piece, S> {
        self.ensure(len)?;
        let pin = self.pin.expect("strings are read in groups that begin with slot 0");
        let from_pin = self.position - pin;
        self.position += len;
        Ok(Piece::Lent { from_pin, len })
    }

    fn empty_scratch(&mut self, slot: usize) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.scratch[slot]);
        text.clear();
        if text.capacity() > KEPT_SCRATCH_BYTES { Vec::new() } else { text }
    }

    fn compressed(&mut self, slot: usize) -> Read<Piece, S> {
        let packed_len = self.length()?;
        let Ok(len) = usize::try_from(self.length()?) else {
            return self.invalid("compressed string is announced too long");
        };
        let mut text = self.empty_scratch(slot);
        let result = if packed_len <= self.buffer.len() as u64 / 4 {
            let packed_len = packed_len as usize;
            self.ensure(packed_len)?;
            let packed = &self.buffer[self.position..self.position + packed_len];
            let result = lzf::decompress(packed, len, &mut text);
            self.position += packed_len;
            result
        } else {
            let mut packed = std::mem::take(&mut self.compressed);
            packed.clear();
            self.collect(packed_len, &mut packed)?;
            let result = lzf::decompress(&packed, len, &mut text);
            if packed.capacity() <= KEPT_SCRATCH_BYTES {
                self.compressed = packed;
            }
            result
        };
        self.scratch[slot] = text;
        match result {
            Ok(()) => Ok(Piece::Scratch(slot)),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Appends the next `len` bytes to `text`, past the buffer where they are not in it yet.
    fn collect(&mut self, len: u64, text: &mut Vec<u8>) -> Read<(), S> {
        let at_hand = len.min((self.filled - self.position) as u64) as usize;
        let start = self.position;
        text.extend_from_slice(&self.buffer[start..start + at_hand]);
        self.position += at_hand;
        self.digest();
        // Cut the string out of the buffer, or it would stay there as long as what is pinned before it.
        self.buffer.copy_within(start + at_hand..self.filled, start);
        self.filled -= at_hand;
        (self.position, self.digested) = (start, start);
        self.base += at_hand as u64;
        let mut left = len - at_hand as u64;
        while left > 0 {
            let start = text.len();
            let step = left.min(GROWTH_BYTES.max(start / 2) as u64) as usize;
            text.resize(start + step, 0);
            let mut end = start;
            while end < start + step {
                let read = self.source.read(&mut text[end..]).map_err(ReadError::Source)?;
                if read == 0 {
                    return self.fail(Malformed::Truncated);
                }
                end += read;
                // These bytes never were in the buffer: it now begins that much later in the file.
                self.base += read as u64;
            }
            if let Some(crc) = &mut self.crc {
                crc.update(&text[start..]);
            }
            left -= step as u64;
        }
        Ok(())
    }

    /// Lends a string that has been read.
    #[inline]
    pub(super) fn get(&self, piece: Piece) -> StrRef<'_> {
        match piece {
            Piece::Int(number) => StrRef::Int(number),
            Piece::Lent { from_pin, len } => {
                let start = self.pin.expect("still pinned") + from_pin;
                StrRef::Bytes(&self.buffer[start..start + len])
            }
            Piece::Scratch(slot) => StrRef::Bytes(&self.scratch[slot]),
        }
    }

    /// Lends a string as text: an integer is written into its slot's scratch vector.
    pub(super) fn get_text(&mut self, piece: Piece, slot: usize) -> &[u8] {
        if let Piece::Int(number) = piece {
            let text = &mut self.scratch[slot];
            text.clear();
            text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            return text;
        }
        match self.get(piece) {
            StrRef::Bytes(bytes) => bytes,
            StrRef::Int(_) => unreachable!("integers were turned into text above"),
        }
    }

    /// Ends a group of strings: their place may be overwritten.
    #[inline]
    pub(super) fn release(&mut self) {
        self.pin = None;
    }

    /// Reads a `str` into `text`.
    #[inline]
    pub(super) fn string_into(&mut self, text: &mut Vec<u8>) -> Read<(), S> {
        let piece = self.string(0)?;
        text.clear();
        text.extend_from_slice(self.get(piece).text(&mut itoa::Buffer::new()));
        self.release();
        Ok(())
    }

    /// Reads a `str` as a copy.
    pub(super) fn string_owned(&mut self) -> Read<Vec<u8>, S> {
        let mut text = Vec::new();
        self.string_into(&mut text)?;
        Ok(text)
    }
}
