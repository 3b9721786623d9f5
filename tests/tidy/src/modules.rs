//! Which file of a crate names what another one defines.
//!
//! ```text
//! use crate::files::rename;          the file that defines `rename`
//! super::limits::MAX                 the file that defines `MAX`
//! pub use inner::Table;              nothing: a signpost. Whoever uses it points to `inner`
//! mod inner;                         nothing: that is where modules are declared
//! use crate::files; … files::rename  nothing by the import, an arrow by its use
//! #[cfg(test)] mod tests { … }       nothing: tests may know all
//! ```
//!
//! An arrow goes from the file that names an item to the file that *defines* it, through as many re-exports as there are.
//! Files are what a reader opens, so modules inside a file count as the file. Methods are not looked up: `engine.put()`
//! draws no arrow to the file with the `impl`, as one would need types for that; naming the type does. Documentation
//! links draw none.
//!
//! # Not here
//! - what arrows may not do: [`crate::layers`]

use crate::tree::Tree;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// Arrows of a crate: a file, those whose items it names, and by what paths.
pub type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Re-exports that are followed before it is given up.
const DEPTH_MAX: usize = 16;

/// The arrows between the files of the crate in `folder`.
///
/// # Panics
/// If a file is missing or cannot be parsed; the compiler says that better.
pub fn graph(tree: &Tree, folder: &str) -> Graph {
    let root = ["src/lib.rs", "src/main.rs"].map(|file| format!("{folder}/{file}"));
    let root = root.into_iter().find(|file| tree.text(file).is_some());
    let root = root.unwrap_or_else(|| panic!("{folder} has neither lib.rs nor main.rs"));
    let mut modules = Modules { tree, all: Vec::new() };
    let parsed = parse(tree, &root);
    modules.add(&root, &format!("{folder}/src"), None, parsed.items);
    let mut graph = Graph::new();
    for at in 0..modules.all.len() {
        let mut names = Names { modules: &modules, at, found: BTreeMap::new(), in_block: false };
        modules.all[at].items.iter().for_each(|item| names.visit_item(item));
        let (file, found) = (&modules.all[at].file, names.found);
        let row = graph.entry(file.clone()).or_default();
        for (other, paths) in found.into_iter().filter(|(other, _)| other != file) {
            row.entry(other).or_default().extend(paths);
        }
    }
    graph
}

fn parse(tree: &Tree, path: &str) -> syn::File {
    let text = tree.text(path).unwrap_or_else(|| panic!("{path} is declared and not there"));
    syn::parse_file(text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Whether something exists in tests only.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg = attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let first = list.tokens.clone().into_iter().next();
                matches!(first, Some(TokenTree::Ident(word)) if word == "test")
            });
        cfg || attribute.path().is_ident("test")
    })
}

/// What a name in a module stands for.
enum Named {
    Module(usize),
    /// Defined there.
    Here,
    /// The end of a `use`.
    Use(Vec<String>),
}

struct Module {
    file: String,
    parent: Option<usize>,
    names: BTreeMap<String, Named>,
    /// Paths before `::*`.
    globs: Vec<Vec<String>>,
    items: Vec<Item>,
}

struct Modules<'a> {
    tree: &'a Tree,
    all: Vec<Module>,
}

impl Modules<'_> {
    /// Adds a module and those in it; `folder` is where the files of its children lie.
    fn add(&mut self, file: &str, folder: &str, parent: Option<usize>, items: Vec<Item>) -> usize {
        let at = self.all.len();
        let (names, globs) = (BTreeMap::new(), Vec::new());
        self.all.push(Module { file: file.to_owned(), parent, names, globs, items: Vec::new() });
        let mut kept = Vec::new();
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let inner = format!("{folder}/{name}");
                    let child = match module.content {
                        Some((_, items)) => self.add(file, &inner, Some(at), items),
                        None => {
                            let path = self.file_of(&inner);
                            let items = parse(self.tree, &path).items;
                            self.add(&path, &inner, Some(at), items)
                        }
                    };
                    self.all[at].names.insert(name, Named::Module(child));
                }
                Item::Use(item) => {
                    for (name, path) in leaves(&item.tree) {
                        match name {
                            Some(name) => {
                                self.all[at].names.entry(name).or_insert(Named::Use(path));
                            }
                            None => self.all[at].globs.push(path),
                        }
                    }
                    kept.push(Item::Use(item));
                }
                other => {
                    if let Some(name) = name_of(&other) {
                        // A type wins over a `use` of a trait or macro with its name, and over nothing else.
                        self.all[at].names.insert(name, Named::Here);
                    }
                    kept.push(other);
                }
            }
        }
        self.all[at].items = kept;
        at
    }

    fn file_of(&self, stem: &str) -> String {
        let flat = format!("{stem}.rs");
        if self.tree.text(&flat).is_some() { flat } else { format!("{stem}/mod.rs") }
    }

    fn root(&self) -> usize {
        0
    }

    /// The module that defines what `path` names in module `at`, and whether it is that module itself that is named.
    /// `None`: it is not of this crate.
    fn resolve(&self, at: usize, path: &[String], depth: usize) -> Option<(usize, bool)> {
        let mut rest = path;
        let mut now = at;
        let mut is_module = false;
        let mut is_anchored = false;
        while let Some((word, others)) = rest.split_first() {
            match word.as_str() {
                "crate" => now = self.root(),
                "self" if !is_anchored => {}
                "self" => return Some((now, true)),
                "super" => now = self.all[now].parent?,
                _ => break,
            }
            (rest, is_module, is_anchored) = (others, true, true);
        }
        for (index, word) in rest.iter().enumerate() {
            if word == "self" {
                return Some((now, true));
            }
            match self.look(now, word, depth)? {
                Found::Module(module) => (now, is_module) = (module, true),
                Found::Item(module) => return Some((module, false)),
                // The first word of a path may be another crate, or a name of the language.
                Found::Nothing if index == 0 && !is_anchored => return None,
                // Made by a macro, or a macro itself.
                Found::Nothing => return Some((now, false)),
            }
        }
        Some((now, is_module))
    }

    /// What a name is in a module.
    fn look(&self, at: usize, name: &str, depth: usize) -> Option<Found> {
        if depth > DEPTH_MAX {
            return Some(Found::Nothing);
        }
        Some(match self.all[at].names.get(name) {
            Some(Named::Module(module)) => Found::Module(*module),
            Some(Named::Here) => Found::Item(at),
            Some(Named::Use(path)) => {
                // `use bytes::Bytes` names nothing of ours.
                let (module, is_module) = self.resolve_use(at, name, path, depth + 1)?;
                if is_module { Found::Module(module) } else { Found::Item(module) }
            }
            None => self.look_in_globs(at, name, depth),
        })
    }

    /// The target of a `use` in module `at`, which itself must not answer for its own first word.
    fn resolve_use(
        &self,
        at: usize,
        name: &str,
        path: &[String],
        depth: usize,
    ) -> Option<(usize, bool)> {
        if path.first().is_some_and(|first| first == name) {
            // `use bytes;` or `use std::…::std`: of another crate, unless the first word is a child.
            match self.all[at].names.get(name) {
                Some(Named::Module(_)) => {}
                _ => return None,
            }
        }
        self.resolve(at, path, depth)
    }

    fn look_in_globs(&self, at: usize, name: &str, depth: usize) -> Found {
        for path in &self.all[at].globs {
            let Some((module, true)) = self.resolve(at, path, depth + 1) else { continue };
            if module == at {
                continue;
            }
            match self.look(module, name, depth + 1) {
                Some(Found::Nothing) | None => {}
                Some(found) => return found,
            }
        }
        Found::Nothing
    }

    fn is_inside(&self, module: usize, outer: usize) -> bool {
        let mut now = Some(module);
        while let Some(at) = now {
            if at == outer {
                return true;
            }
            now = self.all[at].parent;
        }
        false
    }
}

enum Found {
    Module(usize),
    /// Defined in that module.
    Item(usize),
    Nothing,
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(i) => i.ident.to_string(),
        Item::Enum(i) => i.ident.to_string(),
        Item::Fn(i) => i.sig.ident.to_string(),
        Item::Macro(i) => i.ident.as_ref()?.to_string(),
        Item::Static(i) => i.ident.to_string(),
        Item::Struct(i) => i.ident.to_string(),
        Item::Trait(i) => i.ident.to_string(),
        Item::Type(i) => i.ident.to_string(),
        Item::Union(i) => i.ident.to_string(),
        _ => return None,
    })
}

/// The ends of a `use`: the name that it gives, if it is not a glob, and the path.
fn leaves(tree: &UseTree) -> Vec<(Option<String>, Vec<String>)> {
    let below = |first: &str, tree: &UseTree| {
        let mut all = leaves(tree);
        all.iter_mut().for_each(|(_, path)| path.insert(0, first.to_owned()));
        all
    };
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let mut all = below(&first, &path.tree);
            for (name, _) in &mut all {
                // `a::{self}` gives the name `a`.
                if name.as_deref() == Some("self") {
                    *name = Some(first.clone());
                }
            }
            all
        }
        UseTree::Name(name) => vec![(Some(name.ident.to_string()), vec![name.ident.to_string()])],
        UseTree::Rename(name) => {
            vec![(Some(name.rename.to_string()), vec![name.ident.to_string()])]
        }
        UseTree::Glob(_) => vec![(None, Vec::new())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Collects what one module names.
struct Names<'a> {
    modules: &'a Modules<'a>,
    at: usize,
    found: BTreeMap<String, BTreeSet<String>>,
    in_block: bool,
}

impl Names<'_> {
    fn name(&mut self, path: &[String]) {
        if let Some((module, false)) = self.modules.resolve(self.at, path, 0) {
            self.add(module, path);
        }
    }

    fn add(&mut self, module: usize, path: &[String]) {
        let row = self.found.entry(self.modules.all[module].file.clone()).or_default();
        row.insert(path.join("::"));
    }

    /// Paths in the arguments of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.end_of_path(&mut path);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_of_path(&mut path);
                    colons = 0;
                    if group.delimiter() != Delimiter::None || !group.stream().is_empty() {
                        self.tokens(group.stream());
                    }
                }
                _ => {
                    self.end_of_path(&mut path);
                    colons = 0;
                }
            }
        }
        self.end_of_path(&mut path);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.name(path);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outer = std::mem::replace(&mut self.in_block, true);
        visit::visit_block(self, block);
        self.in_block = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_signpost = !matches!(item.vis, syn::Visibility::Inherited);
        for (name, path) in leaves(&item.tree) {
            let Some((module, is_module)) = self.modules.resolve(self.at, &path, 0) else {
                continue;
            };
            if is_signpost && self.modules.is_inside(module, self.at) {
                continue;
            }
            // A module's name is an arrow where something in it is named; a glob names whatever is there, and what a
            // function imports for itself is not looked up.
            if !is_module || name.is_none() || self.in_block {
                self.add(module, &path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        // A single word is of this module, or comes by a `use`, which counts.
        if words.len() > 1 {
            self.name(&words);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> Tree {
        files
            .iter()
            .fold(Tree::default(), |tree, (path, text)| tree.with(&format!("c/src/{path}"), text))
    }

    fn arrows(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let short = |path: &String| path.strip_prefix("c/src/").unwrap().to_owned();
        let graph = graph(&crate_of(files), "c");
        let pairs = graph.iter().flat_map(|(from, to)| to.keys().map(move |to| (from, to)));
        pairs.map(|(from, to)| (short(from), short(to))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn an_import_is_an_arrow_to_the_definition() {
        let found = arrows(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::{self, inner::{T as Other, self}, f};"),
            ("b/mod.rs", "pub mod inner; pub fn f() {}"),
            ("b/inner.rs", "pub struct T;"),
        ]);
        assert_eq!(found, pairs(&[("a.rs", "b/inner.rs"), ("a.rs", "b/mod.rs")]));
    }

    #[test]
    fn signposts_are_followed_and_are_no_arrows() {
        let found = arrows(&[
            ("lib.rs", "mod a; mod b; pub use b::T;"),
            ("a.rs", "fn f(_: crate::T) {} use super::b::Other;"),
            (
                "b/mod.rs",
                "mod inner; mod other; pub use inner::*; pub(crate) use self::other::Other;",
            ),
            ("b/inner.rs", "pub struct T;"),
            ("b/other.rs", "pub struct Other;"),
        ]);
        assert_eq!(found, pairs(&[("a.rs", "b/inner.rs"), ("a.rs", "b/other.rs")]));
        let found = arrows(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub use crate::b::T;"),
            ("b.rs", "pub struct T;"),
        ]);
        assert_eq!(found, pairs(&[("a.rs", "b.rs")]), "that of a stranger is an arrow");
    }

    #[test]
    fn paths_in_code_and_in_macros_are_arrows() {
        let found = arrows(&[
            ("lib.rs", "mod a; mod b; mod d; fn f() { a::f(); }"),
            (
                "a.rs",
                "use crate::{b, d}; pub fn f() -> Vec<b::T> { assert!(g(d::MAX) == 1, \"x\"); }",
            ),
            ("b.rs", "pub struct T; impl T { fn f() { use super::d; let _ = d::MAX; } }"),
            ("d.rs", "pub const MAX: u8 = 1;"),
        ]);
        let expected = [("a.rs", "b.rs"), ("a.rs", "d.rs"), ("b.rs", "d.rs"), ("lib.rs", "a.rs")];
        assert_eq!(found, pairs(&expected));
    }

    #[test]
    fn declarations_tests_and_strangers_are_none() {
        let found = arrows(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "use std::fmt; use bytes::Bytes; use bytes; use b::T as Strange;
                 #[cfg(test)] mod tests { use crate::b::T; }
                 #[cfg(test)] use crate::b::T;
                 impl fmt::Debug for A { #[cfg(test)] fn f() { crate::b::f() } }",
            ),
            ("b.rs", "pub struct T;"),
        ]);
        assert_eq!(found, pairs(&[]));
    }

    #[test]
    fn modules_in_a_file_are_the_file() {
        let found = arrows(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "pub mod inner { use super::T; use super::super::b::f; pub struct S; } pub struct T;",
            ),
            ("b.rs", "use crate::a::inner::S; pub fn f() {}"),
        ]);
        assert_eq!(found, pairs(&[("a.rs", "b.rs"), ("b.rs", "a.rs")]));
    }

    #[test]
    fn a_glob_is_an_arrow() {
        let found = arrows(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; pub struct T;"),
            ("a/b.rs", "use super::*;"),
        ]);
        assert_eq!(found, pairs(&[("a/b.rs", "a/mod.rs")]));
    }
}
