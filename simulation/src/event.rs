//! What happens in the world.

use replica::link::Attempt;

/// Names a connection.
pub type ConnId = usize;

/// A machine, or a client: machines come first.
pub type Place = usize;

/// What happens to the process on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToProcess {
    /// A tenth of a second has passed.
    Tick,
    /// A moment that it asked for.
    Alarm,
    /// Its loop goes on.
    Run,
    /// What this append worker was told is done.
    Work(u64),
    /// This append worker's fsync ends.
    Fsync(u64),
    /// This job ends.
    Job(u64),
    /// This child comes to its end.
    Child(i32),
    /// The child of the full sync has written more.
    SyncPiece,
    /// A session's delay is over.
    Delayed(usize),
    /// Somebody wants the end: it is looked at again.
    LookAtEnd,
    /// What was dialled is there.
    Dialled(Attempt, ConnId),
    /// It is refused.
    Refused(Attempt),
    /// It dials.
    Dial(Attempt, Place),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To the process of this life on this machine.
    Process(Place, u64, ToProcess),
    /// Bytes come to the other end of what this end has sent.
    Deliver(ConnId, usize),
    /// This end can be written to again.
    Room(ConnId, usize),
    /// This end learns that the connection is reset.
    Reset(ConnId, usize),
    /// A client's own time has come.
    Client(Place, u64),
    /// A client hears who is the primary.
    Told(Place, Place),
    /// The operator does something.
    Operator,
    /// A machine that is down is started.
    Start(Place),
    /// A fault of this number ends.
    Repair(u64),
    /// A machine is told whom to follow.
    Follow(Place),
    /// The faults are over.
    Calm,
    /// It is looked whether all have come to rest.
    Look,
}
