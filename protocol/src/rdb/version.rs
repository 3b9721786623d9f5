//! The version of a file or payload: what its header promises about everything that follows.

use std::fmt;

/// The version that we write, in files and in DUMP payloads: the newest that Redis 7.0 reads.
pub const WRITTEN_VERSION: u16 = 10;

/// Whose numbering a version follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `REDIS`, four digits.
    Redis,
    /// `VALKEY`, three digits; Valkey 9 and later.
    Valkey,
}

/// What the header promises about everything that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whose numbering.
    pub family: Family,
    /// The number.
    pub number: u16,
}

impl Version {
    /// The version that we write.
    pub const WRITTEN: Self = Self { family: Family::Redis, number: WRITTEN_VERSION };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::Redis => write!(f, "REDIS{:04}", self.number),
            Family::Valkey => write!(f, "VALKEY{:03}", self.number),
        }
    }
}
