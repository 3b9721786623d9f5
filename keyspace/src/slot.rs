//! A key's place in a database, for changes that may move its block.
//!
//! # Not here
//! - the block itself: [`crate::entry`]; a hash that is changed where it is: [`crate::hash::HashMut`]

use crate::entry::{Entry, Kind, ValueRef};
use crate::hash::Hash;
use crate::pairs::Pairs;
use crate::table::RawTable;
use std::ptr::NonNull;

/// A key's place in a database, for changes that may move its block.
pub struct Slot<'d> {
    table: &'d mut RawTable,
    scratch: &'d mut Vec<u8>,
    hash: u64,
    entry: Entry,
}

impl<'d> Slot<'d> {
    /// The place of `entry`, which is in `table` under `hash`.
    #[inline]
    pub(crate) fn new(
        table: &'d mut RawTable,
        scratch: &'d mut Vec<u8>,
        hash: u64,
        entry: Entry,
    ) -> Self {
        Slot { table, scratch, hash, entry }
    }

    /// The type of the value.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.entry.kind()
    }

    /// The collection of the block.
    ///
    /// # Safety
    /// `T` is the type that [`Slot::kind`] names, and no hash, which has two forms.
    #[inline]
    pub(crate) unsafe fn into_collection<T>(self) -> &'d mut T {
        // SAFETY: by contract, and the slot is the only access to the database.
        unsafe { self.entry.collection() }
    }

    /// The value, for reading as long as the database is borrowed.
    #[inline]
    pub(crate) fn into_value(self) -> ValueRef<'d> {
        self.entry.value()
    }

    /// The value, until it is changed.
    #[inline]
    pub(crate) fn value(&self) -> ValueRef<'_> {
        self.entry.value()
    }

    /// Whether the value is a hash that lies in the block.
    #[inline]
    pub(crate) fn is_embedded(&self) -> bool {
        self.entry.has_pairs()
    }

    /// A hash that is not embedded.
    ///
    /// # Panics
    /// If it is another value.
    #[inline]
    pub(crate) fn hash(&mut self) -> &mut Hash {
        assert!(self.entry.kind() == Kind::Hash && !self.is_embedded());
        // SAFETY: the form has been compared, and the slot is the only access to the database.
        unsafe { self.entry.collection::<Hash>() }
    }

    /// Replaces bytes of an embedded hash; see [`Entry::splice_pairs`].
    #[inline]
    pub(crate) fn splice_pairs(
        &mut self,
        at: usize,
        remove: usize,
        insert: usize,
        len: usize,
    ) -> &mut [u8] {
        let old = self.entry.item();
        // SAFETY: the slot is the only access to the database.
        let gap = unsafe { self.entry.splice_pairs(at, remove, insert, len) };
        self.readdress(old);
        gap
    }

    /// Gives an embedded hash these pairs.
    pub(crate) fn set_pairs(&mut self, pairs: Pairs<'_>) {
        let old = self.entry.item();
        // SAFETY: the slot is the only access to the database.
        unsafe { self.entry.set_pairs(pairs) };
        self.readdress(old);
    }

    /// Puts a hash with memory of its own in the place of an embedded one.
    pub(crate) fn move_out(&mut self, hash: Hash) {
        let old = self.entry.item();
        self.entry = self.entry.move_out(hash);
        self.readdress(old);
    }

    /// A vector of the database's, with memory that it has from before; [`Slot::put_scratch`] gives it back.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(self.scratch)
    }

    pub(crate) fn put_scratch(&mut self, scratch: Vec<u8>) {
        *self.scratch = scratch;
    }

    #[inline]
    fn readdress(&mut self, old: NonNull<u8>) {
        if old != self.entry.item() {
            self.table.replace(self.hash, old, self.entry.item());
        }
    }
}
