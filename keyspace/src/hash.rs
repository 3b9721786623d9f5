//! To be filled: hash.
