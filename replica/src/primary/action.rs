//! What a primary's machine is handed in a call, and what it tells its driver to do.

use super::settings::Settings;
use bytes::Bytes;
use journal::Journal;

/// One call of the machine.
pub struct Turn<'a> {
    /// The log that replicas are fed from.
    pub journal: &'a mut Journal,
    /// What is configured.
    pub settings: &'a Settings,
    /// A moment of a clock that never goes back, milliseconds.
    pub now_ms: u64,
    /// What is to be done, in order.
    pub actions: &'a mut Vec<Action>,
}

/// What is to be done. A slot is the connection of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is something for it: [`super::Primary::next`] is to be asked.
    Wake(usize),
    /// Send these bytes, in front of what [`super::Primary::next`] gives.
    Send(usize, Vec<u8>),
    /// Close it: [`super::Primary::gone`] follows, as whenever a connection is closed.
    Kill(usize),
    /// Close it as one whose output is beyond its limits.
    Overflow(usize),
    /// Journal this for replicas alone.
    Journal(&'static [u8]),
    /// The history has another name: whoever keeps it elsewhere has to learn it.
    NoteHistory,
    /// End the child of the full sync. That it has ended is still to be told.
    KillChild,
    /// The child has written its file: open it, and say how long it is.
    OpenFile,
    /// The full sync is over: its pipe or file, and its place as the one child, are free.
    SyncEnded,
}

/// What happened to a full sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncEvent {
    /// The next bytes of its pipe or file. Only while [`super::Primary::wants_piece`].
    Piece(Bytes),
    /// There are no more.
    AllRead,
    /// They cannot be read, or the file cannot be opened.
    ReadFailed(String),
    /// The file is open, and so long.
    Opened(u64),
    /// The child has ended, and how.
    ChildEnded(Result<(), String>),
}
