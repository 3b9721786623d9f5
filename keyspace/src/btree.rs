//! To be filled: btree.
