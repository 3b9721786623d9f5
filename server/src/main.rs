//! `tidemark-server [FILE] [--name value …]`: the process.
//!
//! Reads the configuration, binds the listeners, loads what is on disk and serves until it is told to end. Everything
//! happens on this thread but what is named in `ARCHITECTURE.md` under threads.

#[expect(unsafe_code, reason = "the allocator of the process")]
mod allocator;
mod clock;
mod conversation;
mod eventloop;
mod lazy;
mod limits;
mod log;
#[expect(unsafe_code, reason = "figures and settings of the allocator")]
mod memory;
mod net;
mod oom;
mod process;
mod shell;
#[expect(unsafe_code, reason = "handlers, which run between any two instructions")]
mod signals;
mod tasks;
mod world;

use backup::files::Files;
use node::config::{self, Loaded, Settings};
use node::text::plain;
use node::version::{REDIS_VERSION, TIDEMARK_VERSION};
use node::{Event, Exit};
use process::daemon::{self, Report};
use process::places;
use process::supervisor::Supervisor;
use process::title::{self, Title};
use process::{advice, check, crash};
use rand::TryRng;
use shell::{Shared, Shell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;
use world::Process;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("-v" | "--version") => {
            println!(
                "Tidemark server v={TIDEMARK_VERSION} compatible=redis-{REDIS_VERSION} malloc=jemalloc bits={}",
                usize::BITS
            );
            return;
        }
        Some("-h" | "--help") => {
            println!("Usage: tidemark-server [settings file] [--name value]...");
            println!("       tidemark-server -v | --version");
            println!("       tidemark-server --check-config [settings file] [--name value]...");
            println!("       tidemark-server --check-system");
            println!("       tidemark-server --directives");
            return;
        }
        Some("--check-config") => {
            std::process::exit(i32::from(!advice::check(&args[1..])));
        }
        Some("--check-system") => std::process::exit(i32::from(!check::run())),
        Some("--directives") => {
            print_directives();
            return;
        }
        _ => {}
    }
    signals::ignore_strangers();
    process::restart::note_folder();
    let mut loaded = match Settings::from_command_line(&Files::real(), &args) {
        Ok(loaded) => loaded,
        Err(error) => fail(&error.to_string()),
    };
    // Before the working folder is another one.
    loaded.file = loaded.file.map(|path| std::path::absolute(&path).unwrap_or(path));
    if let Err(error) = start(loaded) {
        tracing::error!("{error}");
        fail(&error);
    }
}

/// Prints what can be configured: name, default, how it can be changed, and what is to be known of it.
fn print_directives() {
    for row in config::ROWS.iter().filter(|row| !row.is(config::HIDDEN)) {
        let when = if row.is(config::IMMUTABLE) { "at start" } else { "any time" };
        let effect = if row.is(config::NO_EFFECT) { "no effect: " } else { "" };
        let note = row.note.unwrap_or("");
        println!("{}\t{}\t{when}\t{effect}{note}", row.name, row.default());
    }
}

fn fail(text: &str) -> ! {
    eprintln!("{}", plain(text));
    std::process::exit(1);
}

/// Prepares the process, then serves.
fn start(mut loaded: Loaded) -> Result<(), String> {
    if let Some(reason) = advice::obstacle(&loaded) {
        return Err(reason);
    }
    let settings = &mut loaded.settings;
    std::env::set_current_dir(&settings.dir)
        .map_err(|error| format!("Can't chdir to '{}': {error}", settings.dir))?;
    log::start(settings).map_err(|error| format!("Can't open the log file: {error}"))?;
    let supervisor = Supervisor::greet(settings.supervised);
    let report = match settings.daemonize && supervisor == Supervisor::Nobody {
        true => Some(daemon::detach()?),
        false => None,
    };
    if report.is_some() && settings.pidfile.is_empty() {
        settings.pidfile = places::PID_FILE.into();
    }
    let title = take_title(settings, loaded.file.as_deref());
    keyspace::hashing::seed_hash(&hash_seed()?);
    memory::prepare();
    memory::note_start();
    tracing::info!("oO0OoO0OoO0Oo Tidemark is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Tidemark {TIDEMARK_VERSION} (Redis version={REDIS_VERSION}), bits={}, port={}, PID: {}",
        usize::BITS,
        settings.port,
        std::process::id()
    );
    match &loaded.file {
        Some(_) => tracing::info!("Configuration loaded"),
        None => tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use tidemark-server \
             /path/to/redis.conf"
        ),
    }
    advice::log(&loaded);
    check::log(loaded.settings.disable_thp);
    let settings = &mut loaded.settings;
    settings.maxclients = limits::make_room_for(settings.maxclients)?;
    if let Some(text) = memory::too_little_for_snapshots(settings.maxmemory) {
        tracing::warn!("{text}");
    }
    if let Some(text) = places::unwritable(settings, Path::new("."), places::refusal_to_write) {
        tracing::warn!("{text}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(eventloop::woke)
        .on_thread_park(eventloop::parks)
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(|error| format!("Can't start the runtime: {error}"))?;
    eventloop::woke();
    runtime.block_on(serve(loaded, title, supervisor, report))
}

/// Shows a title of ours instead of the command line, if that is wanted and allowed.
fn take_title(settings: &Settings, file: Option<&Path>) -> Option<Title> {
    if !settings.set_proc_title {
        return None;
    }
    let taken = Title::take(&title::expand(settings, file));
    taken.inspect_err(|error| tracing::info!("The process keeps its title: {error}")).ok()
}

/// The secret that names are hashed with: from the system's generator, for this process alone.
fn hash_seed() -> Result<[u8; keyspace::hashing::SEED_BYTES], String> {
    let mut seed = [0; keyspace::hashing::SEED_BYTES];
    rand::rngs::SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| format!("Can't get random bytes from the system: {error}"))?;
    Ok(seed)
}

async fn serve(
    loaded: Loaded,
    title: Option<Title>,
    supervisor: Supervisor,
    report: Option<Report>,
) -> Result<(), String> {
    let primary = loaded.settings.replicaof.clone();
    let users = loaded.users.clone();
    let published = Arc::new(Notify::new());
    let process = Process { title, supervisor, published: Arc::clone(&published) };
    let shell: Shared = Shell::start(loaded, |shell, handles| process.of(shell, handles));
    shell.borrow_mut().node.begin_users(&users)?;
    crash::note_main(shell.as_ptr());
    listen(&shell)?;
    let settings = shell.borrow().node.host.settings.clone();
    if let Err(text) = places::write_pid_file(&settings) {
        tracing::warn!("{text}");
        if report.is_some() {
            eprintln!("{}", plain(&text));
        }
    }
    // What fails is logged, and no reason not to serve.
    shell.borrow_mut().node.host.apply_oom_score();
    tracing::info!("Server initialized");
    signals::install()?;
    tokio::task::spawn_local(signals::follow(Rc::clone(&shell)));
    tasks::start(&shell, published);
    let signals = Rc::clone(&shell.borrow().signals);
    shell.borrow_mut().turn(Event::Start);
    signals.ready.notified().await;
    if let Some(Exit::NotLoaded(error)) = &shell.borrow().exit {
        places::remove(&settings);
        return Err(format!("Fatal error loading the DB, check server logs. Exiting. {error}"));
    }
    if let Some(primary) = &primary {
        shell.borrow_mut().turn(Event::Follow(primary.clone()));
    }
    say_what_is_ready(&shell.borrow().node.host.settings);
    supervisor.ready(primary.is_some());
    if let Some(report) = report {
        report.ready();
    }
    std::future::pending().await
}

/// Binds everything that the configuration names, and accepts from then on.
fn listen(shell: &Shared) -> Result<(), String> {
    {
        let host = &mut shell.borrow_mut().node.host;
        host.world.listen(&host.settings)?;
    }
    net::listen::start_unix(shell)
}

fn say_what_is_ready(settings: &Settings) {
    if settings.port != 0 {
        tracing::info!("Ready to accept connections tcp");
    }
    if !settings.unixsocket.is_empty() {
        tracing::info!("Ready to accept connections unix");
    }
}
