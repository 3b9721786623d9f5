//! XACK, XPENDING, XCLAIM and XAUTOCLAIM: what was delivered and is not acknowledged.
//!
//! Claiming is passed on entry by entry as an XCLAIM that says all about the pending entry, so that it does not depend on
//! the time or on what the copy had. An entry that is no longer in the stream is passed on as well, in the name of its
//! old owner: the copy finds that it is gone and forgets it.

use super::effects::{Claim, pass_on_claims, pass_on_progress};
use super::ids;
use super::replies::{no_such_group, write_entry};
use crate::arguments::{int, is};
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::stream::{ConsumerSlot, Entries, Group, Pending, Stream, StreamId};
use protocol::resp::{Args, Reply};

/// `XACK key group id [id ...]` → how many were pending.
pub(super) fn xack(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    ctx.engine.read_as::<Stream>(ctx.scope, key)?;
    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?;
    let Some((_, group)) = stream.and_then(|stream| stream.group_mut(args.at(2))) else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    args.iter_from(3).try_for_each(|text| ids::whole(text, 0).map(drop))?;
    let ids = args.iter_from(3).map(|text| ids::whole(text, 0).expect("read above"));
    let acknowledged = ids.filter(|id| group.acknowledge(*id)).count();
    ctx.reply.int(acknowledged as i64);
    Ok(Done::changes(acknowledged))
}

/// What XPENDING asks for beyond a summary.
struct Wanted<'a> {
    first: StreamId,
    last: StreamId,
    count: usize,
    idle_ms: i64,
    consumer: Option<&'a [u8]>,
}

/// `XPENDING key group [[IDLE milliseconds] start end count [consumer]]` → a summary, or pending entries.
pub(super) fn xpending(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let wanted = match args.len() {
        3 => None,
        6..=9 => {
            let (mut at, mut idle_ms) = (3, 0);
            if is(args.at(3), "IDLE") {
                idle_ms = int(args.at(4))?;
                if args.len() < 8 {
                    return Err(Refusal::SYNTAX);
                }
                at = 5;
            }
            let count = int(args.at(at + 2))?.max(0) as usize;
            let (first, last) = (ids::range_start(args.at(at))?, ids::range_end(args.at(at + 1))?);
            Some(Wanted { first, last, count, idle_ms, consumer: args.get(at + 3) })
        }
        _ => return Err(Refusal::SYNTAX),
    };
    let (key, now_ms) = (ctx.key(args, 1), ctx.now());
    let stream = ctx.engine.read_as::<Stream>(ctx.scope, key)?;
    let Some(group) = stream.and_then(|stream| stream.group(args.at(2))) else {
        return Err(no_such_group(key.bytes, args.at(2)));
    };
    match wanted {
        None => summarize(&mut ctx.reply, group),
        Some(wanted) => list_pending(&mut ctx.reply, group, &wanted, now_ms),
    }
    Ok(Done::NOTHING)
}

fn summarize(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_bounds() else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    ids::write(reply, first);
    ids::write(reply, last);
    let owners = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    reply.array(owners().count());
    for consumer in owners() {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending_len() as i64);
    }
}

fn list_pending(reply: &mut Reply<'_>, group: &Group, wanted: &Wanted<'_>, now_ms: i64) {
    let Wanted { first, last, count, idle_ms, consumer } = *wanted;
    let mark = reply.open();
    let is_wanted =
        |entry: &&Pending| idle_ms == 0 || now_ms.saturating_sub(entry.delivered_ms) >= idle_ms;
    let mut write = |entry: &Pending| {
        reply.array(4);
        ids::write(reply, entry.id);
        reply.bulk(group.consumer(entry.consumer).name());
        reply.int(now_ms.saturating_sub(entry.delivered_ms).max(0));
        reply.int(entry.count as i64);
    };
    let written = match consumer.map(|name| group.find(name)) {
        // Nobody has nothing.
        Some(None) => 0,
        Some(Some(slot)) => {
            let ids = group.consumer(slot).pending_from(first).take_while(|id| *id <= last);
            let entries = ids.map(|id| group.pending(id).expect("the group has it as well"));
            entries.filter(is_wanted).take(count).map(&mut write).count()
        }
        None => {
            let entries = group.pending_from(first).take_while(|entry| entry.id <= last);
            entries.filter(is_wanted).take(count).map(&mut write).count()
        }
    };
    reply.close_array(mark, written);
}

/// The options of XCLAIM.
struct Options {
    /// Where the ids end.
    ids_end: usize,
    delivered_ms: Option<i64>,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

fn options(args: Args<'_>, now_ms: i64) -> Result<Options, Refusal> {
    let ids = args.iter_from(5).take_while(|text| ids::whole(text, 0).is_ok()).count();
    let mut options = Options {
        ids_end: 5 + ids,
        delivered_ms: None,
        count: None,
        force: false,
        just_id: false,
        last_id: StreamId::MIN,
    };
    let number = |at: usize, refusal: &'static str| {
        protocol::number::parse_i64(args.at(at)).ok_or(Refusal::fixed(refusal))
    };
    let mut at = options.ids_end;
    while at < args.len() {
        let (word, more) = (args.at(at), at + 1 < args.len());
        if is(word, "FORCE") {
            options.force = true;
        } else if is(word, "JUSTID") {
            options.just_id = true;
        } else if is(word, "IDLE") && more {
            at += 1;
            let idle = number(at, "ERR Invalid IDLE option argument for XCLAIM")?;
            options.delivered_ms = Some(now_ms.wrapping_sub(idle));
        } else if is(word, "TIME") && more {
            at += 1;
            let time = number(at, "ERR Invalid TIME option argument for XCLAIM")?;
            options.delivered_ms = Some(time);
        } else if is(word, "RETRYCOUNT") && more {
            at += 1;
            let count = number(at, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
            // Below 0 it is as if it were not there.
            options.count = u64::try_from(count).ok();
        } else if is(word, "LASTID") && more {
            at += 1;
            options.last_id = ids::whole(args.at(at), 0)?;
        } else {
            let text = [b"ERR Unrecognized XCLAIM option '", word, b"'"].concat();
            return Err(text.into());
        }
        at += 1;
    }
    Ok(options)
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]` → the entries that are the consumer's now.
pub(super) fn xclaim(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, now_ms) = (ctx.key(args, 1), ctx.now());
    let (group_name, consumer_name) = (args.at(2), args.at(3));
    let stream = ctx.engine.read_as::<Stream>(ctx.scope, key)?;
    if stream.and_then(|stream| stream.group(group_name)).is_none() {
        return Err(no_such_group(key.bytes, group_name));
    }
    let refusal = Refusal::fixed("ERR Invalid min-idle-time argument for XCLAIM");
    let min_idle = protocol::number::parse_i64(args.at(4)).ok_or(refusal)?.max(0);
    let options = options(args, now_ms)?;
    // A time that cannot be is no error: clocks differ.
    let delivered_ms =
        options.delivered_ms.filter(|time| (0..=now_ms).contains(time)).unwrap_or(now_ms);

    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?.expect("looked at above");
    let (entries, group) = stream.group_mut(group_name).expect("looked at above");
    let advanced = options.last_id > group.last_id;
    group.last_id = group.last_id.max(options.last_id);
    let (consumer, created) = consumer(group, consumer_name, now_ms);
    let (mark, mut written) = (ctx.reply.open(), 0);
    let mut claims = Vec::new();
    let ids = args.iter_from(5).take(options.ids_end - 5);
    for id in ids.map(|text| ids::whole(text, 0).expect("counted as ids above")) {
        let pending = group.pending(id).copied();
        let Some(entry) = entries.get(id) else {
            forget(group, id, &mut claims);
            continue;
        };
        let count = match pending {
            None if !options.force => continue,
            // Forced, it is as if it had been delivered once.
            None => 1,
            Some(old) if min_idle > 0 && now_ms.saturating_sub(old.delivered_ms) < min_idle => {
                continue;
            }
            Some(old) => old.count,
        };
        let once_more = u64::from(!options.just_id);
        let count = options.count.unwrap_or(count.saturating_add(once_more));
        let pending = Pending { id, delivered_ms, count, consumer };
        group.set_pending(pending);
        claims.push(Claim::of(&pending, None));
        group.consumer_mut(consumer).active_ms = Some(now_ms);
        written += 1;
        if options.just_id {
            ids::write(&mut ctx.reply, id);
        } else {
            write_entry(&mut ctx.reply, &entry);
        }
    }
    let progress = (advanced && claims.is_empty()).then_some(group.entries_read);
    let last_id = group.last_id;
    ctx.reply.close_array(mark, written);
    claimed(ctx, key, args, created, &claims, last_id);
    if let Some(entries_read) = progress {
        pass_on_progress(ctx, key.bytes, group_name, last_id, entries_read);
    }
    Ok(Done::changes(claims.len() + usize::from(created) + usize::from(progress.is_some())))
}

/// Finds the consumer that claims, or makes it; whether it is new comes second.
fn consumer(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerSlot, bool) {
    let found = group.find(name);
    let slot = found
        .unwrap_or_else(|| group.add_consumer(name, now_ms).expect("none of this name was found"));
    group.consumer_mut(slot).seen_ms = now_ms;
    (slot, found.is_none())
}

/// Takes an entry that is not in the stream any more from what is pending, if it is.
fn forget(group: &mut Group, id: StreamId, claims: &mut Vec<Claim>) -> bool {
    let Some(pending) = group.pending(id) else { return false };
    claims.push(Claim::of(pending, Some(group.consumer(pending.consumer).name())));
    group.acknowledge(id)
}

/// States what was claimed, and the consumer if nothing else makes it known.
fn claimed(
    ctx: &mut Context<'_>,
    key: Key<'_>,
    args: Args<'_>,
    created: bool,
    claims: &[Claim],
    last_id: StreamId,
) {
    let (group, consumer) = (args.at(2), args.at(3));
    ctx.no_effect();
    if created {
        ctx.engine.notify(ctx.scope.db, Class::Stream, "xgroup-createconsumer", key.bytes);
        if claims.iter().all(|claim| claim.owner.is_some()) {
            ctx.effect(&[b"XGROUP", b"CREATECONSUMER", key.bytes, group, consumer]);
        }
    }
    pass_on_claims(ctx, key.bytes, group, consumer, claims.iter().map(|claim| (claim, last_id)));
}

/// How many entries XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS: usize = 10;

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]` → where to go on, the entries that are the
/// consumer's now, the ids that are not in the stream any more.
pub(super) fn xautoclaim(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let refusal = Refusal::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    let min_idle = protocol::number::parse_i64(args.at(4)).ok_or(refusal)?.max(0);
    let first = ids::range_start(args.at(5))?;
    let (mut count, mut just_id) = (100, false);
    let mut at = 6;
    while at < args.len() {
        if is(args.at(at), "COUNT") && at + 1 < args.len() {
            at += 1;
            count = match protocol::number::parse_i64(args.at(at)) {
                Some(count) if (1..=i64::MAX / 16).contains(&count) => count as usize,
                _ => return Err(Refusal::fixed("ERR COUNT must be > 0")),
            };
        } else if is(args.at(at), "JUSTID") {
            just_id = true;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    let (key, now_ms) = (ctx.key(args, 1), ctx.now());
    let (group_name, consumer_name) = (args.at(2), args.at(3));
    let stream = ctx.engine.read_as::<Stream>(ctx.scope, key)?;
    if stream.and_then(|stream| stream.group(group_name)).is_none() {
        return Err(no_such_group(key.bytes, group_name));
    }
    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?.expect("looked at above");
    let (entries, group) = stream.group_mut(group_name).expect("looked at above");
    let (consumer, created) = consumer(group, consumer_name, now_ms);
    // The position to go on from comes first in the reply and is known last, so the entries wait.
    let mut found = Vec::new();
    let walk = Walk { min_idle, count, just_id, now_ms, consumer };
    let (next, claims) = walk.run(entries, group, first, |id| found.push(id));
    let last_id = group.last_id;
    ctx.reply.array(3);
    ids::write(&mut ctx.reply, next.unwrap_or(StreamId::MIN));
    ctx.reply.array(found.len());
    for id in &found {
        match entries.get(*id) {
            Some(entry) if !just_id => write_entry(&mut ctx.reply, &entry),
            _ => ids::write(&mut ctx.reply, *id),
        }
    }
    let gone = || claims.iter().filter(|claim| claim.owner.is_some());
    ctx.reply.array(gone().count());
    gone().for_each(|claim| ids::write(&mut ctx.reply, claim.id));
    claimed(ctx, key, args, created, &claims, last_id);
    Ok(Done::changes(claims.len() + usize::from(created)))
}

/// One run over the pending entries of a group.
struct Walk {
    min_idle: i64,
    count: usize,
    just_id: bool,
    now_ms: i64,
    consumer: ConsumerSlot,
}

impl Walk {
    /// Claims what is idle and forgets what is gone, from `first` on. Returns the id after the last one looked at.
    fn run(
        &self,
        entries: &Entries,
        group: &mut Group,
        first: StreamId,
        mut found: impl FnMut(StreamId),
    ) -> (Option<StreamId>, Vec<Claim>) {
        let (mut claims, mut left) = (Vec::new(), self.count);
        let mut next = Some(first);
        for _ in 0..self.count.saturating_mul(ATTEMPTS) {
            let Some(pending) = next.and_then(|id| group.pending_from(id).next()).copied() else {
                return (None, claims);
            };
            if left == 0 {
                break;
            }
            next = pending.id.next();
            if entries.get(pending.id).is_none() {
                forget(group, pending.id, &mut claims);
                left -= 1;
                continue;
            }
            let idle = self.now_ms.saturating_sub(pending.delivered_ms);
            if self.min_idle > 0 && idle < self.min_idle {
                continue;
            }
            let count = pending.count.saturating_add(u64::from(!self.just_id));
            let (delivered_ms, consumer) = (self.now_ms, self.consumer);
            let pending = Pending { delivered_ms, count, consumer, ..pending };
            group.set_pending(pending);
            group.consumer_mut(consumer).active_ms = Some(self.now_ms);
            claims.push(Claim::of(&pending, None));
            found(pending.id);
            left -= 1;
        }
        let next = next.and_then(|id| group.pending_from(id).next());
        (next.map(|pending| pending.id), claims)
    }
}
