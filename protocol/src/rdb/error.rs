//! What can be wrong with the bytes of an RDB file or a DUMP payload.
//!
//! A reader's failure is either its source's or a [`Malformed`] with the offset at which it was noticed; who visits
//! values raises [`Malformed`] too, and the reader adds the offset.

use super::version::Version;
use crate::lzf::LzfError;
use crate::ziplist::ZiplistError;
use crate::zipmap::ZipmapError;
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Neither `REDIS` nor `VALKEY` and digits.
    #[error("wrong signature")]
    Signature,
    /// A version outside of what we read.
    #[error("cannot read format version {0}")]
    Version(Version),
    /// The bytes end where more must follow.
    #[error("ends too early")]
    Truncated,
    /// A byte that is neither a type nor an opcode that we know.
    #[error("unknown type or opcode {0}")]
    UnknownType(u8),
    /// A type or opcode that is known and refused.
    #[error("type or opcode {code} is refused: {reason}")]
    Refused {
        /// The byte.
        code: u8,
        /// Why.
        reason: &'static str,
    },
    /// A value of a module, which only that module understands.
    #[error("value of module \"{0}\", which is not available")]
    Module(ModuleName),
    /// The checksum at the end is not that of the bytes.
    #[error("CRC error: checksum is {stored:016x}, the data's is {computed:016x}")]
    Checksum {
        /// What the file says.
        stored: u64,
        /// What its bytes give.
        computed: u64,
    },
    /// A first byte that no length has.
    #[error("invalid length byte {0:#04x}")]
    Length(u8),
    /// A compressed string.
    #[error(transparent)]
    Lzf(#[from] LzfError),
    /// A ziplist.
    #[error(transparent)]
    Ziplist(#[from] ZiplistError),
    /// A zipmap.
    #[error(transparent)]
    Zipmap(#[from] ZipmapError),
    /// Anything else, in words; what visitors raise.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
}

impl Malformed {
    /// A failure described in words.
    pub fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(reason.into())
    }
}

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError<E> {
    /// The source failed.
    #[error("reading: {0}")]
    Source(E),
    /// The bytes are wrong.
    #[error("byte {offset}: {reason}")]
    Malformed {
        /// Where it was noticed, counted from the header's first byte.
        offset: u64,
        /// What is wrong.
        reason: Malformed,
    },
}

/// Why a DUMP payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// Too short, a version we do not read, or another checksum. The text is Redis's.
    #[error("DUMP payload version or checksum are wrong")]
    VersionOrChecksum,
    /// A body that is not what its type says. Redis's text is the first half.
    #[error("Bad data format: {0}")]
    BadFormat(Malformed),
}

/// The name in a module's id: nine characters of 6 bits above 10 bits of encoding version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ModuleName(pub u64);

impl ModuleName {
    /// The nine characters.
    #[must_use]
    pub fn name(self) -> String {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..9).map(|i| char::from(ALPHABET[(self.0 >> (58 - 6 * i) & 63) as usize])).collect()
    }

    /// The version of the module's own encoding.
    #[must_use]
    pub fn encoding_version(self) -> u16 {
        (self.0 & 0x3FF) as u16
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.encoding_version())
    }
}
