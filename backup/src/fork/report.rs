//! What the child tells its parent: small records in a pipe.
//!
//! ```text
//! kind u8 | 0 u8 | text length u16 | keys u64 | copied bytes u64 | text        integers LE
//!   kind: 1 progress, 2 succeeded (with the job's result), 3 failed (with the reason)
//! ```
//!
//! A record is smaller than what a pipe takes as one piece (4096 bytes), so it is never torn by a full pipe.
//!
//! # Invariants
//! - at most one record of kind 2 or 3, and nothing follows it

use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Write};
use thiserror::Error;

const HEADER_BYTES: usize = 20;
const TEXT_MAX: usize = 1024;
const _: () = assert!(HEADER_BYTES + TEXT_MAX <= 4096);

const PROGRESS: u8 = 1;
const SUCCEEDED: u8 = 2;
const FAILED: u8 = 3;

/// Milliseconds between two reports of progress.
const PROGRESS_MS: u64 = 100;
/// Milliseconds between two measurements of copied memory; Redis has the same.
const MEASURE_MS: u64 = 1000;
/// A measurement walks the page tables: it may take this part of the time.
const MEASURE_SHARE: u64 = 100;

/// The child's end.
#[derive(Debug)]
pub struct Reporter {
    pipe: File,
    clock_ms: fn() -> u64,
    keys: u64,
    copied_bytes: u64,
    reported_ms: u64,
    measure_at_ms: u64,
}

impl Reporter {
    pub(super) fn new(pipe: File, clock_ms: fn() -> u64) -> Self {
        let now = clock_ms();
        let measure_at_ms = now + MEASURE_MS;
        Self { pipe, clock_ms, keys: 0, copied_bytes: 0, reported_ms: now, measure_at_ms }
    }

    /// Says how many keys have been written; cheap enough for every thousandth key.
    pub fn progress(&mut self, keys: u64) {
        self.keys = keys;
        let now = (self.clock_ms)();
        if now < self.reported_ms + PROGRESS_MS {
            return;
        }
        if now >= self.measure_at_ms {
            self.copied_bytes = copied_bytes();
            let spent = (self.clock_ms)().saturating_sub(now);
            self.measure_at_ms = now + MEASURE_MS.max(spent * MEASURE_SHARE);
        }
        self.reported_ms = now;
        // A parent that does not read misses a figure.
        let _ = self.pipe.write(&self.record(PROGRESS, ""));
    }

    /// The last report. Waits for room in the pipe; a parent that is gone needs none.
    pub(super) fn finish(&mut self, result: Result<String, String>) {
        self.copied_bytes = copied_bytes();
        let (kind, text) = match result {
            Ok(text) => (SUCCEEDED, text),
            Err(text) => (FAILED, text),
        };
        let record = self.record(kind, &text);
        while let Err(error) = self.pipe.write(&record) {
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    let _ = poll(&mut [PollFd::new(&self.pipe, PollFlags::OUT)], None);
                }
                io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    fn record(&self, kind: u8, text: &str) -> Vec<u8> {
        let text = &text.as_bytes()[..text.len().min(TEXT_MAX)];
        let mut record = vec![kind, 0];
        record.extend_from_slice(&(text.len() as u16).to_le_bytes());
        record.extend_from_slice(&self.keys.to_le_bytes());
        record.extend_from_slice(&self.copied_bytes.to_le_bytes());
        record.extend_from_slice(text);
        record
    }
}

/// Memory that is this process's alone: after a fork, what was copied on write on either side.
fn copied_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/smaps_rollup") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A report, as the parent reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// So far so good.
    Progress {
        /// Keys written.
        keys: u64,
        /// Memory copied on write.
        copied_bytes: u64,
    },
    /// The job is done.
    Succeeded {
        /// What came of it, in the job's own form.
        result: String,
        /// Keys written.
        keys: u64,
        /// Memory copied on write.
        copied_bytes: u64,
    },
    /// The job failed.
    Failed {
        /// Why.
        reason: String,
        /// Memory copied on write.
        copied_bytes: u64,
    },
}

/// Bytes that are no reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("report of a child, byte {offset}: {reason}")]
pub struct ReportError {
    /// Where, counted from the first byte fed.
    pub offset: u64,
    /// What is wrong there.
    pub reason: &'static str,
}

/// The parent's end: takes bytes as they come and gives whole reports.
#[derive(Debug, Default)]
pub struct ReportParser {
    pending: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl ReportParser {
    /// Takes the bytes that were read next.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole report.
    pub fn next_report(&mut self) -> Result<Option<Report>, ReportError> {
        let fail = |reason| Err(ReportError { offset: self.offset, reason });
        let Some((header, rest)) = self.pending.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let text_len = usize::from(u16::from_le_bytes([header[2], header[3]]));
        if self.ended {
            return fail("something follows the last report");
        }
        if text_len > TEXT_MAX {
            return fail("a text longer than texts are");
        }
        let Some(text) = rest.get(..text_len) else { return Ok(None) };
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
        let (keys, copied_bytes) = (word(4), word(12));
        let words = |text| String::from_utf8_lossy(text).into_owned();
        let report = match header[0] {
            PROGRESS => Report::Progress { keys, copied_bytes },
            SUCCEEDED => Report::Succeeded { result: words(text), keys, copied_bytes },
            FAILED => Report::Failed { reason: words(text), copied_bytes },
            _ => return fail("unknown kind of report"),
        };
        self.ended = !matches!(report, Report::Progress { .. });
        let len = HEADER_BYTES + text_len;
        self.pending.drain(..len);
        self.offset += len as u64;
        Ok(Some(report))
    }

    /// Whether the last report has come.
    pub fn ended(&self) -> bool {
        self.ended
    }
}
