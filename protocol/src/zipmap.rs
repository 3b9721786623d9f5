//! To be filled: zipmap.
