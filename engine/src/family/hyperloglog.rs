//! HyperLogLog commands: PFADD, PFCOUNT, PFMERGE, and two for looking inside.
//!
//! # Not here
//! - the string that is a HyperLogLog, and all that is computed: `keyspace::hyperloglog`

use super::strings::text;
use crate::arguments::is;
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::db::EntryRef;
use keyspace::entry::Value;
use keyspace::hyperloglog::{self as hll, Corrupt, Encoding, Run};
use protocol::listpack::Value as Text;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name          arity        flags                  keys            handler
    cmd("pfadd",      at_least(2), WRITE | GROWS | FAST,  key(1),         pfadd),
    cmd("pfcount",    at_least(2), READ | MAY_REPLICATE,  keys(1, -1, 1), pfcount),
    cmd("pfdebug",    exactly(3),  WRITE | GROWS | ADMIN, key(2),         pfdebug),
    cmd("pfmerge",    at_least(2), WRITE | GROWS,         keys(1, -1, 1), pfmerge),
    cmd("pfselftest", exactly(1),  ADMIN,                 NO_KEYS,        pfselftest),
];

const NOT_ONE: Refusal =
    Refusal::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.").of_state();

/// Elements with which PFSELFTEST tries.
const SELF_TEST_ELEMENTS: u64 = 10_000_000;

fn corrupted(_: Corrupt) -> Refusal {
    Refusal::fixed("INVALIDOBJ Corrupted HLL object detected").of_state()
}

/// The bytes of a HyperLogLog, and their form.
fn bytes_of(entry: EntryRef<'_>) -> Result<(&[u8], Encoding), Refusal> {
    let Text::Bytes(bytes) = text(entry)? else { return Err(NOT_ONE) };
    hll::encoding(bytes).map(|encoding| (bytes, encoding)).ok_or(NOT_ONE)
}

/// Puts new bytes under a key; what else belongs to a key that is there stays.
fn put(ctx: &mut Context<'_>, key: Key<'_>, there: bool, new: Vec<u8>) {
    if !there {
        ctx.engine.put(ctx.scope.db, key, Value::Str(Vec::new()), None);
    }
    let db = &mut ctx.engine.dbs[ctx.scope.db];
    db.edit_bytes(key.hash, key.bytes, |bytes| {
        bytes.clear();
        bytes.extend_from_slice(&new);
    });
}

/// `PFADD key [element ...]` → 1 if the estimate may have changed.
fn pfadd(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, limit) = (ctx.key(args, 1), ctx.engine.limits.hll_sparse_max_bytes);
    let elements = args.iter_from(2);
    let old = ctx.engine.lookup_write(ctx.scope, key).map(bytes_of).transpose()?;
    let changes = match old {
        Some((bytes, Encoding::Dense)) => {
            let least = bytes.len();
            let db = &mut ctx.engine.dbs[ctx.scope.db];
            let bytes = db.bytes_mut(key.hash, key.bytes, least).expect("looked at above");
            let changed = hll::add_dense(bytes, elements);
            if changed > 0 {
                hll::spoil_cached_count(bytes);
            }
            changed
        }
        sparse => {
            // A copy: damage may be found when some elements have been added already.
            let mut new = match sparse {
                None => hll::empty(),
                Some((bytes, _)) if bytes.len() > hll::SPARSE_BYTES_MAX => {
                    return Err(corrupted(Corrupt));
                }
                Some((bytes, _)) => bytes.to_vec(),
            };
            let there = sparse.is_some();
            let changed = hll::add(&mut new, elements, limit).map_err(corrupted)?;
            let changes = changed + usize::from(!there);
            if changes > 0 {
                hll::spoil_cached_count(&mut new);
                put(ctx, key, there, new);
            }
            changes
        }
    };
    if changes > 0 {
        ctx.changed(key, Class::String, "pfadd");
    }
    ctx.reply.int(i64::from(changes > 0));
    Ok(Done::changes(changes))
}

/// `PFCOUNT key [key ...]` → estimate of all together.
fn pfcount(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 2 {
        let (registers, _) = merged(ctx, args)?;
        ctx.reply.int(hll::count_registers(&registers) as i64);
        return Ok(Done::NOTHING);
    }
    let key = ctx.key(args, 1);
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    let (bytes, _) = bytes_of(entry)?;
    if let Some(count) = hll::cached_count(bytes) {
        ctx.reply.int(count as i64);
        return Ok(Done::NOTHING);
    }
    let (count, len) = (hll::count(bytes).map_err(corrupted)?, bytes.len());
    ctx.reply.int(count as i64);
    let db = &mut ctx.engine.dbs[ctx.scope.db];
    let bytes = db.bytes_mut(key.hash, key.bytes, len).expect("looked at above");
    hll::set_cached_count(bytes, count);
    ctx.engine.key_changed(ctx.scope.db, key.bytes);
    Ok(Done::ONE)
}

/// The highest registers of several keys, and whether one of them is dense.
fn merged(ctx: &mut Context<'_>, args: Args<'_>) -> Result<(Box<hll::Registers>, bool), Refusal> {
    let mut registers = Box::new([0; hll::REGISTERS]);
    let mut dense = false;
    for position in 1..args.len() {
        let key = ctx.key(args, position);
        let Some(entry) = ctx.engine.read(ctx.scope, key) else { continue };
        let (bytes, encoding) = bytes_of(entry)?;
        dense |= encoding == Encoding::Dense;
        hll::merge_into(&mut registers, bytes).map_err(corrupted)?;
    }
    Ok((registers, dense))
}

/// `PFDEBUG GETREG|DECODE|ENCODING|TODENSE key`.
fn pfdebug(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 2);
    let Some(entry) = ctx.engine.lookup_write(ctx.scope, key) else {
        return Err(Refusal::fixed("ERR The specified key does not exist").of_state());
    };
    let (bytes, encoding) = bytes_of(entry)?;
    match args.at(1) {
        word if is(word, "GETREG") => {
            let dense = match encoding {
                Encoding::Dense => None,
                Encoding::Sparse => Some(hll::to_dense(bytes).map_err(corrupted)?),
            };
            let registers = hll::dense_registers(dense.as_deref().unwrap_or(bytes));
            ctx.reply.array(registers.len());
            registers.iter().for_each(|rank| ctx.reply.int(*rank as i64));
            Ok(keep(ctx, key, dense))
        }
        word if is(word, "DECODE") => {
            if encoding == Encoding::Dense {
                return Err(Refusal::fixed("ERR HLL encoding is not sparse").of_state());
            }
            let runs: Vec<String> = hll::runs(bytes)
                .map(|run| match run {
                    Run::Zeros(len) => format!("z:{len}"),
                    Run::WideZeros(len) => format!("Z:{len}"),
                    Run::Ranks(rank, len) => format!("v:{rank},{len}"),
                })
                .collect();
            ctx.reply.bulk(runs.join(" ").as_bytes());
            Ok(Done::NOTHING)
        }
        word if is(word, "ENCODING") => {
            ctx.reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" });
            Ok(Done::NOTHING)
        }
        word if is(word, "TODENSE") => {
            let dense = match encoding {
                Encoding::Dense => None,
                Encoding::Sparse => Some(hll::to_dense(bytes).map_err(corrupted)?),
            };
            ctx.reply.int(i64::from(dense.is_some()));
            Ok(keep(ctx, key, dense))
        }
        word => Err(Refusal::quoting("ERR Unknown PFDEBUG subcommand '", word, "'")),
    }
}

/// Keeps the dense form that a key was turned into, if it was. Replicas do the same: the bytes are to be equal.
fn keep(ctx: &mut Context<'_>, key: Key<'_>, dense: Option<Vec<u8>>) -> Done {
    let Some(dense) = dense else { return Done::NOTHING };
    put(ctx, key, true, dense);
    ctx.engine.key_changed(ctx.scope.db, key.bytes);
    Done::ONE
}

/// `PFMERGE destination [key ...]`: the destination takes part if it is there.
fn pfmerge(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let limit = ctx.engine.limits.hll_sparse_max_bytes;
    let (registers, dense) = merged(ctx, args)?;
    let destination = ctx.key(args, 1);
    let old = ctx.engine.lookup_write(ctx.scope, destination).map(bytes_of).transpose()?;
    let there = old.is_some();
    let mut new = old.map_or_else(hll::empty, |(bytes, _)| bytes.to_vec());
    hll::raise_all(&mut new, &registers, dense, limit).map_err(corrupted)?;
    put(ctx, destination, there, new);
    ctx.changed(destination, Class::String, "pfadd");
    ctx.reply.ok();
    Ok(Done::ONE)
}

fn pfselftest(ctx: &mut Context<'_>, _: Args<'_>) -> Result<Done, Refusal> {
    let (seed, limit) = (ctx.engine.draw(), ctx.engine.limits.hll_sparse_max_bytes);
    hll::self_test(SELF_TEST_ELEMENTS, seed, limit)
        .map_err(|wrong| Refusal::new(format!("ERR TESTFAILED {wrong}")))?;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests;
