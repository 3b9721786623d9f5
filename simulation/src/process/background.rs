//! What goes on beside the node's own turns: children, the snapshot of a full sync, jobs, and the workers of its append-only file.
//!
//! Each begins when the turn that asked for it is over, and ends at a later moment: a child by the same steps as a real one, a job
//! as a whole, an fsync when so much time has passed as the disk takes.

use super::Process;
use super::outside::{Child, Task, Worker};
use super::parts::{Ready, SyncSource};
use crate::around::Around;
use crate::event::{Event, ToProcess};
use crate::queue::{MS, US};
use backup::aof::Work;
use bytes::Bytes;
use node::config::AppendFsync;
use replica::primary::SyncEvent;
use std::path::Path;
use std::sync::atomic::Ordering;

/// The most bytes of a snapshot that are read at a time.
const PIECE: usize = 64 << 10;

impl Process {
    fn schedule(&self, ns: u64, event: ToProcess, around: &mut Around) {
        around.queue.after(ns, Event::Process(self.place, self.life, event));
    }

    /// Begins what the node has started.
    pub(super) fn begin_started(&mut self, around: &mut Around) {
        let (children, killed, jobs) = {
            let shared = &mut *self.shared.borrow_mut();
            if shared.children.is_empty() && shared.killed.is_empty() && shared.jobs.is_empty() {
                return;
            }
            let take = (&mut shared.children, &mut shared.killed, &mut shared.jobs);
            (std::mem::take(take.0), std::mem::take(take.1), std::mem::take(take.2))
        };
        children.into_iter().for_each(|child| self.begin_child(child, around));
        for pid in killed {
            if let Some(child) = self.children.get_mut(&pid) {
                child.is_killed = true;
                let ns = 100 * US + around.chance.below(2 * MS);
                self.schedule(ns, ToProcess::Child(pid), around);
            }
        }
        for job in jobs {
            let number = self.next_job;
            self.next_job += 1;
            self.jobs.insert(number, job);
            let most = if around.chance.one_in(4) { 200 * MS } else { 5 * MS };
            let ns = 50 * US + around.chance.below(most);
            self.schedule(ns, ToProcess::Job(number), around);
        }
    }

    fn begin_child(&mut self, child: Child, around: &mut Around) {
        let pid = child.pid;
        around.note(self.place, "child begins", [pid as u64, child.frozen.bytes().len() as u64]);
        let most = if around.chance.one_in(3) { 1_500 * MS } else { 60 * MS };
        let ns = 2 * MS + around.chance.below(most);
        match &child.task {
            Task::SyncPipe(number) => {
                let bytes = Bytes::copy_from_slice(child.frozen.bytes());
                self.sync = Some(SyncSource { number: *number, bytes, waits: false, file: None });
                let first = 500 * US + around.chance.below(5 * MS);
                self.schedule(first, ToProcess::SyncPiece, around);
            }
            Task::SyncFile(number, path) => {
                let (bytes, file) = (Bytes::new(), Some(path.clone()));
                self.sync = Some(SyncSource { number: *number, bytes, waits: true, file });
                self.schedule(ns, ToProcess::Child(pid), around);
            }
            Task::Save(..) | Task::Rewrite => self.schedule(ns, ToProcess::Child(pid), around),
        }
        self.children.insert(pid, child);
    }

    /// A child comes to its end.
    pub fn child_ends(&mut self, pid: i32, around: &mut Around) {
        let Some(child) = self.children.remove(&pid) else { return };
        let files = self.disk.files();
        let result = match &child.task {
            _ if child.is_killed => Err("terminated by signal 9".to_string()),
            Task::Save(target, rule) => child
                .frozen
                .save_snapshot(&files, target, rule, pid)
                .map(|replaced| replaced.to_text())
                .map_err(|error| error.to_string()),
            Task::Rewrite => child
                .frozen
                .save_base(&files, Path::new("."), pid)
                .map(|()| String::new())
                .map_err(|error| error.to_string()),
            Task::SyncFile(_, path) => child
                .frozen
                .save_file(&files, path, pid)
                .map(|()| String::new())
                .map_err(|error| error.to_string()),
            Task::SyncPipe(_) => Ok(String::new()),
        };
        around.note(self.place, "child ends", [pid as u64, u64::from(result.is_ok())]);
        match child.task {
            Task::Save(..) | Task::Rewrite => {
                self.turn(node::Event::ChildEnded { pid, result }, around);
            }
            Task::SyncFile(number, _) | Task::SyncPipe(number) => {
                if child.is_killed && matches!(child.task, Task::SyncPipe(_)) {
                    self.end_pipe(number, around);
                }
                let event = SyncEvent::ChildEnded(result.map(|_| ()));
                self.turn(node::Event::Sync(number, event), around);
            }
        }
    }

    /// A child dies by itself, if there is one.
    pub fn kill_a_child(&mut self, around: &mut Around) {
        let Some(child) = self.children.values_mut().next() else { return };
        child.is_killed = true;
        let pid = child.pid;
        self.child_ends(pid, around);
    }

    /// A child was killed whose pipe is read: that ends where it is.
    fn end_pipe(&mut self, number: u64, around: &mut Around) {
        if self.sync.take_if(|sync| sync.number == number).is_some()
            && self.node.host.replication.primary.sync_number() == Some(number)
        {
            self.turn(node::Event::Sync(number, SyncEvent::AllRead), around);
        }
    }

    /// The next piece of the full sync's snapshot, if the node wants one.
    pub fn sync_piece(&mut self, around: &mut Around) {
        let Some(sync) = &mut self.sync else { return };
        let number = sync.number;
        if self.node.host.replication.primary.sync_number() != Some(number) {
            self.sync = None;
            return;
        }
        if let Some(path) = sync.file.clone() {
            if self.opens_sync_file {
                self.opens_sync_file = false;
                self.open_sync_file(number, &path, around);
            }
            return;
        }
        sync.waits = !self.node.wants_sync_piece(number);
        if sync.waits {
            return;
        }
        if sync.bytes.is_empty() {
            self.sync = None;
            self.turn(node::Event::Sync(number, SyncEvent::AllRead), around);
            return;
        }
        let len = (1 + around.chance.index(PIECE)).min(sync.bytes.len());
        let piece = sync.bytes.split_to(len);
        let is_last = sync.bytes.is_empty();
        let ns = 200 * US + around.chance.below(8 * MS);
        self.schedule(ns, ToProcess::SyncPiece, around);
        if is_last {
            self.end_sync_child(number, around);
        }
        self.turn(node::Event::Sync(number, SyncEvent::Piece(piece)), around);
    }

    /// All of a snapshot is in the pipe, and the child that wrote it ends.
    fn end_sync_child(&mut self, number: u64, around: &mut Around) {
        let writes = |child: &&Child| matches!(child.task, Task::SyncPipe(n) if n == number);
        if let Some(pid) = self.children.values().find(writes).map(|child| child.pid) {
            let ns = around.chance.below(12 * MS);
            self.schedule(ns, ToProcess::Child(pid), around);
        }
    }

    fn open_sync_file(&mut self, number: u64, path: &Path, around: &mut Around) {
        let event = match self.disk.files().read_small(path, 1 << 30) {
            Ok(bytes) => {
                let len = bytes.len() as u64;
                if let Some(sync) = &mut self.sync {
                    (sync.bytes, sync.file) = (Bytes::from(bytes), None);
                }
                self.schedule(MS, ToProcess::SyncPiece, around);
                SyncEvent::Opened(len)
            }
            Err(error) => SyncEvent::ReadFailed(error.to_string()),
        };
        self.turn(node::Event::Sync(number, event), around);
    }

    /// There may be room for more of it, or nobody waits for it any more.
    pub(super) fn sync_room(&mut self, around: &mut Around) {
        if self.sync.as_ref().is_some_and(|sync| sync.waits) {
            self.sync_piece(around);
        }
    }

    /// A job ends.
    pub fn job_ends(&mut self, number: u64, around: &mut Around) {
        let Some(job) = self.jobs.remove(&number) else { return };
        let done = job();
        self.turn(node::Event::JobDone(done), around);
    }

    // --- the append-only file ---

    /// Workers that were told something begin with it.
    pub(super) fn look_at_workers(&mut self, around: &mut Around) {
        let shared = &mut *self.shared.borrow_mut();
        for worker in shared.workers.iter_mut() {
            if worker.told.load(Ordering::Relaxed) && !worker.is_scheduled {
                worker.told.store(false, Ordering::Relaxed);
                worker.is_scheduled = true;
                let ns = 5 * US + around.chance.below(100 * US);
                let event = ToProcess::Work(worker.number);
                around.queue.after(ns, Event::Process(self.place, self.life, event));
            }
        }
    }

    /// A worker does what it was told, or an fsync of its ends.
    pub fn work(&mut self, number: u64, is_fsync: bool, around: &mut Around) {
        let now_ms = self.now(around).steady_ms();
        let shared = &mut *self.shared.borrow_mut();
        let Some(at) = shared.workers.iter().position(|worker| worker.number == number) else {
            return;
        };
        let Worker { worker, told, is_scheduled, .. } = &mut shared.workers[at];
        if is_fsync {
            worker.fsync();
            if self.node.host.settings.appendfsync == AppendFsync::Always {
                let machine = &mut around.machines[self.place];
                machine.on_disk.look(&machine.disk);
            }
        }
        told.store(false, Ordering::Relaxed);
        let next = match worker.work(now_ms) {
            Work::Fsync => {
                let ns = 20 * US + self.disk.draw_sync_us() * US;
                Some((ns, ToProcess::Fsync(number)))
            }
            Work::Idle => {
                let due = worker.next_ms().map(|at| at.saturating_sub(now_ms).max(1));
                due.map(|ms| (ms * MS, ToProcess::Work(number)))
            }
        };
        let is_busy = matches!(next, Some((_, ToProcess::Fsync(_))));
        *is_scheduled = is_busy;
        if worker.has_stopped() {
            shared.workers.remove(at);
        } else if let Some((ns, event)) = next {
            around.queue.after(ns, Event::Process(self.place, self.life, event));
        }
        self.ready.push_back(Ready::Disk);
    }
}
