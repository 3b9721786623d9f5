//! The writer: header, opcodes, lengths and strings, through one buffer into any sink.
//!
//! Fields are appended to a buffer of 64 KiB; only whole buffers are digested for the checksum and handed to the
//! sink, so a short string costs a few bytes moved. What is written is the subset that Redis 7.0 can read
//! (version 10); the order of a file is the caller's:
//!
//! ```text
//! header | aux … | function2 … | per database: select_db resize_db, keys | eof
//!
//! key: [expire_ms] [idle | freq] object_type string(key) and the value
//! ```
//!
//! # Invariants
//! - the buffer is handed over before the next field when it has 64 KiB; strings of 16 KiB and more go past it
//! - the checksum covers every byte up to and with the EOF opcode
//!
//! # Not here
//! - when a value is packed: the keyspace writes it as it keeps it
//!
//! # Source
//! - `rdb.c` and `rdb.h` of Redis 7.0, the oldest reader that is promised

use super::version::{Version, WRITTEN_VERSION};
use super::{ObjectType, opcode};
use crate::crc64::{RdbCrc, rdb_crc};

use crate::lzf::{self, Compressor};

/// Where RDB bytes go.
pub trait Sink {
    /// How it can fail.
    type Error;

    /// Takes all of the bytes that follow those before.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = std::convert::Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl<S: Sink> Sink for &mut S {
    type Error = S::Error;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        (**self).write(bytes)
    }
}

/// What is configurable about writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `rdbchecksum`: without it the file ends in zeros.
    pub checksum: bool,
    /// `rdbcompression`: LZF for strings above 20 bytes that become shorter by it.
    pub compression: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { checksum: true, compression: true }
    }
}

/// The buffer is handed over when it has this much.
const FLUSH_BYTES: usize = 64 * 1024;
/// Strings from here on are not copied into the buffer.
const DIRECT_BYTES: usize = 16 * 1024;
/// Strings up to here are never compressed (as in Redis).
const UNCOMPRESSED_BYTES: usize = 20;
/// A text up to here may be an int32 (as in Redis).
const INTEGER_TEXT_BYTES: usize = 11;
/// A vector for a compressed string, or for a blob that was made for writing, is given back above this.
const KEPT_PACKED_BYTES: usize = 1 << 20;

/// Writes a file, or bare values for a DUMP payload.
#[derive(Debug)]
pub struct Writer<S: Sink> {
    sink: S,
    buffer: Vec<u8>,
    /// Bytes that the sink has.
    handed: u64,
    crc: Option<RdbCrc>,
    compression: bool,
    compressor: Option<Compressor>,
    packed: Vec<u8>,
    /// The memory of the last blob that was made for writing.
    made: Vec<u8>,
}

impl<S: Sink> Writer<S> {
    /// A writer that has written nothing.
    pub fn new(sink: S, options: Options) -> Self {
        Self {
            sink,
            buffer: Vec::new(),
            handed: 0,
            crc: options.checksum.then(RdbCrc::new),
            compression: options.compression,
            compressor: None,
            packed: Vec::new(),
            made: Vec::new(),
        }
    }

    /// How many bytes were written, buffered ones included.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.handed + self.buffer.len() as u64
    }

    /// Hands what is buffered to the sink.
    pub fn flush(&mut self) -> Result<(), S::Error> {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.buffer);
        }
        let result = self.sink.write(&self.buffer);
        self.handed += self.buffer.len() as u64;
        self.buffer.clear();
        result
    }

    /// Gives back the sink. What is still buffered is lost, as after an error.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// The sink.
    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    #[inline]
    fn make_room(&mut self) -> Result<(), S::Error> {
        if self.buffer.len() < FLUSH_BYTES { Ok(()) } else { self.flush() }
    }

    /// `REDIS0010`.
    pub fn header(&mut self) -> Result<(), S::Error> {
        self.raw(Version::WRITTEN.to_string().as_bytes())
    }

    /// An auxiliary field.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), S::Error> {
        self.raw(&[opcode::AUX])?;
        self.string(name)?;
        self.string(value)
    }

    /// The source of a function library.
    pub fn function2(&mut self, source: &[u8]) -> Result<(), S::Error> {
        self.raw(&[opcode::FUNCTION2])?;
        self.blob(source)
    }

    /// The keys that follow belong to this database.
    pub fn select_db(&mut self, database: u64) -> Result<(), S::Error> {
        self.raw(&[opcode::SELECT_DB])?;
        self.length(database)
    }

    /// How many keys follow, and how many of them expire.
    pub fn resize_db(&mut self, keys: u64, expires: u64) -> Result<(), S::Error> {
        self.raw(&[opcode::RESIZE_DB])?;
        self.length(keys)?;
        self.length(expires)
    }

    /// When the next key expires, unix milliseconds.
    #[inline]
    pub fn expire_ms(&mut self, expire_ms: i64) -> Result<(), S::Error> {
        let mut bytes = [opcode::EXPIRE_MS; 9];
        bytes[1..].copy_from_slice(&expire_ms.to_le_bytes());
        self.raw(&bytes)
    }

    /// For how many seconds the next key was idle (under an LRU policy).
    pub fn idle(&mut self, seconds: u64) -> Result<(), S::Error> {
        self.raw(&[opcode::IDLE])?;
        self.length(seconds)
    }

    /// The LFU counter of the next key (under an LFU policy).
    pub fn freq(&mut self, counter: u8) -> Result<(), S::Error> {
        self.raw(&[opcode::FREQ, counter])
    }

    /// How the value is laid out; the key comes next.
    #[inline]
    pub fn object_type(&mut self, object_type: ObjectType) -> Result<(), S::Error> {
        self.raw(&[object_type as u8])
    }

    /// A `len`.
    #[inline]
    pub fn length(&mut self, length: u64) -> Result<(), S::Error> {
        self.make_room()?;
        put_length(&mut self.buffer, length);
        Ok(())
    }

    /// A `str` in its shortest form: integer, compressed or plain.
    #[inline]
    pub fn string(&mut self, text: &[u8]) -> Result<(), S::Error> {
        if text.len() <= INTEGER_TEXT_BYTES
            && let Some(number) = canonical_i32(text)
        {
            self.make_room()?;
            put_integer(&mut self.buffer, number);
            return Ok(());
        }
        self.blob(text)
    }

    /// The decimal text of a number as a `str`.
    #[inline]
    pub fn integer(&mut self, number: i64) -> Result<(), S::Error> {
        if let Ok(number) = i32::try_from(number) {
            self.make_room()?;
            put_integer(&mut self.buffer, number);
            return Ok(());
        }
        self.plain(itoa::Buffer::new().format(number).as_bytes())
    }

    /// A `str` that is no integer, such as a listpack: compressed or plain.
    #[inline]
    pub fn blob(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        if bytes.len() > UNCOMPRESSED_BYTES && self.compression && self.compressed(bytes)? {
            return Ok(());
        }
        self.plain(bytes)
    }

    /// The same for a blob that is made for this, in a vector that is kept from one blob to the next.
    ///
    /// `make` finds there whatever the last one left.
    pub fn blob_made(&mut self, make: impl FnOnce(&mut Vec<u8>)) -> Result<(), S::Error> {
        let mut made = std::mem::take(&mut self.made);
        make(&mut made);
        let result = self.blob(&made);
        if made.capacity() <= KEPT_PACKED_BYTES {
            self.made = made;
        }
        result
    }

    /// Writes the compressed form, if that is shorter.
    fn compressed(&mut self, bytes: &[u8]) -> Result<bool, S::Error> {
        let compressor = self.compressor.get_or_insert_default();
        self.packed.clear();
        if !lzf::compress(bytes, &mut self.packed, compressor) {
            return Ok(false);
        }
        self.make_room()?;
        self.buffer.push(0xC3);
        put_length(&mut self.buffer, self.packed.len() as u64);
        put_length(&mut self.buffer, bytes.len() as u64);
        let packed = std::mem::take(&mut self.packed);
        self.raw(&packed)?;
        if packed.capacity() <= KEPT_PACKED_BYTES {
            self.packed = packed;
        }
        Ok(true)
    }

    #[inline]
    fn plain(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        self.make_room()?;
        put_length(&mut self.buffer, bytes.len() as u64);
        if bytes.len() < DIRECT_BYTES {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.direct(bytes)
    }

    /// A score, as types 5 has it.
    #[inline]
    pub fn score(&mut self, score: f64) -> Result<(), S::Error> {
        assert!(!score.is_nan(), "a sorted set cannot hold NaN");
        self.raw(&score.to_le_bytes())
    }

    /// Bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        if bytes.len() >= DIRECT_BYTES {
            return self.direct(bytes);
        }
        self.make_room()?;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn direct(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        self.flush()?;
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        self.handed += bytes.len() as u64;
        self.sink.write(bytes)
    }

    /// The end: opcode and checksum (zeros without one). Everything is handed over.
    pub fn eof(&mut self) -> Result<(), S::Error> {
        self.raw(&[opcode::EOF])?;
        self.flush()?;
        let checksum = self.crc.take().map_or(0, |crc| crc.value());
        self.raw(&checksum.to_le_bytes())?;
        self.flush()
    }
}

impl Writer<Vec<u8>> {
    /// A writer of a DUMP payload: type, value, [`Writer::into_dump_payload`].
    #[must_use]
    pub fn for_dump(compression: bool) -> Self {
        Self::new(Vec::new(), Options { checksum: false, compression })
    }

    /// Everything written, with the footer of a DUMP payload.
    #[must_use]
    pub fn into_dump_payload(mut self) -> Vec<u8> {
        let mut payload = self.sink;
        if payload.is_empty() {
            payload = self.buffer;
        } else {
            payload.append(&mut self.buffer);
        }
        append_footer(&mut payload);
        payload
    }
}

/// Appends a `len` in its shortest form.
#[inline]
pub fn put_length(out: &mut Vec<u8>, length: u64) {
    if length < 1 << 6 {
        out.push(length as u8);
    } else if length < 1 << 14 {
        out.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]);
    } else if let Ok(length) = u32::try_from(length) {
        out.push(0x80);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(0x81);
        out.extend_from_slice(&length.to_be_bytes());
    }
}

/// Appends an integer form of a string.
#[inline]
fn put_integer(out: &mut Vec<u8>, number: i32) {
    if let Ok(number) = i8::try_from(number) {
        out.extend_from_slice(&[0xC0, number as u8]);
    } else if let Ok(number) = i16::try_from(number) {
        let [a, b] = number.to_le_bytes();
        out.extend_from_slice(&[0xC1, a, b]);
    } else {
        let [a, b, c, d] = number.to_le_bytes();
        out.extend_from_slice(&[0xC2, a, b, c, d]);
    }
}

/// The number whose one decimal text this is, if it is an int32.
#[inline]
#[must_use]
pub fn canonical_i32(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 10 => {}
        _ => return None,
    }
    let mut number = 0_i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    i32::try_from(if negative { -number } else { number }).ok()
}

/// Appends version and checksum to a type and its value.
pub fn append_footer(payload: &mut Vec<u8>) {
    payload.extend_from_slice(&WRITTEN_VERSION.to_le_bytes());
    let checksum = rdb_crc(payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
}
