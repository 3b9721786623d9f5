//! Waiting on conditions, and telling what all nodes did when one does not come true.
//!
//! Nodes of a test enter their logs here. When the test fails, by whatever assertion, the first node that is dropped
//! prints all logs as one, in the order of time.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen soon: long, as the machine may be busy with other tests.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);

/// Lines of each log that are shown.
const LINES_SHOWN: usize = 200;

thread_local! {
    static LOGS: RefCell<Vec<(String, PathBuf)>> = const { RefCell::new(Vec::new()) };
    static SHOWN: Cell<bool> = const { Cell::new(false) };
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `limit`; `what` says what was waited for.
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(POLL);
    }
}

/// The time, for limits only.
#[expect(clippy::disallowed_methods, reason = "a test has no clock but the system's")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A node's log is to be shown when the test of this thread fails.
pub(crate) fn register(name: &str, log: &Path) {
    LOGS.with_borrow_mut(|logs| logs.push((name.to_string(), log.to_path_buf())));
}

/// Shows all logs, if the test of this thread is failing and they were not shown yet.
pub(crate) fn show_on_failure() {
    if std::thread::panicking() && !SHOWN.replace(true) {
        LOGS.with_borrow(|logs| eprintln!("{}", merged(logs)));
    }
}

/// The logs as one, by time. A line without a time belongs to the one before it.
fn merged(logs: &[(String, PathBuf)]) -> String {
    let mut lines = Vec::new();
    for (name, path) in logs {
        let bytes = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        let mut time = String::new();
        for line in &all[all.len().saturating_sub(LINES_SHOWN)..] {
            time = time_of(line).unwrap_or(time);
            lines.push((time.clone(), format!("{name:>10} | {line}")));
        }
    }
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

/// `1:M 20 Nov 2026 14:03:12.345 * …` → `2026 11 20 14:03:12.345`, which sorts.
fn time_of(line: &str) -> Option<String> {
    const MONTHS: &str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    let mut words = line.split(' ').skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.find(month).filter(|_| month.len() == 3)?;
    Some(format!("{year} {month:02} {day} {time}"))
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn logs_are_merged_by_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file");
            (name.to_string(), path)
        };
        let one = write(
            "one",
            "7:M 30 Nov 2026 23:59:59.999 * first\n7:M 01 Dec 2026 00:00:00.002 # third\n  more\n",
        );
        let two = write("two", "8:S 01 Dec 2026 00:00:00.001 - second\n");
        let text = merged(&[one, two]);
        let order: Vec<&str> =
            text.lines().filter_map(|line| line.split(' ').next_back()).collect();
        assert_eq!(order, ["first", "second", "third", "more"]);
    }
}
