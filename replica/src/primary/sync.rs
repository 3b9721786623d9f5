//! The way of one snapshot from its child to the replicas that wait for it.
//!
//! ```text
//! by pipe:  Pipe ──all read──► PipeRead ──child ended──► mark ─► over
//! by file:  Saving ──child ended──► Opening ──opened──► Sending ──all read──► over
//!           each: nobody waits any more, or it cannot be read ─► Dying ──child ended──► over
//! ```
//!
//! # Not here
//! - who gets it: [`super::full_sync`]

use crate::transfer::MARK_LEN;

/// Nobody waits for it any more.
pub(super) const ALL_GONE: &str = "all replicas are gone";

/// A full sync under way.
#[derive(Debug)]
pub(super) struct FullSync {
    /// It is called so.
    pub number: u64,
    pub phase: Phase,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its pipe is read. The child may have ended before the last bytes of it are.
    Pipe { mark: [u8; MARK_LEN], child: Option<Result<(), String>> },
    /// The pipe was read to its end.
    PipeRead { mark: [u8; MARK_LEN] },
    /// The child writes a file.
    Saving,
    /// The file is whole.
    Opening,
    /// The file is read.
    Sending,
    /// The child has been told to end, and why.
    Dying { why: String },
}

/// What follows from something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing yet.
    Nothing,
    /// The child is to be ended.
    KillChild,
    /// The file is to be opened.
    OpenFile,
    /// It is over; if it went well, with these bytes at the end.
    Over(Result<Vec<u8>, String>),
}

impl FullSync {
    /// Whether its pipe or file is being read.
    pub fn reads(&self) -> bool {
        matches!(self.phase, Phase::Pipe { .. } | Phase::Sending)
    }

    /// There is no more to read.
    pub fn all_read(&mut self) -> Then {
        match &self.phase {
            Phase::Pipe { mark, child: Some(result) } => {
                Then::Over(result.clone().map(|()| mark.to_vec()))
            }
            Phase::Pipe { mark, child: None } => self.go(Phase::PipeRead { mark: *mark }),
            Phase::Sending => Then::Over(Ok(Vec::new())),
            // What was read is of no use any more.
            Phase::Dying { .. } => Then::Nothing,
            phase => panic!("nothing is read in {phase:?}"),
        }
    }

    /// It cannot be read.
    pub fn read_failed(&mut self, error: String) -> Then {
        match &self.phase {
            Phase::Pipe { child, .. } => {
                let why = format!("reading from the child: {error}");
                match child {
                    Some(_) => Then::Over(Err(why)),
                    None => self.kill(why),
                }
            }
            Phase::Opening | Phase::Sending => Then::Over(Err(error)),
            Phase::Dying { .. } => Then::Nothing,
            phase => panic!("nothing is read in {phase:?}"),
        }
    }

    /// The file is open.
    pub fn opened(&mut self) {
        assert_eq!(self.phase, Phase::Opening, "it was to be opened");
        self.phase = Phase::Sending;
    }

    /// The child has ended.
    pub fn child_ended(&mut self, result: Result<(), String>) -> Then {
        match &mut self.phase {
            Phase::Pipe { child, .. } => {
                assert!(child.is_none(), "a child ends once");
                *child = Some(result);
                Then::Nothing
            }
            Phase::PipeRead { mark } => Then::Over(result.map(|()| mark.to_vec())),
            Phase::Saving => match result {
                Ok(()) => {
                    self.phase = Phase::Opening;
                    Then::OpenFile
                }
                Err(error) => Then::Over(Err(error)),
            },
            Phase::Dying { why } => Then::Over(Err(std::mem::take(why))),
            phase => panic!("the child has ended before {phase:?}"),
        }
    }

    /// Nobody waits for it any more.
    pub fn forsaken(&mut self) -> Then {
        match &self.phase {
            Phase::Pipe { child: None, .. } | Phase::Saving => self.kill(ALL_GONE.into()),
            Phase::Pipe { child: Some(_), .. } | Phase::Opening | Phase::Sending => {
                Then::Over(Err(ALL_GONE.into()))
            }
            // The child is about to end by itself.
            Phase::PipeRead { .. } | Phase::Dying { .. } => Then::Nothing,
        }
    }

    fn kill(&mut self, why: String) -> Then {
        self.phase = Phase::Dying { why };
        Then::KillChild
    }

    fn go(&mut self, phase: Phase) -> Then {
        self.phase = phase;
        Then::Nothing
    }
}
