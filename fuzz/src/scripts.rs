//! Scripts with a host that counts: no clock, so that a script that goes on without end is ended at the same place always.

use protocol::resp::read::Reader;
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Reply};
use script::cache::Cache;
use script::caller::{Audience, Caller, Level, Request};
use script::libraries::Libraries;
use script::{Function, Interpreter, Progress, Run};
use std::borrow::Cow;
use std::cell::RefCell;

/// What a script answers that has met nothing odd.
const KNOWN: &[u8] = b"return {redis.call('echo', 'x'), ('x'):upper(), cjson.encode({1})}";
const KNOWN_REPLY: &[u8] = b"*3\r\n$1\r\nx\r\n$1\r\nX\r\n$3\r\n[1]\r\n";
/// Bytes that are enough for it, whatever came before it.
const ENOUGH_BYTES: usize = 16 << 20;
/// Bytes of the interpreter that is kept.
const KEPT_BYTES: usize = 32 << 20;

/// A host with a few commands.
#[derive(Default)]
struct Host {
    /// How often it was asked for the time.
    ticks: u64,
    /// So often a script is let go on when it is looked at.
    patience: u32,
}

impl Caller for Host {
    fn call(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), Cow<'static, [u8]>> {
        let args = request.args;
        let mut encoded = Vec::new();
        protocol::resp::encode::command(&mut encoded, args.iter_from(0));
        assert_eq!(encoded, request.raw, "the words are those of the request");
        let mut reply = Reply::new(out, request.resp3);
        match args.at(0) {
            b"ok" => reply.ok(),
            b"echo" if args.len() > 1 => reply.bulk(args.at(1)),
            b"int" => reply.int(i64::MIN + args.len() as i64),
            b"nil" => reply.null(),
            b"error" => reply.error(b"WRONG type"),
            b"list" => {
                reply.array(args.len() - 1);
                args.iter_from(1).for_each(|word| reply.bulk(word));
            }
            b"nested" => {
                for _ in 0..args.len() * 50 {
                    reply.array(1);
                }
                reply.array(0);
            }
            b"map" => {
                reply.map(2);
                reply.bulk(b"k");
                reply.double(f64::NAN);
                reply.array(0);
                reply.double(1.5);
            }
            b"set" => {
                reply.set(1);
                reply.bulk(b"m");
            }
            b"true" => reply.boolean(true),
            b"verbatim" => reply.verbatim("mkd", b"*x*"),
            b"big" => reply.big_number("12345678901234567890"),
            b"refused" => return Err(Cow::Borrowed(b"-NOPERM for \r\n nobody")),
            _ => return Err(Cow::Borrowed(b"Unknown Redis command called from script")),
        }
        Ok(())
    }

    fn may_run(&mut self, args: Args<'_>) -> Option<bool> {
        match args.at(0) {
            b"ok" => Some(true),
            b"echo" => Some(false),
            _ => None,
        }
    }

    fn set_audience(&mut self, _: Audience) {}

    fn log(&mut self, _: Level, _: &[u8]) {}

    fn answered_error(&mut self, _: &[u8]) {}

    fn ticks_ns(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks * 200_000_000
    }

    fn must_pause(&mut self) -> bool {
        if self.patience == 0 {
            return true;
        }
        self.patience -= 1;
        false
    }
}

/// Scripts and functions, and their host.
pub struct Scripts {
    cache: Cache,
    libraries: Libraries,
    host: Host,
    limit_bytes: usize,
    /// The version that replies are in.
    pub resp3: bool,
}

impl Scripts {
    /// None, which may take so many bytes.
    pub fn new(limit_bytes: usize) -> Scripts {
        Scripts {
            cache: Cache::new(limit_bytes),
            libraries: Libraries::new(limit_bytes),
            host: Host::default(),
            limit_bytes,
            resp3: false,
        }
    }

    /// Runs a script, and ends it when it takes too long. What it replied with, or the text of its failure; `None` if it
    /// is none, or there is no memory to compile it.
    pub fn run(&mut self, text: &[u8], args: &[&[u8]], patience: u32) -> Option<Vec<u8>> {
        let script = self.cache.add(text, 1).ok()?;
        let mut interpreter = self.cache.lend();
        let reply = self.finish(&mut interpreter, script.function, args, patience);
        self.cache.give_back(interpreter);
        Some(reply)
    }

    /// Loads a library, and calls all its functions.
    pub fn load(&mut self, text: &[u8], replace: bool, args: &[&[u8]], patience: u32) {
        let loaded = self.libraries.load(text, replace, 1, &mut self.host);
        assert!(self.libraries.interpreter_bytes() <= self.limit_bytes);
        if loaded.is_err() {
            return;
        }
        let all = self.libraries.all().flat_map(|(_, library)| &library.functions);
        let functions: Vec<Function> = all.map(|function| function.function).collect();
        for function in functions.into_iter().take(4) {
            let mut interpreter = self.libraries.lend();
            self.finish(&mut interpreter, function, args, patience);
            self.libraries.give_back(interpreter);
        }
    }

    fn finish(
        &mut self,
        interpreter: &mut Interpreter,
        function: Function,
        args: &[&[u8]],
        patience: u32,
    ) -> Vec<u8> {
        let words = [&b"EVAL"[..], b"text", b"1", b"key"].into_iter().chain(args.iter().copied());
        let owned = OwnedArgs::of(words);
        let run = Run { function, name: b"name", args: owned.args(), keys: 1, resp3: self.resp3 };
        let mut out = b"before".to_vec();
        self.host.patience = patience;
        let mut progress = interpreter.start(run, &mut self.host, &mut out);
        while progress == Progress::Paused {
            assert_eq!(out, b"before", "who pauses has not replied yet");
            interpreter.kill();
            progress = interpreter.resume(&mut self.host, &mut out);
        }
        assert!(interpreter.used_bytes() <= self.limit_bytes, "{}", interpreter.used_bytes());
        if let Progress::Done(Err(failure)) = progress {
            assert_eq!(out, b"before", "who fails has not replied");
            Reply::new(&mut out, self.resp3).error(&failure.text);
        }
        let reply = out.split_off(b"before".len());
        let mut reader = Reader::new(&reply);
        let is_whole = reader.skip().is_ok() && reader.rest().is_empty();
        assert!(is_whole, "one reply: {}", reply.escape_ascii());
        reply
    }

    /// What was run before has left nothing behind: a known script gives its known reply.
    pub fn check(&mut self) {
        (self.resp3, self.limit_bytes) = (false, ENOUGH_BYTES);
        self.cache.set_memory_limit(ENOUGH_BYTES);
        let reply = self.run(KNOWN, &[], 1).expect("it is a script");
        assert_eq!(reply, KNOWN_REPLY, "{}", reply.escape_ascii());
    }

    /// Forgets everything: no memory is taken any more.
    pub fn flush(&mut self) {
        self.cache.flush();
        self.libraries.flush();
        let bytes = [
            self.cache.interpreter_bytes(),
            self.cache.text_bytes(),
            self.libraries.interpreter_bytes(),
            self.libraries.text_bytes(),
        ];
        assert_eq!(bytes, [0; 4]);
    }
}

thread_local! {
    /// An interpreter for what leaves nothing in it: it is made once, as that takes longer than what is tried in it.
    static KEPT: RefCell<Scripts> = RefCell::new(Scripts::new(KEPT_BYTES));
}

/// What such scripts begin with: whether two values are the same, all of them.
const SAME: &[u8] = b"
    local function same(one, other)
        if type(one) ~= 'table' or type(other) ~= 'table' then
            return one == other or (one ~= one and other ~= other)
        end
        for key, value in pairs(one) do
            if not same(value, other[key]) then return false end
        end
        for key in pairs(other) do
            if one[key] == nil then return false end
        end
        return true
    end";

/// Runs a script that verifies something, and must not fail.
pub fn with_kept(text: &[u8], args: &[&[u8]]) {
    KEPT.with_borrow_mut(|scripts| {
        let reply = scripts.run(&[SAME, text].concat(), args, 100).expect("it is a script");
        assert!(reply.starts_with(b"$"), "{}", reply.escape_ascii());
    });
}
