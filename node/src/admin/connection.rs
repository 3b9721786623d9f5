//! AUTH and HELLO: who a client is, and which protocol it speaks.

use super::client::is_valid_name;
use crate::node::Outside;
use crate::version::REDIS_VERSION;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use protocol::number::parse_i64;
use protocol::resp::Args;

const WRONG: Refusal =
    Refusal::fixed("WRONGPASS invalid username-password pair or user is disabled.");

/// Compares without telling by the time taken how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    let mut difference = a.len() ^ b.len();
    for (index, byte) in a.iter().enumerate() {
        difference |= usize::from(byte ^ b.get(index).copied().unwrap_or(0));
    }
    difference == 0
}

fn check(ctx: &mut Context<'_>, user: &[u8], password: &[u8]) -> Result<(), Refusal> {
    let known = &ctx.engine.password;
    if user != b"default" || !(known.is_empty() || same(password, known)) {
        ctx.engine.stats.acl_access_denied_auth += 1;
        return Err(WRONG);
    }
    ctx.session.authenticated = true;
    Ok(())
}

/// `AUTH [user] password`.
pub fn auth(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    match args.len() {
        2 if ctx.engine.password.is_empty() => {
            return Err(Refusal::fixed(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => check(ctx, b"default", args.at(1))?,
        3 => check(ctx, args.at(1), args.at(2))?,
        _ => return Err(Refusal::SYNTAX),
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`.
pub fn hello(host: &Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mut resp3 = ctx.session.resp3;
    if let Some(version) = args.get(1) {
        resp3 = match parse_i64(version) {
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
    let (mut credentials, mut name, mut at) = (None, None, 2);
    while let Some(word) = args.get(at) {
        if is(word, "AUTH") && args.len() > at + 2 {
            credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if is(word, "SETNAME") && args.len() > at + 1 {
            name = Some(args.at(at + 1));
            is_valid_name(args.at(at + 1), "Client names")?;
            at += 2;
        } else {
            let word = String::from_utf8_lossy(word).into_owned();
            return Err(Refusal::new(format!("ERR Syntax error in HELLO option '{word}'")));
        }
    }
    if let Some((user, password)) = credentials {
        check(ctx, user, password)?;
    }
    if !ctx.session.authenticated {
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
    let role = if host.replication.is_replica() { "replica" } else { "master" };
    let id = ctx.session.id as i64;
    let reply = &mut ctx.reply;
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
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
