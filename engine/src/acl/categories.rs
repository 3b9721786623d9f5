//! Categories of commands: those that are written down with a command, and those that follow from its flags.

use crate::command::{ADMIN, BLOCKING, FAST, Flags, HasFlags, PUBSUB, READ, Spec, Table, WRITE};

/// All of them, in the order in which ACL CAT lists them. Source: Redis 7.2.
pub const NAMES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

const IMPLIED: &[(Flags, &str)] = &[
    (WRITE, "write"),
    (READ, "read"),
    (ADMIN, "admin"),
    (ADMIN, "dangerous"),
    (PUBSUB, "pubsub"),
    (FAST, "fast"),
    (BLOCKING, "blocking"),
];

/// The category of this name, in any letter case.
pub fn find(name: &[u8]) -> Option<&'static str> {
    NAMES.iter().copied().find(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether a command is in a category.
pub fn is_in(spec: &Spec, category: &str) -> bool {
    if spec.documented.categories.contains(&category) {
        return true;
    }
    // Scripts that only read are not to come with the permission to read.
    if category == "read" && spec.documented.categories.contains(&"scripting") {
        return false;
    }
    (category == "slow" && !spec.flags.has(FAST))
        || IMPLIED.iter().any(|(flag, name)| *name == category && spec.flags.has(*flag))
}

/// The categories of a command.
pub fn of(spec: &Spec) -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied().filter(|name| is_in(spec, name))
}

/// The commands and subcommands of a category.
pub fn commands<'t>(
    table: &'t Table,
    category: &'static str,
) -> impl Iterator<Item = &'static Spec> + 't {
    table.with_subcommands().filter(move |spec| is_in(spec, category))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::table;

    #[test]
    fn every_command_is_fast_or_slow_and_in_known_categories() {
        for spec in table().with_subcommands() {
            assert!(is_in(spec, "fast") != is_in(spec, "slow"), "{}", spec.name);
            for name in spec.documented.categories {
                assert!(NAMES.contains(name), "{}: {name}", spec.name);
            }
        }
    }

    #[test]
    fn what_is_implied_is_not_written_down_twice() {
        let get = table().find(b"get").expect("it is there");
        assert_eq!(of(get).collect::<Vec<_>>(), ["read", "string", "fast"]);
        let config = table().find(b"config").expect("it is there");
        let set = config.subcommands.iter().find(|sub| sub.name == "config|set");
        let set: Vec<_> = of(set.expect("it is there")).collect();
        assert_eq!(set, ["admin", "slow", "dangerous"]);
        assert_eq!(find(b"KeySpace"), Some("keyspace"));
        assert_eq!(find(b"all"), None);
    }
}
