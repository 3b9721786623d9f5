//! Asking for the end: who did, how, and who waits for the outcome.
//!
//! - [`end`]: what is done about it

pub mod end;

use crate::config::{Settings, ShutdownFlags};
use crate::facts::fact::{Changed, Fact};

/// Which signal asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Asking {
    pub(super) fn name(self) -> &'static str {
        match self {
            Asking::Terminate => "SIGTERM",
            Asking::Interrupt => "SIGINT",
        }
    }

    /// How to end, by the directive for this signal.
    pub(super) fn flags(self, settings: &Settings) -> ShutdownFlags {
        match self {
            Asking::Terminate => settings.shutdown_on_sigterm,
            Asking::Interrupt => settings.shutdown_on_sigint,
        }
    }
}

/// An end that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub(super) flags: ShutdownFlags,
    /// The signal that asked, if it was one.
    pub(super) asking: Option<Asking>,
    /// Replicas are waited for until then, a moment of the steady clock in milliseconds; none if they are not.
    pub(super) until_ms: Option<i64>,
}

/// Asking for the end.
pub struct Shutdown {
    pub(super) under_way: Fact<Option<UnderWay>>,
    /// A signal asked for it, and nothing was done about that yet.
    pub(super) signalled: Option<Asking>,
    /// It waits for the first base of the append-only file.
    pub(super) waits_for_base: bool,
    /// The slots of clients that asked and wait for the outcome.
    pub(super) waiting: Vec<usize>,
    /// Those to whom it was refused.
    pub(super) refused: Vec<usize>,
}

impl Shutdown {
    /// Nobody asks.
    pub fn new(changed: &Changed) -> Shutdown {
        Shutdown {
            under_way: Fact::new(None, changed),
            signalled: None,
            waits_for_base: false,
            waiting: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// A signal asks.
    pub(super) fn signal(&mut self, asking: Asking) {
        self.signalled = Some(asking);
        self.waits_for_base = false;
    }

    /// How long replicas are still waited for, milliseconds; none if they are not.
    pub fn left_ms(&self, now_ms: i64) -> Option<i64> {
        Some((*self.under_way)?.until_ms? - now_ms)
    }

    /// How many clients wait for the outcome.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether writes wait for the end.
    pub fn pauses(&self) -> bool {
        self.under_way.is_some_and(|end| end.until_ms.is_some())
    }

    /// A client is gone.
    pub fn forget(&mut self, slot: usize) {
        self.waiting.retain(|other| *other != slot);
        self.refused.retain(|other| *other != slot);
    }

    /// Nobody wants to end any more.
    pub(super) fn cancel(&mut self) {
        *self.under_way = None;
        self.signalled = None;
        self.waits_for_base = false;
        self.refused.append(&mut self.waiting);
    }
}

#[cfg(test)]
mod tests;
