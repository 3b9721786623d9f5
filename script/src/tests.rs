//! Scripts with a host that knows a few commands.

use crate::cache::Cache;
use crate::caller::{Audience, Caller, Level, Request};
use crate::function::Failure;
use crate::interpreter::{Interpreter, Progress, Run};
use crate::libraries::Libraries;
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Reply};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A host that repeats what it is told.
#[derive(Default)]
pub(crate) struct Host {
    pub calls: Vec<String>,
    pub logged: Vec<String>,
    pub answered: Vec<String>,
    pub audience: Option<Audience>,
    /// Goes on by that much with each look.
    pub step_ns: u64,
    pub now_ns: u64,
    pub pause_after_ns: u64,
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Caller for Host {
    fn call(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), Cow<'static, [u8]>> {
        let args = request.args;
        let words: Vec<String> = args.iter_from(0).map(lossy).collect();
        let mut encoded = Vec::new();
        protocol::resp::encode::command(&mut encoded, args.iter_from(0));
        assert_eq!(encoded, request.raw);
        self.calls.push(words.join(" "));
        let mut reply = Reply::new(out, request.resp3);
        match &*words[0].to_lowercase() {
            "ok" => reply.ok(),
            "echo" => reply.bulk(args.at(1)),
            "int" => reply.int(words[1].parse().unwrap()),
            "nil" => reply.null(),
            "error" => reply.error(b"WRONG type"),
            "list" => {
                reply.array(args.len() - 1);
                args.iter_from(1).for_each(|word| reply.bulk(word));
            }
            "map" => {
                reply.map(1);
                reply.bulk(b"k");
                reply.double(1.5);
            }
            "set" => {
                reply.set(1);
                reply.bulk(b"m");
            }
            "true" => reply.boolean(true),
            "verbatim" => reply.verbatim("mkd", b"*x*"),
            "big" => reply.big_number("12345678901234567890"),
            "panic" => panic!("of the host"),
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

    fn set_audience(&mut self, audience: Audience) {
        self.audience = Some(audience);
    }

    fn log(&mut self, level: Level, text: &[u8]) {
        self.logged.push(format!("{level:?} {}", lossy(text)));
    }

    fn answered_error(&mut self, text: &[u8]) {
        self.answered.push(lossy(text));
    }

    fn ticks_ns(&mut self) -> u64 {
        self.now_ns += self.step_ns;
        self.now_ns
    }

    fn must_pause(&mut self) -> bool {
        self.pause_after_ns > 0 && self.ticks_ns() > self.pause_after_ns
    }
}

/// Scripts and their host.
pub(crate) struct World {
    pub cache: Cache,
    pub libraries: Libraries,
    pub host: Host,
    pub resp3: bool,
    pub replied: Vec<u8>,
}

const LIMIT: usize = 64 << 20;

impl World {
    pub fn new() -> World {
        let (cache, libraries) = (Cache::new(LIMIT), Libraries::new(LIMIT));
        World { cache, libraries, host: Host::default(), resp3: false, replied: Vec::new() }
    }

    /// Does something with the interpreter of scripts.
    pub fn with<T>(&mut self, what: impl FnOnce(&mut Interpreter) -> T) -> T {
        let mut interpreter = self.cache.lend();
        let result = what(&mut interpreter);
        self.cache.give_back(interpreter);
        result
    }

    fn ended(&mut self, progress: Progress) -> String {
        match progress {
            Progress::Paused => "(paused)".to_owned(),
            Progress::Done(Ok(())) => {
                let text = lossy(&self.replied);
                text.strip_prefix("before ")
                    .expect("it is left alone")
                    .replace("\r\n", " ")
                    .trim_end()
                    .to_owned()
            }
            Progress::Done(Err(Failure { text, .. })) => {
                format!("-{}", lossy(&text).replace(['\r', '\n'], " "))
            }
        }
    }

    /// Runs a script with keys and arguments: its reply, blanks in the place of line ends.
    pub fn run_with(&mut self, script: &str, keys: &[&str], args: &[&str]) -> String {
        let script = match self.cache.add(script.as_bytes(), 1) {
            Ok(script) => script,
            Err(text) => return format!("-{}", lossy(&text)),
        };
        let count = keys.len().to_string();
        let words = ["EVAL", "text", &count]
            .into_iter()
            .chain(keys.iter().copied())
            .chain(args.iter().copied());
        let owned = OwnedArgs::of(words.map(str::as_bytes));
        let name = script.digest;
        let run = Run {
            function: script.function,
            name: &name[..4],
            args: owned.args(),
            keys: keys.len(),
            resp3: self.resp3,
        };
        let mut interpreter = self.cache.lend();
        self.replied = b"before ".to_vec();
        let started = catch_unwind(AssertUnwindSafe(|| {
            interpreter.start(run, &mut self.host, &mut self.replied)
        }));
        self.cache.give_back(interpreter);
        let progress = started.unwrap_or_else(|panic| resume_unwind(panic));
        self.ended(progress)
    }

    pub fn run(&mut self, script: &str) -> String {
        self.run_with(script, &[], &[])
    }

    pub fn resume(&mut self) -> String {
        let mut interpreter = self.cache.lend();
        let progress = interpreter.resume(&mut self.host, &mut self.replied);
        self.cache.give_back(interpreter);
        self.ended(progress)
    }

    pub fn load(&mut self, code: &str) -> String {
        let loaded = self.libraries.load(code.as_bytes(), false, 1, &mut self.host);
        loaded.map_or_else(|wrong| format!("-{}", lossy(&wrong.text)), |name| lossy(&name))
    }

    pub fn function(&mut self, name: &str, keys: &[&str], args: &[&str]) -> String {
        let Some(found) = self.libraries.function(name.as_bytes()) else {
            return "-ERR Function not found".to_owned();
        };
        let function = found.function;
        let count = keys.len().to_string();
        let words = ["FCALL", name, &count].into_iter().chain(keys.iter().copied());
        let words = words.chain(args.iter().copied());
        let owned = OwnedArgs::of(words.map(str::as_bytes));
        let run = Run {
            function,
            name: name.as_bytes(),
            args: owned.args(),
            keys: keys.len(),
            resp3: self.resp3,
        };
        let mut interpreter = self.libraries.lend();
        self.replied = b"before ".to_vec();
        let progress = interpreter.start(run, &mut self.host, &mut self.replied);
        self.libraries.give_back(interpreter);
        self.ended(progress)
    }
}

/// Checks scripts and their replies, in one world.
fn expect(cases: &[(&str, &str)]) {
    let mut world = World::new();
    for (script, reply) in cases {
        assert_eq!(world.run(script), *reply, "{script}");
    }
}

mod api;
mod hostile;
mod libraries;
mod pauses;
mod published;
