//! The rules of this repository that neither the compiler nor clippy can hold.
#![forbid(unsafe_code)]
pub mod knots;
pub mod modules;
pub mod tree;
