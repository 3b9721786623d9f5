//! INFO and ROLE: the state of the process, in Redis's names.
//!
//! # Source
//! - names and order of fields: Redis 7.2

use crate::child::{Kind, Progress, Running};
use crate::node::Outside;
use crate::overhead::Overhead;
use crate::persistence::LoadProgress;
use crate::replication::Following;
use crate::version::{REDIS_VERSION, TIDEMARK_VERSION};
use crate::world::Whose;
use engine::context::{Context, Done};
use engine::random::Random;
use engine::refusal::Refusal;
use engine::statistics::Stats;
use engine::{Engine, Session};
use keyspace::db::Db;
use protocol::resp::Args;
use replica::feed::Feed;
use replica::link::TransferProgress;
use std::fmt::Write;

type Section = fn(&Outside, &Engine, &Session, &mut String);

const SECTIONS: &[(&str, &str, Section)] = &[
    ("server", "Server", server),
    ("clients", "Clients", clients),
    ("memory", "Memory", memory_section),
    ("persistence", "Persistence", persistence),
    ("stats", "Stats", stats),
    ("replication", "Replication", replication),
    ("cpu", "CPU", cpu),
    ("modules", "Modules", |_, _, _, _| ()),
    ("commandstats", "Commandstats", commandstats),
    ("errorstats", "Errorstats", errorstats),
    ("latencystats", "Latencystats", latencystats),
    ("threads", "Threads", threads),
    ("cluster", "Cluster", |_, _, _, out| line(out, "cluster_enabled", 0)),
    ("keyspace", "Keyspace", keyspace),
    ("debug", "Debug", debug),
];
/// Sections that are shown only when asked for.
const ON_DEMAND: [&str; 4] = ["commandstats", "latencystats", "threads", "debug"];
/// The section that is not even part of all.
const BY_NAME_ALONE: &str = "debug";
/// Keys that are looked at for an estimate about those with an expiry.
const SAMPLES: usize = 64;

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{name}:{value}\r\n");
}

fn flag(value: bool) -> u8 {
    u8::from(value)
}

/// `INFO [section …]`.
pub fn info(host: &Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let asked: Vec<String> =
        args.iter_from(1).map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
    let text = text(host, ctx.engine, ctx.session, &asked);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(Done::NOTHING)
}

/// The sections that are asked for, by names in small letters.
pub fn text(host: &Outside, engine: &Engine, session: &Session, asked: &[String]) -> String {
    let everything = asked.iter().any(|word| word == "all" || word == "everything");
    let usual = asked.is_empty() || asked.iter().any(|word| word == "default");
    let mut out = String::new();
    for (name, title, write) in SECTIONS {
        let wanted = (everything && *name != BY_NAME_ALONE)
            || (usual && !ON_DEMAND.contains(name))
            || asked.iter().any(|word| word == name);
        if !wanted {
            continue;
        }
        if !out.is_empty() {
            out.push_str("\r\n");
        }
        let _ = write!(out, "# {title}\r\n");
        write(host, engine, session, &mut out);
    }
    out
}

fn server(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let uptime = (engine.steady_ms - host.identity.started_ms) / 1000;
    line(out, "redis_version", REDIS_VERSION);
    line(out, "tidemark_version", TIDEMARK_VERSION);
    line(out, "redis_git_sha1", "00000000");
    line(out, "redis_git_dirty", 0);
    line(out, "redis_build_id", "0000000000000000");
    line(out, "redis_mode", "standalone");
    let process = host.world.identity();
    line(out, "os", process.os);
    line(out, "arch_bits", usize::BITS);
    line(out, "monotonic_clock", "POSIX clock_gettime");
    line(out, "multiplexing_api", "epoll");
    line(out, "atomicvar_api", "rust-core");
    line(out, "gcc_version", "0.0.0");
    line(out, "process_id", process.pid);
    line(out, "process_supervised", process.supervised);
    line(out, "run_id", &host.identity.run_id);
    line(out, "tcp_port", host.settings.port);
    line(out, "server_time_usec", engine.now_ms * 1000);
    line(out, "uptime_in_seconds", uptime);
    line(out, "uptime_in_days", uptime / 86400);
    line(out, "hz", 1000 / crate::timer::TICK_MS);
    line(out, "configured_hz", host.settings.hz);
    line(out, "lru_clock", engine.seconds());
    line(out, "executable", process.executable);
    let file = host.config_file.as_ref();
    line(out, "config_file", file.map_or_else(String::new, |path| path.display().to_string()));
    line(out, "io_threads_active", 0);
    if let Some(left_ms) = host.shutdown.left_ms(engine.steady_ms) {
        line(out, "shutdown_in_milliseconds", left_ms);
    }
    listeners(host, out);
}

/// Where clients can connect: a line for each kind of socket.
fn listeners(host: &Outside, out: &mut String) {
    let settings = &host.settings;
    let mut index = 0;
    let mut listener = |text: String| {
        line(out, &format!("listener{index}"), text);
        index += 1;
    };
    if settings.port > 0 {
        let addresses: Vec<String> =
            settings.bind.0.iter().map(|address| format!("bind={address},")).collect();
        listener(format!("name=tcp,{}port={}", addresses.concat(), settings.port));
    }
    if !settings.unixsocket.is_empty() {
        listener(format!("name=unix,bind={}", settings.unixsocket));
    }
}

fn clients(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let replicas = host.replication.primary.feeds().count();
    line(out, "connected_clients", host.clients.count().saturating_sub(replicas));
    line(out, "cluster_connections", 0);
    line(out, "maxclients", host.settings.maxclients);
    let most = host.clients.iter().map(|(_, client)| client.input.total()).max().unwrap_or(0);
    line(out, "client_recent_max_input_buffer", most);
    let most = host.clients.iter().map(|(_, client)| client.output_bytes).max().unwrap_or(0);
    line(out, "client_recent_max_output_buffer", most);
    let (waiting, waiting_for_a_time) = engine.waiters_len();
    // Those that a pause or a late disk holds up count as well.
    let held_up = host.shutdown.waiting_len() + host.paused.len();
    line(out, "blocked_clients", host.replication.waits.len() + held_up + waiting);
    line(out, "tracking_clients", engine.tracking_counts().clients);
    let pubsub = engine.sessions().filter(|session| session.subscriptions() > 0).count();
    line(out, "pubsub_clients", pubsub);
    let watching = engine.sessions().filter(|session| session.watched_len() > 0).count();
    line(out, "watching_clients", watching);
    let waits = host.replication.waits.iter();
    let in_table = waiting_for_a_time + waits.filter(|wait| wait.until_ms.is_some()).count();
    line(out, "clients_in_timeout_table", in_table);
    line(out, "total_watched_keys", engine.watched_len());
    let (awaited, awaited_or_gone) = engine.awaited_keys_len();
    line(out, "total_blocking_keys", awaited);
    line(out, "total_blocking_keys_on_nokey", awaited_or_gone);
}

fn commandstats(_: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    for (spec, calls) in engine.stats.used(engine::family::table()) {
        let us = calls.ns / 1000;
        let each =
            if calls.calls > 0 { calls.ns as f64 / 1000.0 / calls.calls as f64 } else { 0.0 };
        let text = format!(
            "calls={},usec={us},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            calls.calls, calls.rejected, calls.failed
        );
        line(out, &format!("cmdstat_{}", spec.name), text);
    }
}

fn latencystats(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let tracked = engine.stats.used(engine::family::table()).filter(|_| engine.tracks_latency);
    for (spec, calls) in tracked {
        let Some(histogram) = &calls.latency else { continue };
        let percentiles = host.settings.latency_tracking_info_percentiles.0.iter().map(|p| {
            let us = histogram.value_at_percentile(*p) as f64 / 1000.0;
            format!("p{p}={us:.3}")
        });
        let text: Vec<String> = percentiles.collect();
        line(out, &format!("latency_percentiles_usec_{}", spec.name), text.join(","));
    }
}

/// Processor time of each thread.
fn threads(host: &Outside, _: &Engine, _: &Session, out: &mut String) {
    for (index, thread) in host.world.threads().iter().enumerate() {
        let (user, system) = thread.cpu_seconds;
        let text = format!(
            "name={},id={},used_cpu_sys={system:.2},used_cpu_user={user:.2}",
            thread.name, thread.id
        );
        line(out, &format!("thread{index}"), text);
    }
}

/// What is interesting to who works on the server itself.
fn debug(host: &Outside, _: &Engine, _: &Session, out: &mut String) {
    let figures = host.world.loop_figures();
    line(out, "eventloop_duration_aof_sum", figures.append_ns / 1000);
    line(out, "eventloop_duration_cron_sum", figures.timer_ns / 1000);
    line(out, "eventloop_duration_max", figures.longest_ns / 1000);
    line(out, "eventloop_cmd_per_cycle_max", figures.most_commands);
    line(out, "eventloop_turns_held", figures.turns_held);
}

fn human(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

fn memory_section(host: &Outside, engine: &Engine, session: &Session, out: &mut String) {
    let overhead = Overhead::of(host, engine, session);
    let figures = overhead.figures;
    line(out, "used_memory", figures.used);
    line(out, "used_memory_human", human(figures.used));
    line(out, "used_memory_rss", figures.rss);
    line(out, "used_memory_rss_human", human(figures.rss));
    line(out, "used_memory_peak", overhead.peak);
    line(out, "used_memory_peak_human", human(overhead.peak));
    line(out, "used_memory_peak_perc", format!("{:.2}%", overhead.peak_percent()));
    line(out, "used_memory_overhead", overhead.total());
    line(out, "used_memory_startup", overhead.startup);
    line(out, "used_memory_dataset", overhead.dataset());
    line(out, "used_memory_dataset_perc", format!("{:.2}%", overhead.dataset_percent()));
    line(out, "allocator_allocated", figures.used);
    line(out, "allocator_active", figures.active);
    line(out, "allocator_resident", figures.resident);
    let total = figures.system;
    line(out, "total_system_memory", total);
    line(out, "total_system_memory_human", human(total));
    scripts(out, engine);
    line(out, "maxmemory", host.settings.maxmemory);
    line(out, "maxmemory_human", human(host.settings.maxmemory as usize));
    line(out, "maxmemory_policy", host.settings.maxmemory_policy.name());
    for (name, excess) in [
        ("allocator_frag", overhead.allocator_fragmentation()),
        ("allocator_rss", overhead.allocator_rss()),
        ("rss_overhead", overhead.rss()),
    ] {
        line(out, &format!("{name}_ratio"), format!("{:.2}", excess.ratio));
        line(out, &format!("{name}_bytes"), excess.bytes);
    }
    let fragmentation = overhead.fragmentation();
    line(out, "mem_fragmentation_ratio", format!("{:.2}", fragmentation.ratio));
    line(out, "mem_fragmentation_bytes", fragmentation.bytes);
    let uncounted = host.uncounted() + engine.scripts.memory_bytes();
    line(out, "mem_not_counted_for_evict", uncounted);
    line(out, "mem_replication_backlog", overhead.backlog);
    line(out, "mem_total_replication_buffers", overhead.backlog + overhead.replicas);
    line(out, "mem_clients_slaves", overhead.replicas);
    line(out, "mem_clients_normal", overhead.clients);
    line(out, "mem_cluster_links", 0);
    line(out, "mem_aof_buffer", overhead.aof_buffer);
    line(out, "mem_allocator", "jemalloc");
    line(out, "active_defrag_running", 0);
    line(out, "lazyfree_pending_objects", host.world.freeing().pending);
    line(out, "lazyfreed_objects", host.lazy_freed());
}

fn persistence(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let (state, child) = (&host.persistence, &host.child);
    let now = engine.steady_ms;
    let (saving, rewriting) = (child.saving(), child.running_as(Kind::Rewrite));
    let Progress { keys, copied_bytes } = child.running().map(|c| c.progress).unwrap_or_default();
    let keys_total = child.running().map_or(0, |child| child.keys_total);
    let ok = |ok: bool| if ok { "ok" } else { "err" };
    let since = |child: Option<&Running>| child.map_or(-1, |c| (now - c.started_ms) / 1000);
    line(out, "loading", flag(state.is_loading() || host.replication.is_loading()));
    line(out, "async_loading", 0);
    line(out, "current_cow_peak", copied_bytes);
    line(out, "current_cow_size", copied_bytes);
    line(out, "current_cow_size_age", 0);
    let share = keys as f64 * 100.0 / keys_total.max(1) as f64;
    line(out, "current_fork_perc", format!("{share:.2}"));
    line(out, "current_save_keys_processed", keys);
    line(out, "current_save_keys_total", keys_total);
    line(out, "rdb_changes_since_last_save", engine.dirty);
    line(out, "rdb_bgsave_in_progress", flag(saving.is_some()));
    line(out, "rdb_last_save_time", state.last_save_s());
    line(out, "rdb_last_bgsave_status", ok(*state.last_bgsave_ok));
    line(out, "rdb_last_bgsave_time_sec", child.last(Kind::Save).seconds);
    line(out, "rdb_current_bgsave_time_sec", since(saving));
    line(out, "rdb_saves", state.figures.saves);
    line(out, "rdb_snapshots_kept", state.figures.snapshots_kept);
    line(out, "rdb_last_cow_size", child.last(Kind::Save).copied_bytes);
    line(out, "rdb_last_load_keys_expired", state.figures.last_load_expired);
    line(out, "rdb_last_load_keys_loaded", state.figures.last_load_loaded);
    line(out, "aof_last_load_commands_failed", state.figures.last_load_failed);
    line(out, "aof_enabled", flag(state.aof_is_on()));
    line(out, "aof_rewrite_in_progress", flag(rewriting.is_some()));
    line(out, "aof_rewrite_scheduled", flag(child.waits(Kind::Rewrite)));
    line(out, "aof_last_rewrite_time_sec", child.last(Kind::Rewrite).seconds);
    line(out, "aof_current_rewrite_time_sec", since(rewriting));
    line(out, "aof_last_bgrewrite_status", ok(state.last_rewrite_ok));
    line(out, "aof_rewrites", state.figures.rewrites);
    line(out, "aof_folders_kept", state.figures.folders_kept);
    line(out, "aof_rewrites_consecutive_failures", state.figures.rewrite_failures);
    let failed = state.aof.as_ref().is_some_and(|aof| aof.thread.status().failed())
        || state.missing_aof.is_some();
    line(out, "aof_last_write_status", ok(!failed));
    line(out, "aof_last_cow_size", child.last(Kind::Rewrite).copied_bytes);
    let failures = state.missing_aof.as_ref().map_or(0, |missing| missing.failures);
    line(out, "aof_restarts_consecutive_failures", failures);
    line(out, "module_fork_in_progress", 0);
    line(out, "module_fork_last_cow_size", 0);
    if let Some(aof) = &state.aof {
        line(out, "aof_current_size", aof.size());
        line(out, "aof_base_size", aof.base_bytes);
        line(out, "aof_pending_rewrite", flag(child.waits(Kind::Rewrite)));
        let status = aof.thread.status();
        line(out, "aof_buffer_length", status.queued_bytes());
        line(out, "aof_pending_bio_fsync", flag(status.is_syncing()));
        line(out, "aof_delayed_fsync", state.figures.delayed_fsyncs);
        line(out, "aof_buffer_limit", host.settings.aof_buffer_limit);
        line(out, "aof_buffer_age_ms", aof.queue.age_ms(host.now.steady_ms()));
        line(out, "aof_buffer_full", flag(state.append_queue_is_full()));
        line(out, "aof_buffer_stalls", state.figures.queue_stalls);
    }
    if let Some(loading) = &*state.loading {
        loading_lines(loading, now, out);
    }
}

/// How far a load is.
fn loading_lines(loading: &LoadProgress, now: i64, out: &mut String) {
    let seconds = (now - loading.started_at_ms).max(1) as f64 / 1000.0;
    let share = loading.loaded_bytes as f64 / loading.total_bytes.max(1) as f64;
    line(out, "loading_start_time", loading.started_ms / 1000);
    line(out, "loading_total_bytes", loading.total_bytes);
    line(out, "loading_rdb_used_mem", 0);
    line(out, "loading_loaded_bytes", loading.loaded_bytes);
    line(out, "loading_loaded_perc", format!("{:.2}", share * 100.0));
    let eta = if share > 0.0 { seconds * (1.0 - share) / share } else { 1.0 };
    line(out, "loading_eta_seconds", eta as u64);
}

/// What scripts and functions take.
fn scripts(out: &mut String, engine: &Engine) {
    let (cache, libraries) = (&engine.scripts.cache, &engine.scripts.libraries);
    let (eval, functions) = (cache.interpreter_bytes(), libraries.interpreter_bytes());
    line(out, "used_memory_lua", eval);
    line(out, "used_memory_vm_eval", eval);
    line(out, "used_memory_lua_human", human(eval));
    line(out, "used_memory_scripts_eval", cache.text_bytes());
    line(out, "number_of_cached_scripts", cache.len());
    line(out, "number_of_functions", libraries.functions_len());
    line(out, "number_of_libraries", libraries.all().len());
    line(out, "number_of_libraries_not_run", engine.scripts.not_run_len());
    line(out, "used_memory_vm_functions", functions);
    line(out, "used_memory_vm_total", eval + functions);
    line(out, "used_memory_vm_total_human", human(eval + functions));
    line(out, "used_memory_functions", libraries.text_bytes());
    let texts = cache.text_bytes() + libraries.text_bytes();
    line(out, "used_memory_scripts", texts);
    line(out, "used_memory_scripts_human", human(texts));
}

fn stats(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let (own, engine_stats): (_, &Stats) = (&host.stats, &engine.stats);
    let rates = &host.rates;
    line(out, "total_connections_received", own.connections);
    line(out, "total_commands_processed", engine_stats.commands);
    line(out, "instantaneous_ops_per_sec", rates.commands);
    line(out, "total_net_input_bytes", own.all_input_bytes());
    line(out, "total_net_output_bytes", own.output_bytes);
    line(out, "total_net_repl_input_bytes", own.repl_input_bytes);
    line(out, "total_net_repl_output_bytes", own.repl_output_bytes);
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    line(out, "instantaneous_input_kbps", kbps(rates.input_bytes));
    line(out, "instantaneous_output_kbps", kbps(rates.output_bytes));
    line(out, "instantaneous_input_repl_kbps", kbps(rates.repl_input_bytes));
    line(out, "instantaneous_output_repl_kbps", kbps(rates.repl_output_bytes));
    line(out, "rejected_connections", own.rejected_connections);
    line(out, "sync_full", own.sync_full);
    line(out, "sync_partial_ok", own.sync_partial_ok);
    line(out, "sync_partial_err", own.sync_partial_err);
    line(out, "expired_keys", engine_stats.expired_keys);
    line(out, "expired_stale_perc", format!("{:.2}", stale_percent(engine)));
    line(out, "expired_time_cap_reached_count", own.sweeps_cut_short);
    line(out, "expire_cycle_cpu_milliseconds", own.sweep_us / 1000);
    line(out, "evicted_keys", engine_stats.evicted_keys);
    line(out, "evicted_clients", own.evicted_clients);
    let (exceeded_ms, present_ms) = engine.eviction.exceeded_ms(host.world.ticks_ns());
    line(out, "total_eviction_exceeded_time", exceeded_ms);
    line(out, "current_eviction_exceeded_time", present_ms);
    line(out, "keyspace_hits", engine_stats.keyspace_hits);
    line(out, "keyspace_misses", engine_stats.keyspace_misses);
    let (channels, patterns, shard) = engine.channel_counts();
    line(out, "pubsub_channels", channels);
    line(out, "pubsub_patterns", patterns);
    line(out, "pubsubshard_channels", shard);
    line(out, "latest_fork_usec", host.child.fork_us);
    line(out, "total_forks", host.child.forks);
    line(out, "migrate_cached_sockets", host.world.kept_connections());
    line(out, "slave_expires_tracked_keys", engine.own_expiring_len());
    // Nothing is defragmented.
    for name in ["hits", "misses", "key_hits", "key_misses"] {
        line(out, &format!("active_defrag_{name}"), 0);
    }
    line(out, "total_active_defrag_time", 0);
    line(out, "current_active_defrag_time", 0);
    let tracking = engine.tracking_counts();
    line(out, "tracking_total_keys", tracking.keys);
    line(out, "tracking_total_items", tracking.items);
    line(out, "tracking_total_prefixes", tracking.prefixes);
    line(out, "unexpected_error_replies", engine_stats.unexpected_errors);
    line(out, "total_error_replies", engine_stats.error_replies);
    line(out, "dump_payload_sanitizations", engine_stats.dump_payload_sanitizations);
    line(out, "total_reads_processed", own.reads);
    line(out, "total_writes_processed", own.writes);
    // The main thread reads and writes all.
    line(out, "io_threaded_reads_processed", 0);
    line(out, "io_threaded_writes_processed", 0);
    // No connection has a buffer of its own that could be resized.
    line(out, "reply_buffer_shrinks", 0);
    line(out, "reply_buffer_expands", 0);
    let eventloop = host.world.loop_figures();
    line(out, "eventloop_cycles", eventloop.cycles);
    line(out, "eventloop_duration_sum", eventloop.busy_ns / 1000);
    line(out, "eventloop_duration_cmd_sum", engine_stats.commands_ns() / 1000);
    line(out, "instantaneous_eventloop_cycles_per_sec", rates.cycles);
    line(out, "instantaneous_eventloop_duration_usec", rates.cycle_us);
    line(out, "client_query_buffer_limit_disconnections", own.query_buffer_limit_disconnections);
    line(out, "client_output_buffer_limit_disconnections", own.output_buffer_limit_disconnections);
    line(out, "acl_access_denied_auth", engine_stats.acl_access_denied_auth);
    line(out, "acl_access_denied_cmd", engine_stats.acl_access_denied_cmd);
    line(out, "acl_access_denied_key", engine_stats.acl_access_denied_key);
    line(out, "acl_access_denied_channel", engine_stats.acl_access_denied_channel);
}

fn errorstats(_host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    for (prefix, count) in engine.stats.errors() {
        line(out, &format!("errorstat_{prefix}"), format!("count={count}"));
    }
}

/// Whether our users are our primary's.
fn user_lines(engine: &Engine, is_replica: bool, out: &mut String) {
    let own = engine.users.digest();
    line(out, "acl_digest", &own);
    if !is_replica {
        return;
    }
    let told = engine.users.digest_of_primary.as_ref();
    line(out, "master_acl_digest", told.map_or("", |digest| digest));
    line(
        out,
        "acl_in_sync",
        match told {
            None => "unknown",
            Some(digest) if *digest == own => "yes",
            Some(_) => "no",
        },
    );
}

fn replication(host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    let state = &host.replication;
    let journal = &host.journal;
    line(out, "role", if state.is_replica() { "slave" } else { "master" });
    if let Some(following) = state.following() {
        link_lines(host, following, engine.steady_ms as u64, out);
    }
    if host.settings.acl_replicate {
        user_lines(engine, state.is_replica(), out);
    }
    let shown: Vec<&Feed> = host.shown_replicas().collect();
    line(out, "connected_slaves", shown.len());
    if host.settings.min_replicas_to_write > 0 && host.settings.min_replicas_max_lag > 0 {
        line(out, "min_slaves_good_slaves", host.good_replicas());
    }
    for (index, replica) in shown.iter().enumerate() {
        let (address, port) = replica.address();
        let lag =
            if replica.is_online() { replica.silent_ms(engine.steady_ms as u64) / 1000 } else { 0 };
        line(
            out,
            &format!("slave{index}"),
            format!(
                "ip={address},port={port},state={},offset={},lag={lag}",
                replica.state_name(),
                replica.acked()
            ),
        );
    }
    line(out, "repl_backpressure_delay_ms", state.primary.slow_ms());
    line(out, "repl_backpressure_delays", state.slowed);
    line(out, "master_failover_state", "no-failover");
    line(out, "master_replid", journal.history.id);
    line(out, "master_replid2", journal.history.second_id);
    line(out, "master_repl_offset", journal.end());
    line(out, "second_repl_offset", journal.history.second_offset);
    let active = journal.has_backlog();
    let (first, len) = journal.backlog_extent();
    line(out, "repl_backlog_active", flag(active));
    line(out, "repl_backlog_size", host.settings.repl_backlog_size);
    line(out, "repl_backlog_first_byte_offset", if active { first.next_byte() } else { 0 });
    line(out, "repl_backlog_histlen", if active { len } else { 0 });
}

fn transfer_lines(transfer: &TransferProgress, now: u64, out: &mut String) {
    let total = transfer.total.unwrap_or(0);
    line(out, "master_sync_total_bytes", total);
    line(out, "master_sync_read_bytes", transfer.received);
    let left = transfer.total.map_or(-1, |total| total as i64 - transfer.received as i64);
    line(out, "master_sync_left_bytes", left);
    let share = transfer.received as f64 * 100.0 / total.max(1) as f64;
    line(out, "master_sync_perc", format!("{:.2}", if total > 0 { share } else { 0.0 }));
    let silent_ms = now.saturating_sub(transfer.last_io_ms);
    line(out, "master_sync_last_io_seconds_ago", silent_ms / 1000);
}

fn link_lines(host: &Outside, following: &Following, now: u64, out: &mut String) {
    let Some(link) = host.replication.link() else { return };
    let (applied, is_up, figures) = (host.journal.end(), link.is_up(), link.figures());
    line(out, "master_host", &following.host);
    line(out, "master_port", following.port);
    line(out, "master_link_status", if is_up { "up" } else { "down" });
    let io = if is_up { (now.saturating_sub(figures.last_io_ms) / 1000) as i64 } else { -1 };
    line(out, "master_last_io_seconds_ago", io);
    let syncing = following.stage.is_sync();
    line(out, "master_sync_in_progress", flag(syncing));
    line(out, "slave_read_repl_offset", if is_up { figures.received } else { applied });
    line(out, "slave_repl_offset", applied);
    if let Some(transfer) = figures.transfer.filter(|_| syncing) {
        transfer_lines(&transfer, now, out);
    }
    if !is_up {
        let reason = figures.reason.as_deref().unwrap_or("");
        line(out, "master_link_down_reason", crate::text::plain(reason));
        line(out, "master_link_failed_attempts", figures.failed_attempts);
        let down = figures.down_since_ms.filter(|_| figures.was_up);
        let down = down.map_or(-1, |at| (now.saturating_sub(at) / 1000) as i64);
        line(out, "master_link_down_since_seconds", down);
    }
    line(out, "replica_commands_failed", host.replication.refused.failed);
    line(out, "replica_commands_unsupported", host.replication.refused.unsupported);
    line(out, "slave_priority", host.settings.replica_priority);
    line(out, "slave_read_only", flag(host.settings.replica_read_only));
    line(out, "replica_announced", flag(host.settings.replica_announced));
}

fn cpu(host: &Outside, _engine: &Engine, _: &Session, out: &mut String) {
    for (name, who) in
        [("", Whose::Own), ("_children", Whose::Children), ("_main_thread", Whose::Thread)]
    {
        let (user, system) = host.world.cpu_seconds(who);
        line(out, &format!("used_cpu_sys{name}"), format!("{system:.6}"));
        line(out, &format!("used_cpu_user{name}"), format!("{user:.6}"));
    }
}

fn keyspace(_host: &Outside, engine: &Engine, _: &Session, out: &mut String) {
    for (index, db) in engine.dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let (keys, expires) = (db.len(), db.expiring_len());
        let ttl = average_ttl_ms(engine, db);
        line(out, &format!("db{index}"), format!("keys={keys},expires={expires},avg_ttl={ttl}"));
    }
}

/// When a few keys with an expiry expire. Which they are follows from the moment: who looks changes nothing, not even what the
/// engine draws next, and the same history shows the same.
fn some_expiries(engine: &Engine, db: &Db) -> Vec<i64> {
    let mut expiries = Vec::with_capacity(SAMPLES);
    if db.expiring_len() > 0 {
        let start = Random::new(engine.steady_ms as u64).draw();
        db.sample(start, true, SAMPLES, |entry| expiries.extend(entry.expiry()));
    }
    expiries
}

/// How many of the keys with an expiry are past it and still there, estimated from a few, percent.
fn stale_percent(engine: &Engine) -> f64 {
    let expiries: Vec<i64> = engine.dbs.iter().flat_map(|db| some_expiries(engine, db)).collect();
    let stale = expiries.iter().filter(|at| **at <= engine.now_ms).count();
    stale as f64 * 100.0 / expiries.len().max(1) as f64
}

/// The average time to live of keys that have one, estimated from a few, milliseconds.
fn average_ttl_ms(engine: &Engine, db: &Db) -> i64 {
    let expiries = some_expiries(engine, db);
    let left = expiries.iter().map(|at| at.saturating_sub(engine.now_ms).max(0));
    left.fold(0i64, i64::saturating_add) / expiries.len().max(1) as i64
}

/// `ROLE`.
pub fn role(host: &Outside, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
    let end = host.journal.end().get() as i64;
    let reply = &mut ctx.reply;
    if let Some(following) = host.replication.following() {
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(following.host.as_bytes());
        reply.int(following.port as i64);
        reply.bulk(following.stage.name().as_bytes());
        reply.int(if host.replication.link_is_up() { end } else { -1 });
        return Ok(Done::NOTHING);
    }
    let online: Vec<&Feed> = host.shown_replicas().filter(|feed| feed.is_online()).collect();
    reply.array(3);
    reply.bulk(b"master");
    reply.int(end);
    reply.array(online.len());
    for replica in online {
        let (address, port) = replica.address();
        reply.array(3);
        reply.bulk(address.as_bytes());
        reply.bulk(port.to_string().as_bytes());
        reply.bulk(replica.acked().to_string().as_bytes());
    }
    Ok(Done::NOTHING)
}
