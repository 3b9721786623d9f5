//! What a replica did not execute of what its primary sent: told once for each name, counted, and judged.
//!
//! A command that fails for the data may have failed in the same way on the primary, inside a transaction for instance: it is
//! told, and the link goes on. A command that is not known here, or whose arguments are not, was executed there:
//! the link stops in front of it, or goes on without it if the operator said so (`replica-ignore-unsupported`).

use engine::refused::Refusals;
use journal::Offset;
use replica::intake::{Executed, Refused, Skipped};
use std::collections::BTreeSet;

/// The most names that are remembered as told. What is not known here can be named anyhow.
pub(super) const NAMES_MAX: usize = 256;

/// What was not executed since the process began.
#[derive(Default)]
pub struct RefusedCommands {
    /// Commands that failed for the data.
    pub failed: u64,
    /// Commands that were left out because they are not known here.
    pub unsupported: u64,
    pub(super) told: BTreeSet<String>,
}

impl RefusedCommands {
    /// Judges what was refused in a batch, which ended at the first difference if it `halts`; `offset` tells where a request
    /// of it begins.
    #[cold]
    pub fn judge(
        &mut self,
        refusals: Refusals,
        halts: bool,
        offset: impl Fn(usize) -> Offset,
        executed: &mut Executed,
    ) {
        self.failed += refusals.more;
        for refused in refusals.list {
            let (name, text, at) = (&refused.name, &refused.text, offset(refused.index));
            if !refused.is_difference() {
                self.failed += 1;
                self.tell(name, text, at);
                continue;
            }
            let skipped = match refused.queued {
                Some(place) => Skipped::Queued(refused.index, place),
                None => Skipped::Request(refused.index),
            };
            if halts {
                let text = format!("'{name}' cannot be executed here: {text}");
                executed.count = refused.index;
                executed.end = Err(Refused { text, torn: refused.half_done });
                return;
            }
            self.unsupported += 1;
            self.tell(name, text, at);
            executed.skipped.push(skipped);
        }
    }

    fn tell(&mut self, name: &str, text: &str, offset: Offset) {
        if self.told.len() < NAMES_MAX && self.told.insert(name.to_string()) {
            tracing::warn!(
                "== CRITICAL == This replica is sending an error to its master: '{text}' after processing the command '{name}' \
                 (at offset {offset}; further ones are counted in INFO replication)"
            );
        }
    }
}
