//! The network: connections as two queues of bytes with delay, and what can become of them.
//!
//! ```text
//! write ─► flight (pieces, each with its moment) ─► ready ─► read
//!            ╰ what is on its way or unread has a bound: a writer that reaches it waits for room
//! ```
//!
//! | fault | here |
//! |---|---|
//! | delay, pieces | each piece has a moment of its own, behind that of the piece before it |
//! | reordering | between connections, by their delays; never within one |
//! | cut | both ends are reset; what was on its way is lost |
//! | half-open | bytes vanish, no end is told |
//! | partition | a direction between two places is closed: what is on its way waits (the other side's system sends it again) |
//!
//! # Invariants
//! - within a connection bytes come in order, once, or not at all
//! - what comes behind a reset is nothing: a new connection of the same client never meets bytes of the old one

use crate::chance::Chance;
use crate::event::{ConnId, Event, Place};
use crate::queue::{MS, Queue, US};
use std::collections::VecDeque;

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The other side has ended it, and all that came before was read.
    End,
    /// It was reset.
    Reset,
}

/// The other side takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset;

#[derive(Debug)]
struct Piece {
    at_ns: u64,
    bytes: Vec<u8>,
    is_end: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    flight: VecDeque<Piece>,
    ready: VecDeque<u8>,
    /// An event for the front of `flight` is on its way.
    is_armed: bool,
    /// The front is due, and the way is closed.
    is_stalled: bool,
    in_flight: usize,
    room: usize,
    wants_room: bool,
    last_ns: u64,
    has_ended: bool,
    /// Bytes that came, in all.
    delivered: u64,
}

#[derive(Debug)]
struct Conn {
    places: [Place; 2],
    /// The pipe that each end writes to.
    pipes: [Pipe; 2],
    closed: [bool; 2],
    is_reset: bool,
    /// Whether each end has learnt of that.
    is_told: [bool; 2],
    /// Bytes vanish.
    is_dead: bool,
}

/// How slow the network is.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// The least delay, nanoseconds.
    pub least_ns: u64,
    /// Up to so much more, nanoseconds.
    pub spread_ns: u64,
    /// Once in so many pieces one is late; never if 0.
    pub late_one_in: u64,
    /// By up to so much, nanoseconds.
    pub late_ns: u64,
    /// The least bytes that a connection holds, and up to so many times that.
    pub room: (usize, usize),
}

impl Default for Speed {
    fn default() -> Self {
        let (least_ns, spread_ns, late_ns) = (50 * US, 400 * US, 40 * MS);
        Self { least_ns, spread_ns, late_one_in: 200, late_ns, room: (8 << 10, 16) }
    }
}

/// The network.
#[derive(Debug)]
pub struct Network {
    conns: Vec<Option<Conn>>,
    free: Vec<ConnId>,
    /// Whether the way from one place to another is closed: by how many faults.
    closed: Vec<Vec<u32>>,
    chance: Chance,
    /// How slow it is.
    pub speed: Speed,
}

impl Network {
    /// Without connections, between so many places.
    pub fn new(places: usize, chance: Chance) -> Self {
        let closed = vec![vec![0; places]; places];
        Self { conns: Vec::new(), free: Vec::new(), closed, chance, speed: Speed::default() }
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id)?.as_mut()
    }

    /// A delay.
    pub fn draw_delay_ns(&mut self) -> u64 {
        let Speed { least_ns, spread_ns, late_one_in, late_ns, .. } = self.speed;
        let late = if self.chance.one_in(late_one_in) { self.chance.below(late_ns) } else { 0 };
        least_ns + self.chance.below(spread_ns) + late
    }

    /// Whether bytes get from one place to the other.
    pub fn is_open(&self, from: Place, to: Place) -> bool {
        self.closed[from][to] == 0
    }

    /// Closes a way, or opens it again; as often as it was closed.
    pub fn close_way(&mut self, from: Place, to: Place, closes: bool, queue: &mut Queue<Event>) {
        let count = &mut self.closed[from][to];
        *count = if closes { *count + 1 } else { *count - 1 };
        if *count > 0 {
            return;
        }
        for id in 0..self.conns.len() {
            let Some(conn) = &mut self.conns[id] else { continue };
            for end in 0..2 {
                if conn.places[end] == from && conn.places[1 - end] == to {
                    if std::mem::take(&mut conn.pipes[end].is_stalled) {
                        queue.after(MS, Event::Deliver(id, end));
                    }
                    if conn.is_reset && !conn.is_told[1 - end] {
                        queue.after(MS, Event::Reset(id, 1 - end));
                    }
                }
            }
        }
    }

    /// A connection: its ends are 0, who dialled, and 1.
    pub fn connect(&mut self, from: Place, to: Place) -> ConnId {
        let (least, times) = self.speed.room;
        let mut pipe = || {
            let room = least * (1 + self.chance.index(times));
            Pipe { room, ..Pipe::default() }
        };
        let conn = Conn {
            places: [from, to],
            pipes: [pipe(), pipe()],
            closed: [false; 2],
            is_reset: false,
            is_told: [false; 2],
            is_dead: false,
        };
        match self.free.pop() {
            Some(id) => {
                self.conns[id] = Some(conn);
                id
            }
            None => {
                self.conns.push(Some(conn));
                self.conns.len() - 1
            }
        }
    }

    /// Who has an end.
    pub fn place(&self, id: ConnId, end: usize) -> Option<Place> {
        self.conns.get(id)?.as_ref().map(|conn| conn.places[end])
    }

    /// Bytes that came to this end so far.
    pub fn delivered(&self, id: ConnId, end: usize) -> u64 {
        let conn = self.conns.get(id).and_then(Option::as_ref);
        conn.map_or(0, |conn| conn.pipes[1 - end].delivered)
    }

    /// Bytes that came to this end and are not read, and bytes that it sent and that are on their way.
    pub fn held(&self, id: ConnId, end: usize) -> (usize, usize) {
        let conn = self.conns.get(id).and_then(Option::as_ref);
        conn.map_or((0, 0), |conn| (conn.pipes[1 - end].ready.len(), conn.pipes[end].in_flight))
    }

    /// Writes as much as there is room for. `Err`: it was reset.
    pub fn write(
        &mut self,
        id: ConnId,
        end: usize,
        bytes: &[u8],
        queue: &mut Queue<Event>,
    ) -> Result<usize, Reset> {
        let Some(conn) = self.conns.get_mut(id).and_then(Option::as_mut) else { return Err(Reset) };
        if conn.is_reset || conn.closed[end] {
            return Err(Reset);
        }
        let pipe = &mut conn.pipes[end];
        let room = pipe.room.saturating_sub(pipe.in_flight + pipe.ready.len());
        let len = room.min(bytes.len());
        pipe.wants_room = len < bytes.len();
        if len == 0 {
            return Ok(0);
        }
        if conn.closed[1 - end] && !conn.is_dead {
            // Nobody reads it: a reset comes back.
            self.reset_in(id, queue);
            return Ok(len);
        }
        let pieces = if len > 1 && self.chance.one_in(6) { 2 + self.chance.index(2) } else { 1 };
        let mut rest = &bytes[..len];
        for left in (1..=pieces).rev() {
            let part = match left {
                1 => rest.len(),
                _ => self.chance.index(rest.len()).max(1).min(rest.len()),
            };
            let (now, later) = rest.split_at(part);
            rest = later;
            if !now.is_empty() {
                self.send(id, end, now.to_vec(), false, queue);
            }
        }
        Ok(len)
    }

    fn send(
        &mut self,
        id: ConnId,
        end: usize,
        bytes: Vec<u8>,
        is_end: bool,
        queue: &mut Queue<Event>,
    ) {
        let delay_ns = self.draw_delay_ns();
        let Some(conn) = self.conn(id) else { return };
        let pipe = &mut conn.pipes[end];
        let at_ns = (queue.now_ns() + delay_ns).max(pipe.last_ns + 1);
        pipe.last_ns = at_ns;
        pipe.in_flight += bytes.len();
        pipe.flight.push_back(Piece { at_ns, bytes, is_end });
        if !std::mem::replace(&mut pipe.is_armed, true) {
            queue.at(at_ns, Event::Deliver(id, end));
        }
    }

    /// What this end sent is due. Who is told that there is something to read, if anybody.
    pub fn deliver(&mut self, id: ConnId, end: usize, queue: &mut Queue<Event>) -> Option<Place> {
        let Some(Some(conn)) = self.conns.get_mut(id) else { return None };
        let [from, to] = [conn.places[end], conn.places[1 - end]];
        let pipe = &mut conn.pipes[end];
        // It may be an event of what was reset, or of another connection of this number.
        if pipe.flight.front().is_none_or(|piece| piece.at_ns > queue.now_ns()) {
            return None;
        }
        if self.closed[from][to] > 0 || conn.is_dead {
            pipe.is_stalled = true;
            return None;
        }
        let piece = pipe.flight.pop_front()?;
        pipe.in_flight -= piece.bytes.len();
        pipe.delivered += piece.bytes.len() as u64;
        pipe.has_ended |= piece.is_end;
        pipe.ready.extend(piece.bytes);
        match pipe.flight.front() {
            Some(next) => queue.at(next.at_ns, Event::Deliver(id, end)),
            None => pipe.is_armed = false,
        }
        (!conn.closed[1 - end]).then_some(to)
    }

    /// Whether it was reset.
    pub fn is_reset(&self, id: ConnId) -> bool {
        self.conns.get(id).and_then(Option::as_ref).is_none_or(|conn| conn.is_reset)
    }

    /// Whether there is something to read, or an end.
    pub fn is_readable(&self, id: ConnId, end: usize) -> bool {
        self.conns.get(id).and_then(Option::as_ref).is_none_or(|conn| {
            let pipe = &conn.pipes[1 - end];
            !pipe.ready.is_empty() || pipe.has_ended || conn.is_reset
        })
    }

    /// Reads at most so many bytes.
    pub fn read(
        &mut self,
        id: ConnId,
        end: usize,
        most: usize,
        into: &mut Vec<u8>,
        queue: &mut Queue<Event>,
    ) -> Read {
        let Some(conn) = self.conn(id) else { return Read::Reset };
        if conn.is_reset {
            return Read::Reset;
        }
        let pipe = &mut conn.pipes[1 - end];
        let len = most.min(pipe.ready.len());
        if len == 0 {
            return if pipe.has_ended && most > 0 { Read::End } else { Read::Nothing };
        }
        let (front, back) = pipe.ready.as_slices();
        let of_front = len.min(front.len());
        into.extend_from_slice(&front[..of_front]);
        into.extend_from_slice(&back[..len - of_front]);
        pipe.ready.drain(..len);
        if std::mem::take(&mut pipe.wants_room) {
            let delay_ns = self.draw_delay_ns();
            queue.after(delay_ns, Event::Room(id, 1 - end));
        }
        Read::Bytes(len)
    }

    /// An end closes: what it sent still comes.
    pub fn close(&mut self, id: ConnId, end: usize, queue: &mut Queue<Event>) {
        let Some(conn) = self.conn(id) else { return };
        if std::mem::replace(&mut conn.closed[end], true) {
            return;
        }
        if !conn.is_reset && !conn.closed[1 - end] {
            self.send(id, end, Vec::new(), true, queue);
        }
        self.forget(id);
    }

    fn forget(&mut self, id: ConnId) {
        if self.conns[id].as_ref().is_some_and(|conn| conn.closed == [true; 2]) {
            self.conns[id] = None;
            self.free.push(id);
        }
    }

    /// An end gives it up at once: the other one is reset.
    pub fn abort(&mut self, id: ConnId, end: usize, queue: &mut Queue<Event>) {
        self.reset_in(id, queue);
        if let Some(conn) = self.conn(id) {
            conn.closed[end] = true;
            self.forget(id);
        }
    }

    /// It is cut: both ends are reset.
    pub fn cut(&mut self, id: ConnId, queue: &mut Queue<Event>) {
        self.reset_in(id, queue);
    }

    fn reset_in(&mut self, id: ConnId, queue: &mut Queue<Event>) {
        let delays = [self.draw_delay_ns(), self.draw_delay_ns()];
        let Some(conn) = self.conn(id) else { return };
        if std::mem::replace(&mut conn.is_reset, true) {
            return;
        }
        for pipe in &mut conn.pipes {
            pipe.flight.clear();
            pipe.ready.clear();
            (pipe.in_flight, pipe.is_armed) = (0, true);
        }
        for (end, delay_ns) in delays.into_iter().enumerate() {
            queue.after(delay_ns, Event::Reset(id, end));
        }
    }

    /// An end is to learn of a reset. Who has it, if it is open and the way is.
    pub fn tell_reset(&mut self, id: ConnId, end: usize) -> Option<Place> {
        let Some(Some(conn)) = self.conns.get_mut(id) else { return None };
        let [from, to] = [conn.places[1 - end], conn.places[end]];
        let is_open = self.closed[from][to] == 0;
        if !conn.is_reset || conn.is_told[end] || conn.closed[end] || !is_open {
            return None;
        }
        conn.is_told[end] = true;
        Some(to)
    }

    /// From now on bytes vanish, and no end is told.
    pub fn make_half_open(&mut self, id: ConnId) {
        if let Some(conn) = self.conn(id) {
            conn.is_dead = true;
        }
    }

    /// The connections between open ends that a place has.
    pub fn of(&self, place: Place) -> Vec<(ConnId, usize)> {
        let conns = self.conns.iter().enumerate();
        let conns = conns.filter_map(|(id, conn)| Some((id, conn.as_ref()?)));
        let ends = conns.flat_map(|(id, conn)| {
            (0..2)
                .filter(move |end| conn.places[*end] == place && !conn.closed[*end])
                .map(move |end| (id, end))
        });
        ends.collect()
    }

    /// All connections, with the places of their ends.
    pub fn all(&self) -> Vec<(ConnId, [Place; 2])> {
        let conns = self.conns.iter().enumerate();
        conns.filter_map(|(id, conn)| Some((id, conn.as_ref()?.places))).collect()
    }

    /// All ways are open, and what was half-open is cut.
    pub fn heal(&mut self, queue: &mut Queue<Event>) {
        let places = self.closed.len();
        for from in 0..places {
            for to in 0..places {
                while self.closed[from][to] > 0 {
                    self.close_way(from, to, false, queue);
                }
            }
        }
        for (id, _) in self.all() {
            if self.conn(id).is_some_and(|conn| conn.is_dead) {
                self.cut(id, queue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> (Network, Queue<Event>) {
        (Network::new(3, Chance::new(1)), Queue::default())
    }

    /// Lets everything come, and returns what one end can read.
    fn settle(net: &mut Network, queue: &mut Queue<Event>, id: ConnId, end: usize) -> Vec<u8> {
        while let Some(event) = queue.pop() {
            match event {
                Event::Deliver(id, end) => drop(net.deliver(id, end, queue)),
                Event::Reset(id, end) => drop(net.tell_reset(id, end)),
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        let _ = net.read(id, end, usize::MAX, &mut bytes, queue);
        bytes
    }

    #[test]
    fn bytes_come_in_order_and_a_full_connection_takes_no_more() {
        let (mut net, mut queue) = network();
        let id = net.connect(0, 1);
        let all: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let (mut sent, mut come) = (0, Vec::new());
        while sent < all.len() {
            sent += net.write(id, 0, &all[sent..], &mut queue).expect("open");
            assert_eq!(net.write(id, 0, &all[sent..], &mut queue), Ok(0), "it is full");
            come.extend(settle(&mut net, &mut queue, id, 1));
        }
        assert_eq!(come, all);
        net.close(id, 0, &mut queue);
        assert_eq!(settle(&mut net, &mut queue, id, 1), b"");
        assert_eq!(net.read(id, 1, 9, &mut Vec::new(), &mut queue), Read::End);
    }

    #[test]
    fn a_closed_way_holds_bytes_back_in_one_direction() {
        let (mut net, mut queue) = network();
        let id = net.connect(0, 1);
        net.close_way(0, 1, true, &mut queue);
        net.write(id, 0, b"to", &mut queue).expect("open");
        net.write(id, 1, b"fro", &mut queue).expect("open");
        assert_eq!(settle(&mut net, &mut queue, id, 1), b"");
        assert_eq!(settle(&mut net, &mut queue, id, 0), b"fro");
        net.close_way(0, 1, false, &mut queue);
        assert_eq!(settle(&mut net, &mut queue, id, 1), b"to");
    }

    #[test]
    fn what_is_cut_or_half_open_carries_nothing() {
        let (mut net, mut queue) = network();
        let (cut, dead) = (net.connect(0, 1), net.connect(0, 1));
        net.write(cut, 0, b"x", &mut queue).expect("open");
        net.cut(cut, &mut queue);
        assert_eq!(settle(&mut net, &mut queue, cut, 1), b"");
        assert_eq!(net.read(cut, 1, 9, &mut Vec::new(), &mut queue), Read::Reset);
        assert_eq!(net.write(cut, 0, b"y", &mut queue), Err(Reset));
        net.make_half_open(dead);
        net.write(dead, 0, b"x", &mut queue).expect("nothing is told");
        assert_eq!(settle(&mut net, &mut queue, dead, 1), b"");
        assert_eq!(net.read(dead, 1, 9, &mut Vec::new(), &mut queue), Read::Nothing);
        net.heal(&mut queue);
        assert_eq!(net.read(dead, 1, 9, &mut Vec::new(), &mut queue), Read::Reset);
    }
}
