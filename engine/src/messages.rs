//! Messages to clients that answer no request: published ones, keyspace events, invalidations, what a monitor sees.
//!
//! They go to the receiver's outbox, and its connection is woken at the end of the turn. A session that is executing a
//! command is not in its slot; what is meant for it waits until its reply has been written, and comes behind it.
//!
//! # Invariants
//! - a channel or pattern without subscribers is in no table
//!
//! # Not here
//! - whom an invalidation concerns: [`crate::tracking`]

use crate::context::Class;
use crate::engine::Engine;
use crate::session::Session;
use crate::tables::Unordered;
use protocol::resp::Reply;

/// Bytes of the buffer that messages are written into that are kept.
const MESSAGE_KEPT: usize = 16 << 10;

/// Which keyspace events are published.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct EventSettings {
    /// `__keyspace@<db>__:<key>` gets the event's name.
    pub by_key: bool,
    /// `__keyevent@<db>__:<event>` gets the key.
    pub by_event: bool,
    /// A bit for each [`Class`].
    pub classes: u32,
}

impl EventSettings {
    /// Whether events of a class are published in any way.
    #[inline]
    pub fn has(&self, class: Class) -> bool {
        self.classes & 1 << class as u32 != 0 && (self.by_key || self.by_event)
    }
}

/// A message on its way to one client.
pub(crate) enum Message {
    /// Published to a channel; for one that subscribed to a pattern, with it.
    Published { kind: &'static [u8], pattern: Option<Vec<u8>>, channel: Vec<u8>, body: Vec<u8> },
    /// Keys that a client must not keep any longer; `None` stands for all. `redirected`: it holds them for another one.
    Invalid { keys: Option<Vec<Vec<u8>>>, redirected: bool },
    /// The client that gets this one's invalidations has gone.
    RedirectionBroken { target: u64 },
    /// A line for a monitor.
    Monitor(Vec<u8>),
}

impl Message {
    /// Bytes of what it consists of.
    fn len(&self) -> usize {
        match self {
            Message::Published { pattern, channel, body, .. } => {
                pattern.as_ref().map_or(0, Vec::len) + channel.len() + body.len()
            }
            Message::Invalid { keys, .. } => keys.iter().flatten().map(Vec::len).sum(),
            Message::RedirectionBroken { .. } => 0,
            Message::Monitor(line) => line.len(),
        }
    }

    /// Writes it for a session, behind what is in `out`.
    fn write(&self, session: &mut Session, out: &mut Vec<u8>) {
        let resp3 = session.resp3;
        let mut reply = Reply::new(out, resp3);
        match self {
            Message::Published { kind, pattern, channel, body } => {
                reply.push(if pattern.is_some() { 4 } else { 3 });
                reply.bulk(kind);
                if let Some(pattern) = pattern {
                    reply.bulk(pattern);
                }
                reply.bulk(channel);
                reply.bulk(body);
            }
            Message::Invalid { keys, redirected } => {
                if resp3 {
                    reply.push(2);
                    reply.bulk(b"invalidate");
                } else if *redirected && session.subscriptions() > 0 {
                    reply.array(3);
                    reply.bulk(b"message");
                    reply.bulk(b"__redis__:invalidate");
                } else {
                    // Version 2 of the protocol has no other way to tell it.
                    return;
                }
                match keys {
                    Some(keys) => {
                        reply.array(keys.len());
                        keys.iter().for_each(|key| reply.bulk(key));
                    }
                    None => reply.null(),
                }
            }
            Message::RedirectionBroken { target } => {
                if let Some(tracking) = &mut session.tracking {
                    tracking.broken = true;
                }
                if resp3 {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.int(*target as i64);
                }
            }
            Message::Monitor(line) => reply.buffer().extend_from_slice(line),
        }
    }
}

impl Engine {
    /// Sends a message to the session in `slot`, or keeps it for the one that is executing a command.
    pub(crate) fn send(&mut self, slot: usize, message: Message) {
        if self.session(slot).is_none() {
            self.late_bytes += message.len();
            // More than may wait for who is executing: the rest need not be kept either.
            let most = match message {
                Message::Published { .. } => self.late_limits.subscribed,
                _ => self.late_limits.ordinary,
            };
            if self.late_bytes <= most {
                self.late.push((slot, message));
            }
            return;
        }
        let mut bytes = std::mem::take(&mut self.message);
        let session = self.session_mut(slot).expect("it was just there");
        message.write(session, &mut bytes);
        if session.add_message(&bytes) {
            self.woken.push(slot);
        }
        bytes.clear();
        bytes.shrink_to(MESSAGE_KEPT);
        self.message = bytes;
    }

    /// Writes what came for a session while it was executing.
    pub(crate) fn deliver_late(&mut self, session: &mut Session, out: &mut Vec<u8>) {
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(to, _)| *to == session.slot);
        self.late = others;
        let late_bytes = std::mem::take(&mut self.late_bytes);
        session.outbox_overrun |= late_bytes > session.outbox_most();
        let redirect = session.tracking.as_ref().and_then(|mode| mode.redirect);
        for (slot, message) in mine {
            match (message, redirect) {
                (Message::Invalid { keys, redirected: false }, Some(_)) => {
                    self.tell(slot, redirect, keys);
                }
                (message, _) => message.write(session, out),
            }
        }
    }

    /// Publishes a keyspace event, if anybody asked for its class.
    #[inline]
    pub fn notify(&mut self, db: usize, class: Class, event: &str, key: &[u8]) {
        if self.events.classes & (1 << class as u32) == 0 {
            return;
        }
        if self.events.by_key {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, event.as_bytes());
        }
        if self.events.by_event {
            let channel = format!("__keyevent@{db}__:{event}");
            self.publish(channel.as_bytes(), key);
        }
    }

    /// Delivers a message to all subscribers and returns how many there are.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let mut targets: Vec<(usize, Option<Vec<u8>>)> = Vec::new();
        if let Some(slots) = self.channels.get(channel) {
            targets.extend(slots.iter().map(|slot| (*slot, None)));
        }
        for (pattern, slots) in &self.patterns {
            if crate::glob::matches(pattern, channel, false) {
                targets.extend(slots.iter().map(|slot| (*slot, Some(pattern.clone()))));
            }
        }
        let count = targets.len();
        for (slot, pattern) in targets {
            let kind: &[u8] = if pattern.is_some() { b"pmessage" } else { b"message" };
            let (channel, body) = (channel.to_vec(), message.to_vec());
            self.send(slot, Message::Published { kind, pattern, channel, body });
        }
        count
    }

    /// The same for a shard channel.
    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let slots = self.shard_channels.get(channel).cloned().unwrap_or_default();
        for slot in &slots {
            let (channel, body) = (channel.to_vec(), message.to_vec());
            let message = Message::Published { kind: b"smessage", pattern: None, channel, body };
            self.send(*slot, message);
        }
        slots.len()
    }

    /// How many channels, patterns and shard channels have subscribers.
    pub fn channel_counts(&self) -> (usize, usize, usize) {
        (self.channels.len(), self.patterns.len(), self.shard_channels.len())
    }

    /// Drops all subscriptions of a session, without a word to it.
    pub(crate) fn unsubscribe_all(&mut self, session: &mut Session) {
        for channel in std::mem::take(&mut session.channels) {
            forget(&mut self.channels, &channel, session.slot);
        }
        for channel in std::mem::take(&mut session.shard_channels) {
            forget(&mut self.shard_channels, &channel, session.slot);
        }
        for pattern in std::mem::take(&mut session.patterns) {
            self.forget_pattern(&pattern, session.slot);
        }
    }

    /// Ends one subscription to a pattern.
    pub(crate) fn forget_pattern(&mut self, pattern: &[u8], slot: usize) {
        let Some(slots) = self.patterns.get_mut(pattern) else { return };
        slots.retain(|other| *other != slot);
        if slots.is_empty() {
            self.patterns.remove(pattern);
        }
    }
}

/// Ends one subscription to a channel.
pub(crate) fn forget(channels: &mut Unordered<Vec<u8>, Vec<usize>>, channel: &[u8], slot: usize) {
    let Some(slots) = channels.get_mut(channel) else { return };
    slots.retain(|other| *other != slot);
    if slots.is_empty() {
        channels.remove(channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[test]
    fn new_and_missed_keys_are_told_when_asked_for() {
        let mut server = Server::new();
        server.listen_for(1 << Class::New as u32 | 1 << Class::KeyMiss as u32);
        for (line, events) in [
            ("SET a 1", "new:a"),
            ("SET a 2", ""),
            ("APPEND a 3", ""),
            ("GET a", ""),
            ("GET b", "keymiss:b"),
            ("MGET b a c", "keymiss:b keymiss:c"),
            ("RPUSH l 1", "new:l"),
            ("RPUSH l 1", ""),
            ("SADD s 1 2", "new:s"),
            ("SUNIONSTORE a s", ""),
            ("SUNIONSTORE t s none", "keymiss:none new:t"),
            ("RENAME t u", "new:u"),
            ("RENAME u s", "new:s"),
            ("COPY s l REPLACE", "new:l"),
            ("COPY s none2", "new:none2"),
            ("DEL none", ""),
            ("INCR n", "new:n"),
        ] {
            server.ok(line);
            assert_eq!(server.events(), events, "{line}");
        }
    }
}
