//! The interface of Redis 7.2 as data: what each command takes, which keys it touches and how, since when.
//!
//! COMMAND DOCS, COMMAND INFO, COMMAND GETKEYSANDFLAGS and the list of compatibility read these rows. They cover every
//! command and subcommand but Sentinel's, those that this server does not have included. What runs a command (handler,
//! arity, flags, places of keys) stands in its family's row of [`crate::command`]; each fact is in one of the two. A file
//! here is a group of COMMAND DOCS.
//! Names, tokens, their order, versions and classes of complexity are Redis's; sentences are our own.
//!
//! # Columns
//! - `row(name, since, complexity)`: a subcommand is named with its container, `client|kill`; complexity "" is unknown
//! - `summary`: what it does, in a sentence; all that are there have one
//! - `syntax`: the arguments after the name, in the notation below; none if there is none
//! - `keys`: the key specifications, see [`key_spec`]; an argument refers to one by its number
//! - `tips`: for clients and proxies; `categories`: ACL categories beyond those that follow from flags
//! - `history`: versions in which the command changed, the oldest first
//! - `deprecated`: since when, and what to use; `internal`: between servers only (`syscmd` in COMMAND DOCS)
//!
//! # Notation of `syntax`
//! ```text
//! syntax   = item { " " item }
//! item     = argument | "[" argument "]"                  in brackets: optional
//! argument = ( pure | [ token [ "..." ] " " ] value ) { suffix }
//! pure     = token | name "=" token                       a word without a value
//! value    = name [ ":" kind ] | [ name "=" ] group
//! group    = "(" item { "|" item } ")"                    one of them
//!          | "{" item { " " item } "}"                    all of them, in this order
//! kind     = "key" | "int" | "double" | "pattern" | "time"    a string without any
//! suffix   = "#" number                                   its key specification
//!          | "<" text ">"                                 what is shown instead of its name
//!          | "..."                                        may be repeated
//!          | "@" version                                  since
//!          | "!" version                                  deprecated since
//! token    = a word in capitals, digits and "-", or anything in single quotes
//! name     = a word in small letters, digits and "-"
//! ```
//! Suffixes come in this order, each at most once. A token takes the value after it. It is a word of its own where
//! none follows: before a bracket, a bar, an end, or another token. Then its name is the token in small letters unless
//! another is given; so is the name of a group after a token. `...` after a token says that the token is repeated with
//! the value. A `key` has the specification 0 unless another is given.
//!
//! ```text
//! key:key value [condition=(NX|XX)@2.6.12] [GET@6.2.0]    SET, its beginning
//! data={key:key value}...                                 MSET
//! [LIMIT {offset:int count:int}]                          a block "limit" with the token LIMIT
//! [GET... get-pattern:pattern#1<pattern>]                 SORT: GET pattern GET pattern …
//! id-selector=(auto-id='*'|id)                            XADD: the token `*`, or an ID
//! ```
//!
//! # Invariants
//! - rows are in order of name within their file, and no name is there twice
//! - every `syntax` can be parsed, and its arguments use all key specifications of the row
//!
//! # Source
//! - Redis 7.2.6: descriptions of commands

mod bitmaps;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hashes;
mod hyperloglog;
pub mod key_spec;
mod lists;
mod pubsub;
mod row;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
pub mod syntax;
mod transactions;

pub use row::Grammar;
pub(crate) use row::NONE;
use std::sync::OnceLock;

/// All rows, by the name of their group in COMMAND DOCS.
pub const GROUPS: &[(&str, &[Grammar])] = &[
    ("bitmap", bitmaps::ROWS),
    ("cluster", cluster::ROWS),
    ("connection", connection::ROWS),
    ("generic", generic::ROWS),
    ("geo", geo::ROWS),
    ("hash", hashes::ROWS),
    ("hyperloglog", hyperloglog::ROWS),
    ("list", lists::ROWS),
    ("pubsub", pubsub::ROWS),
    ("scripting", scripting::ROWS),
    ("server", server::ROWS),
    ("set", sets::ROWS),
    ("sorted-set", sorted_sets::ROWS),
    ("stream", streams::ROWS),
    ("string", strings::ROWS),
    ("transactions", transactions::ROWS),
];

/// The row of this lower-case name.
pub fn find(name: &str) -> Option<&'static Grammar> {
    find_in_group(name).map(|(_, row)| row)
}

/// The row of this lower-case name, and the name of its group.
pub fn find_in_group(name: &str) -> Option<(&'static str, &'static Grammar)> {
    static BY_NAME: OnceLock<Vec<(&'static str, &'static Grammar)>> = OnceLock::new();
    let rows = BY_NAME.get_or_init(|| {
        let with_group = |&(group, rows): &(&'static str, &'static [Grammar])| {
            rows.iter().map(move |row| (group, row))
        };
        let mut rows: Vec<_> = GROUPS.iter().flat_map(with_group).collect();
        rows.sort_unstable_by_key(|(_, row)| row.name);
        rows
    });
    rows.binary_search_by_key(&name, |(_, row)| row.name).ok().map(|at| rows[at])
}

#[cfg(test)]
mod tests;
