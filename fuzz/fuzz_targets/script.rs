//! Scripts and libraries of functions made by a grammar, one after the other in the same interpreters, under limits of
//! memory and time that they often reach. None of them ends more than itself: the reply is one whole reply, the memory
//! stays within its limit, a known script still gives its known reply, and a flush gives everything back.
//!
//! ```text
//! input:  limit u8 | kind u8 | choices of the grammar … | kind u8 | …
//! ```

#![no_main]

use fuzzing::scripts::Scripts;
use fuzzing::{Input, grammar};
use libfuzzer_sys::fuzz_target;

/// The most scripts of one input.
const SCRIPTS: usize = 3;
/// The most bytes that they may take: hardly enough, and more.
const LIMITS: [usize; 4] = [200 << 10, 300 << 10, 500 << 10, 1 << 20];

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let limit = input.byte();
    // Any other number of bytes, too, so that each allocation may be the one that fails.
    let limit = LIMITS[usize::from(limit & 3)] - usize::from(limit >> 2) * 1024;
    let mut scripts = Scripts::new(limit);
    let args = [&b"one"[..], b"2", b"", b"\xff\0\r\n"];
    for _ in 0..SCRIPTS {
        if input.is_empty() {
            break;
        }
        let kind = input.byte();
        scripts.resp3 = kind & 1 != 0;
        let patience = u32::from(kind >> 1 & 1);
        if kind & 12 == 12 {
            let text = grammar::library(&mut input);
            scripts.load(&text, kind & 16 != 0, &args, patience);
        } else {
            let text = grammar::script(&mut input);
            scripts.run(&text, &args, patience);
        }
    }
    scripts.check();
    scripts.flush();
});
