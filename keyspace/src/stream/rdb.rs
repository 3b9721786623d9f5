//! A stream from and to the bytes of a file. What comes in is checked: nodes, counts, ids.
//!
//! What a stream says of its entries as a whole can be made out from the entries, and files with wrong figures exist
//! (candidates of Redis 5.0 wrote some): those are mended.
//!
//! # Source
//! - `rdb.c` of Redis 7.2: types 15, 19 and 21

use super::node::Node;
use super::order::{HasId, Ordered};
use super::{Entries, Group, Pending, Stream, StreamId};
use protocol::rdb::{Malformed, PendingEntry, Sink, StreamGroup, StreamValue, Writer};
use std::collections::BTreeMap;

/// Writes a stream as type 19, after its key; node by node, so that no copy of it is made.
pub(crate) fn write<S: Sink>(writer: &mut Writer<S>, stream: &Stream) -> Result<(), S::Error> {
    let entries = stream.entries();
    writer.length(entries.nodes.len() as u64)?;
    for node in entries.nodes.iter() {
        writer.stream_node(node.id(), node.bytes())?;
    }
    writer.length(entries.len)?;
    writer.stream_id(entries.last_id)?;
    writer.stream_id(entries.first_id)?;
    writer.stream_id(entries.max_deleted_id)?;
    writer.length(entries.added)?;
    writer.length(stream.groups().len() as u64)?;
    stream.groups().try_for_each(|group| write_group(writer, group))
}

fn write_group<S: Sink>(writer: &mut Writer<S>, group: &Group) -> Result<(), S::Error> {
    let pending = group.pending.len();
    writer.stream_group(group.name(), group.last_id, group.entries_read, pending)?;
    for entry in group.pending.iter() {
        let Pending { id, delivered_ms, count, .. } = *entry;
        writer.stream_pending(PendingEntry { id, delivered_ms, count })?;
    }
    writer.length(group.consumer_count() as u64)?;
    for consumer in group.consumers() {
        writer.stream_consumer(
            consumer.name(),
            consumer.seen_ms,
            consumer.pending.iter().copied(),
        )?;
    }
    Ok(())
}

/// The stream that was read from a file, if it is one, and whether its figures were mended.
pub(crate) fn read(value: StreamValue) -> Result<(Stream, bool), Malformed> {
    let invalid = |reason: &'static str| Malformed::invalid(reason);
    let ids: Vec<StreamId> = value.nodes.iter().map(|node| node.id).collect();
    let mut nodes: Ordered<Node> = Ordered::default();
    let (mut len, mut last_live) = (0u64, None);
    if ids.is_empty() && value.entries > 0 {
        return Err(invalid("stream has another number of entries than announced"));
    }
    for (index, node) in value.nodes.into_iter().enumerate() {
        let before = ids.get(index + 1).copied();
        let mut node =
            Node::from_bytes(node.id, node.listpack, last_live, before).map_err(invalid)?;
        if node.live == 0 {
            // Trimming by id leaves such a node in Redis. It says nothing any more.
            continue;
        }
        node.finish();
        len += node.live as u64;
        last_live = node.backward_live().next().map(|entry| entry.id);
        nodes.push(node);
    }
    let last_id = last_live.map_or(value.last_id, |last| last.max(value.last_id));
    let added = value.entries_added.max(len);
    let mended = (len, last_id, added) != (value.entries, value.last_id, value.entries_added);
    let mut entries = Entries {
        nodes,
        len,
        first_id: StreamId::MIN,
        last_id,
        max_deleted_id: value.max_deleted_id,
        added,
    };
    // The file says it too, from type 19 on; what counts is what is there.
    entries.find_first();
    let mut stream = Stream::new();
    *stream.entries_mut() = entries;
    for mut group in value.groups {
        if value.first_id.is_none() {
            // Type 15 does not say how far groups have come. It is made out as far as it can be.
            group.entries_read = stream.entries().place_of(group.last_delivered);
        }
        read_group(&mut stream, group)?;
    }
    Ok((stream, mended))
}

/// Adds a group, of which the parser has checked that names differ and every pending entry has one owner.
fn read_group(stream: &mut Stream, value: StreamGroup) -> Result<(), Malformed> {
    if !stream.add_group(&value.name, value.last_delivered, value.entries_read) {
        return Err(Malformed::invalid("stream has two groups of one name"));
    }
    let (_, group) = stream.group_mut(&value.name).expect("added above");
    let mut owners = BTreeMap::new();
    for consumer in &value.consumers {
        let slot = group.add_consumer(&consumer.name, consumer.seen_ms);
        let slot = slot.ok_or_else(|| Malformed::invalid("Duplicate stream consumer detected"))?;
        group.consumer_mut(slot).active_ms = consumer.active_ms;
        owners.extend(consumer.pending.iter().map(|id| (*id, slot)));
    }
    let mut pending = value.pending;
    pending.sort_unstable_by_key(|entry| entry.id);
    for PendingEntry { id, delivered_ms, count } in pending {
        let owner = owners.get(&id);
        let consumer = *owner.ok_or_else(|| Malformed::invalid("a pending entry has no owner"))?;
        group.set_pending(Pending { id, delivered_ms, count, consumer });
    }
    Ok(())
}
