//! A script from its beginning to its end, in one piece or in several.

use super::calls::Calls;
use super::{Entry, Frame, Paused, Rest, Situation};
use crate::command::Spec;
use crate::engine::Engine;
use crate::host::{EntryKind, Host};
use crate::refusal::Refusal;
use crate::session::{Queued, Session};
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Reply};
use script::{Failure, Progress, Run};

/// What a client hears while a script has paused.
pub(crate) const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// The same of a function.
pub(crate) const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

/// A script's failure as a reply.
fn refusal(failure: Failure) -> Refusal {
    let mut refusal = Refusal::from(failure.text).of_state();
    refusal.counted = failure.counted;
    refusal
}

impl Engine {
    /// Runs a script. Its reply is put behind what is in `out`, unless it pauses: then the session waits.
    pub(crate) fn run_script(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        spec: &'static Spec,
        entry: &Entry<'_>,
        (args, keys): (Args<'_>, usize),
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.admit_script(session, entry)?;
        let mut situation = Situation::new(entry, self.scripts.busy_reply_threshold_ms);
        let frame = Frame { db: session.db, resp3: session.resp3, in_exec: session.in_exec };
        (session.in_exec, session.in_script) = (true, true);
        // Where the command began.
        let began_ns = self.tick_ns;
        let moment = (self.now_ms, self.steady_ms);
        let mut interpreter = self.lend_interpreter(entry.is_function);
        let name = entry.name;
        let run = Run { function: entry.function, name, args, keys, resp3: frame.resp3 };
        let function = entry.is_function;
        let situation_now = &mut situation;
        let mut calls =
            Calls { engine: self, session, host, situation: situation_now, name, began_ns };
        let progress = interpreter.start(run, &mut calls, out);
        self.give_back_interpreter(function, interpreter);
        match progress {
            Progress::Done(result) => {
                restore(session, frame);
                self.unit.stated = true;
                result.map_err(refusal)
            }
            Progress::Paused => {
                session.suspended = true;
                session.pauses_in_script = true;
                self.scripts.paused = Some(Box::new(Paused {
                    slot: session.slot,
                    is_orphan: false,
                    spec,
                    args: OwnedArgs::of(args.iter_from(0)),
                    name: name.to_vec(),
                    situation,
                    frame,
                    unit: std::mem::take(&mut self.unit),
                    moment,
                    worked_ns: host.ticks_ns().saturating_sub(began_ns),
                    began_ns,
                    rest: None,
                }));
                Ok(())
            }
        }
    }

    fn lend_interpreter(&mut self, of_functions: bool) -> Box<script::Interpreter> {
        match of_functions {
            true => self.scripts.libraries.lend(),
            false => self.scripts.cache.lend(),
        }
    }

    fn give_back_interpreter(&mut self, of_functions: bool, lent: Box<script::Interpreter>) {
        match of_functions {
            true => self.scripts.libraries.give_back(lent),
            false => self.scripts.cache.give_back(lent),
        }
    }

    /// Whether a script has paused, so that nothing may change data but the script itself.
    #[inline]
    pub fn is_paused_in_script(&self) -> bool {
        self.scripts.paused.is_some()
    }

    /// What others hear while a script has paused.
    #[cold]
    pub fn busy_text(&self) -> &'static str {
        match &self.scripts.paused {
            Some(paused) if paused.situation.is_function => BUSY_FUNCTION,
            _ => BUSY_SCRIPT,
        }
    }

    /// Goes on for a while with the script that has paused. Returns whether it has paused again.
    pub fn go_on_with_script(&mut self, host: &mut dyn Host) -> bool {
        let Some(mut paused) = self.scripts.paused.take() else { return false };
        let (mut session, is_orphan) = (self.take_session(paused.slot), paused.is_orphan);
        let now = (self.now_ms, self.steady_ms);
        (self.now_ms, self.steady_ms) = paused.moment;
        std::mem::swap(&mut self.unit, &mut paused.unit);
        let start_ns = host.ticks_ns();
        let function = paused.situation.is_function;
        let mut interpreter = self.lend_interpreter(function);
        let Paused { situation, name, began_ns, .. } = &mut *paused;
        let began_ns = *began_ns;
        let mut calls =
            Calls { engine: self, session: &mut session, host, situation, name, began_ns };
        let mut out = Vec::new();
        let progress = interpreter.resume(&mut calls, &mut out);
        self.give_back_interpreter(function, interpreter);
        paused.worked_ns += host.ticks_ns().saturating_sub(start_ns);
        match progress {
            Progress::Paused => {
                std::mem::swap(&mut self.unit, &mut paused.unit);
                self.scripts.paused = Some(paused);
            }
            Progress::Done(result) => {
                self.end_paused_script(host, &mut session, paused, result, out);
                if !is_orphan && !session.pauses_in_script {
                    self.woken.push(session.slot);
                }
            }
        }
        (self.now_ms, self.steady_ms) = now;
        match &mut self.scripts.paused {
            None if is_orphan => self.give_up(session),
            paused => {
                // Another script of the same transaction may have paused.
                paused.iter_mut().for_each(|paused| paused.is_orphan = is_orphan);
                self.return_session(session);
            }
        }
        self.is_paused_in_script()
    }

    /// A script that had paused has ended: what follows it in its transaction is executed, and the client gets its reply.
    fn end_paused_script(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        paused: Box<Paused>,
        result: Result<(), Failure>,
        mut reply: Vec<u8>,
    ) {
        let Paused { spec, args, frame, worked_ns, rest, .. } = *paused;
        restore(session, frame);
        (session.suspended, session.pauses_in_script) = (false, false);
        self.unit.stated = true;
        let failed = result.is_err();
        if let Err(failure) = result {
            self.refuse(session, &refusal(failure), &mut reply);
        }
        self.stats.of(spec).add(worked_ns, failed, self.tracks_latency);
        if worked_ns >= self.long_ns {
            self.note_long_command(session, spec, args.args(), worked_ns);
        }
        self.stats.commands += 1;
        self.tick_ns = host.ticks_ns();
        let out = match rest {
            None => reply,
            Some(Rest { queue, mut out }) => {
                out.append(&mut reply);
                session.in_exec = true;
                self.execute_rest(host, session, queue, &mut out, 0);
                if session.pauses_in_script {
                    // Another script of the transaction: it is in the midst of that still.
                    return;
                }
                session.in_exec = false;
                let exec = crate::family::table().find(b"exec").expect("it was called");
                self.stats.of(exec).add(worked_ns, false, self.tracks_latency);
                self.stats.commands += 1;
                out
            }
        };
        self.unit.loose = false;
        if self.is_journaling(session) {
            let kind = if self.is_replica { EntryKind::Local } else { EntryKind::Effect };
            session.receipt = self.flush_unit(kind, host).unwrap_or(session.receipt);
        }
        self.unit.clear();
        self.unit.stated = false;
        session.post(|reply: &mut Reply<'_>| reply.buffer().extend_from_slice(&out));
        session.outbox_receipt = session.receipt;
        if !self.waiters.is_empty() {
            self.serve_waiters(host);
        }
    }

    /// A script has paused within a transaction: what follows it waits, with the replies so far.
    pub(crate) fn keep_rest(&mut self, queue: std::vec::IntoIter<Queued>, out: Vec<u8>) {
        let paused = self.scripts.paused.as_mut().expect("one has just paused");
        paused.rest = Some(Rest { queue, out });
    }

    /// A client is gone: if its script has paused, that goes on without it.
    pub(crate) fn leaves_script_behind(&mut self, session: &Session) -> bool {
        if let Some(paused) = self.scripts.paused.as_mut().filter(|_| session.pauses_in_script) {
            paused.is_orphan = true;
        }
        session.pauses_in_script
    }

    /// Ends the script that has paused, if it may be ended. `function`: FUNCTION KILL asks.
    pub(crate) fn kill_script(&mut self, function: bool) -> Result<(), Refusal> {
        let Some(paused) = &self.scripts.paused else {
            return Err(Refusal::fixed("NOTBUSY No scripts in execution right now."));
        };
        if paused.situation.wrote {
            return Err(Refusal::fixed(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if paused.situation.is_function != function {
            return Err(Refusal::fixed(self.busy_text()));
        }
        let mut interpreter = self.lend_interpreter(function);
        interpreter.kill();
        self.give_back_interpreter(function, interpreter);
        Ok(())
    }

    /// The function or script that has paused: its name, its request, and for how long it has been running, milliseconds.
    pub(crate) fn paused_script(&self, now_ns: u64) -> Option<(&[u8], Args<'_>, u64, bool)> {
        let paused = self.scripts.paused.as_deref()?;
        let ms = now_ns.saturating_sub(paused.began_ns) / 1_000_000;
        Some((&paused.name, paused.args.args(), ms, paused.situation.is_function))
    }
}

fn restore(session: &mut Session, frame: Frame) {
    session.in_script = false;
    Frame { db: session.db, resp3: session.resp3, in_exec: session.in_exec } = frame;
}
