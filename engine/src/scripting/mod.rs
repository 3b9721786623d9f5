//! Scripts and functions within the engine: what runs them, what their commands may do, and how one goes on that has paused.
//!
//! ```text
//! EVAL, FCALL ─► admit ─► run ─┬─► ended ─► reply; effects: one unit
//!                              └─► paused: the session waits, others hear -BUSY
//!                                    ▲ │ go on, a piece at a time, as the host has time for it
//!                                    └─┘
//! ```
//!
//! A script's commands go the way of a client's: the same rows, the same checks in the same order, the same bookkeeping.
//! What they did is collected as it is for a transaction and becomes one unit of the journal when the script ends.
//!
//! # Invariants
//! - while a script pauses nothing changes data: commands of clients are refused but those that may run then, and the host
//!   takes nothing from a primary and starts nothing by itself ([`crate::Engine::is_paused_in_script`])
//! - time stands still for a script: it goes on at the moment at which it began
//!
//! # Not here
//! - the interpreter: crate `script`
//! - the commands themselves: [`crate::family::scripting`], [`crate::family::functions`]

mod admission;
mod calls;
mod kept;
mod run;
#[cfg(test)]
mod tests;

use crate::command::Spec;
use crate::session::Queued;
use crate::unit::Unit;
use protocol::resp::request::OwnedArgs;
use script::cache::Cache;
use script::caller::Audience;
use script::flags::Flags;
use script::libraries::Libraries;

/// Bytes that scripts, and functions, may take unless the configuration says otherwise.
const MEMORY_DEFAULT: usize = 1 << 30;
/// Milliseconds after which others hear of a script that is still running. Source: Redis.
const THRESHOLD_DEFAULT_MS: u64 = 5000;

/// What a script, or a function, is when it is about to run.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub function: script::Function,
    /// Its digest, or its name.
    pub name: &'a [u8],
    pub flags: Flags,
    pub is_function: bool,
    /// It was called by one of the commands that read only.
    pub read_only: bool,
}

/// What the commands of a running script may do, and what they have done.
#[derive(Clone, Copy)]
pub(crate) struct Situation {
    is_function: bool,
    read_only: bool,
    allow_oom: bool,
    /// A command that writes has been called: from now on no other one is refused for what the outside is like.
    wrote: bool,
    audience: Audience,
    /// Others have been told that it runs still.
    is_slow: bool,
    threshold_ns: u64,
}

/// What a session was before its script ran.
#[derive(Clone, Copy)]
struct Frame {
    db: usize,
    resp3: bool,
    in_exec: bool,
}

/// A script that has paused.
pub(crate) struct Paused {
    slot: usize,
    /// Its client is gone.
    is_orphan: bool,
    spec: &'static Spec,
    args: OwnedArgs,
    name: Vec<u8>,
    situation: Situation,
    frame: Frame,
    unit: Unit,
    /// The moment of the script, and how long it has worked so far, nanoseconds.
    moment: (i64, i64),
    worked_ns: u64,
    /// When it began, by [`crate::Host::ticks_ns`].
    began_ns: u64,
    /// What follows it in its transaction.
    rest: Option<Rest>,
}

/// The rest of a transaction.
pub(crate) struct Rest {
    pub queue: std::vec::IntoIter<Queued>,
    /// The replies so far.
    pub out: Vec<u8>,
}

/// Scripts, functions, and the one that has paused.
pub struct Scripts {
    /// Scripts by their digests.
    pub cache: Cache,
    /// Functions by their names.
    pub libraries: Libraries,
    /// Milliseconds after which others hear of a script that is still running; 0: never (`busy-reply-threshold`).
    pub busy_reply_threshold_ms: u64,
    /// Scripts may call commands that are not for them (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub all_commands: bool,
    /// Libraries that came from elsewhere and cannot be run here: they are kept for whoever can.
    pub(crate) not_run: Vec<Vec<u8>>,
    paused: Option<Box<Paused>>,
}

impl Default for Scripts {
    fn default() -> Self {
        Scripts {
            cache: Cache::new(MEMORY_DEFAULT),
            libraries: Libraries::new(MEMORY_DEFAULT),
            busy_reply_threshold_ms: THRESHOLD_DEFAULT_MS,
            all_commands: false,
            not_run: Vec::new(),
            paused: None,
        }
    }
}

impl Scripts {
    /// The most bytes that scripts may take, and functions (`script-memory-limit`).
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.cache.set_memory_limit(bytes);
        self.libraries.set_memory_limit(bytes);
    }

    /// Bytes that scripts and functions take: they do not count for `maxmemory`.
    pub fn memory_bytes(&self) -> usize {
        let (cache, libraries) = (&self.cache, &self.libraries);
        cache.interpreter_bytes()
            + cache.text_bytes()
            + libraries.interpreter_bytes()
            + libraries.text_bytes()
    }

    /// Libraries that are kept though they cannot be run.
    pub fn not_run_len(&self) -> usize {
        self.not_run.len()
    }
}
