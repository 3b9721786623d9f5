//! Cluster: the group `cluster` of COMMAND DOCS, 32 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("asking", "3.0.0", "O(1)")
        .summary("Lets the next command use a slot that is being imported.")
        .categories(&["connection"]),
    row("cluster", "3.0.0", "By subcommand")
        .summary("Subcommands about the cluster that the node is part of."),
    row("cluster|addslots", "3.0.0", "O(N) for N slots given")
        .summary("Makes the node responsible for slots.")
        .syntax("slot:int..."),
    row("cluster|addslotsrange", "7.0.0", "O(N) for N slots in the ranges given")
        .summary("Makes the node responsible for ranges of slots.")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|bumpepoch", "3.0.0", "O(1)")
        .summary("Moves the cluster's epoch forward.")
        .tips(&["nondeterministic_output"]),
    row("cluster|count-failure-reports", "3.0.0", "O(N) for N reports")
        .summary("Counts the reports that a node has failed.")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|countkeysinslot", "3.0.0", "O(1)")
        .summary("Counts the keys of a slot.")
        .syntax("slot:int"),
    row("cluster|delslots", "3.0.0", "O(N) for N slots given")
        .summary("Makes the node forget who is responsible for slots.")
        .syntax("slot:int..."),
    row("cluster|delslotsrange", "7.0.0", "O(N) for N slots in the ranges given")
        .summary("Makes the node forget who is responsible for ranges of slots.")
        .syntax("range={start-slot:int end-slot:int}..."),
    row("cluster|failover", "3.0.0", "O(1)")
        .summary("Makes a replica take the place of its primary.")
        .syntax("[options=(FORCE|TAKEOVER)]"),
    row("cluster|flushslots", "3.0.0", "O(1)")
        .summary("Makes the node responsible for no slot."),
    row("cluster|forget", "3.0.0", "O(1)")
        .summary("Takes a node out of the table of nodes.")
        .syntax("node-id"),
    row("cluster|getkeysinslot", "3.0.0", "O(N) for N keys wanted")
        .summary("Returns keys of a slot.")
        .syntax("slot:int count:int")
        .tips(&["nondeterministic_output"]),
    row("cluster|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands of CLUSTER, each with a sentence about it."),
    row("cluster|info", "3.0.0", "O(1)")
        .summary("Returns the state of the cluster.")
        .tips(&["nondeterministic_output"]),
    row("cluster|keyslot", "3.0.0", "O(N) for a key of N bytes")
        .summary("Returns the slot of a key.")
        .syntax("key"),
    row("cluster|links", "7.0.0", "O(N) for N nodes")
        .summary("Lists the connections to other nodes.")
        .tips(&["nondeterministic_output"]),
    row("cluster|meet", "3.0.0", "O(1)")
        .summary("Introduces another node.")
        .syntax("ip port:int [cluster-bus-port:int@4.0.0]")
        .history(&[("4.0.0", "Takes the port of the cluster bus.")]),
    row("cluster|myid", "3.0.0", "O(1)")
        .summary("Returns the ID of the node."),
    row("cluster|myshardid", "7.2.0", "O(1)")
        .summary("Returns the ID of the shard of the node.")
        .tips(&["nondeterministic_output"]),
    row("cluster|nodes", "3.0.0", "O(N) for N nodes")
        .summary("Returns the table of nodes.")
        .tips(&["nondeterministic_output"]),
    row("cluster|replicas", "5.0.0", "O(N) for N replicas")
        .summary("Lists the replicas of a primary.")
        .syntax("node-id")
        .tips(&["nondeterministic_output"]),
    row("cluster|replicate", "3.0.0", "O(1)")
        .summary("Makes the node a replica of another.")
        .syntax("node-id"),
    row("cluster|reset", "3.0.0", "O(N) for N known nodes; may flush all data as well")
        .summary("Makes the node forget the cluster.")
        .syntax("[reset-type=(HARD|SOFT)]"),
    row("cluster|saveconfig", "3.0.0", "O(1)")
        .summary("Writes the table of nodes to disk."),
    row("cluster|set-config-epoch", "3.0.0", "O(1)")
        .summary("Sets the epoch of a new node.")
        .syntax("config-epoch:int"),
    row("cluster|setslot", "3.0.0", "O(1)")
        .summary("Says who is responsible for a slot, or that it moves.")
        .syntax(
            "slot:int subcommand=(IMPORTING importing<node-id>|MIGRATING migrating<node-id>\
             |NODE node<node-id>|STABLE)"),
    row("cluster|shards", "7.0.0", "O(N) for N nodes")
        .summary("Returns slots with their nodes, shard by shard.")
        .tips(&["nondeterministic_output"]),
    row("cluster|slaves", "3.0.0", "O(N) for N replicas")
        .summary("Lists the replicas of a primary.")
        .syntax("node-id")
        .tips(&["nondeterministic_output"])
        .deprecated("5.0.0", "`CLUSTER REPLICAS`"),
    row("cluster|slots", "3.0.0", "O(N) for N nodes")
        .summary("Returns slots with their nodes.")
        .tips(&["nondeterministic_output"])
        .history(&[
            ("4.0.0", "Each node has its ID."),
            ("7.0.0", "Each node has more about its network addresses."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    row("readonly", "3.0.0", "O(1)")
        .summary("Lets the connection read from a replica in a cluster.")
        .categories(&["connection"]),
    row("readwrite", "3.0.0", "O(1)")
        .summary("Sends the reads of the connection to primaries again.")
        .categories(&["connection"]),
];
