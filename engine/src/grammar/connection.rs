//! Connection: the group `connection` of COMMAND DOCS, 26 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("auth", "1.0.0", "O(N) for N passwords of the user")
        .summary("Logs in with a password, or with the name of a user and a password.")
        .syntax("[username@6.0.0] password")
        .categories(&["connection"])
        .history(&[("6.0.0", "Takes a user name before the password.")]),
    row("client", "2.4.0", "By subcommand")
        .summary("Subcommands that tell about the connections of clients and control them."),
    row("client|caching", "6.0.0", "O(1)")
        .summary("Says whether the keys of the next command are to be tracked.")
        .syntax("mode=(YES|NO)").categories(&["connection"]),
    row("client|getname", "2.6.9", "O(1)")
        .summary("Tells what CLIENT SETNAME has called the connection.")
        .categories(&["connection"]),
    row("client|getredir", "6.0.0", "O(1)")
        .summary("Tells which client gets the invalidations of this one.")
        .categories(&["connection"]),
    row("client|help", "5.0.0", "O(1)")
        .summary("Lists the subcommands of CLIENT, each with a sentence about it.")
        .categories(&["connection"]),
    row("client|id", "5.0.0", "O(1)")
        .summary("Tells the number by which the server knows the connection.")
        .categories(&["connection"]),
    row("client|info", "6.2.0", "O(1)")
        .summary("Describes the connection as its line of CLIENT LIST does.")
        .tips(&["nondeterministic_output"])
        .categories(&["connection"]),
    row("client|kill", "2.4.0", "O(N) for N clients")
        .summary("Disconnects the clients with an address, a number or other properties.")
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
    row("client|list", "2.4.0", "O(N) for N clients")
        .summary("Describes the clients that are connected, one in each line.")
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
    row("client|no-evict", "7.0.0", "O(1)")
        .summary("Exempts the connection from being closed to save memory, or no longer does.")
        .syntax("enabled=(ON|OFF)")
        .categories(&["connection"]),
    row("client|no-touch", "7.2.0", "O(1)")
        .summary("Chooses whether reading a key makes it count as used.")
        .syntax("enabled=(ON|OFF)")
        .categories(&["connection"]),
    row("client|pause", "3.0.0", "O(1)")
        .summary("Holds back the commands of all clients for a while, or only those that write.")
        .syntax("timeout:int [mode=(WRITE|ALL)@6.2.0]")
        .categories(&["connection"])
        .history(&[("6.2.0", "A mode may follow the time; `WRITE` holds up writes only.")]),
    row("client|reply", "3.2.0", "O(1)")
        .summary("Turns replies to the connection off or on, or leaves out the next one.")
        .syntax("action=(ON|OFF|SKIP)")
        .categories(&["connection"]),
    row("client|setinfo", "7.2.0", "O(1)")
        .summary("Notes the name or the version of the library that the client uses.")
        .syntax("attr=(LIB-NAME libname|LIB-VER libver)")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("client|setname", "2.6.9", "O(1)")
        .summary("Gives the connection a name, which CLIENT LIST shows.")
        .syntax("connection-name")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("client|tracking", "6.0.0", "O(1), some options cost more")
        .summary("Switches on or off that the client is told when keys change that it may hold.")
        .syntax(
            "status=(ON|OFF) [REDIRECT client-id:int] [PREFIX... prefix] [BCAST] [OPTIN] [OPTOUT] \
             [NOLOOP]")
        .categories(&["connection"]),
    row("client|trackinginfo", "6.2.0", "O(1)")
        .summary("Tells how the client tracks keys.")
        .categories(&["connection"]),
    row("client|unblock", "5.0.0", "O(log N) for N clients")
        .summary("Ends the wait of a client.")
        .syntax("client-id:int [unblock-type=(TIMEOUT|ERROR)]")
        .categories(&["connection"]),
    row("client|unpause", "6.2.0", "O(N) for N paused clients")
        .summary("Ends a CLIENT PAUSE before its time is over.")
        .categories(&["connection"]),
    row("echo", "1.0.0", "O(1)")
        .summary("Sends its argument back.")
        .syntax("message").categories(&["connection"]),
    row("hello", "6.0.0", "O(1)")
        .summary("Chooses the version of the protocol; may also log in and name the connection.")
        .syntax("[arguments={protover:int [AUTH {username password}] [SETNAME clientname]}]")
        .categories(&["connection"])
        .history(&[("6.2.0", "Without `protover`: only reports the state of the connection.")]),
    row("ping", "1.0.0", "O(1)")
        .summary("Replies PONG, or the text given: a sign that the server is there.")
        .syntax("[message]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .categories(&["connection"]),
    row("quit", "1.0.0", "O(1)")
        .summary("Replies OK and then disconnects.")
        .categories(&["connection"])
        .deprecated("7.2.0", "disconnecting"),
    row("reset", "6.2.0", "O(1)")
        .summary("Makes the connection like a new one: logged out, database 0, RESP2, no subscriptions.")
        .categories(&["connection"]),
    row("select", "1.0.0", "O(1)")
        .summary("Makes later commands of the connection use another database.")
        .syntax("index:int").categories(&["connection"]),
];
