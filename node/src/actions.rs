//! What is to be done when a turn is over: the node's words to the outside.
//!
//! One sink lives as long as the node and is handed in to each turn, so that a turn which has nothing to say costs nothing.
//! What repeats within a turn is said once where it can be (a flush), and may be said again where that does no harm (waking).

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Orderly: all that must be on disk is.
    Done,
    /// At once, with an error: what was journaled cannot be kept.
    Fatal,
    /// What the files hold could not be loaded.
    NotLoaded(String),
}

/// What is to be done when a turn is over.
#[derive(Debug, Default)]
pub struct Actions {
    /// Sessions that have something to write, or may go on: they are to get a turn.
    pub wake: Vec<usize>,
    /// [`crate::Event::Flush`] is wanted as soon as all that is ready has had its turn.
    pub flush: bool,
    /// [`crate::Event::React`] is wanted soon.
    pub react: bool,
    /// The moment of [`crate::Node::next_alarm_ms`] may be another one.
    pub alarm: bool,
    /// There may be room again for pieces of the full sync's snapshot, or nobody waits for it any more.
    pub sync_room: bool,
    /// There is room again for what our primary sends.
    pub link_room: bool,
    /// What the link to our primary wants done, in order: dial, send, close.
    pub link: Vec<replica::link::Action>,
    /// The child of the full sync has written its file: it is to be opened, and read.
    pub open_sync_file: bool,
    /// The full sync is over: what comes of its pipe or file is not wanted any more.
    pub sync_ended: bool,
    /// [`crate::Event::LookAtEnd`] is wanted at once.
    pub end: bool,
    /// The end can come: [`crate::Event::End`] is wanted when what was flushed is on its way.
    pub end_is_there: bool,
    /// Data are loaded: what is configured may begin.
    pub ready: bool,
    /// The process ends: nothing else is done any more.
    pub exit: Option<Exit>,
}

impl Actions {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Actions { wake, flush, react, alarm, sync_room, link_room, .. } = self;
        let Actions { link, open_sync_file, sync_ended, end, end_is_there, ready, exit, .. } = self;
        let flags = *flush
            | react
            | alarm
            | sync_room
            | link_room
            | open_sync_file
            | sync_ended
            | end
            | end_is_there
            | ready;
        wake.is_empty() && link.is_empty() && !flags && exit.is_none()
    }

    /// A session is to get a turn.
    #[inline]
    pub fn wake(&mut self, slot: usize) {
        self.wake.push(slot);
    }
}
