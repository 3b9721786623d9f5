//! CONFIG: reading, changing and persisting the configuration.

use crate::config::{Caller, Row, SetError, Settings};
use crate::node::Outside;
use backup::files::Files;
use engine::context::{Context, Done};
use engine::glob;
use engine::refusal::Refusal;
use protocol::resp::Args;
use std::path::Path;

/// The longest configuration file that is rewritten, in bytes.
const CONFIG_MAX: u64 = 64 << 20;

/// Answers CONFIG's subcommands.
pub fn config(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    match ctx.spec.own_name() {
        "get" => get(host, ctx, args),
        "set" => set(host, ctx, args)?,
        "resetstat" => {
            ctx.engine.stats = Default::default();
            ctx.engine.eviction.reset_stats();
            host.stats = Default::default();
            host.world.reset_loop_figures();
            host.reset_lazy_freed();
            host.child.reset_stats();
            host.persistence.reset_stats();
            ctx.reply.ok();
        }
        _ => {
            rewrite(host, Settings::rewrite)?;
            ctx.reply.ok();
        }
    }
    Ok(Done::NOTHING)
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    glob::matches(pattern, name, true)
}

fn get(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) {
    // What commands change at run time is shown as it is.
    host.settings.replicaof = host.primary();
    let patterns: Vec<&[u8]> = args.iter_from(2).collect();
    let mut found = host.settings.get(&patterns, matches);
    for (name, value) in &mut found {
        if name == "dir" {
            let folder = host.world.folder();
            *value = folder.map_or_else(|| value.clone(), |dir| dir.display().to_string());
        }
    }
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.bulk(value.as_bytes());
    }
}

fn set(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    if !args.len().is_multiple_of(2) {
        return Err(Refusal::arity("config|set"));
    }
    let words: Vec<Vec<u8>> = args.iter_from(2).map(<[u8]>::to_vec).collect();
    let pairs: Vec<(Vec<u8>, Vec<u8>)> =
        words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let before = host.settings.clone();
    let local = host.clients.get(ctx.session.slot).is_none_or(crate::clients::Client::is_local);
    let caller = Caller { local, loading: ctx.engine.conditions.loading };
    let refused = |error: SetError| Refusal::new(error.text);
    let changed = host.settings.set(&pairs, caller).map_err(refused)?;
    for name in &changed {
        if let Err(reason) = apply(host, ctx, name) {
            let reason = crate::text::plain(&reason);
            *host.settings = before;
            for name in &changed {
                // The old value was in force before: it can be again.
                let _ = apply(host, ctx, name);
            }
            return Err(Refusal::new(SetError::failed(name, &reason).text));
        }
    }
    for (name, _) in &pairs {
        let row = Row::find(&String::from_utf8_lossy(name));
        if let Some(row) = row.filter(|row| host.settings.is_without_effect(row)) {
            tracing::warn!("{}", row.advice(&host.settings));
        }
    }
    host.settings_changed = true;
    ctx.reply.ok();
    Ok(())
}

/// Does what a changed directive asks for, beyond being looked at when it is needed.
fn apply(host: &mut Outside, ctx: &mut Context<'_>, name: &str) -> Result<(), String> {
    let settings = &host.settings;
    match name {
        "dir" => return host.world.change_folder(settings),
        "repl-backlog-size" => host.journal.resize_backlog(settings.repl_backlog_size),
        "loglevel" | "proc-title-template" | "jemalloc-bg-thread" => {
            host.world.apply_settings(settings, host.config_file.as_deref());
        }
        "appendonly" => return host.switch_aof(ctx.engine, ctx.session.in_exec),
        "aof-disable-auto-gc" => host.collect_history(),
        "aof-timestamp-enabled" => host.begin_second(ctx.now()),
        "appendfsync" => {
            host.persistence.set_policy(settings);
            // What waited under the policy before may leave under this one.
            host.wake_gated();
        }
        "port" => {
            return (host.world.listen(settings))
                .map_err(|_| "Unable to listen on this port. Check server logs.".to_string());
        }
        "bind" => {
            return (host.world.listen(settings))
                .map_err(|_| "Failed to bind to specified addresses.".to_string());
        }
        "oom-score-adj" | "oom-score-adj-values" => {
            if !host.apply_oom_score() {
                return Err("Failed to set current oom_score_adj. Check server logs.".into());
            }
        }
        "maxclients" => host.world.make_room_for_clients(settings.maxclients)?,
        _ => crate::config_apply::to_engine(settings, ctx.engine),
    }
    Ok(())
}

/// Writes the configuration in force into its file.
pub fn rewrite(host: &mut Outside, contents: fn(&Settings, &str) -> String) -> Result<(), Refusal> {
    let Some(path) = host.config_file.clone() else {
        return Err(Refusal::fixed("ERR The server is running without a config file"));
    };
    host.settings.replicaof = host.primary();
    let mut settings = host.settings.clone();
    if let Some(dir) = host.world.folder() {
        settings.dir = dir.display().to_string();
    }
    write_rewritten(&host.files, &path, host.world.pid(), |original| contents(&settings, original))
        .map_err(|error| {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Refusal::new(format!("ERR Rewriting config file: {}", crate::text::plain(&error)))
        })?;
    tracing::info!("CONFIG REWRITE executed with success.");
    Ok(())
}

fn write_rewritten(
    files: &Files,
    path: &Path,
    pid: u32,
    rewrite: impl FnOnce(&str) -> String,
) -> Result<(), String> {
    let original = match files.read_small(path, CONFIG_MAX) {
        Ok(text) => String::from_utf8(text).map_err(|error| error.to_string())?,
        Err(error) if error.is_missing() => String::new(),
        Err(error) => return Err(error.to_string()),
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{pid}.tmp"));
    let contents = rewrite(&original);
    (files.write_whole(path, Path::new(&temporary), contents.as_bytes()))
        .map_err(|error| error.to_string())
}
