//! The link to a primary as INFO and ROLE show it.

use crate::facts::fact::{Changed, Fact};
use journal::Offset;

/// How far a link has come; the names are those of ROLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It has to connect.
    Connect,
    /// It is connecting.
    Connecting,
    /// It introduces itself.
    Handshake,
    /// It receives or loads a snapshot.
    Sync,
    /// It carries the stream.
    Connected,
}

impl LinkState {
    /// The name in ROLE.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// Progress of a transfer, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransferProgress {
    /// Bytes of the snapshot, if they were announced.
    pub total: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// When something last came: a moment of the steady clock, milliseconds.
    pub last_io_ms: u64,
}

/// The link to our primary.
pub struct Link {
    /// Its host, as given.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How far we have come.
    pub state: Fact<LinkState>,
    /// The slot of the session that executes its commands.
    pub slot: usize,
    /// When something last came: like all times here a moment of the steady clock, milliseconds.
    pub last_io_ms: u64,
    /// Since when it has been down.
    pub down_since_ms: Option<u64>,
    /// Since when it has carried the stream.
    pub(super) up_since_ms: Option<u64>,
    /// Why the last attempt failed, since the link was last up for long.
    pub reason: Option<String>,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// The position means nothing any more: the next attempt asks for everything.
    pub(super) starts_over: bool,
    /// It was up at least once.
    pub was_up: bool,
    /// A snapshot is being received.
    pub transfer: Option<TransferProgress>,
    /// A snapshot is being loaded.
    pub loading: Fact<bool>,
    /// How much of the stream was received.
    pub received: Offset,
    /// Which one of this node.
    pub number: u64,
}

impl Link {
    /// A link that has to connect: number `number` of this node.
    pub fn new(
        (host, port): (&str, u16),
        slot: usize,
        number: u64,
        now_ms: u64,
        changed: &Changed,
    ) -> Link {
        Link {
            host: host.to_string(),
            port,
            state: Fact::new(LinkState::Connect, changed),
            slot,
            last_io_ms: now_ms,
            down_since_ms: Some(now_ms),
            up_since_ms: None,
            reason: None,
            failed_attempts: 0,
            starts_over: false,
            was_up: false,
            transfer: None,
            loading: Fact::new(false, changed),
            received: Offset::START,
            number,
        }
    }

    /// Whether the stream flows.
    pub fn is_up(&self) -> bool {
        *self.state == LinkState::Connected
    }
}
