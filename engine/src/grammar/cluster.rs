//! Cluster: the group `cluster` of COMMAND DOCS, 32 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("asking", "3.0.0", "O(1)").categories(&["connection"]),
    row("cluster", "3.0.0", "By subcommand"),
    row("cluster|addslots", "3.0.0", "O(N) for N slots given").syntax("slot:int..."),
    row("cluster|addslotsrange", "7.0.0", "O(N) for N slots in the ranges given")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|bumpepoch", "3.0.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|count-failure-reports", "3.0.0", "O(N) for N reports")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|countkeysinslot", "3.0.0", "O(1)").syntax("slot:int"),
    row("cluster|delslots", "3.0.0", "O(N) for N slots given").syntax("slot:int..."),
    row("cluster|delslotsrange", "7.0.0", "O(N) for N slots in the ranges given")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|failover", "3.0.0", "O(1)").syntax("[options=(FORCE|TAKEOVER)]"),
    row("cluster|flushslots", "3.0.0", "O(1)"),
    row("cluster|forget", "3.0.0", "O(1)").syntax("node-id"),
    row("cluster|getkeysinslot", "3.0.0", "O(N) for N keys wanted")
        .syntax("slot:int count:int")
        .tips(&["nondeterministic_output"]),
    row("cluster|help", "5.0.0", "O(1)"),
    row("cluster|info", "3.0.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|keyslot", "3.0.0", "O(N) for a key of N bytes").syntax("key"),
    row("cluster|links", "7.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|meet", "3.0.0", "O(1)")
        .syntax("ip port:int [cluster-bus-port:int@4.0.0]")
        .history(&[("4.0.0", "Takes the port of the cluster bus.")]),
    row("cluster|myid", "3.0.0", "O(1)"),
    row("cluster|myshardid", "7.2.0", "O(1)").tips(&["nondeterministic_output"]),
    row("cluster|nodes", "3.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|replicas", "5.0.0", "O(N) for N replicas")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|replicate", "3.0.0", "O(1)").syntax("node-id"),
    row("cluster|reset", "3.0.0", "O(N) for N known nodes; may flush all data as well")
        .syntax("[reset-type=(HARD|SOFT)]"),
    row("cluster|saveconfig", "3.0.0", "O(1)"),
    row("cluster|set-config-epoch", "3.0.0", "O(1)").syntax("config-epoch:int"),
    row("cluster|setslot", "3.0.0", "O(1)")
        .syntax(
            "slot:int subcommand=(IMPORTING importing<node-id>|MIGRATING migrating<node-id>\
             |NODE node<node-id>|STABLE)"),
    row("cluster|shards", "7.0.0", "O(N) for N nodes").tips(&["nondeterministic_output"]),
    row("cluster|slaves", "3.0.0", "O(N) for N replicas")
        .syntax("node-id")
        .tips(&["nondeterministic_output"])
        .deprecated("5.0.0", "`CLUSTER REPLICAS`"),
    row("cluster|slots", "3.0.0", "O(N) for N nodes")
        .tips(&["nondeterministic_output"])
        .history(&[
            ("4.0.0", "Each node has its ID."),
            ("7.0.0", "Each node has more about its network addresses."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    row("readonly", "3.0.0", "O(1)").categories(&["connection"]),
    row("readwrite", "3.0.0", "O(1)").categories(&["connection"]),
];
