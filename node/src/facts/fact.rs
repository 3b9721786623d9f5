//! A value that conditions follow from, and the bit that says that one has changed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The bit that says that a fact has changed, shared by all facts of a node. One thread uses it, whichever that is.
#[derive(Clone, Debug, Default)]
pub struct Changed(Arc<AtomicBool>);

impl Changed {
    /// Something changed.
    #[inline]
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether something did.
    #[inline]
    pub fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether something did, since it was last asked so.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A value that conditions follow from. It is read as what it is; who changes it notes so.
#[derive(Debug)]
pub struct Fact<T> {
    value: T,
    changed: Changed,
}

impl<T> Fact<T> {
    /// A fact of the node that `changed` belongs to.
    pub fn new(value: T, changed: &Changed) -> Fact<T> {
        changed.note();
        Fact { value, changed: changed.clone() }
    }
}

impl<T: PartialEq> Fact<T> {
    /// It is so now, which may be as before. True if not.
    pub fn update(&mut self, value: T) -> bool {
        let differs = self.value != value;
        if differs {
            self.value = value;
            self.changed.note();
        }
        differs
    }
}

impl<T> Deref for Fact<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Fact<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed.note();
        &mut self.value
    }
}
