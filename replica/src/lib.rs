//! Data elsewhere: following a primary and feeding replicas, as state machines without sockets or clocks.
//!
//! # Contents
//! - [`decision`]: whether a replica that asks can go on, or must start over
//! - [`capability`]: what a replica said of itself with REPLCONF
//! - [`feed`]: what a primary keeps of one replica: its state, what is on its way, when it is given up
//! - [`handshake`]: a replica's side of the conversation up to the reply to PSYNC
//! - [`transfer`]: a replica's side of the snapshot transfer
//! - [`stream`]: where a replica is in the command stream: offset, database, open transaction
//! - [`intake`]: the command stream itself: requests executed, units passed on
//! - [`retry`]: when a replica tries again
//! - [`link`]: a replica's whole side, from dialling to the stream, as one machine of these
//! - [`primary`]: a primary's whole side: its replicas, their full syncs, what each gets and when it is given up
//!
//! # Not here
//! - the bytes of the log and who has read them: `journal`
//! - snapshots: `backup`, which this crate does not know

#![forbid(unsafe_code)]

pub mod capability;
pub mod decision;
pub mod feed;
pub mod handshake;
pub mod intake;
pub mod link;
pub mod primary;
pub mod retry;
pub mod stream;
pub mod transfer;

#[cfg(test)]
mod together;
#[cfg(test)]
mod told;
