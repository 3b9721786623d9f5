//! To be filled: ziplist.
