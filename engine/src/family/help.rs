//! The reply of HELP, which every command with subcommands has.

use crate::command::Spec;
use crate::context::Context;

/// The reply of a container's HELP: what its rows say.
pub(super) fn help(ctx: &mut Context<'_>, rows: &[Spec], container: &str) {
    ctx.reply.array(1 + rows.len() * 2);
    let head = format!("{container} <subcommand> [argument ...], where <subcommand> is one of:");
    ctx.reply.simple(&head);
    for row in rows {
        ctx.reply.simple(&row.own_name().to_uppercase());
        ctx.reply.simple(&format!("    {}", row.documented.summary));
    }
}
