//! The names of files: as a process sees them, and what of them is on disk.
//!
//! ```text
//! disk ── change ── change ── … ── change ──► cache
//!         ╰─ fsync of a directory: up to the last one in it, all in order
//!         ╰─ power cut: up to any one behind that
//! ```
//!
//! # Invariants
//! - what is on disk is what there was after some number of changes: a rename is one change, and so is never half done

use crate::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

/// Which file or directory.
pub(super) type Inode = u64;

/// The directory that paths begin in.
pub(super) const ROOT: Inode = 1;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) directory: Inode,
    pub(super) name: OsString,
}

#[derive(Clone, Debug)]
enum Change {
    Add { place: Place, inode: Inode, is_directory: bool },
    Remove { place: Place },
    Rename { source: Place, target: Place },
}

impl Change {
    fn touches(&self, directory: Inode) -> bool {
        match self {
            Change::Add { place, .. } | Change::Remove { place } => place.directory == directory,
            Change::Rename { source, target } => {
                source.directory == directory || target.directory == directory
            }
        }
    }
}

/// Directories with their names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tree(BTreeMap<Inode, BTreeMap<OsString, Inode>>);

impl Tree {
    fn names(&mut self, directory: Inode) -> &mut BTreeMap<OsString, Inode> {
        self.0.get_mut(&directory).expect("changes come in order, so the directory is there")
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Add { place, inode, is_directory } => {
                self.names(place.directory).insert(place.name.clone(), *inode);
                if *is_directory {
                    self.0.insert(*inode, BTreeMap::new());
                }
            }
            Change::Remove { place } => {
                let removed = self.names(place.directory).remove(&place.name);
                self.0.remove(&removed.expect("what is removed was there"));
            }
            Change::Rename { source, target } => {
                let inode = self.names(source.directory).remove(&source.name);
                let inode = inode.expect("what is renamed was there");
                let replaced = self.names(target.directory).insert(target.name.clone(), inode);
                if let Some(replaced) = replaced.filter(|replaced| *replaced != inode) {
                    self.0.remove(&replaced);
                }
            }
        }
    }

    fn inodes(&self) -> impl Iterator<Item = Inode> {
        self.0.values().flat_map(|names| names.values().copied())
    }
}

/// All names of a file system.
#[derive(Debug)]
pub(super) struct Names {
    cache: Tree,
    disk: Tree,
    changes: Vec<Change>,
}

impl Names {
    pub(super) fn new() -> Self {
        let empty = Tree(BTreeMap::from([(ROOT, BTreeMap::new())]));
        Self { cache: empty.clone(), disk: empty, changes: Vec::new() }
    }

    /// Where a path leads: its last name, in its directory, which is there. `None` is the root.
    pub(super) fn place(&self, path: &Path) -> io::Result<Option<Place>> {
        let mut names: Vec<&OsStr> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::ParentDir => drop(names.pop()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        let Some(last) = names.pop() else { return Ok(None) };
        let mut directory = ROOT;
        for name in names {
            let entries = self.cache.0.get(&directory).ok_or(io::ErrorKind::NotADirectory)?;
            directory = *entries.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        self.cache.0.get(&directory).ok_or(io::ErrorKind::NotADirectory)?;
        Ok(Some(Place { directory, name: last.to_os_string() }))
    }

    /// What has a name.
    pub(super) fn at(&self, place: &Place) -> Option<Inode> {
        self.cache.0.get(&place.directory)?.get(&place.name).copied()
    }

    /// What a path leads to.
    pub(super) fn find(&self, path: &Path) -> io::Result<Inode> {
        match self.place(path)? {
            None => Ok(ROOT),
            Some(place) => self.at(&place).ok_or(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn is_directory(&self, inode: Inode) -> bool {
        self.cache.0.contains_key(&inode)
    }

    /// The names in a directory; an error if it is none.
    pub(super) fn list(&self, directory: Inode) -> io::Result<Vec<OsString>> {
        let names = self.cache.0.get(&directory).ok_or(io::ErrorKind::NotADirectory)?;
        Ok(names.keys().cloned().collect())
    }

    pub(super) fn add(&mut self, place: Place, inode: Inode, is_directory: bool) {
        self.change(Change::Add { place, inode, is_directory });
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.change(Change::Remove { place });
    }

    pub(super) fn rename(&mut self, source: Place, target: Place) {
        self.change(Change::Rename { source, target });
    }

    fn change(&mut self, change: Change) {
        self.cache.apply(&change);
        self.changes.push(change);
    }

    /// Whether a directory is inside of another one, or the same.
    pub(super) fn is_inside(&self, directory: Inode, of: Inode) -> bool {
        let below = self.cache.0.get(&of);
        directory == of
            || below
                .is_some_and(|names| names.values().any(|inner| self.is_inside(directory, *inner)))
    }

    /// What was changed in a directory lasts, and so does all before it.
    pub(super) fn sync(&mut self, directory: Inode) {
        let last = self.changes.iter().rposition(|change| change.touches(directory));
        self.write_first(last.map_or(0, |last| last + 1));
    }

    fn write_first(&mut self, count: usize) {
        for change in self.changes.drain(..count) {
            self.disk.apply(&change);
        }
    }

    /// The power has gone and come back.
    pub(super) fn cut_power(&mut self, chance: &mut Chance) {
        let count = match chance.below(4) {
            0 => 0,
            1 => self.changes.len(),
            _ => chance.index(self.changes.len() + 1),
        };
        self.write_first(count);
        self.changes.clear();
        self.cache = self.disk.clone();
    }

    /// What has a name now.
    pub(super) fn seen(&self) -> BTreeSet<Inode> {
        self.cache.inodes().chain([ROOT]).collect()
    }

    /// What has a name now, or may have one after a power cut.
    pub(super) fn possible(&self) -> BTreeSet<Inode> {
        let added = self.changes.iter().filter_map(|change| match change {
            Change::Add { inode, .. } => Some(*inode),
            _ => None,
        });
        self.seen().into_iter().chain(self.disk.inodes()).chain(added).collect()
    }
}
