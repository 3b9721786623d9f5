//! Key specifications: where the keys of a command are, and what is done with them.
//!
//! One specification finds one run of keys in two steps: `begin` finds an argument, `find` counts the keys from there.
//! Cluster clients route by them, ACLs permit by their flags; so each says what its command really does with its keys,
//! at worst.
//!
//! # Source
//! - documentation of Redis, "Command key specifications"

/// One run of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// What is done with the keys.
    pub flags: KeyFlags,
    /// The first argument to look at.
    pub begin: Begin,
    /// The keys from there.
    pub find: Find,
    /// What the flags do not say; mostly empty.
    pub note: &'static str,
}

/// How the first argument of a specification is found. Position 0 is the name of the command, and a subcommand's own
/// name is position 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// By its position.
    Index(i16),
    /// After a word, in any letter case.
    Keyword {
        /// The word.
        word: &'static str,
        /// Where the search starts; negative: from the end, and towards the front.
        from: i16,
    },
    /// Not by a rule: only the command's own code knows.
    Unknown,
}

/// How the keys are found, given the first argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// A range that starts with it.
    Range {
        /// The last key, counted from the first; negative: from the end of the arguments, −1 being the last.
        last: i16,
        /// Distance between keys.
        step: i16,
        /// With a `last` of −1: the keys are in the first `1/limit` of what is left; 0 and 1 are no limit.
        limit: i16,
    },
    /// A count among the arguments. Both positions are counted from the first argument.
    Count {
        /// Position of the count.
        at: i16,
        /// Position of the first key.
        first: i16,
        /// Distance between keys.
        step: i16,
    },
    /// Not by a rule.
    Unknown,
}

/// What is done with keys, a bit each.
pub type KeyFlags = u16;

macro_rules! key_flags {
    ($($bit:expr, $name:ident, $text:expr, $doc:expr;)*) => {
        $(#[doc = $doc] pub const $name: KeyFlags = 1 << $bit;)*
        /// Each flag with its name in COMMAND INFO, in the order in which that lists them.
        pub const KEY_FLAG_NAMES: &[(KeyFlags, &str)] = &[$(($name, $text)),*];
    };
}

key_flags! {
    0, RO, "RO", "Reads the value or something about it.";
    1, RW, "RW", "Changes the value, or what belongs to it, in place.";
    2, OW, "OW", "Replaces the value without looking at it.";
    3, RM, "RM", "Removes the key.";
    4, ACCESS, "access", "Data of the value reaches the reply or another key.";
    5, UPDATE, "update", "Data of the value may change.";
    6, INSERT, "insert", "Data is only added.";
    7, DELETE, "delete", "Data is only removed.";
    8, NOT_KEY, "not_key", "No key, but treated as one by those who route requests.";
    9, INCOMPLETE, "incomplete", "There may be keys that the specification does not find.";
    10, VARIABLE_FLAGS, "variable_flags", "The flags are the worst case.";
}

/// The names of those that are set, in the order of COMMAND INFO.
pub fn flag_names(flags: KeyFlags) -> impl Iterator<Item = &'static str> {
    KEY_FLAG_NAMES.iter().filter(move |(flag, _)| flags & flag != 0).map(|(_, name)| *name)
}

impl KeySpec {
    pub(super) const fn note(mut self, note: &'static str) -> KeySpec {
        self.note = note;
        self
    }
}

/// One key at `position`.
pub(super) const fn one(flags: KeyFlags, position: i16) -> KeySpec {
    range(flags, position, 0, 1)
}

/// The key at `position` and every `step`-th after it up to `last`.
pub(super) const fn range(flags: KeyFlags, position: i16, last: i16, step: i16) -> KeySpec {
    let find = Find::Range { last, step, limit: 0 };
    KeySpec { flags, begin: Begin::Index(position), find, note: "" }
}

/// A count at `position`, and that many keys after it.
pub(super) const fn counted(flags: KeyFlags, position: i16) -> KeySpec {
    let find = Find::Count { at: 0, first: 1, step: 1 };
    KeySpec { flags, begin: Begin::Index(position), find, note: "" }
}

/// The keys after `word`, which is looked for from `from`, up to `last`.
pub(super) const fn after(
    flags: KeyFlags,
    word: &'static str,
    from: i16,
    last: i16,
    limit: i16,
) -> KeySpec {
    let begin = Begin::Keyword { word, from };
    KeySpec { flags, begin, find: Find::Range { last, step: 1, limit }, note: "" }
}

/// Keys that no rule finds.
pub(super) const fn unknown(flags: KeyFlags) -> KeySpec {
    KeySpec { flags, begin: Begin::Unknown, find: Find::Unknown, note: "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_command_info() {
        let names: Vec<_> = flag_names(VARIABLE_FLAGS | UPDATE | ACCESS | RW).collect();
        assert_eq!(names, ["RW", "access", "update", "variable_flags"]);
        assert_eq!(flag_names(0).count(), 0);
    }
}
