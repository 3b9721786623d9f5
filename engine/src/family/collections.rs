//! What the families of collections share: options, the shape of pairs in replies, scans, results that are stored.
//!
//! # Not here
//! - the collections themselves: `keyspace`

use super::keys::{ScanOptions, scan_options};
use crate::arguments::{count, is, signed};
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::db::{Collection, EntryRef};
use keyspace::entry::Kind;
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::resp::{Args, Reply};
use std::ops::Range;

/// Most members that one command gives with repetitions: the one reply whose length is not bounded by the data.
///
/// Redis has no such limit and fills its memory with the reply.
const REPEATS_MAX: usize = 1 << 27;

/// What `[count [WITH…]]` of HRANDFIELD and its kin asks for.
pub(super) struct Pick {
    /// How many.
    pub count: usize,
    /// The same one may come several times.
    pub repeats: bool,
    /// What belongs to a member (value, score) comes with it.
    pub pairs: bool,
}

impl Pick {
    /// How many of `len` members will come.
    pub fn of(&self, len: usize) -> Result<usize, Refusal> {
        match self.repeats {
            true if self.count > REPEATS_MAX => Err(OUT_OF_RANGE),
            true => Ok(self.count),
            false => Ok(self.count.min(len)),
        }
    }
}

const OUT_OF_RANGE: Refusal = Refusal::fixed("ERR value is out of range");

/// Reads `[count [word]]` after the key. `None`: one member is wanted, not in an array.
pub(super) fn pick(args: Args<'_>, word: Option<&str>) -> Result<Option<Pick>, Refusal> {
    let Some(text) = args.get(2) else { return Ok(None) };
    if word.is_none() && args.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    let wanted = signed(text)?;
    let pairs = match (args.get(3), word) {
        (None, _) => false,
        (Some(text), Some(word)) if args.len() == 4 && is(text, word) => true,
        _ => return Err(Refusal::SYNTAX),
    };
    let repeats = wanted < 0;
    let count = wanted.unsigned_abs() as usize;
    if pairs && count > i64::MAX as usize / 2 {
        return Err(OUT_OF_RANGE);
    }
    Ok(Some(Pick { count, repeats, pairs }))
}

/// Writes the header of `len` members, or of `len` pairs: version 2 has all of them in one array, version 3 an array for
/// each pair.
pub(super) fn open_members(reply: &mut Reply<'_>, len: usize, pairs: bool) {
    reply.array(if pairs && !reply.is_resp3() { len * 2 } else { len });
}

/// Writes what comes before each pair after [`open_members`].
#[inline]
pub(super) fn open_pair(reply: &mut Reply<'_>) {
    if reply.is_resp3() {
        reply.array(2);
    }
}

/// What LMPOP and its kin ask for.
pub(super) struct MultiPop<S> {
    /// Where the keys are.
    pub keys: Range<usize>,
    /// From which side.
    pub side: S,
    /// How many elements at most.
    pub count: usize,
}

/// Reads `numkeys key [key ...] side [COUNT count]` from `first` on.
pub(super) fn multi_pop<S>(
    args: Args<'_>,
    first: usize,
    side: impl FnOnce(&[u8]) -> Result<S, Refusal>,
) -> Result<MultiPop<S>, Refusal> {
    let few = Refusal::fixed("ERR numkeys should be greater than 0");
    let keys = count(args.at(first), 1, few)?;
    let keys = first + 1..(first + 1).saturating_add(keys);
    let side = side(args.get(keys.end).ok_or(Refusal::SYNTAX)?)?;
    let count = match (args.get(keys.end + 1), args.get(keys.end + 2)) {
        (None, _) => 1,
        (Some(word), Some(text)) if is(word, "COUNT") => {
            count(text, 1, Refusal::fixed("ERR count should be greater than 0"))?
        }
        _ => return Err(Refusal::SYNTAX),
    };
    if args.len() > keys.end + 3 {
        return Err(Refusal::SYNTAX);
    }
    Ok(MultiPop { keys, side, count })
}

/// Answers HSCAN and its kin: `key cursor [MATCH pattern] [COUNT count]`.
///
/// `step` visits the next elements of the collection and returns where to go on. Options after the cursor are looked at
/// only if the key is there, as Redis does.
pub(super) fn scan<T: Collection>(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    step: impl Fn(T::Ref<'_>, u64, &mut Page<'_>) -> u64,
) -> Result<Done, Refusal> {
    let options = scan_options(args, 2, false);
    if matches!(&options, Err(refusal) if *refusal == Refusal::INVALID_CURSOR) {
        return Err(Refusal::INVALID_CURSOR);
    }
    let key = ctx.key(args, 1);
    let Some(collection) = ctx.engine.read_as::<T>(ctx.scope, key)? else {
        write_page(&mut ctx.reply, 0, 0, &[]);
        return Ok(Done::NOTHING);
    };
    let options = options?;
    let mut page = Page { options: &options, bytes: Vec::new(), texts: 0, seen: 0 };
    let (mut cursor, mut steps) = (options.cursor, 0);
    loop {
        cursor = step(collection, cursor, &mut page);
        steps += 1;
        let most = options.count.saturating_mul(10);
        if cursor == 0 || page.seen >= options.count || steps >= most {
            break;
        }
    }
    write_page(&mut ctx.reply, cursor, page.texts, &page.bytes);
    Ok(Done::NOTHING)
}

fn write_page(reply: &mut Reply<'_>, cursor: u64, texts: usize, bytes: &[u8]) {
    reply.array(2);
    reply.bulk(cursor.to_string().as_bytes());
    reply.array(texts);
    reply.buffer().extend_from_slice(bytes);
}

/// The elements that one call of HSCAN and its kin answers.
pub(super) struct Page<'a> {
    options: &'a ScanOptions<'a>,
    bytes: Vec<u8>,
    texts: usize,
    seen: usize,
}

impl Page<'_> {
    /// Takes an element, and what belongs to it, if its name fits.
    pub fn offer(&mut self, name: Text<'_>, second: Option<Text<'_>>) {
        self.seen += 1;
        if self.options.fits(name.to_text(&mut TextBuffer::new())) {
            let mut reply = Reply::new(&mut self.bytes, false);
            reply.text(name);
            self.texts += 1;
            if let Some(second) = second {
                reply.text(second);
                self.texts += 1;
            }
        }
    }
}

/// Looks up several keys for reading: those that are there, in their places. All of them must be of the right type.
pub(super) fn present<'k>(
    ctx: &mut Context<'_>,
    args: Args<'k>,
    positions: Range<usize>,
    fits: impl Fn(Kind) -> bool,
) -> Result<Vec<Option<Key<'k>>>, Refusal> {
    let mut found = Vec::with_capacity(positions.len());
    for position in positions {
        let key = ctx.key(args, position);
        match ctx.engine.read(ctx.scope, key).map(EntryRef::kind) {
            None => found.push(None),
            Some(kind) if fits(kind) => found.push(Some(key)),
            Some(_) => return Err(Refusal::WRONG_TYPE),
        }
    }
    Ok(found)
}

/// The entry of a key that [`present`] found; several can be borrowed at a time.
pub(super) fn entry<'e>(ctx: &'e Context<'_>, key: Key<'_>) -> EntryRef<'e> {
    let db = &ctx.engine.dbs[ctx.scope.db];
    db.get(key.hash, key.bytes).expect("it was there, and nothing happened since")
}

/// Puts the result of a …STORE command under its destination, or removes what is there if the result is empty; answers
/// how many members it has.
pub(super) fn store<T: Collection>(
    ctx: &mut Context<'_>,
    destination: Key<'_>,
    result: T,
    len: usize,
    class: Class,
    event: &'static str,
) -> Done {
    ctx.reply.int(len as i64);
    if len > 0 {
        ctx.engine.put(ctx.scope.db, destination, result.into_value(), None);
        ctx.changed(destination, class, event);
        return Done::ONE;
    }
    if !ctx.engine.exists(ctx.scope, destination) {
        return Done::NOTHING;
    }
    ctx.engine.delete(ctx.scope.db, destination);
    ctx.changed(destination, Class::Generic, "del");
    Done::ONE
}
