//! The libraries of scripts (bit, cjson, cmsgpack, struct) give what those of a real Redis give, for values and bytes of all kinds,
//! whole and damaged: results, and the texts of errors.

use integration::differential::random::Random;
use integration::{Node, Peer};
use redis::{Connection, Value, cmd};

/// Requests of each kind.
const REQUESTS: usize = 3000;
/// Requests that are sent together.
const TOGETHER: usize = 100;

/// Text of any value that does not depend on the order in which a table is walked through; and of an error.
const DUMP: &str = "
local function before(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    return (type(a) == 'number' or type(a) == 'string') and a < b
end
local function dump(v, depth)
    if v == cjson.null then return 'null' end
    if type(v) == 'number' then return string.format('%.17g', v) end
    if type(v) == 'string' then return #v .. ':' .. v end
    if type(v) ~= 'table' then return tostring(v) end
    if depth > 40 then return '...' end
    local keys, parts = {}, {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys, before)
    for i, k in ipairs(keys) do parts[i] = dump(k, depth + 1) .. '=' .. dump(v[k], depth + 1) end
    return '{' .. table.concat(parts, ',') .. '}'
end
local function hex(text)
    return (text:gsub('.', function(c) return string.format('%02x', c:byte()) end))
end
local function try(f, ...)
    local all = {pcall(f, ...)}
    if not all[1] then
        local said = all[2]
        return {'error', type(said) == 'table' and said.err or tostring(said)}
    end
    local texts = {'ok'}
    for i = 2, 12 do texts[i] = all[i] == nil and 'nil' or dump(all[i], 0) end
    return texts
end
";

/// One request of each server.
struct Request {
    script: String,
    args: Vec<Vec<u8>>,
}

/// Sends the same to both, and compares what they say.
fn compare(mut make: impl FnMut(&mut Random) -> Request) {
    let peer = Peer::all().remove(0).start("redis", &[]);
    let ours = Node::start("ours", &[]);
    let mut connections = [peer.connect(), ours.connect()];
    let mut random = Random::new(20_260_101);
    let (mut failed, mut differ) = (0, Vec::new());
    for _ in 0..REQUESTS / TOGETHER {
        let requests: Vec<Request> = (0..TOGETHER).map(|_| make(&mut random)).collect();
        let [theirs, ours] = connections.each_mut().map(|connection| send(connection, &requests));
        for ((request, theirs), ours) in requests.iter().zip(theirs).zip(ours) {
            failed += usize::from(format!("{theirs:?}").contains("error"));
            if theirs != ours {
                let args: Vec<_> =
                    request.args.iter().map(|arg| arg.escape_ascii().to_string()).collect();
                differ.push(format!("{}\n  {args:?}\n  {theirs:?}\n  {ours:?}", request.script));
            }
        }
    }
    assert!(failed > REQUESTS / 50 && failed < REQUESTS * 49 / 50, "{failed} of {REQUESTS} fail");
    let shown = differ.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differ.is_empty(), "{} of {REQUESTS} differ:\n{shown}", differ.len());
}

fn send(connection: &mut Connection, requests: &[Request]) -> Vec<Value> {
    let mut pipe = redis::pipe();
    pipe.ignore_errors();
    for request in requests {
        let mut eval = cmd("EVAL");
        eval.arg(format!("{DUMP}{}", request.script)).arg(0);
        request.args.iter().for_each(|arg| _ = eval.arg(&arg[..]));
        pipe.add_command(eval);
    }
    pipe.query(connection).expect("they go on")
}

/// Damages bytes, now and then.
fn damaged(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    while random.once_in(3) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.below(256) as u8),
            2 => bytes[at] = random.below(256) as u8,
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn json_number(random: &mut Random) -> String {
    const ODD: &[&str] = &[
        "0",
        "-0",
        "1e5",
        "1E400",
        "-1e-400",
        "0x1f",
        "Infinity",
        "-inf",
        "nan",
        "NaN",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "+1",
        "9007199254740993",
        "123456789012345678901234567890",
        "0.1",
        "1e15",
        "1e14",
        "1.5e300",
    ];
    match random.below(3) {
        0 => random.pick(ODD).to_string(),
        1 => random.between(-1000, 1000).to_string(),
        _ => format!("{}.{}", random.between(-1000, 1000), random.below(100_000)),
    }
}

fn json_string(random: &mut Random) -> String {
    const PARTS: &[&str] = &[
        "a",
        "key",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\u0000",
        "\\u00e9",
        "\\u20ac",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\x",
        "\\u12",
        "é",
        "€",
        "\t",
        "\u{1}",
        "\u{7f}",
        " ",
        "/",
    ];
    let parts: String = (0..random.below(5)).map(|_| random.pick(PARTS)).collect();
    format!("\"{parts}\"")
}

fn json(random: &mut Random, depth: usize) -> String {
    let kinds = if depth > 4 { 4 } else { 6 };
    match random.below(kinds) {
        0 => random.pick(&["null", "true", "false", "nul", "True", ""]).to_string(),
        1 | 2 => json_number(random),
        3 => json_string(random),
        4 => {
            let items: Vec<String> =
                (0..random.below(4)).map(|_| json(random, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let pair = |random: &mut Random| {
                format!("{}:{}", json_string(random), json(random, depth + 1))
            };
            let items: Vec<String> = (0..random.below(4)).map(|_| pair(random)).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

#[test]
fn json_is_read_as_in_redis() {
    compare(|random| {
        let text = match random.below(40) {
            0 => "[".repeat(random.below(2000)).into_bytes(),
            1 => (0..random.below(40)).map(|_| random.below(256) as u8).collect(),
            _ => json(random, 0).into_bytes(),
        };
        Request {
            script: "return try(cjson.decode, ARGV[1])".into(),
            args: vec![damaged(random, text)],
        }
    });
}

/// The text of a number in a script.
fn number(random: &mut Random) -> String {
    const ODD: &[&str] = &[
        "0",
        "-0",
        "1/0",
        "-1/0",
        "0/0",
        "2^31",
        "-2^31",
        "2^32",
        "2^53",
        "2^63",
        "-2^63",
        "2^64",
        "1e300",
        "-1e300",
        "0.1",
        "0.5",
        "-0.5",
        "1.5",
        "255",
        "256",
        "65535",
        "65536",
        "127",
        "128",
        "-128",
        "-129",
        "2^51",
        "2^52 + 0.5",
        "'12'",
        "'0x10'",
        "'x'",
        "nil",
        "{}",
        "true",
    ];
    match random.below(3) {
        0 => random.pick(ODD).to_string(),
        1 => random.between(-300, 300).to_string(),
        _ => format!("{}", random.between(-(1 << 40), 1 << 40) as f64 / 64.0),
    }
}

/// The text of a value in a script.
fn value(random: &mut Random, depth: usize) -> String {
    let kinds = if depth > 3 { 4 } else { 7 };
    match random.below(kinds) {
        0 => random
            .pick(&["nil", "true", "false", "cjson.null", "print", "cjson.encode"])
            .to_string(),
        1 => number(random),
        2 => format!("ARGV[{}]", 1 + random.below(4)),
        3 => format!("'{}'", random.pick(&["a", "key", "\\0", "\\200\\255", "/", "\\\"", "\\127"])),
        4 | 5 => {
            let items: Vec<String> =
                (0..random.below(4)).map(|_| value(random, depth + 1)).collect();
            format!("{{{}}}", items.join(", "))
        }
        // One key at most that is no place in a list: in which order they are walked through is nobody's business.
        _ => {
            let key = match random.below(3) {
                0 => format!(
                    "[{}]",
                    random.pick(&["1", "2", "5", "20", "0", "-1", "1.5", "true", "2^40"])
                ),
                _ => random.pick(&["a", "key", "n"]).to_string(),
            };
            format!("{{{key} = {}}}", value(random, depth + 1))
        }
    }
}

fn texts(random: &mut Random) -> Vec<Vec<u8>> {
    let lens = [0, 1, 5, 31, 32, 255, 256, 300];
    (0..4)
        .map(|_| {
            let len = lens[random.below(lens.len())];
            (0..len).map(|_| random.below(256) as u8).collect()
        })
        .collect()
}

#[test]
fn json_is_written_as_in_redis() {
    compare(|random| {
        let script = match random.below(30) {
            0 => "local t = {} t.t = t return try(cjson.encode, t)".to_string(),
            1 => format!(
                "local t = {{}} for i = 1, {} do t = {{t}} end return try(cjson.encode, t)",
                990 + random.below(20)
            ),
            _ => format!("return try(cjson.encode, {})", value(random, 0)),
        };
        Request { script, args: texts(random) }
    });
}

#[test]
fn messages_are_packed_as_in_redis() {
    compare(|random| {
        let count = random.below(4);
        let values: Vec<String> = (0..count).map(|_| value(random, 0)).collect();
        let script =
            format!("return try(function() return hex(cmsgpack.pack({})) end)", values.join(", "));
        Request { script, args: texts(random) }
    });
}

fn message(random: &mut Random, depth: usize, out: &mut Vec<u8>) {
    let some = |random: &mut Random, count: usize, out: &mut Vec<u8>| {
        out.extend((0..count).map(|_| random.below(256) as u8));
    };
    let kinds = if depth > 4 { 6 } else { 8 };
    match random.below(kinds) {
        0 => out.push(random.below(128) as u8),
        1 => out.push(0xe0 | random.below(32) as u8),
        // Numbers, nil and false, extensions, those that are none.
        2 | 3 => {
            let kind = 0xc0 + random.below(32) as u8;
            out.push(kind);
            let bytes = [
                0, 0, 0, 0, 2, 3, 5, 2, 3, 5, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0,
                0, 0, 0, 0, 0,
            ];
            match kind {
                // Strings with their lengths.
                0xc4 | 0xd9 => {
                    let len = random.below(40);
                    out.push(len as u8);
                    some(random, len, out);
                }
                0xc5 | 0xda => {
                    let len = random.below(300);
                    out.extend((len as u16).to_be_bytes());
                    some(random, len, out);
                }
                0xdc | 0xde => {
                    let len = random.below(3);
                    out.extend((len as u16).to_be_bytes());
                    (0..len * if kind == 0xde { 2 } else { 1 })
                        .for_each(|_| message(random, depth + 1, out));
                }
                _ => some(random, bytes[usize::from(kind - 0xc0)], out),
            }
        }
        4 | 5 => {
            let len = random.below(32);
            out.push(0xa0 | len as u8);
            some(random, len, out);
        }
        6 => {
            let len = random.below(4);
            out.push(0x90 | len as u8);
            (0..len).for_each(|_| message(random, depth + 1, out));
        }
        _ => {
            let len = random.below(3);
            out.push(0x80 | len as u8);
            (0..2 * len).for_each(|_| message(random, depth + 1, out));
        }
    }
}

#[test]
fn messages_are_unpacked_as_in_redis() {
    compare(|random| {
        let mut bytes = Vec::new();
        (0..1 + random.below(3)).for_each(|_| message(random, 0, &mut bytes));
        let len = bytes.len() as i64;
        let script = match random.below(4) {
            0 => {
                format!("return try(cmsgpack.unpack_one, ARGV[1], {})", random.between(-1, len + 2))
            }
            1 => {
                let limit = random.between(-1, 3);
                format!(
                    "return try(cmsgpack.unpack_limit, ARGV[1], {limit}, {})",
                    random.between(-1, len + 2)
                )
            }
            _ => "return try(cmsgpack.unpack, ARGV[1])".to_string(),
        };
        Request { script, args: vec![damaged(random, bytes)] }
    });
}

fn format_of(random: &mut Random) -> String {
    let mut format = String::new();
    for _ in 0..random.below(6) {
        format.push_str(random.pick(&[
            "b", "B", "h", "H", "l", "L", "T", "i", "I", "f", "d", "n", "s", "c", "x", "<", ">",
            "=", "!", " ", "c0", "q", "?",
        ]));
        if random.once_in(3) {
            let sizes: &[&str] = &[
                "1",
                "2",
                "3",
                "4",
                "5",
                "7",
                "8",
                "9",
                "16",
                "17",
                "0",
                "32",
                "33",
                "2147483647",
                "99999999999",
            ];
            format.push_str(random.pick(sizes));
        }
    }
    format
}

#[test]
fn structures_are_packed_as_in_redis() {
    compare(|random| {
        let format = format_of(random);
        let any = |random: &mut Random| match random.below(3) {
            0 => format!("ARGV[{}]", 1 + random.below(4)),
            _ => number(random),
        };
        let values: String = (0..random.below(6)).map(|_| format!(", {}", any(random))).collect();
        let script = match random.below(5) {
            0 => format!("return try(struct.size, '{format}')"),
            _ => format!("return try(function() return hex(struct.pack('{format}'{values})) end)"),
        };
        Request { script, args: texts(random) }
    });
}

#[test]
fn structures_are_unpacked_as_in_redis() {
    compare(|random| {
        let format = format_of(random);
        let place = match random.below(4) {
            0 => format!(
                ", {}",
                random.pick(&["0", "1", "2", "5", "300", "-1", "2^31", "2^32", "2^53", "1.5"])
            ),
            _ => String::new(),
        };
        let script = format!("return try(struct.unpack, '{format}', ARGV[1]{place})");
        Request { script, args: texts(random) }
    });
}

#[test]
fn bits_are_as_in_redis() {
    const FUNCTIONS: &[&str] = &[
        "tobit", "tohex", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol",
        "ror", "bswap",
    ];
    compare(|random| {
        let name = random.pick(FUNCTIONS);
        let values: String =
            (0..random.below(4)).map(|_| format!(", {}", number(random))).collect();
        Request { script: format!("return try(bit.{name}{values})"), args: Vec::new() }
    });
}
