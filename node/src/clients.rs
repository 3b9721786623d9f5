//! Who is connected: what CLIENT LIST and CLIENT KILL need to know of each connection.

use engine::session::Session;

/// One connection.
pub struct Client {
    /// The session's id.
    pub id: u64,
    /// Their address.
    pub address: String,
    /// Our address.
    pub local_address: String,
    /// The descriptor's number.
    pub fd: i32,
    /// When it connected; like all times here a moment of the steady clock, milliseconds.
    pub created_ms: i64,
    /// When it last sent something; brought up to date by the timer.
    pub last_active_ms: i64,
    /// It sent something since the timer last looked.
    pub active: bool,
    /// Bytes received in all.
    pub input_total: u64,
    /// Bytes sent in all.
    pub output_total: u64,
    /// Bytes of replies that wait to be sent.
    pub output_bytes: usize,
    /// What its input takes.
    pub input: InputBytes,
    /// Bytes that its buffers of replies take.
    pub output_room: usize,
    /// Bytes that it takes in all, as counted for `maxmemory-clients`.
    pub counted_bytes: usize,
    /// Bytes that it took when it was given up for want of memory: free as soon as its task has ended.
    pub given_up_bytes: usize,
    /// Since when its output is above the soft limit.
    pub soft_limit_since_ms: Option<i64>,
    /// Its replies wait for the disk.
    pub gated: bool,
    /// Since when they do, as far as none of them has left meanwhile.
    pub gated_since_ms: Option<u64>,
    /// It is to be closed, and its connection has not gone yet.
    pub is_killed: bool,
    /// Whether it is a Unix socket.
    pub is_unix: bool,
}

/// Where a connection comes from.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Their address.
    pub address: String,
    /// Our address.
    pub local_address: String,
    /// The descriptor's number.
    pub fd: i32,
    /// Whether it is a Unix socket.
    pub is_unix: bool,
}

/// Bytes of an unfinished request, and of what is kept for it.
#[derive(Clone, Copy, Default, Debug)]
pub struct InputBytes {
    /// Read, but not yet understood: in the midst of an argument.
    pub unparsed: usize,
    /// Of arguments that are complete.
    pub arguments: usize,
    /// Free room.
    pub room: usize,
}

impl InputBytes {
    /// All of them.
    pub fn total(self) -> usize {
        self.unparsed + self.arguments + self.room
    }
}

impl Client {
    /// A connection that was just made.
    pub fn new(id: u64, arrival: Arrival, now_ms: i64) -> Client {
        let Arrival { address, local_address, fd, is_unix } = arrival;
        Client {
            id,
            address,
            local_address,
            fd,
            created_ms: now_ms,
            last_active_ms: now_ms,
            active: false,
            input_total: 0,
            output_total: 0,
            output_bytes: 0,
            input: InputBytes::default(),
            output_room: 0,
            counted_bytes: 0,
            given_up_bytes: 0,
            soft_limit_since_ms: None,
            gated: false,
            gated_since_ms: None,
            is_killed: false,
            is_unix,
        }
    }
}

impl Client {
    /// The address as MONITOR shows it.
    pub fn monitor_address(&self) -> String {
        match self.is_unix {
            true => format!("unix:{}", self.address.trim_end_matches(":0")),
            false => self.address.clone(),
        }
    }

    /// Bytes that it takes, with its session.
    pub fn memory_bytes(&self, session: &Session) -> usize {
        let buffers = self.input.total() + self.output_room;
        size_of::<Client>() + buffers + session.memory_bytes()
    }

    /// Whether it connects from this machine.
    pub fn is_local(&self) -> bool {
        self.is_unix || self.address.starts_with("127.") || self.address.starts_with("[::1]")
    }
}

/// All connections, by slot.
#[derive(Default)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    len: usize,
    /// Sum of the clients' `counted_bytes`.
    counted_bytes: usize,
    /// Sum of the clients' `given_up_bytes`.
    given_up_bytes: usize,
}

impl Clients {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.len
    }

    /// Registers one.
    pub fn add(&mut self, slot: usize, client: Client) {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        assert!(self.slots[slot].is_none(), "a slot has one client");
        self.slots[slot] = Some(client);
        self.len += 1;
    }

    /// Forgets one.
    pub fn remove(&mut self, slot: usize) {
        if let Some(client) = self.slots.get_mut(slot).and_then(Option::take) {
            self.len -= 1;
            self.counted_bytes -= client.counted_bytes;
            self.given_up_bytes -= client.given_up_bytes;
        }
    }

    /// A client was given up: what it takes counts no more, and is as good as free.
    pub fn give_up(&mut self, slot: usize) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let bytes = std::mem::take(&mut client.counted_bytes);
        client.given_up_bytes += bytes;
        self.counted_bytes -= bytes;
        self.given_up_bytes += bytes;
    }

    /// Bytes of clients that were given up and are not gone yet.
    pub fn given_up_bytes(&self) -> usize {
        self.given_up_bytes
    }

    /// Counts what a client takes; none if it does not count.
    pub fn count_bytes(&mut self, slot: usize, bytes: usize) {
        let Some(client) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        self.counted_bytes -= std::mem::replace(&mut client.counted_bytes, bytes);
        self.counted_bytes += bytes;
    }

    /// Bytes that all clients take that count.
    pub fn counted_bytes(&self) -> usize {
        self.counted_bytes
    }

    /// The one that takes the most.
    pub fn largest(&self) -> Option<usize> {
        let counted = self.iter().filter(|(_, client)| client.counted_bytes > 0);
        counted.max_by_key(|(_, client)| client.counted_bytes).map(|(slot, _)| slot)
    }

    /// One of them.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&Client> {
        self.slots.get(slot)?.as_ref()
    }

    /// One of them.
    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Client> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// All of them with their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Client)> {
        self.slots.iter().enumerate().filter_map(|(slot, client)| Some((slot, client.as_ref()?)))
    }

    /// All of them with their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Client)> {
        self.slots.iter_mut().enumerate().filter_map(|(slot, c)| Some((slot, c.as_mut()?)))
    }
}
