//! How far a link has come, and what INFO and ROLE show of it.

use journal::Offset;

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits until it may connect again, or has ended.
    Connect,
    /// It is connecting.
    Connecting,
    /// It introduces itself.
    Handshake,
    /// It receives a snapshot.
    Transfer,
    /// It loads a snapshot in place of the data.
    Load,
    /// It carries the stream.
    Connected,
}

impl Stage {
    /// The name in ROLE.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Connecting => "connecting",
            Stage::Handshake => "handshake",
            Stage::Transfer | Stage::Load => "sync",
            Stage::Connected => "connected",
        }
    }

    /// Whether a snapshot is on its way into memory.
    pub fn is_sync(self) -> bool {
        matches!(self, Stage::Transfer | Stage::Load)
    }
}

/// Progress of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes of the snapshot, if they were announced.
    pub total: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// When something last came.
    pub last_io_ms: u64,
}

/// What INFO shows of a link. Times are moments of the clock that the machine is given, milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// When something last came, or the link last came further.
    pub last_io_ms: u64,
    /// Since when it has been down.
    pub down_since_ms: Option<u64>,
    /// Why the last attempt failed, since the link was last up for long.
    pub reason: Option<String>,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// It was up at least once.
    pub was_up: bool,
    /// A snapshot is being received.
    pub transfer: Option<TransferProgress>,
    /// How much of the stream was received.
    pub received: Offset,
}

impl Figures {
    /// Those of a link that is about to begin.
    pub(super) fn new(now_ms: u64) -> Figures {
        Figures {
            last_io_ms: now_ms,
            down_since_ms: Some(now_ms),
            reason: None,
            failed_attempts: 0,
            was_up: false,
            transfer: None,
            received: Offset::START,
        }
    }
}
