//! The states of a link, each with what is known by then, and the one moment at which a state wants to be looked at again.

use super::stage::Stage;
use crate::handshake::Handshake;
use crate::intake::Intake;
use crate::transfer::Transfer;
use journal::{Offset, ReplicationId};

/// Where a link is.
#[expect(clippy::large_enum_variant, reason = "a node has one, and it does not move")]
pub(super) enum State<L> {
    /// It is over.
    Stopped,
    /// Until it may connect.
    Waiting { until_ms: u64 },
    /// Until the connection is there, or it has lasted too long.
    Connecting { until_ms: u64, limit_ms: u64 },
    /// There is a connection.
    Talking(Wire, Talk<L>),
}

/// What is known of a connection, whatever is said on it.
pub(super) struct Wire {
    /// How long one side may be silent, or not take what the other one says.
    pub limit_ms: u64,
    /// When something last came, or the state began.
    pub heard_ms: u64,
    /// Since when it has not taken all that was to be sent.
    pub stuck_since_ms: Option<u64>,
    /// It takes nothing any more, which was seen while a job lasted: what has come is still good.
    pub is_mute: bool,
}

/// What is said on a connection.
pub(super) enum Talk<L> {
    /// The introduction, up to the answer to PSYNC.
    Handshake(Handshake),
    /// A snapshot was announced.
    Header(Origin),
    /// It is being received into a file.
    Transfer(Origin, Transfer),
    /// The file is on its way to the disk.
    Syncing(Origin, Newlines),
    /// It is being loaded.
    Loading(Origin, Newlines),
    /// What was loaded waits until the file has taken the place of our own.
    Replacing(Origin, L, Newlines),
    /// The stream.
    Stream(Stream),
}

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub id: ReplicationId,
    pub offset: Offset,
}

/// While a job lasts the primary must not think that we are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newlines {
    pub next_ms: u64,
}

/// The command stream, as a connection carries it.
pub(super) struct Stream {
    pub intake: Intake,
    /// When the next acknowledgement is due.
    pub next_ack_ms: u64,
    /// Seconds in which we would have read and nothing came.
    pub silent: u64,
    /// Bytes of the buffer that have been counted as come.
    pub counted: usize,
}

impl<L> State<L> {
    /// How far it is.
    pub fn stage(&self) -> Stage {
        match self {
            State::Stopped | State::Waiting { .. } => Stage::Connect,
            State::Connecting { .. } => Stage::Connecting,
            State::Talking(_, talk) => match talk {
                Talk::Handshake(_) => Stage::Handshake,
                Talk::Header(_) | Talk::Transfer(..) | Talk::Syncing(..) => Stage::Transfer,
                Talk::Loading(..) | Talk::Replacing(..) => Stage::Load,
                Talk::Stream(_) => Stage::Connected,
            },
        }
    }

    /// Whether a temporary file is there.
    pub fn has_file(&self) -> bool {
        matches!(
            self,
            State::Talking(
                _,
                Talk::Transfer(..) | Talk::Syncing(..) | Talk::Loading(..) | Talk::Replacing(..)
            )
        )
    }

    /// When it is to be looked at again, whatever else happens.
    pub fn due_ms(&self) -> Option<u64> {
        match self {
            State::Stopped => None,
            State::Waiting { until_ms } | State::Connecting { until_ms, .. } => Some(*until_ms),
            State::Talking(wire, talk) => {
                let due = talk.due_ms(wire);
                Some(wire.stuck_until_ms().map_or(due, |until| until.min(due)))
            }
        }
    }
}

impl Wire {
    /// A new connection.
    pub fn new(limit_ms: u64, now_ms: u64) -> Wire {
        Wire { limit_ms, heard_ms: now_ms, stuck_since_ms: None, is_mute: false }
    }

    /// When it has not taken what was to be sent for too long, if it does not.
    pub fn stuck_until_ms(&self) -> Option<u64> {
        self.stuck_since_ms.map(|since| since.saturating_add(self.limit_ms))
    }
}

impl<L> Talk<L> {
    fn due_ms(&self, wire: &Wire) -> u64 {
        match self {
            Talk::Handshake(_) | Talk::Header(_) | Talk::Transfer(..) => {
                wire.heard_ms.saturating_add(wire.limit_ms)
            }
            Talk::Syncing(_, newlines)
            | Talk::Loading(_, newlines)
            | Talk::Replacing(_, _, newlines) => newlines.next_ms,
            Talk::Stream(stream) => stream.next_ack_ms,
        }
    }

    /// The newlines of a job, if one is under way.
    pub fn newlines(&mut self) -> Option<&mut Newlines> {
        match self {
            Talk::Syncing(_, newlines)
            | Talk::Loading(_, newlines)
            | Talk::Replacing(_, _, newlines) => Some(newlines),
            _ => None,
        }
    }
}
