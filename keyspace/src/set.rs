//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Set(Box<u64>);
#[allow(missing_docs)]
impl Set { pub fn new() -> Self { Set(Box::new(0)) } pub fn len(&self) -> usize { *self.0 as usize } }
