//! To be filled: set.
