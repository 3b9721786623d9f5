//! To be filled: packed.
