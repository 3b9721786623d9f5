//! What becomes of a group, as copies are told: pending entries one by one, and how far the group has come.

use super::ids::IdText;
use super::replies;
use crate::context::Context;
use keyspace::stream::{Pending, StreamId};

/// A pending entry as it is to be passed on.
pub(super) struct Claim {
    pub id: StreamId,
    delivered_ms: i64,
    count: u64,
    /// Whose it is, if not that of the consumer of the command.
    pub owner: Option<Vec<u8>>,
}

impl Claim {
    pub fn of(pending: &Pending, owner: Option<&[u8]>) -> Claim {
        Claim {
            id: pending.id,
            delivered_ms: pending.delivered_ms,
            count: pending.count,
            owner: owner.map(<[u8]>::to_vec),
        }
    }
}

/// States claims, each with the last id that the group had delivered by then.
pub(super) fn pass_on_claims<'c>(
    ctx: &mut Context<'_>,
    key: &[u8],
    group: &[u8],
    consumer: &[u8],
    claims: impl Iterator<Item = (&'c Claim, StreamId)>,
) {
    for (claim, last_id) in claims {
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        ctx.effect(&[
            b"XCLAIM",
            key,
            group,
            claim.owner.as_deref().unwrap_or(consumer),
            b"0",
            IdText::of(claim.id).bytes(),
            b"TIME",
            time.format(claim.delivered_ms).as_bytes(),
            b"RETRYCOUNT",
            // What RETRYCOUNT takes is signed.
            count.format(claim.count.min(i64::MAX as u64)).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            IdText::of(last_id).bytes(),
        ]);
    }
}

/// States how far a group has come.
pub(super) fn pass_on_progress(
    ctx: &mut Context<'_>,
    key: &[u8],
    group: &[u8],
    last_id: StreamId,
    entries_read: Option<u64>,
) {
    let mut number = itoa::Buffer::new();
    let read = number.format(replies::entries_read(entries_read));
    let id = IdText::of(last_id);
    ctx.effect(&[b"XGROUP", b"SETID", key, group, id.bytes(), b"ENTRIESREAD", read.as_bytes()]);
}
