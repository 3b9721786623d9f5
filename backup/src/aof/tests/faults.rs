//! Every call to the system fails once, in every way, at every place of the life of an append-only file: what a start
//! would load then, or after a crash before any of the calls that follow, is exactly what was appended.

use super::*;
use crate::files::FileError;
use crate::files::fault::Fault;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// A server, as far as its append-only file goes.
struct Server {
    folder: PathBuf,
    files: Files,
    faulty: Faulty,
    dir: AofDir,
    /// Where commands go.
    file: Option<File>,
    /// All that was executed.
    executed: Vec<String>,
    /// What a start may load: one state, or two while a step may or may not have been done.
    loadable: Arc<Mutex<Vec<Vec<String>>>>,
    /// How many steps failed.
    failures: u32,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let (files, faulty) = Faulty::new();
        let dir = open_in(&files, folder).expect("a folder").0;
        let folder = folder.to_path_buf();
        let loadable = Arc::new(Mutex::new(vec![Vec::new()]));
        Server {
            folder,
            files,
            faulty,
            dir,
            file: None,
            executed: Vec::new(),
            loadable,
            failures: 0,
        }
    }

    /// Does a step until it succeeds.
    fn step<T>(&mut self, mut act: impl FnMut(&mut Server) -> Result<T, FileError>) -> T {
        loop {
            match act(self) {
                Ok(done) => return done,
                Err(error) => {
                    self.failures += 1;
                    assert!(self.failures <= 1, "only one call fails: {error}");
                }
            }
        }
    }

    /// Executes a command; it is on disk where there is a file that counts.
    fn execute(&mut self) {
        let line = format!("SET k {}", self.executed.len());
        if let Some(file) = &mut self.file {
            let written = self.faulty.unharmed(|| file.write_all(&command(&line)));
            written.expect("no calls of the files fail here");
        }
        let mut loadable = self.loadable.lock().expect("not poisoned");
        let counts = *loadable == [self.executed.clone()];
        self.executed.push(line);
        if counts && self.file.is_some() {
            *loadable = vec![self.executed.clone()];
        }
    }

    fn loadable(&self) -> MutexGuard<'_, Vec<Vec<String>>> {
        self.loadable.lock().expect("not poisoned")
    }

    fn may_load(&self, states: Vec<Vec<String>>) {
        *self.loadable() = states;
    }

    fn initialize(&mut self) {
        let file = self.step(|server| {
            // A start that fails is followed by another.
            let found = open_in(&server.files, &server.folder);
            let (dir, opened) = match found {
                Ok(found) => found,
                Err(AofError::File(error)) => return Err(error),
                Err(error) => panic!("{error}"),
            };
            server.dir = dir;
            let base = BaseJob {
                dbs: &[],
                meta: &meta(),
                options: SaveOptions::default(),
                form: BaseForm::Snapshot,
            };
            match opened {
                Opened::Nothing => server.dir.initialize(base),
                _ => server.dir.open_last(),
            }
        });
        self.file = Some(file);
    }

    /// What the child writes.
    fn base(&self, executed: &[String]) -> PathBuf {
        let path = self.folder.join("temp-rewriteaof-bg-1.aof");
        let lines: Vec<&str> = executed.iter().map(String::as_str).collect();
        fs::write(&path, commands(&lines)).expect("no calls of the child fail here");
        path
    }

    fn rewrite(&mut self) {
        self.step(|server| {
            let (file, first_kept) = server.dir.begin_rewrite()?;
            server.file = Some(file);
            let before = server.executed.clone();
            server.execute();
            let base = server.base(&before);
            server.dir.finish_rewrite(&base, false, first_kept)
        });
        self.execute();
    }

    fn delete_history(&mut self) {
        self.step(|server| server.dir.delete_history());
        self.execute();
    }

    /// The file is off for a while, and on again.
    fn switch_off_and_on(&mut self) {
        self.file = None;
        self.execute();
        self.step(|server| {
            server.dir.cancel_switch_on()?;
            server.file = Some(server.dir.begin_switch_on()?);
            let before = server.executed.clone();
            server.execute();
            let base = server.base(&before);
            // From here on it may be that it was done, also if an error says that it was not.
            server.loadable().push(server.executed.clone());
            server.dir.finish_switch_on(&base, false)
        });
        self.may_load(vec![self.executed.clone()]);
        self.execute();
    }

    /// Ends in order and starts again.
    fn restart(&mut self) {
        let file = self.step(|server| {
            let opened = open_in(&server.files, &server.folder);
            server.dir = match opened {
                Ok((dir, _)) => dir,
                Err(AofError::File(error)) => return Err(error),
                Err(error) => panic!("{error}"),
            };
            server.dir.open_last()
        });
        self.file = Some(file);
        self.execute();
    }
}

/// What a start would load, from a copy of the files.
fn check(folder: &Path, loadable: &[Vec<String>]) {
    let copy = tempfile::tempdir().expect("a folder");
    let from = folder.join("appendonlydir");
    if from.is_dir() {
        let to = copy.path().join("appendonlydir");
        fs::create_dir(&to).expect("a folder");
        for name in list(&from) {
            fs::hard_link(from.join(&name), to.join(&name)).expect("linked");
        }
    }
    let opened = open_in(&Files::real(), copy.path());
    let (dir, found) = opened.expect("a start");
    let loaded = match found {
        Opened::Nothing => Vec::new(),
        _ => try_load(&dir, false).unwrap_or_else(|error| panic!("{error}")).1.commands,
    };
    assert!(loadable.contains(&loaded), "{loaded:?} is none of {loadable:?}");
}

/// A life, in which call number `at` fails. Returns whether there was such a call, and whether anything failed.
fn live(at: u64, fault: Fault) -> (bool, u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    server.faulty.arm(at, fault);
    let (path, loadable) = (folder.path().to_path_buf(), Arc::clone(&server.loadable));
    let look = move || check(&path, &loadable.lock().expect("not poisoned"));
    server.faulty.look_before_calls(look);
    server.initialize();
    server.execute();
    server.rewrite();
    server.delete_history();
    server.restart();
    server.rewrite();
    server.rewrite();
    server.delete_history();
    server.switch_off_and_on();
    server.delete_history();
    server.rewrite();
    server.restart();
    let fired = server.faulty.disarm();
    check(folder.path(), &server.loadable());
    // Nothing is left over for ever: one more round leaves what the manifest names, and files of its steps at most.
    server.rewrite();
    server.delete_history();
    let names: BTreeSet<_> = list(server.dir.directory()).into_iter().collect();
    for (_, entry) in server.dir.manifest().files() {
        let path = server.dir.path_of(entry);
        assert!(names.contains(path.file_name().expect("a name")), "{} is there", path.display());
    }
    assert!(names.len() <= 3 + 2, "{names:?}");
    (fired, server.failures)
}

#[test]
fn whatever_call_fails_a_start_loads_what_was_appended() {
    for fault in FAULTS {
        let (mut at, mut failed) = (0, 0);
        loop {
            let (fired, failures) = live(at, fault);
            if !fired {
                break;
            }
            failed += u64::from(failures);
            at += 1;
        }
        assert!(at > 60, "{at} calls were made");
        assert!(failed * 10 > at * 9, "nearly all failures are told: {failed} of {at}");
    }
}

#[test]
fn whatever_call_fails_a_snapshot_takes_its_place_as_a_whole_or_not_at_all() {
    let mut new = Db::new();
    for number in 0..2000 {
        assert!(new.add_new_bytes(format!("key:{number}").as_bytes(), &[b'v'; 100], None, 0));
    }
    let new = [new];
    for fault in FAULTS {
        for at in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            let (target, temporary) =
                (folder.path().join("dump.rdb"), folder.path().join("temp-1.rdb"));
            let (files, faulty) = Faulty::new();
            let save = |dbs: &[Db]| {
                let saved = SaveOptions::default();
                crate::snapshot::save_file(
                    &files,
                    &target,
                    &temporary,
                    dbs,
                    &meta(),
                    saved,
                    &mut |_| (),
                )
            };
            save(&[Db::new()]).expect("saved");
            faulty.arm(at, fault);
            let result = save(&new);
            let fired = faulty.disarm();
            let mut dbs = [Db::new()];
            let snapshot = options(true).snapshot;
            let loaded = crate::snapshot::load_file(
                &files,
                &target,
                &mut dbs,
                &LIMITS,
                snapshot,
                &mut |_| (),
            );
            let keys = loaded.expect("a whole file").keys_loaded;
            assert!([0, 2000].contains(&keys) && (result.is_err() || keys == 2000));
            assert!(!temporary.exists(), "{fault:?} at {at}");
            save(&new).expect("and the next attempt succeeds");
            if !fired {
                assert!(result.is_ok() && at > 3);
                break;
            }
            assert!(result.is_err(), "{fault:?} at {at} is told");
        }
    }
}

#[test]
fn whatever_call_fails_the_base_of_a_dump_is_there_as_a_whole_or_the_dump_is_loaded_again() {
    let mut db = Db::new();
    for number in 0..3 {
        assert!(db.add_new_bytes(format!("key:{number}").as_bytes(), b"v", None, 0));
    }
    let dbs = [db];
    // What a start finds: nothing, so that it loads the dump, or all of it.
    let looked = |folder: &Path| {
        let opened = open_in(&Files::real(), folder);
        let (dir, found) = opened.expect("a start");
        if found != Opened::Nothing {
            assert_eq!(try_load(&dir, false).expect("whole").1.loaded, [3]);
        }
        found
    };
    for fault in FAULTS {
        for at in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            let (files, faulty) = Faulty::new();
            let mut dir = open_in(&files, folder.path()).expect("opened").0;
            let base = BaseJob {
                dbs: &dbs,
                meta: &meta(),
                options: SaveOptions::default(),
                form: BaseForm::Snapshot,
            };
            faulty.arm(at, fault);
            let path = folder.path().to_path_buf();
            faulty.look_before_calls(move || {
                looked(&path);
            });
            let result = dir.initialize(base);
            let fired = faulty.disarm();
            if looked(folder.path()) == Opened::Nothing {
                assert!(result.is_err());
                let mut dir = open(folder.path()).0;
                dir.initialize(base).expect("the next start");
                assert_eq!(looked(folder.path()), Opened::Files);
            }
            if !fired {
                assert!(result.is_ok() && at > 10, "{at}");
                break;
            }
        }
    }
}

#[test]
fn whatever_call_of_a_repair_fails_the_next_start_loads_the_same() {
    let lines = ["SET a 1", "MULTI", "SET b 2", "EXEC", "SET c 3", "SET d 4"];
    let whole = block(50, &["SET z 0"]);
    let bytes = [&whole[..], &block(77, &lines)].concat();
    // In a command, in the transaction, in the first command, behind the mark, in the mark.
    let body = bytes.len() - commands(&lines).len();
    for len in [bytes.len() - 5, body + 60, body + 10, body, body - 3] {
        let torn = &bytes[..len];
        let folder = tempfile::tempdir().expect("a folder");
        let (expected, host) = try_load(&directory(folder.path(), &[torn]), true).expect("cut");
        assert!(expected.cut.is_some());
        for fault in FAULTS {
            for at in 0.. {
                let folder = tempfile::tempdir().expect("a folder");
                directory(folder.path(), &[torn]);
                let (files, faulty) = Faulty::new();
                let dir = open_in(&files, folder.path()).expect("opened").0;
                faulty.arm(at, fault);
                let first = try_load(&dir, true);
                let fired = faulty.disarm();
                assert_eq!(first.is_err(), fired, "{fault:?} at {at}");
                let again = try_load(&dir, true);
                let (loaded, again) =
                    again.unwrap_or_else(|error| panic!("{fault:?} at {at} of {len}: {error}"));
                assert_eq!(again.commands, host.commands, "{fault:?} at {at} of {len}");
                // What ends between two commands, as the repair left it, might have been edited.
                let unknown = fired && loaded.position.is_none();
                assert!(
                    unknown || loaded.position == expected.position,
                    "{fault:?} at {at}: {len}"
                );
                // All that was cut is kept somewhere.
                let kept = fs::read(dir.directory().join("P.1.incr.aof")).expect("read").len();
                let aside = list(dir.directory()).into_iter().any(|name| {
                    let bytes = fs::read(dir.directory().join(name)).expect("read");
                    bytes == torn[kept..]
                });
                assert!(aside, "{fault:?} at {at} of {len}");
                if !fired {
                    break;
                }
            }
        }
    }
}
