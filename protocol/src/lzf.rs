//! To be filled: lzf.
