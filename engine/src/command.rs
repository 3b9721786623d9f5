//! The table of commands: one declarative row each, read by everything that needs to know about commands.
//!
//! Dispatch, COMMAND, COMMAND DOCS, COMMAND GETKEYS and the generated documents all read these rows. The rows themselves
//! stand at the top of each family's file, in columns, one a line; what there is to read about a command stands in
//! [`crate::grammar`], and the [`Table`] brings the two together. That of this server: [`crate::family::table`].

use crate::context::{Context, Done};
use crate::grammar::{self, Grammar};
use crate::refusal::Refusal;
use protocol::resp::Args;

/// Runs one command.
pub type Handler = fn(&mut Context<'_>, Args<'_>) -> Result<Done, Refusal>;

/// Properties of a command, a bit each.
pub type Flags = u32;

/// Looking at [`Flags`].
pub trait HasFlags {
    /// Whether any of `other` is set.
    fn has(self, other: Flags) -> bool;
}

impl HasFlags for Flags {
    #[inline]
    fn has(self, other: Flags) -> bool {
        self & other != 0
    }
}

macro_rules! flags {
    ($($bit:expr, $name:ident, $text:expr, $doc:expr;)*) => {
        $(#[doc = $doc] pub const $name: Flags = 1 << $bit;)*
        /// Each flag with its name in COMMAND INFO ("" for those that are ours alone).
        pub const FLAG_NAMES: &[(Flags, &str)] = &[$(($name, $text)),*];
    };
}

flags! {
    0, WRITE, "write", "May change data.";
    1, READ, "readonly", "Reads data and never changes it.";
    2, GROWS, "denyoom", "May need more memory: refused when there is none.";
    3, ADMIN, "admin", "For operators.";
    4, PUBSUB, "pubsub", "Of the publish and subscribe family.";
    5, NO_SCRIPT, "noscript", "Not from scripts.";
    6, BLOCKING, "blocking", "May wait.";
    7, LOADING, "loading", "Allowed while data is loaded.";
    8, STALE, "stale", "Allowed on a replica without its primary.";
    9, SKIP_MONITOR, "skip_monitor", "Not shown to MONITOR.";
    10, SKIP_SLOWLOG, "skip_slowlog", "Not in the slow log.";
    11, FAST, "fast", "Constant or logarithmic time.";
    12, NO_AUTH, "no_auth", "Allowed before authentication.";
    13, MAY_REPLICATE, "", "Sends something to replicas though it changes nothing.";
    14, NO_MULTI, "no_multi", "Not inside MULTI.";
    15, MOVABLE_KEYS, "movablekeys", "Keys are found by looking at the arguments.";
    16, ALLOW_BUSY, "allow_busy", "Allowed while a script runs too long.";
    17, NO_ASYNC_LOADING, "no_async_loading", "Not while data is replaced in the background.";
    18, IN_SUBSCRIBED, "", "Allowed in RESP2 while the client has subscriptions.";
    19, NOT_QUEUED, "", "Executed at once even inside MULTI.";
    21, OFF, "", "Of a family that this server does not have: answered as Redis does where it is off.";
    22, IN_STREAM, "", "Part of a stream of changes, though it changes no data.";
    23, NOT_IN_STREAM, "", "Never part of one: what it does is passed on as other commands.";
    24, RUNS_QUEUE, "", "Executes what MULTI has queued, so it may run where all of that may.";
    25, TELLS_DISK_ERROR, "", "Refused as a write is while the disk refuses: whoever asks shall learn of it.";
    26, KEEPS_CACHING, "", "Leaves what CLIENT CACHING said for the command after it.";
    27, NO_MANDATORY_KEYS, "no_mandatory_keys", "May be sent without a key.";
    28, RUNS_SCRIPT, "", "Runs a script, whose own flags count.";
    20, ANY_KEYS, "", "Comes upon keys that are not among its arguments, and may find them expired.";
}

/// How many arguments a command takes, its name included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arity(pub i16);

/// Exactly `n` arguments, the name included.
pub const fn exactly(n: i16) -> Arity {
    Arity(n)
}

/// At least `n` arguments, the name included.
pub const fn at_least(n: i16) -> Arity {
    Arity(-n)
}

impl Arity {
    /// Whether `argc` arguments fit.
    #[inline]
    pub fn fits(self, argc: usize) -> bool {
        if self.0 >= 0 { argc == self.0 as usize } else { argc >= -self.0 as usize }
    }
}

/// Where the keys of a command are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// None.
    None,
    /// From `first` to `last` (negative: counted from the end), every `step`.
    Range {
        /// First position.
        first: i16,
        /// Last position; −1 is the last argument.
        last: i16,
        /// Distance between keys.
        step: i16,
    },
    /// A count at `count`, that many keys after it; before them perhaps a destination at `destination` (0: none).
    Counted {
        /// Position of the destination, 0 if there is none.
        destination: i16,
        /// Position of the count.
        count: i16,
    },
    /// Where the options say: `find` looks at the arguments.
    Found {
        /// Position of the key that is always there; 0 if there is none.
        first: i16,
        /// Finds the positions of all keys.
        find: Finder,
    },
}

/// Finds the positions of a request's keys. `None` if the request makes no sense.
#[derive(Clone, Copy, Debug)]
pub struct Finder(pub fn(Args<'_>) -> Option<Vec<usize>>);

impl PartialEq for Finder {
    fn eq(&self, other: &Finder) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Finder {}

/// One key at `position`.
pub const fn key(position: i16) -> Keys {
    Keys::Range { first: position, last: position, step: 1 }
}

/// Keys from `first` to `last`, every `step`.
pub const fn keys(first: i16, last: i16, step: i16) -> Keys {
    Keys::Range { first, last, step }
}

/// No keys.
pub const NO_KEYS: Keys = Keys::None;

/// Keys after a count.
pub const fn counted(destination: i16, count: i16) -> Keys {
    Keys::Counted { destination, count }
}

/// Keys that `find` finds; the one at `first`, unless that is 0, is always among them.
pub const fn found(first: i16, find: fn(Args<'_>) -> Option<Vec<usize>>) -> Keys {
    Keys::Found { first, find: Finder(find) }
}

impl Keys {
    /// Position of the first key, if it does not depend on the arguments.
    #[inline]
    pub fn first(self) -> Option<usize> {
        match self {
            Keys::None => None,
            Keys::Range { first, .. } => Some(first as usize),
            Keys::Counted { destination: 0, count } => Some(count as usize + 1),
            Keys::Counted { destination, .. } => Some(destination as usize),
            Keys::Found { first, .. } => (first > 0).then_some(first as usize),
        }
    }

    /// Positions of all keys in a request of `argc` arguments. `None` if the count is no good.
    pub fn positions(self, args: Args<'_>) -> Option<Vec<usize>> {
        let argc = args.len() as i64;
        match self {
            Keys::None => Some(Vec::new()),
            Keys::Range { first, last, step } => {
                let last = if last < 0 { argc + last as i64 } else { last as i64 };
                let range = first as i64..=last.min(argc - 1);
                Some(range.step_by(step as usize).map(|at| at as usize).collect())
            }
            Keys::Counted { destination, count } => {
                let n = protocol::number::parse_i64(args.get(count as usize)?)?;
                if n < 1 || n > argc - count as i64 - 1 {
                    return None;
                }
                let first = count as usize + 1;
                let mut all = Vec::new();
                if destination > 0 {
                    all.push(destination as usize);
                }
                all.extend(first..first + n as usize);
                Some(all)
            }
            Keys::Found { find, .. } => (find.0)(args),
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Spec {
    /// Lower-case name; of a subcommand, with its container: `client|kill`.
    pub name: &'static str,
    /// Number of arguments.
    pub arity: Arity,
    /// Properties.
    pub flags: Flags,
    /// Where the keys are.
    pub keys: Keys,
    /// What runs it.
    pub handler: Handler,
    /// Its subcommands; empty for most.
    pub subcommands: &'static [Spec],
    /// What there is to read about it: summary, arguments, since when. Set by the [`Table`].
    pub documented: &'static Grammar,
    /// Its group in COMMAND DOCS. Set by the [`Table`].
    pub group: &'static str,
    /// Its place among all commands and subcommands of the [`Table`]: where its counters are.
    pub index: usize,
}

/// A row without subcommands.
pub const fn cmd(
    name: &'static str,
    arity: Arity,
    flags: Flags,
    keys: Keys,
    handler: Handler,
) -> Spec {
    let (subcommands, documented) = (&[], grammar::NONE);
    Spec { name, arity, flags, keys, handler, subcommands, documented, group: "", index: 0 }
}

impl Spec {
    /// The same row with subcommands.
    pub const fn with(mut self, subcommands: &'static [Spec]) -> Spec {
        self.subcommands = subcommands;
        self
    }

    /// The part of the name after the container's.
    pub fn own_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own)| own)
    }
}

/// All rows by name.
pub struct Table {
    slots: Vec<Slot>,
    all: Vec<&'static Spec>,
    len: usize,
}

const SLOTS: usize = 2048;
/// What the letters of a name may differ in, in each of eight bytes.
const CASES: u64 = 0x2020_2020_2020_2020;

/// A place in the table.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// [`head_of`] the name.
    head: u64,
    /// The bits in which another spelling may differ: where its letters are.
    cases: u64,
    spec: Option<&'static Spec>,
}

/// The first eight bytes of a name; of a shorter one all its bytes, some of them twice.
#[inline]
fn head_of(name: &[u8]) -> u64 {
    let four = |at: usize| u64::from(u32::from_le_bytes(std::array::from_fn(|i| name[at + i])));
    match name.len() {
        8.. => u64::from_le_bytes(std::array::from_fn(|at| name[at])),
        len @ 4..=7 => four(0) | four(len - 4) << 32,
        0 => 0,
        len => u64::from(name[0]) | u64::from(name[len / 2]) << 8 | u64::from(name[len - 1]) << 16,
    }
}

/// A hash of a name that ignores letter case.
#[inline]
fn slot_of(head: u64, name: &[u8]) -> usize {
    let last = u64::from(*name.last().unwrap_or(&0) | 0x20);
    let middle = u64::from(name.get(name.len() / 2 + 1).copied().unwrap_or(0) | 0x20);
    let mixed = (head | CASES) ^ (last << 48) ^ (middle << 33) ^ ((name.len() as u64) << 58);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % SLOTS
}

impl Table {
    /// The table of these rows.
    ///
    /// # Panics
    /// If a name is there twice, or is not documented.
    pub fn build(families: &[&'static [Spec]]) -> Table {
        let mut table = Table { slots: vec![Slot::default(); SLOTS], all: Vec::new(), len: 0 };
        for row in families.iter().flat_map(|family| family.iter()) {
            assert!(table.find(row.name.as_bytes()).is_none(), "{} is there twice", row.name);
            // It lives as long as the process.
            let spec: &'static Spec = Box::leak(Box::new(table.complete(row)));
            let name = spec.name.as_bytes();
            let head = head_of(name);
            let mut at = slot_of(head, name);
            while table.slots[at].spec.is_some() {
                at = (at + 1) % SLOTS;
            }
            // As letters: small and large ones differ in these bits, and nothing else is allowed to.
            let large = head_of(spec.name.to_ascii_uppercase().as_bytes());
            table.slots[at] = Slot { head, cases: head ^ large, spec: Some(spec) };
            table.all.push(spec);
        }
        table
    }

    /// A copy of a row and of its subcommands', with their documentation and their indexes.
    fn complete(&mut self, row: &Spec) -> Spec {
        let index = self.len;
        self.len += 1;
        let Some((group, documented)) = grammar::find_in_group(row.name) else {
            panic!("{} is not documented", row.name);
        };
        let rows = row.subcommands.iter();
        let subcommands = Vec::leak(rows.map(|sub| self.complete(sub)).collect());
        Spec { index, subcommands, documented, group, ..*row }
    }

    /// How many commands and subcommands there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The command of this name, in any letter case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        let head = head_of(name);
        let mut at = slot_of(head, name);
        while let Slot { head: other, cases, spec: Some(spec) } = self.slots[at] {
            let is_it = (head ^ other) & !cases == 0
                && spec.name.len() == name.len()
                && (name.len() <= 8 || spec.name.as_bytes()[8..].eq_ignore_ascii_case(&name[8..]));
            if is_it {
                return Some(spec);
            }
            at = (at + 1) % SLOTS;
        }
        None
    }

    /// All commands, each with its subcommands behind it.
    pub fn with_subcommands(&self) -> impl Iterator<Item = &'static Spec> {
        self.all.iter().flat_map(|spec| [*spec].into_iter().chain(spec.subcommands))
    }

    /// The lower-case name of a command that Redis has and this table has not.
    #[cold]
    pub fn missing(&self, name: &str) -> Option<&'static str> {
        let known = grammar::find(&name.to_ascii_lowercase())?.name;
        let is_there = self.all.iter().any(|spec| spec.documented.name == known);
        (!is_there && !known.contains('|')).then_some(known)
    }

    /// All commands, family by family.
    pub fn all(&self) -> &[&'static Spec] {
        &self.all
    }
}

/// The subcommand that a request for `spec` names, the command itself if it has none.
pub fn subcommand(spec: &'static Spec, args: Args<'_>) -> Option<&'static Spec> {
    if spec.subcommands.is_empty() {
        return Some(spec);
    }
    let Some(name) = args.get(1) else { return Some(spec) };
    spec.subcommands.iter().find(|sub| sub.own_name().as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::table;

    #[test]
    fn a_command_is_found_by_its_name_in_any_letters_and_by_nothing_else() {
        for spec in table().all() {
            let name = spec.name.as_bytes();
            let mut mixed = name.to_ascii_uppercase();
            mixed.iter_mut().step_by(2).for_each(u8::make_ascii_lowercase);
            for spelled in [name.to_vec(), name.to_ascii_uppercase(), mixed] {
                assert_eq!(table().find(&spelled).map(|found| found.name), Some(spec.name));
                // One bit, one byte less or more.
                for at in 0..spelled.len() {
                    for bit in 0..8 {
                        let mut other = spelled.clone();
                        other[at] ^= 1 << bit;
                        let there = table().all().iter();
                        let there = there
                            .map(|spec| spec.name)
                            .find(|name| name.as_bytes().eq_ignore_ascii_case(&other));
                        assert_eq!(
                            table().find(&other).map(|found| found.name),
                            there,
                            "{other:?}"
                        );
                    }
                }
                let longer = [&spelled[..], b"x"].concat();
                for other in [&longer[..], &spelled[1..], &spelled[..spelled.len() - 1]] {
                    let there = table().all().iter();
                    let there = there
                        .map(|spec| spec.name)
                        .find(|name| name.as_bytes().eq_ignore_ascii_case(other));
                    assert_eq!(table().find(other).map(|found| found.name), there, "{other:?}");
                }
            }
        }
        assert!(table().find(b"").is_none());
    }

    #[test]
    fn rows_make_sense() {
        for spec in table().with_subcommands() {
            assert!(
                !spec.flags.has(READ) || !spec.flags.has(WRITE),
                "{}: reads or writes",
                spec.name
            );
            assert_eq!(spec.name, spec.name.to_lowercase());
            assert!(!spec.documented.summary.is_empty(), "{}", spec.name);
            if let Keys::Range { first, last, step } = spec.keys {
                assert!(first > 0 && step > 0, "{}", spec.name);
                let least = spec.arity.0.abs();
                assert!(first < least && last < least, "{}: keys are inside its arity", spec.name);
            }
            let has_no_keys = ["server", "scripting"].contains(&spec.group);
            if spec.flags.has(WRITE) && !has_no_keys && spec.name != "swapdb" {
                assert_ne!(spec.keys, Keys::None, "{} writes somewhere", spec.name);
            }
        }
    }

    #[test]
    fn names_are_found_in_any_letter_case() {
        assert_eq!(table().find(b"GeT").map(|s| s.name), Some("get"));
        assert!(table().find(b"ge").is_none() && table().find(b"").is_none());
    }
}
