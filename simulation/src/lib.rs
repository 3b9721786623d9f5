//! A world in memory that is made from a seed, for nodes that do not know it from the real one.
//!
//! # Map
//! - [`chance`]: where every choice of the world comes from
//! - [`disk`]: one node's disk, which loses what was not made to last
//!
//! # Invariants
//! - no clock, no thread, no real file: the same seed and the same calls give the same world, byte for byte

#![forbid(unsafe_code)]

pub mod chance;
pub mod disk;
