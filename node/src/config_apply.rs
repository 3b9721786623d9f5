//! What the configuration means for the engine.

use crate::config::{EvictionPolicy, PubsubDefault, Settings};
use engine::Engine;
use engine::context::Class;
use engine::eviction::round_us;
use engine::messages::EventSettings;
use keyspace::eviction::{Frequency, Order, Policy};
use keyspace::limits::Limits;

/// Brings the engine up to date with all that it needs to know of the settings.
pub fn to_engine(settings: &Settings, engine: &mut Engine) {
    engine.users.channels_for_all = settings.acl_pubsub_default == PubsubDefault::AllChannels;
    engine.users.replicated = settings.acl_replicate;
    engine.users.log.set_most(settings.acllog_max_len as usize);
    engine.string_max = settings.proto_max_bulk_len;
    // What DEBUG has set stays.
    let list_plain_bytes = engine.limits.list_plain_bytes;
    engine.limits = Limits { list_plain_bytes, ..limits(settings) };
    engine.events = events(settings);
    engine.tracking_table_max = match settings.tracking_table_max_keys {
        0 => u64::MAX,
        most => most as u64,
    };
    engine.scripts.busy_reply_threshold_ms = settings.busy_reply_threshold;
    engine.scripts.set_memory_limit(settings.script_memory_limit as usize);
    engine.tracks_latency = settings.latency_tracking;
    let (slower_than_us, threshold_ms) =
        (settings.slowlog_log_slower_than, settings.latency_monitor_threshold);
    engine.watch_long_commands(slower_than_us, threshold_ms);
    engine.slowlog.set_len_max(settings.slowlog_max_len as usize);
    engine.unlinks_removed = settings.lazyfree_lazy_server_del;
    engine.unlinks_expired = settings.lazyfree_lazy_expire;
    let eviction = &mut engine.eviction;
    eviction.set_policy(policy(settings.maxmemory_policy));
    eviction.samples = settings.maxmemory_samples as usize;
    eviction.round_ns = round_us(settings.maxmemory_eviction_tenacity).map(|us| us * 1000);
    eviction.frequency = frequency(settings);
    eviction.unlinks = settings.lazyfree_lazy_eviction;
}

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
        hll_sparse_max_bytes: settings.hll_sparse_max_bytes as _,
        ..Limits::default()
    }
}

/// Which keys go when memory is short.
pub fn policy(policy: EvictionPolicy) -> Option<Policy> {
    let (order, volatile) = match policy {
        EvictionPolicy::VolatileLru => (Order::Recency, true),
        EvictionPolicy::VolatileLfu => (Order::Frequency, true),
        EvictionPolicy::VolatileRandom => (Order::Chance, true),
        EvictionPolicy::VolatileTtl => (Order::Expiry, true),
        EvictionPolicy::AllKeysLru => (Order::Recency, false),
        EvictionPolicy::AllKeysLfu => (Order::Frequency, false),
        EvictionPolicy::AllKeysRandom => (Order::Chance, false),
        EvictionPolicy::NoEviction => return None,
    };
    Some(Policy { order, volatile })
}

/// How counters of uses change.
pub fn frequency(settings: &Settings) -> Frequency {
    Frequency { log_factor: settings.lfu_log_factor, decay_minutes: settings.lfu_decay_time }
}

/// Which keyspace events are published.
fn events(settings: &Settings) -> EventSettings {
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
        (b'm', Class::KeyMiss),
    ];
    let classes = letters
        .iter()
        .filter(|(letter, _)| asked.has(*letter))
        .fold(0, |bits, (_, class)| bits | 1 << *class as u32);
    EventSettings { by_key: asked.has(b'K'), by_event: asked.has(b'E'), classes }
}
