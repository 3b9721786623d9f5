//! Sockets: listeners, and one task per connection.
//!
//! - [`listen`]: what we listen on, who is let in
//! - [`listeners`]: how the TCP addresses change at run time
//! - [`connection`]: bytes of one client to the engine and back
//! - [`stream`]: TCP or Unix socket
//! - [`holding`]: replies of several connections leave one behind the other
//! - [`handle`]: how others wake a connection's task

pub mod connection;
pub mod handle;
pub mod holding;
pub mod listen;
pub mod listeners;
#[expect(unsafe_code, reason = "reads into memory that was not zeroed")]
pub mod stream;
