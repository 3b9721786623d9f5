//! Whether a transaction is spoilt where the data that it goes by were replaced.
//!
//! ```text
//! WATCH key ─► a full sync is adopted, or DEBUG RELOAD ─► EXEC: nil, whatever the key holds now
//! ```
//!
//! A node may take a transaction for spoilt that is not; so nothing is asked of those that are nil. A key that was not there when
//! it was watched, and is not now, spoils nothing.
//!
//! # Not here
//! - how often a node's data were replaced: [`crate::process`]

use crate::reply::Reply;

/// What a session watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watching(Option<u64>);

impl Watching {
    /// A command has been answered. `replaced`: how often the data were replaced so far; `is_there`: whether a key is there now.
    pub fn answered(
        &mut self,
        words: &[&[u8]],
        reply: &Reply,
        replaced: u64,
        is_there: impl Fn(&[u8]) -> bool,
    ) -> Result<(), String> {
        match words {
            [b"WATCH", key] if matches!(reply, Reply::Line(_)) && is_there(key) => {
                self.0.get_or_insert(replaced);
            }
            [b"UNWATCH" | b"DISCARD"] => self.0 = None,
            [b"EXEC"] => {
                let since = self.0.take();
                if since.is_some_and(|since| since < replaced) && matches!(reply, Reply::Array(_)) {
                    return Err("executes a transaction that watches a key, and the data were \
                                replaced since"
                        .into());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it watches something.
    pub fn is_any(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok() -> Reply {
        Reply::Line("OK".into())
    }

    #[test]
    fn a_transaction_on_data_that_were_replaced_is_found() {
        let done = Reply::Array(vec![Reply::Int(1)]);
        for (there, replaced, reply, is_wrong) in [
            (true, 4, done.clone(), true),
            (true, 3, done.clone(), false),
            (true, 4, Reply::Nil, false),
            (true, 4, Reply::Error("EXECABORT no".into()), false),
            (false, 4, done.clone(), false),
        ] {
            let mut watching = Watching::default();
            watching.answered(&[b"WATCH", b"k"], &ok(), 3, |_| there).expect("it begins");
            assert_eq!(watching.is_any(), there);
            watching.answered(&[b"MULTI"], &ok(), replaced, |_| there).expect("it goes on");
            let ended = watching.answered(&[b"EXEC"], &reply, replaced, |_| there);
            assert_eq!(ended.is_err(), is_wrong, "{there} {replaced} {reply:?}");
            assert!(!watching.is_any(), "EXEC ends it");
        }
    }

    #[test]
    fn what_is_refused_or_given_up_is_not_watched() {
        let mut watching = Watching::default();
        let refused = Reply::Error("LOADING no".into());
        watching.answered(&[b"WATCH", b"k"], &refused, 3, |_| true).expect("it begins");
        assert!(!watching.is_any());
        watching.answered(&[b"WATCH", b"k"], &ok(), 3, |_| true).expect("it begins");
        watching.answered(&[b"UNWATCH"], &ok(), 3, |_| true).expect("it ends");
        assert!(!watching.is_any());
    }
}
