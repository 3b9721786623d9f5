//! Server: the group `server` of COMMAND DOCS, 76 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("acl", -2, "6.0.0", "By subcommand"),
    row("acl|cat", -2, "6.0.0", "O(1), the categories being fixed").syntax("[category]"),
    row("acl|deluser", -3, "6.0.0", "O(1) for a user of usual size")
        .syntax("username...")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("acl|dryrun", -4, "7.0.0", "O(1)").syntax("username command [arg...]"),
    row("acl|genpass", -2, "6.0.0", "O(1)").syntax("[bits:int]"),
    row("acl|getuser", 3, "6.0.0", "O(N) for N rules of the user")
        .syntax("username")
        .history(&[
            ("6.2.0", "Reports channel patterns."),
            ("7.0.0",
             "Reports selectors; keys and channels are given as rules, no longer as lists."),
        ]),
    row("acl|help", 2, "6.0.0", "O(1)"),
    row("acl|list", 2, "6.0.0", "O(N) for N users"),
    row("acl|load", 2, "6.0.0", "O(N) for N users"),
    row("acl|log", -2, "6.0.0", "O(N) for N entries returned")
        .syntax("[operation=(count:int|RESET)]")
        .history(&[
            ("7.2.0", "Entries have an ID and the times of their creation and last update."),
        ]),
    row("acl|save", 2, "6.0.0", "O(N) for N users")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("acl|setuser", -3, "6.0.0", "O(N) for N rules given")
        .syntax("username [rule...]")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[
            ("6.2.0", "Rules for channels."),
            ("7.0.0", "Selectors, and rules that tell reading of keys from writing."),
        ]),
    row("acl|users", 2, "6.0.0", "O(N) for N users"),
    row("acl|whoami", 2, "6.0.0", "O(1)"),
    row("bgrewriteaof", 1, "1.0.0", "O(1)"),
    row("bgsave", -1, "1.0.0", "O(1)")
        .syntax("[SCHEDULE@3.2.2]")
        .history(&[("3.2.2", "New: `SCHEDULE`.")]),
    row("command", -1, "2.8.13", "O(N) for N commands of the server")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("command|count", 2, "2.8.13", "O(1)").categories(&["connection"]),
    row("command|docs", -2, "7.0.0", "O(N) for N commands asked for")
        .syntax("[command-name...]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("command|getkeys", -3, "2.8.13", "O(N) for N arguments")
        .syntax("command [arg...]")
        .categories(&["connection"]),
    row("command|getkeysandflags", -3, "7.0.0", "O(N) for N arguments")
        .syntax("command [arg...]")
        .categories(&["connection"]),
    row("command|help", 2, "5.0.0", "O(1)").categories(&["connection"]),
    row("command|info", -2, "2.8.13", "O(N) for N commands asked for")
        .syntax("[command-name...]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"])
        .history(&[("7.0.0", "Without a name: all commands.")]),
    row("command|list", -2, "7.0.0", "O(N) for N commands of the server")
        .syntax("[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern:pattern)]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("config", -2, "2.0.0", "By subcommand"),
    row("config|get", -3, "2.0.0", "O(N) for N parameters given")
        .syntax("parameter...")
        .history(&[("7.0.0", "Several patterns in one call.")]),
    row("config|help", 2, "5.0.0", "O(1)"),
    row("config|resetstat", 2, "2.0.0", "O(1)")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("config|rewrite", 2, "2.8.0", "O(1)")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("config|set", -4, "2.0.0", "O(N) for N parameters given")
        .syntax("data={parameter value}...")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[("7.0.0", "Several parameters in one call.")]),
    row("dbsize", 1, "1.0.0", "O(1)")
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .categories(&["keyspace"]),
    row("debug", -2, "1.0.0", "By subcommand").internal(),
    row("failover", -1, "6.2.0", "O(1)")
        .syntax("[TO target={host port:int [FORCE]}] [ABORT] [TIMEOUT milliseconds:int]"),
    row("flushall", -1, "1.0.0", "O(N) for N keys in all databases")
        .syntax("[flush-type=(ASYNC@4.0.0|SYNC@6.2.0)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["keyspace", "dangerous"])
        .history(&[("4.0.0", "New: `ASYNC`."), ("6.2.0", "New: `SYNC`.")]),
    row("flushdb", -1, "1.0.0", "O(N) for N keys in the database")
        .syntax("[flush-type=(ASYNC@4.0.0|SYNC@6.2.0)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["keyspace", "dangerous"])
        .history(&[("4.0.0", "New: `ASYNC`."), ("6.2.0", "New: `SYNC`.")]),
    row("info", -1, "1.0.0", "O(1)")
        .syntax("[section...]")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .categories(&["dangerous"])
        .history(&[("7.0.0", "Several sections in one call.")]),
    row("lastsave", 1, "1.0.0", "O(1)")
        .tips(&["nondeterministic_output"])
        .categories(&["admin", "dangerous"]),
    row("latency", -2, "2.8.13", "By subcommand"),
    row("latency|doctor", 2, "2.8.13", "O(1)")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|graph", 3, "2.8.13", "O(1)")
        .syntax("event")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|help", 2, "2.8.13", "O(1)"),
    row("latency|histogram", -2, "7.0.0", "O(N) for N commands with figures")
        .syntax("[command...]")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|history", 3, "2.8.13", "O(1)")
        .syntax("event")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|latest", 2, "2.8.13", "O(1)")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|reset", -2, "2.8.13", "O(1)")
        .syntax("[event...]")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"]),
    row("lolwut", -1, "5.0.0", "").syntax("[VERSION version:int]"),
    row("memory", -2, "4.0.0", "By subcommand"),
    row("memory|doctor", 2, "4.0.0", "O(1)")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|help", 2, "4.0.0", "O(1)"),
    row("memory|malloc-stats", 2, "4.0.0", "By the amount of memory, perhaps slow")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|purge", 2, "4.0.0", "By the amount of memory, perhaps slow")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("memory|stats", 2, "4.0.0", "O(1)")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|usage", -3, "4.0.0", "O(N) for N samples")
        .syntax("key:key [SAMPLES count:int]")
        .keys(&[one(RO, 2)]),
    row("module", -2, "4.0.0", "By subcommand"),
    row("module|help", 2, "5.0.0", "O(1)"),
    row("module|list", 2, "4.0.0", "O(N) for N modules").tips(&["nondeterministic_output_order"]),
    row("module|load", -3, "4.0.0", "O(1)").syntax("path [arg...]"),
    row("module|loadex", -3, "7.0.0", "O(1)")
        .syntax("path [CONFIG... configs={name value}] [ARGS args...]"),
    row("module|unload", 3, "4.0.0", "O(1)").syntax("name"),
    row("monitor", 1, "1.0.0", ""),
    row("psync", -3, "2.8.0", "").syntax("replicationid offset:int"),
    row("replconf", -1, "3.0.0", "O(1)").internal(),
    row("replicaof", 3, "5.0.0", "O(1)").syntax("args=(host-port={host port:int}|no-one={NO ONE})"),
    row("restore-asking", -4, "3.0.0",
            "O(1) to make the key and O(N*M) to decode N objects of average size M: O(1)+O(1*M) or \
             simply O(1) for a short string, O(N*M*log(N)) for a sorted set, each insertion being \
             O(log(N))")
        .syntax(
            "key:key ttl:int serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] \
             [IDLETIME seconds:int@5.0.0] [FREQ frequency:int@5.0.0]")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["keyspace", "dangerous"])
        .history(&[
            ("3.0.0", "New: `REPLACE`."),
            ("5.0.0", "New: `ABSTTL`."),
            ("5.0.0", "New: `IDLETIME`, `FREQ`."),
        ])
        .internal(),
    row("role", 1, "2.8.12", "O(1)").categories(&["admin", "dangerous"]),
    row("save", 1, "1.0.0", "O(N) for N keys in all databases"),
    row("shutdown", -1, "1.0.0", "O(N) to save N keys of all databases, O(1) without saving")
        .syntax("[save-selector=(NOSAVE|SAVE)] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]")
        .history(&[("7.0.0", "New: `NOW`, `FORCE`, `ABORT`.")]),
    row("slaveof", 3, "1.0.0", "O(1)")
        .syntax("args=(host-port={host port:int}|no-one={NO ONE})")
        .deprecated("5.0.0", "`REPLICAOF`"),
    row("slowlog", -2, "2.2.12", "By subcommand"),
    row("slowlog|get", -2, "2.2.12", "O(N) for N entries returned")
        .syntax("[count:int]")
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .history(&[("4.0.0", "Entries have the client's address and name.")]),
    row("slowlog|help", 2, "6.2.0", "O(1)"),
    row("slowlog|len", 2, "2.2.12", "O(1)")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]),
    row("slowlog|reset", 2, "2.2.12", "O(N) for N entries kept")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("swapdb", 3, "4.0.0",
            "O(N) for N clients that watch or wait for keys of the two databases")
        .syntax("index1:int index2:int")
        .categories(&["keyspace", "dangerous"]),
    row("sync", 1, "1.0.0", ""),
    row("time", 1, "2.6.0", "O(1)").tips(&["nondeterministic_output"]),
];
