//! To be filled: zset.
