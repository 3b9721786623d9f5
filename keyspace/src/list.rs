//! To be filled: list.
