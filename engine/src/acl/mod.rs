//! Users and what each may do: access control lists.
//!
//! A session has an [`account::Account`]: its user, and two flags that say at once whether anything has to be looked at.
//! A user is an unchanging value behind a shared pointer; whoever changes one makes another and hands it to the user's
//! sessions. So a check needs no lock and no look-up by name, and what a check needs is prepared when rules are set:
//! a bit for every command, patterns taken apart.
//!
//! ```text
//! rules ─► rules::apply ─► User ─► users::Users ─► Account of each session ─► check::verdict, once a command
//! ```
//!
//! # Contents
//! - [`user`]: a user and its selectors, and their canonical text; [`pattern`]: of keys and channels
//! - [`rules`]: what a rule changes; [`categories`]: groups of commands; [`lines`]: users as lines of a file
//! - [`users`]: all of them; [`account`]: who a session is; [`log`]: what was refused
//! - [`check`]: whether a session may do what it asks for; [`manage`]: changing users, and what becomes of their sessions
//! - [`replicate`]: what replicas are told of them
//!
//! # Invariants
//! - the user `default` is always there
//! - changing a user does all or nothing
//! - what a check allows covers every key that the command touches (tested over the table: `acl/tests/keys.rs`)
//!
//! # Not here
//! - the commands: [`crate::family::acl`]; files: the host
//!
//! # Source
//! - rules, texts and their order: Redis 7.2

pub mod account;
pub mod categories;
pub mod check;
pub mod lines;
pub mod log;
pub mod manage;
pub mod pattern;
pub mod replicate;
pub mod rules;
pub mod user;
pub mod users;

#[cfg(test)]
mod tests;
