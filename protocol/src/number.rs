//! To be filled: number.
