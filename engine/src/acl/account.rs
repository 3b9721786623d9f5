//! Who a session is: its user, and in two flags what has to be looked at before a command.

use super::user::User;
use std::sync::Arc;

/// Who a session is. Without a user it may do everything: our primary, a file.
#[derive(Clone, Default)]
pub struct Account {
    user: Option<Arc<User>>,
    /// It has said who it is, or need not have.
    proven: bool,
    /// It must say who it is before anything else.
    stranger: bool,
    /// Some commands, keys or channels may be refused.
    restricted: bool,
}

impl Account {
    /// A client of this user; `proven`: it has logged in as it. `must_log_in`: clients have to.
    pub fn new(user: Arc<User>, proven: bool, must_log_in: bool) -> Account {
        let stranger = !proven && must_log_in;
        let restricted = stranger || !user.is_unrestricted();
        Account { user: Some(user), proven, stranger, restricted }
    }

    /// The user, if there is one.
    pub fn user(&self) -> Option<&Arc<User>> {
        self.user.as_ref()
    }

    /// The user's name.
    pub fn name(&self) -> Option<&[u8]> {
        self.user.as_deref().map(|user| &user.name[..])
    }

    /// Whether it has logged in, or came when that was not needed.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether it must log in before anything else.
    #[inline]
    pub fn is_stranger(&self) -> bool {
        self.stranger
    }

    /// Whether it has to be looked at what it asks for.
    #[inline]
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// Whether it is this very user, not one of the same name.
    pub fn is(&self, user: &Arc<User>) -> bool {
        self.user.as_ref().is_some_and(|own| Arc::ptr_eq(own, user))
    }
}
