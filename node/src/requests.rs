//! The session half: a batch of requests that a socket half has found is executed in one turn.
//!
//! # Not here
//! - what each command does: `engine`

use crate::node::Node;
use crate::time::Now;
use engine::Flow;
use engine::session::{Peer, Session};
use journal::Receipt;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, ByteQueue};

/// What came of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// How many of its requests were executed, the one included that stopped the session.
    pub executed: usize,
    /// What the replies depend on.
    pub receipt: Receipt,
    /// The session stopped: its last request waits, or it ends.
    pub stopped: bool,
    /// The connection ends when the replies have left.
    pub closes: bool,
    /// For how long it waits for the sake of a replica, milliseconds.
    pub delay_ms: u64,
}

impl Node {
    /// How far a session's requests may be taken in.
    #[inline]
    pub fn bounds(&self, slot: usize) -> Bounds {
        let authenticated =
            self.engine.session(slot).is_some_and(|session| !session.account.is_stranger());
        Bounds { bulk_max: self.host.bulk_max(), authenticated }
    }

    /// One turn: executes a session's requests. Replies are put into `out`.
    #[inline]
    pub fn execute(
        &mut self,
        slot: usize,
        bytes: &[u8],
        batch: &Batch,
        out: &mut Vec<u8>,
        now: Now,
    ) -> Answered {
        self.begin_turn(now);
        let mut session = self.engine.take_session(slot);
        let before = session.receipt;
        let (executed, flow) =
            self.engine.execute_batch(&mut self.host, &mut session, bytes, batch, 0, out);
        let closes = session.close_after_reply || session.stray_reply.is_some();
        let stopped = flow == Flow::Stop;
        if executed < batch.requests().len() && stopped && !session.suspended && !closes {
            session.suspended = true;
            self.host.paused.push(slot);
        }
        let receipt = session.receipt;
        let (mut delay_ms, slow_ms) = (0, self.host.replication.primary.slow_ms());
        if slow_ms > 0 && receipt != before && session.peer == Peer::Client {
            self.host.replication.slowed += 1;
            delay_ms = slow_ms;
        }
        if session.outbox_overrun {
            out.clear();
            self.host.close_for_output(slot);
        }
        if let Some(reply) = session.stray_reply.take() {
            self.close_for_stray_reply(&session, &reply);
        }
        self.engine.return_session(session);
        self.end_turn();
        Answered { executed, receipt: self.host.recall(receipt), stopped, closes, delay_ms }
    }

    /// A replica has made us answer: nothing of that may get into its stream.
    #[cold]
    fn close_for_stray_reply(&mut self, session: &Session, reply: &[u8]) {
        let name = session.last_command.map_or("NULL", |spec| spec.name);
        if let Some(error) = reply.strip_prefix(b"-") {
            tracing::warn!(
                "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command '{name}'",
                String::from_utf8_lossy(error).trim_end()
            );
        }
        if let Some(client) = self.host.clients.get(session.slot) {
            let client = crate::admin::client::line(client, session, self.engine.steady_ms, 0);
            tracing::warn!(
                "Replica generated a reply to command '{name}', disconnecting it: {client}"
            );
        }
        self.host.kill(session.slot);
    }

    /// Whether there is something for a session that answers no request, or it is to end: [`Node::take_messages`].
    #[inline]
    pub fn has_messages(&self, slot: usize) -> bool {
        self.engine.session(slot).is_some_and(|session| {
            !session.outbox.is_empty() | session.close_after_reply | session.outbox_overrun
        })
    }

    /// Takes what a session is sent that answers no request, with what it depends on. The connection ends behind it if the
    /// second is true.
    pub fn take_messages(&mut self, slot: usize) -> (Option<(ByteQueue, Receipt)>, bool) {
        let Some(session) = self.engine.session_mut(slot) else { return (None, false) };
        let mut messages = None;
        let (closes, overrun) = (session.close_after_reply, session.outbox_overrun);
        if !session.outbox.is_empty() {
            let carried = std::mem::take(&mut session.outbox_receipt);
            let queue = std::mem::take(&mut session.outbox);
            messages = Some((queue, self.host.recall(carried)));
        }
        if overrun {
            self.host.close_for_output(slot);
        }
        (messages, closes)
    }
}

impl Answered {
    /// Whether all of a batch was executed.
    pub fn is_whole(&self, batch: &Batch) -> bool {
        self.executed == batch.requests().len()
    }
}
