//! Scripts: Lua 5.1 with the commands of a server behind a trait.
//!
//! A script runs on a stack of its own. So it can be left in the midst of its work when it takes too long, whatever it
//! is in (a loop, a `pcall`, a coroutine of its own), and gone on with later: meanwhile its host answers others. The host
//! is a [`Caller`], lent anew for each piece of work.
//!
//! ```text
//! start ──► stack of the script: convert keys, run, convert the reply ──► Progress::Done
//!             │      ▲                                                     
//!   redis.call│      │ resume                      every so many instructions: too long?
//!             ▼      │                                                     ▼
//!           Caller::call                                            Progress::Paused
//! ```
//!
//! # How the known holes are shut
//! The interpreter is built from the sources of `lua-src` with the changes of `build/mends.rs`: tables that all scripts
//! share are marked and cannot be changed (CVE-2022-24735, CVE-2025-46818); the name of a chunk is held while it is parsed
//! (CVE-2025-49844); `unpack` and long brackets count without overflow (CVE-2025-46817, -46819); code that was compiled
//! elsewhere is not taken; patterns nest to a depth. The libraries that servers of this kind add (cjson, cmsgpack, struct,
//! bit) are ours, in Rust, with every length bounded (CVE-2018-11218 and -11219, CVE-2022-24834, CVE-2023-41056,
//! CVE-2024-31449). What is freed is freed by the one owner of an interpreter, which no script outlives (CVE-2022-24736,
//! CVE-2024-46981). What a script takes is counted, and has a bound ([`Interpreter::set_memory_limit`]).
//!
//! # Contents
//! - [`caller`]: what a script asks of its host; `flags`: what a script says about itself
//! - `lua`: the C interface; [`function`]: plain values; `machine`: what the functions need that scripts call
//! - `convert`: replies to values and back; `api`: the table `redis`; `library`: cjson, cmsgpack, struct, bit
//! - `sandbox`: what scripts find in an interpreter; `work`: what is done in one; `interpreter`: it, from outside
//! - [`cache`]: scripts by their digest; [`libraries`]: functions by their names
//!
//! # Invariants
//! - no function that may raise has a value on its frame that has to be dropped: what needs memory is the machine's
//! - a [`Caller`] is called only while it is lent: a script that is paused has none

pub mod cache;
pub mod caller;
pub mod flags;
pub mod function;
mod interpreter;
pub mod libraries;

mod api;
mod convert;
mod library;
mod lua;
mod machine;
mod sandbox;
#[cfg(test)]
mod tests;
pub mod version;
mod work;

pub use caller::Caller;
pub use function::{Failure, Function};
pub use interpreter::{Interpreter, Progress, Run};
