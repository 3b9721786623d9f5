//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Zset(Box<u64>);
