//! Streams: entries, ranges, groups, claims, replies of both protocols, effects.

use crate::testing::{Server, WRONG_TYPE, expect, with};

mod copies;

const INVALID_ID: &str = "-ERR Invalid stream ID specified as stream command argument";
const TOO_SMALL: &str =
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
const MAX: &str = "18446744073709551615-18446744073709551615";

/// A stream of three entries and a group that got the first two.
fn read_by_group() -> Server {
    with(&[
        "XADD s 1-1 f a",
        "XADD s 2-1 f b",
        "XADD s 3-1 f c",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS s >",
    ])
}

#[test]
fn xadd_gives_out_ids() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("XADD s * f v", "1700000000000-0"),
            ("XADD s * f v", "1700000000000-1"),
            ("XADD s 1700000000000-* f v", "1700000000000-2"),
            ("XADD s 1800000000000-* f v", "1800000000000-0"),
            // The clock is behind the last id.
            ("XADD s * f v", "1800000000000-1"),
            ("XADD s 1800000000001 f v", "1800000000001-0"),
            ("XADD s 1800000000001-0 f v", TOO_SMALL),
            ("XADD s 5 f v", TOO_SMALL),
            ("XADD s 5-* f v", TOO_SMALL),
            ("XADD low 0-* f v", "0-1"),
            ("XADD low 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
            ("XADD new 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
            ("EXISTS new", "0"),
            ("XLEN s", "6"),
        ],
    );
    assert_eq!(
        server.journal(),
        "XADD s 1700000000000-0 f v; XADD s 1700000000000-1 f v; XADD s 1700000000000-2 f v; \
         XADD s 1800000000000-0 f v; XADD s 1800000000000-1 f v; XADD s 1800000000001 f v; \
         XADD low 0-1 f v"
    );
}

#[test]
fn the_last_id_ends_a_stream() {
    let mut server = with(&[]);
    let exhausted = "-ERR The stream has exhausted the last possible ID, unable to add more items";
    expect(
        &mut server,
        &[
            (
                "XADD s 18446744073709551615-18446744073709551614 f v",
                "18446744073709551615-18446744073709551614",
            ),
            ("XADD s * f v", MAX),
            ("XADD s * f v", exhausted),
            ("XADD s 18446744073709551615-* f v", exhausted),
            ("XADD s 1-1 f v", exhausted),
            ("XRANGE s (18446744073709551615-18446744073709551614 +", &format!("[[{MAX} [f v]]]")),
            (&format!("XRANGE s ({MAX} +"), "-ERR invalid start ID for the interval"),
            ("XRANGE s - (0-0", "-ERR invalid end ID for the interval"),
            (&format!("XREAD STREAMS s {MAX}"), "nil[]"),
            (&format!("XADD t {MAX} f v"), MAX),
            ("XADD u 5-18446744073709551615 f v", "5-18446744073709551615"),
            ("XADD u 5-* f v", TOO_SMALL),
        ],
    );
}

#[test]
fn xadd_reads_its_options_in_order() {
    let mut server = with(&["SET str x"]);
    let arity = "-ERR wrong number of arguments for 'xadd' command";
    let both = "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    expect(
        &mut server,
        &[
            ("XADD s * f", arity),
            ("XADD s * f v g", arity),
            ("XADD s MAXLEN 5 *", arity),
            ("XADD s NOMKSTREAM NOMKSTREAM NOMKSTREAM", arity),
            ("XADD s bad f v", INVALID_ID),
            ("XADD s MAXLEN", arity),
            ("XADD s MAXLEN x * f v", "-ERR value is not an integer or out of range"),
            ("XADD s MAXLEN -1 * f v", "-ERR The MAXLEN argument must be >= 0."),
            ("XADD s MAXLEN 1 MINID 1 * f v", both),
            ("XADD s MINID x * f v", INVALID_ID),
            (
                "XADD s LIMIT 5 * f v",
                "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ),
            ("XADD s LIMIT 0 1-1 f v", "1-1"),
            ("XADD s MAXLEN ~ 5 LIMIT -1 * f v", "-ERR The LIMIT argument must be >= 0."),
            (
                "XADD s MAXLEN = 5 LIMIT 1 * f v",
                "-ERR syntax error, LIMIT cannot be used without the special ~ option",
            ),
            (
                "XADD s MAXLEN 5 LIMIT 1 * f v",
                "-ERR syntax error, LIMIT cannot be used without the special ~ option",
            ),
            ("XADD none NOMKSTREAM * f v", "nil"),
            ("XADD str * f v", WRONG_TYPE),
            ("XADD str NOMKSTREAM * f v", WRONG_TYPE),
            ("XTRIM s MAXLEN", "-ERR wrong number of arguments for 'xtrim' command"),
            (
                "XTRIM s LIMIT 5",
                "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ),
            ("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy"),
            ("XTRIM s MAXLEN 1 NOMKSTREAM", "-ERR syntax error"),
            ("XTRIM none MAXLEN 1", "0"),
            ("XTRIM str MAXLEN 1", WRONG_TYPE),
        ],
    );
    server.resp3(true);
    assert_eq!(server.run("XADD none NOMKSTREAM * f v"), "_");
    assert_eq!(server.engine.dirty, 1);
}

#[test]
fn trimming_is_passed_on_exactly() {
    let mut server = with(&[]);
    server.engine.limits.stream_node_max_entries = 3;
    (1..=10).for_each(|ms| server.ok(&format!("XADD s {ms} f v")));
    server.journal();
    for (line, reply, journal) in [
        ("XADD s MAXLEN ~ 9 11 f v", "11-0", "XADD s MAXLEN = 11 11 f v"),
        ("XADD s maxlen ~ 8 12 f v", "12-0", "XADD s maxlen = 9 12 f v"),
        (
            "XADD s NOMKSTREAM MAXLEN ~ 1 LIMIT 3 13-* f v",
            "13-0",
            "XADD s NOMKSTREAM MAXLEN = 7 LIMIT 3 13-0 f v",
        ),
        ("XADD s MINID ~ 8 14 f v", "14-0", "XADD s MINID = 7-0 14 f v"),
        ("XADD s MAXLEN 7 15 f v", "15-0", "XADD s MAXLEN 7 15 f v"),
        ("XTRIM s MAXLEN ~ 6", "1", "XTRIM s MAXLEN = 6"),
        ("XTRIM s MINID ~ 10 LIMIT 10", "0", ""),
        ("XTRIM s MINID ~ 13 LIMIT 3", "3", "XTRIM s MINID = 13-0 LIMIT 3"),
        ("XTRIM s MAXLEN = 2", "1", "XTRIM s MAXLEN = 2"),
        ("XTRIM s MAXLEN ~ 0", "2", "XTRIM s MAXLEN = 0"),
        (
            "XADD s MINID ~ 99 16 f v",
            "16-0",
            "XADD s MINID = 18446744073709551615-18446744073709551615 16 f v",
        ),
    ] {
        assert_eq!(server.run(line), reply, "{line}");
        assert_eq!(server.journal(), journal, "{line}");
    }
    assert_eq!(server.run("XLEN s"), "0", "an empty stream stays");
    assert_eq!(server.run("EXISTS s"), "1");
}

#[test]
fn a_limit_is_an_error_but_from_a_primary() {
    let mut primary = with(&[]);
    primary.engine.limits.stream_node_max_entries = 1;
    (1..=5).for_each(|ms| primary.ok(&format!("XADD s {ms} f v")));
    primary.ok("XADD s MAXLEN ~ 0 LIMIT 3 6 f v");
    primary.ok("XTRIM s MAXLEN ~ 0 LIMIT 1");
    let mut replica = with(&[]);
    replica.replay(&mut primary);
    assert_eq!(replica.run("XLEN s"), "2");
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn ranges() {
    let mut server = with(&["XADD s 1-1 a 1", "XADD s 1-2 a 2 b x", "XADD s 3-0 a 3", "SET str x"]);
    server.ok("XADD empty MAXLEN 0 1-1 a 1");
    expect(
        &mut server,
        &[
            ("XRANGE s - +", "[[1-1 [a 1]] [1-2 [a 2 b x]] [3-0 [a 3]]]"),
            ("XREVRANGE s + - COUNT 2", "[[3-0 [a 3]] [1-2 [a 2 b x]]]"),
            ("XRANGE s 1 1", "[[1-1 [a 1]] [1-2 [a 2 b x]]]"),
            ("XRANGE s (1-1 (3", "[[1-2 [a 2 b x]] [3-0 [a 3]]]"),
            ("XRANGE s (1-1 (3-0", "[[1-2 [a 2 b x]]]"),
            ("XREVRANGE s (3-0 (1-1", "[[1-2 [a 2 b x]]]"),
            ("XRANGE s 3 1", "[]"),
            ("XRANGE s - + COUNT 0", "nil[]"),
            ("XRANGE s - + COUNT -5", "nil[]"),
            ("XRANGE s - + COUNT 1 COUNT 2", "[[1-1 [a 1]] [1-2 [a 2 b x]]]"),
            ("XRANGE s - + COUNT", "-ERR syntax error"),
            ("XRANGE s - + COUNT x", "-ERR value is not an integer or out of range"),
            ("XRANGE none - + COUNT 0", "[]"),
            ("XRANGE empty - +", "[]"),
            ("XRANGE s ( +", INVALID_ID),
            ("XRANGE s (- +", INVALID_ID),
            ("XRANGE s $ +", INVALID_ID),
            ("XRANGE str - +", WRONG_TYPE),
            ("XREVRANGE str - x", INVALID_ID),
            ("XLEN none", "0"),
            ("XLEN str", WRONG_TYPE),
        ],
    );
}

#[test]
fn entries_are_deleted_by_name() {
    let mut server = with(&["XADD s 1-1 a 1", "XADD s 2-1 a 2", "XADD s 3-1 a 3", "SET str x"]);
    expect(
        &mut server,
        &[
            ("XDEL s 1-1 bad", INVALID_ID),
            ("XDEL s 2-1 9-9 2-1", "1"),
            ("XDEL s 2-1", "0"),
            ("XRANGE s - +", "[[1-1 [a 1]] [3-1 [a 3]]]"),
            ("XDEL s 1-1 3", "1"),
            ("XDEL none x", "0"),
            ("XDEL str 1", WRONG_TYPE),
            ("XREAD STREAMS s 0", "[[s [[3-1 [a 3]]]]]"),
            ("XDEL s 3-1", "1"),
            ("XREAD STREAMS s 0", "nil[]"),
            (
                "XINFO STREAM s",
                "[length 0 radix-tree-keys 0 radix-tree-nodes 1 last-generated-id 3-1 max-deleted-entry-id 3-1 entries-added 3 recorded-first-entry-id 0-0 groups 0 first-entry nil last-entry nil]",
            ),
        ],
    );
    assert_eq!(server.journal(), "XDEL s 2-1 9-9 2-1; XDEL s 1-1 3; XDEL s 3-1");
}

#[test]
fn xsetid_guards_the_order_of_ids() {
    let mut server = with(&["XADD s 5-1 a 1", "XADD s 7-1 a 1", "XDEL s 7-1", "SET str x"]);
    expect(
        &mut server,
        &[
            ("XSETID s x", INVALID_ID),
            (
                "XSETID s 6",
                "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ),
            ("XSETID s 9 ENTRIESADDED -1", "-ERR entries_added must be positive"),
            (
                "XSETID s 9 ENTRIESADDED 0",
                "-ERR The entries_added specified in XSETID is smaller than the target stream length",
            ),
            (
                "XSETID s 9 MAXDELETEDID 10",
                "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            ),
            ("XSETID s 9 BOGUS 1", "-ERR syntax error"),
            ("XSETID s 9 ENTRIESADDED", "-ERR syntax error"),
            ("XSETID none 9", "-ERR no such key"),
            ("XSETID str 9", WRONG_TYPE),
            ("XSETID s 9-9 ENTRIESADDED 77 MAXDELETEDID 8-8", "+OK"),
            ("XSETID s 8-8 MAXDELETEDID 0-0", "+OK"),
            (
                "XSETID s 8-7",
                "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ),
            ("XADD s 8-9 a 1", "8-9"),
            (
                "XSETID s 8-8",
                "-ERR The ID specified in XSETID is smaller than the target stream top item",
            ),
            (
                "XINFO STREAM s",
                "[length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 8-9 max-deleted-entry-id 8-8 entries-added 78 recorded-first-entry-id 5-1 groups 0 first-entry [5-1 [a 1]] last-entry [8-9 [a 1]]]",
            ),
        ],
    );
}

#[test]
fn xread_takes_what_comes_after() {
    let mut server = with(&["XADD s 1-1 a 1", "XADD s 2-1 a 2", "XADD t 5-0 b 1", "SET str x"]);
    let unbalanced = "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
    expect(
        &mut server,
        &[
            ("XREAD STREAMS s t none 1-1 0 0", "[[s [[2-1 [a 2]]]] [t [[5-0 [b 1]]]]]"),
            ("XREAD COUNT 1 STREAMS s 0", "[[s [[1-1 [a 1]]]]]"),
            ("XREAD COUNT 0 STREAMS s 0", "[[s [[1-1 [a 1]] [2-1 [a 2]]]]]"),
            ("XREAD COUNT -3 STREAMS t 0", "[[t [[5-0 [b 1]]]]]"),
            ("XREAD STREAMS s $", "nil[]"),
            ("XREAD BLOCK x STREAMS s $", "-ERR timeout is not an integer or out of range"),
            ("XREAD BLOCK -1 STREAMS s $", "-ERR timeout is negative"),
            ("XREAD BLOCK 9223372036854775807 STREAMS s $", "-ERR timeout is out of range"),
            ("XREAD STREAMS s t 0", unbalanced),
            ("XREAD COUNT 1 s 0", "-ERR syntax error"),
            ("XREAD COUNT x STREAMS s 0", "-ERR value is not an integer or out of range"),
            (
                "XREAD NOACK STREAMS s 0",
                "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREAD GROUP g c STREAMS s 0",
                "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREAD STREAMS s >",
                "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            ),
            ("XREAD STREAMS s x", INVALID_ID),
            ("XREAD STREAMS s -", INVALID_ID),
            ("XREAD STREAMS s str 0 0", WRONG_TYPE),
            ("COMMAND GETKEYS XREAD COUNT 2 STREAMS a b 0 0", "[a b]"),
            ("COMMAND GETKEYS XREADGROUP GROUP streams c NOACK STREAMS a >", "[a]"),
            (
                "COMMAND GETKEYS XREAD COUNT 2 STREAMS a b 0",
                "-ERR Invalid arguments specified for command",
            ),
        ],
    );
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("XREAD STREAMS s t 1-1 0", "%[s [[2-1 [a 2]]] t [[5-0 [b 1]]]]"),
            ("XREAD STREAMS s $", "_"),
        ],
    );
    assert_eq!((server.journal().as_str(), server.engine.dirty), ("", 0));
}

#[test]
fn a_group_shares_entries() {
    let mut server = with(&["XADD s 1-1 f a", "XADD s 2-1 f b", "XADD s 3-1 f c", "SET str x"]);
    let missing = "-NOGROUP No such key 's' or consumer group 'no' in XREADGROUP with GROUP option";
    expect(
        &mut server,
        &[
            ("XGROUP CREATE s g 0", "+OK"),
            ("XREADGROUP GROUP g alice COUNT 1 STREAMS s >", "[[s [[1-1 [f a]]]]]"),
            ("XREADGROUP GROUP g bob COUNT 1 STREAMS s >", "[[s [[2-1 [f b]]]]]"),
            ("XREADGROUP GROUP g alice NOACK STREAMS s >", "[[s [[3-1 [f c]]]]]"),
            ("XREADGROUP GROUP g alice STREAMS s >", "nil[]"),
            ("XREADGROUP GROUP g alice STREAMS s 0", "[[s [[1-1 [f a]]]]]"),
            ("XREADGROUP GROUP g alice STREAMS s 1-1", "[[s []]]"),
            ("XDEL s 1-1", "1"),
            ("XREADGROUP GROUP g alice STREAMS s 0", "[[s [[1-1 nil[]]]]]"),
            ("XACK s g 1-1 2-1 3-1", "2"),
            ("XACK s g 1-1", "0"),
            ("XACK s none 1-1", "0"),
            ("XACK none g bad", "0"),
            ("XACK s g bad", INVALID_ID),
            ("XACK str g 1-1", WRONG_TYPE),
            ("XREADGROUP GROUP no alice STREAMS s >", missing),
            ("XREADGROUP GROUP g alice STREAMS str >", WRONG_TYPE),
            (
                "XREADGROUP GROUP g alice STREAMS s s >",
                "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
            ),
            (
                "XREADGROUP NOACK NOACK NOACK STREAMS s >",
                "-ERR Missing GROUP option for XREADGROUP",
            ),
            (
                "XREADGROUP GROUP g alice STREAMS s $",
                "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            ),
            ("XREADGROUP GROUP g new STREAMS s >", "nil[]"),
        ],
    );
    assert_eq!(
        server.journal(),
        "XGROUP CREATE s g 0; \
         MULTI | XCLAIM s g alice 0 1-1 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1 \
         | XGROUP SETID s g 1-1 ENTRIESREAD 1 | EXEC; \
         MULTI | XCLAIM s g bob 0 2-1 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-1 \
         | XGROUP SETID s g 2-1 ENTRIESREAD 2 | EXEC; \
         XGROUP SETID s g 3-1 ENTRIESREAD 3; XDEL s 1-1; XACK s g 1-1 2-1 3-1; \
         XGROUP CREATECONSUMER s g new"
    );
    assert_eq!(
        server.run("XINFO CONSUMERS s g"),
        "[[name alice pending 0 idle 0 inactive 0] [name bob pending 0 idle 0 inactive 0] [name new pending 0 idle 0 inactive -1]]"
    );
    server.resp3(true);
    server.ok("XADD s 4-1 f d");
    assert_eq!(server.run("XREADGROUP GROUP g bob STREAMS s >"), "%[s [[4-1 [f d]]]]");
}

#[test]
fn groups_are_made_and_removed() {
    let mut server = with(&["XADD s 1-1 f a", "XADD s 2-1 f b", "SET str x"]);
    let no_key = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    let no_group = "-NOGROUP No such consumer group 'no' for key name 's'";
    let wrong = |name: &str| {
        format!(
            "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try XGROUP HELP."
        )
    };
    expect(
        &mut server,
        &[
            ("XGROUP CREATE s g $", "+OK"),
            ("XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists"),
            ("XGROUP CREATE s h bad", INVALID_ID),
            ("XGROUP CREATE s h - ", INVALID_ID),
            ("XGROUP CREATE none h 0", no_key),
            ("XGROUP CREATE str h 0", WRONG_TYPE),
            ("XGROUP CREATE str h 0 MKSTREAM", WRONG_TYPE),
            (
                "XGROUP CREATE s h 0 ENTRIESREAD -2",
                "-ERR value for ENTRIESREAD must be positive or -1",
            ),
            ("XGROUP CREATE s h 0 ENTRIESREAD x", "-ERR value is not an integer or out of range"),
            ("XGROUP CREATE s h 0 ENTRIESREAD", &wrong("CREATE")),
            ("XGROUP create s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", &wrong("create")),
            ("XGROUP CREATE s h", "-ERR wrong number of arguments for 'xgroup|create' command"),
            ("XGROUP CREATE new h $ mkstream entriesread 5", "+OK"),
            ("XGROUP SETID s g 0 MKSTREAM", &wrong("SETID")),
            ("XGROUP SETID s no 0", no_group),
            ("XGROUP SETID none g 0", no_key),
            ("XGROUP SETID s g -", "+OK"),
            ("XGROUP SETID s g x", INVALID_ID),
            ("XGROUP SETID s g 1-1 ENTRIESREAD 1", "+OK"),
            (
                "XINFO GROUPS s",
                "[[name g consumers 0 pending 0 last-delivered-id 1-1 entries-read 1 lag 1]]",
            ),
            ("XGROUP SETID s g $", "+OK"),
            (
                "XINFO GROUPS s",
                "[[name g consumers 0 pending 0 last-delivered-id 2-1 entries-read nil lag 0]]",
            ),
            ("XGROUP CREATECONSUMER s g alice", "1"),
            ("XGROUP CREATECONSUMER s g alice", "0"),
            ("XGROUP CREATECONSUMER s no alice", no_group),
            ("XGROUP SETID s g 0", "+OK"),
            ("XREADGROUP GROUP g alice STREAMS s >", "[[s [[1-1 [f a]] [2-1 [f b]]]]]"),
            ("XGROUP DELCONSUMER s g nobody", "0"),
            ("XGROUP DELCONSUMER s g alice", "2"),
            ("XGROUP DELCONSUMER s no alice", no_group),
            ("XPENDING s g", "[0 nil nil nil[]]"),
            ("XGROUP DESTROY s g", "1"),
            ("XGROUP DESTROY s g", "0"),
            ("XGROUP DESTROY none g", no_key),
            ("XGROUP BOGUS s g", "-ERR unknown subcommand 'BOGUS'. Try XGROUP HELP."),
            ("XINFO GROUPS s", "[]"),
            ("TYPE new", "+stream"),
            ("OBJECT ENCODING new", "stream"),
        ],
    );
    assert!(server.run("XGROUP HELP").starts_with("[+XGROUP <subcommand>"));
    assert!(server.run("XINFO HELP").starts_with("[+XINFO <subcommand>"));
}

#[test]
fn xpending_lists_what_is_pending() {
    let mut server = read_by_group();
    server.engine.now_ms += 500;
    server.ok("XREADGROUP GROUP g bob STREAMS s >");
    server.engine.now_ms += 30;
    let no_group = "-NOGROUP No such key 's' or consumer group 'no'";
    expect(
        &mut server,
        &[
            ("XPENDING s g", "[3 1-1 3-1 [[alice 2] [bob 1]]]"),
            ("XPENDING s g - + 10", "[[1-1 alice 530 1] [2-1 alice 530 1] [3-1 bob 30 1]]"),
            ("XPENDING s g (1-1 (3-1 10", "[[2-1 alice 530 1]]"),
            ("XPENDING s g - + 2 alice", "[[1-1 alice 530 1] [2-1 alice 530 1]]"),
            ("XPENDING s g 2 + 10 alice", "[[2-1 alice 530 1]]"),
            ("XPENDING s g IDLE 531 - + 10", "[]"),
            ("XPENDING s g IDLE 530 - + 10 alice", "[[1-1 alice 530 1] [2-1 alice 530 1]]"),
            ("XPENDING s g - + 10 nobody", "[]"),
            ("XPENDING s g - + -1", "[]"),
            ("XPENDING s g - +", "-ERR syntax error"),
            ("XPENDING s g IDLE 5 - +", "-ERR syntax error"),
            ("XPENDING s g IDLE x - + 1", "-ERR value is not an integer or out of range"),
            ("XPENDING s g - + x", "-ERR value is not an integer or out of range"),
            ("XPENDING s g x + 1", INVALID_ID),
            ("XPENDING s no", no_group),
            ("XPENDING s no - + 1", no_group),
        ],
    );
    assert_eq!(server.journal().matches("XCLAIM").count(), 1);
}

#[test]
fn xclaim_changes_owners() {
    let mut server = read_by_group();
    server.engine.now_ms += 1_000;
    let bad = |option: &str| format!("-ERR Invalid {option} argument for XCLAIM");
    expect(
        &mut server,
        &[
            ("XCLAIM s g bob 5000 1-1", "[]"),
            ("XCLAIM s g bob 1000 1-1 3-1 9-9", "[[1-1 [f a]]]"),
            ("XPENDING s g - + 9", "[[1-1 bob 0 2] [2-1 alice 1000 1]]"),
            ("XCLAIM s g carol 0 2-1 JUSTID IDLE 300", "[2-1]"),
            ("XCLAIM s g carol 0 3-1 FORCE JUSTID", "[3-1]"),
            ("XPENDING s g - + 9", "[[1-1 bob 0 2] [2-1 carol 300 1] [3-1 carol 0 1]]"),
            ("XCLAIM s g bob 0 1-1 TIME 99999999999999 RETRYCOUNT 9 JUSTID", "[1-1]"),
            ("XPENDING s g - + 1", "[[1-1 bob 0 9]]"),
            ("XCLAIM s g bob x 1-1", &bad("min-idle-time")),
            ("XCLAIM s g bob 0 1-1 IDLE x", &bad("IDLE option")),
            ("XCLAIM s g bob 0 1-1 TIME x", &bad("TIME option")),
            ("XCLAIM s g bob 0 1-1 RETRYCOUNT x", &bad("RETRYCOUNT option")),
            ("XCLAIM s g bob 0 1-1 LASTID x", INVALID_ID),
            ("XCLAIM s g bob 0 1-1 BOGUS", "-ERR Unrecognized XCLAIM option 'BOGUS'"),
            ("XCLAIM s g bob 0 1-1 FORCE 2-1", "-ERR Unrecognized XCLAIM option '2-1'"),
            ("XCLAIM s no bob x 1-1", "-NOGROUP No such key 's' or consumer group 'no'"),
            ("XCLAIM none g bob 0 1-1", "-NOGROUP No such key 'none' or consumer group 'g'"),
        ],
    );
    server.journal();
    // An entry that is gone is forgotten, in the name of its owner.
    server.ok("XDEL s 2-1");
    expect(
        &mut server,
        &[("XCLAIM s g dave 0 2-1", "[]"), ("XCLAIM s g dave 0 9-9 LASTID 7-7", "[]")],
    );
    assert_eq!(
        server.journal(),
        "XDEL s 2-1; MULTI | XGROUP CREATECONSUMER s g dave | XCLAIM s g carol 0 2-1 TIME 1700000000700 \
         RETRYCOUNT 1 FORCE JUSTID LASTID 2-1 | EXEC; XGROUP SETID s g 7-7 ENTRIESREAD 2"
    );
    assert_eq!(server.run("XPENDING s g"), "[2 1-1 3-1 [[bob 1] [carol 1]]]");
}

#[test]
fn xautoclaim_walks_through_what_is_pending() {
    let mut server = read_by_group();
    server.ok("XREADGROUP GROUP g alice STREAMS s >");
    server.engine.now_ms += 50;
    server.ok("XDEL s 2-1");
    server.journal();
    expect(
        &mut server,
        &[
            ("XAUTOCLAIM s g bob 100 0", "[0-0 [] [2-1]]"),
            ("XAUTOCLAIM s g bob 50 - COUNT 1", "[3-1 [[1-1 [f a]]] []]"),
            ("XAUTOCLAIM s g bob 50 3-1 COUNT 1 JUSTID", "[0-0 [3-1] []]"),
            ("XAUTOCLAIM s g bob 50 (3-1", "[0-0 [] []]"),
            ("XPENDING s g - + 9", "[[1-1 bob 0 2] [3-1 bob 0 1]]"),
            ("XAUTOCLAIM s g bob x 0", "-ERR Invalid min-idle-time argument for XAUTOCLAIM"),
            ("XAUTOCLAIM s g bob 0 x", INVALID_ID),
            ("XAUTOCLAIM s g bob 0 0 COUNT 0", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 0 COUNT 9223372036854775807", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 0 COUNT", "-ERR syntax error"),
            ("XAUTOCLAIM s no bob 0 0", "-NOGROUP No such key 's' or consumer group 'no'"),
            (
                "XAUTOCLAIM s g bob 0 0 COUNT 576460752303423487",
                "[0-0 [[1-1 [f a]] [3-1 [f c]]] []]",
            ),
        ],
    );
    let journal = server.journal();
    assert!(journal.starts_with(
        "MULTI | XGROUP CREATECONSUMER s g bob | XCLAIM s g alice 0 2-1 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 3-1 | EXEC; \
         XCLAIM s g bob 0 1-1 TIME 1700000000050 RETRYCOUNT 2 FORCE JUSTID LASTID 3-1; XCLAIM"
    ), "{journal}");
}

#[test]
fn everything_that_is_known_of_a_stream() {
    let mut server = read_by_group();
    server.ok("XGROUP CREATE s empty 0");
    expect(
        &mut server,
        &[
            (
                "XINFO STREAM s FULL COUNT 1",
                "[length 3 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 3-1 max-deleted-entry-id 0-0 entries-added 3 recorded-first-entry-id 1-1 entries [[1-1 [f a]]] groups [[name empty last-delivered-id 0-0 entries-read nil lag 3 pel-count 0 pending [] consumers []] [name g last-delivered-id 2-1 entries-read 2 lag 1 pel-count 2 pending [[1-1 alice 1700000000000 1]] consumers [[name alice seen-time 1700000000000 active-time 1700000000000 pel-count 2 pending [[1-1 1700000000000 1]]]]]]]",
            ),
            (
                "XINFO STREAM s BOGUS",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            (
                "XINFO STREAM s FULL COUNT",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            ("XINFO STREAM s FULL COUNT x", "-ERR value is not an integer or out of range"),
            ("XINFO STREAM none", "-ERR no such key"),
            ("XINFO GROUPS none", "-ERR no such key"),
            ("XINFO CONSUMERS s no", "-NOGROUP No such consumer group 'no' for key name 's'"),
            ("XINFO BOGUS s", "-ERR unknown subcommand 'BOGUS'. Try XINFO HELP."),
        ],
    );
    server.resp3(true);
    assert_eq!(
        server.run("XINFO GROUPS s"),
        "[%[name empty consumers 0 pending 0 last-delivered-id 0-0 entries-read _ lag 3] %[name g consumers 1 pending 2 last-delivered-id 2-1 entries-read 2 lag 1]]"
    );
}

#[test]
fn lag_after_trimming_and_deleting() {
    let mut server = with(&[]);
    (1..=5).for_each(|ms| server.ok(&format!("XADD s {ms} f v")));
    let lag = |server: &mut Server| {
        let groups = server.run("XINFO GROUPS s");
        groups.rsplit_once("entries-read ").expect("a group").1.trim_end_matches(']').to_string()
    };
    server.ok("XGROUP CREATE s g 0");
    assert_eq!(lag(&mut server), "nil lag 5");
    server.ok("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    assert_eq!(lag(&mut server), "1 lag 4");
    server.ok("XTRIM s MAXLEN 2");
    assert_eq!(lag(&mut server), "1 lag 2");
    server.ok("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    assert_eq!(lag(&mut server), "4 lag 1");
    server.ok("XADD s 6 f v");
    server.ok("XDEL s 5");
    assert_eq!(lag(&mut server), "4 lag nil");
    server.ok("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    assert_eq!(lag(&mut server), "6 lag 0");
}

#[test]
fn events_and_watched_keys() {
    let mut server = with(&[]);
    server.listen();
    for line in [
        "XADD s MAXLEN 1 1-1 f v",
        "XADD s MAXLEN 1 2-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "XACK s g 2-1",
        "XSETID s 5-1",
        "XGROUP SETID s g 0",
        "XGROUP CREATECONSUMER s g d",
        "XGROUP DELCONSUMER s g d",
        "XGROUP DESTROY s g",
        "XDEL s 2-1",
        "XADD s 6-1 f v",
        "XTRIM s MAXLEN 0",
    ] {
        server.ok(line);
    }
    assert_eq!(
        server.events(),
        "xadd:s xadd:s xtrim:s xgroup-create:s xgroup-createconsumer:s xsetid:s xgroup-setid:s \
         xgroup-createconsumer:s xgroup-delconsumer:s xgroup-destroy:s xdel:s xadd:s xtrim:s"
    );
    let touches = |line: &str| {
        let mut server = read_by_group();
        server.ok("WATCH s");
        server.ok(line);
        server.ok("MULTI");
        server.run("EXEC") == "nil[]"
    };
    for line in ["XADD s * f v", "XDEL s 1-1", "XTRIM s MAXLEN 1"] {
        assert!(touches(line), "{line}");
    }
    for line in ["XREADGROUP GROUP g c STREAMS s >", "XACK s g 1-1", "XGROUP CREATE s h 0"] {
        assert!(!touches(line), "{line}");
    }
}

#[test]
fn values_travel_whole() {
    let mut server = read_by_group();
    let full = server.run("XINFO STREAM s FULL COUNT 0");
    server.ok("COPY s t");
    server.ok("RENAME s u");
    for key in ["t", "u"] {
        assert_eq!(server.run(&format!("XINFO STREAM {key} FULL COUNT 0")), full);
    }
    server.digest();
}

#[test]
fn xread_waits_for_what_comes_from_now_on() {
    let mut server = with(&["XADD s 1-1 f v"]);
    let [a, b, c] = [server.join(), server.join(), server.join()];
    assert_eq!(server.run_as(a, "XREAD BLOCK 0 STREAMS s t $ 5"), "");
    assert_eq!(server.run_as(b, "XREAD BLOCK 100 STREAMS none s 0 9"), "");
    assert_eq!(server.run_as(c, "XREAD BLOCK 0 STREAMS s 0"), "[[s [[1-1 [f v]]]]]");
    server.ok("XADD t 4-0 f v");
    server.ok("XADD s 2-1 f w");
    assert_eq!([a, b].map(|slot| server.sent_to(slot)), ["[[s [[2-1 [f w]]]]]", ""]);
    // What is deleted in the same moment is not seen.
    for line in ["MULTI", "XADD s 9-9 f x", "DEL s", "EXEC"] {
        server.ok(line);
    }
    assert_eq!(server.sent_to(b), "");
    server.engine.steady_ms += 101;
    server.engine.end_overdue_waits();
    assert_eq!(server.sent_to(b), "nil[]");
    assert_eq!(server.engine.waiters_len(), (0, 0));
}

#[test]
fn xreadgroup_waits_while_there_is_a_group() {
    let missing = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    for (line, reply) in [
        ("XADD s 7-0 f v", "[[s [[7-0 [f v]]]]]"),
        ("XGROUP DESTROY s g", missing),
        ("DEL s", missing),
        ("FLUSHALL", missing),
        ("SET s x", WRONG_TYPE),
    ] {
        let mut server = with(&["XGROUP CREATE s g 0 MKSTREAM"]);
        let slot = server.join();
        assert_eq!(server.run_as(slot, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), "");
        assert_eq!(server.journal(), "XGROUP CREATECONSUMER s g c");
        server.ok("XGROUP CREATECONSUMER s g d");
        assert_eq!(server.sent_to(slot), "");
        server.ok(line);
        assert_eq!(server.sent_to(slot), reply, "{line}");
    }
    let mut server = with(&["XGROUP CREATE s g 0 MKSTREAM"]);
    let [a, b] = [server.join(), server.join()];
    for (slot, name) in [(a, "a"), (b, "b")] {
        let line = format!("XREADGROUP GROUP g {name} COUNT 1 BLOCK 0 STREAMS s >");
        assert_eq!(server.run_as(slot, &line), "");
    }
    server.journal();
    for line in ["MULTI", "XADD s 1-0 f v", "XADD s 2-0 f w", "EXEC"] {
        server.ok(line);
    }
    assert_eq!(
        [a, b].map(|slot| server.sent_to(slot)),
        ["[[s [[1-0 [f v]]]]]", "[[s [[2-0 [f w]]]]]"]
    );
    assert_eq!(server.journal().matches("XCLAIM").count(), 2);
}
