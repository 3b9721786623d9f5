//! A hash of a database, changed where it is: in the block of its key, or behind it.

use super::{Hash, HashRef};
use crate::entry::{EMBEDDED_PAIRS_MAX, ValueRef};
use crate::limits::Limits;
use crate::pairs::{Draft, Pairs, PairsMut};
use crate::slot::Slot;

/// A hash of a database, for changing it where it is.
pub struct HashMut<'d>(Slot<'d>);

impl<'d> HashMut<'d> {
    #[inline]
    pub(crate) fn new(slot: Slot<'d>) -> Self {
        Self(slot)
    }

    /// For reading, until it is changed.
    pub fn view(&self) -> HashRef<'_> {
        of_value(self.0.value())
    }

    /// For reading only, as long as the database is borrowed.
    pub fn into_view(self) -> HashRef<'d> {
        of_value(self.0.into_value())
    }

    /// Sets a field; returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if self.0.is_embedded() {
            if let Some(new) = PairsMut::set(&mut self.0, field, value, limits) {
                return new;
            }
            let hash = self.view().duplicate();
            self.0.move_out(hash);
        }
        self.0.hash().set(field, value, limits)
    }

    /// Prepares for so many fields that are about to be set. Like Redis we guess that they are new: more than a small form
    /// may have do not go into one.
    #[inline]
    pub fn expect(&mut self, fields: usize, limits: &Limits) {
        if fields > limits.hash_max_listpack_entries && self.view().pairs().is_some() {
            if self.0.is_embedded() {
                let hash = self.view().duplicate();
                self.0.move_out(hash);
            }
            let hash = self.0.hash();
            if hash.view().pairs().is_some() {
                hash.enlarge();
            }
        }
    }

    /// Sets several fields; returns how many are new.
    ///
    /// They are put together beside the block, so that it grows once and not with every field.
    pub fn set_all<'t>(
        &mut self,
        mut fields: impl Iterator<Item = (&'t [u8], &'t [u8])>,
        limits: &Limits,
    ) -> usize {
        let mut new = 0;
        let Some(mut left) = fields.next() else { return 0 };
        if self.0.is_embedded() {
            let mut scratch = self.0.take_scratch();
            let pairs = self.view().pairs().expect("an embedded hash");
            let mut draft = Draft::of(pairs, &mut scratch, EMBEDDED_PAIRS_MAX);
            let over = loop {
                match draft.set(left.0, left.1, limits) {
                    Some(added) => new += usize::from(added),
                    None => break true,
                }
                match fields.next() {
                    Some(next) => left = next,
                    None => break false,
                }
            };
            if over {
                self.0.move_out(Hash::of_pairs(draft.pairs()));
            } else {
                self.0.set_pairs(draft.pairs());
            }
            self.0.put_scratch(scratch);
            if !over {
                return new;
            }
        }
        let hash = self.0.hash();
        std::iter::once(left)
            .chain(fields)
            .fold(new, |new, (field, value)| new + usize::from(hash.set(field, value, limits)))
    }

    /// Removes a field; returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if self.0.is_embedded() {
            return PairsMut::remove(&mut self.0, field);
        }
        self.0.hash().remove(field)
    }
}

/// The pairs of an embedded hash. Whoever changes them has looked that it is one.
impl PairsMut for Slot<'_> {
    #[inline]
    fn pairs(&self) -> Pairs<'_> {
        of_value(self.value()).pairs().expect("an embedded hash")
    }

    #[inline]
    fn fits(&self, bytes: usize, _: usize) -> bool {
        bytes <= EMBEDDED_PAIRS_MAX
    }

    #[inline]
    fn splice(&mut self, at: usize, remove: usize, insert: usize, len: usize) -> &mut [u8] {
        self.splice_pairs(at, remove, insert, len)
    }
}

fn of_value(value: ValueRef<'_>) -> HashRef<'_> {
    let ValueRef::Hash(hash) = value else { unreachable!("the kind was looked at before") };
    hash
}
