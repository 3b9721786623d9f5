//! To be filled: limits.
