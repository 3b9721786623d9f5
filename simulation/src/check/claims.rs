//! Which acknowledged entries must outlast what happens to a machine.
//!
//! A reply that leaves is a claim on the machine that sent it, if it has an append-only file with a base. What becomes of the
//! claim is decided where the machine is started again:
//!
//! | policy when the reply left | kill | power cut |
//! |---|---|---|
//! | `always` | kept | kept |
//! | `everysec` | kept, if it left [`WINDOW_NS`] before | the same |
//! | `no` | the same | nothing is promised |
//!
//! The window is that of `docs/persistence.md`: up to two seconds until writers wait for a late disk, and what the disk is late.
//! Where a disk is known to be in trouble (full, failing), nothing but `always` promises anything of that time; nor where a process
//! stands still: it writes and fsyncs nothing until it goes on, and the power may go before.
//!
//! # Invariants
//! - a claim is given up when the machine takes other data: by a full sync, or because it lost them where that is allowed

use crate::entry::{LOGS, Log};
use crate::queue::MS;
use std::collections::{BTreeMap, VecDeque};

/// The longest that a write may be away from the disk with `everysec`: two seconds, and one for the fsync.
pub const WINDOW_NS: u64 = 3_000 * MS;
/// Claims of a log that are remembered one by one.
const KEPT: usize = 4096;

/// `appendfsync`, when the reply left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing is promised for a power cut.
    No,
    /// A window is.
    EverySecond,
    /// All is.
    Always,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The system goes on, with what it has taken over.
    Kill,
    /// All is lost that was not fsynced.
    PowerCut,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    /// The length of the log that was acknowledged.
    len: u64,
    at_ns: u64,
    policy: Policy,
}

/// The claims on one machine.
#[derive(Debug, Default)]
pub struct Claims {
    logs: BTreeMap<Log, VecDeque<Claim>>,
    /// When its disk was in trouble: from, to.
    trouble: Vec<(u64, u64)>,
}

impl Claims {
    /// A reply has left that says that a log has this length.
    pub fn add(&mut self, log: Log, len: u64, at_ns: u64, policy: Policy) {
        let claims = self.logs.entry(log).or_default();
        if claims.len() >= KEPT {
            claims.pop_front();
        }
        claims.push_back(Claim { len, at_ns, policy });
    }

    /// It has other data now.
    pub fn clear(&mut self) {
        self.logs.clear();
    }

    /// Its disk was in trouble.
    pub fn note_trouble(&mut self, from_ns: u64, to_ns: u64) {
        self.trouble.push((from_ns.saturating_sub(WINDOW_NS), to_ns + WINDOW_NS));
    }

    /// The least length that a log must have after an end at this moment.
    pub fn least(&self, log: Log, end: End, at_ns: u64) -> u64 {
        let in_trouble = |at: u64| self.trouble.iter().any(|(from, to)| (*from..*to).contains(&at));
        let holds = |claim: &&Claim| match (claim.policy, end) {
            (Policy::Always, _) => true,
            (Policy::No, End::PowerCut) => false,
            (Policy::EverySecond, _) | (Policy::No, End::Kill) => {
                claim.at_ns + WINDOW_NS < at_ns && !in_trouble(claim.at_ns)
            }
        };
        let claims = self.logs.get(&log).into_iter().flatten();
        claims.filter(holds).map(|claim| claim.len).max().unwrap_or(0)
    }

    /// After a start: checks what is there, by a function that tells the length of a log, and goes on from that.
    pub fn settle(
        &mut self,
        end: End,
        at_ns: u64,
        mut len_of: impl FnMut(Log) -> u64,
    ) -> Result<(), String> {
        for log in self.logs.keys().copied().collect::<Vec<_>>() {
            let (least, len) = (self.least(log, end, at_ns), len_of(log));
            if len < least {
                return Err(format!(
                    "log {} of client {} has {len} entries after a {}, and {least} were acknowledged and should have outlasted it",
                    log.which,
                    log.client,
                    if end == End::Kill { "kill" } else { "power cut" }
                ));
            }
            let claims = self.logs.get_mut(&log).expect("it is one of them");
            claims.retain(|claim| claim.len <= len);
        }
        Ok(())
    }
}

/// All logs of so many clients.
pub fn logs(clients: usize) -> impl Iterator<Item = Log> {
    (0..clients).flat_map(|client| (0..LOGS).map(move |which| Log { client, which }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Log = Log { client: 0, which: 0 };
    const S: u64 = 1_000 * MS;

    #[test]
    fn what_must_be_kept_follows_from_the_policy_and_the_end() {
        for (policy, end, least) in [
            (Policy::Always, End::Kill, 2),
            (Policy::Always, End::PowerCut, 2),
            (Policy::EverySecond, End::Kill, 1),
            (Policy::EverySecond, End::PowerCut, 1),
            (Policy::No, End::Kill, 1),
            (Policy::No, End::PowerCut, 0),
        ] {
            let mut claims = Claims::default();
            claims.add(LOG, 1, S, policy);
            claims.add(LOG, 2, 9 * S, policy);
            assert_eq!(claims.least(LOG, end, 10 * S), least, "{policy:?} {end:?}");
            assert_eq!(claims.settle(end, 10 * S, |_| least), Ok(()));
            let mut claims = Claims::default();
            claims.add(LOG, 1, S, policy);
            claims.add(LOG, 2, 9 * S, policy);
            let settled = claims.settle(end, 10 * S, |_| least.saturating_sub(1));
            assert_eq!(settled.is_err(), least > 0, "an entry less is found");
        }
    }

    #[test]
    fn trouble_and_other_data_end_claims() {
        let mut claims = Claims::default();
        claims.add(LOG, 1, S, Policy::EverySecond);
        claims.add(LOG, 2, 5 * S, Policy::EverySecond);
        claims.note_trouble(7 * S, 8 * S);
        assert_eq!(claims.least(LOG, End::Kill, 100 * S), 1);
        claims.clear();
        assert_eq!(claims.least(LOG, End::Kill, 100 * S), 0);
    }
}
