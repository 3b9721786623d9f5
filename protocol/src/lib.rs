//! Bytes that travel or lie on disk: values in, bytes out.
//!
//! Nothing here opens a file, a socket or a clock, and nothing is `unsafe`: every function can be called by a test
//! or a fuzzer with any bytes at all.
//!
//! # Contents
//! - [`resp`]: requests and replies of clients
//! - [`rdb`]: the snapshot format; [`lzf`] and [`crc64`] serve it
//! - [`listpack`], [`intset`], [`ziplist`], [`zipmap`]: packed encodings, in memory and inside RDB
//! - [`aof`]: manifest and records of the append-only file
//! - [`number`]: numbers as text, exactly as peers write them

#![forbid(unsafe_code)]

pub mod aof;
pub mod crc64;
pub mod intset;
pub mod listpack;
pub mod lzf;
pub mod number;
pub mod rdb;
pub mod resp;
pub mod ziplist;
pub mod zipmap;
