//! The commands, a file per family. Each file starts with its rows of the table; handlers follow in their order.

use crate::command::{Spec, Table};
use std::sync::OnceLock;

pub mod acl;
pub mod bitfield;
pub mod bitmaps;
pub mod blocking;
pub mod cluster;
pub mod collections;
pub mod connection;
mod debugging;
pub mod drawing;
pub mod expiry;
pub mod functions;
pub mod geo;
pub mod hashes;
pub mod help;
pub mod hyperloglog;
pub mod introspection;
pub mod keys;
pub mod lists;
pub mod observation;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod sets;
pub mod sort;
pub mod streams;
pub mod strings;
pub mod tracking;
pub mod transactions;
pub mod transfer;
pub mod zset_algebra;
pub mod zset_ranges;
pub mod zsets;

/// The rows of all families.
pub static FAMILIES: &[&[Spec]] = &[
    acl::COMMANDS,
    blocking::COMMANDS,
    bitfield::COMMANDS,
    bitmaps::COMMANDS,
    cluster::COMMANDS,
    connection::COMMANDS,
    drawing::COMMANDS,
    expiry::COMMANDS,
    functions::COMMANDS,
    geo::COMMANDS,
    hashes::COMMANDS,
    hyperloglog::COMMANDS,
    introspection::COMMANDS,
    keys::COMMANDS,
    lists::COMMANDS,
    observation::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    sets::COMMANDS,
    sort::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
    transfer::COMMANDS,
    zsets::COMMANDS,
    zset_ranges::COMMANDS,
    zset_algebra::COMMANDS,
];

/// The table of this server.
#[inline]
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::build(FAMILIES))
}

#[cfg(test)]
mod tests;
