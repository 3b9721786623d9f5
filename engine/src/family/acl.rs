//! Commands about users: AUTH, HELLO, and ACL with its subcommands.
//!
//! # Not here
//! - users and what they may do: [`crate::acl`]; reading and writing the file of users: the host

use super::help;
use crate::acl::categories;
use crate::acl::check::explain;
use crate::acl::lines::Failure;
use crate::acl::log::{Entry, Origin, Reason};
use crate::acl::rules::is_plain;
use crate::acl::user::{DEFAULT, Selector, hex};
use crate::arguments::{client_name, int, is};
use crate::command::*;
use crate::context::{Context, Done};
use crate::host::HostCall;
use crate::refusal::Refusal;
use crate::session::Peer;
use protocol::number::parse_i64;
use protocol::resp::{Args, Reply};

/// The most bits of a password that GENPASS makes. Source: Redis 7.2.
const GENPASS_BITS_MOST: i64 = 4096;
/// Bits of one that it makes unless asked.
const GENPASS_BITS: i64 = 256;
/// Entries that LOG shows unless asked.
const LOG_SHOWN: i64 = 10;

const WRONG_PASSWORD: Refusal =
    Refusal::fixed("WRONGPASS invalid username-password pair or user is disabled.");

const OPEN: Flags = NO_SCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;
const ALL: Flags = NO_SCRIPT | LOADING | STALE;
const OPS: Flags = ALL | ADMIN;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name     arity        flags  keys     handler
    cmd("acl",   at_least(2), 0,     NO_KEYS, show_help).with(ACL),
    cmd("auth",  at_least(2), OPEN,  NO_KEYS, auth),
    cmd("hello", at_least(1), OPEN,  NO_KEYS, hello),
];

#[rustfmt::skip]
const ACL: &[Spec] = &[
    //  name         arity        flags            keys     handler
    cmd("acl|cat",     at_least(2), ALL,             NO_KEYS, cat),
    cmd("acl|deluser", at_least(3), OPS | IN_STREAM, NO_KEYS, deluser),
    cmd("acl|dryrun",  at_least(4), OPS,             NO_KEYS, dryrun),
    cmd("acl|genpass", at_least(2), ALL,             NO_KEYS, genpass),
    cmd("acl|getuser", exactly(3),  OPS,             NO_KEYS, getuser),
    cmd("acl|help",    exactly(2),  LOADING | STALE, NO_KEYS, show_help),
    cmd("acl|list",    exactly(2),  OPS,             NO_KEYS, list),
    cmd("acl|load",    exactly(2),  OPS,             NO_KEYS, load),
    cmd("acl|log",     at_least(2), OPS,             NO_KEYS, log),
    cmd("acl|save",    exactly(2),  OPS,             NO_KEYS, save),
    cmd("acl|setuser", at_least(3), OPS | IN_STREAM, NO_KEYS, setuser),
    cmd("acl|users",   exactly(2),  OPS,             NO_KEYS, users),
    cmd("acl|whoami",  exactly(2),  ALL,             NO_KEYS, whoami),
];

/// Lets the session be a user, or notes that it may not.
fn log_in(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    user: &[u8],
    password: &[u8],
) -> Result<(), Refusal> {
    if ctx.engine.log_in(ctx.session, user, password) {
        return Ok(());
    }
    let inside = ctx.session.in_exec || ctx.session.multi.is_some();
    let origin = if inside { Origin::Multi } else { Origin::Toplevel };
    let host = ctx.host.as_deref_mut().expect("a host does not call itself");
    let reason = (Reason::Auth, origin);
    ctx.engine.note_denial(host, ctx.session, reason, args.at(0), user.to_vec());
    Err(WRONG_PASSWORD)
}

/// `AUTH [user] password`.
fn auth(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    match args.len() {
        2 if ctx.engine.users.default_user().nopass => {
            return Err(Refusal::fixed(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => log_in(ctx, args, DEFAULT, args.at(1))?,
        3 => log_in(ctx, args, args.at(1), args.at(2))?,
        _ => return Err(Refusal::SYNTAX),
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// What HELLO is asked for.
struct Greeting<'a> {
    resp3: bool,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn greeting<'a>(ctx: &Context<'_>, args: Args<'a>) -> Result<Greeting<'a>, Refusal> {
    let mut greeting = Greeting { resp3: ctx.session.resp3, credentials: None, name: None };
    if let Some(version) = args.get(1) {
        greeting.resp3 = match parse_i64(version) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err(Refusal::fixed("NOPROTO unsupported protocol version")),
            None => {
                return Err(Refusal::fixed(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        };
    }
    let mut at = 2;
    while let Some(word) = args.get(at) {
        if is(word, "AUTH") && args.len() > at + 2 {
            greeting.credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if is(word, "SETNAME") && args.len() > at + 1 {
            greeting.name = Some(args.at(at + 1));
            client_name(args.at(at + 1), "Client names")?;
            at += 2;
        } else {
            return Err(Refusal::quoting("ERR Syntax error in HELLO option '", word, "'"));
        }
    }
    Ok(greeting)
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`.
fn hello(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Greeting { resp3, credentials, name } = greeting(ctx, args)?;
    if let Some((user, password)) = credentials {
        log_in(ctx, args, user, password)?;
    }
    if !ctx.session.account.is_proven() {
        return Err(Refusal::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        ctx.session.name = name.to_vec();
    }
    ctx.session.resp3 = resp3;
    ctx.reply.set_resp3(resp3);
    let role = if ctx.engine.is_replica { "replica" } else { "master" };
    let id = ctx.session.id as i64;
    let reply = &mut ctx.reply;
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", crate::REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.int(if resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(id);
    for (field, value) in [("mode", "standalone"), ("role", role)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(Done::NOTHING)
}

fn show_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help::help(ctx, "acl");
    Ok(Done::NOTHING)
}

fn too_many(args: Args<'_>) -> Refusal {
    Refusal::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        &args.at(1)[..args.at(1).len().min(128)],
        "'. Try ACL HELP.",
    )
}

/// `ACL CAT [category]`.
fn cat(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let names: Vec<&str> = match (args.get(2), args.len()) {
        (None, _) => categories::NAMES.to_vec(),
        (Some(wanted), 3) => {
            let clipped = &wanted[..wanted.len().min(128)];
            let category = categories::find(wanted)
                .ok_or_else(|| Refusal::quoting("ERR Unknown category '", clipped, "'"))?;
            categories::commands(ctx.engine.table(), category).map(|spec| spec.name).collect()
        }
        _ => return Err(too_many(args)),
    };
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
    Ok(Done::NOTHING)
}

/// `ACL DELUSER user …` → how many there were.
fn deluser(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.iter_from(2).any(|name| name == DEFAULT) {
        return Err(Refusal::fixed("ERR The 'default' user cannot be removed"));
    }
    if ctx.engine.keeps_own_users(ctx.session.peer) {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    let names: Vec<_> = args.iter_from(2).flat_map(|name| ctx.users_to_go(name)).collect();
    let host = ctx.host.as_deref_mut().expect("a host does not call itself");
    let mut gone = Vec::new();
    for name in names {
        if ctx.engine.delete_user(host, ctx.session, &name) {
            gone.push(name);
        }
    }
    ctx.reply.int(gone.len() as i64);
    if !gone.is_empty() {
        ctx.state_users(&[], &gone);
    }
    Ok(Done::NOTHING)
}

/// `ACL DRYRUN user command [arg …]` → OK, or what is in the way.
fn dryrun(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Some(user) = ctx.engine.users.get(args.at(2)).cloned() else {
        return Err(Refusal::quoting("ERR User '", args.at(2), "' not found"));
    };
    let inner = args.tail(3);
    let found = ctx.engine.find_command(inner.at(0)).and_then(|spec| subcommand(spec, inner));
    let Some(spec) = found else {
        return Err(Refusal::quoting("ERR Command '", inner.at(0), "' not found"));
    };
    if !spec.arity.fits(inner.len()) {
        return Err(Refusal::arity(spec.name));
    }
    match user.verdict(spec, inner) {
        Ok(()) => ctx.reply.ok(),
        Err(denied) => ctx.reply.bulk(&explain(&user, spec, inner, denied, true)),
    }
    Ok(Done::NOTHING)
}

/// `ACL GENPASS [bits]` → so many random bits in hexadecimal digits.
fn genpass(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let bits = match (args.get(2), args.len()) {
        (None, _) => GENPASS_BITS,
        (Some(bits), 3) => int(bits)?,
        _ => return Err(too_many(args)),
    };
    if !(1..=GENPASS_BITS_MOST).contains(&bits) {
        return Err(Refusal::new(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {GENPASS_BITS_MOST}"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    let host = ctx.host.as_deref_mut().expect("a host does not call itself");
    let mut password = String::new();
    while password.len() < digits {
        password.push_str(&hex(&host.secret()));
    }
    password.truncate(digits);
    ctx.reply.bulk(password.as_bytes());
    Ok(Done::NOTHING)
}

/// `ACL GETUSER user` → its flags, passwords and selectors.
fn getuser(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let Some(user) = ctx.engine.users.get(args.at(2)).cloned() else {
        ctx.reply.null();
        return Ok(Done::NOTHING);
    };
    let (root, others) = user.selectors.split_first().expect("there is a root");
    let reply = &mut ctx.reply;
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords.len());
    user.passwords.iter().for_each(|hash| reply.bulk(hex(hash).as_bytes()));
    show_selector(reply, root);
    reply.bulk(b"selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(3);
        show_selector(reply, selector);
    }
    Ok(Done::NOTHING)
}

fn show_selector(reply: &mut Reply<'_>, selector: &Selector) {
    let fields = [
        ("commands", selector.describe_commands()),
        ("keys", selector.describe_keys()),
        ("channels", selector.describe_channels()),
    ];
    for (name, text) in fields {
        reply.bulk(name.as_bytes());
        reply.bulk(&text);
    }
}

/// `ACL LIST` → the users as lines of a file.
fn list(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let lines = ctx.engine.users.lines();
    ctx.reply.array(lines.len());
    lines.iter().for_each(|line| ctx.reply.bulk(line));
    Ok(Done::NOTHING)
}

/// `ACL LOAD`: the users are those of the file, or none has changed.
fn load(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let users = ctx.engine.users.iter();
    let before: Vec<Vec<u8>> = users.map(|user| user.name.clone()).collect();
    let done = ctx.host(HostCall::AclLoad, args)?;
    ctx.state_all_users(&before);
    Ok(done)
}

/// `ACL LOG [count|RESET]` → what was refused, the newest first.
fn log(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let count = match (args.get(2), args.len()) {
        (None, _) => LOG_SHOWN,
        (Some(word), 3) if is(word, "RESET") => {
            ctx.engine.users.log.clear();
            ctx.reply.ok();
            return Ok(Done::NOTHING);
        }
        (Some(count), 3) => int(count)?.max(0),
        _ => return Err(too_many(args)),
    };
    let (log, now_ms) = (&ctx.engine.users.log, ctx.engine.now_ms);
    let shown = log.iter().len().min(usize::try_from(count).unwrap_or(usize::MAX));
    ctx.reply.array(shown);
    log.iter().take(shown).for_each(|entry| show_entry(&mut ctx.reply, entry, now_ms));
    Ok(Done::NOTHING)
}

fn show_entry(reply: &mut Reply<'_>, entry: &Entry, now_ms: i64) {
    let event = &entry.event;
    reply.map(10);
    reply.bulk(b"count");
    reply.int(entry.count as i64);
    let texts: [(&str, &[u8]); 4] = [
        ("reason", event.reason.name().as_bytes()),
        ("context", event.origin.name().as_bytes()),
        ("object", &event.object),
        ("username", &event.user),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(&event.client);
    let numbers = [
        ("entry-id", entry.id as i64),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ];
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(number);
    }
}

/// `ACL SAVE`: writes the users into their file.
fn save(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.host(HostCall::AclSave, args)
}

/// `ACL SETUSER user [rule …]`: all of the rules, or none.
fn setuser(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let name = args.at(2);
    if !is_plain(name) {
        return Err(Refusal::fixed("ERR Usernames can't contain spaces or null characters"));
    }
    let peer = ctx.session.peer;
    if ctx.engine.keeps_own_users(peer) {
        ctx.reply.ok();
        return Ok(Done::NOTHING);
    }
    let host = ctx.host.as_deref_mut().expect("a host does not call itself");
    let set = ctx.engine.set_user(host, ctx.session, name, args.iter_from(3));
    // What our primary knows and we do not is no difference of data; that of the digests shows it.
    let set = set.or_else(|failure| if peer == Peer::Primary { Ok(()) } else { Err(failure) });
    set.map_err(|failure| match failure {
        Failure::Parenthesis(word) => {
            Refusal::quoting("ERR Unmatched parenthesis in acl selector starting at '", &word, "'.")
        }
        Failure::Rule(rule, error) => Refusal::quoting(
            "ERR Error in ACL SETUSER modifier '",
            &rule,
            &format!("': {}", error.text()),
        ),
    })?;
    ctx.state_users(&[name.to_vec()], &[]);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `ACL USERS` → their names.
fn users(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let users = ctx.engine.users.iter();
    ctx.reply.array(users.len());
    users.for_each(|user| ctx.reply.bulk(&user.name));
    Ok(Done::NOTHING)
}

/// `ACL WHOAMI` → the session's user.
fn whoami(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    match ctx.session.account.name() {
        Some(name) => ctx.reply.bulk(name),
        None => ctx.reply.null(),
    }
    Ok(Done::NOTHING)
}
