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
//! # Source
//! - rules and errors: Redis 7.2

use crate::command::{self, Spec, table};

use crate::engine::Engine;
use crate::session::Session;
use protocol::resp::Args;
use protocol::resp::request::OwnedArgs;
use std::cmp::Ordering;

/// What a client may type, each with its command; by name, in any letter case.
#[derive(Clone)]
pub struct Names(Vec<(Vec<u8>, &'static Spec)>);

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

impl Default for Names {
    /// Every command under its own name.
    fn default() -> Names {
        let own = |spec: &&'static Spec| (spec.name.as_bytes().to_vec(), *spec);
        let mut all: Vec<_> = table().all().iter().map(own).collect();
        all.sort_unstable_by(|(a, _), (b, _)| order(a, b));
        Names(all)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|(name, spec)| (name.escape_ascii().to_string(), spec.name));
        f.debug_map().entries(names).finish()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        let own = |names: &Names| -> Vec<(Vec<u8>, &'static str)> {
            names.0.iter().map(|(name, spec)| (name.clone(), spec.name)).collect()
        };
        own(self) == own(other)
    }
}

impl Names {
    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| order(known, name))
    }

    /// The command that clients mean by a name.
    pub fn find(&self, name: &[u8]) -> Option<&'static Spec> {
        self.place(name).ok().map(|at| self.0[at].1)
    }

    /// Lets clients find a command under `new` only, or not at all if that is empty.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> Result<Renamed, &'static str> {
        let Ok(at) = self.place(old) else {
            let name = String::from_utf8_lossy(old);
            return match command::missing(&name) {
                Some(_) => Ok(Renamed::NotThere),
                None => Err("No such command in rename-command"),
            };
        };
        let (_, spec) = self.0.remove(at);
        if new.is_empty() {
            return Ok(Renamed::InForce);
        }
        match self.place(new) {
            Ok(_) => Err("Target command name already exists"),
            Err(at) => {
                self.0.insert(at, (new.to_vec(), spec));
                Ok(Renamed::InForce)
            }
        }
    }
}

impl Engine {
    /// The command that clients mean by a name.
    pub fn find_command(&self, name: &[u8]) -> Option<&'static Spec> {
        match &self.names {
            None => table().find(name),
            Some(names) => names.find(name),
        }
    }

    /// All commands that clients can find.
    pub fn commands(&self) -> Vec<&'static Spec> {
        match &self.names {
            None => table().all().to_vec(),
            Some(names) => names.0.iter().map(|(_, spec)| *spec).collect(),
        }
    }

    /// The command that a session means: a file and our primary say its own name first of all.
    #[inline]
    pub(crate) fn command_for(&self, session: &Session, name: &[u8]) -> Option<&'static Spec> {
        let Some(names) = &self.names else { return table().find(name) };
        let own = if session.is_trusted() { table().find(name) } else { None };
        own.or_else(|| names.find(name))
    }

    /// The request under the command's own name, if it came under another.
    #[cold]
    pub(crate) fn under_own_name(spec: &Spec, args: Args<'_>) -> Option<OwnedArgs> {
        if args.at(0).eq_ignore_ascii_case(spec.name.as_bytes()) {
            return None;
        }
        let own = std::iter::once(spec.name.as_bytes());
        Some(OwnedArgs::of(own.chain(args.iter_from(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_one_after_the_other() {
        let mut names = Names::default();
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
        let mut names = Names::default();
        let missing = Err("No such command in rename-command");
        for name in ["nonsense", "config|get", "", "get "] {
            assert_eq!(names.rename(name.as_bytes(), b"x"), missing, "{name}");
        }
        assert_eq!(names.rename(b"get", b"SET"), Err("Target command name already exists"));
        assert_eq!(names.rename(b"flushall", b""), Ok(Renamed::InForce));
        assert_eq!(names.rename(b"flushall", b""), missing, "it is gone already");
    }
}
