//! CONFIG: reading, changing and persisting the configuration.

use crate::config::{Caller, Row, SetError, Settings, users};
use crate::node::Outside;
use backup::files::Files;
use engine::Engine;
use engine::acl::rules;
use engine::acl::user::DEFAULT;
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
            rewrite(host, ctx.engine, Settings::rewrite)?;
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
    if let Some(folder) = host.world.folder() {
        // A relative one is relative to where we are now, and to be gone back to it has to be named.
        host.settings.dir = folder.display().to_string();
    }
    let before = host.settings.clone();
    let local = host.clients.get(ctx.session.slot).is_none_or(crate::clients::Client::is_local);
    let caller = Caller { local, loading: ctx.engine.conditions.loading };
    let refused = |error: SetError| Refusal::new(error.text);
    let changed = host.settings.set(&pairs, caller).map_err(refused)?;
    let steps = steps(&changed, &host.settings);
    for (index, name) in steps.iter().enumerate() {
        if let Err(reason) = apply(host, ctx, name) {
            let reason = crate::text::plain(&reason);
            *host.settings = before;
            go_back(host, ctx, &steps[..=index]);
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

/// What is to be done for changed directives, in this order. What is dear to take back comes late, so that others have not failed.
fn steps(changed: &[&'static str], settings: &Settings) -> Vec<&'static str> {
    let place = |name: &str| match name {
        // The append-only file is closed before the folder that it is in changes, and begun in the one that is to be its own.
        "appendonly" if !settings.appendonly => 1,
        "dir" => 2,
        "appendonly" => 3,
        "port" | "bind" => 4,
        _ => 0,
    };
    let mut steps = changed.to_vec();
    steps.sort_by_key(|name| place(name));
    // Port and addresses are one step, called by the one that was named first.
    steps.dedup_by(|one, other| (place(one), place(other)) == (4, 4));
    steps
}

/// A change has failed, and the settings are the old ones again: so is what these steps have done.
fn go_back(host: &mut Outside, ctx: &mut Context<'_>, done: &[&'static str]) {
    for name in steps(done, &host.settings) {
        if let Err(error) = apply(host, ctx, name) {
            tracing::warn!("CONFIG SET failed, and {name} cannot be put back: {error}");
        }
    }
}

/// Works in the folder that the configuration names.
///
/// An append-only file stays where it was begun: what is in another folder is no set before a base is there, too.
fn change_folder(host: &mut Outside) -> Result<(), String> {
    let id = |path: &str| host.files.directory_id(Path::new(path));
    let wanted = id(&host.settings.dir);
    if host.persistence.aof.is_some() && wanted.is_some() && wanted != id(".") {
        return Err("the append only file is open in the current folder. Switch it off (CONFIG SET appendonly no), set dir, and \
                    switch it on again"
            .into());
    }
    host.world.change_folder(&host.settings)
}

/// Does what a changed directive asks for, beyond being looked at when it is needed.
fn apply(host: &mut Outside, ctx: &mut Context<'_>, name: &str) -> Result<(), String> {
    let settings = &host.settings;
    match name {
        "dir" => return change_folder(host),
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
        "requirepass" => {
            let password = settings.requirepass.as_bytes();
            ctx.engine.set_default_password(Some(&mut *ctx.session), password);
            ctx.state_users(&[DEFAULT.to_vec()], &[]);
        }
        "acl-replicate" => {
            ctx.engine.users.replicated = settings.acl_replicate;
            host.replication.users_due = true;
        }
        "maxclients" => host.world.make_room_for_clients(settings.maxclients)?,
        _ => crate::config_apply::to_engine(settings, ctx.engine),
    }
    Ok(())
}

/// Writes the configuration in force into its file.
pub fn rewrite(
    host: &mut Outside,
    engine: &Engine,
    contents: fn(&Settings, &str) -> String,
) -> Result<(), Refusal> {
    let Some(path) = host.config_file.clone() else {
        return Err(Refusal::fixed("ERR The server is running without a config file"));
    };
    host.settings.replicaof = host.primary();
    let mut settings = host.settings.clone();
    if let Some(dir) = host.world.folder() {
        settings.dir = dir.display().to_string();
    }
    let (lines, needed) = user_lines(&settings, engine)?;
    let contents = |original: &str| {
        let text = contents(&settings, original);
        let stays = !needed && !users::has_any(&text);
        if stays { text } else { users::rewrite(&text, &lines) }
    };
    write_rewritten(&host.files, &path, host.world.pid(), contents).map_err(|error| {
        tracing::warn!("CONFIG REWRITE failed: {error}");
        Refusal::new(format!("ERR Rewriting config file: {}", crate::text::plain(&error)))
    })?;
    tracing::info!("CONFIG REWRITE executed with success.");
    Ok(())
}

/// The `user` lines of the configuration, and whether they are needed: there is more to say than `requirepass` does. There
/// are none if users have a file of their own.
fn user_lines(settings: &Settings, engine: &Engine) -> Result<(Vec<String>, bool), Refusal> {
    if !settings.aclfile.is_empty() {
        return Ok((Vec::new(), false));
    }
    let lines = engine.users.iter().map(|user| {
        users::line(&user.line()).ok_or_else(|| {
            let name = user.name.escape_ascii();
            Refusal::new(format!(
                "ERR Rewriting config file: user '{name}' has a rule that is no text (UTF-8). Use an aclfile"
            ))
        })
    });
    let lines = lines.collect::<Result<Vec<String>, Refusal>>()?;
    let plain = rules::default_user(settings.requirepass.as_bytes());
    let needed = lines.len() > 1 || **engine.users.default_user() != plain;
    Ok((lines, needed))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Permission;
    use crate::testing::{self, BEGINNING, run};

    #[test]
    fn the_folder_changes_while_no_append_only_file_is_open_and_listening_comes_last() {
        let changed = ["port", "dir", "bind", "appendonly", "maxclients", "timeout"];
        let mut settings = Settings { appendonly: true, ..Settings::default() };
        let on = ["maxclients", "timeout", "dir", "appendonly", "port"];
        assert_eq!(steps(&changed, &settings), on);
        settings.appendonly = false;
        let off = ["maxclients", "timeout", "appendonly", "dir", "port"];
        assert_eq!(steps(&changed, &settings), off);
        assert_eq!(steps(&["bind", "hz", "port"], &settings), ["hz", "bind"]);
        assert_eq!(steps(&["bind"], &settings), ["bind"]);
    }

    #[test]
    fn port_and_addresses_are_listened_on_once_and_only_when_nothing_else_has_failed() {
        let memory = testing::memory::Memory::default();
        let world = testing::outside::Scripted::new(&memory, BEGINNING.steady_ns, 0);
        let mut node =
            crate::node::Node::new(Settings::default(), None, BEGINNING, Box::new(world.clone()));
        node.host.settings.enable_protected_configs = Permission::Yes;
        node.begin_turn(BEGINNING);
        let slot = node.engine.connect();
        let mut listened = |request: &str, expected: &str| {
            world.get().listened.clear();
            let said = run(&mut node, slot, &[request]);
            assert!(said.starts_with(expected), "{said}");
            let places = world.get().listened.clone().into_iter();
            places.map(|(port, addresses)| format!("{port} at {addresses}")).collect::<Vec<_>>()
        };
        let new = "7 at 127.0.0.1";
        assert_eq!(listened("CONFIG SET port 7 timeout 1 bind 127.0.0.1", "+OK"), [new]);
        assert!(listened("CONFIG SET bind 127.0.0.1 port 7", "+OK").is_empty());
        let failed = "-ERR CONFIG SET failed (possibly related to argument 'dir')";
        assert!(listened("CONFIG SET port 8 dir /elsewhere", failed).is_empty());
        world.get().taken_port = Some(9);
        let failed = "-ERR CONFIG SET failed (possibly related to argument 'port')";
        assert_eq!(listened("CONFIG SET timeout 2 port 9", failed), ["9 at 127.0.0.1", new]);
        assert_eq!(node.host.settings.timeout, 1);
    }
}
