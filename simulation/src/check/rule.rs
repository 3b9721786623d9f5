//! What each node may answer a replica that asks: the rule of `docs/replication.md`, by what was seen of the node from outside.
//!
//! ```text
//! PSYNC id next:  is `id` the name of its history, or its name before, up to where it left it?
//!                 and is next − 1 between the beginning of its backlog and its end?       both: +CONTINUE
//! ```
//!
//! What a node's names are follows from what happened to it: it was told to go on under another name, it was promoted, it took a
//! snapshot. Its backlog begins once, and then has at least so many bytes as are configured.
//!
//! # Invariants
//! - nothing here is asked of the code that decides

use super::streams::Streams;
use journal::{Journal, Offset, ReplicationId};

/// What the primary said to a replica that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on, perhaps under another name.
    Continue(Option<ReplicationId>),
    /// A snapshot of this history follows, at this offset.
    Full(ReplicationId, u64),
}

impl Answer {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        match words.next()? {
            "+CONTINUE" => {
                let id = words.next().map(|word| ReplicationId::parse(word.as_bytes()));
                Some(Self::Continue(id.flatten()))
            }
            "+FULLRESYNC" => {
                let id = ReplicationId::parse(words.next()?.as_bytes())?;
                Some(Self::Full(id, words.next()?.parse().ok()?))
            }
            _ => None,
        }
    }
}

/// How a node is at the end of a turn.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its journal.
    pub journal: &'a Journal,
    /// Whether it is a replica.
    pub is_replica: bool,
    /// Whether its link carries the stream.
    pub is_up: bool,
    /// `repl-backlog-size`.
    pub backlog_bytes: u64,
}

/// What is known of a node.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name of its history.
    pub id: ReplicationId,
    /// Its name before, and up to where it had that history.
    pub second: Option<(ReplicationId, u64)>,
    /// Where its journal ends.
    pub end: u64,
    /// Where its backlog began.
    backlog_since: Option<u64>,
    is_replica: bool,
    /// What its primary said last, and it has not obeyed yet.
    answer: Option<Answer>,
}

/// What a look has found beside what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters to others.
    None,
    /// It has taken its primary's data in the place of its own.
    Adopted,
}

impl Known {
    /// A node that has just loaded its files.
    pub fn begin(seen: Seen<'_>, streams: &mut Streams) -> Self {
        let (history, end) = (seen.journal.history, seen.journal.end().get());
        let is_fork = history.second_offset >= 0;
        let second = is_fork.then(|| (history.second_id, (history.second_offset - 1) as u64));
        // A primary has left the history of its files where they end; what it journaled since is its own (keys that had expired).
        let end = match second {
            Some((_, upto)) if !streams.knows(&history.id) => upto,
            _ => end,
        };
        streams.begin(history.id, end, second.map(|(id, _)| id));
        let backlog_since =
            seen.journal.has_backlog().then(|| seen.journal.backlog_extent().0.get());
        let is_replica = seen.is_replica;
        Self { id: history.id, second, end, backlog_since, is_replica, answer: None }
    }

    /// Its primary has answered.
    pub fn answered(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    /// Looks at a node behind a turn. `Err`: which of the rules is broken, (c) if the first is true and (e) otherwise.
    pub fn look(
        &mut self,
        seen: Seen<'_>,
        streams: &mut Streams,
    ) -> Result<Change, (bool, String)> {
        let change = self.follow(seen, streams).map_err(|text| (true, text))?;
        self.check_names(seen).map_err(|text| (true, text))?;
        self.check_backlog(seen).map_err(|text| (true, text))?;
        let end = seen.journal.end().get();
        if end != self.end {
            let from = Offset::from_wire(self.end).expect("an offset that was one");
            let (id, mut result) = (self.id, Ok(()));
            seen.journal.look_on(from, |offset, bytes| {
                if result.is_ok() {
                    result = streams.take(&id, offset.get(), bytes);
                }
            });
            result.map_err(|text| (false, text))?;
            if self.backlog_since.is_none() {
                streams.skip_to(&id, end);
            }
            self.end = end;
        }
        self.is_replica = seen.is_replica;
        Ok(change)
    }

    /// What has become of its history, by what it was told.
    fn follow(&mut self, seen: Seen<'_>, streams: &mut Streams) -> Result<Change, String> {
        let id = seen.journal.history.id;
        let obeyed = if seen.is_up { self.answer.take() } else { None };
        match obeyed {
            Some(Answer::Full(told, offset)) => {
                (self.id, self.second, self.end) = (told, None, offset);
                self.backlog_since = Some(offset);
                if !streams.knows(&told) {
                    streams.begin(told, offset, None);
                }
                return Ok(Change::Adopted);
            }
            Some(Answer::Continue(told)) => {
                let told = told.unwrap_or(self.id);
                if !streams.is_shared(&self.id, self.end, &told) {
                    return Err(format!(
                        "it goes on at {} of {} in {told}, which has not what it has",
                        self.end, self.id
                    ));
                }
                if told != self.id {
                    self.second = Some((self.id, self.end));
                    self.id = told;
                }
                self.backlog_since = self.backlog_since.or(Some(self.end));
            }
            None if id != self.id => {
                let is_promoted = self.is_replica && !seen.is_replica;
                if !is_promoted && self.backlog_since.is_some() {
                    return Err(format!("it left history {} for {id} without a reason", self.id));
                }
                let parent = is_promoted.then_some(self.id);
                // What nobody read was not counted: there is nothing to go on from.
                self.second = parent.map(|parent| (parent, self.end));
                let start = if is_promoted { self.end } else { seen.journal.end().get() };
                streams.begin(id, start, parent);
                (self.id, self.end) = (id, start);
            }
            None => {}
        }
        Ok(Change::None)
    }

    fn check_names(&self, seen: Seen<'_>) -> Result<(), String> {
        let history = seen.journal.history;
        if history.id != self.id {
            return Err(format!("its history is {}, and should be {}", history.id, self.id));
        }
        let second = (history.second_offset >= 0)
            .then(|| (history.second_id, (history.second_offset - 1) as u64));
        match (second, self.second) {
            (Some(is), Some(should)) if is == should => Ok(()),
            (None, None) => Ok(()),
            (is, should) => Err(format!("its history before is {is:?}, and should be {should:?}")),
        }
    }

    fn check_backlog(&mut self, seen: Seen<'_>) -> Result<(), String> {
        let journal = seen.journal;
        if !journal.has_backlog() {
            return match self.backlog_since {
                Some(since) => Err(format!("its backlog is gone, which began at {since}")),
                None => Ok(()),
            };
        }
        let (start, len) = journal.backlog_extent();
        let (start, end) = (start.get(), start.get() + len);
        let since = *self.backlog_since.get_or_insert(start);
        let should = since.max(end.saturating_sub(seen.backlog_bytes));
        match start <= should {
            true => Ok(()),
            false => {
                Err(format!("its backlog begins at {start}, and should at {should} or before"))
            }
        }
    }

    /// Whether somebody who asks for `next` of `id` is to be answered by a partial sync.
    pub fn is_partial(&self, id: &str, next: &str, journal: &Journal) -> bool {
        let (Some(id), Ok(next)) = (ReplicationId::parse(id.as_bytes()), next.parse::<i64>())
        else {
            return false;
        };
        let Some(have) = next.checked_sub(1).and_then(|have| u64::try_from(have).ok()) else {
            return false;
        };
        let is_ours = match self.second {
            _ if id == self.id => true,
            Some((second, upto)) => id == second && have <= upto,
            None => false,
        };
        let (start, len) = journal.backlog_extent();
        let is_there = have >= start.get() && have <= start.get() + len;
        is_ours && self.backlog_since.is_some() && is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Kind;

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::from_random([byte; 20])
    }

    fn seen(journal: &Journal, is_replica: bool) -> Seen<'_> {
        Seen { journal, is_replica, is_up: is_replica, backlog_bytes: 100 }
    }

    fn begun() -> (Journal, Streams, Known) {
        let (mut journal, mut streams) = (Journal::new(id(1)), Streams::default());
        journal.start_backlog(100);
        let known = Known::begin(seen(&journal, true), &mut streams);
        journal.append_raw(Kind::Effect, &[b'x'; 50]);
        (journal, streams, known)
    }

    #[test]
    fn a_promotion_that_keeps_one_byte_too_much_or_no_backlog_is_found() {
        for wrong in 0..3 {
            let (mut journal, mut streams, mut known) = begun();
            known.look(seen(&journal, true), &mut streams).expect("a replica");
            journal.history.fork(id(2), journal.end());
            journal.history.second_offset += i64::from(wrong == 1);
            if wrong == 2 {
                journal.drop_backlog();
            }
            let looked = known.look(seen(&journal, false), &mut streams);
            assert_eq!(looked.is_err(), wrong > 0, "{looked:?}");
            let asked = |next: &str| known.is_partial(id(1).as_str(), next, &journal);
            if wrong == 0 {
                assert!(asked("51") && !asked("52") && asked("1") && !asked("0"));
            }
        }
    }

    #[test]
    fn what_a_primary_journals_at_its_start_is_behind_its_fork() {
        let (mut journal, mut streams) = (Journal::new(id(1)), Streams::default());
        let entry = b"~0.0.0.1~";
        streams.begin(id(1), 0, None);
        streams.take(&id(1), 0, &[&[b'x'; 50][..], entry].concat()).expect("somebody else's");
        journal.restart_at(Offset::from_wire(50).expect("an offset"));
        journal.start_backlog(100);
        journal.history.fork(id(2), journal.end());
        // Keys that had expired: as many bytes as the entry that was lost.
        journal.append_raw(Kind::Effect, &[b'd'; 9]);
        Known::begin(seen(&journal, false), &mut streams);
        let log = crate::entry::Entry::parse(entry).expect("an entry").log;
        assert!(streams.last(&id(1), 59, log).is_some());
        assert_eq!(streams.last(&id(2), 59, log), None, "it is not in the history that forked");
        assert!(streams.is_shared(&id(1), 50, &id(2)) && !streams.is_shared(&id(1), 51, &id(2)));
    }

    #[test]
    fn a_backlog_that_is_too_short_is_found() {
        let (mut journal, mut streams, mut known) = begun();
        for _ in 0..9 {
            journal.append_raw(Kind::Effect, &[b'y'; 50]);
            journal.seal();
            known.look(seen(&journal, true), &mut streams).expect("100 bytes are kept");
        }
        journal.resize_backlog(49);
        let (shorter, text) =
            known.look(seen(&journal, true), &mut streams).expect_err("too short");
        assert!(shorter && text.contains("its backlog begins at 450"), "{text}");
    }

    #[test]
    fn who_goes_on_in_a_history_that_it_does_not_share_is_found() {
        let (mut journal, mut streams, mut known) = begun();
        known.look(seen(&journal, true), &mut streams).expect("a replica");
        streams.begin(id(3), 49, Some(id(1)));
        known.answered(Answer::Continue(Some(id(3))));
        journal.history.fork(id(3), journal.end());
        let looked = known.look(seen(&journal, true), &mut streams);
        assert!(looked.is_err_and(|(_, text)| text.contains("which has not what it has")));
    }

    #[test]
    fn answers_are_read_from_their_lines() {
        let line = format!("+FULLRESYNC {} 77", id(4));
        assert_eq!(Answer::parse(&line), Some(Answer::Full(id(4), 77)));
        assert_eq!(Answer::parse("+CONTINUE"), Some(Answer::Continue(None)));
        assert_eq!(Answer::parse("-LOADING no"), None);
    }
}
