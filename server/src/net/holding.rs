//! Replies that leave one behind the other.
//!
//! ```text
//! sent at once:  A executes, sends (wakes its reader) │ B executes, sends (wakes again) │ …
//! held:          A executes │ B executes │ … │ A sends (wakes its reader) │ B sends │ …
//! ```
//!
//! A turn that takes longer than its reader needs to fall asleep costs a wake-up for each write: as much as two dozen cheap
//! commands. So the replies of such a turn are held until the connections that are ready have had their turns, or a short time
//! has passed. Then they are sent before anybody else has a turn. Where turns are short the reader is still awake, and where
//! they are long a wake-up is nothing beside them: there replies leave at once. INFO counts such turns: `eventloop_turns_held`.

/// Turns that take less are not held, nanoseconds: about what it takes until a reader sleeps.
const FROM_NS: u64 = 5_000;
/// For how long replies are held before those who hold them go first, nanoseconds. Turns that take so long alone are not held.
const MOST_NS: u64 = 200_000;

/// Whether replies are held, and since when.
#[derive(Debug, Default)]
pub struct Holding {
    since_ns: Option<u64>,
}

impl Holding {
    /// Whether the replies of a turn are held. `began_ns`, `ended_ns`: its first and last moment.
    #[inline]
    pub fn takes(&mut self, began_ns: u64, ended_ns: u64) -> bool {
        let takes = (FROM_NS..MOST_NS).contains(&ended_ns.saturating_sub(began_ns));
        if takes {
            self.since_ns.get_or_insert(began_ns);
        }
        takes
    }

    /// Whether anything is held.
    #[inline]
    pub fn holds(&self) -> bool {
        self.since_ns.is_some()
    }

    /// Whether those who hold replies go first now.
    pub fn is_over(&self, now_ns: u64) -> bool {
        self.since_ns.is_some_and(|since_ns| now_ns.saturating_sub(since_ns) >= MOST_NS)
    }

    /// The first of those who hold replies sends them; the others follow.
    pub fn end(&mut self) {
        self.since_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_middle_length_are_held_for_a_bounded_time() {
        let mut holding = Holding::default();
        assert!(!holding.takes(1000, 1000 + FROM_NS - 1) && !holding.takes(1000, 1000 + MOST_NS));
        assert!(!holding.holds() && !holding.is_over(u64::MAX));
        assert!(holding.takes(1000, 1000 + FROM_NS));
        assert!(holding.takes(9000, 9000 + MOST_NS - 1));
        assert!(holding.holds() && !holding.is_over(999 + MOST_NS));
        assert!(holding.is_over(1000 + MOST_NS), "the first one counts");
        holding.end();
        assert!(!holding.holds());
    }
}
