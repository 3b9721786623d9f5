//! Transactions: the group `transactions` of COMMAND DOCS, 5 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("discard", "2.0.0", "O(N) for N commands in the queue")
        .summary("Ends MULTI: forgets the commands in the queue and the watched keys.")
        .categories(&["transaction"]),
    row("exec", "1.2.0", "By the commands in the queue")
        .summary("Executes the commands in the queue, unless a watched key has changed.")
        .categories(&["transaction"]),
    row("multi", "1.2.0", "O(1)")
        .summary("Puts the commands that follow into a queue, for EXEC to run.")
        .categories(&["transaction"]),
    row("unwatch", "2.2.0", "O(1)")
        .summary("Forgets all keys that the connection watches.")
        .categories(&["transaction"]),
    row("watch", "2.2.0", "O(1) for each key")
        .summary("Makes EXEC refuse if one of the keys changes before it.")
        .syntax("key:key...")
        .keys(&[range(RO, 1, -1, 1)])
        .categories(&["transaction"]),
];
