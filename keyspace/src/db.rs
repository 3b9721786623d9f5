//! A numbered database: entries in a table, with their expiry.
//!
//! The database knows when keys expire but not what time it is, nor whose word counts: a replica keeps expired keys
//! until its primary says so. So nothing here expires by itself; callers ask and remove.
//!
//! There is no second table for expiries. Each segment of the table keeps a lower bound of the expiry times in it, so
//! a sweep skips the segments in which nothing can be due, and every due key is found by one sweep.
//!
//! # Invariants
//! - `expiring_len` is the number of entries with an expiry
//! - every key is in the table once, under `hash_bytes(key)`

use crate::entry::{Entry, Kind, Value, ValueRef, grow};
use crate::hash::{Hash, HashMut, HashRef};
use crate::list::List;
use crate::set::Set;
pub use crate::slot::Slot;
use crate::stream::Stream;
use crate::table::{RawTable, hash_bytes};
use crate::zset::Zset;
use protocol::listpack::Value as Text;
use std::collections::TryReserveError;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::ptr::NonNull;

mod loader;
pub use loader::{Duplicate, Loader};

/// Milliseconds since 1970.
pub type UnixMillis = i64;

/// A key with its value, borrowed from a database.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    entry: Entry,
    db: PhantomData<&'a Db>,
}

impl<'a> EntryRef<'a> {
    #[inline]
    fn new(entry: Entry) -> Self {
        EntryRef { entry, db: PhantomData }
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        self.entry.key()
    }

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        self.entry.value()
    }

    /// The type of the value.
    #[inline]
    pub fn kind(self) -> Kind {
        self.entry.kind()
    }

    /// When the key expires, unix milliseconds.
    #[inline]
    pub fn expiry(self) -> Option<UnixMillis> {
        self.entry.expiry()
    }

    /// The access clock, 24 bits; what it means is the caller's affair.
    pub fn clock(self) -> u32 {
        self.entry.clock()
    }

    /// Whether a string was modified in place or is too long to be embedded.
    pub fn is_raw(self) -> bool {
        self.entry.is_raw()
    }

    /// Bytes that the value takes outside of the block.
    pub fn value_bytes(self) -> usize {
        self.entry.outside_bytes()
    }

    /// Bytes of the block that holds key and header (and the value, if it is embedded).
    pub fn block_bytes(self) -> usize {
        self.entry.block_bytes()
    }
}

/// What a removal gives back.
#[derive(Debug)]
pub struct Removed {
    /// The value that the key had.
    pub value: Value,
    /// The expiry that it had, unix milliseconds.
    pub expiry: Option<UnixMillis>,
}

/// A key has a value of another type than the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

/// What became of an addition in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sum {
    /// The key has this value now.
    Is(i64),
    /// The sum is no 64-bit integer; nothing has changed.
    Overflow,
    /// What is there is not kept as an integer, though its text may be one.
    NotInteger,
    /// There is no such key.
    NoKey,
}

/// Collections that a database can lend for changing in place.
pub trait Collection: Sized {
    /// The type's name in TYPE.
    const KIND: Kind;
    /// One that is only read.
    type Ref<'a>: Copy;
    /// One that is changed where it is.
    type Mut<'a>;
    /// As a value on its own.
    fn into_value(self) -> Value;
    /// The collection in a value, if it is of this type.
    fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>>;
    /// The collection at a place, if it is of this type.
    fn at(slot: Slot<'_>) -> Option<Self::Mut<'_>>;
    /// One without elements.
    fn empty() -> Self;
    /// Whether it has no elements.
    fn is_empty(collection: Self::Ref<'_>) -> bool;
}

macro_rules! collection {
    ($($name:ident),*) => {$(
        impl Collection for $name {
            const KIND: Kind = Kind::$name;
            type Ref<'a> = &'a $name;
            type Mut<'a> = &'a mut $name;
            fn into_value(self) -> Value {
                Value::$name(self)
            }
            fn of(value: ValueRef<'_>) -> Option<&$name> {
                match value {
                    ValueRef::$name(collection) => Some(collection),
                    _ => None,
                }
            }
            #[inline]
            fn at(slot: Slot<'_>) -> Option<&mut $name> {
                // SAFETY: the kind has been compared, it has one form, and the slot is the only access.
                (slot.kind() == Self::KIND).then(|| unsafe { slot.into_collection() })
            }
            fn empty() -> Self {
                $name::new()
            }
            fn is_empty(collection: &$name) -> bool {
                collection.len() == 0
            }
        }
    )*};
}
collection!(List, Set, Zset, Stream);

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;
    type Ref<'a> = HashRef<'a>;
    type Mut<'a> = HashMut<'a>;

    fn into_value(self) -> Value {
        Value::Hash(self)
    }

    fn of(value: ValueRef<'_>) -> Option<HashRef<'_>> {
        match value {
            ValueRef::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    #[inline]
    fn at(slot: Slot<'_>) -> Option<HashMut<'_>> {
        (slot.kind() == Kind::Hash).then(|| HashMut::new(slot))
    }

    fn empty() -> Self {
        Hash::new()
    }

    fn is_empty(hash: HashRef<'_>) -> bool {
        hash.is_empty()
    }
}

/// A database.
#[derive(Default)]
pub struct Db {
    table: RawTable,
    expiring_len: usize,
    /// The memory of the last change that was made beside its block: up to EMBED_MAX bytes.
    scratch: Vec<u8>,
}

impl Drop for Db {
    fn drop(&mut self) {
        for item in self.table.iter() {
            Entry::from_item(item).free();
        }
    }
}

// SAFETY: entries belong to one database, and all values are `Send`.
unsafe impl Send for Db {}

const _: fn() = || {
    fn send<T: Send>() {}
    send::<Value>();
};

#[inline]
fn rehash(item: NonNull<u8>) -> u64 {
    hash_bytes(Entry::from_item(item).key())
}

impl Db {
    /// An empty database.
    pub fn new() -> Db {
        Db::default()
    }

    /// How many keys there are, expired ones that are still there included.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many keys have an expiry.
    pub fn expiring_len(&self) -> usize {
        self.expiring_len
    }

    /// Bytes of the table itself.
    pub fn table_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// Postpones the table's growth; see [`RawTable::set_dense`].
    pub fn set_dense(&mut self, dense: bool) {
        self.table.set_dense(dense);
    }

    /// Fetches the cache line of the table for a key that is about to be used.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Fetches what it takes to add a key; comes after [`Self::prefetch`].
    #[inline]
    pub fn prefetch_room(&self, hash: u64) {
        self.table.prefetch_count(hash);
    }

    /// Fetches the entry of a key that is about to be used; comes after [`Self::prefetch`].
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        self.table.prefetch_items(hash);
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<Entry> {
        self.table.find(hash, |item| Entry::from_item(item).key() == key).map(Entry::from_item)
    }

    /// A key.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find(hash, key).map(EntryRef::new)
    }

    /// Sets the access clock of a key.
    #[inline]
    pub fn touch(&self, entry: EntryRef<'_>, clock: u32) {
        entry.entry.set_clock(clock);
    }

    /// The collection under a key, for changing it in place; `None` if there is no such key. `used` makes the key's new access clock.
    #[inline]
    pub fn use_collection<T: Collection>(
        &mut self,
        hash: u64,
        key: &[u8],
        used: impl FnOnce(EntryRef<'_>) -> u32,
    ) -> Option<Result<T::Mut<'_>, WrongType>> {
        let entry = self.find(hash, key)?;
        entry.set_clock(used(EntryRef::new(entry)));
        Some(self.collection_at::<T>(hash, entry))
    }

    /// As [`Self::use_collection`], where `make` makes the collection that a key begins with that is not there.
    #[inline]
    pub fn use_collection_or_put<T: Collection>(
        &mut self,
        hash: u64,
        key: &[u8],
        used: impl FnOnce(Option<EntryRef<'_>>) -> u32,
        make: impl FnOnce() -> T,
    ) -> Result<T::Mut<'_>, WrongType> {
        let entry = match self.find(hash, key) {
            Some(entry) => {
                entry.set_clock(used(Some(EntryRef::new(entry))));
                entry
            }
            None => {
                let entry = Entry::new(key, make().into_value(), None, used(None));
                self.add(hash, entry);
                entry
            }
        };
        self.collection_at::<T>(hash, entry)
    }

    #[inline]
    fn collection_at<T: Collection>(
        &mut self,
        hash: u64,
        entry: Entry,
    ) -> Result<T::Mut<'_>, WrongType> {
        let slot = Slot::new(&mut self.table, &mut self.scratch, hash, entry);
        T::at(slot).ok_or(WrongType)
    }

    /// Sets a key to a string, whatever it was before. Returns the old value if it is worth freeing
    /// elsewhere (a collection or a long string).
    #[inline]
    pub fn set_bytes(
        &mut self,
        hash: u64,
        key: &[u8],
        value: &[u8],
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> Option<Value> {
        let Some(old) = self.find(hash, key) else {
            self.add(hash, Entry::new_bytes(key, value, expiry, clock));
            return None;
        };
        if old.overwrite(value, expiry) {
            old.set_clock(clock);
            if let Some(at) = expiry {
                self.table.note_expiry(hash, at);
            }
            return None;
        }
        self.swap(hash, old, Entry::new_bytes(key, value, expiry, clock))
    }

    /// Sets a key to a value, whatever it was before. Returns as [`Self::set_bytes`] does.
    pub fn put(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Value,
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> Option<Value> {
        let new = Entry::new(key, value, expiry, clock);
        match self.find(hash, key) {
            Some(old) => self.swap(hash, old, new),
            None => {
                self.add(hash, new);
                None
            }
        }
    }

    fn add(&mut self, hash: u64, entry: Entry) {
        self.table.insert_unique(hash, entry.item(), rehash);
        if let Some(at) = entry.expiry() {
            self.expiring_len += 1;
            self.table.note_expiry(hash, at);
        }
    }

    fn swap(&mut self, hash: u64, old: Entry, new: Entry) -> Option<Value> {
        self.table.replace(hash, old.item(), new.item());
        self.expiring_len -= old.expiry().is_some() as usize;
        if let Some(at) = new.expiry() {
            self.expiring_len += 1;
            self.table.note_expiry(hash, at);
        }
        old.free_small()
    }

    /// Adds a key that is not there; for loading. Returns false, and changes nothing, if it is there.
    pub fn add_new(
        &mut self,
        key: &[u8],
        value: Value,
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> bool {
        let hash = hash_bytes(key);
        if self.find(hash, key).is_some() {
            return false;
        }
        self.add(hash, Entry::new(key, value, expiry, clock));
        true
    }

    /// The same for a string given as bytes.
    pub fn add_new_bytes(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> bool {
        self.add_new(key, Value::of_bytes(value), expiry, clock)
    }

    /// Adds to the integer under a key, if it can be done in place. `used` makes the key's new access clock.
    #[inline]
    pub fn add_to_int(
        &mut self,
        hash: u64,
        key: &[u8],
        by: i64,
        used: impl FnOnce(EntryRef<'_>) -> u32,
    ) -> Sum {
        let Some(entry) = self.find(hash, key) else { return Sum::NoKey };
        entry.set_clock(used(EntryRef::new(entry)));
        let ValueRef::Str(Text::Int(old)) = entry.value() else { return Sum::NotInteger };
        let Some(new) = old.checked_add(by) else { return Sum::Overflow };
        entry.overwrite_int(new);
        Sum::Is(new)
    }

    /// Changes the bytes of a string in place; false if there is no such key.
    ///
    /// # Panics
    /// If the key is not a string: callers look first.
    pub fn edit_bytes(&mut self, hash: u64, key: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(old) = self.find(hash, key) else { return false };
        let item = old.item();
        let new = old.edit_bytes(edit);
        self.readdress(hash, item, new);
        true
    }

    /// The bytes of a string, for changing them in place, filled up with zeros to at least `least`. `None` if there is no
    /// such key. From now on the string is "raw".
    ///
    /// # Panics
    /// If the key is not a string: callers look first.
    pub fn bytes_mut(&mut self, hash: u64, key: &[u8], least: usize) -> Option<&mut [u8]> {
        let entry = self.find(hash, key)?;
        // SAFETY: `&mut self` is the only access, and lasts as long as the slice.
        if let Some(bytes) = unsafe { entry.bytes_mut(least) } {
            return Some(bytes);
        }
        self.edit_bytes(hash, key, |bytes| grow(bytes, least));
        let entry = self.find(hash, key)?;
        // SAFETY: as above.
        unsafe { entry.bytes_mut(least) }
    }

    /// Appends to a string; false if there is no such key. Without memory for it nothing changes.
    pub fn append(&mut self, hash: u64, key: &[u8], more: &[u8]) -> Result<bool, TryReserveError> {
        let Some(old) = self.find(hash, key) else { return Ok(false) };
        let item = old.item();
        match old.append_embedded(more) {
            Some(new) => self.readdress(hash, item, new),
            None => {
                let mut room = Ok(());
                self.edit_bytes(hash, key, |bytes| {
                    let len = more.len();
                    room = bytes.try_reserve(len).or_else(|_| bytes.try_reserve_exact(len));
                    if room.is_ok() {
                        bytes.extend_from_slice(more);
                    }
                });
                room?;
            }
        }
        Ok(true)
    }

    fn readdress(&mut self, hash: u64, old: NonNull<u8>, new: Entry) {
        if old != new.item() {
            self.table.replace(hash, old, new.item());
        }
    }

    /// Changes or removes a key's expiry; false if there is no such key.
    pub fn set_expiry(&mut self, hash: u64, key: &[u8], expiry: Option<UnixMillis>) -> bool {
        let Some(old) = self.find(hash, key) else { return false };
        let had = old.expiry().is_some();
        if !old.overwrite_expiry(expiry) {
            let item = old.item();
            let key = key.to_vec();
            let new = old.rebuild(&key, expiry);
            self.readdress(hash, item, new);
        }
        self.expiring_len = self.expiring_len + expiry.is_some() as usize - had as usize;
        if let Some(at) = expiry {
            self.table.note_expiry(hash, at);
        }
        true
    }

    #[inline]
    fn take(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let item = self.table.remove(hash, |i| Entry::from_item(i).key() == key, rehash)?;
        let entry = Entry::from_item(item);
        self.expiring_len -= entry.expiry().is_some() as usize;
        Some(entry)
    }

    /// Removes a key and gives its value back.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Removed> {
        let entry = self.take(hash, key)?;
        let expiry = entry.expiry();
        Some(Removed { value: entry.into_value(), expiry })
    }

    /// Removes a key; false if there is none. A value that is worth freeing elsewhere, as [`Self::set_bytes`] means it,
    /// goes into `garbage`.
    pub fn delete(&mut self, hash: u64, key: &[u8], garbage: &mut Vec<Value>) -> bool {
        let Some(entry) = self.take(hash, key) else { return false };
        garbage.extend(entry.free_small());
        true
    }

    /// Moves a key to another name that is free. False if there is no such key.
    pub fn rename(&mut self, hash: u64, key: &[u8], new_hash: u64, new_key: &[u8]) -> bool {
        let Some(entry) = self.take(hash, key) else { return false };
        let expiry = entry.expiry();
        self.add(new_hash, entry.rebuild(new_key, expiry));
        true
    }

    /// Visits a few keys and returns the next cursor; 0 begins and ends. See [`RawTable::scan`].
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        self.table.scan(cursor, rehash, |item| visit(EntryRef::new(Entry::from_item(item))))
    }

    /// All keys, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.table.iter().map(|item| EntryRef::new(Entry::from_item(item)))
    }

    /// A key chosen nearly uniformly.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<EntryRef<'_>> {
        self.table.random(draw).map(|item| EntryRef::new(Entry::from_item(item)))
    }

    /// Visits up to `most` keys that are near each other in the table, from a random position (`start`) on; with
    /// `expiring` only those with an expiry. Keys that hash alike are not alike, so these are a sample.
    pub fn sample<'a>(
        &'a self,
        start: u64,
        expiring: bool,
        most: usize,
        mut visit: impl FnMut(EntryRef<'a>),
    ) {
        if most == 0 || expiring && self.expiring_len == 0 {
            return;
        }
        let mut left = most;
        self.table.sample(start, expiring, |item| {
            let entry = Entry::from_item(item);
            if expiring && entry.expiry().is_none() {
                return ControlFlow::Continue(());
            }
            visit(EntryRef::new(entry));
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// Collects keys that are due at `now_ms` from the next part of the database in which there can be any.
    ///
    /// `position` is where the last call ended (0 begins); no more than `most` parts are looked at.
    /// Returns where to go on, 0 after the last part.
    pub fn due(
        &self,
        position: u64,
        now_ms: UnixMillis,
        most: usize,
        due: &mut Vec<Vec<u8>>,
    ) -> u64 {
        if self.expiring_len == 0 {
            return 0;
        }
        let visit = |item| {
            let entry = Entry::from_item(item);
            let expiry = entry.expiry();
            if expiry.is_some_and(|at| at <= now_ms) {
                due.push(entry.key().to_vec());
            }
            expiry
        };
        self.table.expiring(position, now_ms, most, visit).0
    }

    /// Walks the database and asserts its invariants. For tests.
    pub fn check(&self) {
        self.table.check(rehash);
        let expiring = self.iter().filter(|entry| entry.expiry().is_some()).count();
        assert_eq!(expiring, self.expiring_len, "entries with an expiry");
        for entry in self.iter() {
            assert!(self.get(hash_bytes(entry.key()), entry.key()).is_some(), "found by its key");
            if let ValueRef::Hash(hash) = entry.value() {
                hash.check();
            }
        }
    }
}

#[cfg(test)]
mod tests;
