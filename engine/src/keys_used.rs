//! The keys of a request, each with what the command does with it: what has to be permitted before it runs.
//!
//! The rows of the table say where a command's keys are, the key specifications of [`crate::grammar`] what is done with
//! them. Mostly both follow from a few numbers, and nothing is allocated; where options name keys, the command's own
//! [`Keys::Found`] looks for them, as its handler does.
//!
//! # Invariants
//! - what a command touches is among these (tested over the table: `acl/tests/keys.rs`), but for SORT and what its
//!   patterns lead to, which asks for a permission to read all keys
//! - a request whose keys cannot be told has none: its command refuses it
//!
//! # Source
//! - which accesses mean reading and which writing: Redis 7.2

use crate::acl::pattern::{Access, READ, WRITE};
use crate::arguments::is;
use crate::command::{Keys, Spec};
use crate::grammar::Grammar;
use crate::grammar::key_spec::{self, Begin, Find, KeyFlags, KeySpec};
use protocol::resp::Args;

/// What has to be permitted for keys of these flags.
#[inline]
pub fn access(flags: KeyFlags) -> Access {
    let reads = if flags & key_spec::ACCESS != 0 { READ } else { 0 };
    let changes = key_spec::UPDATE | key_spec::INSERT | key_spec::DELETE;
    reads | if flags & changes != 0 { WRITE } else { 0 }
}

/// Calls `visit` with the place of each key and what has to be permitted, until it fails.
#[inline]
pub fn each_key<E>(
    spec: &Spec,
    args: Args<'_>,
    mut visit: impl FnMut(usize, Access) -> Result<(), E>,
) -> Result<(), E> {
    match spec.keys {
        Keys::None => Ok(()),
        Keys::Range { first, last, .. } if first == last => {
            let at = first as usize;
            match args.len() > at {
                true => visit(at, access(flags_of_one(spec.documented, args))),
                false => Ok(()),
            }
        }
        Keys::Range { .. } | Keys::Counted { .. } => {
            for keys in spec.documented.keys.iter().filter(is_key) {
                let Some(run) = Run::of(keys, args).filter(|run| run.is_inside(args)) else {
                    continue;
                };
                let need = access(run.flags);
                (run.first..=run.last as usize)
                    .step_by(run.step)
                    .try_for_each(|at| visit(at, need))?;
            }
            Ok(())
        }
        Keys::Found { find, .. } => {
            let found = (find.0)(args).unwrap_or_default();
            found.into_iter().try_for_each(|at| visit(at, access(found_flags(spec, at))))
        }
    }
}

fn is_key(keys: &&KeySpec) -> bool {
    keys.flags & key_spec::NOT_KEY == 0
}

/// What is done with the one key of a command.
#[inline]
fn flags_of_one(command: &Grammar, args: Args<'_>) -> KeyFlags {
    let flags = command
        .keys
        .first()
        .map_or(key_spec::RW | key_spec::ACCESS | key_spec::UPDATE, |keys| keys.flags);
    if flags & key_spec::VARIABLE_FLAGS == 0 { flags } else { variable_flags(command, args) }
}

/// What is done with a key that the command's own code has found: by the specification that names its place, or the last
/// that names none. (Of two that SORT has, that one is about STORE; the other is about keys that patterns lead to.)
fn found_flags(spec: &Spec, at: usize) -> KeyFlags {
    let names_it = |keys: &&KeySpec| keys.begin == Begin::Index(at as i16);
    let names_none = |keys: &&KeySpec| !matches!(keys.begin, Begin::Index(_));
    let all = spec.documented.keys;
    let keys = all.iter().find(names_it).or_else(|| all.iter().rfind(names_none));
    keys.map_or(key_spec::RW | key_spec::ACCESS | key_spec::UPDATE, |keys| keys.flags)
}

/// What a command does with a key that a specification with these flags has found, or none.
pub fn flags_of(command: &Grammar, args: Args<'_>, known: Option<KeyFlags>) -> KeyFlags {
    // A key that no rule finds is one that an option names: where a result is stored. Here all are found.
    let flags = known.unwrap_or(key_spec::OW | key_spec::UPDATE) & !key_spec::INCOMPLETE;
    if flags & key_spec::VARIABLE_FLAGS == 0 { flags } else { variable_flags(command, args) }
}

/// The same for the commands whose options decide.
fn variable_flags(command: &Grammar, args: Args<'_>) -> KeyFlags {
    use key_spec::{ACCESS, OW, RO, RW, UPDATE};
    match command.name {
        "set" if !args.iter_from(3.min(args.len())).any(|arg| is(arg, "GET")) => OW | UPDATE,
        "bitfield" if only_gets(args) => RO | ACCESS,
        _ => RW | ACCESS | UPDATE,
    }
}

/// Whether all that BITFIELD is asked to do is to get.
fn only_gets(args: Args<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        at += match word {
            word if is(word, "GET") && left >= 2 => 3,
            word if is(word, "OVERFLOW") && left >= 1 => 2,
            _ => return false,
        };
    }
    true
}

/// Where a specification finds keys: made once for a request, as it may have to look through all arguments.
pub struct Run {
    /// The place of the first.
    pub first: usize,
    /// That of the last.
    pub last: i64,
    /// The distance between two.
    pub step: usize,
    /// What is done with them.
    pub flags: KeyFlags,
}

impl Run {
    /// Whether the argument at `position` is one of the keys.
    pub fn has(&self, position: usize) -> bool {
        position >= self.first
            && position as i64 <= self.last
            && (position - self.first).is_multiple_of(self.step)
    }

    /// Whether there are keys, and all of them are arguments.
    fn is_inside(&self, args: Args<'_>) -> bool {
        self.first as i64 <= self.last && self.last < args.len() as i64
    }

    /// `None` if there are none, or the specification cannot tell.
    pub fn of(keys: &KeySpec, args: Args<'_>) -> Option<Run> {
        let first = match keys.begin {
            Begin::Index(at) => at as usize,
            Begin::Keyword { word, from } => {
                let len = args.len();
                let found = match from {
                    0.. => (from as usize..len).find(|at| is(args.at(*at), word)),
                    _ => {
                        let last = len.saturating_sub(from.unsigned_abs() as usize);
                        (1..=last).rev().find(|at| is(args.at(*at), word))
                    }
                };
                found? + 1
            }
            Begin::Unknown => return None,
        };
        let (first, last, step) = match keys.find {
            Find::Range { last, step, limit } => {
                let end = args.len() as i64 - 1;
                let last = match (last, limit) {
                    (-1, 2..) => first as i64 + (end - first as i64 + 1) / i64::from(limit) - 1,
                    (..0, _) => end + 1 + i64::from(last),
                    _ => first as i64 + i64::from(last),
                };
                (first, last, step)
            }
            Find::Count { at, first: behind, step } => {
                let count = args.get(first + at as usize).and_then(protocol::number::parse_i64);
                let begin = first + behind as usize;
                let last = begin as i64 - 1 + count.unwrap_or(0).clamp(0, args.len() as i64);
                (begin, last, step)
            }
            Find::Unknown => return None,
        };
        Some(Run { first, last, step: step.max(1) as usize, flags: keys.flags })
    }
}
