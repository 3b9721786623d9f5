//! Giving up keys when more memory is used than `maxmemory` allows.
//!
//! The host says how much is used too much; keys are removed until their sizes make up for it, before the next command
//! is executed. Each is passed on as a deletion, so replicas and the file have what we have. Large values are freed
//! elsewhere: what they take is counted as gone when they are handed over.
//!
//! # Invariants
//! - after a command was admitted, either the limit is kept, or commands that need memory are refused, or the time for
//!   one round is used up and the next command goes on
//!
//! # Not here
//! - which key is the worst: [`keyspace::eviction`]; how much is used: the host

use crate::context::{Class, Key};
use crate::engine::{Engine, Pause};
use crate::host::{EntryKind, Host};
use crate::latency::Event;
use keyspace::entry::Value;
use keyspace::eviction::{Frequency, Order, Policy, Pool};
use protocol::resp::encode;

/// Keys between two looks at the clock.
const KEYS_PER_LOOK: usize = 16;

/// What is given up, and how.
#[derive(Debug)]
pub struct Eviction {
    /// There is a limit, and it is ours to keep.
    pub limited: bool,
    /// Which keys may go; `None` is `noeviction`.
    pub policy: Option<Policy>,
    /// Keys looked at for each that goes (`maxmemory-samples`).
    pub samples: usize,
    /// The most time for one round, in nanoseconds; `None`: until the limit is kept.
    pub round_ns: Option<u64>,
    /// How counters of uses change.
    pub frequency: Frequency,
    /// Replicas and files are told to UNLINK, not to DEL (`lazyfree-lazy-eviction`).
    pub unlinks: bool,
    /// Bytes of values that were handed over to be freed elsewhere since the host last took them.
    pub handed_over: usize,
    /// The last round ended before there was room.
    pub unfinished: bool,
    pool: Pool,
    next_db: usize,
    counted: Counted,
    /// Since when more is used than allowed, by [`Engine::tick_ns`].
    exceeded_since_ns: Option<u64>,
    /// For how long more was used than allowed, up to the last time that there was room again, nanoseconds.
    exceeded_ns: u64,
}

/// The keys of a command whose use has been counted, by the place of the argument: a command may look a key up more than
/// once, and it may name one more than once. The latest few: more are not looked up in turns.
#[derive(Default, Debug)]
struct Counted {
    places: [usize; 4],
    len: usize,
}

impl Counted {
    /// Whether a place was noted before.
    fn note(&mut self, place: usize) -> bool {
        let size = self.places.len();
        if self.places[..self.len.min(size)].contains(&place) {
            return true;
        }
        self.places[self.len % size] = place;
        self.len += 1;
        false
    }
}

impl Default for Eviction {
    fn default() -> Eviction {
        Eviction {
            limited: false,
            policy: None,
            samples: 5,
            round_ns: None,
            frequency: Frequency { log_factor: 10, decay_minutes: 1 },
            unlinks: false,
            handed_over: 0,
            unfinished: false,
            pool: Pool::default(),
            next_db: 0,
            counted: Counted::default(),
            exceeded_since_ns: None,
            exceeded_ns: 0,
        }
    }
}

/// Microseconds that a round may take, by `maxmemory-eviction-tenacity`; `None` is without limit.
pub fn round_us(tenacity: u32) -> Option<u64> {
    match tenacity {
        // Up to 10 in a straight line to 500 µs, above that by 15 % for each step.
        0..=10 => Some(50 * u64::from(tenacity)),
        11..=99 => Some((500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64),
        _ => None,
    }
}

impl Eviction {
    /// Another policy: what was seen under the old one is worth nothing.
    pub fn set_policy(&mut self, policy: Option<Policy>) {
        if self.policy != policy {
            self.policy = policy;
            self.pool.clear();
        }
    }

    /// A command begins, or its second half: none of its keys has been used yet.
    #[inline]
    pub(crate) fn begin_use(&mut self) {
        self.counted.len = 0;
    }

    /// Whether the use of a key that a command names has been counted; from now on it has.
    pub(crate) fn is_counted(&mut self, key: &[u8]) -> bool {
        self.counted.note(key.as_ptr() as usize)
    }

    /// No more is used than allowed.
    #[inline]
    fn note_room(&mut self, now_ns: u64) {
        if let Some(since) = self.exceeded_since_ns.take() {
            self.exceeded_ns += now_ns.saturating_sub(since);
        }
    }

    /// For how long more was used than allowed in all, and for how long it has been now, milliseconds.
    pub fn exceeded_ms(&self, now_ns: u64) -> (u64, u64) {
        let present = self.exceeded_since_ns.map_or(0, |since| now_ns.saturating_sub(since));
        ((self.exceeded_ns + present) / 1_000_000, present / 1_000_000)
    }

    /// Begins to count anew for how long more is used than allowed.
    pub fn reset_stats(&mut self) {
        self.exceeded_ns = 0;
    }

    /// Whether access clocks count uses.
    #[inline]
    pub fn counts_uses(&self) -> bool {
        self.policy.is_some_and(|policy| policy.order == Order::Frequency)
    }

    /// Whether access clocks tell when a key was last used, as far as the policy cares.
    pub fn tells_recency(&self) -> bool {
        self.policy.is_some_and(|policy| policy.order == Order::Recency)
    }
}

impl Engine {
    /// Removes keys until the limit is kept; `conditions.out_of_memory` says whether that was possible.
    #[cold]
    pub fn make_room(&mut self, host: &mut dyn Host) {
        self.eviction.unfinished = false;
        if !self.eviction.limited {
            // The limit was lifted before a round that was cut short could go on.
            self.eviction.note_room(self.tick_ns);
            return;
        }
        if self.conditions.pause != Pause::Nothing || self.is_paused_in_script() {
            // Nothing changes while writes are paused, nor behind a script's back.
            return;
        }
        // Scripts have a limit of their own; that one of them took much is no reason for data to go.
        let uncounted = self.eviction.handed_over + self.scripts.memory_bytes();
        let excess = host.excess_bytes().saturating_sub(uncounted as u64);
        if excess == 0 {
            self.conditions.out_of_memory = false;
            self.eviction.note_room(self.tick_ns);
            return;
        }
        self.eviction.exceeded_since_ns.get_or_insert(self.tick_ns);
        let start_ns = if self.latency.is_on() { host.ticks_ns() } else { 0 };
        self.conditions.out_of_memory = !self.evict(host, excess);
        // The command that waits for the room is not to blame for the time.
        self.tick_ns = host.ticks_ns();
        self.note_latency(Event::EvictionCycle, self.tick_ns - start_ns);
        if !self.conditions.out_of_memory && !self.eviction.unfinished {
            self.eviction.note_room(self.tick_ns);
        }
    }

    /// Removes keys that take `excess` bytes in all. False if there are not that many.
    fn evict(&mut self, host: &mut dyn Host, excess: u64) -> bool {
        let Some(policy) = self.eviction.policy else { return false };
        let start_ns = host.ticks_ns();
        let mut freed = 0;
        for count in 1.. {
            let Some((db, key)) = self.choose(policy) else { return false };
            let one_ns = if self.latency.is_on() { host.ticks_ns() } else { 0 };
            freed += self.evict_key(host, db, &key);
            if self.latency.is_on() {
                self.note_latency(Event::EvictionDel, host.ticks_ns() - one_ns);
            }
            if freed >= excess {
                break;
            }
            let mut is_over =
                || self.eviction.round_ns.is_some_and(|most| host.ticks_ns() - start_ns > most);
            if count % KEYS_PER_LOOK == 0 && is_over() {
                self.eviction.unfinished = true;
                break;
            }
        }
        true
    }

    /// The key that goes next.
    fn choose(&mut self, policy: Policy) -> Option<(usize, Vec<u8>)> {
        let of = |db: &keyspace::db::Db| if policy.volatile { db.expiring_len() } else { db.len() };
        let dbs: Vec<usize> = (0..self.dbs.len()).filter(|db| of(&self.dbs[*db]) > 0).collect();
        if dbs.is_empty() {
            return None;
        }
        if policy.order == Order::Chance {
            let db = dbs[self.eviction.next_db % dbs.len()];
            self.eviction.next_db = self.eviction.next_db.wrapping_add(1);
            let (start, mut key) = (self.draw(), None);
            self.dbs[db]
                .sample(start, policy.volatile, 1, |entry| key = Some(entry.key().to_vec()));
            return key.map(|key| (db, key));
        }
        // Each round adds to the pool, so one of them finds a key that is still there.
        loop {
            for db in &dbs {
                let start = self.draw();
                self.sample(policy, *db, start);
            }
            while let Some(candidate) = self.eviction.pool.take() {
                let key = Key::new(&candidate.key);
                let entry = self.dbs.get(candidate.db).and_then(|db| db.get(key.hash, key.bytes));
                if entry.is_some_and(|entry| !policy.volatile || entry.expiry().is_some()) {
                    return Some((candidate.db, candidate.key));
                }
            }
        }
    }

    fn sample(&mut self, policy: Policy, db: usize, start: u64) {
        let (seconds, minutes) = (self.seconds(), self.minutes());
        let eviction = &mut self.eviction;
        self.dbs[db].sample(start, policy.volatile, eviction.samples, |entry| {
            let score = match policy.order {
                Order::Recency => u64::from(seconds.wrapping_sub(entry.clock()) & 0xff_ffff),
                Order::Frequency => {
                    u64::from(u8::MAX - eviction.frequency.count(entry.clock(), minutes))
                }
                Order::Expiry => entry.expiry().map_or(0, |at| u64::MAX - at.max(0) as u64),
                Order::Chance => 0,
            };
            eviction.pool.offer(score, db, entry.key());
        });
    }

    /// Removes one key and returns the bytes that it took.
    fn evict_key(&mut self, host: &mut dyn Host, db: usize, key: &[u8]) -> u64 {
        let key = Key::new(key);
        let Some(entry) = self.dbs[db].get(key.hash, key.bytes) else { return 0 };
        let value = entry.value_bytes();
        let bytes = (entry.block_bytes() + value) as u64;
        let before = self.garbage.len();
        self.delete(db, key);
        if self.garbage.len() > before {
            match self.garbage.last() {
                // Not worth the way to the other thread.
                Some(Value::Str(_)) if value < 256 * 1024 => drop(self.garbage.pop()),
                _ => self.eviction.handed_over += value,
            }
        }
        self.stats.evicted_keys += 1;
        self.dirty += 1;
        self.key_gone(db, key.bytes);
        self.notify(db, Class::Evicted, "evicted", key.bytes);
        if !self.nobody_reads {
            let name = if self.eviction.unlinks { &b"UNLINK"[..] } else { b"DEL" };
            let del = [name, key.bytes];
            self.unit.add(db, |bytes| encode::command(bytes, del.into_iter()));
            // A replica that keeps a limit of its own must not add to its primary's stream.
            let kind = if self.is_replica { EntryKind::Local } else { EntryKind::Effect };
            self.flush_unit(kind, host);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Server, with};

    fn limited(order: Order, volatile: bool, lines: &[&str]) -> Server {
        let mut server = with(lines);
        server.engine.eviction.limited = true;
        server.engine.eviction.samples = 100;
        server.engine.eviction.set_policy(Some(Policy { order, volatile }));
        server
    }

    #[test]
    fn tenacity_is_time() {
        assert_eq!([0, 1, 10, 100].map(round_us), [Some(0), Some(50), Some(500), None]);
        assert!(round_us(11) > round_us(10) && round_us(99) > round_us(98));
    }

    #[test]
    fn the_least_recently_used_goes_first_and_is_passed_on() {
        let mut server = limited(Order::Recency, false, &["SET a 1", "SET b 1", "SET c 1"]);
        for key in ["b", "a", "c"] {
            server.engine.now_ms += 5000;
            server.ok(&format!("GET {key}"));
        }
        server.listen();
        server.journal();
        server.excess(1);
        // What happened before the command is told before its reply.
        assert_eq!(server.run("PING"), ">[pmessage __keyevent* __keyevent@0__:evicted b]");
        assert_eq!(server.journal(), "DEL b");
        assert_eq!((server.engine.stats.evicted_keys, server.run("DBSIZE")), (1, "2".into()));
        // A key's size counts: one is not enough.
        server.excess(60);
        server.engine.eviction.unlinks = true;
        server.ok("PING");
        assert_eq!(server.journal(), "UNLINK a; UNLINK c");
    }

    /// Every type, all under the names that [`USES`] mentions.
    const KEYS: [&str; 10] = [
        "SET n 1",
        "SET s abc",
        "SETBIT raw 7 1",
        "PFADD hll a",
        "RPUSH l a b",
        "SADD t a b",
        "HSET h a 1",
        "ZADD z 1 a",
        "XADD x 1-1 a b",
        "SET timed 1 EX 1000",
    ];

    /// Commands that look a key up to write, or not to: they use it also where nothing changes.
    const USES: [(&str, &[&str]); 9] = [
        ("n", &["INCR n", "INCRBYFLOAT n 1", "EXPIRE n 100", "RENAMENX s n", "GET n", "DUMP n"]),
        (
            "s",
            &[
                "APPEND s x",
                "SETRANGE s 0 x",
                "SETBIT s 1 1",
                "SETNX s 1",
                "SET s 1 NX",
                "MSETNX s 1 u 2",
            ],
        ),
        ("raw", &["APPEND raw 1", "BITFIELD raw SET u8 0 1", "RESTORE raw 0 x", "COPY n raw"]),
        ("hll", &["PFADD hll a", "PFADD hll b", "PFCOUNT hll"]),
        (
            "l",
            &["LPUSH l x", "LREM l 1 nothing", "LSET l 0 a", "LINDEX l 0", "LMOVE l l LEFT LEFT"],
        ),
        ("t", &["SADD t a", "SREM t nothing", "SISMEMBER t a"]),
        ("h", &["HSET h a 1", "HSETNX h a 2", "HINCRBY h a 1", "HDEL h nothing"]),
        ("z", &["ZADD z 1 a", "ZINCRBY z 1 a", "ZREM z nothing", "GEOADD z 1 1 a"]),
        ("x", &["XADD x * a b", "XDEL x 9-9", "XTRIM x MAXLEN 9", "XLEN x"]),
    ];

    fn idle(server: &mut Server, key: &str) -> String {
        server.run(&format!("OBJECT IDLETIME {key}"))
    }

    #[test]
    fn a_command_that_may_write_uses_its_key() {
        let mut server = with(&KEYS);
        server.engine.now_ms += 5000;
        assert_eq!(idle(&mut server, "timed"), "5");
        server.run("PERSIST timed");
        assert_eq!(idle(&mut server, "timed"), "0");
        for (key, lines) in USES {
            for line in lines {
                server.engine.now_ms += 5000;
                assert_ne!(idle(&mut server, key), "0", "before {line}");
                server.run(line);
                assert_eq!(idle(&mut server, key), "0", "after {line}");
            }
        }
    }

    #[test]
    fn uses_leave_no_trace_for_a_client_that_wants_none_or_while_a_child_shares_the_memory() {
        let lines = [
            "GET s",
            "APPEND s x",
            "INCR n",
            "LPUSH l x",
            "LINDEX l 0",
            "HINCRBY h a 1",
            "SADD t a",
        ];
        for shared in [false, true] {
            let mut server = with(&KEYS);
            server.engine.now_ms += 5000;
            server.engine.set_memory_shared(shared);
            server.run(if shared { "CLIENT NO-TOUCH OFF" } else { "CLIENT NO-TOUCH ON" });
            for line in lines {
                server.run(line);
                let key = line.split(' ').nth(1).expect("each has a key");
                assert_eq!(idle(&mut server, key), "5", "after {line}");
            }
            server.run("SADD new a");
            assert_eq!(idle(&mut server, "new"), "0");
            server.run("CLIENT NO-TOUCH OFF");
            server.engine.set_memory_shared(false);
            server.run("GET s");
            assert_eq!(idle(&mut server, "s"), "0");
        }
    }

    #[test]
    fn the_time_of_an_eviction_is_not_that_of_the_command() {
        let mut server = limited(Order::Chance, false, &["SET a 1", "SET b 1", "SET c 1"]);
        server.slow_clock(1000);
        server.ok("GET d");
        let spec = crate::family::table().find(b"get").expect("in the table");
        let before = server.engine.stats.of(spec).ns;
        server.ok("GET d");
        let usual = server.engine.stats.of(spec).ns - before;
        server.excess(1);
        server.ok("GET d");
        assert_eq!(server.run("DBSIZE"), "2");
        assert_eq!(server.engine.stats.of(spec).ns - before, 2 * usual);
    }

    #[test]
    fn the_least_frequently_used_goes_first() {
        let mut server = limited(Order::Frequency, false, &[]);
        for line in ["SET a 1", "SET b 1", "SET c 1", "GET a", "GET c", "SET a 2"] {
            server.ok(line);
        }
        assert_eq!(server.run("OBJECT FREQ b"), "5");
        server.excess(1);
        server.ok("PING");
        assert_eq!(server.run("EXISTS b"), "0");
    }

    #[test]
    fn only_keys_with_an_expiry_go_the_nearest_first() {
        let lines = ["SET a 1", "SET b 1 EX 100", "SET c 1 EX 50", "SELECT 3", "SET d 1 EX 70"];
        let mut server = limited(Order::Expiry, true, &lines);
        for key in ["c", "d", "b"] {
            server.excess(1);
            server.ok("PING");
            assert!(server.journal().ends_with(&format!("DEL {key}")));
        }
        server.excess(1);
        let refused = "-OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(server.run("SET e 1"), refused);
        assert_eq!(server.run("GET a"), "nil");
        server.ok("SET e 1");
    }

    #[test]
    fn any_key_goes_by_chance_and_none_without_a_policy() {
        let mut server = limited(Order::Chance, false, &["SET a 1", "SET b 1", "SET c 1 EX 100"]);
        server.excess(1_000_000);
        assert!(server.run("SET d 1").starts_with("-OOM"));
        assert_eq!(server.run("DBSIZE"), "0");
        server.ok("SET d 1");
        server.engine.eviction.set_policy(None);
        server.excess(1);
        assert!(server.run("SET d 2").starts_with("-OOM"));
        assert_eq!(server.run("GET d"), "1");
    }

    #[test]
    fn what_a_replica_gives_up_does_not_enter_the_stream() {
        let mut server = limited(Order::Chance, false, &["SET a 1"]);
        server.excess(1);
        server.ok("PING");
        assert_eq!(server.last_kind(), Some(EntryKind::Effect));
        server.ok("SET a 1");
        server.engine.is_replica = true;
        server.excess(1);
        server.ok("PING");
        assert_eq!(server.last_kind(), Some(EntryKind::Local));
    }

    #[test]
    fn whoever_holds_a_key_that_goes_hears_of_it_before_the_reply() {
        for mode in ["", " NOLOOP", " BCAST"] {
            let mut server = limited(Order::Chance, true, &["SET a 1", "SET b 2 EX 100"]);
            server.resp3(true);
            server.ok(&format!("CLIENT TRACKING ON{mode}"));
            server.ok("GET b");
            server.excess(1);
            let first = server.run("GET a");
            match mode {
                // Collected until the end of the turn.
                " BCAST" => assert_eq!(first, "1"),
                _ => assert_eq!(first, ">[invalidate [b]]"),
            }
        }
    }

    #[test]
    fn a_command_uses_a_key_once_for_each_time_that_it_names_it() {
        let cases = [
            (
                "APPEND key v",
                "SET key v; SET key v EX 100; SET key v XX; SET key v KEEPTTL; SET key v GET#2; SET key v XX GET EX 9#2; GETSET key v#2; SETEX key 10 v; GETEX key; \
              SETRANGE key 3 x; APPEND key x; SETBIT key 1 1; STRLEN key; EXPIRE key 100; COPY key other; \
              MGET key key#2; MSET key a key b#2; LCS key key#2; BITOP NOT key key#2",
            ),
            (
                "APPEND key 1",
                "INCR key; INCRBYFLOAT key 1.5; INCRBY key 2; SET key 5 NX; SETNX key 5",
            ),
            (
                "RPUSH key a b c",
                "LPUSHX key d; LPOP key; LMPOP 1 key LEFT; BLMPOP 0 1 key LEFT; LSET key 0 z; LTRIM key 0 1; \
              LINSERT key BEFORE a z; LMOVE key key LEFT RIGHT#2; SORT key ALPHA",
            ),
            (
                "HSET key a 1 b 2",
                "HINCRBY key a 1; HINCRBYFLOAT key a 1; HSETNX key c 1; HDEL key a; HGETALL key",
            ),
            (
                "SADD key a b c",
                "SADD key d; SPOP key; SMOVE key other a; SMOVE key key a#2; SUNIONSTORE key key#2",
            ),
            (
                "ZADD key 1 a 2 b",
                "ZADD key XX 3 a; ZADD key 4 c; ZINCRBY key 1 a; ZPOPMIN key; ZMPOP 1 key MIN; \
              ZREMRANGEBYRANK key 0 0; ZRANGESTORE key key 0 -1#2",
            ),
            (
                "XADD key 1-1 a 1; XGROUP CREATE key g 0",
                "XACK key g 1-1; XCLAIM key g c 0 1-1; XAUTOCLAIM key g c 0 0; \
              XADD key * a 1; XDEL key 1-1; XPENDING key g",
            ),
            ("PFADD key a", "PFADD key b; PFCOUNT key"),
        ];
        let mut server = limited(Order::Frequency, false, &[]);
        // Without limit, and every use counts.
        server.engine.eviction.limited = false;
        server.engine.eviction.frequency.log_factor = 0;
        for (before, commands) in cases {
            for command in commands.split("; ") {
                let (command, uses) = command.split_once('#').unwrap_or((command, "1"));
                server.run("FLUSHALL");
                before.split("; ").for_each(|line| drop(server.run(line)));
                let freq = |server: &mut Server| -> i64 {
                    server.run("OBJECT FREQ key").trim_start_matches(':').parse().expect("a number")
                };
                let start = freq(&mut server);
                let reply = server.run(command);
                assert!(!reply.starts_with('-'), "{command}: {reply}");
                assert_eq!(freq(&mut server) - start, uses.parse().expect("a number"), "{command}");
            }
        }
    }

    #[test]
    fn nothing_goes_once_the_limit_is_lifted() {
        let mut server = limited(Order::Chance, false, &["SET a 1"]);
        server.engine.eviction.unfinished = true;
        server.engine.eviction.limited = false;
        server.excess(1_000_000);
        server.make_room();
        assert_eq!((server.run("DBSIZE"), server.engine.eviction.unfinished), ("1".into(), false));
    }

    #[test]
    fn what_our_primary_says_is_done_whatever_it_takes() {
        let mut server = limited(Order::Chance, false, &["SET a 1"]);
        let mut primary = Server::new();
        primary.ok("SET b 1");
        server.excess(1_000_000);
        server.replay(&mut primary);
        assert_eq!(server.engine.dbs[0].len(), 2);
    }
}
