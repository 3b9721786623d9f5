//! Known bytes of real servers, read and written; then damage.

use super::*;
use proptest::prelude::*;
use std::convert::Infallible;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hex") as u8;
    digits.chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect()
}

/// Writes down what it is told.
#[derive(Debug, Default, PartialEq)]
struct Notes {
    lines: Vec<String>,
    stream: Option<StreamValue>,
}

fn show(text: StrRef<'_>) -> String {
    String::from_utf8_lossy(text.text(&mut itoa::Buffer::new())).into_owned()
}

impl Notes {
    fn note(&mut self, line: String) -> Result<(), Malformed> {
        self.lines.push(line);
        Ok(())
    }
}

impl ValueVisitor for Notes {
    fn string(&mut self, value: StrRef<'_>) -> Result<(), Malformed> {
        self.note(show(value))
    }
    fn begin(&mut self, kind: Collection, count: u64) -> Result<(), Malformed> {
        self.note(format!("{kind:?} {count}"))
    }
    fn element(&mut self, element: StrRef<'_>) -> Result<(), Malformed> {
        self.note(show(element))
    }
    fn pair(&mut self, field: StrRef<'_>, value: StrRef<'_>) -> Result<(), Malformed> {
        self.note(format!("{}={}", show(field), show(value)))
    }
    fn field_with_expiry(
        &mut self,
        field: StrRef<'_>,
        value: StrRef<'_>,
        expire_ms: Option<i64>,
    ) -> Result<(), Malformed> {
        self.note(format!("{}={}@{expire_ms:?}", show(field), show(value)))
    }
    fn scored(&mut self, member: StrRef<'_>, score: f64) -> Result<(), Malformed> {
        self.note(format!("{}:{score}", show(member)))
    }
    fn packed(&mut self, kind: PackedKind, blob: &[u8]) -> Result<(), Malformed> {
        self.note(format!("{kind:?} {}", blob.len()))
    }
    fn stream(&mut self, stream: StreamValue) -> Result<(), Malformed> {
        self.stream = Some(stream);
        Ok(())
    }
}

fn restore(payload: &[u8]) -> Result<Notes, DumpError> {
    let mut notes = Notes::default();
    read_dump_value(&verify_dump_payload(payload, Sum::Verified)?, &mut notes)?;
    Ok(notes)
}

/// Everything in a file, one line per item.
fn load<S: Source>(source: S, buffer_bytes: usize) -> Result<Vec<String>, ReadError<S::Error>> {
    let mut reader = Reader::with_buffer(source, buffer_bytes)?;
    let mut notes = Notes::default();
    loop {
        let object_type = match reader.next()? {
            Item::Key { key, meta, object_type } => {
                let key = String::from_utf8_lossy(key);
                notes.lines.push(format!("key {key} {:?}", meta.expire_ms));
                object_type
            }
            Item::Aux { name, value } => {
                let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
                notes.lines.push(format!("aux {name}={value}"));
                continue;
            }
            Item::End(checksum) => {
                notes.lines.push(format!("{checksum:?}"));
                return Ok(notes.lines);
            }
            item => {
                notes.lines.push(format!("{item:?}"));
                continue;
            }
        };
        reader.read_value(object_type, &mut notes)?;
    }
}

/// Gives a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Source for Slow<'_> {
    type Error = Infallible;
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let len = self.1.min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}

/// A file that Redis 7.0.15 wrote.
fn whole_file() -> Vec<u8> {
    hex("524544495330303130 fa0972656469732d76657206372e302e3135 fa0a72656469732d62697473c040
         fa056374696d65c28546006b fa08757365642d6d656dc2881a1e00
         fa0e7265706c2d73747265616d2d6462c000
         fa077265706c2d69642833356564666564313938336633613664636136323834333832306130333436663666306663616430
         fa0b7265706c2d6f6666736574c1e607 fa08616f662d62617365c000 fe00fb0201 00016b0176
         fc00d8c32cbb0300000001650176 ffb9de56937ba52019")
}

#[test]
fn headers() {
    for (header, number) in [(b"REDIS0001", 1), (b"REDIS0014", 14), (b"VALKEY080", 80)] {
        let version = Version::parse(header).expect("accepted");
        assert_eq!(version.number, number);
        assert_eq!(version.to_string().as_bytes(), header);
    }
    for header in [b"REDIS0000", b"REDIS0015", b"REDIS0080", b"VALKEY011", b"VALKEY082"] {
        assert!(matches!(Version::parse(header), Err(Malformed::Version(_))));
    }
    for header in [b"REDIS001x", b"RADIS0010", b"VALKEY 80"] {
        assert_eq!(Version::parse(header), Err(Malformed::Signature));
    }
    for byte in 0..=255 {
        let known = matches!(byte, 0..=5 | 7 | 9..=22 | 24 | 25);
        assert_eq!(ObjectType::from_byte(byte).is_some(), known, "{byte}");
        assert_eq!(ObjectType::from_byte(byte).map_or(byte, |found| found as u8), byte);
    }
}

#[test]
fn smallest_files() {
    for (version, checksum) in
        [("3130", "a9fd37fe89a77eeb"), ("3131", "c0228a8d74389762"), ("3132", "10d0db4120bef4d3")]
    {
        let file = hex(&format!("52454449533030{version}ff{checksum}"));
        assert_eq!(load(&file[..], 0), Ok(vec!["Verified".to_owned()]));
    }
    let mut writer = Writer::new(Vec::new(), Options::default());
    writer.header().unwrap();
    writer.eof().unwrap();
    assert_eq!(writer.bytes_written(), 18);
    assert_eq!(writer.into_sink(), hex("524544495330303130ffa9fd37fe89a77eeb"));
}

#[test]
fn a_whole_file_is_read_and_written_alike() {
    let file = whole_file();
    assert_eq!(file.len(), 197);
    let lines = load(&file[..], 0).expect("written by Redis");
    assert_eq!(lines[0], "aux redis-ver=7.0.15");
    assert_eq!(lines[1], "aux redis-bits=64");
    assert_eq!(lines[6], "aux repl-offset=2022");
    let rest = ["SelectDb(0)", "ResizeDb { keys: 2, expires: 1 }", "key k None", "v"];
    assert_eq!(lines[8..12], rest);
    assert_eq!(lines[12..], ["key e Some(4102444800000)", "v", "Verified"]);

    let mut writer = Writer::new(Vec::new(), Options::default());
    writer.header().unwrap();
    for line in &lines[..8] {
        let (name, value) = line["aux ".len()..].split_once('=').expect("a pair");
        writer.aux(name.as_bytes(), value.as_bytes()).unwrap();
    }
    writer.select_db(0).unwrap();
    writer.resize_db(2, 1).unwrap();
    writer.object_type(ObjectType::String).unwrap();
    writer.string(b"k").unwrap();
    writer.string(b"v").unwrap();
    writer.expire_ms(4_102_444_800_000).unwrap();
    writer.object_type(ObjectType::String).unwrap();
    writer.string(b"e").unwrap();
    writer.string(b"v").unwrap();
    writer.eof().unwrap();
    // The replication id is above 20 bytes, but too varied to become shorter.
    assert_eq!(writer.into_sink(), file);
}

#[test]
fn every_cut_and_every_changed_byte_of_a_file_is_noticed() {
    let file = whole_file();
    for len in 0..file.len() {
        let error = load(&file[..len], 0).expect_err("cut");
        let offset = len as u64;
        assert_eq!(error, ReadError::Malformed { offset, reason: Malformed::Truncated });
    }
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x04;
        assert!(load(&damaged[..], 0).is_err(), "byte {at}");
    }
}

#[test]
fn a_checksum_of_zeros_is_accepted_and_old_versions_have_none() {
    let mut file = whole_file();
    let end = file.len() - 8;
    file[end..].fill(0);
    assert_eq!(load(&file[..], 0).expect("unchecked").last().expect("end"), "Absent");
    assert_eq!(
        load(&b"REDIS0004\xfe\x00\x00\x01k\x01v\xff"[..], 0).unwrap().last().unwrap(),
        "Absent"
    );
    let mut writer = Writer::new(Vec::new(), Options { checksum: false, ..Options::default() });
    writer.header().unwrap();
    writer.eof().unwrap();
    assert_eq!(writer.into_sink(), b"REDIS0010\xff\0\0\0\0\0\0\0\0");
}

#[test]
fn what_follows_the_file_is_given_back() {
    let mut file = whole_file();
    file.extend(b"*1\r\n$4\r\nPING\r\n");
    let mut reader = Reader::with_buffer(&file[..], 0).expect("header");
    loop {
        match reader.next().expect("well-formed") {
            Item::Key { .. } => reader.skip_value().expect("well-formed"),
            Item::End(_) => break,
            _ => {}
        }
    }
    assert_eq!(reader.offset(), 197);
    let (source, mut rest) = reader.into_parts();
    rest.extend(source);
    assert_eq!(rest, b"*1\r\n$4\r\nPING\r\n");
}

#[test]
fn dump_payloads_of_strings() {
    for (text, payload) in [
        (&b"hello"[..], "000568656c6c6f 0a00 6372df766534200a"),
        (b"12345678901", "000b3132333435363738393031 0a00 304e52d727176510"),
        (b"-129", "00c17fff 0a00 1760822854808480"),
        (b"2147483648", "000a32313437343833363438 0a00 e7b129a34c1d76ee"),
        (b"007", "0003303037 0a00 7258e27b4c69bad9"),
    ] {
        let payload = hex(payload);
        let mut writer = Writer::for_dump(true);
        writer.object_type(ObjectType::String).unwrap();
        writer.string(text).unwrap();
        assert_eq!(writer.into_dump_payload(), payload);
        let notes = restore(&payload).expect("written by Redis");
        assert_eq!(notes.lines, [String::from_utf8_lossy(text)]);
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1;
            assert_eq!(restore(&damaged), Err(DumpError::VersionOrChecksum));
            assert!(restore(&payload[..at]).is_err());
        }
    }
    let lzf = hex("00c30932 016161e02500016161 0a00 09ac48b9ab15fbc9");
    assert_eq!(restore(&lzf).expect("LZF").lines, ["a".repeat(50)]);
}

#[test]
fn dump_payloads_of_collections() {
    for (payload, lines) in [
        (
            "120102 0f0f000000 0300 816102 0101 c12c02 ff 0a00 c9192395a7ba060f",
            &["List 1", "ListNodePacked 15"][..],
        ),
        (
            "0b14 04000000 03000000 01000000 02000000 70110100 0a00 85d5c1065b1dd055",
            &["SetIntset 20"],
        ),
        ("02010161 0a00 6296e97e44d21a6d", &["Set 1", "a"]),
        (
            "1013 13000000 0400 816602 817602 816e02 dfff02 ff 0a00 aae6d7ac578ef1db",
            &["HashListpack 19"],
        ),
        ("0401 0166 0176 0a00 adf24356b1860efc", &["Hash 1", "f=v"]),
        (
            "111c 1c000000 0600 816102 0101 816202 83312e3504 816302 83696e6604 ff 0a00
             2565dffdaadc1562",
            &["ZsetListpack 28"],
        ),
        (
            "0502 0162 0000000000000440 0161 000000000000f03f 0a00 f46eb73919767291",
            &["Zset 2", "b:2.5", "a:1"],
        ),
    ] {
        assert_eq!(restore(&hex(payload)).expect("written by Redis").lines, lines);
    }
}

fn stream_payload() -> Vec<u8> {
    hex("13 01 10 0000000000000001 0000000000000001 28 28000000 0f00 0201 0001 0101 816602 0001
         0201 0001 0001 817602 0401 0201 0001 0101 817702 0401 ff
         02 01 02 01 01 00 00 02 01 01 67 00 00 81 ffffffffffffffff 00 00 0a00 17c420d963bd41a2")
}

#[test]
fn a_stream_is_read_and_written_alike() {
    let payload = stream_payload();
    let stream = restore(&payload).expect("written by Redis").stream.expect("a stream");
    let id = |seq| StreamId { ms: 1, seq };
    assert_eq!((stream.entries, stream.last_id, stream.first_id), (2, id(2), Some(id(1))));
    assert_eq!((stream.nodes[0].id, stream.nodes[0].listpack.len()), (id(1), 40));
    assert_eq!((&stream.groups[0].name[..], stream.groups[0].entries_read), (&b"g"[..], None));
    let mut writer = Writer::for_dump(false);
    writer.object_type(ObjectType::Stream2).unwrap();
    writer.stream(&stream).unwrap();
    assert_eq!(writer.into_dump_payload(), payload);
}

fn dump(stream: &StreamValue) -> Vec<u8> {
    let mut writer = Writer::for_dump(true);
    writer.object_type(ObjectType::Stream2).unwrap();
    writer.stream(stream).unwrap();
    writer.into_dump_payload()
}

#[test]
fn pending_entries_have_one_owner_each() {
    let mut stream = restore(&stream_payload()).expect("known").stream.expect("a stream");
    let id = StreamId { ms: 1, seq: 1 };
    let group = &mut stream.groups[0];
    group.entries_read = Some(1);
    group.pending.push(PendingEntry { id, delivered_ms: 7, count: 3 });
    assert!(restore(&dump(&stream)).is_err(), "nobody's");
    let consumer = |name: &[u8]| StreamConsumer {
        name: name.to_vec(),
        seen_ms: 7,
        active_ms: Some(7),
        pending: vec![id],
    };
    stream.groups[0].consumers.push(consumer(b"c"));
    assert_eq!(restore(&dump(&stream)).expect("one owner").stream, Some(stream.clone()));
    stream.groups[0].consumers.push(consumer(b"d"));
    assert!(restore(&dump(&stream)).is_err(), "two owners");
    stream.groups[0].consumers[1].pending.clear();
    assert!(restore(&dump(&stream)).is_ok());
    stream.groups[0].consumers[1].name = b"c".to_vec();
    assert!(restore(&dump(&stream)).is_err(), "two of one name");
}

/// A payload of a body with a footer of any version.
fn payload(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    let checksum = crate::crc64::rdb_crc(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

#[test]
fn old_and_foreign_types() {
    let score = b"\x03\x04\x01a\x031.5\x01b\xfe\x01c\xff\x01d\x05-1e20";
    let notes = restore(&payload(score, 6)).expect("ASCII scores");
    assert_eq!(notes.lines, ["Zset 4", "a:1.5", "b:inf", "c:-inf", "d:-100000000000000000000"]);
    assert!(restore(&payload(b"\x03\x01\x01a\xfd", 6)).is_err(), "NaN");

    let notes = restore(&payload(b"\x0e\x02\x03abc\xc0\x05", 9)).expect("nodes are not checked");
    assert_eq!(notes.lines, ["List 2", "ListZiplist 3", "ListZiplist 1"]);
    assert!(restore(&payload(b"\x12\x01\x03\x01a", 10)).is_err(), "container 3");

    let mut valkey = b"\x16\x02\x01f\x01v".to_vec();
    valkey.extend((-1_i64).to_le_bytes());
    valkey.extend(b"\x01g\x01w");
    valkey.extend(5000_i64.to_le_bytes());
    let lines = ["Hash 2", "f=v@None", "g=w@Some(5000)"];
    assert_eq!(restore(&payload(&valkey, 80)).expect("Valkey 9").lines, lines);
    assert!(matches!(
        restore(&payload(&valkey, 12)),
        Err(DumpError::BadFormat(Malformed::Refused { code: 22, .. }))
    ));

    let mut redis = b"\x18".to_vec();
    redis.extend(5000_i64.to_le_bytes());
    redis.extend(b"\x03\x00\x01f\x01v\x01\x01g\x01w\x03\x01h\x01x");
    let lines = ["Hash 3", "f=v@None", "g=w@Some(5000)", "h=x@Some(5002)"];
    assert_eq!(restore(&payload(&redis, 12)).expect("Redis 7.4").lines, lines);

    let module =
        b"\x07\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00\x02\x05\x05\x01a\x04\0\0\0\0\0\0\0\0\x00";
    let error = restore(&payload(module, 12)).expect_err("modules are refused");
    assert!(error.to_string().contains("vectorset"), "{error}");

    let file = [b"REDIS0012\xfe\x00\x07\x01k", &module[1..], &[0xFF; 1], &[0; 8]].concat();
    let mut reader = Reader::with_buffer(&file[..], 0).expect("header");
    assert_eq!(reader.next(), Ok(Item::SelectDb(0)));
    assert!(matches!(reader.next(), Ok(Item::Key { .. })));
    assert_eq!(reader.skip_value(), Ok(()));
    assert_eq!(reader.next(), Ok(Item::End(Checksum::Absent)));

    assert!(restore(&payload(b"\x00\x01ab", 10)).is_err(), "trailing bytes");
    for version in [0, 15, 79, 82] {
        assert_eq!(restore(&payload(b"\x00\x01a", version)), Err(DumpError::VersionOrChecksum));
    }
}

/// Every item that is no key, as bytes of a file: what may stand between a key's attributes and the key.
fn items_between() -> Vec<Vec<u8>> {
    let module = [&b"\xf7\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00"[..], b"\x02\x01\x00"].concat();
    let written = |write: &dyn Fn(&mut Writer<Vec<u8>>)| {
        let mut writer = Writer::new(Vec::new(), Options::default());
        write(&mut writer);
        writer.into_sink()
    };
    vec![
        Vec::new(),
        written(&|writer| writer.aux(b"mvcc-tstamp", b"1733000000000").unwrap()),
        written(&|writer| writer.select_db(3).unwrap()),
        written(&|writer| writer.resize_db(2, 1).unwrap()),
        written(&|writer| writer.function2(b"#!lua name=a").unwrap()),
        vec![opcode::SLOT_INFO, 7, 2, 1],
        module,
    ]
}

#[test]
fn attributes_belong_to_the_next_key_whatever_stands_between() {
    let expiry = [&[opcode::EXPIRE_MS][..], &5_000_i64.to_le_bytes()].concat();
    let seconds = [&[opcode::EXPIRE_SECONDS][..], &5_i32.to_le_bytes()].concat();
    let (idle, freq) = (vec![opcode::IDLE, 9], vec![opcode::FREQ, 200]);
    let between = items_between();
    for expiry in [&expiry, &seconds] {
        // The expiry first, as all servers write it, and last; an item in each gap.
        for attributes in [[expiry, &idle, &freq], [&freq, &idle, expiry]] {
            for gaps in 0..between.len().pow(3) {
                let gap = |n: u32| &between[gaps / between.len().pow(n) % between.len()][..];
                let mut file = b"REDIS0011".to_vec();
                for (n, attribute) in attributes.iter().enumerate() {
                    file.extend_from_slice(attribute);
                    file.extend_from_slice(gap(n as u32));
                }
                file.extend_from_slice(b"\0\x01k\x01v");
                // The next key has none of it.
                file.extend_from_slice(gap(0));
                file.extend_from_slice(b"\0\x01l\x01v\xff\0\0\0\0\0\0\0\0");
                let keys = keys_of(&file);
                let meta = KeyMeta { expire_ms: Some(5_000), idle: Some(9), freq: Some(200) };
                assert_eq!(keys, [("k".into(), meta), ("l".into(), KeyMeta::default())]);
            }
        }
    }
}

/// The keys of a file with what was said about each.
fn keys_of(file: &[u8]) -> Vec<(String, KeyMeta)> {
    let mut reader = Reader::with_buffer(file, 0).expect("header");
    let mut keys = Vec::new();
    loop {
        match reader.next().expect("well-formed") {
            Item::Key { key, meta, .. } => {
                keys.push((String::from_utf8_lossy(key).into_owned(), meta));
                reader.skip_value().expect("well-formed");
            }
            Item::End(_) => return keys,
            _ => {}
        }
    }
}

#[test]
fn an_expiry_of_minus_one_is_none() {
    let mut file = b"REDIS0011".to_vec();
    for (at, key) in [(5_i64, b'a'), (-1, b'b'), (-2, b'c')] {
        file.push(opcode::EXPIRE_MS);
        file.extend(at.to_le_bytes());
        file.extend([0, 1, key, 1, b'v']);
    }
    file.extend(b"\xff\0\0\0\0\0\0\0\0");
    let expiries: Vec<_> = keys_of(&file).into_iter().map(|(_, meta)| meta.expire_ms).collect();
    assert_eq!(expiries, [Some(5), None, Some(-2)]);
}

#[test]
fn unknown_bytes_are_named_with_their_offset() {
    for byte in [6, 8, 22, 23, 26, 100, 0xF2, 0xF3, 0xF6] {
        let file = [b"REDIS0012\xfe\x00", &[byte][..]].concat();
        match load(&file[..], 0) {
            Err(ReadError::Malformed { offset: 11, reason }) => {
                assert!(reason.to_string().contains(&byte.to_string()), "{reason}");
            }
            other => panic!("{byte}: {other:?}"),
        }
    }
}

#[test]
fn functions() {
    let mut writer = Writer::for_dump(true);
    writer.function2(b"#!lua name=a").unwrap();
    writer.function2(b"#!lua name=b").unwrap();
    let payload = writer.into_dump_payload();
    let sources = read_dump_functions(&payload).expect("own payload");
    assert_eq!(sources, [b"#!lua name=a".to_vec(), b"#!lua name=b".to_vec()]);
}

#[test]
fn announced_lengths_allocate_nothing() {
    for body in [
        &b"\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xffabc"[..],
        b"\x00\xc3\x03\x81\x7f\xff\xff\xff\xff\xff\xff\xffabc",
        b"\x00\xc3\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x05abc",
        b"\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\x13\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a",
    ] {
        assert!(matches!(restore(&payload(body, 10)), Err(DumpError::BadFormat(_))));
    }
}

#[test]
fn strings_longer_than_the_buffers() {
    let mut state = 1_u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let mut step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b'a' + (state >> 60) as u8
        };
        (0..len).map(|_| step()).collect()
    };
    let texts = [noise(20_000), vec![b'z'; 3_000_000], noise(2_500_000), noise(10), noise(70_000)];
    for compression in [false, true] {
        let mut writer = Writer::new(Vec::new(), Options { checksum: true, compression });
        writer.header().unwrap();
        writer.object_type(ObjectType::Hash).unwrap();
        writer.string(b"k").unwrap();
        writer.length(texts.len() as u64 * 2).unwrap();
        // Every long string follows and precedes a short one, which stays lent meanwhile.
        for text in &texts {
            writer.string(b"short").unwrap();
            writer.string(text).unwrap();
            writer.string(text).unwrap();
            writer.string(b"12").unwrap();
        }
        writer.eof().unwrap();
        let file = writer.into_sink();
        for (step, buffer_bytes) in [(usize::MAX, 0), (1000, 0), (usize::MAX, 1 << 18)] {
            let lines = load(Slow(&file, step), buffer_bytes).expect("own file");
            assert_eq!(lines.last().expect("end"), "Verified");
            for (lines, text) in lines[2..].chunks_exact(2).zip(&texts) {
                let text = std::str::from_utf8(text).expect("letters");
                assert!(lines[0] == format!("short={text}") && lines[1] == format!("{text}=12"));
            }
        }
    }
}

#[test]
fn lengths_take_their_shortest_form_and_are_read_back() {
    for (length, bytes) in [
        (0, &[0][..]),
        (63, &[63]),
        (64, &[0x40, 64]),
        (16383, &[0x7F, 0xFF]),
        (16384, &[0x80, 0, 0, 0x40, 0]),
        (u64::from(u32::MAX), &[0x80, 255, 255, 255, 255]),
        (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        (u64::MAX, &[0x81, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        let mut out = Vec::new();
        put_length(&mut out, length);
        assert_eq!(out, bytes);
        assert_eq!(input::Input::new(bytes, 0, false).length(), Ok(length));
    }
}

#[test]
fn canonical_integers() {
    for number in [0, 1, -1, 127, -128, 32767, -32769, i32::MAX, i32::MIN] {
        assert_eq!(canonical_i32(number.to_string().as_bytes()), Some(number));
    }
    for text in ["", "-", "-0", "+1", "01", " 1", "1 ", "2147483648", "-2147483649", "1a", "--1"] {
        assert_eq!(canonical_i32(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Short strings are lent, long ones collected, some compressed; however the bytes arrive.
    #[test]
    fn hashes_of_any_strings_round_trip(
        pairs in prop::collection::vec(
            (("[a-c]{0,9}|[0-9]{1,12}", 1_usize..600), ("[a-z]{0,20}", 0_usize..400)), 0..20,
        ),
        step in 1_usize..3000, buffer_bytes in 0_usize..5000, checksum: bool, compression: bool,
    ) {
        let pairs: Vec<(String, String)> = pairs
            .into_iter()
            .map(|((field, n), (value, m))| (field.repeat(n % 7 * n % 40), value.repeat(m)))
            .collect();
        let mut writer = Writer::new(Vec::new(), Options { checksum, compression });
        writer.header().unwrap();
        writer.object_type(ObjectType::Hash).unwrap();
        writer.string(b"key").unwrap();
        writer.length(pairs.len() as u64).unwrap();
        for (field, value) in &pairs {
            writer.string(field.as_bytes()).unwrap();
            writer.string(value.as_bytes()).unwrap();
        }
        writer.eof().unwrap();
        let written = writer.bytes_written();
        let file = writer.into_sink();
        prop_assert_eq!(written, file.len() as u64);

        let lines = load(Slow(&file, step), buffer_bytes).expect("own file");
        let mut expected = vec!["key key None".to_owned(), format!("Hash {}", pairs.len())];
        expected.extend(pairs.iter().map(|(field, value)| format!("{field}={value}")));
        expected.push(if checksum { "Verified" } else { "Absent" }.to_owned());
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn any_body_is_read_without_harm(
        object_type in 0_u8..26, body in prop::collection::vec(any::<u8>(), 0..100), valkey: bool,
    ) {
        let body = [&[object_type][..], &body].concat();
        let _ = restore(&payload(&body, if valkey { 80 } else { 12 }));
    }
}

/// A blob that is made for writing is the same as one that is there, with and without compression.
#[test]
fn blobs_that_are_made_are_blobs() {
    for compression in [false, true] {
        let options = Options { checksum: false, compression };
        let mut there = Writer::new(Vec::new(), options);
        let mut made = Writer::new(Vec::new(), options);
        for blob in [&[b'x'; 300][..], b"short", &[b'y'; 70_000], b"", b"123"] {
            there.blob(blob).unwrap();
            made.blob_made(|bytes| {
                bytes.clear();
                bytes.extend_from_slice(blob);
            })
            .unwrap();
        }
        there.flush().unwrap();
        made.flush().unwrap();
        assert_eq!(made.into_sink(), there.into_sink());
    }
}
