//! Publish and subscribe: the group `pubsub` of COMMAND DOCS, 15 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("psubscribe", -2, "2.0.0", "O(N) for N patterns given").syntax("pattern:pattern..."),
    row("publish", 3, "2.0.0", "O(N+M), N: subscribers of the channel, M: patterns of all clients")
        .syntax("channel message"),
    row("pubsub", -2, "2.8.0", "By subcommand"),
    row("pubsub|channels", -2, "2.8.0",
            "O(N) for N active channels, names and pattern being short")
        .syntax("[pattern:pattern]"),
    row("pubsub|help", 2, "6.2.0", "O(1)"),
    row("pubsub|numpat", 2, "2.8.0", "O(1)"),
    row("pubsub|numsub", -2, "2.8.0", "O(N) for N channels given").syntax("[channel...]"),
    row("pubsub|shardchannels", -2, "7.0.0",
            "O(N) for N active shard channels, names and pattern being short")
        .syntax("[pattern:pattern]"),
    row("pubsub|shardnumsub", -2, "7.0.0", "O(N) for N shard channels given")
        .syntax("[shardchannel...]"),
    row("punsubscribe", -1, "2.0.0", "O(N) for N patterns given").syntax("[pattern:pattern...]"),
    row("spublish", 3, "7.0.0", "O(N) for N subscribers of the shard channel")
        .syntax("shardchannel message")
        .keys(&[one(NOT_KEY, 1)]),
    row("ssubscribe", -2, "7.0.0", "O(N) for N shard channels given")
        .syntax("shardchannel...")
        .keys(&[range(NOT_KEY, 1, -1, 1)]),
    row("subscribe", -2, "2.0.0", "O(N) for N channels given").syntax("channel..."),
    row("sunsubscribe", -1, "7.0.0", "O(N) for N shard channels given")
        .syntax("[shardchannel...]")
        .keys(&[range(NOT_KEY, 1, -1, 1)]),
    row("unsubscribe", -1, "2.0.0", "O(N) for N channels given").syntax("[channel...]"),
];
