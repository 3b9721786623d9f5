//! What happened, as numbers that are hashed and, where somebody looks, as lines.
//!
//! A run without a reader formats nothing. When it finds a violation it is run again with lines: it is the same run.
//!
//! # Invariants
//! - the hash depends on all that was noted, in its order; whether there are lines does not change it

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::{self, Debug, Write};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that are kept.
const KEPT: usize = 400;

/// What is done with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// There are none.
    Off,
    /// The last ones are kept.
    Kept,
    /// All are handed over, as they come.
    All,
}

/// What happened.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    mode: Lines,
    lines: VecDeque<String>,
}

impl Trace {
    /// Nothing yet.
    pub fn new(mode: Lines) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, mode, lines: VecDeque::new() }
    }

    /// A hash of all that was noted.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn mix(&mut self, word: u64) {
        let mixed = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ (mixed >> 29);
    }

    /// Hashes bytes that are part of what happened.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            self.mix(u64::from_le_bytes(whole));
        }
        self.mix(bytes.len() as u64);
    }

    /// Something happened at a place.
    pub fn note(&mut self, now_ns: u64, place: usize, what: &'static str, numbers: [u64; 2]) {
        self.mix(now_ns);
        self.mix(place as u64);
        self.mix_bytes(what.as_bytes());
        numbers.iter().for_each(|number| self.mix(*number));
        if self.mode != Lines::Off {
            self.log(now_ns, place);
            self.line(now_ns, place, format_args!("{what} {} {}", numbers[0], numbers[1]));
        }
    }

    /// The same with a text that costs something: only where there are lines.
    pub fn say(&mut self, now_ns: u64, place: usize, text: fmt::Arguments<'_>) {
        if self.mode != Lines::Off {
            self.log(now_ns, place);
            self.line(now_ns, place, text);
        }
    }

    /// Takes what was logged by the node that had a turn.
    pub fn log(&mut self, now_ns: u64, place: usize) {
        if self.mode == Lines::Off {
            return;
        }
        for text in LOGGED.take() {
            self.line(now_ns, place, format_args!("  log: {text}"));
        }
    }

    fn line(&mut self, now_ns: u64, place: usize, text: fmt::Arguments<'_>) {
        if self.mode == Lines::Kept && self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>13.6} #{place} {text}", now_ns as f64 / 1e9));
    }

    /// The lines that were not taken yet.
    pub fn take_lines(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.lines).into_iter()
    }

    /// Whether lines are handed over as they come.
    pub fn is_followed(&self) -> bool {
        self.mode == Lines::All
    }
}

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Takes the log lines of the nodes on this thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logs;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Logs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        LOGGED.with_borrow_mut(|logged| logged.push(message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_with_and_without_lines_and_tells_what_differs() {
        let hash = |mode, number| {
            let mut trace = Trace::new(mode);
            trace.note(7, 1, "read", [number, 2]);
            trace.mix_bytes(b"twelve bytes");
            trace.say(7, 1, format_args!("a text"));
            trace.hash()
        };
        assert_eq!(hash(Lines::Off, 5), hash(Lines::Kept, 5));
        assert_ne!(hash(Lines::Off, 5), hash(Lines::Off, 6));
    }

    #[test]
    fn the_last_lines_are_kept_with_what_nodes_logged() {
        let mut trace = Trace::new(Lines::Kept);
        tracing::subscriber::with_default(Logs, || {
            for number in 0..1000 {
                tracing::info!("said {number}");
                trace.note(number, 2, "turn", [number, 0]);
            }
        });
        let lines: Vec<String> = trace.take_lines().collect();
        assert_eq!(lines.len(), KEPT);
        assert!(lines[KEPT - 2].ends_with("#2   log: said 999"), "{}", lines[KEPT - 2]);
        assert!(lines[KEPT - 1].ends_with("#2 turn 999 0"), "{}", lines[KEPT - 1]);
    }
}
