//! What a process consists of beside its node: connections, the link's wire, a full sync's source, and what is ready.

use crate::check::watch::Watching;
use crate::event::ConnId;
use bytes::Bytes;
use node::wire::Half;
use replica::link::Attempt;
use std::collections::VecDeque;
use std::path::PathBuf;

/// What is ready to have its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    Session(usize),
    Link,
    LinkRoom,
    Flush,
    React,
    Alarm,
    Disk,
    SyncRoom,
    LookAtEnd,
    End,
    Follow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Session(usize),
    Link,
}

/// One client's connection, on the node's side.
#[derive(Default)]
pub struct Session {
    /// The connection, of which this is end 1.
    pub conn: ConnId,
    pub half: Half,
    /// What a replica is sent.
    pub feed: VecDeque<Bytes>,
    /// It waits for the sake of a replica.
    pub is_delayed: bool,
    /// It is to be closed at once.
    pub is_killed: bool,
    /// Its turn is to come.
    pub is_queued: bool,
    /// The other end is a node.
    pub is_replica: bool,
    /// What it watches.
    pub watching: Watching,
}

impl Session {
    /// One on this connection.
    pub fn new(conn: ConnId, is_replica: bool) -> Self {
        Self { conn, is_replica, ..Self::default() }
    }

    /// Its delay is over.
    pub fn end_delay(&mut self) {
        self.is_delayed = false;
    }

    /// Bytes of output, and of a replica's stream, that wait here.
    pub fn held_bytes(&self) -> usize {
        self.half.held_bytes() + self.feed.iter().map(Bytes::len).sum::<usize>()
    }

    /// Bytes of input that wait here.
    pub fn input_bytes(&self) -> usize {
        self.half.input_bytes().total()
    }
}

/// The attempt under way.
pub struct Wire {
    pub attempt: Attempt,
    /// The connection, of which this is end 0, when it is there.
    pub conn: Option<ConnId>,
    /// Its slot, for CLIENT KILL.
    pub slot: Option<usize>,
    /// What came and was not taken.
    pub buffer: Vec<u8>,
    /// What the connection did not take at once.
    pub out: Vec<u8>,
    /// What has been asked is not answered yet: lines so far.
    pub asks: Option<Vec<u8>>,
    /// The node wanted nothing when it was asked last.
    pub waits: bool,
}

/// The snapshot of a full sync, on its way to the node.
pub struct SyncSource {
    pub number: u64,
    pub bytes: Bytes,
    /// The node had no use for more when it was asked last.
    pub waits: bool,
    /// Its file is not written yet.
    pub file: Option<PathBuf>,
}
