//! The commands of a running script.

use super::Situation;
use super::admission::Reason;
use crate::command::{self, HasFlags};
use crate::engine::Engine;
use crate::host::{EntryKind, Host};
use crate::session::Session;
use keyspace::table::hash_bytes;
use protocol::resp::Args;
use script::caller::{Audience, Caller, Level, Request};
use script::flags::Flags;
use std::borrow::Cow;

/// All that a running script reaches.
pub(super) struct Calls<'a> {
    pub engine: &'a mut Engine,
    pub session: &'a mut Session,
    pub host: &'a mut dyn Host,
    pub situation: &'a mut Situation,
    /// Its digest, or its name.
    pub name: &'a [u8],
    /// When it began.
    pub began_ns: u64,
}

impl Situation {
    pub fn new(entry: &super::Entry<'_>, threshold_ms: u64) -> Situation {
        let declared = !entry.flags.has(Flags::UNDECLARED);
        Situation {
            is_function: entry.is_function,
            read_only: entry.read_only || declared && entry.flags.has(Flags::NO_WRITES),
            allow_oom: declared && entry.flags.has(Flags::ALLOW_OOM),
            wrote: false,
            audience: Audience::ALL,
            is_slow: false,
            threshold_ns: threshold_ms.saturating_mul(1_000_000),
        }
    }
}

impl Calls<'_> {
    fn refuse(&mut self, spec: Option<&'static command::Spec>, reason: Reason) -> Reason {
        if let Some(spec) = spec {
            self.engine.stats.of(spec).rejected += 1;
        }
        match reason.strip_prefix(b"-") {
            Some(text) => self.engine.stats.note_error(text),
            None => self.engine.stats.note_error(b"ERR"),
        }
        reason
    }

    /// Whether a command may be run now, and by this user.
    fn admit(&mut self, spec: &'static command::Spec, args: Args<'_>) -> Result<(), Reason> {
        let (engine, session) = (&mut *self.engine, &*self.session);
        engine.admit_from_script(session, spec)?;
        if let Err(denied) = engine.acl_verdict(session, spec, args) {
            let refusal = engine.acl_refusal_in_script(self.host, session, spec, args, denied);
            return Err(Cow::Owned([b"-", &refusal.text[..]].concat()));
        }
        engine.admit_write_from_script(session, spec, self.situation)
    }

    /// Runs a command whose checks have passed. What it did is put with what the script did before.
    fn execute(&mut self, spec: &'static command::Spec, request: Request<'_>, out: &mut Vec<u8>) {
        let (engine, session) = (&mut *self.engine, &mut *self.session);
        let args = request.args;
        let hash = spec.keys.first().and_then(|at| args.get(at)).map(hash_bytes);
        let audience = self.situation.audience;
        if audience != Audience::ALL {
            engine.unit.end_part(EntryKind::Effect);
        }
        let db = session.db;
        engine.unit.is_chosen = audience != Audience::ALL;
        engine.unit.stated = false;
        let resp3 = std::mem::replace(&mut session.resp3, request.resp3);
        // What the script itself did since its last command is not this one's time.
        engine.tick_ns = self.host.ticks_ns();
        let changes = engine.call(self.host, session, spec, hash, args, out);
        session.resp3 = resp3;
        if changes > 0 && !engine.unit.stated && engine.is_journaling(session) {
            engine.unit.add(db, |bytes| bytes.extend_from_slice(request.raw));
        }
        engine.unit.stated = true;
        engine.unit.is_chosen = false;
        match audience.0 {
            0 => engine.unit.drop_rest(),
            Audience::DISK => engine.unit.end_part(EntryKind::Local),
            Audience::REPLICAS => engine.unit.end_part(EntryKind::Control),
            _ => {}
        }
    }
}

impl Caller for Calls<'_> {
    fn call(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), Reason> {
        let args = request.args;
        let spec = match self.engine.row_for_script(self.session, args) {
            Ok(spec) => spec,
            Err(reason) => return Err(self.refuse(None, reason)),
        };
        if self.engine.names.is_some()
            && let Some(own) = Engine::under_own_name(spec, args)
        {
            let mut raw = Vec::new();
            protocol::resp::encode::command(&mut raw, own.args().iter_from(0));
            return self.call(Request { args: own.args(), raw: &raw, ..request }, out);
        }
        if let Err(reason) = self.admit(spec, args) {
            return Err(self.refuse(Some(spec), reason));
        }
        self.situation.wrote |= spec.flags.has(command::WRITE);
        self.execute(spec, request, out);
        Ok(())
    }

    fn may_run(&mut self, args: Args<'_>) -> Option<bool> {
        let found = self.engine.command_for(self.session, args.at(0));
        let spec = found.and_then(|spec| command::subcommand(spec, args))?;
        // What is no request has no keys that could be looked at.
        Some(match spec.arity.fits(args.len()) {
            true => self.engine.acl_verdict(self.session, spec, args).is_ok(),
            false => !self.session.account.is_restricted(),
        })
    }

    fn set_audience(&mut self, audience: Audience) {
        self.situation.audience = audience;
    }

    fn log(&mut self, level: Level, text: &[u8]) {
        self.host.log(level, &String::from_utf8_lossy(text));
    }

    fn answered_error(&mut self, text: &[u8]) {
        self.engine.stats.note_error(text);
    }

    fn ticks_ns(&mut self) -> u64 {
        self.host.ticks_ns()
    }

    fn must_pause(&mut self) -> bool {
        let elapsed_ns = self.host.ticks_ns().saturating_sub(self.began_ns);
        let threshold_ns = self.situation.threshold_ns;
        if threshold_ns == 0 || elapsed_ns < threshold_ns {
            return false;
        }
        if !std::mem::replace(&mut self.situation.is_slow, true) {
            let kill = if self.situation.is_function { "FUNCTION KILL" } else { "SCRIPT KILL" };
            let text = format!(
                "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the \
                 {kill} command. Script name is: {}.",
                elapsed_ns / 1_000_000,
                String::from_utf8_lossy(self.name)
            );
            self.host.log(Level::Warning, &text);
        }
        // What our primary or a file says is done before anything else is.
        !self.session.is_trusted()
    }
}
