//! What must not happen, and did.

use std::fmt;

/// What is always true. The letters are those of `docs/simulation.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// (a)
    Equal,
    /// (b)
    Kept,
    /// (c)
    Partial,
    /// (d)
    Durable,
    /// (e)
    Stream,
    /// (f)
    Prefix,
    /// (g)
    Bounds,
    /// (h)
    Asserts,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equal,
        Self::Kept,
        Self::Partial,
        Self::Durable,
        Self::Stream,
        Self::Prefix,
        Self::Bounds,
        Self::Asserts,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Equal => {
                "(a) in calm all nodes that follow each other come to the same data and offset"
            }
            Self::Kept => {
                "(b) an acknowledged write is lost only where the policy in force allows it, and none is done twice"
            }
            Self::Partial => {
                "(c) a replica is answered by a partial sync exactly where the rule says so"
            }
            Self::Durable => "(d) with `always` no reply leaves before its write is on disk",
            Self::Stream => {
                "(e) all nodes journal the same bytes at the same offset, transactions whole"
            }
            Self::Prefix => {
                "(f) files load to a prefix of what was journaled, or the start is refused"
            }
            Self::Bounds => "(g) what a node keeps in memory has the bounds that are configured",
            Self::Asserts => "(h) no assertion of the code fails",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was to be true.
    pub invariant: Invariant,
    /// When, nanoseconds of virtual time.
    pub at_ns: u64,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at_ns as f64 / 1e9;
        write!(f, "{}\n  at {seconds:.6} s: {}", self.invariant.words(), self.found)
    }
}
