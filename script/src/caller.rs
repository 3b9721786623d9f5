//! What a script asks of its host.

use protocol::resp::Args;
use std::borrow::Cow;

/// Who hears of what a script writes from now on: bits, as `redis.set_repl` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience(pub u8);

impl Audience {
    /// The append-only file.
    pub const DISK: u8 = 1;
    /// Replicas.
    pub const REPLICAS: u8 = 2;
    /// Both: what a script begins with.
    pub const ALL: Audience = Audience(Audience::DISK | Audience::REPLICAS);
}

/// How important a line of the log is: `redis.LOG_DEBUG` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look for a mistake.
    Debug,
    /// Now and then of use.
    Verbose,
    /// What everybody may want to know.
    Notice,
    /// What should not be.
    Warning,
}

/// A command of a script.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Its words.
    pub args: Args<'a>,
    /// The same as the array of bulk strings that a client would have sent.
    pub raw: &'a [u8],
    /// The version of the protocol that the reply is to be in.
    pub resp3: bool,
}

/// The host of a script, while it works.
pub trait Caller {
    /// Executes a command: its reply is put behind what is in `out`. One that must not run is not run: the reason comes
    /// back, as the text of an error with or without a `-` and a code before it.
    fn call(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), Cow<'static, [u8]>>;

    /// Whether the user may run this command. `None` if there is no such command.
    fn may_run(&mut self, args: Args<'_>) -> Option<bool>;

    /// From now on, who hears of what the script writes.
    fn set_audience(&mut self, audience: Audience);

    /// Writes a line of the log.
    fn log(&mut self, level: Level, text: &[u8]);

    /// The script answers with an error that was not counted yet.
    fn answered_error(&mut self, text: &[u8]);

    /// Nanoseconds since some moment, never going back.
    fn ticks_ns(&mut self) -> u64;

    /// The script has run on for a while. Returns whether it is to pause.
    fn must_pause(&mut self) -> bool;
}
