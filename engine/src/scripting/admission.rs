//! Whether a script may run, and whether its commands may.
//!
//! # Source
//! - the order of the checks, and their texts: Redis 7.2

use super::{Entry, Situation};
use crate::command::{self, Flags as CommandFlags, HasFlags, Spec};
use crate::engine::Engine;
use crate::family;
use crate::refusal::Refusal;
use crate::session::Session;
use protocol::resp::Args;
use script::flags::Flags;
use std::borrow::Cow;

/// Why a command of a script is not run: the text of the script's error.
pub(super) type Reason = Cow<'static, [u8]>;

const fn reason(text: &'static str) -> Reason {
    Cow::Borrowed(text.as_bytes())
}

impl Engine {
    /// The flags of a command that runs a script: what the script says about itself counts.
    pub(crate) fn flags_with_script(&mut self, spec: &Spec, args: Args<'_>) -> CommandFlags {
        let Some(name) = args.get(1) else { return spec.flags };
        let scripts = &mut self.scripts;
        let flags = match spec.name {
            "fcall" | "fcall_ro" => scripts.libraries.function(name).map(|found| found.flags),
            "evalsha" | "evalsha_ro" => scripts.cache.find(name).map(|script| script.flags),
            _ => match scripts.cache.seen(name) {
                Some(script) => Some(script.flags),
                None => script::flags::of_script(name).ok().map(|(flags, _)| flags),
            },
        };
        let Some(flags) = flags.filter(|flags| !flags.has(Flags::UNDECLARED)) else {
            return spec.flags;
        };
        const DECIDED: CommandFlags =
            command::STALE | command::GROWS | command::WRITE | command::MAY_REPLICATE;
        let mut all = spec.flags & !DECIDED;
        if !flags.has(Flags::ALLOW_OOM | Flags::NO_WRITES) {
            all |= command::GROWS;
        }
        if !flags.has(Flags::NO_WRITES) {
            all |= command::WRITE;
        }
        if flags.has(Flags::ALLOW_STALE) {
            all |= command::STALE;
        }
        all
    }

    /// Whether a script may run now.
    pub(super) fn admit_script(&self, session: &Session, entry: &Entry<'_>) -> Result<(), Refusal> {
        let (now, flags) = (&self.conditions, entry.flags);
        let trusted = session.is_trusted();
        if flags.has(Flags::UNDECLARED) {
            let text =
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
            return if now.stale && !trusted { Err(Refusal::fixed(text)) } else { Ok(()) };
        }
        if now.stale && !flags.has(Flags::ALLOW_STALE) && !trusted {
            return Err(Refusal::fixed(
                "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.",
            ));
        }
        if !flags.has(Flags::NO_WRITES) {
            if now.read_only && !trusted {
                return Err(Refusal::fixed(
                    "READONLY Can not run script with write flag on readonly replica",
                ));
            }
            if let Some(text) = now.disk_error.as_ref().filter(|_| !trusted && !self.is_replica) {
                return Err(Refusal::new(format!(
                    "MISCONF {text} Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
                )));
            }
            if entry.read_only {
                return Err(Refusal::fixed(
                    "ERR Can not execute a script with write flag using *_ro command.",
                ));
            }
            if now.too_few_replicas && !trusted && !self.is_replica {
                return Err(Refusal::fixed("NOREPLICAS Not enough good replicas to write."));
            }
        }
        if now.out_of_memory && !trusted && !flags.has(Flags::ALLOW_OOM | Flags::NO_WRITES) {
            return Err(Refusal::fixed(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        Ok(())
    }

    /// The row of a command that a script calls, and whether it may be called at all.
    pub(super) fn row_for_script(
        &mut self,
        session: &Session,
        args: Args<'_>,
    ) -> Result<&'static Spec, Reason> {
        let found = self.command_for(session, args.at(0));
        let spec = found.and_then(|spec| command::subcommand(spec, args));
        let Some(spec) = spec else {
            return Err(match family::table().missing(&String::from_utf8_lossy(args.at(0))) {
                Some(name) => Cow::Owned([b"-", &Refusal::not_supported(name).text[..]].concat()),
                None => reason("Unknown Redis command called from script"),
            });
        };
        if !spec.arity.fits(args.len()) {
            self.stats.of(spec).rejected += 1;
            return Err(reason("Wrong number of args calling Redis command from script"));
        }
        Ok(spec)
    }

    /// Whether a command may be run by a script now.
    pub(super) fn admit_from_script(&self, session: &Session, spec: &Spec) -> Result<(), Reason> {
        let (now, flags) = (&self.conditions, spec.flags);
        // One interpreter, one script: what concerns scripts is never for them.
        let concerns_scripts = spec.group == "scripting";
        if flags.has(command::NO_SCRIPT) && (!self.scripts.all_commands || concerns_scripts) {
            return Err(reason("This Redis command is not allowed from script"));
        }
        let trusted = session.is_trusted();
        if now.stale && !trusted && !flags.has(command::STALE) {
            return Err(reason("Can not execute the command on a stale replica"));
        }
        Ok(())
    }

    /// The same for what it writes, and for the memory that it needs: looked at behind the user's permissions.
    pub(super) fn admit_write_from_script(
        &self,
        session: &Session,
        spec: &Spec,
        situation: &Situation,
    ) -> Result<(), Reason> {
        let (now, flags) = (&self.conditions, spec.flags);
        if situation.read_only && flags.has(command::WRITE | command::MAY_REPLICATE) {
            return Err(reason("Write commands are not allowed from read-only scripts."));
        }
        // What a script has begun it may end.
        if situation.wrote || session.is_trusted() {
            return Ok(());
        }
        if flags.has(command::WRITE) {
            if now.read_only {
                return Err(reason("-READONLY You can't write against a read only replica."));
            }
            if let Some(text) = now.disk_error.as_ref().filter(|_| !self.is_replica) {
                return Err(Cow::Owned(format!("-MISCONF {text}").into_bytes()));
            }
            if now.too_few_replicas && !self.is_replica {
                return Err(reason("-NOREPLICAS Not enough good replicas to write."));
            }
        }
        if now.out_of_memory && flags.has(command::GROWS) && !situation.allow_oom {
            return Err(reason("-OOM command not allowed when used memory > 'maxmemory'."));
        }
        Ok(())
    }
}
