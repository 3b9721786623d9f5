//! The latency monitor: when something took long, of a few kinds of things.
//!
//! Kinds are fixed ([`Event`]), and each has [`SAMPLES_MAX`] samples, one a second at most: so what is kept has a bound,
//! whatever happens. Nothing is kept, and no clock is looked at for it, while `latency-monitor-threshold` is 0.
//!
//! # Source
//! - names of events, number of samples, one a second: Redis 7.2. Events whose names begin with `append-` or `release-` are
//!   ours: the main thread writes no append-only file, so Redis's `aof-write` and its kin never happen. Nor do `expire-del` and
//!   `eviction-lazyfree`: another thread frees what is large, and nobody waits for it.

use std::collections::VecDeque;

/// The most samples of an event.
pub const SAMPLES_MAX: usize = 160;

macro_rules! events {
    ($($name:ident, $text:literal, $doc:literal;)*) => {
        /// What can take long.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $doc] $name,)*
        }

        impl Event {
            /// All of them.
            pub const ALL: &[Event] = &[$(Event::$name),*];

            /// As LATENCY calls it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Event::$name => $text,)*
                }
            }
        }
    };
}

events! {
    AofRename, "aof-rename", "The manifest of the append-only file was replaced.";
    AppendFsync, "append-fsync", "An fsync of the append-only file.";
    AppendWrite, "append-write", "A write of the append-only file.";
    Command, "command", "A command.";
    EvictionCycle, "eviction-cycle", "Keys were given up for want of memory.";
    EvictionDel, "eviction-del", "One of these was removed.";
    ExpireCycle, "expire-cycle", "The search for keys whose time has come.";
    FastCommand, "fast-command", "A command of constant or logarithmic time.";
    Fork, "fork", "A child was made.";
    RdbUnlink, "rdb-unlink-temp-file", "The file of a child that was ended was removed.";
    ReleaseWait, "release-wait", "Replies waited for the disk.";
}

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since 1970.
    pub time_s: i64,
    /// The longest of that second, milliseconds.
    pub ms: u64,
}

/// The samples of one event.
#[derive(Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    most_ms: u64,
}

impl Series {
    /// The samples, the oldest first. There is one at least.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + Clone + '_ {
        self.samples.iter().copied()
    }

    /// The longest ever, milliseconds.
    pub fn most_ms(&self) -> u64 {
        self.most_ms
    }

    fn add(&mut self, sample: Sample) {
        self.most_ms = self.most_ms.max(sample.ms);
        match self.samples.back_mut() {
            Some(last) if last.time_s == sample.time_s => last.ms = last.ms.max(sample.ms),
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }
}

/// All events.
#[derive(Debug, Default)]
pub struct Latency {
    threshold_ms: u64,
    series: [Option<Box<Series>>; Event::ALL.len()],
}

impl Latency {
    /// What takes so many milliseconds is kept from now on; 0: nothing is (`latency-monitor-threshold`).
    pub fn set_threshold(&mut self, ms: u64) {
        self.threshold_ms = ms;
    }

    /// From how many milliseconds on something is kept; 0: never.
    pub fn threshold_ms(&self) -> u64 {
        self.threshold_ms
    }

    /// Whether anything is kept: who would look at the clock for that alone asks first.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.threshold_ms > 0
    }

    /// Something took so long, in a second since 1970.
    #[inline]
    pub fn note(&mut self, event: Event, ns: u64, now_ms: i64) {
        if self.is_on() && ns / 1_000_000 >= self.threshold_ms {
            self.keep(event, Sample { time_s: now_ms.div_euclid(1000), ms: ns / 1_000_000 });
        }
    }

    #[cold]
    fn keep(&mut self, event: Event, sample: Sample) {
        self.series[event as usize].get_or_insert_default().add(sample);
    }

    /// The events that happened, with their samples.
    pub fn events(&self) -> impl Iterator<Item = (Event, &Series)> {
        let series = self.series.iter().map(Option::as_deref);
        Event::ALL.iter().zip(series).filter_map(|(event, series)| Some((*event, series?)))
    }

    /// The one of that name, in exactly these letters, if it happened.
    pub fn find(&self, name: &[u8]) -> Option<(Event, &Series)> {
        self.events().find(|(event, _)| event.name().as_bytes() == name)
    }

    /// Forgets the event of that name, in any case of letters. Whether it happened.
    pub fn forget(&mut self, name: &[u8]) -> bool {
        let named = |event: &&Event| event.name().as_bytes().eq_ignore_ascii_case(name);
        let event = Event::ALL.iter().find(named);
        event.is_some_and(|event| self.series[*event as usize].take().is_some())
    }

    /// Forgets all. How many there were.
    pub fn forget_all(&mut self) -> usize {
        self.series.iter_mut().filter_map(Option::take).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_an_event_a_bounded_number() {
        let mut latency = Latency::default();
        latency.note(Event::Fork, u64::MAX, 0);
        assert_eq!(latency.events().count(), 0, "it is off");
        latency.set_threshold(5);
        for (ms, now_ms) in [(4, 1000), (7, 1000), (6, 1999), (9, 1999), (5, 2000)] {
            latency.note(Event::Fork, ms * 1_000_000, now_ms);
        }
        let (_, series) = latency.find(b"fork").expect("it happened");
        let samples: Vec<_> = series.samples().map(|sample| (sample.time_s, sample.ms)).collect();
        assert_eq!((samples, series.most_ms()), (vec![(1, 9), (2, 5)], 9));
        for second in 0..1000 {
            latency.note(Event::Fork, 5_999_999, second * 1000);
        }
        let (_, series) = latency.find(b"fork").expect("it happened");
        assert_eq!(series.samples().len(), SAMPLES_MAX);
        assert_eq!(series.samples().next(), Some(Sample { time_s: 840, ms: 5 }));
        assert_eq!(series.most_ms(), 9);
    }

    #[test]
    fn events_are_forgotten_by_name_or_all() {
        let mut latency = Latency::default();
        latency.set_threshold(1);
        Event::ALL.iter().for_each(|event| latency.note(*event, 1_000_000, 0));
        assert!(latency.forget(b"FORK") && !latency.forget(b"fork") && !latency.forget(b"no"));
        assert!(latency.find(b"COMMAND").is_none() && latency.find(b"command").is_some());
        assert_eq!(latency.forget_all(), Event::ALL.len() - 1);
        assert_eq!(latency.events().count(), 0);
    }
}
