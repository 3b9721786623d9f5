//! The journal against plain byte vectors: one for each history, one for the disk.
//!
//! Two properties. Whatever happens, a replica that is let in at offset `x` gets exactly the bytes of the present history
//! from `x` on, or is refused; and whoever reads, from wherever it was let in, is in the database that each entry
//! belongs to. And no more is kept than the backlog and what the slowest reader lacks.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn offset_of(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

/// What may happen to a journal. Sizes and places are taken modulo what is there.
#[derive(Clone, Debug)]
enum Step {
    Raw(Kind, usize),
    Seal,
    Restart(u64),
    AddDisk,
    AddReplica,
    AddReplicaAt(u64),
    Read(usize, usize),
    Remove(usize),
    StartBacklog(u64),
    ResizeBacklog(u64),
    DropBacklog,
    Fork,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Effect), Just(Kind::Control), Just(Kind::Local)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (kinds(), 1..40usize).prop_map(|(kind, len)| Step::Raw(kind, len)),
        1 => (kinds(), Just(TAIL_BYTES)).prop_map(|(kind, len)| Step::Raw(kind, len)),
        4 => Just(Step::Seal),
        2 => (0..400u64).prop_map(Step::Restart),
        1 => Just(Step::AddDisk),
        1 => Just(Step::AddReplica),
        6 => any::<u64>().prop_map(Step::AddReplicaAt),
        6 => (any::<usize>(), 0..60usize).prop_map(|(who, most)| Step::Read(who, most)),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => (0..200u64).prop_map(Step::StartBacklog),
        1 => (0..200u64).prop_map(Step::ResizeBacklog),
        1 => Just(Step::DropBacklog),
        1 => Just(Step::Fork),
    ];
    vec(step, 1..120)
}

/// One reader: what it was given so far, and what it should have been given.
struct Reader {
    id: CursorId,
    class: Class,
    /// Where its bytes begin in the model of its class.
    from: usize,
    got: usize,
}

struct Model {
    journal: Journal,
    /// All that was ever for the disk.
    disk: Vec<u8>,
    /// The present history from `history_start` on.
    history: Vec<u8>,
    history_start: u64,
    /// Up to where the present backlog may have been dropped, and its size.
    backlog: Option<(u64, u64)>,
    readers: Vec<Reader>,
    written: u64,
}

impl Model {
    fn new() -> Model {
        Model {
            journal: Journal::new(ReplicationId::from_random([7; 20])),
            disk: Vec::new(),
            history: Vec::new(),
            history_start: 0,
            backlog: None,
            readers: Vec::new(),
            written: 0,
        }
    }

    fn end(&self) -> u64 {
        self.history_start + self.history.len() as u64
    }

    fn add(&mut self, id: CursorId, class: Class, from: usize) {
        self.readers.push(Reader { id, class, from, got: 0 });
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Raw(kind, len) => {
                let bytes: Vec<u8> = (0..len).map(|_| self.next_byte()).collect();
                self.journal.append_raw(kind, &bytes);
                if Class::Disk.reads(kind) {
                    self.disk.extend_from_slice(&bytes);
                }
                if Class::Replica.reads(kind) {
                    self.history.extend_from_slice(&bytes);
                }
            }
            Step::Seal => self.journal.seal(),
            Step::Restart(offset) => self.restart(offset),
            Step::AddDisk => {
                let id = self.journal.subscribe(Class::Disk);
                self.add(id, Class::Disk, self.disk.len());
            }
            Step::AddReplica => {
                let id = self.journal.subscribe(Class::Replica);
                self.add(id, Class::Replica, self.history.len());
            }
            Step::AddReplicaAt(place) => self.add_replica_at(place),
            Step::Read(who, most) => self.read(who, most),
            Step::Remove(who) if !self.readers.is_empty() => {
                let reader = self.readers.swap_remove(who % self.readers.len());
                self.journal.unsubscribe(reader.id);
            }
            Step::Remove(_) => {}
            Step::StartBacklog(bytes) => {
                self.journal.start_backlog(bytes);
                self.backlog = Some((self.end(), bytes));
            }
            Step::ResizeBacklog(bytes) => {
                self.journal.resize_backlog(bytes);
                self.backlog = self.backlog.map(|(start, _)| (start, bytes));
            }
            Step::DropBacklog => {
                self.journal.drop_backlog();
                self.backlog = None;
            }
            Step::Fork => {
                let end = self.journal.end();
                let id = ReplicationId::from_random([self.written as u8; 20]);
                self.journal.history.fork(id, end);
            }
        }
    }

    fn note_floor(&mut self) {
        let end = self.end();
        if let Some((floor, bytes)) = &mut self.backlog {
            *floor = (*floor).max(end.saturating_sub(*bytes));
        }
    }

    fn next_byte(&mut self) -> u8 {
        self.written += 1;
        (self.written.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8
    }

    fn restart(&mut self, offset: u64) {
        // As a link does: no replicas are fed while the history changes.
        let (replicas, rest) =
            std::mem::take(&mut self.readers).into_iter().partition(|r| r.class == Class::Replica);
        self.readers = rest;
        let replicas: Vec<Reader> = replicas;
        replicas.iter().for_each(|reader| self.journal.unsubscribe(reader.id));
        self.journal.restart_at(offset_of(offset));
        (self.history, self.history_start) = (Vec::new(), offset);
        self.backlog = self.backlog.map(|(_, bytes)| (offset, bytes));
    }

    fn add_replica_at(&mut self, place: u64) {
        // Also a little before and behind what there is.
        let first = self.history_start.saturating_sub(20);
        let offset = first + place % (self.end() + 20 - first);
        match self.journal.subscribe_at(offset_of(offset)) {
            Some(id) => {
                assert!(offset >= self.history_start && offset <= self.end(), "{offset} is there");
                assert!(self.backlog.is_some(), "there is a backlog");
                self.add(id, Class::Replica, (offset - self.history_start) as usize);
                let reader = self.readers.last().expect("just added");
                assert_eq!(self.journal.behind(reader.id), self.end() - offset);
            }
            None => {
                let kept =
                    self.backlog.filter(|(floor, _)| (*floor..=self.end()).contains(&offset));
                assert!(kept.is_none(), "{offset} is within the backlog's size");
            }
        }
    }

    fn read(&mut self, who: usize, most: usize) {
        if self.readers.is_empty() {
            return;
        }
        let at = who % self.readers.len();
        let reader = &mut self.readers[at];
        let mut pieces = Vec::new();
        self.journal.read(reader.id, most, &mut pieces);
        let whole = match reader.class {
            Class::Disk => &self.disk,
            Class::Replica => &self.history,
        };
        for piece in pieces {
            let from = reader.from + reader.got;
            assert_eq!(piece.bytes[..], whole[from..from + piece.bytes.len()]);
            if reader.class == Class::Replica {
                assert_eq!(piece.start, offset_of(self.history_start + from as u64));
                assert_eq!(piece.end - piece.start, piece.bytes.len() as u64);
            }
            reader.got += piece.bytes.len();
        }
    }

    /// Once all have read all, nothing is kept but the backlog: whole blocks, so a part of one more.
    fn check_memory(&mut self) {
        self.journal.seal();
        for at in 0..self.readers.len() {
            self.read(at, usize::MAX);
            let reader = &self.readers[at];
            let whole = match reader.class {
                Class::Disk => self.disk.len(),
                Class::Replica => self.history.len(),
            };
            assert_eq!(reader.from + reader.got, whole, "all was read");
        }
        let Some((_, bytes)) = self.backlog else {
            assert_eq!(self.journal.held_bytes(), 0);
            return;
        };
        let counted = self.journal.blocks.iter().filter(|block| block.kind != Kind::Local);
        let lens: Vec<usize> = counted.map(|block| block.bytes.len()).collect();
        let beyond_first: usize = lens.iter().skip(1).sum();
        assert!((beyond_first as u64) < bytes.max(1), "{lens:?} for {bytes}");
        assert!(self.journal.first_block >= self.journal.present, "nothing of the past is kept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn readers_get_their_history_or_nothing(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            model.note_floor();
            model.journal.check();
            assert_eq!(model.journal.end(), offset_of(model.end()));
        }
        model.check_memory();
    }

    #[test]
    fn readers_are_in_the_database_of_what_they_read(acts in vec(act(), 1..60)) {
        let mut stage = Stage::new();
        acts.iter().for_each(|act| stage.take(act));
        stage.read_all();
    }
}

/// What may happen to a node in databases 0 to 3.
#[derive(Clone, Debug)]
enum Act {
    /// A primary journals a unit: its kind, and the databases of its first and last command.
    Unit(Kind, usize, usize, bool),
    /// A link journals what came: SELECTs as the primary said them, and how many entries behind each.
    Verbatim(Vec<(usize, usize)>),
    /// A client writes to a replica.
    Local(usize, usize),
    /// A PING, or what else belongs to no database.
    Ping,
    /// The node becomes a primary, or a replica that goes on where it is.
    Promote,
    Follow,
    /// A full sync leaves the node in this database.
    Adopt(usize),
    /// The disk begins a new file here, or a replica a full sync.
    NewDisk,
    NewReplica,
    /// A replica goes on from where another one began.
    Return(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let db = || 0..4usize;
    prop_oneof![
        6 => (prop_oneof![Just(Kind::Effect), Just(Kind::Control)], db(), db(), any::<bool>())
            .prop_map(|(kind, first, last, multi)| Act::Unit(kind, first, last, multi)),
        6 => vec((db(), 0..3usize), 1..3).prop_map(Act::Verbatim),
        3 => (db(), db()).prop_map(|(first, last)| Act::Local(first, last)),
        1 => Just(Act::Ping),
        2 => Just(Act::Promote),
        2 => Just(Act::Follow),
        1 => db().prop_map(Act::Adopt),
        2 => Just(Act::NewDisk),
        2 => Just(Act::NewReplica),
        2 => any::<usize>().prop_map(Act::Return),
    ]
}

/// A node's journal and those who read it, each with the database that it begins in.
struct Stage {
    journal: Journal,
    follows: bool,
    readers: Vec<(CursorId, Class, usize)>,
    /// Offsets of the present history and the databases that the stream stood in there.
    places: Vec<(Offset, usize)>,
}

/// An entry that says which database it belongs to.
fn entry(db: usize) -> Vec<u8> {
    format!("*1\r\n$3\r\ndb{db}\r\n").into_bytes()
}

impl Stage {
    fn new() -> Stage {
        let mut journal = Journal::new(ReplicationId::from_random([7; 20]));
        journal.start_backlog(1 << 20);
        Stage { journal, follows: false, readers: Vec::new(), places: vec![(offset_of(0), 0)] }
    }

    fn take(&mut self, act: &Act) {
        match *act {
            Act::Unit(kind, first, last, multi) if !self.follows => {
                let multi = multi && kind != Kind::Control;
                self.unit(kind, first, last, multi);
            }
            Act::Verbatim(ref parts) if self.follows => self.verbatim(parts),
            Act::Local(first, last) if self.follows => {
                self.unit(Kind::Local, first, last, first != last);
            }
            Act::Ping => self.journal.append_raw(Kind::Control, b"*1\r\n$4\r\nping\r\n"),
            Act::Promote if self.follows => {
                self.follows = false;
                self.journal.announce();
            }
            Act::Follow => self.follows = true,
            Act::Adopt(db) => {
                self.read_all();
                let gone = |reader: &&(CursorId, Class, usize)| reader.1 == Class::Replica;
                self.readers.iter().filter(gone).for_each(|r| self.journal.unsubscribe(r.0));
                self.readers.retain(|reader| reader.1 == Class::Disk);
                self.follows = true;
                self.journal.restart_at(offset_of(1000));
                self.journal.set_selected(db);
                self.journal.announce();
                self.places = vec![(offset_of(1000), db)];
            }
            Act::NewDisk => {
                self.journal.announce();
                let id = self.journal.subscribe(Class::Disk);
                self.readers.push((id, Class::Disk, 9));
            }
            Act::NewReplica => {
                self.journal.announce();
                let db = self.journal.selected();
                let id = self.journal.subscribe(Class::Replica);
                self.readers.push((id, Class::Replica, db));
            }
            Act::Return(place) => {
                let (offset, db) = self.places[place % self.places.len()];
                if let Some(id) = self.journal.subscribe_at(offset) {
                    self.readers.push((id, Class::Replica, db));
                }
            }
            _ => {}
        }
        let end = (self.journal.end(), self.journal.selected());
        if self.places.last().is_some_and(|last| last.0 < end.0) {
            self.places.push(end);
        }
    }

    fn unit(&mut self, kind: Kind, first: usize, last: usize, multi: bool) {
        let mut bytes = Vec::new();
        if multi {
            bytes.extend_from_slice(MULTI);
        }
        bytes.extend_from_slice(&entry(first));
        let last = if multi { last } else { first };
        if last != first {
            encode_select(&mut bytes, last);
            bytes.extend_from_slice(&entry(last));
        }
        if multi {
            bytes.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
        }
        self.journal.append(kind, (first, last), &bytes);
    }

    fn verbatim(&mut self, parts: &[(usize, usize)]) {
        let mut bytes = entry(self.journal.selected());
        for (db, count) in parts {
            encode_select(&mut bytes, *db);
            (0..*count).for_each(|_| bytes.extend_from_slice(&entry(*db)));
        }
        self.journal.append_raw(Kind::Effect, &bytes);
        self.journal.set_selected(parts.last().expect("there is one").0);
    }

    fn read_all(&mut self) {
        self.journal.seal();
        for (id, _, db) in &mut self.readers {
            let mut pieces = Vec::new();
            self.journal.read(*id, usize::MAX, &mut pieces);
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
            *db = follow(&bytes, *db);
        }
    }
}

/// Reads a stream that begins in `db`, as a replica or a loader would, and returns where it leaves off.
fn follow(bytes: &[u8], mut db: usize) -> usize {
    let text = String::from_utf8(bytes.to_vec()).expect("ASCII");
    let words: Vec<&str> =
        text.split("\r\n").filter(|word| !word.starts_with(['*', '$'])).collect();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word {
            "SELECT" => db = words.next().and_then(|n| n.parse().ok()).expect("a number"),
            "MULTI" | "EXEC" | "ping" | "" => {}
            _ => assert_eq!(word, format!("db{db}"), "an entry in another database: {text}"),
        }
    }
    db
}
