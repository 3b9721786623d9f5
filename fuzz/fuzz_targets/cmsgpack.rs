//! `cmsgpack`: bytes are unpacked or refused, all at once or value by value; what was unpacked is packed, and unpacked to
//! the same again.
//!
//! ```text
//! input:  limit u8 | offset i8 | packed bytes
//! ```

#![no_main]

use fuzzing::scripts::with_kept;
use libfuzzer_sys::fuzz_target;

const CHECK: &[u8] = br#"
    -- Tables that are keys are no key again, and those too far down are packed as nil.
    local function plain(value, depth)
        if type(value) ~= 'table' then return true end
        if depth == 0 then return false end
        for key, value in pairs(value) do
            if type(key) == 'table' or not plain(value, depth - 1) then return false end
        end
        return true
    end
    local limit, offset, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
    pcall(cmsgpack.unpack_limit, bytes, limit, offset)
    pcall(cmsgpack.unpack_one, bytes, offset)
    -- One by one: each moves on.
    local at, count, whole = 0, 0, true
    while at >= 0 and at < #bytes do
        local ok, next_at = pcall(cmsgpack.unpack_one, bytes, at)
        if not ok then whole = false break end
        assert(next_at == -1 or next_at > at)
        at, count = next_at, count + 1
    end
    local values = {pcall(cmsgpack.unpack, bytes)}
    assert(values[1] == whole or count > 7000, 'all at once, and one by one')
    if not whole or count > 1000 then return 'refused' end
    assert(select('#', cmsgpack.unpack(bytes)) == count)
    for at = 1, count do
        local value = values[at + 1]
        local packed = cmsgpack.pack(value)
        if plain(value, 16) then
            local again = cmsgpack.unpack(packed)
            assert(same(value, again), 'the same again')
            assert(#packed == #cmsgpack.pack(again))
        end
    end
    return 'ok'"#;

fuzz_target!(|data: &[u8]| {
    let [limit, offset, bytes @ ..] = data else { return };
    let numbers = [limit.to_string(), (*offset as i8).to_string()];
    with_kept(CHECK, &[numbers[0].as_bytes(), numbers[1].as_bytes(), bytes]);
});
