//! What several stream commands say: entries, counts, errors.

use super::ids;
use crate::refusal::Refusal;
use keyspace::stream::Entry;
use protocol::resp::{Args, Reply};

/// Writes an entry: its id and its fields with their values.
#[inline]
pub(super) fn write_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    ids::write(reply, entry.id);
    reply.array(entry.len * 2);
    for (field, value) in entry.pairs() {
        reply.text(field);
        reply.text(value);
    }
}

/// How many entries a group has read, as commands say it: −1 is unknown.
pub(super) fn entries_read(count: Option<u64>) -> i64 {
    count.map_or(-1, |count| count as i64)
}

/// A group is not there, or the stream is not.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> Refusal {
    let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
    Refusal::from(parts.concat()).of_state()
}

/// A group of a stream is not there.
pub(super) fn missing_group(key: &[u8], group: &[u8]) -> Refusal {
    let parts = [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
    Refusal::from(parts.concat()).of_state()
}

/// A subcommand that exists was not given what it takes.
pub(super) fn wrong_subcommand(args: Args<'_>) -> Refusal {
    let (container, name) = (args.at(0).to_ascii_uppercase(), args.at(1));
    let name = &name[..name.len().min(128)];
    let parts = [
        b"ERR unknown subcommand or wrong number of arguments for '",
        name,
        b"'. Try ",
        &container,
        b" HELP.",
    ];
    Refusal::from(parts.concat())
}
