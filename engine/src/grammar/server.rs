//! Server: the group `server` of COMMAND DOCS, 76 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("acl", "6.0.0", "By subcommand")
        .summary("Subcommands about users and what they are allowed to do."),
    row("acl|cat", "6.0.0", "O(1), the categories being fixed")
        .summary("Lists the categories of commands, or the commands of one.").syntax("[category]"),
    row("acl|deluser", "6.0.0", "O(1) for a user of usual size")
        .summary("Deletes users; their clients are disconnected.")
        .syntax("username...")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("acl|dryrun", "7.0.0", "O(1)")
        .summary("Says whether a user could run a command, without running it.").syntax("username command [arg...]"),
    row("acl|genpass", "6.0.0", "O(1)")
        .summary("Makes a random password that is hard to guess.").syntax("[bits:int]"),
    row("acl|getuser", "6.0.0", "O(N) for N rules of the user")
        .summary("Describes a user.")
        .syntax("username")
        .history(&[
            ("6.2.0", "Reports channel patterns."),
            ("7.0.0",
             "Reports selectors; keys and channels are given as rules, no longer as lists."),
        ]),
    row("acl|help", "6.0.0", "O(1)")
        .summary("Describes the subcommands of ACL."),
    row("acl|list", "6.0.0", "O(N) for N users")
        .summary("Lists users as rules, in the form of a file."),
    row("acl|load", "6.0.0", "O(N) for N users")
        .summary("Replaces all users by those of their file."),
    row("acl|log", "6.0.0", "O(N) for N entries returned")
        .summary("Lists what was refused for want of permission, and failed logins.")
        .syntax("[operation=(count:int|RESET)]")
        .history(&[
            ("7.2.0", "Entries have an ID and the times of their creation and last update."),
        ]),
    row("acl|save", "6.0.0", "O(N) for N users")
        .summary("Writes all users to their file.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("acl|setuser", "6.0.0", "O(N) for N rules given")
        .summary("Makes a user, or changes what it may do.")
        .syntax("username [rule...]")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[
            ("6.2.0", "Rules for channels."),
            ("7.0.0", "Selectors, and rules that tell reading of keys from writing."),
        ]),
    row("acl|users", "6.0.0", "O(N) for N users")
        .summary("Lists the names of all users."),
    row("acl|whoami", "6.0.0", "O(1)")
        .summary("Names the user of the connection."),
    row("bgrewriteaof", "1.0.0", "O(1)")
        .summary("Writes the append-only file anew in the background, as short as the data allows."),
    row("bgsave", "1.0.0", "O(1)")
        .summary("Writes a snapshot of all databases to disk in the background.")
        .syntax("[SCHEDULE@3.2.2]")
        .history(&[("3.2.2", "New: `SCHEDULE`.")]),
    row("command", "2.8.13", "O(N) for N commands of the server")
        .summary("Describes all commands: arity, flags, where their keys are.")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("command|count", "2.8.13", "O(1)")
        .summary("Counts the commands that the server has.")
        .categories(&["connection"]),
    row("command|docs", "7.0.0", "O(N) for N commands asked for")
        .summary("Returns what there is to read about some commands, or about all.")
        .syntax("[command-name...]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("command|getkeys", "2.8.13", "O(N) for N arguments")
        .summary("Tells which arguments of a whole request are keys.")
        .syntax("command [arg...]")
        .categories(&["connection"]),
    row("command|getkeysandflags", "7.0.0", "O(N) for N arguments")
        .summary("Finds the keys among the arguments of a command, and says what is done with each.")
        .syntax("command [arg...]")
        .categories(&["connection"]),
    row("command|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands of COMMAND, each with a sentence about it.")
        .categories(&["connection"]),
    row("command|info", "2.8.13", "O(N) for N commands asked for")
        .summary("Describes some commands, or all: arity, flags, where their keys are.")
        .syntax("[command-name...]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"])
        .history(&[("7.0.0", "Without a name: all commands.")]),
    row("command|list", "7.0.0", "O(N) for N commands of the server")
        .summary("Lists the names of all commands, or of those that pass a filter.")
        .syntax("[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern:pattern)]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["connection"]),
    row("config", "2.0.0", "By subcommand")
        .summary("Subcommands that read the server's settings and change them."),
    row("config|get", "2.0.0", "O(N) for N parameters given")
        .summary("Returns the settings whose names match patterns.")
        .syntax("parameter...")
        .history(&[("7.0.0", "Several patterns in one call.")]),
    row("config|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands of CONFIG, each with a sentence about it."),
    row("config|resetstat", "2.0.0", "O(1)")
        .summary("Sets the counters of INFO back to zero.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("config|rewrite", "2.8.0", "O(1)")
        .summary("Writes the settings in force into the configuration file.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("config|set", "2.0.0", "O(N) for N parameters given")
        .summary("Changes settings while the server runs.")
        .syntax("data={parameter value}...")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .history(&[("7.0.0", "Several parameters in one call.")]),
    row("dbsize", "1.0.0", "O(1)")
        .summary("Counts the keys of the selected database.")
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .categories(&["keyspace"]),
    row("debug", "1.0.0", "By subcommand")
        .summary("Subcommands for tests and for finding faults.")
        .internal(),
    row("failover", "6.2.0", "O(1)")
        .summary("Makes a primary and one of its replicas change roles in good order.")
        .syntax("[TO target={host port:int [FORCE]}] [ABORT] [TIMEOUT milliseconds:int]"),
    row("flushall", "1.0.0", "O(N) for N keys in all databases")
        .summary("Empties every database.")
        .syntax("[flush-type=(ASYNC@4.0.0|SYNC@6.2.0)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["keyspace", "dangerous"])
        .history(&[("4.0.0", "New: `ASYNC`."), ("6.2.0", "New: `SYNC`.")]),
    row("flushdb", "1.0.0", "O(N) for N keys in the database")
        .summary("Empties the selected database.")
        .syntax("[flush-type=(ASYNC@4.0.0|SYNC@6.2.0)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["keyspace", "dangerous"])
        .history(&[("4.0.0", "New: `ASYNC`."), ("6.2.0", "New: `SYNC`.")]),
    row("info", "1.0.0", "O(1)")
        .summary("Reports figures about the server and its state, section by section.")
        .syntax("[section...]")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .categories(&["dangerous"])
        .history(&[("7.0.0", "Several sections in one call.")]),
    row("lastsave", "1.0.0", "O(1)")
        .summary("Tells at which Unix time the last snapshot was complete.")
        .tips(&["nondeterministic_output"])
        .categories(&["admin", "dangerous"]),
    row("latency", "2.8.13", "By subcommand")
        .summary("Subcommands that tell where the server has lost time."),
    row("latency|doctor", "2.8.13", "O(1)")
        .summary("Says in sentences what took long and what may help.")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|graph", "2.8.13", "O(1)")
        .summary("Draws the samples of an event.")
        .syntax("event")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|help", "2.8.13", "O(1)").summary("Shows what there is to LATENCY."),
    row("latency|histogram", "7.0.0", "O(N) for N commands with figures")
        .summary("Counts the calls of commands by how long they took.")
        .syntax("[command...]")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|history", "2.8.13", "O(1)")
        .summary("Lists when an event happened and how long it took.")
        .syntax("event")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|latest", "2.8.13", "O(1)")
        .summary("Shows of each event when it happened last.")
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    row("latency|reset", "2.8.13", "O(1)")
        .summary("Forgets the samples of some events, or of all.")
        .syntax("[event...]")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"]),
    row("lolwut", "5.0.0", "")
        .summary("Draws something, and tells the version.")
        .syntax("[VERSION version:int]"),
    row("memory", "4.0.0", "By subcommand")
        .summary("Subcommands that tell what memory is used for."),
    row("memory|doctor", "4.0.0", "O(1)")
        .summary("Says in sentences what stands out in the use of memory.")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|help", "4.0.0", "O(1)")
        .summary("Lists the subcommands of MEMORY, each with a sentence about it."),
    row("memory|malloc-stats", "4.0.0", "By the amount of memory, perhaps slow")
        .summary("Returns what the allocator says about itself.")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|purge", "4.0.0", "By the amount of memory, perhaps slow")
        .summary("Has the allocator give free memory back to the system.")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("memory|stats", "4.0.0", "O(1)")
        .summary("Returns what uses how many bytes.")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("memory|usage", "4.0.0", "O(N) for N samples")
        .summary("Estimates the bytes that a key and its value take.")
        .syntax("key:key [SAMPLES count:int]")
        .keys(&[one(RO, 2)]),
    row("module", "4.0.0", "By subcommand")
        .summary("Subcommands about loaded modules."),
    row("module|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands of MODULE, each with a sentence about it."),
    row("module|list", "4.0.0", "O(N) for N modules")
        .summary("Lists the modules that are loaded: none.")
        .tips(&["nondeterministic_output_order"]),
    row("module|load", "4.0.0", "O(1)")
        .summary("Loads a module.")
        .syntax("path [arg...]"),
    row("module|loadex", "7.0.0", "O(1)")
        .summary("Loads a module with its settings.")
        .syntax("path [CONFIG... configs={name value}] [ARGS args...]"),
    row("module|unload", "4.0.0", "O(1)")
        .summary("Unloads a module.")
        .syntax("name"),
    row("monitor", "1.0.0", "")
        .summary("Shows the client every command that the server executes."),
    row("psync", "2.8.0", "")
        .summary("Used by replicas: asks for the changes after an offset, or for everything.")
        .syntax("replicationid offset:int"),
    row("replconf", "3.0.0", "O(1)")
        .summary("Used between primary and replica: properties of the replica, acknowledged offsets.")
        .internal(),
    row("replicaof", "5.0.0", "O(1)")
        .summary("Makes the server a replica of another one; with NO ONE, a primary.")
        .syntax("args=(host-port={host port:int}|no-one={NO ONE})"),
    row("restore-asking", "3.0.0",
            "O(1) to make the key and O(N*M) to decode N objects of average size M: O(1)+O(1*M) or \
             simply O(1) for a short string, O(N*M*log(N)) for a sorted set, each insertion being \
             O(log(N))")
        .summary("Makes a key from the bytes that DUMP has returned.")
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
    row("role", "2.8.12", "O(1)")
        .summary("Tells whether the server is primary or replica, of whom, and at which offset.")
        .categories(&["admin", "dangerous"]),
    row("save", "1.0.0", "O(N) for N keys in all databases")
        .summary("Writes a snapshot of all databases to disk while everybody waits."),
    row("shutdown", "1.0.0", "O(N) to save N keys of all databases, O(1) without saving")
        .summary("Stops the server, after a snapshot if one is wanted.")
        .syntax("[save-selector=(NOSAVE|SAVE)] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]")
        .history(&[("7.0.0", "New: `NOW`, `FORCE`, `ABORT`.")]),
    row("slaveof", "1.0.0", "O(1)")
        .summary("Does the same as REPLICAOF, under its old name.")
        .syntax("args=(host-port={host port:int}|no-one={NO ONE})")
        .deprecated("5.0.0", "`REPLICAOF`"),
    row("slowlog", "2.2.12", "By subcommand")
        .summary("Subcommands that show and clear the log of slow commands."),
    row("slowlog|get", "2.2.12", "O(N) for N entries returned")
        .summary("Shows the latest commands that took long.")
        .syntax("[count:int]")
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .history(&[("4.0.0", "Entries have the client's address and name.")]),
    row("slowlog|help", "6.2.0", "O(1)").summary("Shows what there is to SLOWLOG."),
    row("slowlog|len", "2.2.12", "O(1)")
        .summary("Counts the commands in the slow log.")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]),
    row("slowlog|reset", "2.2.12", "O(N) for N entries kept")
        .summary("Empties the slow log.")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    row("swapdb", "4.0.0",
            "O(N) for N clients that watch or wait for keys of the two databases")
        .summary("Exchanges the contents of two databases for all clients.")
        .syntax("index1:int index2:int")
        .categories(&["keyspace", "dangerous"]),
    row("sync", "1.0.0", "")
        .summary("Used by old replicas: asks for all data and the changes after it."),
    row("time", "2.6.0", "O(1)")
        .summary("Tells the Unix time of the server in seconds and microseconds.")
        .tips(&["nondeterministic_output"]),
];
