//! Live processes over real sockets: what the tests beside it share.
//!
//! - [`node`]: a server process with a folder of its own: start, stop, kill, ask
//! - [`peer`]: the Redis or Valkey servers of this machine, and Redis's file checkers
//! - [`wait`]: waiting on conditions, and the logs of all nodes when one does not come true
//! - [`cluster`]: nodes of `scripts/cluster`, and writers that remember what was acknowledged
//! - [`data`]: writes of all types, the same again from the same seed
//! - [`document`]: documents whose blocks are run, and the scripts
//! - [`differential`]: random requests to ours and to real Redis, with replies compared
//!
//! Every test has its own ports and folders, so all of them run side by side. Nothing sleeps and hopes: what takes time
//! is waited for, with a limit that a loaded machine does not reach.
//!
//! # Environment
//! - `TIDEMARK_SERVER`: the server to test; without it cargo's own build of this tree is used
//! - `TIDEMARK_PEER_SERVERS`: further servers to test with, paths separated by colons

#![forbid(unsafe_code)]

pub mod cluster;
pub mod data;
pub mod differential;
pub mod document;
pub mod node;
pub mod peer;
pub mod wait;

pub use node::Node;
pub use peer::Peer;
pub use wait::{TIMEOUT, eventually};
