//! Why an attempt to follow a primary ended, in the words of the log and of INFO, and what follows from it.

use crate::handshake::HandshakeError;
use crate::intake::StreamError;
use crate::retry::Cause;
use crate::transfer::TransferError;
use std::fmt::Display;

/// Nothing came for too long.
pub(super) const SILENT: &str = "MASTER timeout: no data nor PING received...";
/// The other side ended the connection.
pub(super) const CLOSED: &str = "Connection with MASTER closed by the other side";
/// A client ended it.
pub(super) const KILLED: &str = "Connection with MASTER was closed by CLIENT KILL";
/// The connection was not there in time.
pub(super) const NOT_CONNECTED: &str = "Timeout connecting to the MASTER...";
/// What we say does not leave.
pub(super) const NOT_SENT: &str = "Timeout writing to MASTER";

/// What failed on our side with a snapshot.
pub(super) const OPENING: &str =
    "Opening the temp file needed for MASTER <-> REPLICA synchronization";
pub(super) const WRITING: &str = "Write error or short write writing to the DB dump file needed \
                                  for MASTER <-> REPLICA synchronization";
pub(super) const FSYNCING: &str =
    "Error fsyncing the DB dump file needed for MASTER <-> REPLICA synchronization";
pub(super) const LOADING: &str = "Failed trying to load the MASTER synchronization DB from disk";
pub(super) const RENAMING: &str = "Failed trying to rename the temp DB into the DB file in \
                                   MASTER <-> REPLICA synchronization";

/// Why an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// A line for the log and for INFO.
    pub text: String,
    /// When it is worth to try again.
    pub cause: Cause,
    /// What came is no stream, or the data is at no position of it: the next attempt asks for everything.
    pub loses_position: bool,
    /// The data is at no position of the stream any more.
    pub torn: bool,
}

impl Failure {
    /// Of the connection, or of the other side for now.
    pub fn network(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), cause: Cause::Network, loses_position: false, torn: false }
    }

    /// One that the next attempt will probably see, too.
    pub fn repeating(text: impl Into<String>) -> Failure {
        Failure { cause: Cause::Repeating, ..Failure::network(text) }
    }

    /// What failed on our side, and will again.
    pub fn ours(what: &str, error: impl Display) -> Failure {
        Failure::repeating(format!("{what}: {error}"))
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Failure {
        let (loses_position, torn) = (error.loses_position(), error.is_torn());
        Failure { loses_position, torn, ..Failure::repeating(error.to_string()) }
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Failure {
        Failure::repeating(error.to_string())
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Failure {
        match error {
            // It takes our question for none: another one may do, as Redis tries SYNC then.
            HandshakeError::Refused { to: "PSYNC", .. } => {
                Failure { loses_position: true, ..Failure::network(error.to_string()) }
            }
            HandshakeError::Refused { .. } => Failure::network(error.to_string()),
            _ => Failure::repeating(error.to_string()),
        }
    }
}
