//! What this program calls itself, and which Redis it behaves like.
//!
//! Clients, peers, tools and the headers of files read these; all of them are given the same.

pub use engine::REDIS_VERSION;

/// Our own version.
pub const TIDEMARK_VERSION: &str = env!("CARGO_PKG_VERSION");
