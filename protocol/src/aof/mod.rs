//! To be filled: aof.
