//! `cjson`: bytes are decoded or refused; what was decoded is encoded, unless it has what JSON has not, and what was
//! encoded is decoded to the same again. With settings of all kinds nothing else happens than an error.
//!
//! ```text
//! input:  settings u8 | bytes of a text
//! ```

#![no_main]

use fuzzing::scripts::with_kept;
use libfuzzer_sys::fuzz_target;

const CHECK: &[u8] = br#"
    local json, settings = cjson.new(), tonumber(ARGV[1])
    json.encode_invalid_numbers(({'off', 'on', 'null'})[settings % 3 + 1])
    json.decode_invalid_numbers(settings % 8 >= 4)
    json.encode_sparse_array(settings % 16 >= 8, settings % 4, 3)
    if settings % 32 >= 16 then json.decode_max_depth(settings % 5 + 1) end
    if settings % 64 >= 32 then json.encode_max_depth(settings % 7 + 1) end
    if settings >= 128 then json.encode_number_precision(settings % 14 + 1) end
    local ok, value = pcall(json.decode, ARGV[2])
    if not ok then return 'refused' end
    local ok, text = pcall(json.encode, value)
    if not ok then
        assert(text:find('Cannot serialise', 1, true), text)
        return 'not for JSON'
    end
    -- Once written, only what was lost is missing: digits, and what stands for what is no number.
    json.encode_invalid_numbers('on')
    json.encode_max_depth(1000)
    json.decode_max_depth(1000)
    json.decode_invalid_numbers(true)
    local again = json.decode(text)
    local third = json.decode(json.encode(again))
    assert(same(again, third), text)
    if settings == 0 then assert(same(cjson.decode(cjson.encode(value)), again), text) end
    return 'ok'"#;

fuzz_target!(|data: &[u8]| {
    let Some((settings, text)) = data.split_first() else { return };
    with_kept(CHECK, &[settings.to_string().as_bytes(), text]);
});
