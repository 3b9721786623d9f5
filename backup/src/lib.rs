//! To be filled: backup.
