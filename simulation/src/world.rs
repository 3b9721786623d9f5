//! The world: machines, clients and an operator, and how what happens gets to them.
//!
//! ```text
//! load and faults ──► calm: no faults, all are up ──► clients are silent ──► all have come to rest ──► last checks
//! ```
//!
//! # Not here
//! - what happens by chance or order: [`crate::operator`]; a run from beginning to end: [`crate::run`]

use crate::around::Around;
use crate::chance::Chance;
use crate::check::claims::{End, logs};
use crate::check::streams::Placed;
use crate::client::Client;
use crate::disk::{DataOrder, Disk, Latency};
use crate::entry::{Entry, Log};
use crate::event::{ConnId, Event, Place, ToProcess};
use crate::process::Process;
use crate::queue::MS;
use crate::scenario::{Files, Scenario};
use crate::trace::Trace;
use crate::violation::Invariant;
use journal::{Offset, ReplicationId};
use node::Exit;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How long all may take to come to rest, nanoseconds.
const REST_NS: u64 = 300_000 * MS;
/// Between two looks at whether they have.
const LOOK_NS: u64 = 25 * MS;
/// How long clients go on in the calm.
const LAST_WRITES_NS: u64 = 1_000 * MS;

/// The snapshot of a node.
pub const DUMP: &str = "dump.rdb";

/// What ends a fault.
#[derive(Clone, Debug)]
pub enum Repair {
    /// Ways are open again.
    Ways(Vec<(Place, Place)>),
    /// A process goes on.
    Resume(Place),
    /// A disk is well again.
    Disk(Place),
}

/// A machine.
pub struct Machine {
    /// What runs there.
    pub process: Option<Process>,
    /// Processes so far.
    pub life: u64,
    /// Whom it is to follow.
    pub parent: Option<Place>,
    /// How the last process ended, and when.
    pub end: (End, u64),
    /// Its power is off: nothing answers there.
    pub is_dark: bool,
    /// It ended as it was told to: all that was acknowledged has to be there.
    pub was_orderly: bool,
    /// Files of which a bit has flipped, and that no start has looked at since: one that does may be refused. A file that is not
    /// loaded (the dump beside an append-only file) stays what it is until it is.
    pub rotten: BTreeSet<PathBuf>,
    /// Its files may not be readable or writable at a start.
    pub is_troubled: bool,
    /// What it loaded was looked at.
    pub is_checked: bool,
    /// Where its journal ended when its data were looked at.
    seen: Option<(ReplicationId, Offset)>,
    /// Directives that the operator has changed, and written into its configuration.
    pub settings: BTreeMap<&'static str, String>,
    /// What happens to a process that stands still.
    deferred: Vec<ToProcess>,
}

/// The world.
pub struct World {
    /// Its mix.
    pub scenario: &'static Scenario,
    /// What is around.
    pub around: Around,
    /// The machines.
    pub machines: Vec<Machine>,
    /// The clients.
    pub clients: Vec<Client>,
    /// The operator's choices.
    pub chance: Chance,
    /// Directives of all nodes.
    pub directives: Vec<String>,
    /// Disks may lose any sectors of what was not fsynced, whatever was written behind them.
    loses_any: bool,
    /// When the faults end.
    pub calm_ns: u64,
    /// What is to be repaired, by its number.
    pub repairs: Vec<Option<Repair>>,
    is_over: bool,
}

impl World {
    /// A world of this seed, in which faults last so long.
    pub fn new(seed: u64, scenario: &'static Scenario, load_ns: u64, trace: Trace) -> Self {
        let mut chance = Chance::new(seed ^ 0x5eed);
        let (least, most) = scenario.nodes;
        let nodes = least + chance.index(most - least + 1);
        let clients = 3 + chance.index(4);
        let order = if chance.one_in(2) { DataOrder::Ordered } else { DataOrder::Any };
        let disks = (0..nodes).map(|_| {
            let disk = Disk::new(chance.draw());
            disk.set_order(order);
            disk.set_latency(usual_latency());
            disk
        });
        let disks: Vec<Disk> = disks.collect();
        let around = Around::new(disks, nodes + clients, &mut chance, trace);
        let machine = |place: Place, chance: &mut Chance| Machine {
            process: None,
            life: 0,
            parent: (place > 0).then(|| {
                let is_chained = scenario.chains && chance.one_in(2);
                if is_chained { chance.index(place) } else { 0 }
            }),
            end: (End::Kill, 0),
            is_dark: false,
            was_orderly: false,
            rotten: BTreeSet::new(),
            is_troubled: false,
            is_checked: false,
            seen: None,
            settings: BTreeMap::new(),
            deferred: Vec::new(),
        };
        let machines = (0..nodes).map(|place| machine(place, &mut chance)).collect();
        let think_ms = 20 + chance.below(100);
        let mut clients: Vec<Client> = (0..clients - 1)
            .map(|index| Client::new(nodes + index, index, think_ms, chance.fork()))
            .collect();
        let reader = clients.len();
        clients.push(Client::reader(nodes + reader, reader, think_ms, chance.fork()));
        let directives = directives(scenario, &mut chance);
        let (calm_ns, repairs) = (load_ns, Vec::new());
        let (is_over, loses_any) = (false, order == DataOrder::Any);
        Self {
            scenario,
            around,
            machines,
            clients,
            chance,
            directives,
            loses_any,
            calm_ns,
            repairs,
            is_over,
        }
    }

    /// Lets it go on until it is over, or something is violated.
    pub fn run(&mut self) {
        for place in 0..self.machines.len() {
            let ns = self.chance.below(20 * MS);
            self.around.queue.after(ns, Event::Start(place));
        }
        self.clients.iter_mut().for_each(|client| client.begin(&mut self.around));
        if !self.scenario.acts.is_empty() {
            self.next_act();
        }
        self.around.queue.at(self.calm_ns, Event::Calm);
        while self.around.violation.is_none() && !self.is_over {
            let event = self.around.queue.pop().expect("a world ends by its last look");
            self.around.figures.events += 1;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Process(place, life, event) => self.happen_to(place, life, event),
            Event::Deliver(conn, end) => {
                let told = self.around.net.deliver(conn, end, &mut self.around.queue);
                if let Some(place) = told {
                    self.readable(place, conn);
                }
            }
            Event::Reset(conn, end) => {
                if let Some(place) = self.around.net.tell_reset(conn, end) {
                    self.readable(place, conn);
                }
            }
            Event::Room(conn, end) => {
                if let Some(place) = self.around.net.place(conn, end) {
                    self.writable(place, conn);
                }
            }
            Event::Client(place, timer) => self.client(place, timer),
            Event::Told(place, primary) => self.client_at(place).told(primary),
            Event::Operator => {
                if self.around.now_ns() < self.calm_ns {
                    self.act();
                    self.next_act();
                }
            }
            Event::Start(place) => self.start(place),
            Event::Repair(number) => self.repair(number as usize),
            Event::Follow(place) => self.follow(place),
            Event::Calm => self.calm(),
            Event::Look => self.look(),
        }
    }

    fn client_at(&mut self, place: Place) -> &mut Client {
        let nodes = self.machines.len();
        &mut self.clients[place - nodes]
    }

    fn client(&mut self, place: Place, timer: u64) {
        let machines = &self.machines;
        let is_there = |around: &Around, node: Place| {
            let machine = &machines[node];
            match machine.process {
                _ if !around.net.is_open(place, node) || !around.net.is_open(node, place) => None,
                Some(_) => Some(true),
                None => (!machine.is_dark).then_some(false),
            }
        };
        let client = &mut self.clients[place - machines.len()];
        if let Some((conn, node)) = client.wake(timer, &mut self.around, is_there)
            && let Some(process) = &mut self.machines[node].process
        {
            process.accept(conn, place, false, &mut self.around);
            self.run_process(node);
        }
    }

    fn readable(&mut self, place: Place, conn: ConnId) {
        if place >= self.machines.len() {
            let nodes = self.machines.len();
            let client = &mut self.clients[place - nodes];
            if client.has(conn) {
                client.read(&mut self.around);
            }
        } else if let Some(process) = &mut self.machines[place].process {
            process.readable(conn);
            self.run_process(place);
        }
    }

    fn writable(&mut self, place: Place, conn: ConnId) {
        if place >= self.machines.len() {
            let nodes = self.machines.len();
            let client = &mut self.clients[place - nodes];
            if client.has(conn) {
                client.write(&mut self.around);
            }
        } else if let Some(process) = &mut self.machines[place].process {
            process.writable(conn, &mut self.around);
            self.run_process(place);
        }
    }

    /// All that is ready on a machine has its turn.
    pub fn run_process(&mut self, place: Place) {
        if let Some(process) = &mut self.machines[place].process {
            process.run(&mut self.around);
        }
        self.look_at_process(place);
    }

    fn happen_to(&mut self, place: Place, life: u64, event: ToProcess) {
        let machine = &mut self.machines[place];
        let Some(process) = machine.process.as_mut().filter(|process| process.life == life) else {
            return;
        };
        if process.is_paused {
            machine.deferred.push(event);
            return;
        }
        let [kind, number] = match event {
            ToProcess::Tick => [0, 0],
            ToProcess::Work(number) => [1, number],
            ToProcess::Fsync(number) => [2, number],
            ToProcess::Job(number) => [3, number],
            _ => [4, 0],
        };
        self.around.note(place, "has", [kind, number]);
        match event {
            ToProcess::Dial(attempt, target) => self.dial(place, attempt, target),
            event => {
                process.happened(event, &mut self.around);
                self.look_at_process(place);
            }
        }
    }

    /// A node dials its primary.
    fn dial(&mut self, place: Place, attempt: replica::link::Attempt, target: Place) {
        let is_open =
            self.around.net.is_open(place, target) && self.around.net.is_open(target, place);
        let Some(process) = &mut self.machines[place].process else { return };
        if !process.is_dialling(attempt) {
            return;
        }
        let life = process.life;
        let later = |event| Event::Process(place, life, event);
        if self.machines[target].process.is_some() && is_open {
            let conn = self.around.net.connect(place, target);
            if let Some(server) = &mut self.machines[target].process {
                server.accept(conn, place, true, &mut self.around);
            }
            if let Some(process) = &mut self.machines[place].process {
                process.dialled(attempt, conn, target, &mut self.around);
            }
            self.run_process(target);
            self.run_process(place);
        } else if is_open && !self.machines[target].is_dark {
            self.around.queue.after(MS, later(ToProcess::Refused(attempt)));
        } else {
            // The system tries again.
            self.around.queue.after(1_000 * MS, later(ToProcess::Dial(attempt, target)));
        }
    }

    /// A process that stood still goes on.
    pub fn resume(&mut self, place: Place) {
        let machine = &mut self.machines[place];
        let Some(process) = machine.process.as_mut().filter(|process| process.is_paused) else {
            return;
        };
        process.is_paused = false;
        let life = process.life;
        for event in std::mem::take(&mut machine.deferred) {
            self.around.queue.after(0, Event::Process(place, life, event));
        }
        self.run_process(place);
    }

    // --- beginnings and ends ---

    /// Starts a machine's process, if there is none.
    pub fn start(&mut self, place: Place) {
        if self.machines[place].process.is_some() {
            return;
        }
        let mut directives = self.directives.clone();
        for (name, value) in &self.machines[place].settings {
            directives.extend([format!("--{name}"), value.clone()]);
        }
        directives.extend(["--port".into(), (7000 + place).to_string()]);
        if let Some(parent) = self.machines[place].parent {
            let port = (7000 + parent).to_string();
            directives.extend(["--replicaof".into(), format!("node{parent}"), port]);
        }
        let machine = &mut self.machines[place];
        machine.life += 1;
        (machine.is_checked, machine.seen) = (false, None);
        machine.deferred.clear();
        self.around.figures.starts += 1;
        let now_ns = self.around.now_ns();
        self.around.note(place, "starts", [machine.life, 0]);
        self.around.machines[place].on_disk.begin_again();
        self.around.machines[place].disk.set_time(i128::from(now_ns));
        if std::mem::take(&mut machine.is_dark) {
            // What others still send to the machine is answered now.
            for (conn, _) in self.around.net.of(place) {
                self.around.net.cut(conn, &mut self.around.queue);
            }
        }
        match Process::start(place, machine.life, &directives, &mut self.around) {
            Ok(process) => machine.process = Some(process),
            Err(error) => {
                let text = format!("node {place} cannot be configured: {error}");
                self.around.violate(Invariant::Asserts, text);
            }
        }
        self.look_at_process(place);
    }

    /// A machine's process ends; it is started again after a while.
    pub fn end(&mut self, place: Place, end: End, wait_ns: u64) {
        let machine = &mut self.machines[place];
        if machine.process.take().is_none() {
            return;
        }
        let around = &mut self.around;
        around.note(place, "ends", [u64::from(end == End::PowerCut), machine.life]);
        around.figures.ends[usize::from(end == End::PowerCut)] += 1;
        let disk = around.machines[place].disk.clone();
        match end {
            End::Kill => disk.kill(),
            End::PowerCut => disk.power_cut(&mut self.chance),
        }
        machine.end = match machine.end {
            // It never came to what it was to load: the end before is not accounted for yet.
            (before, at_ns) if !machine.is_checked && at_ns > 0 => {
                let is_cut = before == End::PowerCut || end == End::PowerCut;
                (if is_cut { End::PowerCut } else { End::Kill }, at_ns)
            }
            _ => (end, around.now_ns()),
        };
        machine.is_dark = end == End::PowerCut;
        machine.was_orderly = false;
        around.machines[place].known = None;
        for (conn, side) in around.net.of(place) {
            match end {
                End::Kill => around.net.abort(conn, side, &mut around.queue),
                End::PowerCut => around.net.make_half_open(conn),
            }
        }
        around.queue.after(wait_ns, Event::Start(place));
    }

    /// Looks at what has become of a process behind its turns.
    fn look_at_process(&mut self, place: Place) {
        let Some(process) = &self.machines[place].process else { return };
        // What a process does behind its end in a step on disk is nothing: it sees errors alone.
        if self.around.machines[place].disk.has_ended() {
            let wait_ns = 50 * MS + self.chance.below(2_000 * MS);
            return self.end(place, End::Kill, wait_ns);
        }
        if let Some(exit) = process.exit.clone() {
            return self.exited(place, exit);
        }
        if process.is_ready && !self.machines[place].is_checked {
            self.machines[place].is_checked = true;
            self.check_loaded(place);
        }
        let Some(process) = self.machines[place].process.as_ref().filter(|p| p.is_ready) else {
            return;
        };
        for client in 0..self.clients.len() {
            let pair = Log { client, which: crate::entry::PAIR };
            if let Err(text) = process.len_of(pair) {
                return self.around.violate(Invariant::Stream, text);
            }
        }
    }

    fn exited(&mut self, place: Place, exit: Exit) {
        let wait_ns = 50 * MS + self.chance.below(2_000 * MS);
        let machine = &self.machines[place];
        match exit {
            Exit::Done => {
                self.end(place, End::Kill, wait_ns);
                self.machines[place].was_orderly = true;
            }
            Exit::Fatal if machine.is_troubled => self.end(place, End::Kill, wait_ns),
            Exit::Fatal => {
                self.end(place, End::Kill, wait_ns);
                let text = format!("node {place} ends itself, and its disk is well");
                self.around.violate(Invariant::Kept, text);
            }
            Exit::NotLoaded(error) => {
                // A hole in the middle cannot be told from rot, and is refused: see `docs/persistence.md`.
                let has_hole = machine.end.0 == End::PowerCut && self.loses_any;
                let is_damaged = !machine.rotten.is_empty() || has_hole;
                let is_meant = is_damaged || machine.is_troubled;
                let names_a_place = error.contains("append") || error.contains("dump.rdb");
                self.end(place, End::Kill, wait_ns);
                self.around.figures.refused += 1;
                if !is_meant || !names_a_place {
                    let text = format!("node {place} does not load its files: {error}");
                    return self.around.violate(Invariant::Prefix, text);
                }
                if is_damaged {
                    self.empty(place);
                }
            }
        }
    }

    /// A machine that is down gets another disk.
    pub fn empty(&mut self, place: Place) {
        let disk = Disk::new(self.chance.draw());
        disk.set_latency(usual_latency());
        let machine = &mut self.around.machines[place];
        machine.disk = disk;
        machine.on_disk.begin_again();
        machine.claims.clear();
        self.machines[place].rotten.clear();
    }

    /// A process has loaded its files: what is there must be what may be.
    fn check_loaded(&mut self, place: Place) {
        let Some(process) = &self.machines[place].process else { return };
        let (end, at_ns) = self.machines[place].end;
        let extra_ns = if self.machines[place].was_orderly { u64::MAX / 2 } else { 0 };
        let len_of = |log| process.len_of(log).unwrap_or(0);
        let claims = &mut self.around.machines[place].claims;
        let settled = claims.settle(end, at_ns + extra_ns, len_of);
        let prefix = self.check_prefix(place, process);
        if place == self.around.primary {
            for log in logs(self.clients.len()) {
                self.around.floor.insert(log, len_of(log));
            }
        }
        if let Err(text) = settled {
            self.around.violate(Invariant::Kept, format!("node {place}: {text}"));
        }
        if let Err(text) = prefix {
            self.around.violate(Invariant::Prefix, format!("node {place}: {text}"));
        }
        let loads_dump = !process.node.host.settings.appendonly;
        self.machines[place].rotten.retain(|path| (path == Path::new(DUMP)) != loads_dump);
        if self.machines[place].parent.is_none() != (place == self.around.primary) {
            self.around.queue.after(MS, Event::Follow(place));
        }
    }

    /// Whether what was loaded is the beginning of a history, up to where the files say that they are in it.
    fn check_prefix(&self, place: Place, process: &Process) -> Result<(), String> {
        let journal = &process.node.host.journal;
        let history = journal.history;
        let goes_on = process.node.host.settings.replicaof.is_some();
        let point: Option<(ReplicationId, u64)> = match history.second_offset {
            _ if goes_on && self.around.streams.end(&history.id).is_some_and(|end| end > 0) => {
                Some((history.id, journal.end().get()))
            }
            _ if goes_on => None,
            ..0 => None,
            next => Some((history.second_id, (next - 1) as u64)),
        };
        let mut entries = Vec::new();
        for log in logs(self.clients.len()) {
            let (len, last) = (process.len_of(log)?, process.last_of(log));
            let last =
                last.map(|text| Entry::parse(&text).ok_or_else(|| format!("{text:?} is no entry")));
            let last = last.transpose()?;
            if last.is_some_and(|entry| entry.number + 1 != len || entry.log != log) {
                return Err(format!("log {log:?} has {len} entries, and its last is {last:?}"));
            }
            entries.push((log, last));
        }
        let Some((id, offset)) = point else { return Ok(()) };
        let end = self.around.streams.end(&id);
        if end.is_none_or(|end| end < offset) {
            return Err(format!(
                "it is at {offset} of {id}, which nobody has written beyond {end:?}"
            ));
        }
        for (log, last) in entries {
            let should = self.around.streams.last(&id, offset, log);
            if let Some(Placed { entry, .. }) = should
                && last != Some(entry)
            {
                let had = last.map_or_else(|| "nothing".into(), |entry| entry.to_string());
                return Err(format!(
                    "node {place} is at {offset} of {id}, where a log ends with {entry}, and it ends with {had}"
                ));
            }
        }
        Ok(())
    }

    // --- the end of the world ---

    /// The faults are over.
    fn calm(&mut self) {
        self.around.note(0, "calm", [0, 0]);
        self.around.machines.iter_mut().for_each(|machine| machine.cuts = None);
        for number in 0..self.repairs.len() {
            self.repair(number);
        }
        self.around.net.heal(&mut self.around.queue);
        for place in 0..self.machines.len() {
            self.around.machines[place].disk.heal();
            self.resume(place);
            let ns = self.chance.below(100 * MS);
            self.around.queue.after(ns, Event::Start(place));
            self.around.queue.after(ns + 100 * MS, Event::Follow(place));
        }
        let nodes = self.machines.len();
        for place in nodes..nodes + self.clients.len() {
            self.around.queue.after(MS, Event::Told(place, self.around.primary));
        }
        self.around.queue.after(LAST_WRITES_NS, Event::Look);
    }

    /// Looks whether all have come to rest.
    fn look(&mut self) {
        let since_ns = self.around.now_ns() - self.calm_ns;
        if since_ns < LAST_WRITES_NS + LOOK_NS {
            self.clients.iter_mut().for_each(|client| client.end(&mut self.around));
        }
        match self.rest() {
            Ok(()) => {
                self.is_over = true;
                self.check_last();
            }
            Err(why) if since_ns > REST_NS => {
                self.around.violate(Invariant::Equal, format!("they do not come to rest: {why}"));
            }
            Err(_) => self.around.queue.after(LOOK_NS, Event::Look),
        }
    }

    /// Whether all are up and have the same offset. `Err`: what is missing.
    fn rest(&self) -> Result<(), String> {
        let primary = self.around.primary;
        let end_of = |place: Place| {
            let process = self.machines[place].process.as_ref();
            let process = process.filter(|process| process.is_ready);
            process.ok_or_else(|| format!("node {place} is not up"))
        };
        let journal = &end_of(primary)?.node.host.journal;
        for place in (0..self.machines.len()).filter(|place| *place != primary) {
            let host = &end_of(place)?.node.host;
            let (has, should) = (
                (host.journal.history.id, host.journal.end()),
                (journal.history.id, journal.end()),
            );
            if !host.replication.link_is_up() || has != should {
                let stage = host.replication.following().map(|following| following.stage);
                return Err(format!(
                    "node {place} is at {has:?}, its primary {primary} at {should:?}, its link {stage:?}"
                ));
            }
        }
        Ok(())
    }

    /// All have come to rest: all that must be true then.
    fn check_last(&mut self) {
        let primary = self.around.primary;
        let digest_of = |place: Place| {
            self.machines[place]
                .process
                .as_ref()
                .map(|process| engine::digest::hex(&process.digest()))
        };
        let should = digest_of(primary);
        let mut found = None;
        for place in 0..self.machines.len() {
            let has = digest_of(place);
            if has != should {
                let text = format!(
                    "at the same offset node {place} has digest {has:?}, its primary {primary} {should:?}"
                );
                found.get_or_insert((Invariant::Equal, text));
            }
        }
        let floor = self.around.floor.clone();
        let process = self.machines[primary].process.as_ref().expect("it is up");
        for log in logs(self.clients.len()) {
            let least = floor.get(&log).copied().unwrap_or(0);
            if let Err(text) = check_log(log, &process.lists_of(log), least) {
                found.get_or_insert((Invariant::Kept, format!("node {primary}: {text}")));
            }
        }
        if let Some((invariant, text)) = found {
            self.around.violate(invariant, text);
        }
    }
}

/// Whether a log's lists are what they must be: all entries from 0 on, each once, and at least so many.
fn check_log(log: Log, lists: &[Vec<Vec<u8>>], least: u64) -> Result<(), String> {
    for list in lists {
        for (number, text) in list.iter().enumerate() {
            let entry = Entry::parse(text).filter(|entry| entry.log == log);
            if entry.is_none_or(|entry| entry.number != number as u64) {
                let text = String::from_utf8_lossy(text);
                return Err(format!("element {number} of {log:?} is {text}: a hole, or one twice"));
            }
        }
        if (list.len() as u64) < least {
            return Err(format!(
                "{log:?} has {} entries, {least} were acknowledged and nothing allowed to lose one",
                list.len()
            ));
        }
    }
    match lists.iter().all(|list| *list == lists[0]) {
        true => Ok(()),
        false => Err(format!("the lists of {log:?} differ")),
    }
}

/// How long calls of a disk take that is well.
pub fn usual_latency() -> Latency {
    Latency {
        sync_us: 300,
        sync_us_per_mib: 3_000,
        slow_one_in: 50,
        slow_us: 20_000,
        ..Latency::default()
    }
}

fn directives(scenario: &Scenario, chance: &mut Chance) -> Vec<String> {
    let is_aof = match scenario.files {
        Files::Aof => true,
        Files::Dump => false,
        Files::Any => !chance.one_in(3),
    };
    let policy = scenario.policies[chance.index(scenario.policies.len())];
    let mut pick = |all: &[&'static str]| all[chance.index(all.len())];
    let yes_no = ["yes", "no"];
    [
        ("appendonly", if is_aof { "yes" } else { "no" }),
        ("appendfsync", policy),
        ("save", pick(&["", "", "5 20"])),
        ("repl-timeout", pick(&["4", "8", "20"])),
        ("repl-ping-replica-period", pick(&["1", "2", "10"])),
        ("repl-backlog-size", pick(&["16kb", "64kb", "1mb"])),
        ("repl-diskless-sync", pick(&yes_no)),
        ("repl-diskless-sync-delay", pick(&["0", "1"])),
        ("auto-aof-rewrite-min-size", pick(&["32kb", "256kb", "64mb"])),
        ("aof-use-rdb-preamble", pick(&["yes", "yes", "no"])),
        ("aof-timestamp-enabled", pick(&yes_no)),
        ("rdbcompression", pick(&yes_no)),
        ("shutdown-timeout", pick(&["0", "2"])),
        ("client-output-buffer-limit", pick(&["replica 256mb 64mb 60", "replica 1mb 512kb 5"])),
        ("enable-debug-command", "yes"),
        ("protected-mode", "no"),
        ("bind", "*"),
    ]
    .iter()
    .flat_map(|(name, value)| {
        let values: Vec<String> = match *name {
            "client-output-buffer-limit" => value.split(' ').map(str::to_string).collect(),
            _ => vec![value.to_string()],
        };
        [vec![format!("--{name}")], values].concat()
    })
    .collect()
}

#[cfg(test)]
mod tests;
