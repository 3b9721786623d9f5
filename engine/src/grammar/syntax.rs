//! The parser of the notation of arguments: a row's text in, a tree of arguments out.
//!
//! The notation is explained in the parent module. Rows are constants, so a text that does not parse is a mistake of
//! ours; the error says where it is, and a test parses all rows. Trees are built anew for each COMMAND DOCS: that is
//! rare, and a thousand arguments take no time.

use std::borrow::Cow;
use std::fmt;

/// One argument of a command, as COMMAND DOCS describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument<'a> {
    /// Its name, in small letters.
    pub name: Cow<'a, str>,
    /// What is expected.
    pub kind: Kind,
    /// The word before it, or the word that it is.
    pub token: Option<&'a str>,
    /// Which key specification finds it.
    pub key_spec_index: Option<usize>,
    /// The version of Redis that brought it, if later than its command.
    pub since: Option<&'a str>,
    /// The version of Redis that deprecated it.
    pub deprecated_since: Option<&'a str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether the token is repeated with it.
    pub multiple_token: bool,
    /// What is shown instead of its name.
    pub display: Option<&'a str>,
    /// The arguments of a block, or those to choose from.
    pub children: Vec<Argument<'a>>,
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl Kind {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

impl Argument<'_> {
    /// What stands for it in a synopsis: nothing for groups, whose children stand for themselves.
    pub fn display_text(&self) -> Option<&str> {
        match self.kind {
            Kind::OneOf | Kind::Block => None,
            _ => Some(self.display.unwrap_or(&self.name)),
        }
    }
}

/// Where and why a text is not in the notation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// Offset in bytes.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for SyntaxError {}

/// The arguments that `text` describes.
pub fn parse(text: &str) -> Result<Vec<Argument<'_>>, SyntaxError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let arguments = parser.items(" ")?;
    if parser.at < text.len() {
        return Err(parser.expected("a space or the end"));
    }
    Ok(arguments)
}

/// Groups in groups; the deepest of Redis are five.
const MAX_DEPTH: usize = 16;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// `item { separator item }`
    fn items(&mut self, separator: &str) -> Result<Vec<Argument<'a>>, SyntaxError> {
        let mut items = vec![self.item()?];
        while self.eat(separator) {
            items.push(self.item()?);
        }
        Ok(items)
    }

    /// `argument | "[" argument "]"`
    fn item(&mut self) -> Result<Argument<'a>, SyntaxError> {
        if !self.eat("[") {
            return self.argument();
        }
        let argument = self.argument()?;
        self.want("]", "a closing bracket")?;
        Ok(Argument { optional: true, ..argument })
    }

    /// A pure token, or a value with or without a token before it; suffixes.
    fn argument(&mut self) -> Result<Argument<'a>, SyntaxError> {
        let argument = match self.token()? {
            None => self.value(None)?,
            Some(token) => {
                let after_token = self.at;
                let repeated = self.eat("...");
                if self.eat(" ") && self.peek().is_some_and(starts_value) {
                    let value = self.value(Some(token))?;
                    Argument { multiple: repeated, multiple_token: repeated, ..value }
                } else {
                    self.at = after_token;
                    pure(token, None)
                }
            }
        };
        self.suffixes(argument)
    }

    /// `name [":" kind] | [name "="] group`, or `name "=" token` where no token came before.
    fn value(&mut self, token: Option<&'a str>) -> Result<Argument<'a>, SyntaxError> {
        if let (Some(token), Some(b'(' | b'{')) = (token, self.peek()) {
            return self.group(Cow::Owned(token.to_ascii_lowercase()), Some(token));
        }
        let name = self.run(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if name.is_empty() {
            return Err(self.expected("a name"));
        }
        if self.eat("=") {
            if matches!(self.peek(), Some(b'(' | b'{')) {
                return self.group(Cow::Borrowed(name), token);
            }
            return match self.token()? {
                Some(word) if token.is_none() => Ok(pure(word, Some(name))),
                _ => Err(self.expected("a group")),
            };
        }
        let kind = if self.eat(":") { self.kind()? } else { Kind::String };
        let key_spec_index = (kind == Kind::Key).then_some(0);
        Ok(Argument { token, key_spec_index, ..bare(Cow::Borrowed(name), kind) })
    }

    fn kind(&mut self) -> Result<Kind, SyntaxError> {
        let at = self.at;
        match self.run(|byte| byte.is_ascii_lowercase()) {
            "key" => Ok(Kind::Key),
            "int" => Ok(Kind::Integer),
            "double" => Ok(Kind::Double),
            "pattern" => Ok(Kind::Pattern),
            "time" => Ok(Kind::UnixTime),
            _ => Err(SyntaxError { at, expected: "a kind" }),
        }
    }

    /// `"(" … ")" | "{" … "}"`
    fn group(
        &mut self,
        name: Cow<'a, str>,
        token: Option<&'a str>,
    ) -> Result<Argument<'a>, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(self.expected("fewer groups in groups"));
        }
        self.depth += 1;
        let (kind, children) = if self.eat("(") {
            let children = self.items("|")?;
            self.want(")", "a bar or a closing parenthesis")?;
            (Kind::OneOf, children)
        } else {
            self.want("{", "a group")?;
            let children = self.items(" ")?;
            self.want("}", "a space or a closing brace")?;
            (Kind::Block, children)
        };
        self.depth -= 1;
        Ok(Argument { token, children, ..bare(name, kind) })
    }

    fn suffixes(&mut self, mut argument: Argument<'a>) -> Result<Argument<'a>, SyntaxError> {
        if self.eat("#") {
            let at = self.at;
            let number = self.run(|byte| byte.is_ascii_digit()).parse::<usize>();
            let number = number.map_err(|_| SyntaxError { at, expected: "a number" })?;
            argument.key_spec_index = Some(number);
        }
        if self.eat("<") {
            argument.display = Some(self.run(|byte| byte != b'>'));
            self.want(">", "a closing angle bracket")?;
        }
        if self.eat("...") {
            argument.multiple = true;
        }
        if self.eat("@") {
            argument.since = Some(self.version()?);
        }
        if self.eat("!") {
            argument.deprecated_since = Some(self.version()?);
        }
        Ok(argument)
    }

    fn version(&mut self) -> Result<&'a str, SyntaxError> {
        let at = self.at;
        let version = self.run(|byte| byte.is_ascii_digit() || byte == b'.');
        let whole = version.split('.').count() == 3 && version.split('.').all(|n| !n.is_empty());
        if whole { Ok(version) } else { Err(SyntaxError { at, expected: "a version" }) }
    }

    /// A word in capitals or anything in single quotes, if one is next.
    fn token(&mut self) -> Result<Option<&'a str>, SyntaxError> {
        if self.eat("'") {
            let token = self.run(|byte| byte != b'\'');
            if token.is_empty() {
                return Err(self.expected("a token"));
            }
            self.want("'", "a closing quote")?;
            return Ok(Some(token));
        }
        if !self.peek().is_some_and(|byte| byte.is_ascii_uppercase()) {
            return Ok(None);
        }
        Ok(Some(self.run(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-'))))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over `text` if it is next.
    fn eat(&mut self, text: &str) -> bool {
        let there = self.text[self.at..].starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn want(&mut self, text: &str, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(text) { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// The longest run of bytes that `belongs` accepts, perhaps none. It ends before an ASCII byte or the end, as all
    /// the callers' conditions see to, so it is whole characters.
    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let text: &'a str = self.text;
        let rest = &text[self.at..];
        let len = rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn expected(&self, expected: &'static str) -> SyntaxError {
        SyntaxError { at: self.at, expected }
    }
}

/// Whether a token that stands before this byte takes what follows.
fn starts_value(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'(' | b'{')
}

fn pure<'a>(token: &'a str, name: Option<&'a str>) -> Argument<'a> {
    let name = name.map_or_else(|| Cow::Owned(token.to_ascii_lowercase()), Cow::Borrowed);
    Argument { token: Some(token), ..bare(name, Kind::PureToken) }
}

fn bare(name: Cow<'_, str>, kind: Kind) -> Argument<'_> {
    Argument {
        name,
        kind,
        token: None,
        key_spec_index: None,
        since: None,
        deprecated_since: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        display: None,
        children: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Argument<'_> {
        let mut all = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    fn plain(name: &str, kind: Kind) -> Argument<'_> {
        bare(Cow::Borrowed(name), kind)
    }

    #[test]
    fn values_have_kinds() {
        let kinds = [
            ("a", Kind::String),
            ("a:int", Kind::Integer),
            ("a:double", Kind::Double),
            ("a:pattern", Kind::Pattern),
            ("a:time", Kind::UnixTime),
        ];
        for (text, kind) in kinds {
            assert_eq!(one(text), plain("a", kind), "{text}");
        }
        assert_eq!(one("a:key"), Argument { key_spec_index: Some(0), ..plain("a", Kind::Key) });
        assert_eq!(one("a:key#2"), Argument { key_spec_index: Some(2), ..plain("a", Kind::Key) });
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn tokens_take_the_value_after_them() {
        let seconds = Argument { token: Some("EX"), ..plain("seconds", Kind::Integer) };
        assert_eq!(one("EX seconds:int"), seconds);
        let names = |text| -> Vec<_> {
            let all: Vec<Argument<'_>> = parse(text).unwrap();
            all.iter().map(|argument| (argument.name.to_string(), argument.token)).collect()
        };
        let no_one = [("no".to_owned(), Some("NO")), ("one".to_owned(), Some("ONE"))];
        assert_eq!(names("NO ONE"), no_one);
        let full = [("full".to_owned(), Some("FULL")), ("count".to_owned(), Some("COUNT"))];
        assert_eq!(names("FULL [COUNT count:int]"), full);
        assert_eq!(names("change=CH"), [("change".to_owned(), Some("CH"))]);
        assert_eq!(names("auto-id='*'"), [("auto-id".to_owned(), Some("*"))]);
    }

    #[test]
    fn groups_nest_and_take_the_name_of_their_token() {
        let limit = one("[LIMIT {offset:int count:int}]");
        assert_eq!((&*limit.name, limit.kind), ("limit", Kind::Block));
        assert_eq!((limit.token, limit.optional), (Some("LIMIT"), true));
        assert_eq!(limit.children.len(), 2);
        assert_eq!(limit.display_text(), None);

        let by = one("by=(circle={BYRADIUS radius:double unit=(M|KM)}|[FAST])");
        assert_eq!((&*by.name, by.kind, by.token), ("by", Kind::OneOf, None));
        let circle = &by.children[0];
        assert_eq!(circle.children[0].token, Some("BYRADIUS"));
        assert_eq!(circle.children[1].children[1].name, "km");
        assert!(by.children[1].optional && by.children[1].kind == Kind::PureToken);

        let get = one("GET get-block={encoding offset:int}");
        assert_eq!((&*get.name, get.token), ("get-block", Some("GET")));
    }

    #[test]
    fn suffixes_come_in_order() {
        let old = one("old-format<ip:port>!2.8.12");
        assert_eq!(old.display_text(), Some("ip:port"));
        assert_eq!((old.deprecated_since, old.since), (Some("2.8.12"), None));
        let id = one("[ID client-id:int...@6.2.0]");
        assert_eq!((id.since, id.multiple, id.multiple_token), (Some("6.2.0"), true, false));
        assert_eq!(id.display_text(), Some("client-id"));
        let get = one("[GET... get-pattern:pattern#1<pattern>]");
        assert!(get.multiple && get.multiple_token && get.optional);
        assert_eq!((get.key_spec_index, get.display), (Some(1), Some("pattern")));
        let kinds = one("[TYPE kind=(A@3.2.0|B)@2.8.12]");
        assert_eq!((kinds.since, kinds.children[0].since), (Some("2.8.12"), Some("3.2.0")));
    }

    #[test]
    fn what_is_not_in_the_notation_is_refused_where_it_begins() {
        let cases = [
            (" ", 0),
            ("key:text", 4),
            ("a b ", 4),
            ("a  b", 2),
            ("[a", 2),
            ("[a b]", 2),
            ("a]", 1),
            ("x=(A|B", 6),
            ("x=(A B)", 4),
            ("x={a|b}", 4),
            ("x=y", 2),
            ("(A|B)", 0),
            ("TO x=A", 6),
            ("''", 1),
            ("'*", 2),
            ("a#", 2),
            ("a#99999999999999999999999", 2),
            ("a@7.0", 2),
            ("a<b", 3),
            ("a...:int", 4),
            ("a@7.0.0...", 2),
            ("é", 0),
        ];
        for (text, at) in cases {
            assert_eq!(parse(text).map_err(|error| error.at), Err(at), "{text}");
        }
        let deep = format!("{}a{}", "x={".repeat(MAX_DEPTH + 1), "}".repeat(MAX_DEPTH + 1));
        assert_eq!(parse(&deep).map_err(|error| error.at), Err(MAX_DEPTH * 3 + 2));
    }
}
