//! Cluster mode and modules: what a server without either answers.
//!
//! Programs ask for them to find out what they talk to: CLUSTER INFO, READONLY before a scan on a replica, MODULE LIST. So
//! each command is there with its shape, and says that its family is off, in Redis's words.

use super::help::help;
use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use protocol::resp::Args;

const STATE: Flags = STALE | OFF;
const CHANGE: Flags = ADMIN | STALE | NO_ASYNC_LOADING | OFF;
const OPERATION: Flags = ADMIN | NO_SCRIPT | NO_ASYNC_LOADING | OFF;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name         arity        flags                         keys     handler
    cmd("asking",    exactly(1),  FAST | OFF,                   NO_KEYS, off),
    cmd("cluster",   at_least(2), OFF,                          NO_KEYS, off).with(CLUSTER),
    cmd("module",    at_least(2), 0,                            NO_KEYS, module_list).with(MODULE),
    cmd("readonly",  exactly(1),  FAST | LOADING | STALE | OFF, NO_KEYS, off),
    cmd("readwrite", exactly(1),  FAST | LOADING | STALE | OFF, NO_KEYS, off),
];

#[rustfmt::skip]
const CLUSTER: &[Spec] = &[
    //  name                             arity        flags                     keys     handler
    cmd("cluster|addslots",              at_least(3), CHANGE,                   NO_KEYS, off),
    cmd("cluster|addslotsrange",         at_least(4), CHANGE,                   NO_KEYS, off),
    cmd("cluster|bumpepoch",             exactly(2),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|count-failure-reports", exactly(3),  ADMIN | STATE,            NO_KEYS, off),
    cmd("cluster|countkeysinslot",       exactly(3),  STATE,                    NO_KEYS, off),
    cmd("cluster|delslots",              at_least(3), CHANGE,                   NO_KEYS, off),
    cmd("cluster|delslotsrange",         at_least(4), CHANGE,                   NO_KEYS, off),
    cmd("cluster|failover",              at_least(2), CHANGE,                   NO_KEYS, off),
    cmd("cluster|flushslots",            exactly(2),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|forget",                exactly(3),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|getkeysinslot",         exactly(4),  STATE,                    NO_KEYS, off),
    cmd("cluster|help",                  exactly(2),  STATE | LOADING,          NO_KEYS, off),
    cmd("cluster|info",                  exactly(2),  STATE,                    NO_KEYS, off),
    cmd("cluster|keyslot",               exactly(3),  STATE,                    NO_KEYS, off),
    cmd("cluster|links",                 exactly(2),  STATE,                    NO_KEYS, off),
    cmd("cluster|meet",                  at_least(4), CHANGE,                   NO_KEYS, off),
    cmd("cluster|myid",                  exactly(2),  STATE,                    NO_KEYS, off),
    cmd("cluster|myshardid",             exactly(2),  STATE,                    NO_KEYS, off),
    cmd("cluster|nodes",                 exactly(2),  STATE,                    NO_KEYS, off),
    cmd("cluster|replicas",              exactly(3),  ADMIN | STATE,            NO_KEYS, off),
    cmd("cluster|replicate",             exactly(3),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|reset",                 at_least(2), ADMIN | NO_SCRIPT | STATE, NO_KEYS, off),
    cmd("cluster|saveconfig",            exactly(2),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|set-config-epoch",      exactly(3),  CHANGE,                   NO_KEYS, off),
    cmd("cluster|setslot",               at_least(4), CHANGE,                   NO_KEYS, off),
    cmd("cluster|shards",                exactly(2),  STATE | LOADING,          NO_KEYS, off),
    cmd("cluster|slaves",                exactly(3),  ADMIN | STATE,            NO_KEYS, off),
    cmd("cluster|slots",                 exactly(2),  STATE | LOADING,          NO_KEYS, off),
];

#[rustfmt::skip]
const MODULE: &[Spec] = &[
    //  name             arity        flags              keys     handler
    cmd("module|help",   exactly(2),  LOADING | STALE,   NO_KEYS, module_help),
    cmd("module|list",   exactly(2),  ADMIN | NO_SCRIPT, NO_KEYS, module_list),
    cmd("module|load",   at_least(3), OPERATION,         NO_KEYS, module_load),
    cmd("module|loadex", at_least(3), OPERATION,         NO_KEYS, module_load),
    cmd("module|unload", exactly(3),  OPERATION,         NO_KEYS, module_unload),
];

/// Anything of cluster mode.
fn off(_ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    Err(Refusal::fixed("ERR This instance has cluster support disabled"))
}

fn module_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "module");
    Ok(Done::NOTHING)
}

/// `MODULE LIST` → none.
fn module_list(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.array(0);
    Ok(Done::NOTHING)
}

fn check_permission(ctx: &Context<'_>) -> Result<(), Refusal> {
    if ctx.session.may_load_modules {
        return Ok(());
    }
    Err(Refusal::fixed(
        "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    ))
}

fn module_load(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    check_permission(ctx)?;
    Err(Refusal::not_supported(ctx.spec.name))
}

fn module_unload(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    check_permission(ctx)?;
    Err(Refusal::fixed("ERR Error unloading module: no such module with that name"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{expect, with};

    #[test]
    fn cluster_mode_is_off() {
        const OFF: &str = "-ERR This instance has cluster support disabled";
        let mut server = with(&[]);
        for line in [
            "READONLY",
            "READWRITE",
            "ASKING",
            "CLUSTER INFO",
            "CLUSTER HELP",
            "cluster slots",
            "CLUSTER MEET 127.0.0.1 7000",
            "CLUSTER KEYSLOT a",
        ] {
            expect(&mut server, &[(line, OFF)]);
        }
        expect(
            &mut server,
            &[
                ("CLUSTER", "-ERR wrong number of arguments for 'cluster' command"),
                ("CLUSTER MEET", "-ERR wrong number of arguments for 'cluster|meet' command"),
                ("CLUSTER NOPE", "-ERR unknown subcommand 'NOPE'. Try CLUSTER HELP."),
                ("READONLY now", "-ERR wrong number of arguments for 'readonly' command"),
            ],
        );
    }

    #[test]
    fn there_are_no_modules() {
        let mut server = with(&[]);
        expect(&mut server, &[("MODULE LIST", "[]")]);
        assert!(server.run("MODULE LOAD /x.so").starts_with("-ERR MODULE command not allowed."));
        assert!(server.run("MODULE UNLOAD x").starts_with("-ERR MODULE command not allowed."));
        server.session().may_load_modules = true;
        let refused = "-ERR MODULE LOAD is not supported by this version of Tidemark";
        expect(
            &mut server,
            &[
                ("MODULE LOAD /x.so", refused),
                ("MODULE UNLOAD x", "-ERR Error unloading module: no such module with that name"),
            ],
        );
    }

    #[test]
    fn what_redis_has_and_we_have_not_is_told_from_what_nobody_has() {
        let mut server = with(&[]);
        expect(
            &mut server,
            &[
                ("failover", "-ERR FAILOVER is not supported by this version of Tidemark"),
                ("NOPE", "-ERR unknown command 'NOPE', with args beginning with: "),
                ("MULTI", "+OK"),
                ("FAILOVER ABORT", "-ERR FAILOVER is not supported by this version of Tidemark"),
                ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
            ],
        );
    }
}
