//! The rules of `tidy`, applied to this repository. What fails says what to do.

use std::path::Path;
use std::sync::OnceLock;
use tidy::tree::Tree;
use tidy::{layers, lists, references, sizes, words};

fn repository() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")))
}

#[track_caller]
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} found:\n\n{}\n", wrong.len(), wrong.join("\n"));
}

#[test]
fn crates_depend_on_what_the_code_map_allows() {
    assert_none(layers::crates(repository()));
}

#[test]
fn every_dependency_is_used() {
    assert_none(layers::unused_dependencies(repository()));
}

#[test]
fn modules_form_layers() {
    assert_none(layers::cycles(repository(), lists::CYCLES));
}

#[test]
fn unsafe_is_where_it_is_expected() {
    assert_none(layers::unsafe_code(repository(), lists::UNSAFE_FILES));
}

#[test]
fn files_are_short_enough() {
    assert_none(sizes::files(repository(), lists::LONG_FILES));
}

#[test]
fn functions_are_short_enough() {
    assert_none(sizes::functions(repository(), lists::LONG_FUNCTIONS));
}

#[test]
fn files_say_what_they_are() {
    assert_none(words::headers(repository()));
}

#[test]
fn banned_words_are_not_said() {
    assert_none(words::bans(repository(), lists::BANS));
}

#[test]
fn what_is_named_is_there() {
    assert_none(references::paths(repository(), lists::FOREIGN_PATHS));
}
