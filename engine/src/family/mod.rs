//! The commands, a file per family. Each file starts with its rows of the table; handlers follow in their order.

use crate::command::Spec;

pub mod connection;
pub mod keys;
pub mod pubsub;
pub mod server;
pub mod strings;
pub mod transactions;

/// The rows of all families.
pub static FAMILIES: &[&[Spec]] = &[
    connection::COMMANDS,
    keys::COMMANDS,
    pubsub::COMMANDS,
    server::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
];
