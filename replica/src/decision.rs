//! Whether a replica that asks can go on where it was, or must start over.

use journal::planted::{self, Fault};
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
    OtherHistory {
        /// What it knows.
        asked: ReplicationId,
        /// What we write.
        id: ReplicationId,
        /// What we wrote before.
        second_id: ReplicationId,
    },
    /// It has more of our previous history than we had when we left it.
    BeyondFork {
        /// The next byte that it wants.
        next: i64,
        /// The first byte that is not shared.
        upto: i64,
    },
    /// There is no backlog.
    NoBacklog {
        /// The next byte that it wants.
        next: i64,
    },
    /// What it lacks is no longer in the backlog.
    BeforeBacklog {
        /// The next byte that it wants.
        next: i64,
        /// The first byte that is there.
        first: i64,
    },
    /// It has more than we have.
    AheadOfUs {
        /// The next byte that it wants.
        next: i64,
        /// Our last byte.
        end: Offset,
    },
}

impl Reason {
    /// Whether the replica wanted to go on, and may not.
    pub fn is_refusal(&self) -> bool {
        *self != Reason::Asked
    }

    /// What the log says of a replica with this name: Redis's words, as far as it makes the same distinctions.
    pub fn line(&self, name: &str) -> String {
        const REFUSED: &str = "Partial resynchronization not accepted";
        let lack = format!("Unable to partial resync with replica {name} for lack of backlog");
        match self {
            Reason::Asked => format!("Full resync requested by replica {name}"),
            Reason::OtherHistory { asked, id, second_id } => format!(
                "{REFUSED}: Replication ID mismatch (Replica asked for '{asked}', my replication IDs are '{id}' and '{second_id}')"
            ),
            Reason::BeyondFork { next, upto } => format!(
                "{REFUSED}: Requested offset for second ID was {next}, but I can reply up to {upto}"
            ),
            Reason::NoBacklog { next } => format!("{lack} (Replica request was: {next})."),
            Reason::BeforeBacklog { next, first } => {
                format!("{lack} (Replica request was: {next}, the backlog begins at {first}).")
            }
            Reason::AheadOfUs { next, end } => format!(
                "Warning: replica {name} tried to PSYNC with an offset that is greater than the master replication offset \
                 ({next} of {end})."
            ),
        }
    }
}

/// Decides.
pub fn decide(journal: &Journal, asked: Asked) -> Answer {
    let Some(id) = asked.id else { return Answer::Full { reason: Reason::Asked } };
    let (history, next) = (&journal.history, asked.next);
    let full = |reason| Answer::Full { reason };
    if !history.includes(&id, next) {
        return full(match id == history.second_id {
            true => Reason::BeyondFork { next, upto: history.second_offset },
            false => {
                let (id_now, second_id) = (history.id, history.second_id);
                Reason::OtherHistory { asked: id, id: id_now, second_id }
            }
        });
    }
    if !journal.has_backlog() {
        return full(Reason::NoBacklog { next });
    }
    let (start, _) = journal.backlog_extent();
    let Ok(from) = u64::try_from(next.saturating_sub(1)) else {
        return full(Reason::BeforeBacklog { next, first: start.next_byte() });
    };
    match Offset::from_wire(from) {
        Some(from) if from < start => {
            full(Reason::BeforeBacklog { next, first: start.next_byte() })
        }
        Some(from) if from == journal.end() && planted::is(Fault::DecisionOffByOne) => {
            full(Reason::AheadOfUs { next, end: journal.end() })
        }
        Some(from) if from <= journal.end() => {
            assert!(journal.can_serve(from), "it is within the backlog");
            Answer::Partial { from }
        }
        _ => full(Reason::AheadOfUs { next, end: journal.end() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Kind;

    fn at(number: u64) -> Offset {
        Offset::from_wire(number).unwrap()
    }

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::from_random([byte; 20])
    }

    #[test]
    fn the_next_byte_is_the_normal_case() {
        let mut journal = Journal::new(id(1));
        journal.restart_at(at(100));
        journal.start_backlog(1000);
        journal.append_raw(Kind::Effect, &[b'x'; 50]);
        let ask = |byte, next| decide(&journal, Asked { id: Some(id(byte)), next });
        assert_eq!(ask(1, 151), Answer::Partial { from: at(150) });
        assert_eq!(ask(1, 101), Answer::Partial { from: at(100) });
        let full = |reason| Answer::Full { reason };
        for next in [152, i64::MAX] {
            assert_eq!(ask(1, next), full(Reason::AheadOfUs { next, end: at(150) }));
        }
        for next in [100, 0, -1, i64::MIN] {
            assert_eq!(ask(1, next), full(Reason::BeforeBacklog { next, first: 101 }));
        }
        let (asked, second_id) = (id(2), ReplicationId::NONE);
        assert_eq!(ask(2, 120), full(Reason::OtherHistory { asked, id: id(1), second_id }));
        assert_eq!(
            decide(&journal, Asked::parse(b"?", b"-1").unwrap()),
            Answer::Full { reason: Reason::Asked }
        );
    }

    #[test]
    fn each_reason_has_words_of_its_own() {
        let (id, second_id) = (id(1), ReplicationId::NONE);
        let texts = [
            Reason::Asked,
            Reason::OtherHistory { asked: id, id, second_id },
            Reason::BeyondFork { next: 1, upto: 1 },
            Reason::NoBacklog { next: 1 },
            Reason::BeforeBacklog { next: 1, first: 1 },
            Reason::AheadOfUs { next: 1, end: at(1) },
        ]
        .map(|reason| reason.line("10.0.0.1:6380"));
        for (at, text) in texts.iter().enumerate() {
            assert!(!texts[..at].contains(text), "{text}");
            assert_eq!(text.contains("ID mismatch"), at == 1, "{text}");
        }
    }

    #[test]
    fn a_promoted_replica_serves_the_old_history_up_to_its_promotion() {
        let mut journal = Journal::new(id(1));
        journal.restart_at(at(100));
        journal.start_backlog(1000);
        journal.history.fork(id(2), at(100));
        journal.append_raw(Kind::Effect, &[b'x'; 50]);
        let ask = |byte, next| decide(&journal, Asked { id: Some(id(byte)), next });
        assert_eq!(ask(1, 101), Answer::Partial { from: at(100) });
        let reason = Reason::BeyondFork { next: 102, upto: 101 };
        assert_eq!(ask(1, 102), Answer::Full { reason });
        assert_eq!(ask(2, 151), Answer::Partial { from: at(150) });
        journal.drop_backlog();
        let reason = Reason::NoBacklog { next: 151 };
        let asked = Asked { id: Some(id(2)), next: 151 };
        assert_eq!(decide(&journal, asked), Answer::Full { reason });
    }
}
