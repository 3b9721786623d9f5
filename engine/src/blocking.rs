//! Clients that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and their kin.
//!
//! A command that finds nothing asks to be kept ([`Context::block`]). When one of its keys has changed, it is run again
//! as a whole: the handler either serves the client now or asks to be kept once more. So there is one piece of code per
//! command, and what it does is journaled and announced as if the client had come at this moment.
//!
//! ```text
//! handler ─► block ─► waits in the queue of each of its keys ─┬─► key changed ─► run again ─► served, or keeps its place
//!                                                             ├─► deadline    ─► null
//!                                                             └─► CLIENT UNBLOCK, change of role ─► null or error
//! ```
//!
//! Keys that changed are noted while a command runs and looked at once it is over: after the whole of a transaction.
//! Serving one client may change keys that others wait for, so this goes on until no changed key is left.
//!
//! # Invariants
//! - a session is in the queues of exactly the keys of its `blocked`, under its ticket
//! - tickets grow: a queue is in the order of arrival, and a client that is not served keeps its place
//! - a session that waits is suspended: it executes nothing else
//!
//! # Not here
//! - WAIT and WAITAOF: the host knows how far replicas are

use crate::command::Spec;
use crate::context::{Context, Done};
use crate::engine::Engine;
use crate::host::Host;
use crate::refusal::Refusal;
use crate::session::{Flow, Session};
use crate::tables::Unordered;
use keyspace::entry::Kind;
use keyspace::table::hash_bytes;
use protocol::number;
use protocol::resp::Args;
use protocol::resp::request::OwnedArgs;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What a command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The type that one of its keys must have.
    pub kind: Kind,
    /// It is also run again when a key is gone or of another type: it then has an error to report.
    pub or_gone: bool,
}

/// A command that waits.
pub(crate) struct Blocked {
    spec: &'static Spec,
    args: OwnedArgs,
    keys: Vec<Vec<u8>>,
    want: Want,
    until_ms: Option<i64>,
    ticket: u64,
}

/// Who waits for one key.
#[derive(Default)]
struct Queue {
    /// Slots by ticket.
    slots: BTreeMap<u64, usize>,
    /// How many of them want to know that the key is gone.
    or_gone: usize,
    /// It is among the changed keys.
    changed: bool,
}

/// All who wait.
#[derive(Default)]
pub(crate) struct Waiters {
    /// Queues by key, for each database.
    queues: Vec<Unordered<Vec<u8>, Queue>>,
    /// Deadline, ticket and slot of those who do not wait forever.
    deadlines: BTreeSet<(i64, u64, usize)>,
    /// Keys that changed and are waited for.
    changed: Vec<(usize, Vec<u8>)>,
    last_ticket: u64,
    len: usize,
    /// The first deadline is another than before: the host has to be told.
    alarm: bool,
}

impl Waiters {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Notes that a key changed.
    pub fn note(&mut self, db: usize, key: &[u8]) {
        let Some(queue) = self.queues.get_mut(db).and_then(|queues| queues.get_mut(key)) else {
            return;
        };
        if !std::mem::replace(&mut queue.changed, true) {
            self.changed.push((db, key.to_vec()));
        }
    }

    /// Notes that all keys of a database may have changed: first the key for which somebody has waited longest.
    pub fn note_all(&mut self, db: usize) {
        let mut found = Vec::new();
        let queues = self.queues.get_mut(db).into_iter();
        for (key, queue) in queues.flat_map(Unordered::in_any_order_mut) {
            if !std::mem::replace(&mut queue.changed, true) {
                let first = queue.slots.first_key_value().map(|(ticket, _)| *ticket);
                found.push((first, key));
            }
        }
        found.sort_unstable();
        self.changed.extend(found.into_iter().map(|(_, key)| (db, key.clone())));
    }

    fn enter(&mut self, slot: usize, db: usize, blocked: &Blocked) {
        if self.queues.len() <= db {
            self.queues.resize_with(db + 1, Unordered::default);
        }
        for key in &blocked.keys {
            let queue = self.queues[db].entry(key.clone()).or_default();
            // A key may be named twice.
            if queue.slots.insert(blocked.ticket, slot).is_none() {
                queue.or_gone += usize::from(blocked.want.or_gone);
            }
        }
        if let Some(until) = blocked.until_ms {
            self.deadlines.insert((until, blocked.ticket, slot));
            self.alarm |= self.deadlines.first().is_some_and(|first| first.1 == blocked.ticket);
        }
        self.len += 1;
    }

    fn leave(&mut self, slot: usize, db: usize, blocked: &Blocked) {
        for key in &blocked.keys {
            let Some(queue) = self.queues[db].get_mut(key) else { continue };
            if queue.slots.remove(&blocked.ticket).is_some() {
                queue.or_gone -= usize::from(blocked.want.or_gone);
            }
            if queue.slots.is_empty() {
                self.queues[db].remove(key);
            }
        }
        if let Some(until) = blocked.until_ms {
            self.deadlines.remove(&(until, blocked.ticket, slot));
        }
        self.len -= 1;
    }

    /// The next in a key's queue behind `ticket`.
    fn next(&self, db: usize, key: &[u8], ticket: u64, last: u64) -> Option<(u64, usize)> {
        let queue = self.queues[db].get(key)?;
        let behind = (Bound::Excluded(ticket), Bound::Included(last));
        queue.slots.range(behind).next().map(|(ticket, slot)| (*ticket, *slot))
    }
}

/// How a wait ends without being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time had come.
    Timeout,
    /// With the error of CLIENT UNBLOCK.
    Error,
}

impl Unblock {
    /// What CLIENT UNBLOCK has a client told.
    pub const ERROR: &[u8] = b"UNBLOCKED client unblocked via CLIENT UNBLOCK";
}

/// A time to wait in seconds, as a moment of [`Engine::steady_ms`]; `None` is forever.
pub fn deadline(text: &[u8], engine: &Engine) -> Result<Option<i64>, Refusal> {
    let seconds = number::parse_f64(text)
        .ok_or(Refusal::fixed("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    // 2^63: the first that is no longer an i64.
    if ms >= 9_223_372_036_854_775_808.0 {
        return Err(Refusal::fixed("ERR timeout is out of range"));
    }
    deadline_after(ms as i64, engine)
}

/// The same from a time in milliseconds.
pub fn deadline_ms(text: &[u8], engine: &Engine) -> Result<Option<i64>, Refusal> {
    let ms = number::parse_i64(text)
        .ok_or(Refusal::fixed("ERR timeout is not an integer or out of range"))?;
    deadline_after(ms, engine)
}

fn deadline_after(ms: i64, engine: &Engine) -> Result<Option<i64>, Refusal> {
    match ms {
        ..0 => Err(Refusal::fixed("ERR timeout is negative")),
        0 => Ok(None),
        // Too long is what leads beyond the last moment of the wall clock, as in Redis.
        _ => match engine.now_ms.max(engine.steady_ms).checked_add(ms) {
            Some(_) => Ok(Some(engine.steady_ms + ms)),
            None => Err(Refusal::fixed("ERR timeout is out of range")),
        },
    }
}

impl Context<'_> {
    /// Keeps the command until one of `keys` (positions of `args`) changes or `until_ms` has come.
    ///
    /// `args` is what is run then, mostly the command as received. Where nothing may wait (in a transaction, from our
    /// primary) the client gets a null at once.
    pub fn block(
        &mut self,
        args: Args<'_>,
        keys: impl Iterator<Item = usize>,
        want: Want,
        until_ms: Option<i64>,
    ) -> Done {
        if self.session.in_exec || self.session.is_trusted() {
            self.reply.null_array();
            return Done::NOTHING;
        }
        if self.session.retrying {
            self.session.suspended = true;
            return Done::NOTHING;
        }
        let waiters = &mut self.engine.waiters;
        waiters.last_ticket += 1;
        let blocked = Blocked {
            spec: self.spec,
            args: OwnedArgs::of(args.iter_from(0)),
            keys: keys.map(|at| args.at(at).to_vec()).collect(),
            want,
            until_ms,
            ticket: waiters.last_ticket,
        };
        waiters.enter(self.session.slot, self.session.db, &blocked);
        self.session.blocked = Some(Box::new(blocked));
        self.session.suspended = true;
        Done::NOTHING
    }
}

impl Engine {
    /// Runs the commands again that wait for keys which changed.
    pub fn serve_waiters(&mut self, host: &mut dyn Host) {
        // What a script has done by half nobody is served.
        if self.waiters.changed.is_empty() || self.is_paused_in_script() {
            return;
        }
        // Time since the last command is not theirs: this may be a turn of the timer.
        self.tick_ns = host.ticks_ns();
        self.let_time_go_on();
        while !self.waiters.changed.is_empty() {
            for (db, key) in std::mem::take(&mut self.waiters.changed) {
                self.serve_key(host, db, &key);
            }
        }
    }

    /// Serves who waits for one key, in order of arrival, for as long as there is something to get.
    fn serve_key(&mut self, host: &mut dyn Host, db: usize, key: &[u8]) {
        let Some(queue) = self.waiters.queues[db].get_mut(key) else { return };
        queue.changed = false;
        let Some(last) = queue.slots.last_key_value().map(|(ticket, _)| *ticket) else { return };
        let hash = hash_bytes(key);
        let mut ticket = 0;
        while let Some((next, slot)) = self.waiters.next(db, key, ticket, last) {
            ticket = next;
            // One whose time has come is as good as gone; that it goes is announced when somebody looks at it.
            let entry = self.dbs[db].get(hash, key);
            let entry = entry.filter(|entry| entry.expiry().is_none_or(|at| at > self.now_ms));
            let kind = entry.map(|entry| entry.kind());
            let any_or_gone = self.waiters.queues[db].get(key).is_some_and(|q| q.or_gone > 0);
            if kind.is_none() && !any_or_gone {
                return;
            }
            let blocked = self.session(slot).and_then(|session| session.blocked.as_deref());
            let want = blocked.expect("who is in a queue waits").want;
            if kind == Some(want.kind) || want.or_gone {
                self.retry(host, slot);
            }
        }
    }

    /// Runs the command of one that waits.
    fn retry(&mut self, host: &mut dyn Host, slot: usize) {
        let mut session = self.take_session(slot);
        let blocked = session.blocked.take().expect("callers look first");
        session.suspended = false;
        session.retrying = true;
        let mut out = Vec::new();
        let flow = self.rerun(host, &mut session, blocked.spec, blocked.args.args(), &mut out);
        session.retrying = false;
        if session.suspended {
            session.blocked = Some(blocked);
        } else {
            self.waiters.leave(slot, session.db, &blocked);
            session.outbox.extend_from_slice(&out);
            session.outbox_receipt = session.receipt;
            self.woken.push(slot);
        }
        debug_assert!(flow == Flow::Next || session.suspended);
        self.return_session(session);
    }

    /// Ends the waits whose time has come.
    pub fn end_overdue_waits(&mut self) {
        while let Some(&(until, _, slot)) = self.waiters.deadlines.first() {
            // Not in the millisecond itself: it may have begun at its very end, and waits are not to be too short.
            if until >= self.steady_ms {
                return;
            }
            self.unblock(slot, Unblock::Timeout);
        }
    }

    /// The next moment of [`Engine::steady_ms`] at which a wait is over.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.waiters.deadlines.first().map(|first| first.0.saturating_add(1))
    }

    /// Whether [`Engine::next_deadline_ms`] became earlier since this was last asked.
    pub fn take_alarm(&mut self) -> bool {
        std::mem::take(&mut self.waiters.alarm)
    }

    /// How many wait for keys, and how many of them not forever.
    pub fn waiters_len(&self) -> (usize, usize) {
        (self.waiters.len, self.waiters.deadlines.len())
    }

    /// How many keys are waited for; and for how many somebody wants to know that they are gone.
    pub fn awaited_keys_len(&self) -> (usize, usize) {
        let queues =
            || self.waiters.queues.iter().flat_map(Unordered::in_any_order).map(|(_, queue)| queue);
        (queues().count(), queues().filter(|queue| queue.or_gone > 0).count())
    }

    /// Ends the wait of one client. False if it does not wait for keys.
    pub fn unblock(&mut self, slot: usize, how: Unblock) -> bool {
        let Some(session) = self.session_mut(slot) else { return false };
        let Some(blocked) = session.blocked.take() else { return false };
        session.suspended = false;
        let db = session.db;
        session.post(|reply| match how {
            Unblock::Timeout => reply.null_array(),
            Unblock::Error => reply.error(Unblock::ERROR),
        });
        self.waiters.leave(slot, db, &blocked);
        self.woken.push(slot);
        let failed = how == Unblock::Error;
        self.stats.of(blocked.spec).add(0, failed, self.tracks_latency);
        self.stats.commands += 1;
        if failed {
            self.stats.note_error(Unblock::ERROR);
        }
        if self.long_ns == 0 {
            self.note_end_of_wait(slot, &blocked);
        }
        true
    }

    /// A command that was not served took no time, which is long enough for who wants to see all.
    #[cold]
    fn note_end_of_wait(&mut self, slot: usize, blocked: &Blocked) {
        let session = self.take_session(slot);
        self.note_long_command(&session, blocked.spec, blocked.args.args(), 0);
        self.return_session(session);
    }

    /// Lets a client go on whose command waited, with an error for its reply.
    pub fn release(&mut self, slot: usize, text: &[u8]) {
        if let Some(session) = self.session_mut(slot) {
            session.suspended = false;
            session.post(|reply| reply.error(text));
            self.woken.push(slot);
            self.stats.note_error(text);
        }
    }

    /// Ends all waits with an error and closes these connections: we are no primary any more.
    pub fn end_waits(&mut self, text: &[u8]) {
        let queues =
            self.waiters.queues.iter().flat_map(Unordered::in_any_order).map(|(_, queue)| queue);
        let slots: BTreeSet<usize> = queues.flat_map(|q| q.slots.values().copied()).collect();
        for slot in slots {
            let Some(session) = self.session_mut(slot) else { continue };
            let Some(blocked) = session.blocked.take() else { continue };
            session.suspended = false;
            session.close_after_reply = true;
            let db = session.db;
            session.post(|reply| reply.error(text));
            self.waiters.leave(slot, db, &blocked);
            self.woken.push(slot);
        }
    }

    /// A client that may wait is gone.
    pub(crate) fn forget_waiter(&mut self, session: &mut Session) {
        if let Some(blocked) = session.blocked.take() {
            self.waiters.leave(session.slot, session.db, &blocked);
        }
    }
}
