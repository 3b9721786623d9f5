//! Tests of all rows at once, and of one row against what is known of it.

use super::key_spec::{ACCESS, Begin, Find, NOT_KEY, RW, UPDATE, VARIABLE_FLAGS, flag_names};
use super::syntax::Argument;
use super::syntax::Kind;
use super::*;
use std::collections::{BTreeSet, HashSet};

fn all() -> impl Iterator<Item = &'static Grammar> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter())
}

fn version(text: &str) -> Vec<u32> {
    let parts = text.split('.').map(|part| part.parse().expect("a number"));
    let parts: Vec<u32> = parts.collect();
    assert_eq!(parts.len(), 3, "{text}");
    parts
}

#[test]
fn rows_are_in_order_of_name_and_none_is_there_twice() {
    for (group, rows) in GROUPS {
        assert!(rows.is_sorted_by(|a, b| a.name < b.name), "{group}");
    }
    let names: HashSet<_> = all().map(|row| row.name).collect();
    assert_eq!(names.len(), all().count());
    for row in all() {
        assert_eq!(row.name, row.name.to_lowercase());
        if let Some((container, _)) = row.name.split_once('|') {
            let container = find(container).unwrap_or_else(|| panic!("{}: no container", row.name));
            assert!(container.syntax.is_empty() && container.keys.is_empty(), "{}", row.name);
        }
    }
}

#[test]
fn rows_are_found_by_their_whole_name() {
    for name in ["acl", "client|kill", "set", "zunionstore"] {
        assert_eq!(find(name).map(|row| row.name), Some(name));
    }
    assert!(find("").is_none() && find("client|").is_none() && find("SET").is_none());
}

#[test]
fn versions_are_in_order() {
    for row in all() {
        let history: Vec<_> = row.history.iter().map(|(when, _)| version(when)).collect();
        assert!(history.is_sorted(), "{}", row.name);
        assert!(row.history.iter().all(|(_, what)| !what.is_empty()), "{}", row.name);
        if let Some((when, instead)) = row.deprecated {
            assert!(version(when) >= version(row.since) && !instead.is_empty(), "{}", row.name);
        }
    }
}

/// Key specifications that an argument or those in it refer to.
fn used_specs(argument: &Argument<'_>, used: &mut BTreeSet<usize>) {
    used.extend(argument.key_spec_index);
    argument.children.iter().for_each(|child| used_specs(child, used));
}

#[test]
fn arguments_use_all_key_specifications() {
    for row in all() {
        let mut used = BTreeSet::new();
        row.arguments().iter().for_each(|argument| used_specs(argument, &mut used));
        // Shard channels are routed as keys, but no argument is one.
        let keys =
            if row.keys.iter().any(|spec| spec.flags & NOT_KEY != 0) { 0 } else { row.keys.len() };
        assert!(used.into_iter().eq(0..keys), "{}", row.name);
    }
}

/// The least number of words that an argument takes if it is there.
fn least_words(argument: &Argument<'_>) -> usize {
    let needed = |child: &Argument<'_>| if child.optional { 0 } else { least_words(child) };
    let children = argument.children.iter().map(needed);
    let value: usize = match argument.kind {
        Kind::PureToken => 0,
        Kind::OneOf => children.min().expect("a choice has children"),
        Kind::Block => children.sum(),
        _ => 1,
    };
    value + argument.token.is_some() as usize
}

/// Whether an argument may take more words than the least.
fn varies(argument: &Argument<'_>) -> bool {
    let words = || argument.children.iter().map(least_words);
    argument.optional
        || argument.multiple
        || argument.children.iter().any(varies)
        || (argument.kind == Kind::OneOf && words().min() != words().max())
}

#[test]
fn the_arity_follows_from_the_arguments() {
    // Redis asks these for another number of arguments than it documents.
    let exceptions = ["client|kill", "debug", "psync", "quit", "replconf"];
    for spec in crate::family::table().with_subcommands() {
        let row = spec.documented;
        let of_container = format!("{}|", row.name);
        if exceptions.contains(&row.name)
            || all().any(|other| other.name.starts_with(&of_container))
        {
            continue;
        }
        let arguments = row.arguments();
        let needed = |argument: &&Argument<'_>| !argument.optional;
        let words: usize = arguments.iter().filter(needed).map(least_words).sum();
        let least = row.name.split('|').count() + words;
        assert_eq!(spec.arity.0.unsigned_abs() as usize, least, "{}", row.name);
        assert_eq!(spec.arity.0 < 0, arguments.iter().any(varies), "{}", row.name);
    }
}

#[test]
fn set_is_what_its_documentation_says() {
    let set = find("set").expect("SET");
    let names: Vec<_> = flag_names(set.keys[0].flags).collect();
    assert_eq!(names, ["RW", "access", "update", "variable_flags"]);
    assert_eq!(set.keys[0].flags, RW | ACCESS | UPDATE | VARIABLE_FLAGS);
    assert_eq!(set.keys[0].begin, Begin::Index(1));
    assert_eq!(set.keys[0].find, Find::Range { last: 0, step: 1, limit: 0 });

    let arguments = set.arguments();
    let names: Vec<_> = arguments.iter().map(|argument| &*argument.name).collect();
    assert_eq!(names, ["key", "value", "condition", "get", "expiration"]);
    let get = &arguments[3];
    assert_eq!((get.kind.name(), get.token, get.since), ("pure-token", Some("GET"), Some("6.2.0")));
    let expiration: Vec<_> = arguments[4]
        .children
        .iter()
        .map(|choice| (&*choice.name, choice.kind, choice.token, choice.since))
        .collect();
    let expected = [
        ("seconds", Kind::Integer, Some("EX"), Some("2.6.12")),
        ("milliseconds", Kind::Integer, Some("PX"), Some("2.6.12")),
        ("unix-time-seconds", Kind::UnixTime, Some("EXAT"), Some("6.2.0")),
        ("unix-time-milliseconds", Kind::UnixTime, Some("PXAT"), Some("6.2.0")),
        ("keepttl", Kind::PureToken, Some("KEEPTTL"), Some("6.0.0")),
    ];
    assert_eq!(expiration, expected);
}
