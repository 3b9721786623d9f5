//! A Rust source as rules look at it: words without comments, which lines are for tests, how long functions are.

use crate::modules::is_for_tests;
use crate::tree::Tree;
use proc_macro2::{Spacing, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A word of a source: a name, `::`, a sign, a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text.
    pub text: String,
    /// The line that it is in, from 1.
    pub line: usize,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its name.
    pub line: usize,
    /// Lines from its signature to its closing brace.
    pub lines: usize,
    /// It is for tests.
    pub is_test: bool,
}

/// What a source consists of.
#[derive(Clone, Debug)]
pub struct Source {
    words: Vec<Word>,
    tests: Vec<(usize, usize)>,
    /// Its functions, in order.
    pub functions: Vec<Function>,
    /// Modules in other files that are for tests.
    test_modules: Vec<String>,
}

impl Source {
    /// Reads a source.
    ///
    /// # Panics
    /// If it cannot be parsed; the compiler says that better.
    pub fn of(path: &str, text: &str) -> Source {
        let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut words = Vec::new();
        flatten(tokens, &mut words);
        let mut found = Found { tests: Vec::new(), functions: Vec::new(), modules: Vec::new() };
        found.visit_file(&file);
        let Found { tests, functions, modules } = found;
        Source { words, tests, functions, test_modules: modules }
    }

    /// Whether a line is in something that is for tests.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// The lines in which some words follow each other.
    pub fn lines_with<'s>(&'s self, wanted: &'s [&str]) -> impl Iterator<Item = usize> + 's {
        let fits = move |words: &&[Word]| words.iter().zip(wanted).all(|(a, b)| a.text == *b);
        self.words.windows(wanted.len()).filter(fits).map(|words| words[0].line)
    }

    /// Whether a word is in it.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known.text == word)
    }
}

/// Files that are for tests as a whole: those of `tests` folders and of the fuzzers, and what `#[cfg(test)] mod` declares, with all below.
pub fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in tree.sources() {
        let in_tests = path.contains("/tests/") && !path.contains("/src/");
        if in_tests
            || path.ends_with("/tests.rs")
            || ["tests/integration/", "fuzz/"].iter().any(|below| path.starts_with(below))
        {
            found.insert(path.to_owned());
        }
        let folder = match path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs")) {
            Some(folder) => folder,
            None => path.strip_suffix("/main.rs").unwrap_or(path.trim_end_matches(".rs")),
        };
        for module in Source::of(path, text).test_modules {
            let (stem, file) = (format!("{folder}/{module}/"), format!("{folder}/{module}.rs"));
            let below = |path: &&str| *path == file || path.starts_with(&stem);
            found.extend(tree.sources().map(|(path, _)| path).filter(below).map(str::to_owned));
        }
    }
    found
}

fn flatten(tokens: TokenStream, words: &mut Vec<Word>) {
    let add = |words: &mut Vec<Word>, text: String, line| words.push(Word { text, line });
    let mut colon = false;
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                if colon {
                    add(words, "::".into(), line);
                    colon = false;
                } else if punct.spacing() == Spacing::Joint {
                    colon = true;
                } else {
                    add(words, ":".into(), line);
                }
            }
            TokenTree::Punct(punct) => add(words, punct.as_char().to_string(), line),
            TokenTree::Ident(word) => add(words, word.to_string(), line),
            // A comment that documents is a literal by now: it is no word.
            TokenTree::Literal(literal) => add(words, format!("literal {literal}"), line),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                add(words, open.into(), line);
                flatten(group.stream(), words);
                add(words, close.into(), group.span_close().start().line);
            }
        }
    }
}

struct Found {
    tests: Vec<(usize, usize)>,
    functions: Vec<Function>,
    modules: Vec<String>,
}

impl Found {
    fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    fn note(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) {
        if is_for_tests(attributes) {
            self.tests.push((item.span().start().line, item.span().end().line));
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let lines = block.span().end().line + 1 - line;
        let is_test = self.is_test(line);
        self.functions.push(Function { name: signature.ident.to_string(), line, lines, is_test });
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.note(&item.attrs, item);
        if item.content.is_none() && is_for_tests(&item.attrs) {
            self.modules.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.attrs, item);
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.attrs, item);
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.note(&item.attrs, item);
        visit::visit_item_impl(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note(&item.attrs, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! std::thread::sleep\n\
        use std::thread;\n\
        /// thread::sleep\n\
        fn f() {\n    thread::sleep(1);\n    let x: u8 = a::<B>();\n}\n\
        #[cfg(test)]\nmod tests {\n    fn g() { thread::sleep(2) }\n}\n";

    #[test]
    fn words_are_found_where_they_are_and_not_in_comments() {
        let source = Source::of("x.rs", TEXT);
        let lines: Vec<_> = source.lines_with(&["thread", "::", "sleep"]).collect();
        assert_eq!(lines, [5, 10]);
        assert!(!source.is_test_line(5) && source.is_test_line(10));
        assert!(source.has("B") && !source.has("sleep(1)"));
    }

    #[test]
    fn functions_are_measured() {
        let source = Source::of("x.rs", TEXT);
        let functions: Vec<_> =
            source.functions.iter().map(|f| (f.name.as_str(), f.lines, f.is_test)).collect();
        assert_eq!(functions, [("f", 4, false), ("g", 1, true)]);
    }

    #[test]
    fn files_for_tests_are_known_by_their_declaration() {
        let tree = Tree::default()
            .with("a/src/lib.rs", "#[cfg(test)] mod testing; mod other;")
            .with("a/src/testing.rs", "mod deep;")
            .with("a/src/testing/deep.rs", "")
            .with("a/src/other.rs", "#[cfg(test)] mod tests;")
            .with("a/src/other/tests.rs", "")
            .with("a/tests/whole.rs", "");
        let expected = [
            "a/src/other/tests.rs",
            "a/src/testing.rs",
            "a/src/testing/deep.rs",
            "a/tests/whole.rs",
        ];
        assert_eq!(test_files(&tree), expected.map(String::from).into());
    }
}
