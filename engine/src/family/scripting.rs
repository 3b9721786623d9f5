//! Scripts: EVAL, EVALSHA and their kin, SCRIPT.
//!
//! # Not here
//! - FUNCTION and FCALL: [`super::functions`]; running: [`crate::scripting`]

use super::help::help;
use crate::arguments::is;
use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use crate::scripting::Entry;
use protocol::number::parse_i64;
use protocol::resp::Args;
use script::cache::Script;

pub(super) const RUN: Flags = NO_SCRIPT | SKIP_MONITOR | STALE | NO_MANDATORY_KEYS | RUNS_SCRIPT;
const WRITES: Flags = RUN | MAY_REPLICATE;
const READS: Flags = RUN | READ;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name          arity        flags   keys           handler
    cmd("eval",       at_least(3), WRITES, counted(0, 2), eval),
    cmd("eval_ro",    at_least(3), READS,  counted(0, 2), eval_ro),
    cmd("evalsha",    at_least(3), WRITES, counted(0, 2), evalsha),
    cmd("evalsha_ro", at_least(3), READS,  counted(0, 2), evalsha_ro),
    cmd("script",     at_least(2), 0,      NO_KEYS,       script_help).with(SCRIPT),
];

#[rustfmt::skip]
const SCRIPT: &[Spec] = &[
    //  name            arity        flags                         keys     handler
    cmd("script|debug", exactly(3),  NO_SCRIPT,                    NO_KEYS, script_debug),
    cmd("script|exists", at_least(3), NO_SCRIPT,                   NO_KEYS, script_exists),
    cmd("script|flush", at_least(2), NO_SCRIPT | IN_STREAM,        NO_KEYS, script_flush),
    cmd("script|help",  exactly(2),  LOADING | STALE,              NO_KEYS, script_help),
    cmd("script|kill",  exactly(2),  NO_SCRIPT | ALLOW_BUSY,       NO_KEYS, script_kill),
    cmd("script|load",  exactly(3),  NO_SCRIPT | STALE | IN_STREAM, NO_KEYS, script_load),
];

/// How many keys there are. `wrong`: what is said of what is no number.
pub(super) fn count_keys(args: Args<'_>, wrong: Refusal) -> Result<usize, Refusal> {
    let count = parse_i64(args.at(2)).ok_or(wrong)?;
    if count > (args.len() - 3) as i64 {
        return Err(Refusal::fixed("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| Refusal::fixed("ERR Number of keys can't be negative"))
}

/// Runs a script or function that was found.
pub(super) fn run(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    keys: usize,
    entry: &Entry<'_>,
) -> Result<Done, Refusal> {
    let host = ctx.host.take().expect("a host does not call itself");
    let out = ctx.reply.buffer();
    let result = ctx.engine.run_script(host, ctx.session, ctx.spec, entry, (args, keys), out);
    ctx.host = Some(host);
    // What was changed is counted by the commands that did it.
    result.map(|()| Done::NOTHING)
}

fn run_script(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    script: Script,
    read_only: bool,
) -> Result<Done, Refusal> {
    let keys = count_keys(args, Refusal::NOT_INTEGER)?;
    let entry = Entry {
        function: script.function,
        name: &script.digest,
        flags: script.flags,
        is_function: false,
        read_only,
    };
    run(ctx, args, keys, &entry)
}

fn by_text(ctx: &mut Context<'_>, args: Args<'_>, read_only: bool) -> Result<Done, Refusal> {
    ctx.engine.show_script_to_monitors(ctx.session, ctx.scope.db, ctx.spec, args);
    let script = match ctx.engine.scripts.cache.seen(args.at(1)) {
        Some(script) => script,
        None => {
            count_keys(args, Refusal::NOT_INTEGER)?;
            add(ctx, args.at(1))?
        }
    };
    run_script(ctx, args, script, read_only)
}

fn by_digest(ctx: &mut Context<'_>, args: Args<'_>, read_only: bool) -> Result<Done, Refusal> {
    ctx.engine.show_script_to_monitors(ctx.session, ctx.scope.db, ctx.spec, args);
    if args.at(1).len() == 40 {
        count_keys(args, Refusal::NOT_INTEGER)?;
    }
    let Some(script) = ctx.engine.scripts.cache.find(args.at(1)) else {
        return Err(Refusal::fixed("NOSCRIPT No matching script. Please use EVAL.").of_state());
    };
    run_script(ctx, args, script, read_only)
}

/// Compiles a script and keeps it.
#[cold]
fn add(ctx: &mut Context<'_>, text: &[u8]) -> Result<Script, Refusal> {
    let seed = ctx.engine.draw();
    let added = ctx.engine.scripts.cache.add(text, seed);
    added.map_err(|text| Refusal::from([b"ERR ", &text[..]].concat()))
}

/// `EVAL script numkeys [key ...] [arg ...]`
fn eval(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    by_text(ctx, args, false)
}

/// The same for a script that does not write.
fn eval_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    by_text(ctx, args, true)
}

/// `EVALSHA sha1 numkeys [key ...] [arg ...]`
fn evalsha(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    by_digest(ctx, args, false)
}

/// The same for a script that does not write.
fn evalsha_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    by_digest(ctx, args, true)
}

/// `SCRIPT DEBUG YES|SYNC|NO`: there is no debugger that scripts could be stepped through with.
fn script_debug(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let word = args.at(2);
    if is(word, "NO") {
        ctx.reply.ok();
        return Ok(Done::NOTHING);
    }
    if is(word, "YES") || is(word, "SYNC") {
        return Err(Refusal::fixed(
            "ERR SCRIPT DEBUG is not supported: this server has no debugger for scripts",
        ));
    }
    Err(Refusal::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

/// `SCRIPT EXISTS sha1 [sha1 ...]`
fn script_exists(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.array(args.len() - 2);
    for digest in args.iter_from(2) {
        let is_there = ctx.engine.scripts.cache.find(digest).is_some();
        ctx.reply.int(i64::from(is_there));
    }
    Ok(Done::NOTHING)
}

/// `SCRIPT FLUSH [ASYNC|SYNC]`: memory is given back at once in both cases.
fn script_flush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let known = |word: &[u8]| is(word, "ASYNC") || is(word, "SYNC");
    if args.len() > 3 || args.get(2).is_some_and(|word| !known(word)) {
        return Err(Refusal::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    ctx.engine.scripts.cache.flush();
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn script_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "script");
    Ok(Done::NOTHING)
}

/// `SCRIPT KILL`
fn script_kill(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.engine.kill_script(false)?;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `SCRIPT LOAD script` → its digest.
fn script_load(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let script = add(ctx, args.at(2))?;
    ctx.reply.bulk(&script.digest);
    Ok(Done::NOTHING)
}
