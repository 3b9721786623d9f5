//! The connection to a primary: what `server/src/tasks/link.rs` does, over the network of the world.

use super::Process;
use super::parts::{Whose, Wire};
use crate::around::{Around, Moment};
use crate::check::rule::Answer;
use crate::event::{ConnId, Event, Place, ToProcess};
use crate::net::{Read, Reset};
use node::clients::Arrival;
use node::persistence::loader::Outcome;
use replica::link::{Action, Attempt, Event as LinkEvent, Stage};

impl Process {
    /// Does what the node's link wants done.
    pub(super) fn do_link_action(&mut self, action: Action, around: &mut Around) {
        match action {
            Action::Dial(attempt) => {
                self.hang_up(around);
                self.wire = Some(Wire {
                    attempt,
                    conn: None,
                    slot: None,
                    buffer: Vec::new(),
                    out: Vec::new(),
                    asks: None,
                    waits: false,
                });
                let Some(following) = self.node.host.replication.following() else { return };
                let target = following.host.strip_prefix("node").and_then(|n| n.parse().ok());
                let target = target.expect("the world's names are node and a number");
                let delay_ns = 2 * around.net.draw_delay_ns();
                let event = ToProcess::Dial(attempt, target);
                around.queue.after(delay_ns, Event::Process(self.place, self.life, event));
            }
            Action::Send(attempt, bytes) => self.send_on_link(attempt, &bytes, around),
            Action::Close(attempt) => {
                if self.wire.as_ref().is_some_and(|wire| wire.attempt == attempt) {
                    self.hang_up(around);
                }
            }
            Action::Start(..) => unreachable!("the node starts jobs itself"),
        }
    }

    fn hang_up(&mut self, around: &mut Around) {
        if let Some(Wire { conn: Some(conn), .. }) = self.wire.take() {
            self.by_conn.remove(&conn);
            around.net.close(conn, 0, &mut around.queue);
        }
    }

    fn tell_link(&mut self, attempt: Attempt, event: LinkEvent<Outcome>, around: &mut Around) {
        self.turn(node::Event::Link(attempt, Box::new(event)), around);
    }

    /// The attempt has ended by itself.
    fn link_ended(&mut self, event: LinkEvent<Outcome>, around: &mut Around) {
        let Some(attempt) = self.wire.as_ref().map(|wire| wire.attempt) else { return };
        self.hang_up(around);
        self.tell_link(attempt, event, around);
    }

    /// Whether an attempt is that under way, without a connection.
    pub fn is_dialling(&self, attempt: Attempt) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.attempt == attempt && wire.conn.is_none())
    }

    /// What was dialled is there.
    pub fn dialled(&mut self, attempt: Attempt, conn: ConnId, target: Place, around: &mut Around) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.attempt == attempt) else { return };
        wire.conn = Some(conn);
        self.by_conn.insert(conn, Whose::Link);
        let address = format!("node{target}:{}", 7000 + target);
        let local_address = format!("node{}:{}", self.place, 30_000 + conn);
        let arrival = Arrival { address, local_address, fd: conn as i32 + 8, is_unix: false };
        self.node.host.now = self.now(around);
        let slot = self.node.register_link(attempt, arrival);
        if let Some(wire) = &mut self.wire {
            wire.slot = slot;
        }
        self.tell_link(attempt, LinkEvent::Connected, around);
    }

    /// Nobody takes connections there.
    pub fn refused(&mut self, attempt: Attempt, around: &mut Around) {
        if self.is_dialling(attempt) {
            self.hang_up(around);
            let error = "Connection refused".to_string();
            self.tell_link(attempt, LinkEvent::DialFailed(error), around);
        }
    }

    /// CLIENT KILL of the link's slot.
    pub(super) fn kill_link(&mut self, slot: usize, around: &mut Around) -> bool {
        let is_link = self.wire.as_ref().is_some_and(|wire| wire.slot == Some(slot));
        if is_link {
            self.link_ended(LinkEvent::Killed, around);
        }
        is_link
    }

    fn send_on_link(&mut self, attempt: Attempt, bytes: &[u8], around: &mut Around) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.attempt == attempt) else { return };
        if wire.conn.is_none() {
            return;
        }
        if bytes.windows(5).any(|part| part == b"PSYNC") {
            wire.asks = Some(Vec::new());
        }
        let before = wire.out.is_empty();
        wire.out.extend_from_slice(bytes);
        self.write_on_link(around);
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.attempt == attempt) else { return };
        if before && !wire.out.is_empty() {
            self.tell_link(attempt, LinkEvent::Stuck, around);
        }
    }

    fn write_on_link(&mut self, around: &mut Around) {
        let Some(wire) = &mut self.wire else { return };
        let Some(conn) = wire.conn else { return };
        match around.net.write(conn, 0, &wire.out, &mut around.queue) {
            Ok(len) => drop(wire.out.drain(..len)),
            // What comes of it is told when it is read.
            Err(Reset) => self.link_task(),
        }
    }

    /// There is room again.
    pub(super) fn link_room(&mut self, around: &mut Around) {
        let Some(wire) = &self.wire else { return };
        let (attempt, had) = (wire.attempt, !wire.out.is_empty());
        self.write_on_link(around);
        if had && self.wire.as_ref().is_some_and(|wire| wire.out.is_empty()) {
            self.tell_link(attempt, LinkEvent::Drained, around);
        }
    }

    /// The link's turn: what has come is taken as far as the node wants it.
    pub(super) fn link_turn(&mut self, around: &mut Around) {
        for _ in 0..4 {
            let Some(wire) = &mut self.wire else { return };
            let Some(conn) = wire.conn else { return };
            let wanted = self.node.link_read_size(wire.buffer.len());
            wire.waits = wanted == 0;
            if wire.waits {
                if around.net.is_reset(conn) {
                    return self
                        .link_ended(LinkEvent::ReadFailed("Connection reset".into()), around);
                }
                return;
            }
            let read = around.net.read(conn, 0, wanted, &mut wire.buffer, &mut around.queue);
            match read {
                Read::Nothing => return,
                Read::End => return self.link_ended(LinkEvent::Closed, around),
                Read::Reset => {
                    return self
                        .link_ended(LinkEvent::ReadFailed("Connection reset".into()), around);
                }
                Read::Bytes(len) => self.hear_answer(len, around),
            }
            self.give_to_link(around);
            self.cut_at_its_moment(conn, around);
        }
        self.link_task();
    }

    /// Resets the connection if this is the moment that it is to be reset at.
    fn cut_at_its_moment(&mut self, conn: ConnId, around: &mut Around) {
        let Some(moment) = around.machines[self.place].cuts else { return };
        let Some(following) = self.node.host.replication.following() else { return };
        let is_now = match moment {
            Moment::Transfer => following.stage == Stage::Transfer && around.chance.one_in(2),
            Moment::Transaction => {
                let session = self.node.engine.session(following.slot);
                session.is_some_and(|session| session.multi.is_some())
            }
        };
        if is_now {
            around.machines[self.place].cuts = None;
            around.note(self.place, "is cut off", [moment as u64, 0]);
            around.net.cut(conn, &mut around.queue);
        }
    }

    fn give_to_link(&mut self, around: &mut Around) {
        let Some(wire) = &mut self.wire else { return };
        let (attempt, mut buffer) = (wire.attempt, std::mem::take(&mut wire.buffer));
        self.turn(node::Event::LinkBytes(attempt, &mut buffer), around);
        if let Some(wire) = self.wire.as_mut().filter(|wire| wire.attempt == attempt) {
            wire.buffer = buffer;
        }
    }

    /// The node may want what it did not want before.
    pub(super) fn link_wants(&mut self, around: &mut Around) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.waits) else { return };
        if !wire.buffer.is_empty() && self.node.link_read_size(wire.buffer.len()) > 0 {
            self.give_to_link(around);
        }
        self.link_turn(around);
    }

    /// Looks for the answer to what was asked among what has just come.
    fn hear_answer(&mut self, len: usize, around: &mut Around) {
        let Some(wire) = &mut self.wire else { return };
        let Some(lines) = &mut wire.asks else { return };
        lines.extend_from_slice(&wire.buffer[wire.buffer.len() - len..]);
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            if let Some(answer) = Answer::parse(line) {
                wire.asks = None;
                let now_ns = around.now_ns();
                around.trace.say(now_ns, self.place, format_args!("hears {line}"));
                if let Some(known) = &mut around.machines[self.place].known {
                    known.answered(answer);
                }
                return;
            }
            if line.starts_with('-') {
                wire.asks = None;
                return;
            }
        }
    }
}
