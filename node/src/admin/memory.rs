//! MEMORY: what values cost, and what else takes memory.

use crate::node::Outside;
use crate::overhead::Overhead;
use engine::arguments::{int, is};
use engine::context::{Context, Done, Key};
use engine::refusal::Refusal;
use protocol::resp::{Args, Reply};

/// `MEMORY USAGE key [SAMPLES n]`, `MEMORY PURGE`, `STATS`, `DOCTOR`, `MALLOC-STATS`.
pub fn memory(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let word = args.at(1);
    if is(word, "USAGE") {
        let samples = args.len() == 5 && is(args.at(3), "SAMPLES") && int(args.at(4))? >= 0;
        if args.len() != 3 && !samples {
            return Err(Refusal::SYNTAX);
        }
        let key = Key::new(args.at(2));
        let Some(entry) = ctx.engine.peek(ctx.scope, key) else {
            ctx.reply.null();
            return Ok(Done::NOTHING);
        };
        let total = entry.block_bytes() + entry.value_bytes();
        ctx.reply.int(total as i64);
        return Ok(Done::NOTHING);
    }
    if is(word, "PURGE") && args.len() == 2 {
        // The allocator's background thread gives memory back by itself; this makes it current.
        host.world.purge_memory();
        ctx.reply.ok();
        return Ok(Done::NOTHING);
    }
    if is(word, "STATS") && args.len() == 2 {
        stats(&Overhead::of(host, ctx.engine, ctx.session), ctx);
        return Ok(Done::NOTHING);
    }
    if is(word, "DOCTOR") && args.len() == 2 {
        let report = Overhead::of(host, ctx.engine, ctx.session).report();
        ctx.reply.verbatim("txt", report.as_bytes());
        return Ok(Done::NOTHING);
    }
    if is(word, "MALLOC-STATS") && args.len() == 2 {
        let text = host.world.allocator_report();
        ctx.reply.verbatim("txt", &text);
        return Ok(Done::NOTHING);
    }
    let word = String::from_utf8_lossy(word).into_owned();
    Err(Refusal::new(format!("ERR unknown subcommand '{word}'. Try MEMORY HELP.")))
}

/// The reply of MEMORY STATS: names and numbers, a map for each database that holds keys.
fn stats(overhead: &Overhead, ctx: &mut Context<'_>) {
    let reply = &mut ctx.reply;
    let figures = overhead.figures;
    let before = [
        ("peak.allocated", overhead.peak),
        ("total.allocated", figures.used),
        ("startup.allocated", overhead.startup),
        ("replication.backlog", overhead.backlog),
        ("clients.slaves", overhead.replicas),
        ("clients.normal", overhead.clients),
        ("cluster.links", 0),
        ("aof.buffer", overhead.aof_buffer),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let excesses = [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            overhead.allocator_fragmentation(),
        ),
        ("allocator-rss.ratio", "allocator-rss.bytes", overhead.allocator_rss()),
        ("rss-overhead.ratio", "rss-overhead.bytes", overhead.rss()),
        ("fragmentation", "fragmentation.bytes", overhead.fragmentation()),
    ];
    reply.map(before.len() + overhead.dbs.len() + 9 + 2 * excesses.len());
    let number = |reply: &mut Reply<'_>, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.int(value);
    };
    for (name, value) in before {
        number(reply, name, value as i64);
    }
    for db in &overhead.dbs {
        reply.bulk(format!("db.{}", db.index).as_bytes());
        reply.map(3);
        number(reply, "overhead.hashtable.main", db.table as i64);
        number(reply, "overhead.hashtable.expires", db.expiries as i64);
        number(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    number(reply, "overhead.total", overhead.total() as i64);
    number(reply, "keys.count", overhead.keys as i64);
    number(reply, "keys.bytes-per-key", overhead.bytes_per_key() as i64);
    number(reply, "dataset.bytes", overhead.dataset() as i64);
    for (name, percent) in [
        ("dataset.percentage", overhead.dataset_percent()),
        ("peak.percentage", overhead.peak_percent()),
    ] {
        reply.bulk(name.as_bytes());
        reply.double(percent);
    }
    number(reply, "allocator.allocated", figures.used as i64);
    number(reply, "allocator.active", figures.active as i64);
    number(reply, "allocator.resident", figures.resident as i64);
    for (ratio, bytes, excess) in excesses {
        reply.bulk(ratio.as_bytes());
        reply.double(excess.ratio);
        number(reply, bytes, excess.bytes);
    }
}
