//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Hash(Box<u64>);
