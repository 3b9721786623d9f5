//! What took long is noted: commands in the slow log, and all kinds of things in the latency monitor.
//!
//! Dispatch measures every command anyway. What this adds to it is one comparison, with the shortest time that the slow log or
//! the monitor asks for ([`Engine::watch_long_commands`]).

use crate::command::{FAST, HasFlags, SKIP_SLOWLOG, Spec};
use crate::engine::Engine;
use crate::latency::Event;
use crate::secrets::{REDACTED, is_secret};
use crate::session::{Peer, Session};
use crate::slowlog::{Entry, cut};
use protocol::resp::Args;

impl Engine {
    /// Says which commands are noted: from `slower_than_us` on in the slow log (below 0: none), from `threshold_ms` on in the
    /// latency monitor (0: none).
    pub fn watch_long_commands(&mut self, slower_than_us: i64, threshold_ms: u64) {
        let slow_ns = u64::try_from(slower_than_us).map_or(u64::MAX, |us| us.saturating_mul(1000));
        self.latency.set_threshold(threshold_ms);
        self.slow_ns = slow_ns;
        self.long_ns = match threshold_ms {
            0 => slow_ns,
            ms => slow_ns.min(ms.saturating_mul(1_000_000)),
        };
    }

    /// Something other than a command took so long.
    #[inline]
    pub fn note_latency(&mut self, event: Event, ns: u64) {
        self.latency.note(event, ns, self.now_ms);
    }

    /// A command took long, as far as somebody asked for.
    #[cold]
    pub(crate) fn note_long_command(
        &mut self,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        ns: u64,
    ) {
        // What a file holds was somebody else's command.
        if session.peer == Peer::Loader {
            return;
        }
        let event = if spec.flags.has(FAST) { Event::FastCommand } else { Event::Command };
        self.note_latency(event, ns);
        if ns >= self.slow_ns && self.slow_ns < u64::MAX && !spec.flags.has(SKIP_SLOWLOG) {
            let shown = |at| if is_secret(spec, args, at) { REDACTED } else { args.at(at) };
            self.slowlog.push(Entry {
                id: 0,
                time_s: self.now_ms.div_euclid(1000),
                us: ns / 1000,
                args: cut(args, shown),
                address: session.address.clone(),
                name: session.name.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::slowlog::{ARG_BYTES_MAX, ARGS_MAX, Slowlog};
    use crate::testing::{Server, with};

    /// The commands in the slow log, the newest first.
    fn logged(log: &Slowlog) -> Vec<String> {
        let texts = log.entries().map(|entry| {
            let args: Vec<_> = entry.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            args.join(" ")
        });
        texts.collect()
    }

    /// A server that logs all.
    fn watching() -> Server {
        let mut server = with(&[]);
        server.engine.watch_long_commands(0, 0);
        server
    }

    #[test]
    fn only_what_takes_long_is_logged() {
        let mut server = with(&[]);
        server.engine.watch_long_commands(500, 0);
        server.slow_clock(499_999);
        server.ok("PING");
        assert_eq!(server.engine.slowlog.entries().count(), 0);
        server.slow_clock(500_000);
        server.ok("CLIENT REPLY ON");
        server.ok("GET k");
        let entry = server.engine.slowlog.entries().next().expect("it took long");
        assert_eq!((entry.id, entry.us, entry.time_s), (1, 500, 1_700_000_000));
        server.engine.watch_long_commands(-1, 0);
        server.ok("GET other");
        assert_eq!(logged(&server.engine.slowlog), ["GET k", "CLIENT REPLY ON"]);
    }

    #[test]
    fn entries_are_bounded_in_number_and_size() {
        let mut server = watching();
        server.engine.slowlog.set_len_max(3);
        (0..10).for_each(|_| server.ok("PING"));
        let ids: Vec<u64> = server.engine.slowlog.entries().map(|entry| entry.id).collect();
        assert_eq!(ids, [9, 8, 7]);
        let long = "x".repeat(ARG_BYTES_MAX);
        server.ok(&format!("ECHO {long}"));
        assert_eq!(logged(&server.engine.slowlog)[0], format!("ECHO {long}"));
        server.ok(&format!("ECHO {long}yz"));
        assert_eq!(logged(&server.engine.slowlog)[0], format!("ECHO {long}... (2 more bytes)"));
        server.ok(&format!("DEL{}", " k".repeat(ARGS_MAX - 1)));
        assert_eq!(server.engine.slowlog.entries().next().map(|e| e.args.len()), Some(ARGS_MAX));
        server.ok(&format!("DEL{}", " k".repeat(ARGS_MAX)));
        let args = &server.engine.slowlog.entries().next().expect("it is logged").args;
        let last = &args[ARGS_MAX - 1];
        assert_eq!((args.len(), &last[..]), (ARGS_MAX, &b"... (2 more arguments)"[..]));
        server.engine.slowlog.set_len_max(0);
        server.ok("PING");
        assert_eq!(server.engine.slowlog.entries().count(), 0);
    }

    #[test]
    fn secrets_are_not_logged() {
        let mut server = watching();
        for line in [
            "AUTH user password",
            "HELLO 3 AUTH user password SETNAME me",
            "MIGRATE host 1 key 9 5000 AUTH password",
            "MIGRATE host 1 key 9 5000 AUTH2 user password",
            "CONFIG SET maxmemory 0 RequirePass password masteruser user",
        ] {
            server.run(line);
        }
        assert_eq!(
            logged(&server.engine.slowlog),
            [
                "CONFIG SET maxmemory 0 RequirePass (redacted) masteruser (redacted)",
                "MIGRATE host 1 key 9 5000 AUTH2 (redacted) (redacted)",
                "MIGRATE host 1 key 9 5000 AUTH (redacted)",
                "HELLO 3 AUTH (redacted) (redacted) SETNAME me",
                "AUTH (redacted) (redacted)",
            ]
        );
    }

    #[test]
    fn a_transaction_is_logged_command_by_command_and_as_it_came() {
        let mut server = watching();
        server.ok("SADD s a");
        server.ok("SADD bulk a b");
        server.engine.slowlog.clear();
        for line in ["MULTI", "SPOP s 10", "INCRBYFLOAT f 1", "NOPE"] {
            server.run(line);
        }
        server.run("EXEC");
        // What was not executed is not logged either; nor is EXEC.
        assert_eq!(logged(&server.engine.slowlog), ["MULTI"]);
        for line in ["MULTI", "SPOP s 10", "INCRBYFLOAT f 1", "EXEC"] {
            server.ok(line);
        }
        assert_eq!(
            logged(&server.engine.slowlog),
            ["INCRBYFLOAT f 1", "SPOP s 10", "MULTI", "MULTI"]
        );
    }

    #[test]
    fn a_command_that_waits_is_logged_when_it_was_served_or_its_time_has_come() {
        let mut server = watching();
        let waiter = server.join();
        assert_eq!(server.run_as(waiter, "BLPOP l 0"), "");
        assert_eq!(server.engine.slowlog.entries().count(), 0);
        server.ok("LPUSH l a");
        assert_eq!(logged(&server.engine.slowlog), ["BLPOP l 0", "LPUSH l a"]);
        server.run_as(waiter, "BLPOP l 1");
        server.engine.steady_ms += 1002;
        server.engine.end_overdue_waits();
        assert_eq!(logged(&server.engine.slowlog)[0], "BLPOP l 1");
    }

    #[test]
    fn the_monitor_sees_commands_that_the_log_does_not() {
        let mut server = with(&[]);
        server.engine.watch_long_commands(-1, 2);
        server.slow_clock(2_000_000);
        server.ok("GET k");
        server.ok("KEYS *");
        server.slow_clock(1_999_999);
        server.ok("ECHO fast");
        let events: Vec<_> = server.engine.latency.events().map(|(e, _)| e.name()).collect();
        assert_eq!(events, ["command", "fast-command"]);
        assert_eq!(server.engine.slowlog.entries().count(), 0);
    }
}
