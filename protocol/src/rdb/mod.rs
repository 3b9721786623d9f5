//! RDB: the snapshot format of Redis and Valkey, written as Redis 7.0 reads it, read up to the newest of both.
//!
//! ```text
//! REDIS0010 | aux fields | functions | per database: SELECTDB RESIZEDB keys | FF | checksum u64 LE
//!
//! key:    [FC expiry i64 LE] [F8 idle len | F9 freq u8]  type u8  key str  value
//! len:    00nnnnnn | 01nnnnnn +1 BE | 80 u32 BE | 81 u64 BE | 11xxxxxx: form of a string
//! str:    len bytes | C0 i8 | C1 i16 LE | C2 i32 LE | C3 len len LZF
//! ```
//!
//! # Map
//! - [`Writer`] (`write`): everything we write, into any [`Sink`]
//! - [`Reader`] (`read`): pulls [`Item`]s out of any [`Source`]; `input` is its buffer, checksum and strings
//! - [`ValueVisitor`] (`value`): takes the value of a key as it is read
//! - [`StreamValue`] (`stream`): the one type too intricate to be visited piecewise
//! - `dump`: the footer of DUMP and RESTORE
//! - `error`: what can be wrong with the bytes
//!
//! # Not here
//! - listpacks and intsets are handed over as they are: who takes them checks them ([`crate::listpack`])
//! - files, pipes and sockets: `backup`, `replica`
//!
//! # Source
//! - `rdb.c` and `rdb.h` of Redis 7.0 to 8.0 and of Valkey 8.0 to 9.1; files that these wrote

mod dump;
mod error;
mod input;
mod read;
mod stream;
mod value;
mod version;
mod write;

pub use dump::{
    DumpPayload, Sum, read_dump_functions, read_dump_value, verify_dump_functions,
    verify_dump_payload,
};
pub use error::{DumpError, Malformed, ModuleName, ReadError};
pub use input::{Source, StrRef};
pub use read::{Checksum, Item, KeyMeta, Reader};
pub use stream::{PendingEntry, StreamConsumer, StreamGroup, StreamId, StreamNode, StreamValue};
pub use value::{Collection, PackedKind, ValueVisitor};
pub use version::{Family, Version, WRITTEN_VERSION};
pub use write::{Options, Sink, Writer, append_footer, canonical_i32, put_length};

/// Bytes of the header: `REDIS` and four digits, or `VALKEY` and three.
pub const HEADER_BYTES: usize = 9;
/// Bytes of the footer of a DUMP payload: version and checksum.
pub const FOOTER_BYTES: usize = 10;
/// The first version that ends in a checksum.
const FIRST_WITH_CHECKSUM: u16 = 5;

/// The bytes that stand where a key's type can stand but mean something else.
pub mod opcode {
    /// End of the file; the checksum follows.
    pub const EOF: u8 = 0xFF;
    /// `len` number of the database of the keys that follow.
    pub const SELECT_DB: u8 = 0xFE;
    /// i32 LE expiry of the next key in unix seconds. Not written since 2.6.
    pub const EXPIRE_SECONDS: u8 = 0xFD;
    /// i64 LE expiry of the next key in unix milliseconds.
    pub const EXPIRE_MS: u8 = 0xFC;
    /// `len` keys, `len` keys with an expiry: a hint.
    pub const RESIZE_DB: u8 = 0xFB;
    /// `str` name, `str` value.
    pub const AUX: u8 = 0xFA;
    /// u8 LFU counter of the next key.
    pub const FREQ: u8 = 0xF9;
    /// `len` seconds for which the next key was idle.
    pub const IDLE: u8 = 0xF8;
    /// A module's own data.
    pub const MODULE_AUX: u8 = 0xF7;
    /// A function library as release candidates of 7.0 wrote it: refused.
    pub const FUNCTION_PRE_GA: u8 = 0xF6;
    /// `str` source of a function library.
    pub const FUNCTION2: u8 = 0xF5;
    /// `len` slot, `len` keys, `len` expiries: a hint of Redis 7.4 and later in cluster mode.
    pub const SLOT_INFO: u8 = 0xF4;
    /// Valkey 9: an unfinished slot import; Redis 8.6: key metadata. Refused.
    pub const SLOT_IMPORT: u8 = 0xF3;
    /// Valkey, development: an incremental update. Refused.
    pub const INCREMENTAL: u8 = 0xF2;
}

/// How the value of a key is laid out. The discriminant is the byte in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectType {
    /// One `str`.
    String = 0,
    /// Elements, one by one.
    List = 1,
    /// Members, one by one.
    Set = 2,
    /// Members with scores in ASCII.
    ZsetAscii = 3,
    /// Fields and values.
    Hash = 4,
    /// Members with scores as f64 LE.
    Zset = 5,
    /// A module's value.
    Module = 7,
    /// One zipmap.
    HashZipmap = 9,
    /// One ziplist.
    ListZiplist = 10,
    /// One intset.
    SetIntset = 11,
    /// One ziplist of members and scores.
    ZsetZiplist = 12,
    /// One ziplist of fields and values.
    HashZiplist = 13,
    /// Ziplists.
    ListQuicklist = 14,
    /// A stream of Redis 5 and 6.
    Stream1 = 15,
    /// One listpack of fields and values.
    HashListpack = 16,
    /// One listpack of members and scores.
    ZsetListpack = 17,
    /// Listpacks and plain elements.
    ListQuicklist2 = 18,
    /// A stream of Redis 7.0.
    Stream2 = 19,
    /// One listpack of members.
    SetListpack = 20,
    /// A stream of Redis 7.2 and Valkey.
    Stream3 = 21,
    /// Valkey 9: fields, values and expiries. In Redis's release candidates the byte meant something else.
    HashExpiry = 22,
    /// Redis 7.4: fields, values and expiries relative to the smallest one.
    HashMetadata = 24,
    /// Redis 7.4: one listpack of fields, values and expiries.
    HashListpackEx = 25,
}

impl ObjectType {
    /// Every type that can be read, in order of its byte.
    pub const ALL: [Self; 23] = [
        Self::String,
        Self::List,
        Self::Set,
        Self::ZsetAscii,
        Self::Hash,
        Self::Zset,
        Self::Module,
        Self::HashZipmap,
        Self::ListZiplist,
        Self::SetIntset,
        Self::ZsetZiplist,
        Self::HashZiplist,
        Self::ListQuicklist,
        Self::Stream1,
        Self::HashListpack,
        Self::ZsetListpack,
        Self::ListQuicklist2,
        Self::Stream2,
        Self::SetListpack,
        Self::Stream3,
        Self::HashExpiry,
        Self::HashMetadata,
        Self::HashListpackEx,
    ];

    /// Its name, as redis-check-rdb of the server that brought it prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list-linked",
            Self::Set => "set-hashtable",
            Self::ZsetAscii => "zset-v1",
            Self::Hash => "hash-hashtable",
            Self::Zset => "zset-v2",
            Self::Module => "module-value",
            Self::HashZipmap => "hash-zipmap",
            Self::ListZiplist => "list-ziplist",
            Self::SetIntset => "set-intset",
            Self::ZsetZiplist => "zset-ziplist",
            Self::HashZiplist => "hash-ziplist",
            Self::ListQuicklist => "quicklist",
            Self::Stream1 => "stream",
            Self::HashListpack => "hash-listpack",
            Self::ZsetListpack => "zset-listpack",
            Self::ListQuicklist2 => "quicklist-v2",
            Self::Stream2 => "stream-v2",
            Self::SetListpack => "set-listpack",
            Self::Stream3 => "stream-v3",
            Self::HashExpiry => "hash-expiry",
            Self::HashMetadata => "hash-hashtable-md",
            Self::HashListpackEx => "hash-listpack-md",
        }
    }

    /// The type that a byte stands for. Types 6, 8, 23 and all above 25 are refused.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        if byte == Self::String as u8 {
            return Some(Self::String);
        }
        Self::ALL.into_iter().find(|object_type| *object_type as u8 == byte)
    }
}

#[cfg(test)]
mod tests;
