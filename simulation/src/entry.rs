//! What clients write into logs of their own, so that it can be found anywhere: in the stream, on disk, in the data.
//!
//! ```text
//! ~client.log.number.epoch~     the entry of this number, written in this epoch of the client
//! ```
//!
//! A log is a list to which only its client appends: it is the entries 0, 1, 2 … without a hole, whatever happens. When entries
//! are lost that may be, the client goes on behind what is there, in another epoch.

use std::fmt;

/// Logs of a client.
pub const LOGS: usize = 3;
/// The log that is two lists, which change in transactions only.
pub const PAIR: usize = 1;

/// A log: of which client, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    /// The client.
    pub client: usize,
    /// Which of its logs.
    pub which: usize,
}

impl Log {
    /// The database that it is in.
    pub fn db(self) -> usize {
        if self.which == 2 { 3 } else { 0 }
    }

    /// Its lists' names: two of the pair.
    pub fn keys(self) -> impl Iterator<Item = String> {
        let names: &[&str] = match self.which {
            0 => &["log"],
            PAIR => &["left", "right"],
            _ => &["apart"],
        };
        names.iter().map(move |name| format!("{name}:{}", self.client))
    }
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub log: Log,
    /// Which.
    pub number: u64,
    /// When.
    pub epoch: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { log, number, epoch } = self;
        write!(f, "~{}.{}.{number}.{epoch}~", log.client, log.which)
    }
}

impl Entry {
    /// Reads what [`Self`] is shown as.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let inner = text.strip_prefix(b"~")?.strip_suffix(b"~")?;
        let mut parts = inner.split(|byte| *byte == b'.').map(|part| {
            let text = std::str::from_utf8(part).ok()?;
            text.parse::<u64>().ok()
        });
        let mut next = || parts.next().flatten();
        let (client, which) = (next()? as usize, next()? as usize);
        let entry = Self { log: Log { client, which }, number: next()?, epoch: next()? };
        (parts.next().is_none() && which < LOGS).then_some(entry)
    }

    /// All entries in some bytes, each with the place behind it.
    pub fn find(bytes: &[u8], mut found: impl FnMut(Self, usize)) {
        let mut from = 0;
        while let Some(start) = bytes[from..].iter().position(|byte| *byte == b'~') {
            let start = from + start;
            let Some(len) = bytes[start + 1..].iter().position(|byte| *byte == b'~') else {
                return;
            };
            let end = start + 1 + len + 1;
            match Self::parse(&bytes[start..end]) {
                Some(entry) => {
                    found(entry, end);
                    from = end;
                }
                None => from = end - 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_where_they_stand() {
        let entry = |number| Entry { log: Log { client: 2, which: 1 }, number, epoch: 7 };
        let text = format!("*3\r\n{}~ ~x~{} ~1.9.1.1~", entry(5), entry(12));
        let mut all = Vec::new();
        Entry::find(text.as_bytes(), |found, end| all.push((found, end)));
        assert_eq!(all, [(entry(5), 13), (entry(12), 28)]);
        assert_eq!(Entry::parse(b"~2.1.5~"), None);
    }
}
