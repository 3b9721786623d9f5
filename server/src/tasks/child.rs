//! Following a forked child: its reports are read while it lives, its end is waited for on another thread.
//!
//! One way for all children. A child whose reports nobody reads would wait at its end for room in their pipe, and whoever
//! waits for the child would wait with it.

use crate::shell::Shell;
use backup::fork::{Child, Exit, Report, ReportParser};
use node::Event;
use node::child::Progress;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Weak;
use std::time::Duration;

/// How often reports are read.
const TICK: Duration = Duration::from_millis(100);

/// Follows a child that writes for the disk. Returns its number.
pub fn start(shell: Weak<RefCell<Shell>>, child: Child) -> i32 {
    let pid = child.pid;
    tokio::task::spawn_local(async move {
        let result = follow(child, |progress| report(&shell, progress)).await;
        turn(&shell, Event::ChildEnded { pid, result });
    });
    pid
}

/// Gives a node a turn, if there still is one.
pub fn turn(shell: &Weak<RefCell<Shell>>, event: Event<'_>) {
    if let Some(shell) = shell.upgrade() {
        shell.borrow_mut().turn(event);
    }
}

/// Tells what a child has done so far.
pub fn report(shell: &Weak<RefCell<Shell>>, progress: Progress) {
    turn(shell, Event::ChildReported(progress));
}

/// Follows a child until it has ended, and gives the result of its job. `note` is called with what it reports.
pub async fn follow(child: Child, mut note: impl FnMut(Progress)) -> Result<String, String> {
    let process = child.process();
    let reports = child.reports;
    let mut ended = tokio::task::spawn_blocking(move || process.wait());
    let (mut parser, mut said) = (ReportParser::default(), None);
    let mut tick = tokio::time::interval(TICK);
    let exit = loop {
        tokio::select! {
            exit = &mut ended => break exit,
            _ = tick.tick() => read(&reports, &mut parser, &mut said, &mut note),
        }
    };
    read(&reports, &mut parser, &mut said, &mut note);
    match exit {
        Ok(Ok(Exit::Code(0))) => Ok(said.unwrap_or_default()),
        Ok(Ok(Exit::Code(code))) => Err(said.unwrap_or_else(|| format!("exit code {code}"))),
        Ok(Ok(Exit::Signal(signal))) => Err(format!("terminated by signal {signal}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn read(
    reports: &OwnedFd,
    parser: &mut ReportParser,
    said: &mut Option<String>,
    note: &mut impl FnMut(Progress),
) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = rustix::io::read(reports, &mut buffer) {
        parser.feed(&buffer[..read]);
    }
    while let Ok(Some(report)) = parser.next_report() {
        match report {
            Report::Progress { keys, copied_bytes } => note(Progress { keys, copied_bytes }),
            Report::Succeeded { result, keys, copied_bytes } => {
                note(Progress { keys, copied_bytes });
                *said = Some(result);
            }
            Report::Failed { reason, .. } => *said = Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup::fork::fork_child;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock of which each look is a tenth of a second later: every report is due.
    fn hasty_clock() -> u64 {
        static NOW: AtomicU64 = AtomicU64::new(0);
        NOW.fetch_add(100, Ordering::Relaxed)
    }

    /// More reports than their pipe holds: 64 KiB of 20 bytes each.
    const REPORTS: u64 = 50_000;

    fn follow_in_runtime(child: Child) -> (Result<String, String>, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = Rc::new(Cell::new(0));
        let noted = Rc::clone(&seen);
        let result = runtime.block_on(follow(child, move |progress| noted.set(progress.keys)));
        (result, seen.get())
    }

    #[test]
    fn a_child_ends_however_much_it_reports() {
        let child = fork_child(&[], hasty_clock, |reporter| {
            (1..=REPORTS).for_each(|keys| reporter.progress(keys));
            Ok("done".into())
        });
        let (result, keys) = follow_in_runtime(child.unwrap());
        assert_eq!((result, keys), (Ok("done".into()), REPORTS));
    }

    #[test]
    fn a_failure_is_told_in_the_childs_words() {
        let child = fork_child(&[], hasty_clock, |reporter| {
            (1..=REPORTS).for_each(|keys| reporter.progress(keys));
            Err("no room".into())
        });
        assert_eq!(follow_in_runtime(child.unwrap()).0, Err("no room".into()));
    }

    #[test]
    fn a_child_that_is_killed_ends() {
        let child = fork_child(&[], hasty_clock, |_| {
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        });
        let child = child.unwrap();
        child.process().kill().unwrap();
        assert_eq!(follow_in_runtime(child).0, Err("terminated by signal 9".into()));
    }
}
