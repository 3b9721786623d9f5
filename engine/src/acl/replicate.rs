//! Users that follow a failover (`acl-replicate yes`): what a primary tells its replicas about them.
//!
//! A change is told as commands that any peer takes, whatever it knows of the user: a whole user by `ACL SETUSER name reset …`,
//! one that is gone by `ACL DELUSER name`. What only we understand stands in names that no user can have, as there is a
//! blank in them: to delete such a user changes nothing with a peer.
//!
//! ```text
//! ACL DELUSER "digest 5c1f…"           the primary's users have this digest now
//! ACL DELUSER "users alice default"    and these names: others are to go
//! ```
//!
//! A full sync brings the lines of all users in a field of its snapshot. A replica that has just come, also by a partial
//! sync, is told all users again, and the names: so it has the same, whatever it had before. Without `acl-replicate` a replica keeps its own, and leaves out what it is told.
//!
//! # Not here
//! - when a replica is to be told all: the host; what becomes of sessions: [`super::manage`]

use super::user::{DEFAULT, User};
use super::users::Users;
use crate::context::Context;
use crate::engine::Engine;
use crate::session::Peer;
use protocol::resp::encode;
use std::collections::BTreeSet;

const DIGEST: &[u8] = b"digest ";
const NAMES: &[u8] = b"users ";

/// A command, word by word.
type Words = Vec<Vec<u8>>;

impl Users {
    fn setting(user: &User) -> Words {
        let head = [&b"ACL"[..], b"SETUSER", &user.name, b"reset"].map(<[u8]>::to_vec);
        head.into_iter().chain(user.rules()).collect()
    }

    fn deleting(names: impl Iterator<Item = Vec<u8>>) -> Words {
        [&b"ACL"[..], b"DELUSER"].map(<[u8]>::to_vec).into_iter().chain(names).collect()
    }

    fn digest_name(&self) -> Vec<u8> {
        [DIGEST, self.digest().as_bytes()].concat()
    }

    /// All users, encoded as one unit: for a replica that has just come.
    pub fn announcement(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.iter().map(|user| &user.name[..]).collect();
        let names = [NAMES, &names.join(&b' ')].concat();
        let mut unit = Vec::new();
        let mut add = |words: Words| encode::command(&mut unit, words.iter().map(Vec::as_slice));
        add(vec![b"MULTI".to_vec()]);
        self.iter().for_each(|user| add(Users::setting(user)));
        add(Users::deleting([names, self.digest_name()].into_iter()));
        add(vec![b"EXEC".to_vec()]);
        unit
    }
}

impl Engine {
    /// Whether changes of users that this session makes are told to replicas.
    fn tells_users(&self, peer: Peer) -> bool {
        self.users.replicated && !self.is_replica && peer == Peer::Client
    }

    /// Whether a session says what its users are to a server that keeps its own.
    pub(crate) fn keeps_own_users(&self, peer: Peer) -> bool {
        match peer {
            Peer::Loader => true,
            Peer::Primary => !self.users.replicated,
            Peer::Client | Peer::Replica => false,
        }
    }
}

impl Context<'_> {
    /// States that users were changed and that others are gone.
    pub fn state_users(&mut self, changed: &[Vec<u8>], gone: &[Vec<u8>]) {
        if !self.engine.tells_users(self.session.peer) {
            return;
        }
        let users = changed.iter().filter_map(|name| self.engine.users.get(name));
        let mut commands: Vec<Words> = users.map(|user| Users::setting(user)).collect();
        let gone = gone.iter().cloned().chain([self.engine.users.digest_name()]);
        commands.push(Users::deleting(gone));
        for words in commands {
            self.effect_of(words.iter().map(Vec::as_slice));
        }
    }

    /// States that all users may have changed; those of these names were there before.
    pub fn state_all_users(&mut self, before: &[Vec<u8>]) {
        let now: Vec<Vec<u8>> = self.engine.users.iter().map(|user| user.name.clone()).collect();
        let gone: Vec<_> = before.iter().filter(|name| !now.contains(name)).cloned().collect();
        self.state_users(&now, &gone);
    }

    /// Understands a name that our primary deletes. Users that are to go for it; none if it is one of ours that are no
    /// user's.
    pub(crate) fn users_to_go(&mut self, name: &[u8]) -> Vec<Vec<u8>> {
        if self.session.peer != Peer::Primary {
            return vec![name.to_vec()];
        }
        if let Some(digest) = name.strip_prefix(DIGEST) {
            let digest = String::from_utf8_lossy(digest).into_owned();
            self.engine.users.digest_of_primary = Some(digest);
            return Vec::new();
        }
        let Some(names) = name.strip_prefix(NAMES) else { return vec![name.to_vec()] };
        let kept: BTreeSet<&[u8]> = names.split(|byte| *byte == b' ').chain([DEFAULT]).collect();
        let all = self.engine.users.iter().map(|user| user.name.clone());
        all.filter(|name| !kept.contains(&name[..])).collect()
    }
}
