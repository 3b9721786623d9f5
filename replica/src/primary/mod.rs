//! A primary's whole side: who its replicas are, what each gets next, when a full sync begins, and when one is given up.
//!
//! ```text
//! REPLCONF, PSYNC ─► [Primary] ── +CONTINUE, the stream from there ─────────────► next
//!                        └── due ─► fork ─► begin ─► pieces ─► ended ─► stream ─► next
//! ```
//!
//! A machine without sockets, clock, child or file. Commands, connections' turns, pieces of a snapshot and the timer come
//! in; what is to be done comes out as [`Action`]s. What replicas get is read from the journal that is handed in; so nothing
//! is buffered for one of them but the pieces of a snapshot.
//!
//! # Invariants
//! - a replica gets, behind each other: its header, the whole snapshot, the stream from the snapshot's offset on
//! - at most one full sync is under way; its pipe is read only while every queue has room, so a slow replica slows the child
//!   and not our memory
//! - each replica is told to go once
//!
//! # Contents
//! - [`full_sync`]: who shares a snapshot, and its way to them; `sync`: how far that is
//! - [`upkeep`]: what happens from time to time: timeouts, limits, PING, the backlog's end, promotion; who is gone
//! - [`action`]: what goes in with a call and comes out; [`settings`]: what is configured
//!
//! # Not here
//! - what is kept of one replica: [`crate::feed`]; whether it can go on: [`crate::decision`]

pub mod action;
pub mod full_sync;
pub mod settings;
mod sync;
pub mod upkeep;

use crate::capability::{LeftOut, Request};
use crate::decision::{Answer, Asked, Reason, decide};
use crate::feed::{Feed, Next, Patience};
pub use action::{Action, SyncEvent, Turn};
use bytes::Bytes;
use journal::{Journal, Offset};
pub use settings::{OutputLimit, Settings};
use std::collections::{BTreeMap, VecDeque};
use sync::FullSync;

/// All replicas of a primary.
pub struct Primary {
    /// By slot, from their first REPLCONF on.
    replicas: BTreeMap<usize, Replica>,
    /// The full sync under way.
    sync: Option<FullSync>,
    /// Full syncs begun so far: their numbers.
    syncs: u64,
    patience: Patience,
    slow_ms: u64,
    /// When the last PING went into the stream, or our time as a primary began.
    pinged_ms: u64,
    /// Since when we have been a primary without replicas.
    alone_since_ms: u64,
    /// When those that wait got a newline.
    newlines_ms: u64,
}

/// One replica.
struct Replica {
    feed: Feed,
    /// It asked for data, whatever the answer was.
    asked: bool,
    /// It has been told to go.
    given_up: bool,
    /// Since when more than the soft limit waits for it.
    over_since_ms: Option<u64>,
}

/// What REPLCONF is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replconf {
    /// `+OK`.
    Ok,
    /// Nothing.
    Silence,
    /// Nothing: it was an acknowledgement, for which somebody may have waited.
    Acknowledged,
}

/// What PSYNC or SYNC is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// This simple string; the stream follows.
    Continue(String),
    /// Nothing yet: it waits for a full sync.
    Waits {
        /// It wanted to go on, and may not.
        refused: bool,
    },
    /// Nothing: it has asked before, and gets a stream.
    Silence,
}

/// Why PSYNC is not answered. As text: the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// Its offset is none.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// It wants a part of a snapshot, which only comes with a mark.
    #[error("ERR Filtered replica requires EOF capability")]
    NeedsMark,
}

/// What a replica's connection got.
#[derive(Debug, PartialEq, Eq)]
pub struct Fed {
    /// What it sends next.
    pub next: Next,
    /// Bytes of the stream that it has not been sent.
    pub pending_bytes: u64,
    /// It came further: there may be more good replicas now.
    pub has_moved: bool,
}

impl Primary {
    /// A primary without replicas.
    pub fn new(now_ms: u64) -> Primary {
        Primary {
            replicas: BTreeMap::new(),
            sync: None,
            syncs: 0,
            patience: Patience::default(),
            slow_ms: 0,
            pinged_ms: now_ms,
            alone_since_ms: now_ms,
            newlines_ms: now_ms,
        }
    }

    // --- what there is ---

    /// Whether nobody has said that it is a replica.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    /// All of them, by slot; those as well that have only introduced themselves.
    pub fn feeds(&self) -> impl Iterator<Item = (usize, &Feed)> + Clone {
        self.replicas.iter().map(|(slot, replica)| (*slot, &replica.feed))
    }

    /// One of them.
    pub fn feed(&self, slot: usize) -> Option<&Feed> {
        self.replicas.get(&slot).map(|replica| &replica.feed)
    }

    /// Whether what is journaled now reaches anybody.
    pub fn is_read(&self) -> bool {
        self.feeds().any(|(_, feed)| feed.is_fed())
    }

    /// How many replicas are online and answered within `min-replicas-max-lag`.
    pub fn good_replicas(&self, settings: &Settings, now_ms: u64) -> usize {
        let good = |feed: &Feed| feed.is_online() && feed.silent_ms(now_ms) <= settings.lag_most_ms;
        self.feeds().filter(|(_, feed)| good(feed)).count()
    }

    /// For how long a client that has just written waits for the sake of a replica, milliseconds.
    #[inline]
    pub fn slow_ms(&self) -> u64 {
        self.slow_ms
    }

    // --- commands ---

    /// `REPLCONF option value …`, without its name, from the connection of `slot`. `Err` is the error's text.
    pub fn replconf(
        &mut self,
        slot: usize,
        address: &str,
        words: &[&[u8]],
        turn: &mut Turn<'_>,
    ) -> Result<Replconf, String> {
        let (end, now_ms) = (turn.journal.end(), turn.now_ms);
        let feed = &mut self.replica(slot, address, now_ms).feed;
        match feed.known.take(words)? {
            Request::Stored => Ok(Replconf::Ok),
            Request::GetAck => Ok(Replconf::Silence),
            Request::Ack { applied, durable } => {
                // Nobody has more than we have written.
                if feed.acknowledge(applied.min(end), durable.map(|at| at.min(end)), now_ms) {
                    tracing::info!("Synchronization with replica {} succeeded", feed.name());
                    turn.actions.push(Action::Wake(slot));
                }
                Ok(Replconf::Acknowledged)
            }
        }
    }

    /// `PSYNC id offset`, or SYNC, which has no arguments. Whether we have data to give is asked before.
    pub fn psync(
        &mut self,
        slot: usize,
        address: &str,
        arguments: Option<(&[u8], &[u8])>,
        turn: &mut Turn<'_>,
    ) -> Result<Welcome, Unwelcome> {
        let is_old = arguments.is_none();
        let asked = match arguments {
            None => Asked { id: None, next: -1 },
            Some((id, next)) => Asked::parse(id, next).ok_or_else(|| {
                tracing::warn!(
                    "Replica {address} asks for synchronization but with a wrong offset"
                );
                Unwelcome::NotInteger
            })?,
        };
        let replica = self.replica(slot, address, turn.now_ms);
        if replica.feed.is_shown() {
            return Ok(Welcome::Silence);
        }
        replica.asked = true;
        let feed = &mut replica.feed;
        if feed.known.left_out != LeftOut::default() && !feed.known.eof {
            return Err(Unwelcome::NeedsMark);
        }
        feed.ask(is_old, turn.now_ms);
        tracing::info!("Replica {} asks for synchronization", feed.name());
        // It may push older bytes out of the backlog.
        turn.journal.seal();
        Ok(match decide(turn.journal, asked) {
            Answer::Partial { from } => go_on(feed, from, turn),
            Answer::Full { reason } => start_over(feed, reason, turn.now_ms),
        })
    }

    /// What is known of the connection of a slot, from now on at the latest.
    fn replica(&mut self, slot: usize, address: &str, now_ms: u64) -> &mut Replica {
        self.replicas.entry(slot).or_insert_with(|| Replica {
            feed: Feed::new(address.to_string(), now_ms),
            asked: false,
            given_up: false,
            over_since_ms: None,
        })
    }

    // --- connections ---

    /// It said something, be it a newline.
    #[inline]
    pub fn heard(&mut self, slot: usize, now_ms: u64) {
        if let Some(replica) = self.replicas.get_mut(&slot) {
            replica.feed.hear(now_ms);
        }
    }

    /// Puts what its connection sends next into `out`. To be called when it has sent all that it took. `None` if it is no
    /// replica.
    pub fn next(
        &mut self,
        slot: usize,
        journal: &mut Journal,
        out: &mut VecDeque<Bytes>,
        now_ms: u64,
    ) -> Option<Fed> {
        let feed = &mut self.replicas.get_mut(&slot)?.feed;
        let before = feed.state();
        let next = feed.next(journal, out, now_ms);
        let has_moved = before != feed.state();
        if has_moved {
            match feed.is_online() {
                true => tracing::info!("Synchronization with replica {} succeeded", feed.name()),
                false => tracing::info!(
                    "Streamed replica with replica {} succeeded. Waiting for REPLCONF ACK from replica to enable streaming",
                    feed.name()
                ),
            }
        }
        Some(Fed { next, pending_bytes: feed.pending_bytes(journal), has_moved })
    }

    /// Its connection has sent so many bytes of what it took.
    pub fn sent(&mut self, slot: usize, bytes: usize, now_ms: u64) {
        if let Some(replica) = self.replicas.get_mut(&slot) {
            replica.feed.sent(bytes, now_ms);
        }
    }
}

fn go_on(feed: &mut Feed, from: Offset, turn: &mut Turn<'_>) -> Welcome {
    let journal = &mut *turn.journal;
    let cursor = journal.subscribe_at(from).expect("it was decided that this is there");
    let behind = journal.end() - from;
    feed.go_on(cursor, from, turn.now_ms);
    tracing::info!(
        "Partial resynchronization request from {} accepted. Sending {behind} bytes of backlog starting from offset {}.",
        feed.name(),
        from.next_byte()
    );
    Welcome::Continue(match feed.known.psync2 {
        true => format!("CONTINUE {}", journal.history.id),
        false => "CONTINUE".to_string(),
    })
}

fn start_over(feed: &mut Feed, reason: Reason, now_ms: u64) -> Welcome {
    tracing::info!("{}", reason.line(&feed.name()));
    feed.wait(now_ms);
    Welcome::Waits { refused: reason.is_refusal() }
}

#[cfg(test)]
mod tests;
