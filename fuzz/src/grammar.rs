//! Scripts out of an input: statements and expressions of all kinds, calls of all functions that scripts have, with odd
//! arguments. Most of what is made is valid, and most of what fails is caught, so that the rest is run too.

use crate::Input;

/// What may be nested in what.
const DEPTH_MAX: u32 = 4;
/// The most bytes of a script.
const BYTES_MAX: usize = 3 << 10;

/// The functions that scripts have.
const FUNCTIONS: &[&str] = &[
    "string.byte", "string.char", "string.dump", "string.find", "string.format", "string.gfind",
    "string.gmatch", "string.gsub", "string.len", "string.lower", "string.match", "string.rep",
    "string.reverse", "string.sub", "string.upper", "table.concat", "table.foreach",
    "table.foreachi", "table.getn", "table.insert", "table.maxn", "table.remove", "table.setn",
    "table.sort", "math.abs", "math.ceil", "math.floor", "math.fmod", "math.frexp", "math.ldexp",
    "math.log", "math.max", "math.min", "math.modf", "math.pow", "math.random", "math.randomseed",
    "math.sqrt", "math.tan", "coroutine.create", "coroutine.resume", "coroutine.running",
    "coroutine.status", "coroutine.wrap", "coroutine.yield", "assert", "collectgarbage", "error",
    "gcinfo", "getfenv", "getmetatable", "ipairs", "load", "loadstring", "next", "pairs", "pcall",
    "rawequal", "rawget", "rawset", "select", "setfenv", "setmetatable", "tonumber", "tostring",
    "type", "unpack", "xpcall", "newproxy", "redis.call", "redis.pcall", "redis.error_reply",
    "redis.status_reply", "redis.sha1hex", "redis.log", "redis.setresp", "redis.set_repl",
    "redis.acl_check_cmd", "redis.breakpoint", "redis.debug", "redis.replicate_commands",
    "redis.register_function", "cjson.encode", "cjson.decode", "cjson.encode_sparse_array",
    "cjson.encode_max_depth", "cjson.decode_max_depth", "cjson.encode_number_precision",
    "cjson.encode_keep_buffer", "cjson.encode_invalid_numbers", "cjson.decode_invalid_numbers",
    "cjson.new", "cmsgpack.pack", "cmsgpack.unpack", "cmsgpack.unpack_one", "cmsgpack.unpack_limit",
    "struct.pack", "struct.unpack", "struct.size", "bit.tobit", "bit.bnot", "bit.band", "bit.bor",
    "bit.bxor", "bit.lshift", "bit.rshift", "bit.arshift", "bit.rol", "bit.ror", "bit.bswap",
    "bit.tohex",
];

/// Calls that go far with what they are given: `@` stands for an expression.
const CALLS: &[&str] = &[
    "redis.call('echo', @)", "redis.call('list', @, @, @)", "redis.call('int')",
    "redis.pcall('error')", "redis.call('map')", "redis.call('set')", "redis.call('nested', 1, 2)",
    "redis.call('nested', unpack(B))", "redis.call('big')", "redis.call('verbatim')",
    "redis.pcall('refused')", "redis.setresp(3)", "redis.setresp(2)", "redis.pcall(@, @)",
    "string.rep(@, @)", "('x'):rep(@)", "(@):rep(100)", "('%a+'):rep(@)", "string.format(@, @, @)",
    "string.format('%99.99f', @)", "string.format('%q%s', @, @)", "string.gsub(A, '.', @)",
    "string.gsub(A, @, B)", "string.gsub(A, '(%w)(%w)', '%2%1%0')", "string.gsub(@, '', F)",
    "string.find(A, @, @, true)", "string.find(A, @)", "string.match(A, '^(.-)(%d*)()$', @)",
    "string.byte(A, @, @)", "string.sub(A, @, @)", "string.char(@, @)", "table.concat(@, @, @, @)",
    "table.concat(B, A)", "table.insert(B, @)", "table.insert(B, 1, @)", "table.remove(B, @)",
    "table.sort(B, F)", "table.sort(B, function(a, b) return true end)", "table.sort(B)",
    "unpack(@, @, @)", "unpack(B)", "unpack({}, 1, 7000)", "select(@, @, @)", "select('#', unpack(B))",
    "setmetatable(B, C)", "setmetatable(B, {__index = @, __newindex = @, __call = @, __mode = 'kv'})",
    "setmetatable({}, {__gc = F, __mode = 'k', __eq = F, __lt = F, __le = F, __concat = F})",
    "setmetatable(B, {__metatable = @, __tostring = F, __len = F, __unm = F, __add = F})",
    "newproxy(true)", "newproxy(newproxy(true))", "getmetatable(D)", "getmetatable('').__index",
    "rawset(getmetatable(D), '__gc', F)", "rawset(getmetatable(D), '__index', @)", "rawset(B, @, @)",
    "coroutine.wrap(F)(@)", "coroutine.resume(coroutine.create(F), @)", "coroutine.yield(@)",
    "coroutine.wrap(function() return coroutine.yield(@) end)()", "coroutine.resume(D, @)",
    "coroutine.create(F)", "pcall(F, @)", "xpcall(F, F)", "xpcall(F, error)", "pcall(error, @)",
    "error(@)", "error({err = @})", "error(setmetatable({}, {__tostring = F}))", "error(@, @)",
    "loadstring(@)()", "loadstring('return ' .. A)()", "loadstring(string.dump(F))", "load(F, A)",
    "loadstring(A, A)", "loadstring(('x'):rep(1000, A))", "setfenv(1, @)", "setfenv(0, @)",
    "setfenv(F, @)", "getfenv(@)", "collectgarbage()", "collectgarbage('step')", "F(@)", "F(F, @)",
    "cjson.encode(@)", "cjson.encode(B)", "cjson.decode(@)", "cjson.decode(cjson.encode(B))",
    "cjson.decode(('['):rep(2000))", "cjson.decode(('{\"a\":'):rep(900) .. '1' .. ('}'):rep(900))",
    "cmsgpack.pack(@, @)", "cmsgpack.pack(B)", "cmsgpack.unpack(cmsgpack.pack(B, @))",
    "cmsgpack.unpack(@)", "cmsgpack.unpack(('\\145'):rep(9000))", "cmsgpack.unpack_one(@, @)",
    "cmsgpack.unpack_limit(A, @, @)", "struct.pack(@, @, @)", "struct.pack('>!8I8si5c0', @, @, @, @)",
    "struct.unpack(@, @, @)", "struct.unpack('<bc0!4i3', @)", "struct.unpack(('b'):rep(8100), ('x'):rep(9000))",
    "struct.size(@)", "bit.tohex(@, @)", "bit.lshift(@, @)", "math.random(@, @)", "math.random(@)",
    "tostring(B)", "tostring(newproxy(true))", "tonumber(@, @)", "next(B, @)", "next(B)",
    "(function(...) return select('#', ...), ... end)(unpack(B))", "redis.log(@, @)",
    "redis.register_function(@, F)", "redis.register_function{function_name = @, callback = F, flags = {@}}",
];

const NUMBERS: &[&str] = &[
    "0", "1", "-1", "2", "3", "0.5", "-0.0", "7", "16", "100", "255", "256", "1000", "7998", "65536",
    "1e5", "2147483647", "-2147483648", "2147483648", "4294967295", "4294967296", "9007199254740993",
    "9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e100", "1e308", "-1e308",
    "1/0", "-1/0", "0/0", "0x7fffffff", "1e-320",
];

const STRINGS: &[&str] = &[
    "''", "'x'", "'0'", "'abc'", "'1e3'", "'0x10'", "'nan'", "'\\0'", "'a\\0b'", "'\\r\\n+OK\\r\\n'",
    "'\\255\\254'", "'%'", "'%d'", "'%5.3f'", "'%s'", "'%q'", "'%c%x'", "'%10000d'", "'%b()'", "'%f[%w]'",
    "'(.)%1'", "'^(.*)$'", "'[^%s]-'", "'['", "'[]]'", "'%1'", "'((((((((((()))))))))))'", "'[a-'", "'()'",
    "'__index'", "'__gc'", "'err'", "'ok'", "'map'", "'set'", "'double'", "'big_number'", "'format'",
    "'verbatim_string'", "'>i8'", "'!3i'", "'c0'", "'s'", "'i33'", "'c2147483647'", "'c99999999999'",
    "'!2147483648'", "'{\"a\":[1,{}]}'", "'[1,2'", "'\"\\\\ud800\\\\u0000\"'", "'-0x1p4'", "'on'", "'null'",
    "'collect'", "'count'", "'n'", "'echo'", "'list'", "'nested'", "'return 1'", "'return ...'", "'while'",
    "'[==['", "('x'):rep(200)", "('ab'):rep(5000)", "'\\27Lua'", "'k'", "'lib'", "'no-writes'",
    "'\\221\\255\\255\\255\\255'", "'\\222\\0\\1\\1'", "'\\203\\1\\1'", "'\\218\\255\\255'",
];

const TABLES: &[&str] = &[
    "{}", "{1, 2, 3}", "{1, nil, 3}", "{[0] = 1}", "{[1e9] = 1}", "{[-1] = 1}", "{[1.5] = 1}", "{[true] = 1}",
    "{a = 1, b = {}}", "{[{}] = 1}", "{n = 1e9}", "{err = 'x\\r\\ny'}", "{ok = 'x\\r\\ny'}", "{err = 1}", "{ok = {}}",
    "{double = 1/0}", "{double = 'x'}", "{big_number = '1\\r\\n2'}", "{map = {a = 1, [1] = {}}}", "{map = {}}",
    "{set = {a = true, [2] = false}}", "{verbatim_string = {format = '\\r\\n+OK', string = 'x\\r\\n'}}",
    "{verbatim_string = {format = 1}}", "{{{{{{{{{{{{{{{{{{{{}}}}}}}}}}}}}}}}}}}}", "{true, false, cjson.null}",
    "{(function() end)}", "{'a', 'b', ('x'):rep(300)}", "_G", "string", "redis", "KEYS", "ARGV", "getfenv(0)",
];

const NAMES: &[&str] = &["A", "B", "C", "D", "F", "i", "..."];

const OPERATORS: &[&str] = &[
    "+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or",
];

/// A script that is being made.
pub struct Maker<'a, 'b> {
    input: &'b mut Input<'a>,
    out: Vec<u8>,
    depth: u32,
}

/// A script out of the front of an input.
pub fn script(input: &mut Input<'_>) -> Vec<u8> {
    let mut maker = Maker { input, out: Vec::new(), depth: 0 };
    if maker.input.byte().is_multiple_of(64) {
        let len = maker.input.below(24);
        let flags = maker.input.take(len);
        maker.put("#!lua ");
        maker.out.extend_from_slice(flags);
        maker.put("\n");
    }
    maker.beginning();
    maker.block();
    maker.put(" return ");
    maker.expression();
    maker.out
}

/// A library out of the front of an input.
pub fn library(input: &mut Input<'_>) -> Vec<u8> {
    let mut maker = Maker { input, out: b"#!lua name=lib\n".to_vec(), depth: 0 };
    maker.put("local register, found = redis.register_function, nil ");
    maker.beginning();
    maker.block();
    for name in ["f", "g"] {
        maker.put(" register('");
        maker.put(name);
        maker.put("', function(KEYS, ARGV) local i ");
        maker.block();
        maker.put(" return ");
        maker.expression_without_rest();
        maker.put(" end)");
    }
    maker.out
}

impl Maker<'_, '_> {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn one_of(&mut self, texts: &[&str]) {
        let text = texts[self.input.below(texts.len())];
        self.put(text);
    }

    /// The names that are used.
    fn beginning(&mut self) {
        self.put("local i, A, B, C, D, F = 1, 'abcabc1 23', {1, 2, 'x'}, {}, nil ");
        self.put("C.c = C B.b = C F = function(...) local i = ... if i == nil then i = 1 end ");
        if !self.input.byte().is_multiple_of(4) {
            self.depth += 2;
            self.statement();
            self.depth -= 2;
        }
        self.put(" return ... end ");
    }

    fn block(&mut self) {
        let count = 1 + self.input.below(if self.depth == 0 { 16 } else { 3 });
        for _ in 0..count {
            if self.out.len() > BYTES_MAX || self.input.is_empty() {
                break;
            }
            self.statement();
        }
    }

    fn nested(&mut self, part: impl FnOnce(&mut Self)) {
        self.depth += 1;
        part(self);
        self.depth -= 1;
    }

    fn statement(&mut self) {
        if self.depth >= DEPTH_MAX {
            return self.put(" i = 2 ");
        }
        let kind = self.input.byte();
        match kind & 31 {
            // Most of all: what is called goes into a variable, and failing is caught.
            0..=9 => {
                self.put("local ok ");
                self.put(["ok, D", "ok, A", "ok, B", "ok, C"][usize::from(kind >> 5 & 3)]);
                self.put(" = ");
                self.put("pcall(function(...) return ");
                self.nested(Self::call);
                self.put(" end, A, B) ");
            }
            10 | 11 => {
                self.put("pcall(function(...) ");
                self.nested(Self::block);
                self.put(" end, B, A) ");
            }
            12 | 13 => {
                self.put("B[");
                self.expression();
                self.put("] = ");
                self.expression();
                self.put(" ");
            }
            14 => self.assignment(),
            15 => {
                self.put("for i = ");
                self.expression();
                self.put(", ");
                self.expression();
                self.put(", ");
                self.one_of(NUMBERS);
                self.body();
            }
            16 => {
                self.put("for i = 1, ");
                self.one_of(&["3", "5", "20", "300"]);
                self.body();
            }
            17 => {
                self.put("for i, D in ");
                self.one_of(&["pairs(", "ipairs(", "next, (", "string.gmatch(A, ", "coroutine.wrap("]);
                self.expression();
                self.put(")");
                self.body();
            }
            18 => {
                self.put("while ");
                self.expression();
                self.body();
            }
            19 => {
                self.put("repeat ");
                self.nested(Self::block);
                self.put(" until i or ");
                self.expression();
                self.put(" ");
            }
            20 | 21 => {
                self.put("if ");
                self.expression();
                self.put(" then ");
                self.nested(Self::block);
                self.put(" else ");
                self.nested(Self::block);
                self.put(" end ");
            }
            22 => {
                self.put("F = function(...) local i = ... ");
                self.nested(Self::block);
                self.put(" return ");
                self.expression();
                self.put(" end ");
            }
            23 => {
                self.put("do local A, B, C, D = ");
                self.expression();
                self.put(" ");
                self.nested(Self::block);
                self.put(" end ");
            }
            24 => self.put("B = {B, B} "),
            25 => self.put("A = A .. A "),
            26 => self.put("D = newproxy(true) getmetatable(D).__gc = F D = nil "),
            27 => self.put("for i = 1, 100 do C = {C, i, tostring(i)} end "),
            28 => self.put("local function f(n) if n > 0 then return pcall(f, n - 1) end return F(n) end f(150) "),
            29 => self.put("setmetatable(B, {__index = F, __newindex = F, __call = F, __lt = F, __concat = F}) "),
            30 => {
                self.put("D = coroutine.create(function(...) ");
                self.nested(Self::block);
                self.put(" return ... end) ");
            }
            _ => {
                self.nested(Self::statement_call);
            }
        }
    }

    /// One that is not caught.
    fn statement_call(&mut self) {
        self.put("C[1] = ");
        self.call();
        self.put(" ");
    }

    fn body(&mut self) {
        self.put(" do ");
        self.nested(Self::block);
        // Else few would have an end.
        if !self.input.byte().is_multiple_of(4) {
            self.put(" if i then break end ");
        }
        self.put(" end ");
    }

    fn assignment(&mut self) {
        self.one_of(&["A", "B", "C", "D", "i", "B.x", "B[1]", "C.c.c", "_G.x", "x"]);
        self.put(" = ");
        self.expression();
        self.put(" ");
    }

    fn call(&mut self) {
        let kind = self.input.byte();
        if kind < 180 {
            let pattern = CALLS[usize::from(self.input.byte()) % CALLS.len()];
            for (at, part) in pattern.split('@').enumerate() {
                if at > 0 {
                    self.expression();
                }
                self.put(part);
            }
            return;
        }
        self.one_of(FUNCTIONS);
        self.put("(");
        for at in 0..usize::from(kind & 3) {
            if at > 0 {
                self.put(", ");
            }
            self.expression();
        }
        self.put(")");
    }

    fn expression_without_rest(&mut self) {
        self.put("(function(...) return ");
        self.expression();
        self.put(" end)(KEYS)");
    }

    fn expression(&mut self) {
        let kind = self.input.byte();
        self.depth += 1;
        match kind & 15 {
            0..=2 => self.one_of(NUMBERS),
            3..=5 => self.one_of(STRINGS),
            6 | 7 => self.one_of(TABLES),
            8 | 9 => self.one_of(NAMES),
            10 => self.text(),
            11 => self.one_of(&["nil", "true", "false", "cjson.null", "redis.call", "error", "string.rep", "pcall"]),
            _ if self.depth > DEPTH_MAX + 1 => self.put("B"),
            12 => {
                self.put("(");
                self.expression();
                self.put(" ");
                self.one_of(OPERATORS);
                self.put(" ");
                self.expression();
                self.put(")");
            }
            13 => {
                self.one_of(&["-(", "#(", "not (", "tostring(", "(function(...) return "]);
                let is_function = self.out.ends_with(b"return ");
                self.expression();
                self.put(if is_function { " end)" } else { ")" });
            }
            14 => {
                self.put("{");
                self.expression();
                self.put(", [(");
                self.expression();
                self.put(") or 1] = ");
                self.expression();
                self.put("}");
            }
            _ => self.call(),
        }
        self.depth -= 1;
    }

    /// Bytes of the input as a string, each as its number.
    fn text(&mut self) {
        let len = self.input.below(12);
        let bytes = self.input.take(len);
        self.put("'");
        for byte in bytes {
            self.out.extend_from_slice(format!("\\{byte:03}").as_bytes());
        }
        self.put("'");
    }
}
