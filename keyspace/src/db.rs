//! To be filled: db.
