//! Random requests to our server and to real Redis: the replies and the data must be the same.
//!
//! ```text
//! forms ──► grammar ──► contest ──► wire ──► ours
//!             ▲            │  ╰───► wire ──► the peer
//!           holes        rules, known: are the replies the same?
//! ```
//!
//! - [`contest`]: a run of requests against both servers
//! - `forms`: which requests there are, and how the replies to each are compared
//! - `grammar`, `holes`: the language of the forms, and the random words in them
//! - `rules`, `known`: when replies are the same, and the differences between versions of Redis that are explained
//! - `wire`, `random`: replies as they are, and numbers that a seed gives again
//!
//! The same seed sends the same requests, so a difference can be looked at again.
//!
//! # Environment
//! - `TIDEMARK_DIFFERENTIAL_COMMANDS`: how many requests a run sends
//! - `TIDEMARK_DIFFERENTIAL_SEED`: another seed
//! - `TIDEMARK_DIFFERENTIAL_INTERVAL`: how many requests lie between two comparisons of all data; few show which request
//!   made them differ
//!
//! # Not here
//! - time: keys expire far in the future or have expired already; waiting clients are tested in `tests/blocking.rs`

pub mod contest;
mod forms;
mod grammar;
mod holes;
mod known;
pub mod random;
mod rules;
mod wire;
