//! The socket half of a session: what there is between a socket and the node, without either.
//!
//! - [`half`]: the half itself
//! - [`input`]: bytes of requests that could not be executed yet; [`gates`]: replies that may not leave yet
//!
//! # Not here
//! - the session half: [`crate::requests`]

pub mod gates;
pub mod half;
pub mod input;

pub use half::Half;

#[cfg(test)]
mod tests;
