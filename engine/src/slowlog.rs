//! The slow log: the last commands that took longer than somebody allows.
//!
//! Each entry is cut to a bounded size, whatever its command was: [`ARGS_MAX`] arguments of [`ARG_BYTES_MAX`] bytes. Dispatch
//! asks one question of every command, whether it took as long as the shortest time that anybody asks for
//! (`observe`); the rest is done for those that did.
//!
//! # Invariants
//! - there are at most `slowlog-max-len` entries; ids grow and are never used again
//!
//! # Source
//! - limits and texts: Redis 7.2

use protocol::resp::Args;
use std::collections::VecDeque;

/// The most arguments that an entry has: the last one says how many more there were.
pub const ARGS_MAX: usize = 32;
/// The most bytes of an argument that an entry has.
pub const ARG_BYTES_MAX: usize = 128;
/// How many entries there are at most, if nothing else is said.
const LEN_MAX: usize = 128;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// When it ended, seconds since 1970.
    pub time_s: i64,
    /// How long it took, microseconds.
    pub us: u64,
    /// What it was, cut to size, without secrets.
    pub args: Vec<Vec<u8>>,
    /// Where its client is.
    pub address: String,
    /// What its client calls itself.
    pub name: Vec<u8>,
}

/// The log.
#[derive(Debug)]
pub struct Slowlog {
    entries: VecDeque<Entry>,
    next_id: u64,
    len_max: usize,
}

impl Default for Slowlog {
    fn default() -> Slowlog {
        Slowlog { entries: VecDeque::new(), next_id: 0, len_max: LEN_MAX }
    }
}

impl Slowlog {
    /// Keeps at most so many entries from now on (`slowlog-max-len`).
    pub fn set_len_max(&mut self, len_max: usize) {
        self.len_max = len_max;
        self.entries.truncate(len_max);
    }

    /// Adds a command; the oldest goes if there are too many. The number of `entry` is given here.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push_front(Entry { id: self.next_id, ..entry });
        self.next_id += 1;
        self.entries.truncate(self.len_max);
    }

    /// All entries, the newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
    }
}

/// A request, cut to size. `shown` says what to show of an argument.
pub fn cut<'a>(args: Args<'a>, shown: impl Fn(usize) -> &'a [u8]) -> Vec<Vec<u8>> {
    let len = args.len();
    let whole = if len > ARGS_MAX { ARGS_MAX - 1 } else { len };
    let mut all: Vec<Vec<u8>> = (0..whole).map(|at| cut_argument(shown(at))).collect();
    if len > whole {
        all.push(format!("... ({} more arguments)", len - whole).into_bytes());
    }
    all
}

fn cut_argument(arg: &[u8]) -> Vec<u8> {
    let Some((head, rest)) =
        arg.split_at_checked(ARG_BYTES_MAX).filter(|(_, rest)| !rest.is_empty())
    else {
        return arg.to_vec();
    };
    let mut text = head.to_vec();
    text.extend_from_slice(format!("... ({} more bytes)", rest.len()).as_bytes());
    text
}
