//! Which arguments nobody but the server may see: MONITOR and SLOWLOG show [`REDACTED`] in their place.
//!
//! # Invariants
//! - the directives that are secret are those that the host's table marks so (a test of the host compares the two)

use crate::arguments::is;
use crate::command::Spec;
use protocol::resp::Args;

/// What is shown instead.
pub const REDACTED: &[u8] = b"(redacted)";

/// Directives of which CONFIG SET gets a secret.
pub const SECRET_DIRECTIVES: &[&str] = &["masterauth", "masteruser", "requirepass"];

/// Whether an argument is a user's name, rule or password.
pub fn is_secret(spec: &Spec, args: Args<'_>, position: usize) -> bool {
    let behind = |word: &str, most: usize| {
        (1..=most).any(|back| position.checked_sub(back).is_some_and(|at| is(args.at(at), word)))
    };
    match spec.name {
        "auth" => position > 0,
        "hello" => position > 2 && behind("AUTH", 2),
        "migrate" => position > 5 && (behind("AUTH", 1) || behind("AUTH2", 2)),
        "config|set" => {
            position > 2
                && position % 2 == 1
                && SECRET_DIRECTIVES.iter().any(|name| is(args.at(position - 1), name))
        }
        "acl|setuser" => position > 1,
        _ => false,
    }
}
