//! Libraries as files and replicas carry them: their texts.

use super::Scripts;
use crate::context::Context;
use crate::engine::Engine;
use crate::host::Host;
use protocol::resp::Args;
use script::caller::{Audience, Caller, Level, Request};
use script::libraries::{Libraries, Restore, Wrong};
use std::borrow::Cow;

/// The host of libraries while they are loaded: they run no commands. Those that come from elsewhere may take their time.
struct Nobody<'a>(Option<&'a mut dyn Host>);

impl Caller for Nobody<'_> {
    fn call(&mut self, _: Request<'_>, _: &mut Vec<u8>) -> Result<(), Cow<'static, [u8]>> {
        Err(Cow::Borrowed(b"no command can be called while a library is loaded"))
    }

    fn may_run(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn set_audience(&mut self, _: Audience) {}

    fn log(&mut self, level: Level, text: &[u8]) {
        if let Some(host) = &mut self.0 {
            host.log(level, &String::from_utf8_lossy(text));
        }
    }

    fn answered_error(&mut self, _: &[u8]) {}

    fn ticks_ns(&mut self) -> u64 {
        self.0.as_mut().map_or(0, |host| host.ticks_ns())
    }

    fn must_pause(&mut self) -> bool {
        false
    }
}

impl Engine {
    /// The texts of all libraries: those that run, and those that are only kept.
    pub fn function_sources(&self) -> Vec<Vec<u8>> {
        let run = self.scripts.libraries.all().map(|(_, library)| library.code.clone());
        run.chain(self.scripts.not_run.iter().cloned()).collect()
    }

    /// Puts these libraries in the place of all there are. Those that cannot be run here are kept; what is wrong with each
    /// of them comes back.
    pub fn replace_functions(&mut self, sources: Vec<Vec<u8>>) -> Vec<String> {
        let seed = self.draw();
        let Scripts { libraries, not_run, .. } = &mut self.scripts;
        libraries.flush();
        not_run.clear();
        let mut wrong = Vec::new();
        for source in sources {
            if let Err(text) = keep(libraries, &source, seed) {
                wrong.push(text);
                not_run.push(source);
            }
        }
        wrong
    }

    /// Keeps a library that cannot be run here.
    pub fn keep_function_source(&mut self, source: Vec<u8>) {
        self.scripts.not_run.push(source);
    }
}

fn keep(libraries: &mut Libraries, source: &[u8], seed: u64) -> Result<(), String> {
    let loaded = libraries.load(source, true, seed, &mut Nobody(None));
    loaded.map(drop).map_err(|wrong| String::from_utf8_lossy(&wrong.text).into_owned())
}

impl Context<'_> {
    /// Loads a library that a client sends. Returns its name.
    pub(crate) fn load_library(&mut self, code: &[u8], replace: bool) -> Result<Vec<u8>, Wrong> {
        let seed = self.engine.draw();
        let trusted = self.session.is_trusted();
        let host = self.host.as_deref_mut().filter(|_| !trusted);
        let host = host.map(|host| host as &mut dyn Host);
        let libraries = &mut self.engine.scripts.libraries;
        libraries.load(code, replace, seed, &mut Nobody(host))
    }

    /// Loads several, all or none.
    pub(crate) fn restore_libraries(
        &mut self,
        codes: &[Vec<u8>],
        how: Restore,
    ) -> Result<(), Wrong> {
        let seed = self.engine.draw();
        let trusted = self.session.is_trusted();
        let host = self.host.as_deref_mut().filter(|_| !trusted);
        let host = host.map(|host| host as &mut dyn Host);
        let scripts = &mut self.engine.scripts;
        scripts.libraries.restore(codes, how, seed, &mut Nobody(host))?;
        if how == Restore::Flush {
            scripts.not_run.clear();
        }
        Ok(())
    }

    /// [`Host::ticks_ns`].
    pub(crate) fn ticks_ns(&mut self) -> u64 {
        self.host.as_mut().map_or(0, |host| host.ticks_ns())
    }
}
