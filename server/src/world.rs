//! The world of a node as this process has it: forks, threads, the allocator, the system.

use crate::conversation::OtherServers;
use crate::lazy::LazyFree;
use crate::net::handle::{Handle, Handles};
use crate::net::listeners::Listeners;
use crate::oom::OomScore;
use crate::process::supervisor::Supervisor;
use crate::process::title::{self, Title};
use crate::process::{crash, places, restart};
use crate::shell::Shell;
use crate::tasks;
use crate::{clock, eventloop, limits, log, memory, signals};
use backup::aof::{AppendLog, AppendThread, Appender, FsyncPolicy};
use backup::files::Files;
use backup::fork::{self, SaveJob};
use engine::host::{Answers, Conversation};
use keyspace::db::Db;
use keyspace::entry::Value;
use node::Event;
use node::config::Settings;
use node::jobs::Job;
use node::world::{
    ChildJob, Crash, Freeing, Identity, LoopFigures, Memory, Report, SaveData, Thread, Whose, World,
};
use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What is there of the process before there is a node.
pub struct Process {
    /// What `ps` shows of us, if that is ours to say.
    pub title: Option<Title>,
    /// Who started us and wants to hear how we are.
    pub supervisor: Supervisor,
    /// Wakes the task that looks at what the append thread published.
    pub published: Arc<Notify>,
}

impl Process {
    /// The world of the node in this shell.
    pub fn of(self, shell: Weak<RefCell<Shell>>, handles: Rc<Handles>) -> ProcessWorld {
        ProcessWorld {
            process: self,
            shell,
            handles,
            lazy: LazyFree::start(),
            oom: OomScore::default(),
            other_servers: OtherServers::default(),
            listeners: Listeners::default(),
        }
    }
}

/// The world of a node as this process has it.
pub struct ProcessWorld {
    process: Process,
    shell: Weak<RefCell<Shell>>,
    handles: Rc<Handles>,
    lazy: LazyFree,
    oom: OomScore,
    /// Connections that MIGRATE keeps.
    other_servers: OtherServers,
    listeners: Listeners,
}

fn save_job<'a>(data: SaveData<'a>) -> SaveJob<'a> {
    let SaveData { dbs, meta, options } = data;
    SaveJob { dbs, meta, options, clock_ms: clock::monotonic_ms }
}

impl ProcessWorld {
    fn fork(&self, job: ChildJob<'_>) -> io::Result<i32> {
        let (shell, files) = (self.shell.clone(), Files::real());
        match job {
            ChildJob::Save { data, target, rule } => {
                let child = fork::save_snapshot_child(&files, save_job(data), target, rule)?;
                Ok(tasks::child::start(shell, child))
            }
            ChildJob::Rewrite(job) => {
                let child = fork::rewrite_child(&files, job, clock::monotonic_ms, Path::new("."))?;
                Ok(tasks::child::start(shell, child))
            }
            ChildJob::FullSync { number, data, file: Some(path) } => {
                let child = fork::save_to_file_child(&files, save_job(data), &path)?;
                Ok(tasks::full_sync::start_file(shell, child, path, number))
            }
            ChildJob::FullSync { number, data, file: None } => {
                let (reader, writer) = tasks::full_sync::pipe()?;
                let child = fork::save_to_fd_child(save_job(data), writer.as_fd())?;
                Ok(tasks::full_sync::start_pipe(shell, child, reader, number))
            }
        }
    }
}

impl World for ProcessWorld {
    #[inline]
    fn ticks_ns(&self) -> u64 {
        clock::monotonic_ns()
    }

    fn files(&self) -> Files {
        Files::real()
    }

    fn random(&mut self) -> [u8; 20] {
        rand::random()
    }

    fn start_child(&mut self, job: ChildJob<'_>, settings: &Settings) -> io::Result<i32> {
        let pid = self.fork(job)?;
        self.oom.apply_to_child(settings, pid);
        Ok(pid)
    }

    fn kill_child(&mut self, pid: i32) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    fn close(&mut self, slot: usize) {
        self.handles.with(slot, Handle::kill);
    }

    fn start_job(&mut self, job: Job) {
        let shell = self.shell.clone();
        tokio::task::spawn_local(async move {
            let done = tokio::task::spawn_blocking(job).await.expect("a panic ends the process");
            if let Some(shell) = shell.upgrade() {
                shell.borrow_mut().turn(Event::JobDone(done));
            }
        });
    }

    fn start_appending(
        &mut self,
        appender: Appender,
        policy: FsyncPolicy,
    ) -> io::Result<Box<dyn AppendLog>> {
        let published = Arc::clone(&self.process.published);
        let notify = Box::new(move || published.notify_one());
        let thread = AppendThread::spawn(appender, policy, Box::new(clock::monotonic_ms), notify)?;
        Ok(Box::new(thread))
    }

    fn stand_still(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn free(&mut self, values: Vec<Value>, dbs: Vec<Db>, bytes: usize) {
        self.lazy.free(values, dbs, bytes);
    }

    fn freeing(&self) -> Freeing {
        self.lazy.figures()
    }

    #[inline]
    fn memory_now(&self) -> usize {
        memory::used_now()
    }

    fn refresh_memory(&mut self) {
        memory::refresh();
    }

    fn memory(&self) -> Memory {
        memory::figures()
    }

    fn huge_page_bytes(&self) -> usize {
        memory::huge_page_bytes()
    }

    fn purge_memory(&mut self) {
        memory::purge();
    }

    fn allocator_report(&self) -> Vec<u8> {
        memory::allocator_report()
    }

    fn allocator_number(&mut self, name: &str, value: Option<i64>) -> Result<i64, String> {
        memory::allocator_number(name, value)
    }

    fn allocator_text(&self, name: &str) -> Result<String, String> {
        memory::allocator_text(name)
    }

    fn crash(&mut self, how: Crash) {
        crash::crash(how);
    }

    fn restart(&mut self, delay: Duration) -> String {
        self.stand_still(delay);
        restart::restart()
    }

    fn cpu_seconds(&self, whose: Whose) -> (f64, f64) {
        memory::cpu_seconds(whose)
    }

    fn threads(&self) -> Vec<Thread> {
        memory::threads()
    }

    fn loop_figures(&self) -> LoopFigures {
        eventloop::figures()
    }

    fn reset_loop_figures(&mut self) {
        eventloop::reset();
    }

    fn identity(&self) -> Identity {
        let system = rustix::system::uname();
        let parts = [system.sysname(), system.release(), system.machine()];
        let executable = std::env::current_exe();
        Identity {
            pid: std::process::id(),
            os: parts.map(|part| part.to_string_lossy().into_owned()).join(" "),
            executable: executable.map_or_else(|_| String::new(), |p| p.display().to_string()),
            supervised: self.process.supervisor.name(),
        }
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        self.other_servers.converse(conversation)
    }

    fn kept_connections(&self) -> usize {
        self.other_servers.len()
    }

    fn close_idle_connections(&mut self) {
        self.other_servers.close_idle();
    }

    fn folder(&self) -> Option<PathBuf> {
        std::env::current_dir().ok()
    }

    fn change_folder(&mut self, settings: &Settings) -> Result<(), String> {
        std::env::set_current_dir(&settings.dir).map_err(|error| error.to_string())?;
        let unwritable = places::unwritable(settings, Path::new("."), places::refusal_to_write);
        if let Some(text) = unwritable {
            tracing::warn!("{text}");
        }
        Ok(())
    }

    fn listen(&mut self, settings: &Settings) -> Result<(), String> {
        let shell: Rc<_> = self.shell.upgrade().ok_or("the process is ending")?;
        self.listeners.change(settings, &shell)
    }

    fn make_room_for_clients(&mut self, clients: u32) -> Result<(), String> {
        limits::make_room_for_all(clients)
    }

    fn apply_settings(&mut self, settings: &Settings, file: Option<&Path>) {
        log::set_level(settings.loglevel);
        crash::apply(settings);
        memory::set_background_thread(settings.jemalloc_bg_thread);
        if let Some(title) = &mut self.process.title {
            title.set(&title::expand(settings, file));
        }
    }

    fn apply_oom_score(&mut self, settings: &Settings, is_replica: bool) -> bool {
        self.oom.apply(settings, is_replica).is_ok()
    }

    fn note_role(&mut self, is_replica: bool) {
        log::set_replica(is_replica);
    }

    fn report(&mut self, report: Report<'_>) {
        self.process.supervisor.report(report);
    }

    fn forget_signals(&mut self) {
        signals::forget();
    }

    fn remove_places(&mut self, settings: &Settings) {
        places::remove(settings);
        // Before the connections of clients end: who comes back at once is not let in once more.
        self.listeners.close();
    }

    fn shift_wall_clock(&mut self, ms: i64) {
        clock::shift_wall_clock(ms);
    }
}
