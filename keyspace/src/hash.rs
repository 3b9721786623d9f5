//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Hash(Box<u64>);
#[allow(missing_docs)]
impl Hash { pub fn new() -> Self { Hash(Box::new(0)) } pub fn len(&self) -> usize { *self.0 as usize } }
