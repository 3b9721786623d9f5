//! Scripts that have been seen: by their digest, for EVALSHA, and by their text, for EVAL.
//!
//! The text is found without its digest being computed, so that EVAL costs little more than EVALSHA. The digest is made once,
//! when a script is seen for the first time.
//!
//! A script is looked for twice in a row: to learn what it declares, and to run it; and the next request often wants the same
//! one. So the one that was found last is looked at first.

use crate::flags::{self, Flags};
use crate::function::{Digest, Function, hex};
use crate::interpreter::Interpreter;
use crate::machine::Kind;
use sha1::{Digest as _, Sha1};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A script.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// What runs.
    pub function: Function,
    /// What it says about itself.
    pub flags: Flags,
    /// Its digest, as text.
    pub digest: [u8; 40],
}

/// Scripts, and the interpreter that they run in.
#[derive(Default)]
pub struct Cache {
    interpreter: Option<Box<Interpreter>>,
    /// By the text of the digest, in small letters.
    by_digest: BTreeMap<[u8; 40], Script>,
    by_text: BTreeMap<Arc<[u8]>, Script>,
    /// What was found last, in each of the two.
    last: Option<Script>,
    last_text: Option<(Arc<[u8]>, Script)>,
    text_bytes: usize,
    limit_bytes: usize,
}

impl Cache {
    /// An empty one, whose scripts may take so many bytes.
    pub fn new(limit_bytes: usize) -> Cache {
        Cache { limit_bytes, ..Cache::default() }
    }

    /// The script of a digest's text.
    #[inline]
    pub fn find(&mut self, digest: &[u8]) -> Option<Script> {
        if let Some(last) = self.last.filter(|last| last.digest == digest) {
            return Some(last);
        }
        let mut digest: [u8; 40] = digest.try_into().ok()?;
        digest.make_ascii_lowercase();
        let found = self.by_digest.get(&digest).copied();
        self.last = found.or(self.last);
        found
    }

    /// The script of this text, if it has been seen.
    #[inline]
    pub fn seen(&mut self, text: &[u8]) -> Option<Script> {
        if let Some((last, script)) = &self.last_text
            && **last == *text
        {
            return Some(*script);
        }
        let (text, script) = self.by_text.get_key_value(text)?;
        self.last_text = Some((text.clone(), *script));
        Some(*script)
    }

    /// The script of this text, compiled if it has not been seen. `seed` is for an interpreter that has to be made.
    pub fn add(&mut self, text: &[u8], seed: u64) -> Result<Script, Vec<u8>> {
        if let Some(script) = self.seen(text) {
            return Ok(script);
        }
        let (flags, code) = flags::of_script(text)?;
        if self.interpreter.is_none() {
            let made = Interpreter::new(Kind::Eval, seed, self.limit_bytes);
            self.interpreter = made.map(Box::new);
        }
        let compiled = match &mut self.interpreter {
            Some(interpreter) => interpreter.compile(code),
            None => Err(crate::interpreter::NO_MEMORY.to_vec()),
        };
        let function = compiled
            .map_err(|text| [b"Error compiling script (new function): ", &text[..]].concat())?;
        let digest: Digest = Sha1::digest(text).into();
        let script = Script { function, flags, digest: hex(&digest) };
        self.by_digest.insert(script.digest, script);
        self.by_text.insert(text.into(), script);
        self.text_bytes += text.len();
        Ok(script)
    }

    /// What runs them, to be [given back](Self::give_back).
    ///
    /// # Panics
    /// If there is none, or it is lent: there is one if there is a script.
    pub fn lend(&mut self) -> Box<Interpreter> {
        self.interpreter.take().expect("there is a script")
    }

    /// Takes it back.
    pub fn give_back(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    /// Forgets all scripts, and all they have left behind.
    pub fn flush(&mut self) {
        assert!(!self.is_paused(), "a script that pauses is ended first");
        *self = Cache::new(self.limit_bytes);
    }

    /// Whether one of them has paused.
    pub fn is_paused(&self) -> bool {
        self.interpreter.as_ref().is_some_and(|interpreter| interpreter.is_paused())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// Bytes that the interpreter takes.
    pub fn interpreter_bytes(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.used_bytes())
    }

    /// Bytes that the texts take, and finding them.
    pub fn text_bytes(&self) -> usize {
        let entry = size_of::<[u8; 40]>() + 2 * size_of::<Script>() + size_of::<Arc<[u8]>>();
        self.text_bytes + self.len() * entry
    }

    /// The most bytes that scripts may take.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
        if let Some(interpreter) = &mut self.interpreter {
            interpreter.set_memory_limit(bytes);
        }
    }
}
