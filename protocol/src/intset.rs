//! To be filled: intset.
