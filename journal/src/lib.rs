//! To be filled: journal.
