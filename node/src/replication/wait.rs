//! Clients that wait until replicas (or the disk) have their writes: WAIT and WAITAOF.

use super::Wait;
use crate::node::Node;
use engine::Engine;
use engine::blocking::{Unblock, deadline_ms};
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Session;
use journal::Receipt;
use journal::release::{Acknowledged, Demand, Depth, Reached};
use protocol::number::parse_i64;
use protocol::resp::{Args, Reply};
use replica::feed::Feed;

/// There is no file on this disk to wait for.
const AOF_IS_OFF: &str =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// `REPLCONF GETACK *` as it goes into the stream.
pub const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// What has come: how many replicas have it, and for WAITAOF first whether the own disk has.
fn answer<I: Iterator<Item = Acknowledged> + Clone>(
    reply: &mut Reply<'_>,
    reached: &Reached<I>,
    receipt: &Receipt,
    depth: Depth,
) {
    if depth == Depth::Durable {
        reply.array(2);
        reply.int(i64::from(reached.on_disk(receipt)));
    }
    reply.int(reached.replicas(receipt, depth) as i64);
}

impl crate::node::Outside {
    /// How far the disk and the replicas that the stream reaches have come.
    fn reached(&self) -> Reached<impl Iterator<Item = Acknowledged> + Clone> {
        let feeds = self.replication.primary.feeds().map(|(_, feed)| feed);
        let online = feeds.filter(|feed| feed.is_online());
        let replicas = online.map(Feed::acknowledged);
        Reached { disk: self.persistence.restorable(), replicas }
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
        let replicas = usize::try_from(wanted).unwrap_or(0);
        let demand = Demand { local: false, replicas, depth: Depth::Applied };
        self.await_or_answer(ctx, demand, until_ms);
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
        // The disk is not hurried: with `appendfsync no` this lasts until the policy changes, or the timeout.
        let demand = Demand { local, replicas: wanted as usize, depth: Depth::Durable };
        self.await_or_answer(ctx, demand, until_ms);
        Ok(Done::NOTHING)
    }

    /// Answers at once if what is demanded has come, or nobody can wait for it; else the client waits.
    fn await_or_answer(&mut self, ctx: &mut Context<'_>, demand: Demand, until_ms: Option<i64>) {
        let receipt = self.recall(ctx.session.receipt);
        let reached = self.reached();
        if ctx.session.in_exec || reached.covers(&receipt, &demand) {
            answer(&mut ctx.reply, &reached, &receipt, demand.depth);
            return;
        }
        drop(reached);
        self.suspend(ctx.session, Wait { slot: ctx.session.slot, receipt, demand, until_ms });
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

    fn suspend(&mut self, session: &mut Session, wait: Wait) {
        session.suspended = true;
        self.replication.waits.push(wait);
        if self.replication.primary.is_read() {
            self.journal_control(GETACK);
        }
        self.set_alarm();
        // The disk may have come so far before it was watched.
        self.actions.react = true;
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
            if wait.demand.local && !self.host.persistence.aof_is_on() {
                self.engine.release(wait.slot, AOF_IS_OFF.as_bytes());
                continue;
            }
            let reached = self.host.reached();
            let has_come = reached.covers(&wait.receipt, &wait.demand);
            if !has_come && wait.until_ms.is_none_or(|until| now < until) {
                drop(reached);
                self.host.replication.waits.push(wait);
                continue;
            }
            if let Some(session) = self.engine.session_mut(wait.slot) {
                session.post(|reply| answer(reply, &reached, &wait.receipt, wait.demand.depth));
            }
            drop(reached);
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
