//! To be filled: engine.
