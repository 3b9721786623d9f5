//! From a request to its reply: checks before a command, bookkeeping after it, transactions.
//!
//! ```text
//! prepare: find the row, hash the first key ─► prefetch ─► checks ─► queue (inside MULTI) or call
//! call:    handler ─► error? reply : changes > 0? dirty, last write, effects ─► journal
//! ```
//!
//! One request is one unit in the journal: the command as received, or the effects that its handler stated; more than one
//! (a key that had to expire first, a transaction) between MULTI and EXEC.

use crate::arguments::is;
use crate::command::{self, Flags, HasFlags, Spec};
use crate::context::{Context, Scope};
use crate::engine::{Engine, Pause};
use crate::family;
use crate::host::{EntryKind, Host, Receipt};
use crate::refusal::Refusal;
use crate::refused::Refusals;
use crate::session::{Flow, Peer, Queued, ReplyMode, Session};
use crate::unit::Unit;
use keyspace::table::hash_bytes;
use protocol::number::parse_i64;
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Batch, Reply, Request, Span, encode};

/// Bytes of replies after which a batch is interrupted: they are sent, and counted, before there are more.
pub const REPLIES_MOST: usize = 1 << 20;

/// How many requests are looked ahead at for prefetching.
const AHEAD: usize = 32;

/// A request whose command has been found.
#[derive(Clone, Copy)]
struct Prepared {
    spec: Option<&'static Spec>,
    hash: Option<u64>,
}

impl Engine {
    /// Executes the requests of a batch, from `next` on, until one stops the connection. Returns how many were executed
    /// in all.
    ///
    /// The cache lines that the requests will need are fetched before the first is executed. What is refused to our
    /// primary or a file is kept: [`Engine::take_refused`].
    pub fn execute_batch(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        buffer: &[u8],
        batch: &Batch,
        mut next: usize,
        out: &mut Vec<u8>,
    ) -> (usize, Flow) {
        let requests = batch.requests();
        if session.is_trusted() {
            self.refused = Refusals::default();
        }
        let mut prepared = [Prepared { spec: None, hash: None }; AHEAD];
        while next < requests.len() {
            let chunk = &requests[next..requests.len().min(next + AHEAD)];
            for (slot, request) in prepared.iter_mut().zip(chunk) {
                *slot = self.prepare(session, batch.args(buffer, request));
            }
            if chunk.len() > 1 {
                for slot in &prepared[..chunk.len()] {
                    if let Some(hash) = slot.hash {
                        self.dbs[session.db].prefetch_entry(hash);
                    }
                }
            }
            for (ready, request) in prepared.iter().zip(chunk) {
                let args = batch.args(buffer, request);
                let waits = self.conditions.pause != Pause::Nothing || self.conditions.disk_is_late;
                if waits
                    && self.must_wait(session, ready.spec, args)
                    && self.may_be_admitted(session, ready.spec, args)
                {
                    return (next, Flow::Stop);
                }
                let raw =
                    request.array.then(|| &buffer[request.start as usize..request.end as usize]);
                next += 1;
                let refused = self.refused.list.len();
                let flow = self.execute(host, session, *ready, args, raw, out);
                let halts = self.refused.list.len() > refused
                    && self.place_refused(refused, next - 1, session);
                let yields = std::mem::take(&mut self.yields);
                if flow == Flow::Stop || halts {
                    return (next, Flow::Stop);
                }
                if yields || (out.len() > REPLIES_MOST && !session.is_trusted()) {
                    return (next, Flow::Yield);
                }
            }
        }
        (next, Flow::Next)
    }

    /// Whether a command that has to wait would run then, as far as can be said now. One that is refused in any case is
    /// refused at once.
    #[cold]
    fn may_be_admitted(
        &mut self,
        session: &Session,
        spec: Option<&'static Spec>,
        args: Args<'_>,
    ) -> bool {
        // The subcommand of a container is not known yet.
        spec.is_none_or(|spec| {
            !spec.subcommands.is_empty() || self.admit(session, spec, args).is_ok()
        })
    }

    /// Whether a client's next command has to wait until a pause is over, or the disk has caught up.
    fn must_wait(
        &mut self,
        session: &Session,
        spec: Option<&'static Spec>,
        args: Args<'_>,
    ) -> bool {
        let Some(spec) = spec else { return false };
        if session.peer != Peer::Client || session.in_exec {
            return false;
        }
        let queued = session.multi.is_some() && !spec.flags.has(command::NOT_QUEUED);
        let writes = |flags: Flags| flags.has(command::WRITE | command::MAY_REPLICATE);
        let pause = match self.conditions.pause {
            Pause::Nothing if self.conditions.disk_is_late => Pause::Writes,
            pause => pause,
        };
        match pause {
            Pause::Nothing => false,
            Pause::All => true,
            Pause::Writes if queued => false,
            Pause::Writes if spec.flags.has(command::RUNS_QUEUE) => session
                .multi
                .as_ref()
                .is_some_and(|multi| multi.queue.iter().any(|q| writes(q.flags))),
            Pause::Writes => writes(self.flags_of(spec, args)),
        }
    }

    /// Executes one request.
    pub fn execute_one(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        let prepared = self.prepare(session, args);
        self.execute(host, session, prepared, args, None, out)
    }

    /// Executes one request of which the bytes are known as well.
    pub fn execute_request(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        buffer: &[u8],
        batch: &Batch,
        request: &Request,
        out: &mut Vec<u8>,
    ) -> Flow {
        let args = batch.args(buffer, request);
        let prepared = self.prepare(session, args);
        let raw = request.array.then(|| &buffer[request.start as usize..request.end as usize]);
        self.execute(host, session, prepared, args, raw, out)
    }

    #[inline]
    fn prepare(&self, session: &Session, args: Args<'_>) -> Prepared {
        let (db, spec) = (session.db, self.command_for(session, args.at(0)));
        let first = spec.and_then(|spec| spec.keys.first());
        let hash = first.and_then(|at| args.get(at)).map(hash_bytes);
        if let Some(hash) = hash {
            self.dbs[db].prefetch(hash);
            if spec.is_some_and(|spec| spec.flags.has(command::GROWS)) {
                self.dbs[db].prefetch_room(hash);
            }
        }
        Prepared { spec, hash }
    }

    fn execute(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        prepared: Prepared,
        args: Args<'_>,
        raw: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Flow {
        if prepared.spec.is_none()
            && session.is_trusted()
            && let Some(spans) = as_hset(args)
        {
            let args = Args::new(args.bytes(), &spans);
            let spec = family::table().find(b"hset");
            let prepared = Prepared { spec, hash: Some(hash_bytes(args.at(1))) };
            return self.execute(host, session, prepared, args, raw, out);
        }
        if self.names.is_some()
            && let Some(spec) = prepared.spec
            && let Some(own) = Engine::under_own_name(spec, args)
        {
            return self.execute(host, session, prepared, own.args(), None, out);
        }
        let mut before = out.len();
        (session.commands, session.last_command) = (session.commands + 1, None);
        let (spec, prepared) = match find(prepared, args) {
            Ok(found) => found,
            Err(refusal) => {
                spoil_transaction(session);
                self.refuse(session, &refusal, out);
                if session.is_trusted() {
                    let container = prepared.spec.map(|spec| [spec.name.as_bytes(), args.at(1)]);
                    let name = container.map_or(args.at(0).to_vec(), |names| names.join(&b'|'));
                    self.note_refused(&name, &refusal);
                }
                return self.finish(session, before, out);
            }
        };
        session.last_command = Some(spec);
        if self.eviction.limited && !session.is_trusted() {
            // A key that goes now was not changed by this command: also clients that do not want to hear of their own
            // changes hear of it, and before the reply.
            self.tracking.enter_told(session);
            self.make_room(host);
            self.tracking.leave();
            if !self.late.is_empty() {
                self.deliver_late(session, out);
                before = out.len();
            }
        }
        if let Err(refusal) = self.admit(session, spec, args) {
            self.note_refused_by_acl(host, session, spec, args, &refusal);
            let refusal = self.discard_refused(session, spec, refusal);
            self.reject(session, spec, &refusal, out);
            return self.finish(session, before, out);
        }
        if session.multi.is_some() && !spec.flags.has(command::NOT_QUEUED) {
            let (flags, args) = (self.flags_of(spec, args), OwnedArgs::of(args.iter_from(0)));
            let multi = session.multi.as_mut().expect("checked");
            multi.bytes += args.memory_bytes() + size_of::<Queued>();
            multi.queue.push(Queued { spec, flags, args });
            Reply::new(out, session.resp3).simple("QUEUED");
            return self.finish(session, before, out);
        }
        self.run(host, session, Prepared { spec: Some(spec), ..prepared }, args, raw, out);
        if !self.waiters.is_empty() {
            self.serve_waiters(host);
        }
        self.finish(session, before, out)
    }

    /// Gives up the transaction that EXEC is refused for.
    fn discard_refused(&mut self, session: &mut Session, spec: &Spec, refusal: Refusal) -> Refusal {
        if !spec.flags.has(command::RUNS_QUEUE) || session.multi.take().is_none() {
            return refusal;
        }
        self.unwatch_all(session);
        let text = b"EXECABORT Transaction discarded because of: ";
        let reason = refusal.text.strip_prefix(b"ERR ").unwrap_or(&refusal.text);
        Refusal::from([&text[..], reason].concat())
    }

    /// Runs a command again that has waited. Its reply is in `out`, unless the session is suspended still.
    pub(crate) fn rerun(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        spec: &'static Spec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Flow {
        match self.admit(session, spec, args) {
            Ok(()) => {
                let prepared = Prepared { spec: Some(spec), hash: None };
                self.run(host, session, prepared, args, None, out);
            }
            Err(refusal) => {
                self.note_refused_by_acl(host, session, spec, args, &refusal);
                self.reject(session, spec, &refusal, out);
            }
        }
        self.finish(session, 0, out)
    }

    /// Runs a command whose checks have passed, and journals what it did.
    #[inline]
    fn run(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        prepared: Prepared,
        args: Args<'_>,
        raw: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let spec = prepared.spec.expect("callers have found it");
        let changes = self.call(host, session, spec, prepared.hash, args, out);
        self.unit.loose = spec.flags.has(command::ANY_KEYS);
        if changes > 0 || !self.unit.is_empty() {
            self.journal_unit(host, session, changes, args, raw);
        }
        self.unit.stated = false;
        self.let_time_go_on();
    }

    /// Runs a command whose checks have passed. Returns how many changes it made.
    pub(crate) fn call(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        spec: &'static Spec,
        first_hash: Option<u64>,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> u64 {
        let (before, start_ns) = (out.len(), self.tick_ns);
        let resp3 = session.resp3;
        let scope = Scope {
            db: session.db,
            sees_expired: session.is_trusted() || self.conditions.loading,
            no_touch: session.no_touch,
        };
        self.last_command = Some((spec, session.slot));
        self.tracking.enter(session);
        self.eviction.begin_use();
        let reply = Reply::new(out, resp3);
        let mut context =
            Context { engine: self, session, reply, scope, spec, first_hash, host: Some(host) };
        let result = (spec.handler)(&mut context, args);
        // One that waits is counted when it has been served.
        let waits = session.is_blocked() | session.retrying | session.pauses_in_script;
        if !waits || !session.suspended {
            self.tick_ns = host.ticks_ns();
            let ns = self.tick_ns.saturating_sub(start_ns);
            self.stats.of(spec).add(ns, result.is_err(), self.tracks_latency);
            self.stats.commands += 1;
            if ns >= self.long_ns {
                self.note_long_command(session, spec, args, ns);
            }
        }
        self.tracking.leave();
        if session.tracking.is_some() && spec.flags.has(command::READ) && !is_script(spec) {
            let keys = spec.keys.positions(args).unwrap_or_default();
            self.remember_read(session, args, &keys);
        }
        if !self.monitors.is_empty() && !session.retrying {
            self.show_to_monitors(session, scope.db, spec, args);
        }
        match result {
            Ok(done) => {
                self.dirty += done.changes;
                let ours = !session.is_trusted();
                if done.changes > 0 && self.wants_writers(ours) {
                    let positions = spec.keys.positions(args).unwrap_or_default();
                    let keys = positions.into_iter().map(|at| args.at(at).to_vec());
                    self.note_writer(scope.db, keys, ours);
                }
                done.changes
            }
            Err(refusal) => {
                out.truncate(before);
                self.refuse(session, &refusal, out);
                if session.is_trusted() {
                    self.note_refused(spec.name.as_bytes(), &refusal);
                }
                0
            }
        }
    }

    /// Hands what a request did to the journal.
    fn journal_unit(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        changes: u64,
        args: Args<'_>,
        raw: Option<&[u8]>,
    ) {
        if !self.is_journaling(session) {
            self.unit.clear();
            return;
        }
        let kind = if self.is_replica { EntryKind::Local } else { EntryKind::Effect };
        if changes > 0 && !self.unit.stated {
            match raw {
                Some(raw) if self.unit.is_empty() => {
                    session.receipt = host.journal((session.db, session.db), kind, raw);
                    return;
                }
                Some(raw) => self.unit.add(session.db, |bytes| bytes.extend_from_slice(raw)),
                None => {
                    self.unit.add(session.db, |bytes| encode::command(bytes, args.iter_from(0)))
                }
            }
        }
        if let Some(receipt) = self.flush_unit(kind, host) {
            session.receipt = receipt;
        }
    }

    /// Hands the effects collected so far to the journal, as one unit.
    pub(crate) fn flush_unit(&mut self, kind: EntryKind, host: &mut dyn Host) -> Option<Receipt> {
        let mut receipt = None;
        if !self.unit.before.is_empty() {
            for (own, part) in std::mem::take(&mut self.unit.before) {
                // On a replica nothing of it is for others.
                let own = if kind == EntryKind::Local { kind } else { own };
                receipt = hand_over(&part, own, host).or(receipt);
            }
        }
        receipt = hand_over(&self.unit, kind, host).or(receipt);
        self.unit.clear();
        receipt
    }

    /// Whether what this session does is encoded for the journal.
    #[inline]
    pub(crate) fn is_journaling(&self, session: &Session) -> bool {
        !self.nobody_reads && !session.is_trusted()
    }

    #[inline]
    fn finish(&mut self, session: &mut Session, before: usize, out: &mut Vec<u8>) -> Flow {
        if let Some(mode) = &mut session.tracking
            && mode.caching
            && session.multi.is_none()
            && session.last_command.is_none_or(|spec| !spec.flags.has(command::KEEPS_CACHING))
        {
            mode.caching = false;
        }
        // The reply to a command that waits is still to come.
        let replies = session.reply_mode != ReplyMode::On && !session.suspended;
        if replies && !is_confirmation(session, &out[before..]) {
            match session.reply_mode {
                ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skip,
                ReplyMode::Skip => {
                    out.truncate(before);
                    session.reply_mode = ReplyMode::On;
                }
                _ => out.truncate(before),
            }
        }
        if session.peer == Peer::Replica && out.len() > before && !is_granted(session) {
            session.stray_reply = Some(out.split_off(before));
            return Flow::Stop;
        }
        if !self.late.is_empty() {
            self.deliver_late(session, out);
        }
        if session.close_after_reply || session.suspended {
            return Flow::Stop;
        }
        Flow::Next
    }

    /// Refuses a command that has not run.
    fn reject(
        &mut self,
        session: &mut Session,
        spec: &'static Spec,
        refusal: &Refusal,
        out: &mut Vec<u8>,
    ) {
        self.stats.of(spec).rejected += 1;
        spoil_transaction(session);
        self.refuse(session, refusal, out);
        if session.is_trusted() {
            self.note_refused(spec.name.as_bytes(), refusal);
        }
    }

    /// Writes an error reply and counts it.
    pub fn refuse(&mut self, session: &mut Session, refusal: &Refusal, out: &mut Vec<u8>) {
        if !refusal.counted {
            self.stats.note_error(&refusal.text);
        }
        if session.peer == Peer::Primary {
            self.stats.unexpected_errors += 1;
        }
        Reply::new(out, session.resp3).error(&refusal.text);
    }

    /// Whether a command may run now. The order of the checks is that of Redis.
    #[inline]
    fn admit(&mut self, session: &Session, spec: &Spec, args: Args<'_>) -> Result<(), Refusal> {
        if !spec.arity.fits(args.len()) {
            return Err(Refusal::arity(spec.name));
        }
        if session.is_trusted() {
            return match belongs_in_a_stream(spec) {
                true => Ok(()),
                false => Err(Refusal::fixed("ERR command is not allowed in a stream of changes")
                    .of_unknown()),
            };
        }
        if session.account.is_restricted() {
            self.admit_restricted(session, spec, args)?;
        }
        if session.multi.is_some() && spec.flags.has(command::NO_MULTI) {
            return Err(Refusal::fixed("ERR Command not allowed inside a transaction"));
        }
        if !session.resp3 && session.subscriptions() > 0 && !spec.flags.has(command::IN_SUBSCRIBED)
        {
            return Err(Refusal::new(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                spec.name
            )));
        }
        if (session.peer == Peer::Replica || session.monitor)
            && spec.flags.has(command::READ | command::WRITE)
        {
            return Err(Refusal::fixed("ERR Replica can't interact with the keyspace"));
        }
        let flags = self.flags_of(spec, args);
        self.admit_by_condition(session, spec, flags)?;
        if self.is_paused_in_script() && !spec.flags.has(command::ALLOW_BUSY) {
            return Err(Refusal::fixed(self.busy_text()));
        }
        Ok(())
    }

    /// The properties of a request: those of its command, or what its script declares.
    #[inline]
    fn flags_of(&mut self, spec: &Spec, args: Args<'_>) -> Flags {
        match spec.flags.has(command::RUNS_SCRIPT) {
            true => self.flags_with_script(spec, args),
            false => spec.flags,
        }
    }

    #[inline]
    fn admit_by_condition(
        &self,
        session: &Session,
        spec: &Spec,
        flags: Flags,
    ) -> Result<(), Refusal> {
        let now = &self.conditions;
        // EXEC is all that it is about to execute.
        let queue: &[Queued] = match &session.multi {
            Some(multi) if spec.flags.has(command::RUNS_QUEUE) => &multi.queue,
            _ => &[],
        };
        let any = |flag| flags.has(flag) || queue.iter().any(|q| q.flags.has(flag));
        let all = |flag| flags.has(flag) && queue.iter().all(|q| q.flags.has(flag));
        let writes = any(command::WRITE);
        // What is queued takes memory as well, whatever it is.
        let grows =
            any(command::GROWS) || session.multi.is_some() && !spec.flags.has(command::NOT_QUEUED);
        if now.out_of_memory && grows {
            return Err(Refusal::fixed("OOM command not allowed when used memory > 'maxmemory'."));
        }
        if (writes || spec.flags.has(command::TELLS_DISK_ERROR))
            && !self.is_replica
            && let Some(text) = &now.disk_error
        {
            return Err(Refusal::new(format!("MISCONF {text}")));
        }
        if writes && now.too_few_replicas && !self.is_replica {
            return Err(Refusal::fixed("NOREPLICAS Not enough good replicas to write."));
        }
        if writes && now.read_only {
            return Err(Refusal::READ_ONLY);
        }
        if now.stale && !all(command::STALE) {
            return Err(Refusal::fixed(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            ));
        }
        if now.loading && !all(command::LOADING) {
            return Err(Refusal::fixed("LOADING Redis is loading the dataset in memory"));
        }
        Ok(())
    }

    /// Executes the queue of a transaction. The effects of all become one unit.
    pub(crate) fn execute_queue(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        queue: Vec<Queued>,
        out: &mut Vec<u8>,
    ) -> u64 {
        let start = out.len();
        Reply::new(out, session.resp3).array(queue.len());
        session.in_exec = true;
        let first_refused = self.refused.list.len();
        let total = self.execute_rest(host, session, queue.into_iter(), out, start);
        // A script that has paused is in the midst of it still.
        session.in_exec = session.pauses_in_script;
        let half_done = total > 0;
        self.refused.list[first_refused..].iter_mut().for_each(|r| r.half_done = half_done);
        // What the queue did has been stated, command by command.
        self.unit.stated = true;
        total
    }

    /// Executes what is left of the queue of a transaction whose replies begin at `start`. If a script pauses, what is left
    /// then is kept until it has ended.
    pub(crate) fn execute_rest(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        mut queue: std::vec::IntoIter<Queued>,
        out: &mut Vec<u8>,
        start: usize,
    ) -> u64 {
        let (mut total, mut at) = (0, 0);
        while let Some(queued) = queue.next() {
            let args = queued.args.args();
            self.unit.stated = false;
            let db = session.db;
            let refused = self.refused.list.len();
            // The permissions may have changed since it was queued.
            if let Err(denied) = self.acl_verdict(session, queued.spec, args) {
                let refusal = self.refuse_queued(host, session, queued.spec, args, denied);
                self.refuse(session, &refusal, out);
                continue;
            }
            let changes = self.call(host, session, queued.spec, None, args, out);
            self.refused.list[refused..].iter_mut().for_each(|refused| refused.queued = Some(at));
            total += changes;
            at += 1;
            if changes > 0 && !self.unit.stated && self.is_journaling(session) {
                self.unit.add(db, |bytes| encode::command(bytes, args.iter_from(0)));
            }
            // All of them are executed, but what nobody will read is not kept.
            session.outbox_overrun |= out.len() - start > session.outbox_most();
            if session.outbox_overrun {
                out.truncate(start);
                out.shrink_to(REPLIES_MOST);
            }
            if session.pauses_in_script {
                self.keep_rest(queue, out.split_off(start));
                break;
            }
        }
        total
    }
}

/// Hands one unit to the journal.
fn hand_over(unit: &Unit, kind: EntryKind, host: &mut dyn Host) -> Option<Receipt> {
    match unit.count {
        0 => None,
        1 => Some(host.journal(unit.dbs, kind, &unit.bytes)),
        _ if unit.loose => Some(host.journal(unit.dbs, kind, &unit.bytes)),
        _ => {
            let mut whole = Vec::with_capacity(unit.bytes.len() + 30);
            whole.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
            whole.extend_from_slice(&unit.bytes);
            whole.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
            Some(host.journal(unit.dbs, kind, &whole))
        }
    }
}

/// Whether a reply is one of those to SUBSCRIBE and its kin: they are messages, which are sent in any case.
fn is_confirmation(session: &Session, reply: &[u8]) -> bool {
    let subscribes =
        |spec: &Spec| spec.flags.has(command::PUBSUB) && spec.flags.has(command::IN_SUBSCRIBED);
    session.last_command.is_some_and(subscribes) && reply.first() != Some(&b'-')
}

/// Whether it runs a script: of that only the commands count that the script calls.
#[inline]
fn is_script(spec: &Spec) -> bool {
    spec.flags.has(command::RUNS_SCRIPT)
}

/// Whether the last command was the one that a stream begins with.
fn is_granted(session: &Session) -> bool {
    session.last_command.is_some_and(|spec| spec.name == "psync")
}

/// Whether our primary or a file may say this: what concerns data, and what the stream itself is made of. Others would
/// change the session that carries it (SYNC, QUIT, RESET, WATCH), or the process.
#[inline]
fn belongs_in_a_stream(spec: &Spec) -> bool {
    const BELONGS: Flags =
        command::WRITE | command::READ | command::MAY_REPLICATE | command::IN_STREAM;
    spec.flags.has(BELONGS) && !spec.flags.has(command::NOT_IN_STREAM)
}

/// The arguments of the HSET that `HSETEX key KEEPTTL FIELDS n field value …` stands for: so Redis 8 tells its replicas
/// and its file of HINCRBYFLOAT. Fields have no time to live here that could be kept.
#[cold]
fn as_hset(args: Args<'_>) -> Option<Vec<Span>> {
    let word = |at: usize, word: &str| args.get(at).is_some_and(|text| is(text, word));
    let named = word(0, "HSETEX") && word(2, "KEEPTTL") && word(3, "FIELDS");
    let fields = usize::try_from(parse_i64(args.get(4)?)?).ok()?;
    let spans = args.spans();
    let whole = fields > 0 && Some(spans.len()) == fields.checked_mul(2)?.checked_add(5);
    (named && whole).then(|| [&spans[..2], &spans[5..]].concat())
}

/// The row of a request, the subcommand's if the command is a container.
#[inline]
fn find(prepared: Prepared, args: Args<'_>) -> Result<(&'static Spec, Prepared), Refusal> {
    let Some(spec) = prepared.spec else {
        let name = String::from_utf8_lossy(clip(args.at(0))).into_owned();
        if let Some(missing) = family::table().missing(&name) {
            return Err(Refusal::not_supported(missing));
        }
        let mut list = String::new();
        for arg in args.iter_from(1) {
            if list.len() >= 128 {
                break;
            }
            let room = 128 - list.len();
            list.push_str(&format!("'{}' ", String::from_utf8_lossy(&arg[..arg.len().min(room)])));
        }
        return Err(Refusal::new(format!(
            "ERR unknown command '{name}', with args beginning with: {list}"
        ))
        .of_unknown());
    };
    if spec.subcommands.is_empty() || args.len() < 2 {
        return Ok((spec, prepared));
    }
    let wanted = args.at(1);
    let sub =
        spec.subcommands.iter().find(|s| s.own_name().as_bytes().eq_ignore_ascii_case(wanted));
    match sub {
        Some(sub) => {
            let hash = sub.keys.first().and_then(|at| args.get(at)).map(hash_bytes);
            Ok((sub, Prepared { spec: Some(sub), hash }))
        }
        None => Err(Refusal::new(format!(
            "ERR unknown subcommand '{}'. Try {} HELP.",
            String::from_utf8_lossy(clip(wanted)),
            spec.name.to_uppercase()
        ))
        .of_unknown()),
    }
}

fn clip(text: &[u8]) -> &[u8] {
    &text[..text.len().min(128)]
}

/// EXEC will refuse a transaction of which a request was refused before it could be queued: also one that is not queued
/// (`WATCH` without a key), but not for an error of such a command itself (`WATCH key` inside MULTI). What our primary
/// executed is not undone for the sake of one command that we lack.
fn spoil_transaction(session: &mut Session) {
    let trusted = session.is_trusted();
    if let Some(multi) = &mut session.multi
        && !session.in_exec
        && !trusted
    {
        multi.failed = true;
    }
}
