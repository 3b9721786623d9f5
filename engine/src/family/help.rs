//! The reply of HELP, which every command with subcommands has.

use crate::context::Context;

/// What there is to read about a container's subcommands.
pub fn help(ctx: &mut Context<'_>, container: &str) {
    let spec = ctx.engine.own_command(container.as_bytes());
    let rows = spec.map_or(&[][..], |spec| spec.subcommands);
    ctx.reply.array(1 + rows.len() * 2);
    let container = container.to_uppercase();
    let head = format!("{container} <subcommand> [argument ...], where <subcommand> is one of:");
    ctx.reply.simple(&head);
    for row in rows {
        ctx.reply.simple(&row.own_name().to_uppercase());
        ctx.reply.simple(&format!("    {}", row.documented.summary));
    }
}
