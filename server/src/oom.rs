//! How soon the kernel ends this process and its children when memory runs out (`oom-score-adj`).
//!
//! # Invariants
//! - once the directive is off again, the process has the score that it had before
//!
//! # Source
//! `proc_pid_oom_score_adj(5)`: from −1000 (never) to 1000 (first).

use node::config::{OomScoreAdjustment, Settings};
use std::fs;
use std::io;

/// The scores that the kernel takes.
const RANGE: (i32, i32) = (-1000, 1000);

/// What was changed of the process's score.
#[derive(Default, Debug)]
pub struct OomScore {
    /// What it was before, if it was changed.
    before: Option<i32>,
    /// What was written last.
    written: Option<i32>,
}

impl OomScore {
    /// Gives this process the score of its role. An error is also logged.
    pub fn apply(&mut self, settings: &Settings, is_replica: bool) -> io::Result<()> {
        let values = &settings.oom_score_adj_values;
        let own = if is_replica { values.replica } else { values.primary };
        let result = self.score(settings, own).and_then(|score| match score {
            Some(score) if self.written != Some(score) => {
                write("self", score)?;
                self.written = self.before.map(|_| score);
                Ok(())
            }
            _ => Ok(()),
        });
        result.inspect_err(|error| tracing::warn!("Unable to write oom_score_adj: {error}"))
    }

    /// Gives a child of this process the score of children.
    pub fn apply_to_child(&mut self, settings: &Settings, pid: i32) {
        if settings.oom_score_adj == OomScoreAdjustment::No {
            return;
        }
        let score = self.score(settings, settings.oom_score_adj_values.child);
        let done = score.and_then(|score| score.map_or(Ok(()), |s| write(&pid.to_string(), s)));
        if let Err(error) = done {
            tracing::warn!("Unable to write oom_score_adj of a child: {error}");
        }
    }

    /// The score to write; the old one when the directive has been switched off.
    fn score(&mut self, settings: &Settings, value: i32) -> io::Result<Option<i32>> {
        if settings.oom_score_adj == OomScoreAdjustment::No {
            self.written = None;
            return Ok(self.before.take());
        }
        let before = match self.before {
            Some(before) => before,
            None => *self.before.insert(read()?),
        };
        let value = match settings.oom_score_adj {
            OomScoreAdjustment::Relative => value + before,
            _ => value,
        };
        Ok(Some(value.clamp(RANGE.0, RANGE.1)))
    }
}

fn read() -> io::Result<i32> {
    let text = fs::read_to_string("/proc/self/oom_score_adj")?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

fn write(process: &str, score: i32) -> io::Result<()> {
    fs::write(format!("/proc/{process}/oom_score_adj"), format!("{score}\n"))
}
