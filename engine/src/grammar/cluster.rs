//! Cluster: the group `cluster` of COMMAND DOCS, 32 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("asking", 1, "3.0.0", "O(1)").categories(&["connection"]),
    row("cluster", -2, "3.0.0", "By subcommand"),
    row("cluster|addslots", -3, "3.0.0", "O(N) for N slots given").syntax("slot:int..."),
    row("cluster|addslotsrange", -4, "7.0.0", "O(N) for N slots in the ranges given")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|bumpepoch", 2, "3.0.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|count-failure-reports", 3, "3.0.0", "O(N) for N reports")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|countkeysinslot", 3, "3.0.0", "O(1)").syntax("slot:int"),
    row("cluster|delslots", -3, "3.0.0", "O(N) for N slots given").syntax("slot:int..."),
    row("cluster|delslotsrange", -4, "7.0.0", "O(N) for N slots in the ranges given")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|failover", -2, "3.0.0", "O(1)").syntax("[options=(FORCE|TAKEOVER)]"),
    row("cluster|flushslots", 2, "3.0.0", "O(1)"),
    row("cluster|forget", 3, "3.0.0", "O(1)").syntax("node-id"),
    row("cluster|getkeysinslot", 4, "3.0.0", "O(N) for N keys wanted")
        .syntax("slot:int count:int")
        .tips(&["nondeterministic_output"]),
    row("cluster|help", 2, "5.0.0", "O(1)"),
    row("cluster|info", 2, "3.0.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|keyslot", 3, "3.0.0", "O(N) for a key of N bytes").syntax("key"),
    row("cluster|links", 2, "7.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|meet", -4, "3.0.0", "O(1)")
        .syntax("ip port:int [cluster-bus-port:int@4.0.0]")
        .history(&[("4.0.0", "Takes the port of the cluster bus.")]),
    row("cluster|myid", 2, "3.0.0", "O(1)"),
    row("cluster|myshardid", 2, "7.2.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|nodes", 2, "3.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|replicas", 3, "5.0.0", "O(N) for N replicas")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|replicate", 3, "3.0.0", "O(1)").syntax("node-id"),
    row("cluster|reset", -2, "3.0.0", "O(N) for N known nodes; may flush all data as well")
        .syntax("[reset-type=(HARD|SOFT)]"),
    row("cluster|saveconfig", 2, "3.0.0", "O(1)"),
    row("cluster|set-config-epoch", 3, "3.0.0", "O(1)").syntax("config-epoch:int"),
    row("cluster|setslot", -4, "3.0.0", "O(1)")
        .syntax(
            "slot:int subcommand=(IMPORTING importing<node-id>|MIGRATING migrating<node-id>\
             |NODE node<node-id>|STABLE)"),
    row("cluster|shards", 2, "7.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|slaves", 3, "3.0.0", "O(N) for N replicas")
        .syntax("node-id")
        .tips(&["nondeterministic_output"])
        .deprecated("5.0.0", "`CLUSTER REPLICAS`"),
    row("cluster|slots", 2, "3.0.0", "O(N) for N nodes")
        .tips(&["nondeterministic_output"])
        .history(&[
            ("4.0.0", "Each node has its ID."),
            ("7.0.0", "Each node has more about its network addresses."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    row("readonly", 1, "3.0.0", "O(1)").categories(&["connection"]),
    row("readwrite", 1, "3.0.0", "O(1)").categories(&["connection"]),
];
