//! A window on a file: the bytes from some offset on, as many as are needed to see a record whole.
//!
//! ```text
//! file:    | dropped            | window                        | not read yet          | end
//!                               ^offset                         ^offset + filled
//! ```
//!
//! # Invariants
//! - the window grows only while the file has bytes to fill it with, whatever lengths the file announces

use crate::files::File;
use std::io::{self, Read};

/// What is read at once, and where the window begins.
const STEP_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Window {
    file: File,
    buffer: Vec<u8>,
    filled: usize,
    /// Offset in the file of the window's first byte.
    offset: u64,
    /// Where the file is taken to end.
    end: u64,
}

impl Window {
    /// A window at `offset`, of which `read_ahead` has been read from `file` already.
    pub(super) fn new(file: File, read_ahead: Vec<u8>, offset: u64, end: u64) -> Self {
        let filled = (read_ahead.len() as u64).min(end.saturating_sub(offset)) as usize;
        Self { file, filled, buffer: read_ahead, offset, end }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes from `at` in the window to the end of the file.
    pub(super) fn left_from(&self, at: usize) -> u64 {
        self.end - (self.offset + at as u64)
    }

    /// Whether nothing of the file is outside of what was read.
    pub(super) fn has_all(&self) -> bool {
        self.offset + self.filled as u64 == self.end
    }

    /// Drops what is before `at`, and reads on until at least `needed` bytes are there or the file ends. Returns
    /// whether anything came.
    pub(super) fn advance(&mut self, at: usize, needed: usize) -> io::Result<bool> {
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        self.offset += at as u64;
        let before = self.filled;
        let possible = usize::try_from(self.left_from(0)).unwrap_or(usize::MAX);
        // Half as much again each time, so that a record is looked at only a few times while it grows.
        let wanted = needed.max(self.filled + self.filled / 2).max(STEP_BYTES).min(possible);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted {
            let room = self.buffer.len().min(possible);
            match self.file.read(&mut self.buffer[self.filled..room]) {
                Ok(0) => {
                    // The file became shorter while we read it.
                    self.end = self.offset + self.filled as u64;
                    break;
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.filled > before)
    }
}
