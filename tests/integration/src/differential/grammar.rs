//! The language in which random requests are described.
//!
//! ```text
//! WORD        itself, in letters of any case
//! <hole>      something random, see `holes`
//! ( a | b )   one of them
//! [ a ]       a or nothing
//! x +         x once or several times
//! ```
//!
//! Tokens are separated by blanks.

use super::holes::Holes;

/// How many times at most something is repeated; at times it is more, to outgrow packed forms.
const REPEATS: usize = 4;
const MANY_REPEATS: usize = 60;

/// A part of a description.
#[derive(Debug)]
enum Part {
    Word(&'static str),
    Hole(&'static str),
    Choice(Vec<Vec<Part>>),
    Optional(Vec<Vec<Part>>),
    Repeated(Box<Part>),
}

/// A description that was read.
#[derive(Debug)]
pub struct Form(Vec<Part>);

impl Form {
    /// Reads a description.
    ///
    /// # Panics
    /// When it makes no sense.
    pub fn parse(text: &'static str) -> Form {
        let mut tokens = text.split(' ').peekable();
        let mut alternatives = parse_until(&mut tokens, None);
        assert_eq!(alternatives.len(), 1, "alternatives outside of brackets: {text}");
        Form(alternatives.remove(0))
    }

    /// The name of the command, in lower case.
    pub fn name(&self) -> String {
        match &self.0[0] {
            Part::Word(name) => name.to_lowercase(),
            other => panic!("a request begins with {other:?}"),
        }
    }

    /// Makes a request.
    pub fn fill(&self, holes: &mut Holes) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        fill(&self.0, holes, &mut words);
        words
    }
}

fn parse_until(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = &'static str>>,
    end: Option<&str>,
) -> Vec<Vec<Part>> {
    let mut alternatives = vec![Vec::new()];
    loop {
        let Some(token) = tokens.next() else {
            assert!(end.is_none(), "{end:?} is missing");
            return alternatives;
        };
        if Some(token) == end {
            return alternatives;
        }
        let last = alternatives.last_mut().expect("one at least");
        match token {
            "|" => alternatives.push(Vec::new()),
            "(" => last.push(Part::Choice(parse_until(tokens, Some(")")))),
            "[" => last.push(Part::Optional(parse_until(tokens, Some("]")))),
            "+" => {
                let part = last.pop().expect("something to repeat");
                last.push(Part::Repeated(Box::new(part)));
            }
            hole if hole.starts_with('<') => {
                let hole = hole.strip_prefix('<').and_then(|hole| hole.strip_suffix('>'));
                last.push(Part::Hole(hole.expect("a hole ends with >")));
            }
            word => last.push(Part::Word(word)),
        }
    }
}

fn fill(parts: &[Part], holes: &mut Holes, words: &mut Vec<Vec<u8>>) {
    for part in parts {
        fill_one(part, holes, words);
    }
}

fn fill_one(part: &Part, holes: &mut Holes, words: &mut Vec<Vec<u8>>) {
    match part {
        Part::Word(word) => words.push(holes.any_case(word)),
        Part::Hole(name) => holes.fill(name, words),
        Part::Choice(alternatives) => {
            let one = holes.random.below(alternatives.len());
            fill(&alternatives[one], holes, words);
        }
        Part::Optional(alternatives) => {
            if holes.random.once_in(2) {
                let one = holes.random.below(alternatives.len());
                fill(&alternatives[one], holes, words);
            }
        }
        Part::Repeated(part) => {
            let most = if holes.random.once_in(40) { MANY_REPEATS } else { REPEATS };
            for _ in 0..=holes.random.below(most) {
                fill_one(part, holes, words);
            }
        }
    }
}
