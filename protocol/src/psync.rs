//! To be filled: psync.
