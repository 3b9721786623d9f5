//! REPLICAOF and SLAVEOF.

use crate::node::Outside;
use crate::replication::NewRole;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Peer;
use protocol::number::parse_i64;
use protocol::resp::Args;

/// `REPLICAOF host port` or `REPLICAOF NO ONE`.
pub fn replicaof(
    host: &mut Outside,
    ctx: &mut Context<'_>,
    args: Args<'_>,
) -> Result<Done, Refusal> {
    let client = host.clients.get(ctx.session.slot).map_or("?", |client| client.address.as_str());
    if is(args.at(1), "NO") && is(args.at(2), "ONE") {
        (host.new_role, ctx.engine.yields) = (Some(NewRole::Primary), true);
        tracing::info!("REPLICAOF NO ONE from {client}");
        ctx.reply.ok();
        return Ok(Done::NOTHING);
    }
    if ctx.session.peer == Peer::Replica {
        return Err(Refusal::fixed("ERR Command is not valid when client is a replica."));
    }
    let port = parse_i64(args.at(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(Refusal::fixed("ERR Invalid master port"))?;
    let name = String::from_utf8_lossy(args.at(1)).into_owned();
    let same = host.replication.following().is_some_and(|l| l.host == name && l.port == port);
    if same {
        ctx.reply.simple("OK Already connected to specified master");
        return Ok(Done::NOTHING);
    }
    tracing::info!("REPLICAOF {name}:{port} enabled (user request from {client})");
    (host.new_role, ctx.engine.yields) = (Some(NewRole::ReplicaOf(name, port)), true);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}
