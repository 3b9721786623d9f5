//! To be filled: crc64.
