//! A client's mistake: the error reply, with Redis's exact text, and whether the data or the request was the reason.
//!
//! A client reads the text. Our primary and our own file do not: what they say was executed elsewhere, so a refusal here
//! means that data differ, unless it was refused there as well. Hence the [`Kind`]: a request of wrong shape is refused
//! whatever the data, so nobody can have executed it who knows no more than we do; one that does not fit the data can
//! have failed in the same way elsewhere.
//!
//! # Invariants
//! - what is refused for its shape is refused by all data (tested over the whole table: `family/tests/shapes.rs`)

use std::borrow::Cow;

/// What was in the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such command or subcommand here.
    Unknown,
    /// Its arguments: their number, an option, a number that is none, a database that is not there.
    Shape,
    /// The user's permissions.
    Permission,
    /// The data: a key of another type, a key that is there or is not, a sum that would overflow.
    State,
}

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The text, prefix included.
    pub text: Cow<'static, [u8]>,
    /// What was in the way. [`Kind::Shape`] unless [`Refusal::of_state`] or [`Refusal::of_unknown`] said otherwise.
    pub kind: Kind,
    /// It has been counted among the errors already: a script passes on what a command answered.
    pub counted: bool,
}

impl Refusal {
    /// Options that make no sense.
    pub const SYNTAX: Refusal = Refusal::fixed("ERR syntax error");
    /// A key holds another type.
    pub const WRONG_TYPE: Refusal =
        Refusal::fixed("WRONGTYPE Operation against a key holding the wrong kind of value")
            .of_state();
    /// Not an integer.
    pub const NOT_INTEGER: Refusal = Refusal::fixed("ERR value is not an integer or out of range");
    /// Not a number.
    pub const NOT_FLOAT: Refusal = Refusal::fixed("ERR value is not a valid float");
    /// A key that must exist.
    pub const NO_SUCH_KEY: Refusal = Refusal::fixed("ERR no such key").of_state();
    /// A position outside.
    pub const INDEX_RANGE: Refusal = Refusal::fixed("ERR index out of range").of_state();
    /// A value outside.
    pub const OUT_OF_RANGE: Refusal = Refusal::fixed("ERR value is out of range, must be positive");
    /// A result over the limit of a string.
    pub const STRING_TOO_LONG: Refusal =
        Refusal::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    /// The system has no memory for what a client asks for, whatever `maxmemory` allows.
    pub const NO_MEMORY: Refusal =
        Refusal::fixed("OOM Insufficient memory, failed allocating the value");
    /// A scan position that is no number.
    pub const INVALID_CURSOR: Refusal = Refusal::fixed("ERR invalid cursor");
    /// A write to a replica.
    pub const READ_ONLY: Refusal =
        Refusal::fixed("READONLY You can't write against a read only replica.");
    /// Not authenticated.
    pub const NO_AUTH: Refusal = Refusal::fixed("NOAUTH Authentication required.");

    /// A fixed text.
    pub const fn fixed(text: &'static str) -> Refusal {
        Refusal { text: Cow::Borrowed(text.as_bytes()), kind: Kind::Shape, counted: false }
    }

    /// The same for a request that does not fit the data.
    #[must_use]
    pub const fn of_state(mut self) -> Refusal {
        self.kind = Kind::State;
        self
    }

    /// The same for what a user may not do.
    #[must_use]
    pub const fn of_denial(mut self) -> Refusal {
        self.kind = Kind::Permission;
        self
    }

    /// Whether the user's permissions were in the way.
    pub fn is_denial(&self) -> bool {
        self.kind == Kind::Permission
    }

    /// The same for a name that nobody knows.
    #[must_use]
    pub const fn of_unknown(mut self) -> Refusal {
        self.kind = Kind::Unknown;
        self
    }

    /// What Redis has and this server has not yet: `name` in small letters, a subcommand behind `|`.
    pub fn not_supported(name: &str) -> Refusal {
        let name = name.to_uppercase().replace('|', " ");
        Refusal::new(format!("ERR {name} is not supported by this version of Tidemark"))
            .of_unknown()
    }

    /// A text made up for the occasion.
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal::from(text.into().into_bytes())
    }

    /// A text that quotes a word of the request, byte by byte: as a C text, which a byte 0 ends.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Refusal {
        let word = word.split(|byte| *byte == 0).next().unwrap_or(word);
        Refusal::from([before.as_bytes(), word, after.as_bytes()].concat())
    }

    /// A wrong number of arguments for a command, by its full name (`client|kill`).
    pub fn arity(name: &str) -> Refusal {
        Refusal::new(format!("ERR wrong number of arguments for '{name}' command"))
    }

    /// An expiry that cannot be.
    pub fn invalid_expiry(command: &str) -> Refusal {
        Refusal::new(format!("ERR invalid expire time in '{command}' command"))
    }
}

/// A text made of bytes that need not be UTF-8.
impl From<Vec<u8>> for Refusal {
    fn from(text: Vec<u8>) -> Refusal {
        Refusal { text: Cow::Owned(text), kind: Kind::Shape, counted: false }
    }
}
