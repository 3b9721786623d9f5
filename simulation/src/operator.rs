//! What the operator and fate do to the world, and how it is repaired.
//!
//! The operator knows the plan: who is to be the primary, and who follows whom. Nodes and clients hear of it late.

use crate::around::Moment;
use crate::check::claims::{End, logs};
use crate::disk::{Call, Failure, Fault, IO_ERROR, Latency};
use crate::event::{Event, Place};
use crate::queue::MS;
use crate::scenario::Act;
use crate::world::{DUMP, Repair, World, usual_latency};
use std::path::PathBuf;

impl World {
    /// When something happens next.
    pub fn next_act(&mut self) {
        let ns = self.chance.below(2 * self.scenario.pause_ms * MS);
        self.around.queue.after(ns, Event::Operator);
    }

    fn pick_act(&mut self) -> Act {
        let acts = self.scenario.acts;
        let mut number = self.chance.below(acts.iter().map(|(_, weight)| weight).sum());
        for (act, weight) in acts {
            match number.checked_sub(*weight) {
                Some(rest) => number = rest,
                None => return *act,
            }
        }
        unreachable!("it is below the sum")
    }

    /// How long something lasts that lasts a while.
    fn a_while(&mut self) -> u64 {
        let most = if self.chance.one_in(3) { 8_000 } else { 1_500 };
        20 * MS + self.chance.below(most * MS)
    }

    fn repair_in(&mut self, ns: u64, repair: Repair) {
        self.repairs.push(Some(repair));
        self.around.queue.after(ns, Event::Repair(self.repairs.len() as u64 - 1));
    }

    /// A fault ends, if it has not.
    pub fn repair(&mut self, number: usize) {
        match self.repairs[number].take() {
            None => {}
            Some(Repair::Ways(ways)) => {
                for (from, to) in ways {
                    self.around.net.close_way(from, to, false, &mut self.around.queue);
                }
            }
            Some(Repair::Resume(place)) => self.resume(place),
            Some(Repair::Disk(place)) => {
                let disk = &self.around.machines[place].disk;
                disk.set_capacity(None);
                disk.set_latency(usual_latency());
                disk.heal();
                self.machines[place].is_troubled = false;
            }
        }
    }

    /// Something happens.
    pub fn act(&mut self) {
        let act = self.pick_act();
        let place = self.chance.index(self.machines.len());
        self.around.note(place, "act", [act as u64, 0]);
        let now_ns = self.around.now_ns();
        self.around.trace.say(now_ns, place, format_args!("act {act:?}"));
        match act {
            Act::Kill => self.kill(place, End::Kill),
            Act::PowerCut => self.kill(place, End::PowerCut),
            Act::KillInCall => self.kill_in_call(place),
            Act::Cut | Act::HalfOpen => self.hurt_connection(act == Act::Cut),
            Act::CutTransfer => {
                if place != self.around.primary {
                    self.kill(place, End::Kill);
                    self.empty(place);
                    self.around.machines[place].cuts = Some(Moment::Transfer);
                }
            }
            Act::CutInside => self.around.machines[place].cuts = Some(Moment::Transaction),
            Act::Partition => self.partition(),
            Act::OneWay => {
                let other = self.chance.index(self.machines.len());
                if other != place {
                    self.close_ways(vec![(place, other)]);
                }
            }
            Act::Pause => self.pause(place),
            Act::Failover => self.failover(),
            Act::Reparent => self.reparent(place),
            Act::Shutdown => drop(self.order(place, &["SHUTDOWN"])),
            Act::Empty => {
                self.kill(place, End::Kill);
                self.empty(place);
            }
            Act::Save => drop(self.order(place, &["BGSAVE"])),
            Act::Rewrite => drop(self.order(place, &["BGREWRITEAOF"])),
            Act::SwitchAof => {
                let value = if self.chance.one_in(2) { "yes" } else { "no" };
                self.configure(place, "appendonly", value);
            }
            Act::SwitchPolicy => {
                let value = ["always", "everysec", "no"][self.chance.index(3)];
                self.configure(place, "appendfsync", value);
            }
            Act::Reload => {
                let primary = self.around.primary;
                self.order(primary, &["DEBUG", "RELOAD"]);
            }
            Act::Flush => {
                let primary = self.around.primary;
                self.order(primary, &["SWAPDB", "5", "6"]);
            }
            Act::KillChild => {
                if let Some(process) = &mut self.machines[place].process {
                    process.kill_a_child(&mut self.around);
                    self.run_process(place);
                }
            }
            Act::SlowDisk | Act::FailSync | Act::FullDisk => self.hurt_disk(place, act),
            Act::BitFlip => self.flip(place),
            Act::Jump => {
                let most = if self.chance.one_in(3) { 3_600_000 } else { 3_000 };
                let by = self.chance.below(2 * most) as i64 - most as i64;
                self.around.machines[place].skew_ms += by;
            }
        }
    }

    /// Gives a node an order, if it is there and not stopped.
    fn order(&mut self, place: Place, words: &[&str]) -> Option<String> {
        let process = self.machines[place].process.as_mut();
        let process = process.filter(|process| process.is_ready && !process.is_paused)?;
        let reply = process.command(words, &mut self.around);
        let now_ns = self.around.now_ns();
        self.around.trace.say(now_ns, place, format_args!("{words:?} → {reply}"));
        self.run_process(place);
        Some(reply)
    }

    /// Changes a directive, now and for later starts.
    fn configure(&mut self, place: Place, name: &'static str, value: &str) {
        if self.order(place, &["CONFIG", "SET", name, value]).is_some_and(|said| said == "+OK") {
            self.machines[place].settings.insert(name, value.into());
            if (name, value) == ("appendonly", "no") {
                // What was promised was promised by that file.
                self.around.machines[place].claims.clear();
            }
        }
    }

    fn kill(&mut self, place: Place, end: End) {
        let wait_ns = 50 * MS + self.chance.below(3_000 * MS);
        self.end(place, end, wait_ns);
        let has_failover = self.scenario.acts.iter().any(|(act, _)| *act == Act::Failover);
        if place == self.around.primary && has_failover && self.chance.one_in(2) {
            self.failover();
        }
    }

    fn kill_in_call(&mut self, place: Place) {
        // Most calls whose order matters are those of a rewrite.
        if self.chance.one_in(2) {
            self.order(place, &["BGREWRITEAOF"]);
        }
        let calls = 1 + self.chance.below(30);
        self.around.machines[place].disk.kill_at(calls);
    }

    fn hurt_connection(&mut self, cuts: bool) {
        let all = self.around.net.all();
        if all.is_empty() {
            return;
        }
        let (conn, _) = all[self.chance.index(all.len())];
        match cuts {
            true => self.around.net.cut(conn, &mut self.around.queue),
            false => self.around.net.make_half_open(conn),
        }
    }

    fn close_ways(&mut self, ways: Vec<(Place, Place)>) {
        for (from, to) in &ways {
            self.around.net.close_way(*from, *to, true, &mut self.around.queue);
        }
        let ns = self.a_while();
        self.repair_in(ns, Repair::Ways(ways));
    }

    /// Two sets of places do not hear each other, clients among them.
    fn partition(&mut self) {
        let places = self.machines.len() + self.clients.len();
        let sides: Vec<bool> = (0..places).map(|_| self.chance.one_in(2)).collect();
        let pairs = (0..places).flat_map(|from| (0..places).map(move |to| (from, to)));
        self.close_ways(pairs.filter(|(from, to)| sides[*from] != sides[*to]).collect());
    }

    fn pause(&mut self, place: Place) {
        if let Some(process) = self.machines[place].process.as_mut().filter(|p| p.is_ready) {
            process.is_paused = true;
            let ns = self.a_while();
            // Who stands still fsyncs nothing.
            let now_ns = self.around.now_ns();
            self.around.machines[place].claims.note_trouble(now_ns, now_ns + ns);
            self.repair_in(ns, Repair::Resume(place));
        }
    }

    fn hurt_disk(&mut self, place: Place, act: Act) {
        let ns = self.a_while();
        let now_ns = self.around.now_ns();
        let machine = &mut self.around.machines[place];
        machine.claims.note_trouble(now_ns, now_ns + ns);
        match act {
            Act::SlowDisk => {
                let (sync_us, slow_us) = (self.chance.below(500_000), 3_000_000);
                let slow = Latency { sync_us, slow_one_in: 3, slow_us, ..usual_latency() };
                machine.disk.set_latency(slow);
                // What began in time may end so much later.
                machine.claims.note_trouble(now_ns, now_ns + ns + 5_000 * MS);
            }
            Act::FailSync => {
                let (skip, count) = (self.chance.below(5), 1 + self.chance.below(2));
                let failure = Failure::NotDone(IO_ERROR);
                machine.disk.plan(Fault { call: Call::Sync, path: None, skip, count, failure });
            }
            _ => {
                let room = machine.disk.used() + self.chance.below(20_000);
                machine.disk.set_capacity(Some(room));
            }
        }
        self.machines[place].is_troubled = true;
        self.repair_in(ns, Repair::Disk(place));
    }

    /// A bit flips in a file of a machine that is down.
    fn flip(&mut self, place: Place) {
        self.kill(place, End::Kill);
        let machine = &mut self.around.machines[place];
        let files = machine.disk.files();
        let mut paths: Vec<PathBuf> = vec![DUMP.into()];
        let folder = PathBuf::from("appendonlydir");
        let names = files.list(&folder).unwrap_or_default();
        paths.extend(names.into_iter().map(|name| folder.join(name)));
        let size = |path: &PathBuf| files.size(path).ok().flatten().unwrap_or(0);
        paths.retain(|path| size(path) > 0);
        if paths.is_empty() {
            return;
        }
        let path = &paths[self.chance.index(paths.len())];
        let bit = self.chance.below(8 * size(path));
        machine.disk.flip(path, bit).expect("it is there");
        machine.claims.clear();
        let now_ns = self.around.now_ns();
        self.around.trace.say(now_ns, place, format_args!("bit {bit} of {}", path.display()));
        self.machines[place].rotten.insert(path.clone());
    }

    // --- the plan ---

    /// A replica becomes the primary.
    pub fn failover(&mut self) {
        let primary = self.around.primary;
        let is_fit = |place: &Place| {
            let process = self.machines[*place].process.as_ref();
            let is_up = process.is_some_and(|process| process.is_ready && !process.is_paused);
            *place != primary && is_up
        };
        let fit: Vec<Place> = (0..self.machines.len()).filter(is_fit).collect();
        if fit.is_empty() {
            return;
        }
        let chosen = fit[self.chance.index(fit.len())];
        // One that loads a full sync refuses: it stays what it is.
        if self.order(chosen, &["REPLICAOF", "NO", "ONE"]).is_none_or(|said| said != "+OK") {
            return;
        }
        self.kill_clients(chosen);
        let Some(process) = &self.machines[chosen].process else { return };
        for log in logs(self.clients.len()) {
            self.around.floor.insert(log, process.len_of(log).unwrap_or(0));
        }
        self.around.figures.promotions += 1;
        self.around.primary = chosen;
        let before = self.machines[chosen].parent.take();
        for place in (0..self.machines.len()).filter(|place| *place != chosen) {
            let parent = self.machines[place].parent;
            // Who was above the chosen one follows it, or what it followed.
            if place == primary
                || parent.is_none()
                || (parent == Some(primary) && before == Some(primary))
            {
                self.machines[place].parent = Some(chosen);
            }
            let ns = self.a_while() / 4;
            self.around.queue.after(ns, Event::Follow(place));
        }
        self.untie(chosen);
        let nodes = self.machines.len();
        for place in nodes..nodes + self.clients.len() {
            let ns = 5 * MS + self.chance.below(1_500 * MS);
            self.around.queue.after(ns, Event::Told(place, chosen));
        }
    }

    /// Nobody follows in a circle: who would never come to the primary follows it.
    fn untie(&mut self, primary: Place) {
        for place in 0..self.machines.len() {
            let (mut at, mut steps) = (place, 0);
            while let Some(parent) = self.machines[at].parent.filter(|_| steps < 9) {
                (at, steps) = (parent, steps + 1);
            }
            if at != primary {
                self.machines[place].parent = Some(primary);
            }
        }
        self.machines[primary].parent = None;
    }

    /// A replica is to follow another node.
    fn reparent(&mut self, place: Place) {
        let primary = self.around.primary;
        let other = self.chance.index(self.machines.len());
        if place == primary || other == place {
            return;
        }
        self.machines[place].parent = Some(if self.scenario.chains { other } else { primary });
        self.untie(primary);
        for place in 0..self.machines.len() {
            self.around.queue.after(MS, Event::Follow(place));
        }
    }

    /// A node has another role. As Sentinel does: a client that stays would go on by what it knew of other, or of older data.
    fn kill_clients(&mut self, place: Place) {
        self.order(place, &["CLIENT", "KILL", "TYPE", "normal"]);
    }

    /// A node is told whom to follow, if it does not.
    pub fn follow(&mut self, place: Place) {
        let parent = self.machines[place].parent;
        let Some(process) = &self.machines[place].process else { return };
        if process.is_paused || !process.is_ready {
            self.around.queue.after(300 * MS, Event::Follow(place));
            return;
        }
        let follows = process.node.host.replication.following();
        let follows = follows.map(|following| usize::from(following.port - 7000));
        let said = match parent {
            _ if follows == parent => return,
            None => self.order(place, &["REPLICAOF", "NO", "ONE"]),
            Some(parent) => {
                let (host, port) = (format!("node{parent}"), (7000 + parent).to_string());
                self.order(place, &["REPLICAOF", &host, &port])
            }
        };
        match said.is_some_and(|said| said == "+OK") {
            true => self.kill_clients(place),
            // It loads a full sync.
            false => self.around.queue.after(300 * MS, Event::Follow(place)),
        }
    }
}
