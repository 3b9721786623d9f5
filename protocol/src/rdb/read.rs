//! The pull reader: one item of the file at a time.
//!
//! ```text
//! Reader::new → next → Aux, SelectDb, ResizeDb, Function … → next
//!                    → Key → read_value or skip_value      → next
//!                    → End                                 → into_parts
//! ```
//!
//! The caller decides what every item means: nothing here knows how many databases there are, whether a key has
//! expired, or whether it came twice.
//!
//! # Invariants
//! - after [`Item::Key`] its value is read or skipped before the next item (asserted)
//! - expiry, idle time and counter belong to the next *key*, whatever items stand between (KeyDB writes an AUX field
//!   between expiry and key); only a key takes them
//! - [`Item::End`] is given only when the checksum is right or absent

use super::error::{Malformed, ModuleName, ReadError};
use super::input::{Input, Source};
use super::version::{Family, Version};
use super::{FIRST_WITH_CHECKSUM, HEADER_BYTES, ObjectType, opcode};

/// What stands before a key, besides its type; other items may stand between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyMeta {
    /// When it expires, unix milliseconds.
    pub expire_ms: Option<i64>,
    /// For how many seconds it was idle.
    pub idle: Option<u64>,
    /// Its LFU counter.
    pub freq: Option<u8>,
}

/// How the file's checksum was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Present and right.
    Verified,
    /// Not there (old version, or all zero), or not asked for.
    Absent,
}

/// One item of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An auxiliary field; unknown names are to be ignored.
    Aux {
        /// Its name.
        name: &'a [u8],
        /// Its value as text.
        value: &'a [u8],
    },
    /// The keys that follow belong to this database. The number is not checked.
    SelectDb(u64),
    /// A hint about the present database, not to be trusted for an allocation.
    ResizeDb {
        /// Keys.
        keys: u64,
        /// Keys that expire.
        expires: u64,
    },
    /// The source of a function library.
    Function(&'a [u8]),
    /// A key; its value comes next.
    Key {
        /// The key. [`Reader::swap_key`] gives it away without a copy.
        key: &'a [u8],
        /// Expiry and the like.
        meta: KeyMeta,
        /// How the value is laid out.
        object_type: ObjectType,
    },
    /// A module's own data, skipped.
    ModuleAux(ModuleName),
    /// A hint about a cluster slot.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Its keys.
        keys: u64,
        /// Its keys that expire.
        expires: u64,
    },
    /// The end of the file. The source may have more; see [`Reader::into_parts`].
    End(Checksum),
}

/// Reads a file from its header to its checksum.
#[derive(Debug)]
pub struct Reader<S> {
    pub(super) input: Input<S>,
    version: Version,
    key: Vec<u8>,
    /// What was said about the key that comes next.
    meta: KeyMeta,
    /// The type of the key whose value comes next.
    pub(super) pending: Option<ObjectType>,
}

/// The default size of the reader's buffer.
const BUFFER_BYTES: usize = 256 * 1024;

impl<S: Source> Reader<S> {
    /// Reads the header. Nothing else has been looked at when a version is refused.
    pub fn new(source: S) -> Result<Self, ReadError<S::Error>> {
        Self::with_buffer(source, BUFFER_BYTES)
    }

    /// The same with a buffer of another size: strings up to a quarter of it are lent without a copy.
    pub fn with_buffer(source: S, buffer_bytes: usize) -> Result<Self, ReadError<S::Error>> {
        let mut input = Input::new(source, buffer_bytes, true);
        let header: [u8; HEADER_BYTES] = input.array()?;
        let version =
            Version::parse(&header).map_err(|reason| ReadError::Malformed { offset: 0, reason })?;
        if version.number < FIRST_WITH_CHECKSUM {
            input.drop_checksum();
        }
        Ok(Self { input, version, key: Vec::new(), meta: KeyMeta::default(), pending: None })
    }

    /// A reader of bare values, as in a DUMP payload.
    pub(super) fn bare(source: S, buffer_bytes: usize, version: Version) -> Self {
        let input = Input::new(source, buffer_bytes, false);
        Self { input, version, key: Vec::new(), meta: KeyMeta::default(), pending: None }
    }

    /// Leaves the checksum alone from here on (`rdbchecksum no`).
    pub fn ignore_checksum(&mut self) {
        self.input.drop_checksum();
    }

    /// What the header says.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Offset of the next byte to be read: how far the work has come.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The last key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Exchanges the last key for another vector, whose contents do not matter.
    pub fn swap_key(&mut self, other: &mut Vec<u8>) {
        std::mem::swap(&mut self.key, other);
    }

    /// Gives back the source and the bytes that were read from it but not looked at: what follows the snapshot (an
    /// AOF after its preamble, a transfer's end mark).
    pub fn into_parts(self) -> (S, Vec<u8>) {
        self.input.into_parts()
    }

    /// The next item.
    #[expect(
        clippy::should_implement_trait,
        reason = "an item borrows the reader, as no iterator can"
    )]
    pub fn next(&mut self) -> Result<Item<'_>, ReadError<S::Error>> {
        assert!(self.pending.is_none(), "the value of the last key was neither read nor skipped");
        self.input.release();
        loop {
            let at = self.input.offset();
            match self.input.byte()? {
                opcode::EXPIRE_MS => {
                    let at = i64::from_le_bytes(self.input.array()?);
                    // As Redis reads it, this number says that there is none.
                    self.meta.expire_ms = Some(at).filter(|at| *at != -1);
                }
                opcode::EXPIRE_SECONDS => {
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    self.meta.expire_ms = Some(i64::from(seconds) * 1000);
                }
                opcode::FREQ => self.meta.freq = Some(self.input.byte()?),
                opcode::IDLE => self.meta.idle = Some(self.input.length()?),
                opcode::AUX => {
                    let name = self.input.string(0)?;
                    let value = self.input.string(1)?;
                    // Names are kept in the key's vector, so that both can be lent at once.
                    let text = self.input.get(name);
                    self.key.clear();
                    self.key.extend_from_slice(text.text(&mut itoa::Buffer::new()));
                    let value = self.input.get_text(value, 1);
                    return Ok(Item::Aux { name: &self.key, value });
                }
                opcode::SELECT_DB => return Ok(Item::SelectDb(self.input.length()?)),
                opcode::RESIZE_DB => {
                    let (keys, expires) = (self.input.length()?, self.input.length()?);
                    return Ok(Item::ResizeDb { keys, expires });
                }
                opcode::SLOT_INFO => {
                    let (slot, keys) = (self.input.length()?, self.input.length()?);
                    let expires = self.input.length()?;
                    return Ok(Item::SlotInfo { slot, keys, expires });
                }
                opcode::FUNCTION2 => {
                    self.input.string_into(&mut self.key)?;
                    return Ok(Item::Function(&self.key));
                }
                opcode::MODULE_AUX => return Ok(Item::ModuleAux(self.module_aux()?)),
                opcode::EOF => return self.end(),
                byte => {
                    let object_type = self
                        .object_type(byte)
                        .map_err(|reason| ReadError::Malformed { offset: at, reason })?;
                    self.input.string_into(&mut self.key)?;
                    self.pending = Some(object_type);
                    let meta = std::mem::take(&mut self.meta);
                    return Ok(Item::Key { key: &self.key, meta, object_type });
                }
            }
        }
    }

    #[inline]
    fn object_type(&self, byte: u8) -> Result<ObjectType, Malformed> {
        known_type(byte, self.version)
    }

    fn end<'a>(&mut self) -> Result<Item<'a>, ReadError<S::Error>> {
        self.input.release();
        let computed = self.input.checksum();
        if self.version.number < FIRST_WITH_CHECKSUM {
            return Ok(Item::End(Checksum::Absent));
        }
        let at = self.input.offset();
        let stored = u64::from_le_bytes(self.input.array()?);
        match computed {
            None => Ok(Item::End(Checksum::Absent)),
            Some(_) if stored == 0 => Ok(Item::End(Checksum::Absent)),
            Some(computed) if stored == computed => Ok(Item::End(Checksum::Verified)),
            Some(computed) => Err(ReadError::Malformed {
                offset: at,
                reason: Malformed::Checksum { stored, computed },
            }),
        }
    }

    fn module_aux(&mut self) -> Result<ModuleName, ReadError<S::Error>> {
        let name = ModuleName(self.input.length()?);
        let (code, _when) = (self.input.length()?, self.input.length()?);
        if code != 2 {
            return self.input.invalid("module data does not begin with when it was written");
        }
        self.skip_module_values()?;
        Ok(name)
    }
}

impl Version {
    /// Reads a header: REDIS 1 to 14 and VALKEY 80 to 81 are accepted.
    pub fn parse(header: &[u8; HEADER_BYTES]) -> Result<Self, Malformed> {
        let (family, digits) = if let Some(digits) = header.strip_prefix(b"REDIS") {
            (Family::Redis, digits)
        } else if let Some(digits) = header.strip_prefix(b"VALKEY") {
            (Family::Valkey, digits)
        } else {
            return Err(Malformed::Signature);
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Malformed::Signature);
        }
        let number = digits.iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
        let version = Self { family, number };
        let known = match family {
            Family::Redis => (1..=14).contains(&number),
            Family::Valkey => (80..=81).contains(&number),
        };
        if known { Ok(version) } else { Err(Malformed::Version(version)) }
    }

    /// The version of a DUMP payload, whose footer has the number only.
    pub fn from_number(number: u16) -> Result<Self, Malformed> {
        let family = if number >= 80 { Family::Valkey } else { Family::Redis };
        let version = Self { family, number };
        if matches!(number, 1..=14 | 80..=81) {
            Ok(version)
        } else {
            Err(Malformed::Version(version))
        }
    }
}

/// The type that a byte stands for in a file of this version.
pub(super) fn known_type(byte: u8, version: Version) -> Result<ObjectType, Malformed> {
    let refused = |reason| Err(Malformed::Refused { code: byte, reason });
    match byte {
        6 => refused("module value of a release candidate of Redis 4.0"),
        22 if version.family != super::Family::Valkey => {
            refused("hash metadata of a release candidate of Redis 7.4")
        }
        23 => refused("listpack with expiries of a release candidate of Redis 7.4"),
        opcode::FUNCTION_PRE_GA => refused("function of a release candidate of Redis 7.0"),
        opcode::SLOT_IMPORT => refused("unfinished slot import, or key metadata of Redis 8.6"),
        opcode::INCREMENTAL => refused("incremental update"),
        _ => ObjectType::from_byte(byte).ok_or(Malformed::UnknownType(byte)),
    }
}
