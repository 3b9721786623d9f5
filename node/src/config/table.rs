//! The table of directives: the one place that says which exist, and all that is known of each.
//!
//! One macro makes from it the struct [`Settings`], its defaults and [`ROWS`], from which the
//! readers of files, CONFIG GET, SET and REWRITE and the documentation work. A new directive is one
//! line here. Rejected: a map from names to texts, where a misspelt name or a wrong type would show
//! only at run time.
//!
//! # Invariants
//! - no name or alias occurs twice; every default passes its own rule; what is `NO_EFFECT` says why
//!
//! # Source
//! - `redis.conf` and `config.c` of Redis 7.2: names, defaults, bounds

use super::compound::{
    Addresses, KeyspaceEvents, OomScores, OutputLimits, Percentiles, PrimaryAddress, SavePoints,
    ShutdownFlags,
};
use super::types::Switch::{Either, OnlyNo};
use super::types::{
    AppendFsync, DisklessLoad, EndpointType, EvictionPolicy, INT, LONG, LogLevel, MemoryOrPercent,
    OomScoreAdjustment, Permission, PropagationError, PubsubDefault, REQUEST_MAX, SanitizePayload,
    Supervision, SyslogFacility, UINT, ULONG, Value, WRONG_NUMBER, any, append_dir_name,
    append_file_name, clamped, memory, octal, only_zero, snapshot_name, title_template, within,
};

/// CONFIG SET may change it.
pub const MUTABLE: u8 = 0;
/// Only a file or the command line sets it.
pub const IMMUTABLE: u8 = 1;
/// CONFIG SET may change it as far as `enable-protected-configs` allows.
pub const PROTECTED: u8 = 1 << 1;
/// CONFIG GET shows it only when asked by its full name.
pub const HIDDEN: u8 = 1 << 2;
/// Its value is secret and must not appear in logs.
pub const SENSITIVE: u8 = 1 << 3;
/// CONFIG SET is refused while the dataset is being loaded.
pub const DENY_LOADING: u8 = 1 << 4;
/// Validated and shown, but nothing depends on it; the row's note says why.
pub const NO_EFFECT: u8 = 1 << 5;

const TLS: &str = "TLS is not supported";
const CLUSTER: &str = "cluster mode is not supported";
const DEFRAG: &str = "active defragmentation is not supported";
const MEMCHECK: &str =
    "a crash log comes without a test of the memory, which is the hardware's to report";
const CPULIST: &str = "threads and processes are not pinned to processors";
const THREADS: &str = "one thread serves all connections";

/// What the table says of one directive.
#[derive(Debug)]
pub struct Row {
    /// Its name, as CONFIG REWRITE writes it.
    pub name: &'static str,
    /// A second name of equal right, mostly an older one.
    pub alias: Option<&'static str>,
    /// `MUTABLE`, `IMMUTABLE` and the other constants of this module, combined.
    pub flags: u8,
    /// Why it has no effect, or why some values are refused.
    pub note: Option<&'static str>,
    pub(super) several_words: bool,
    pub(super) accumulates: bool,
    pub(super) show: fn(&Settings) -> String,
    pub(super) lines: fn(&Settings) -> Vec<Vec<String>>,
    pub(super) part: fn(&[String]) -> String,
    same: fn(&Settings, &Settings) -> bool,
    read: fn(&mut Settings, &[String], bool) -> Result<(), String>,
}

impl Row {
    /// The row with this name or alias, in any case of letters.
    pub fn find(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The name and, if there is one, the alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.name), self.alias].into_iter().flatten()
    }

    /// Whether this flag is set.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The value in these settings, as CONFIG GET shows it.
    pub fn show(&self, settings: &Settings) -> String {
        (self.show)(settings)
    }

    /// The value of a server without any configuration.
    pub fn default(&self) -> String {
        self.show(&Settings::default())
    }

    /// That it has no effect though it was set, for the log.
    pub fn advice(&self, settings: &Settings) -> String {
        let (name, value) = (self.name, self.show(settings));
        let reason = self.note.unwrap_or("it is not supported");
        format!("WARNING The directive '{name} {value}' has no effect: {reason}.")
    }

    /// Whether both settings have the same value.
    pub fn same(&self, a: &Settings, b: &Settings) -> bool {
        (self.same)(a, b)
    }

    /// Takes the value from the words of a line; if they are refused, nothing is changed.
    pub(super) fn assign(
        &self,
        settings: &mut Settings,
        words: &[String],
        append: bool,
    ) -> Result<(), String> {
        match words {
            [word] if self.several_words && !word.is_empty() => {
                let words: Vec<String> = word.split_ascii_whitespace().map(String::from).collect();
                (self.read)(settings, &words, append)
            }
            [_] => (self.read)(settings, words, append),
            _ if self.several_words => (self.read)(settings, words, append),
            _ => Err(WRONG_NUMBER.into()),
        }
    }
}

const NONE: String = String::new();

fn text(text: &str) -> String {
    text.into()
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

macro_rules! settings {
    ($(
        $name:literal $(| $alias:literal)? =>
            $field:ident: $ty:ty = $default:expr, $rule:expr, $flags:expr $(, $note:expr)?;
    )*) => {
        /// The configuration: one field for each directive, named like it.
        ///
        /// Cloning it is how a caller remembers what to go back to if a change cannot be applied.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(
                #[doc = concat!("The directive `", $name, "`.")]
                pub $field: $ty,
            )*
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $( $field: $default, )* }
            }
        }

        /// Every directive, in the order of the table.
        pub static ROWS: &[Row] = &[$(
            Row {
                name: $name,
                alias: optional!($($alias)?),
                flags: $flags,
                note: optional!($($note)?),
                several_words: <$ty as Value>::SEVERAL_WORDS,
                accumulates: <$ty as Value>::ACCUMULATES,
                show: |settings| {
                    let rule: <$ty as Value>::Rule = $rule;
                    settings.$field.show(&rule)
                },
                lines: |settings| {
                    let rule: <$ty as Value>::Rule = $rule;
                    settings.$field.lines(&rule)
                },
                part: <$ty as Value>::part,
                same: |a, b| a.$field == b.$field,
                read: |settings, words, append| {
                    let rule: <$ty as Value>::Rule = $rule;
                    settings.$field.read(words, &rule, append)
                },
            },
        )*];
    };
}

// Longer lines than elsewhere: only in columns can a table be read.
//  name | alias => field: type = default, rule, flags, note;
settings! {
    // ---- Network
    "port"                       => port: u16                          = 6379,                      within(0, 65535), MUTABLE;
    "bind"                       => bind: Addresses                    = Addresses::all(),          (),               MUTABLE;
    "bind-source-addr"           => bind_source_addr: String           = NONE,                      any,              MUTABLE;
    "unixsocket"                 => unixsocket: String                 = NONE,                      any,              IMMUTABLE;
    "unixsocketperm"             => unixsocketperm: u32                = 0,                         octal(0, 0o777),  IMMUTABLE;
    "tcp-backlog"                => tcp_backlog: u32                   = 511,                       within(0, INT),   IMMUTABLE;
    "tcp-keepalive"              => tcp_keepalive: u32                 = 300,                       within(0, INT),   MUTABLE;
    "timeout"                    => timeout: u32                       = 0,                         within(0, INT),   MUTABLE;
    "socket-mark-id"             => socket_mark_id: u32                = 0,                         within(0, UINT),  IMMUTABLE | NO_EFFECT,
        "sockets are not marked";
    "protected-mode"             => protected_mode: bool               = true,                      Either,           MUTABLE;
    "maxclients"                 => maxclients: u32                    = 10000,                     within(1, UINT),  MUTABLE;
    "client-query-buffer-limit"  => client_query_buffer_limit: u64     = 1 << 30,                   memory(1 << 20, REQUEST_MAX), MUTABLE,
        "at most 4088 MB";
    "client-output-buffer-limit" => client_output_buffer_limit: OutputLimits = OutputLimits::usual(),     (),               MUTABLE;
    "proto-max-bulk-len"         => proto_max_bulk_len: u64            = 512 << 20,                 memory(1 << 20, REQUEST_MAX), MUTABLE,
        "at most 4088 MB";
    "maxmemory-clients"          => maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0), (),               MUTABLE;
    "tls-port"                   => tls_port: u16                      = 0,                         only_zero(TLS),   MUTABLE, TLS;
    "tls-replication"            => tls_replication: bool              = false,                     OnlyNo(TLS),      MUTABLE, TLS;
    "tls-cluster"                => tls_cluster: bool                  = false,                     OnlyNo(TLS),      MUTABLE, TLS;

    // ---- Process
    "daemonize"              => daemonize: bool                    = false,                    Either,         IMMUTABLE;
    "supervised"             => supervised: Supervision            = Supervision::No,          (),             IMMUTABLE;
    "pidfile"                => pidfile: String                    = NONE,                     any,            IMMUTABLE;
    "loglevel"               => loglevel: LogLevel                 = LogLevel::Notice,         (),             MUTABLE;
    "logfile"                => logfile: String                    = NONE,                     any,            IMMUTABLE;
    "syslog-enabled"         => syslog_enabled: bool               = false,                    Either,         IMMUTABLE;
    "syslog-ident"           => syslog_ident: String               = text("redis"),            any,            IMMUTABLE;
    "syslog-facility"        => syslog_facility: SyslogFacility    = SyslogFacility::Local0,   (),             IMMUTABLE;
    "crash-log-enabled"      => crash_log_enabled: bool            = true,                     Either,         MUTABLE;
    "crash-memcheck-enabled" => crash_memcheck_enabled: bool       = true,                     Either,         MUTABLE | NO_EFFECT, MEMCHECK;
    "use-exit-on-panic"      => use_exit_on_panic: bool            = false,                    Either,         MUTABLE | HIDDEN;
    "watchdog-period"        => watchdog_period: u32               = 0,                        within(0, INT), MUTABLE | HIDDEN | NO_EFFECT,
        "there is no watchdog";
    "req-res-logfile"        => req_res_logfile: String            = NONE,                     any,            IMMUTABLE | HIDDEN | NO_EFFECT,
        "requests and replies are not recorded";
    "always-show-logo"       => always_show_logo: bool             = false,                    Either,         IMMUTABLE | NO_EFFECT,
        "there is no logo";
    "set-proc-title"         => set_proc_title: bool               = true,                     Either,         IMMUTABLE;
    "proc-title-template"    => proc_title_template: String        = text("{title} {listen-addr} {server-mode}"), title_template, MUTABLE;
    "locale-collate"         => locale_collate: String             = NONE,                     any,            MUTABLE | NO_EFFECT,
        "texts are compared by their bytes";
    "ignore-warnings"        => ignore_warnings: String            = NONE,                     any,            MUTABLE | NO_EFFECT,
        "the warnings that it silences do not exist";
    "disable-thp"            => disable_thp: bool                  = true,                     Either,         IMMUTABLE;
    "oom-score-adj"          => oom_score_adj: OomScoreAdjustment  = OomScoreAdjustment::No,   (),             MUTABLE;
    "oom-score-adj-values"   => oom_score_adj_values: OomScores    = OomScores::usual(),       (),             MUTABLE;
    "server_cpulist"         => server_cpulist: String             = NONE,                     any,            IMMUTABLE | NO_EFFECT, CPULIST;
    "bio_cpulist"            => bio_cpulist: String                = NONE,                     any,            IMMUTABLE | NO_EFFECT, CPULIST;
    "aof_rewrite_cpulist"    => aof_rewrite_cpulist: String        = NONE,                     any,            IMMUTABLE | NO_EFFECT, CPULIST;
    "bgsave_cpulist"         => bgsave_cpulist: String             = NONE,                     any,            IMMUTABLE | NO_EFFECT, CPULIST;
    "io-threads"             => io_threads: u32                    = 1,                        within(1, 128), IMMUTABLE | NO_EFFECT, THREADS;
    "io-threads-do-reads"    => io_threads_do_reads: bool          = false,                    Either,         IMMUTABLE | NO_EFFECT, THREADS;
    "shutdown-timeout"       => shutdown_timeout: u32              = 10,                       within(0, INT), MUTABLE;
    "shutdown-on-sigint"     => shutdown_on_sigint: ShutdownFlags  = ShutdownFlags::default(), (),             MUTABLE;
    "shutdown-on-sigterm"    => shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default(), (),             MUTABLE;

    // ---- Security
    "requirepass"              => requirepass: String                  = NONE,           any,             MUTABLE | SENSITIVE;
    "aclfile"                  => aclfile: String                      = NONE,           any,             IMMUTABLE;
    "acl-pubsub-default"       => acl_pubsub_default: PubsubDefault    = PubsubDefault::ResetChannels, (),              MUTABLE;
    "acl-replicate"            => acl_replicate: bool                  = false,          Either,          MUTABLE;
    "acllog-max-len"           => acllog_max_len: u64                  = 128,            within(0, LONG), MUTABLE;
    "enable-protected-configs" => enable_protected_configs: Permission = Permission::No, (),              IMMUTABLE;
    "enable-debug-command"     => enable_debug_command: Permission     = Permission::No, (),              IMMUTABLE;
    "enable-module-command"    => enable_module_command: Permission    = Permission::No, (),              IMMUTABLE;

    // ---- Databases and memory
    "databases"                     => databases: u32                     = 16,                         within(1, INT),   IMMUTABLE;
    "maxmemory"                     => maxmemory: u64                     = 0,                          memory(0, ULONG), MUTABLE;
    "maxmemory-policy"              => maxmemory_policy: EvictionPolicy   = EvictionPolicy::NoEviction, (),               MUTABLE;
    "maxmemory-samples"             => maxmemory_samples: u32             = 5,                          within(1, INT),   MUTABLE;
    "maxmemory-eviction-tenacity"   => maxmemory_eviction_tenacity: u32   = 10,                         within(0, 100),   MUTABLE;
    "lfu-log-factor"                => lfu_log_factor: u32                = 10,                         within(0, INT),   MUTABLE;
    "lfu-decay-time"                => lfu_decay_time: u32                = 1,                          within(0, INT),   MUTABLE;
    "lazyfree-lazy-eviction"        => lazyfree_lazy_eviction: bool       = false,                      Either,           MUTABLE;
    "lazyfree-lazy-expire"          => lazyfree_lazy_expire: bool         = false,                      Either,           MUTABLE;
    "lazyfree-lazy-server-del"      => lazyfree_lazy_server_del: bool     = false,                      Either,           MUTABLE;
    "lazyfree-lazy-user-del"        => lazyfree_lazy_user_del: bool       = false,                      Either,           MUTABLE | NO_EFFECT, "large values are always freed by another thread";
    "lazyfree-lazy-user-flush"      => lazyfree_lazy_user_flush: bool     = false,                      Either,           MUTABLE | NO_EFFECT, "large values are always freed by another thread";
    "active-expire-effort"          => active_expire_effort: u32          = 1,                          within(1, 10),    MUTABLE | NO_EFFECT, "every sweep finds all that is due";
    "hz"                            => hz: u32                            = 10,                         clamped(1, 500),  MUTABLE | NO_EFFECT, "the timer ticks ten times a second";
    "dynamic-hz"                    => dynamic_hz: bool                   = true,                       Either,           MUTABLE | NO_EFFECT, "the timer ticks ten times a second";
    "activerehashing"               => activerehashing: bool              = true,                       Either,           MUTABLE | NO_EFFECT,
        "tables grow piece by piece, there is nothing to rehash";
    "activedefrag"                  => activedefrag: bool                 = false,                      OnlyNo(DEFRAG),   MUTABLE, DEFRAG;
    "active-defrag-ignore-bytes"    => active_defrag_ignore_bytes: u64    = 100 << 20,                  memory(1, LONG),  MUTABLE | NO_EFFECT, DEFRAG;
    "active-defrag-threshold-lower" => active_defrag_threshold_lower: u32 = 10,                         within(0, 1000),  MUTABLE | NO_EFFECT, DEFRAG;
    "active-defrag-threshold-upper" => active_defrag_threshold_upper: u32 = 100,                        within(0, 1000),  MUTABLE | NO_EFFECT, DEFRAG;
    "active-defrag-cycle-min"       => active_defrag_cycle_min: u32       = 1,                          within(1, 99),    MUTABLE | NO_EFFECT, DEFRAG;
    "active-defrag-cycle-max"       => active_defrag_cycle_max: u32       = 25,                         within(1, 99),    MUTABLE | NO_EFFECT, DEFRAG;
    "active-defrag-max-scan-fields" => active_defrag_max_scan_fields: u64 = 1000,                       within(1, LONG),  MUTABLE | NO_EFFECT, DEFRAG;
    "jemalloc-bg-thread"            => jemalloc_bg_thread: bool           = true,                       Either,           MUTABLE;
    "tracking-table-max-keys"       => tracking_table_max_keys: usize     = 1000000,                    within(0, LONG),  MUTABLE;
    "notify-keyspace-events"        => notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::default(),  (),               MUTABLE;

    // ---- Encodings
    "hash-max-listpack-entries" | "hash-max-ziplist-entries" => hash_max_listpack_entries: usize = 512,  within(0, LONG), MUTABLE;
    "hash-max-listpack-value" | "hash-max-ziplist-value" => hash_max_listpack_value: usize   = 64,   memory(0, LONG), MUTABLE;
    "set-max-intset-entries"   => set_max_intset_entries: usize    = 512,  within(0, LONG), MUTABLE;
    "set-max-listpack-entries" => set_max_listpack_entries: usize  = 128,  within(0, LONG), MUTABLE;
    "set-max-listpack-value"   => set_max_listpack_value: usize    = 64,   within(0, LONG), MUTABLE;
    "zset-max-listpack-entries" | "zset-max-ziplist-entries" => zset_max_listpack_entries: usize = 128,  within(0, LONG), MUTABLE;
    "zset-max-listpack-value" | "zset-max-ziplist-value" => zset_max_listpack_value: usize   = 64,   memory(0, LONG), MUTABLE;
    "list-max-listpack-size" | "list-max-ziplist-size" => list_max_listpack_size: i32      = -2,   within(-INT - 1, INT), MUTABLE;
    "list-compress-depth"      => list_compress_depth: u32         = 0,    within(0, INT),  MUTABLE | NO_EFFECT,
        "nodes of lists are not compressed";
    "stream-node-max-bytes"    => stream_node_max_bytes: usize     = 4096, memory(0, LONG), MUTABLE;
    "stream-node-max-entries"  => stream_node_max_entries: usize   = 100,  within(0, LONG), MUTABLE;
    "hll-sparse-max-bytes"     => hll_sparse_max_bytes: usize      = 3000, memory(0, LONG), MUTABLE;

    // ---- Snapshots
    "save"                                  => save: SavePoints                  = SavePoints::usual(), (),                MUTABLE;
    "dir"                                   => dir: String                       = text("./"),          any,               MUTABLE | PROTECTED | DENY_LOADING;
    "dbfilename"                            => dbfilename: String                = text("dump.rdb"),    snapshot_name,     MUTABLE | PROTECTED;
    "rdb-keep-replaced"                     => rdb_keep_replaced: u32            = 3,                   within(0, INT),    MUTABLE;
    "rdbcompression"                        => rdbcompression: bool              = true,                Either,            MUTABLE;
    "rdbchecksum"                           => rdbchecksum: bool                 = true,                Either,            IMMUTABLE;
    "sanitize-dump-payload"                 => sanitize_dump_payload: SanitizePayload = SanitizePayload::No, (),                MUTABLE | NO_EFFECT, "every foreign payload is verified";
    "rdb-del-sync-files"                    => rdb_del_sync_files: bool          = false,               Either,            MUTABLE | NO_EFFECT, "files of a full sync are removed or become the own snapshot";
    "rdb-save-incremental-fsync"            => rdb_save_incremental_fsync: bool  = true,                Either,            MUTABLE | NO_EFFECT, "long files are always fsynced in parts";
    "stop-writes-on-bgsave-error"           => stop_writes_on_bgsave_error: bool = true,                Either,            MUTABLE;
    "rdb-key-save-delay"                    => rdb_key_save_delay: i32           = 0,                   within(-INT - 1, INT), MUTABLE | HIDDEN;
    "key-load-delay"                        => key_load_delay: i32               = 0,                   within(-INT - 1, INT), MUTABLE | HIDDEN | NO_EFFECT, "there is no artificial delay";
    "loading-process-events-interval-bytes" => loading_process_events_interval_bytes: u64 = 2 << 20,             within(1024, INT), MUTABLE | HIDDEN | NO_EFFECT, "loading happens on another thread";

    // ---- Append-only file
    "appendonly"                    => appendonly: bool                    = false,                    Either,           MUTABLE | DENY_LOADING;
    "appendfilename"                => appendfilename: String              = text("appendonly.aof"),   append_file_name, IMMUTABLE;
    "appenddirname"                 => appenddirname: String               = text("appendonlydir"),    append_dir_name,  IMMUTABLE;
    "aof-ignore-dump"               => aof_ignore_dump: bool               = false,                    Either,           MUTABLE;
    "aof-keep-replaced"             => aof_keep_replaced: u32              = 3,                        within(0, INT),   MUTABLE;
    "appendfsync"                   => appendfsync: AppendFsync            = AppendFsync::EverySecond, (),               MUTABLE;
    "no-appendfsync-on-rewrite"     => no_appendfsync_on_rewrite: bool     = false,                    Either,           MUTABLE | NO_EFFECT, "another thread fsyncs, a child does not hold up replies";
    "auto-aof-rewrite-percentage"   => auto_aof_rewrite_percentage: u32    = 100,                      within(0, INT),   MUTABLE;
    "auto-aof-rewrite-min-size"     => auto_aof_rewrite_min_size: u64      = 64 << 20,                 memory(0, LONG),  MUTABLE;
    "aof-load-truncated"            => aof_load_truncated: bool            = true,                     Either,           MUTABLE;
    "aof-load-edited"               => aof_load_edited: bool               = false,                    Either,           MUTABLE;
    "aof-use-rdb-preamble"          => aof_use_rdb_preamble: bool          = true,                     Either,           MUTABLE;
    "aof-timestamp-enabled"         => aof_timestamp_enabled: bool         = false,                    Either,           MUTABLE;
    "aof-rewrite-incremental-fsync" => aof_rewrite_incremental_fsync: bool = true,                     Either,           MUTABLE | NO_EFFECT, "long files are always fsynced in parts";
    "aof-buffer-limit"              => aof_buffer_limit: u64               = 256 << 20,                memory(1 << 20, LONG), MUTABLE;
    "aof-disable-auto-gc"           => aof_disable_auto_gc: bool           = false,                    Either,           MUTABLE | HIDDEN;

    // ---- Replication
    "replicaof" | "slaveof"                 => replicaof: Option<PrimaryAddress>    = None,                     (),               IMMUTABLE;
    "masterauth"                            => masterauth: String                   = NONE,                     any,              MUTABLE | SENSITIVE;
    "masteruser"                            => masteruser: String                   = NONE,                     any,              MUTABLE | SENSITIVE;
    "replica-serve-stale-data" | "slave-serve-stale-data" => replica_serve_stale_data: bool       = true,                     Either,           MUTABLE;
    "replica-read-only" | "slave-read-only" => replica_read_only: bool              = true,                     Either,           MUTABLE;
    "replica-priority" | "slave-priority"   => replica_priority: u32                = 100,                      within(0, INT),   MUTABLE;
    "replica-announced"                     => replica_announced: bool              = true,                     Either,           MUTABLE;
    "replica-announce-ip" | "slave-announce-ip" => replica_announce_ip: String          = NONE,                     any,              MUTABLE;
    "replica-announce-port" | "slave-announce-port" => replica_announce_port: u16           = 0,                        within(0, 65535), MUTABLE;
    "replica-ignore-maxmemory" | "slave-ignore-maxmemory" => replica_ignore_maxmemory: bool       = true,                     Either,           MUTABLE;
    "replica-lazy-flush" | "slave-lazy-flush" => replica_lazy_flush: bool             = false,                    Either,           MUTABLE | NO_EFFECT, "large values are always freed by another thread";
    "replica-ignore-unsupported"            => replica_ignore_unsupported: bool     = false,                    Either,           MUTABLE;
    "replica-ignore-disk-write-errors"      => replica_ignore_disk_write_errors: bool = false,                    Either,           MUTABLE | NO_EFFECT, "a replica goes on and says so in its log";
    "repl-diskless-sync"                    => repl_diskless_sync: bool             = true,                     Either,           MUTABLE;
    "repl-diskless-sync-delay"              => repl_diskless_sync_delay: u32        = 5,                        within(0, INT),   MUTABLE;
    "repl-diskless-sync-max-replicas"       => repl_diskless_sync_max_replicas: u32 = 0,                        within(0, INT),   MUTABLE;
    "repl-diskless-load"                    => repl_diskless_load: DisklessLoad     = DisklessLoad::Disabled,   (),               MUTABLE | DENY_LOADING | NO_EFFECT, "a snapshot goes through a file, and the old data serves until it is loaded";
    "repl-ping-replica-period" | "repl-ping-slave-period" => repl_ping_replica_period: u32        = 10,                       within(1, INT),   MUTABLE;
    "repl-timeout"                          => repl_timeout: u32                    = 60,                       within(1, INT),   MUTABLE;
    "repl-disable-tcp-nodelay"              => repl_disable_tcp_nodelay: bool       = false,                    Either,           MUTABLE | NO_EFFECT, "delaying is never switched on";
    "repl-backlog-size"                     => repl_backlog_size: u64               = 1 << 20,                  memory(1, LONG),  MUTABLE;
    "repl-backpressure-seconds"             => repl_backpressure_seconds: u32       = 10,                       within(0, INT),   MUTABLE;
    "repl-backlog-ttl"                      => repl_backlog_ttl: u64                = 3600,                     within(0, LONG),  MUTABLE;
    "min-replicas-to-write" | "min-slaves-to-write" => min_replicas_to_write: u32           = 0,                        within(0, INT),   MUTABLE;
    "min-replicas-max-lag" | "min-slaves-max-lag" => min_replicas_max_lag: u32            = 10,                       within(0, INT),   MUTABLE;
    "propagation-error-behavior"            => propagation_error_behavior: PropagationError = PropagationError::Ignore, (),               MUTABLE | NO_EFFECT, "an error of the primary's commands is counted in INFO";

    // ---- Observation and scripts
    "slowlog-log-slower-than"           => slowlog_log_slower_than: i64   = 10000,                within(-1, LONG), MUTABLE;
    "slowlog-max-len"                   => slowlog_max_len: u64           = 128,                  within(0, LONG),  MUTABLE;
    "latency-monitor-threshold"         => latency_monitor_threshold: u64 = 0,                    within(0, LONG),  MUTABLE;
    "latency-tracking"                  => latency_tracking: bool         = true,                 Either,           MUTABLE;
    "latency-tracking-info-percentiles" => latency_tracking_info_percentiles: Percentiles = Percentiles::usual(), (),               MUTABLE;
    "busy-reply-threshold" | "lua-time-limit" => busy_reply_threshold: u64      = 5000,                 within(0, LONG),  MUTABLE;
    "script-memory-limit"               => script_memory_limit: u64       = 1 << 30,              memory(1 << 20, LONG), MUTABLE;

    // ---- Cluster mode: refused; what only tunes it is accepted, so that files made for Redis load
    "cluster-enabled"                     => cluster_enabled: bool                = false,              OnlyNo(CLUSTER),  IMMUTABLE, CLUSTER;
    "cluster-config-file"                 => cluster_config_file: String          = text("nodes.conf"), any,              IMMUTABLE | NO_EFFECT, CLUSTER;
    "cluster-port"                        => cluster_port: u16                    = 0,                  within(0, 65535), IMMUTABLE | NO_EFFECT, CLUSTER;
    "cluster-node-timeout"                => cluster_node_timeout: u64            = 15000,              within(0, LONG),  MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-ping-interval"               => cluster_ping_interval: u64           = 0,                  within(0, LONG),  MUTABLE | HIDDEN | NO_EFFECT, CLUSTER;
    "cluster-replica-validity-factor" | "cluster-slave-validity-factor" => cluster_replica_validity_factor: u32 = 10,                 within(0, INT),   MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-migration-barrier"           => cluster_migration_barrier: u32       = 1,                  within(0, INT),   MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-allow-replica-migration"     => cluster_allow_replica_migration: bool = true,               Either,           MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-require-full-coverage"       => cluster_require_full_coverage: bool  = true,               Either,           MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-replica-no-failover" | "cluster-slave-no-failover" => cluster_replica_no_failover: bool    = false,              Either,           MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-allow-reads-when-down"       => cluster_allow_reads_when_down: bool  = false,              Either,           MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-allow-pubsubshard-when-down" => cluster_allow_pubsubshard_when_down: bool = true,               Either,           MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-link-sendbuf-limit"          => cluster_link_sendbuf_limit: u64      = 0,                  memory(0, ULONG), MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-ip"                 => cluster_announce_ip: String          = NONE,               any,              MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-hostname"           => cluster_announce_hostname: String    = NONE,               any,              MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-human-nodename"     => cluster_announce_human_nodename: String = NONE,               any,              MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-port"               => cluster_announce_port: u16           = 0,                  within(0, 65535), MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-tls-port"           => cluster_announce_tls_port: u16       = 0,                  within(0, 65535), MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-announce-bus-port"           => cluster_announce_bus_port: u16       = 0,                  within(0, 65535), MUTABLE | NO_EFFECT, CLUSTER;
    "cluster-preferred-endpoint-type"     => cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip,   (),               MUTABLE | NO_EFFECT, CLUSTER;
}
