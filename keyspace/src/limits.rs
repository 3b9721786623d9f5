//! Limits: when the small form of a collection becomes a large one.
//!
//! Names and defaults are those of Redis 7.2's directives. The types take `&Limits` where they
//! decide; a changed limit acts on the next change of a value, never on values at rest.

use protocol::listpack::Value;

/// The configured limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most fields of a packed hash.
    pub hash_max_listpack_entries: usize,
    /// Longest field or value of a packed hash, in bytes.
    pub hash_max_listpack_value: usize,
    /// Most members of a set that is an intset.
    pub set_max_intset_entries: usize,
    /// Most members of a packed set.
    pub set_max_listpack_entries: usize,
    /// Longest member of a packed set, in bytes.
    pub set_max_listpack_value: usize,
    /// Most members of a packed sorted set.
    pub zset_max_listpack_entries: usize,
    /// Longest member of a packed sorted set, in bytes.
    pub zset_max_listpack_value: usize,
    /// Size of a node of a list: most elements if positive, −1 … −5 for 4, 8, 16, 32, 64 KiB.
    pub list_max_listpack_size: i32,
    /// Elements of a list of so many bytes get a node of their own, even if they fit into one with others.
    pub list_plain_bytes: usize,
    /// Most bytes of a node of a stream; 0 is no limit.
    pub stream_node_max_bytes: usize,
    /// Most entries of a node of a stream; 0 is no limit.
    pub stream_node_max_entries: usize,
    /// Most bytes of a sparse HyperLogLog, its header included.
    pub hll_sparse_max_bytes: usize,
}

/// Most bytes of a list node that is limited by its number of elements.
const COUNTED_NODE_BYTES: usize = 8192;

impl Limits {
    /// Redis's defaults.
    pub const DEFAULT: Self = Self {
        hash_max_listpack_entries: 512,
        hash_max_listpack_value: 64,
        set_max_intset_entries: 512,
        set_max_listpack_entries: 128,
        set_max_listpack_value: 64,
        zset_max_listpack_entries: 128,
        zset_max_listpack_value: 64,
        list_max_listpack_size: -2,
        list_plain_bytes: usize::MAX,
        stream_node_max_bytes: 4096,
        stream_node_max_entries: 100,
        hll_sparse_max_bytes: 3000,
    };

    /// Whether a list node of `bytes` and `count` is within its limit.
    pub fn list_node_fits(&self, bytes: usize, count: usize) -> bool {
        match self.list_node() {
            (Some(limit), _) => bytes <= limit,
            (None, limit) => bytes <= COUNTED_NODE_BYTES && count <= limit,
        }
    }

    /// Whether an element of a list is so long that it gets a node of its own, whatever fits.
    pub fn list_element_is_plain(&self, value: Value<'_>) -> bool {
        matches!(value, Value::Bytes(bytes) if bytes.len() >= self.list_plain_bytes)
    }

    /// Whether a node is so far below its limit that a list of only this node becomes packed again.
    pub fn list_node_is_small(&self, bytes: usize, count: usize) -> bool {
        match self.list_node() {
            (Some(limit), _) => bytes <= limit / 2,
            (None, limit) => count <= limit / 2,
        }
    }

    /// Limit in bytes or, if there is none, in elements.
    fn list_node(&self) -> (Option<usize>, usize) {
        match self.list_max_listpack_size {
            fill @ 0.. => (None, (fill as usize).max(1)),
            fill => (Some(4096 << (fill.unsigned_abs().min(5) - 1)), usize::MAX),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_nodes_are_limited_by_bytes_or_by_count() {
        let limits = |size| Limits { list_max_listpack_size: size, ..Limits::DEFAULT };
        for (size, bytes) in [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536)] {
            assert!(limits(size).list_node_fits(bytes, 1_000_000));
            assert!(!limits(size).list_node_fits(bytes + 1, 1));
            assert!(limits(size).list_node_is_small(bytes / 2, 1_000_000));
            assert!(!limits(size).list_node_is_small(bytes / 2 + 1, 1));
        }
        assert!(limits(10).list_node_fits(8192, 10) && !limits(10).list_node_fits(8193, 10));
        assert!(!limits(10).list_node_fits(100, 11));
        assert!(limits(10).list_node_is_small(100, 5) && !limits(10).list_node_is_small(100, 6));
        assert!(limits(0).list_node_fits(100, 1) && !limits(0).list_node_fits(100, 2));
    }
}
