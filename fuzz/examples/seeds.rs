//! Makes the inputs with which the fuzz targets begin: every type and encoding as our server dumps it, the old encodings
//! that are only read, and short samples of everything else.
//!
//! ```sh
//! cd fuzz && cargo run --release --example seeds && cargo +nightly fuzz cmin TARGET
//! ```

use backup::snapshot::{SaveOptions, SnapshotMeta, write_snapshot};
use fuzzing::client::Client;
use fuzzing::{packed, small_limits};
use keyspace::db::Db;
use keyspace::limits::Limits;
use keyspace::table::hash_bytes;
use protocol::lzf::{Compressor, compress};
use protocol::rdb::{FOOTER_BYTES, HEADER_BYTES};
use std::fs;
use std::path::PathBuf;

/// Commands that make keys, one list of keys for each line.
const KEYS: &[&[&str]] = &[
    &["SET key value"],
    &["SET key 12345"],
    &["SET key -9223372036854775808"],
    &["SET key aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    &["PFADD key a b c d e"],
    &["RPUSH key a 1 -7 300 70000 5000000000 \"\""],
    &["RPUSH key a b c", "LPUSH key d e f g 1 2 3"],
    &["SADD key 1 2 3"],
    &["SADD key 1 70000 -5000000000"],
    &["SADD key a b 1"],
    &["SADD key a b c d e f g h"],
    &["HSET key f v 1 2"],
    &["HSET key a 1 b 2 c 3 d 4 e five"],
    &["ZADD key 1 a 2 b 2.5 c"],
    &["ZADD key -inf a 0 b 1 c 1 d 1e300 e inf f"],
    &["GEOADD key 13.36 38.11 Palermo 15.08 37.5 Catania"],
    &["XADD key 1-1 a 1 b 2", "XADD key 1-2 a 3 b 4", "XADD key 5-0 other x"],
    &[
        "XADD key 1-1 a 1",
        "XADD key 2-1 a 2",
        "XADD key 3-1 b 3 c 4",
        "XGROUP CREATE key g 0",
        "XREADGROUP GROUP g c COUNT 2 STREAMS key >",
        "XREADGROUP GROUP g d COUNT 1 STREAMS key >",
        "XACK key g 1-1",
        "XGROUP CREATE key h $ ENTRIESREAD 3",
        "XDEL key 2-1",
    ],
    &["XGROUP CREATE key g 0 MKSTREAM", "XGROUP CREATECONSUMER key g c"],
];

/// Writes inputs under numbers.
struct Corpus(PathBuf, usize);

impl Corpus {
    fn of(target: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder).expect("the folder of the corpus");
        Self(folder, 0)
    }

    fn add(&mut self, parts: &[&[u8]]) {
        self.1 += 1;
        fs::write(self.0.join(format!("seed-{:03}", self.1)), parts.concat()).expect("a seed");
    }
}

fn main() {
    values();
    packed_encodings();
    others();
    libraries();
}

/// What the libraries of scripts read. Scripts themselves are made by a grammar: any bytes are a beginning.
fn libraries() {
    let mut corpus = Corpus::of("cjson");
    let texts: [&[u8]; 9] = [
        b"null",
        b"[1,-2.5e3,true,false,null]",
        b"{\"a\":{\"b\":[]},\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}",
        b"[[[[[[[[1]]]]]]]]",
        b"[1,null,null,null,null,null,null,null,null,null,null,2]",
        b"{\"1\":1,\"1e15\":0x1f,\"nan\":nan,\"inf\":-Infinity}",
        b"[0.1,123456789012345678901234567890,1e400]",
        b"\"\\x\"",
        b"[1,2",
    ];
    for text in texts {
        for settings in [0_u8, 1, 2, 4, 8, 16, 32, 128, 255] {
            corpus.add(&[&[settings], text]);
        }
    }
    let mut corpus = Corpus::of("cmsgpack");
    let packed: [&[u8]; 8] = [
        b"\x01\xff\xc0\xc2\xc3",
        b"\xa3abc\xd9\x02xy\xda\x00\x01z\xdb\x00\x00\x00\x01w",
        b"\x93\x01\x92\x02\x03\x90\xdc\x00\x01\x05",
        b"\x82\xa1a\x01\xa1b\x81\x01\x02\xde\x00\x01\x01\x01",
        b"\xcc\xff\xcd\xff\xff\xce\xff\xff\xff\xff\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
        b"\xca\x3f\x80\x00\x00\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"\xdd\xff\xff\xff\xff\xdf\xff\xff\xff\xff",
    ];
    for bytes in packed {
        for (limit, offset) in [(0_u8, 0_u8), (1, 0), (2, 1), (255, 255)] {
            corpus.add(&[&[limit, offset], bytes]);
        }
    }
    let mut corpus = Corpus::of("struct");
    let formats: [&[u8]; 10] = [
        b"bBhHlLTiI",
        b">i3I7<i16I32",
        b"!8bd!2bi",
        b"fd>fd<",
        b"sxs",
        b"Bc0c3",
        b"!16 c0",
        b"i33",
        b"i2147483648",
        b"=q",
    ];
    for format in formats {
        for position in [&b"1"[..], b"0", b"5", b"4294967296"] {
            corpus.add(&[
                format,
                b"\xff",
                position,
                b"\xff",
                b"\x01\x02abc\0\xff\xfe defgh\0ijklmnopqrstuvwxyz",
            ]);
        }
    }
}

/// Payloads and files: ours, and those that we only read.
fn values() {
    let (mut restore, mut rdb) = (Corpus::of("restore"), Corpus::of("rdb"));
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for (kind, limits) in [(0_u8, Limits::DEFAULT), (16, small_limits())] {
        let mut file = Client::new(limits);
        for (index, lines) in KEYS.iter().enumerate() {
            let mut client = Client::new(limits);
            for line in *lines {
                client.line(line);
                file.line(&line.replace(" key ", &format!(" key{index} ")));
            }
            let payload = client.bulk(&[b"DUMP", b"key"]).expect("a value");
            let body = &payload[..payload.len() - FOOTER_BYTES];
            restore.add(&[&[kind], body]);
            restore.add(&[&[kind | 8], &payload]);
            bodies.push(body.to_vec());
            rdb.add(&[&[8 | kind], &snapshot(&client)]);
        }
        file.line("PEXPIREAT key0 1800000000000");
        file.line("PEXPIREAT key5 1800000000000");
        rdb.add(&[&[8 | 32 | kind], &snapshot(&file)]);
    }
    for body in foreign() {
        restore.add(&[&[3], &body]);
        restore.add(&[&[1], &body]);
        bodies.push(body);
    }
    // Entries around which the target makes the packed value.
    let stream = b"\x02\x00\x01\x81a\x00\x02\x00\x00\x81x\x04\x02\x01\x00\x81y\x04";
    let group =
        b"\x02\x02\x01\x01\x01\x00\x00\x02\x01\x01g\x01\x01\x01\x00\x01\x01c\x09\0\0\0\0\0\0\0\x00";
    let packed_values: [(u8, &[u8], &[u8]); 9] = [
        (10, b"\x01a\xf3\xfe\x80\x02bc", b""),
        (12, b"\x01a\xf2\x01b\x031.5", b""),
        (13, b"\x01f\x01v\x01g\xf3", b""),
        (16, b"\x81f\x81v\x01\x02", b""),
        (17, b"\x81a\x01\x81b\x02\x81c\x832.5", b""),
        (18, b"\x81a\x01\x82bc", b""),
        (20, b"\x81a\x81b\x01", b""),
        (19, stream, b"\x02\x02\x01\x01\x01\x00\x00\x02\x00"),
        (19, stream, group),
    ];
    for (object_type, entries, behind) in packed_values {
        for kind in [32_u8, 32 | 3, 32 | 16] {
            restore.add(&[&[kind, object_type, entries.len() as u8], entries, behind]);
        }
    }
    // Each as a key of a file.
    for body in &bodies {
        let (object_type, value) = body.split_first().expect("a type");
        rdb.add(&[&[8 | 1], &[0xfe, 0], &[*object_type, 3], b"key", value]);
    }
    let end = [&[0xff][..], &[0; 8]].concat();
    rdb.add(&[&[0], b"\xfa\x09redis-ver\x057.2.4\xfa\x07repl-id\x28", &[b'a'; 40], &end]);
    rdb.add(&[
        &[8],
        b"\xfa\x0brepl-offset\xc0\x05\xfa\x0erepl-stream-db\xc0\x00\xfa\x08aof-base\xc0\x01",
    ]);
    rdb.add(&[&[8], b"\xf5\x10#!lua name=lib\n\n\n\xfe\x01\xfb\x02\x01\xfc\0\0\0\0\0\x01\0\0\xf8\x05\0\x01k\x01v"]);
    rdb.add(&[
        &[1],
        b"\xf9\x07\x00\x01k\xc3\x09\x32\x01aa\xe0\x25\x00\x01aa\xf4\x01\x01\x01",
        &end,
    ]);
}

fn snapshot(client: &Client) -> Vec<u8> {
    let mut dbs = [Db::new()];
    for entry in client.engine.dbs[0].iter() {
        // By way of a payload: a database cannot be copied.
        let mut other = Client::new(Limits::DEFAULT);
        let payload = fuzzing::same::dump(entry.value());
        other.call(&[b"RESTORE", entry.key(), b"0", &payload]);
        let value = other.engine.dbs[0].remove(hash_bytes(entry.key()), entry.key());
        let value = value.expect("restored").value;
        dbs[0].put(hash_bytes(entry.key()), entry.key(), value, entry.expiry(), 0);
    }
    let meta = SnapshotMeta {
        redis_ver: "7.2.4".to_string(),
        ctime_s: 1,
        used_mem_bytes: 1,
        replication: None,
        aof_base: false,
        functions: Vec::new(),
        users: None,
    };
    let mut bytes = Vec::new();
    let Ok(_) = write_snapshot(&mut bytes, &dbs, &meta, SaveOptions::default(), &mut |_| ());
    bytes[HEADER_BYTES..bytes.len() - 9].to_vec()
}

/// A blob as a string of the file.
fn blob(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    protocol::rdb::put_length(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

/// Bodies of payloads in encodings that we do not write.
fn foreign() -> Vec<Vec<u8>> {
    let ziplist = |entries: &[u8]| blob(&packed::ziplist_of(entries, false, true));
    let listpack = |entries: &[u8]| blob(&packed::listpack_of(entries, true));
    let stream = listpack(b"\x02\x00\x01\x81a\x00\x02\x00\x00\x81x\x04\x02\x01\x00\x81y\x04");
    let id = |ms: u64, seq: u64| [ms.to_be_bytes(), seq.to_be_bytes()].concat();
    let node = [&[1][..], &blob(&id(1, 1)), &stream, &[2, 2, 1]].concat();
    let group = |active: &[u8]| {
        let pending = [&id(1, 1)[..], &[1, 0, 0, 0, 0, 0, 0, 0, 2]].concat();
        [b"\x01\x01c".as_slice(), &[9, 0, 0, 0, 0, 0, 0, 0], active, &[1], &id(1, 1), &pending[..0]]
            .concat()
    };
    let head = [&[1][..], &id(1, 1), &[1, 0, 0, 0, 0, 0, 0, 0, 2]].concat();
    vec![
        // Types that a file lists element by element.
        b"\x01\x03\x01a\xc0\x07\x02bc".to_vec(),
        b"\x02\x03\x01a\xc0\x07\x02bc".to_vec(),
        b"\x02\x02\xc0\x07\xc1\x00\x01".to_vec(),
        b"\x03\x03\x01a\x031.5\x01b\xfe\x01c\xff".to_vec(),
        b"\x04\x02\x01a\x01b\xc0\x07\x00".to_vec(),
        b"\x05\x02\x01a\0\0\0\0\0\0\xf0\x3f\x01b\0\0\0\0\0\0\xf0\xbf".to_vec(),
        // Old packed ones.
        [&[9][..], &blob(b"\x02\x03foo\x03\x00bar\x01k\x01\x02vv--\xff")].concat(),
        [&[10][..], &ziplist(b"\x01a\xf3\xfe\x80\x02bc")].concat(),
        [&[12][..], &ziplist(b"\x01a\xf2\x01b\x031.5\x01c\xf4")].concat(),
        [&[13][..], &ziplist(b"\x01f\x01v\x01g\xf3")].concat(),
        [&[14, 2][..], &ziplist(b"\x01a\xf3"), &ziplist(b"\xc0\x00\x10\x02xy")].concat(),
        [&[11][..], &blob(b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x10\0")].concat(),
        // Newer ones.
        [&[16][..], &listpack(b"\x81f\x81v\x01\x02")].concat(),
        [&[17][..], &listpack(b"\x81a\x01\x81b\x02\x81c\x832.5")].concat(),
        [
            &[18, 3, 2][..],
            &listpack(b"\x81a\x01"),
            &[1],
            &blob(b"plain"),
            &[2],
            &listpack(b"\x82xy"),
        ]
        .concat(),
        [&[20][..], &listpack(b"\x81a\x81b\x01")].concat(),
        // Streams: without groups, and with one in each of the three forms.
        [&[15][..], &node, &[0]].concat(),
        [&[19][..], &node, &[1, 1, 0, 0, 2, 0]].concat(),
        [&[15][..], &node, b"\x01\x01g", &[1, 1], &head, &group(&[])].concat(),
        [&[19][..], &node, &[1, 1, 0, 0, 2], b"\x01\x01g", &[1, 1, 1], &head, &group(&[])].concat(),
        [
            &[21][..],
            &node,
            &[1, 1, 0, 0, 2],
            b"\x01\x01g",
            &[1, 1, 1],
            &head,
            &group(&[7, 0, 0, 0, 0, 0, 0, 0]),
        ]
        .concat(),
        // What is refused: a module, fields with expiries.
        b"\x07\x81\x4b\x8a\xd1\x1a\x64\x8c\x34\x01\x02\x05\x05\x01x\x00".to_vec(),
        b"\x16\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x18\0\0\0\0\0\0\0\0\x01\x00\x01f\x01v".to_vec(),
        [&[25][..], &[0; 8], &listpack(b"\x81f\x81v\x00")].concat(),
        // Compressed.
        b"\x00\xc3\x09\x32\x01aa\xe0\x25\x00\x01aa".to_vec(),
    ]
}

fn packed_encodings() {
    let entries: [&[u8]; 5] = [
        b"\x81a\x01\x7f\x82bc",
        b"\xc1\x00\xdf\xff\xf1\x00\x10\xf2\x00\x00\x80\xf3\0\0\0\x80\xf4\0\0\0\0\0\0\0\x80",
        b"\x80\x81a\x81a\x05\x05",
        b"\xe0\x41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xf0\x02\0\0\0xy",
        b"",
    ];
    let steps: [&[u8]; 4] = [
        b"\x00\x00\x03abc\x01\x00\x02xy\x02\x01\xa1\x05\x06\x03\x00\xa0\x07",
        b"\x04\x01\xf3x\x05\x00\x02\x06\x01\x03\x07\x01",
        b"\x00\x00\xf7z\x08\x02\x09\x00\xe1\x07\x00\x00\x00\xc8\x20\x01",
        b"\x03\x00\x27\x01\x02\x03\x04\x05\x06\x07\x08\x02\x02\xff\x01\x06\x00\x07",
    ];
    let mut corpus = Corpus::of("listpack");
    for bodies in entries {
        for steps in steps {
            corpus.add(&[&[2, bodies.len() as u8], bodies, steps]);
        }
        let whole = packed::listpack_of(bodies, true);
        corpus.add(&[&[0, whole.len() as u8], &whole, steps[0]]);
        corpus.add(&[&[1, whole.len() as u8 - 1], &whole[..whole.len() - 1], steps[1]]);
        corpus.add(&[&[6, bodies.len() as u8], bodies, steps[2]]);
    }
    let mut corpus = Corpus::of("intset");
    for slots in [
        &b"\x01\0\x02\0\x10\0"[..],
        b"\0\0\0\x80\x01\0\0\0",
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    ] {
        for kind in [1_u8, 2, 5, 6, 9, 10, 0x26] {
            corpus.add(&[
                &[kind, slots.len() as u8],
                slots,
                b"\x00\x03\x01\x02\x03\x01\x27\x01\0\0\0\0\0\0\x80\x06\x01\x42\x00",
            ]);
        }
    }
    corpus.add(&[&[0, 14], b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x10\0\x02\x00\x05"]);
    let mut corpus = Corpus::of("ziplist");
    let entries: [&[u8]; 5] = [
        b"\x01a\xf3\xfe\x80\x02bc",
        b"\x01m\xf2\x01n\x031.5\x01o\xf4",
        b"\xc0\x2c\x01\xf0\xff\xff\xff\xd0\0\0\0\x80\xe0\0\0\0\0\0\0\0\x80\x80\0\0\0\x02hi",
        b"\x40\x41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00",
        b"\x01a\xf1\x01a\xf2",
    ];
    for bodies in entries {
        let whole = packed::ziplist_of(bodies, false, true);
        for kind in [2_u8, 6, 10, 18] {
            corpus.add(&[&[kind], bodies]);
        }
        corpus.add(&[&[0], &whole]);
        corpus.add(&[&[1], &whole[..whole.len() - 1]]);
    }
    let mut corpus = Corpus::of("zipmap");
    let pairs: [&[u8]; 4] = [
        b"\x03foo\x03\x00bar",
        b"\x03foo\x03\x02bar__\x01k\x01\x00v\x01l\x00\x00",
        b"\x01k\xfe\x03\0\0\0\x01vvv-\xfe\x01\0\0\0x\x00\x00",
        b"\x01a\x01\x00b\x01a\x01\x00c",
    ];
    for (index, pairs) in pairs.into_iter().enumerate() {
        corpus.add(&[&[1], pairs]);
        corpus.add(&[&[3], pairs]);
        corpus.add(&[&[0, [1, 3, 2, 2][index]], pairs, &[0xff]]);
    }
}

fn others() {
    let mut corpus = Corpus::of("lzf");
    let text = b"user:1000:session user:1001:session user:1002:session".repeat(3);
    let mut packed = Vec::new();
    assert!(compress(&text, &mut packed, &mut Compressor::new()));
    for bytes in [
        &packed[..],
        b"\x01aa\xe0\x25\x00\x01aa",
        b"\x02abc\x20\x02\x40\x00",
        &text,
        b"\x00a\xe0\xff\x00",
    ] {
        for kind in [0_u8, 2, 7, 8] {
            corpus.add(&[&[kind, 0, 1], bytes]);
        }
    }
    let mut corpus = Corpus::of("hyperloglog");
    for kind in [1_u8, 2, 3, 4, 5, 6, 0x2d, 0x35, 0x6d, 0xad, 0x5d] {
        corpus.add(&[
            &[kind, 3],
            b"\x03abc\x02xy\xa2\x05\x06\x07",
            &[6],
            b"\x80\x85\x41\x00\xff\x84",
            b"\x40\x10\x81\xfc",
        ]);
        corpus.add(&[&[kind, 1], b"\x01a", &[2], b"\x7f\xff", b"\x7f\xff"]);
    }
    let mut corpus = Corpus::of("resp");
    let requests: [&[u8]; 8] = [
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\nPING\r\n\r\n*-1\r\n",
        b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n",
        b"set \"a\\x41\\n\" 'it\\'s' plain\n",
        b"*1\r\n$4\r\nECHO\r\n*1\r\n!\r\n",
        b"POST / HTTP/1.1\r\n",
        b"*11\r\n$1\r\nx\r\n",
        b"*1\r\n$16385\r\n",
        b"set \"x\"y\r\n",
    ];
    for bytes in requests {
        for kind in [0_u8, 1, 0x32] {
            corpus.add(&[&[kind, 0], bytes]);
            corpus.add(&[&[kind, 7], bytes]);
        }
    }
    let mut corpus = Corpus::of("aof");
    let manifest = b"file P.2.base.rdb seq 2 type b\nfile P.1.incr.aof seq 1 type h\nfile P.3.incr.aof seq 3 type i startoffset 1\n#c\nfile \"P 4.aof\" seq 4 type i\n";
    corpus.add(&[&[0], manifest]);
    corpus.add(&[&[0], b"file a seq 1 type b\n"]);
    corpus.add(&[&[1], b"tm 10 20 10 0123456789abcdef"]);
    corpus.add(&[&[1], b"tm-history ", &[b'a'; 40], b" ", &[b'0'; 40], b" -1"]);
    corpus.add(&[&[1], b"TS:1700000000"]);
    let records = b"#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n* 2 x\n$4x\nPINGab$0\r\n\r\n";
    corpus.add(&[&[2], records]);
    corpus.add(&[&[6], records]);
    corpus.add(&[&[6], b"#tm 0 10 14 0123456789abcdef   \r\n*1\r\n$4\r\nPING\r\n*1\r\n$5\r\nPI"]);
    let mut corpus = Corpus::of("model");
    for kind in 0..4_u8 {
        for limit in [0_u8, 3, 11, 130, 201] {
            let steps: Vec<u8> =
                (0..120_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            corpus.add(&[&[kind, limit], &steps[usize::from(limit) % 7..]]);
        }
    }
}
