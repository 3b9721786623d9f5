//! What the engine asks of the outside.
//!
//! A handler cannot save, follow a primary or print INFO: it calls the host, in place, so that EXEC and scripts get the
//! reply where it belongs. (Returning such requests from `execute` was tried on paper and rejected: every caller of a
//! command would have to be able to stop in the middle.)

use crate::context::{Context, Done};
use crate::refusal::Refusal;
use protocol::resp::Args;

/// How a journal entry travels; see the `journal` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// To disk and to replicas.
    Effect,
    /// To replicas only.
    Control,
    /// To disk only: writes of clients on a writable replica.
    Local,
}

/// Commands that the host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of that name")]
pub enum HostCall {
    Auth,
    BgRewriteAof,
    BgSave,
    Client,
    Config,
    DebugHost,
    Failover,
    Hello,
    Info,
    LastSave,
    Memory,
    Latency,
    Slowlog,
    Psync,
    Replconf,
    ReplicaOf,
    Role,
    Save,
    Shutdown,
    Wait,
    WaitAof,
    Acl,
}

/// Where a unit went in the journal: what its reply depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The replication offset behind it.
    pub offset: u64,
    /// Bytes journaled in all, local ones included: what is counted off as the disk gets them.
    pub token: u64,
}

/// The outside, as the engine sees it.
pub trait Host {
    /// Takes a complete unit of commands. The first belongs to database `dbs.0`; after the last one `dbs.1` is selected.
    fn journal(&mut self, dbs: (usize, usize), kind: EntryKind, unit: &[u8]) -> Receipt;

    /// Nanoseconds since some moment, never going back: for measuring how long commands take.
    fn ticks_ns(&mut self) -> u64;

    /// Bytes in use beyond `maxmemory`.
    fn excess_bytes(&mut self) -> u64;

    /// Answers a command that the engine cannot.
    fn perform(
        &mut self,
        call: HostCall,
        context: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal>;
}
