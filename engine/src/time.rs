//! The time within a batch of requests: it stands still while a request is executed, a transaction as a whole, and goes on
//! behind one that took a millisecond or more. What comes behind a long command is not executed in the past: a key whose time
//! ran out meanwhile is gone, and a wait that begins there is not too short.
//!
//! Clocks are the host's. It says what the time is before a batch ([`Engine::set_time`]); from there on time is counted by
//! [`crate::Host::ticks_ns`], so the wall clock is never ahead of the host's, and what it does meanwhile is seen with the next
//! batch.

use crate::engine::Engine;

const MS_NS: u64 = 1_000_000;

impl Engine {
    /// When the last command ended, by [`crate::Host::ticks_ns`].
    #[inline]
    pub fn last_tick_ns(&self) -> u64 {
        self.tick_ns
    }

    /// Says what the time is, before a batch of requests is executed: the wall clock's milliseconds since 1970, and
    /// [`crate::Host::ticks_ns`].
    #[inline]
    pub fn set_time(&mut self, unix_ms: i64, ticks_ns: u64) {
        self.now_ms = unix_ms;
        self.steady_ms = (ticks_ns / MS_NS) as i64;
        self.tick_ns = ticks_ns;
        self.time_goes_on_ns = ticks_ns.saturating_add(MS_NS);
    }

    /// A request is over, and the clock was looked at: time goes on if that took long.
    #[inline]
    pub(crate) fn let_time_go_on(&mut self) {
        if self.tick_ns >= self.time_goes_on_ns {
            let passed_ms = 1 + (self.tick_ns - self.time_goes_on_ns) / MS_NS;
            self.now_ms = self.now_ms.saturating_add(passed_ms as i64);
            self.steady_ms = self.steady_ms.saturating_add(passed_ms as i64);
            self.time_goes_on_ns = self.time_goes_on_ns.saturating_add(passed_ms * MS_NS);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;

    /// A server of which each command takes so many microseconds.
    fn slow(us: u64) -> Server {
        let mut server = Server::new();
        let now_ms = server.engine.now_ms;
        server.engine.set_time(now_ms, 0);
        server.slow_clock(us * 1000);
        server
    }

    #[test]
    fn what_runs_out_during_a_command_is_gone_behind_it() {
        let mut server = slow(40_000);
        server.ok("SET k v PX 100");
        assert_eq!(server.run("GET k"), "v");
        server.ok("PING");
        assert_eq!(server.run("GET k"), "nil");
    }

    #[test]
    fn a_transaction_is_of_one_moment_and_nobody_is_served_what_ran_out_in_it() {
        let mut server = slow(40_000);
        let waiter = server.join();
        assert_eq!(server.run_as(waiter, "BLPOP k 0"), "");
        for line in ["MULTI", "RPUSH k v", "PEXPIRE k 100", "PING", "PING", "LLEN k"] {
            server.ok(line);
        }
        assert_eq!(server.run("EXEC"), "[1 1 +PONG +PONG 1]");
        assert_eq!(server.sent_to(waiter), "");
        assert_eq!(server.run("EXISTS k"), "0");
    }

    #[test]
    fn a_wait_that_begins_behind_a_long_command_is_as_long_as_any() {
        let mut server = slow(700_000);
        let start_ms = server.engine.steady_ms;
        server.ok("PING");
        let waiter = server.join();
        assert_eq!(server.run_as(waiter, "BLPOP k 1"), "");
        assert_eq!(server.engine.next_deadline_ms(), Some(start_ms + 700 + 1001));
    }

    #[test]
    fn many_short_commands_add_up_and_the_clock_is_never_ahead() {
        let mut server = slow(300);
        let (now_ms, steady_ms) = (server.engine.now_ms, server.engine.steady_ms);
        for count in 1..=1000 {
            server.ok("PING");
            let passed_ms = count * 300 / 1000;
            assert_eq!(server.engine.now_ms, now_ms + passed_ms, "after {count} commands");
            assert_eq!(server.engine.steady_ms, steady_ms + passed_ms);
        }
    }
}
