//! SLOWLOG and LATENCY as clients see them.

use super::*;
use crate::latency::Event;
use crate::testing::{expect, with};

#[test]
fn the_slow_log_is_shown_counted_and_forgotten() {
    let mut server = with(&[]);
    server.session().name = b"me".to_vec();
    server.session().address = "127.0.0.1:5".into();
    server.engine.watch_long_commands(0, 0);
    server.slow_clock(1_234_567);
    server.ok("SET k v");
    server.ok("GET k");
    server.engine.watch_long_commands(-1, 0);
    expect(
        &mut server,
        &[
            ("SLOWLOG LEN", "2"),
            (
                "SLOWLOG GET",
                "[[1 1700000000 1234 [GET k] 127.0.0.1:5 me] [0 1700000000 1234 [SET k v] 127.0.0.1:5 me]]",
            ),
            ("SLOWLOG GET 1", "[[1 1700000000 1234 [GET k] 127.0.0.1:5 me]]"),
            ("SLOWLOG GET 0", "[]"),
            ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"),
            ("SLOWLOG GET x", "-ERR count should be greater than or equal to -1"),
            (
                "SLOWLOG GET 1 2",
                "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.",
            ),
            ("SLOWLOG NOPE", "-ERR unknown subcommand 'NOPE'. Try SLOWLOG HELP."),
            ("SLOWLOG RESET", "+OK"),
            ("SLOWLOG LEN", "0"),
            ("SLOWLOG GET -1", "[]"),
        ],
    );
}

#[test]
fn what_the_monitor_saw_is_shown_and_forgotten() {
    let mut server = with(&[]);
    server.engine.watch_long_commands(-1, 5);
    for (seconds, ms) in [(0, 5), (1, 30), (90, 10)] {
        server.engine.now_ms = 1_700_000_000_000 + seconds * 1000;
        server.engine.note_latency(Event::Fork, ms * 1_000_000);
    }
    expect(
        &mut server,
        &[
            ("LATENCY LATEST", "[[fork 1700000090 10 30]]"),
            ("LATENCY HISTORY fork", "[[1700000000 5] [1700000001 30] [1700000090 10]]"),
            ("LATENCY HISTORY nope", "[]"),
            ("LATENCY GRAPH nope", "-ERR No samples available for event 'nope'"),
            ("LATENCY RESET nope", "0"),
            ("LATENCY RESET nope FORK", "1"),
            ("LATENCY LATEST", "[]"),
            ("LATENCY RESET", "0"),
        ],
    );
}

#[test]
fn a_graph_has_a_column_for_each_sample_and_its_age_below() {
    let mut server = with(&[]);
    server.engine.watch_long_commands(-1, 1);
    for (seconds, ms) in [(0, 1), (3600, 5), (7200 - 61, 9), (7195, 13)] {
        server.engine.now_ms = 1_700_000_000_000 + seconds * 1000;
        server.engine.note_latency(Event::Command, ms * 1_000_000);
    }
    server.engine.now_ms = 1_700_000_000_000 + 7_200_000;
    let lines = "   #\n  #|\n o||\n_|||\n    \n2115\nhhms\n";
    let head = "command - high 13 ms, low 1 ms (all time high 13 ms)\n";
    let reply = server.run("LATENCY GRAPH command");
    assert_eq!(reply, format!("{head}{}\n{lines}", "-".repeat(COLUMNS)));
}

#[test]
fn histograms_have_bounds_that_double() {
    let mut server = with(&["SET k v"]);
    server.slow_clock(5_000);
    server.ok("GET k");
    server.slow_clock(700_000_000);
    server.ok("GET k");
    server.slow_clock(0);
    expect(
        &mut server,
        &[
            ("LATENCY HISTOGRAM get", "[get [calls 2 histogram_usec [8 1 1073741 2]]]"),
            ("LATENCY HISTOGRAM nope", "[]"),
            ("LATENCY HISTOGRAM nope SET", "[set [calls 1 histogram_usec [1 1]]]"),
        ],
    );
    server.ok("COMMAND COUNT");
    let all = server.run("LATENCY HISTOGRAM");
    for name in ["set", "get", "command|count", "latency|histogram"] {
        assert!(all.contains(&format!("{name} [calls ")), "{name}: {all}");
    }
    expect(
        &mut server,
        &[
            ("LATENCY HISTOGRAM command", "[command|count [calls 1 histogram_usec [1 1]]]"),
            ("LATENCY HISTOGRAM command|count", "[command|count [calls 1 histogram_usec [1 1]]]"),
        ],
    );
}
