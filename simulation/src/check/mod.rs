//! What is checked while the world runs, and what has to be remembered for it. The models here know nodes from outside only: by
//! the bytes that they send, journal and keep on disk.
//!
//! - [`streams`]: all histories as they were first journaled: what every node journals is compared (e), and what a start loads (f)
//! - [`rule`]: what each node may answer a replica that asks (c)
//! - [`reached`]: how many machines have what WAIT says that they have (b)
//! - [`disk`]: which entries are on a machine's disk (d)
//! - [`watch`]: that transactions are spoilt where their data were replaced (b)
//! - [`claims`]: which acknowledged entries must outlast what happens to a machine (b)

pub mod claims;
pub mod disk;
pub mod reached;
pub mod rule;
pub mod streams;
pub mod watch;
