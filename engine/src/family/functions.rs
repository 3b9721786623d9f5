//! Functions: FUNCTION, FCALL and FCALL_RO.
//!
//! # Not here
//! - running: [`crate::scripting`]; libraries in files: `crate::scripting::kept`

use super::help::help;
use super::scripting::{RUN, count_keys, run};
use crate::arguments::is;
use crate::command::*;
use crate::context::{Context, Done};
use crate::glob;
use crate::refusal::Refusal;
use crate::scripting::Entry;
use protocol::rdb::{DumpError, Writer, read_dump_functions};
use protocol::resp::{Args, Reply};
use script::flags::Flags as Declared;
use script::libraries::{ENGINE, Library, Restore, Wrong};
use std::borrow::Cow;

const LOADS: Flags = WRITE | GROWS | NO_SCRIPT;
const REMOVES: Flags = WRITE | NO_SCRIPT;
const BUSY: Flags = NO_SCRIPT | ALLOW_BUSY;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name        arity        flags                keys           handler
    cmd("fcall",    at_least(3), RUN | MAY_REPLICATE, counted(0, 2), fcall),
    cmd("fcall_ro", at_least(3), RUN | READ,          counted(0, 2), fcall_ro),
    cmd("function", at_least(2), 0,                   NO_KEYS,       function_help).with(FUNCTION),
];

#[rustfmt::skip]
const FUNCTION: &[Spec] = &[
    //  name                arity        flags            keys     handler
    cmd("function|delete",  exactly(3),  REMOVES,         NO_KEYS, function_delete),
    cmd("function|dump",    exactly(2),  NO_SCRIPT,       NO_KEYS, function_dump),
    cmd("function|flush",   at_least(2), REMOVES,         NO_KEYS, function_flush),
    cmd("function|help",    exactly(2),  LOADING | STALE, NO_KEYS, function_help),
    cmd("function|kill",    exactly(2),  BUSY,            NO_KEYS, function_kill),
    cmd("function|list",    at_least(2), NO_SCRIPT,       NO_KEYS, function_list),
    cmd("function|load",    at_least(3), LOADS,           NO_KEYS, function_load),
    cmd("function|restore", at_least(3), LOADS,           NO_KEYS, function_restore),
    cmd("function|stats",   exactly(2),  BUSY,            NO_KEYS, function_stats),
];

fn wrong(wrong: Wrong) -> Refusal {
    let refusal = Refusal::from([b"ERR ", &wrong.text[..]].concat());
    if wrong.clashes { refusal.of_state() } else { refusal }
}

fn wrong_syntax(what: &str) -> Refusal {
    Refusal::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{what}'. Try FUNCTION HELP."
    ))
}

/// `FCALL function numkeys [key ...] [arg ...]`
fn fcall(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    call(ctx, args, false)
}

/// The same for a function that does not write.
fn fcall_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    call(ctx, args, true)
}

fn call(ctx: &mut Context<'_>, args: Args<'_>, read_only: bool) -> Result<Done, Refusal> {
    ctx.engine.show_script_to_monitors(ctx.session, ctx.scope.db, ctx.spec, args);
    let Some(found) = ctx.engine.scripts.libraries.function(args.at(1)) else {
        return Err(Refusal::fixed("ERR Function not found").of_state());
    };
    let (function, flags) = (found.function, found.flags);
    // It may be called in other letters.
    let name = match found.name == args.at(1) {
        true => Cow::Borrowed(args.at(1)),
        false => Cow::Owned(found.name.clone()),
    };
    let keys = count_keys(args, Refusal::fixed("ERR Bad number of keys provided"))?;
    let entry = Entry { function, name: &name, flags, is_function: true, read_only };
    run(ctx, args, keys, &entry)
}

/// `FUNCTION DELETE library`
fn function_delete(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if !ctx.engine.scripts.libraries.delete(args.at(2)) {
        return Err(Refusal::fixed("ERR Library not found").of_state());
    }
    ctx.reply.ok();
    Ok(Done::ONE)
}

/// `FUNCTION DUMP` → all libraries, for FUNCTION RESTORE.
fn function_dump(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let mut writer = Writer::<Vec<u8>>::for_dump(true);
    for (_, library) in ctx.engine.scripts.libraries.all() {
        let Ok(()) = writer.function2(&library.code);
    }
    ctx.reply.bulk(&writer.into_dump_payload());
    Ok(Done::NOTHING)
}

/// `FUNCTION FLUSH [ASYNC|SYNC]`: memory is given back at once in both cases.
fn function_flush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(wrong_syntax("flush"));
    }
    if args.get(2).is_some_and(|word| !is(word, "ASYNC") && !is(word, "SYNC")) {
        return Err(Refusal::fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    ctx.engine.replace_functions(Vec::new());
    ctx.reply.ok();
    Ok(Done::ONE)
}

fn function_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "function");
    Ok(Done::NOTHING)
}

/// `FUNCTION KILL`
fn function_kill(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.engine.kill_script(true)?;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
fn function_list(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args.iter_from(2);
    while let Some(word) = words.next() {
        if !with_code && is(word, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && is(word, "LIBRARYNAME") {
            let missing = Refusal::fixed("ERR library name argument was not given");
            pattern = Some(words.next().ok_or(missing)?);
        } else {
            return Err(Refusal::quoting("ERR Unknown argument ", word, ""));
        }
    }
    let mark = ctx.reply.open();
    let mut len = 0;
    for (name, library) in ctx.engine.scripts.libraries.all() {
        if pattern.is_none_or(|pattern| glob::matches(pattern, name, true)) {
            show(&mut ctx.reply, name, library, with_code);
            len += 1;
        }
    }
    ctx.reply.close_array(mark, len);
    Ok(Done::NOTHING)
}

fn show(reply: &mut Reply<'_>, name: &[u8], library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(name);
    reply.bulk(b"engine");
    reply.bulk(ENGINE.as_bytes());
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        let flags = Declared::NAMES.iter().filter(|(flag, _)| function.flags.has(*flag));
        reply.set(flags.clone().count());
        flags.for_each(|(_, name)| reply.simple(name));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

/// `FUNCTION LOAD [REPLACE] code` → the library's name.
fn function_load(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let last = args.len() - 1;
    for word in args.iter_from(2).take(last - 2) {
        if !is(word, "REPLACE") {
            return Err(Refusal::quoting("ERR Unknown option given: ", word, ""));
        }
    }
    let loaded = ctx.load_library(args.at(last), last > 2);
    let name = loaded.map_err(wrong)?;
    ctx.reply.bulk(&name);
    Ok(Done::ONE)
}

/// `FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE]`
fn function_restore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 4 {
        return Err(wrong_syntax("restore"));
    }
    let how = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => Restore::Append,
        Some(b"replace") => Restore::Replace,
        Some(b"flush") => Restore::Flush,
        Some(_) => {
            return Err(Refusal::fixed(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let codes = read_dump_functions(args.at(2)).map_err(|wrong| match wrong {
        DumpError::BadFormat(_) => Refusal::fixed("ERR failed loading the given functions payload"),
        _ => Refusal::fixed("ERR DUMP payload version or checksum are wrong"),
    })?;
    ctx.restore_libraries(&codes, how).map_err(wrong)?;
    // Our own texts: a replica may not know the version of the payload.
    if how == Restore::Flush {
        ctx.effect(&[b"FUNCTION", b"FLUSH"]);
    }
    for code in &codes {
        ctx.effect(&[b"FUNCTION", b"LOAD", b"REPLACE", code]);
    }
    ctx.reply.ok();
    Ok(Done::changes(codes.len().max(1)))
}

/// `FUNCTION STATS` → what runs, and the engines there are.
fn function_stats(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let now_ns = ctx.ticks_ns();
    ctx.reply.map(2);
    ctx.reply.bulk(b"running_script");
    match ctx.engine.paused_script(now_ns) {
        Some((_, _, _, false)) => {
            ctx.reply.truncate(0);
            return Err(Refusal::fixed(ctx.engine.busy_text()));
        }
        Some((name, request, ms, true)) => {
            ctx.reply.map(3);
            ctx.reply.bulk(b"name");
            ctx.reply.bulk(name);
            ctx.reply.bulk(b"command");
            ctx.reply.array(request.len());
            request.iter_from(0).for_each(|word| ctx.reply.bulk(word));
            ctx.reply.bulk(b"duration_ms");
            ctx.reply.int(ms as i64);
        }
        None => ctx.reply.null(),
    }
    ctx.reply.bulk(b"engines");
    ctx.reply.map(1);
    ctx.reply.bulk(ENGINE.as_bytes());
    ctx.reply.map(2);
    let libraries = &ctx.engine.scripts.libraries;
    let counts = [libraries.all().len(), libraries.functions_len()];
    for (name, count) in [&b"libraries_count"[..], b"functions_count"].into_iter().zip(counts) {
        ctx.reply.bulk(name);
        ctx.reply.int(count as i64);
    }
    Ok(Done::NOTHING)
}
