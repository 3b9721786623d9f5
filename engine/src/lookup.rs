//! Which command a request means: by the table, or by the names that an operator gave (`rename-command`).
//!
//! # Not here
//! - what is renamed to what: [`crate::names`]; what becomes of a request that means none: [`crate::dispatch`]

use crate::command::{Spec, Table};
use crate::engine::Engine;
use crate::family;
use crate::session::Session;
use crate::statistics::Calls;
use protocol::resp::Args;
use protocol::resp::request::OwnedArgs;

impl Engine {
    /// The command that clients mean by a name.
    pub fn find_command(&self, name: &[u8]) -> Option<&'static Spec> {
        match &self.names {
            None => family::table().find(name),
            Some(names) => names.find(name),
        }
    }

    /// The command or subcommand that clients mean by a whole name: `get`, `client|kill`.
    pub fn find_by_full_name(&self, name: &[u8]) -> Option<&'static Spec> {
        let mut parts = name.splitn(2, |byte| *byte == b'|');
        let spec = self.find_command(parts.next()?)?;
        let Some(own) = parts.next() else { return Some(spec) };
        spec.subcommands.iter().find(|sub| sub.own_name().as_bytes().eq_ignore_ascii_case(own))
    }

    /// The commands and subcommands that somebody has asked for, with their counters.
    pub(crate) fn used_commands(&self) -> impl Iterator<Item = (&'static Spec, &Calls)> {
        self.stats.used(family::table())
    }

    /// The lower-case name of a command that Redis has and this server has not.
    #[cold]
    pub(crate) fn missing_command(&self, name: &str) -> Option<&'static str> {
        family::table().missing(name)
    }

    /// The command of a name of its own, whatever clients call it.
    pub(crate) fn own_command(&self, name: &[u8]) -> Option<&'static Spec> {
        family::table().find(name)
    }

    /// All commands under their own names.
    pub(crate) fn table(&self) -> &'static Table {
        family::table()
    }

    /// All commands that clients can find.
    pub fn commands(&self) -> Vec<&'static Spec> {
        match &self.names {
            None => family::table().all().to_vec(),
            Some(names) => names.commands().collect(),
        }
    }

    /// The command that a session means: a file and our primary say its own name first of all.
    #[inline]
    pub(crate) fn command_for(&self, session: &Session, name: &[u8]) -> Option<&'static Spec> {
        let Some(names) = &self.names else { return family::table().find(name) };
        let own = if session.is_trusted() { family::table().find(name) } else { None };
        own.or_else(|| names.find(name))
    }

    /// The request under the command's own name, if it came under another.
    #[cold]
    pub(crate) fn under_own_name(spec: &Spec, args: Args<'_>) -> Option<OwnedArgs> {
        if args.at(0).eq_ignore_ascii_case(spec.name.as_bytes()) {
            return None;
        }
        let own = std::iter::once(spec.name.as_bytes());
        Some(OwnedArgs::of(own.chain(args.iter_from(1))))
    }
}
