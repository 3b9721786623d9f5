//! SLOWLOG and LATENCY: what took long.
//!
//! # Not here
//! - what is noted, and when: `observe`; LATENCY DOCTOR: the host gives advice, it knows the configuration

use crate::arguments::int;
use crate::command::*;
use crate::context::{Context, Done};
use crate::family::help::help;
use crate::host::HostCall;
use crate::latency::{Sample, Series};
use crate::refusal::Refusal;
use crate::statistics::{LATENCY_MAX_NS, Latencies};
use protocol::resp::Args;

#[cfg(test)]
mod tests;

const OPS: Flags = ADMIN | LOADING | STALE;
const OPS_ALONE: Flags = OPS | NO_SCRIPT;
const ANY: Flags = LOADING | STALE;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name       arity        flags  keys     handler
    cmd("latency", at_least(2), 0,     NO_KEYS, latency_help).with(LATENCY),
    cmd("slowlog", at_least(2), 0,     NO_KEYS, slowlog_help).with(SLOWLOG),
];

#[rustfmt::skip]
const LATENCY: &[Spec] = &[
    //  name                 arity        flags      keys     handler
    cmd("latency|doctor",    exactly(2),  OPS_ALONE, NO_KEYS, latency_doctor),
    cmd("latency|graph",     exactly(3),  OPS_ALONE, NO_KEYS, latency_graph),
    cmd("latency|help",      exactly(2),  ANY,       NO_KEYS, latency_help),
    cmd("latency|histogram", at_least(2), OPS_ALONE, NO_KEYS, latency_histogram),
    cmd("latency|history",   exactly(3),  OPS_ALONE, NO_KEYS, latency_history),
    cmd("latency|latest",    exactly(2),  OPS_ALONE, NO_KEYS, latency_latest),
    cmd("latency|reset",     at_least(2), OPS_ALONE, NO_KEYS, latency_reset),
];

#[rustfmt::skip]
const SLOWLOG: &[Spec] = &[
    //  name             arity        flags  keys     handler
    cmd("slowlog|get",   at_least(2), OPS,   NO_KEYS, slowlog_get),
    cmd("slowlog|help",  exactly(2),  ANY,   NO_KEYS, slowlog_help),
    cmd("slowlog|len",   exactly(2),  OPS,   NO_KEYS, slowlog_len),
    cmd("slowlog|reset", exactly(2),  OPS,   NO_KEYS, slowlog_reset),
];

/// How many entries SLOWLOG GET gives, if nothing else is said.
const ENTRIES: usize = 10;

fn slowlog_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "slowlog");
    Ok(Done::NOTHING)
}

/// `SLOWLOG GET [count]`: the newest first; −1 is all.
fn slowlog_get(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    const OUT_OF_RANGE: Refusal = Refusal::fixed("ERR count should be greater than or equal to -1");
    if args.len() > 3 {
        return Err(Refusal::quoting(
            "ERR unknown subcommand or wrong number of arguments for '",
            args.at(1),
            "'. Try SLOWLOG HELP.",
        ));
    }
    let count = match args.get(2) {
        None => ENTRIES,
        Some(text) => match int(text).map_err(|_| OUT_OF_RANGE)? {
            -1 => usize::MAX,
            count => usize::try_from(count).map_err(|_| OUT_OF_RANGE)?,
        },
    };
    let entries = ctx.engine.slowlog.entries().take(count);
    ctx.reply.array(entries.len());
    for entry in entries {
        ctx.reply.array(6);
        ctx.reply.int(entry.id as i64);
        ctx.reply.int(entry.time_s);
        ctx.reply.int(entry.us as i64);
        ctx.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| ctx.reply.bulk(arg));
        ctx.reply.bulk(entry.address.as_bytes());
        ctx.reply.bulk(&entry.name);
    }
    Ok(Done::NOTHING)
}

fn slowlog_len(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.int(ctx.engine.slowlog.entries().len() as i64);
    Ok(Done::NOTHING)
}

fn slowlog_reset(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.engine.slowlog.clear();
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn latency_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "latency");
    Ok(Done::NOTHING)
}

fn latency_doctor(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.host(HostCall::LatencyDoctor, args)
}

/// `LATENCY GRAPH event`: a picture of its samples.
fn latency_graph(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Some((event, series)) = ctx.engine.latency.find(args.at(2)) else {
        return Err(Refusal::quoting("ERR No samples available for event '", args.at(2), "'"));
    };
    let text = graph(event.name(), series, ctx.engine.now_ms.div_euclid(1000));
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(Done::NOTHING)
}

/// Columns of a graph: more samples are drawn below.
const COLUMNS: usize = 80;
/// Lines of a graph, and what each is filled with, from the bottom of a cell to its top.
const ROWS: usize = 4;
const FILLED: &[u8; 3] = b"_o#";

fn graph(name: &str, series: &Series, now_s: i64) -> String {
    let samples = series.samples();
    let low = samples.clone().map(|sample| sample.ms).min().unwrap_or(0);
    let high = samples.clone().map(|sample| sample.ms).max().unwrap_or(0);
    let most = series.most_ms();
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {most} ms)\n");
    text.push_str(&"-".repeat(COLUMNS));
    text.push('\n');
    let samples: Vec<Sample> = samples.collect();
    for (index, part) in samples.chunks(COLUMNS).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        draw(&mut text, part, (low, high), now_s);
    }
    text
}

/// Draws a column for each sample, with its age below, from top to bottom.
fn draw(text: &mut String, samples: &[Sample], (low, high): (u64, u64), now_s: i64) {
    let steps = FILLED.len() * ROWS;
    let height = |sample: &Sample| {
        let step = (sample.ms - low) as u128 * steps as u128 / u128::from((high - low).max(1));
        (step as usize).min(steps - 1)
    };
    for row in (0..ROWS).rev() {
        let cell = |sample: &Sample| match height(sample).checked_sub(row * FILLED.len()) {
            None => ' ',
            Some(step) => FILLED.get(step).map_or('|', |byte| char::from(*byte)),
        };
        text.extend(samples.iter().map(cell));
        text.push('\n');
    }
    text.push_str(&" ".repeat(samples.len()));
    text.push('\n');
    let ages: Vec<Vec<char>> =
        samples.iter().map(|sample| age(now_s - sample.time_s).chars().collect()).collect();
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.get(line).unwrap_or(&' ')));
        text.push('\n');
    }
}

/// How long ago something was, in its largest unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `LATENCY HISTOGRAM [command …]`: how many calls took how long at most.
fn latency_histogram(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let named: Option<Vec<&'static Spec>> = (args.len() > 2).then(|| {
        let find = |name| ctx.engine.find_by_full_name(name);
        let specs = args.iter_from(2).filter_map(find);
        specs.flat_map(|spec| [spec].into_iter().chain(spec.subcommands)).collect()
    });
    let used = ctx.engine.used_commands();
    let all: Vec<_> =
        used.filter_map(|(spec, calls)| Some((spec, calls.latency.as_deref()?))).collect();
    let shown: Vec<_> = match named {
        None => all,
        Some(named) => {
            let of = |spec: &'static Spec| all.iter().find(|(known, _)| known.name == spec.name);
            named.into_iter().filter_map(of).copied().collect()
        }
    };
    ctx.reply.map(shown.len());
    for (spec, latencies) in shown {
        let distribution = distribution(latencies);
        ctx.reply.bulk(spec.name.as_bytes());
        ctx.reply.map(2);
        ctx.reply.bulk(b"calls");
        ctx.reply.int(latencies.len() as i64);
        ctx.reply.bulk(b"histogram_usec");
        ctx.reply.map(distribution.len());
        for (us, count) in distribution {
            ctx.reply.int(us as i64);
            ctx.reply.int(count as i64);
        }
    }
    Ok(Done::NOTHING)
}

/// Bounds in microseconds, each twice the one before, with the number of calls up to there. Those between which there are
/// none are left out.
fn distribution(latencies: &Latencies) -> Vec<(u64, u64)> {
    const FIRST_NS: u64 = 1024;
    let mut all = Vec::new();
    let (mut level, mut counted) = (FIRST_NS, 0);
    while counted < latencies.len() {
        let is_last = level > LATENCY_MAX_NS;
        let count = if is_last { latencies.len() } else { latencies.count_between(0, level) };
        if count > counted {
            let bound = if is_last { level - 1 } else { latencies.highest_equivalent(level) };
            all.push((bound / 1000, count));
        }
        counted = count;
        level *= 2;
    }
    all
}

/// `LATENCY HISTORY event` → moments and milliseconds, the oldest first.
fn latency_history(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Some((_, series)) = ctx.engine.latency.find(args.at(2)) else {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    };
    let samples = series.samples();
    ctx.reply.array(samples.len());
    for sample in samples {
        ctx.reply.array(2);
        ctx.reply.int(sample.time_s);
        ctx.reply.int(sample.ms as i64);
    }
    Ok(Done::NOTHING)
}

/// `LATENCY LATEST` → of each event its name, the last moment, how long it took then, and the longest ever.
fn latency_latest(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let events: Vec<_> = ctx.engine.latency.events().collect();
    ctx.reply.array(events.len());
    for (event, series) in events {
        let last = series.samples().last().expect("an event that happened has a sample");
        ctx.reply.array(4);
        ctx.reply.bulk(event.name().as_bytes());
        ctx.reply.int(last.time_s);
        ctx.reply.int(last.ms as i64);
        ctx.reply.int(series.most_ms() as i64);
    }
    Ok(Done::NOTHING)
}

/// `LATENCY RESET [event …]` → how many were forgotten.
fn latency_reset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let latency = &mut ctx.engine.latency;
    let count = match args.len() {
        2 => latency.forget_all(),
        _ => args.iter_from(2).filter(|name| latency.forget(name)).count(),
    };
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}
