//! Client-side caching: which client may hold which key, and telling it when that has changed.
//!
//! ```text
//! default mode:    a tracking client reads key ─► table: key → clients ─► key changed ─► "invalidate", row removed
//! broadcast mode:  key changed ─► collected for each prefix that it begins with ─► one message at the end of the turn
//! ```
//!
//! A row of the table is used once: a client that reads the key again is entered again. Clients that have gone are
//! found out when a row is used, so leaving costs nothing.
//!
//! # Invariants
//! - `items` is the sum of the lengths of all rows
//! - a prefix without clients is not in the table
//!
//! # Not here
//! - the form of the messages: [`crate::messages`]; CLIENT TRACKING: the family

use crate::engine::Engine;
use crate::messages::Message;
use crate::session::{Session, SessionId};
use crate::tables::Ordered;
use protocol::resp::Args;
use std::collections::{BTreeMap, BTreeSet};

/// How one client tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// The client that gets the messages, if it is another.
    pub redirect: Option<SessionId>,
    /// All keys with certain prefixes, not those that it read.
    pub broadcast: bool,
    /// Only keys read right after CLIENT CACHING YES.
    pub opt_in: bool,
    /// All but keys read right after CLIENT CACHING NO.
    pub opt_out: bool,
    /// Not what it changed itself.
    pub no_loop: bool,
    /// The prefixes in broadcast mode.
    pub prefixes: Vec<Vec<u8>>,
    /// CLIENT CACHING spoke of the next command.
    pub caching: bool,
    /// The client that gets the messages has gone.
    pub broken: bool,
}

/// One that may hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    slot: usize,
    id: SessionId,
}

/// Who wants to hear of keys with a prefix.
#[derive(Default)]
struct Broadcast {
    slots: BTreeSet<usize>,
    /// Changed keys, each with the client that changed it last.
    keys: BTreeMap<Vec<u8>, Option<SessionId>>,
}

/// Who may hold what.
#[derive(Default)]
pub(crate) struct Tracking {
    table: Ordered<Vec<u8>, Vec<Holder>>,
    items: usize,
    prefixes: BTreeMap<Vec<u8>, Broadcast>,
    /// Prefixes have changed keys.
    pending: bool,
    clients: usize,
    /// Who is executing a command.
    current: Option<Current>,
}

#[derive(Clone, Copy)]
struct Current {
    holder: Holder,
    /// It is to be told of what it changes itself.
    is_told: bool,
}

impl Tracking {
    /// Whether anybody wants to hear of changed keys.
    #[inline]
    pub fn is_active(&self) -> bool {
        !self.table.is_empty() || !self.prefixes.is_empty()
    }

    /// Notes who is executing.
    #[inline]
    pub fn enter(&mut self, session: &Session) {
        if self.is_active() {
            let holder = Holder { slot: session.slot, id: session.id };
            let mode = session.tracking.as_deref();
            let is_told = mode.is_some_and(|mode| !mode.no_loop && !mode.broadcast);
            self.current = Some(Current { holder, is_told });
        }
    }

    /// A session is about to execute, and keys go before that: it is told of them in any case.
    pub fn enter_told(&mut self, session: &Session) {
        if self.is_active() {
            let holder = Holder { slot: session.slot, id: session.id };
            self.current = Some(Current { holder, is_told: true });
        }
    }

    /// Nobody is executing.
    #[inline]
    pub fn leave(&mut self) {
        self.current = None;
    }
}

/// Figures for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackingCounts {
    /// Clients that track.
    pub clients: usize,
    /// Keys that somebody may hold.
    pub keys: usize,
    /// Pairs of key and client.
    pub items: usize,
    /// Prefixes in broadcast mode.
    pub prefixes: usize,
}

impl Engine {
    /// Switches tracking on for a session, or over to another mode.
    pub(crate) fn start_tracking(&mut self, session: &mut Session, mut mode: Mode) {
        if mode.broadcast {
            if mode.prefixes.is_empty() && session.tracking.is_none() {
                mode.prefixes.push(Vec::new());
            }
            for prefix in &mode.prefixes {
                let broadcast = self.tracking.prefixes.entry(prefix.clone()).or_default();
                broadcast.slots.insert(session.slot);
            }
        }
        match session.tracking.take() {
            // Prefixes add up.
            Some(old) => mode.prefixes.splice(0..0, old.prefixes).for_each(drop),
            None => self.tracking.clients += 1,
        }
        session.tracking = Some(Box::new(mode));
    }

    /// Switches tracking off.
    pub(crate) fn stop_tracking(&mut self, session: &mut Session) {
        let Some(mode) = session.tracking.take() else { return };
        self.tracking.clients -= 1;
        for prefix in &mode.prefixes {
            if let Some(broadcast) = self.tracking.prefixes.get_mut(prefix) {
                broadcast.slots.remove(&session.slot);
                if broadcast.slots.is_empty() {
                    self.tracking.prefixes.remove(prefix);
                }
            }
        }
    }

    /// Remembers the keys that a tracking session has read.
    pub(crate) fn remember_read(&mut self, session: &Session, args: Args<'_>, keys: &[usize]) {
        let Some(mode) = &session.tracking else { return };
        let skipped = mode.opt_in && !mode.caching || mode.opt_out && mode.caching;
        if mode.broadcast || skipped {
            return;
        }
        let holder = Holder { slot: session.slot, id: session.id };
        for position in keys {
            let row = self.tracking.table.entry(args.at(*position).to_vec()).or_default();
            if !row.contains(&holder) {
                row.push(holder);
                self.tracking.items += 1;
            }
        }
    }

    /// Tells those who may hold a key that it has changed.
    pub(crate) fn invalidate(&mut self, key: &[u8]) {
        self.invalidate_for(key, self.tracking.current);
    }

    /// The same for a key that went by itself while a client was executing: it is told in any case.
    pub(crate) fn invalidate_expired(&mut self, key: &[u8]) {
        self.invalidate_for(key, None);
    }

    fn invalidate_for(&mut self, key: &[u8], by: Option<Current>) {
        for (prefix, broadcast) in &mut self.tracking.prefixes {
            if key.starts_with(prefix) {
                broadcast.keys.insert(key.to_vec(), by.map(|current| current.holder.id));
                self.tracking.pending = true;
            }
        }
        self.invalidate_row(key);
    }

    fn invalidate_row(&mut self, key: &[u8]) {
        let Some(row) = self.tracking.table.swap_remove(key) else { return };
        self.tracking.items -= row.len();
        for holder in row {
            let keys = Some(vec![key.to_vec()]);
            match self.tracking.current.filter(|current| current.holder == holder) {
                Some(current) if !current.is_told => {}
                Some(_) => {
                    self.late.push((holder.slot, Message::Invalid { keys, redirected: false }))
                }
                None => {
                    let session = self.session(holder.slot).filter(|s| s.id == holder.id);
                    let mode = session.and_then(|session| session.tracking.as_deref());
                    if let Some(mode) = mode.filter(|mode| !mode.broadcast) {
                        self.tell(holder.slot, mode.redirect, keys);
                    }
                }
            }
        }
    }

    /// Sends an invalidation to a client, or to the one that gets them in its place.
    pub(crate) fn tell(
        &mut self,
        slot: usize,
        redirect: Option<SessionId>,
        keys: Option<Vec<Vec<u8>>>,
    ) {
        match redirect {
            None => self.send(slot, Message::Invalid { keys, redirected: false }),
            Some(target) => match self.slot_of(target) {
                Some(slot) => self.send(slot, Message::Invalid { keys, redirected: true }),
                None => self.send(slot, Message::RedirectionBroken { target }),
            },
        }
    }

    /// Tells everybody who tracks that all keys have changed; `executing` among them.
    pub(crate) fn invalidate_all(&mut self, executing: Option<&Session>) {
        // Also what those read who do not track any more: they may again, and have not read it then.
        self.tracking.table.clear();
        self.tracking.items = 0;
        if self.tracking.clients == 0 {
            return;
        }
        if let Some(session) = executing.filter(|session| session.tracking.is_some()) {
            let message = Message::Invalid { keys: None, redirected: false };
            self.late.push((session.slot, message));
        }
        let all: Vec<_> = self
            .sessions()
            .filter_map(|session| Some((session.slot, session.tracking.as_ref()?.redirect)))
            .collect();
        all.into_iter().for_each(|(slot, redirect)| self.tell(slot, redirect, None));
    }

    /// Sends what was collected for prefixes, and makes the table small enough. To be called when no session is
    /// executing.
    pub fn end_tracking_turn(&mut self) {
        if std::mem::take(&mut self.tracking.pending) {
            self.broadcast();
        }
        // A bounded part: each turn adds but a few. As in Redis, any key may be the one that goes.
        for _ in 0..1000 {
            let len = self.tracking.table.len();
            if len as u64 <= self.tracking_table_max {
                break;
            }
            let place = (self.draw() % len as u64) as usize;
            let (key, _) = self.tracking.table.get_index(place).expect("a place below the length");
            let key = key.clone();
            self.invalidate_row(&key);
        }
    }

    fn broadcast(&mut self) {
        let mut messages = Vec::new();
        for broadcast in self.tracking.prefixes.values_mut() {
            let keys = std::mem::take(&mut broadcast.keys);
            if !keys.is_empty() {
                messages.push((broadcast.slots.clone(), keys));
            }
        }
        for (slots, keys) in messages {
            for slot in slots {
                let Some(session) = self.session(slot) else { continue };
                let Some(mode) = session.tracking.as_deref() else { continue };
                let (id, redirect, no_loop) = (session.id, mode.redirect, mode.no_loop);
                let own = |by: &Option<SessionId>| no_loop && *by == Some(id);
                let told: Vec<_> =
                    keys.iter().filter(|(_, by)| !own(by)).map(|(key, _)| key.clone()).collect();
                if !told.is_empty() {
                    self.tell(slot, redirect, Some(told));
                }
            }
        }
    }

    /// Figures for INFO.
    pub fn tracking_counts(&self) -> TrackingCounts {
        TrackingCounts {
            clients: self.tracking.clients,
            keys: self.tracking.table.len(),
            items: self.tracking.items,
            prefixes: self.tracking.prefixes.len(),
        }
    }
}
