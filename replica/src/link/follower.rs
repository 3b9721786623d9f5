//! What a link asks of the node that it belongs to, and what it tells the one who drives it to do.
//!
//! What is done at once and inside the node is a call of [`Follower`]; what takes time, or needs a socket or a thread, is an
//! [`Action`], whose end is told to the link by an [`Event`].

use super::stage::Stage;
use crate::handshake::Introduction;
use crate::intake::Target;
use crate::stream::StreamPoint;
use journal::{Offset, ReplicationId};
use std::io;

/// One connection to the primary, from the dialling on. Names what belongs to it: who comes too late is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt(u64);

impl Attempt {
    /// None yet, of the link with this number.
    pub(super) fn none(link: u32) -> Attempt {
        Attempt(u64::from(link) << 32)
    }

    /// The one behind it.
    pub(super) fn next(self) -> Attempt {
        Attempt(self.0 + 1)
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the primary: [`Event::Connected`] or [`Event::DialFailed`] follows, unless it is closed before.
    Dial(Attempt),
    /// Send these bytes.
    Send(Attempt, Vec<u8>),
    /// Close the connection, or give up dialling. What was read of it is forgotten.
    Close(Attempt),
    /// Begin a job on another thread. Its end is an event, which may come too late.
    Start(Attempt, Job),
}

/// What takes too long for the node's own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Bring the received snapshot's file to disk: [`Event::Synced`].
    Sync,
    /// Load it into databases of its own: [`Event::Loaded`].
    Load,
    /// Put it in the place of our own snapshot: [`Event::Replaced`].
    Replace,
}

/// What happened to a connection or a job. Texts are the system's words for an error.
#[derive(Debug)]
pub enum Event<L> {
    /// The connection is there.
    Connected,
    /// It will not be.
    DialFailed(String),
    /// The other side ended it; all that came before was handed in.
    Closed,
    /// It cannot be read from.
    ReadFailed(String),
    /// It cannot be written to.
    SendFailed(String),
    /// It did not take all that was to be sent.
    Stuck,
    /// It has taken it now.
    Drained,
    /// CLIENT KILL.
    Killed,
    /// [`Job::Sync`] has ended.
    Synced(Result<(), String>),
    /// [`Job::Load`] has ended. What stands in a database that is not there must not come as good.
    Loaded(Result<L, String>),
    /// [`Job::Replace`] has ended.
    Replaced(Result<(), String>),
}

/// The node, as its link sees it.
pub trait Follower: Target {
    /// A snapshot in memory.
    type Loaded;

    /// `repl-timeout`, milliseconds. Asked for at the beginning of an attempt, and once a second in the stream.
    fn timeout_ms(&self) -> u64;

    /// What we tell of ourselves, once for each connection; with our position if anybody could have followed it, and if so,
    /// the journal's end.
    fn introduction(&self) -> Introduction;

    /// The link has come to this stage. For each change once, behind what makes it true: commands are let in by it.
    fn entered(&mut self, stage: Stage);

    /// So many bytes of a snapshot or of the stream have come.
    fn note_input(&mut self, bytes: usize);

    // --- a snapshot ---

    /// Creates a temporary file for one that begins now. There is none.
    fn begin_file(&mut self) -> io::Result<()>;

    /// Appends to that file, in order.
    fn append_file(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The file is not needed any more: it was not whole or not good, or it has got its place. Removed, where it is still
    /// there, as soon as no job uses it.
    fn drop_file(&mut self);

    /// Ends a child that saves a snapshot of the present data: what it saves is about to be replaced, and so must not come
    /// after what replaces it. Called in front of [`Job::Replace`].
    fn kill_saving_child(&mut self);

    /// What was loaded takes the place of the data: it is the history `id` at `offset`. Our replicas are disconnected, the
    /// journal goes on there. Its disk has the file by now.
    fn adopt(&mut self, loaded: Self::Loaded, id: ReplicationId, offset: Offset);

    // --- history ---

    /// The primary continues our history, under another name if it says one that is not ours. From here on a backlog is kept.
    fn continue_history(&mut self, id: Option<ReplicationId>);

    /// The data is at no position of the history that it came from: it begins one of its own, which nobody else has.
    fn leave_history(&mut self);

    // --- the stream ---

    /// The stream begins where the journal ends: returns that place, and the session that executes it goes there. Behind
    /// [`Follower::adopt`] or [`Follower::continue_history`].
    fn enter_stream(&mut self) -> StreamPoint;

    /// Where the journal ends, and the database that its stream stands in there.
    fn stream_end(&self) -> (Offset, usize);

    /// An attempt has failed: what came of a transaction without its end is forgotten, it comes again.
    fn leave_stream(&mut self);

    /// Whether the stream waits in the primary, whose backlog has a bound: too much waits for the disk here, or nothing is to
    /// change for a while.
    fn stream_waits(&self) -> bool;

    /// Up to where the stream is on our disk, if that is known. Asked for with each acknowledgement.
    fn durable_offset(&self) -> Option<Offset>;

    /// The link is up; in these words, for the supervisor of the process.
    fn synced(&mut self, how: &'static str);
}
