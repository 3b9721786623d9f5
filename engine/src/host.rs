//! What the engine asks of the outside.
//!
//! A handler cannot save, follow a primary or print INFO: it calls the host, in place, so that EXEC and scripts get the
//! reply where it belongs. (Returning such requests from `execute` was tried on paper and rejected: every caller of a
//! command would have to be able to stop in the middle.)

use crate::context::{Context, Done};
use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::session::Session;
pub use crate::unit::EntryKind;
use protocol::resp::Args;
pub use script::caller::Level as LogLevel;

/// Commands that the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum HostCall {
    AclLoad,
    AclSave,
    BgRewriteAof,
    BgSave,
    Client,
    Config,
    DebugHost,
    Info,
    LastSave,
    LatencyDoctor,
    Memory,
    Psync,
    Replconf,
    ReplicaOf,
    Role,
    Save,
    Shutdown,
    Wait,
    WaitAof,
}

/// Where a unit went in the journal: what its reply depends on. It is the host's note to itself: the engine carries it from
/// [`Host::journal`] to the reply, compares it at most, and never looks inside. That of nothing is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt([u64; 2]);

impl Receipt {
    /// Takes the host's note.
    #[inline]
    pub fn new(note: [u64; 2]) -> Receipt {
        Receipt(note)
    }

    /// Gives it back.
    #[inline]
    pub fn note(self) -> [u64; 2] {
        self.0
    }
}

/// Requests for another server, and how to reach it.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// Name or address.
    pub host: &'a [u8],
    /// Decimal port.
    pub port: &'a [u8],
    /// How long each step may take, milliseconds.
    pub timeout_ms: u64,
    /// User, if not the default one, and password.
    pub auth: Option<(Option<&'a [u8]>, &'a [u8])>,
    /// The database there.
    pub db: i64,
    /// The requests, encoded.
    pub requests: &'a [u8],
    /// How many they are: each is answered by one line.
    pub count: usize,
}

/// What the other server answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// To each request in turn, as far as they came: well, or the text of its error without the leading `-`.
    pub answers: Vec<Result<(), Vec<u8>>>,
    /// Why there are not more of them.
    pub interruption: Option<Interruption>,
}

/// Where a conversation ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Nobody is there.
    Connecting,
    /// While the requests were sent.
    Writing,
    /// While an answer was awaited.
    Reading,
}

/// The outside, as the engine sees it.
pub trait Host {
    /// Takes a complete unit of commands. The first belongs to database `dbs.0`; after the last one `dbs.1` is selected.
    fn journal(&mut self, dbs: (usize, usize), kind: EntryKind, unit: &[u8]) -> Receipt;

    /// Nanoseconds since some moment, never going back: for measuring how long commands take.
    fn ticks_ns(&mut self) -> u64;

    /// Bytes in use beyond `maxmemory`.
    fn excess_bytes(&mut self) -> u64;

    /// Writes a line of the log.
    fn log(&mut self, level: LogLevel, text: &str);

    /// Talks to another server, and waits for its answers.
    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers;

    /// Random bytes that nobody can foresee.
    fn secret(&mut self) -> [u8; 20];

    /// A client as CLIENT INFO shows it. `steady_ms`: what the time is.
    fn describe(&self, session: &Session, steady_ms: i64) -> String;

    /// Closes the connection of another client than the one that is executing, at once.
    fn disconnect(&mut self, engine: &mut Engine, slot: usize);

    /// Answers a command that the engine cannot.
    fn perform(
        &mut self,
        call: HostCall,
        context: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal>;
}
