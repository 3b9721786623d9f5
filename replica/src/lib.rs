//! Data elsewhere: following a primary and feeding replicas, as state machines without sockets or clocks.
//!
//! # Contents
//! - [`decision`]: whether a replica that asks can go on, or must start over
//! - [`capability`]: what a replica said of itself with REPLCONF
//! - [`handshake`]: a replica's side of the conversation up to the reply to PSYNC
//! - [`transfer`]: a replica's side of the snapshot transfer
//! - [`stream`]: a replica's side of the command stream: units and offsets
//!
//! # Not here
//! - the bytes of the log and who has read them: `journal`
//! - snapshots: `backup`, which this crate does not know

pub mod capability;
pub mod decision;
pub mod handshake;
pub mod stream;
pub mod transfer;
