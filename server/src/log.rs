//! The log, in the form that operators and tools know: `<pid>:<role> <time> <level> <message>`.
//!
//! Levels are marked as Redis marks them: `.` debug, `-` verbose, `*` notice, `#` warning. Times are UTC.
//!
//! The file may be renamed or removed at any time, as logrotate does it: the next line begins a new one.
//!
//! # Invariants
//! - a line is for operators: no text of Rust's own is in it, neither `{:?}` nor `(os error 13)`

use crate::clock;
use crate::process::syslog::{self, Syslog};
use node::config::{LogLevel, Settings};
use node::text::plain;
use rustix::fs::{fstat, stat};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LEVEL: AtomicU8 = AtomicU8::new(2);
static ROLE: AtomicU8 = AtomicU8::new(b'M');
/// Where lines go, for a signal's handler. It may do little more than write.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(libc::STDOUT_FILENO);

/// Which level is logged from now on.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Which role is shown from now on: `M` for a primary, `S` for a replica.
pub fn set_replica(replica: bool) {
    ROLE.store(if replica { b'S' } else { b'M' }, Ordering::Relaxed);
}

fn threshold() -> LevelFilter {
    match LEVEL.load(Ordering::Relaxed) {
        0 => LevelFilter::TRACE,
        1 => LevelFilter::DEBUG,
        2 => LevelFilter::INFO,
        3 => LevelFilter::WARN,
        _ => LevelFilter::OFF,
    }
}

/// Writes events to a file or to the standard output.
struct Log {
    file: Option<Mutex<LogFile>>,
    syslog: Option<Mutex<Syslog>>,
}

/// A file to append to, and where it is.
struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<LogFile> {
        let file = File::options().create(true).append(true).open(&path)?;
        Ok(LogFile { file, path })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.was_moved()
            && let Ok(new) = LogFile::open(self.path.clone())
        {
            *self = new;
            DESCRIPTOR.store(self.file.as_raw_fd(), Ordering::Relaxed);
        }
        self.file.write_all(line)
    }

    /// Whether another file, or none, has the name now.
    fn was_moved(&self) -> bool {
        match (fstat(&self.file), stat(&self.path)) {
            (Ok(own), Ok(named)) => (own.st_dev, own.st_ino) != (named.st_dev, named.st_ino),
            _ => true,
        }
    }
}

/// Begins to log as the configuration says: to a file, or to the standard output; to the system's log as well.
pub fn start(settings: &Settings) -> io::Result<()> {
    set_level(settings.loglevel);
    let syslog = Syslog::of(settings, Path::new(syslog::SOCKET)).map(Mutex::new);
    let file = match settings.logfile.as_str() {
        "" => None,
        // It stays where it is when the working folder becomes another.
        path => Some(LogFile::open(std::path::absolute(Path::new(path))?)?),
    };
    if let Some(file) = &file {
        DESCRIPTOR.store(file.file.as_raw_fd(), Ordering::Relaxed);
    }
    // Fails only if there is a subscriber already, which is then this one.
    let _ = tracing::subscriber::set_global_default(Log { file: file.map(Mutex::new), syslog });
    Ok(())
}

/// The log's descriptor, for a signal's handler.
pub fn descriptor() -> i32 {
    DESCRIPTOR.load(Ordering::Relaxed)
}

/// Collects an event's message.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // The message's own `Debug` is its text.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= threshold()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        let mut message = Message::default();
        event.record(&mut message);
        let line = line(mark, &message.0);
        // A log that cannot be written has nowhere to complain.
        let _ = match &self.file {
            Some(file) => match file.lock() {
                Ok(mut file) => file.write(line.as_bytes()),
                Err(_) => Ok(()),
            },
            None => io::stdout().write_all(line.as_bytes()),
        };
        if let Some(Ok(mut syslog)) = self.syslog.as_ref().map(Mutex::lock) {
            let time = timestamp(clock::unix_ms());
            // `20 Nov 2026 14:03:12.345` is `Nov 20 14:03:12` there.
            syslog.send(
                mark,
                &format!("{} {} {}", &time[3..6], &time[..2], &time[12..20]),
                &plain(&message.0),
            );
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line of the log, with its end.
pub fn line(mark: char, text: &str) -> String {
    let role = ROLE.load(Ordering::Relaxed) as char;
    let time = timestamp(clock::unix_ms());
    format!("{}:{role} {time} {mark} {}\n", std::process::id(), plain(text))
}

/// `20 Nov 2026 14:03:12.345`, in UTC.
fn timestamp(unix_ms: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (seconds, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let (year, month, day) = backup::files::date(days);
    format!(
        "{day:02} {} {year} {:02}:{:02}:{:02}.{ms:03}",
        MONTHS[month as usize - 1],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::timestamp;
    use node::text::plain;
    use std::path::{Path, PathBuf};

    #[test]
    fn dates() {
        assert_eq!(timestamp(0), "01 Jan 1970 00:00:00.000");
        assert_eq!(timestamp(951_782_400_000), "29 Feb 2000 00:00:00.000");
        assert_eq!(timestamp(1_795_183_392_345), "20 Nov 2026 14:03:12.345");
    }

    #[test]
    fn the_systems_words_stand_alone() {
        let denied = std::io::Error::from_raw_os_error(13);
        let said = format!("Can't open a: {denied}, b: {denied}");
        assert_eq!(plain(&said), "Can't open a: Permission denied, b: Permission denied");
        for kept in ["", "all is well", "(os error 13)", "what (os error x) is", "a (os error )"] {
            assert_eq!(plain(kept), kept);
        }
    }

    /// The sources of all crates, without those of tests.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "tests" && name != "examples" {
                    sources(&path, found);
                }
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
                found.push(path);
            }
        }
    }

    /// What a line formats with `{:?}` reaches operators, unless it belongs to a test or to the message of a panic.
    #[test]
    fn no_source_writes_debug_text() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let mut found = Vec::new();
        for crate_name in
            ["protocol", "keyspace", "journal", "engine", "backup", "replica", "node", "server"]
        {
            sources(&root.join(crate_name).join("src"), &mut found);
        }
        assert!(found.len() > 150, "these are not all: {}", found.len());
        let mut guilty = Vec::new();
        // A world for tests is a test.
        found.retain(|path| !path.components().any(|part| part.as_os_str() == "testing"));
        for path in found {
            let text = std::fs::read_to_string(&path).expect("a source");
            let code = text.split("#[cfg(test)]").next().expect("a first part");
            let mut in_assertion = false;
            for (number, line) in code.lines().enumerate() {
                let words = ["assert", "panic!", "unreachable!"];
                in_assertion |= words.iter().any(|word| line.contains(word));
                // The log's own message is a `Debug` by its trait.
                let own = line.contains(r#"write!(self.0, "{value:?}")"#);
                let debug =
                    line.contains(":?}") || line.contains(":#?}") || line.contains("?error");
                let comment = line.trim_start().starts_with("//");
                if debug && !in_assertion && !own && !comment {
                    guilty.push(format!("{}:{}", path.display(), number + 1));
                }
                in_assertion &= !line.trim_end().ends_with(';') && !line.trim_end().ends_with('}');
            }
        }
        assert!(guilty.is_empty(), "{guilty:#?}");
    }
}
