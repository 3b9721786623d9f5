//! BITFIELD and BITFIELD_RO: integers of any width at any place of a string.
//!
//! # Not here
//! - single bits: [`super::bitmaps`]; how an integer is read and written: `keyspace::bits`

use super::bitmaps;
use super::strings::{bytes_mut, text};
use crate::arguments::{int, is};
use crate::command::*;
use crate::context::{Class, Context, Done};
use crate::refusal::Refusal;
use keyspace::bits;
use protocol::listpack::TextBuffer;
use protocol::number::parse_i64;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags          keys    handler
    cmd("bitfield",    at_least(2), WRITE | GROWS, key(1), bitfield),
    cmd("bitfield_ro", at_least(2), READ | FAST,   key(1), bitfield_ro),
];

/// What is done with a result that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// What is done with an integer.
#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

/// The type of an integer: `u8`, `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Type {
    signed: bool,
    width: u32,
}

/// One subcommand.
struct Step {
    action: Action,
    of: Type,
    offset: u64,
}

impl Type {
    fn read(text: &[u8]) -> Result<Type, Refusal> {
        let bad = Refusal::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, max, width) = match text {
            [b'i', width @ ..] => (true, 64, width),
            [b'u', width @ ..] => (false, 63, width),
            _ => return Err(bad),
        };
        match parse_i64(width) {
            Some(width) if (1..=max).contains(&width) => Ok(Type { signed, width: width as u32 }),
            _ => Err(bad),
        }
    }

    /// The number that the bits of this width stand for.
    fn number(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits << unused) as i64 >> unused } else { bits as i64 }
    }

    /// The number that SET takes a signed one for.
    ///
    /// Where its distance from the highest number does not fit 64 bits, Redis comes to think that it is too high, and
    /// saturates accordingly. Replicas may be Redis, and repeat the command, so we do the same.
    fn settable(self, value: i64) -> i128 {
        let max = (1i128 << (self.width - 1)) - 1;
        let misjudged = self.width < 64 && max - value as i128 > i64::MAX as i128;
        // Wrapped, or refused, it comes to the same as the number itself: this adds a multiple of 2^64.
        if misjudged { value as i128 + (1 << 64) } else { value as i128 }
    }

    /// What is kept of a number, and `None` if it does not fit and must not be changed.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let half = 1i128 << (self.width - 1);
        let (min, max) = if self.signed { (-half, half - 1) } else { (0, 2 * half - 1) };
        match overflow {
            _ if (min..=max).contains(&number) => Some(number as i64),
            Overflow::Wrap => Some(self.number(number as u64 & (u64::MAX >> (64 - self.width)))),
            Overflow::Saturate => Some(number.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }
}

/// Reads the subcommands: all of them are looked at before anything is done.
fn steps(ctx: &Context<'_>, args: Args<'_>) -> Result<Vec<Step>, Refusal> {
    let (mut steps, mut overflow, mut at) = (Vec::new(), Overflow::Wrap, 2);
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if is(word, "OVERFLOW") && left >= 1 {
            overflow = match args.at(at + 1) {
                word if is(word, "WRAP") => Overflow::Wrap,
                word if is(word, "SAT") => Overflow::Saturate,
                word if is(word, "FAIL") => Overflow::Fail,
                _ => return Err(Refusal::fixed("ERR Invalid OVERFLOW type specified")),
            };
            at += 2;
            continue;
        }
        let make: fn(i64, Overflow) -> Action = match word {
            word if is(word, "GET") && left >= 2 => |_, _| Action::Get,
            word if is(word, "SET") && left >= 3 => Action::Set,
            word if is(word, "INCRBY") && left >= 3 => Action::Add,
            _ => return Err(Refusal::SYNTAX),
        };
        let of = Type::read(args.at(at + 1))?;
        let offset = bitmaps::offset(ctx, args.at(at + 2), Some(of.width))?;
        let reads = is(word, "GET");
        let operand = if reads { 0 } else { int(args.at(at + 3))? };
        steps.push(Step { action: make(operand, overflow), of, offset });
        at += if reads { 3 } else { 4 };
    }
    Ok(steps)
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP|SAT|FAIL] SET type offset value | INCRBY type offset by] ...`
/// → a number for each: what is there, was there, or is there now.
fn bitfield(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let steps = steps(ctx, args)?;
    let end = |step: &Step| match step.action {
        Action::Get => None,
        _ => Some((step.offset + step.of.width as u64).div_ceil(8) as usize),
    };
    let Some(least) = steps.iter().filter_map(end).max() else {
        return show(ctx, args, &steps);
    };
    let key = ctx.key(args, 1);
    let (bytes, grown) = bytes_mut(ctx, key, least)?;
    let mut changes = 0;
    let results: Vec<Option<i64>> = steps
        .iter()
        .map(|step| {
            let old = step.of.number(bits::get(bytes, step.offset, step.of.width));
            let (wanted, overflow) = match step.action {
                Action::Get => return Some(old),
                Action::Add(by, overflow) => (old as i128 + by as i128, overflow),
                // What is set without a sign has none: −1 is the largest number there is.
                Action::Set(value, overflow) if step.of.signed => {
                    (step.of.settable(value), overflow)
                }
                Action::Set(value, overflow) => (value as u64 as i128, overflow),
            };
            let new = step.of.fit(wanted, overflow)?;
            bits::set(bytes, step.offset, step.of.width, new as u64);
            changes += usize::from(grown || old != new);
            Some(if matches!(step.action, Action::Set(..)) { old } else { new })
        })
        .collect();
    ctx.reply.array(results.len());
    for result in results {
        match result {
            Some(number) => ctx.reply.int(number),
            None => ctx.reply.null(),
        }
    }
    // Redis says nothing of a string that grew where nothing could be written; its replicas then differ.
    if grown {
        changes = changes.max(1);
    }
    if changes > 0 {
        ctx.changed(key, Class::String, "setbit");
    }
    Ok(Done::changes(changes))
}

/// Answers subcommands that only read.
fn show(ctx: &mut Context<'_>, args: Args<'_>, steps: &[Step]) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let mut buffer = TextBuffer::new();
    let bytes = match ctx.engine.read(ctx.scope, key) {
        None => &[],
        Some(entry) => text(entry)?.to_text(&mut buffer),
    };
    ctx.reply.array(steps.len());
    for step in steps {
        ctx.reply.int(step.of.number(bits::get(bytes, step.offset, step.of.width)));
    }
    Ok(Done::NOTHING)
}

/// `BITFIELD_RO key [GET type offset ...]` → what is there.
fn bitfield_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let steps = steps(ctx, args)?;
    if steps.iter().any(|step| !matches!(step.action, Action::Get)) {
        return Err(Refusal::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    show(ctx, args, &steps)
}

#[cfg(test)]
mod tests;
