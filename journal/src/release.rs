//! What a reply waits for, and whether it has come: the one question of gates, WAIT and WAITAOF.
//!
//! ```text
//!                      ┌ gate, `appendfsync always`:  on our disk
//! Receipt ── covers? ──┤ WAIT n:                      applied by n replicas
//!                      └ WAITAOF l n:                 on our disk if l, and on that of n replicas
//! ```
//!
//! A [`Receipt`] says where a unit went; a [`Demand`] how far it has to have come; a [`Reached`] how far all has come. A
//! receipt of one history asks in vain for nothing: after another history began it is compared as a number, as Redis does.
//!
//! # Invariants
//! - what covers a receipt covers all receipts before it in the same history
//!
//! # Not here
//! - where the figures come from: the append thread's are in `backup::aof`, those of replicas in `replica::feed`

use crate::position::{Offset, Position};

/// Where a unit went: what its reply depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The offset behind it: what replicas acknowledge.
    pub offset: Offset,
    /// The position behind it: what the disk acknowledges.
    pub position: Position,
}

impl Receipt {
    /// Of nothing: everything covers it.
    pub const NOTHING: Receipt = Receipt { offset: Offset::START, position: Position::START };

    /// As two words, for who carries it without knowing what it is. [`Journal::recall`](crate::Journal::recall) makes it a
    /// receipt again. That of nothing is two zeros.
    #[inline]
    pub fn to_note(self) -> [u64; 2] {
        [self.offset.get(), self.position.get()]
    }

    #[inline]
    pub(crate) fn from_note([offset, position]: [u64; 2]) -> Receipt {
        Receipt { offset: Offset::from_note(offset), position: Position::from_note(position) }
    }

    /// Whether who waits for this waits for `other` as well.
    #[inline]
    pub fn includes(&self, other: &Receipt) -> bool {
        self.offset >= other.offset && self.position >= other.position
    }
}

/// What our own disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct OnDisk(Position);

impl OnDisk {
    /// Nobody waits for it: as good as everything.
    pub const NOT_AWAITED: OnDisk = OnDisk(Position::NEVER);

    /// Everything up to here.
    #[inline]
    pub fn up_to(position: Position) -> OnDisk {
        OnDisk(position)
    }

    /// Whether it has what the receipt is for.
    #[inline]
    pub fn covers(self, receipt: &Receipt) -> bool {
        receipt.position <= self.0
    }
}

/// What one replica has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// It has applied everything up to here.
    pub applied: Offset,
    /// Everything up to here is on its disk, if it says so.
    pub durable: Option<Offset>,
}

impl Acknowledged {
    /// Whether it has what the receipt is for.
    pub fn covers(&self, receipt: &Receipt, depth: Depth) -> bool {
        match depth {
            Depth::Applied => self.applied >= receipt.offset,
            Depth::Durable => self.durable.is_some_and(|durable| durable >= receipt.offset),
        }
    }
}

/// How far a replica has to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// It has executed it.
    Applied,
    /// It is on its disk.
    Durable,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Our own disk has to have it.
    pub local: bool,
    /// So many replicas have to.
    pub replicas: usize,
    /// And so far.
    pub depth: Depth,
}

/// How far all have come, at one moment.
#[derive(Clone, Debug)]
pub struct Reached<I> {
    /// Our own disk, if it has a file from which a restart would bring it back.
    pub disk: Option<OnDisk>,
    /// The replicas that the stream reaches.
    pub replicas: I,
}

impl<I: Iterator<Item = Acknowledged> + Clone> Reached<I> {
    /// Whether it is on our disk.
    pub fn on_disk(&self, receipt: &Receipt) -> bool {
        self.disk.is_some_and(|disk| disk.covers(receipt))
    }

    /// How many replicas have it.
    pub fn replicas(&self, receipt: &Receipt, depth: Depth) -> usize {
        self.replicas.clone().filter(|replica| replica.covers(receipt, depth)).count()
    }

    /// Whether what is demanded has come.
    pub fn covers(&self, receipt: &Receipt, demand: &Demand) -> bool {
        (!demand.local || self.on_disk(receipt))
            && self.replicas(receipt, demand.depth) >= demand.replicas
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Journal, Kind, ReplicationId};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A journal, and beside each receipt that it gave the bytes that the disk and a replica have to have got by then.
    struct Scene {
        journal: Journal,
        disk: crate::CursorId,
        /// Read by the disk so far, in bytes of the model and as the journal says.
        read: (usize, Position),
        /// Bytes of all units for the disk and for replicas.
        written: (usize, usize),
        given: Vec<(Receipt, usize, usize)>,
    }

    impl Scene {
        fn new() -> Scene {
            let mut journal = Journal::new(ReplicationId::from_random([7; 20]));
            journal.start_backlog(1 << 20);
            let disk = journal.subscribe(Class::Disk);
            let read = (0, journal.receipt().position);
            Scene { journal, disk, read, written: (0, 0), given: Vec::new() }
        }

        fn write(&mut self, kind: Kind, len: usize) {
            self.journal.append_raw(kind, &vec![b'x'; len]);
            self.written.0 += if kind == Kind::Control { 0 } else { len };
            self.written.1 += if kind == Kind::Local { 0 } else { len };
            let (disk, stream) = self.written;
            self.given.push((self.journal.receipt(), disk, stream));
        }

        fn read(&mut self, most: usize) {
            let mut pieces = Vec::new();
            self.journal.seal();
            self.journal.read(self.disk, most, &mut pieces);
            self.read.0 += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
            self.read.1 = pieces.last().map_or(self.read.1, |piece| piece.position);
        }
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Effect), Just(Kind::Control), Just(Kind::Local)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Against a model that counts bytes: whatever is written and read, a receipt is covered exactly when the bytes of its
        /// unit, and all before them, are where they have to be.
        #[test]
        fn covered_is_what_has_come(
            steps in vec((kinds(), 1..20usize, 0..3usize), 1..40),
            replicas in vec((0..400u64, proptest::option::of(0..400u64)), 0..4),
            least in 0..5usize,
        ) {
            let mut scene = Scene::new();
            for (kind, len, reads) in steps {
                scene.write(kind, len);
                (0..reads).for_each(|_| scene.read(len));
            }
            let at = |number: u64| Offset::from_wire(number).expect("small");
            let acknowledged = replicas.iter().map(|(applied, durable)| Acknowledged {
                applied: at(*applied),
                durable: durable.map(at),
            });
            let disk = OnDisk::up_to(scene.read.1);
            let reached = Reached { disk: Some(disk), replicas: acknowledged.clone() };
            let without = Reached { disk: None, replicas: acknowledged };
            let mut before: Option<Receipt> = None;
            for (receipt, disk_bytes, stream_bytes) in &scene.given {
                let applied = replicas.iter().filter(|(at, _)| *at >= *stream_bytes as u64).count();
                let durable = replicas
                    .iter()
                    .filter(|(_, at)| at.is_some_and(|at| at >= *stream_bytes as u64))
                    .count();
                let on_disk = scene.read.0 >= *disk_bytes;
                prop_assert_eq!(reached.on_disk(receipt), on_disk);
                prop_assert_eq!(reached.replicas(receipt, Depth::Applied), applied);
                prop_assert_eq!(reached.replicas(receipt, Depth::Durable), durable);
                for (depth, have) in [(Depth::Applied, applied), (Depth::Durable, durable)] {
                    for local in [false, true] {
                        let demand = Demand { local, replicas: least, depth };
                        prop_assert_eq!(
                            reached.covers(receipt, &demand),
                            (!local || on_disk) && have >= least
                        );
                        prop_assert_eq!(without.covers(receipt, &demand), !local && have >= least);
                    }
                }
                prop_assert!(before.is_none_or(|before| receipt.includes(&before)));
                prop_assert_eq!(scene.journal.recall(receipt.to_note()), *receipt);
                before = Some(*receipt);
            }
            prop_assert!(OnDisk::up_to(Position::START).covers(&Receipt::NOTHING));
        }
    }

    #[test]
    fn where_the_disk_is_not_awaited_every_receipt_is_covered() {
        let mut scene = Scene::new();
        scene.write(Kind::Effect, 10);
        let (receipt, _, _) = scene.given[0];
        assert!(!OnDisk::up_to(Position::START).covers(&receipt));
        assert!(OnDisk::NOT_AWAITED.covers(&receipt));
    }

    #[test]
    fn what_replicas_alone_get_waits_for_no_disk() {
        let mut scene = Scene::new();
        scene.write(Kind::Effect, 10);
        scene.read(10);
        scene.write(Kind::Control, 10);
        let (receipt, _, _) = scene.given[1];
        assert!(OnDisk::up_to(scene.read.1).covers(&receipt));
    }
}
