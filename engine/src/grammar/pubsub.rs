//! Publish and subscribe: the group `pubsub` of COMMAND DOCS, 15 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("psubscribe", "2.0.0", "O(N) for N patterns given")
        .summary("Subscribes to all channels whose names match patterns.")
        .syntax("pattern:pattern..."),
    row("publish", "2.0.0", "O(N+M), N: subscribers of the channel, M: patterns of all clients")
        .summary("Sends a message to all subscribers of a channel.")
        .syntax("channel message"),
    row("pubsub", "2.8.0", "By subcommand")
        .summary("Subcommands that tell which subscriptions there are."),
    row("pubsub|channels", "2.8.0",
            "O(N) for N active channels, names and pattern being short")
        .summary("Lists the channels that have subscribers.")
        .syntax("[pattern:pattern]"),
    row("pubsub|help", "6.2.0", "O(1)")
        .summary("Lists the subcommands of PUBSUB, each with a sentence about it."),
    row("pubsub|numpat", "2.8.0", "O(1)")
        .summary("Counts the different patterns that clients have subscribed to."),
    row("pubsub|numsub", "2.8.0", "O(N) for N channels given")
        .summary("Tells for several channels how many subscribers each has.")
        .syntax("[channel...]"),
    row("pubsub|shardchannels", "7.0.0",
            "O(N) for N active shard channels, names and pattern being short")
        .summary("Lists the shard channels somebody listens to.")
        .syntax("[pattern:pattern]"),
    row("pubsub|shardnumsub", "7.0.0", "O(N) for N shard channels given")
        .summary("Counts who listens to shard channels.")
        .syntax("[shardchannel...]"),
    row("punsubscribe", "2.0.0", "O(N) for N patterns given")
        .summary("Ends the subscriptions to some patterns, or to all of them.")
        .syntax("[pattern:pattern...]"),
    row("spublish", "7.0.0", "O(N) for N subscribers of the shard channel")
        .summary("Sends a message to those who listen to a shard channel.")
        .syntax("shardchannel message")
        .keys(&[one(NOT_KEY, 1)]),
    row("ssubscribe", "7.0.0", "O(N) for N shard channels given")
        .summary("Begins to listen to shard channels.")
        .syntax("shardchannel...")
        .keys(&[range(NOT_KEY, 1, -1, 1)]),
    row("subscribe", "2.0.0", "O(N) for N channels given")
        .summary("Subscribes to channels.")
        .syntax("channel..."),
    row("sunsubscribe", "7.0.0", "O(N) for N shard channels given")
        .summary("Stops listening to shard channels.")
        .syntax("[shardchannel...]")
        .keys(&[range(NOT_KEY, 1, -1, 1)]),
    row("unsubscribe", "2.0.0", "O(N) for N channels given")
        .summary("Ends the subscriptions to some channels, or to all of them.")
        .syntax("[channel...]"),
];
