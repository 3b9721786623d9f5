//! What our primary or a file said and was not done: kept, batch by batch, for who feeds the engine.
//!
//! Nobody reads the replies to such commands, and data differ when one is refused that was executed elsewhere. What to
//! do about it is the feeder's decision: a load refuses to start, a link stops or goes on with a word in the log.
//!
//! ```text
//! let (done, flow) = engine.execute_batch(…, next, …);      stops behind the first that cannot have failed elsewhere,
//! for refused in engine.take_refused().list { … }           if `Session::halts` says so
//! ```
//!
//! `State`: it can have failed in the same way where it comes from (a transaction, a PFADD half done). `Shape` and
//! `Unknown`: nobody executes that who knows no more commands and options than we do.
//!
//! # Invariants
//! - of one batch at most [`REFUSED_MAX`] are kept, the first ones and one that is a difference; the others are counted

use crate::engine::Engine;
use crate::refusal::{Kind, Refusal};
use crate::session::Session;

/// The most refusals of one batch that are kept. A batch has fewer requests, but a transaction is one request.
pub const REFUSED_MAX: usize = 4096;
/// The most of a name or a text that is kept, in bytes.
const SHOWN_BYTES: usize = 256;

/// One command that was not executed, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The request, by its index in the batch; EXEC for a command of a transaction that failed when it was executed.
    pub index: usize,
    /// Its place among the queued commands of the transaction, if it failed when that was executed.
    pub queued: Option<usize>,
    /// The command: its name in the table (`client|kill`), or as it was spelled where it is not there.
    pub name: String,
    /// What was in the way.
    pub kind: Kind,
    /// The error reply.
    pub text: String,
    /// Other commands of the same transaction have changed something: what is executed and what is not has no place
    /// between two offsets, so the position before it is of no use any more.
    pub half_done: bool,
}

impl Refused {
    /// Whether the command was executed, perhaps, where it comes from, and differs from ours only in that.
    pub fn is_difference(&self) -> bool {
        self.kind != Kind::State
    }
}

/// What one batch brought.
#[derive(Debug, Default)]
pub struct Refusals {
    /// In order, [`REFUSED_MAX`] of them at most.
    pub list: Vec<Refused>,
    /// How many more there were.
    pub more: u64,
}

impl Engine {
    /// What was refused to our primary or a file in the last batch. The next batch forgets it.
    pub fn take_refused(&mut self) -> Refusals {
        std::mem::take(&mut self.refused)
    }

    /// Keeps what is refused to a trusted session.
    #[cold]
    pub(crate) fn note_refused(&mut self, name: &[u8], refusal: &Refusal) {
        let Refusals { list, more } = &mut self.refused;
        if list.len() == REFUSED_MAX {
            *more += 1;
            // The first that is a difference is not lost among those that are none.
            let is_first = refusal.kind != Kind::State && !list.iter().any(Refused::is_difference);
            if !is_first {
                return;
            }
            list.pop();
        }
        let shown = |text: &[u8]| {
            String::from_utf8_lossy(&text[..text.len().min(SHOWN_BYTES)]).into_owned()
        };
        list.push(Refused {
            index: 0,
            queued: None,
            name: shown(name),
            kind: refusal.kind,
            text: shown(&refusal.text),
            half_done: false,
        });
    }

    /// Says to which request what was kept since `first` belongs. Returns whether the session is to stop there.
    #[cold]
    pub(crate) fn place_refused(&mut self, first: usize, index: usize, session: &Session) -> bool {
        let new = &mut self.refused.list[first..];
        new.iter_mut().for_each(|refused| refused.index = index);
        session.halts && new.iter().any(Refused::is_difference)
    }
}
