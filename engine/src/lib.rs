//! Commands as a pure synchronous state machine: arguments in, reply bytes and effects out.
//!
//! Nothing here reads a clock, a socket or a file, and nothing waits. What needs the outside (saving, following a primary,
//! INFO's figures, configuration) is asked of the [`Host`] that is passed in; what changed is handed to it as journal
//! entries. So a whole cluster can run in one thread with virtual time, and a file replays the same.
//!
//! # Contents
//! - [`command`]: the table of commands: one declarative row each
//! - [`names`]: what clients may call them (`rename-command`); `lookup`: what they mean
//! - [`family`]: the commands themselves, a file per family
//! - [`acl`]: users and what each may do; [`keys_used`]: the keys of a request
//! - [`grammar`]: their arguments, key specifications and history, as Redis 7.2 documents them
//! - [`dispatch`]: checks before a command, bookkeeping after it, transactions
//! - [`context`]: what a handler sees; [`refusal`]: how it says no; [`refused`]: what a primary or a file said in vain
//! - [`engine`]: the state: databases, sessions, watched keys, channels
//! - [`slowlog`], [`latency`]: what took long, noted by `observe`; [`secrets`]: what is shown to nobody
//! - `outcome`: effects in forms that all servers take
//! - [`session`]: the state of one client; [`scripting`]: scripts and functions
//! - [`host`]: what is asked of the outside; [`time`]: what the time is within a batch
//! - [`geohash`]: places on the earth as numbers
//! - [`arguments`], [`glob`], [`digest`], [`random`]: helpers

#![forbid(unsafe_code)]

mod access;
pub mod acl;
pub mod arguments;
pub mod blocking;
#[cfg(test)]
mod chance;
pub mod command;
pub mod compatibility;
pub mod context;
pub mod digest;
pub mod dispatch;
pub mod engine;
pub mod eviction;
mod extended;
pub mod family;
pub mod geohash;
pub mod glob;
pub mod grammar;
pub mod host;
pub mod keys_used;
pub mod latency;
mod lookup;
pub mod merge;
pub mod messages;
pub mod monitor;
pub mod names;
mod observe;
mod outcome;
pub mod random;
pub mod refusal;
pub mod refused;
pub mod scripting;
pub mod secrets;
pub mod session;
pub mod slowlog;
pub mod statistics;
mod sweep;
mod tables;
#[cfg(test)]
mod testing;
pub mod time;
pub mod tracking;
mod unit;
mod watch;

/// The version of Redis whose behaviour is promised: for clients, peers, files and scripts that look at it.
pub const REDIS_VERSION: &str = script::version::TEXT;

pub use engine::Engine;
pub use host::Host;
pub use refusal::Refusal;
pub use session::{Flow, Session};
