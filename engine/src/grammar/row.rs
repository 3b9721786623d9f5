//! One row of the grammar: what Redis 7.2 says about a command.
//!
//! # Not here
//! - what the columns mean, and the notation of `syntax`: the parent module

use super::key_spec::KeySpec;
use super::syntax::{self, Argument};

/// What Redis 7.2 says about one command.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Lower-case name; of a subcommand, with its container: `client|kill`.
    pub name: &'static str,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// Cost; empty if unknown.
    pub complexity: &'static str,
    /// What it does, in a sentence; empty for some that are not there.
    pub summary: &'static str,
    /// Its arguments, in the notation above.
    pub syntax: &'static str,
    /// Where its keys are and what is done with them.
    pub keys: &'static [KeySpec],
    /// Tips for clients and proxies, as COMMAND INFO has them.
    pub tips: &'static [&'static str],
    /// ACL categories, without the `@`, that do not follow from the flags of the command.
    pub categories: &'static [&'static str],
    /// Versions that changed it, and how.
    pub history: &'static [(&'static str, &'static str)],
    /// Since when it is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Whether it is for servers among themselves, or for tests: `syscmd`.
    pub internal: bool,
}

/// What stands for the documentation of a row until the table is built.
pub(crate) const NONE: &Grammar = &row("", "", "");

impl Grammar {
    /// Its arguments as a tree.
    pub fn arguments(&self) -> Vec<Argument<'static>> {
        match syntax::parse(self.syntax) {
            Ok(arguments) => arguments,
            Err(error) => panic!("syntax of {}: {error}", self.name),
        }
    }

    pub(super) const fn summary(mut self, summary: &'static str) -> Grammar {
        self.summary = summary;
        self
    }

    pub(super) const fn syntax(mut self, syntax: &'static str) -> Grammar {
        self.syntax = syntax;
        self
    }

    pub(super) const fn keys(mut self, keys: &'static [KeySpec]) -> Grammar {
        self.keys = keys;
        self
    }

    pub(super) const fn tips(mut self, tips: &'static [&'static str]) -> Grammar {
        self.tips = tips;
        self
    }

    pub(super) const fn categories(mut self, categories: &'static [&'static str]) -> Grammar {
        self.categories = categories;
        self
    }

    pub(super) const fn history(
        mut self,
        history: &'static [(&'static str, &'static str)],
    ) -> Grammar {
        self.history = history;
        self
    }

    pub(super) const fn deprecated(
        mut self,
        since: &'static str,
        replacement: &'static str,
    ) -> Grammar {
        self.deprecated = Some((since, replacement));
        self
    }

    pub(super) const fn internal(mut self) -> Grammar {
        self.internal = true;
        self
    }
}

/// A row with its first columns; the others are added by the methods of their names.
pub(super) const fn row(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
) -> Grammar {
    Grammar {
        name,
        since,
        complexity,
        summary: "",
        syntax: "",
        keys: &[],
        tips: &[],
        categories: &[],
        history: &[],
        deprecated: None,
        internal: false,
    }
}
