//! What INFO counts: commands, errors, keys that went, and how long each command took.
//!
//! # Invariants
//! - counting takes no more than additions, but for the first call of a command, which makes its histogram
//! - there are at most [`ERROR_PREFIXES_MAX`] prefixes of errors: clients and scripts can invent them

use crate::command::{Spec, Table};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The most prefixes of errors that are counted one by one; the errors of all others are counted together. Source:
/// Valkey 9.1.
pub const ERROR_PREFIXES_MAX: usize = 128;
/// What the errors beyond [`ERROR_PREFIXES_MAX`] are counted as.
const OTHER_ERRORS: &str = "ERRORSTATS_OVERFLOW";
/// The longest prefix of an error, bytes. What is longer is no prefix. Source: Redis 7.2.
const PREFIX_MAX: usize = 31;

/// The longest time that a histogram holds, nanoseconds: what took longer is counted there. Source: Redis 7.2.
pub const LATENCY_MAX_NS: u64 = 1_000_000_000;
/// To how many digits a histogram knows a time. Source: Redis 7.2.
const LATENCY_DIGITS: u8 = 2;

/// How long the calls of a command took, nanoseconds.
pub type Latencies = Histogram<u64>;

/// Counters of INFO.
#[derive(Default, Debug)]
#[expect(missing_docs, reason = "named after the fields of INFO")]
pub struct Stats {
    pub commands: u64,
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub expired_keys: u64,
    pub expired_by_sweep: u64,
    pub evicted_keys: u64,
    pub error_replies: u64,
    pub acl_access_denied_auth: u64,
    pub acl_access_denied_cmd: u64,
    pub acl_access_denied_key: u64,
    pub acl_access_denied_channel: u64,
    pub unexpected_errors: u64,
    /// Payloads of RESTORE that were verified to their last element.
    pub dump_payload_sanitizations: u64,
    /// Error replies by their prefix.
    errors: BTreeMap<String, u64>,
    /// What commands did, by [`Spec::index`].
    calls: Vec<Calls>,
}

/// What one command did.
#[derive(Clone, Default, Debug)]
pub struct Calls {
    /// How often it ran.
    pub calls: u64,
    /// How long, in nanoseconds.
    pub ns: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it answered with an error.
    pub failed: u64,
    /// How long each call took, in nanoseconds; since the first call while latencies are tracked.
    pub latency: Option<Box<Latencies>>,
}

impl Calls {
    /// Adds one call.
    #[inline]
    pub fn add(&mut self, ns: u64, failed: bool, tracks_latency: bool) {
        self.calls += 1;
        self.ns += ns;
        self.failed += u64::from(failed);
        if tracks_latency {
            self.record(ns);
        }
    }

    #[inline]
    fn record(&mut self, ns: u64) {
        let histogram = self.latency.get_or_insert_with(new_histogram);
        histogram.saturating_record(ns.clamp(1, LATENCY_MAX_NS));
    }

    /// Whether nobody has asked for the command.
    pub fn is_unused(&self) -> bool {
        self.calls == 0 && self.rejected == 0 && self.failed == 0
    }
}

#[cold]
fn new_histogram() -> Box<Latencies> {
    let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS);
    Box::new(histogram.expect("the bounds are constants that fit"))
}

impl Stats {
    /// The counters of one command.
    #[inline]
    pub fn of(&mut self, spec: &Spec) -> &mut Calls {
        if self.calls.len() <= spec.index {
            self.calls.resize(spec.index + 1, Calls::default());
        }
        &mut self.calls[spec.index]
    }

    /// How long all commands took, in nanoseconds.
    pub fn commands_ns(&self) -> u64 {
        self.calls.iter().map(|calls| calls.ns).sum()
    }

    /// All commands and subcommands of a table that somebody has asked for, with their counters.
    pub fn used(&self, table: &Table) -> impl Iterator<Item = (&'static Spec, &Calls)> {
        let counted = |spec: &'static Spec| Some((spec, self.calls.get(spec.index)?));
        table.with_subcommands().filter_map(counted).filter(|(_, calls)| !calls.is_unused())
    }

    /// Counts an error reply, `text` without its `-`.
    pub fn note_error(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let prefix = match text.iter().take(PREFIX_MAX + 1).position(|byte| *byte == b' ') {
            Some(end) => String::from_utf8_lossy(&text[..end]),
            None => "ERR".into(),
        };
        let is_new = !self.errors.contains_key(&*prefix);
        let prefix = if is_new && self.errors.len() >= ERROR_PREFIXES_MAX {
            OTHER_ERRORS.into()
        } else {
            prefix
        };
        *self.errors.entry(prefix.into_owned()).or_insert(0) += 1;
    }

    /// Prefixes of errors with their numbers, in order.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.errors.iter().map(|(prefix, count)| (prefix.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_an_error_is_its_first_word_if_that_is_short() {
        let mut stats = Stats::default();
        let long = [&[b'X'; 40][..], b" text"].concat();
        for text in [&b"WRONGTYPE Operation"[..], b"ERR unknown", b"lonely", b"", &long] {
            stats.note_error(text);
        }
        let counted: Vec<_> = stats.errors().collect();
        assert_eq!(counted, [("ERR", 4), ("WRONGTYPE", 1)]);
        assert_eq!(stats.error_replies, 5);
    }

    #[test]
    fn prefixes_that_are_invented_do_not_grow_the_table() {
        let mut stats = Stats::default();
        for n in 0..10_000 {
            stats.note_error(format!("P{n} text").as_bytes());
        }
        stats.note_error(b"P5 text");
        assert_eq!(stats.errors().count(), ERROR_PREFIXES_MAX + 1);
        assert_eq!(stats.errors().map(|(_, count)| count).sum::<u64>(), 10_001);
        let of = |name| stats.errors().find(|(prefix, _)| *prefix == name).map(|(_, n)| n);
        assert_eq!(of(OTHER_ERRORS), Some(10_000 - ERROR_PREFIXES_MAX as u64));
        assert_eq!(of("P5"), Some(2));
    }

    #[test]
    fn a_histogram_knows_times_to_two_digits_and_holds_all() {
        let mut calls = Calls::default();
        calls.add(500, false, false);
        assert!(calls.latency.is_none());
        for ns in (1..=1000u64).map(|n| n * 1000).chain([0, u64::MAX]) {
            calls.add(ns, false, true);
            calls.ns = 0;
        }
        let histogram = calls.latency.expect("there is one");
        assert_eq!(histogram.len(), 1002);
        let half = histogram.value_at_percentile(50.0) as f64;
        assert!((half - 500_000.0).abs() < 5_000.0, "{half}");
        assert!(histogram.max() >= LATENCY_MAX_NS && histogram.min() <= 1);
    }
}
