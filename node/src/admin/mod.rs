//! Commands that only the process can answer.
//!
//! - [`acl`]: ACL LOAD and SAVE; [`client`]: CLIENT; [`config`]: CONFIG
//! - [`latency`]: LATENCY DOCTOR; [`info`]: INFO and ROLE; [`debug`]: DEBUG; [`memory`]: MEMORY
//! - persistence: [`crate::persistence`]; replication: [`crate::replication`]; the end: [`crate::shutdown`]

pub mod acl;
pub mod client;
pub mod config;
pub mod debug;
pub mod info;
pub mod latency;
pub mod memory;
pub mod replicaof;

use crate::node::Outside;
use engine::context::{Context, Done};
use engine::host::HostCall;
use engine::refusal::Refusal;
use protocol::resp::Args;

/// Answers one of them.
pub fn perform(
    host: &mut Outside,
    call: HostCall,
    ctx: &mut Context<'_>,
    args: Args<'_>,
) -> Result<Done, Refusal> {
    match call {
        HostCall::AclLoad => acl::load(host, ctx),
        HostCall::AclSave => acl::save(host, ctx),
        HostCall::Client => client::client(host, ctx, args),
        HostCall::Config => config::config(host, ctx, args),
        HostCall::Info => info::info(host, ctx, args),
        HostCall::Role => info::role(host, ctx),
        HostCall::DebugHost => debug::debug(host, ctx, args),
        HostCall::Memory => memory::memory(host, ctx, args),
        HostCall::Save => host.save_now(ctx),
        HostCall::BgSave => host.bgsave(ctx, args),
        HostCall::BgRewriteAof => host.bgrewriteaof(ctx),
        HostCall::LastSave => {
            ctx.reply.int(host.persistence.last_save_s());
            Ok(Done::NOTHING)
        }
        HostCall::LatencyDoctor => latency::doctor(host, ctx),
        HostCall::Psync => host.psync(ctx, args),
        HostCall::Replconf => host.replconf(ctx, args),
        HostCall::ReplicaOf => replicaof::replicaof(host, ctx, args),
        HostCall::Wait => host.wait(ctx, args),
        HostCall::WaitAof => host.wait_aof(ctx, args),
        HostCall::Shutdown => host.shutdown_command(ctx, args),
    }
}
