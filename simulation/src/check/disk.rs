//! Which entries are on a machine's disk: found in the files themselves, in what has lasted of them.
//!
//! # Invariants
//! - each byte that lasts is looked at once, as long as its file only grows

use crate::disk::Disk;
use crate::entry::{Entry, Log};
use std::collections::BTreeMap;

/// Which entries are on a disk.
#[derive(Debug, Default)]
pub struct OnDisk {
    /// Up to where each file was looked at.
    searched: BTreeMap<u64, usize>,
    /// The newest entry of each log that was ever found: its epoch and number.
    newest: BTreeMap<Log, (u64, u64)>,
}

/// Bytes at the end of what was searched that may be half an entry.
const HALF: usize = 64;

impl OnDisk {
    /// Looks at what is on disk now.
    pub fn look(&mut self, disk: &Disk) {
        let Self { searched, newest } = self;
        disk.lasting(&mut |inode, bytes| {
            let upto = searched.entry(inode).or_default();
            if bytes.len() < *upto {
                *upto = 0;
            }
            let from = upto.saturating_sub(HALF);
            if bytes.len() > *upto {
                Entry::find(&bytes[from..], |entry, _| {
                    let known = newest.entry(entry.log).or_default();
                    *known = (*known).max((entry.epoch, entry.number));
                });
            }
            *upto = bytes.len();
        });
    }

    /// Its files may have been cut or repaired: all of them are looked at again.
    pub fn begin_again(&mut self) {
        self.searched.clear();
    }

    /// Whether an entry was found.
    pub fn has(&self, entry: Entry) -> bool {
        let newest = self.newest.get(&entry.log).copied();
        newest.is_some_and(|newest| newest >= (entry.epoch, entry.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::Path;

    #[test]
    fn an_entry_is_on_disk_when_it_was_fsynced_and_not_before() {
        let (disk, mut seen) = (Disk::new(1), OnDisk::default());
        let entry = |number| Entry { log: Log { client: 0, which: 0 }, number, epoch: 1 };
        let mut file = disk.files().create(Path::new("f")).expect("a file");
        for number in 0..3 {
            write!(file, "x{}", entry(number)).expect("written");
            seen.look(&disk);
            assert!(!seen.has(entry(number)), "it is in the cache alone");
            file.sync_all().expect("fsynced");
            seen.look(&disk);
            assert!(seen.has(entry(number)) && !seen.has(entry(number + 1)));
        }
    }
}
