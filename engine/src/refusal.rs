//! A client's mistake: the error reply, with Redis's exact text.

use std::borrow::Cow;

/// An error reply, prefix included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Cow<'static, [u8]>);

impl Refusal {
    /// Options that make no sense.
    pub const SYNTAX: Refusal = Refusal::fixed("ERR syntax error");
    /// A key holds another type.
    pub const WRONG_TYPE: Refusal =
        Refusal::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// Not an integer.
    pub const NOT_INTEGER: Refusal = Refusal::fixed("ERR value is not an integer or out of range");
    /// Not a number.
    pub const NOT_FLOAT: Refusal = Refusal::fixed("ERR value is not a valid float");
    /// A key that must exist.
    pub const NO_SUCH_KEY: Refusal = Refusal::fixed("ERR no such key");
    /// A position outside.
    pub const INDEX_RANGE: Refusal = Refusal::fixed("ERR index out of range");
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
        Refusal(Cow::Borrowed(text.as_bytes()))
    }

    /// A text made up for the occasion.
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal(Cow::Owned(text.into().into_bytes()))
    }

    /// A text that quotes a word of the request, byte by byte: as a C text, which a byte 0 ends.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Refusal {
        let word = word.split(|byte| *byte == 0).next().unwrap_or(word);
        Refusal(Cow::Owned([before.as_bytes(), word, after.as_bytes()].concat()))
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
