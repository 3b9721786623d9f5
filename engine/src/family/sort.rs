//! SORT and SORT_RO: the elements of a list, set or sorted set in order, by themselves or by what other keys hold.
//!
//! Elements and the texts they are compared by are copied into one buffer: other keys are looked up on the way, and
//! those may expire and go.
//!
//! Texts are compared by their bytes. (Redis asks the C library, which does the same unless the process was started
//! with another locale.) What is equal stays in its order; a set has none, so there the elements themselves decide, and
//! a replica that repeats the command stores the same list.

use super::collections;
use crate::arguments::{int, is, loose_float};
use crate::command::*;
use crate::context::{Class, Context, Done, Key, Scope};
use crate::engine::Engine;
use crate::refusal::Refusal;
use keyspace::entry::ValueRef;
use keyspace::list::{End, List};
use memchr::{memchr, memmem};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::resp::Args;
use std::cmp::Ordering;
use std::ops::Range;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name       arity        flags                         keys                 handler
    cmd("sort",    at_least(2), WRITE | GROWS | MOVABLE_KEYS, found(1, sort_keys), sort),
    cmd("sort_ro", at_least(2), READ | MOVABLE_KEYS,          key(1),              sort_ro),
];

/// The key sorted and, if there is one, that of the last STORE. Keys that patterns lead to are not known beforehand.
fn sort_keys(args: Args<'_>) -> Option<Vec<usize>> {
    let (mut stored, mut at) = (None, 2);
    while let Some(word) = args.get(at) {
        at += match word {
            word if is(word, "LIMIT") => 3,
            word if is(word, "GET") || is(word, "BY") => 2,
            word if is(word, "STORE") && at + 1 < args.len() => {
                stored = Some(at + 1);
                2
            }
            _ => 1,
        };
    }
    Some([1].into_iter().chain(stored).collect())
}

/// What a request asks for.
struct Query<'a> {
    descending: bool,
    by_text: bool,
    /// The elements are taken in the order they have: BY was given something that leads nowhere.
    unsorted: bool,
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    offset: i64,
    /// Negative: all.
    limit: i64,
    store: Option<usize>,
}

/// How an element leads to a text.
enum Pattern<'a> {
    /// `#`: it is the text.
    Itself,
    /// Nowhere, for there is no `*` to put it in.
    Nowhere,
    /// To a key, or to the field of a hash.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    /// Reads `#`, `weight_*` or `object_*->field`.
    fn read(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Itself;
        }
        let Some(star) = memchr(b'*', text) else { return Pattern::Nowhere };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        match memmem::find(rest, b"->") {
            Some(arrow) if arrow + 2 < rest.len() => {
                Pattern::Key { before, after: &rest[..arrow], field: Some(&rest[arrow + 2..]) }
            }
            _ => Pattern::Key { before, after: rest, field: None },
        }
    }

    /// The text that an element leads to.
    fn lookup<'e>(
        &self,
        engine: &'e mut Engine,
        scope: Scope,
        element: &'e [u8],
    ) -> Option<Text<'e>> {
        let Pattern::Key { before, after, field } = self else {
            return matches!(self, Pattern::Itself).then_some(Text::Bytes(element));
        };
        let name = [before, element, after].concat();
        let value = engine.read(scope, Key::new(&name))?.value();
        match (value, field) {
            (ValueRef::Str(text), None) => Some(text),
            (ValueRef::Hash(hash), Some(field)) => hash.get(field),
            _ => None,
        }
    }
}

/// `reads_all`: the user may read every key, those as well that patterns lead to.
fn query<'a>(args: Args<'a>, stores: bool, reads_all: bool) -> Result<Query<'a>, Refusal> {
    let mut query = Query {
        descending: false,
        by_text: false,
        unsorted: false,
        by: None,
        get: Vec::new(),
        offset: 0,
        limit: -1,
        store: None,
    };
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        match word {
            word if is(word, "ASC") => query.descending = false,
            word if is(word, "DESC") => query.descending = true,
            word if is(word, "ALPHA") => query.by_text = true,
            word if is(word, "LIMIT") && left >= 2 => {
                (query.offset, query.limit) = (int(args.at(at + 1))?, int(args.at(at + 2))?);
                at += 2;
            }
            word if is(word, "STORE") && stores && left >= 1 => {
                query.store = Some(at + 1);
                at += 1;
            }
            word if is(word, "BY") && left >= 1 => {
                match Pattern::read(args.at(at + 1)) {
                    Pattern::Key { .. } if !reads_all => return Err(denied("BY")),
                    pattern @ Pattern::Key { .. } => query.by = Some(pattern),
                    _ => query.unsorted = true,
                }
                at += 1;
            }
            word if is(word, "GET") && left >= 1 && !reads_all => return Err(denied("GET")),
            word if is(word, "GET") && left >= 1 => {
                query.get.push(Pattern::read(args.at(at + 1)));
                at += 1;
            }
            _ => return Err(Refusal::SYNTAX),
        }
        at += 1;
    }
    Ok(query)
}

fn denied(option: &str) -> Refusal {
    Refusal::new(format!("ERR {option} option of SORT denied due to insufficient ACL permissions."))
        .of_denial()
}

/// What elements are compared by.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Weight {
    /// Nothing: the element itself decides.
    Own,
    Number(f64),
    /// A text in the buffer, by its ends; `None` comes first.
    Text(Option<(usize, usize)>),
}

/// An element in the buffer.
#[derive(Clone, Copy)]
struct Item {
    start: usize,
    end: usize,
    weight: Weight,
}

/// The elements to be sorted.
#[derive(Default)]
struct Items {
    /// Their texts, and those that they are compared by.
    bytes: Vec<u8>,
    all: Vec<Item>,
    /// They have an order of their own.
    ordered: bool,
}

impl Items {
    fn push(&mut self, text: Text<'_>) {
        let (start, end) = self.keep(text);
        self.all.push(Item { start, end, weight: Weight::Own });
    }

    fn keep(&mut self, text: Text<'_>) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.to_text(&mut TextBuffer::new()));
        (start, self.bytes.len())
    }

    fn text(&self, item: &Item) -> &[u8] {
        &self.bytes[item.start..item.end]
    }

    /// Takes the elements of a key: those in `range` if they need no sorting.
    fn load(&mut self, value: ValueRef<'_>, query: &Query<'_>) -> Result<(), Refusal> {
        match value {
            ValueRef::List(list) if query.unsorted => {
                let range = in_order(query, list.len());
                match query.descending {
                    false => list.range(range).for_each(|element| self.push(element)),
                    true => list.range(range).rev().for_each(|element| self.push(element)),
                }
            }
            ValueRef::Zset(zset) if query.unsorted => {
                let range = in_order(query, zset.len());
                match query.descending {
                    false => zset.range(range).for_each(|(member, _)| self.push(member)),
                    true => zset.range(range).rev().for_each(|(member, _)| self.push(member)),
                }
            }
            ValueRef::List(list) => {
                self.ordered = true;
                list.iter().for_each(|element| self.push(element));
            }
            ValueRef::Zset(zset) => zset.iter().for_each(|(member, _)| self.push(member)),
            ValueRef::Set(set) => set.iter().for_each(|member| self.push(member)),
            _ => return Err(Refusal::WRONG_TYPE),
        }
        Ok(())
    }

    /// Finds what the elements are compared by.
    fn weigh(&mut self, ctx: &mut Context<'_>, query: &Query<'_>) -> Result<(), Refusal> {
        let bad =
            Refusal::fixed("ERR One or more scores can't be converted into double").of_state();
        let mut failed = false;
        for index in 0..self.all.len() {
            let item = self.all[index];
            let text = match &query.by {
                Some(by) => by.lookup(ctx.engine, ctx.scope, self.text(&item)),
                None if query.by_text => continue,
                None => Some(Text::Bytes(self.text(&item))),
            };
            let weight = match text {
                None if query.by_text => Weight::Text(None),
                None => Weight::Number(0.0),
                Some(text) if query.by_text => {
                    let text = text.to_vec();
                    Weight::Text(Some(self.keep(Text::Bytes(&text))))
                }
                Some(Text::Int(number)) => Weight::Number(number as f64),
                Some(Text::Bytes(text)) => match loose_float(text) {
                    Some(number) => Weight::Number(number),
                    None => {
                        // The others are looked up all the same: what has expired goes.
                        failed = true;
                        continue;
                    }
                },
            };
            self.all[index].weight = weight;
        }
        if failed { Err(bad) } else { Ok(()) }
    }

    fn compare(&self, a: &Item, b: &Item) -> Ordering {
        let text = |span: Option<(usize, usize)>| span.map(|(start, end)| &self.bytes[start..end]);
        let own = |a, b| self.text(a).cmp(self.text(b));
        match (a.weight, b.weight) {
            (Weight::Number(x), Weight::Number(y)) => {
                x.partial_cmp(&y).expect("weights are numbers").then_with(|| own(a, b))
            }
            (Weight::Text(x), Weight::Text(y)) => {
                let tie = || if self.ordered { Ordering::Equal } else { own(a, b) };
                text(x).cmp(&text(y)).then_with(tie)
            }
            _ => own(a, b),
        }
    }

    /// Brings the elements with the positions in `range` there, and returns them.
    fn arrange(&mut self, descending: bool, range: Range<usize>) -> Vec<Item> {
        let mut numbered: Vec<(usize, Item)> = self.all.drain(..).enumerate().collect();
        let compare = |a: &(usize, Item), b: &(usize, Item)| {
            let order = self.compare(&a.1, &b.1);
            let order = if descending { order.reverse() } else { order };
            order.then(a.0.cmp(&b.0))
        };
        if range.end > 0 && range.end < numbered.len() {
            numbered.select_nth_unstable_by(range.end - 1, compare);
        }
        numbered.truncate(range.end);
        numbered.sort_unstable_by(compare);
        numbered.drain(range).map(|(_, item)| item).collect()
    }
}

/// The positions asked for, of `len` elements.
fn window(query: &Query<'_>, len: usize) -> Range<usize> {
    let start = usize::try_from(query.offset).unwrap_or(0).min(len);
    let count = usize::try_from(query.limit).unwrap_or(len).min(len - start);
    start..start + count
}

/// The same, counted from the first element also if they are wanted from the last one on.
fn in_order(query: &Query<'_>, len: usize) -> Range<usize> {
    let Range { start, end } = window(query, len);
    if query.descending { len - end..len - start } else { start..end }
}

fn sort(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    run(ctx, args, true)
}

fn sort_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    run(ctx, args, false)
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]` → elements, or
/// how many were stored.
fn run(ctx: &mut Context<'_>, args: Args<'_>, stores: bool) -> Result<Done, Refusal> {
    let reads_all = ctx.engine.reads_all_keys(ctx.session, ctx.spec, args);
    let mut query = query(args, stores, reads_all)?;
    let (key, mut items) = (ctx.key(args, 1), Items::default());
    if let Some(entry) = ctx.engine.read(ctx.scope, key) {
        let is_repeated = query.store.is_some() || ctx.session.in_script;
        if query.unsorted && is_repeated && matches!(entry.value(), ValueRef::Set(_)) {
            // A set has no order that a replica would find again, nor a script that runs twice.
            (query.unsorted, query.by_text, query.by) = (false, true, None);
        }
        items.load(entry.value(), &query)?;
        if query.unsorted && matches!(entry.value(), ValueRef::Set(_)) {
            let range = window(&query, items.all.len());
            items.all.truncate(range.end);
            items.all.drain(..range.start);
        }
    }
    let chosen = if query.unsorted {
        std::mem::take(&mut items.all)
    } else {
        items.weigh(ctx, &query)?;
        let range = window(&query, items.all.len());
        items.arrange(query.descending, range)
    };
    match query.store {
        None => {
            show(ctx, &query, &items, &chosen);
            Ok(Done::NOTHING)
        }
        Some(position) => Ok(store(ctx, &query, &items, &chosen, ctx.key(args, position))),
    }
}

fn show(ctx: &mut Context<'_>, query: &Query<'_>, items: &Items, chosen: &[Item]) {
    ctx.reply.array(chosen.len() * query.get.len().max(1));
    for item in chosen {
        let element = items.text(item);
        if query.get.is_empty() {
            ctx.reply.bulk(element);
        }
        for pattern in &query.get {
            match pattern.lookup(ctx.engine, ctx.scope, element) {
                Some(text) => ctx.reply.text(text),
                None => ctx.reply.null(),
            }
        }
    }
}

/// Stores the result as a list. What is not there becomes an empty text.
fn store(
    ctx: &mut Context<'_>,
    query: &Query<'_>,
    items: &Items,
    chosen: &[Item],
    destination: Key<'_>,
) -> Done {
    let (mut list, limits) = (List::new(), ctx.engine.limits);
    let mut buffer = TextBuffer::new();
    for item in chosen {
        let element = items.text(item);
        if query.get.is_empty() {
            list.push(End::Back, element, &limits);
        }
        for pattern in &query.get {
            let text = pattern.lookup(ctx.engine, ctx.scope, element);
            let text = text.map_or(&b""[..], |text| text.to_text(&mut buffer));
            list.push(End::Back, text, &limits);
        }
    }
    let len = list.len();
    if len > 0 || ctx.engine.exists(ctx.scope, destination) {
        // Of equal texts any may come first, and not all servers read the same texts as numbers.
        ctx.list_outcome(destination, &list);
    }
    let done = collections::store(ctx, destination, list, len, Class::List, "sortstore");
    if len > 0 { Done::changes(len) } else { done }
}

#[cfg(test)]
mod tests;
