//! To be filled: listpack.
