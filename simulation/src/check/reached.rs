//! How far each machine has ever come in each history: whoever says that so many replicas have a write has to be right.
//!
//! A replica may have lost again what it acknowledged (it was restarted, or took other data): what counts is that it had it.
//!
//! # Invariants
//! - a machine comes to where a history is only by having what is before it

use super::streams::Streams;
use crate::entry::Entry;
use journal::ReplicationId;
use std::collections::BTreeMap;

/// How far a machine has ever come.
#[derive(Debug, Default)]
pub struct Reached(BTreeMap<[u8; 40], u64>);

impl Reached {
    /// It has all of a history up to here.
    pub fn note(&mut self, id: &ReplicationId, end: u64) {
        let most = self.0.entry(*id.as_bytes()).or_default();
        *most = end.max(*most);
    }

    /// Whether it has ever had what a history has up to an offset.
    pub fn has(&self, (id, offset): (&ReplicationId, u64), streams: &Streams) -> bool {
        self.0.iter().any(|(name, end)| {
            let name = ReplicationId::parse(name).expect("a name that was one");
            *end >= offset && streams.is_shared(id, offset, &name)
        })
    }
}

/// Whether so many of `others` have ever had an entry that a node with the history `id` has. `Err`: how many have. What was
/// journaled while nobody read is not known to anybody, and not asked for.
pub fn check_count<'a>(
    said: u64,
    (id, entry): (&ReplicationId, Entry),
    others: impl Iterator<Item = &'a Reached>,
    streams: &Streams,
) -> Result<(), u64> {
    let Some((id, offset)) = streams.place(id, entry) else { return Ok(()) };
    let have = others.filter(|reached| reached.has((&id, offset), streams)).count() as u64;
    if said <= have { Ok(()) } else { Err(have) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Log;

    #[test]
    fn a_count_of_replicas_that_is_too_high_is_found() {
        let id = |byte| ReplicationId::from_random([byte; 20]);
        let entry = Entry { log: Log { client: 0, which: 0 }, number: 0, epoch: 1 };
        let mut streams = Streams::default();
        streams.begin(id(1), 0, None);
        streams.take(&id(1), 0, format!("{entry}....").as_bytes()).expect("first");
        let len = entry.to_string().len() as u64;
        streams.begin(id(2), len, Some(id(1)));
        streams.begin(id(3), len - 1, Some(id(1)));
        let at = |name: u8, end| {
            let mut reached = Reached::default();
            reached.note(&id(name), end);
            reached
        };
        for (all, have) in [
            (vec![at(1, len)], 1),
            (vec![at(1, len - 1)], 0),
            (vec![at(2, len + 7), at(1, len + 1)], 2),
            (vec![at(3, len + 7)], 0),
        ] {
            assert_eq!(check_count(have, (&id(2), entry), all.iter(), &streams), Ok(()));
            let more = check_count(have + 1, (&id(2), entry), all.iter(), &streams);
            assert_eq!(more, Err(have), "{all:?}");
        }
        assert_eq!(check_count(9, (&id(3), entry), [].iter(), &streams), Ok(()), "not known");
    }
}
