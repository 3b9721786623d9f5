//! Connection: the group `connection` of COMMAND DOCS, 26 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("auth", -2, "1.0.0", "O(N) for N passwords of the user")
        .syntax("[username@6.0.0] password")
        .categories(&["connection"])
        .history(&[("6.0.0", "Takes a user name before the password.")]),
    row("client", -2, "2.4.0", "By subcommand"),
    row("client|caching", 3, "6.0.0", "O(1)").syntax("mode=(YES|NO)").categories(&["connection"]),
    row("client|getname", 2, "2.6.9", "O(1)").categories(&["connection"]),
    row("client|getredir", 2, "6.0.0", "O(1)").categories(&["connection"]),
    row("client|help", 2, "5.0.0", "O(1)").categories(&["connection"]),
    row("client|id", 2, "5.0.0", "O(1)").categories(&["connection"]),
    row("client|info", 2, "6.2.0", "O(1)")
        .tips(&["nondeterministic_output"])
        .categories(&["connection"]),
    row("client|kill", -3, "2.4.0", "O(N) for N clients")
        .syntax(
            "filter=(old-format<ip:port>!2.8.12|new-format=([ID client-id:int@2.8.12]\
             |[TYPE client-type=(NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)@2.8.12]\
             |[USER username]|[ADDR addr<ip:port>]|[LADDR laddr<ip:port>@6.2.0]\
             |[SKIPME (YES|NO)])...)")
        .categories(&["connection"])
        .history(&[
            ("2.8.12", "Filters by name and value."),
            ("2.8.12", "New: `ID`."),
            ("3.2.0", "`TYPE` knows `master`."),
            ("5.0.0", "`TYPE` knows `replica`; `slave` means the same still."),
            ("6.2.0", "New: `LADDR`."),
        ]),
    row("client|list", -2, "2.4.0", "O(N) for N clients")
        .syntax(
            "[TYPE client-type=(NORMAL|MASTER|REPLICA|PUBSUB)@5.0.0] [ID client-id:int...@6.2.0]")
        .tips(&["nondeterministic_output"])
        .categories(&["connection"])
        .history(&[
            ("2.8.12", "New field: `id`."),
            ("5.0.0", "New: `TYPE`."),
            ("6.0.0", "New field: `user`."),
            ("6.2.0", "New fields: `argv-mem`, `tot-mem`, `laddr`, `redir`. New: `ID`."),
            ("7.0.0", "New fields: `resp`, `multi-mem`, `rbs`, `rbp`."),
            ("7.0.3", "New field: `ssub`."),
        ]),
    row("client|no-evict", 3, "7.0.0", "O(1)")
        .syntax("enabled=(ON|OFF)")
        .categories(&["connection"]),
    row("client|no-touch", 3, "7.2.0", "O(1)")
        .syntax("enabled=(ON|OFF)")
        .categories(&["connection"]),
    row("client|pause", -3, "3.0.0", "O(1)")
        .syntax("timeout:int [mode=(WRITE|ALL)@6.2.0]")
        .categories(&["connection"])
        .history(&[("6.2.0", "A mode may follow the time; `WRITE` holds up writes only.")]),
    row("client|reply", 3, "3.2.0", "O(1)")
        .syntax("action=(ON|OFF|SKIP)")
        .categories(&["connection"]),
    row("client|setinfo", 4, "7.2.0", "O(1)")
        .syntax("attr=(LIB-NAME libname|LIB-VER libver)")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("client|setname", 3, "2.6.9", "O(1)")
        .syntax("connection-name")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("client|tracking", -3, "6.0.0", "O(1), some options cost more")
        .syntax(
            "status=(ON|OFF) [REDIRECT client-id:int] [PREFIX... prefix] [BCAST] [OPTIN] [OPTOUT] \
             [NOLOOP]")
        .categories(&["connection"]),
    row("client|trackinginfo", 2, "6.2.0", "O(1)").categories(&["connection"]),
    row("client|unblock", -3, "5.0.0", "O(log N) for N clients")
        .syntax("client-id:int [unblock-type=(TIMEOUT|ERROR)]")
        .categories(&["connection"]),
    row("client|unpause", 2, "6.2.0", "O(N) for N paused clients").categories(&["connection"]),
    row("echo", 2, "1.0.0", "O(1)").syntax("message").categories(&["connection"]),
    row("hello", -1, "6.0.0", "O(1)")
        .syntax("[arguments={protover:int [AUTH {username password}] [SETNAME clientname]}]")
        .categories(&["connection"])
        .history(&[("6.2.0", "Without `protover`: only reports the state of the connection.")]),
    row("ping", -1, "1.0.0", "O(1)")
        .syntax("[message]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("quit", -1, "1.0.0", "O(1)")
        .categories(&["connection"])
        .deprecated("7.2.0", "disconnecting"),
    row("reset", 1, "6.2.0", "O(1)").categories(&["connection"]),
    row("select", 2, "1.0.0", "O(1)").syntax("index:int").categories(&["connection"]),
];
