//! MEMORY: what values cost.

use engine::arguments::{int, is};
use engine::context::{Context, Done, Key};
use engine::refusal::Refusal;
use protocol::resp::Args;

/// `MEMORY USAGE key [SAMPLES n]`, `MEMORY PURGE`.
pub fn memory(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let word = args.at(1);
    if is(word, "USAGE") && (args.len() == 3 || args.len() == 5) {
        if args.len() == 5 && (!is(args.at(3), "SAMPLES") || int(args.at(4))? < 0) {
            return Err(Refusal::SYNTAX);
        }
        let key = Key::new(args.at(2));
        let Some(entry) = ctx.engine.peek(ctx.scope, key) else {
            ctx.reply.null();
            return Ok(Done::NOTHING);
        };
        let total = entry.block_bytes() + entry.value_bytes();
        ctx.reply.int(total as i64);
        return Ok(Done::NOTHING);
    }
    if is(word, "PURGE") && args.len() == 2 {
        // The allocator's background thread gives memory back by itself; this makes it current.
        crate::memory::purge();
        ctx.reply.ok();
        return Ok(Done::NOTHING);
    }
    let word = String::from_utf8_lossy(word).into_owned();
    Err(Refusal::new(format!("ERR unknown subcommand '{word}'. Try MEMORY HELP.")))
}
