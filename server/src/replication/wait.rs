//! Clients that wait until replicas (or the disk) have their writes: WAIT and WAITAOF.

use crate::node::Node;
use engine::Engine;
use engine::blocking::{Unblock, deadline_ms};
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Session;
use protocol::number::parse_i64;
use protocol::resp::Args;
use replica::feed::Feed;

/// There is no file on this disk to wait for.
const AOF_IS_OFF: &str =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// `REPLCONF GETACK *` as it goes into the stream.
pub const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// A client that waits.
pub struct Wait {
    /// Its slot.
    pub slot: usize,
    /// The offset that replicas must have.
    pub offset: u64,
    /// The token that the disk must have.
    pub token: u64,
    /// How many replicas.
    pub replicas: usize,
    /// Whether the own disk must have it (WAITAOF), and whether the reply has two parts.
    pub local: Option<bool>,
    /// When it gives up: a moment of [`Engine::steady_ms`].
    pub until_ms: Option<i64>,
}

impl crate::node::Outside {
    /// How many replicas have acknowledged `offset`; with `durable`, as being on their disk.
    pub fn acknowledged(&self, offset: u64, durable: bool) -> usize {
        let reached = |r: &&Feed| {
            let at = if durable { r.durable() } else { Some(r.acked()) };
            r.is_online() && at.is_some_and(|at| at >= offset)
        };
        self.replication.replicas.values().filter(reached).count()
    }

    /// `WAIT numreplicas timeout`.
    pub fn wait(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        if self.replication.is_replica() {
            return Err(Refusal::fixed(
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
                 configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
            ));
        }
        let wanted = parse_i64(args.at(1)).ok_or(Refusal::NOT_INTEGER)?;
        let until_ms = deadline_ms(args.at(2), ctx.engine)?;
        let offset = ctx.session.receipt.offset;
        let have = self.acknowledged(offset, false);
        if have as i64 >= wanted || ctx.session.in_exec {
            ctx.reply.int(have as i64);
            return Ok(Done::NOTHING);
        }
        self.suspend(ctx.session, wanted as usize, None, until_ms);
        Ok(Done::NOTHING)
    }

    /// `WAITAOF numlocal numreplicas timeout`.
    pub fn wait_aof(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        let local = match parse_i64(args.at(1)) {
            Some(n @ 0..=1) => n == 1,
            _ => return Err(Refusal::fixed("ERR value is out of range, must be between 0 and 1")),
        };
        let wanted = parse_i64(args.at(2)).filter(|n| *n >= 0).ok_or(Refusal::OUT_OF_RANGE)?;
        let until_ms = deadline_ms(args.at(3), ctx.engine)?;
        if self.replication.is_replica() {
            return Err(Refusal::fixed(
                "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local \
                 and are not propagated.",
            ));
        }
        if local && !self.persistence.aof_is_on() {
            return Err(Refusal::fixed(AOF_IS_OFF));
        }
        let receipt = ctx.session.receipt;
        let on_disk = self.persistence.is_restorable(receipt.token);
        let have = self.acknowledged(receipt.offset, true);
        if ((!local || on_disk) && have as i64 >= wanted) || ctx.session.in_exec {
            ctx.reply.array(2);
            ctx.reply.int(on_disk as i64);
            ctx.reply.int(have as i64);
            return Ok(Done::NOTHING);
        }
        // The disk is not hurried: with `appendfsync no` this lasts until the policy changes, or the timeout.
        self.suspend(ctx.session, wanted as usize, Some(local), until_ms);
        Ok(Done::NOTHING)
    }

    /// Ends the wait of one client for CLIENT UNBLOCK. False if it does not wait for replicas or the disk.
    pub fn unblock(&mut self, engine: &mut Engine, slot: usize, how: Unblock) -> bool {
        let waits = &mut self.replication.waits;
        let Some(at) = waits.iter().position(|wait| wait.slot == slot) else { return false };
        match how {
            // Answered with what has been reached, as soon as the alarm rings.
            Unblock::Timeout => waits[at].until_ms = Some(0),
            Unblock::Error => {
                waits.remove(at);
                engine.release(slot, Unblock::ERROR);
            }
        }
        self.set_alarm();
        true
    }

    fn suspend(
        &mut self,
        session: &mut Session,
        replicas: usize,
        local: Option<bool>,
        until_ms: Option<i64>,
    ) {
        session.suspended = true;
        self.replication.waits.push(Wait {
            slot: session.slot,
            offset: session.receipt.offset,
            token: session.receipt.token,
            replicas,
            local,
            until_ms,
        });
        if self.replication.replicas.values().any(Feed::is_fed) {
            self.journal_control(GETACK);
        }
        self.set_alarm();
    }
}

impl Node {
    /// Answers the clients whose wait is over.
    pub fn check_waits(&mut self) {
        if self.host.replication.waits.is_empty() {
            return;
        }
        let now = self.engine.steady_ms;
        let waits = std::mem::take(&mut self.host.replication.waits);
        for wait in waits {
            let durable = wait.local.is_some();
            let have = self.host.acknowledged(wait.offset, durable);
            let on_disk = self.host.persistence.is_restorable(wait.token);
            let reached = have >= wait.replicas && (wait.local != Some(true) || on_disk);
            if wait.local == Some(true) && !self.host.persistence.aof_is_on() {
                self.engine.release(wait.slot, AOF_IS_OFF.as_bytes());
                continue;
            }
            if !reached && wait.until_ms.is_none_or(|until| now < until) {
                self.host.replication.waits.push(wait);
                continue;
            }
            if let Some(session) = self.engine.session_mut(wait.slot) {
                session.post(|reply| {
                    if durable {
                        reply.array(2);
                        reply.int(on_disk as i64);
                    }
                    reply.int(have as i64);
                });
            }
            self.resume(wait.slot);
        }
    }

    /// Ends all waits with an error: we are no primary any more.
    pub fn end_all_waits(&mut self, text: &str) {
        self.engine.end_waits(text.as_bytes());
        for wait in std::mem::take(&mut self.host.replication.waits) {
            if let Some(session) = self.engine.session_mut(wait.slot) {
                session.post(|reply| reply.error(text.as_bytes()));
                session.close_after_reply = true;
            }
            self.resume(wait.slot);
        }
    }
}
