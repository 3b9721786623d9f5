//! Patterns of KEYS, SCAN, PSUBSCRIBE and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
//!
//! Matching is linear in pattern times text at worst: a star remembers only its last position.

/// The most stars with something behind them; a pattern with more matches nothing once it comes to them. Source: Redis,
/// which recurses at each.
const STARS_MAX: usize = 1000;

/// Whether `text` matches `pattern` as a whole.
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let fold = |byte: u8| if ignore_case { byte.to_ascii_lowercase() } else { byte };
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            star = Some((p, t));
            continue;
        }
        if t == text.len() {
            return pattern[p..].iter().all(|byte| *byte == b'*');
        }
        let step = match pattern.get(p) {
            None => None,
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], text[t], fold),
            Some(b'\\') if p + 1 < pattern.len() => {
                (fold(pattern[p + 1]) == fold(text[t])).then_some(2)
            }
            Some(byte) => (fold(*byte) == fold(text[t])).then_some(1),
        };
        match (step, star) {
            (Some(step), _) => {
                p += step;
                t += 1;
            }
            (None, Some((after, from))) => {
                p = after;
                t = from + 1;
                star = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
}

/// The length of the class that `pattern` begins with, if `byte` is in it. A class without an end reaches to the
/// pattern's end, as in Redis.
fn class(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    at += negated as usize;
    let byte = fold(byte);
    let mut found = false;
    loop {
        match pattern.get(at..).unwrap_or(&[]) {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= fold(*escaped) == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                let (low, high) = (fold(*low), fold(*high));
                found |= (low.min(high)..=low.max(high)).contains(&byte);
                at += 3;
            }
            [one, ..] => {
                found |= fold(*one) == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbc", false),
            ("[abc", "b", true),
            ("", "", true),
            ("a", "", false),
            ("a**", "a", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(matches(b"ABC*", b"abcd", true));
        let text = "a".repeat(1001);
        assert!(matches("*?".repeat(1000).as_bytes(), text.as_bytes(), false));
        assert!(!matches("*?".repeat(1001).as_bytes(), text.as_bytes(), false), "Redis's limit");
    }

    #[test]
    fn stars_do_not_explode() {
        let text = vec![b'a'; 100_000];
        assert!(!matches(b"a*a*a*a*a*a*a*a*a*b", &text[..2000], false));
        assert!(matches(b"*a", &text, false));
    }
}
