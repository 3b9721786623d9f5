//! MONITOR: a line for every command, sent to those who asked for it.
//!
//! ```text
//! +1732181234.123000 [0 127.0.0.1:50000] "set" "key" "value"
//! ```
//!
//! Commands for operators and those that say so are not shown; passwords are not shown in the others.

use crate::command::{ADMIN, HasFlags, SKIP_MONITOR, Spec};
use crate::engine::Engine;
use crate::messages::Message;
use crate::secrets::{REDACTED, is_secret};
use crate::session::{Peer, ReplyMode, Session};
use protocol::resp::{Args, encode};

impl Engine {
    /// Shows a session every command from now on.
    pub(crate) fn start_monitor(&mut self, session: &mut Session) {
        if !std::mem::replace(&mut session.monitor, true) {
            self.monitors.push(session.slot);
        }
    }

    /// Ends that.
    pub(crate) fn stop_monitor(&mut self, session: &mut Session) {
        if std::mem::take(&mut session.monitor) {
            self.monitors.retain(|slot| *slot != session.slot);
        }
    }

    /// Sends a command that was executed to the monitors.
    pub(crate) fn show_to_monitors(
        &mut self,
        session: &Session,
        db: usize,
        spec: &Spec,
        args: Args<'_>,
    ) {
        if !spec.flags.has(ADMIN | SKIP_MONITOR) {
            self.tell_monitors(session, db, spec, args);
        }
    }

    /// The same for a command that runs a script: before the script's own commands.
    #[inline]
    pub(crate) fn show_script_to_monitors(
        &mut self,
        session: &Session,
        db: usize,
        spec: &Spec,
        args: Args<'_>,
    ) {
        if !self.monitors.is_empty() {
            self.tell_monitors(session, db, spec, args);
        }
    }

    fn tell_monitors(&mut self, session: &Session, db: usize, spec: &Spec, args: Args<'_>) {
        if session.peer == Peer::Loader {
            return;
        }
        let line = line(self.now_ms, session, db, spec, args);
        for slot in self.monitors.clone() {
            let monitor = if slot == session.slot { Some(session) } else { self.session(slot) };
            if monitor.is_some_and(|monitor| monitor.reply_mode == ReplyMode::Off) {
                continue;
            }
            self.send(slot, Message::Monitor(line.clone()));
        }
    }
}

fn line(now_ms: i64, session: &Session, db: usize, spec: &Spec, args: Args<'_>) -> Vec<u8> {
    let (s, us) = (now_ms / 1000, now_ms % 1000 * 1000);
    let address = if session.in_script { "lua" } else { &session.address };
    let mut line = format!("+{s}.{us:06} [{db} {address}]").into_bytes();
    for (position, arg) in args.iter_from(0).enumerate() {
        line.push(b' ');
        encode::quote(&mut line, if is_secret(spec, args, position) { REDACTED } else { arg });
    }
    line.extend_from_slice(b"\r\n");
    line
}
