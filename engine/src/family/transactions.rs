//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! # Not here
//! - queueing and running the queue: [`crate::dispatch`]

use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use crate::session::Multi;
use protocol::resp::Args;

const BASE: Flags = NO_SCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;
const NOW: Flags = BASE | NOT_QUEUED;
const EXEC: Flags = NO_SCRIPT | LOADING | STALE | SKIP_SLOWLOG | NOT_QUEUED | RUNS_QUEUE;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name       arity        flags             keys            handler
    cmd("discard", exactly(1),  NOW | IN_STREAM,  NO_KEYS,        discard),
    cmd("exec",    exactly(1),  EXEC | IN_STREAM, NO_KEYS,        exec),
    cmd("multi",   exactly(1),  NOW | IN_STREAM,  NO_KEYS,        multi),
    cmd("unwatch", exactly(1),  BASE,             NO_KEYS,        unwatch),
    cmd("watch",   at_least(2), NOW,              keys(1, -1, 1), watch),
];

fn discard(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    if ctx.session.multi.take().is_none() {
        return Err(Refusal::fixed("ERR DISCARD without MULTI"));
    }
    ctx.engine.unwatch_all(ctx.session);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn exec(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let Some(multi) = ctx.session.multi.take() else {
        return Err(Refusal::fixed("ERR EXEC without MULTI"));
    };
    let spoiled = ctx.engine.is_spoiled(ctx.session);
    ctx.engine.unwatch_all(ctx.session);
    if multi.failed {
        return Err(Refusal::fixed("EXECABORT Transaction discarded because of previous errors."));
    }
    if spoiled {
        ctx.reply.null_array();
        return Ok(Done::NOTHING);
    }
    let host = ctx.host.take().expect("a host does not call itself");
    let out = ctx.reply.buffer();
    let _changes = ctx.engine.execute_queue(host, ctx.session, multi.queue, out);
    ctx.host = Some(host);
    // Counted by the commands in the queue.
    Ok(Done::NOTHING)
}

fn multi(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    if ctx.session.multi.is_some() {
        return Err(Refusal::fixed("ERR MULTI calls can not be nested"));
    }
    ctx.session.multi = Some(Multi::default());
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn unwatch(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.engine.unwatch_all(ctx.session);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn watch(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    // An error of WATCH itself does not spoil the transaction, unlike one of queueing.
    if ctx.session.multi.is_some() {
        return Err(Refusal::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    let db = ctx.session.db;
    for bytes in args.iter_from(1) {
        ctx.engine.watch(ctx.session, db, bytes);
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Server, expect, with};

    /// A server whose key `x` has come to its time but is still there.
    fn stale() -> Server {
        let mut server = with(&["SET x 1 PX 10"]);
        server.engine.now_ms += 20;
        server
    }

    #[test]
    fn what_had_expired_before_watch_may_go() {
        for gone in ["EXISTS x", "DEL x", "FLUSHDB", "FLUSHALL", "SWAPDB 0 1", "PING"] {
            let mut server = stale();
            server.ok("WATCH x");
            server.ok(gone);
            expect(&mut server, &[("MULTI", "+OK"), ("PING", "+QUEUED"), ("EXEC", "[+PONG]")]);
        }
        let mut server = stale();
        server.ok("WATCH x");
        server.ok("SET x 2");
        expect(&mut server, &[("MULTI", "+OK"), ("PING", "+QUEUED"), ("EXEC", "nil[]")]);
    }

    #[test]
    fn what_expires_after_watch_is_a_change() {
        for look in ["PING", "EXISTS x"] {
            let mut server = with(&["SET x 1 PX 10", "WATCH x"]);
            server.engine.now_ms += 20;
            server.ok(look);
            expect(&mut server, &[("MULTI", "+OK"), ("PING", "+QUEUED"), ("EXEC", "nil[]")]);
        }
    }

    #[test]
    fn a_stale_key_in_place_of_none_or_of_another_is_no_change() {
        for (watched, other) in [("SET y 1", "SET x 1 PX 10"), ("SET x 2 PX 10", "SET x 1 PX 10")] {
            let mut server = with(&[watched, "SELECT 1", other, "SELECT 0"]);
            server.engine.now_ms += 20;
            server.ok("WATCH x");
            server.ok("SWAPDB 0 1");
            expect(&mut server, &[("MULTI", "+OK"), ("PING", "+QUEUED"), ("EXEC", "[+PONG]")]);
        }
    }

    #[test]
    fn a_command_that_is_not_queued_spoils_the_transaction_by_its_arity_only() {
        for (line, spoils) in [
            ("DISCARD 1", true),
            ("RESET 1", true),
            ("WATCH", true),
            ("WATCH a", false),
            ("MULTI", false),
        ] {
            let mut server = with(&["MULTI", "SET x 1"]);
            assert!(server.run(line).starts_with("-ERR"), "{line}");
            assert_eq!(server.run("EXEC").starts_with("-EXECABORT"), spoils, "{line}");
        }
        let mut server = with(&["MULTI"]);
        let error = "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
        expect(&mut server, &[("EXEC 1", error), ("EXEC", "-ERR EXEC without MULTI")]);
    }

    #[test]
    fn exec_is_refused_as_a_whole_for_what_it_would_execute() {
        let mut server = with(&["WATCH x", "MULTI", "GET x", "INCR x"]);
        server.engine.conditions.too_few_replicas = true;
        let error = server.run("EXEC");
        assert!(error.starts_with("-EXECABORT Transaction discarded because of: NOREPLICAS"));
        expect(&mut server, &[("EXEC", "-ERR EXEC without MULTI"), ("GET x", "nil")]);
        server.engine.conditions.too_few_replicas = false;
        for (queued, refused) in [("GET x", false), ("SET x 1", true)] {
            server.ok("MULTI");
            server.ok(queued);
            server.engine.conditions.out_of_memory = true;
            assert!(server.run("PING").starts_with("-OOM"), "the queue takes memory");
            server.engine.conditions.out_of_memory = false;
            server.ok("DISCARD");
            server.ok("MULTI");
            server.ok(queued);
            server.engine.conditions.out_of_memory = true;
            assert_eq!(server.run("EXEC").starts_with("-EXECABORT"), refused, "{queued}");
            server.engine.conditions.out_of_memory = false;
        }
    }

    #[test]
    fn an_error_of_watch_does_not_spoil_the_transaction() {
        expect(
            &mut Server::new(),
            &[
                ("MULTI", "+OK"),
                ("WATCH x", "-ERR WATCH inside MULTI is not allowed"),
                ("EXEC", "[]"),
                ("MULTI", "+OK"),
                ("SAVE", "-ERR Command not allowed inside a transaction"),
                ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ],
        );
    }

    #[test]
    fn what_a_scan_finds_expired_is_no_transaction() {
        let mut server = with(&["SET x 1 PX 10", "SET y 1 PX 10"]);
        server.engine.now_ms += 20;
        server.ok("SCAN 0 COUNT 100");
        let journal = server.journal();
        assert!(["DEL x | DEL y", "DEL y | DEL x"].contains(&journal.as_str()), "{journal}");
    }

    #[test]
    fn what_the_primary_writes_again_is_its_own() {
        let mut server = with(&[]);
        server.engine.is_replica = true;
        server.ok("SET x 1 PX 10");
        let mut primary = Server::new();
        primary.ok("SET x 2 PX 10");
        server.replay(&mut primary);
        server.engine.now_ms += 20;
        server.sweep();
        assert_eq!(server.run("DBSIZE"), "1");
    }

    #[test]
    fn a_replica_expires_what_its_own_clients_wrote() {
        let mut server = with(&["SET theirs 1 PX 10"]);
        server.engine.is_replica = true;
        server.ok("SET ours 1 PX 10");
        server.engine.now_ms += 20;
        server.journal();
        server.sweep();
        assert_eq!(server.journal(), "DEL ours");
        assert_eq!(server.run("DBSIZE"), "1", "what the primary wrote waits for its word");
    }
}
