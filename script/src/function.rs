//! What is compiled, and why it failed: plain values.

use crate::flags::Flags;
use std::ffi::c_int;

/// A compiled script or function, as long as its interpreter lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(pub(crate) c_int);

/// A function that a library has registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its name, as it was given.
    pub name: Vec<u8>,
    /// What it says about itself in words.
    pub description: Option<Vec<u8>>,
    /// And in flags.
    pub flags: Flags,
    /// What runs.
    pub function: Function,
}

/// Why a script failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The text of the error reply, without a `-`.
    pub text: Vec<u8>,
    /// It has been counted already, as the error of a command.
    pub counted: bool,
}

/// A SHA-1 digest.
pub type Digest = [u8; 20];

/// A digest as text.
pub fn hex(digest: &Digest) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let byte = digest[at / 2];
        DIGITS[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}
