//! All users, by name.

use super::log::Log;
use super::user::{DEFAULT, User, hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Users, what a new one may do, and what was refused.
pub struct Users {
    by_name: BTreeMap<Vec<u8>, Arc<User>>,
    /// New users may use all channels (`acl-pubsub-default`).
    pub channels_for_all: bool,
    /// Replicas have the same users (`acl-replicate`).
    pub replicated: bool,
    /// The digest of our primary's users, if it has told.
    pub digest_of_primary: Option<String>,
    /// What was refused.
    pub log: Log,
}

/// The digest of the lines of users.
pub(super) fn digest_of(lines: &[u8]) -> String {
    hex(&Sha256::digest(lines))
}

impl Default for Users {
    /// None but the default one, which may do everything.
    fn default() -> Users {
        let mut users = Users {
            by_name: BTreeMap::new(),
            channels_for_all: false,
            replicated: false,
            digest_of_primary: None,
            log: Log::default(),
        };
        users.put(Arc::new(User::new_default()));
        users
    }
}

impl Users {
    /// The user of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user that clients are before they say who they are.
    pub fn default_user(&self) -> &Arc<User> {
        self.by_name.get(DEFAULT).expect("it is always there")
    }

    /// Whether clients have to say who they are.
    pub fn must_log_in(&self) -> bool {
        !self.default_user().is_open()
    }

    /// All of them, in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// A digest of all users and of what each may do.
    pub fn digest(&self) -> String {
        digest_of(&self.lines().join(&b'\n'))
    }

    /// Puts a user in the place of the one of the same name, which it gives back.
    pub(super) fn put(&mut self, user: Arc<User>) -> Option<Arc<User>> {
        self.by_name.insert(user.name.clone(), user)
    }

    /// Removes a user, never the default one.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<User>> {
        assert_ne!(name, DEFAULT, "it is always there");
        self.by_name.remove(name)
    }

    /// A user without any right but what `acl-pubsub-default` gives.
    pub fn new_user(&self, name: &[u8]) -> User {
        User::new(name, self.channels_for_all)
    }

    /// The line of each user, as in a file.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.iter().map(|user| user.line()).collect()
    }
}
