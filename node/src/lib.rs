//! A node as a library: a primary or a replica with its data, its files and its clients, as one synchronous machine.
//!
//! ```text
//!            Event, Now ──► Node::turn ──► Actions
//! (bytes of a session, a timer,   │   (wake a session, close it, flush, dial, end)
//!  a child's report, a job's end) ▼
//!                               World: what must be answered within the turn
//! ```
//!
//! Nothing here waits, and nothing here reads a clock, opens a socket, starts a thread or draws a random number: the process
//! (`server`) does it with the system's means, the simulation with none. So a whole cluster can be run in one thread, in
//! virtual time, from a seed.
//!
//! In reading order:
//! - [`actions`], [`event`], [`world`], [`jobs`]: the borders
//! - [`node`]: the state, and how a turn begins and ends; [`requests`]: a session's turn; [`facts`]: what commands may do, derived
//! - [`clients`]: who is connected; [`timer`]: what happens by itself; [`limits`]: what clients may take
//! - [`child`]: the one child; [`persistence`]: data at rest; [`replication`]: data elsewhere
//! - [`crash`]: what is said of all this after a fault
//! - [`config`]: the configuration; [`admin`]: commands that need more than data; [`shutdown`]: the end
//!
//! # Invariants
//! - between two turns nothing is half done: an action that is not done yet is in the sink, and nowhere else

#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests stand in the real world"))]

pub mod actions;
pub mod admin;
pub mod child;
pub mod clients;
pub mod config;
mod config_apply;
pub mod crash;
pub mod event;
pub mod facts;
pub mod figures;
mod host;
pub mod jobs;
pub mod limits;
pub mod node;
pub mod overhead;
pub mod persistence;
mod rates;
pub mod replication;
pub mod requests;
pub mod shutdown;
#[cfg(test)]
mod testing;
pub mod text;
mod time;
pub mod timer;
pub mod version;
pub mod wire;
pub mod world;

pub use actions::{Actions, Exit};
pub use event::Event;
pub use node::{Node, Outside};
pub use time::Now;
pub use world::World;
