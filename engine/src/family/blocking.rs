//! Commands that wait for an element of a list or a member of a sorted set: BLPOP, BLMOVE, BZPOPMIN and their kin.
//!
//! Each does what its sibling without the `B` does as soon as there is something, and is passed on as that sibling.
//!
//! # Not here
//! - how clients wait and are served: [`crate::blocking`]
//! - XREAD and XREADGROUP: the family of streams

use super::collections::multi_pop;
use super::lists::{self, end};
use super::zsets::{self, Side, side};
use crate::blocking::{Want, deadline};
use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use keyspace::entry::Kind;
use keyspace::list::{End, List};
use keyspace::zset::Zset;
use protocol::resp::Args;

const LIST: Want = Want { kind: Kind::List, or_gone: false };
const ZSET: Want = Want { kind: Kind::Zset, or_gone: false };

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name          arity        flags                            keys            handler
    cmd("blmove",     exactly(6),  WRITE | GROWS | BLOCKING,        keys(1, 2, 1),  blmove),
    cmd("blmpop",     at_least(5), WRITE | BLOCKING | MOVABLE_KEYS, counted(0, 2),  blmpop),
    cmd("blpop",      at_least(3), WRITE | BLOCKING,                keys(1, -2, 1), blpop),
    cmd("brpop",      at_least(3), WRITE | BLOCKING,                keys(1, -2, 1), brpop),
    cmd("brpoplpush", exactly(4),  WRITE | GROWS | BLOCKING,        keys(1, 2, 1),  brpoplpush),
    cmd("bzmpop",     at_least(5), WRITE | BLOCKING | MOVABLE_KEYS, counted(0, 2),  bzmpop),
    cmd("bzpopmax",   at_least(3), WRITE | BLOCKING | FAST,         keys(1, -2, 1), bzpopmax),
    cmd("bzpopmin",   at_least(3), WRITE | BLOCKING | FAST,         keys(1, -2, 1), bzpopmin),
];

/// `BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout` → the element.
fn blmove(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (from, to) = (end(args.at(3))?, end(args.at(4))?);
    let until = deadline(args.at(5), ctx.engine)?;
    let sibling = [&b"LMOVE"[..], args.at(1), args.at(2), args.at(3), args.at(4)];
    move_or_wait(ctx, args, (from, to), until, &sibling)
}

/// `BRPOPLPUSH source destination timeout` → the element.
fn brpoplpush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let until = deadline(args.at(3), ctx.engine)?;
    let sibling = [&b"RPOPLPUSH"[..], args.at(1), args.at(2)];
    move_or_wait(ctx, args, (End::Back, End::Front), until, &sibling)
}

fn move_or_wait(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    (from, to): (End, End),
    until_ms: Option<i64>,
    sibling: &[&[u8]],
) -> Result<Done, Refusal> {
    let (source, target) = (ctx.key(args, 1), ctx.key(args, 2));
    if ctx.engine.change::<List>(ctx.scope, source)?.is_none() {
        if ctx.session.in_exec {
            ctx.reply.null();
            return Ok(Done::NOTHING);
        }
        return Ok(ctx.block(args, 1..2, LIST, until_ms));
    }
    let done = lists::move_element(ctx, source, target, from, to)?;
    ctx.effect(sibling);
    Ok(done)
}

/// `BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]` → key and elements.
fn blmpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let wanted = multi_pop(args, 2, end)?;
    let until = deadline(args.at(1), ctx.engine)?;
    let keys = wanted.keys.clone();
    match lists::pop_first(ctx, args, wanted)? {
        Some(done) => Ok(done),
        None => Ok(ctx.block(args, keys, LIST, until)),
    }
}

fn blpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop_list(ctx, args, End::Front)
}

fn brpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop_list(ctx, args, End::Back)
}

/// `BLPOP key [key ...] timeout` → key and element.
fn pop_list(ctx: &mut Context<'_>, args: Args<'_>, end: End) -> Result<Done, Refusal> {
    let last = args.len() - 1;
    let until = deadline(args.at(last), ctx.engine)?;
    for position in 1..last {
        let key = ctx.key(args, position);
        let limits = ctx.engine.limits;
        let Some(list) = ctx.engine.change::<List>(ctx.scope, key)? else { continue };
        let element = list.pop(end, &limits).expect("lists are not empty");
        ctx.reply.array(2);
        ctx.reply.bulk(key.bytes);
        ctx.reply.bulk(&element);
        lists::popped(ctx, key, end);
        let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
        ctx.effect(&[name, key.bytes]);
        return Ok(Done::ONE);
    }
    Ok(ctx.block(args, 1..last, LIST, until))
}

/// `BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count]` → key and members.
fn bzmpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let wanted = multi_pop(args, 2, side)?;
    let until = deadline(args.at(1), ctx.engine)?;
    let keys = wanted.keys.clone();
    match zsets::pop_first(ctx, args, wanted)? {
        Some(done) => Ok(done),
        None => Ok(ctx.block(args, keys, ZSET, until)),
    }
}

fn bzpopmax(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop_zset(ctx, args, Side::Max)
}

fn bzpopmin(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop_zset(ctx, args, Side::Min)
}

/// `BZPOPMIN key [key ...] timeout` → key, member and score.
fn pop_zset(ctx: &mut Context<'_>, args: Args<'_>, side: Side) -> Result<Done, Refusal> {
    let last = args.len() - 1;
    let until = deadline(args.at(last), ctx.engine)?;
    for position in 1..last {
        let key = ctx.key(args, position);
        if ctx.engine.change::<Zset>(ctx.scope, key)?.is_none() {
            continue;
        }
        ctx.reply.array(3);
        ctx.reply.bulk(key.bytes);
        zsets::take(ctx, key, side, 1, false)?;
        let name: &[u8] = if side == Side::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        ctx.effect(&[name, key.bytes]);
        return Ok(Done::ONE);
    }
    Ok(ctx.block(args, 1..last, ZSET, until))
}

#[cfg(test)]
mod tests {
    use crate::blocking::Unblock;
    use crate::testing::{Server, expect, with};

    #[test]
    fn what_is_there_is_taken_at_once() {
        let mut server = with(&["RPUSH l a b c d e f", "ZADD z 1 a 2 b 3 c 4 d"]);
        expect(
            &mut server,
            &[
                ("BLPOP none l 0", "[l a]"),
                ("BRPOP l 0", "[l f]"),
                ("BLMOVE l m LEFT RIGHT 0", "b"),
                ("BRPOPLPUSH l m 0", "e"),
                ("BLMPOP 0 2 none l LEFT COUNT 5", "[l [c d]]"),
                ("LRANGE m 0 -1", "[e b]"),
                ("BZPOPMIN none z 0", "[z a 1]"),
                ("BZPOPMAX z 0", "[z d 4]"),
                ("BZMPOP 0 1 z MIN COUNT 9", "[z [[b 2] [c 3]]]"),
                ("EXISTS l z", "0"),
            ],
        );
        assert_eq!(
            server.journal(),
            "LPOP l; RPOP l; LMOVE l m LEFT RIGHT; RPOPLPUSH l m; LPOP l 2; ZPOPMIN z; ZPOPMAX z; ZPOPMIN z 2"
        );
    }

    #[test]
    fn bad_times_and_arguments_are_refused_before_waiting() {
        let mut server = with(&["SET s 1"]);
        expect(
            &mut server,
            &[
                ("BLPOP l x", "-ERR timeout is not a float or out of range"),
                ("BLPOP l nan", "-ERR timeout is not a float or out of range"),
                ("BLPOP l -1", "-ERR timeout is negative"),
                ("BLPOP l 0x1p63", "-ERR timeout is out of range"),
                ("BLPOP l 9223372036854775807", "-ERR timeout is out of range"),
                ("BLPOP s 0", crate::testing::WRONG_TYPE),
                ("BLPOP l s 0", crate::testing::WRONG_TYPE),
                ("BZPOPMIN s 0", crate::testing::WRONG_TYPE),
                ("BLMOVE s l LEFT LEFT 0", crate::testing::WRONG_TYPE),
                ("BLMOVE l s LEFT UP 0", "-ERR syntax error"),
                ("BLMPOP 0 0 l LEFT", "-ERR numkeys should be greater than 0"),
                ("BLMPOP 0 1 l LEFT COUNT 0", "-ERR count should be greater than 0"),
                ("BLMPOP 0 2 l LEFT", "-ERR syntax error"),
                ("BZMPOP x 2 l LEFT", "-ERR syntax error"),
                ("BZMPOP x 1 l MIN", "-ERR timeout is not a float or out of range"),
                ("BLMPOP -1 1 l LEFT", "-ERR timeout is negative"),
            ],
        );
    }

    #[test]
    fn nothing_waits_inside_a_transaction() {
        let mut server = with(&["MULTI"]);
        for line in ["BLPOP l 0", "BLMOVE l m LEFT LEFT 0", "BZPOPMIN z 0", "BLMPOP 0 1 l LEFT"] {
            server.ok(line);
        }
        assert_eq!(server.run("EXEC"), "[nil[] nil nil[] nil[]]");
    }

    #[test]
    fn clients_are_served_in_the_order_of_their_arrival() {
        let mut server = Server::new();
        let [a, b, c] = [server.join(), server.join(), server.join()];
        for (slot, line) in [(a, "BLPOP l 0"), (b, "BRPOP k l 0"), (c, "BLPOP l k 0")] {
            assert_eq!(server.run_as(slot, line), "");
        }
        assert_eq!(server.run("RPUSH l 1 2"), "2");
        assert_eq!([a, b, c].map(|slot| server.sent_to(slot)), ["[l 1]", "[l 2]", ""]);
        assert_eq!(server.journal(), "RPUSH l 1 2; LPOP l; RPOP l");
        server.ok("RPUSH k 3");
        assert_eq!(server.sent_to(c), "[k 3]");
        expect(&mut server, &[("EXISTS l k", "0")]);
        assert_eq!(server.engine.waiters_len(), (0, 0));
        assert_eq!(server.engine.awaited_keys_len(), (0, 0));
    }

    #[test]
    fn a_transaction_serves_when_it_is_over() {
        let mut server = Server::new();
        let a = server.join();
        assert_eq!(server.run_as(a, "BLPOP l 0"), "");
        for line in ["MULTI", "RPUSH l 1", "DEL l", "RPUSH l 2"] {
            server.ok(line);
        }
        assert_eq!(server.run("EXEC"), "[1 1 1]");
        assert_eq!(server.sent_to(a), "[l 2]");
        assert_eq!(server.journal(), "MULTI | RPUSH l 1 | DEL l | RPUSH l 2 | EXEC; LPOP l");
        assert_eq!(server.run_as(a, "BLPOP l 0"), "");
        for line in ["MULTI", "RPUSH l 1", "DEL l", "EXEC"] {
            server.ok(line);
        }
        assert_eq!(server.sent_to(a), "", "what was there in between is nobody's");
    }

    #[test]
    fn one_that_is_served_feeds_the_next() {
        let mut server = Server::new();
        let [a, b] = [server.join(), server.join()];
        assert_eq!(server.run_as(b, "BLPOP m 0"), "");
        assert_eq!(server.run_as(a, "BLMOVE l m LEFT RIGHT 0"), "");
        server.ok("LPUSH l x");
        assert_eq!([a, b].map(|slot| server.sent_to(slot)), ["x", "[m x]"]);
        assert_eq!(server.journal(), "LPUSH l x; LMOVE l m LEFT RIGHT; LPOP m");
    }

    #[test]
    fn one_that_cannot_be_served_gets_its_error_and_the_next_is_served() {
        let mut server = with(&["SET s 1"]);
        let [a, b] = [server.join(), server.join()];
        assert_eq!(server.run_as(a, "BLMOVE l s LEFT RIGHT 0"), "");
        assert_eq!(server.run_as(b, "BLPOP l 0"), "");
        server.ok("LPUSH l x");
        assert_eq!([a, b].map(|slot| server.sent_to(slot)), [crate::testing::WRONG_TYPE, "[l x]"]);
    }

    #[test]
    fn another_type_serves_nobody() {
        let mut server = Server::new();
        let [a, b] = [server.join(), server.join()];
        assert_eq!(server.run_as(a, "BLPOP k 0"), "");
        assert_eq!(server.run_as(b, "BZPOPMAX k 0"), "");
        server.ok("ZADD k 1 m");
        assert_eq!([a, b].map(|slot| server.sent_to(slot)), ["", "[k m 1]"]);
        server.ok("SET k v");
        server.ok("DEL k");
        server.ok("RPUSH other 1");
        server.ok("RENAME other k");
        assert_eq!(server.sent_to(a), "[k 1]");
    }

    #[test]
    fn a_late_reply_is_left_out_where_its_client_wants_none() {
        for (mode, silent) in [("OFF", [true, true]), ("SKIP", [true, false])] {
            for end in ["served", "timeout", "error"] {
                let mut server = Server::new();
                let client = server.join();
                assert_eq!(server.run_as(client, &format!("CLIENT REPLY {mode}")), "");
                for is_silent in silent {
                    assert_eq!(server.run_as(client, "BLPOP l 10"), "");
                    match end {
                        "served" => server.ok("RPUSH l 1"),
                        "timeout" => assert!(server.engine.unblock(client, Unblock::Timeout)),
                        _ => assert!(server.engine.unblock(client, Unblock::Error)),
                    }
                    assert_eq!(server.sent_to(client).is_empty(), is_silent, "{mode}, {end}");
                    assert_eq!(server.run("LLEN l"), "0");
                }
                let reply = server.run_as(client, "PING");
                assert_eq!(reply.is_empty(), mode == "OFF", "{mode}, {end}: {reply}");
            }
        }
    }

    #[test]
    fn who_was_closed_gets_and_hears_nothing() {
        let mut server = Server::new();
        let [waiter, listener] = [server.join(), server.join()];
        assert_eq!(server.run_as(waiter, "BLPOP l 0"), "");
        server.run_as(listener, "SUBSCRIBE c");
        server.engine.withdraw(waiter);
        server.engine.withdraw(listener);
        expect(&mut server, &[("RPUSH l 1", "1"), ("LLEN l", "1"), ("PUBLISH c m", "0")]);
        server.engine.disconnect(waiter);
        server.engine.disconnect(listener);
        assert_eq!(server.engine.waiters_len(), (0, 0));
    }

    #[test]
    fn waits_end_at_their_deadline_and_by_command() {
        let mut server = Server::new();
        let [a, b, c] = [server.join(), server.join(), server.join()];
        assert_eq!(server.run_as(a, "BLPOP l 0.01"), "");
        assert_eq!(server.run_as(b, "BRPOPLPUSH l m 5"), "");
        assert_eq!(server.run_as(c, "BLPOP l l 0"), "");
        assert_eq!(server.engine.next_deadline_ms(), Some(server.engine.steady_ms + 11));
        // The wall clock may go where it likes.
        server.engine.now_ms += 3_600_000;
        server.engine.steady_ms += 10;
        server.engine.end_overdue_waits();
        assert_eq!(server.sent_to(a), "");
        server.engine.now_ms -= 7_200_000;
        server.engine.steady_ms += 1;
        server.engine.end_overdue_waits();
        assert_eq!(server.sent_to(a), "nil[]");
        assert!(server.engine.unblock(b, Unblock::Error));
        assert_eq!(server.sent_to(b), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
        assert!(server.engine.unblock(c, Unblock::Timeout));
        assert!(!server.engine.unblock(c, Unblock::Timeout));
        assert_eq!(server.sent_to(c), "nil[]");
        server.ok("LPUSH l 1");
        expect(&mut server, &[("LLEN l", "1")]);
        assert_eq!(server.run_as(a, "PING"), "+PONG");
    }

    #[test]
    fn who_left_gets_nothing() {
        let mut server = Server::new();
        let [a, b] = [server.join(), server.join()];
        assert_eq!(server.run_as(a, "BLPOP l 1"), "");
        assert_eq!(server.run_as(b, "BLPOP l 0"), "");
        server.engine.disconnect(a);
        server.ok("LPUSH l x");
        assert_eq!(server.sent_to(b), "[l x]");
        assert_eq!(server.engine.next_deadline_ms(), None);
    }

    #[test]
    fn databases_are_waited_in_apart_and_swapped() {
        let mut server = Server::new();
        let a = server.join();
        server.run_as(a, "SELECT 1");
        assert_eq!(server.run_as(a, "BLPOP l 0"), "");
        server.ok("LPUSH l x");
        assert_eq!(server.sent_to(a), "");
        server.ok("SWAPDB 0 1");
        assert_eq!(server.sent_to(a), "[l x]");
        assert_eq!(server.journal(), "LPUSH l x; SWAPDB 0 1; LPOP l");
    }
}
