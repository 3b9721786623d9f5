//! DEBUG: what tests and experiments need.

use crate::config::{MemoryOrPercent, Settings};
use crate::node::{Node, Outside};
use crate::persistence::load::ReloadFrom;
use crate::world::Crash;
use backup::aof::Opened;
use engine::arguments::{int, is};
use engine::context::{Context, Done};
use engine::merge::Twice;
use engine::refusal::Refusal;
use protocol::number::parse_f64;
use protocol::resp::Args;
use std::time::Duration;

/// The longest that a write of the append-only file can be delayed, microseconds.
const WRITE_DELAY_MAX_US: u64 = 60_000_000;

/// `DEBUG SLEEP|RELOAD|LOADAOF|…`, as far as the engine does not answer itself.
pub fn debug(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let word = args.at(1);
    if is(word, "SLEEP") && args.len() == 3 {
        let seconds = parse_f64(args.at(2)).filter(|s| *s >= 0.0).ok_or(Refusal::NOT_FLOAT)?;
        // Blocking the whole process is what this command is for.
        host.world.stand_still(Duration::from_secs_f64(seconds.min(3600.0)));
    } else if is(word, "PAUSE-CRON") && args.len() == 3 {
        host.cron_paused = int(args.at(2))? != 0;
    } else if is(word, "SHIFT-CLOCK") && args.len() == 3 {
        // A century to and fro: times beyond that are not those of any clock.
        const MOST_MS: i64 = 100 * 365 * 86_400_000;
        let ms = int(args.at(2))?;
        if !(-MOST_MS..=MOST_MS).contains(&ms) {
            return Err(Refusal::OUT_OF_RANGE);
        }
        host.world.shift_wall_clock(ms);
    } else if is(word, "AOF-FLUSH-SLEEP") && args.len() == 3 {
        let us = u64::try_from(int(args.at(2))?).map_err(|_| Refusal::OUT_OF_RANGE)?;
        if let Some(aof) = &host.persistence.aof {
            aof.thread.delay_writes(Duration::from_micros(us.min(WRITE_DELAY_MAX_US)));
        }
    } else if is(word, "CONFIG-REWRITE-FORCE-ALL") && args.len() == 2 {
        super::config::rewrite(host, ctx.engine, Settings::rewrite_all)?;
    } else if is(word, "REPLYBUFFER") && args.len() == 4 {
        reply_buffers(args)?;
    } else if is(word, "RELOAD") {
        reload(host, ctx, args)?;
    } else if is(word, "LOADAOF") && args.len() == 2 {
        load_aof(host, ctx)?;
    } else if is(word, "QUICKLIST-PACKED-THRESHOLD") && args.len() == 3 {
        let text = std::str::from_utf8(args.at(2)).ok();
        let bytes = text.and_then(crate::config::bytes).filter(|bytes| *bytes <= 1 << 32);
        let bytes = bytes.ok_or(Refusal::fixed(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        ))?;
        ctx.engine.limits.list_plain_bytes = if bytes == 0 { usize::MAX } else { bytes as usize };
    } else if is(word, "STRINGMATCH-LEN") && args.len() == 4 {
        let matched = engine::glob::matches(args.at(3), args.at(2), false);
        ctx.reply.int(matched as i64);
        return Ok(Done::NOTHING);
    } else if is(word, "CHANGE-REPL-ID") && args.len() == 2 {
        host.journal.history = journal::History::new(host.new_replication_id());
        host.persistence.note_history(host.journal.history);
        tracing::info!("Changing replication IDs after receiving change-repl-id");
    } else if is(word, "LOG") && args.len() == 3 {
        tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.at(2)));
    } else if is(word, "REPLICATE") && args.len() >= 3 {
        replicate(host, args)?;
    } else if let Some(how) = crash_of(word) {
        host.world.crash(how);
        return Err(Refusal::fixed("ERR there is no process that could crash"));
    } else if (is(word, "RESTART") || is(word, "CRASH-AND-RECOVER")) && args.len() <= 3 {
        restart(host, ctx, args)?;
    } else if is(word, "MALLCTL") || is(word, "MALLCTL-STR") {
        allocator(host, ctx, args)?;
        return Ok(Done::NOTHING);
    } else if is(word, "CLIENT-EVICTION") && args.len() == 2 {
        ctx.reply.verbatim("txt", client_eviction(host)?.as_bytes());
        return Ok(Done::NOTHING);
    } else {
        let word = String::from_utf8_lossy(word).into_owned();
        return Err(Refusal::new(format!(
            "ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
        )));
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `DEBUG REPLYBUFFER RESIZING 0|1`: buffers of replies are never larger than a piece of what waits, so there is nothing to
/// keep, nor to reset.
fn reply_buffers(args: Args<'_>) -> Result<(), Refusal> {
    if is(args.at(2), "RESIZING") {
        return int(args.at(3)).map(|_| ());
    }
    Err(Refusal::fixed(
        "ERR DEBUG REPLYBUFFER PEAK-RESET-TIME means nothing here: no connection keeps a buffer",
    ))
}

/// How a subcommand lets the process crash, if it does.
fn crash_of(word: &[u8]) -> Option<Crash> {
    let all = [
        ("SEGFAULT", Crash::Segfault),
        ("PANIC", Crash::Panic),
        ("ASSERT", Crash::Assert),
        ("OOM", Crash::OutOfMemory),
    ];
    all.into_iter().find(|(name, _)| is(word, name)).map(|(_, how)| how)
}

/// `DEBUG MALLCTL name [value]`, `DEBUG MALLCTL-STR name`: numbers and texts of the allocator.
fn allocator(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let is_text = is(args.at(1), "MALLCTL-STR");
    let name = String::from_utf8_lossy(args.get(2).ok_or(Refusal::SYNTAX)?).into_owned();
    let failed = |error: String| Refusal::new(format!("ERR {name}: {error}"));
    match (is_text, args.len()) {
        (false, 3..=4) => {
            let value = args.get(3).map(int).transpose()?;
            ctx.reply.int(host.world.allocator_number(&name, value).map_err(failed)?);
        }
        (true, 3) => {
            ctx.reply.bulk(host.world.allocator_text(&name).map_err(failed)?.as_bytes());
        }
        _ => return Err(Refusal::fixed("ERR a text of the allocator cannot be set")),
    }
    Ok(())
}

/// `DEBUG REPLICATE command [arg …]`: sends to replicas what is not executed here, so that they differ.
fn replicate(host: &mut Outside, args: Args<'_>) -> Result<(), Refusal> {
    if host.replication.is_replica() {
        return Err(Refusal::fixed("ERR a replica's stream is its primary's alone"));
    }
    let mut bytes = Vec::new();
    let words: Vec<&[u8]> = args.iter_from(2).collect();
    protocol::resp::encode::command(&mut bytes, words.into_iter());
    host.journal_control(&bytes);
    Ok(())
}

/// `DEBUG RESTART|CRASH-AND-RECOVER [ms]`: the first in order, with what is to be saved; the second at once.
fn restart(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    const LONGEST_MS: u64 = 3_600_000;
    let failed = || Refusal::fixed("ERR failed to restart the server. Check server logs.");
    let ms = args.get(2).map(int).transpose()?.unwrap_or(0).max(0) as u64;
    if is(args.at(1), "RESTART") {
        if host.persistence.aof_is_on() {
            host.finish_writing().map_err(|_| failed())?;
        }
        if !host.settings.save.0.is_empty() {
            host.save_here(ctx.engine).map_err(|_| failed())?;
        }
    }
    let error = host.world.restart(Duration::from_millis(ms.min(LONGEST_MS)));
    tracing::warn!("DEBUG {}: {error}", String::from_utf8_lossy(args.at(1)).to_uppercase());
    Err(failed())
}

/// How many clients take how much, which is the order in which they go when `maxmemory-clients` is exceeded.
fn client_eviction(host: &Outside) -> Result<String, Refusal> {
    if host.settings.maxmemory_clients == MemoryOrPercent::Bytes(0) {
        return Err(Refusal::fixed("ERR maxmemory-clients is disabled."));
    }
    let mut buckets = std::collections::BTreeMap::new();
    for (_, client) in host.clients.iter() {
        let bucket = client.counted_bytes.max(1).next_power_of_two();
        let (count, bytes) = buckets.entry(bucket).or_insert((0usize, 0usize));
        (*count, *bytes) = (*count + 1, *bytes + client.counted_bytes);
    }
    let lines = buckets.iter().map(|(most, (count, bytes))| {
        format!("Up to {most} bytes: {count} clients, {bytes} bytes\n")
    });
    Ok(lines.collect())
}

/// `DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]`: saves and loads again.
fn reload(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for word in args.iter_from(2) {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => merge = true,
            _ => {
                return Err(Refusal::fixed(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if save {
        host.save_here(ctx.engine)
            .map_err(|_| Refusal::fixed("ERR Error trying to save the DB, check server logs"))?;
    }
    let twice = if merge { Twice::Replace } else { Twice::Refuse };
    let from = ReloadFrom::Snapshot((!flush).then_some(twice));
    let loaded = Node::reload_in_place(ctx.engine, ctx.session, &host.files, &host.settings, from);
    let file = loaded.map_err(|error| {
        tracing::warn!("DEBUG RELOAD: {error}");
        Refusal::fixed("ERR Error trying to load the RDB dump, check server logs")
    })?;
    if let Some(file) = file {
        host.persistence.note_own(file);
    }
    tracing::warn!("DB reloaded by DEBUG RELOAD");
    Ok(())
}

/// `DEBUG LOADAOF`: writes what is due and loads the append-only file again.
fn load_aof(host: &mut Outside, ctx: &mut Context<'_>) -> Result<(), Refusal> {
    let failed = |error: String| {
        tracing::warn!("DEBUG LOADAOF: {error}");
        Refusal::fixed("ERR Error trying to load the AOF files, check server logs")
    };
    host.finish_writing().map_err(failed)?;
    let (dir, opened) = host.aof_to_load().map_err(failed)?;
    if opened == Opened::Nothing {
        return Err(failed("there are no files".into()));
    }
    let from = ReloadFrom::Aof(dir);
    Node::reload_in_place(ctx.engine, ctx.session, &host.files, &host.settings, from)
        .map_err(failed)?;
    // What is there now is what the files say.
    ctx.engine.dirty = 0;
    tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
    Ok(())
}
