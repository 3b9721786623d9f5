//! What is around every process and client: time, network, disks, and what is checked.

use crate::chance::Chance;
use crate::check::claims::{Claims, Policy};
use crate::check::disk::OnDisk;
use crate::check::reached::{Reached, check_count};
use crate::check::rule::Known;
use crate::check::streams::Streams;
use crate::disk::Disk;
use crate::entry::{Entry, Log, PAIR};
use crate::event::{ConnId, Event, Place};
use crate::net::Network;
use crate::queue::Queue;
use crate::reply::Reply;
use crate::trace::Trace;
use crate::violation::{Invariant, Violation};
use std::collections::{BTreeMap, VecDeque};

/// What a client expects of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing in particular.
    Anything,
    /// An entry, or several, that bring a log to this length, in this epoch.
    Push(Log, u64, u64),
    /// The same in a transaction.
    Exec(Log, u64, u64),
    /// The length of a log's list: the first, or the second of the pair.
    Length(Log),
    /// How many replicas have all that was acknowledged on this connection.
    Replicas,
}

/// The conversation of a client with a node, as its bytes leave the node.
#[derive(Debug)]
struct Talk {
    asked: VecDeque<Asked>,
    buffer: Vec<u8>,
    /// Bytes that left, in all.
    left: u64,
    /// The last entry that was acknowledged.
    last: Option<Entry>,
    /// Replies that left, each with the place behind it.
    answered: VecDeque<(u64, Asked, Reply)>,
}

/// Of a node, when bytes leave it.
#[derive(Clone, Copy, Debug)]
pub struct Leaving {
    /// Which.
    pub node: Place,
    /// `appendfsync`; none if no file protects what is written.
    pub policy: Option<Policy>,
    /// Whether replies wait for the disk.
    pub is_gated: bool,
}

/// When the connection to a primary is to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A part of a snapshot has come.
    Transfer,
    /// A part of a transaction has.
    Transaction,
}

/// What is known of a machine.
#[derive(Debug)]
pub struct Machine {
    /// Its disk.
    pub disk: Disk,
    /// The entries on it.
    pub on_disk: OnDisk,
    /// What must outlast its end.
    pub claims: Claims,
    /// Its history; none while no process on it has loaded its files.
    pub known: Option<Known>,
    /// How far any process on it has come.
    pub reached: Reached,
    /// When its connection to its primary is cut next.
    pub cuts: Option<Moment>,
    /// How far its wall clock is before the others', milliseconds.
    pub skew_ms: i64,
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events.
    pub events: u64,
    /// Replies that acknowledged entries.
    pub acknowledged: u64,
    /// Partial and full syncs.
    pub syncs: [u64; 2],
    /// Starts after an end.
    pub starts: u64,
    /// Starts that were refused.
    pub refused: u64,
    /// Promotions.
    pub promotions: u64,
    /// Ends by kill and power cut.
    pub ends: [u64; 2],
}

/// What is around.
#[derive(Debug)]
pub struct Around {
    /// What will happen.
    pub queue: Queue<Event>,
    /// The network.
    pub net: Network,
    /// Choices of moments and sizes.
    pub chance: Chance,
    /// What happened.
    pub trace: Trace,
    /// The machines.
    pub machines: Vec<Machine>,
    /// All histories.
    pub streams: Streams,
    /// What went wrong first.
    pub violation: Option<Violation>,
    /// Figures.
    pub figures: Figures,
    /// The least length that each log must have where the primary is: what it had when it was promoted or started, and what was
    /// acknowledged since.
    pub floor: BTreeMap<Log, u64>,
    /// Who is the primary.
    pub primary: Place,
    talks: BTreeMap<ConnId, Talk>,
}

impl Around {
    /// A world without processes.
    pub fn new(machines: Vec<Disk>, places: usize, chance: &mut Chance, trace: Trace) -> Self {
        let machine = |disk| Machine {
            disk,
            on_disk: OnDisk::default(),
            claims: Claims::default(),
            known: None,
            reached: Reached::default(),
            cuts: None,
            skew_ms: 0,
        };
        Self {
            queue: Queue::default(),
            net: Network::new(places, chance.fork()),
            chance: chance.fork(),
            trace,
            machines: machines.into_iter().map(machine).collect(),
            streams: Streams::default(),
            violation: None,
            figures: Figures::default(),
            floor: BTreeMap::new(),
            primary: 0,
            talks: BTreeMap::new(),
        }
    }

    /// Virtual time, nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.queue.now_ns()
    }

    /// Something happened that must not. The first counts.
    pub fn violate(&mut self, invariant: Invariant, found: String) {
        let at_ns = self.now_ns();
        self.violation.get_or_insert(Violation { invariant, at_ns, found });
    }

    /// Something happened at a place.
    pub fn note(&mut self, place: Place, what: &'static str, numbers: [u64; 2]) {
        let now_ns = self.now_ns();
        self.trace.note(now_ns, place, what, numbers);
    }

    // --- conversations of clients ---

    /// A client has a connection.
    pub fn begin_talk(&mut self, conn: ConnId) {
        let (asked, answered) = (VecDeque::new(), VecDeque::new());
        self.talks.insert(conn, Talk { asked, buffer: Vec::new(), left: 0, last: None, answered });
    }

    /// It is gone.
    pub fn end_talk(&mut self, conn: ConnId) {
        self.talks.remove(&conn);
    }

    /// A client is about to ask.
    pub fn ask(&mut self, conn: ConnId, asked: impl Iterator<Item = Asked>) {
        if let Some(talk) = self.talks.get_mut(&conn) {
            talk.asked.extend(asked);
        }
    }

    /// The next reply that has come to a client.
    pub fn hear(&mut self, conn: ConnId) -> Option<(Asked, Reply)> {
        let come = self.net.delivered(conn, 0);
        let talk = self.talks.get_mut(&conn)?;
        let (_, asked, reply) = talk.answered.pop_front_if(|(end, ..)| *end <= come)?;
        Some((asked, reply))
    }

    /// Bytes leave a node for a client.
    pub fn leave(&mut self, conn: ConnId, bytes: &[u8], leaving: Leaving) {
        self.trace.mix_bytes(bytes);
        let Some(talk) = self.talks.get_mut(&conn) else { return };
        talk.buffer.extend_from_slice(bytes);
        talk.left += bytes.len() as u64;
        let (mut used, mut replies) = (0, Vec::new());
        while let Some((reply, len)) = Reply::read(&talk.buffer[used..]) {
            used += len;
            let end = talk.left - (talk.buffer.len() - used) as u64;
            let asked = talk.asked.pop_front().unwrap_or(Asked::Anything);
            replies.push((asked, reply.clone()));
            talk.answered.push_back((end, asked, reply));
        }
        talk.buffer.drain(..used);
        for (asked, reply) in replies {
            self.judge(conn, asked, &reply, leaving);
        }
    }

    /// A reply has left a node.
    fn judge(&mut self, conn: ConnId, asked: Asked, reply: &Reply, leaving: Leaving) {
        let (log, len, epoch, said) = match (asked, reply) {
            (Asked::Push(log, len, epoch), Reply::Int(said)) => (log, len, epoch, vec![*said]),
            (Asked::Exec(log, len, epoch), Reply::Array(all)) => {
                let int = |reply: &Reply| match reply {
                    Reply::Int(said) => Some(*said),
                    _ => None,
                };
                (log, len, epoch, all.iter().filter_map(int).collect())
            }
            // WAIT says how many have applied it; WAITAOF, in the second place, how many have it on disk.
            (Asked::Replicas, Reply::Int(said)) => return self.waited(conn, *said, leaving),
            (Asked::Replicas, Reply::Array(all)) => match all[..] {
                [_, Reply::Int(said)] => return self.waited(conn, said, leaving),
                _ => return,
            },
            _ => return,
        };
        let lists = if log.which == PAIR { 2 } else { 1 };
        if said.len() != lists || said.iter().any(|said| *said != len as i64) {
            return self.violate(
                Invariant::Kept,
                format!(
                    "node {} says that log {} of client {} has {said:?} entries, and it should have {len}",
                    leaving.node, log.which, log.client
                ),
            );
        }
        let entry = Entry { log, number: len - 1, epoch };
        if let Some(talk) = self.talks.get_mut(&conn) {
            talk.last = Some(entry);
        }
        self.acknowledged(entry, leaving);
    }

    /// A node says that so many replicas have what was acknowledged on a connection.
    fn waited(&mut self, conn: ConnId, said: i64, leaving: Leaving) {
        let Some(entry) = self.talks.get(&conn).and_then(|talk| talk.last) else { return };
        let Some(known) = &self.machines[leaving.node].known else { return };
        let others = self.machines.iter().enumerate().filter(|(place, _)| *place != leaving.node);
        let others = others.map(|(_, machine)| &machine.reached);
        let counted = check_count(said as u64, (&known.id, entry), others, &self.streams);
        if let Err(have) = counted {
            let text = format!(
                "node {} says that {said} replicas have {entry}, and {have} have ever had it",
                leaving.node
            );
            self.violate(Invariant::Kept, text);
        }
    }

    fn acknowledged(&mut self, entry: Entry, leaving: Leaving) {
        let (now_ns, len) = (self.now_ns(), entry.number + 1);
        self.figures.acknowledged += 1;
        if leaving.node == self.primary {
            let floor = self.floor.entry(entry.log).or_default();
            *floor = len.max(*floor);
        }
        let machine = &mut self.machines[leaving.node];
        if let Some(policy) = leaving.policy {
            machine.claims.add(entry.log, len, now_ns, policy);
        }
        if leaving.is_gated {
            machine.on_disk.look(&machine.disk);
            if !machine.on_disk.has(entry) {
                let node = leaving.node;
                self.violate(
                    Invariant::Durable,
                    format!("node {node} acknowledges {entry}, and it is not on its disk"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Lines;
    use std::io::Write;
    use std::path::Path;

    const LOG: Log = Log { client: 0, which: 0 };

    fn around() -> (Around, ConnId) {
        let mut chance = Chance::new(1);
        let mut around = Around::new(vec![Disk::new(1)], 2, &mut chance, Trace::new(Lines::Off));
        let conn = around.net.connect(1, 0);
        around.begin_talk(conn);
        (around, conn)
    }

    fn gated() -> Leaving {
        Leaving { node: 0, policy: Some(Policy::Always), is_gated: true }
    }

    #[test]
    fn a_reply_that_leaves_before_its_entry_is_on_disk_is_found() {
        for is_synced in [false, true] {
            let (mut around, conn) = around();
            let entry = Entry { log: LOG, number: 4, epoch: 1 };
            let mut file = around.machines[0].disk.files().create(Path::new("f")).expect("a file");
            write!(file, "{entry}").expect("written");
            if is_synced {
                file.sync_all().expect("fsynced");
            }
            around.ask(conn, [Asked::Push(LOG, 5, 1)].into_iter());
            around.leave(conn, b":5\r", gated());
            assert!(around.violation.is_none() && around.figures.acknowledged == 0, "not whole");
            around.leave(conn, b"\n", gated());
            let found = around.violation.map(|violation| violation.invariant);
            assert_eq!(found, (!is_synced).then_some(Invariant::Durable));
        }
    }

    #[test]
    fn a_log_with_another_length_than_its_client_knows_is_found() {
        let said = |asked, bytes: &[u8]| {
            let (mut around, conn) = around();
            around.ask(conn, [Asked::Anything, asked].into_iter());
            let leaving = Leaving { node: 0, policy: None, is_gated: false };
            around.leave(conn, &[b"+OK\r\n", bytes].concat(), leaving);
            around.violation.map(|violation| violation.invariant)
        };
        let pair = Log { which: PAIR, ..LOG };
        assert_eq!(said(Asked::Push(LOG, 5, 1), b":5\r\n"), None);
        assert_eq!(said(Asked::Push(LOG, 5, 1), b":6\r\n"), Some(Invariant::Kept));
        assert_eq!(said(Asked::Push(LOG, 5, 1), b"-READONLY no\r\n"), None);
        assert_eq!(said(Asked::Exec(pair, 5, 1), b"*2\r\n:5\r\n:5\r\n"), None);
        assert_eq!(said(Asked::Exec(pair, 5, 1), b"*2\r\n:5\r\n:4\r\n"), Some(Invariant::Kept));
    }
}
