//! Geographic index: the group `geo` of COMMAND DOCS, 10 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("geoadd", "3.2.0", "O(log(N)) for each member, N: elements of the sorted set")
        .summary("Gives members places. Adds those that are not there.")
        .syntax(
            "key:key [condition=(NX|XX)@6.2.0] [change=CH@6.2.0] \
             data={longitude:double latitude:double member}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["geo"])
        .history(&[("6.2.0", "New: `CH`, `NX`, `XX`.")]),
    row("geodist", "3.2.0", "O(1)")
        .summary("Returns the distance of two members.")
        .syntax("key:key member1 member2 [unit=(M|KM|FT|MI)]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"]),
    row("geohash", "3.2.0", "O(1) for each member")
        .summary("Returns the places of members as geohash texts.")
        .syntax("key:key [member...]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"]),
    row("geopos", "3.2.0", "O(1) for each member")
        .summary("Returns the longitudes and latitudes of members.")
        .syntax("key:key [member...]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"]),
    row("georadius", "3.2.0",
            "O(N+log(M)), N: elements in the square around the circle, M: elements of the index")
        .summary("Returns or stores the members within a distance of a place.")
        .syntax(
            "key:key longitude:double latitude:double radius:double unit=(M|KM|FT|MI) [WITHCOORD] \
             [WITHDIST] [WITHHASH] [count-block={COUNT count:int [ANY@6.2.0]}] [order=(ASC|DESC)] \
             [store=(STORE storekey:key#1<key>|STOREDIST storedistkey:key#2<key>)]")
        .keys(&[
            one(RO | ACCESS, 1),
            after(OW | UPDATE, "STORE", 6, 0, 0),
            after(OW | UPDATE, "STOREDIST", 6, 0, 0),
        ])
        .categories(&["geo"])
        .history(&[
            ("6.2.0", "`COUNT` may be followed by `ANY`."),
            ("7.0.0", "Units may be in capitals."),
        ])
        .deprecated("6.2.0", "`GEOSEARCH ... BYRADIUS`, `GEOSEARCHSTORE ... BYRADIUS`"),
    row("georadius_ro", "3.2.10",
            "O(N+log(M)), N: elements in the square around the circle, M: elements of the index")
        .summary("Returns the members within a distance of a place.")
        .syntax(
            "key:key longitude:double latitude:double radius:double unit=(M|KM|FT|MI) [WITHCOORD] \
             [WITHDIST] [WITHHASH] [count-block={COUNT count:int [ANY@6.2.0]}] [order=(ASC|DESC)]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"])
        .history(&[("6.2.0", "`COUNT` may be followed by `ANY`.")])
        .deprecated("6.2.0", "`GEOSEARCH ... BYRADIUS`"),
    row("georadiusbymember", "3.2.0",
            "O(N+log(M)), N: elements in the square around the circle, M: elements of the index")
        .summary("Returns or stores the members within a distance of a member.")
        .syntax(
            "key:key member radius:double unit=(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
             [count-block={COUNT count:int [ANY]}] [order=(ASC|DESC)] \
             [store=(STORE storekey:key#1<key>|STOREDIST storedistkey:key#2<key>)]")
        .keys(&[
            one(RO | ACCESS, 1),
            after(OW | UPDATE, "STORE", 5, 0, 0),
            after(OW | UPDATE, "STOREDIST", 5, 0, 0),
        ])
        .categories(&["geo"])
        .history(&[("7.0.0", "Units may be in capitals.")])
        .deprecated("6.2.0",
            "`GEOSEARCH ... FROMMEMBER ... BYRADIUS`, `GEOSEARCHSTORE ... FROMMEMBER ... \
             BYRADIUS`"),
    row("georadiusbymember_ro", "3.2.10",
            "O(N+log(M)), N: elements in the square around the circle, M: elements of the index")
        .summary("Returns the members within a distance of a member.")
        .syntax(
            "key:key member radius:double unit=(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] \
             [count-block={COUNT count:int [ANY]}] [order=(ASC|DESC)]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"])
        .deprecated("6.2.0", "`GEOSEARCH ... FROMMEMBER ... BYRADIUS`"),
    row("geosearch", "6.2.0",
            "O(N+log(M)), N: elements in the grid boxes around the shape, M: elements of the \
             index")
        .summary("Returns the members inside a circle or a box.")
        .syntax(
            "key:key from=(FROMMEMBER member|FROMLONLAT {longitude:double latitude:double}) \
             by=(circle={BYRADIUS radius:double unit=(M|KM|FT|MI)}\
             |box={BYBOX width:double height:double unit=(M|KM|FT|MI)}) [order=(ASC|DESC)] \
             [count-block={COUNT count:int [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["geo"])
        .history(&[("7.0.0", "Units may be in capitals.")]),
    row("geosearchstore", "6.2.0",
            "O(N+log(M)), N: elements in the grid boxes around the shape, M: elements of the \
             index")
        .summary("Stores the members inside a circle or a box.")
        .syntax(
            "destination:key source:key#1 from=(FROMMEMBER member\
             |FROMLONLAT {longitude:double latitude:double}) \
             by=(circle={BYRADIUS radius:double unit=(M|KM|FT|MI)}\
             |box={BYBOX width:double height:double unit=(M|KM|FT|MI)}) [order=(ASC|DESC)] \
             [count-block={COUNT count:int [ANY]}] [STOREDIST]")
        .keys(&[one(OW | UPDATE, 1), one(RO | ACCESS, 2)])
        .categories(&["geo"])
        .history(&[("7.0.0", "Units may be in capitals.")]),
];
