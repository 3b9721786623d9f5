//! COMMAND: what the server knows about its commands.
//!
//! What a command does here comes from its row of the table; what its arguments and keys are, from
//! [`crate::grammar`].

use crate::acl::categories;
use crate::arguments::is;
use crate::command::*;
use crate::context::{Context, Done};
use crate::engine::Engine;
use crate::glob;
use crate::grammar::Grammar;
use crate::grammar::key_spec::{self, Begin, Find, KeyFlags, KeySpec};
use crate::grammar::syntax::{Argument, Kind};
use crate::keys_used::{Run, flags_of};
use crate::refusal::Refusal;
use protocol::resp::{Args, Reply};

const ANY: Flags = LOADING | STALE;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name       arity        flags  keys     handler
    cmd("command", at_least(1), ANY,   NO_KEYS, command).with(COMMAND),
];

#[rustfmt::skip]
const COMMAND: &[Spec] = &[
    //  name                       arity        flags  keys     handler
    cmd("command|count",           exactly(2),  ANY,   NO_KEYS, command_count),
    cmd("command|docs",            at_least(2), ANY,   NO_KEYS, command_docs),
    cmd("command|getkeys",         at_least(3), ANY,   NO_KEYS, command_getkeys),
    cmd("command|help",            exactly(2),  ANY,   NO_KEYS, command_help),
    cmd("command|info",            at_least(2), ANY,   NO_KEYS, command_info),
    cmd("command|list",            at_least(2), ANY,   NO_KEYS, command_list),
    cmd("command|getkeysandflags", at_least(3), ANY,   NO_KEYS, command_getkeysandflags),
];

fn command_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    super::help::help(ctx, "command");
    Ok(Done::NOTHING)
}

/// `COMMAND` → all commands.
fn command(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let all = ctx.engine.commands();
    ctx.reply.array(all.len());
    all.iter().for_each(|spec| describe(&mut ctx.reply, spec));
    Ok(Done::NOTHING)
}

fn command_count(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.int(ctx.engine.commands().len() as i64);
    Ok(Done::NOTHING)
}

/// The commands that some names stand for; unknown ones are `None`.
fn named(engine: &Engine, args: Args<'_>) -> Vec<Option<&'static Spec>> {
    match args.len() {
        2 => engine.commands().into_iter().map(Some).collect(),
        _ => args.iter_from(2).map(|name| engine.find_by_full_name(name)).collect(),
    }
}

fn command_info(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let specs = named(ctx.engine, args);
    ctx.reply.array(specs.len());
    for spec in specs {
        match spec {
            Some(spec) => describe(&mut ctx.reply, spec),
            None => ctx.reply.null_array(),
        }
    }
    Ok(Done::NOTHING)
}

/// One command as COMMAND INFO shows it.
fn describe(reply: &mut Reply<'_>, spec: &Spec) {
    let documented = spec.documented;
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.int(spec.arity.0 as i64);
    let mut flags: Vec<&str> = FLAG_NAMES
        .iter()
        .filter(|(flag, _)| spec.flags.has(*flag))
        .map(|(_, name)| *name)
        .collect();
    if matches!(spec.keys, Keys::Counted { .. }) && !spec.flags.has(MOVABLE_KEYS) {
        flags.push("movablekeys");
    }
    flags.retain(|name| !name.is_empty());
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    positions(documented.keys).iter().for_each(|position| reply.int(i64::from(*position)));
    reply.set(categories::of(spec).count());
    categories::of(spec).for_each(|name| reply.simple(&format!("@{name}")));
    reply.set(documented.tips.len());
    documented.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(documented.keys.len());
    documented.keys.iter().for_each(|keys| describe_keys(reply, keys));
    reply.set(spec.subcommands.len());
    spec.subcommands.iter().for_each(|sub| describe(reply, sub));
}

/// First key, last key and step, as far as three numbers can say it: for clients of before key specifications.
fn positions(specs: &[KeySpec]) -> [i16; 3] {
    let ranges = || {
        specs.iter().filter_map(|spec| match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, .. }) => {
                Some((first, if last < 0 { last } else { first + last }, step))
            }
            _ => None,
        })
    };
    if let ([_], Some((first, last, step))) = (specs, ranges().next()) {
        return [first, last, step];
    }
    let mut whole: Option<(i16, i16)> = None;
    for (first, last, step) in ranges() {
        if step != 1 || whole.is_some_and(|(_, before)| before != first - 1) {
            break;
        }
        // Negative positions are from the end, and so behind all others.
        let end = |before: i16| if (before as u16) > last as u16 { before } else { last };
        whole = Some(whole.map_or((first, last), |(begin, before)| (begin, end(before))));
    }
    whole.map_or([0, 0, 0], |(first, last)| [first, last, 1])
}

fn describe_keys(reply: &mut Reply<'_>, keys: &KeySpec) {
    reply.map(if keys.note.is_empty() { 3 } else { 4 });
    if !keys.note.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(keys.note.as_bytes());
    }
    reply.bulk(b"flags");
    show_flags(reply, keys.flags);
    reply.bulk(b"begin_search");
    match keys.begin {
        Begin::Index(at) => step(reply, "index", &[("index", at)]),
        Begin::Keyword { word, from } => {
            open_step(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(i64::from(from));
        }
        Begin::Unknown => step(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match keys.find {
        Find::Range { last, step: each, limit } => {
            step(reply, "range", &[("lastkey", last), ("keystep", each), ("limit", limit)]);
        }
        Find::Count { at, first, step: each } => {
            step(reply, "keynum", &[("keynumidx", at), ("firstkey", first), ("keystep", each)]);
        }
        Find::Unknown => step(reply, "unknown", &[]),
    }
}

fn show_flags(reply: &mut Reply<'_>, flags: KeyFlags) {
    reply.set(key_spec::flag_names(flags).count());
    key_spec::flag_names(flags).for_each(|flag| reply.simple(flag));
}

fn open_step(reply: &mut Reply<'_>, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}

fn step(reply: &mut Reply<'_>, kind: &str, fields: &[(&str, i16)]) {
    open_step(reply, kind, fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.int(i64::from(*value));
    }
}

fn command_docs(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let specs: Vec<&Spec> = named(ctx.engine, args).into_iter().flatten().collect();
    ctx.reply.map(specs.len());
    specs.iter().for_each(|spec| document(&mut ctx.reply, spec));
    Ok(Done::NOTHING)
}

fn document(reply: &mut Reply<'_>, spec: &Spec) {
    let documented = spec.documented;
    reply.bulk(spec.name.as_bytes());
    let map = reply.open();
    let mut fields = 0;
    let mut text = |reply: &mut Reply<'_>, name: &str, text: &str| {
        if !text.is_empty() {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            fields += 1;
        }
    };
    text(reply, "summary", documented.summary);
    text(reply, "since", documented.since);
    text(reply, "group", spec.group);
    text(reply, "complexity", documented.complexity);
    let mut flags = Vec::new();
    flags.extend(documented.deprecated.map(|_| "deprecated"));
    flags.extend(documented.internal.then_some("syscmd"));
    if !flags.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
        fields += 1;
    }
    if let Some((since, replacement)) = documented.deprecated {
        for (name, text) in [("deprecated_since", since), ("replaced_by", replacement)] {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            fields += 1;
        }
    }
    if !documented.history.is_empty() {
        reply.bulk(b"history");
        reply.set(documented.history.len());
        for (version, change) in documented.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
        fields += 1;
    }
    let arguments = documented.arguments();
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        show_arguments(reply, &arguments);
        fields += 1;
    }
    if !spec.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|sub| document(reply, sub));
        fields += 1;
    }
    reply.close_map(map, fields);
}

fn show_arguments(reply: &mut Reply<'_>, arguments: &[Argument<'_>]) {
    reply.array(arguments.len());
    for argument in arguments {
        let map = reply.open();
        let mut fields = 0;
        let texts = [
            ("name", Some(&*argument.name)),
            ("type", Some(argument.kind.name())),
            ("display_text", argument.display_text()),
        ];
        for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, (*text)?))) {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            fields += 1;
        }
        if let Some(index) = argument.key_spec_index {
            reply.bulk(b"key_spec_index");
            reply.int(index as i64);
            fields += 1;
        }
        // The one token that is two quotes stands for an empty text.
        let token = argument.token.map(|token| if token == "\"\"" { "" } else { token });
        let texts = [
            ("token", token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, (*text)?))) {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            fields += 1;
        }
        let flags = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ];
        let count = flags.iter().filter(|(on, _)| *on).count();
        if count > 0 {
            reply.bulk(b"flags");
            reply.set(count);
            let names = flags.iter().filter(|(on, _)| *on).map(|(_, name)| name);
            names.for_each(|name| reply.simple(name));
            fields += 1;
        }
        if matches!(argument.kind, Kind::OneOf | Kind::Block) {
            reply.bulk(b"arguments");
            show_arguments(reply, &argument.children);
            fields += 1;
        }
        reply.close_map(map, fields);
    }
}

/// A request that is asked about, and where its keys are.
struct Located<'a> {
    /// The command, without its container's name.
    command: &'static Grammar,
    args: Args<'a>,
    positions: Vec<usize>,
}

/// The request behind `COMMAND GETKEYS`. Commands that Redis has and we have not are located as well: programs ask for the
/// keys of what they send to other nodes.
fn located<'a>(engine: &Engine, args: Args<'a>) -> Result<Located<'a>, Refusal> {
    let inner = args.tail(2);
    let no_keys = Refusal::fixed("ERR The command has no key arguments");
    let invalid = || Refusal::fixed("ERR Invalid arguments specified for command");
    let found = engine.find_command(inner.at(0)).and_then(|spec| subcommand(spec, inner));
    let Some(spec) = found else {
        let name = String::from_utf8_lossy(inner.at(0));
        let command = engine.missing_command(&name).and_then(crate::grammar::find);
        let command = command.ok_or(Refusal::fixed("ERR Invalid command specified"))?;
        if command.keys.is_empty() {
            return Err(no_keys);
        }
        let positions = documented_positions(command, inner).ok_or_else(invalid)?;
        return Ok(Located { command, args: inner, positions });
    };
    if spec.keys == Keys::None {
        return Err(no_keys);
    }
    if !spec.arity.fits(inner.len()) {
        return Err(Refusal::fixed("ERR Invalid number of arguments specified for command"));
    }
    let positions = match spec.keys.positions(inner) {
        Some(positions) => positions,
        None if names_no_key(spec, inner) => Vec::new(),
        None => return Err(invalid()),
    };
    Ok(Located { command: spec.documented, args: inner, positions })
}

/// Whether a command that needs no key names none.
fn names_no_key(spec: &Spec, args: Args<'_>) -> bool {
    let Keys::Counted { count, .. } = spec.keys else { return false };
    spec.flags.has(NO_MANDATORY_KEYS) && args.get(count as usize) == Some(b"0")
}

/// Where the keys are, by what is documented. `None` if a count is no good.
fn documented_positions(command: &Grammar, args: Args<'_>) -> Option<Vec<usize>> {
    for keys in command.keys {
        if let (Begin::Index(first), Find::Count { at, first: behind, .. }) =
            (keys.begin, keys.find)
        {
            let count = protocol::number::parse_i64(args.get((first + at) as usize)?)?;
            let room = args.len() as i64 - i64::from(first + behind);
            if !(0..=room).contains(&count) {
                return None;
            }
        }
    }
    let runs: Vec<Run> = command.keys.iter().filter_map(|keys| Run::of(keys, args)).collect();
    let is_key = |at: &usize| runs.iter().any(|run| run.has(*at));
    Some((1..args.len()).filter(is_key).collect())
}

fn command_getkeys(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Located { args, positions, .. } = located(ctx.engine, args)?;
    ctx.reply.array(positions.len());
    positions.iter().for_each(|at| ctx.reply.bulk(args.at(*at)));
    Ok(Done::NOTHING)
}

/// `COMMAND GETKEYSANDFLAGS command [arg …]` → each key with what is done with it.
fn command_getkeysandflags(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Located { command, args, positions } = located(ctx.engine, args)?;
    let runs: Vec<Run> = command.keys.iter().filter_map(|keys| Run::of(keys, args)).collect();
    ctx.reply.array(positions.len());
    for at in positions {
        let found = runs.iter().find(|run| run.has(at)).map(|run| run.flags);
        ctx.reply.array(2);
        ctx.reply.bulk(args.at(at));
        show_flags(&mut ctx.reply, flags_of(command, args, found));
    }
    Ok(Done::NOTHING)
}

/// `COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN pattern]`.
fn command_list(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let all = ctx.engine.commands();
    let all = all.iter().flat_map(|spec| [*spec].into_iter().chain(spec.subcommands));
    let names: Vec<&str> = if args.len() == 2 {
        all.map(|spec| spec.name).collect()
    } else if args.len() == 5 && is(args.at(2), "FILTERBY") {
        let wanted = args.at(4);
        if is(args.at(3), "MODULE") {
            Vec::new()
        } else if is(args.at(3), "ACLCAT") {
            let wanted = categories::find(wanted);
            let has = |spec: &&Spec| wanted.is_some_and(|name| categories::is_in(spec, name));
            all.filter(has).map(|spec| spec.name).collect()
        } else if is(args.at(3), "PATTERN") {
            all.filter(|s| glob::matches(wanted, s.name.as_bytes(), true)).map(|s| s.name).collect()
        } else {
            return Err(Refusal::SYNTAX);
        }
    } else {
        return Err(Refusal::SYNTAX);
    };
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{expect, with};

    #[test]
    fn keys_are_found_with_what_is_done_with_them() {
        expect(
            &mut with(&[]),
            &[
                ("COMMAND GETKEYS MSET a 1 b 2", "[a b]"),
                ("COMMAND GETKEYS PING", "-ERR The command has no key arguments"),
                ("COMMAND GETKEYS NOPE x", "-ERR Invalid command specified"),
                ("COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command"),
                ("COMMAND GETKEYSANDFLAGS GET a", "[[a [+RO +access]]]"),
                ("COMMAND GETKEYSANDFLAGS SET a 1", "[[a [+OW +update]]]"),
                ("COMMAND GETKEYSANDFLAGS SET a 1 GET", "[[a [+RW +access +update]]]"),
                ("COMMAND GETKEYSANDFLAGS MSET a 1 b 2", "[[a [+OW +update]] [b [+OW +update]]]"),
                (
                    "COMMAND GETKEYSANDFLAGS LMOVE a b LEFT LEFT",
                    "[[a [+RW +access +delete]] [b [+RW +insert]]]",
                ),
                (
                    "COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 2 a b",
                    "[[d [+OW +update]] [a [+RO +access]] [b [+RO +access]]]",
                ),
                ("COMMAND GETKEYSANDFLAGS SORT a STORE b", "[[a [+RO +access]] [b [+OW +update]]]"),
                ("COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 0", "[[a [+RO +access]]]"),
                (
                    "COMMAND GETKEYSANDFLAGS MIGRATE h 1 '' 0 10 KEYS a",
                    "[[a [+RW +access +delete]]]",
                ),
                (
                    "COMMAND GETKEYSANDFLAGS XREAD COUNT 1 STREAMS a b 0 0",
                    "[[a [+RO +access]] [b [+RO +access]]]",
                ),
                // Scripts are not executed, but asked about.
                ("COMMAND GETKEYS EVAL text 2 a b c", "[a b]"),
                ("COMMAND GETKEYS EVAL text 0", "[]"),
                ("COMMAND GETKEYS EVAL text 2 a", "-ERR Invalid arguments specified for command"),
                ("COMMAND GETKEYS EVAL", "-ERR Invalid number of arguments specified for command"),
                ("COMMAND GETKEYSANDFLAGS FCALL_RO f 1 a", "[[a [+RO +access]]]"),
            ],
        );
    }

    #[test]
    fn every_help_says_something_of_every_subcommand() {
        let mut server = with(&[]);
        let helps =
            crate::family::table().with_subcommands().filter(|spec| spec.name.ends_with("|help"));
        let mut count = 0;
        for spec in helps.filter(|spec| !spec.flags.has(OFF)) {
            let container = spec.name.trim_end_matches("|help");
            let text = server.run(&spec.name.replace('|', " "));
            // The host answers CLIENT.
            if text.starts_with('-') {
                assert_eq!(container, "client", "{text}");
                continue;
            }
            let rows = crate::family::table()
                .find(container.as_bytes())
                .expect("its container")
                .subcommands;
            for row in rows {
                assert!(text.contains(row.documented.summary), "{}: {text}", row.name);
            }
            count += 1;
        }
        assert!(count >= 8, "{count}");
    }

    #[test]
    fn positions_are_what_three_numbers_can_say() {
        let of = |name: &str| positions(crate::grammar::find(name).expect("a command").keys);
        assert_eq!(of("get"), [1, 1, 1]);
        assert_eq!(of("mset"), [1, -1, 2]);
        assert_eq!(of("blpop"), [1, -2, 1]);
        assert_eq!(of("rename"), [1, 2, 1]);
        assert_eq!(of("ping"), [0, 0, 0]);
        assert_eq!(of("lmpop"), [0, 0, 0]);
        assert_eq!(of("zunionstore"), [1, 1, 1]);
    }
}
