//! The configuration: directives, files, the command line, and CONFIG GET, SET and REWRITE.
//!
//! Everything here is text in and values out: nothing is opened but configuration files, nothing is
//! applied. The caller applies what [`Settings::set`] reports as changed, and keeps a clone to go
//! back to if that fails. `dir` is a text like any other: the caller changes the directory and may
//! then write the absolute path into the field.
//!
//! ```text
//!   table     which directives there are ── makes ──▶ Settings, ROWS
//!   types     how one word becomes a value: yes/no, numbers, sizes, choices, texts
//!   compound  the same for several words: bind, save, replicaof, …
//!   file      file and command line ──▶ Settings, or the error that users know
//!   document  the table as a document for operators
//!   rewrite   Settings and the old text ──▶ the new text of the file
//!   here      CONFIG GET and CONFIG SET
//! ```
//!
//! # Invariants
//! - a refused CONFIG SET or line changes nothing
//! - what CONFIG GET shows, CONFIG SET accepts and a file may contain
//! - the text that `rewrite` returns loads to the same settings, and rewriting it changes nothing,
//!   unless `include` lines after a directive override it
//!
//! # Not here
//! - the file's writing and syncing, `chdir`, listening again: the caller
//! - permission to use CONFIG at all: the engine's ACL

mod compound;
mod document;
mod file;
mod rewrite;
mod table;
mod types;
pub mod users;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use compound::{OutputLimit, PrimaryAddress, ShutdownFlags};
pub use document::document;
pub use file::Loaded;
pub use table::{DENY_LOADING, HIDDEN, IMMUTABLE, NO_EFFECT, PROTECTED, ROWS, Row, Settings};
pub(crate) use types::bytes;
pub use types::{
    AppendFsync, EvictionPolicy, LogLevel, MemoryOrPercent, OomScoreAdjustment, PubsubDefault,
    Supervision, SyslogFacility,
};
#[cfg(test)]
pub(crate) use {
    compound::{SavePoint, SavePoints},
    types::Permission,
};

/// Who asks for CONFIG SET, and when: some directives depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Whether the connection comes from this host.
    pub local: bool,
    /// Whether the dataset is being loaded.
    pub loading: bool,
}

/// Why CONFIG SET was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetError {
    /// The error reply, beginning with its code.
    pub text: String,
}

impl SetError {
    /// The reply when a directive's value was refused, or accepted but could not be applied.
    pub fn failed(name: &str, reason: &str) -> SetError {
        let name = name.replace(['\r', '\n'], " ");
        SetError {
            text: format!(
                "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
            ),
        }
    }

    fn unknown(name: &str) -> SetError {
        let name = name.replace(['\r', '\n'], " ");
        SetError {
            text: format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"),
        }
    }

    fn loading() -> SetError {
        SetError { text: "LOADING Redis is loading the dataset in memory".into() }
    }
}

impl Settings {
    /// CONFIG GET: names with values, sorted by name and each name once.
    ///
    /// A pattern without wildcards is looked up and answered as it was spelt, hidden directives
    /// included. Aliases count as names of their own. `matches` gets the pattern in lower case.
    pub fn get(
        &self,
        patterns: &[&[u8]],
        matches: fn(&[u8], &[u8]) -> bool,
    ) -> Vec<(String, String)> {
        let mut found: BTreeMap<String, (String, &Row)> = BTreeMap::new();
        for pattern in patterns {
            let lower = pattern.to_ascii_lowercase();
            if !lower.iter().any(|byte| b"*?[".contains(byte)) {
                let spelt = String::from_utf8_lossy(pattern).into_owned();
                if let Some(row) = Row::find(&spelt) {
                    found.entry(spelt.to_ascii_lowercase()).or_insert((spelt, row));
                }
                continue;
            }
            for row in ROWS.iter().filter(|row| !row.is(HIDDEN)) {
                for name in row.names().filter(|name| matches(&lower, name.as_bytes())) {
                    found.entry(name.into()).or_insert((name.into(), row));
                }
            }
        }
        found.into_values().map(|(name, row)| (name, row.show(self))).collect()
    }

    /// The directives that have another value than their default, and no effect.
    pub fn without_effect(&self) -> impl Iterator<Item = &'static Row> {
        ROWS.iter().filter(|row| self.is_without_effect(row))
    }

    /// Whether a directive has another value than its default, and no effect.
    pub fn is_without_effect(&self, row: &Row) -> bool {
        row.is(NO_EFFECT) && !row.same(self, &Settings::default())
    }

    /// CONFIG SET: all pairs or none. Returns the names of the directives that now differ, in the
    /// order of the pairs; the caller applies them.
    pub fn set(
        &mut self,
        pairs: &[(Vec<u8>, Vec<u8>)],
        caller: Caller,
    ) -> Result<Vec<&'static str>, SetError> {
        let mut rows: Vec<(&'static Row, String)> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let name = String::from_utf8_lossy(name).into_owned();
            let row = Row::find(&name).ok_or_else(|| SetError::unknown(&name))?;
            if row.is(IMMUTABLE) {
                return Err(SetError::failed(&name, "can't set immutable config"));
            }
            if row.is(PROTECTED) && !self.enable_protected_configs.allows(caller.local) {
                return Err(SetError::failed(&name, "can't set protected config"));
            }
            if row.is(DENY_LOADING) && caller.loading {
                return Err(SetError::loading());
            }
            if rows.iter().any(|(earlier, _)| std::ptr::eq(*earlier, row)) {
                return Err(SetError::failed(&name, "duplicate parameter"));
            }
            rows.push((row, name));
        }

        let mut new = self.clone();
        for ((row, name), (_, value)) in rows.iter().zip(pairs) {
            let value = String::from_utf8(value.clone())
                .map_err(|_| SetError::failed(name, "argument must be valid UTF-8"))?;
            row.assign(&mut new, &[value], false).map_err(|text| SetError::failed(name, &text))?;
        }
        let changed = rows.iter().filter(|(row, _)| !row.same(self, &new));
        let changed = changed.map(|(row, _)| row.name).collect();
        *self = new;
        Ok(changed)
    }
}
