//! Bitmap commands: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. A bitmap is a string; bit 0 is the highest of its first byte.
//!
//! # Not here
//! - integers of any width in a string: [`super::bitfield`]; the loops over bits: `keyspace::bits`

use super::collections::entry;
use super::strings::{bytes_mut, text};
use crate::arguments::{int, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::bits::{self, Operation};
use keyspace::entry::Value;
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::number::parse_i64;
use protocol::resp::Args;
use std::borrow::Cow;
use std::ops::Range;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name        arity        flags          keys            handler
    cmd("bitcount", at_least(2), READ,          key(1),         bitcount),
    cmd("bitop",    at_least(4), WRITE | GROWS, keys(2, -1, 1), bitop),
    cmd("bitpos",   at_least(3), READ,          key(1),         bitpos),
    cmd("getbit",   exactly(3),  READ | FAST,   key(1),         getbit),
    cmd("setbit",   exactly(4),  WRITE | GROWS, key(1),         setbit),
];

const BAD_OFFSET: Refusal = Refusal::fixed("ERR bit offset is not an integer or out of range");

/// Reads the position of a bit. With a `width`, `#n` is the position of the n-th integer of this width.
pub(super) fn offset(ctx: &Context<'_>, text: &[u8], width: Option<u32>) -> Result<u64, Refusal> {
    let (text, factor) = match (text, width) {
        ([b'#', text @ ..], Some(width)) => (text, width as i64),
        _ => (text, 1),
    };
    let bits = parse_i64(text).and_then(|number| number.checked_mul(factor)).ok_or(BAD_OFFSET)?;
    match u64::try_from(bits) {
        Ok(bits) if bits / 8 < ctx.string_max() => Ok(bits),
        _ => Err(BAD_OFFSET),
    }
}

/// Reads `BIT` or `BYTE`: how many bits a step of an index is.
fn unit(word: Option<&[u8]>) -> Result<u64, Refusal> {
    match word {
        None => Ok(8),
        Some(word) if is(word, "BYTE") => Ok(8),
        Some(word) if is(word, "BIT") => Ok(1),
        Some(_) => Err(Refusal::SYNTAX),
    }
}

/// The bits from index `start` to `end`, both of which may count from the end of a string of `bytes`.
fn bit_range(start: i64, end: i64, unit: u64, bytes: usize) -> Range<u64> {
    let len = (bytes as u64 * 8 / unit) as i64;
    let absolute = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (first, last) = (absolute(start), absolute(end).min(len - 1));
    if first > last { 0..0 } else { first as u64 * unit..(last as u64 + 1) * unit }
}

/// `BITCOUNT key [start end [BYTE|BIT]]` → how many bits are set.
fn bitcount(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        // Whatever the other arguments are: they are not looked at.
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    let mut buffer = TextBuffer::new();
    let bytes = text(entry)?.to_text(&mut buffer);
    let count = match args.len() {
        2 => bits::count(bytes),
        4 | 5 => {
            let (start, end) = (int(args.at(2))?, int(args.at(3))?);
            // Both ends negative and crossed is empty even where clamping would make it one bit, and then the last
            // word is not looked at.
            if start < 0 && end < 0 && start > end {
                0
            } else {
                let range = bit_range(start, end, unit(args.get(4))?, bytes.len());
                bits::count_in(bytes, range)
            }
        }
        _ => return Err(Refusal::SYNTAX),
    };
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

/// `BITOP AND|OR|XOR|NOT destination key [key ...]` → length of the result.
fn bitop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let operation = match args.at(1) {
        word if is(word, "AND") => Operation::And,
        word if is(word, "OR") => Operation::Or,
        word if is(word, "XOR") => Operation::Xor,
        word if is(word, "NOT") => Operation::Not,
        _ => return Err(Refusal::SYNTAX),
    };
    if operation == Operation::Not && args.len() != 4 {
        return Err(Refusal::fixed("ERR BITOP NOT must be called with a single source key."));
    }
    let mut keys = Vec::with_capacity(args.len() - 3);
    for position in 3..args.len() {
        let key = ctx.key(args, position);
        keys.push(match ctx.engine.read(ctx.scope, key) {
            None => None,
            Some(entry) => text(entry).map(|_| Some(key))?,
        });
    }
    let source = |key: &Option<Key<'_>>| match key.map(|key| text(entry(ctx, key))) {
        None => Cow::Borrowed(&b""[..]),
        Some(Ok(Text::Bytes(bytes))) => Cow::Borrowed(bytes),
        Some(Ok(number)) => Cow::Owned(number.to_vec()),
        Some(Err(_)) => unreachable!("its type was looked at"),
    };
    let sources: Vec<Cow<'_, [u8]>> = keys.iter().map(source).collect();
    let sources: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
    let result = bits::combine(operation, &sources).map_err(|_| Refusal::NO_MEMORY)?;
    let (destination, len) = (ctx.key(args, 2), result.len());
    ctx.reply.int(len as i64);
    if len > 0 {
        ctx.engine.put(ctx.scope.db, destination, Value::Str(result), None);
        // From the beginning it is what OBJECT ENCODING calls raw.
        ctx.engine.dbs[ctx.scope.db].bytes_mut(destination.hash, destination.bytes, len);
        ctx.changed(destination, Class::String, "set");
        return Ok(Done::ONE);
    }
    if !ctx.engine.exists(ctx.scope, destination) {
        return Ok(Done::NOTHING);
    }
    ctx.engine.delete(ctx.scope.db, destination);
    ctx.changed(destination, Class::Generic, "del");
    Ok(Done::ONE)
}

/// `BITPOS key bit [start [end [BYTE|BIT]]]` → where the first such bit is, or −1.
fn bitpos(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let wanted = match int(args.at(2))? {
        0 => false,
        1 => true,
        _ => return Err(Refusal::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let key = ctx.key(args, 1);
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        ctx.reply.int(if wanted { -1 } else { 0 });
        return Ok(Done::NOTHING);
    };
    let mut buffer = TextBuffer::new();
    let bytes = text(entry)?.to_text(&mut buffer);
    if args.len() > 6 {
        return Err(Refusal::SYNTAX);
    }
    let start = args.get(3).map_or(Ok(0), int)?;
    let unit = unit(args.get(5))?;
    let end = args.get(4).map(int).transpose()?;
    let range = bit_range(start, end.unwrap_or(-1), unit, bytes.len());
    let position = match bits::find_in(bytes, range.clone(), wanted) {
        Some(position) => position as i64,
        // Without an end, zeros follow the string.
        None if !wanted && end.is_none() && !range.is_empty() => bytes.len() as i64 * 8,
        None => -1,
    };
    ctx.reply.int(position);
    Ok(Done::NOTHING)
}

/// `GETBIT key offset` → the bit; 0 behind the end.
fn getbit(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let offset = offset(ctx, args.at(2), None)?;
    let key = ctx.key(args, 1);
    let bit = match ctx.engine.read(ctx.scope, key) {
        None => 0,
        Some(entry) => bits::get(text(entry)?.to_text(&mut TextBuffer::new()), offset, 1),
    };
    ctx.reply.int(bit as i64);
    Ok(Done::NOTHING)
}

/// `SETBIT key offset 0|1` → the bit before.
fn setbit(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let offset = offset(ctx, args.at(2), None)?;
    let new = match parse_i64(args.at(3)) {
        Some(bit @ 0..=1) => bit as u64,
        _ => return Err(Refusal::fixed("ERR bit is not an integer or out of range")),
    };
    let key = ctx.key(args, 1);
    let (bytes, grown) = bytes_mut(ctx, key, (offset / 8) as usize + 1)?;
    let old = bits::get(bytes, offset, 1);
    bits::set(bytes, offset, 1, new);
    ctx.reply.int(old as i64);
    if !grown && old == new {
        return Ok(Done::NOTHING);
    }
    ctx.changed(key, Class::String, "setbit");
    Ok(Done::ONE)
}

#[cfg(test)]
mod tests;
