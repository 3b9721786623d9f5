//! Libraries of functions, by name.
//!
//! A library is text that registers functions when it is run, once. The text is what is kept and passed on; so whoever
//! has the text has the functions.
//!
//! # Invariants
//! - no two libraries register functions of the same name, in any letter case

use crate::caller::Caller;
use crate::flags;
use crate::function::Registered;
use crate::interpreter::{Interpreter, NO_MEMORY};
use crate::machine::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The only engine, as it is shown.
pub const ENGINE: &str = "LUA";

/// Why libraries are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub text: Vec<u8>,
    /// For what is there already; not for what they are.
    pub clashes: bool,
}

impl Wrong {
    fn clash(parts: &[&[u8]]) -> Wrong {
        Wrong { text: parts.concat(), clashes: true }
    }
}

impl From<Vec<u8>> for Wrong {
    fn from(text: Vec<u8>) -> Wrong {
        Wrong { text, clashes: false }
    }
}

/// A library.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its text, with the first line.
    pub code: Vec<u8>,
    /// Its functions, by name.
    pub functions: Vec<Arc<Registered>>,
}

impl Library {
    /// Bytes that its text takes, and finding it and its functions.
    fn text_bytes(&self, name: &[u8]) -> usize {
        let functions = self.functions.iter().map(|function| {
            let description = function.description.as_ref().map_or(0, Vec::len);
            2 * function.name.len() + description + size_of::<Registered>()
        });
        name.len() + self.code.len() + size_of::<Library>() + functions.sum::<usize>()
    }
}

/// What happens to libraries that are there when others come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// They go.
    Flush,
    /// They stay; one of the same name is an error.
    Append,
    /// They stay; one of the same name is replaced.
    Replace,
}

/// A function, and whose it is.
struct Owned {
    library: Arc<[u8]>,
    function: Arc<Registered>,
}

/// All libraries, and the interpreter that they run in.
#[derive(Default)]
pub struct Libraries {
    interpreter: Option<Box<Interpreter>>,
    by_name: BTreeMap<Vec<u8>, Library>,
    /// By their names in small letters.
    functions: BTreeMap<Vec<u8>, Owned>,
    text_bytes: usize,
    limit_bytes: usize,
}

impl Libraries {
    /// None, which may take so many bytes.
    pub fn new(limit_bytes: usize) -> Libraries {
        Libraries { limit_bytes, ..Libraries::default() }
    }

    /// A function of that name, in any letter case.
    pub fn function(&self, name: &[u8]) -> Option<&Registered> {
        let found = self.functions.get(name);
        let found = found.or_else(|| self.functions.get(&name.to_ascii_lowercase()[..]));
        found.map(|found| &*found.function)
    }

    /// All libraries, in the order of their names.
    pub fn all(&self) -> impl ExactSizeIterator<Item = (&[u8], &Library)> {
        self.by_name.iter().map(|(name, library)| (&name[..], library))
    }

    /// How many functions there are.
    pub fn functions_len(&self) -> usize {
        self.functions.len()
    }

    /// What runs them, to be [given back](Self::give_back).
    ///
    /// # Panics
    /// If there is none, or it is lent: there is one if there is a library.
    pub fn lend(&mut self) -> Box<Interpreter> {
        self.interpreter.take().expect("there is a library")
    }

    /// Takes it back.
    pub fn give_back(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    /// Whether one of them has paused.
    pub fn is_paused(&self) -> bool {
        self.interpreter.as_ref().is_some_and(|interpreter| interpreter.is_paused())
    }

    /// Bytes that the interpreter takes.
    pub fn interpreter_bytes(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.used_bytes())
    }

    /// Bytes that the texts take, and finding them.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The most bytes that functions may take.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
        if let Some(interpreter) = &mut self.interpreter {
            interpreter.set_memory_limit(bytes);
        }
    }

    /// Runs a library's text, and keeps it. Returns its name. If that fails, nothing has changed.
    pub fn load(
        &mut self,
        code: &[u8],
        replace: bool,
        seed: u64,
        caller: &mut dyn Caller,
    ) -> Result<Vec<u8>, Wrong> {
        let (name, library) = self.prepare(code, seed, caller, !replace)?;
        if let Err(text) = self.refuse_twice(&[(&name, &library)], replace) {
            self.forget(&library);
            return Err(text);
        }
        self.put(name.clone(), library);
        Ok(name)
    }

    /// Several libraries at once: all of them, or none.
    pub fn restore(
        &mut self,
        codes: &[Vec<u8>],
        how: Restore,
        seed: u64,
        caller: &mut dyn Caller,
    ) -> Result<(), Wrong> {
        let mut made: Vec<(Vec<u8>, Library)> = Vec::new();
        let mut result = Ok(());
        for code in codes {
            match self.prepare(code, seed, caller, false) {
                Ok((name, library)) if made.iter().any(|(other, _)| *other == name) => {
                    self.forget(&library);
                    result = Err(Wrong::clash(&[b"Library '", &name, b"' already exists"]));
                }
                Ok(one) => made.push(one),
                Err(wrong) => result = Err(wrong),
            }
            if result.is_err() {
                break;
            }
        }
        let there = |name: &Vec<u8>| self.by_name.contains_key(name);
        if result.is_ok()
            && how == Restore::Append
            && let Some((name, _)) = made.iter().find(|(name, _)| there(name))
        {
            result = Err(Wrong::clash(&[b"Library ", name, b" already exists"]));
        }
        if result.is_ok() {
            let all: Vec<_> = made.iter().map(|(name, library)| (name, library)).collect();
            let among = self.refuse_among(&all);
            result = among.and_then(|()| match how {
                Restore::Flush => Ok(()),
                _ => self.refuse_twice(&all, true),
            });
        }
        if let Err(text) = result {
            made.iter().for_each(|(_, library)| self.forget(library));
            return Err(text);
        }
        if how == Restore::Flush {
            let names: Vec<Vec<u8>> = self.by_name.keys().cloned().collect();
            names.iter().for_each(|name| _ = self.delete(name));
        }
        made.into_iter().for_each(|(name, library)| self.put(name, library));
        Ok(())
    }

    /// Runs a library's text. `new`: there must not be one of its name.
    fn prepare(
        &mut self,
        code: &[u8],
        seed: u64,
        caller: &mut dyn Caller,
        new: bool,
    ) -> Result<(Vec<u8>, Library), Wrong> {
        let said = flags::of_library(code)?;
        if !flags::is_name(&said.name) {
            return Err(flags::WRONG_NAME.to_vec().into());
        }
        if !said.engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
            return Err([b"Engine '", &said.engine[..], b"' not found"].concat().into());
        }
        if new && self.by_name.contains_key(&said.name) {
            return Err(Wrong::clash(&[b"Library '", &said.name, b"' already exists"]));
        }
        if self.interpreter.is_none() {
            let made = Interpreter::new(Kind::Functions, seed, self.limit_bytes);
            self.interpreter = made.map(Box::new);
        }
        let interpreter = self.interpreter.as_mut().ok_or_else(|| NO_MEMORY.to_vec())?;
        let mut functions = interpreter.load(said.code, caller)?;
        if functions.is_empty() {
            return Err(b"No functions registered".to_vec().into());
        }
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        let functions = functions.into_iter().map(Arc::new).collect();
        Ok((said.name, Library { code: code.to_vec(), functions }))
    }

    /// Refuses libraries with a function that another one has; not those that they replace.
    fn refuse_twice(&self, made: &[(&Vec<u8>, &Library)], replace: bool) -> Result<(), Wrong> {
        for (_, library) in made {
            for function in &library.functions {
                let there = self.functions.get(&function.name.to_ascii_lowercase());
                let goes = |owner: &[u8]| replace && made.iter().any(|(name, _)| **name == owner);
                if there.is_some_and(|there| !goes(&there.library)) {
                    return Err(Wrong::clash(&[b"Function ", &function.name, b" already exists"]));
                }
            }
        }
        self.refuse_among(made)
    }

    /// The same for those that come together.
    fn refuse_among(&self, made: &[(&Vec<u8>, &Library)]) -> Result<(), Wrong> {
        let functions = made.iter().flat_map(|(_, library)| &library.functions);
        let mut names: Vec<_> =
            functions.map(|function| function.name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Wrong::clash(&[b"Function ", &pair[0], b" already exists"])),
            None => Ok(()),
        }
    }

    fn put(&mut self, name: Vec<u8>, library: Library) {
        self.delete(&name);
        let owner: Arc<[u8]> = name.as_slice().into();
        for function in &library.functions {
            let owned = Owned { library: owner.clone(), function: function.clone() };
            self.functions.insert(function.name.to_ascii_lowercase(), owned);
        }
        self.text_bytes += library.text_bytes(&name);
        self.by_name.insert(name, library);
    }

    fn forget(&mut self, library: &Library) {
        if let Some(interpreter) = &mut self.interpreter {
            library.functions.iter().for_each(|function| interpreter.forget(function.function));
        }
    }

    /// Removes a library. Returns whether it was there.
    pub fn delete(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        self.text_bytes -= library.text_bytes(name);
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        self.forget(&library);
        true
    }

    /// Removes all, and all they have left behind.
    pub fn flush(&mut self) {
        assert!(!self.is_paused(), "a function that pauses is ended first");
        *self = Libraries::new(self.limit_bytes);
    }
}
