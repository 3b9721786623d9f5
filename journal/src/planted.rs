//! Mistakes that can be planted, to prove that the simulation finds them. None exists without the feature `planted`, which no
//! server is built with.
//!
//! A mistake is planted for a thread, and asked for by name where it is made. It lives here because this is the lowest
//! crate that all know who make one.
//!
//! # Invariants
//! - without the feature [`is`] is false, and costs nothing

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Replies wait for no disk.
    ReplyBeforeFsync,
    /// The worker of the append-only file says that it has fsynced, and has not.
    FsyncLeftOut,
    /// A replica that has exactly all is not let go on.
    DecisionOffByOne,
    /// A new reader of the stream is not told its database.
    SelectMissing,
    /// A replica removes expired keys by itself.
    ReplicaExpires,
    /// The history before is kept one byte too far.
    SecondHistoryTooFar,
    /// The backlog is dropped at a promotion.
    BacklogDropped,
    /// A file gets its name before it is fsynced.
    NamedBeforeFsync,
    /// The manifest names a base before that is there.
    ManifestBeforeBase,
    /// What was appended while a rewrite lasted is taken for what the new base has.
    RewriteLosesTail,
    /// A torn tail is left where it is, and more comes behind it.
    TornTailLeft,
    /// After a full sync the append-only file goes on behind the data of before.
    FileNotBegunAnew,
    /// What came of a transaction is executed where the connection ends before its EXEC.
    HalfTransaction,
    /// A snapshot whose transfer is cut short is taken for a whole one.
    TransferCutShort,
    /// A full sync replaces data without a word to the transactions that watch keys of them.
    WatchKeptBySync,
    /// DEBUG RELOAD does.
    WatchKeptByReload,
    /// The blocks that a replica has still to get are not kept.
    TrimmedBelowCursor,
    /// Blocks of the history before are found among those of the present one.
    OldBlocksFound,
    /// The database that the stream stands in is forgotten by a full sync.
    DatabaseForgotten,
    /// The reply to a transaction depends on nothing.
    ReceiptLeftOut,
    /// What was sent to a replica counts as acknowledged.
    SentIsAcknowledged,
    /// A replica counts PING twice.
    PingTwice,
    /// A promoted replica goes on under the name of its primary's history.
    NameKept,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 23] = [
        Fault::ReplyBeforeFsync,
        Fault::FsyncLeftOut,
        Fault::DecisionOffByOne,
        Fault::SelectMissing,
        Fault::ReplicaExpires,
        Fault::SecondHistoryTooFar,
        Fault::BacklogDropped,
        Fault::NamedBeforeFsync,
        Fault::ManifestBeforeBase,
        Fault::RewriteLosesTail,
        Fault::TornTailLeft,
        Fault::FileNotBegunAnew,
        Fault::HalfTransaction,
        Fault::TransferCutShort,
        Fault::WatchKeptBySync,
        Fault::WatchKeptByReload,
        Fault::TrimmedBelowCursor,
        Fault::OldBlocksFound,
        Fault::DatabaseForgotten,
        Fault::ReceiptLeftOut,
        Fault::SentIsAcknowledged,
        Fault::PingTwice,
        Fault::NameKept,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake on this thread, in the place of the one before.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether this mistake is to be made.
#[cfg(feature = "planted")]
pub fn is(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether this mistake is to be made: never.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is(_: Fault) -> bool {
    false
}

#[cfg(all(test, feature = "planted"))]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_made_where_it_is_planted_and_nowhere_else() {
        assert!(Fault::ALL.iter().all(|fault| !is(*fault)));
        plant(Some(Fault::SelectMissing));
        assert!(is(Fault::SelectMissing) && !is(Fault::ReplyBeforeFsync));
        std::thread::scope(|scope| scope.spawn(|| assert!(!is(Fault::SelectMissing))));
        plant(None);
        assert!(!is(Fault::SelectMissing));
    }
}
