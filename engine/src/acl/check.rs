//! Whether a session may do what it asks for.
//!
//! Most sessions may do everything, which a flag of their account says. For the others: is the command's bit set, and does
//! a pattern allow each of its keys and channels? Nothing is allocated for that but by the few commands whose keys only
//! their own code finds.
//!
//! ```text
//! dispatch ─► admit_restricted ─► verdict ─► Denied ─► refusal (NOPERM) ─► note_denied: the log, the counters
//! scripts  ─────────────────────► acl_verdict        ─► acl_refusal_in_script
//! ```
//!
//! # Not here
//! - what the keys of a request are: [`crate::keys_used`]

use super::log::{Event, OBJECT_BYTES_MOST, Origin, Reason};
use super::pattern::{Name, Pattern};
use super::user::{Selector, User};
use crate::command::{HasFlags, NO_AUTH, NO_MULTI, PUBSUB, Spec};
use crate::engine::Engine;
use crate::host::Host;
use crate::keys_used::each_key;
use crate::refusal::Refusal;
use crate::session::Session;
use protocol::resp::Args;

/// What was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denied {
    /// What it was.
    pub reason: Reason,
    /// The place of the key or channel among the arguments; 0 for the command.
    pub at: usize,
}

/// The channels of a request, and whether they are patterns.
#[derive(Clone, Copy)]
struct Channels {
    last: usize,
    patterns: bool,
}

impl Channels {
    /// `None` if it names none that matter: nobody is kept from ending a subscription.
    fn of(spec: &Spec, args: Args<'_>) -> Option<Channels> {
        if !spec.flags.has(PUBSUB) {
            return None;
        }
        let all = args.len() - 1;
        match spec.name {
            "subscribe" | "ssubscribe" => Some(Channels { last: all, patterns: false }),
            "psubscribe" => Some(Channels { last: all, patterns: true }),
            "publish" | "spublish" => Some(Channels { last: 1, patterns: false }),
            _ => None,
        }
    }
}

/// Whether one of the patterns allows a channel. A pattern to subscribe to has to be one of them as it is written.
pub fn allows_channel(allowed: &[Pattern], channel: &[u8], is_pattern: bool) -> bool {
    allowed.iter().any(|pattern| match is_pattern {
        true => pattern.text() == channel,
        false => pattern.matches(Name::new(channel)),
    })
}

impl Selector {
    /// Whether it allows a request.
    #[inline]
    fn verdict(&self, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        let command_is_allowed = self.all_commands
            || self.commands.has(spec.index)
            || spec.flags.has(NO_AUTH)
            || self.allows_first_word(spec, args);
        if !command_is_allowed {
            return Err(Denied { reason: Reason::Command, at: 0 });
        }
        if !self.all_keys {
            each_key(spec, args, |at, need| {
                let key = Name::new(args.at(at));
                match self.keys.iter().any(|pattern| pattern.allows(key, need)) {
                    true => Ok(()),
                    false => Err(Denied { reason: Reason::Key, at }),
                }
            })?;
        }
        match Channels::of(spec, args) {
            Some(channels) if !self.all_channels => self.allows_channels(args, channels),
            _ => Ok(()),
        }
    }

    #[cold]
    fn allows_first_word(&self, spec: &Spec, args: Args<'_>) -> bool {
        let of_command = self.first_words.iter().filter(|(index, _)| *index == spec.index);
        let word = args.get(1);
        of_command
            .map(|(_, word)| word)
            .any(|allowed| word.is_some_and(|word| word.eq_ignore_ascii_case(allowed)))
    }

    fn allows_channels(&self, args: Args<'_>, channels: Channels) -> Result<(), Denied> {
        for at in 1..=channels.last {
            if !allows_channel(&self.channels, args.at(at), channels.patterns) {
                return Err(Denied { reason: Reason::Channel, at });
            }
        }
        Ok(())
    }
}

impl User {
    /// Whether a request is allowed; if not, what was in the way of the selector that came farthest.
    #[inline]
    pub fn verdict(&self, spec: &Spec, args: Args<'_>) -> Result<(), Denied> {
        let mut farthest = Denied { reason: Reason::Command, at: 0 };
        for selector in &self.selectors {
            match selector.verdict(spec, args) {
                Ok(()) => return Ok(()),
                Err(denied) => farthest = farthest.max(denied),
            }
        }
        Err(farthest)
    }

    /// Whether a request is allowed by a selector that allows to read every key: what it comes upon is not known before.
    pub fn allows_with_all_keys(&self, spec: &Spec, args: Args<'_>) -> bool {
        let allows =
            |selector: &Selector| selector.reads_all_keys() && selector.verdict(spec, args).is_ok();
        self.selectors.iter().any(allows)
    }
}

/// What is said to a client. `shows_object`: also which key or channel it was.
pub fn explain(
    user: &User,
    spec: &Spec,
    args: Args<'_>,
    denied: Denied,
    shows_object: bool,
) -> Vec<u8> {
    let object = args.get(denied.at).unwrap_or_default();
    let named = |before: &str, object: &[u8], after: &str| {
        [b"User ", &user.name[..], before.as_bytes(), object, after.as_bytes()].concat()
    };
    match denied.reason {
        Reason::Key if shows_object => {
            named(" has no permissions to access the '", object, "' key")
        }
        Reason::Channel if shows_object => {
            named(" has no permissions to access the '", object, "' channel")
        }
        Reason::Key => b"No permissions to access a key".to_vec(),
        Reason::Channel => b"No permissions to access a channel".to_vec(),
        Reason::Command | Reason::Auth => {
            named(" has no permissions to run the '", spec.name.as_bytes(), "' command")
        }
    }
}

#[cold]
fn refusal(user: &User, spec: &Spec, args: Args<'_>, denied: Denied) -> Refusal {
    let text = explain(user, spec, args, denied, false);
    Refusal::from([b"NOPERM ", &text[..]].concat()).of_denial()
}

impl Engine {
    /// Whether a session may do this: a command with its arguments, the name first.
    ///
    /// For commands that come from a script (and `redis.acl_check_cmd`), with the session of the client that runs it.
    #[inline]
    pub fn acl_verdict(
        &self,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
    ) -> Result<(), Denied> {
        match session.account.user() {
            Some(user) if session.account.is_restricted() => user.verdict(spec, args),
            _ => Ok(()),
        }
    }

    /// Whether a session may do this, and read every key besides.
    pub(crate) fn reads_all_keys(&self, session: &Session, spec: &Spec, args: Args<'_>) -> bool {
        match session.account.user() {
            Some(user) if session.account.is_restricted() => user.allows_with_all_keys(spec, args),
            _ => true,
        }
    }

    /// The refusal of a command that a script wanted to run; the log learns of it.
    #[cold]
    pub fn acl_refusal_in_script(
        &mut self,
        host: &mut dyn Host,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        denied: Denied,
    ) -> Refusal {
        self.note_denied(host, session, spec, args, (denied, Origin::Lua));
        let text = match session.account.user() {
            Some(user) => explain(user, spec, args, denied, false),
            None => Vec::new(),
        };
        Refusal::from([b"ERR ACL failure in script: ", &text[..]].concat())
    }

    /// The checks that only some sessions need, in Redis's order: who has to log in first, and what others may do.
    #[inline(never)]
    pub(crate) fn admit_restricted(
        &self,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
    ) -> Result<(), Refusal> {
        if session.account.is_stranger() && !spec.flags.has(NO_AUTH) {
            return Err(Refusal::NO_AUTH);
        }
        if session.multi.is_some() && spec.flags.has(NO_MULTI) {
            return Err(Refusal::fixed("ERR Command not allowed inside a transaction"));
        }
        let Some(user) = session.account.user() else { return Ok(()) };
        user.verdict(spec, args).map_err(|denied| refusal(user, spec, args, denied))
    }

    /// Notes that a command was refused, if it was for want of a permission.
    #[cold]
    pub(crate) fn note_refused_by_acl(
        &mut self,
        host: &mut dyn Host,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        refusal: &Refusal,
    ) {
        if !refusal.is_denial() {
            return;
        }
        let origin = if session.multi.is_some() { Origin::Multi } else { Origin::Toplevel };
        if let Err(denied) = self.acl_verdict(session, spec, args) {
            self.note_denied(host, session, spec, args, (denied, origin));
        }
    }

    /// What EXEC answers for a queued command that is not allowed any more.
    #[cold]
    pub(crate) fn refuse_queued(
        &mut self,
        host: &mut dyn Host,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        denied: Denied,
    ) -> Refusal {
        self.note_denied(host, session, spec, args, (denied, Origin::Multi));
        let reason = match denied.reason {
            Reason::Command | Reason::Auth => "no permission to execute the command or subcommand",
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments",
        };
        Refusal::new(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
             is no longer allowed for the following reason: {reason}"
        ))
    }

    /// Counts and logs what was refused.
    fn note_denied(
        &mut self,
        host: &mut dyn Host,
        session: &Session,
        spec: &Spec,
        args: Args<'_>,
        (denied, origin): (Denied, Origin),
    ) {
        let object = match denied.reason {
            Reason::Command | Reason::Auth => spec.name.as_bytes(),
            Reason::Key | Reason::Channel => args.at(denied.at),
        };
        let user = session.account.name().unwrap_or_default().to_vec();
        self.note_denial(host, session, (denied.reason, origin), object, user);
    }

    /// The same for anything.
    pub(crate) fn note_denial(
        &mut self,
        host: &mut dyn Host,
        session: &Session,
        (reason, origin): (Reason, Origin),
        object: &[u8],
        user: Vec<u8>,
    ) {
        match reason {
            Reason::Auth => self.stats.acl_access_denied_auth += 1,
            Reason::Command => self.stats.acl_access_denied_cmd += 1,
            Reason::Key => self.stats.acl_access_denied_key += 1,
            Reason::Channel => self.stats.acl_access_denied_channel += 1,
        }
        let client = host.describe(session, self.steady_ms).into_bytes();
        let object = object[..object.len().min(OBJECT_BYTES_MOST)].to_vec();
        let event = Event { reason, origin, object, user, client };
        self.users.log.note(event, self.now_ms);
    }
}
