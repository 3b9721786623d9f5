//! To be filled: entry.
