//! The log, in the form that operators and tools know: `<pid>:<role> <time> <level> <message>`.
//!
//! Levels are marked as Redis marks them: `.` debug, `-` verbose, `*` notice, `#` warning. Times are UTC.

use crate::clock;
use crate::config::LogLevel;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LEVEL: AtomicU8 = AtomicU8::new(2);
static ROLE: AtomicU8 = AtomicU8::new(b'M');

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
    file: Option<Mutex<File>>,
}

/// Begins to log: to `path`, or to the standard output if it is empty.
pub fn start(path: &str, level: LogLevel) -> io::Result<()> {
    set_level(level);
    let file = match path {
        "" => None,
        path => {
            let file = File::options().create(true).append(true).open(Path::new(path))?;
            Some(Mutex::new(file))
        }
    };
    // Fails only if there is a subscriber already, which is then this one.
    let _ = tracing::subscriber::set_global_default(Log { file });
    Ok(())
}

/// Collects an event's message.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
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
        let role = ROLE.load(Ordering::Relaxed) as char;
        let time = timestamp(clock::unix_ms());
        let line = format!("{}:{role} {time} {mark} {}\n", std::process::id(), message.0);
        // A log that cannot be written has nowhere to complain.
        let _ = match &self.file {
            Some(file) => match file.lock() {
                Ok(mut file) => file.write_all(line.as_bytes()),
                Err(_) => Ok(()),
            },
            None => io::stdout().write_all(line.as_bytes()),
        };
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
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

    #[test]
    fn dates() {
        assert_eq!(timestamp(0), "01 Jan 1970 00:00:00.000");
        assert_eq!(timestamp(951_782_400_000), "29 Feb 2000 00:00:00.000");
        assert_eq!(timestamp(1_795_183_392_345), "20 Nov 2026 14:03:12.345");
    }
}
