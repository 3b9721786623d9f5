//! Transactions: the group `transactions` of COMMAND DOCS, 5 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("discard", 1, "2.0.0", "O(N) for N commands in the queue").categories(&["transaction"]),
    row("exec", 1, "1.2.0", "By the commands in the queue").categories(&["transaction"]),
    row("multi", 1, "1.2.0", "O(1)").categories(&["transaction"]),
    row("unwatch", 1, "2.2.0", "O(1)").categories(&["transaction"]),
    row("watch", -2, "2.2.0", "O(1) for each key")
        .syntax("key:key...")
        .keys(&[range(RO, 1, -1, 1)])
        .categories(&["transaction"]),
];
