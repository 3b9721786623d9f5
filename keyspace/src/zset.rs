//! Stand-in for the type.
/// Stand-in.
#[derive(Debug)]
pub struct Zset(Box<u64>);
#[allow(missing_docs)]
impl Zset { pub fn new() -> Self { Zset(Box::new(0)) } pub fn len(&self) -> usize { *self.0 as usize } }
