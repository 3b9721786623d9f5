//! The rules of this repository that neither the compiler nor clippy can hold, as functions of its files.
//!
//! Each rule takes a [`tree::Tree`] and gives back what is wrong, a sentence each, which says what to do. The test
//! `tests/repository.rs` calls them with the repository; the tests beside them plant what they are to find.
//!
//! # Contents
//! - [`layers`]: arrows between crates and modules, unused dependencies, `unsafe`; [`modules`] says what an arrow is, and
//!   [`knots`] finds cycles
//! - [`sizes`]: files and functions that are too long
//! - [`words`]: words that are banned in a place; headers
//! - [`references`]: paths that lead nowhere
//! - [`lists`]: what is excepted
//! - [`tree`], [`source`]: the repository and its sources as values

#![forbid(unsafe_code)]

pub mod knots;
pub mod layers;
pub mod lists;
pub mod modules;
pub mod references;
pub mod sizes;
pub mod source;
pub mod tree;
pub mod words;
