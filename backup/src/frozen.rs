//! What a child would write, kept in memory: for a world that has no processes to fork.
//!
//! A fork freezes the data for the price of page tables, and the child writes them out meanwhile. Where there is no process
//! the data are serialized at that moment, and saved when the child would have come to its end: under the same names and by the
//! same steps.
//!
//! # Not here
//! - children: [`crate::fork`]; the steps of saving: [`crate::snapshot`], [`crate::files`]

use crate::aof::{BaseForm, BaseJob, write_commands};
use crate::files::{FileError, Files, KeepRule, Replaced, parent};
use crate::fork::{rewrite_names, temporary_name};
use crate::snapshot::{SaveOptions, SnapshotMeta, save_and, write_snapshot};
use keyspace::db::Db;
use protocol::rdb::Sink;
use std::convert::Infallible;
use std::path::Path;

/// A snapshot, or the base of an append-only file.
#[derive(Clone, Debug)]
pub struct Frozen(Vec<u8>);

fn infallible<T>(result: Result<T, Infallible>) {
    match result {
        Ok(_) => {}
        Err(never) => match never {},
    }
}

impl Frozen {
    /// A snapshot of these data.
    pub fn snapshot(dbs: &[Db], meta: &SnapshotMeta, options: SaveOptions) -> Self {
        let mut bytes = Vec::new();
        infallible(write_snapshot(&mut bytes, dbs, meta, options, &mut |_| ()));
        Self(bytes)
    }

    /// The base of an append-only file.
    pub fn base(job: BaseJob<'_>) -> Self {
        let BaseJob { dbs, meta, options, form } = job;
        match form {
            BaseForm::Snapshot => Self::snapshot(dbs, meta, options),
            BaseForm::Commands { timestamp_s } => {
                let (mut bytes, data) = (Vec::new(), (dbs, meta));
                let ignore = &mut |_| ();
                infallible(write_commands(&mut bytes, data, options, timestamp_s, ignore));
                Self(bytes)
            }
        }
    }

    /// What is to be written.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Saves it as the snapshot `target`, as the child with this process number does.
    pub fn save_snapshot(
        &self,
        files: &Files,
        target: &Path,
        rule: &KeepRule,
        pid: i32,
    ) -> Result<Replaced, FileError> {
        let temporary = parent(target).join(temporary_name(pid));
        let place = || files.replace_snapshot(&temporary, target, rule);
        save_and(files, &temporary, |sink| sink.write(&self.0), place).map(|((), placed)| placed)
    }

    /// Saves it to `target`, which is nobody else's, as the child with this process number does.
    pub fn save_file(&self, files: &Files, target: &Path, pid: i32) -> Result<(), FileError> {
        let temporary = parent(target).join(temporary_name(pid));
        self.save(files, target, &temporary)
    }

    /// Saves it as the base of a rewrite into `dir`, as the child with this process number does.
    pub fn save_base(&self, files: &Files, dir: &Path, pid: i32) -> Result<(), FileError> {
        let (temporary, complete) = rewrite_names(pid);
        self.save(files, &dir.join(complete), &dir.join(temporary))
    }

    fn save(&self, files: &Files, target: &Path, temporary: &Path) -> Result<(), FileError> {
        let place = || files.rename_synced(temporary, target);
        save_and(files, temporary, |sink| sink.write(&self.0), place).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::OwnFiles;
    use crate::snapshot::has_keys;

    fn a_meta() -> SnapshotMeta {
        SnapshotMeta {
            redis_ver: "7.2.0".into(),
            ctime_s: 0,
            used_mem_bytes: 0,
            replication: None,
            aof_base: false,
            functions: Vec::new(),
            users: None,
        }
    }

    #[test]
    fn what_is_frozen_is_saved_where_a_child_would() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = Db::new();
        let hash = keyspace::hashing::hash_bytes(b"k");
        let _ = db.set_bytes(hash, b"k", b"v", None, 0);
        let (meta, options) = (a_meta(), SaveOptions::default());
        let dbs = [db];
        let frozen = Frozen::snapshot(&dbs, &meta, options);
        drop(dbs);
        let (files, target) = (Files::real(), folder.path().join("dump.rdb"));
        let rule = KeepRule { own: OwnFiles::default(), most: 0, now_ms: 0 };
        frozen.save_snapshot(&files, &target, &rule, 7).expect("saved");
        assert_eq!(std::fs::read(&target).expect("read"), frozen.bytes());
        assert_eq!(has_keys(&files, &target), Some(true));
        frozen.save_base(&files, folder.path(), 7).expect("saved");
        frozen.save_file(&files, &folder.path().join("other"), 7).expect("saved");
        let names = files.list(folder.path()).expect("listed");
        assert_eq!(names, ["dump.rdb", "other", rewrite_names(7).1.as_str()]);
    }
}
