//! What the engine asks of its host, answered.

use crate::admin::client::line;
use crate::node::Outside;
use engine::Engine;
use engine::context::{Context, Done};
use engine::host::{Answers, Conversation, EntryKind, Host, HostCall, LogLevel};
use engine::refusal::Refusal;
use engine::session::Session;
use journal::Kind;
use journal::planted::{self, Fault};
use protocol::resp::Args;

impl Host for Outside {
    #[inline]
    fn excess_bytes(&mut self) -> u64 {
        self.excess()
    }

    #[inline]
    fn ticks_ns(&mut self) -> u64 {
        self.world.ticks_ns()
    }

    #[inline]
    fn journal(
        &mut self,
        dbs: (usize, usize),
        kind: EntryKind,
        unit: &[u8],
    ) -> engine::host::Receipt {
        let kind = match kind {
            EntryKind::Effect => Kind::Effect,
            EntryKind::Control => Kind::Control,
            EntryKind::Local => Kind::Local,
        };
        assert!(
            kind == Kind::Local || !self.replication.is_replica(),
            "a replica's stream is its primary's alone"
        );
        let before = self.journal.receipt();
        self.journal.append(kind, dbs, unit);
        if planted::is(Fault::ReceiptLeftOut) && unit.starts_with(b"*1\r\n$5\r\nMULTI") {
            return engine::host::Receipt::new(before.to_note());
        }
        engine::host::Receipt::new(self.journal.receipt().to_note())
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        match level {
            LogLevel::Debug => tracing::trace!("{text}"),
            LogLevel::Verbose => tracing::debug!("{text}"),
            LogLevel::Notice => tracing::info!("{text}"),
            LogLevel::Warning => tracing::warn!("{text}"),
        }
    }

    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        self.world.converse(conversation)
    }

    fn secret(&mut self) -> [u8; 20] {
        self.world.random()
    }

    fn describe(&self, session: &Session, steady_ms: i64) -> String {
        let client = self.clients.get(session.slot);
        client.map_or_else(String::new, |client| line(client, session, steady_ms, 0))
    }

    fn disconnect(&mut self, engine: &mut Engine, slot: usize) {
        self.close_client(engine, slot);
    }

    fn perform(
        &mut self,
        call: HostCall,
        context: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal> {
        let done = crate::admin::perform(self, call, context, args);
        // What is executed behind it in this turn, or in its transaction, goes by what it changed.
        self.see_facts(context.engine);
        done
    }
}
