//! To be filled: replica.
