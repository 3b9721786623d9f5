//! To be filled: resp.
