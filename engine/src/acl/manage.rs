//! Changing users, and what becomes of the sessions that are them.
//!
//! Who has the right to be connected keeps its connection: a user that is switched off or loses commands stays with those
//! who are it, a changed permission holds from their next command on. Who is a user that is gone is disconnected, and so is
//! who is subscribed to what its user may not hear any more.

use super::account::Account;
use super::check::allows_channel;
use super::lines::{self, Failure};
use super::rules::{self, Ground};
use super::user::{DEFAULT, Selector, User};
use super::users::digest_of;
use crate::engine::Engine;
use crate::host::Host;
use crate::session::Session;
use std::sync::Arc;

impl Engine {
    fn ground(&self) -> Ground {
        Ground { table: self.table(), all_channels: self.users.channels_for_all }
    }

    /// The account of a client that has not said who it is.
    pub(crate) fn first_account(&self) -> Account {
        let user = Arc::clone(self.users.default_user());
        let proven = user.is_open();
        Account::new(user, proven, self.users.must_log_in())
    }

    /// Lets a session be a user, if name and password are right. What is wrong is not told.
    pub(crate) fn log_in(&mut self, session: &mut Session, name: &[u8], password: &[u8]) -> bool {
        // Also of a user that is not there: the time taken tells nothing.
        let hash = rules::hash(password);
        let user = self.users.get(name).filter(|user| user.accepts(&hash));
        let Some(user) = user.cloned() else { return false };
        session.account = Account::new(user, true, self.users.must_log_in());
        true
    }

    /// Makes or changes a user, by all of these rules or none.
    pub fn set_user<'a>(
        &mut self,
        host: &mut dyn Host,
        session: &mut Session,
        name: &[u8],
        words: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), Failure> {
        let old = self.users.get(name).cloned();
        let before = old.as_deref().cloned().unwrap_or_else(|| self.users.new_user(name));
        let changed = lines::apply(&before, words, self.ground())?;
        self.put_user(host, Some(session), changed);
        Ok(())
    }

    /// Puts a user in the place of the one of the same name: its sessions are the new one from now on, but for those with a
    /// subscription that it does not allow.
    fn put_user(&mut self, host: &mut dyn Host, mut session: Option<&mut Session>, user: User) {
        let user = Arc::new(user);
        let Some(old) = self.users.put(Arc::clone(&user)) else { return };
        let must_log_in = self.users.must_log_in();
        let loses = loses_channels(&old, &user);
        let mut gone = Vec::new();
        let mut change = |session: &mut Session| {
            let is_it = session.account.is(&old);
            if is_it && loses && hears_what_it_may_not(session, &user) {
                gone.push(session.slot);
            }
            if is_it {
                let proven = session.account.is_proven();
                session.account = Account::new(Arc::clone(&user), proven, must_log_in);
            } else if user.name == DEFAULT
                && let Some(own) = session.account.user().cloned()
            {
                let proven = session.account.is_proven();
                session.account = Account::new(own, proven, must_log_in);
            }
        };
        self.sessions_mut().for_each(&mut change);
        if let Some(session) = session.as_deref_mut() {
            change(session);
        }
        self.close_all(host, session, &gone);
    }

    /// Disconnects clients: at once, or behind its reply the one that is executing.
    fn close_all(
        &mut self,
        host: &mut dyn Host,
        mut executing: Option<&mut Session>,
        slots: &[usize],
    ) {
        for slot in slots {
            match &mut executing {
                Some(session) if session.slot == *slot => session.close_after_reply = true,
                _ => host.disconnect(self, *slot),
            }
        }
    }

    /// Removes a user that is there; its clients are disconnected. The default one stays.
    pub fn delete_user(&mut self, host: &mut dyn Host, session: &mut Session, name: &[u8]) -> bool {
        if name == DEFAULT {
            return false;
        }
        let Some(user) = self.users.remove(name) else { return false };
        self.disconnect_all_of(host, Some(session), &[user]);
        true
    }

    /// Disconnects the clients of users that are gone. Until they are, they are nobody.
    fn disconnect_all_of(
        &mut self,
        host: &mut dyn Host,
        mut session: Option<&mut Session>,
        users: &[Arc<User>],
    ) {
        let default_user = Arc::clone(self.users.default_user());
        let nobody = Account::new(default_user, false, self.users.must_log_in());
        let mut gone = Vec::new();
        let mut change = |session: &mut Session| {
            if users.iter().any(|user| session.account.is(user)) {
                session.account = nobody.clone();
                gone.push(session.slot);
            }
        };
        self.sessions_mut().for_each(&mut change);
        if let Some(session) = session.as_deref_mut() {
            change(session);
        }
        self.close_all(host, session, &gone);
    }

    /// Puts the users of a file in the place of all there are, or says all that is wrong with it. The default user stays
    /// the same one, with other rules; the clients of all others are disconnected.
    pub fn load_users(
        &mut self,
        host: &mut dyn Host,
        mut session: Option<&mut Session>,
        text: &[u8],
        path: &str,
    ) -> Result<(), Vec<u8>> {
        let mut read = lines::read(text, path, self.ground())?;
        let default_user = read.remove(DEFAULT).unwrap_or_else(User::new_default);
        let names: Vec<Vec<u8>> = self.users.iter().map(|user| user.name.clone()).collect();
        let others = names.iter().filter(|name| **name != DEFAULT);
        let gone: Vec<Arc<User>> = others.filter_map(|name| self.users.remove(name)).collect();
        // Who is subscribed as the default user stays so, as in Redis.
        self.replace_default(session.as_deref_mut(), default_user);
        read.into_values().for_each(|user| {
            self.users.put(Arc::new(user));
        });
        self.disconnect_all_of(host, session, &gone);
        Ok(())
    }

    /// Puts the users of our primary in the place of all there are, as a full sync brings them. Whose user is there as well
    /// stays connected.
    pub fn adopt_users(&mut self, host: &mut dyn Host, lines: &[u8]) {
        self.users.digest_of_primary = Some(digest_of(lines));
        // What our primary knows and we do not is no reason to be without data; the digests differ then.
        let Ok(users) = lines::read(lines, "", self.ground()) else { return };
        let names: Vec<Vec<u8>> = self.users.iter().map(|user| user.name.clone()).collect();
        let others = names.iter().filter(|name| !users.contains_key(&name[..]));
        let gone: Vec<Arc<User>> = others.filter_map(|name| self.users.remove(name)).collect();
        self.disconnect_all_of(host, None, &gone);
        users.into_values().for_each(|user| self.put_user(host, None, user));
    }

    /// Other rules for the default user. Nobody is disconnected.
    fn replace_default(&mut self, session: Option<&mut Session>, user: User) {
        let user = Arc::new(user);
        let old = self.users.put(Arc::clone(&user)).expect("it is always there");
        let must_log_in = self.users.must_log_in();
        let change = |session: &mut Session| {
            let Some(own) = session.account.user() else { return };
            let own = if session.account.is(&old) { &user } else { own };
            let own = Arc::clone(own);
            session.account = Account::new(own, session.account.is_proven(), must_log_in);
        };
        self.sessions_mut().for_each(change);
        session.into_iter().for_each(change);
    }

    /// The default user's only password (`requirepass`); none if it is empty.
    pub fn set_default_password(&mut self, session: Option<&mut Session>, password: &[u8]) {
        let mut user = User::clone(self.users.default_user());
        rules::set_password(&mut user, password);
        self.replace_default(session, user);
    }

    /// A user of the configuration, at the start.
    pub fn add_configured_user(&mut self, words: &[String]) -> Result<(), String> {
        let user = lines::configured(words, self.ground())?;
        match user.name == DEFAULT {
            true => self.replace_default(None, user),
            false => {
                self.users.put(Arc::new(user));
            }
        }
        Ok(())
    }
}

/// Whether there are channels that `old` may use and `new` may not, as far as their rules tell.
fn loses_channels(old: &User, new: &User) -> bool {
    let all = |user: &User| user.selectors.iter().any(|selector| selector.all_channels);
    if all(new) {
        return false;
    }
    let named = |selector: &Selector| {
        let kept = |text: &[u8]| channels(new).any(|channel| channel.text() == text);
        selector.channels.iter().all(|channel| kept(channel.text()))
    };
    all(old) || !old.selectors.iter().all(named)
}

fn channels(user: &User) -> impl Iterator<Item = &super::pattern::Pattern> {
    user.selectors.iter().flat_map(|selector| &selector.channels)
}

/// Whether a session has a subscription that a user, who may not use all channels, may not have.
fn hears_what_it_may_not(session: &Session, user: &User) -> bool {
    let may = |name: &[u8], is_pattern: bool| {
        let allows = |selector: &Selector| allows_channel(&selector.channels, name, is_pattern);
        user.selectors.iter().any(allows)
    };
    let named = session.channels.iter().chain(&session.shard_channels);
    named.into_iter().any(|name| !may(name, false))
        || session.patterns.iter().any(|name| !may(name, true))
}
