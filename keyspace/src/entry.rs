//! One allocation that holds a key, its value, its expiry (only if there is one) and its access clock.
//!
//! The table's slot is a thin pointer to it. A string of up to [`EMBED_MAX`] bytes lies in the block, so
//! a small key costs one allocation and a read of it two cache lines, one of the table and one of the block.
//! So does a small hash, as [`crate::pairs`]: beside its key it needs neither a payload nor an allocation with
//! room to spare of its own.
//!
//! ```text
//! 0      1        4        6        8
//! | kind | clock  | keylen | vallen | [long key length, 8] | [expiry ms, 8] | [payload 8/16/24] | key | value |
//!   kind:    low 4 bits the form, 0x10 has an expiry, 0x20 long key (keylen in the extra word)
//!   payload: integer (8), heap string (24), collection (16); none for an embedded value
//!   vallen:  bytes of an embedded value, 0 for the other forms
//!   value:   string, or a hash: number of pairs, u16 LE | body
//! ```
//!
//! With size classes every 8 bytes, a key of 16 and a value of 32 bytes take 56, and 64 with an expiry. A key of 11
//! bytes with a hash of 20 pairs, each of 3 and 13 bytes, takes 381 of 384: 19 bytes a pair. (With a listpack in an
//! allocation of its own it were 40 for the block and 448 for the listpack, 24 bytes a pair.)
//!
//! # Invariants
//! - the size of a block follows from its header: `size()`; it was allocated with that size rounded up by
//!   `class_bytes`
//! - payloads are aligned to 8
//!
//! # Not here
//! - which block belongs to which key: [`crate::db`]

use crate::hash::Hash;
use crate::list::List;
use crate::pairs::Pairs;
use crate::set::Set;
use crate::stream::Stream;
use crate::zset::Zset;
use protocol::listpack::Value as Text;
use protocol::number;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

mod size;
mod value;
pub(crate) use size::grow;
pub use size::{can_allocate, class_bytes, grown_bytes};
pub use value::{Kind, Value, ValueRef};

/// The longest string that is kept inside its key's block, in bytes; for a hash, the bytes of its pairs and
/// their number.
///
/// Larger ones have an allocation of their own, which grows in place and is freed by another thread.
pub const EMBED_MAX: usize = 1024;

/// Most bytes of the pairs of a hash that is kept inside its key's block.
pub(crate) const EMBEDDED_PAIRS_MAX: usize = EMBED_MAX - PAIRS_HEAD;

const HEAD: usize = 8;
/// Bytes of the number of pairs before an embedded body.
const PAIRS_HEAD: usize = 2;
const FORM: u8 = 0x0f;
const EXPIRES: u8 = 0x10;
const LONG: u8 = 0x20;

/// The form of a value inside a block.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Int = 0,
    Embedded = 1,
    /// Embedded, but modified in place before: named "raw" at any length.
    EmbeddedRaw = 2,
    Heap = 3,
    List = 4,
    Hash = 5,
    Set = 6,
    Zset = 7,
    Stream = 8,
    /// A hash, embedded.
    Pairs = 9,
}

impl Form {
    #[inline]
    fn of(kind: u8) -> Form {
        match kind & FORM {
            0 => Form::Int,
            1 => Form::Embedded,
            2 => Form::EmbeddedRaw,
            3 => Form::Heap,
            4 => Form::List,
            5 => Form::Hash,
            6 => Form::Set,
            7 => Form::Zset,
            8 => Form::Stream,
            9 => Form::Pairs,
            other => unreachable!("form {other} of a block"),
        }
    }

    #[inline]
    fn payload(self) -> usize {
        match self {
            Form::Embedded | Form::EmbeddedRaw | Form::Pairs => 0,
            Form::Int => 8,
            Form::Heap => size_of::<Vec<u8>>(),
            Form::List | Form::Hash | Form::Set | Form::Zset | Form::Stream => 16,
        }
    }
}

const _: () = {
    assert!(size_of::<List>() <= 16 && align_of::<List>() <= 8);
    assert!(size_of::<Hash>() <= 16 && align_of::<Hash>() <= 8);
    assert!(size_of::<Set>() <= 16 && align_of::<Set>() <= 8);
    assert!(size_of::<Zset>() <= 16 && align_of::<Zset>() <= 8);
    assert!(size_of::<Stream>() <= 16 && align_of::<Stream>() <= 8);
};

/// A handle to a block. It neither owns nor frees it: a database does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(NonNull<u8>);

impl Entry {
    #[inline]
    pub(crate) fn from_item(item: NonNull<u8>) -> Entry {
        Entry(item)
    }

    #[inline]
    pub(crate) fn item(self) -> NonNull<u8> {
        self.0
    }

    #[inline]
    fn kind_byte(self) -> u8 {
        // SAFETY: a block has a header of 8 bytes; the first is the kind.
        unsafe { self.0.read() }
    }

    #[inline]
    fn form(self) -> Form {
        Form::of(self.kind_byte())
    }

    #[inline]
    fn half(self, at: usize) -> usize {
        // SAFETY: `at` is 4 or 6, inside the header, and the block is aligned to 8.
        unsafe { self.0.add(at).cast::<u16>().read() as usize }
    }

    #[inline]
    fn word(self, at: usize) -> NonNull<u64> {
        // SAFETY: callers pass offsets of words that the header says are there.
        unsafe { self.0.add(at).cast() }
    }

    #[inline]
    fn key_len(self) -> usize {
        if self.kind_byte() & LONG == 0 {
            self.half(4)
        } else {
            // SAFETY: a long block has its key's length in the word after the header.
            unsafe { self.word(HEAD).read() as usize }
        }
    }

    #[inline]
    fn expiry_at(self) -> usize {
        HEAD + if self.kind_byte() & LONG == 0 { 0 } else { 8 }
    }

    #[inline]
    fn payload_at(self) -> usize {
        self.expiry_at() + if self.kind_byte() & EXPIRES == 0 { 0 } else { 8 }
    }

    #[inline]
    fn key_at(self) -> usize {
        self.payload_at() + self.form().payload()
    }

    /// Bytes used, all told.
    #[inline]
    pub(crate) fn size(self) -> usize {
        self.key_at() + self.key_len() + self.half(6)
    }

    #[inline]
    pub(crate) fn key<'a>(self) -> &'a [u8] {
        // SAFETY: the key lies at `key_at` with `key_len` bytes. The lifetime is the caller's to bound:
        // the crate hands keys out only under a borrow of the database.
        unsafe { std::slice::from_raw_parts(self.0.add(self.key_at()).as_ptr(), self.key_len()) }
    }

    #[inline]
    pub(crate) fn expiry(self) -> Option<i64> {
        (self.kind_byte() & EXPIRES != 0).then(|| {
            // SAFETY: the flag says that the expiry is there.
            unsafe { self.word(self.expiry_at()).read() as i64 }
        })
    }

    #[inline]
    pub(crate) fn clock(self) -> u32 {
        // SAFETY: the header's first word holds the kind and 24 bits of clock.
        u32::from_le(unsafe { self.0.cast::<u32>().read() }) >> 8
    }

    #[inline]
    pub(crate) fn set_clock(self, clock: u32) {
        if self.clock() == clock {
            // A page that a child shares is not copied for nothing.
            return;
        }
        let word = (clock << 8 | self.kind_byte() as u32).to_le();
        // SAFETY: as in `clock`; the kind is written back as it was.
        unsafe { self.0.cast::<u32>().write(word) }
    }

    pub(crate) fn kind(self) -> Kind {
        match self.form() {
            Form::Int | Form::Embedded | Form::EmbeddedRaw | Form::Heap => Kind::String,
            Form::List => Kind::List,
            Form::Hash | Form::Pairs => Kind::Hash,
            Form::Set => Kind::Set,
            Form::Zset => Kind::Zset,
            Form::Stream => Kind::Stream,
        }
    }

    /// Whether the string is named "raw" whatever its length.
    pub(crate) fn is_raw(self) -> bool {
        matches!(self.form(), Form::EmbeddedRaw | Form::Heap)
    }

    #[inline]
    fn payload<T>(self) -> NonNull<T> {
        // SAFETY: `payload_at` is inside the block, or its end when there is no payload.
        unsafe { self.0.add(self.payload_at()).cast() }
    }

    #[inline]
    fn embedded_at(self) -> usize {
        self.key_at() + self.key_len()
    }

    #[inline]
    pub(crate) fn value<'a>(self) -> ValueRef<'a> {
        // SAFETY: the form says which payload was written there. The lifetime is bounded by the caller.
        unsafe {
            match self.form() {
                Form::Int => ValueRef::Str(Text::Int(self.payload::<i64>().read())),
                Form::Embedded | Form::EmbeddedRaw => {
                    let at = self.0.add(self.embedded_at()).as_ptr();
                    ValueRef::Str(Text::Bytes(std::slice::from_raw_parts(at, self.half(6))))
                }
                Form::Heap => ValueRef::Str(Text::Bytes(self.payload::<Vec<u8>>().as_ref())),
                Form::List => ValueRef::List(self.payload::<List>().as_ref()),
                Form::Hash => ValueRef::Hash(self.payload::<Hash>().as_ref().view()),
                Form::Pairs => ValueRef::Hash(self.pairs().into()),
                Form::Set => ValueRef::Set(self.payload::<Set>().as_ref()),
                Form::Zset => ValueRef::Zset(self.payload::<Zset>().as_ref()),
                Form::Stream => ValueRef::Stream(self.payload::<Stream>().as_ref()),
            }
        }
    }

    /// The pairs of an embedded hash.
    #[inline]
    fn pairs<'a>(self) -> Pairs<'a> {
        assert!(self.form() == Form::Pairs, "a hash with its pairs in the block");
        // SAFETY: the value is the last thing in the block and has this length, of which the number of pairs is
        // a part. The lifetime is bounded by the caller.
        let value = unsafe {
            let at = self.0.add(self.embedded_at()).as_ptr();
            std::slice::from_raw_parts(at, self.half(6))
        };
        let (len, body) = value.split_at(PAIRS_HEAD);
        Pairs::new(u16::from_le_bytes([len[0], len[1]]).into(), body)
    }

    /// Whether the value is a hash that is embedded.
    #[inline]
    pub(crate) fn has_pairs(self) -> bool {
        self.form() == Form::Pairs
    }

    /// Bytes that the value takes outside of the block.
    pub(crate) fn outside_bytes(self) -> usize {
        match (self.form(), self.value()) {
            (Form::Heap, ValueRef::Str(text)) => text.len(),
            (Form::Pairs, _) | (_, ValueRef::Str(_)) => 0,
            (_, ValueRef::List(list)) => list.memory_bytes(),
            (_, ValueRef::Hash(hash)) => hash.memory_bytes(),
            (_, ValueRef::Set(set)) => set.memory_bytes(),
            (_, ValueRef::Zset(zset)) => zset.memory_bytes(),
            (_, ValueRef::Stream(stream)) => stream.memory_bytes(),
        }
    }

    /// Bytes that the block takes.
    pub(crate) fn block_bytes(self) -> usize {
        class_bytes(self.size())
    }

    /// The collection of a block.
    ///
    /// # Safety
    /// `T` is the type that the form names, not [`Form::Pairs`], and the caller has the only access to the block.
    #[inline]
    pub(crate) unsafe fn collection<'a, T>(self) -> &'a mut T {
        // SAFETY: by contract.
        unsafe { self.payload::<T>().as_mut() }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(class_bytes(size), 8).expect("blocks are far below the limit")
    }

    /// Gives the block, allocated for `old` bytes, room for `new`. It may move; its header stays as it is.
    ///
    /// # Safety
    /// The caller has the only access to the block, knows that `old` is its size, and makes its header say `new`.
    unsafe fn resized(self, old: usize, new: usize) -> Entry {
        let (old, new) = (Entry::layout(old), Entry::layout(new));
        if old.size() == new.size() {
            return self;
        }
        // SAFETY: the block was allocated with layout `old`, by contract.
        let raw = unsafe { realloc(self.0.as_ptr(), old, new.size()) };
        Entry(NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(new)))
    }

    /// A block without payload or value, its key written.
    #[inline]
    fn build(form: Form, key: &[u8], value_len: usize, expiry: Option<i64>, clock: u32) -> Entry {
        debug_assert!(value_len <= EMBED_MAX);
        let long = key.len() > u16::MAX as usize;
        let mut size = HEAD + form.payload() + key.len() + value_len;
        let mut kind = form as u8;
        if long {
            kind |= LONG;
            size += 8;
        }
        if expiry.is_some() {
            kind |= EXPIRES;
            size += 8;
        }
        let layout = Entry::layout(size);
        // SAFETY: the size is at least that of the header; all writes are inside it.
        unsafe {
            let Some(at) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            at.cast::<u32>().write((clock << 8 | kind as u32).to_le());
            at.add(4).cast::<u16>().write(if long { 0 } else { key.len() as u16 });
            at.add(6).cast::<u16>().write(value_len as u16);
            let entry = Entry(at);
            if long {
                entry.word(HEAD).write(key.len() as u64);
            }
            if let Some(expiry) = expiry {
                entry.word(entry.expiry_at()).write(expiry as u64);
            }
            let to = at.add(entry.key_at()).as_ptr();
            std::ptr::copy_nonoverlapping(key.as_ptr(), to, key.len());
            entry
        }
    }

    /// A block for a value. Strings that look like integers must come as `Value::Int`.
    pub(crate) fn new(key: &[u8], value: Value, expiry: Option<i64>, clock: u32) -> Entry {
        macro_rules! with {
            ($form:expr, $payload:expr) => {{
                let entry = Entry::build($form, key, 0, expiry, clock);
                // SAFETY: the block was made with room for the payload of its form.
                unsafe { entry.payload().write($payload) };
                entry
            }};
        }
        match value {
            Value::Int(int) => with!(Form::Int, int),
            Value::Str(bytes) if bytes.len() <= EMBED_MAX => {
                Entry::embedded(Form::Embedded, key, &bytes, expiry, clock)
            }
            Value::Str(mut bytes) => {
                bytes.shrink_to_fit();
                with!(Form::Heap, bytes)
            }
            Value::List(list) => with!(Form::List, list),
            Value::Hash(hash) => match hash.pairs() {
                Some(pairs) if pairs.body().len() <= EMBEDDED_PAIRS_MAX => {
                    Entry::with_pairs(key, pairs, expiry, clock)
                }
                _ => with!(Form::Hash, hash),
            },
            Value::Set(set) => with!(Form::Set, set),
            Value::Zset(zset) => with!(Form::Zset, zset),
            Value::Stream(stream) => with!(Form::Stream, stream),
        }
    }

    #[inline]
    fn embedded(form: Form, key: &[u8], value: &[u8], expiry: Option<i64>, clock: u32) -> Entry {
        let entry = Entry::build(form, key, value.len(), expiry, clock);
        // SAFETY: the block was made with room for the value behind the key.
        unsafe {
            let to = entry.0.add(entry.embedded_at()).as_ptr();
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
        }
        entry
    }

    /// A block for a hash of few pairs.
    fn with_pairs(key: &[u8], pairs: Pairs<'_>, expiry: Option<i64>, clock: u32) -> Entry {
        assert!(pairs.body().len() <= EMBEDDED_PAIRS_MAX);
        let len = PAIRS_HEAD + pairs.body().len();
        let mut entry = Entry::build(Form::Pairs, key, len, expiry, clock);
        // SAFETY: the block was made with room for the number of pairs and the body behind the key.
        unsafe {
            entry.set_pairs_len(pairs.len());
            let to = entry.0.add(entry.embedded_at() + PAIRS_HEAD).as_ptr();
            std::ptr::copy_nonoverlapping(pairs.body().as_ptr(), to, pairs.body().len());
        }
        entry
    }

    /// # Safety
    /// The block is for an embedded hash, and the caller has the only access to it.
    unsafe fn set_pairs_len(&mut self, len: usize) {
        let len = u16::try_from(len).expect("a pair has at least two bytes").to_le_bytes();
        // SAFETY: an embedded hash begins with the number of its pairs.
        unsafe { self.0.add(self.embedded_at()).cast::<[u8; PAIRS_HEAD]>().write(len) };
    }

    /// Replaces `remove` bytes at `at` of the body of an embedded hash by `insert` zeros, which the caller
    /// overwrites by entries; afterwards it has `len` pairs. Returns the gap.
    ///
    /// The block may move: the caller tells the table.
    ///
    /// # Safety
    /// The caller has the only access to the block.
    pub(crate) unsafe fn splice_pairs<'a>(
        &mut self,
        at: usize,
        remove: usize,
        insert: usize,
        len: usize,
    ) -> &'a mut [u8] {
        let (old, bytes) = (self.size(), self.half(6));
        let (at, new_bytes) = (PAIRS_HEAD + at, bytes - remove + insert);
        assert!(self.form() == Form::Pairs && new_bytes <= EMBED_MAX && at + remove <= bytes);
        // SAFETY: the value has `bytes` bytes and is the last thing in the block, `at + remove` lies inside it, and
        // what is moved ends at the longer of both lengths: a block that grows does so first, one that shrinks last.
        unsafe {
            if insert > remove {
                *self = self.resized(old, old - bytes + new_bytes);
            }
            let from = self.0.add(self.embedded_at() + at);
            let behind = bytes - at - remove;
            if insert != remove {
                from.add(insert).copy_from(from.add(remove), behind);
            }
            from.write_bytes(0, insert);
            self.0.add(6).cast::<u16>().write(new_bytes as u16);
            self.set_pairs_len(len);
            if insert < remove {
                *self = self.resized(old, old - bytes + new_bytes);
            }
            let gap = self.0.add(self.embedded_at() + at).as_ptr();
            std::slice::from_raw_parts_mut(gap, insert)
        }
    }

    /// Gives an embedded hash these pairs. The block may move, as above.
    ///
    /// # Safety
    /// The caller has the only access to the block.
    pub(crate) unsafe fn set_pairs(&mut self, pairs: Pairs<'_>) {
        let old = self.pairs().body().len();
        // SAFETY: by contract.
        let gap = unsafe { self.splice_pairs(0, old, pairs.body().len(), pairs.len()) };
        gap.copy_from_slice(pairs.body());
    }

    /// Puts a hash with an allocation of its own in the place of an embedded one, in another block. Frees the old one.
    pub(crate) fn move_out(self, hash: Hash) -> Entry {
        assert!(self.form() == Form::Pairs);
        let entry = Entry::build(Form::Hash, self.key(), 0, self.expiry(), self.clock());
        // SAFETY: the block was made with room for the payload of its form.
        unsafe { entry.payload().write(hash) };
        self.free_block();
        entry
    }

    /// A block for a string given as bytes; the path of SET.
    #[inline]
    pub(crate) fn new_bytes(key: &[u8], value: &[u8], expiry: Option<i64>, clock: u32) -> Entry {
        if let Some(int) = number::parse_i64(value) {
            let entry = Entry::build(Form::Int, key, 0, expiry, clock);
            // SAFETY: the block was made with room for an integer.
            unsafe { entry.payload().write(int) };
            entry
        } else if value.len() <= EMBED_MAX {
            Entry::embedded(Form::Embedded, key, value, expiry, clock)
        } else {
            Entry::new(key, Value::Str(value.to_vec()), expiry, clock)
        }
    }

    /// Overwrites a string in place if the new one takes the same block, expiry kept as `expiry` says.
    #[inline]
    pub(crate) fn overwrite(self, value: &[u8], expiry: Option<i64>) -> bool {
        let old = self.half(6);
        let same = matches!(self.form(), Form::Embedded | Form::EmbeddedRaw)
            && value.len() <= EMBED_MAX
            && self.expiry().is_some() == expiry.is_some()
            && class_bytes(self.size() - old + value.len()) == self.block_bytes()
            && number::parse_i64(value).is_none();
        if !same {
            return false;
        }
        // SAFETY: the block's allocated size is `size` rounded up to a class, which stays the same; the value
        // is the last thing in it. The kind byte keeps its flags and gets the embedded form.
        unsafe {
            let to = self.0.add(self.embedded_at()).as_ptr();
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
            self.0.add(6).cast::<u16>().write(value.len() as u16);
            self.0.write(self.kind_byte() & !FORM | Form::Embedded as u8);
            if let Some(expiry) = expiry {
                self.word(self.expiry_at()).write(expiry as u64);
            }
        }
        true
    }

    /// Overwrites an integer in place.
    ///
    /// # Panics
    /// If the value is not kept as one.
    #[inline]
    pub(crate) fn overwrite_int(self, value: i64) {
        assert!(self.form() == Form::Int, "callers look first");
        // SAFETY: the form says that the payload is an integer.
        unsafe { self.payload().write(value) };
    }

    /// Changes the time of expiry in place; false if the block has none or must lose it.
    #[inline]
    pub(crate) fn overwrite_expiry(self, expiry: Option<i64>) -> bool {
        match (self.expiry(), expiry) {
            (None, None) => true,
            (Some(_), Some(at)) => {
                // SAFETY: the flag says that the expiry is there.
                unsafe { self.word(self.expiry_at()).write(at as u64) };
                true
            }
            _ => false,
        }
    }

    /// Moves the value into a new block, under another key or with another expiry. Frees the old block.
    pub(crate) fn rebuild(self, key: &[u8], expiry: Option<i64>) -> Entry {
        let clock = self.clock();
        let form = self.form();
        let entry = match self.value() {
            ValueRef::Str(Text::Bytes(bytes)) if form != Form::Heap => {
                let entry = Entry::embedded(form, key, bytes, expiry, clock);
                self.free_block();
                return entry;
            }
            ValueRef::Hash(_) if form == Form::Pairs => {
                let entry = Entry::with_pairs(key, self.pairs(), expiry, clock);
                self.free_block();
                return entry;
            }
            _ => Entry::build(form, key, 0, expiry, clock),
        };
        // SAFETY: both blocks have a payload of this form; the old one is given up without dropping it.
        unsafe {
            let (from, to) = (self.payload::<u8>().as_ptr(), entry.payload::<u8>().as_ptr());
            std::ptr::copy_nonoverlapping(from, to, form.payload());
        }
        self.free_block();
        entry
    }

    /// Changes a string in place by a function over its bytes. The result is named "raw".
    ///
    /// Returns the entry, whose address may have changed.
    pub(crate) fn edit_bytes(self, edit: impl FnOnce(&mut Vec<u8>)) -> Entry {
        if self.form() == Form::Heap {
            // SAFETY: the form says that the payload is a vector.
            edit(unsafe { self.payload::<Vec<u8>>().as_mut() });
            return self;
        }
        let mut bytes = Vec::new();
        match self.value() {
            ValueRef::Str(Text::Bytes(old)) => bytes.extend_from_slice(old),
            ValueRef::Str(Text::Int(int)) => number::push_i64(&mut bytes, int),
            _ => unreachable!("only strings are edited as bytes"),
        }
        edit(&mut bytes);
        let (key, expiry, clock) = (self.key(), self.expiry(), self.clock());
        let entry = if bytes.len() <= EMBED_MAX {
            Entry::embedded(Form::EmbeddedRaw, key, &bytes, expiry, clock)
        } else {
            let entry = Entry::build(Form::Heap, key, 0, expiry, clock);
            // SAFETY: the block was made with room for a vector.
            unsafe { entry.payload().write(bytes) };
            entry
        };
        self.free_block();
        entry
    }

    /// The bytes of a string that are already there, for changing them where they are; `None` if that takes another
    /// block: the string is kept as an integer, or is embedded and shorter than `least`.
    ///
    /// # Safety
    /// The caller has the only access to the block.
    pub(crate) unsafe fn bytes_mut<'a>(self, least: usize) -> Option<&'a mut [u8]> {
        match self.form() {
            Form::Embedded | Form::EmbeddedRaw if self.half(6) >= least => {
                // SAFETY: the value is the last thing in the block and has this length; the kind byte keeps its
                // flags and says from now on that the value was changed in place.
                unsafe {
                    self.0.write(self.kind_byte() & !FORM | Form::EmbeddedRaw as u8);
                    let at = self.0.add(self.embedded_at()).as_ptr();
                    Some(std::slice::from_raw_parts_mut(at, self.half(6)))
                }
            }
            Form::Heap => {
                // SAFETY: the form says that the payload is a vector.
                let bytes = unsafe { self.payload::<Vec<u8>>().as_mut() };
                grow(bytes, least);
                Some(bytes)
            }
            _ => None,
        }
    }

    /// Appends to an embedded string without building it anew, if it stays embedded.
    pub(crate) fn append_embedded(self, more: &[u8]) -> Option<Entry> {
        let len = self.half(6);
        let embedded = matches!(self.form(), Form::Embedded | Form::EmbeddedRaw);
        if !embedded || len + more.len() > EMBED_MAX {
            return None;
        }
        let size = self.size();
        // SAFETY: the block has `size` bytes; after the call it has room for `more` behind the value, which is the
        // last thing in it, and its header says so.
        unsafe {
            let entry = self.resized(size, size + more.len());
            let at = entry.0;
            let to = at.add(entry.embedded_at() + len).as_ptr();
            std::ptr::copy_nonoverlapping(more.as_ptr(), to, more.len());
            at.add(6).cast::<u16>().write((len + more.len()) as u16);
            at.write(entry.kind_byte() & !FORM | Form::EmbeddedRaw as u8);
            Some(entry)
        }
    }

    fn free_block(self) {
        // SAFETY: allocated with this layout; the payload has been moved out or needs no drop.
        unsafe { dealloc(self.0.as_ptr(), Entry::layout(self.size())) }
    }

    /// Frees the block and gives back its value.
    pub(crate) fn into_value(self) -> Value {
        // SAFETY: the form says which payload there is; it is moved out, then the block is freed.
        let value = unsafe {
            match self.form() {
                Form::Int => Value::Int(self.payload::<i64>().read()),
                Form::Embedded | Form::EmbeddedRaw => match self.value() {
                    ValueRef::Str(Text::Bytes(bytes)) => Value::Str(bytes.to_vec()),
                    _ => unreachable!("an embedded string"),
                },
                Form::Heap => Value::Str(self.payload::<Vec<u8>>().read()),
                Form::List => Value::List(self.payload::<List>().read()),
                Form::Hash => Value::Hash(self.payload::<Hash>().read()),
                Form::Pairs => Value::Hash(Hash::of_pairs(self.pairs())),
                Form::Set => Value::Set(self.payload::<Set>().read()),
                Form::Zset => Value::Zset(self.payload::<Zset>().read()),
                Form::Stream => Value::Stream(self.payload::<Stream>().read()),
            }
        };
        self.free_block();
        value
    }

    /// Frees the block and its value.
    #[inline]
    pub(crate) fn free(self) {
        match self.form() {
            Form::Int | Form::Embedded | Form::EmbeddedRaw | Form::Pairs => self.free_block(),
            _ => drop(self.into_value()),
        }
    }

    /// Frees the block, and its value unless that is worth freeing elsewhere.
    #[inline]
    pub(crate) fn free_small(self) -> Option<Value> {
        let small = match self.form() {
            Form::Int | Form::Embedded | Form::EmbeddedRaw | Form::Pairs => true,
            Form::Heap => self.outside_bytes() <= 64 * 1024,
            Form::List | Form::Hash | Form::Set | Form::Zset | Form::Stream => false,
        };
        if small {
            self.free();
            return None;
        }
        Some(self.into_value()).filter(Value::is_slow_to_free)
    }
}

#[cfg(test)]
mod tests;
