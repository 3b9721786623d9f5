//! What our replicas get: a snapshot if they need one, then the journal. Their commands, and their connections' turns.
//!
//! What is kept of one replica, and when it is given up, is `replica::feed`; this is that machine's way to the journal, to
//! sockets and to INFO.
//!
//! # Not here
//! - snapshots on their way from the child: [`super::full_sync`]

use crate::node::{Node, Outbound, Outside};
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Peer;
use journal::Offset;
use protocol::resp::Args;
use replica::capability::LeftOut;
use replica::capability::Request;
use replica::decision::{Answer, Asked, Reason, decide};
use replica::feed::{Feed, Next, Pressure};

impl Outside {
    fn replica_of(&mut self, ctx: &Context<'_>) -> &mut Feed {
        let slot = ctx.session.slot;
        let address = self.clients.get(slot).map_or_else(String::new, |client| {
            client.address.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']).into()
        });
        let now = ctx.engine.steady_ms as u64;
        let replicas = &mut self.replication.replicas;
        replicas.entry(slot).or_insert_with(|| Feed::new(address, now))
    }

    /// `REPLCONF option value …`.
    pub fn replconf(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        if ctx.session.is_trusted() {
            // GETACK of our primary: the link answers it, it knows the offset.
            return Ok(Done::NOTHING);
        }
        let words: Vec<&[u8]> = args.iter_from(1).collect();
        let now = ctx.engine.steady_ms as u64;
        let (slot, end) = (ctx.session.slot, self.journal.end());
        let request = self.replica_of(ctx).known.take(&words).map_err(Refusal::new)?;
        match request {
            Request::Stored => ctx.reply.ok(),
            Request::GetAck => {}
            Request::Ack { applied, durable } => {
                let Some(replica) = self.replication.replicas.get_mut(&slot) else {
                    return Ok(Done::NOTHING);
                };
                // Nobody has more than we have written.
                if replica.acknowledge(applied.min(end), durable.map(|at| at.min(end)), now) {
                    tracing::info!("Synchronization with replica {} succeeded", replica.name());
                    self.actions.wake(slot);
                }
                self.count_good_replicas(now as i64);
                self.actions.react = true;
            }
        }
        Ok(Done::NOTHING)
    }

    /// `PSYNC id offset` and `SYNC`.
    pub fn psync(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        // Who is a replica already, or sees all commands, would get something else into its stream.
        if ctx.session.peer != Peer::Client || ctx.session.monitor {
            return Ok(Done::NOTHING);
        }
        if self.replication.is_replica() && !self.replication.link_is_up() {
            return Err(Refusal::fixed(
                "NOMASTERLINK Can't SYNC while not connected with my master",
            ));
        }
        if self.persistence.is_loading() {
            return Err(Refusal::fixed("LOADING Redis is loading the dataset in memory"));
        }
        let old = args.len() == 1;
        let asked = match old {
            true => Asked { id: None, next: -1 },
            false => Asked::parse(args.at(1), args.at(2)).ok_or(Refusal::NOT_INTEGER)?,
        };
        ctx.session.peer = Peer::Replica;
        let now = ctx.engine.steady_ms as u64;
        let replica = self.replica_of(ctx);
        if replica.known.left_out != LeftOut::default() && !replica.known.eof {
            return Err(Refusal::fixed("ERR Filtered replica requires EOF capability"));
        }
        replica.ask(old, now);
        let name = replica.name();
        tracing::info!("Replica {name} asks for synchronization");
        self.journal.seal();
        match decide(&self.journal, asked) {
            Answer::Partial { from } if !old => self.go_on(ctx, from, &name),
            Answer::Full { reason } => self.start_over(ctx, reason, &name),
            Answer::Partial { .. } => self.start_over(ctx, Reason::Asked, &name),
        }
        Ok(Done::NOTHING)
    }

    fn go_on(&mut self, ctx: &mut Context<'_>, from: Offset, name: &str) {
        let cursor = self.journal.subscribe_at(from).expect("it was decided that this is there");
        let id = self.journal.history.id;
        let behind = self.journal.end() - from;
        let now = ctx.engine.steady_ms as u64;
        let replica = self.replica_of(ctx);
        replica.go_on(cursor, from, now);
        match replica.known.psync2 {
            true => ctx.reply.simple(&format!("CONTINUE {id}")),
            false => ctx.reply.simple("CONTINUE"),
        }
        self.stats.sync_partial_ok += 1;
        tracing::info!(
            "Partial resynchronization request from {name} accepted. Sending {behind} bytes of backlog starting from offset {}.",
            from.next_byte()
        );
        self.count_good_replicas(ctx.engine.steady_ms);
    }

    fn start_over(&mut self, ctx: &mut Context<'_>, reason: Reason, name: &str) {
        let now = ctx.engine.steady_ms as u64;
        self.stats.sync_full += 1;
        self.stats.sync_partial_err += u64::from(reason.is_refusal());
        tracing::info!("{}", reason.line(name));
        self.replica_of(ctx).wait(now);
        self.actions.react = true;
    }

    /// When writers are slowed: from half the soft limit on, as one that is above that for long is given up, too.
    fn pressure(&self) -> Pressure {
        let limits = self.settings.client_output_buffer_limit.replica;
        let least = self.settings.repl_backlog_size;
        let given = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes.max(least) };
        let (hard, soft) = (given(limits.hard_bytes), given(limits.soft_bytes));
        // Where there is no limit nobody is given up: the start is as far away then.
        let limit = hard.min(if soft == u64::MAX { hard } else { soft.saturating_mul(4) });
        Pressure { start: (limit / 8).min(soft / 2).max(least), limit }
    }

    /// Bytes went to a replica.
    pub fn note_feed_output(&mut self, slot: usize, bytes: usize) {
        self.stats.repl_output_bytes += bytes as u64;
        let now = self.now.steady_ms();
        if let Some(replica) = self.replication.replicas.get_mut(&slot) {
            replica.sent(bytes, now);
        }
        self.note_output(slot, bytes);
    }
}

impl Node {
    /// A connection is gone, or is to be: what belonged to a replica is given back.
    pub fn replica_gone(&mut self, slot: usize) {
        let Some(replica) = self.host.replication.replicas.remove(&slot) else { return };
        if replica.is_shown() {
            tracing::info!("Connection with replica {} lost.", replica.name());
        }
        replica.end(&mut self.host.journal);
        self.host.actions.sync_room |= self.host.replication.sync.is_some();
        self.host.count_good_replicas(self.engine.steady_ms);
    }

    /// Puts what a replica gets next into its connection's queue. False if there is nothing.
    #[inline]
    pub fn next_feed(&mut self, slot: usize, feed: &mut Outbound) -> bool {
        if self.host.replication.replicas.is_empty() {
            return false;
        }
        self.fill_feed(slot, feed)
    }

    fn fill_feed(&mut self, slot: usize, feed: &mut Outbound) -> bool {
        let Outside { replication, journal, clients, actions, now, .. } = &mut self.host;
        let Some(replica) = replication.replicas.get_mut(&slot) else { return false };
        let before = replica.state();
        let next = replica.next(journal, feed, now.steady_ms());
        if next == Next::Close
            && let Some(client) = clients.get_mut(slot)
        {
            // All of it has been written to the socket: that is what it came for.
            client.is_killed = true;
            actions.close.push(slot);
        }
        let pending = replica.pending_bytes(journal);
        if let Some(client) = clients.get_mut(slot) {
            client.output_bytes = pending as usize;
        }
        if before != replica.state() {
            match replica.is_online() {
                true => {
                    tracing::info!("Synchronization with replica {} succeeded", replica.name())
                }
                false => tracing::info!(
                    "Streamed replica with replica {} succeeded. Waiting for REPLCONF ACK from replica to enable streaming",
                    replica.name()
                ),
            }
        }
        let changed = before != replica.state();
        actions.sync_room |= replication.sync.is_some();
        if changed {
            self.host.count_good_replicas(self.engine.steady_ms);
        }
        next == Next::Bytes
    }

    /// Gives up the replicas that are too far behind: what is on its way to each is bounded, whatever state it is in.
    pub fn limit_replicas(&mut self) {
        if self.host.replication.replicas.is_empty() {
            self.host.replication.slow_ms = 0;
            return;
        }
        let on = self.host.pressure();
        let now = self.host.now.steady_ms();
        let Outside { replication, journal, clients, settings, .. } = &mut self.host;
        let mut slow_ms = 0;
        let fed = replication.replicas.iter().filter(|(_, replica)| replica.is_fed());
        for (slot, replica) in fed {
            let Some(client) = clients.get_mut(*slot) else { continue };
            let pending = replica.pending_bytes(journal);
            client.output_bytes = pending as usize;
            slow_ms = slow_ms.max(replica.pressure(pending, on, now));
        }
        let longest_ms = u64::from(settings.repl_backpressure_seconds) * 1000;
        replication.slow_ms = replication.patience.allow(slow_ms, longest_ms, now);
        let mut from = 0;
        while let Some((slot, _)) = self.host.replication.replicas.range(from..).next() {
            let slot = *slot;
            self.check_output_limit(slot);
            from = slot + 1;
        }
    }

    /// Gives up the replicas that have not gone on for too long.
    pub(super) fn drop_overdue_replicas(&mut self, now_ms: u64) {
        let timeout_ms = self.host.settings.repl_timeout as u64 * 1000;
        let mut overdue = Vec::new();
        for (slot, replica) in &self.host.replication.replicas {
            if let Some(why) = replica.overdue(timeout_ms, now_ms)
                && !self.host.is_killed(*slot)
            {
                tracing::warn!("Disconnecting timedout replica ({why}): {}", replica.name());
                overdue.push(*slot);
            }
        }
        overdue.into_iter().for_each(|slot| self.host.kill(slot));
    }

    /// Sends a newline to the replicas that wait for a snapshot, so that they do not give up.
    pub fn keep_waiting_replicas(&mut self) {
        let replicas = &self.host.replication.replicas;
        let waiting = replicas.iter().filter(|(_, replica)| replica.may_get_newlines());
        let slots: Vec<usize> = waiting.map(|(slot, _)| *slot).collect();
        for slot in slots {
            if let Some(session) = self.engine.session_mut(slot) {
                session.outbox.push(b'\n');
                self.host.actions.wake(slot);
            }
        }
    }
}
