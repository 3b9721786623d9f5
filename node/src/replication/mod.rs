//! Data elsewhere, as the node does it: what is around the two machines of the `replica` crate.
//!
//! - [`primary`]: our replicas: their commands, what they get, and what is done for them
//! - [`link`]: following a primary; [`refused`]: what it sent and we did not execute
//! - [`roles`]: becoming a replica or a primary
//! - [`wait`]: clients that wait until replicas have their writes
//!
//! # Not here
//! - what is said, and when somebody is given up: `replica::primary`, `replica::link`

pub mod link;
pub mod primary;
pub mod refused;
pub mod roles;
pub mod wait;

use crate::facts::fact::{Changed, Fact};
use crate::jobs::Temporary;
use crate::persistence::loader::Outcome;
use backup::files::File;
use engine::Engine;
use journal::Receipt;
use journal::release::Demand;
use replica::link::{Link, Stage};
use replica::primary::Primary;
use std::path::PathBuf;
use std::sync::Arc;

/// The replication side of a node.
pub struct Replication {
    /// Whom we follow, if we are a replica.
    pub(super) following: Fact<Option<Following>>,
    /// The machine of the link to it. Not there while it has a turn.
    pub(super) link: Option<Link<Outcome>>,
    /// The snapshot that the link receives.
    pub(super) incoming: Option<Incoming>,
    /// Links so far: their numbers.
    pub(super) links: u32,
    /// How many replicas are good, as it was last counted.
    pub(super) good: Fact<usize>,
    /// Our replicas.
    pub primary: Primary,
    /// The file that the child of a full sync writes, if there is one.
    pub sync_file: Option<PathBuf>,
    /// Clients that wait for acknowledgements.
    pub waits: Vec<Wait>,
    /// What our primaries sent and we did not execute.
    pub refused: refused::RefusedCommands,
    /// How often clients had to wait for the sake of a replica.
    pub slowed: u64,
    /// Replicas are to be told all users: some may have others.
    pub users_due: bool,
}

/// Whom we follow, and how far the link to it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// Its host, as given.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The slot of the session that executes its commands.
    pub slot: usize,
    /// How far the link has come.
    pub stage: Stage,
    /// The link's number.
    pub(super) number: u32,
}

/// A snapshot on its way to the disk.
pub(super) struct Incoming {
    /// Its file, until all of it has come.
    pub file: Option<File>,
    /// The file's name. Jobs share it: it is removed when nobody needs it.
    pub path: Arc<Temporary>,
}

impl Replication {
    /// A primary without replicas.
    pub fn new(engine: &Engine, changed: &Changed) -> Replication {
        Replication {
            following: Fact::new(None, changed),
            link: None,
            incoming: None,
            links: 0,
            good: Fact::new(0, changed),
            primary: Primary::new(engine.steady_ms as u64),
            sync_file: None,
            waits: Vec::new(),
            refused: Default::default(),
            slowed: 0,
            users_due: false,
        }
    }

    /// Whom we follow, if we are a replica.
    pub fn following(&self) -> Option<&Following> {
        self.following.as_ref()
    }

    /// The link to it; none while it has a turn of its own.
    pub fn link(&self) -> Option<&Link<Outcome>> {
        self.link.as_ref()
    }

    /// Whether we follow a primary.
    pub fn is_replica(&self) -> bool {
        self.following.is_some()
    }

    /// Whether the link to our primary carries the stream.
    pub fn link_is_up(&self) -> bool {
        self.following().is_some_and(|following| following.stage == Stage::Connected)
    }

    /// Whether a snapshot of our primary is being loaded in place of the data.
    pub fn is_loading(&self) -> bool {
        self.following().is_some_and(|following| following.stage == Stage::Load)
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

#[cfg(test)]
mod tests;
