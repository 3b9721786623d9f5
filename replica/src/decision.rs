//! Whether a replica that asks can go on where it was, or must start over.

use journal::{Journal, Offset, ReplicationId};

/// What PSYNC asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The history it knows; `None` for `?`.
    pub id: Option<ReplicationId>,
    /// The next byte it wants, as PSYNC counts (its offset + 1).
    pub next: i64,
}

impl Asked {
    /// Reads the two arguments of PSYNC. An id that is none is as good as unknown.
    pub fn parse(id: &[u8], next: &[u8]) -> Option<Asked> {
        let next = protocol::number::parse_i64(next)?;
        Some(Asked { id: ReplicationId::parse(id), next })
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on: everything after `from` will follow.
    Partial {
        /// The offset that the replica has.
        from: Offset,
    },
    /// Start over.
    Full {
        /// Why, for the log.
        reason: Reason,
    },
}

/// Why a replica must start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It asked for it.
    Asked,
    /// Its history is not ours.
    OtherHistory,
    /// What it lacks is no longer (or not yet) in the backlog.
    NotInBacklog,
}

/// Decides.
pub fn decide(journal: &Journal, asked: Asked) -> Answer {
    let Some(id) = asked.id else { return Answer::Full { reason: Reason::Asked } };
    if !journal.history.includes(&id, asked.next) {
        return Answer::Full { reason: Reason::OtherHistory };
    }
    match u64::try_from(asked.next - 1) {
        Ok(from) if journal.can_serve(from) => Answer::Partial { from },
        _ => Answer::Full { reason: Reason::NotInBacklog },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Kind;

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::from_random([byte; 20])
    }

    #[test]
    fn the_next_byte_is_the_normal_case() {
        let mut journal = Journal::new(id(1));
        journal.restart_at(100);
        journal.start_backlog(1000);
        journal.append_raw(Kind::Effect, &[b'x'; 50]);
        let ask = |byte, next| decide(&journal, Asked { id: Some(id(byte)), next });
        assert_eq!(ask(1, 151), Answer::Partial { from: 150 });
        assert_eq!(ask(1, 101), Answer::Partial { from: 100 });
        assert_eq!(ask(1, 100), Answer::Full { reason: Reason::NotInBacklog });
        assert_eq!(ask(1, 152), Answer::Full { reason: Reason::NotInBacklog });
        assert_eq!(ask(1, 0), Answer::Full { reason: Reason::NotInBacklog });
        assert_eq!(ask(1, i64::MIN + 1), Answer::Full { reason: Reason::NotInBacklog });
        assert_eq!(ask(2, 120), Answer::Full { reason: Reason::OtherHistory });
        assert_eq!(
            decide(&journal, Asked::parse(b"?", b"-1").unwrap()),
            Answer::Full { reason: Reason::Asked }
        );
    }

    #[test]
    fn a_promoted_replica_serves_the_old_history_up_to_its_promotion() {
        let mut journal = Journal::new(id(1));
        journal.restart_at(100);
        journal.start_backlog(1000);
        journal.history.fork(id(2), 100);
        journal.append_raw(Kind::Effect, &[b'x'; 50]);
        let ask = |byte, next| decide(&journal, Asked { id: Some(id(byte)), next });
        assert_eq!(ask(1, 101), Answer::Partial { from: 100 });
        assert_eq!(ask(1, 102), Answer::Full { reason: Reason::OtherHistory });
        assert_eq!(ask(2, 151), Answer::Partial { from: 150 });
    }
}
