//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct List(Box<u64>);
