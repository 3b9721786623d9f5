//! RESP, the protocol of clients: requests come in as arrays of bulk strings or inline lines, replies go out
//! in version 2 or 3.
//!
//! - [`request`]: incremental parsing; arguments stay where they are in the read buffer
//! - [`reply`]: writing into an output buffer, each value once; [`read`]: reading them
//! - [`queue`]: bytes that wait to be sent
//! - [`encode`]: commands as bytes, for journals and links

pub mod encode;
pub mod queue;
pub mod read;
pub mod reply;
pub mod request;

pub use queue::ByteQueue;
pub use reply::Reply;
pub use request::{Args, Batch, Parser, ProtocolError, Request, Span};
