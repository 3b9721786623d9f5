//! What a script says about itself: its first line, and the flags that are named there or with a function.
//!
//! ```text
//! #!lua flags=no-writes,allow-stale
//! #!lua name=mylib
//! ```

/// What a script may and must not do, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It does not write.
    pub const NO_WRITES: u8 = 1;
    /// It may run when memory is short.
    pub const ALLOW_OOM: u8 = 1 << 1;
    /// It may run on a replica without its primary.
    pub const ALLOW_STALE: u8 = 1 << 2;
    /// It is not for clusters.
    pub const NO_CLUSTER: u8 = 1 << 3;
    /// In a cluster, its keys may lie in several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: u8 = 1 << 4;
    /// It says nothing about itself: as scripts were before there were flags.
    pub const UNDECLARED: u8 = 1 << 5;

    /// All of those with a name, in the order in which they are shown.
    pub const NAMES: &[(u8, &str)] = &[
        (Flags::NO_WRITES, "no-writes"),
        (Flags::ALLOW_OOM, "allow-oom"),
        (Flags::ALLOW_STALE, "allow-stale"),
        (Flags::NO_CLUSTER, "no-cluster"),
        (Flags::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    /// Whether any of these is set.
    pub fn has(self, flags: u8) -> bool {
        self.0 & flags != 0
    }

    /// The flag of that name.
    pub fn named(name: &[u8]) -> Option<u8> {
        let found = Flags::NAMES.iter().find(|(_, own)| own.as_bytes() == name);
        found.map(|(flag, _)| *flag)
    }
}

/// The words of a first line, and what follows it.
struct FirstLine<'a> {
    words: Vec<Vec<u8>>,
    rest: &'a [u8],
}

/// The first line, if the script begins with `#!`.
fn first_line(script: &[u8]) -> Result<Option<FirstLine<'_>>, &'static str> {
    if !script.starts_with(b"#!") {
        return Ok(None);
    }
    let end = script.iter().position(|byte| *byte == b'\n').ok_or("Invalid script shebang")?;
    let words = split(&script[..end]).filter(|words| !words.is_empty());
    let words = words.ok_or("Invalid engine in script shebang")?;
    Ok(Some(FirstLine { words, rest: &script[end..] }))
}

/// Splits a line into words as requests in one line are: quotes hold together what has blanks.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut at) = (Vec::new(), 0);
    let blank = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    loop {
        while line.get(at).is_some_and(|byte| blank(*byte)) {
            at += 1;
        }
        if at >= line.len() || line[at] == 0 {
            return Some(words);
        }
        let (mut word, mut quote) = (Vec::new(), 0u8);
        loop {
            let byte = line.get(at).copied().filter(|byte| *byte != 0);
            match (quote, byte) {
                (0, None) => break,
                (0, Some(byte)) if blank(byte) => break,
                (0, Some(byte @ (b'"' | b'\''))) => quote = byte,
                (_, None) => return None,
                (open, Some(byte)) if open != 0 && byte == open => {
                    // A closing quote is the end of a word.
                    if line.get(at + 1).is_some_and(|byte| !blank(*byte)) {
                        return None;
                    }
                    at += 1;
                    break;
                }
                (_, Some(byte)) => word.push(byte),
            }
            at += 1;
        }
        words.push(word);
    }
}

/// What a script's first line says, and the script without it: its line's end stays, so that lines keep their numbers.
pub fn of_script(script: &[u8]) -> Result<(Flags, &[u8]), Vec<u8>> {
    let Some(line) = first_line(script)? else {
        return Ok((Flags(Flags::UNDECLARED), script));
    };
    if line.words[0] != b"#!lua" {
        return Err([b"Unexpected engine in script shebang: ", &line.words[0][..]].concat());
    }
    let mut flags = Flags::default();
    for word in &line.words[1..] {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err([b"Unknown lua shebang option: ", &word[..]].concat());
        };
        for name in list.split(|byte| *byte == b',').filter(|_| !list.is_empty()) {
            flags.0 |= Flags::named(name)
                .ok_or_else(|| [b"Unexpected flag in script shebang: ", name].concat())?;
        }
    }
    Ok((flags, line.rest))
}

/// What the first line of a library says.
pub struct Library<'a> {
    /// The engine that runs it.
    pub engine: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// The code without the first line.
    pub code: &'a [u8],
}

/// What a name must be.
pub(crate) const WRONG_NAME: &[u8] = b"Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may have this name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Reads the first line of a library.
pub fn of_library(code: &[u8]) -> Result<Library<'_>, Vec<u8>> {
    if !code.starts_with(b"#!") {
        return Err(b"Missing library metadata".to_vec());
    }
    let end =
        code.iter().position(|byte| *byte == b'\n').ok_or(&b"Invalid library metadata"[..])?;
    let words = split(&code[..end]).filter(|words| !words.is_empty());
    let words = words.ok_or(&b"Invalid library metadata"[..])?;
    let engine = words[0][2..].to_vec();
    let mut name = None;
    for word in &words[1..] {
        match word {
            word if word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"name=") => {
                if name.replace(word[5..].to_vec()).is_some() {
                    let text = b"Invalid metadata value, name argument was given multiple times";
                    return Err(text.to_vec());
                }
            }
            word => return Err([b"Invalid metadata value given: ", &word[..]].concat()),
        }
    }
    let name = name.ok_or(&b"Library name was not given"[..])?;
    Ok(Library { engine, name, code: &code[end..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<(u8, String), String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = of_script(text.as_bytes());
        read.map(|(flags, rest)| (flags.0, lossy(rest))).map_err(|text| lossy(&text))
    }

    #[test]
    fn first_lines_of_scripts() {
        let ok = |flags: u8, rest: &str| Ok((flags, rest.to_owned()));
        assert_eq!(script("return 1"), ok(Flags::UNDECLARED, "return 1"));
        assert_eq!(script("#!lua\nreturn 1"), ok(0, "\nreturn 1"));
        assert_eq!(script("#!lua flags=\nx"), ok(0, "\nx"));
        assert_eq!(script("#!lua flags=no-writes,allow-oom\n"), ok(3, "\n"));
        assert_eq!(script("#!lua flags=allow-stale  flags=no-cluster \nx"), ok(12, "\nx"));
        for (text, error) in [
            ("#!lua", "Invalid script shebang"),
            ("#!lua \"\n", "Invalid engine in script shebang"),
            ("#!not-lua\nx", "Unexpected engine in script shebang: #!not-lua"),
            ("#!lua name=x\nx", "Unknown lua shebang option: name=x"),
            ("#!lua flags=no-writes,x\n", "Unexpected flag in script shebang: x"),
        ] {
            assert_eq!(script(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn first_lines_of_libraries() {
        let library =
            of_library(b"#!lua name=my_lib\ncode").unwrap_or_else(|_| panic!("it is one"));
        assert_eq!((&library.engine[..], &library.name[..]), (&b"lua"[..], &b"my_lib"[..]));
        assert_eq!(library.code, b"\ncode");
        for (text, error) in [
            ("code", "Missing library metadata"),
            ("#!lua name=x", "Invalid library metadata"),
            ("#!lua\n", "Library name was not given"),
            (
                "#!lua name=a name=b\n",
                "Invalid metadata value, name argument was given multiple times",
            ),
            ("#!lua name=a b\n", "Invalid metadata value given: b"),
        ] {
            assert_eq!(
                of_library(text.as_bytes()).err(),
                Some(error.as_bytes().to_vec()),
                "{text}"
            );
        }
    }
}
