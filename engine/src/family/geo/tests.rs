//! Geo commands: positions, distances, searches, stores, effects.

use crate::testing::{Server, WRONG_TYPE, expect, with};

const SICILY: &[&str] = &[
    "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "GEOADD s 12.758489 38.788135 edge1 17.241510 38.788135 edge2",
    "RPUSH list a",
];

#[test]
fn places_are_kept_and_shown() {
    let mut server = with(SICILY);
    expect(
        &mut server,
        &[
            ("GEOADD s 13.361389 38.115556 Palermo 1 2 new", "1"),
            ("GEOADD s CH 1 3 new", "1"),
            ("GEOADD s NX 1 4 new", "0"),
            ("GEOADD s XX 1 4 newer", "0"),
            ("ZSCORE s Palermo", "3479099956230698"),
            ("GEOPOS s Palermo none", "[[13.36138933897018433 38.11555639549629859] nil[]]"),
            ("GEOPOS s", "[]"),
            ("GEOPOS none a", "[nil[]]"),
            ("GEOHASH s Palermo Catania none", "[sqc8b49rny0 sqdtr74hyu0 nil]"),
            ("GEOHASH none a", "[nil]"),
            ("GEODIST s Palermo Catania", "166274.1516"),
            ("GEODIST s Palermo Catania km", "166.2742"),
            ("GEODIST s Palermo Catania MI", "103.3182"),
            ("GEODIST s Palermo Palermo ft", "0.0000"),
            ("GEODIST s Palermo none", "nil"),
            ("GEODIST none a b", "nil"),
            ("ZADD odd -5 a inf b", "2"),
            ("GEODIST odd a b", "18919844.5891"),
            ("GEOHASH odd a b", "[bp05b5048p0 00bh0hbj200]"),
        ],
    );
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("GEOPOS s Palermo none", "[[,13.36138933897018433 ,38.11555639549629859] _]"),
            ("GEODIST s Palermo none", "_"),
        ],
    );
}

#[test]
fn what_is_near_is_found() {
    let mut server = with(SICILY);
    expect(
        &mut server,
        &[
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC", "[Catania Palermo]"),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km DESC", "[Palermo Catania]"),
            (
                "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST",
                "[[Catania 56.4413 [15.08726745843887329 37.50266842333162032]] [Palermo 190.4424 [13.36138933897018433 38.11555639549629859]] [edge2 279.7403 [17.24151045083999634 38.78813451624225195]] [edge1 279.7405 [12.7584877610206604 38.78813451624225195]]]",
            ),
            (
                "GEOSEARCH s FROMMEMBER Palermo BYRADIUS 100 km WITHHASH",
                "[[Palermo 3479099956230698] [edge1 3479273021651468]]",
            ),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 2000 km COUNT 1", "[Catania]"),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 2000 km COUNT 1 DESC", "[edge1]"),
            (
                "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 2000 km COUNT 9223372036854775807 ASC",
                "[Catania Palermo edge2 edge1]",
            ),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS inf m ASC COUNT 1", "[Catania]"),
            ("GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 0 m", "[]"),
            ("GEOSEARCH none FROMLONLAT 15 37 BYRADIUS 200 km", "[]"),
            ("GEOSEARCH none FROMMEMBER a BYRADIUS 200 km", "[]"),
            ("GEORADIUS s 15 37 200 km WITHDIST", "[[Palermo 190.4424] [Catania 56.4413]]"),
            ("GEORADIUS_RO s 15 37 200 km COUNT 1 ANY", "[Palermo]"),
            ("GEORADIUSBYMEMBER s Catania 200 km ASC", "[Catania Palermo]"),
            ("GEORADIUSBYMEMBER_RO s Catania 200 km ASC", "[Catania Palermo]"),
            ("GEORADIUSBYMEMBER none a x y", "[]"),
        ],
    );
}

#[test]
fn what_is_near_is_stored() {
    let mut server = with(SICILY);
    server.listen();
    for (line, reply, changes, events) in [
        ("GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km", "2", 2, "geosearchstore:d"),
        (
            "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST COUNT 3",
            "3",
            3,
            "geosearchstore:d",
        ),
        ("GEORADIUS s 15 37 200 km STORE d", "2", 2, "georadiusstore:d"),
        ("GEORADIUS s 15 37 200 km STORE list STOREDIST d", "2", 2, "georadiusstore:d"),
        ("GEORADIUSBYMEMBER s Palermo 1 m STORE d", "1", 1, "georadiusstore:d"),
        ("GEORADIUSBYMEMBER none a x y STORE d", "0", 1, "del:d"),
        ("GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m", "0", 0, ""),
        ("GEOSEARCHSTORE list s FROMLONLAT 0 0 BYRADIUS 1 m", "0", 1, "del:list"),
    ] {
        server.engine.dirty = 0;
        assert_eq!(server.run(line), reply, "{line}");
        assert_eq!(server.engine.dirty, changes, "{line}");
        assert_eq!(server.events(), events, "{line}");
        // What was stored is passed on, not the search.
        let journal = server.journal();
        let expected = match (changes, reply) {
            (0, _) => journal.is_empty(),
            (_, "0") => journal == events.replace("del:", "DEL "),
            _ => journal.contains("ZADD d ") && !journal.contains("GEO"),
        };
        assert!(expected, "{line}: {journal}");
    }
    server.ok("GEORADIUS s 15 37 200 km STOREDIST d");
    assert_eq!(
        server.run("ZRANGE d 0 -1 WITHSCORES"),
        "[[Catania ,56.4412578701582] [Palermo ,190.44242984775784]]"
    );
}

#[test]
fn adding_is_passed_on_as_zadd() {
    let mut server = with(&[]);
    server.listen();
    for (line, journal, events) in [
        ("GEOADD s NX 13.361389 38.115556 Palermo", "ZADD s NX 3479099956230698 Palermo", "zadd:s"),
        ("GEOADD s 13.361389 38.115556 Palermo", "", ""),
        (
            "GEOADD s CH XX 0 0 Palermo 0 0 none",
            "ZADD s CH XX 3377699720527872 Palermo 3377699720527872 none",
            "zadd:s",
        ),
    ] {
        server.ok(line);
        assert_eq!(
            (server.journal().as_str(), server.events().as_str()),
            (journal, events),
            "{line}"
        );
    }
}

#[test]
fn requests_are_refused() {
    let syntax = "-ERR syntax error";
    let float = "-ERR value is not a valid float";
    let unit = "-ERR unsupported unit provided. please use M, KM, FT, MI";
    let member = "-ERR could not decode requested zset member";
    let any = "-ERR the ANY argument requires COUNT argument";
    let numeric = "-ERR need numeric radius";
    let negative = "-ERR radius cannot be negative";
    let from = "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch";
    let by = "-ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearch";
    let stored = "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    let searched =
        "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
    let mut server = with(SICILY);
    expect(
        &mut server,
        &[
            ("GEOADD s 181 0 a", "-ERR invalid longitude,latitude pair 181.000000,0.000000"),
            ("GEOADD s 0 -86 a", "-ERR invalid longitude,latitude pair 0.000000,-86.000000"),
            ("GEOADD s inf 0 a", "-ERR invalid longitude,latitude pair inf,0.000000"),
            ("GEOADD s nan 0 a", float),
            ("GEOADD s 0 x a", float),
            ("GEOADD s 0 0 a 0 0", syntax),
            ("GEOADD s NX XX 0 0 a", syntax),
            ("GEOADD s NX CH NX", syntax),
            ("GEOADD list 0 0 a", WRONG_TYPE),
            ("GEODIST s a b x", unit),
            ("GEODIST s a b m m", syntax),
            ("GEOPOS list a", WRONG_TYPE),
            ("GEOHASH list a", WRONG_TYPE),
            ("GEODIST list a b", WRONG_TYPE),
            ("GEORADIUS list x 0 1 m", WRONG_TYPE),
            ("GEORADIUS s 0 0 x m", numeric),
            ("GEORADIUS s 0 0 nan m", numeric),
            ("GEORADIUS s 0 0 -1 x", negative),
            ("GEORADIUS s 0 0 1 x", unit),
            ("GEORADIUS s 0 0 1 m COUNT 0", "-ERR COUNT must be > 0"),
            ("GEORADIUS s 0 0 1 m COUNT -1", "-ERR COUNT must be > 0"),
            ("GEORADIUS s 0 0 1 m COUNT x", "-ERR value is not an integer or out of range"),
            ("GEORADIUS s 0 0 1 m COUNT", syntax),
            ("GEORADIUS s 0 0 1 m ANY", any),
            ("GEORADIUS s 0 0 1 m STORE", syntax),
            ("GEORADIUS s 0 0 1 m STORE d WITHDIST", stored),
            ("GEORADIUS_RO s 0 0 1 m STORE d", syntax),
            ("GEORADIUSBYMEMBER s none 1 m", member),
            ("GEORADIUSBYMEMBER_RO s Palermo 1 m STOREDIST d", syntax),
            ("GeoSearch s BYRADIUS 1 m ASC ASC ASC", from),
            ("GeoSearch s FROMLONLAT 0 0 ASC ASC", by),
            ("GEOSEARCH s FROMLONLAT 0 0 FROMMEMBER Palermo BYRADIUS 1 m", syntax),
            ("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 m BYBOX 1 1 m", syntax),
            ("GEOSEARCH s FROMLONLAT 0 0 BYBOX 1 1 m BYRADIUS 1 m", syntax),
            ("GEOSEARCH s FROMLONLAT 0 0 BYBOX x 1 m", "-ERR need numeric width"),
            ("GEOSEARCH s FROMLONLAT 0 0 BYBOX 1 x m", "-ERR need numeric height"),
            ("GEOSEARCH s FROMLONLAT 0 0 BYBOX 1 -1 m", "-ERR height or width cannot be negative"),
            ("GEOSEARCH s FROMMEMBER none BYRADIUS 1 m", member),
            ("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 m STORE d", syntax),
            ("GEOSEARCH s FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST", syntax),
            ("GEOSEARCHSTORE d s FROMLONLAT 0 0 BYRADIUS 1 m WITHHASH", searched),
            ("GEOSEARCHSTORE d s FROMLONLAT 0 0 BYRADIUS 1 m ANY", any),
        ],
    );
}

#[test]
fn keys_are_found_behind_options() {
    let mut server = with(&[]);
    for (line, keys) in [
        ("COMMAND GETKEYS GEORADIUS k 0 0 1 m", "[k]"),
        ("COMMAND GETKEYS GEORADIUS k 0 0 1 m COUNT 1 STORE d", "[k d]"),
        ("COMMAND GETKEYS GEORADIUSBYMEMBER k STORE 1 m storedist d", "[k d]"),
        ("COMMAND GETKEYS GEORADIUSBYMEMBER_RO k a 1 m", "[k]"),
        ("COMMAND GETKEYS GEOSEARCHSTORE d k FROMLONLAT 0 0 BYRADIUS 1 m", "[d k]"),
    ] {
        assert_eq!(server.run(line), keys, "{line}");
    }
}

#[test]
fn effects_make_a_copy_equal() {
    for line in [
        "GEOADD s CH 1 1 Palermo 2 2 new",
        "GEOSEARCHSTORE d s FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST",
        "GEORADIUS s 15 37 200 km COUNT 1 STORE s",
        "GEORADIUSBYMEMBER s Palermo 200 km STOREDIST list",
    ] {
        let (mut primary, mut replica): (Server, Server) = (with(SICILY), with(SICILY));
        primary.ok(line);
        replica.replay(&mut primary);
        assert_eq!(primary.digest(), replica.digest(), "{line}");
    }
}
