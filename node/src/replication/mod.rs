//! Data elsewhere, as the process does it: sockets, forks and timers around the state machines of the `replica` crate.
//!
//! - [`feed`]: what our replicas get: their commands, and their connections' turns
//! - [`full_sync`]: the snapshot's way from a child to the replicas that wait for it
//! - [`link`]: following a primary; [`refused`]: what it sent and we did not execute
//! - [`roles`]: becoming a replica or a primary, and what a primary does now and then
//! - [`wait`]: clients that wait until replicas have their writes

pub mod feed;
pub mod full_sync;
pub mod link;
pub mod link_state;
pub mod refused;
pub mod roles;
pub mod wait;

use crate::facts::fact::{Changed, Fact};
use engine::Engine;
use journal::release::Demand;
use journal::{Receipt, ReplicationId};
use link_state::Link;
use replica::feed::{Feed, Patience};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The replication side of the process.
pub struct Replication {
    /// The primary that we follow, if we are a replica. To be replaced by [`Replication::set_link`] only.
    pub(super) link: Option<Link>,
    pub(super) changed: Changed,
    /// Links so far: their numbers.
    pub(super) links: u64,
    /// How many replicas are good, as it was last counted.
    pub(super) good: Fact<usize>,
    /// Our replicas, by slot. From their first REPLCONF on.
    pub replicas: BTreeMap<usize, Feed>,
    /// Clients that wait for acknowledgements.
    pub waits: Vec<Wait>,
    /// The full sync under way: its number, and the child's process.
    pub sync: Option<RunningSync>,
    /// What our primaries sent and we did not execute.
    pub refused: refused::RefusedCommands,
    /// For how long a client that has just written waits for the sake of a replica, milliseconds.
    pub slow_ms: u64,
    /// How much longer clients may have to.
    pub patience: Patience,
    /// How often clients had to.
    pub slowed: u64,
    /// Full syncs begun so far: their numbers.
    pub(super) syncs: u64,
    /// When the last PING went into the stream, or our time as a primary began; a moment of the steady clock, milliseconds.
    pub(super) pinged_ms: u64,
    /// Since when we have been a primary without replicas, in the same way.
    pub(super) alone_since_ms: u64,
}

impl Replication {
    /// A primary without replicas.
    pub fn new(engine: &Engine, changed: &Changed) -> Replication {
        let now_ms = engine.steady_ms as u64;
        Replication {
            link: None,
            links: 0,
            changed: changed.clone(),
            good: Fact::new(0, changed),
            replicas: BTreeMap::new(),
            waits: Vec::new(),
            sync: None,
            refused: Default::default(),
            slow_ms: 0,
            patience: Patience::default(),
            slowed: 0,
            syncs: 0,
            pinged_ms: now_ms,
            alone_since_ms: now_ms,
        }
    }

    /// The primary that we follow, if we are a replica.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// The link, for who tests what follows from it.
    #[cfg(test)]
    pub fn link_mut(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Another primary, or none. Returns the link to the one before.
    pub(super) fn set_link(&mut self, link: Option<Link>) -> Option<Link> {
        self.changed.note();
        std::mem::replace(&mut self.link, link)
    }

    /// Whether we follow a primary.
    pub fn is_replica(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the link to our primary carries the stream.
    pub fn link_is_up(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_up)
    }

    /// Whether a snapshot of our primary is being loaded in place of the data.
    pub fn is_loading(&self) -> bool {
        self.link.as_ref().is_some_and(|link| *link.loading)
    }
}

/// What REPLICAOF asked for; done when the turn is over, since it changes who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewRole {
    /// `NO ONE`.
    Primary,
    /// `host port`.
    ReplicaOf(String, u16),
}

/// A full sync under way.
pub struct RunningSync {
    /// Its number.
    pub(super) number: u64,
    /// What stands before and behind a snapshot of unknown length.
    pub(super) mark: ReplicationId,
    /// The file that its child writes, if there is one.
    pub file: Option<PathBuf>,
}

/// A client that waits.
pub struct Wait {
    /// Its slot.
    pub slot: usize,
    /// What it waits for.
    pub(super) receipt: Receipt,
    /// Where that has to be.
    pub(super) demand: Demand,
    /// When it gives up: a moment of [`Engine::steady_ms`].
    pub until_ms: Option<i64>,
}
