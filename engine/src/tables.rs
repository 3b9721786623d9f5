//! Tables of names whose order is nobody's chance.
//!
//! std's tables order by a hash under a secret that each has for itself, so what goes through one differs from run to run:
//! who is told first, what is given up, what PUBSUB CHANNELS answers. Here a name is found by a hash under the secret of the
//! process ([`Keyed`]: names that collide cannot be chosen), and that order does not show either:
//!
//! - [`Unordered`] has none to offer; where all of it must be gone through, the method's name says what to look to;
//! - [`Ordered`] keeps names in the order in which they came; where one goes, the last takes its place. One more access to
//!   memory for each look-up, so only where a place is needed.

use indexmap::IndexMap;
use keyspace::hashing::Keyed;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// A table by names, in the order of their history.
pub(crate) type Ordered<K, V> = IndexMap<K, V, Keyed>;

/// A table by names, in no order.
#[derive(Debug)]
pub(crate) struct Unordered<K, V>(HashMap<K, V, Keyed>);

impl<K, V> Default for Unordered<K, V> {
    fn default() -> Self {
        Unordered(HashMap::with_hasher(Keyed))
    }
}

impl<K: Eq + Hash, V> Unordered<K, V> {
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    #[inline]
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    #[inline]
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        self.0.entry(key)
    }

    #[inline]
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// The keys, sorted.
    pub fn sorted_keys(&self) -> Vec<&K>
    where
        K: Ord,
    {
        let mut keys: Vec<_> = self.0.keys().collect();
        keys.sort_unstable();
        keys
    }

    /// All, in an order that differs from process to process: whoever asks sorts, or lets only what is the same in every
    /// order come of it (a sum, a set).
    pub fn in_any_order(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter()
    }

    /// The same, for changing them.
    pub fn in_any_order_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut()
    }
}
