//! The state of one client, as far as commands see it.

use crate::acl::account::Account;
use crate::blocking::Blocked;
use crate::command::{Flags, Spec};
use crate::host::Receipt;
use crate::tracking::Mode;
use protocol::resp::request::OwnedArgs;
use protocol::resp::{ByteQueue, Reply};
use std::collections::BTreeSet;

/// Names a client for as long as the process lives.
pub type SessionId = u64;

/// What the connection does after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Goes on with the next request.
    Next,
    /// Sends what there is first: it is much for one turn.
    Yield,
    /// Stops executing: the host suspended the session, or it is to be closed.
    Stop,
}

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Peer {
    /// An ordinary client.
    #[default]
    Client,
    /// A replica that follows us.
    Replica,
    /// The primary that we follow: its commands are the truth.
    Primary,
    /// A file that is loaded.
    Loader,
}

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// None is sent.
    Off,
    /// The next one is not sent.
    SkipNext,
    /// The one of this command is not sent.
    Skip,
}

/// A command that waits for EXEC.
pub struct Queued {
    pub(crate) spec: &'static Spec,
    /// Its properties; of a script, those that it declares.
    pub(crate) flags: Flags,
    pub(crate) args: OwnedArgs,
}

/// A transaction that is being collected.
#[derive(Default)]
pub struct Multi {
    pub(crate) queue: Vec<Queued>,
    /// An error while queueing: EXEC will refuse.
    pub(crate) failed: bool,
    /// Bytes that the queue takes.
    pub(crate) bytes: usize,
}

/// The most bytes that may wait for a client beside what its connection has. A client changes its class in the midst of a
/// turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// As long as it has no subscription.
    pub ordinary: usize,
    /// With one.
    pub subscribed: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        OutboxLimits { ordinary: usize::MAX, subscribed: usize::MAX }
    }
}

/// A watched key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Watched {
    pub db: usize,
    pub key: Vec<u8>,
}

/// The state of one client.
#[derive(Default)]
pub struct Session {
    /// Its id, never used again.
    pub id: SessionId,
    /// Its place among the engine's sessions.
    pub slot: usize,
    /// The selected database.
    pub db: usize,
    /// Whether it speaks version 3 of the protocol.
    pub resp3: bool,
    /// Who it is, and whether it has to be looked at what it asks for.
    pub account: Account,
    /// Who is at the other end.
    pub peer: Peer,
    /// A batch ends behind a request of which nobody can say that it failed elsewhere too ([`crate::refused`]). For our
    /// primary and files.
    pub halts: bool,
    /// The name given by CLIENT SETNAME.
    pub name: Vec<u8>,
    /// Library name and version, as the client told.
    pub library: [Vec<u8>; 2],
    /// What CLIENT REPLY asked for.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// DEBUG is allowed (`enable-debug-command`).
    pub may_debug: bool,
    /// MODULE LOAD and its like are allowed (`enable-module-command`).
    pub may_load_modules: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// The transaction being collected.
    pub multi: Option<Multi>,
    /// Whether a queued command is being executed, or one that a script has called: nothing may wait.
    pub in_exec: bool,
    /// Whether a script's command is being executed.
    pub in_script: bool,
    /// Its last command is a script that has paused, or a transaction with one.
    pub(crate) pauses_in_script: bool,
    /// Messages that answer no request, and replies to commands that waited: not yet with the connection.
    pub outbox: ByteQueue,
    /// How much may wait in the outbox, as the host says.
    pub outbox_limits: OutboxLimits,
    /// A message was more than that: the outbox was emptied, and the connection is to be closed.
    pub outbox_overrun: bool,
    /// What the outbox depends on: [`Session::receipt`], for replies to commands that waited.
    pub outbox_receipt: Receipt,
    /// The connection is to be closed once its replies are sent.
    pub close_after_reply: bool,
    /// The last command waits; the connection goes on with the next request when that is over.
    pub suspended: bool,
    /// What a replica's command was answered, which must not get into its stream: the connection is to be closed at once.
    pub stray_reply: Option<Vec<u8>>,
    /// The last command, for CLIENT LIST.
    pub last_command: Option<&'static Spec>,
    /// How many commands it sent.
    pub commands: u64,
    /// Where this client's last write went: what its replies, and WAIT, wait for.
    pub receipt: Receipt,
    /// The command that waits for keys.
    pub(crate) blocked: Option<Box<Blocked>>,
    /// The command that waited is being run again.
    pub(crate) retrying: bool,
    pub(crate) watched: BTreeSet<Watched>,
    /// How it tracks what it reads, if it does.
    pub tracking: Option<Box<Mode>>,
    /// It sees every command.
    pub monitor: bool,
    /// Their address, for monitors.
    pub address: String,
    pub(crate) channels: BTreeSet<Vec<u8>>,
    pub(crate) shard_channels: BTreeSet<Vec<u8>>,
    pub(crate) patterns: BTreeSet<Vec<u8>>,
}

impl Session {
    /// A fresh client.
    pub fn new(id: SessionId) -> Session {
        Session { id, ..Session::default() }
    }

    /// The most bytes that may wait in its outbox.
    pub(crate) fn outbox_most(&self) -> usize {
        match self.subscriptions() {
            0 => self.outbox_limits.ordinary,
            _ => self.outbox_limits.subscribed,
        }
    }

    /// Writes a reply to a command that waited.
    pub fn post(&mut self, write: impl FnOnce(&mut Reply<'_>)) {
        match self.reply_mode {
            ReplyMode::Off => return,
            ReplyMode::Skip => return self.reply_mode = ReplyMode::On,
            ReplyMode::On | ReplyMode::SkipNext => {}
        }
        let mut bytes = Vec::new();
        write(&mut Reply::new(&mut bytes, self.resp3));
        self.outbox.extend_from_slice(&bytes);
    }

    /// Adds a message, unless more is waiting than may. Returns whether its connection has to be woken for that.
    pub(crate) fn add_message(&mut self, message: &[u8]) -> bool {
        if self.outbox_overrun || message.is_empty() {
            return false;
        }
        let first = self.outbox.is_empty();
        self.outbox.extend_from_slice(message);
        self.outbox_overrun = self.outbox.memory_bytes() > self.outbox_most();
        if self.outbox_overrun {
            self.outbox = ByteQueue::default();
        }
        first || self.outbox_overrun
    }

    /// How many channels, patterns and shard channels it is subscribed to.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }

    /// How many channels, how many patterns and how many shard channels.
    pub fn subscription_counts(&self) -> (usize, usize, usize) {
        (self.channels.len(), self.patterns.len(), self.shard_channels.len())
    }

    /// Commands that wait for EXEC, −1 outside of MULTI.
    pub fn queued(&self) -> i64 {
        self.multi.as_ref().map_or(-1, |multi| multi.queue.len() as i64)
    }

    /// How many keys are watched.
    pub fn watched_len(&self) -> usize {
        self.watched.len()
    }

    /// Bytes held by the transaction being collected.
    pub fn multi_bytes(&self) -> usize {
        self.multi.as_ref().map_or(0, |multi| multi.bytes)
    }

    /// Bytes that the session takes: itself, its transaction, what it watches, tracks and is subscribed to.
    pub fn memory_bytes(&self) -> usize {
        // A name costs its bytes, and what a set or a list of names needs for it.
        let names = |names: &mut dyn Iterator<Item = usize>| -> usize {
            names.map(|len| len + 2 * size_of::<Vec<u8>>()).sum()
        };
        let prefixes = self.tracking.as_ref().map_or(&[][..], |mode| &mode.prefixes);
        size_of::<Session>()
            + self.outbox.memory_bytes()
            + self.multi_bytes()
            + names(&mut self.watched.iter().map(|watched| watched.key.len()))
            + names(&mut self.channels.iter().map(Vec::len))
            + names(&mut self.shard_channels.iter().map(Vec::len))
            + names(&mut self.patterns.iter().map(Vec::len))
            + names(&mut prefixes.iter().map(Vec::len))
    }

    /// Whether it waits for keys.
    pub fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether its commands come from our primary or a file: never refused, never rewritten.
    #[inline]
    pub fn is_trusted(&self) -> bool {
        matches!(self.peer, Peer::Primary | Peer::Loader)
    }
}
