//! A snapshot takes its place: one that somebody else put there is kept under another name first.
//!
//! Who starts a server beside a snapshot that it does not load, or copies one to where it saves, must not lose it to the
//! next save. So a file counts as *our own* only if this process has loaded or written it; any other is kept:
//!
//! ```text
//! dump.rdb, not our own ─► linked as dump.rdb.20261120T140312.345Z ─► fsync of the directory
//!                       ─► the new snapshot is renamed over dump.rdb ─► fsync of the directory
//!                       ─► the oldest of those kept goes, where there are more than are to be kept
//! ```
//!
//! A second link instead of a rename: so there is a `dump.rdb` at every moment, the old one or the new one. Where a file
//! system knows no links it is renamed, and a crash between the two renames leaves the kept name alone.
//!
//! A whole directory, the append-only file that was never loaded, is kept by a rename under a name of the same form.
//!
//! A name has milliseconds and a `Z`, so that no copy that an operator has named by a date is ever taken for one of ours.
//!
//! # Invariants
//! - what is removed was kept by this rule, and as many younger ones are still there
//! - a snapshot that cannot be kept is not replaced

use super::system::{File, FileType, Metadata, Taken};
use super::{FileError, Files, OnPath, parent};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The most files that a process remembers as its own. One forgotten is kept instead of overwritten.
const OWN_MAX: usize = 64;

/// Which file something is: another file, or other contents written by the usual means, differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
}

impl Identity {
    /// That of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        let Metadata { device, inode, len, modified_ns, .. } = *metadata;
        Self { device, inode, size: len, modified_ns }
    }

    /// As words, for the report of a child.
    pub fn to_text(self) -> String {
        format!("{} {} {} {}", self.device, self.inode, self.size, self.modified_ns)
    }

    /// From such words.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let identity = Self {
            device: words.next()?.parse().ok()?,
            inode: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            modified_ns: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(identity)
    }
}

/// The snapshots that this process has loaded or written.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles(VecDeque<Identity>);

impl OwnFiles {
    /// It has loaded or written this one.
    pub fn note(&mut self, file: Identity) {
        if !self.0.contains(&file) {
            if self.0.len() == OWN_MAX {
                self.0.pop_front();
            }
            self.0.push_back(file);
        }
    }
}

/// What is to be kept when a snapshot takes its place.
#[derive(Clone, Debug)]
pub struct KeepRule {
    /// The files that need not be kept.
    pub own: OwnFiles,
    /// How many of the others are kept; 0 is none.
    pub most: usize,
    /// When this is, unix milliseconds: for the name.
    pub now_ms: i64,
}

/// What came of it.
#[derive(Debug)]
pub struct Replaced {
    /// The snapshot that has its place now.
    pub file: Identity,
    /// Under which name the one before it is kept, if it was not our own.
    pub kept: Option<PathBuf>,
    /// Why those beyond the count could not be removed.
    pub not_removed: Option<FileError>,
}

impl Replaced {
    /// As text, for the report of a child.
    pub fn to_text(&self) -> String {
        let kept = self.kept.as_ref().map(|path| path.display().to_string());
        let not_removed = self.not_removed.as_ref().map(FileError::to_string);
        let lines = [Some(self.file.to_text()), kept, not_removed];
        lines.map(Option::unwrap_or_default).join("\n")
    }
}

impl Files {
    /// Which file has this name; `None` if none has.
    pub(crate) fn identity_at(&self, path: &Path) -> Result<Option<Identity>, FileError> {
        let metadata = self.metadata(path)?;
        // What is no file is no snapshot.
        let file = metadata.filter(|metadata| metadata.file_type == FileType::File);
        Ok(file.map(|metadata| Identity::from_metadata(&metadata)))
    }

    /// Puts a snapshot, complete and fsynced, in the place of `target`.
    pub fn replace_snapshot(
        &self,
        temporary: &Path,
        target: &Path,
        rule: &KeepRule,
    ) -> Result<Replaced, FileError> {
        let file = Identity::of(&self.open(temporary)?).on("look at", temporary)?;
        let kept = match self.identity_at(target)? {
            Some(there) if rule.most > 0 && !rule.own.0.contains(&there) => {
                Some(self.keep(target, there, rule.now_ms)?)
            }
            _ => None,
        };
        self.rename_synced(temporary, target)?;
        let trimmed = match &kept {
            Some(_) => self.remove_oldest(target, rule.most),
            None => Ok(()),
        };
        Ok(Replaced { file, kept, not_removed: trimmed.err() })
    }

    /// Gives a file a second name, which lasts when this returns. An attempt that got no further may have done so before.
    fn keep(&self, target: &Path, file: Identity, now_ms: i64) -> Result<PathBuf, FileError> {
        let kept = self.kept_of(target)?;
        for path in &kept {
            if self.identity_at(path)? == Some(file) {
                return self.sync_directory(parent(target)).map(|()| path.clone());
            }
        }
        // Behind all that are there, also if the clock was set back: the oldest is the one that goes first.
        let last_ms = kept.last().and_then(|path| kept_ms(path));
        let mut ms = last_ms.map_or(now_ms, |last_ms| now_ms.max(last_ms + 1));
        loop {
            let path = kept_name(target, ms);
            let mut result = self.system().hard_link(target, &path);
            let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
            // What an error says need not be so.
            if result.as_ref().is_err_and(|error| !is_taken(error))
                && self.identity_at(&path)?.is_none()
            {
                // A file system without links, or a file of another user.
                result = self.system().rename(target, &path, Taken::Refuse);
            }
            match result {
                Err(error) if self.identity_at(&path)? != Some(file) => {
                    if !is_taken(&error) {
                        return Err(FileError::new("keep", target, error));
                    }
                    ms += 1;
                }
                _ => return self.sync_directory(parent(target)).map(|()| path),
            }
        }
    }

    /// Which directory something is; `None` if there is none.
    pub fn directory_id(&self, path: &Path) -> Option<(u64, u64)> {
        let metadata = self.system().metadata(path).ok().filter(Metadata::is_directory)?;
        Some((metadata.device, metadata.inode))
    }

    /// Keeps a whole directory: it is renamed like a snapshot, and those beyond `most` are removed, the oldest first. Returns its new
    /// name, and why others could not be removed.
    pub fn keep_directory(
        &self,
        target: &Path,
        most: usize,
        now_ms: i64,
    ) -> Result<(PathBuf, Option<FileError>), FileError> {
        let last_ms = self.kept_of(target)?.last().and_then(|path| kept_ms(path));
        let mut ms = last_ms.map_or(now_ms, |last_ms| now_ms.max(last_ms + 1));
        let path = loop {
            let path = kept_name(target, ms);
            match self.system().rename(target, &path, Taken::Refuse) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ms += 1,
                // What an error says need not be so.
                Err(error) if self.directory_id(&path).is_none() => {
                    return Err(FileError::new("keep", target, error));
                }
                _ => break path,
            }
        };
        self.sync_directory(parent(target))?;
        let all = self.kept_of(target)?.into_iter();
        let kept: Vec<PathBuf> = all.filter(|path| self.is_directory(path)).collect();
        let surplus = kept.len().saturating_sub(most);
        let removed = kept[..surplus].iter().try_for_each(|path| {
            let removed = self.system().remove_directory_all(path);
            removed.map_err(|error| FileError::new("remove", path, error))
        });
        Ok((path, removed.err()))
    }

    /// The snapshots that were kept of this name, the oldest first.
    pub fn kept_of(&self, target: &Path) -> Result<Vec<PathBuf>, FileError> {
        let mut prefix = target.file_name().unwrap_or_default().to_os_string();
        prefix.push(".");
        let is_kept = |name: &OsString| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
            rest.is_some_and(is_compact_time)
        };
        // In the order of their names, which is that of their times.
        let names = self.list(parent(target))?.into_iter().filter(is_kept);
        Ok(names.map(|name| target.with_file_name(name)).collect())
    }

    fn remove_oldest(&self, target: &Path, most: usize) -> Result<(), FileError> {
        let kept = self.kept_of(target)?;
        let surplus = kept.len().saturating_sub(most);
        kept[..surplus].iter().try_for_each(|path| self.remove(path))
    }
}

fn kept_name(target: &Path, unix_ms: i64) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}", compact_time(unix_ms)));
    target.with_file_name(name)
}

/// When a snapshot was kept, by its name.
fn kept_ms(path: &Path) -> Option<i64> {
    let name = path.file_name()?.as_encoded_bytes();
    let time = &name[name.len().checked_sub(COMPACT.len())?..];
    is_compact_time(time).then_some(())?;
    let number = |from: usize, to: usize| {
        time[from..to].iter().fold(0, |number, digit| 10 * number + i64::from(digit - b'0'))
    };
    let days = days((number(0, 4), number(4, 6), number(6, 8)));
    let minutes = (days * 24 + number(9, 11)) * 60 + number(11, 13);
    Some((minutes * 60 + number(13, 15)) * 1000 + number(16, 19))
}

/// `20261120T140312.345Z`: a time that sorts, in UTC.
fn compact_time(unix_ms: i64) -> String {
    let (year, month, day) = date(unix_ms.div_euclid(86_400_000));
    let ms = unix_ms.rem_euclid(86_400_000);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{:03}Z", ms % 1000)
}

/// What such a time looks like.
const COMPACT: &[u8] = b"00000000T000000.000Z";

fn is_compact_time(text: &[u8]) -> bool {
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    text.len() == COMPACT.len() && text.iter().zip(COMPACT).all(fits)
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
#[must_use]
pub fn date(days: i64) -> (i64, i64, i64) {
    // By eras of 400 years that begin on the first of March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month < 3), month, day)
}

/// The other way round.
fn days((year, month, day): (i64, i64, i64)) -> i64 {
    let year = year - i64::from(month < 3);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::fault::{FAULTS, Faulty};
    use super::*;
    use std::fs;

    const NOW_MS: i64 = 1_795_183_392_345;

    fn rule(own: &OwnFiles, most: usize) -> KeepRule {
        KeepRule { own: own.clone(), most, now_ms: NOW_MS }
    }

    /// Saves `contents` as a process does that owns `own`.
    fn save(target: &Path, contents: &str, own: &mut OwnFiles, most: usize) -> Option<PathBuf> {
        let temporary = target.with_file_name("temp-1.rdb");
        fs::write(&temporary, contents).expect("written");
        let done = Files::real().replace_snapshot(&temporary, target, &rule(own, most));
        let done = done.expect("replaced");
        assert!(done.not_removed.is_none());
        own.note(done.file);
        assert_eq!(fs::read_to_string(target).expect("read"), contents);
        done.kept
    }

    fn contents(paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| fs::read_to_string(path).expect("read")).collect()
    }

    #[test]
    fn only_what_is_our_own_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("dump.rdb");
        let mut own = OwnFiles::default();
        assert_eq!(save(&target, "first", &mut own, 3), None);
        assert_eq!(save(&target, "second", &mut own, 3), None);
        // Replaced by another file, changed in place, and of another process.
        fs::write(folder.path().join("new"), "theirs").expect("written");
        fs::remove_file(&target).expect("removed");
        fs::hard_link(folder.path().join("new"), &target).expect("linked");
        let kept = save(&target, "third", &mut own, 3).expect("kept");
        assert!(kept.ends_with("dump.rdb.20261120T140312.345Z"), "{}", kept.display());
        fs::write(&target, "edited").expect("written");
        assert!(save(&target, "fourth", &mut own, 3).is_some());
        let mut other = OwnFiles::default();
        assert!(save(&target, "fifth", &mut other, 3).is_some());
        assert_eq!(
            contents(&Files::real().kept_of(&target).expect("listed")),
            ["theirs", "edited", "fourth"]
        );
        // What was loaded is ours as well, under any name; and one that we wrote earlier.
        let file = Files::real().open(&target).expect("opened");
        own.note(Identity::of(&file).expect("looked at"));
        let renamed = folder.path().join("other.rdb");
        fs::hard_link(&target, &renamed).expect("linked");
        assert_eq!(save(&renamed, "sixth", &mut own, 3), None);
        assert_eq!(save(&target, "seventh", &mut own, 3), None);
    }

    #[test]
    fn as_many_are_kept_as_are_asked_for_and_nothing_else_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("dump.rdb");
        let others = ["dump.rdb.20240101", "dump.rdb.1700000000", "dump.rdb.20240101T000000Z"];
        others.iter().for_each(|name| fs::write(folder.path().join(name), name).expect("written"));
        for number in 0..5 {
            save(&target, &number.to_string(), &mut OwnFiles::default(), 2);
        }
        assert_eq!(contents(&Files::real().kept_of(&target).expect("listed")), ["2", "3"]);
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
        // None is kept: as Redis does.
        assert_eq!(save(&target, "last", &mut OwnFiles::default(), 0), None);
        assert_eq!(contents(&Files::real().kept_of(&target).expect("listed")), ["2", "3"]);
    }

    #[test]
    fn whatever_call_fails_neither_snapshot_is_lost() {
        for fault in FAULTS {
            for at in 0.. {
                let folder = tempfile::tempdir().expect("a folder");
                let (files, faulty) = Faulty::new();
                let (target, temporary) =
                    (folder.path().join("dump.rdb"), folder.path().join("temp-1.rdb"));
                fs::write(&target, "theirs").expect("written");
                fs::write(&temporary, "ours").expect("written");
                faulty.arm(at, fault);
                let rule = || rule(&OwnFiles::default(), 2);
                let result = files.replace_snapshot(&temporary, &target, &rule());
                let fired = faulty.disarm();
                let all: Vec<String> = files
                    .list(folder.path())
                    .expect("listed")
                    .iter()
                    .map(|name| fs::read_to_string(folder.path().join(name)).expect("read"))
                    .collect();
                assert!(all.contains(&"theirs".into()) && all.contains(&"ours".into()), "{all:?}");
                match &result {
                    Ok(done) => assert!(done.kept.is_some()),
                    Err(_) if temporary.exists() => {
                        let again = files.replace_snapshot(&temporary, &target, &rule());
                        again.expect("the next attempt");
                    }
                    Err(_) => {}
                }
                assert_eq!(fs::read_to_string(&target).expect("read"), "ours");
                let kept = contents(&Files::real().kept_of(&target).expect("listed"));
                assert_eq!(kept, ["theirs"], "once: {fault:?} at {at}");
                if !fired {
                    assert!(result.is_ok() && at > 3);
                    break;
                }
            }
        }
    }

    #[test]
    fn directories_are_kept_up_to_a_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("appendonlydir");
        // A file of such a name is none of them.
        let file = folder.path().join("appendonlydir.20200101T000000.000Z");
        fs::write(&file, "a file").expect("written");
        for number in 0..4 {
            fs::create_dir(&target).expect("a folder");
            fs::write(target.join("f"), number.to_string()).expect("written");
            let (kept, not_removed) =
                Files::real().keep_directory(&target, 2, NOW_MS).expect("kept");
            assert!(not_removed.is_none() && !target.exists());
            assert_eq!(fs::read_to_string(kept.join("f")).expect("read"), number.to_string());
        }
        let kept = Files::real().kept_of(&target).expect("listed");
        assert_eq!((kept.len(), &kept[0]), (3, &file));
        assert_eq!(fs::read_to_string(kept[1].join("f")).expect("read"), "2");
        assert!(Files::real().keep_directory(&target, 2, NOW_MS).is_err(), "there is none");
    }

    #[test]
    fn names_tell_their_times() {
        for day in (-30_000..60_000).step_by(13) {
            assert_eq!(days(date(day)), day);
        }
        for ms in [0, NOW_MS, 951_782_400_000, 4_102_444_799_999] {
            assert_eq!(kept_ms(&kept_name(Path::new("a/dump.rdb"), ms)), Some(ms));
        }
        assert_eq!(kept_ms(Path::new("dump.rdb")), None);
        assert_eq!(kept_ms(Path::new("dump.rdb.20240101T000000Z")), None);
    }

    #[test]
    fn an_identity_travels_as_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Files::real().create(&folder.path().join("f")).expect("a file");
        let identity = Identity::of(&file).expect("looked at");
        assert_eq!(Identity::from_text(&identity.to_text()), Some(identity));
        assert_eq!(Identity::from_text("1 2 3"), None);
        assert_eq!(Identity::from_text("1 2 3 4 5"), None);
    }

    #[test]
    fn our_own_files_are_remembered_up_to_a_bound() {
        let mut own = OwnFiles::default();
        for inode in 0..1000 {
            own.note(Identity { device: 1, inode, size: 1, modified_ns: 1 });
        }
        assert_eq!(own.0.len(), OWN_MAX);
    }
}
