//! The names under which clients find commands (`rename-command`).
//!
//! A command's own name is that of its row. Renaming changes what clients have to type, and nothing else: before a request
//! is executed it gets the command's own name back, so handlers, queues, files and replicas see that one. A file or a stream
//! that was written under new names (by Redis, which passes on what was typed) is understood as long as the same names are
//! configured.
//!
//! # Invariants
//! - without `rename-command` there is none of this: requests are looked up in the table
//!
//! # Not here
//! - the command that a request means: [`crate::lookup`]
//!
//! # Source
//! - rules and errors: Redis 7.2

use crate::command::{Spec, Table};
use std::cmp::Ordering;

/// What a client may type.
#[derive(Clone)]
pub struct Names {
    /// Each with its command; by name, in any letter case.
    known: Vec<(Vec<u8>, &'static Spec)>,
    table: &'static Table,
}

/// What a renaming did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renamed {
    /// It is in force.
    InForce,
    /// Redis has the command and this version has not: there is nothing to rename.
    NotThere,
}

fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names =
            self.known.iter().map(|(name, spec)| (name.escape_ascii().to_string(), spec.name));
        f.debug_map().entries(names).finish()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        let own = |names: &Names| -> Vec<(Vec<u8>, &'static str)> {
            names.known.iter().map(|(name, spec)| (name.clone(), spec.name)).collect()
        };
        own(self) == own(other)
    }
}

impl Names {
    /// Every command of a table under its own name.
    pub fn of(table: &'static Table) -> Names {
        let own = |spec: &&'static Spec| (spec.name.as_bytes().to_vec(), *spec);
        let mut known: Vec<_> = table.all().iter().map(own).collect();
        known.sort_unstable_by(|(a, _), (b, _)| order(a, b));
        Names { known, table }
    }

    /// The commands that clients can find.
    pub fn commands(&self) -> impl Iterator<Item = &'static Spec> {
        self.known.iter().map(|(_, spec)| *spec)
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.known.binary_search_by(|(known, _)| order(known, name))
    }

    /// The command that clients mean by a name.
    pub fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        self.place(name).ok().map(|at| self.known[at].1)
    }

    /// Lets clients find a command under `new` only, or not at all if that is empty.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<Renamed, &'static str> {
        let Ok(at) = self.place(old) else {
            let name = String::from_utf8_lossy(old);
            return match self.table.missing(&name) {
                Some(_) => Ok(Renamed::NotThere),
                None => Err("No such command in rename-command"),
            };
        };
        let (_, spec) = self.known.remove(at);
        if new.is_empty() {
            return Ok(Renamed::InForce);
        }
        match self.place(new) {
            Ok(_) => Err("Target command name already exists"),
            Err(at) => {
                self.known.insert(at, (new.to_vec(), spec));
                Ok(Renamed::InForce)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_one_after_the_other() {
        let mut names = Names::of(crate::family::table());
        assert_eq!(names.find(b"GeT").map(|spec| spec.name), Some("get"));
        assert_eq!(names.rename(b"GET", b"Fetch"), Ok(Renamed::InForce));
        assert_eq!(names.find(b"FETCH").map(|spec| spec.name), Some("get"));
        assert!(names.find(b"get").is_none());
        // Now the name is free for another, and the command is known by its new one.
        assert_eq!(names.rename(b"set", b"get"), Ok(Renamed::InForce));
        assert_eq!(names.find(b"get").map(|spec| spec.name), Some("set"));
        assert_eq!(names.rename(b"fetch", b"set"), Ok(Renamed::InForce));
        assert_eq!(names.rename(b"set", b""), Ok(Renamed::InForce));
        assert!(names.find(b"set").is_none());
        assert_eq!(names.rename(b"del", b"DEL"), Ok(Renamed::InForce), "its own name is free");
    }

    #[test]
    fn what_cannot_be_renamed_is_said_in_the_words_of_redis() {
        let mut names = Names::of(crate::family::table());
        let missing = Err("No such command in rename-command");
        for name in ["nonsense", "config|get", "", "get "] {
            assert_eq!(names.rename(name.as_bytes(), b"x"), missing, "{name}");
        }
        assert_eq!(names.rename(b"get", b"SET"), Err("Target command name already exists"));
        assert_eq!(names.rename(b"flushall", b""), Ok(Renamed::InForce));
        assert_eq!(names.rename(b"flushall", b""), missing, "it is gone already");
    }
}
