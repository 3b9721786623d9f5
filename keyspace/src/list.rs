//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct List(Box<u64>);
#[allow(missing_docs)]
impl List { pub fn new() -> Self { List(Box::new(0)) } pub fn len(&self) -> usize { *self.0 as usize } }
