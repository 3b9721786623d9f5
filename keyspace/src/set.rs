//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Set(Box<u64>);
