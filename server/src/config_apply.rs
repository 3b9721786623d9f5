//! What the configuration means for the engine.

use crate::config::Settings;
use engine::context::Class;
use engine::messages::EventSettings;
use keyspace::limits::Limits;

/// When a small form becomes a large one.
pub fn limits(settings: &Settings) -> Limits {
    Limits {
        hash_max_listpack_entries: settings.hash_max_listpack_entries as _,
        hash_max_listpack_value: settings.hash_max_listpack_value as _,
        set_max_intset_entries: settings.set_max_intset_entries as _,
        set_max_listpack_entries: settings.set_max_listpack_entries as _,
        set_max_listpack_value: settings.set_max_listpack_value as _,
        zset_max_listpack_entries: settings.zset_max_listpack_entries as _,
        zset_max_listpack_value: settings.zset_max_listpack_value as _,
        list_max_listpack_size: settings.list_max_listpack_size as _,
        stream_node_max_bytes: settings.stream_node_max_bytes as _,
        stream_node_max_entries: settings.stream_node_max_entries as _,
        ..Limits::default()
    }
}

/// Which keyspace events are published.
pub fn events(settings: &Settings) -> EventSettings {
    let asked = &settings.notify_keyspace_events;
    let letters = [
        (b'g', Class::Generic),
        (b'$', Class::String),
        (b'l', Class::List),
        (b's', Class::Set),
        (b'h', Class::Hash),
        (b'z', Class::Zset),
        (b't', Class::Stream),
        (b'x', Class::Expired),
        (b'e', Class::Evicted),
        (b'n', Class::New),
    ];
    let classes = letters
        .iter()
        .filter(|(letter, _)| asked.has(*letter))
        .fold(0, |bits, (_, class)| bits | 1 << *class as u32);
    EventSettings { by_key: asked.has(b'K'), by_event: asked.has(b'E'), classes }
}
