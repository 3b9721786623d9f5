//! Transcripts of a primary's side, with a real journal: what each replica gets, byte for byte, and what is done when.

mod care;
mod full;
mod partial;

use super::full_sync::Due;
use super::*;
use crate::told::told;
use journal::{Class, CursorId, Kind, ReplicationId};

const START_MS: u64 = 1_000_000;
const MARK: [u8; 40] = *b"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm";

fn id(byte: u8) -> ReplicationId {
    ReplicationId::from_random([byte; 20])
}

fn at(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

fn settings() -> Settings {
    Settings {
        timeout_ms: 60_000,
        ping_period_ms: 10_000,
        diskless: true,
        diskless_delay_ms: 5000,
        diskless_max_replicas: 0,
        backlog_bytes: 1 << 20,
        backlog_ttl_ms: 3_600_000,
        lag_most_ms: 10_000,
        output: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_ms: 0 },
        slow_most_ms: 10_000,
    }
}

/// A replica's connection.
#[derive(Default)]
struct Peer {
    /// Taken from the machine, not yet sent.
    out: VecDeque<Bytes>,
    /// What has arrived.
    got: Vec<u8>,
    /// It was told to go: so often.
    killed: usize,
    overflowed: bool,
}

/// A primary, its journal and the connections.
struct Stage {
    primary: Primary,
    journal: Journal,
    settings: Settings,
    now_ms: u64,
    peers: BTreeMap<usize, Peer>,
    /// Actions that concern no connection.
    others: Vec<Action>,
    /// All that was ever journaled for replicas, and who reads it.
    stream: Vec<u8>,
    witness: CursorId,
}

impl Stage {
    fn new() -> Stage {
        let mut journal = Journal::new(id(1));
        let witness = journal.subscribe(Class::Replica);
        Stage {
            primary: Primary::new(START_MS),
            journal,
            settings: settings(),
            now_ms: START_MS,
            peers: BTreeMap::new(),
            others: Vec::new(),
            stream: Vec::new(),
            witness,
        }
    }

    /// Lets the machine do something, and does what it says.
    fn turn<T>(&mut self, act: impl FnOnce(&mut Primary, &mut Turn<'_>) -> T) -> T {
        let mut actions = Vec::new();
        let (journal, settings) = (&mut self.journal, &self.settings);
        let mut turn = Turn { journal, settings, now_ms: self.now_ms, actions: &mut actions };
        let done = act(&mut self.primary, &mut turn);
        for action in actions {
            match action {
                Action::Wake(slot) => assert!(self.peers.contains_key(&slot)),
                Action::Send(slot, bytes) => {
                    let peer = self.peers.get_mut(&slot).expect("it is there");
                    assert!(peer.out.is_empty(), "nothing is sent in the midst of something");
                    peer.got.extend_from_slice(&bytes);
                }
                Action::Kill(slot) => self.peers.entry(slot).or_default().killed += 1,
                Action::Overflow(slot) => {
                    let peer = self.peers.entry(slot).or_default();
                    peer.killed += 1;
                    peer.overflowed = true;
                }
                Action::Journal(bytes) => {
                    self.journal.append_raw(Kind::Control, bytes);
                    self.collect();
                }
                other => self.others.push(other),
            }
        }
        done
    }

    /// What the witness has not read yet.
    fn collect(&mut self) {
        self.journal.seal();
        let mut pieces = Vec::new();
        self.journal.read(self.witness, usize::MAX, &mut pieces);
        pieces.iter().for_each(|piece| self.stream.extend_from_slice(&piece.bytes));
        assert_eq!(self.stream.len() as u64, self.journal.end().get(), "all of it from the start");
    }

    /// A write of about so many bytes, each in another database than the one before.
    fn write(&mut self, bytes: usize) {
        let db = (self.journal.selected() + 1) % 3;
        let value = vec![b'v'; bytes];
        self.journal.append(Kind::Effect, (db, db), &[b"SET k ", &value[..], b"\r\n"].concat());
        self.collect();
    }

    fn replconf(&mut self, slot: usize, words: &[&str]) -> Replconf {
        self.peers.entry(slot).or_default();
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let answer = self.turn(|primary, turn| primary.replconf(slot, "10.0.0.1", &words, turn));
        answer.expect("it is understood")
    }

    /// A replica introduces itself as ours do.
    fn introduce(&mut self, slot: usize) {
        let port = (7000 + slot).to_string();
        assert_eq!(self.replconf(slot, &["listening-port", &port]), Replconf::Ok);
        assert_eq!(self.replconf(slot, &["capa", "eof", "capa", "psync2"]), Replconf::Ok);
    }

    fn psync(&mut self, slot: usize, id: &str, next: i64) -> Welcome {
        self.peers.entry(slot).or_default();
        let next = next.to_string();
        let words = Some((id.as_bytes(), next.as_bytes()));
        let welcome = self.turn(|primary, turn| primary.psync(slot, "10.0.0.1", words, turn));
        let welcome = welcome.expect("it is understood");
        if let Welcome::Continue(line) = &welcome {
            let line = format!("+{line}\r\n");
            self.peers.entry(slot).or_default().got.extend_from_slice(line.as_bytes());
        }
        welcome
    }

    fn sync_command(&mut self, slot: usize) -> Welcome {
        self.peers.entry(slot).or_default();
        let welcome = self.turn(|primary, turn| primary.psync(slot, "10.0.0.1", None, turn));
        welcome.expect("there is nothing to misunderstand")
    }

    /// A replica that waits for a full sync.
    fn waiting(&mut self, slot: usize) {
        self.introduce(slot);
        assert_eq!(self.psync(slot, "?", -1), Welcome::Waits { refused: false });
    }

    /// A replica that goes on at the journal's end.
    fn online(&mut self, slot: usize) {
        if !self.journal.has_backlog() {
            self.journal.start_backlog(self.settings.backlog_bytes);
        }
        self.introduce(slot);
        let (id, next) = (self.journal.history.id, self.journal.end().next_byte());
        assert!(matches!(self.psync(slot, id.as_str(), next), Welcome::Continue(_)));
    }

    fn due(&self) -> Option<Due> {
        self.primary.due(&self.settings, self.now_ms)
    }

    /// Begins the full sync that is due.
    fn begin(&mut self) -> u64 {
        let due = self.due().expect("one is due");
        let prepared = self.turn(|primary, turn| primary.prepare(due, id(9), turn));
        self.turn(|primary, turn| primary.begin(prepared, MARK, turn))
    }

    fn sync_event(&mut self, event: SyncEvent) {
        let number = self.primary.sync_number().expect("one is under way");
        self.turn(|primary, turn| primary.happened(number, event, turn));
    }

    fn piece(&mut self, bytes: &[u8]) {
        assert!(self.primary.wants_piece());
        self.sync_event(SyncEvent::Piece(Bytes::copy_from_slice(bytes)));
    }

    /// Its connection takes up to `most` bytes. Returns whether it is to be closed.
    fn pump(&mut self, slot: usize, most: usize) -> bool {
        let mut left = most;
        let peer = self.peers.get_mut(&slot).expect("it is there");
        loop {
            if peer.out.is_empty() {
                let fed = self.primary.next(slot, &mut self.journal, &mut peer.out, self.now_ms);
                match fed.expect("it is a replica").next {
                    Next::Bytes => {}
                    next => return next == Next::Close,
                }
            }
            let front = peer.out.front_mut().expect("there are bytes");
            let part = front.split_to(front.len().min(left));
            if front.is_empty() {
                peer.out.pop_front();
            }
            left -= part.len();
            peer.got.extend_from_slice(&part);
            self.primary.sent(slot, part.len(), self.now_ms);
            if left == 0 {
                return false;
            }
        }
    }

    fn pump_all(&mut self) {
        let slots: Vec<usize> = self.primary.feeds().map(|(slot, _)| slot).collect();
        slots.into_iter().for_each(|slot| assert!(!self.pump(slot, usize::MAX)));
    }

    fn gone(&mut self, slot: usize) {
        self.turn(|primary, turn| primary.gone(slot, turn));
    }

    /// So many milliseconds pass; the timer rings ten times a second.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.now_ms += 100;
            self.timer(false);
        }
    }

    fn timer(&mut self, is_replica: bool) {
        self.turn(|primary, turn| {
            primary.limit(turn);
            primary.timer(is_replica, id(8), turn);
        });
    }

    /// It acknowledges all that there is.
    fn ack(&mut self, slot: usize) {
        let end = self.journal.end().to_string();
        assert_eq!(self.replconf(slot, &["ACK", &end]), Replconf::Acknowledged);
    }

    fn state(&self, slot: usize) -> &'static str {
        self.primary.feed(slot).expect("it is there").state_name()
    }

    fn got(&self, slot: usize) -> String {
        String::from_utf8_lossy(&self.peers[&slot].got).into_owned()
    }

    /// What a replica has to have got that began with this and goes on behind `from`.
    #[track_caller]
    fn expect_got(&self, slot: usize, head: &[&[u8]], from: Offset) {
        let expected = [&head.concat(), &self.stream[from.get() as usize..]].concat();
        assert_eq!(self.got(slot), String::from_utf8_lossy(&expected));
    }
}
