//! What a file has: in the page cache, and what of it is on disk.
//!
//! ```text
//! base  ── op 1 ── op 2 ── … ── op n ──► cache        what a process sees
//!   ╰─ same as what is on disk, but for pages that a failed fsync has called clean
//!
//! after a power cut:  length     that of some moment, or between two of them
//!                     a sector   as it was at some moment; or the beginning of that, and the rest of an earlier one
//! ```
//!
//! What was written is whole pages in the cache, and goes to disk as they are by then. So a sector has the contents of *one*
//! moment, and not some writes to it without those before them; different sectors have different moments.
//!
//! Cutting a file frees what is behind its new end, and that is metadata, like the length: where the length is that of a moment
//! before, nothing written behind the cut since then shows, and where it is one after, nothing from before the cut comes back.
//!
//! # Invariants
//! - without operations since the last fsync the disk has exactly what it had
//! - a byte that no operation since the last fsync has touched is as it was then, if the file is long enough

use crate::chance::Chance;
use std::collections::BTreeMap;
use std::mem::take;

/// What a disk writes as one.
const SECTOR: usize = 512;
/// The system writes by itself when so much has gathered: so a file that is never fsynced does not cost memory for ever.
const WRITEBACK_BYTES: usize = 8 * 1024 * 1024;

/// In which order what was added to a file shows after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataOrder {
    /// From front to back, with zeros behind it at most: ext4 as it is mounted by default (`data=ordered`).
    Ordered,
    /// Any sectors of it, and zeros in place of the others: XFS.
    Any,
}

#[derive(Debug)]
enum Op {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Op {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Op::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Op::SetLen(len) => to.resize(*len, 0),
        }
    }

    /// The sectors that it changes of a file of this length.
    fn sectors(&self, len: usize) -> std::ops::Range<usize> {
        match self {
            Op::Write { offset, bytes } => offset / SECTOR..(offset + bytes.len()).div_ceil(SECTOR),
            Op::SetLen(to) => to / SECTOR..len.div_ceil(SECTOR),
        }
    }
}

/// A file's contents.
#[derive(Debug, Default)]
pub(super) struct Contents {
    cache: Vec<u8>,
    base: Vec<u8>,
    /// What is on disk, where that is not `base`.
    disk: Option<Vec<u8>>,
    ops: Vec<Op>,
    op_bytes: usize,
}

impl Contents {
    /// What a process sees.
    pub(super) fn cache(&self) -> &[u8] {
        &self.cache
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.op_bytes += bytes.len();
            self.act(Op::Write { offset, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        if len != self.cache.len() {
            self.act(Op::SetLen(len));
        }
    }

    fn act(&mut self, op: Op) {
        op.apply(&mut self.cache);
        self.ops.push(op);
        if self.op_bytes > WRITEBACK_BYTES {
            self.sync();
        }
    }

    /// What is on disk for sure.
    pub(super) fn lasting(&self) -> &[u8] {
        self.disk.as_deref().unwrap_or(&self.base)
    }

    /// Bytes that an fsync would have to write.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.op_bytes
    }

    /// All that is in the cache and not called clean is on disk.
    pub(super) fn sync(&mut self) {
        let ops = self.take_ops();
        let mut disk = self.disk.take();
        for op in &ops {
            if let Some(disk) = &mut disk {
                // Pages go to disk as they are in the cache.
                for sector in op.sectors(self.base.len()) {
                    copy_sector(&self.cache, disk, sector);
                }
            }
            op.apply(&mut self.base);
        }
        if let Some(disk) = &mut disk {
            disk.resize(self.cache.len(), 0);
        }
        self.disk = disk.filter(|disk| *disk != self.base);
    }

    /// An fsync has failed: some of what it was to write is on disk, and the pages are called clean all the same. What is not on disk
    /// now is not written by a later fsync, unless something else is written to the same sector.
    pub(super) fn fail_sync(&mut self, order: DataOrder, chance: &mut Chance) {
        // What was cut off stays so: that is metadata, and no page failed for it.
        let cut = |(index, op): (usize, &Op)| match op {
            Op::SetLen(_) => Some(index + 1),
            Op::Write { .. } => None,
        };
        let least = self.ops.iter().enumerate().filter_map(cut).next_back().unwrap_or(0);
        self.disk = Some(self.after_power_cut(least, order, chance));
        for op in self.take_ops() {
            op.apply(&mut self.base);
        }
    }

    /// The power has gone and come back.
    pub(super) fn cut_power(&mut self, order: DataOrder, chance: &mut Chance) {
        let image = self.after_power_cut(0, order, chance);
        *self = Self { cache: image.clone(), base: image, ..Self::default() };
    }

    /// A bit has changed by itself.
    pub(super) fn flip(&mut self, bit: u64) {
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        for copy in [&mut self.cache, &mut self.base].into_iter().chain(&mut self.disk) {
            if let Some(byte) = copy.get_mut(byte) {
                *byte ^= mask;
            }
        }
        for op in &mut self.ops {
            if let Op::Write { offset, bytes } = op
                && let Some(byte) = byte.checked_sub(*offset).and_then(|at| bytes.get_mut(at))
            {
                *byte ^= mask;
            }
        }
    }

    fn take_ops(&mut self) -> Vec<Op> {
        self.op_bytes = 0;
        take(&mut self.ops)
    }

    /// What would be on disk after a power cut, with the metadata of at least so many operations.
    fn after_power_cut(&self, least: usize, order: DataOrder, chance: &mut Chance) -> Vec<u8> {
        let disk = self.disk.as_ref().unwrap_or(&self.base);
        if self.ops.is_empty() {
            return disk.clone();
        }
        let history = History::of(disk.len(), self.base.len(), &self.ops);
        let moment = history.choose_moment(least, chance);
        let picks = match order {
            DataOrder::Any => history.pick_any(&moment, usize::MAX, chance),
            DataOrder::Ordered => {
                let mut picks = history.pick_any(&moment, moment.sure, chance);
                history.pick_in_order(&moment, &mut picks, chance);
                picks
            }
        };
        let mut image = disk.clone();
        image.resize(image.len().max(moment.len), 0);
        let mut work = self.base.clone();
        for (index, op) in self.ops.iter().enumerate() {
            op.apply(&mut work);
            for (from, to) in picks.get(&(index + 1)).into_iter().flatten() {
                copy_range(&work, &mut image, *from, *to);
            }
        }
        image.resize(moment.len, 0);
        if order == DataOrder::Ordered {
            image[moment.front.min(moment.len)..].fill(0);
        }
        image
    }
}

fn copy_sector(source: &[u8], target: &mut Vec<u8>, sector: usize) {
    let end = ((sector + 1) * SECTOR).min(source.len());
    if sector * SECTOR < end {
        target.resize(target.len().max(end), 0);
        copy_range(source, target, sector * SECTOR, end);
    }
}

/// What the source does not have is zeros; what the target does not have is left out.
fn copy_range(source: &[u8], target: &mut [u8], from: usize, to: usize) {
    let to = to.min(target.len());
    if from < to {
        let there = source.get(from..source.len().min(to)).unwrap_or_default();
        target[from..from + there.len()].copy_from_slice(there);
        target[from + there.len()..to].fill(0);
    }
}

/// Which ranges of bytes are as they were after how many operations.
type Picks = BTreeMap<usize, Vec<(usize, usize)>>;

/// The operations since the last fsync, as a power cut sees them.
struct History<'a> {
    ops: &'a [Op],
    /// The length after so many operations, the first on disk.
    lens: Vec<usize>,
    /// The same in the cache.
    cached: Vec<usize>,
}

/// The moment whose metadata is on disk.
struct Moment {
    /// So many operations are in it.
    at: usize,
    len: usize,
    /// What is below was there all the time, in the cache at least.
    sure: usize,
    /// Behind this, what was added is zeros.
    front: usize,
}

impl<'a> History<'a> {
    fn of(on_disk: usize, in_cache: usize, ops: &'a [Op]) -> Self {
        let mut cached = vec![in_cache];
        for op in ops {
            let before = cached[cached.len() - 1];
            cached.push(match op {
                Op::Write { offset, bytes } => before.max(offset + bytes.len()),
                Op::SetLen(len) => *len,
            });
        }
        let mut lens = cached.clone();
        lens[0] = on_disk;
        Self { ops, lens, cached }
    }

    fn choose_moment(&self, least: usize, chance: &mut Chance) -> Moment {
        let count = self.ops.len();
        let at = match chance.below(4) {
            0 => least,
            1 => count,
            _ => least + chance.index(count + 1 - least),
        };
        let mut len = self.lens[at];
        // A long write lengthens the file in steps.
        if let Some(Op::Write { .. }) = self.ops.get(at)
            && self.lens[at + 1] > len
            && chance.one_in(2)
        {
            len += chance.index(self.lens[at + 1] - len + 1);
        }
        let shortest = self.cached[..=at].iter().min();
        let sure = shortest.copied().unwrap_or(0).min(len);
        let front = if chance.one_in(4) { sure + chance.index(len - sure + 1) } else { len };
        Moment { at, len, sure, front }
    }

    /// The moments that each sector may be of, in order; the first is that of the last fsync, if it is 0.
    fn moments(&self, moment: &Moment) -> BTreeMap<usize, Vec<usize>> {
        let mut moments: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut ceiling = usize::MAX;
        for (index, op) in self.ops.iter().enumerate() {
            let (number, len) = (index + 1, self.cached[index]);
            let sectors = op.sectors(len);
            match op {
                Op::Write { .. } => {
                    for sector in sectors.take_while(|sector| *sector < ceiling) {
                        moments.entry(sector).or_insert_with(|| vec![0]).push(number);
                    }
                }
                // It has happened, and what was there before it is gone.
                Op::SetLen(to) if *to < len && number <= moment.at => {
                    for sector in sectors {
                        moments.insert(sector, vec![number]);
                    }
                }
                // It has not happened, and what was written behind it is nowhere.
                Op::SetLen(to) if *to < len => ceiling = ceiling.min(to / SECTOR),
                Op::SetLen(_) => {}
            }
        }
        moments
    }

    /// Each sector below `end` is of a moment of its own.
    fn pick_any(&self, moment: &Moment, end: usize, chance: &mut Chance) -> Picks {
        let mut picks = Picks::new();
        // All of the first or of the last moment are as likely as all others together.
        let bias = chance.below(4);
        for (sector, moments) in self.moments(moment) {
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(end));
            if from >= to {
                continue;
            }
            let pick = match bias {
                0 => 0,
                1 => moments.len() - 1,
                _ => chance.index(moments.len()),
            };
            picks.entry(moments[pick]).or_default().push((from, to));
            if pick > 0 && chance.one_in(8) {
                // Torn: only the beginning is of that moment.
                let torn = from + chance.index(to - from);
                let earlier = moments[chance.index(pick)];
                picks.entry(moments[pick]).or_default().pop();
                picks.entry(earlier).or_default().push((torn, to));
                picks.entry(moments[pick]).or_default().push((from, torn));
            }
        }
        picks
    }

    /// What was added is of the moment that the length is of.
    fn pick_in_order(&self, moment: &Moment, picks: &mut Picks, chance: &mut Chance) {
        let by_then = if moment.len > self.lens[moment.at] { moment.at + 1 } else { moment.at };
        // It may have been written over since.
        let last = match chance.one_in(4) {
            true => self.first_cut_behind(by_then),
            false => by_then,
        };
        picks.entry(last).or_default().push((moment.sure, moment.len));
    }

    /// The last moment before which nothing is cut that is there after `number` operations.
    fn first_cut_behind(&self, number: usize) -> usize {
        let is_cut =
            |index: &usize| matches!(self.ops[*index], Op::SetLen(to) if to < self.cached[*index]);
        (number..self.ops.len()).find(is_cut).unwrap_or(self.ops.len())
    }
}
