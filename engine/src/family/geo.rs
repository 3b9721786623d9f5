//! Geo commands: GEOADD, GEODIST, GEOSEARCH and their kin. Places are members of a sorted set, their scores the places.
//!
//! # Not here
//! - places as numbers, distances, where to look: [`crate::geohash`]

use super::collections;
use super::zsets::zadd;
use crate::arguments::{float, int, is};
use crate::command::*;
use crate::context::{Class, Context, Done};
use crate::geohash::{Place, Search, Shape};
use crate::refusal::Refusal;
use keyspace::zset::{ScoreRange, Zset};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::number::{parse_f64, push_i64};
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Reply};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name                    arity        flags                         keys                             handler
    cmd("geoadd",               at_least(5), WRITE | GROWS,                key(1),                          geoadd),
    cmd("geodist",              at_least(4), READ,                         key(1),                          geodist),
    cmd("geohash",              at_least(2), READ,                         key(1),                          geohash),
    cmd("geopos",               at_least(2), READ,                         key(1),                          geopos),
    cmd("georadius",            at_least(6), WRITE | GROWS | MOVABLE_KEYS, found(1, radius_keys),           georadius),
    cmd("georadius_ro",         at_least(6), READ,                         key(1),                          georadius_ro),
    cmd("georadiusbymember",    at_least(5), WRITE | GROWS | MOVABLE_KEYS, found(1, radius_by_member_keys), georadiusbymember),
    cmd("georadiusbymember_ro", at_least(5), READ,                         key(1),                          georadiusbymember_ro),
    cmd("geosearch",            at_least(7), READ,                         key(1),                          geosearch),
    cmd("geosearchstore",       at_least(8), WRITE | GROWS,                keys(1, 2, 1),                   geosearchstore),
];

fn radius_keys(args: Args<'_>) -> Option<Vec<usize>> {
    Some(with_stored(args, 6))
}

fn radius_by_member_keys(args: Args<'_>) -> Option<Vec<usize>> {
    Some(with_stored(args, 5))
}

/// The key searched and, if there is one, that of the last STORE or STOREDIST among the options from `at` on.
fn with_stored(args: Args<'_>, mut at: usize) -> Vec<usize> {
    let mut stored = None;
    while at + 1 < args.len() {
        if is(args.at(at), "STORE") || is(args.at(at), "STOREDIST") {
            stored = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    [1].into_iter().chain(stored).collect()
}

/// Reads a longitude and a latitude.
fn place(args: Args<'_>, at: usize) -> Result<Place, Refusal> {
    let place = Place { longitude: float(args.at(at))?, latitude: float(args.at(at + 1))? };
    if !place.is_valid() {
        return Err(Refusal::new(format!(
            "ERR invalid longitude,latitude pair {:.6},{:.6}",
            place.longitude, place.latitude
        )));
    }
    Ok(place)
}

/// Reads a unit: how many metres it is.
fn unit(word: &[u8]) -> Result<f64, Refusal> {
    match word {
        word if is(word, "M") => Ok(1.0),
        word if is(word, "KM") => Ok(1000.0),
        word if is(word, "FT") => Ok(0.3048),
        word if is(word, "MI") => Ok(1609.34),
        _ => Err(Refusal::fixed("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// Reads `radius unit`.
fn circle(args: Args<'_>, at: usize) -> Result<(Shape, f64), Refusal> {
    let radius = parse_f64(args.at(at)).ok_or(Refusal::fixed("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(Refusal::fixed("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle { radius }, unit(args.at(at + 1))?))
}

/// Reads `width height unit`.
fn rectangle(args: Args<'_>, at: usize) -> Result<(Shape, f64), Refusal> {
    let width = parse_f64(args.at(at)).ok_or(Refusal::fixed("ERR need numeric width"))?;
    let height = parse_f64(args.at(at + 1)).ok_or(Refusal::fixed("ERR need numeric height"))?;
    if width < 0.0 || height < 0.0 {
        return Err(Refusal::fixed("ERR height or width cannot be negative"));
    }
    Ok((Shape::Box { width, height }, unit(args.at(at + 2))?))
}

/// Writes a distance: four decimals are enough even in kilometres.
fn write_distance(reply: &mut Reply<'_>, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000).as_bytes());
}

/// Writes longitude and latitude, with all digits that they have.
fn write_place(reply: &mut Reply<'_>, place: Place) {
    reply.array(2);
    for degrees in [place.longitude, place.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if reply.is_resp3() {
            let out = reply.buffer();
            out.push(b',');
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

/// `GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]` → how many are new.
///
/// What it does, and what replicas and files get, is ZADD with the places as scores.
fn geoadd(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let option = |word| is(word, "NX") || is(word, "XX") || is(word, "CH");
    let options = args.iter_from(2).take_while(|word| option(word));
    let first = 2 + options.clone().count();
    let has = |name| options.clone().any(|word| is(word, name));
    if !(args.len() - first).is_multiple_of(3) || (has("NX") && has("XX")) {
        return Err(Refusal::SYNTAX);
    }
    let mut plain = OwnedArgs::default();
    plain.push(b"ZADD");
    args.iter_from(1).take(first - 1).for_each(|arg| plain.push(arg));
    let mut score = Vec::new();
    for at in (first..args.len()).step_by(3) {
        score.clear();
        push_i64(&mut score, place(args, at)?.score() as i64);
        plain.push(&score);
        plain.push(args.at(at + 2));
    }
    let plain = plain.args();
    let done = zadd(ctx, plain)?;
    if done != Done::NOTHING {
        ctx.effect(&plain.iter_from(0).collect::<Vec<_>>());
    }
    Ok(done)
}

/// `GEODIST key member member [unit]` → their distance.
fn geodist(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let unit = args.get(4).map_or(Ok(1.0), unit);
    if args.len() > 5 {
        return Err(Refusal::SYNTAX);
    }
    let unit = unit?;
    let key = ctx.key(args, 1);
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    let place = |at| zset.and_then(|zset| zset.score(args.at(at))).map(Place::of_score);
    match (place(2), place(3)) {
        (Some(from), Some(to)) => write_distance(&mut ctx.reply, from.distance(to) / unit),
        _ => ctx.reply.null(),
    }
    Ok(Done::NOTHING)
}

/// `GEOHASH key [member ...]` → a text for each.
fn geohash(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    each_place(ctx, args, |reply, place| match place {
        Some(place) => reply.bulk(&place.text()),
        None => reply.null(),
    })
}

/// `GEOPOS key [member ...]` → longitude and latitude of each.
fn geopos(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    each_place(ctx, args, |reply, place| match place {
        Some(place) => write_place(reply, place),
        None => reply.null_array(),
    })
}

fn each_place(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    mut write: impl FnMut(&mut Reply<'_>, Option<Place>),
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        let score = zset.and_then(|zset| zset.score(member));
        write(&mut ctx.reply, score.map(Place::of_score));
    }
    Ok(Done::NOTHING)
}

/// The commands that search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `GEORADIUS key longitude latitude radius unit [option ...]`
    Radius { stores: bool },
    /// `GEORADIUSBYMEMBER key member radius unit [option ...]`
    RadiusByMember { stores: bool },
    /// `GEOSEARCH key [option ...]`
    Search,
    /// `GEOSEARCHSTORE destination key [option ...]`
    SearchStore,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    /// Whether options may say where to store.
    fn stores(self) -> bool {
        matches!(self, Form::Radius { stores: true } | Form::RadiusByMember { stores: true })
    }
}

/// What a request asks for.
#[derive(Default)]
struct Query {
    center: Option<Place>,
    /// FROMMEMBER was given, whether or not there is a key to look in.
    from_member: bool,
    from_place: bool,
    shape: Option<(Shape, f64)>,
    by_box: bool,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    /// Position of the destination.
    store: Option<usize>,
    /// Distances become the scores.
    store_distance: bool,
    order: Option<Order>,
    count: Option<usize>,
    /// The first that are found will do.
    any: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// Reads a request. The sorted set is needed on the way: a member may be the middle.
fn query(zset: Option<&Zset>, args: Args<'_>, form: Form) -> Result<Query, Refusal> {
    let mut query = Query::default();
    let of_member = |at| {
        let score = zset.map(|zset| zset.score(args.at(at)));
        let missing = Refusal::fixed("ERR could not decode requested zset member").of_state();
        score.map(|score| score.map(Place::of_score).ok_or(missing)).transpose()
    };
    let mut at = match form {
        Form::Radius { .. } => {
            query.center = Some(place(args, 2)?);
            query.shape = Some(circle(args, 4)?);
            6
        }
        Form::RadiusByMember { .. } => {
            query.center = of_member(2)?;
            if zset.is_some() {
                query.shape = Some(circle(args, 3)?);
            }
            5
        }
        Form::Search => 2,
        Form::SearchStore => {
            query.store = Some(1);
            3
        }
    };
    let search = form.is_search();
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        match word {
            word if is(word, "WITHDIST") => query.with_distance = true,
            word if is(word, "WITHHASH") => query.with_hash = true,
            word if is(word, "WITHCOORD") => query.with_place = true,
            word if is(word, "ANY") => query.any = true,
            word if is(word, "ASC") => query.order = Some(Order::Ascending),
            word if is(word, "DESC") => query.order = Some(Order::Descending),
            word if is(word, "COUNT") && left >= 1 => {
                let count = int(args.at(at + 1))?;
                if count <= 0 {
                    return Err(Refusal::fixed("ERR COUNT must be > 0"));
                }
                query.count = Some(count as usize);
                at += 1;
            }
            word if (is(word, "STORE") || is(word, "STOREDIST")) && form.stores() && left >= 1 => {
                query.store = Some(at + 1);
                query.store_distance = is(word, "STOREDIST");
                at += 1;
            }
            word if is(word, "STOREDIST") && form == Form::SearchStore => {
                query.store_distance = true;
            }
            word if is(word, "FROMMEMBER") && search && left >= 1 && !query.from_place => {
                query.center = of_member(at + 1)?;
                query.from_member = true;
                at += 1;
            }
            word if is(word, "FROMLONLAT") && search && left >= 2 && !query.from_member => {
                query.center = Some(place(args, at + 1)?);
                query.from_place = true;
                at += 2;
            }
            word if is(word, "BYRADIUS") && search && left >= 2 && !query.by_box => {
                query.shape = Some(circle(args, at + 1)?);
                at += 2;
            }
            word if is(word, "BYBOX")
                && search
                && left >= 3
                && (query.by_box || query.shape.is_none()) =>
            {
                query.shape = Some(rectangle(args, at + 1)?);
                query.by_box = true;
                at += 3;
            }
            _ => return Err(Refusal::SYNTAX),
        }
        at += 1;
    }
    agree(&query, args, form)?;
    Ok(query)
}

/// Refuses options that do not go together.
fn agree(query: &Query, args: Args<'_>, form: Form) -> Result<(), Refusal> {
    if query.store.is_some() && (query.with_distance || query.with_hash || query.with_place) {
        let what = match form {
            Form::SearchStore => "GEOSEARCHSTORE",
            _ => "STORE option in GEORADIUS",
        };
        return Err(Refusal::new(format!(
            "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )));
    }
    let exactly_one = |of: &str| {
        let text = format!("ERR exactly one of {of} can be specified for ");
        Refusal::from([text.as_bytes(), args.at(0)].concat())
    };
    if form.is_search() && !query.from_member && !query.from_place {
        return Err(exactly_one("FROMMEMBER or FROMLONLAT"));
    }
    if form.is_search() && query.shape.is_none() {
        return Err(exactly_one("BYRADIUS and BYBOX"));
    }
    if query.any && query.count.is_none() {
        return Err(Refusal::fixed("ERR the ANY argument requires COUNT argument"));
    }
    Ok(())
}

/// A member that was found.
struct Hit<'z> {
    member: Text<'z>,
    score: f64,
    place: Place,
    /// From the middle, in metres.
    distance: f64,
}

impl Query {
    /// The members asked for, in their order.
    fn hits<'z>(&self, zset: &'z Zset, search: &Search) -> Vec<Hit<'z>> {
        let enough = if self.any { self.count } else { None }.unwrap_or(usize::MAX);
        let mut hits = Vec::new();
        'cells: for cell in search.cells() {
            let (min, max) = cell.scores();
            let range = ScoreRange { min, max, min_exclusive: false, max_exclusive: true };
            for (member, score) in zset.range(zset.score_range(&range)) {
                let place = Place::of_score(score);
                if let Some(distance) = search.distance(place) {
                    hits.push(Hit { member, score, place, distance });
                }
                if hits.len() >= enough {
                    break 'cells;
                }
            }
        }
        let wanted = self.count.unwrap_or(usize::MAX).min(hits.len());
        // Which are the nearest is only known in order.
        let order = self.order.or((self.count.is_some() && !self.any).then_some(Order::Ascending));
        if let Some(order) = order {
            arrange(&mut hits, order, wanted);
        }
        hits.truncate(wanted);
        hits
    }
}

/// Brings the first `wanted` into order; those of the same distance stay in theirs.
fn arrange(hits: &mut Vec<Hit<'_>>, order: Order, wanted: usize) {
    let compare = |a: &(usize, Hit<'_>), b: &(usize, Hit<'_>)| {
        let ascending = a.1.distance.total_cmp(&b.1.distance);
        let by_distance = match order {
            Order::Ascending => ascending,
            Order::Descending => ascending.reverse(),
        };
        by_distance.then(a.0.cmp(&b.0))
    };
    let mut numbered: Vec<(usize, Hit<'_>)> = hits.drain(..).enumerate().collect();
    if wanted < numbered.len() && wanted > 0 {
        numbered.select_nth_unstable_by(wanted - 1, compare);
        numbered.truncate(wanted);
    }
    numbered.sort_unstable_by(compare);
    hits.extend(numbered.into_iter().map(|(_, hit)| hit));
}

fn georadius(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::Radius { stores: true })
}

fn georadius_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::Radius { stores: false })
}

fn georadiusbymember(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::RadiusByMember { stores: true })
}

fn georadiusbymember_ro(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::RadiusByMember { stores: false })
}

fn geosearch(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::Search)
}

fn geosearchstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    search(ctx, args, Form::SearchStore)
}

/// `… [FROMMEMBER member|FROMLONLAT longitude latitude] [BYRADIUS radius unit|BYBOX width height unit] [ASC|DESC]
/// [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH] [STORE key|STOREDIST key]` → members, or how many were stored.
fn search(ctx: &mut Context<'_>, args: Args<'_>, form: Form) -> Result<Done, Refusal> {
    let source = ctx.key(args, if form == Form::SearchStore { 2 } else { 1 });
    let limits = ctx.engine.limits;
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, source)?;
    let query = query(zset, args, form)?;
    let (hits, unit) = match (zset, query.center, query.shape) {
        (Some(zset), Some(center), Some((shape, unit))) => {
            (query.hits(zset, &Search { center, shape, unit }), unit)
        }
        _ => (Vec::new(), 1.0),
    };
    let Some(store) = query.store else {
        show(&mut ctx.reply, &query, &hits, unit);
        return Ok(Done::NOTHING);
    };
    let longest = hits.iter().map(|hit| hit.member.len()).max().unwrap_or(0);
    let mut result = Zset::with_capacity(hits.len(), longest, &limits);
    let mut buffer = TextBuffer::new();
    for hit in &hits {
        let score = if query.store_distance { hit.distance / unit } else { hit.score };
        result.add(hit.member.to_text(&mut buffer), score, &limits);
    }
    let len = result.len();
    let event = if form.is_search() { "geosearchstore" } else { "georadiusstore" };
    let destination = ctx.key(args, store);
    if len > 0 || ctx.engine.exists(ctx.scope, destination) {
        // Not all servers round a distance alike, nor read the same numbers.
        ctx.zset_outcome(destination, &result);
    }
    let done = collections::store(ctx, destination, result, len, Class::Zset, event);
    Ok(if len > 0 { Done::changes(len) } else { done })
}

fn show(reply: &mut Reply<'_>, query: &Query, hits: &[Hit<'_>], unit: f64) {
    reply.array(hits.len());
    let with = [query.with_distance, query.with_hash, query.with_place];
    let more = with.into_iter().filter(|wanted| *wanted).count();
    for hit in hits {
        if more > 0 {
            reply.array(1 + more);
        }
        reply.text(hit.member);
        if query.with_distance {
            write_distance(reply, hit.distance / unit);
        }
        if query.with_hash {
            reply.int(hit.score as i64);
        }
        if query.with_place {
            write_place(reply, hit.place);
        }
    }
}

#[cfg(test)]
mod tests;
