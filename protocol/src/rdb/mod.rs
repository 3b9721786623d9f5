//! To be filled: rdb.
