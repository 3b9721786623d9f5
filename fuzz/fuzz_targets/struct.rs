//! `struct`: with any format, bytes are unpacked or refused, and values packed or refused; what was unpacked is packed,
//! and unpacked to the same again.
//!
//! ```text
//! input:  format … 0xff | position 0xff | bytes
//! ```

#![no_main]

use fuzzing::scripts::with_kept;
use libfuzzer_sys::fuzz_target;

const CHECK: &[u8] = br#"
    local format, bytes, position = ARGV[1], ARGV[3], tonumber(ARGV[2]) or 1
    local ok, size = pcall(struct.size, format)
    assert(not ok or size >= 0, 'a size')
    pcall(struct.unpack, format, bytes, position)
    pcall(struct.pack, format, bytes, position, bytes, position, bytes)
    pcall(struct.pack, format, position, -1, 1e308, -1e308, 0/0)
    local values = {pcall(struct.unpack, format, bytes)}
    if not values[1] then return 'refused' end
    local next_at = values[#values]
    assert(next_at >= 1 and next_at <= #bytes + 1, 'where the next one begins')
    -- What a size came before is a value of its own in packing only.
    if format:find('c0', 1, true) or format:find('c[^1-9]') or format:find('c$') then return 'ok' end
    local packed = struct.pack(format, unpack(values, 2, #values - 1))
    assert(#packed == next_at - 1, 'as long as what was read')
    local again = {struct.unpack(format, packed)}
    for at = 2, #values - 1 do
        local one, other = values[at], again[at - 1]
        -- Of an integer beyond 2^53 the last bits are lost, and with them it may need a byte more.
        local is_rounded = type(one) == 'number' and math.abs(one) >= 2^53
        assert(one == other or one ~= one or is_rounded, 'the same again')
    end
    return 'ok'"#;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == 0xff);
    let [format, position, bytes] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    with_kept(CHECK, &[format, position, bytes]);
});
