//! A whole cluster in one process, from a seed: nodes as they are, and a world in memory around them.
//!
//! ```text
//! seed ─► world: queue of events, in virtual time ─► processes ─► node, engine, journal, replica, backup
//!            ├─ clients      ├─ network                 ╰─► files ─► disks
//!            ╰─ operator     ╰─ checks: what clients were told, what was journaled, what is on disk
//! ```
//!
//! # Map
//! - [`chance`]: where every choice of the world comes from; [`queue`], [`event`]: what happens, and when; [`trace`]: what did
//! - [`disk`]: one machine's disk, which loses what was not made to last; [`net`]: the network
//! - [`process`]: a process around a node; [`client`]: who asks it; [`entry`], [`reply`]: what is written, and answered
//! - [`around`]: all that processes and clients share; [`check`], [`violation`]: what must hold
//! - [`scenario`]: named mixes; [`world`]: how it goes; [`operator`]: faults and orders; [`run`]: a seed from beginning to end
//!
//! # Invariants
//! - no clock, no thread, no real file: the same seed and the same calls give the same world, byte for byte

#![forbid(unsafe_code)]

pub mod around;
pub mod chance;
pub mod check;
pub mod client;
pub mod disk;
pub mod entry;
pub mod event;
pub mod net;
pub mod operator;
pub mod process;
pub mod queue;
pub mod reply;
pub mod run;
pub mod scenario;
pub mod trace;
pub mod violation;
pub mod world;
