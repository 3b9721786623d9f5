//! Scripts and functions: the group `scripting` of COMMAND DOCS, 23 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("eval", "2.6.0", "By script")
        .summary("Runs a script.")
        .syntax("script numkeys:int [key:key...] [arg...]")
        .keys(&[
            counted(RW | ACCESS | UPDATE, 2)
                .note("What a script does with its keys is unknown: taken as read and written"),
        ])
        .categories(&["scripting"]),
    row("eval_ro", "7.0.0", "By script")
        .summary("Runs a script that does not write.")
        .syntax("script numkeys:int [key:key...] [arg...]")
        .keys(&[
            counted(RO | ACCESS, 2)
                .note("What a script does with its keys is unknown: taken as read"),
        ])
        .categories(&["scripting"]),
    row("evalsha", "2.6.0", "By script")
        .summary("Runs a script that has been seen, by its digest.")
        .syntax("sha1 numkeys:int [key:key...] [arg...]")
        .keys(&[counted(RW | ACCESS | UPDATE, 2)])
        .categories(&["scripting"]),
    row("evalsha_ro", "7.0.0", "By script")
        .summary("Runs a script that has been seen and does not write, by its digest.")
        .syntax("sha1 numkeys:int [key:key...] [arg...]")
        .keys(&[counted(RO | ACCESS, 2)])
        .categories(&["scripting"]),
    row("fcall", "7.0.0", "By function")
        .summary("Calls a function of a library.")
        .syntax("function numkeys:int [key:key...] [arg...]")
        .keys(&[
            counted(RW | ACCESS | UPDATE, 2)
                .note("What a function does with its keys is unknown: taken as read and written"),
        ])
        .categories(&["scripting"]),
    row("fcall_ro", "7.0.0", "By function")
        .summary("Calls a function of a library that does not write.")
        .syntax("function numkeys:int [key:key...] [arg...]")
        .keys(&[
            counted(RO | ACCESS, 2)
                .note("What a function does with its keys is unknown: taken as read"),
        ])
        .categories(&["scripting"]),
    row("function", "7.0.0", "By subcommand")
        .summary("Subcommands about functions."),
    row("function|delete", "7.0.0", "O(1)")
        .summary("Removes a library and its functions.")
        .syntax("library-name")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["scripting"]),
    row("function|dump", "7.0.0", "O(N) for N functions")
        .summary("Returns all libraries in a form that FUNCTION RESTORE takes.")
        .categories(&["scripting"]),
    row("function|flush", "7.0.0", "O(N) for N functions deleted")
        .summary("Removes all libraries.")
        .syntax("[flush-type=(ASYNC|SYNC)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["scripting"]),
    row("function|help", "7.0.0", "O(1)")
        .summary("Lists the subcommands.")
        .categories(&["scripting"]),
    row("function|kill", "7.0.0", "O(1)")
        .summary("Ends the function that is running, unless it has written.")
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .categories(&["scripting"]),
    row("function|list", "7.0.0", "O(N) for N functions")
        .summary("Lists the libraries and their functions.")
        .syntax("[LIBRARYNAME library-name-pattern] [WITHCODE]")
        .tips(&["nondeterministic_output_order"])
        .categories(&["scripting"]),
    row("function|load", "7.0.0", "O(1), compiling aside")
        .summary("Adds a library, whose code registers functions.")
        .syntax("[REPLACE] function-code")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["scripting"]),
    row("function|restore", "7.0.0", "O(N) for N functions in the payload")
        .summary("Adds the libraries that FUNCTION DUMP returned.")
        .syntax("serialized-value [policy=(FLUSH|APPEND|REPLACE)]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["scripting"]),
    row("function|stats", "7.0.0", "O(1)")
        .summary("Returns what function is running, and how many there are.")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .categories(&["scripting"]),
    row("script", "2.6.0", "By subcommand")
        .summary("Subcommands about scripts."),
    row("script|debug", "3.2.0", "O(1)")
        .summary("Switches the debugging of scripts.")
        .syntax("mode=(YES|SYNC|NO)").categories(&["scripting"]),
    row("script|exists", "2.6.0", "O(N) for N digests given, O(1) for one")
        .summary("Says which scripts have been seen, by their digests.")
        .syntax("sha1...")
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .categories(&["scripting"]),
    row("script|flush", "2.6.0", "O(N) for N scripts kept")
        .summary("Forgets all scripts.")
        .syntax("[flush-type=(ASYNC|SYNC)@6.2.0]")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["scripting"])
        .history(&[("6.2.0", "New: `ASYNC`, `SYNC`.")]),
    row("script|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands.")
        .categories(&["scripting"]),
    row("script|kill", "2.6.0", "O(1)")
        .summary("Ends the script that is running, unless it has written.")
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .categories(&["scripting"]),
    row("script|load", "2.6.0", "O(N) for a script of N bytes")
        .summary("Keeps a script for EVALSHA, without running it.")
        .syntax("script")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["scripting"]),
];
